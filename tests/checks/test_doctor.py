"""The doctor passes a sound install, names each fault with its fix, and survives whatever a package raises."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import av
import google_crc32c
import h5py
import pytest
import torch

from lapsdata.checks import doctor
from lapsdata.checks._imports import MODULES, OPTIONAL, Import, try_imports
from lapsdata.checks.doctor import Finding, diagnose, findings_as_json
from lapsdata.errors import MissingExtraError, Problem
from lapsdata.video import _torchcodec

MIXED = Problem("mixed-numpy-install", "/env/numpy", "expected NumPy alone, got two", "pip uninstall -y numpy")


@pytest.fixture(autouse=True)
def _default_locking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HDF5_USE_FILE_LOCKING", raising=False)


@pytest.fixture(scope="module")
def imports() -> dict[str, Import]:
    """What the processes of the doctor find here; they take seconds, so that one run serves all tests."""
    return try_imports()


@pytest.fixture(autouse=True)
def _one_run(imports: dict[str, Import], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "try_imports", lambda: imports)


def found(name: str) -> Finding:
    return next(finding for finding in diagnose() if finding.name == name)


def test_a_sound_install_is_well() -> None:
    findings = diagnose()
    # Whether torchcodec finds an FFmpeg is the machine's; see below.
    assert [(f.name, f.status) for f in findings if f.status != "ok" and f.name != "torchcodec"] == []
    assert len(findings) == 15
    details = {finding.name: finding.details for finding in findings}
    assert f"h5py {h5py.__version__}" in details["packages"]
    assert "float32 reads right" in details["hdf5-float"]
    assert f"torch {torch.__version__}, arrays cross unchanged" in details["torch-bridge"]


def test_the_cause_stands_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "numpy_problem", lambda: MIXED)
    first = diagnose()[0]
    assert (first.name, first.status, first.problem) == ("numpy-install", "error", MIXED)


def test_h5py_that_cannot_read_floats(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ValueError("Insufficient precision in available types to represent (31, 23, 8, 0, 23)")

    monkeypatch.setattr(h5py.Dataset, "__getitem__", fail)
    finding = found("hdf5-float")
    assert finding.status == "error"
    assert "Insufficient precision" in finding.details
    assert "lapsdata reads it through `read_direct`" in finding.details


def test_a_symptom_carries_the_fix_of_its_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise TypeError("expected np.ndarray (got numpy.ndarray)")

    monkeypatch.setattr(torch, "from_numpy", fail)
    monkeypatch.setattr(doctor, "numpy_problem", lambda: MIXED)
    finding = found("torch-bridge")
    assert finding.status == "error"
    assert "from_numpy: expected np.ndarray (got numpy.ndarray)" in finding.details
    assert finding.problem is not None
    assert finding.problem.fix == "pip uninstall -y numpy"


def test_a_bridge_that_flattens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "from_numpy", lambda array: torch.zeros(array.size))
    assert "from_numpy: shape (24,)" in found("torch-bridge").details


def test_torch_may_be_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    finding = played(monkeypatch, torch=Import(fault="ModuleNotFoundError: No module named 'torch'", absent=True))
    assert finding["torch-bridge"].status == "warning"
    assert finding["torch-bridge"].problem is not None
    assert finding["torch-bridge"].problem.code == "no-torch"


def played(monkeypatch: pytest.MonkeyPatch, **faults: Import) -> dict[str, Finding]:
    imports = {**doctor.try_imports(), **{name.replace("_", "-"): fault for name, fault in faults.items()}}
    monkeypatch.setattr(doctor, "try_imports", lambda: imports)
    return {finding.name: finding for finding in diagnose()}


BROKEN = Import(fault="ImportError: libx.so.1: cannot open shared object file")
ABSENT = Import(fault="ModuleNotFoundError: No module named 'torchcodec'", absent=True)


@pytest.mark.parametrize("name", ["pydantic", "zarr", "pyarrow", "scipy", "numba"])
def test_a_package_that_does_not_import_is_its_own_finding(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    findings = played(monkeypatch, **{name: BROKEN}, torchcodec=ABSENT)
    assert [finding.name for finding in findings.values() if finding.status != "ok"] == [name]
    problem = findings[name].problem
    assert problem is not None
    assert (problem.code, problem.fix) == ("not-importable", f"pip install --force-reinstall {name}")
    assert "libx.so.1" in problem.message


def test_a_package_behind_a_check_is_told_by_that_check(monkeypatch: pytest.MonkeyPatch) -> None:
    findings = played(monkeypatch, h5py=BROKEN, av=BROKEN, google_crc32c=BROKEN, opencv_python_headless=BROKEN)
    failed = {name: f.problem.where for name, f in findings.items() if f.status == "error" and f.problem}
    assert failed == {
        "hdf5-float": "h5py",
        "opencv": "opencv-python-headless",
        "decoders": "av",
        "crc32c": "google-crc32c",
    }


def test_without_numpy_the_rest_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    findings = played(monkeypatch, numpy=BROKEN, scipy=BROKEN, torchcodec=ABSENT)
    codes = {name: f.problem.code for name, f in findings.items() if f.problem}
    assert codes == {
        "numpy-install": "not-importable",
        "scipy": "not-importable",
        "hdf5-float": "not-tried",
        "torch-bridge": "not-tried",
    }
    assert str(findings["scipy"].problem).startswith("scipy: expected scipy to import, got ImportError")
    assert "mend numpy first" in str(findings["scipy"].problem)


def test_a_numpy_whose_files_are_mixed_is_named_though_it_does_not_import(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "unloaded_numpy_problem", lambda: MIXED)
    assert played(monkeypatch, numpy=BROKEN)["numpy-install"].problem == MIXED


def test_an_old_numpy_is_the_reason_that_a_newer_package_names(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = played(monkeypatch, numpy=Import("1.26.4"), pyarrow=BROKEN)["pyarrow"].problem
    assert problem is not None
    assert problem.fix == "pip install 'numpy>=2', or an older release of pyarrow, made for NumPy 1.26.4"


def test_what_is_absent_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = Import(fault="ModuleNotFoundError: No module named 'scipy'", absent=True)
    problem = played(monkeypatch, scipy=absent)["scipy"].problem
    assert problem is not None
    assert problem.fix == "pip install scipy"


def test_a_missing_package_comes_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    known = metadata.version

    def version(name: str) -> str:
        if name == "numba":
            raise metadata.PackageNotFoundError(name)
        return known(name)

    monkeypatch.setattr(metadata, "version", version)
    finding = found("packages")
    assert finding.status == "error"
    assert finding.problem is not None
    assert finding.problem.fix == "pip install numba"


def test_missing_decoders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(av, "codecs_available", {"h264"})
    finding = found("decoders")
    assert finding.status == "error"
    assert "got none for av1" in finding.details


class TestTorchcodec:
    def test_where_it_is_absent_nothing_is_wrong(self, monkeypatch: pytest.MonkeyPatch) -> None:
        finding = played(monkeypatch, torchcodec=ABSENT, numpy=BROKEN)["torchcodec"]
        assert (finding.status, finding.details) == ("ok", "torchcodec is not installed; it is an extra")

    def test_what_it_decodes_is_told(self, torchcodec: _torchcodec.FoundFfmpeg) -> None:
        finding = found("torchcodec")
        told = f"torchcodec {torchcodec.torchcodec} with FFmpeg {torchcodec.major} decodes h264 and av1"
        assert (finding.status, finding.details) == ("ok", told)

    def test_an_ffmpeg_without_av1(self, torchcodec: object, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(_torchcodec, "HARDWARE_ONLY", {"libdav1d", "libaom-av1"})
        finding = found("torchcodec")
        assert finding.status == "warning"
        assert "expected decoders for h264 and av1, got none for av1 (torchcodec 0." in finding.details
        assert finding.problem is not None
        assert (finding.problem.code, finding.problem.fix) == ("missing-decoder", "install an FFmpeg that has them")

    def test_what_keeps_it_from_loading_is_a_warning_with_its_fix(self, monkeypatch: pytest.MonkeyPatch) -> None:
        problem = Problem("no-ffmpeg", "decoder", "expected FFmpeg, got none", "apt-get install ffmpeg")

        def refused() -> None:
            raise MissingExtraError(problem)

        monkeypatch.setattr(_torchcodec, "require_torchcodec", refused)
        finding = played(monkeypatch, torchcodec=Import(fault="RuntimeError: Could not load libtorchcodec."))[
            "torchcodec"
        ]
        assert (finding.status, finding.details) == ("warning", "expected FFmpeg, got none")
        assert str(finding.problem) == str(problem)

    @pytest.mark.parametrize("fault", ["it ends the process (signal 11)", "it does not come to an end within 120 s"])
    def test_one_that_kills_its_process_is_not_imported(self, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
        def never() -> None:
            pytest.fail("it was imported")

        monkeypatch.setattr(_torchcodec, "require_torchcodec", never)
        finding = played(monkeypatch, torchcodec=Import(fault=fault))["torchcodec"]
        assert (finding.status, finding.details) == ("warning", f"expected torchcodec to import, got {fault}")
        assert finding.problem is not None
        assert finding.problem.fix == "pip install --force-reinstall torchcodec"


def test_a_slow_checksum_is_a_warning_and_a_wrong_one_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(google_crc32c, "implementation", "python")
    assert found("crc32c").status == "warning"
    monkeypatch.setattr(google_crc32c, "value", lambda _: 0)
    assert found("crc32c").status == "error"


@pytest.mark.parametrize(("value", "status"), [("FALSE", "warning"), ("0", "warning"), ("TRUE", "ok")])
def test_file_locking(monkeypatch: pytest.MonkeyPatch, value: str, status: str) -> None:
    monkeypatch.setenv("HDF5_USE_FILE_LOCKING", value)
    finding = found("hdf5-locking")
    assert finding.status == status
    assert f"HDF5_USE_FILE_LOCKING={value}" in finding.details or status == "ok"


def test_the_report_holds_the_worst_status_and_every_code() -> None:
    findings = (
        Finding("numpy-install", "error", MIXED.message, MIXED),
        Finding("python", "ok", "3.11.7"),
    )
    report = json.loads(json.dumps(findings_as_json(findings)))
    assert report["status"] == "error"
    assert [f["problem"] and f["problem"]["code"] for f in report["findings"]] == ["mixed-numpy-install", None]


def test_every_package_is_really_imported(imports: dict[str, Import]) -> None:
    assert set(imports) == {*MODULES, *OPTIONAL}
    assert [name for name, tried in imports.items() if tried.fault and name in MODULES] == []
    assert imports["h5py"].version == h5py.__version__


FAKES = {
    "raise ValueError('numpy.dtype size changed\\nmore')": ("ValueError: numpy.dtype size changed", False),
    "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)": ("it ends the process (signal 11)", False),
    "import os; os._exit(3)": ("it ends the process (exit code 3)", False),
    "raise SystemExit(4)": ("SystemExit: 4", False),
    "import gone": ("ModuleNotFoundError: No module named 'gone'", False),
    "raise ModuleNotFoundError(\"No module named 'pydantic'\", name='pydantic')": (
        "ModuleNotFoundError: No module named 'pydantic'", True,
    ),
    "raise ImportError('\\n\\nIMPORTANT: READ THIS\\n\\nOriginal error was: no core')": (
        "ImportError: Original error was: no core", False,
    ),
}  # fmt: skip


@pytest.mark.parametrize("code", FAKES)
def test_whatever_an_import_does_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    from lapsdata.checks import _imports

    (tmp_path / "pydantic.py").write_text(f"print('noise')\n{code}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    fault, absent = FAKES[code]
    assert _imports._try("pydantic") == Import("", fault, absent)


def test_a_folder_without_its_module_is_no_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lapsdata.checks import _imports

    (tmp_path / "leftover_of_numpy" / "core").mkdir(parents=True)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "leftovers of a package" in str(_imports._try("leftover_of_numpy").fault)


def test_an_import_that_does_not_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lapsdata.checks import _imports

    (tmp_path / "endless.py").write_text("while True: pass")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(_imports, "_LONGEST_S", 1)
    assert _imports._try("endless").fault == "it does not come to an end within 1 s"


GOOD, BAD, DEADLY = "__version__ = '1'\n", "import first_of_them\nraise OSError('torn')\n", "import os; os.abort()\n"
# Fails beside the other alone.
SHY = "import sys\nif 'first_of_them' in sys.modules: raise OSError('crowded')\n"


@pytest.mark.parametrize(
    ("code", "fault", "tries"),
    [
        (GOOD, None, [3]),
        (SHY, None, [3, 1]),
        (BAD, "OSError: torn", [3, 1]),
        (DEADLY, "it ends the process (signal 6)", [3, 1, 1, 1]),
    ],
    ids=["sound", "shy", "broken", "deadly"],
)
def test_one_process_serves_as_long_as_all_is_well(
    code: str, fault: str | None, tries: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lapsdata.checks import _imports

    plain, asked = _imports._tried, []

    def counted(*modules: str) -> list[Import] | str:
        asked.append(len(modules))
        return plain(*modules)

    (tmp_path / "first_of_them.py").write_text(GOOD)
    (tmp_path / "second_of_them.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(_imports, "MODULES", {"first": "first_of_them", "second": "second_of_them"})
    # What is absent harms nobody, and need not be tried again.
    monkeypatch.setattr(_imports, "OPTIONAL", {"third": "third_of_them"})
    monkeypatch.setattr(_imports, "_tried", counted)
    found = try_imports()
    assert list(found) == ["first", "second", "third"]
    assert found["first"] == Import("1")
    assert found["second"].fault == fault
    assert found["third"].absent
    assert asked == tries


@pytest.mark.parametrize("package", ["numpy", "pydantic"])
def test_the_command_outlives_a_package_that_kills_whoever_imports_it(tmp_path: Path, package: str) -> None:
    (tmp_path / f"{package}.py").write_text("import os; os.abort()")
    command = Path(sys.executable).with_name("lapsdata")
    done = subprocess.run(
        [command, "doctor", "--json"],
        env={"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "")
    report = json.loads(done.stdout)
    fault = {"numpy": "numpy-install", "pydantic": "pydantic"}[package]
    (finding,) = [finding for finding in report["findings"] if finding["name"] == fault]
    assert "it ends the process (signal 6)" in finding["details"]


def test_the_doctor_itself_needs_the_standard_library_alone() -> None:
    script = (
        "import sys; import lapsdata.cli.doctor, lapsdata.checks.doctor as d; d._REINSTALL\n"
        "print({'numpy', 'pydantic', 'h5py', 'torch', 'pyarrow', 'zarr', 'scipy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
