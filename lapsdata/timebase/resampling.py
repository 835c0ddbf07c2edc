"""Another rate without another time: each grid frame shows the source frame nearest in time.

Taking every `round(source / target)`-th frame gives 7.5 frames per second for 15 -> 10 and calls them 10.
Here the grid comes first, from integers, and the source frames are looked up by their timestamps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lapsdata.errors import Problem, Problems, SchemaError
from lapsdata.timebase.grid import frame_to_s, grid_tolerance_s, later_is_nearer, s_to_frame
from lapsdata.timebase.rate import FrameRate, expect_rate
from lapsdata.timebase.stamps import check_times, frame_end_s

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["Resampled", "resample"]

# A minute between source frames asks for 3,600 grid frames each at 60 per second; times in microseconds that
# are taken for seconds ask for a million.
_MOST_PER_SOURCE_FRAME = 10_000


@dataclass(frozen=True, slots=True, eq=False)
class Resampled:
    """Which source frame each frame of an exact grid shows.

    Parameters
    ----------
    rate : FrameRate
        Rate of the grid.
    frame_s : array, shape (F,), float64, seconds, read-only
        Grid times: start + k / rate.
    end_s : float, seconds
        Half-open end of the grid: start + F / rate.
    source_index : array, shape (F,), int64, source frame, 0-based, read-only
        Source frame nearest in time; never decreases.
    duplicated : int
        Grid frames that show a source frame again: F minus the number of source frames used.
    dropped : int
        Source frames that no grid frame shows, those outside the span included.
    largest_shift_s : float, seconds
        Largest distance between a grid time and the time of its source frame.

    Examples
    --------
    >>> from lapsdata.timebase import FrameRate
    >>> up = resample([0.0, 0.5], FrameRate(4))
    >>> up.frame_s, up.end_s, up.source_index, up.duplicated, up.largest_shift_s
    (array([0.  , 0.25, 0.5 , 0.75]), 1.0, array([0, 0, 1, 1]), 2, 0.25)
    """

    rate: FrameRate
    frame_s: NDArray[np.float64]
    end_s: float
    source_index: NDArray[np.int64]
    duplicated: int
    dropped: int
    largest_shift_s: float


def resample(
    source_s: ArrayLike,
    rate: FrameRate,
    *,
    start_s: float | None = None,
    end_s: float | None = None,
    max_shift_s: float | None = None,
) -> Resampled:
    """Lay the grid of `rate` over timestamps, and find the nearest source frame for each of its frames.

    The grid covers the half-open span [start_s, end_s): its frames are start_s + k / rate, as long as they
    lie at least 2 ms (or a quarter of a period, if that is less) before the end; the first one is always
    there. Of two source frames equally near the earlier one is taken; distances that differ by less than a
    millionth of the gap between the two are equal.

    Parameters
    ----------
    source_s : array, shape (S,), float64, seconds
        Time of each source frame, strictly increasing, at any spacing; S >= 1.
    rate : FrameRate
        Rate of the grid, lower or higher than that of the source.
    start_s : float, seconds, or None
        First grid time; not before the first source frame, which is the default.
    end_s : float, seconds, or None
        Half-open end. Beyond the last source frame it states how long that one lasts; by default it lasts the
        median interval. An earlier end cuts.
    max_shift_s : float, seconds, or None
        Refuse if a grid frame is farther than this from every source frame.

    Returns
    -------
    Resampled

    Raises
    ------
    SchemaError
        As `check_times` and `frame_end_s`; `no-frames`: S is 0; `wrong-span`: start_s before the first source
        frame or not before end_s; `wrong-tolerance`: max_shift_s below 0; `gap-too-large`: the tolerance is
        not kept; `grid-too-long`: more than 10,000 grid frames per source frame, as from times that are not
        in seconds; `wrong-rate`: not a FrameRate.

    Examples
    --------
    >>> from lapsdata.timebase import FrameRate
    >>> fifteen = frame_to_s(np.arange(15), FrameRate(15))
    >>> ten = resample(fifteen, FrameRate(10))
    >>> ten.source_index, ten.duplicated, ten.dropped
    (array([ 0,  1,  3,  4,  6,  7,  9, 10, 12, 13]), 0, 5)
    """
    expect_rate(rate)
    source = check_times(source_s, where="source_s")
    start, end = _covered(source, start_s, end_s)
    # A grid frame nearer to the end than this would show a moment that does not exist.
    edge = grid_tolerance_s(rate)
    # A start is a frame even where the span is shorter than the edge.
    n_frames = max(1, s_to_frame(max(0.0, end - edge - start), rate, "ceil"))
    if n_frames > _MOST_PER_SOURCE_FRAME * source.size:
        raise SchemaError(_too_long(n_frames, source.size, end - start, rate))
    times = start + frame_to_s(np.arange(n_frames + 1), rate)
    frame_s, grid_end = times[:-1], float(times[-1])
    index = _nearest(source, frame_s)
    shift = np.abs(frame_s - source[index])
    if max_shift_s is not None:
        _keep_tolerance(source, frame_s, index, end, max_shift_s)
    used = np.unique(index).size
    frame_s.flags.writeable = False
    index.flags.writeable = False
    return Resampled(
        rate=rate,
        frame_s=frame_s,
        end_s=grid_end,
        source_index=index,
        duplicated=n_frames - used,
        dropped=source.size - used,
        largest_shift_s=float(shift.max()),
    )


def _covered(source: NDArray[np.float64], start_s: float | None, end_s: float | None) -> tuple[float, float]:
    if not source.size:
        raise SchemaError(Problem("no-frames", "source_s", "expected at least one frame, got none"))
    start = float(source[0]) if start_s is None else float(start_s)
    end = float(frame_end_s(source)[-1]) if end_s is None else float(end_s)
    found = Problems()
    if not start >= source[0]:
        found.add(
            "wrong-span",
            "start_s",
            f"expected a time from the first source frame ({source[0]} s) on, got {start} s",
            "there is nothing to show before it",
        )
    if not start < end < np.inf:
        found.add("wrong-span", "end_s", f"expected a finite time after the start ({start} s), got {end} s")
    found.raise_as(SchemaError)
    return start, end


def _too_long(n_frames: int, n_source: int, seconds: float, rate: FrameRate) -> Problem:
    return Problem(
        "grid-too-long",
        "source_s",
        f"expected at most {_MOST_PER_SOURCE_FRAME} grid frames per source frame, got {n_frames} for {n_source} "
        f"({seconds:g} s at {rate} frames per second)",
        "are the times in seconds? divide milliseconds by 1e3, microseconds by 1e6",
    )


def _nearest(source: NDArray[np.float64], frame_s: NDArray[np.float64]) -> NDArray[np.int64]:
    if source.size == 1:
        return np.zeros(frame_s.size, np.int64)
    before = np.clip(np.searchsorted(source, frame_s, side="left") - 1, 0, source.size - 2)
    return before + later_is_nearer(source[before], frame_s, source[before + 1])


def _keep_tolerance(
    source: NDArray[np.float64],
    frame_s: NDArray[np.float64],
    index: NDArray[np.int64],
    end: float,
    max_shift_s: float,
) -> None:
    if not max_shift_s >= 0:
        raise SchemaError(Problem("wrong-tolerance", "max_shift_s", f"expected 0 or more, got {max_shift_s} s"))
    shift = np.abs(frame_s - source[index])
    # A shift of exactly the tolerance is kept whatever the last bits of the timestamps say.
    noise = 4 * np.spacing(np.abs(frame_s) + np.abs(source[index]))
    far = np.flatnonzero(shift > max_shift_s + noise)
    if far.size:
        k = int(far[np.argmax(shift[far])])
        gaps = np.diff(np.append(source, max(end, source[-1])))
        gap = int(np.argmax(gaps))
        raise SchemaError(
            Problem(
                "gap-too-large",
                "source_s",
                f"expected a source frame within {max_shift_s} s of every grid frame, got {shift[k]:.6g} s "
                f"at {frame_s[k]:.6f} s ({far.size} of {frame_s.size} grid frames are too far); the largest "
                f"gap is {gaps[gap]:.6g} s after source frame {gap} at {source[gap]:.6f} s",
                "cut the source there, or allow a larger max_shift_s",
            )
        )
