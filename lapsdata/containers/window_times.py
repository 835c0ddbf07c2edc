"""The time of windows: `start_index (W,)` into `frame_s (F,)`, so that every step has its own time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lapsdata.timebase import grid_tolerance_s, off_grid

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lapsdata.containers.base import ArrayCheck
    from lapsdata.schema.tokens import TokensHeader
    from lapsdata.schema.tracks import TracksHeader
    from lapsdata.timebase import FrameRate

__all__ = ["check_window_times", "step_times"]


def check_window_times(
    check: ArrayCheck, start_index: object, frame_s: object, header: TracksHeader | TokensHeader
) -> None:
    """Note what is wrong with the times of windows, each by itself and against rate, horizon and stride."""
    horizon, stride = header.horizon, header.stride
    if check.array("frame_s", frame_s, ("F",), np.float64) and isinstance(frame_s, np.ndarray):
        check_increasing(check, "frame_s", frame_s)
        rising = np.isfinite(frame_s).all() and (frame_s[1:] > frame_s[:-1]).all()
        if header.rate is not None and rising:
            _check_rate(check, frame_s, header.rate)
    if not check.array("start_index", start_index, ("W",), np.int64) or not isinstance(start_index, np.ndarray):
        return
    if not isinstance(frame_s, np.ndarray) or frame_s.ndim != 1:
        return
    if len(start_index) == 0:
        message = f"expected at least one window, got none: fewer than {horizon} frames?"
        check.problems.add("no-windows", "start_index", message, "leave the video out, and count it as left out")
    outside = (start_index < 0) | (start_index > len(frame_s) - horizon)  # a sum would overflow for a wild index
    message = f"expected windows of {horizon} frames inside of {len(frame_s)} frames"
    check.rows("window-outside", "start_index", outside, message, "leave out windows that the video does not fill")
    hops = np.diff(start_index)
    broken = (hops <= 0) | (hops % stride != 0)
    check.steps(
        "non-monotone-windows",
        "start_index",
        broken,
        f"expected rising starts, multiples of stride {stride} apart",
    )
    _check_gated(check, header, start_index, len(frame_s))


def _check_gated(
    check: ArrayCheck, header: TracksHeader | TokensHeader, start_index: NDArray[np.int64], frames: int
) -> None:
    gated = np.array(header.gated_starts, np.int64)
    beyond = gated > frames - header.horizon
    where, message = "header.gated_starts", "expected windows inside of the frames, rising, and none that is there too"
    check.rows("gated-window", where, beyond | np.isin(gated, start_index), message)
    check.steps("gated-window", where, np.diff(gated) <= 0, message)


def _check_rate(check: ArrayCheck, frame_s: NDArray[np.float64], rate: FrameRate) -> None:
    slack = f"{grid_tolerance_s(rate) * 1e3:g} ms"
    message = f"expected frame k within {slack} of frame_s[0] + k / {rate} s, as the header's rate says"
    fix = "set the header's rate to None for a variable rate"
    check.rows("rate-not-kept", "frame_s", off_grid(frame_s, rate), message, fix)


def check_increasing(check: ArrayCheck, name: str, seconds: NDArray[np.float64]) -> None:
    """Note times that are not finite or do not rise."""
    check.rows("not-finite", name, ~np.isfinite(seconds), "expected finite seconds")
    check.steps("non-monotone-time", name, ~(seconds[1:] > seconds[:-1]), "expected rising seconds", "sort by time")


def step_times(frame_s: NDArray[np.float64], start_index: NDArray[np.int64], horizon: int) -> NDArray[np.float64]:
    """Return the time of every frame of every window.

    Parameters
    ----------
    frame_s : float64 (F,), seconds
    start_index : int64 (W,)
    horizon : int
        Frames per window T.

    Returns
    -------
    float64 (W, T), seconds

    Examples
    --------
    >>> step_times(np.array([0.0, 0.1, 0.2, 0.4]), np.array([0, 1]), 3)
    array([[0. , 0.1, 0.2],
           [0.1, 0.2, 0.4]])
    """
    times: NDArray[np.float64] = frame_s[start_index[:, None] + np.arange(horizon)]
    return times
