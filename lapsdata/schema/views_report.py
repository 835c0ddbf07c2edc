"""The record of a report of views: how a truth and a prediction stand to each other, and what masks are worth."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from lapsdata.schema.base import Count, Header, Positive, Record, Text

__all__ = [
    "DepthMatch",
    "MatchedViews",
    "PoseAlignment",
    "PoseSource",
    "ReportWarning",
    "ReportedView",
    "ViewErrors",
    "ViewsReport",
    "ViewsSide",
]

PoseAlignment = Literal["none", "first_view"]
"""How predicted poses are laid onto the true ones: as they are, in one world; or moved, set by set, so that the first
view that both have stands where it truly stands, as of models whose world is their first camera."""

PoseSource = Literal["gt", "pred"]
"""Whose poses place predicted depth: the true ones, or its own."""

_Share = Annotated[float, Field(ge=0, le=1)]
_NotNegative = Annotated[float, Field(ge=0)]
_Place = tuple[float, float, float]
_Bounds = tuple[_Place, _Place]


class DepthMatch(Record):
    """Depth of a prediction beside the true one, of the pixels where both have some, the true one up to `far_m`.

    Where a side has a mask of valid pixels, depth of others is none.
    """

    pixels: Positive
    """How many."""
    rmse_m: _NotNegative
    """Root of the mean squared difference, in metres; nothing is aligned."""
    scaled_rmse_m: _NotNegative
    """The same after each view's prediction is divided by its `scale`: alignment by the median ratio."""
    scale: Annotated[float, Field(gt=0)]
    """Of one view the median of predicted over true depth; of several the median of theirs."""


class ViewsSide(Record):
    """What masks, depth and poses of one side say; shares are null where no view has the layer."""

    views: Count
    """How many views it has of those that are reported."""
    mask_mean: _Share | None = None
    """Share of pixels that are not ambiguous, of the views that have that mask."""
    valid_ratio: _Share | None = None
    """Share of pixels that are valid and have finite depth above 0, of the views that have that mask; of one without
    depth the mask alone counts."""
    covered_ratio: _Share | None = None
    """Share of pixels with a colour, of the views that have that mask."""
    depth_views: Count = 0
    """Views that have depth at all, whatever their masks say of it."""
    depth_m: tuple[float, float] | None = None
    """Least and largest depth, in metres, of pixels that are valid where there is that mask."""
    sparse_views: Count = 0
    """Views of whose pixels less than a tenth have depth, as where it comes from a LiDAR."""
    cameras_m: _Bounds | None = None
    """Least and largest x, y and z of the cameras, in the world."""
    points_m: _Bounds | None = None
    """The same of the points that depth and poses of this side make, up to `far_m` from their camera."""


class ViewErrors(Record):
    """How far a prediction is from the truth."""

    pose_views: Count
    """Views whose poses are compared; with the alignment `first_view` all but the first of each set."""
    pose_rmse_m: _NotNegative | None = None
    """Root of the mean squared distance between cameras, in metres."""
    rotation_rmse_deg: _NotNegative | None = None
    """Root of the mean squared angle between them, in degrees."""
    scale_rmse: _NotNegative | None = None
    """Root of the mean squared difference of the views' `scale` from 1."""
    depth_pixels: Count = 0
    """Pixels whose depth is compared; 0 where `depth` is null."""
    depth_share: _Share | None = None
    """Share of the truth's pixels with depth up to `far_m` that are compared, of the views whose pixels are; null where
    there is none. What a prediction has no depth for is in no error."""
    depth: DepthMatch | None = None
    """Of all pixels of all views; null where none has both."""


class ReportedView(Record):
    """One view of the report."""

    split: Text
    """Split of its set."""
    scenario: Text
    """Scenario of its set."""
    frame: int
    """Number of its frame."""
    agent: Text
    """Who took it."""
    camera: Text
    """With what."""
    mask_mean: _Share | None = None
    """Share of its pixels that are not ambiguous; null without that mask."""
    valid_ratio: _Share | None = None
    """Share of its pixels that are valid and have finite depth above 0; null without that mask."""
    predicted: bool = False
    """Whether the prediction has it."""
    predicted_mask_mean: _Share | None = None
    """As `mask_mean`, of the prediction."""
    predicted_valid_ratio: _Share | None = None
    """As `valid_ratio`, of the prediction."""
    pose_error_m: _NotNegative | None = None
    """Distance of the predicted camera from the true one; null where poses are not compared."""
    rotation_error_deg: _NotNegative | None = None
    """Angle between both."""
    depth: DepthMatch | None = None
    """Null where nothing can be compared."""


class MatchedViews(Record):
    """Which views of both sides meet: those of equal scenario, frame, agent and camera."""

    matched: Count
    """Views that both have."""
    missing: Count
    """Views of the truth that the prediction has not."""
    other_cameras: Count = 0
    """Of the matched ones those whose pictures are of another kind, size or angles, or of a lens that is more than 5 %
    off: their poses are compared, their pixels are not."""


class ReportWarning(Record):
    """Something that whoever reads the report must know."""

    code: Literal[
        "no-depth",
        "valid-empty",
        "depth-not-valid",
        "mask-almost-empty",
        "pose-far-off",
        "depth-scale",
        "few-compared",
        "nothing-compared",
        "views-missing",
        "other-cameras",
        "other-lens",
    ]
    """What."""
    message: Text
    """In words."""
    fix: Text | None = None
    """What can be done; null where that is for whoever reads it to judge."""


class ViewsReport(Header):
    """What a report of views says in numbers."""

    RECORD: ClassVar[str] = "views_report"

    format: Literal["lapsdata.views_report"] = "lapsdata.views_report"
    """Which format this record belongs to."""
    pose_source: PoseSource
    """Whose poses the page shows first, and by whose predicted depth is placed in files of views: `pred_points.npy` and
    `pred_cloud.png`, with the pose itself as `pred_depth_cam2world.npy`; `pred_cam2world.npy` is the predicted one."""
    alignment: PoseAlignment
    """How predicted poses were laid onto the true ones."""
    far_m: Annotated[float, Field(gt=0)]
    """Points farther from their camera are not in clouds and their bounds, and depth that truly is farther is not
    compared."""
    far_points: Count
    """How many pixels with depth, of both sides, that leaves out."""
    sets: Positive
    """Sets that are reported."""
    truth: ViewsSide
    """The root."""
    prediction: ViewsSide | None = None
    """Null without one; so are `matching` and `errors`."""
    matching: MatchedViews | None = None
    """Which views meet."""
    errors: ViewErrors | None = None
    """How far the prediction is off."""
    pos_weight: _NotNegative | None = None
    """Suggested weight of the positive class in a loss of the mask, (1 - m) / m with the true mask's mean m; null where
    there is no mask, or an empty one."""
    warnings: tuple[ReportWarning, ...] = ()
    """What must be known."""
    views: Annotated[tuple[ReportedView, ...], Field(min_length=1)]
    """Each view of the root, in its order."""
