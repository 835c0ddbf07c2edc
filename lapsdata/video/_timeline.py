"""The order and the times of a video's frames, as its packets state them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np

from lapsdata.errors import CorruptDataError, Problem, SchemaError
from lapsdata.timebase import FrameRate, nominal_rate
from lapsdata.video._container import packets_of

if TYPE_CHECKING:
    from fractions import Fraction
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.geometry import QuarterTurn
    from lapsdata.video._container import OpenVideo

__all__ = ["Timeline", "rate_of", "read_timeline", "rotation_of"]

# The demuxer calls each of its frames a keyframe, but they are drawn over one another.
_DRAWN_OVER = {"apng"}
_MATRIX = re.compile(r"^\s*(?:Display Matrix|displaymatrix): rotation of (\S+) degrees", re.MULTILINE)


@dataclass(frozen=True, slots=True, eq=False)
class Timeline:
    """Frames in the order in which they are shown, and where each stands in the file.

    Parameters
    ----------
    pts : array, shape (F,), int64, ticks
        Rising.
    place : array, shape (F,), int64
        Number of the frame's packet in file order, those counted that are no frames.
    keys : array, shape (K,), int64
        Frames that are flagged as decodable without another.
    first : int
        First frame that can be decoded: earlier ones have no keyframe before them. F where there is none.
    time_base : Fraction, seconds
    lasting : int, ticks
        Duration of the last frame; 0 where its packet states none.
    edits : bool
        Whether the container is to be read with its edit list; see `_edits`.
    """

    pts: NDArray[np.int64]
    place: NDArray[np.int64]
    keys: NDArray[np.int64]
    first: int
    time_base: Fraction
    lasting: int
    edits: bool = True

    def seconds(self, ticks: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return times of ticks: the float64 nearest to the fraction, while the product is below 2**53."""
        return ticks * self.time_base.numerator / self.time_base.denominator

    def index_of(self, pts: int | None) -> int | None:
        """Return the frame of exactly this time; None where there is none."""
        if pts is None:
            return None
        at = int(np.searchsorted(self.pts, pts))
        return at if at < len(self.pts) and self.pts[at] == pts else None


class _Packets(NamedTuple):
    pts: list[int | None]
    place: list[int]
    duration: list[int]
    key: list[bool]
    hidden_key: list[bool]


def read_timeline(source: Path | str, video: OpenVideo) -> Timeline:
    """Read all packets of a video, and decode none.

    A packet that is empty, or that the container says is not to be shown (before the start of an edit), is no
    frame; it may still be the keyframe of those that are.

    Parameters
    ----------
    source : Path or str
        What errors call it.
    video : OpenVideo
        At its first packet.

    Returns
    -------
    Timeline

    Raises
    ------
    CorruptDataError
        The demuxer fails before the end, two frames share a time, or there is no frame.
    SchemaError
        The stream states no times.
    """
    packets = _read_packets(source, video)
    _check(source, packets)
    order = np.argsort(np.array(packets.pts, dtype=np.int64), kind="stable")
    pts = np.array(packets.pts, dtype=np.int64)[order]
    # A stream of a container that is open has a clock; PyAV's stubs allow for none.
    time_base = cast("Fraction", video.stream.time_base)
    doubled = np.flatnonzero(np.diff(pts) == 0)
    if doubled.size:
        at = int(doubled[0])
        message = f"frames {at} and {at + 1} share the time {float(pts[at] * time_base):.6f} s ({doubled.size} such)"
        raise CorruptDataError(Problem("doubled-time", str(source), message, "remux it: ffmpeg -i FILE -c copy NEW"))
    keys = np.flatnonzero(np.array(packets.key)[order])
    if video.stream.codec_context.name in _DRAWN_OVER:
        keys = keys[:1]
    led_in = any(packets.hidden_key)
    return Timeline(
        pts=pts,
        place=np.array(packets.place, dtype=np.int64)[order],
        keys=keys,
        first=0 if led_in else int(keys[0]) if keys.size else len(pts),
        time_base=time_base,
        lasting=packets.duration[order[-1]],
    )


def _read_packets(source: Path | str, video: OpenVideo) -> _Packets:
    found = _Packets([], [], [], [], [])
    for number, packet in enumerate(packets_of(source, video)):
        if packet.is_discard:
            found.hidden_key.append(packet.is_keyframe and not found.pts)
        elif packet.size:
            found.pts.append(packet.pts)
            found.place.append(number)
            found.duration.append(packet.duration or 0)
            found.key.append(packet.is_keyframe)
    return found


def _check(source: Path | str, packets: _Packets) -> None:
    if not packets.pts:
        message = "expected a video with frames, got a video stream without any"
        raise CorruptDataError(Problem("no-frames", str(source), message, "record or copy it again"))
    lost = packets.pts.count(None)
    if lost:
        message = f"expected a time for each frame, got none for {lost} of {len(packets.pts)}"
        fix = "put the stream into a container: ffmpeg -framerate RATE -i FILE -c copy NEW.mp4"
        raise SchemaError(Problem("no-times", str(source), message, fix))


def rate_of(timeline: Timeline, stated: Fraction | None) -> tuple[FrameRate | None, bool]:
    """Return the constant rate, if there is one, and whether the rate is variable.

    The rate that the container states is taken where every time is within a tick of it; on a coarse clock several
    rates fit a short clip.
    """
    times = timeline.seconds(timeline.pts)
    if stated is not None and stated > 0 and max(stated.numerator, stated.denominator) < 2**31:
        period = 1 / (stated * timeline.time_base)
        grid = np.arange(len(times)) * (period.numerator / period.denominator)
        off = (timeline.pts - timeline.pts[0]) - grid
        if off.max() - off.min() <= 1.0 + 1e-6:
            return FrameRate(stated.numerator, stated.denominator), False
    return nominal_rate(times)


def rotation_of(source: Path | str, about: str) -> QuarterTurn:
    """Clockwise degrees that show the picture upright; FFmpeg counts them the other way round.

    Raises
    ------
    SchemaError
        The container asks for another angle than a quarter turn.
    """
    found = _MATRIX.search(about)
    if found is None:
        return 0
    angle = -float(found[1])
    for turn in (0, 90, 180, 270):
        if abs((angle - turn + 180) % 360 - 180) < 0.5:
            return turn
    message = f"expected a rotation by a multiple of 90 degrees, got {angle:g} degrees clockwise"
    raise SchemaError(Problem("wrong-rotation", str(source), message, "turn the video: ffmpeg -i FILE NEW"))
