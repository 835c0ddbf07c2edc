"""Which clips there are: their first frames, the intervals that fit, and which of these an epoch draws."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from lapsdata.loading._hashing import keys_of, mixed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lapsdata.loading._mot_timeline import MotTimeline

__all__ = ["ClipPlan", "Gaps"]

Gaps = Literal["split", "step_over"]
"""Whether frames that nobody annotated end a clip, or may lie between the frames of one. In a clip they never are."""

_HALF = np.uint64(32)


class ClipPlan:
    """Clips of a timeline: one for each frame that one can begin at.

    Parameters
    ----------
    timeline : MotTimeline
    length : int
        Frames of a clip T.
    intervals : range
        Between its frames; where there are several, each clip has one of those that fit, drawn anew in each epoch.
    gaps : {"split", "step_over"}
    seed : int

    Attributes
    ----------
    first : int64 (C,)
        First frame of each clip, in the timeline.

    Examples
    --------
    >>> from lapsdata.loading._mot_timeline import MotTimeline
    >>> from lapsdata.testing.samples import sample_boxes
    >>> plan = ClipPlan(MotTimeline.of(sample_boxes().header.sequences), 3, range(4, 5), "split", 0)
    >>> plan.frames(np.arange(4), plan.interval(np.arange(4), np.zeros(4, np.int64))).tolist()
    [[0, 4, 8], [1, 5, 9], [10, 14, 18], [11, 15, 19]]
    """

    def __init__(self, timeline: MotTimeline, length: int, intervals: range, gaps: Gaps, seed: int) -> None:
        longest = max(one.length for one in timeline.sequences)
        # Those that no sequence is long enough for are not tried, however many are asked for.
        most = intervals.stop if length == 1 else (longest - 1) // (length - 1) + 1
        fitting = range(intervals.start, min(intervals.stop, most))
        self.length, self.intervals = length, fitting
        self._usable = timeline.usable if gaps == "step_over" else None
        self._key = keys_of(("interval of clips", seed), 1)[0]
        self._steps = np.arange(length) if fitting else np.broadcast_to(np.int64(0), length)
        self._end = _ends(timeline, gaps)
        every = np.arange(len(timeline))
        begins, narrow = np.zeros(len(every), bool), np.full(len(every), len(fitting) < len(intervals))
        self._reached = np.zeros(len(every), bool)
        for interval in fitting:
            fits = self._fit(every, np.int64(interval))
            narrow |= ~fits
            begins |= fits
            first = np.flatnonzero(fits)
            for step in (self._steps * interval).tolist():
                self._reached[first + step] = True
        self.first = np.flatnonzero(begins)
        self.narrow = int(narrow[self.first].sum())

    def __len__(self) -> int:
        """Return the number of clips C."""
        return len(self.first)

    @property
    def reached(self) -> NDArray[np.bool_]:
        """Which frames some clip holds, in some epoch: bool (F,)."""
        return self._reached

    def frames(self, ids: NDArray[np.int64], interval: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the frames of clips, in the timeline: int64 (B, T) for ids and intervals (B,)."""
        frames: NDArray[np.int64] = self.first[ids][:, None] + interval[:, None] * self._steps
        return frames

    def interval(self, ids: NDArray[np.int64], epochs: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the interval of clips: int64 (B,); a pure function of seed, id and epoch."""
        among = np.array(self.intervals, np.int64)
        if len(among) <= 1:
            return np.full(len(ids), self.intervals.start)
        fits = self._fit(self.first[ids][:, None], among[None])
        bits = mixed(mixed(ids.astype(np.uint64) ^ self._key) ^ mixed(epochs.astype(np.uint64)))
        # The upper half of a product with 32 random bits is a random number below the count.
        turn = ((bits >> _HALF) * fits.sum(axis=1).astype(np.uint64)) >> _HALF
        passed = np.cumsum(fits, axis=1) > turn[:, None].astype(np.int64)
        drawn: NDArray[np.int64] = among[np.argmax(passed, axis=1)]
        return drawn

    def _fit(self, first: NDArray[np.int64], interval: NDArray[np.int64] | np.int64) -> NDArray[np.bool_]:
        """Say whether clips that begin at frames lie where they may."""
        inside: NDArray[np.bool_] = first + (self.length - 1) * interval < self._end[first]
        if self._usable is None:
            return inside
        last = len(self._usable) - 1
        for step in self._steps.tolist():
            inside &= self._usable[np.minimum(first + step * interval, last)]
        return inside


def _ends(timeline: MotTimeline, gaps: Gaps) -> NDArray[np.int64]:
    """Return for each frame where a clip that begins there has to end, 0 where none may begin: int64 (F,)."""
    frames, usable = len(timeline), timeline.usable
    ends = np.zeros(frames + 1, bool)
    ends[timeline.starts] = True
    if gaps == "split":
        ends[:-1] |= ~usable
    places = np.flatnonzero(ends)
    nearest = places[np.searchsorted(places, np.arange(frames), "right")]
    return np.where(usable, nearest, 0)
