"""The rivals of the benchmarks hand over what was written, or their figures would mean nothing."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lapsdata import formats
from lapsdata.containers import Tracks

if TYPE_CHECKING:
    from pathlib import Path

HERE = ("h5py_low_level", "hdf5_gzip_per_sample", "tensorstore_zarr", "torch_h5py", "webdataset_decode", "zarr_python")
SIZES = ("--files", "2", "--windows", "6")


@pytest.fixture
def benchmarks(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    for name in [name for name in sys.modules if name.partition(".")[0] in {"peers", "datagen"}]:
        monkeypatch.delitem(sys.modules, name)
    return root / "benchmarks"


@pytest.fixture
def datagen(benchmarks: Path) -> dict[str, Any]:
    import importlib

    return vars(importlib.import_module("datagen"))


def run_peer(benchmarks: Path, *arguments: str | Path, told: str = "") -> list[dict[str, Any]]:
    command = [sys.executable, "-W", "error::ResourceWarning", benchmarks / "peers" / "run_peer.py", *arguments]
    done = subprocess.run(command, input=told, capture_output=True, text=True, check=False, env=os.environ)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize("name", HERE)
def test_a_rival_hands_over_what_was_written(benchmarks: Path, tmp_path: Path, name: str) -> None:
    (told,) = run_peer(benchmarks, name, "--data", tmp_path, *SIZES, "--check")
    assert told["checked"] == told["of"] == 12


@pytest.mark.slow
def test_a_rival_answers_each_order_with_a_line(benchmarks: Path, tmp_path: Path) -> None:
    orders = "go 4 0.05 0.01\ngo 2 0.05 0\n"
    ready, *answers = run_peer(benchmarks, "h5py_low_level", "--data", tmp_path, *SIZES, "--serve", told=orders)
    assert ready["versions"]["h5py"] == version("h5py")
    assert [answer["batch"] for answer in answers] == [4, 2]
    assert all(answer["windows_per_s"] > 0 and answer["first_batch_s"] > 0 for answer in answers)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["h5py_low_level", "hdf5_gzip_per_sample"])
def test_a_rival_says_truly_whether_it_verifies(benchmarks: Path, tmp_path: Path, name: str) -> None:
    (told,) = run_peer(benchmarks, name, "--data", tmp_path, *SIZES, "--flips", "6")
    import peers

    assert (told["raised"] > told["silently_wrong"]) == peers.load(name).verifies


def test_every_rival_says_what_it_is(benchmarks: Path) -> None:
    import peers

    text = (benchmarks / "peers" / "README.md").read_text()
    for name in peers.names():
        peer = peers.load(name)
        assert peer.name == name
        assert (peer.open is None) != (peer.stream is None), name
        assert (peer.prepare is None) != (peer.files == ""), name
        assert peer.packages, name
        assert f"| `{name}` |" in text
    assert set(HERE) <= set(peers.names())


def test_what_runs_in_this_environment_is_installed_here(benchmarks: Path) -> None:
    import peers

    for name in HERE:
        try:
            assert all(version(package) for package in peers.load(name).packages)
        except PackageNotFoundError as error:
            pytest.fail(f"{name}: {error}")


def test_an_environment_that_was_not_made_is_named(benchmarks: Path, tmp_path: Path) -> None:
    import peer_env
    import peers

    assert peer_env.interpreter(peers.load("zarr_python")).samefile(sys.executable)
    found = runpy.run_path(str(benchmarks / "peer_env.py"))
    found["interpreter"].__globals__["FOLDER"] = tmp_path
    with pytest.raises(FileNotFoundError, match=r"expected an environment for litdata_arrays; python .*litdata_arrays"):
        found["interpreter"](peers.load("litdata_arrays"))


def test_windows_are_drawn_again_from_their_number(datagen: dict[str, Any]) -> None:
    data = datagen["Data"](files=2, windows=3)
    whole = np.concatenate([batch["tracks"] for batch in data.each_file()])
    again = data.expected(np.array([4, 0]))
    assert np.array_equal(again["tracks"], whole[[4, 0]])
    assert again["tracks"].dtype == np.float32
    assert again["vis"].dtype == np.bool_
    assert 0.85 < again["vis"].mean() < 0.95
    assert not np.array_equal(whole, np.concatenate([b["tracks"] for b in datagen["Data"](2, 3, seed=1).each_file()]))


@pytest.mark.parametrize("kind", ["zarr_raw", "zarr_compact", "hdf5_contiguous", "hdf5_windows", "hdf5_compact"])
def test_our_files_hold_the_windows(datagen: dict[str, Any], tmp_path: Path, kind: str) -> None:
    data = datagen["Data"](files=2, windows=3)
    folder = datagen["write_ours"](tmp_path, kind, data)
    paths = sorted(path for path in folder.iterdir() if path.name != "description.json")
    for path, batch in zip(paths, data.each_file(), strict=True):
        tracks = formats.read(path, Tracks)
        assert np.abs(tracks.tracks["default"] - batch["tracks"]).max() <= (1 / 128 if "compact" in kind else 0)
        assert np.array_equal(tracks.vis["default"], batch["vis"])


def test_data_is_written_again_only_when_its_description_differs(datagen: dict[str, Any], tmp_path: Path) -> None:
    made: list[Path] = []
    for description in ({"a": 1}, {"a": 1}, {"a": 2}):
        folder = datagen["ensure"](tmp_path / "x", description, made.append)
        assert json.loads((folder / "description.json").read_text()) == description
    assert len(made) == 2


def test_where_data_is_kept(datagen: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("LAPSDATA_BENCH_DATA", raising=False)
    assert datagen["data_root"]().name == ".data"
    monkeypatch.setenv("LAPSDATA_BENCH_DATA", str(tmp_path))
    assert datagen["data_root"]() == tmp_path
    assert datagen["data_root"]("x").name == "x"
