"""Windows of T frames, and the time that each of them covers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.errors import Problem, Problems, SchemaError, whole_number
from lapsdata.timebase.stamps import frame_end_s

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["tail_frames", "window_starts", "window_time_s"]


def window_starts(n_frames: int, horizon: int, stride: int) -> NDArray[np.int64]:
    """First frame of each full window: 0, stride, 2 stride, ...

    Parameters
    ----------
    n_frames : int
        Frames of the video, 0 or more.
    horizon : int
        T, frames of a window, 1 or more.
    stride : int
        Frames from one start to the next, 1 or more.

    Returns
    -------
    array, shape (W,), int64, frame, 0-based
        W = floor((n_frames - horizon) / stride) + 1, or 0 for a video shorter than one window. What is left
        at the end is counted by `tail_frames`.

    Raises
    ------
    SchemaError
        `wrong-window`: not an integer, or below its least value.

    Examples
    --------
    >>> window_starts(31, 16, 4), tail_frames(31, 16, 4)
    (array([ 0,  4,  8, 12]), 3)
    """
    found = Problems()
    for name, value, least in (("n_frames", n_frames, 0), ("horizon", horizon, 1), ("stride", stride, 1)):
        whole = whole_number(value)
        if whole is None or whole < least:
            found.add("wrong-window", name, f"expected an integer of at least {least}, got {value!r}")
    found.raise_as(SchemaError)
    return np.arange(0, n_frames - horizon + 1, stride, dtype=np.int64)


def tail_frames(n_frames: int, horizon: int, stride: int) -> int:
    """Count the frames at the end that lie after the last window of `window_starts`.

    Parameters
    ----------
    n_frames, horizon, stride : int
        As `window_starts`.

    Returns
    -------
    int
        All frames if there is no window.

    Raises
    ------
    SchemaError
        As `window_starts`.

    Examples
    --------
    >>> tail_frames(15, 16, 4), tail_frames(16, 16, 4)
    (15, 0)
    """
    starts = window_starts(n_frames, horizon, stride)
    return n_frames - (int(starts[-1]) + horizon if starts.size else 0)


def window_time_s(
    frame_s: ArrayLike, start_index: NDArray[np.integer[Any]], horizon: int, *, end_s: float | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Half-open time that each window covers: from its first frame to the end of its last.

    The end is the time of the frame after the window, under any spacing; windows that follow each other
    without overlap therefore share a border.

    Parameters
    ----------
    frame_s : array, shape (F,), float64, seconds
        Time of each frame, strictly increasing.
    start_index : array, shape (W,), int, frame, 0-based
        First frame of each window.
    horizon : int
        T, frames of a window.
    end_s : float, seconds, or None
        End of frame F - 1, as in `frame_end_s`; by default that frame lasts the median interval.

    Returns
    -------
    start_s, end_s : array, shape (W,), float64, seconds

    Raises
    ------
    SchemaError
        As `frame_end_s`; `wrong-window`: horizon below 1, or a window that leaves the F frames (the first
        one is named); `wrong-dtype`, `wrong-shape` of start_index.

    Examples
    --------
    >>> window_time_s([0.0, 0.1, 0.2, 0.5, 0.6], np.array([0, 2]), 2)
    (array([0. , 0.2]), array([0.2, 0.6]))
    """
    ends = frame_end_s(frame_s, end_s=end_s)
    times = np.asarray(frame_s, dtype=np.float64)
    starts = np.asarray(start_index)
    found = Problems()
    if starts.dtype.kind not in "iu":
        found.add("wrong-dtype", "start_index", f"expected integers, got {starts.dtype}")
    if starts.ndim != 1:
        found.add("wrong-shape", "start_index", f"expected shape (W,), got {starts.shape}")
    if (whole_number(horizon) or 0) < 1:
        found.add("wrong-window", "horizon", f"expected an integer of at least 1, got {horizon!r}")
    found.raise_as(SchemaError)
    outside = np.flatnonzero((starts < 0) | (starts > times.size - horizon))
    if outside.size:
        first = int(outside[0])
        message = (
            f"expected windows of {horizon} frames within {times.size} frames, got window {first} from frame "
            f"{starts[first]} ({outside.size} such windows)"
        )
        raise SchemaError(Problem("wrong-window", "start_index", message))
    return times[starts], ends[starts + (horizon - 1)]
