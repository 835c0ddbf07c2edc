"""What `track` can be told, as one record: checked once, stored in every header, compared on resume."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from lapsdata.plugins import registry
from lapsdata.schema.base import Count, Name, Parameters, Positive, Rate, Record, ViewName
from lapsdata.stages import Stage

if TYPE_CHECKING:
    from pydantic import JsonValue

__all__ = ["PLUGIN", "TrackOptions"]


class TrackOptions(Record):
    """Everything that decides which tracks come out; equal options and equal bytes of video give equal tracks.

    Examples
    --------
    >>> from lapsdata.timebase import FrameRate
    >>> options = TrackOptions(rate=FrameRate(10), points=100)
    >>> options.horizon, options.resize_shorter
    (16, 480)
    """

    tracker: Name = "dense_flow"
    """Registry name of the tracker."""
    tracker_options: Parameters = Field(default_factory=dict)
    """What the tracker itself is told, by the names of its fields: the file of its weights, say."""
    compare_with: Name | None = None
    """Registry name of a second tracker that follows the same points, to tell how far both agree; null asks none."""
    rate: Rate | None = None
    """Frames per second of the windows; null keeps the source's own frames and times."""
    resize_shorter: Positive | None = 480
    """Larger frames are reduced until their shorter side has so many pixels; null tracks at full size."""
    points: Positive = 400
    """Number of points N of the uniform grid or the random layout; a file of queries has its own."""
    horizon: Annotated[int, Field(ge=2, le=100_000)] = 16
    """Frames per window T."""
    stride: Positive = 4
    """Frames from the start of a window to the start of the next."""
    query: Literal["uniform", "random", "file"] = "uniform"
    """How the points of a window are laid out."""
    seed: Count = 0
    """Seed of the random layout."""
    continuous: bool = False
    """Follow one set of points through the whole video and cut windows out of its paths, instead of beginning anew."""
    gate_mad: Annotated[float, Field(ge=0, le=1)] | None = None
    """Leave out, before tracking, windows whose pixels stand still: the mean difference from frame to frame is below
    this share of the range, and few pixels differ; null leaves none out. LAPS has 0.005."""
    gate_active: Annotated[float, Field(ge=0, le=1)] = 0.05
    """Share of the pixels that differ from which on a window stays."""
    gate_pixel_diff: Annotated[float, Field(ge=0, le=1)] = 0.02
    """Difference, as a share of the range, from which on a pixel differs."""
    active_area: Literal["auto", "full"] = "auto"
    """`auto` leaves constant borders out of the layout; `full` does not look for them."""
    confidence: bool = False
    """Store the confidence of every position too, a third more to store."""
    view: ViewName = "default"
    """Name of the view in the file."""
    format: Name = "tracks_hdf5"
    """Registry name of the format that is written."""
    profile: Literal["raw", "compact"] = "raw"
    """How the values lie on disk."""
    round_px: Annotated[float, Field(gt=0)] | Literal["none"] | None = None
    """What `compact` rounds to, in pixels; null is its default."""


def _kinds() -> dict[str, type[TrackOptions]]:
    return dict.fromkeys(registry("trackers").names(), TrackOptions)


def _filled(kind: str) -> dict[str, JsonValue]:
    return {"tracker": kind}


PLUGIN = Stage("track", "Points followed through each video.", "dense_flow", _kinds, _filled)
