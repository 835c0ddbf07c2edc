"""Frames <-> seconds on the exact grid of a constant rate.

The time of frame k is the float64 nearest to k / rate. Everything else is defined by comparing with these
float64 times, never by multiplying seconds with a rate: 1001/30000 s is a little less or more than the
fraction it stands for, and a floor of the product would give frame 0 for the time of frame 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

from lapsdata.errors import Problem, SchemaError
from lapsdata.timebase.rate import FrameRate, expect_rate

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Rounding", "frame_to_s", "grid_tolerance_s", "later_is_nearer", "off_grid", "s_to_frame"]

Rounding = Literal["floor", "nearest", "ceil"]

# Below this product of index and denominator both the product and the quotient's neighbours are told apart by
# float64 with three bits to spare: 35,000 years of 30000/1001.
_FARTHEST = 2**50

# Two distances that differ by less than this share of the gap, or by float64 noise, are a tie: 15 -> 10
# frames per second meets an exact tie at every second frame, and the last bit must not decide it.
_TIE = 1e-6
_TIE_ULPS = 4

# A container clock of 1/1000 s rounds two times that are compared, and an interval between them, by half a tick
# each.
_CLOCK_S = 2e-3


@overload
def frame_to_s(index: int | np.integer[Any], rate: FrameRate) -> float: ...
@overload
def frame_to_s(index: NDArray[np.integer[Any]], rate: FrameRate) -> NDArray[np.float64]: ...
def frame_to_s(index: int | np.integer[Any] | NDArray[np.integer[Any]], rate: FrameRate) -> float | NDArray[np.float64]:
    """Time of frames on the grid of `rate` that starts at 0 s.

    Parameters
    ----------
    index : int or array of int, any shape, frame, 0-based
    rate : FrameRate

    Returns
    -------
    float or array of float64, same shape, seconds
        The float64 nearest to index / rate; computed from integers, so no error adds up.

    Raises
    ------
    SchemaError
        `wrong-dtype`: not integers; `negative-frame`; `too-far`: index times denominator is 2**50 or more;
        `wrong-rate`: not a FrameRate.

    Examples
    --------
    >>> from lapsdata.timebase import FrameRate
    >>> frame_to_s(30_000, FrameRate(30000, 1001))
    1001.0
    >>> frame_to_s(np.arange(4), FrameRate(10))
    array([0. , 0.1, 0.2, 0.3])
    """
    expect_rate(rate)
    frames = np.asarray(index)
    if frames.dtype.kind not in "iu":
        raise SchemaError(Problem("wrong-dtype", "frame", f"expected integers, got {frames.dtype}"))
    if frames.size:
        _refuse_negative(frames, "expected frames from 0")
        _refuse_far(int(frames.max()) * rate.denominator, f"frame {frames.max()}", rate)
    seconds = _seconds(frames.astype(np.int64), rate)
    return seconds if frames.ndim else float(seconds)


@overload
def s_to_frame(seconds: float, rate: FrameRate, rounding: Rounding = "floor") -> int: ...
@overload
def s_to_frame(
    seconds: NDArray[np.floating[Any]], rate: FrameRate, rounding: Rounding = "floor"
) -> NDArray[np.int64]: ...
def s_to_frame(
    seconds: float | NDArray[np.floating[Any]], rate: FrameRate, rounding: Rounding = "floor"
) -> int | NDArray[np.int64]:
    """Frame that belongs to a time on the grid of `rate` that starts at 0 s.

    A time that came from `frame_to_s` gives back its frame under every rounding.

    Parameters
    ----------
    seconds : float or array of float, any shape, seconds
    rate : FrameRate
    rounding : {"floor", "nearest", "ceil"}
        "floor": the frame on show, the last one with `frame_to_s(k) <= seconds`. "ceil": the first with
        `frame_to_s(k) >= seconds`. "nearest": the nearer of the two; of equally near ones (distances that
        differ by less than a millionth of a period) the earlier.

    Returns
    -------
    int or array of int64, same shape, frame, 0-based

    Raises
    ------
    SchemaError
        `not-finite`; `negative-frame`: the time belongs to a frame before 0; `too-far`, `wrong-rate`: as
        `frame_to_s`.
    ValueError
        `rounding` is none of the three words.

    Examples
    --------
    >>> from lapsdata.timebase import FrameRate
    >>> [s_to_frame(0.19, FrameRate(10), rounding) for rounding in ("floor", "nearest", "ceil")]
    [1, 2, 2]
    """
    expect_rate(rate)
    times = np.asarray(seconds, dtype=np.float64)
    if times.size:
        if not np.isfinite(times).all():
            lost = times[~np.isfinite(times)]
            raise SchemaError(
                Problem("not-finite", "seconds", f"expected finite times, got {lost[0]} ({lost.size} such)")
            )
        farthest = float(np.abs(times).max())
        _refuse_far(farthest * rate.numerator, f"{farthest} s", rate)
    # The two roundings of the estimate move it by less than one frame; comparing puts that right.
    frames = np.floor(times * rate.numerator / rate.denominator).astype(np.int64)
    frames = frames + (_seconds(frames + 1, rate) <= times) - (_seconds(frames, rate) > times)
    if rounding == "ceil":
        frames = frames + (_seconds(frames, rate) < times)
    elif rounding == "nearest":
        frames = frames + later_is_nearer(_seconds(frames, rate), times, _seconds(frames + 1, rate))
    elif rounding != "floor":
        raise ValueError(f'rounding: expected "floor", "nearest" or "ceil", got {rounding!r}')
    if frames.size:
        _refuse_negative(frames, "expected times of frames from 0")
    return frames if times.ndim else int(frames)


def later_is_nearer(
    before: NDArray[np.float64], times: NDArray[np.float64], after: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Tell which times are nearer to `after` than to `before`; ties go to `before`.

    Parameters
    ----------
    before, times, after : array, one shape, float64, seconds

    Returns
    -------
    array of bool, same shape
        A tie is a difference of the two distances below a millionth of the gap plus four units in the last
        place.

    Examples
    --------
    >>> later_is_nearer(np.array([0.0, 0.0]), np.array([0.05, 0.06]), np.array([0.1, 0.1]))
    array([False,  True])
    """
    noise = _TIE_ULPS * np.spacing(np.maximum(np.abs(before), np.abs(after)))
    nearer: NDArray[np.bool_] = (times - before) - (after - times) > _TIE * (after - before) + noise
    return nearer


