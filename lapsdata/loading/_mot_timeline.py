"""The frames of all sequences, one behind the other, and which of them somebody annotated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lapsdata.containers.boxes import annotated_frames
from lapsdata.errors import spans_told

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lapsdata.schema import BoxSequence

__all__ = ["MotTimeline"]

_SPANS = 3


@dataclass(frozen=True, eq=False)
class MotTimeline:
    """Frames of sequences, counted through all of them.

    Parameters
    ----------
    sequences : tuple of BoxSequence
    starts : int64 (S + 1,)
        First frame of each sequence, and the number of all frames F.
    usable : bool (F,)
        Frames that clips may hold.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_boxes
    >>> timeline = MotTimeline.of(sample_boxes().header.sequences)
    >>> timeline.starts.tolist(), timeline.sequence_of(np.array([9, 10])).tolist()
    ([0, 10, 20], [0, 1])
    """

    sequences: tuple[BoxSequence, ...]
    starts: NDArray[np.int64]
    usable: NDArray[np.bool_]

    @classmethod
    def of(cls, sequences: tuple[BoxSequence, ...]) -> MotTimeline:
        """Return the frames of sequences; usable are those that were annotated."""
        starts = np.cumsum([0, *(one.length for one in sequences)])
        return cls(sequences, starts, np.concatenate([annotated_frames(one) for one in sequences]))

    def __len__(self) -> int:
        """Return the number of frames F."""
        return int(self.starts[-1])

    def sequence_of(self, frames: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the sequence of each frame, its number in `sequences`; of the same shape."""
        return np.searchsorted(self.starts, frames, "right") - 1

    def within(self, frames: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return frames counted from 0 in their sequence."""
        return frames - self.starts[self.sequence_of(frames)]

    def numbers(self, frames: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return what the source, and the names of images, call frames."""
        first = np.array([one.first_number for one in self.sequences], np.int64)
        at = self.sequence_of(frames)
        return frames - self.starts[at] + first[at]

    def told(self, marked: NDArray[np.bool_]) -> dict[str, tuple[int, str]]:
        """Return how many frames of each sequence are marked, and their numbers in words, where there are any.

        Parameters
        ----------
        marked : bool (F,)
        """
        found = {}
        for one, start, stop in zip(self.sequences, self.starts[:-1].tolist(), self.starts[1:].tolist(), strict=True):
            inside = np.flatnonzero(marked[start:stop]) + one.first_number
            if len(inside):
                found[one.name] = len(inside), spans_told(inside.tolist(), _SPANS)
        return found
