"""The fault that cost its finders a day: NumPy 1.26 laid over NumPy 2 (`lapsdata.storage.numpy_install`).

The overlay is made of the two real wheels and put before everything else on the path of a child process. There h5py's
own reading fails, ours is exact, tensors are right, and the doctor names the cause.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest

import lapsdata
from lapsdata.testing.samples import sample_tracks

if TYPE_CHECKING:
    from collections.abc import Mapping

WHEELS = "LAPSDATA_NUMPY_WHEELS"

PATIENT = r"""
import json, sys
import h5py, numpy as np, torch
from lapsdata.checks.doctor import diagnose, findings_as_json
from lapsdata._inspect import inspect_low_level, render_low_level
from lapsdata.errors import LapsError
from lapsdata.storage.hdf5_file import Hdf5File
from lapsdata.storage.hdf5_ladder import RUNGS
from lapsdata.storage.tensors import as_tensor

path = sys.argv[1]
told = {"numpy": np.__version__, "plain": {}, "ours": {}, "rungs": {}, "forced": {}, "tensors": {}, "refused": {}}
with h5py.File(path) as file:
    for name in file:
        try:
            told["plain"][name] = file[name][...].tobytes().hex()
        except Exception as error:
            told["plain"][name] = f"{type(error).__name__}: {error}"
with Hdf5File(path) as file:
    for name in ("f4", "packed", "f4_big", "f8", "f2", "i4", "u8_big", "i1", "bool", "header", "empty"):
        values = file.read(name)
        told["ours"][name] = [values.dtype.str, list(values.shape), values.tobytes().hex()]
        told["rungs"][name] = file.describe(name).rung
        if values.dtype.kind in "fib":
            tensor = as_tensor(values)
            told["tensors"][name] = [str(tensor.dtype), list(tensor.shape), tensor.tolist()]
    told["text"] = [item.decode() for item in file.read("text").tolist()]
    rows = file.read("packed", slice(3, 5))
    told["rows"] = [rows.dtype.str, list(rows.shape), rows.tobytes().hex()]
    told["attributes"] = [float(file.attribute("f4", "rate")), file.attribute("f4", "size").tolist(),
                          file.attribute("f4", "name"), file.attribute("f4", "tag").decode()]
    for name in ("compound", "ragged"):
        try:
            file.read(name)
        except LapsError as error:
            told["refused"][name] = str(error)
for rung in RUNGS:
    with Hdf5File(path, rungs=(rung,)) as file:
        for name in ("f4", "packed", "f8", "i4"):
            try:
                told["forced"][f"{rung} {name}"] = file.read(name).tobytes().hex()
            except LapsError as error:
                told["forced"][f"{rung} {name}"] = str(error)
told["flattened"] = list(torch.asarray(np.zeros((2, 3), "f4")).shape)
found = diagnose()
told["doctor"] = findings_as_json(found)
# What the command says of just these: to find them takes seconds.
import contextlib, io
from lapsdata.checks import doctor
from lapsdata.cli.main import main
doctor.diagnose = lambda: found
sys.argv = ["lapsdata", "doctor"]
out, err = io.StringIO(), io.StringIO()
with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
    try:
        main()
    except SystemExit as end:
        told["command"] = [end.code, out.getvalue(), err.getvalue()]
told["inspect"] = render_low_level(inspect_low_level(path, pick=1))
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def wheels() -> list[Path]:
    """The wheels of NumPy 2.1.3 and 1.26.4, in the order in which they are laid over each other."""
    named = os.environ.get(WHEELS)
    if not named:
        pytest.skip(f"{WHEELS} names no folder of wheels: run `make test`, which fetches them")
    found = [sorted(Path(named).glob(f"numpy-{version}-*.whl")) for version in ("2.1.3", "1.26.4")]
    if not all(found):
        pytest.fail(f"{WHEELS}={named} holds no wheels of numpy 2.1.3 and 1.26.4")
    return [paths[0] for paths in found]


def lay(wheels: list[Path], folder: Path) -> Path:
    folder.mkdir()
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
    return folder


