"""Runs of frames: half-open, so that neighbours share a border and lengths are differences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from lapsdata.errors import Problem, Problems, SchemaError, whole_number
from lapsdata.timebase.grid import frame_to_s, s_to_frame
from lapsdata.timebase.rate import FrameRate
from lapsdata.timebase.stamps import check_times, frame_end_s

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["FrameSpan"]


@dataclass(frozen=True, slots=True, order=True)
class FrameSpan:
    """Frames `start`, ..., `stop - 1`; ordered by start, then stop.

    Parameters
    ----------
    start, stop : int, frame, 0-based
        0 <= start <= stop; equal ones make an empty span.

    Raises
    ------
    SchemaError
        `wrong-span`: not integers, below 0, or stop before start.

    Examples
    --------
    >>> span = FrameSpan(10, 25)
    >>> len(span), 24 in span, 25 in span
    (15, True, False)
    >>> span.intersect(FrameSpan(20, 40)), span.shift(-10)
    (FrameSpan(start=20, stop=25), FrameSpan(start=0, stop=15))
    """

    start: int
    stop: int

    def __post_init__(self) -> None:
        start, stop = whole_number(self.start), whole_number(self.stop)
        if start is None or stop is None or not 0 <= start <= stop:
            got = f"start {self.start!r}, stop {self.stop!r}"
            raise SchemaError(Problem("wrong-span", "frame span", f"expected integers 0 <= start <= stop, got {got}"))
        object.__setattr__(self, "start", start)
        object.__setattr__(self, "stop", stop)

    def __len__(self) -> int:
        return self.stop - self.start

    def __contains__(self, frame: int) -> bool:
        return self.start <= frame < self.stop

    def intersect(self, other: FrameSpan) -> FrameSpan:
        """Return the frames in both; an empty span at the later start if there are none."""
        start = max(self.start, other.start)
        return FrameSpan(start, max(start, min(self.stop, other.stop)))

    def shift(self, frames: int) -> FrameSpan:
        """Return the span moved by `frames`; SchemaError (`wrong-span`) if that goes below 0."""
        return FrameSpan(self.start + frames, self.stop + frames)

    @classmethod
    def from_seconds(cls, start_s: float, end_s: float, clock: FrameRate | ArrayLike) -> Self:
        """Return the frames whose time lies in the half-open span [start_s, end_s).

        Parameters
        ----------
        start_s, end_s : float, seconds
            May reach beyond the frames on either side; only frames that exist are returned. The grid of a
            rate exists from 0 s on, without end.
        clock : FrameRate or array, shape (F,), float64, seconds
            The grid, or the time of each frame.

        Returns
        -------
        FrameSpan

        Raises
        ------
        SchemaError
            `wrong-span`: not finite, or end before start; as `check_times` and `s_to_frame`.

        Examples
        --------
        >>> FrameSpan.from_seconds(0.1, 0.3, FrameRate(10))
        FrameSpan(start=1, stop=3)
        >>> FrameSpan.from_seconds(0.1, 0.3, [0.0, 0.07, 0.2, 0.29, 0.3])
        FrameSpan(start=2, stop=4)
        """
        if not (np.isfinite([start_s, end_s]).all() and start_s <= end_s):
            message = f"expected finite start_s <= end_s, got {start_s} s and {end_s} s"
            raise SchemaError(Problem("wrong-span", "time span", message))
        if isinstance(clock, FrameRate):
            return cls(*(s_to_frame(max(0.0, float(s)), clock, "ceil") for s in (start_s, end_s)))
        start, stop = np.searchsorted(check_times(clock), [start_s, end_s], side="left")
        return cls(int(start), int(stop))

    def to_seconds(self, clock: FrameRate | ArrayLike, *, last_end_s: float | None = None) -> tuple[float, float]:
        """Return the half-open time that the frames cover.

        Parameters
        ----------
        clock : FrameRate or array, shape (F,), float64, seconds
            The grid, or the time of each frame.
        last_end_s : float, seconds, or None
            End of the last of the F frames, as `end_s` of `frame_end_s`; has no meaning for a rate.

        Returns
        -------
        start_s, end_s : float, seconds
            Equal for an empty span.

        Raises
        ------
        SchemaError
            `span-outside`: the span ends after frame F, or there is no frame at all; as `frame_end_s`.

        Examples
        --------
        >>> FrameSpan(3, 6).to_seconds(FrameRate(30))
        (0.1, 0.2)
        >>> FrameSpan(1, 3).to_seconds([0.0, 0.5, 0.6], last_end_s=2.0)
        (0.5, 2.0)
        """
        if isinstance(clock, FrameRate):
            return frame_to_s(self.start, clock), frame_to_s(self.stop, clock)
        found = Problems()
        times = check_times(clock)
        if self.stop > times.size or not times.size:
            found.add("span-outside", "frame span", f"expected a span of {times.size} timed frames, got {self}")
        found.raise_as(SchemaError)
        borders = np.append(times, frame_end_s(times, end_s=last_end_s)[-1])
        return float(borders[self.start]), float(borders[self.stop])
