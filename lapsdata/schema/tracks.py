"""The header of a tracks file: windows of point positions with true times."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lapsdata.geometry import PixelArea
from lapsdata.schema.base import Count, Header, Name, Positive, Rate, Record, Size, Tool, ViewName
from lapsdata.schema.video import SourceVideo

__all__ = ["Area", "Grid", "TracksHeader", "TracksView"]


class Area(Record):
    """A part of the frame, in whole pixels; `x`, `y` are its top-left pixel."""

    x: Count
    """First column."""
    y: Count
    """First row."""
    width: Positive
    """Number of columns."""
    height: Positive
    """Number of rows."""

    @property
    def pixels(self) -> PixelArea:
        """The same area as the value that `lapsdata.geometry` takes."""
        return PixelArea(x=self.x, y=self.y, width=self.width, height=self.height)


class Grid(Record):
    """How the query points were laid out, and in which order they are numbered."""

    kind: Name
    """`uniform`, `amplify_square`, `cotracker`, `random`, `file`, `foreign` or a plug-in's name."""
    order: Literal["row_major", "column_major", "none"]
    """`row_major`: x runs fastest; `column_major`: y runs fastest; `none`: no lattice."""


class TracksView(Record):
    """One camera: its frame and its points."""

    size: Size
    """Frame that the positions refer to."""
    active_area: Area
    """Where the picture is, without constant borders."""
    points: Positive
    """Number of points N."""
    grid: Grid
    """Layout of the query points."""

    @model_validator(mode="after")
    def _area_inside(self) -> Self:
        area, size = self.active_area, self.size
        if area.x + area.width > size.width or area.y + area.height > size.height:
            raise ValueError(f"expected an active area inside of {size.width} x {size.height}")
        return self


class TracksHeader(Header):
    """Header of `tracks (W, T, N, 2)` float32 pixel xy and `vis (W, T, N)` bool, per view."""

    RECORD: ClassVar[str] = "tracks"

    format: Literal["lapsdata.tracks"] = "lapsdata.tracks"
    """Which format this header belongs to."""
    video: SourceVideo
    """The source."""
    horizon: Positive
    """Frames per window T."""
    stride: Positive
    """Frames from the start of a window to the start of the next."""
    rate: Rate | None
    """Rate of `frame_s`; null for a variable rate."""
    resampled: bool = False
    """Whether `frame_s` is a grid laid over the source frames; `source_index` then says which was used."""
    duplicated_frames: Count = 0
    """Grid times that show a source frame once more."""
    dropped_frames: Count = 0
    """Source frames that no grid time shows."""
    uncovered_frames: Count = 0
    """Frames at the end that no window covers; windows are never padded."""
    tracker: Tool
    """What made the tracks."""
    views: Annotated[dict[ViewName, TracksView], Field(min_length=1, json_schema_extra={"additionalProperties": False})]
    """Views by name; `default` for a single camera."""

    @property
    def row_is_source_frame(self) -> bool:
        """Whether window w starts at source frame w, as readers of bare AMPLIFY files assume."""
        return self.stride == 1 and not self.resampled
