"""Which frame shows which row of an episode: that of its number where both count the same, else that of its time."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata.errors import Problem, SchemaError
from lapsdata.loading._frame_videos import nearest_frames
from lapsdata.timebase import not_rising

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lapsdata.loading._frame_videos import OpenVideo

__all__ = ["RowFrames", "frame_tolerance_s", "frames_of_rows"]

# Times are stored as float32 in some data sets, and as ticks of 1/10240 s in videos: both round by less than this.
_ROUNDING_S = 2e-4


class RowFrames(NamedTuple):
    """The frames of the rows of one episode.

    Parameters
    ----------
    frame : int64 (R,)
        Frame of the video that shows each row.
    offset_s : float, seconds
        By how much rows are later than their frames, the same for all; 0 where frames were found by their times.
    """

    frame: NDArray[np.int64]
    offset_s: float


def frames_of_rows(
    video: OpenVideo,
    row_s: NDArray[np.float64],
    span_s: tuple[float, float | None],
    tolerance_s: float | None,
    where: str,
) -> RowFrames:
    """Return the frame of each row of an episode.

    Where the episode has as many frames as rows, and these are apart by the same time, row i is frame i: some programs
    let rows begin at one period, and frames at 0. Else the frame of a row is the one at its time.

    Parameters
    ----------
    video : OpenVideo
    row_s : float64 (R,), seconds
        Times of the rows, from the start of the episode.
    span_s : (float, float or None), seconds
        Where the episode begins in the video, and where the next one in it does.
    tolerance_s : float or None, seconds
        How far the time of a frame may be from that of its row; None for a quarter of the shortest interval between
        frames.
    where : str
        Episode and camera, for the messages.

    Raises
    ------
    SchemaError
        `fewer-frames`: the video has fewer frames than rows. `times-not-rising`: rows whose times are none, or not in
        order. `no-frame-there`: a row has no frame at its time.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from lapsdata.loading._frame_videos import FrameVideo
    >>> from lapsdata.video.writer import write_video
    >>> clip = Path(tempfile.mkdtemp()) / "clip.mp4"
    >>> write_video(clip, [np.full((48, 64, 3), level, np.uint8) for level in (50, 100, 150)], [0.0, 0.05, 0.1])
    >>> video, session = FrameVideo("clip", clip, digest=None, size=None, rate=None).open()
    >>> frames_of_rows(video, np.array([0.05, 0.1, 0.15]), (0.0, None), None, "episode 0")
    RowFrames(frame=array([0, 1, 2]), offset_s=0.05)
    """
    frame_s = video.plan.facts.frame_s
    start_s, stop_s = span_s
    tolerance = frame_tolerance_s(frame_s) if tolerance_s is None else tolerance_s
    first = int(np.searchsorted(frame_s, start_s - tolerance))
    stop = len(frame_s) if stop_s is None else int(np.searchsorted(frame_s, stop_s - tolerance))
    if stop - first == len(row_s):
        apart = row_s - (frame_s[first:stop] - start_s)
        offset = round(float(np.median(apart)), 4)
        if np.abs(apart - offset).max() <= tolerance:
            return RowFrames(np.arange(first, stop), 0.0 if abs(offset) <= _ROUNDING_S else offset)
    if stop - first < len(row_s):
        message = f"expected a frame for each of {len(row_s)} rows, got {stop - first}"
        fix = "record the episode again, or delete it: some of its rows were never seen"
        if stop - first < len(frame_s):
            until = "its end" if stop_s is None else f"{stop_s:g} s"
            message += f", between {start_s:g} s and {until} in a video of {len(frame_s)} frames"
            fix = (
                "compare with the list of episodes where they begin in it (from_timestamp): a wrong place cuts frames "
                "off; where the places are right, record the episode again, or delete it"
            )
        raise SchemaError(Problem("fewer-frames", f"{video.video.path}: {where}", message, fix))
    # Of rows at one time all but one have another row's frame; NaN is near no frame, and far from none.
    if (fault := not_rising(row_s)) is not None:
        fix = "write the times of the rows again, or leave the camera out (`fields=`)"
        raise SchemaError(Problem("times-not-rising", f"{video.video.path}: {where}", fault, fix))
    wanted = row_s + start_s
    nearest = nearest_frames(frame_s, wanted)
    off = np.abs(frame_s[nearest] - wanted)
    if (off > tolerance).any():
        row = int(np.argmax(off > tolerance))
        message = (
            f"expected a frame within {tolerance:.6f} s of {wanted[row]:.6f} s, the nearest is frame {nearest[row]} at "
            f"{frame_s[nearest[row]]:.6f} s ({int((off > tolerance).sum())} of {len(row_s)} rows)"
        )
        fix = "rows and video tell different times: `lapsdata check` says how far they are apart"
        raise SchemaError(Problem("no-frame-there", f"{video.video.path}: {where}: row {row}", message, fix))
    return RowFrames(nearest, 0.0)


def frame_tolerance_s(frame_s: NDArray[np.float64]) -> float:
    """Return how far a frame may be from the time of its row: a quarter of the shortest gap between frames."""
    return 0.25 * float(np.diff(frame_s).min()) if len(frame_s) > 1 else _ROUNDING_S
