"""The numbers of a report of views: what each view says by itself, and what all of them say together."""

from __future__ import annotations

import functools
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lapsdata.containers.model_cameras import model_camera
from lapsdata.errors import listed
from lapsdata.geometry import convert_depth
from lapsdata.metrics.view_errors import (
    PoseErrors,
    aligned_poses,
    depth_match,
    joined_depth,
    pose_errors,
    root_mean_square,
)
from lapsdata.report.view_clouds import ViewCloud, placed, view_cloud
from lapsdata.report.view_pictures import RATIO_MOST, SPARSE_SHARE
from lapsdata.schema import DepthMatch, MatchedViews, ReportedView, ReportWarning, ViewErrors, ViewsSide
from lapsdata.stages._matched_views import NO_VIEW, camera_gap

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from lapsdata.containers import Views
    from lapsdata.containers.views import Layer
    from lapsdata.schema import PoseAlignment
    from lapsdata.stages._matched_views import CameraGap

__all__ = ["LookedAt", "Masks", "ReportNumbers", "ReportTally", "ReportedPair", "SeenSide"]

_MASK_LEAST, _POSE_MOST_M, _SHARE_LEAST = 0.05, 10.0, 0.9
# As the colours of a page have it: beyond, a picture of ratios is of one colour.
_SCALE_MOST = RATIO_MOST


class Masks(NamedTuple):
    """Masks of a view, of which at least one is there."""

    valid: NDArray[np.bool_] | None
    covered: NDArray[np.bool_] | None
    trusted: NDArray[np.bool_] | None

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        height, width = next(mask.shape for mask in self if mask is not None)
        return height, width


class SeenSide(NamedTuple):
    """What one side has of a view; None for layers that it has not.

    Parameters
    ----------
    image : uint8 (H, W, 3) or None
    depth : float32 (H, W) or None, metre
        As it was read.
    measured : float32 (H, W) or None, metre
        The same, 0 where it is not finite or not above 0, or where the mask of valid pixels, if there is one, says that
        there is none: what counts.
    valid, covered, trusted : bool (H, W) or None
        Has depth, has a colour, is not ambiguous.
    cloud : ViewCloud or None
    cam2world : float64 (4, 4)
        In the world of the truth.
    """

    image: NDArray[np.uint8] | None
    depth: NDArray[np.float32] | None
    measured: NDArray[np.float32] | None
    valid: NDArray[np.bool_] | None
    covered: NDArray[np.bool_] | None
    trusted: NDArray[np.bool_] | None
    cloud: ViewCloud | None
    cam2world: NDArray[np.float64]

    @property
    def sparse(self) -> bool:
        """Whether few pixels have depth, though some do."""
        return self.measured is not None and bool(0 < np.mean(self.measured > 0) < SPARSE_SHARE)

    @property
    def masks(self) -> Masks | None:
        """Where there is depth, a colour, and trust; None without any mask. Where none says it, depth itself does."""
        given = (self.valid, self.covered, self.trusted)
        if all(mask is None for mask in given):
            return None
        valid = self.measured > 0 if self.valid is None and self.measured is not None else self.valid
        return Masks(valid, self.covered, self.trusted)

    @property
    def usable(self) -> NDArray[np.bool_] | None:
        """Where a mask says that there is depth and there is some; of a view without depth the mask; None without."""
        return self.valid if self.valid is None or self.measured is None else self.measured > 0

    @property
    def odd(self) -> dict[str, int]:
        """How many pixels have depth that is none, though no mask says so; 0 is how none is written without a mask."""
        if self.depth is None:
            return {}
        said = self.depth if self.valid is None else self.depth[self.valid]
        return {
            "NaN": int(np.isnan(said).sum()),
            "infinite": int(np.isinf(said).sum()),
            "negative": int((np.isfinite(said) & (said < 0)).sum()),
        }

    @property
    def hidden(self) -> bool:
        """Whether there is depth, and the mask of valid pixels lets none of it count."""
        if self.depth is None or self.measured is None:
            return False
        return bool((self.depth > 0).any() and not (self.measured > 0).any())


