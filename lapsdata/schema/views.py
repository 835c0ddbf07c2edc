"""The header of camera views: sets of pictures taken at one time, their camera models, and who took them."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lapsdata.schema.base import Count, Header, Name, Positive, Record, Size

__all__ = [
    "AgentSelection",
    "CameraModel",
    "DepthKind",
    "PanoramaAngles",
    "PinholeLens",
    "ViewsHeader",
]

DepthKind = Literal["z", "ray"]
"""What depth is measured along: the axis of the camera, or the ray of the pixel."""

_Degrees = Annotated[float, Field(gt=0, le=360)]
_Elevation = Annotated[float, Field(ge=-90, le=90)]
_Pair = tuple[float, float]
_PositivePair = tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]]


class PinholeLens(Record):
    """A camera without distortion: straight lines stay straight."""

    focal_px: _PositivePair
    """Focal length along x and y, in pixels."""
    centre_px: _Pair
    """Where its axis meets the picture, pixel xy; the centre of the top-left pixel is (0, 0)."""


class PanoramaAngles(Record):
    """What a panorama shows: its columns are equal steps of azimuth, and its middle looks ahead."""

    h_fov_deg: _Degrees
    """Angle from the left edge of the picture to its right edge, in degrees; the centre of column u of W is at azimuth
    `((u + 0.5) / W - 0.5) * h_fov_deg`, to the right."""
    low_deg: _Elevation
    """Elevation of the lower edge of the picture, in degrees; upwards is positive."""
    high_deg: _Elevation
    """Elevation of the upper edge of the picture, in degrees."""

    @model_validator(mode="after")
    def _upright(self) -> Self:
        if not self.low_deg < self.high_deg:
            raise ValueError(f"expected low_deg < high_deg, got {self.low_deg} and {self.high_deg}")
        return self


class CameraModel(Record):
    """Where each pixel of a picture looks."""

    kind: Literal["pinhole", "cylinder", "equirectangular"]
    """`pinhole`: a plane; `cylinder`: an upright one, whose rows are equal steps of the tangent of elevation;
    `equirectangular`: a sphere, whose rows are equal steps of elevation."""
    size: Size
    """Its picture."""
    lens: PinholeLens | None = None
    """Of a pinhole camera, and of no other."""
    angles: PanoramaAngles | None = None
    """Of a panorama, and of no other."""
    depth: DepthKind | None = None
    """What the depth of its views is measured along, in metres; null where none has depth."""

    @model_validator(mode="after")
    def _of_its_kind(self) -> Self:
        flat = self.kind == "pinhole"
        if (self.lens is not None) != flat or (self.angles is not None) == flat:
            raise ValueError(f"expected {'lens' if flat else 'angles'} alone of a camera that is {self.kind}")
        if (
            self.kind == "cylinder"
            and self.angles is not None
            and {self.angles.low_deg, self.angles.high_deg} & {-90, 90}
        ):
            raise ValueError("expected elevations between -90 and 90, whose tangents are finite")
        return self


class AgentSelection(Record):
    """Which of those that record at a time a set is made of, as a rule: equal scenes give equal sets, on any machine.

    Agents are ordered as OpenCOOD does it: their numbers as texts ("1000" before "641"), and where the first is below
    zero, which is infrastructure, it goes to the end. The first of that order is the ego, and is in every set. A scene
    with too few agents gives no sets, and is counted; no other is taken in its place.
    """

    count: Positive | None = None
    """Agents of a set; null for all there are."""
    pick: Literal["first", "drawn"] = "first"
    """Those behind the ego: the next in order, or drawn for each set from `seed`, scenario and frame."""
    seed: Count = 0
    """For `drawn`."""


class ViewsHeader(Header):
    """Header of camera views: pictures with depth and masks, by sets of what was seen at one time.

    Poses are cam2world in OpenCV's axes (x right, y down, z forward), those of the world alike, in metres.
    """

    RECORD: ClassVar[str] = "views"

    format: Literal["lapsdata.views"] = "lapsdata.views"
    """Which format this header belongs to."""
    cameras: Annotated[tuple[CameraModel, ...], Field(min_length=1)]
    """Camera models, which views name by their place."""
    selections: Annotated[dict[Name, AgentSelection], Field(json_schema_extra={"additionalProperties": False})] = Field(
        default_factory=dict
    )
    """Which agents sets are made of, by split; a split that is not named has all."""

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len({model.to_bytes() for model in self.cameras}) < len(self.cameras):
            raise ValueError("expected each camera model once")
        return self
