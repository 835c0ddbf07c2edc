"""How far predicted cameras and their depth are from the true ones."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata.errors import Problem, SchemaError
from lapsdata.geometry import invert_poses
from lapsdata.schema.views_report import DepthMatch, PoseAlignment

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

__all__ = [
    "AlignedPoses",
    "PoseErrors",
    "aligned_poses",
    "depth_match",
    "joined_depth",
    "pose_errors",
    "root_mean_square",
]


class PoseErrors(NamedTuple):
    """Errors of V poses; see `pose_errors`.

    Parameters
    ----------
    distance_m : float64 (V,)
    angle_deg : float64 (V,)
        0 to 180.
    """

    distance_m: NDArray[np.float64]
    angle_deg: NDArray[np.float64]


class AlignedPoses(NamedTuple):
    """Poses laid onto others; see `aligned_poses`.

    Parameters
    ----------
    poses : float64 (V, 4, 4), metre
    free : bool (V,)
        Whether a pose can still be off: not where it was laid onto the true one by itself.
    """

    poses: NDArray[np.float64]
    free: NDArray[np.bool_]


def aligned_poses(
    true: NDArray[np.float64], found: NDArray[np.float64], sets: NDArray[np.int64], alignment: PoseAlignment
) -> AlignedPoses:
    """Return found poses in the world of the true ones.

    Parameters
    ----------
    true, found : float64 (V, 4, 4), metre
        Poses as cam2world.
    sets : int64 (V,)
        Which set each view is of.
    alignment : {"none", "first_view"}
        Take them as they are; or move the poses of a set, as one, so that its first view is where it truly is.

    Raises
    ------
    SchemaError
        Not as many of one as of the others (`length-mismatch`), or poses that are none.

    Examples
    --------
    >>> true = np.tile(np.eye(4), (2, 1, 1))
    >>> found = true.copy()
    >>> found[:, 0, 3] = 5, 8
    >>> moved, free = aligned_poses(true, found, np.zeros(2, np.int64), "first_view")
    >>> moved[:, 0, 3].tolist(), free.tolist()
    ([0.0, 3.0], [False, True])
    """
    if not len(true) == len(found) == len(sets):
        message = f"expected as many poses and sets, got {len(true)}, {len(found)} and {len(sets)}"
        raise SchemaError(Problem("length-mismatch", "poses", message))
    free = np.ones(len(sets), bool)
    if alignment == "none" or not len(sets):
        return AlignedPoses(found, free)
    _, first, of = np.unique(sets, return_index=True, return_inverse=True)
    free[first] = False
    return AlignedPoses((true[first] @ invert_poses(found[first]))[of] @ found, free)


def pose_errors(true: NDArray[np.float64], found: NDArray[np.float64]) -> PoseErrors:
    """Return how far cameras are from where they truly are, and how far they are turned.

    Parameters
    ----------
    true, found : float64 (V, 4, 4), metre
        Poses as cam2world, in one world.

    Examples
    --------
    >>> true, found = np.eye(4)[None], np.diag([-1.0, 1.0, -1.0, 1.0])[None]
    >>> found[0, :3, 3] = 3, 0, 4
    >>> distance, angle = pose_errors(true, found)
    >>> distance.tolist(), angle.round(6).tolist()
    ([5.0], [180.0])
    """
    away = np.linalg.norm(true[:, :3, 3] - found[:, :3, 3], axis=-1)
    # A chord of the rotations: unlike the arc cosine of the trace it is exact for small angles.
    chord = np.linalg.norm(true[:, :3, :3] - found[:, :3, :3], axis=(-2, -1))
    return PoseErrors(away, np.degrees(2 * np.arcsin(np.clip(chord / (2 * math.sqrt(2)), 0, 1))))


def depth_match(true: NDArray[np.float32], found: NDArray[np.float32], far_m: float = math.inf) -> DepthMatch | None:
    """Return how depth of one view compares with the true one; None where no pixel has both.

    Parameters
    ----------
    true, found : float32 (H, W), metre
        Measured along the same; what is not above 0 and finite is none.
    far_m : float
        What is truly farther is not compared: of a horizon a few pixels would outweigh all others.

    Examples
    --------
    >>> true = np.array([[1.0, 2.0, 0.0]], np.float32)
    >>> depth_match(true, np.array([[2.0, 4.0, 9.0]], np.float32))
    DepthMatch(pixels=2, rmse_m=1.5811388300841898, scaled_rmse_m=0.0, scale=2.0)
    """
    both = np.isfinite(true) & np.isfinite(found) & (true > 0) & (found > 0) & (true <= far_m)
    if not both.any():
        return None
    have, want = found[both].astype(np.float64), true[both].astype(np.float64)
    scale = float(np.median(have / want))
    return DepthMatch(
        pixels=len(want),
        rmse_m=root_mean_square(have - want),
        scaled_rmse_m=root_mean_square(have / scale - want),
        scale=scale,
    )


def joined_depth(views: Iterable[DepthMatch]) -> DepthMatch | None:
    """Return the comparison of the pixels of all views together; None of no view.

    Examples
    --------
    >>> one = DepthMatch(pixels=1, rmse_m=1.0, scaled_rmse_m=0.0, scale=2.0)
    >>> joined_depth([one, DepthMatch(pixels=3, rmse_m=3.0, scaled_rmse_m=0.0, scale=4.0)])
    DepthMatch(pixels=4, rmse_m=2.6457513110645907, scaled_rmse_m=0.0, scale=3.0)
    """
    all_of = list(views)
    if not all_of:
        return None
    pixels = sum(one.pixels for one in all_of)
    plain = sum(one.rmse_m**2 * one.pixels for one in all_of) / pixels
    scaled = sum(one.scaled_rmse_m**2 * one.pixels for one in all_of) / pixels
    scale = float(np.median([one.scale for one in all_of]))
    return DepthMatch(pixels=pixels, rmse_m=math.sqrt(plain), scaled_rmse_m=math.sqrt(scaled), scale=scale)


def root_mean_square(values: NDArray[np.float64]) -> float:
    """Return the root of the mean of squares of at least one value.

    Examples
    --------
    >>> root_mean_square(np.array([3.0, 4.0])) == 12.5**0.5
    True
    """
    return math.sqrt(float(np.mean(np.square(values))))