class LookedAt(NamedTuple):
    """One view of both sides; the arrays live as long as this does.

    Parameters
    ----------
    view : int
    truth : SeenSide
    prediction : SeenSide or None
    aligned : float32 (H, W) or None, metre
        Depth of the prediction, measured along what the true one is; None where pixels are not compared.
    wanted : int
        Pixels of the truth that are to be compared: those with depth that is near enough; 0 where none are.
    told : ReportedView
    """

    view: int
    truth: SeenSide
    prediction: SeenSide | None
    aligned: NDArray[np.float32] | None
    wanted: int
    told: ReportedView


@dataclass(frozen=True)
class ReportedPair:
    """A truth, and where a prediction has its views.

    Parameters
    ----------
    truth : Views
    prediction : Views or None
    at : int64 (V,)
        View of the prediction, or `NO_VIEW`.
    alignment : PoseAlignment
    far_m : float
        Points beyond are left out of clouds, and depth that truly is beyond is not compared.
    """

    truth: Views
    prediction: Views | None
    at: NDArray[np.int64]
    alignment: PoseAlignment
    far_m: float

    @property
    def matched(self) -> NDArray[np.int64]:
        """Views that both have."""
        return np.flatnonzero(self.at != NO_VIEW)

    @functools.cached_property
    def poses(self) -> NDArray[np.float64]:
        """Predicted poses in the world of the truth, NaN where there is none: float64 (V, 4, 4)."""
        poses = np.full(self.truth.cam2world.shape, np.nan)
        if self.prediction is not None:
            poses[self.matched] = self._aligned[0]
        return poses

    @functools.cached_property
    def errors(self) -> dict[int, tuple[float, float]]:
        """Distance in metres and angle in degrees of each view whose poses are compared."""
        if self.prediction is None:
            return {}
        found: PoseErrors = pose_errors(self.truth.cam2world[self.matched], self._aligned[0])
        every = zip(self.matched.tolist(), found.distance_m.tolist(), found.angle_deg.tolist(), strict=True)
        free = self._aligned[1].tolist()
        return {view: (away, turned) for (view, away, turned), said in zip(every, free, strict=True) if said}

    @functools.cached_property
    def _aligned(self) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        if self.prediction is None:
            raise TypeError("only a prediction is aligned")
        mine = self.matched
        found = self.prediction.cam2world[self.at[mine]]
        return aligned_poses(self.truth.cam2world[mine], found, self.truth.set_of[mine], self.alignment)

    def look(self) -> Iterator[LookedAt]:
        """Yield every view, one at a time."""
        for view in range(len(self.truth)):
            yield self._look(view)

    def _look(self, view: int) -> LookedAt:
        truth = _seen(self.truth, view, self.truth.cam2world[view], self.far_m, None)
        found, aligned = None, None
        other = int(self.at[view])
        if self.prediction is not None and other != NO_VIEW:
            alike = self.alike(view)
            found = _seen(self.prediction, other, self.poses[view], self.far_m, truth.image if alike else None)
            aligned = self._depth_as_true(view, found.measured) if alike and truth.measured is not None else None
        depth, wanted = None, 0
        if aligned is not None and truth.measured is not None:
            depth = depth_match(truth.measured, aligned, self.far_m)
            wanted = int(((truth.measured > 0) & (truth.measured <= self.far_m)).sum())
        return LookedAt(view, truth, found, aligned, wanted, self._told(view, truth, found, depth))

    def alike(self, view: int) -> bool:
        """Whether a pixel of one side is the same pixel of the other: pictures of one kind, size and view."""
        if self.prediction is None:
            return False
        gap = self.camera_gap(view)
        return gap is None or gap.comparable

    def camera_gap(self, view: int) -> CameraGap | None:
        """Return how the camera of a view that both have differs."""
        if self.prediction is None:
            raise TypeError("only a prediction has other cameras")
        return camera_gap(self.truth.camera_model(view), self.prediction.camera_model(int(self.at[view])))

    def _depth_as_true(self, view: int, depth: NDArray[np.float32] | None) -> NDArray[np.float32] | None:
        if depth is None or self.prediction is None:
            return None
        mine, other = self.truth.camera_model(view).depth, self.prediction.camera_model(int(self.at[view]))
        if mine is None or other.depth is None or mine == other.depth:
            return depth
        return convert_depth(depth, model_camera(other), source=other.depth, target=mine)

    def _told(self, view: int, truth: SeenSide, found: SeenSide | None, depth: DepthMatch | None) -> ReportedView:
        place = int(self.truth.set_of[view])
        away, turned = self.errors.get(view, (None, None))
        return ReportedView(
            split=self.truth.split[place],
            scenario=self.truth.scenario[place],
            frame=int(self.truth.frame[place]),
            agent=self.truth.agent[view],
            camera=self.truth.camera[view],
            mask_mean=_mean(truth.trusted),
            valid_ratio=_mean(truth.usable),
            predicted=found is not None,
            predicted_mask_mean=None if found is None else _mean(found.trusted),
            predicted_valid_ratio=None if found is None else _mean(found.usable),
            pose_error_m=away,
            rotation_error_deg=turned,
            depth=depth,
        )


