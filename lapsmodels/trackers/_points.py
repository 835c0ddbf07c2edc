"""A set of points as the hot loops of dense_flow know it: what it looked like, and where it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float32]
    Flags = NDArray[np.bool_]

__all__ = ["Anchors", "Held", "begin", "empty_as"]

_NEIGHBOURS = 8


class Anchors(NamedTuple):
    """What N points looked like where they were given, and who stands around them."""

    xy: Array
    """(N, 2)"""
    looks: Array
    """(N, 121) patches, row by row"""
    slopes: Array
    """(N, 4, 121) weighted slopes of the looks along shift x, shift y, scale and turn"""
    sums: Array
    """(N, 4) sums of the slopes"""
    inverses: Array
    """(N, 4, 4) inverse normal matrices of the slopes"""
    shifts: Array
    """(N, 2, 2) those of the first two alone"""
    texture: Array
    """(N,) weighted variance of the patches, squared levels"""
    level: Array
    """(N,) weighted mean of the patches"""
    neighbours: NDArray[np.int64]
    """(N, K) nearest other points"""


class Held(NamedTuple):
    """Where N points are now."""

    xy: Array
    """(N, 2)"""
    velocity: Array
    """(N, 2) pixels per frame"""
    warp: Array
    """(N, 2) similarity from the first frame to now: scale times cosine and sine of the turn"""
    found: Flags
    """(N,) whether the point is followed, and not only believed to be there"""
    light: Array
    """(2,) gain and offset that make the first frame as bright as this one"""


def begin(points: Array, pixels: int) -> tuple[Anchors, Held]:
    """Return records of points in their first picture; of their patches of so many pixels nothing is known yet.

    Parameters
    ----------
    points : array, shape (N, 2)
    pixels : int
    """
    count = len(points)
    shapes = (pixels,), (4, pixels), (4,), (4, 4), (2, 2), (), ()
    parts = (np.empty((count, *shape), np.float32) for shape in shapes)
    anchors = Anchors._make((points.copy(), *parts, _neighbours(points)))
    upright = np.tile(np.array([1, 0], np.float32), (count, 1))
    still, found = np.zeros((count, 2), np.float32), np.ones(count, np.bool_)
    return anchors, Held(points.copy(), still, upright, found, np.array([1, 0], np.float32))


def empty_as(held: Held) -> Held:
    """Return arrays to be filled in."""
    return Held(
        np.empty_like(held.xy),
        np.empty_like(held.velocity),
        np.empty_like(held.warp),
        np.empty_like(held.found),
        np.empty_like(held.light),
    )


def _neighbours(points: Array) -> NDArray[np.int64]:
    """Return the nearest other points of each, (N, K), K <= 8."""
    from scipy.spatial import cKDTree

    count = min(_NEIGHBOURS, len(points) - 1)
    if count == 0:
        return np.empty((len(points), 0), np.int64)
    nearest = np.asarray(cKDTree(points).query(points, k=count + 1)[1], np.int64)
    # The point itself, once; of several points at one place any may come first, and it may not be among them.
    own = nearest == np.arange(len(points))[:, None]
    own[~own.any(axis=1), -1] = True
    others: NDArray[np.int64] = nearest[~own].reshape(len(points), count)
    return others