def grid_tolerance_s(rate: FrameRate) -> float:
    """Distance (float, seconds) from its place on the grid up to which a time counts as being there.

    Examples
    --------
    >>> from lapsdata.timebase import FrameRate
    >>> grid_tolerance_s(FrameRate(30)), grid_tolerance_s(FrameRate(1000))
    (0.002, 0.00025)
    """
    return min(_CLOCK_S, rate.period_s / 4)


def off_grid(frame_s: NDArray[np.float64], rate: FrameRate) -> NDArray[np.bool_]:
    """Tell which frames are not where a constant rate puts them.

    Parameters
    ----------
    frame_s : array, shape (F,), float64, seconds
    rate : FrameRate

    Returns
    -------
    array, shape (F,), bool
        Frame k is farther than `grid_tolerance_s` from `frame_s[0]` + k / rate.

    Raises
    ------
    SchemaError
        As `frame_to_s`.

    Examples
    --------
    >>> from lapsdata.timebase import FrameRate
    >>> off_grid(np.array([1.0, 1.033, 1.067, 1.133]), FrameRate(30))
    array([False, False, False,  True])
    """
    places = frame_s[:1] + frame_to_s(np.arange(frame_s.size), rate)
    away: NDArray[np.bool_] = np.abs(frame_s - places) > grid_tolerance_s(rate)
    return away


def _seconds(frames: NDArray[np.int64], rate: FrameRate) -> NDArray[np.float64]:
    # Both operands are integers below 2**53, so the one division is the one rounding.
    return frames * rate.denominator / rate.numerator


def _refuse_negative(frames: NDArray[np.integer[Any]], expected: str) -> None:
    low = frames[frames < 0]
    if low.size:
        raise SchemaError(Problem("negative-frame", "frame", f"{expected}, got frame {low[0]} ({low.size} below 0)"))


def _refuse_far(product: float, got: str, rate: FrameRate) -> None:
    if product >= _FARTHEST:
        raise SchemaError(
            Problem(
                "too-far",
                "frame",
                f"expected frame * {rate.denominator} below 2**50, got {got} at {rate} frames per second",
                "check the unit of the times, or give a simpler rate",
            )
        )
