"""The grid of another rate laid over frames that come one by one: what `resample` does of all of them at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata.errors import Problem, SchemaError
from lapsdata.timebase.grid import frame_to_s, grid_tolerance_s, later_is_nearer, s_to_frame
from lapsdata.timebase.rate import expect_rate

if TYPE_CHECKING:
    from lapsdata.timebase.rate import FrameRate

__all__ = ["GridFrame", "GridStream"]


class GridFrame(NamedTuple):
    """One frame of the grid.

    Parameters
    ----------
    number : int, frame, 0-based
        Its place on the grid.
    time_s : float, seconds
    before : bool
        Whether it shows the source frame before the one that was pushed last, and not that one.

    Examples
    --------
    >>> GridFrame(3, 0.3, False).time_s
    0.3
    """

    number: int
    time_s: float
    before: bool


class GridStream:
    """Lays the grid of a rate over timestamps as they come; the same frames as `resample`, whatever comes when.

    A grid frame is decided with the first source frame that is not earlier.

    Parameters
    ----------
    rate : FrameRate
    end_s : float, seconds, optional
        Half-open end of the last source frame, where that is known before it comes.

    Examples
    --------
    >>> from lapsdata.timebase import FrameRate
    >>> grid = GridStream(FrameRate(10))
    >>> [[(frame.number, frame.before) for frame in grid.push(second)] for second in (0.0, 0.07, 0.13, 0.2)]
    [[(0, False)], [], [(1, True)], [(2, False)]]
    """

    def __init__(self, rate: FrameRate, *, end_s: float | None = None) -> None:
        expect_rate(rate)
        self._rate, self._end_s = rate, end_s
        self._before: float | None = None
        self._last: float | None = None
        self._start_s = 0.0
        self._next = 0

    def push(self, source_s: float) -> list[GridFrame]:
        """Take the time of the next source frame; return the grid frames that are decided now.

        Raises
        ------
        SchemaError
            `not-increasing`: not later than the frame before.
        """
        if self._last is None:
            self._start_s = self._last = source_s
            self._next = 1
            return [GridFrame(0, source_s, before=False)]
        if not source_s > self._last:
            message = f"expected a time after {self._last} s, got {source_s} s"
            raise SchemaError(Problem("not-increasing", "source_s", message, "leave the frame out"))
        self._before, self._last = self._last, source_s
        first, self._next = self._next, self._beyond(source_s)
        times = self._times(first, self._next)
        later = later_is_nearer(np.full(times.shape, self._before), times, np.full(times.shape, source_s))
        return [
            GridFrame(number, time_s, before=not shows)
            for number, time_s, shows in zip(range(first, self._next), times.tolist(), later.tolist(), strict=True)
        ]

    def close(self) -> list[GridFrame]:
        """Say that no more frames come; return what the last one still covers.

        Where its end is not known, it lasts as long as the one before it.
        """
        if self._last is None:
            return []
        end_s = self._end_s
        if end_s is None:
            end_s = self._last if self._before is None else 2 * self._last - self._before
        first, self._next = self._next, max(self._next, self._count(end_s))
        return [
            GridFrame(number, time_s, before=False)
            for number, time_s in enumerate(self._times(first, self._next).tolist(), first)
        ]

    def _beyond(self, source_s: float) -> int:
        """Return the first grid frame that is later than a source frame, or not there at all."""
        guess = s_to_frame(source_s - self._start_s, self._rate, "floor") + 2
        times = self._times(self._next, max(guess, self._next))
        beyond = self._next + int((times <= source_s).sum())
        return beyond if self._end_s is None else min(beyond, max(self._next, self._count(self._end_s)))

    def _count(self, end_s: float) -> int:
        edge = grid_tolerance_s(self._rate)
        return max(1, s_to_frame(max(0.0, end_s - edge - self._start_s), self._rate, "ceil"))

    def _times(self, first: int, until: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return self._start_s + frame_to_s(np.arange(first, until), self._rate)
