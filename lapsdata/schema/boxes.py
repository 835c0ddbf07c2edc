"""The header of a boxes table: tracked rectangles in sequences of frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lapsdata.schema.base import Count, FormatVersion, Header, Name, Positive, Rate, Record, Size, Text

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["BoxSequence", "BoxesHeader", "FrameRange", "frames_in"]


class FrameRange(Record):
    """Frames from `start` up to, not including, `stop`; 0-based."""

    start: Count
    """First frame."""
    stop: Positive
    """First frame after the range."""

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if not self.start < self.stop:
            raise ValueError("expected start < stop")
        return self


def frames_in(ranges: Iterable[FrameRange]) -> int:
    """Return the number of frames in ranges that do not overlap.

    Examples
    --------
    >>> frames_in([FrameRange(start=0, stop=3), FrameRange(start=5, stop=6)])
    4
    """
    return sum(one.stop - one.start for one in ranges)


class BoxSequence(Record):
    """One sequence: its frames, and which of them were annotated."""

    name: Name
    """Which sequence."""
    length: Positive
    """Number of frames."""
    rate: Rate | None = None
    """Frames per second; null where it is not known."""
    size: Size | None = None
    """Size of a frame; null where it is not known."""
    annotated: tuple[FrameRange, ...]
    """Ranges that were annotated: a frame inside without a box is empty, one outside says nothing."""
    images: Text | None = None
    """Pattern of the image names, as `img1/{frame:06d}.jpg`, or the name of a video; null where neither is known."""
    first_number: Count = 0
    """What the source, and the names of its images, call frame 0: 1 where they count from 1."""

    @model_validator(mode="after")
    def _ranges_in_order(self) -> Self:
        edge = 0
        for item in self.annotated:
            if item.start < edge:
                raise ValueError("expected annotated ranges in order and without overlap")
            edge = item.stop
        if edge > self.length:
            raise ValueError(f"expected annotated ranges within {self.length} frames")
        return self


class BoxesHeader(Header):
    """Header of `sequence, frame, id, source_id?, x, y, w, h, score?, label, visibility?, ignored, source`."""

    RECORD: ClassVar[str] = "boxes"
    MINOR: ClassVar[int] = 1

    format: Literal["lapsdata.boxes"] = "lapsdata.boxes"
    """Which format this header belongs to."""
    format_version: FormatVersion = "1.1"
    """1.1: a sequence may be without a size, and says what its source calls its first frame."""
    sequences: Annotated[tuple[BoxSequence, ...], Field(min_length=1)]
    """The sequences, also those without a box; rows stand in their order."""
    labels: Annotated[tuple[Name, ...], Field(json_schema_extra={"uniqueItems": True})] | None = None
    """The closed list of labels; null where labels are free."""

    @model_validator(mode="after")
    def _names_once(self) -> Self:
        names = [sequence.name for sequence in self.sequences]
        if len(set(names)) != len(names):
            raise ValueError("expected each sequence once")
        if self.labels is not None and len(set(self.labels)) != len(self.labels):
            raise ValueError("expected each label once")
        return self
