"""Frames that show one of the source once more, since the rate that was asked for is above its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lapsdata.errors import warn
from lapsmodels.stages.timeline import RepeatedFramesWarning, own_rate_hz

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lapsdata.timebase import FrameRate
    from lapsdata.video.facts import VideoFacts
    from lapsmodels.stages.timeline import Timeline

__all__ = ["Repeated", "repeated_of", "tell_repeated"]


@dataclass(frozen=True, slots=True)
class Repeated:
    """How many frames of a video are shown once more."""

    duplicated: int
    frames: int
    own_hz: float


def repeated_of(facts: VideoFacts, frames: Timeline, rate: FrameRate | None) -> Repeated | None:
    """Return what a rate repeats of a video; None where it is not above the video's own, or none is repeated."""
    own = own_rate_hz(facts)
    if rate is None or own is None or rate.hz <= own or not frames.duplicated:
        return None
    return Repeated(frames.duplicated, len(frames), own)


def tell_repeated(of: Mapping[str, Repeated | None], rate: FrameRate | None) -> None:
    """Warn once, for all videos that are shown at a rate above their own."""
    told = {name: repeated for name, repeated in of.items() if repeated is not None}
    if not told:
        return
    name, first = next(iter(told.items()))
    others = f" and {len(told) - 1} more videos" if len(told) > 1 else ""
    duplicated = sum(one.duplicated for one in told.values())
    frames = sum(one.frames for one in told.values())
    warn(
        f"{name}{others}: --fps {rate} is above the {first.own_hz:.6g} frames per second of {name}, so "
        f"{duplicated:,} of {frames:,} frames show one of the source again",
        RepeatedFramesWarning,
    )
