"""What is wrong with this installation: each check says what it tried, and a fault says what to run.

The doctor must live where the patient does not: every check is tried for itself, and whatever a broken
package raises becomes that check's finding. The cause stands before its symptoms.
"""

from __future__ import annotations

import importlib
import os
import platform
import sys
import tempfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from lapsdata.errors import Problem
from lapsdata.storage.hdf5_file import Hdf5File
from lapsdata.storage.numpy_install import numpy_problem
from lapsdata.storage.tensors import as_tensor

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Finding", "Status", "diagnose", "findings_as_json", "render_findings"]

Status = Literal["ok", "warning", "error"]

_PACKAGES: Final = (
    "lapsdata",
    "numpy",
    "pydantic",
    "h5py",
    "zarr",
    "pyarrow",
    "torch",
    "av",
    "opencv-python-headless",
    "scipy",
    "numba",
    "google-crc32c",
)
_INTACT: Final = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Parameters
    ----------
    name : str
        Kebab-case name of the check.
    status : {"ok", "warning", "error"}
    details : str
        What was found, in one line.
    problem : Problem or None
        The fault and its fix, where there is one.
    """

    name: str
    status: Status
    details: str
    problem: Problem | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the fields as a JSON-ready dictionary."""
        problem = self.problem.as_json() if self.problem else None
        return {"name": self.name, "status": self.status, "details": self.details, "problem": problem}


def diagnose() -> tuple[Finding, ...]:
    """Run every check, causes first.

    Examples
    --------
    >>> [finding.name for finding in diagnose()][:3]
    ['numpy-install', 'python', 'packages']
    """
    return tuple(_examined(name, check) for name, check in _CHECKS.items())


def render_findings(findings: tuple[Finding, ...]) -> str:
    """Return the findings as text: one line each, and the fix below a fault.

    Examples
    --------
    >>> print(render_findings((Finding("python", "ok", "3.11.7"),)))
    ok       python  3.11.7
    """
    width = max(len(finding.name) for finding in findings)
    lines = []
    for finding in findings:
        lines.append(f"{finding.status:<8} {finding.name:<{width}}  {finding.details}")
        if finding.problem and finding.problem.fix:
            lines.append(f"{'':<8} {'':<{width}}  do: {finding.problem.fix}")
    return "\n".join(lines)


def findings_as_json(findings: tuple[Finding, ...]) -> dict[str, Any]:
    """Return the findings, and the worst status among them, as a JSON-ready dictionary.

    Examples
    --------
    >>> findings_as_json((Finding("python", "ok", "3.11.7"),))["status"]
    'ok'
    """
    ranks: tuple[Status, ...] = ("ok", "warning", "error")
    worst = max((finding.status for finding in findings), key=ranks.index)
    return {"status": worst, "findings": [finding.as_json() for finding in findings]}


def _examined(name: str, check: Callable[[], str | Problem]) -> Finding:
    try:
        found = check()
    except Exception as error:  # noqa: BLE001  a broken package may raise anything, and that is the finding
        message = f"expected the check to pass, got {type(error).__name__}: {error}"
        found = Problem(f"broken-{name}", name, message, _hint())
    if isinstance(found, str):
        return Finding(name, "ok", found)
    status: Status = "error" if found.severity == "error" else "warning"
    return Finding(name, status, found.message, found)


def _hint() -> str:
    mixed = numpy_problem()
    return mixed.fix or mixed.message if mixed else "reinstall the package, then run the doctor again"


def _numpy() -> str | Problem:
    return numpy_problem() or f"{np.__version__} in {Path(np.__file__).parent}, alone"


def _python() -> str:
    return f"{platform.python_version()} {platform.machine()} {sys.platform}"


def _packages() -> str | Problem:
    versions, missing = [], []
    for name in _PACKAGES:
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        message = f"expected {', '.join(missing)}, got nothing of that name installed"
        return Problem("missing-package", "packages", message, f"pip install {' '.join(missing)}")
    return ", ".join(versions)