class ReportNumbers(NamedTuple):
    """What all views say together; see `lapsdata.schema.ViewsReport`."""

    far_points: int
    truth: ViewsSide
    prediction: ViewsSide | None
    matching: MatchedViews | None
    errors: ViewErrors | None
    pos_weight: float | None
    warnings: tuple[ReportWarning, ...]
    views: tuple[ReportedView, ...]


@dataclass
class _Side:
    """Sums over the views of one side."""

    views: int = 0
    masks: dict[str, list[int]] = field(default_factory=dict)
    depth: list[float] = field(default_factory=list)
    deep: int = 0
    hidden: int = 0
    sparse: int = 0
    odd: Counter[str] = field(default_factory=Counter)
    cameras: list[NDArray[np.float64]] = field(default_factory=list)
    points: list[NDArray[np.float64]] = field(default_factory=list)
    farther: int = 0

    def add(self, seen: SeenSide) -> None:
        self.views += 1
        for name, mask in (("trusted", seen.trusted), ("valid", seen.usable), ("covered", seen.covered)):
            if mask is not None:
                yes, of = self.masks.setdefault(name, [0, 0])
                self.masks[name] = [yes + int(mask.sum()), of + mask.size]
        if seen.measured is not None:
            self.deep += 1
            known = seen.measured[seen.measured > 0]
            self.depth += [float(known.min()), float(known.max())] if known.size else []
        self.sparse += seen.sparse
        self.hidden += seen.hidden
        self.odd.update(seen.odd)
        self.cameras.append(seen.cam2world[:3, 3])
        if seen.cloud is not None:
            self.farther += seen.cloud.farther
            if len(seen.cloud.points):
                world = placed(seen.cloud.points, seen.cam2world)
                self.points += [world.min(axis=0), world.max(axis=0)]

    def told(self) -> ViewsSide:
        share = {name: yes / of for name, (yes, of) in self.masks.items()}
        return ViewsSide(
            views=self.views,
            mask_mean=share.get("trusted"),
            valid_ratio=share.get("valid"),
            covered_ratio=share.get("covered"),
            depth_views=self.deep,
            depth_m=(min(self.depth), max(self.depth)) if self.depth else None,
            sparse_views=self.sparse,
            cameras_m=_bounds(self.cameras),
            points_m=_bounds(self.points),
        )


