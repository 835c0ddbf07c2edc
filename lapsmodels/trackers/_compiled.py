"""Numba with types: a function keeps its signature for readers and checkers, and its machine code between runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import numba

from lapsdata.errors import warn

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["compiled"]

P = ParamSpec("P")
R = TypeVar("R")

# Numbers are computed as written. Were sums allowed in another order, code that was just compiled and the same code
# from disk would differ in the last bits, since they inline their helpers differently, and so would kinds of CPU.
# Division by zero gives infinity, as in NumPy: a test before each division would keep loops from being vectors.
_OPTIONS: dict[str, Any] = {"error_model": "numpy"}


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a hot loop at its first call; the plain function stays as `.py_func`.

    What was compiled is kept on disk for the next process. Numba looks at the file of the function only, so compiled
    functions that call one another stand in one file. Where no folder may be written, a LapsWarning says so once per
    file, and every process compiles for itself.

    Examples
    --------
    >>> from lapsmodels.trackers._patches import near
    >>> near(0.0, 0.0, 3.0, 4.0, 5.5), near.py_func(0.0, 0.0, 3.0, 4.0, 5.0)
    (True, False)
    """
    try:
        made: Callable[P, R] = numba.njit(cache=True, **_OPTIONS)(function)
    except RuntimeError as error:
        _uncached(function.__module__, str(error))
        made = numba.njit(**_OPTIONS)(function)
    return made


def _uncached(module: str, reason: str) -> None:
    if module not in _told:
        _told.add(module)
        warn(f"{module}: compiled code cannot be kept ({reason}); set NUMBA_CACHE_DIR to a folder that may be written")


_told: set[str] = set()
