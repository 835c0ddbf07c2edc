"""Depth beside what else is known of the same view: the points of a LiDAR, or a second file of its depth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from lapsdata.checks._view_numbers import view_named
from lapsdata.errors import LapsError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from lapsdata.checks.view_stats import SplitStats
    from lapsdata.containers import Views
    from lapsdata.geometry import FrameSize

__all__ = ["DepthScale", "DepthWitness", "depth_scale", "witness_faults"]

# Points on fewer pixels may all be on one edge.
_FEWEST = 10
# Points that the camera does not see, behind an edge, are a few in a hundred.
_NEAR, _AGREE, _APART = 0.2, 0.6, 0.5
_LOW, _HIGH = 0.5, 2.0
_UNITS = {1000.0: "millimetres", 100.0: "centimetres", 10.0: "decimetres", 3.28084: "feet", 0.001: "kilometres"}
_UNIT_NEAR = 0.05
_SAME_M, _SAME = 0.01, 0.001


@runtime_checkable
class DepthWitness(Protocol):
    """Pixels of views that say more of depth than one file does.

    Examples
    --------
    >>> from lapsdata.containers import HeldPixels
    >>> isinstance(HeldPixels({}), DepthWitness)
    False
    """

    def lidar_depth(self, view: int, size: FrameSize) -> NDArray[np.float32] | None:
        """Return the depth of a LiDAR's points in the picture of a view, along its axis; None where there are none.

        Parameters
        ----------
        view : int
        size : FrameSize
            Of the picture.
        """

    def second_depth(self, view: int) -> tuple[str, NDArray[np.float32]] | None:
        """Return the file of depth that is not taken, and what it says; None where there is one file alone.

        Parameters
        ----------
        view : int
        """


class DepthScale(NamedTuple):
    """How depth and that of a LiDAR fit.

    Parameters
    ----------
    view : int
    factor : float
        How many times what the LiDAR says, at the median.
    agree, right : float
        Share of pixels whose own factor is within 20 % of that one, and of 1.
    pixels : int
        With both.

    Examples
    --------
    >>> DepthScale(0, 100.0, 0.9, 0.0, 400).factor
    100.0
    """

    view: int
    factor: float
    agree: float
    right: float
    pixels: int

    @property
    def scaled(self) -> bool:
        """Whether it is the same depth in another unit."""
        return not _LOW < self.factor < _HIGH and self.agree >= _AGREE

    @property
    def apart(self) -> bool:
        """Whether it is another depth."""
        return not self.scaled and self.right < _APART


def depth_scale(view: int, depth: NDArray[np.float32], lidar: NDArray[np.float32]) -> DepthScale | None:
    """Return how depth fits that of a LiDAR; None where too few pixels have both.

    Parameters
    ----------
    view : int
    depth, lidar : float32 (H, W)
        Above 0 where there is any.

    Examples
    --------
    >>> points = np.full((4, 5), 8.0, np.float32)
    >>> depth_scale(0, points * 100, points)
    DepthScale(view=0, factor=100.0, agree=1.0, right=0.0, pixels=20)
    >>> depth_scale(0, points * 0, points) is None
    True
    """
    both = (depth > 0) & (lidar > 0)
    if both.sum() < _FEWEST:
        return None
    factors = depth[both].astype(np.float64) / lidar[both]
    factor = float(np.median(factors))
    agree, right = (float((np.abs(factors / one - 1) < _NEAR).mean()) for one in (factor, 1.0))
    return DepthScale(view, factor, agree, right, len(factors))


def witness_faults(views: Views, stats: SplitStats, where: str) -> Iterator[Problem]:
    """Yield where the depth of the views that were looked at is not what a LiDAR or a second file says.

    Parameters
    ----------
    views : Views
    stats : SplitStats
    where : str
        File and split, for messages.

    Examples
    --------
    >>> from lapsdata.checks.view_stats import split_stats
    >>> from lapsdata.testing.samples import sample_views
    >>> list(witness_faults(sample_views(), split_stats(sample_views(), "train", 8), "scene.h5: train"))
    []
    """
    witness: Any = views.pixels
    if not isinstance(witness, DepthWitness):
        return
    scales, unlike, twice = list[DepthScale](), list[tuple[int, str, int, float]](), 0
    beside, lost = 0, dict[int, int]()
    for view in (one.view for one in stats.numbers if one.depths):
        depth = views.read("depth", view)
        lidar = witness.lidar_depth(view, views.camera_model(view).size.frame)
        if lidar is not None and (measured := int(np.count_nonzero(lidar))) >= _FEWEST:
            beside += 1
            scale = depth_scale(view, depth, lidar)
            scales += [] if scale is None else [scale]
            lost |= {} if (depth > 0).any() else {view: measured}
        try:
            second = witness.second_depth(view)
        except LapsError as error:
            yield from error.problems
            continue
        if second is not None:
            twice += 1
            pixels, away = _differ(depth, second[1])
            unlike += [(view, second[0], pixels, away)] if pixels else []
    yield from _scaled(views, scales, where)
    if lost:
        message = (
            f"there is no depth at all where the LiDAR measured {sum(lost.values()):,} pixels ({len(lost)} of {beside} "
            f"views with points; {view_named(views, min(lost))})"
        )
        fix = "is it in millimetres? CARLA's code ends at 1000 m, which is read as the sky"
        yield Problem("depth-lost", where, message, fix, "error" if 2 * len(lost) > beside else "warning")
    if unlike:
        first = unlike[0]
        message = (
            f"expected one depth of a view, got two files that differ in {sum(one[2] for one in unlike):,} pixels, by "
            f"up to {max(one[3] for one in unlike):,.2f} m ({len(unlike)} of {twice} views that have two; "
            f"{view_named(views, first[0])})"
        )
        fix = f"delete the wrong one; {first[1]} is not taken"
        yield Problem("depths-differ", where, message, fix)


def _scaled(views: Views, scales: list[DepthScale], where: str) -> Iterator[Problem]:
    if scaled := [one for one in scales if one.scaled]:
        factor = float(np.median([one.factor for one in scaled]))
        much = next((much for much in _UNITS if abs(factor / much - 1) < _UNIT_NEAR), factor)
        message = (
            f"depth is {factor:.4g} times what the LiDAR measured, {_UNITS.get(much, 'another unit')}? "
            f"({len(scaled)} of {len(scales)} views with both, {sum(one.pixels for one in scaled):,} pixels; "
            f"{view_named(views, scaled[0].view)})"
        )
        yield Problem("depth-unit", where, message, f"divide it by {much:.4g}: views hold metres")
    if apart := [one for one in scales if one.apart]:
        right = float(np.median([one.right for one in apart]))
        message = (
            f"depth is not what the LiDAR measured: within {_NEAR:.0%} of it at {right:.0%} of the pixels with both "
            f"({len(apart)} of {len(scales)} views; {view_named(views, apart[0].view)})"
        )
        fix = "is it of another frame, camera or agent?"
        yield Problem("depth-not-lidar", where, message, fix, "warning")


def _differ(one: NDArray[np.float32], other: NDArray[np.float32]) -> tuple[int, float]:
    """Return how many pixels of two depths differ, and by how much at most."""
    if one.shape != other.shape:
        return one.size, float(one.max(initial=0))
    # Neither the sky nor what is not known has a length.
    one, other = np.maximum(one, 0), np.maximum(other, 0)
    away = np.abs(one.astype(np.float64) - other)
    wrong = away > np.maximum(_SAME_M, _SAME * np.maximum(one, other))
    return int(wrong.sum()), float(away.max(initial=0, where=wrong))