def _hdf5_float() -> str | Problem:
    """Read float32 through h5py's high level; where it fails, say which rung of ours still reads it."""
    import h5py

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "probe.h5"
        with h5py.File(path, "w") as file:
            file.create_dataset("tracks", data=_INTACT, dtype="f4")
        try:
            with h5py.File(path, "r") as file:
                values, fault = file["tracks"][...], None
        except (ValueError, TypeError, OSError, RuntimeError) as error:
            values, fault = None, f"{type(error).__name__}: {error}"
        with Hdf5File(path) as file:
            ours, rung = file.read("tracks"), next(iter(file.rungs))
    versions = f"h5py {h5py.version.version}, HDF5 {h5py.version.hdf5_version}"
    reads = f"lapsdata reads it through `{rung}`" if np.array_equal(ours, _INTACT) else "lapsdata cannot either"
    if fault is None and np.array_equal(values, _INTACT):
        return f"{versions}, float32 reads right"
    message = f"expected h5py to read back float32, got {fault or 'other numbers'} ({versions}; {reads})"
    return Problem("hdf5-float-unreadable", "h5py", message, _hint())


def _torch_bridge() -> str | Problem:
    try:
        import torch
    except ImportError as error:
        message = f"expected torch, got {error}: converting and checking work without it, training does not"
        return Problem("no-torch", "torch", message, "pip install 'torch>=2.5'", "warning")
    wrong = []
    bridges: dict[str, Callable[[Any], Any]] = {"from_numpy": torch.from_numpy, "from_dlpack": as_tensor}
    for name, bridge in bridges.items():
        try:
            tensor = bridge(_INTACT.copy())
            if tuple(tensor.shape) != _INTACT.shape or tensor.flatten().tolist() != _INTACT.ravel().tolist():
                wrong.append(f"{name}: shape {tuple(tensor.shape)}")
        except (TypeError, RuntimeError, ValueError) as error:
            wrong.append(f"{name}: {error}")
    if wrong:
        message = f"expected tensors equal to their arrays, got {'; '.join(wrong)} (torch {torch.__version__})"
        return Problem("torch-numpy-bridge", "torch", message, _hint())
    return f"torch {torch.__version__}, arrays cross unchanged"


def _importable(name: str) -> Callable[[], str]:
    return lambda: f"{name} {importlib.import_module(name).__version__} imports"


def _decoders() -> str | Problem:
    import av

    # FFmpeg's own "av1" needs hardware; these two decode in software.
    wanted = {"h264": {"h264"}, "av1": {"libdav1d", "libaom-av1"}}
    missing = [name for name, any_of in wanted.items() if not any_of & av.codecs_available]
    if missing:
        message = f"expected decoders for h264 and av1, got none for {', '.join(missing)} (PyAV {av.__version__})"
        return Problem("missing-decoder", "av", message, "pip install --force-reinstall --only-binary :all: av")
    return f"PyAV {av.__version__} decodes h264 and av1"


def _crc32c() -> str | Problem:
    import google_crc32c

    if google_crc32c.value(b"123456789") != 0xE3069283:
        return Problem("wrong-crc32c", "google-crc32c", "expected e3069283 for the check string, got another")
    if google_crc32c.implementation != "c":
        message = f"expected the compiled checksum, got {google_crc32c.implementation!r}, hundreds of times slower"
        fix = "pip install --force-reinstall --only-binary :all: google-crc32c"
        return Problem("slow-crc32c", "google-crc32c", message, fix, "warning")
    return "compiled"


def _locking() -> str | Problem:
    value = os.environ.get("HDF5_USE_FILE_LOCKING")
    if value is None or value.upper() in ("TRUE", "1", "BEST_EFFORT"):
        return f"HDF5_USE_FILE_LOCKING is {value or 'not set'}: a file that is being written is refused"
    message = f"expected HDF5 file locking, got HDF5_USE_FILE_LOCKING={value}: half-written files open unnoticed"
    return Problem("no-file-locking", "environment", message, "unset it on local file systems", "warning")


_CHECKS: Final[dict[str, Callable[[], str | Problem]]] = {
    "numpy-install": _numpy,
    "python": _python,
    "packages": _packages,
    "hdf5-float": _hdf5_float,
    "torch-bridge": _torch_bridge,
    "zarr": _importable("zarr"),
    "pyarrow": _importable("pyarrow"),
    "decoders": _decoders,
    "crc32c": _crc32c,
    "hdf5-locking": _locking,
}
