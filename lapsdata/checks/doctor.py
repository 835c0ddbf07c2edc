"""What is wrong with this installation: each check says what it tried, and a fault says what to run.

The doctor must live where the patient does not: nothing but the standard library is imported before a process
of its own has shown that it can be, and whatever a broken package raises becomes the finding of its check. The
cause stands before its symptoms.
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from lapsdata.checks._imports import MODULES, Import, try_imports
from lapsdata.errors import MissingExtraError, Problem
from lapsdata.storage.numpy_install import numpy_problem, unloaded_numpy_problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np

__all__ = ["Finding", "Status", "diagnose", "findings_as_json"]

Status = Literal["ok", "warning", "error"]

_NUMPY: Final = "numpy-install"
_REINSTALL: Final = "reinstall the package, then run the doctor again"


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
    imports = try_imports()
    return tuple(_examined(name, check, imports) for name, check in _CHECKS.items())


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


@dataclass(frozen=True, slots=True)
class _Check:
    """What is run once its packages are known to import; without `run` that they do is all.

    `extra` may be absent, and tells itself why it does not import as long as that kills nobody.
    """

    needs: tuple[str, ...]
    run: Callable[[], str | Problem] | None = None
    extra: str | None = None


def _examined(name: str, check: _Check, imports: Mapping[str, Import]) -> Finding:
    found: str | Problem | None = None
    try:
        broken = next((need for need in check.needs if imports[need].fault), None)
        if check.extra and imports[check.extra].absent:
            found = f"{check.extra} is not installed; it is an extra"
        elif broken:
            found = _not_imported(broken, imports) if name == _NUMPY or broken != "numpy" else _not_tried(name)
        elif check.extra and imports[check.extra].deadly:
            found = replace(_not_imported(check.extra, imports), severity="warning")
        elif check.run:
            found = check.run()
        else:
            (package,) = check.needs
            found = f"{package} {imports[package].version} imports"
    except Exception as error:  # noqa: BLE001  a broken package may raise anything, and that is the finding
        message = f"expected the check to pass, got {type(error).__name__}: {error}"
        found = Problem(f"broken-{name}", name, message, _hint(_REINSTALL))
    if isinstance(found, str):
        return Finding(name, "ok", found)
    status: Status = "error" if found.severity == "error" else "warning"
    return Finding(name, status, found.message, found)


def _not_tried(name: str) -> Problem:
    return Problem("not-tried", name, "expected numpy to import, got a fault told above: not tried", "mend numpy first")


def _not_imported(package: str, imports: Mapping[str, Import]) -> Problem:
    """Name the package that does not import, and what to do about it."""
    tried, numpy = imports[package], imports["numpy"]
    if package == "numpy":
        mixed = unloaded_numpy_problem()
        if mixed:
            return mixed
    if package == "torch" and tried.absent:
        message = f"expected torch, got {tried.fault}: converting and checking work without it, training does not"
        return Problem("no-torch", "torch", message, "pip install 'torch>=2.5'", "warning")
    if tried.absent:
        fix = f"pip install {package}"
    elif numpy.fault and package != "numpy":
        fix = f"mend numpy first; if that does not help, pip install --force-reinstall {package}"
    elif numpy.version.startswith("1.") and package != "numpy":
        fix = f"pip install 'numpy>=2', or an older release of {package}, made for NumPy {numpy.version}"
    else:
        fix = f"pip install --force-reinstall {package}"
    message = f"expected {package} to import, got {tried.fault}"
    return Problem("not-importable", package, message, _hint(fix) if not numpy.fault else fix)


def _hint(otherwise: str) -> str:
    """Return the fix of a broken NumPy, which is the cause of most other faults, or another one."""
    mixed = numpy_problem()
    return mixed.fix or mixed.message if mixed else otherwise


def _numpy() -> str | Problem:
    import numpy as np

    return numpy_problem() or f"{np.__version__} in {Path(np.__file__).parent}, alone"


def _intact() -> np.ndarray[Any, np.dtype[np.float32]]:
    import numpy as np

    return np.arange(24, dtype=np.float32).reshape(2, 3, 4)


def _python() -> str:
    return f"{platform.python_version()} {platform.machine()} {sys.platform}"


def _packages() -> str | Problem:
    versions, missing = [], []
    for name in ("lapsdata", *MODULES):
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
    import numpy as np

    from lapsdata.storage.hdf5_file import Hdf5File

    intact = _intact()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "probe.h5"
        with h5py.File(path, "w") as file:
            file.create_dataset("tracks", data=intact, dtype="f4")
        try:
            with h5py.File(path, "r") as file:
                values, fault = file["tracks"][...], None
        except (ValueError, TypeError, OSError, RuntimeError) as error:
            values, fault = None, f"{type(error).__name__}: {error}"
        with Hdf5File(path) as file:
            ours, rung = file.read("tracks"), next(iter(file.rungs))
    versions = f"h5py {h5py.version.version}, HDF5 {h5py.version.hdf5_version}"
    reads = f"lapsdata reads it through `{rung}`" if np.array_equal(ours, intact) else "lapsdata cannot either"
    if fault is None and np.array_equal(values, intact):
        return f"{versions}, float32 reads right"
    message = f"expected h5py to read back float32, got {fault or 'other numbers'} ({versions}; {reads})"
    return Problem("hdf5-float-unreadable", "h5py", message, _hint(_REINSTALL))


def _torch_bridge() -> str | Problem:
    import torch

    from lapsdata.storage.tensors import as_tensor

    intact = _intact()
    wrong = []
    bridges: dict[str, Callable[[Any], Any]] = {"from_numpy": torch.from_numpy, "from_dlpack": as_tensor}
    for name, bridge in bridges.items():
        try:
            tensor = bridge(intact.copy())
            if tuple(tensor.shape) != intact.shape or tensor.flatten().tolist() != intact.ravel().tolist():
                wrong.append(f"{name}: shape {tuple(tensor.shape)}")
        except (TypeError, RuntimeError, ValueError) as error:
            wrong.append(f"{name}: {error}")
    if wrong:
        message = f"expected tensors equal to their arrays, got {'; '.join(wrong)} (torch {torch.__version__})"
        return Problem("torch-numpy-bridge", "torch", message, _hint(_REINSTALL))
    return f"torch {torch.__version__}, arrays cross unchanged"


def _decoders() -> str | Problem:
    import av

    # FFmpeg's own "av1" needs hardware; these two decode in software.
    wanted = {"h264": {"h264"}, "av1": {"libdav1d", "libaom-av1"}}
    missing = [name for name, any_of in wanted.items() if not any_of & av.codecs_available]
    if missing:
        message = f"expected decoders for h264 and av1, got none for {', '.join(missing)} (PyAV {av.__version__})"
        return Problem("missing-decoder", "av", message, "pip install --force-reinstall --only-binary :all: av")
    return f"PyAV {av.__version__} decodes h264 and av1"


def _torchcodec() -> str | Problem:
    from lapsdata.video._torchcodec import require_torchcodec

    try:
        ffmpeg = require_torchcodec()
    except MissingExtraError as error:
        return replace(error.problems[0], severity="warning")
    found = f"torchcodec {ffmpeg.torchcodec} with FFmpeg {ffmpeg.major}"
    missing = [codec for codec in ("h264", "av1") if ffmpeg.decoder_of(codec) is None]
    if missing:
        message = f"expected decoders for h264 and av1, got none for {', '.join(missing)} ({found})"
        return Problem("missing-decoder", "torchcodec", message, "install an FFmpeg that has them", "warning")
    return f"{found} decodes h264 and av1"


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


_CHECKS: Final[dict[str, _Check]] = {
    _NUMPY: _Check(("numpy",), _numpy),
    "python": _Check((), _python),
    "packages": _Check((), _packages),
    "pydantic": _Check(("pydantic",)),
    "hdf5-float": _Check(("h5py", "numpy"), _hdf5_float),
    "torch-bridge": _Check(("torch", "numpy"), _torch_bridge),
    "zarr": _Check(("zarr",)),
    "pyarrow": _Check(("pyarrow",)),
    "scipy": _Check(("scipy",)),
    "numba": _Check(("numba",)),
    "opencv": _Check(("opencv-python-headless",)),
    "decoders": _Check(("av",), _decoders),
    "torchcodec": _Check(("numpy", "pydantic"), _torchcodec, "torchcodec"),
    "crc32c": _Check(("google-crc32c",), _crc32c),
    "hdf5-locking": _Check((), _locking),
}
