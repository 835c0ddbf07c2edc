"""Whether the packages that we need can be imported, tried where a crash does no harm.

A package whose compiled parts do not fit may end the process that imports it; so each is imported by a process
of its own, several at a time, with the search path of this one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

__all__ = ["MODULES", "OPTIONAL", "Import", "try_imports"]

MODULES: Final = {
    "numpy": "numpy",
    "pydantic": "pydantic",
    "h5py": "h5py",
    "zarr": "zarr",
    "pyarrow": "pyarrow",
    "torch": "torch",
    "av": "av",
    "opencv-python-headless": "cv2",
    "scipy": "scipy",
    "numba": "numba",
    "google-crc32c": "google_crc32c",
}
"""Modules by the name of their distribution."""

OPTIONAL: Final = {"torchcodec": "torchcodec"}
"""Those of extras whose compiled parts may not fit."""

_LONGEST_S: Final = 120

_CHILD: Final = r"""
import importlib, json, sys
try:
    module = importlib.import_module(sys.argv[1])
    if getattr(module, "__file__", None) is None:
        raise ImportError("its folder holds no module: leftovers of a package that was removed")
    told = {"version": str(getattr(module, "__version__", ""))}
except BaseException as error:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # NumPy puts an essay before the cause.
    cause = [line for line in lines if line.startswith("Original error was:")] or lines or [""]
    absent = isinstance(error, ModuleNotFoundError) and error.name == sys.argv[1]
    told = {"fault": f"{type(error).__name__}: {cause[0]}", "absent": absent}
print()
print(json.dumps(told), flush=True)
"""


@dataclass(frozen=True, slots=True)
class Import:
    """How one import went.

    Parameters
    ----------
    version : str
        What the module calls its version; empty where it tells none.
    fault : str or None
        Why it cannot be imported, in one line.
    absent : bool
        Whether nothing of that name is there.
    """

    version: str = ""
    fault: str | None = None
    absent: bool = False

    @property
    def deadly(self) -> bool:
        """Whether the process that tried it died or did not end; what is raised is told behind the name of its type."""
        return self.fault is not None and self.fault.startswith("it ")


def try_imports() -> dict[str, Import]:
    """Import every package of `MODULES` and `OPTIONAL`, each in a process of its own.

    Returns
    -------
    dict of str to Import
        By the name of the distribution.
    """
    every = {**MODULES, **OPTIONAL}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(every, pool.map(_try, every.values()), strict=True))


def _try(module: str) -> Import:
    # Safe path: a file in the working folder must not stand for a package.
    command = [sys.executable, "-P", "-c", _CHILD, module]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        done = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=_LONGEST_S, check=False
        )
    except subprocess.TimeoutExpired:
        return Import(fault=f"it does not come to an end within {_LONGEST_S} s")
    try:
        return Import(**json.loads(done.stdout.splitlines()[-1]))
    except (IndexError, ValueError, TypeError):
        how = f"signal {-done.returncode}" if done.returncode < 0 else f"exit code {done.returncode}"
        return Import(fault=f"it ends the process ({how})")
