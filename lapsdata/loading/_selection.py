"""Which windows of a data set are chosen, in which order: as runs where whole items are, else one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Selection", "check_ids"]


class Selection:
    """Numbers of windows that stand for 0, 1, 2 ...; in memory that grows with the runs, and not with the windows.

    Parameters
    ----------
    first : int64 (R,)
        First window of each run.
    length : int64 (R,)
        How many windows follow one another; at least one.

    Examples
    --------
    >>> chosen = Selection(np.array([10, 3]), np.array([2, 1]))
    >>> chosen.own(np.array([2, 0, 1])).tolist(), len(chosen)
    ([3, 10, 11], 3)
    """

    def __init__(self, first: NDArray[np.int64], length: NDArray[np.int64]) -> None:
        self._first = first
        self._starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(length)])

    @classmethod
    def of(cls, own: NDArray[np.int64]) -> Selection:
        """Return the selection of windows that are listed, in their order.

        Examples
        --------
        >>> len(Selection.of(np.array([4, 5, 6, 0]))._first)
        2
        """
        begins = np.flatnonzero(np.concatenate([[True], np.diff(own) != 1])) if len(own) else np.zeros(0, np.int64)
        return cls(own[begins], np.diff(np.concatenate([begins, [len(own)]])))

    @classmethod
    def of_items(cls, starts: NDArray[np.int64], wanted: NDArray[np.bool_]) -> Selection:
        """Return all windows of some items: `starts (M + 1,)`, `wanted (M,)`.

        Examples
        --------
        >>> Selection.of_items(np.array([0, 2, 5, 9]), np.array([True, False, True])).all().tolist()
        [0, 1, 5, 6, 7, 8]
        """
        edges = np.diff(np.concatenate([[0], wanted.astype(np.int8), [0]]))
        begins, ends = starts[np.flatnonzero(edges == 1)], starts[np.flatnonzero(edges == -1)]
        return cls(begins[ends > begins], (ends - begins)[ends > begins])

    def __len__(self) -> int:
        """Return the number of windows."""
        return int(self._starts[-1])

    def own(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Translate numbers within the selection, which must be in it."""
        run = np.searchsorted(self._starts, ids, "right") - 1
        own: NDArray[np.int64] = self._first[run] + (ids - self._starts[run])
        return own

    def all(self) -> NDArray[np.int64]:
        """Return every window, in order."""
        return self.own(np.arange(len(self)))

    def parts(self, starts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how many windows follow one another within one item, run by run: int64.

        Examples
        --------
        >>> Selection(np.array([1, 0]), np.array([6, 2])).parts(np.array([0, 2, 5, 9])).tolist()
        [1, 3, 2, 2]
        """
        stops = self._first + np.diff(self._starts)
        begin, end = np.searchsorted(starts, self._first, "right"), np.searchsorted(starts, stops, "left")
        between = np.maximum(0, end - begin)  # items that begin inside of a run
        within = np.arange(between.sum()) - np.repeat(np.cumsum(between) - between, between)
        inside = starts[np.repeat(begin, between) + within]
        places = np.repeat(self._starts[:-1] - self._first, between) + inside
        edges = np.unique(np.concatenate([self._starts, places]))
        return np.diff(edges)

    def only(self, starts: NDArray[np.int64], wanted: NDArray[np.bool_]) -> Selection:
        """Return those windows of the selection that lie in some items."""
        own = self.all()
        return Selection.of(own[wanted[np.searchsorted(starts, own, "right") - 1]])

    def position(self, own: int) -> int | None:
        """Return which number stands for a window: the lowest; None where it is not chosen."""
        length = np.diff(self._starts)
        inside = np.flatnonzero((self._first <= own) & (own < self._first + length))
        return int(self._starts[inside[0]] + own - self._first[inside[0]]) if len(inside) else None

    def to_bytes(self) -> bytes:
        """Return bytes that are equal for equal selections, however they came about."""
        length = np.diff(self._starts)
        apart = self._first[1:] != (self._first + length)[:-1]
        begins = np.flatnonzero(np.concatenate([[True], apart])[: len(length)])
        runs = np.stack([self._first[begins], np.diff(np.concatenate([self._starts[begins], self._starts[-1:]]))])
        return bytes(runs.astype("<i8").tobytes())


def check_ids(ids: NDArray[Any], length: int) -> None:
    """Refuse ids outside of a data set.

    Raises
    ------
    IndexError
        Names the first one.
    """
    wrong = ids[(ids < 0) | (ids >= length)]
    if len(wrong):
        raise IndexError(f"ids: expected 0 to {length - 1}, got {wrong[0]} ({len(wrong)} such ids)")
