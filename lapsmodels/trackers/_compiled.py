"""Numba with types: a function keeps its signature for readers and checkers, and its machine code between runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from lapsdata.compiling import compile_loop

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["compiled", "inlined"]

P = ParamSpec("P")
R = TypeVar("R")

# Sums may be taken in another order, which is what makes them vectors; NaN and infinity keep their meaning. Division
# by zero gives infinity, as in NumPy: a test before each division would keep loops from being vectors.
_OPTIONS: dict[str, Any] = {"fastmath": {"reassoc", "contract", "nsz", "arcp"}, "error_model": "numpy"}


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a hot loop at its first call; the plain function stays as `.py_func`.

    Equal inputs give equal bits on one kind of processor, in this process and in the next.
    See `lapsdata.compiling.compile_loop` for what is kept on disk.

    Examples
    --------
    >>> import numpy as np
    >>> from lapsmodels.trackers._slopes import least_slopes
    >>> least, picture = np.empty(1, np.float32), np.tile(np.arange(40, dtype=np.uint8), (40, 1))
    >>> least_slopes(picture, np.float32([[14, 14]]), least)
    >>> bool(least[0] < 1e-6)
    True
    """
    return compile_loop(function, **_OPTIONS)


def inlined(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a part of hot loops into each of its callers.

    As a function of its own it might be taken from its own module or from that of a caller, depending on what else a
    process has compiled; the two differ in the last bits.

    Examples
    --------
    >>> import numpy as np
    >>> from lapsmodels.trackers._patches import possible
    >>> float(possible(np.float32(40), np.float32(10)))
    0.75
    """
    return compile_loop(function, forceinline=True, **_OPTIONS)
