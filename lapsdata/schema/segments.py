"""The header of a segments table: pieces of videos in seconds."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lapsdata.schema.base import Header, Name, Positive, Record, Tool

__all__ = ["EndReason", "SegmentedVideo", "SegmentsHeader"]

EndReason = Literal["threshold", "max_duration", "end_of_stream", "annotation"]
"""Why a segment ends; `annotation` where a person or another program said so."""


class SegmentedVideo(Record):
    """One video and the time that was looked at; segments outside of it are refused."""

    name: Name
    """Which video."""
    start_s: float = 0.0
    """Start of the time that was looked at, in seconds."""
    end_s: float
    """Its end (not included), in seconds."""

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if not self.start_s < self.end_s:
            raise ValueError("expected start_s < end_s")
        return self


class SegmentsHeader(Header):
    """Header of `video, start_s, end_s, label?, score?, end_reason, codes?, embedding?`."""

    RECORD: ClassVar[str] = "segments"

    format: Literal["lapsdata.segments"] = "lapsdata.segments"
    """Which format this header belongs to."""
    videos: tuple[SegmentedVideo, ...]
    """The videos, also those without a segment."""
    overlap: bool = False
    """Whether segments of one video may overlap."""
    labels: Annotated[tuple[Name, ...], Field(json_schema_extra={"uniqueItems": True})] | None = None
    """The closed list of labels; null where labels are free or absent."""
    segmenter: Tool | None = None
    """What made the segments; null for annotations."""
    embedding: Positive | None = None
    """Width of the embedding column; null where there is none."""

    @model_validator(mode="after")
    def _names_once(self) -> Self:
        names = [video.name for video in self.videos]
        if len(set(names)) != len(names):
            raise ValueError("expected each video once")
        if self.labels is not None and len(set(self.labels)) != len(self.labels):
            raise ValueError("expected each label once")
        return self
