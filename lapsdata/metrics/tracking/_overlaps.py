"""Boxes of one class in one sequence, both sides, and which of them overlap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

__all__ = ["Frames", "Overlaps", "Pairs", "Side", "best_overlaps", "sparse_overlaps"]


@dataclass(frozen=True, slots=True)
class Side:
    """Boxes of one side, frame by frame.

    Parameters
    ----------
    box : float64 (n, 4), pixel
        x, y, w, h.
    id : int64 (n,)
        Identities as numbers from 0 without gaps.
    start : int64 (F + 1,)
        Where the boxes of each frame begin.
    count : int64 (identities,)
        Boxes of each identity.
    name : int64 (identities,)
        What each identity is called.

    Examples
    --------
    >>> Side.of(np.zeros((2, 4)), np.array([7, 3]), np.array([0, 2]), 3).start
    array([0, 1, 1, 2])
    """

    box: Floats
    id: Integers
    start: Integers
    count: Integers
    name: Integers

    @classmethod
    def of(cls, box: Floats, ids: Integers, frame: Integers, frames: int) -> Self:
        """Return boxes (n, 4) that stand by rising frame (n,), of so many frames."""
        name, number, count = np.unique(ids, return_inverse=True, return_counts=True)
        start = np.concatenate([[0], np.cumsum(np.bincount(frame, minlength=frames))])
        whole = (one.astype(np.int64) for one in (number, start, count, name))
        return cls(np.ascontiguousarray(box), *whole)

    def __len__(self) -> int:
        """Return the number of boxes."""
        return len(self.box)


class Frames(NamedTuple):
    """Both sides of the same frames."""

    truth: Side
    predicted: Side

    @property
    def starts(self) -> tuple[Integers, Integers]:
        """Where the boxes of each frame begin, on both sides."""
        return self.truth.start, self.predicted.start


class Pairs(NamedTuple):
    """Identities that overlap in some frame, true and predicted, by true identity.

    Parameters
    ----------
    of_overlap : int64 (overlaps,)
        Which pair each overlap is of.
    start : int64 (true identities + 1,)
        Where the pairs of each true identity begin.
    true, found : int64 (pairs,)
    """

    of_overlap: Integers
    start: Integers
    true: Integers
    found: Integers


class Overlaps(NamedTuple):
    """Both sides, overlaps above 0 as `_frame_loops` has them, and which identities overlap."""

    frames: Frames
    sparse: tuple[Integers, Integers, Floats]
    pairs: Pairs

    @property
    def starts(self) -> tuple[Integers, Integers]:
        """Where the boxes of each frame begin, on both sides."""
        return self.frames.starts

    @property
    def iou(self) -> Floats:
        """Overlaps above 0, one after another."""
        return self.sparse[2]

    @classmethod
    def of(cls, frames: Frames) -> Self:
        """Look for overlaps in every frame."""
        from lapsdata.metrics.tracking._frame_loops import number_pairs

        true, found = frames
        sparse = sparse_overlaps(frames)
        of_overlap, start, other = number_pairs(true.id, len(true.count), found.id, len(found.count), *sparse[:2])
        number = np.repeat(np.arange(len(true.count)), np.diff(start))
        return cls(frames, sparse, Pairs(of_overlap, start, number, other))


def sparse_overlaps(frames: Frames) -> tuple[Integers, Integers, Floats]:
    """Return the overlaps of all boxes of a frame, in every frame."""
    from lapsdata.metrics.tracking._frame_loops import find_overlaps

    true, found = frames
    return find_overlaps(frames.starts, true.box, found.box)


def best_overlaps(frame: Integers, box: Floats, other: Integers, other_box: Floats) -> Floats:
    """Return the largest overlap of each box with one of the others in its frame, 0 where there is none.

    Parameters
    ----------
    frame : int64 (n,)
        Rising, as `other` is.
    box : float64 (n, 4), pixel
        x, y, w, h.
    other : int64 (m,)
    other_box : float64 (m, 4), pixel

    Examples
    --------
    >>> square = np.array([[0.0, 0, 2, 2]])
    >>> best_overlaps(np.array([5]), square, np.array([5, 6]), np.array([[0.0, 0, 2, 1], [0, 0, 2, 2]]))
    array([0.5])
    """
    number = np.unique(np.concatenate([frame, other]))
    sides = (
        Side.of(boxes, np.zeros(len(boxes), np.int64), np.searchsorted(number, frames), len(number))
        for frames, boxes in ((frame, box), (other, other_box))
    )
    start, _, iou = sparse_overlaps(Frames(*sides))
    best = np.zeros(len(box))
    np.maximum.at(best, np.repeat(np.arange(len(box)), np.diff(start)), iou)
    return best