@dataclass
class ReportTally:
    """Adds up views, none of which it keeps.

    Parameters
    ----------
    pair : ReportedPair
    """

    pair: ReportedPair
    _truth: _Side = field(default_factory=_Side)
    _found: _Side = field(default_factory=_Side)
    _views: list[ReportedView] = field(default_factory=list)
    _wanted: int = 0

    def add(self, looked: LookedAt) -> None:
        """Add a view."""
        self._truth.add(looked.truth)
        if looked.prediction is not None:
            self._found.add(looked.prediction)
        self._views.append(looked.told)
        self._wanted += looked.wanted

    def numbers(self) -> ReportNumbers:
        """Return what all views that were added say."""
        truth, found = self._truth.told(), self._found.told()
        beside = self.pair.prediction is not None
        matching = self._matching() if beside else None
        errors = self._errors() if beside else None
        mean = truth.mask_mean
        return ReportNumbers(
            far_points=self._truth.farther + self._found.farther,
            truth=truth,
            prediction=found if beside else None,
            matching=matching,
            errors=errors,
            pos_weight=(1 - mean) / mean if mean else None,
            warnings=tuple(self._warnings(truth, found, matching, errors)),
            views=tuple(self._views),
        )

    def _warnings(
        self, truth: ViewsSide, found: ViewsSide, matching: MatchedViews | None, errors: ViewErrors | None
    ) -> Iterator[ReportWarning]:
        yield from _of_masks("true", self._truth, truth)
        yield from _of_masks("predicted", self._found, found)
        if errors is not None and matching is not None:
            alike = matching.matched - matching.other_cameras
            yield from _of_errors(errors, bool(alike and truth.depth_views and found.depth_views))
            gaps = [gap for gap in map(self.pair.camera_gap, self.pair.matched.tolist()) if gap is not None]
            yield from _of_matching(matching, gaps)

    def _matching(self) -> MatchedViews:
        matched = self.pair.matched.tolist()
        return MatchedViews(
            matched=len(matched),
            missing=len(self.pair.truth) - len(matched),
            other_cameras=sum(not self.pair.alike(view) for view in matched),
        )

    def _errors(self) -> ViewErrors:
        poses = np.array(list(self.pair.errors.values()), float).reshape(-1, 2)
        depth = [one.depth for one in self._views if one.depth is not None]
        scales = np.array([one.scale for one in depth])
        pixels = sum(one.pixels for one in depth)
        return ViewErrors(
            pose_views=len(poses),
            pose_rmse_m=root_mean_square(poses[:, 0]) if len(poses) else None,
            rotation_rmse_deg=root_mean_square(poses[:, 1]) if len(poses) else None,
            scale_rmse=root_mean_square(scales - 1) if depth else None,
            depth_pixels=pixels,
            depth_share=pixels / self._wanted if self._wanted else None,
            depth=joined_depth(depth),
        )


def _of_masks(name: str, side: _Side, told: ViewsSide) -> Iterator[ReportWarning]:
    """Yield what must be known of one side by itself."""
    fix = "--depth-root names where it lies, of a root without" if name == "true" else None
    if told.depth_views < told.views:
        message = f"{told.views - told.depth_views} of {told.views} {name} views have no depth: it is not shown"
        yield ReportWarning(code="no-depth", message=f"{message} and not compared", fix=fix)
    if side.hidden:
        message = (
            f"no pixel of {side.hidden} of {told.depth_views} {name} views with depth is valid, as their mask says"
        )
        yield ReportWarning(code="valid-empty", message=f"{message}: none of it is compared")
    if side.odd.total():
        counts = ", ".join(f"{count:,} {what}" for what, count in side.odd.items() if count)
        message = f"{name} depth that no mask takes out is no depth in some pixels: {counts}; they are not compared"
        yield ReportWarning(code="depth-not-valid", message=message, fix="write 0 there, and a mask that is false")
    if told.mask_mean is not None and told.mask_mean < _MASK_LEAST:
        message = f"the mean of the {name} mask is {told.mask_mean:.4f}, below {_MASK_LEAST}: almost nothing counts"
        yield ReportWarning(code="mask-almost-empty", message=message)