def run(script: str, overlay: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(overlay)}
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def overlay(wheels: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lay(wheels, tmp_path_factory.mktemp("overlay") / "site")


@pytest.fixture(scope="module")
def truth() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    tracks = rng.normal(scale=300, size=(6, 4, 5, 2)).astype("f4")
    tracks[2, 1, 3] = np.nan
    return {
        "f4": tracks,
        "packed": tracks,
        "f4_big": tracks.astype(">f4"),
        "f8": rng.normal(size=(7, 3)),
        "f2": rng.normal(size=(7, 3)).astype("f2"),
        "i4": rng.integers(-(2**31), 2**31, (5, 3), dtype="i4"),
        "u8_big": rng.integers(0, 2**64, (5,), dtype="u8").astype(">u8"),
        "i1": np.arange(-3, 3, dtype="i1"),
        "bool": np.array([[True, False], [False, False]]),
        "header": np.array(b'{"format": "tracks"}'),
        "empty": np.zeros((0, 4, 2), "f4"),
    }


@pytest.fixture(scope="module")
def patient(overlay: Path, truth: dict[str, np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the child process saw, in an install that is broken in just this way."""
    path = tmp_path_factory.mktemp("data") / "clip.h5"
    with h5py.File(path, "w") as file:
        for name, values in truth.items():
            if name == "packed":
                packing = {"compression": "gzip", "shuffle": True, "fletcher32": True}
                file.create_dataset(name, data=values, chunks=(1, *values.shape[1:]), **packing)
            else:
                file[name] = values
        file["text"] = np.array(["a", "Käse"], dtype=h5py.string_dtype())
        file["compound"] = np.zeros(3, [("x", "f4"), ("flag", "?")])
        ragged = file.create_dataset("ragged", (2,), h5py.vlen_dtype("f4"))
        ragged[0] = np.ones(2)
        file["f4"].attrs["rate"] = 29.97
        file["f4"].attrs["size"] = np.array([480, 640])
        file["f4"].attrs["name"] = "Käse"
        file["f4"].attrs["tag"] = np.bytes_(b"v1")
    told: dict[str, Any] = json.loads(run(PATIENT, overlay, str(path)))
    assert told["numpy"] == "1.26.4"
    return told


def native(values: np.ndarray) -> list[Any]:
    values = values.astype(values.dtype.newbyteorder("="))
    return [values.dtype.str, list(values.shape), values.tobytes().hex()]


def test_h5py_fails_where_our_reader_is_exact_and_the_doctor_names_the_cause(
    patient: dict[str, Any], truth: dict[str, np.ndarray]
) -> None:
    single = "ValueError: Insufficient precision in available types to represent (31, 23, 8, 0, 23)"
    double = "ValueError: Insufficient precision in available types to represent (63, 52, 11, 0, 52)"
    for name in ("f4", "packed", "f4_big", "empty"):
        assert patient["plain"][name] == single
    assert patient["plain"]["f8"] == double
    for name in ("i4", "u8_big", "i1"):
        assert patient["plain"][name] == "TypeError: Unsupported integer size (0)"
    assert "Size must be positive" in patient["plain"]["header"]

    assert set(patient["ours"]) == set(truth)
    for name, values in truth.items():
        assert patient["ours"][name] == native(values), name

    tensors = patient["tensors"]
    assert set(tensors) == {"f4", "packed", "f4_big", "f8", "f2", "i4", "i1", "bool", "empty"}
    for name, (_, shape, values) in tensors.items():
        assert shape == list(truth[name].shape)
        np.testing.assert_array_equal(np.array(values, truth[name].dtype).reshape(shape), truth[name])
    assert tensors["f4"][0] == "torch.float32"

    report = patient["doctor"]
    first = report["findings"][0]
    assert report["status"] == "error"
    assert (first["name"], first["problem"]["code"]) == ("numpy-install", "mixed-numpy-install")
    assert "expected NumPy 1.26.4 alone" in first["details"]
    assert "pip uninstall -y numpy" in first["problem"]["fix"]


def test_which_rung_served_is_told(patient: dict[str, Any]) -> None:
    rungs = patient["rungs"]
    assert {name: rungs[name] for name in ("f4", "packed", "f4_big", "f8", "f2", "empty")} == dict.fromkeys(
        ("f4", "packed", "f4_big", "f8", "f2", "empty"), "read_direct"
    )
    assert {rungs[name] for name in ("i4", "u8_big", "i1", "header")} == {"memory_type"}
    assert rungs["bool"] == "h5py"


def test_each_lower_rung_is_exact_or_refuses(patient: dict[str, Any], truth: dict[str, np.ndarray]) -> None:
    forced = patient["forced"]
    for rung in ("memory_type", "chunks"):
        for name in ("f4", "packed", "f8", "i4"):
            assert forced[f"{rung} {name}"] == truth[name].tobytes().hex()
    for name in ("f4", "packed", "f8"):
        assert forced[f"read_direct {name}"] == truth[name].tobytes().hex()
        assert "Insufficient precision" in forced[f"h5py {name}"]
        assert "expected NumPy 1.26.4 alone" in forced[f"h5py {name}"]
    assert "Unsupported integer size" in forced["read_direct i4"]


def test_rows_text_and_attributes(patient: dict[str, Any], truth: dict[str, np.ndarray]) -> None:
    assert patient["rows"] == native(truth["packed"][3:5])
    assert patient["text"] == ["a", "Käse"]
    assert patient["attributes"] == [29.97, [480, 640], "Käse", "v1"]


def test_structures_are_refused_with_the_cause(patient: dict[str, Any]) -> None:
    assert set(patient["refused"]) == {"compound", "ragged"}
    for name, kind in (("compound", "compound"), ("ragged", "variable-length")):
        message = patient["refused"][name]
        assert f"clip.h5: {name}: expected a sound NumPy for {kind} elements" in message
        assert message.endswith("[mixed-numpy-install]")


def test_torch_asarray_flattens_there_which_is_why_we_never_call_it(patient: dict[str, Any]) -> None:
    assert patient["flattened"] == [6]


def test_symptoms_follow_the_cause_and_carry_its_fix(patient: dict[str, Any]) -> None:
    findings = {finding["name"]: finding for finding in patient["doctor"]["findings"]}
    for name in ("hdf5-float", "torch-bridge", "pyarrow"):
        assert findings[name]["status"] == "error"
        assert findings[name]["problem"]["fix"] == findings["numpy-install"]["problem"]["fix"]
    assert "Insufficient precision" in findings["hdf5-float"]["details"]
    assert "lapsdata reads it through `read_direct`" in findings["hdf5-float"]["details"]
    assert "expected np.ndarray (got numpy.ndarray)" in findings["torch-bridge"]["details"]


def test_the_command_names_the_cause_first_and_its_fix(patient: dict[str, Any]) -> None:
    code, stdout, stderr = patient["command"]
    assert code == 1, stderr
    assert stdout.splitlines()[1].split()[:2] == ["error", "numpy-install"]
    first = stderr.splitlines()[0]
    assert "mixed-numpy-install" in first
    assert "uninstall" in first


def test_inspect_shows_every_dataset_and_the_rung(patient: dict[str, Any]) -> None:
    lines = patient["inspect"].splitlines()
    rows = {line.split()[0]: line for line in lines if line.startswith("/")}
    assert len(rows) == 14
    assert rows["/packed"].split()[-2:] == ["chunked", "read_direct"]
    assert "shuffle(2)+deflate(1)+fletcher32(3)" in rows["/packed"]
    assert rows["/compound"].split()[-1] == "-"


def test_the_other_order_is_harmless_and_told_as_a_warning(wheels: list[Path], tmp_path: Path) -> None:
    site = lay(wheels[::-1], tmp_path / "site")
    script = (
        "import h5py, json, sys, numpy as np; from lapsdata.checks.doctor import diagnose, findings_as_json\n"
        "f = h5py.File(sys.argv[1], 'w'); f['x'] = np.ones(3, 'f4'); assert f['x'][...].tolist() == [1, 1, 1]\n"
        "print(json.dumps(findings_as_json(diagnose())))"
    )
    report = json.loads(run(script, site, str(tmp_path / "x.h5")))
    assert report["status"] == "warning"
    assert report["findings"][0]["problem"]["code"] == "duplicate-numpy-record"
    assert {finding["status"] for finding in report["findings"][1:]} == {"ok"}


def test_a_clean_old_release_is_sound(wheels: list[Path], tmp_path: Path) -> None:
    site = lay(wheels[1:], tmp_path / "site")
    script = (
        "import numpy, h5py; from lapsdata.storage.numpy_install import numpy_problem\n"
        "print(numpy.__version__, numpy_problem())"
    )
    assert run(script, site) == "1.26.4 None\n"


def lapsdata_command(overlay: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = Path(sys.executable).with_name("lapsdata")
    environment: Mapping[str, str] = {**os.environ, "PYTHONPATH": str(overlay)}
    return subprocess.run([command, *arguments], env=environment, capture_output=True, text=True, check=False)


def test_a_file_of_ours_is_found_and_read_exactly(overlay: Path, tmp_path: Path) -> None:
    """Without naming its format, though pyarrow, which other formats need, does not import there."""
    tracks = sample_tracks()
    lapsdata.write(tmp_path / "clip.h5", tracks)
    script = (
        "import json, sys, lapsdata, numpy as np\n"
        "t = lapsdata.read(sys.argv[1], verify='always')\n"
        "assert np.__version__ == '1.26.4'\n"
        "print(json.dumps({n: [a.dtype.str, a.shape, a.tobytes().hex()] for n, a in t.arrays()}))"
    )
    told = json.loads(run(script, overlay, str(tmp_path / "clip.h5")).splitlines()[-1])
    assert set(told) == set(dict(tracks.arrays()))
    for name, values in tracks.arrays():
        assert told[name] == [values.dtype.str, list(values.shape), values.tobytes().hex()], name


def test_inspect_shows_a_file_of_ours_as_anywhere_else(overlay: Path, tmp_path: Path) -> None:
    lapsdata.write(tmp_path / "clip.h5", sample_tracks())
    done = lapsdata_command(overlay, "inspect", tmp_path / "clip.h5", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["format"] == "tracks_hdf5"
    assert document["facts"] == sample_tracks().facts()
    assert [problem for problem in document["problems"] if problem["severity"] == "error"] == []


def test_the_doctor_of_a_clean_old_release_names_what_does_not_fit_it(wheels: list[Path], tmp_path: Path) -> None:
    site = lay(wheels[1:], tmp_path / "site")
    report = json.loads(lapsdata_command(site, "doctor", "--json").stdout)
    wrong = {finding["name"]: finding["problem"] for finding in report["findings"] if finding["status"] == "error"}
    assert set(wrong) == {"pyarrow"}
    assert "pyarrow requires NumPy 2.0 or newer, found 1.26.4" in wrong["pyarrow"]["message"]
    assert wrong["pyarrow"]["fix"].startswith("pip install 'numpy>=2', or an older release of pyarrow")


COLLATED = r"""
import json, sys
import numpy as np
from torch.utils.data import BatchSampler, DataLoader, SequentialSampler, default_collate

import lapsdata

windows = lapsdata.open_windows(sys.argv[1])
one_by_one = default_collate([windows[n] for n in (4, 0, 4)])
by_loader = next(iter(DataLoader(windows, batch_size=3)))
by_batch = next(iter(DataLoader(windows, sampler=BatchSampler(SequentialSampler(windows), 3, False), batch_size=None)))
batches = {"one_by_one": one_by_one, "by_loader": by_loader, "by_batch": by_batch}
told = {
    way: {
        name: [list(tensor.shape), str(tensor.dtype), (tensor.nan_to_num(-1) if name == "tracks" else tensor).tolist()]
        for name, tensor in batch.items()
    }
    for way, batch in batches.items()
}
print(json.dumps({"numpy": np.__version__, "batches": told}))
"""


def test_windows_collate_to_right_batches(overlay: Path, tmp_path: Path) -> None:
    """Numba refuses every array there, so the compiled loop is called by addresses."""
    tracks, path = sample_tracks(windows=6), tmp_path / "clip.h5"
    lapsdata.write(path, tracks)
    told = json.loads(run(COLLATED, overlay, str(path)))
    assert told["numpy"] == "1.26.4"
    for way, ids in {"one_by_one": [4, 0, 4], "by_loader": [0, 1, 2], "by_batch": [0, 1, 2]}.items():
        shape, dtype, values = told["batches"][way]["tracks"]
        assert (shape, dtype) == ([3, 4, 5, 2], "torch.float32")
        np.testing.assert_array_equal(values, np.nan_to_num(tracks.tracks["default"][ids], nan=-1.0))
        assert told["batches"][way]["vis"] == [[3, 4, 5], "torch.bool", tracks.vis["default"][ids].tolist()]
        assert told["batches"][way]["start_s"][2] == tracks.step_s[ids, 0].tolist()
