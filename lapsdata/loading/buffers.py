"""Batch buffers that are filled again once nobody holds them: no batch changes while its user has it.

A fresh buffer costs a page fault for every 4 KiB that is written to it, which is more than the copy itself. So a
pool keeps its buffers, and asks of each how many references there are to it: a view, a memoryview and a tensor that
shares its memory all hold one. Only a raw address (`array.ctypes.data`) holds none.
"""

from __future__ import annotations

import sys
from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from lapsdata.loading.source import BatchSpec

    Maker = Callable[[tuple[int, ...], np.dtype[Any]], NDArray[Any]]

__all__ = ["BufferPool"]

# More than this is held by the user, who seems to collect batches: looking through them would take longer each time.
_KNOWN = 32


def _references(arrays: list[NDArray[Any]]) -> int:
    """Return the references to the array that has most of them, those of this call included."""
    return max(map(sys.getrefcount, arrays), default=0)


def _owner(array: NDArray[Any]) -> NDArray[Any]:
    """Return the array that every view of `array`, and of its views, refers to."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


class BufferPool:
    """Buffers for the fields of a batch, given again only when nobody holds them any more.

    May be used from several threads at once.

    Parameters
    ----------
    spec : BatchSpec
        The fields.
    rows : int
        Samples of the longest batch.
    make : callable, optional
        Makes an array of a shape and dtype, with nothing else in its memory; by default in ordinary memory.
    reuse : bool
        False gives fresh buffers every time.

    Examples
    --------
    >>> from lapsdata.loading.source import BatchSpec, FieldSpec
    >>> pool = BufferPool(BatchSpec({"vis": FieldSpec((2,), np.dtype(bool))}), rows=4)
    >>> mine = pool.take()["vis"]
    >>> np.shares_memory(mine, pool.take()["vis"])
    False
    >>> address = mine.ctypes.data
    >>> del mine
    >>> address in [pool.take()["vis"].ctypes.data for _ in range(2)]
    True
    """

    def __init__(self, spec: BatchSpec, rows: int, *, make: Maker = np.empty, reuse: bool = True) -> None:
        self._shapes = {name: ((rows, *field.shape), field.dtype) for name, field in spec.items()}
        self._make = make
        # Without the global lock, a count of references may miss those of other threads.
        self._reuse = reuse and getattr(sys, "_is_gil_enabled", lambda: True)()
        # Popped and appended in one step each: no lock that a fork could leave locked.
        self._sets: deque[list[NDArray[Any]]] = deque(maxlen=_KNOWN)
        self._idle = _references([np.empty(1)])

    def take(self, rows: int | None = None) -> dict[str, NDArray[Any]]:
        """Return a buffer for each field, with whatever its last batch has left in it.

        Parameters
        ----------
        rows : int, optional
            Samples of this batch, up to those of the longest.

        Returns
        -------
        dict of (rows, ...)
            Views: the pool keeps the arrays.
        """
        found = self._free() or [_owner(self._make(shape, dtype)) for shape, dtype in self._shapes.values()]
        views = {
            name: array.reshape(shape)[:rows]
            for array, (name, (shape, _)) in zip(found, self._shapes.items(), strict=True)
        }
        if self._reuse:
            # Held by the views by now: another thread that looks at it leaves it alone.
            self._sets.append(found)
        return views

    def _free(self) -> list[NDArray[Any]] | None:
        for _ in range(len(self._sets)):
            try:
                found = self._sets.popleft()
            except IndexError:  # other threads are looking through them
                return None
            if _references(found) <= self._idle:
                return found
            self._sets.append(found)
        return None