def _of_errors(errors: ViewErrors, comparable: bool) -> Iterator[ReportWarning]:
    if errors.pose_rmse_m is not None and errors.pose_rmse_m > _POSE_MOST_M:
        message = f"cameras are {errors.pose_rmse_m:.2f} m off (root mean square), more than {_POSE_MOST_M:g} m"
        yield ReportWarning(code="pose-far-off", message=message)
    if errors.depth is not None and not 1 / _SCALE_MOST <= errors.depth.scale <= _SCALE_MOST:
        message = f"predicted depth is {errors.depth.scale:.4g} times the true one (the median), expected about once"
        fix = f"views hold metres: divide it by {errors.depth.scale:.4g} where it is in another unit"
        yield ReportWarning(code="depth-scale", message=message, fix=fix)
    if errors.depth is not None and errors.depth_share is not None and errors.depth_share < _SHARE_LEAST:
        message = f"{errors.depth_share:.1%} of the pixels with true depth are compared, less than {_SHARE_LEAST:.0%}"
        yield ReportWarning(code="few-compared", message=f"{message}: errors say nothing of the others")
    if errors.depth is None and comparable:
        message = "0 pixels have true and predicted depth, both valid and near enough: depth is not compared"
        yield ReportWarning(code="nothing-compared", message=message, fix="look at the masks, and at --far")


def _of_matching(matching: MatchedViews, gaps: Sequence[CameraGap]) -> Iterator[ReportWarning]:
    every = matching.matched + matching.missing
    if matching.missing:
        message = f"{matching.missing} of {every} views are not in the prediction, and not compared"
        yield ReportWarning(code="views-missing", message=message)
    if others := [gap.told for gap in gaps if not gap.comparable]:
        message = f"{len(others)} of {matching.matched} predicted pictures are of another kind, size, angles or lens"
        told = f"({listed(list(dict.fromkeys(others)))})"
        yield ReportWarning(code="other-cameras", message=f"{message} {told}: their pixels are not compared")
    if slight := [gap.told for gap in gaps if gap.comparable]:
        message = f"{len(slight)} of {matching.matched} predicted cameras have a slightly other lens"
        told = f"({listed(list(dict.fromkeys(slight)))})"
        yield ReportWarning(code="other-lens", message=f"{message} {told}: their depth is compared pixel by pixel")


def _seen(
    views: Views, view: int, pose: NDArray[np.float64], far_m: float, colours: NDArray[np.uint8] | None
) -> SeenSide:
    """Read all layers of a view; its points have the colours of its own picture, or of another one of its size."""
    layers: tuple[Layer, ...] = ("image", "depth", "valid", "covered", "non_ambiguous")
    held: dict[str, Any] = {layer: views.read(layer, view) if views.present[layer][view] else None for layer in layers}
    image, depth, valid = held["image"], held["depth"], held["valid"]
    measured = None if depth is None else np.where(_is_depth(depth, valid), depth, np.float32(0))
    shade = colours if image is None else image
    cloud = None if measured is None else view_cloud(views, view, measured, shade, far_m)
    return SeenSide(image, depth, measured, valid, held["covered"], held["non_ambiguous"], cloud, pose)


def _is_depth(depth: NDArray[np.float32], valid: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    known: NDArray[np.bool_] = np.isfinite(depth) & (depth > 0)
    return known if valid is None else known & valid


def _mean(mask: NDArray[np.bool_] | None) -> float | None:
    return None if mask is None else float(mask.mean())


def _bounds(places: Sequence[NDArray[np.float64]]) -> tuple[Any, Any] | None:
    if not places:
        return None
    low, high = np.min(places, axis=0).tolist(), np.max(places, axis=0).tolist()
    return tuple(low), tuple(high)
