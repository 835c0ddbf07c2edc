"""Detector of a mixed NumPy install: files of one release laid over those of another.

NumPy 2 keeps its compiled core in `numpy/_core`; NumPy 1.26 has Python stubs of the same names there. Where
1.26 was installed over 2.x without removing it, the old library survives beside its stub and wins the import,
so that h5py and torch speak NumPy 2's binary interface to NumPy 1's objects: every float type of an HDF5 file
has "insufficient precision", `torch.from_numpy` got `numpy.ndarray` but wants `np.ndarray`, and
`torch.asarray` returns a flattened tensor without a word.
"""

from __future__ import annotations

import importlib
import sys
from importlib import metadata
from importlib.machinery import EXTENSION_SUFFIXES, PathFinder
from pathlib import Path

from lapsdata.errors import Problem

__all__ = ["numpy_problem", "numpy_problem_of", "unloaded_numpy_problem"]


def numpy_problem() -> Problem | None:
    """Return what is wrong with the NumPy that this process uses, or None; where it does not import, by its files.

    Examples
    --------
    >>> numpy_problem() is None
    True
    """
    try:
        import numpy as np
    except Exception:  # noqa: BLE001  a broken package may raise anything; that it does not import is told elsewhere
        return unloaded_numpy_problem()
    if not hasattr(np, "__version__") or np.__file__ is None:
        return unloaded_numpy_problem()  # a folder without its modules imports as a package of the namespace kind
    folder = Path(np.__file__).parent
    return _loaded_problem(folder, np.__version__) or numpy_problem_of(folder, np.__version__)


def numpy_problem_of(folder: Path, version: str) -> Problem | None:
    """Look for leftovers of another release in the package folder of NumPy `version`; no import is needed.

    Examples
    --------
    >>> import numpy as np
    >>> from pathlib import Path
    >>> numpy_problem_of(Path(np.__file__).parent, np.__version__) is None
    True
    """
    if int(version.split(".", maxsplit=1)[0]) < 2:
        left = sorted(
            path for suffix in EXTENSION_SUFFIXES for path in (folder / "_core").glob(f"_multiarray_umath*{suffix}")
        )
        if left:
            return _mixed(folder, version, f"{left[0]} of NumPy 2 beside it")
    records = sorted(path.name for path in folder.parent.glob("numpy-*.dist-info"))
    if len(records) > 1:
        found = f"{len(records)} install records: {', '.join(records)}"
        return Problem(
            "duplicate-numpy-record",
            str(folder),
            f"expected one NumPy, got {found}",
            _fix(folder),
            "warning",
        )
    return None


def unloaded_numpy_problem() -> Problem | None:
    """Look at the files of a NumPy that cannot be imported; nothing is imported.

    Examples
    --------
    >>> unloaded_numpy_problem() is None
    True
    """
    spec = PathFinder.find_spec("numpy")
    if spec is None or not spec.submodule_search_locations:
        return None
    try:
        version = metadata.version("numpy")
    except metadata.PackageNotFoundError:
        return None
    return numpy_problem_of(Path(next(iter(spec.submodule_search_locations))), version)


def _loaded_problem(folder: Path, version: str) -> Problem | None:
    """Compare the compiled core that h5py and torch find with the version that Python code sees."""
    if int(version.split(".", maxsplit=1)[0]) >= 2:
        return None
    try:
        importlib.import_module("numpy._core._multiarray_umath")
    except ImportError:
        return None
    # A clean 1.26 gives its stub the attributes of its own library, which lies in `numpy/core`.
    origin = getattr(sys.modules["numpy._core._multiarray_umath"], "__file__", None) or ""
    if origin.endswith(tuple(EXTENSION_SUFFIXES)) and Path(origin).parent.name == "_core":
        return _mixed(folder, version, f"the compiled core {origin} of NumPy 2 loaded instead of its own")
    return None


def _mixed(folder: Path, version: str, found: str) -> Problem:
    message = f"expected NumPy {version} alone, got {found}: h5py and torch read NumPy objects wrongly"
    return Problem("mixed-numpy-install", str(folder), message, _fix(folder))


def _fix(folder: Path) -> str:
    return (
        "run `pip uninstall -y numpy` until it finds nothing, "
        f"then `rm -rf {folder} {folder.parent}/numpy-*.dist-info {folder.parent}/numpy.libs`, "
        "then `pip install --no-cache-dir 'numpy>=2'`"
    )
