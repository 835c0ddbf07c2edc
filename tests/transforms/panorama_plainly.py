"""Depth of a panorama as plainly as can be: walk along every ray in small steps until it is behind a surface."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tests.transforms.cast_scene import looks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lapsdata.geometry import CylinderCamera, EquirectangularCamera, PinholeCamera


def on_one_surface(depth: NDArray[np.float64], agreement: float) -> NDArray[np.bool_]:
    """Tell for each four pixels (h - 1, w - 1) whether they are one surface."""
    with np.errstate(divide="ignore"):
        inverse = np.where(depth > 0, 1 / depth, np.nan)
    corners = np.stack([inverse[:-1, :-1], inverse[:-1, 1:], inverse[1:, :-1], inverse[1:, 1:]])
    slack = agreement * corners.max(axis=0)

    def linked(values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return by how much each step along the first axis differs from 0, or from the steps beside it."""
        steps = np.diff(values, axis=0)
        lost = np.full((1, *steps.shape[1:]), np.nan)
        before, after = np.concatenate([lost, steps[:-1]]), np.concatenate([steps[1:], lost])
        return np.fmin(np.abs(steps), np.fmin(np.abs(steps - before), np.abs(steps - after)))

    down, across = linked(inverse), linked(inverse.T).T
    worst = np.maximum(np.maximum(down[:, :-1], down[:, 1:]), np.maximum(across[:-1], across[1:]))
    whole = np.isfinite(corners).all(axis=0)
    return whole & ((corners.max(axis=0) - corners.min(axis=0) <= slack) | (worst <= slack))


def surface(depth: NDArray[np.float64], smooth: NDArray[np.bool_], pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far the surface is at pixels (..., 2): bilinear in inverse depth, else the nearest of the four."""
    height, width = depth.shape
    x = np.clip(np.floor(pixels[..., 0]).astype(int), 0, width - 2)
    y = np.clip(np.floor(pixels[..., 1]).astype(int), 0, height - 2)
    four = np.stack([depth[y, x], depth[y, x + 1], depth[y + 1, x], depth[y + 1, x + 1]])
    fx, fy = pixels[..., 0] - x, pixels[..., 1] - y
    shares = np.stack([(1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy])
    with np.errstate(divide="ignore", invalid="ignore"):
        bilinear = 1 / (shares / four).sum(axis=0)
    front = np.where(four > 0, four, np.inf).min(axis=0)
    return np.where(smooth[y, x], bilinear, np.where(np.isfinite(front), front, np.nan))


def plain_depth(
    depths: Sequence[NDArray[np.float32]],
    cameras: Sequence[PinholeCamera],
    panorama: CylinderCamera | EquirectangularCamera,
    *,
    lengths: NDArray[np.float64],
    agreement: float = 0.01,
) -> NDArray[np.float64]:
    """Return the first of some lengths (K,) of each ray at which it has come below a surface, NaN where it never does.

    A ray that is in front of something in one step, and behind something else in the next, has passed an edge.
    """
    rays = looks(panorama) @ panorama.cam2world[:3, :3].T
    points = panorama.cam2world[:3, 3] + rays[..., np.newaxis, :] * lengths[:, np.newaxis]
    nearest = np.full(rays.shape[:2], np.inf)
    for depth, camera in zip(depths, cameras, strict=True):
        held = (points - camera.cam2world[:3, 3]) @ camera.cam2world[:3, :3]
        with np.errstate(divide="ignore", invalid="ignore"):
            pixels = held[..., :2] / held[..., 2:] * camera.focal_px + camera.centre_px
        inside = (held[..., 2] > 0) & (pixels >= -0.5).all(axis=-1)
        inside &= (pixels < np.array([camera.size.width, camera.size.height]) - 0.5).all(axis=-1)
        wide = depth.astype(np.float64)
        there = surface(wide, on_one_surface(wide, agreement), np.where(inside[..., np.newaxis], pixels, 0.0))
        gap = np.where(inside, held[..., 2] - there, np.nan)
        enters = (gap[..., :-1] <= 0) & (gap[..., 1:] > 0)
        # A surface goes on from step to step; where it jumps the ray has passed beside it.
        enters &= np.abs(np.diff(there, axis=-1)) < 0.1 * there[..., 1:]
        found = enters.any(axis=-1)
        nearest = np.where(found, np.minimum(nearest, lengths[1:][enters.argmax(axis=-1)]), nearest)
    return np.where(np.isfinite(nearest), nearest, np.nan)
