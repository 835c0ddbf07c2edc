"""Tracks of a video between their keyframes, as Label Studio draws them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lapsdata.timebase import FrameRate

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["between_keyframes", "rate_of"]


def between_keyframes(
    frame: NDArray[np.int64], enabled: NDArray[np.bool_], values: NDArray[np.float64], last: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return each frame in which a track is to be seen, and its values there.

    Behind an enabled keyframe values go to the next one in a straight line, whatever that one is. One that is not
    enabled is the last frame that the track is seen in, until a later keyframe. Behind the last keyframe, where that is
    enabled, values stay as they are up to the end of the video.

    Parameters
    ----------
    frame : int64 (K,)
        Of the keyframes, rising, each once.
    enabled : bool (K,)
    values : float64 (K, V)
    last : int
        Last frame of the video, counted as the keyframes are.

    Returns
    -------
    int64 (F,)
    float64 (F, V)

    Examples
    --------
    >>> frames, values = between_keyframes(
    ...     np.array([1, 3, 7]), np.array([True, False, True]), np.array([[10.0], [20.0], [5.0]]), last=8)
    >>> frames.tolist(), values[:, 0].tolist()
    ([1, 2, 3, 7, 8], [10.0, 15.0, 20.0, 5.0, 5.0])
    """
    if not len(frame):
        return frame, values
    after = np.append(frame[1:], max(last, int(frame[-1])) + 1)
    seen = np.where(enabled, after - frame, 1)
    begin = np.repeat(np.arange(len(frame)), seen)
    step = np.arange(len(begin)) - np.repeat(np.cumsum(seen) - seen, seen)
    towards = np.append(values[1:], values[-1:], axis=0)
    share = step / (after - frame)[begin]
    return frame[begin] + step, values[begin] + (towards - values)[begin] * share[:, np.newaxis]


# Whole rates, and those of NTSC.
_RATES = tuple(FrameRate(n) for n in range(1, 241)) + tuple(FrameRate(n * 1000, 1001) for n in (24, 30, 48, 60, 120))


def rate_of(count: int, duration: float) -> FrameRate | None:
    """Return the rate at which so many frames last so long, give or take a frame; None where no usual one does.

    Parameters
    ----------
    count : int
        Of frames.
    duration : float
        Of the video, in seconds.

    Examples
    --------
    >>> str(rate_of(250, 10.01)), str(rate_of(300, 10.01)), rate_of(3, 100.0)
    ('25', '30000/1001', None)
    """
    missed = [abs(count - duration * float(rate.numerator) / rate.denominator) for rate in _RATES]
    best = min(range(len(_RATES)), key=missed.__getitem__)
    return _RATES[best] if missed[best] <= 1 else None
