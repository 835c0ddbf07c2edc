"""Boxes by frame, as columns: those of some frames are put into a batch, side by side and padded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["FrameBoxes"]

# What stands where there is no box: numbers of nothing, and a place that is none.
_PADDING = {"i": -1, "f": 0, "b": False}


class FrameBoxes:
    """Columns of boxes, in order of their frames.

    Parameters
    ----------
    frame : int64 (R,)
        Rising.
    columns : mapping of (R, ...)
    frames : int
        How many frames there are F.

    Examples
    --------
    >>> boxes = FrameBoxes(np.array([0, 2, 2]), {"label": np.array([5, 6, 7])}, 4)
    >>> label = np.empty((3, 2), np.int64)
    >>> boxes.put(np.array([2, 1, 0]), {"label": label}).tolist(), label.tolist()
    ([2, 0, 1], [[6, 7], [-1, -1], [5, -1]])
    """

    def __init__(self, frame: NDArray[np.int64], columns: Mapping[str, NDArray[Any]], frames: int) -> None:
        self.first = np.searchsorted(frame, np.arange(frames + 1))
        self.columns = dict(columns)

    def __len__(self) -> int:
        """Return the number of boxes R."""
        return int(self.first[-1])

    @property
    def counts(self) -> NDArray[np.int64]:
        """Boxes of each frame: int64 (F,)."""
        return np.diff(self.first)

    def put(self, frames: NDArray[np.int64], out: Mapping[str, NDArray[Any]]) -> NDArray[np.int64]:
        """Fill in the boxes of frames; behind the last one of a frame stand -1, 0 or False.

        Parameters
        ----------
        frames : int64 (P,)
        out : mapping of (P, N, ...)
            By column, in one piece of memory; N is at least the most boxes of a frame.

        Returns
        -------
        int64 (P,)
            How many boxes each frame has.
        """
        first = self.first[frames]
        count = self.first[frames + 1] - first
        ends = np.cumsum(count)
        within = np.arange(int(ends[-1]) if len(ends) else 0) - np.repeat(ends - count, count)
        rows = np.repeat(first, count) + within
        place = np.repeat(np.arange(len(frames)), count)
        for name, values in out.items():
            values[...] = _PADDING[values.dtype.kind]
            values[place, within] = self.columns[name][rows]
        return count
