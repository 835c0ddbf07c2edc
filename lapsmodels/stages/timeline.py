"""Which frames of a video are tracked, and when each of them is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lapsdata.errors import LapsWarning, LengthMismatchError, Problem, SchemaError
from lapsdata.timebase import FrameRate, resample, tail_frames, window_starts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lapsdata.video.facts import VideoFacts

__all__ = ["RepeatedFramesWarning", "Timeline", "own_rate_hz", "timeline"]


class RepeatedFramesWarning(LapsWarning):
    """The rate that was asked for is above that of the video, so that frames are shown more than once."""


@dataclass(frozen=True, eq=False)
class Timeline:
    """The frames of the windows.

    Parameters
    ----------
    frame_s : float64 (F,), seconds
        Time of each frame, by the source's own clock.
    source_index : int64 (F,), source frame
        What each of them shows.
    rate : FrameRate or None
        Rate of `frame_s`; None where it varies.
    resampled : bool
        Whether `frame_s` is a grid laid over the source.
    duplicated, dropped : int
        Frames that show a source frame once more; source frames that none shows.
    """

    frame_s: NDArray[np.float64]
    source_index: NDArray[np.int64]
    rate: FrameRate | None
    resampled: bool
    duplicated: int = 0
    dropped: int = 0

    def __len__(self) -> int:
        return len(self.frame_s)

    def windows(self, horizon: int, stride: int, where: str) -> tuple[NDArray[np.int64], int]:
        """Return the first frame of each window, int64 (W,), and how many frames at the end no window covers.

        Raises
        ------
        LengthMismatchError
            The video is shorter than one window: nothing is padded.
        """
        starts = window_starts(len(self), horizon, stride)
        if not starts.size:
            rate = f" at {self.rate} frames per second" if self.resampled else ""
            message = f"expected at least one window of {horizon} frames, got {len(self)} frames{rate}"
            more = ", or a higher --fps" if self.resampled else ""
            fix = f"use --horizon {len(self)} or less{more}: windows are never padded" if len(self) > 1 else None
            raise LengthMismatchError(Problem("too-short", where, message, fix))
        return starts, tail_frames(len(self), horizon, stride)


def timeline(facts: VideoFacts, rate: FrameRate | None) -> Timeline:
    """Lay the frames of windows over a video: its own frames, or a grid of `rate` by nearest timestamp.

    Raises
    ------
    SchemaError
        A rate far above that of the video (`rate-too-high`).

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from lapsdata.testing.scenes import SceneConfig, render_scene
    >>> from lapsdata.video.probe import probe
    >>> clip = pathlib.Path(tempfile.mkdtemp()) / "clip.mp4"
    >>> render_scene(5, SceneConfig(actions=1, rate=FrameRate(15))).write_video(clip)
    >>> frames = timeline(probe(clip), FrameRate(10))
    >>> frames.source_index[:6]
    array([0, 1, 3, 4, 6, 7])
    """
    if rate is None or rate == facts.rate:
        own = facts.frame_s
        return Timeline(own, np.arange(len(own), dtype=np.int64), facts.rate, resampled=False)
    try:
        grid = resample(facts.frame_s, rate, end_s=facts.end_s)
    except SchemaError as error:
        problem = error.problems[0]
        if problem.code != "grid-too-long":
            raise
        told = replace(problem, code="rate-too-high", where=f"{facts.path}: --fps", fix="give a lower --fps")
        raise SchemaError(told) from error
    return Timeline(grid.frame_s, grid.source_index, rate, True, grid.duplicated, grid.dropped)


def own_rate_hz(facts: VideoFacts) -> float | None:
    """Return the frames per second of a video; where they vary, of its median interval; None of a single frame.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from lapsdata.testing.scenes import SceneConfig, render_scene
    >>> from lapsdata.video.probe import probe
    >>> clip = pathlib.Path(tempfile.mkdtemp()) / "clip.mp4"
    >>> render_scene(5, SceneConfig(actions=1, rate=FrameRate(15))).write_video(clip)
    >>> own_rate_hz(probe(clip))
    15.0
    """
    if facts.rate is not None:
        return facts.rate.hz
    return float(1 / np.median(np.diff(facts.frame_s))) if facts.frames > 1 else None
