"""The header of a tracks file: windows of point positions with true times."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lapsdata.geometry import PixelArea
from lapsdata.schema.base import Count, FormatVersion, Header, Name, Positive, Rate, Record, Size, Tool, ViewName
from lapsdata.schema.video import SourceVideo

__all__ = ["Agreement", "Area", "BackError", "Grid", "Measured", "TrackQuality", "TracksHeader", "TracksView"]


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


Share = Annotated[float, Field(ge=0, le=1)]
"""A part of a whole, from 0 to 1."""


class Measured(Record):
    """How many things a quality was measured over."""

    windows: Positive
    """Windows."""
    points: Positive
    """Points of all these windows together."""
    steps: Count
    """Positions of these points whose forward-backward error was measured."""


class BackError(Record):
    """How far points come back from where they started when they are followed forward and back, in source pixels."""

    median: Annotated[float, Field(ge=0)]
    """Median over the measured steps, in pixels."""
    p95: Annotated[float, Field(ge=0)]
    """95th percentile over the measured steps, in pixels."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.median > self.p95:
            raise ValueError(f"expected a median up to the 95th percentile {self.p95}, got {self.median}")
        return self


class Agreement(Record):
    """How near another tracker comes, that was given the same frames and points."""

    tracker: Name
    """Registry name of the other tracker."""
    version: str
    """Its version."""
    positions: Positive
    """Positions after the first frame of their window that both call visible."""
    share: Share
    """Their share of the positions that this tracker calls visible."""
    mean_px: Annotated[float, Field(ge=0)]
    """Mean distance between both, in source pixels; each counts as no more than `at_most_px`."""
    at_most_px: Annotated[float, Field(gt=0)]
    """What a distance counts as at most, in source pixels."""


class TrackQuality(Record):
    """What can be said of tracks without a truth; what was not measured, or is over nothing, is null."""

    measured: Measured
    """What the numbers below are over."""
    back_error_px: BackError | None
    """Forward-backward error in source pixels; null exactly where no step was measured."""
    survival: Share | None
    """Share of the points visible in the first frame of their window that are visible in its last."""
    visible: Share
    """Share of all positions that are visible."""
    static: Share | None
    """Share of the points whose motion over their window is known that move by less than `static_below_px`."""
    static_below_px: Annotated[float, Field(gt=0)] | None
    """Distance that `static` was measured with, in source pixels; null exactly where `static` is."""
    untextured: Share | None
    """Share of the query points whose neighbourhood has no texture to hold on to."""
    agreement: Agreement | None = None
    """How near another tracker comes; null where none was asked."""
    expected_error_px: Annotated[float, Field(ge=0)] | None = None
    """How far visible positions are from the truth, as estimated, in source pixels: their mean distance, where each
    counts as no more than 8 working pixels. Null where no tracker that is calibrated can say."""

    @model_validator(mode="after")
    def _null_together(self) -> Self:
        if (self.back_error_px is None) != (self.measured.steps == 0):
            raise ValueError("expected back_error_px exactly where measured.steps is above 0")
        if (self.static is None) != (self.static_below_px is None):
            raise ValueError("expected static_below_px exactly where static is given")
        return self


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
    quality: TrackQuality | None = None
    """How well the points could be followed; null where that was not measured."""

    @model_validator(mode="after")
    def _area_inside(self) -> Self:
        area, size = self.active_area, self.size
        if area.x + area.width > size.width or area.y + area.height > size.height:
            raise ValueError(f"expected an active area inside of {size.width} x {size.height}")
        return self


class TracksHeader(Header):
    """Header of `tracks (W, T, N, 2)` float32 pixel xy and `vis (W, T, N)` bool, per view.

    With `confidence`, each view also has `confidence (W, T, N)` float32, from 0 to 1.
    """

    RECORD: ClassVar[str] = "tracks"
    MINOR: ClassVar[int] = 2

    format: Literal["lapsdata.tracks"] = "lapsdata.tracks"
    """Which format this header belongs to."""
    format_version: FormatVersion = "1.2"
    """Major and minor version of the format; readers refuse a newer major version."""
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
    """Frames at the end that no window of the file covers; windows are never padded."""
    tracker: Tool
    """What made the tracks."""
    continuous: bool = False
    """Whether the windows are cut out of one tracking of the whole video, instead of each starting afresh."""
    confidence: bool = False
    """Whether each view has a confidence for each position."""
    gated_starts: tuple[Count, ...] = ()
    """First frames of the windows that a gate left out before tracking; rising."""
    views: Annotated[dict[ViewName, TracksView], Field(min_length=1, json_schema_extra={"additionalProperties": False})]
    """Views by name; `default` for a single camera."""

    @property
    def row_is_source_frame(self) -> bool:
        """Whether window w starts at source frame w, as readers of bare AMPLIFY files assume."""
        return self.stride == 1 and not self.resampled and not self.gated_starts
