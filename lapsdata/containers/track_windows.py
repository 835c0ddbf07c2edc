"""The checks of tracks, in two halves: windows of positions, and what stands beside all of them.

A container makes both at once; a writer that gets its windows one after the other makes the first for each batch and
the second at the end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lapsdata.containers.window_times import check_window_times

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lapsdata.containers.base import ArrayCheck
    from lapsdata.schema.tracks import TracksHeader

__all__ = ["check_beside_windows", "check_windows"]


def check_windows(
    check: ArrayCheck,
    view: str,
    tracks: NDArray[np.float32],
    vis: NDArray[np.bool_],
    confidence: NDArray[np.float32] | None,
    *,
    horizon: int,
    points: int,
) -> None:
    """Note what is wrong with windows of positions, their visibility and their confidence.

    Parameters
    ----------
    check : ArrayCheck
    view : str
        Name of the view, for the messages.
    tracks : float32 (W, T, N, 2), pixel xy
    vis : bool (W, T, N)
    confidence : float32 (W, T, N) or None
    horizon, points : int
        T and N that are expected.
    """
    good = check.array(f"{view}/tracks", tracks, ("W", horizon, points, 2), np.float32)
    good &= check.array(f"{view}/vis", vis, ("W", horizon, points), np.bool_)
    if good:
        nan = (np.isnan(tracks[..., 0]) | np.isnan(tracks[..., 1])) & vis
        message = "expected NaN only where vis is False, got NaN at visible points"
        check.rows("nan-where-visible", f"{view}/tracks", nan, message, "set vis to False there")
        infinite = np.isinf(tracks[..., 0]) | np.isinf(tracks[..., 1])
        check.rows("not-finite", f"{view}/tracks", infinite, "expected no infinity")
    name = f"{view}/confidence"
    if confidence is not None and check.array(name, confidence, ("W", horizon, points), np.float32):
        outside = ~((confidence >= 0) & (confidence <= 1))  # NaN is outside as well
        check.rows("wrong-value", name, outside, "expected confidence from 0 to 1")


def check_beside_windows(
    check: ArrayCheck,
    header: TracksHeader,
    start_index: NDArray[np.int64],
    frame_s: NDArray[np.float64],
    source_index: NDArray[np.int64] | None,
) -> None:
    """Note what is wrong with times and source frames, and what the header counts otherwise than they do.

    Parameters
    ----------
    check : ArrayCheck
        Knows the number of windows, W, where that is to be compared.
    header : TracksHeader
    start_index : int64 (W,)
    frame_s : float64 (F,), seconds
    source_index : int64 (F,) or None
    """
    check_window_times(check, start_index, frame_s, header)
    _check_source_index(check, header, source_index)
    if not len(check.problems):
        _check_counts(check, header, start_index, len(frame_s), source_index)
        _check_measured(check, header, len(start_index))


def _check_source_index(check: ArrayCheck, header: TracksHeader, index: NDArray[np.int64] | None) -> None:
    if (index is not None) != header.resampled:
        said = "resampled" if header.resampled else "not resampled"
        got = "none" if index is None else "one"
        fix = "give it exactly where frame_s is a grid laid over the source"
        check.problems.add("source-index", "source_index", f"header says {said}, got {got}", fix)
    elif index is not None and check.array("source_index", index, ("F",), np.int64):
        check.rows("negative-index", "source_index", index < 0, "expected source frames from 0")
        falling = index[1:] < index[:-1]
        check.steps("non-monotone-time", "source_index", falling, "expected source frames in order")


def _check_counts(
    check: ArrayCheck,
    header: TracksHeader,
    start_index: NDArray[np.int64],
    frames: int,
    index: NDArray[np.int64] | None,
) -> None:
    shown = frames if index is None else len(np.unique(index))
    # Without an index the source frames are not named, but there are as many as times.
    reach = frames if index is None else int(index[-1]) + 1
    known = header.video.frames
    counts = {
        "uncovered_frames": frames - int(start_index[-1]) - header.horizon,
        "duplicated_frames": frames - shown,
    }
    if known is not None and reach > known:
        message = f"expected at least the {reach} source frames that the arrays speak of, got {known}"
        check.problems.add("wrong-count", "header.video.frames", message)
    elif known is not None and index is not None:
        counts["dropped_frames"] = known - shown
    elif header.dropped_frames < reach - shown:
        message = f"expected at least {reach - shown}, as source_index leaves out, got {header.dropped_frames}"
        check.problems.add("wrong-count", "header.dropped_frames", message)
    for name, counted in counts.items():
        given = getattr(header, name)
        if given != counted:
            check.problems.add("wrong-count", f"header.{name}", f"expected {counted} by the arrays, got {given}")


def _check_measured(check: ArrayCheck, header: TracksHeader, windows: int) -> None:
    """Note a quality that was measured over more than there is: it is that of other tracks."""
    for name, view in sorted(header.views.items()):
        if view.quality is None:
            continue
        measured, points = view.quality.measured, windows * view.points
        most = {"windows": windows, "points": points, "steps": points * header.horizon}
        told = {f"measured.{key}": (getattr(measured, key), limit) for key, limit in most.items()}
        if view.quality.agreement is not None:
            told["agreement.positions"] = view.quality.agreement.positions, points * header.horizon
        for key, (got, limit) in told.items():
            if got > limit:
                where = f"header.views.{name}.quality.{key}"
                check.problems.add("wrong-count", where, f"expected at most {limit}, as the arrays have, got {got}")
