"""What labelled time is counted in: frames of a rate, or whole microseconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from lapsdata.metrics._given import PER_S, RESOLUTION_S, ticks_of
from lapsdata.timebase import FrameRate, frame_to_s, s_to_frame

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Clock"]


@dataclass(frozen=True, slots=True)
class Clock:
    """Times as whole numbers.

    Parameters
    ----------
    rate : FrameRate or None
        None counts microseconds.
    """

    rate: FrameRate | None

    @property
    def word(self) -> Literal["frames", "time"]:
        """What the rules call it."""
        return "time" if self.rate is None else "frames"

    @property
    def unit(self) -> str:
        """What its numbers are called where they are counted."""
        return "us" if self.rate is None else "frames"

    @property
    def slack(self) -> int:
        """By how much a length may be off: an end of a segment is half a microsecond from where it was, frames none."""
        return 1 if self.rate is None else 0

    def ticks(self, times_s: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return times as the numbers nearest to them, same shape.

        Raises
        ------
        SchemaError
            A time of a frame before 0.
        """
        return ticks_of(times_s) if self.rate is None else s_to_frame(times_s, self.rate, "nearest")

    def seconds(self, ticks: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return numbers as times, same shape."""
        return ticks / PER_S if self.rate is None else frame_to_s(ticks, self.rate)

    def rounded(self, times_s: NDArray[np.float64]) -> int:
        """Return how many times lie between two frames; those that a file rounds to six decimals do not."""
        if self.rate is None:
            return 0
        return int((np.abs(self.seconds(self.ticks(times_s)) - times_s) > RESOLUTION_S).sum())
