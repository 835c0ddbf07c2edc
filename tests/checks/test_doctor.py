"""The doctor passes a sound install, names each fault with its fix, and survives whatever a package raises."""

from __future__ import annotations

import json
import sys
from importlib import metadata

import av
import google_crc32c
import h5py
import pytest
import torch

from lapsdata.checks import doctor
from lapsdata.checks.doctor import Finding, diagnose, findings_as_json, render_findings
from lapsdata.errors import Problem

MIXED = Problem("mixed-numpy-install", "/env/numpy", "expected NumPy alone, got two", "pip uninstall -y numpy")


@pytest.fixture(autouse=True)
def _default_locking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HDF5_USE_FILE_LOCKING", raising=False)


def found(name: str) -> Finding:
    return next(finding for finding in diagnose() if finding.name == name)


def test_a_sound_install_is_well() -> None:
    findings = diagnose()
    assert [(f.name, f.status) for f in findings if f.status != "ok"] == []
    assert len(findings) == 10
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
    monkeypatch.setitem(sys.modules, "torch", None)
    finding = found("torch-bridge")
    assert finding.status == "warning"
    assert finding.problem is not None
    assert finding.problem.code == "no-torch"


@pytest.mark.parametrize("name", ["zarr", "pyarrow"])
def test_a_package_that_does_not_import_is_its_own_finding(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    finding = found(name)
    assert finding.status == "error"
    assert f"import of {name} halted" in finding.details
    assert [f.status for f in diagnose()].count("error") == 1


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


def test_text_and_json() -> None:
    findings = (
        Finding("numpy-install", "error", MIXED.message, MIXED),
        Finding("python", "ok", "3.11.7"),
    )
    assert render_findings(findings).splitlines() == [
        "error    numpy-install  expected NumPy alone, got two",
        "                        do: pip uninstall -y numpy",
        "ok       python         3.11.7",
    ]
    report = json.loads(json.dumps(findings_as_json(findings)))
    assert report["status"] == "error"
    assert [f["problem"] and f["problem"]["code"] for f in report["findings"]] == ["mixed-numpy-install", None]
