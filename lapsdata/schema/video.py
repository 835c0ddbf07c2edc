"""The record of a source video: what is known of it without its pixels."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from lapsdata.schema.base import Count, Digest, Name, Rate, Record, Size

__all__ = ["SourceVideo"]


class SourceVideo(Record):
    """The video that tracks, tokens or segments were made from."""

    name: Name
    """Name of the item, without folder; rows of tables refer to it."""
    digest: Digest | None = None
    """Digest of the file's bytes; null where the source was a stream."""
    size: Size | None = None
    """Size of a frame as shown, after rotation."""
    rate: Rate | None = None
    """Frames per second; null for a variable rate."""
    frames: Count | None = None
    """Number of frames, counted and not taken from the container."""
    rotation: Literal[0, 90, 180, 270] = 0
    """Clockwise degrees that were applied to show the frame upright."""
    start_s: float = 0.0
    """Timestamp of the first frame, in seconds."""
    duration_s: Annotated[float, Field(gt=0)] | None = None
    """From the first frame's start to the last frame's end, in seconds."""
