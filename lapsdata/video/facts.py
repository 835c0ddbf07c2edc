"""What is known of a video without its pixels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from fractions import Fraction
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.geometry import FrameSize, QuarterTurn
    from lapsdata.timebase import FrameRate

__all__ = ["VideoFacts"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VideoFacts:
    """Facts of a video, told by its packets; `lapsdata.video.probe.probe` makes it.

    Parameters
    ----------
    name : str
        The file's name without folder and suffix.
    path : Path, str or None
        Where it is: a path, a URL, or None for frames that come from a program.
    codec, container, pixel_format : str
        FFmpeg's words: `"h264"`, `"mov,mp4,m4a,3gp,3g2,mj2"`, `"yuv420p"`.
    coded_size : FrameSize, pixel
        As stored.
    rotation : {0, 90, 180, 270}, degrees, clockwise
        What a player applies, and our reader has applied, to show the frame upright.
    size : FrameSize, pixel
        As shown: `coded_size` after `rotation`.
    rate : FrameRate or None, frames per second
        The constant rate that all times keep; None where there is none (`variable`), or where a single frame
        leaves it open and the container does not say.
    time_base : Fraction or None, seconds
        Tick of the container's clock; None where times do not come from a container.
    frame_s : array, shape (F,), float64, seconds, read-only
        Presentation times, rising; the source's own, so the first is not always 0.
    keyframes : array, shape (K,), int64, read-only
        Places in `frame_s` of the frames that can be decoded without an earlier one.
    end_s : float, seconds
        End of the last frame: its own duration where the container tells it, else the median interval.
    variable : bool
        No constant rate fits the times.
    reordered : bool
        Frames are not stored in the order in which they are shown (B-frames).

    Examples
    --------
    >>> from lapsdata.geometry import FrameSize
    >>> from lapsdata.timebase import FrameRate
    >>> size = FrameSize(width=64, height=48)
    >>> facts = VideoFacts(
    ...     name="clip", path=None, codec="h264", container="matroska", pixel_format="yuv420p", coded_size=size,
    ...     rotation=0, size=size, rate=FrameRate(10), time_base=None, frame_s=np.array([1.0, 1.1, 1.2]),
    ...     keyframes=np.array([0]), end_s=1.3, variable=False, reordered=False)
    >>> facts.frames, facts.start_s, round(facts.duration_s, 3), facts.gop
    (3, 1.0, 0.3, 3)
    """

    name: str
    path: Path | str | None
    codec: str
    container: str
    pixel_format: str
    coded_size: FrameSize
    rotation: QuarterTurn
    size: FrameSize
    rate: FrameRate | None
    time_base: Fraction | None
    frame_s: NDArray[np.float64] = field(repr=False)
    keyframes: NDArray[np.int64] = field(repr=False)
    end_s: float
    variable: bool
    reordered: bool

    def __post_init__(self) -> None:
        self.frame_s.flags.writeable = False
        self.keyframes.flags.writeable = False

    @property
    def frames(self) -> int:
        """Number of frames F."""
        return len(self.frame_s)

    @property
    def start_s(self) -> float:
        """Time of the first frame, seconds."""
        return float(self.frame_s[0])

    @property
    def duration_s(self) -> float:
        """From the start of the first frame to the end of the last one, seconds."""
        return self.end_s - self.start_s

    @property
    def gop(self) -> int:
        """Largest number of frames from one keyframe to the next, or to the end."""
        return int(np.diff(self.keyframes, append=self.frames).max(initial=0))
