"""What happens in each frame of a sequence, as arrays: for pictures of a score over time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lapsdata.metrics.tracking._overlaps import Frames

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

__all__ = ["FrameSeries"]


@dataclass(frozen=True, eq=False)
class FrameSeries:
    """Counts of each scored frame, as CLEAR matches it.

    Parameters
    ----------
    frame : int64 (F,)
        0-based frames of the sequence.
    truths, predictions : int64 (F,)
        Boxes on both sides.
    tp, idsw : int64 (F,)
        Matches, and those with another identity than the last one.
    iou_sum : float64 (F,)
        Overlaps of the matches, summed.

    Examples
    --------
    >>> one = np.array([1, 0])
    >>> series = FrameSeries(np.arange(2), one, 2 * one, one, 0 * one, 0.75 * one)
    >>> series.precision, series.mean_iou
    (array([0.5, 0. ]), array([0.75, 0.  ]))
    """

    frame: Integers
    truths: Integers
    predictions: Integers
    tp: Integers
    idsw: Integers
    iou_sum: Floats

    @classmethod
    def of(cls, frame: Integers, frames: Frames, matches: Floats) -> Self:
        """Return the series of frames (F,) from matches (3, F): how many, switches, overlaps."""
        true, found = (np.diff(side.start) for side in frames)
        tp, idsw = np.rint(matches[:2]).astype(np.int64)
        return cls(frame, true, found, tp, idsw, matches[2])

    @property
    def fp(self) -> Integers:
        """Predicted boxes that are not matched."""
        return self.predictions - self.tp

    @property
    def fn(self) -> Integers:
        """True boxes that are not matched."""
        return self.truths - self.tp

    @property
    def precision(self) -> Floats:
        """Share of the predicted boxes that is matched; 0 of none."""
        return self.tp / np.maximum(1, self.predictions)

    @property
    def recall(self) -> Floats:
        """Share of the true boxes that is matched; 0 of none."""
        return self.tp / np.maximum(1, self.truths)

    @property
    def f1(self) -> Floats:
        """The harmonic mean of both."""
        return self.tp / np.maximum(0.5, (self.predictions + self.truths) / 2)

    @property
    def mean_iou(self) -> Floats:
        """Mean overlap of the matches; 0 of none."""
        return self.iou_sum / np.maximum(1, self.tp)
