"""Compiling hot loops: machine code is kept between runs where a folder for it may be written, and said where not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from lapsdata.errors import warn

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["compile_loop"]

P = ParamSpec("P")
R = TypeVar("R")


def compile_loop(function: Callable[P, R], **options: Any) -> Callable[P, R]:  # noqa: ANN401 - Numba's own
    """Compile a function with Numba at its first call; the plain function stays as `.py_func`.

    What was compiled is kept on disk for the next process. Numba looks at the file of the function only, so compiled
    functions that call one another stand in one file. Where no folder may be written, a LapsWarning says so once per
    file, and every process compiles for itself.

    Parameters
    ----------
    function : callable
    **options
        Of `numba.njit`.

    Examples
    --------
    >>> def total(numbers):
    ...     held = 0
    ...     for number in numbers:
    ...         held += number
    ...     return held
    >>> import numpy as np
    >>> int(compile_loop(total, cache=False)(np.arange(4)))
    6
    """
    import numba

    made: Callable[P, R]
    options = {"cache": True} | options
    try:
        made = numba.njit(**options)(function)
    except RuntimeError as error:
        _uncached(function.__module__, str(error))
        made = numba.njit(**options | {"cache": False})(function)
    return made


def _uncached(module: str, reason: str) -> None:
    if module not in _told:
        _told.add(module)
        warn(f"{module}: compiled code cannot be kept ({reason}); set NUMBA_CACHE_DIR to a folder that may be written")


_told: set[str] = set()
