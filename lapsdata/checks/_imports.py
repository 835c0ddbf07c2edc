"""Whether the packages that we need can be imported, tried where a crash does no harm.

A package whose compiled parts do not fit may end the process that imports it; so another process, with the search
path of this one, imports them all. Only what fails there is tried alone, and all of them where that process ends.
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
def tried(name):
    try:
        module = importlib.import_module(name)
        if getattr(module, "__file__", None) is None:
            raise ImportError("its folder holds no module: leftovers of a package that was removed")
        return {"version": str(getattr(module, "__version__", ""))}
    except BaseException as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        # NumPy puts an essay before the cause.
        cause = [line for line in lines if line.startswith("Original error was:")] or lines or [""]
        absent = isinstance(error, ModuleNotFoundError) and error.name == name
        return {"fault": f"{type(error).__name__}: {cause[0]}", "absent": absent}
told = [tried(name) for name in sys.argv[1:]]
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
    """Import every package of `MODULES` and `OPTIONAL`, where a crash does no harm.

    Returns
    -------
    dict of str to Import
        By the name of the distribution.
    """
    every = {**MODULES, **OPTIONAL}
    together = _tried(*every.values())
    found = {} if isinstance(together, str) else dict(zip(every, together, strict=True))
    # What fails among others may do so because of them.
    doubtful = [name for name in every if name not in found or (found[name].fault and not found[name].absent)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found |= zip(doubtful, pool.map(_try, [every[name] for name in doubtful]), strict=True)
    return {name: found[name] for name in every}


def _try(module: str) -> Import:
    alone = _tried(module)
    return Import(fault=alone) if isinstance(alone, str) else alone[0]


def _tried(*modules: str) -> list[Import] | str:
    """Return how each import went in one process, or how that process ended before it could tell."""
    # Safe path: a file in the working folder must not stand for a package.
    command = [sys.executable, "-P", "-c", _CHILD, *modules]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        done = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=_LONGEST_S, check=False
        )
    except subprocess.TimeoutExpired:
        return f"it does not come to an end within {_LONGEST_S} s"
    try:
        return [Import(**told) for told in json.loads(done.stdout.splitlines()[-1])]
    except (IndexError, ValueError, TypeError):
        how = f"signal {-done.returncode}" if done.returncode < 0 else f"exit code {done.returncode}"
        return f"it ends the process ({how})"
