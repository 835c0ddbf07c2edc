"""Depth of pictures: along the axis of a camera, along rays, and as CARLA writes it in colours.

Depth above 0 is a length. What is not above 0 says something else (0: not known, below 0 or NaN: sky, by the policy of
whoever made it) and stays as it is when the kind changes: every factor is above 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.errors import Problem, SchemaError
from lapsdata.geometry._arrays import Real, checked, choice
from lapsdata.geometry.cameras import Camera, DepthKind, expect_camera, pixel_rays

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["carla_depth", "carla_depth_colours", "convert_depth", "unproject_depth"]

_FARTHEST_M, _LAST_CODE = 1000.0, 256**3 - 1
_BYTES = np.array([1, 256, 256**2], np.int64)


def convert_depth(depth: NDArray[Real], camera: Camera, *, source: DepthKind, target: DepthKind) -> NDArray[Real]:
    """Measure depth along something else.

    Parameters
    ----------
    depth : NDArray, shape (..., H, W), float32 or float64
        Of the camera's pixels, at their centres; numbers that are not above 0 stay.
    camera : Camera
    source, target : {"z", "ray", "radial"}
        Along the camera's axis (a pinhole alone: around a panorama it would be 0 or negative), along the ray of the
        pixel, or away from the upright axis of a panorama: `z = ray * cos(angle off the axis)`,
        `radial = ray * cos(elevation)`.

    Returns
    -------
    NDArray, shape (..., H, W), dtype of `depth`
        Computed in float64 and rounded once. NaN passes through.

    Raises
    ------
    SchemaError
        A kind that such a camera has not (`unknown-choice`); wrong shape (`wrong-shape`), dtype (`wrong-dtype`) or
        camera (`wrong-type`).

    Examples
    --------
    >>> from lapsdata.geometry import FrameSize, PinholeCamera
    >>> camera = PinholeCamera(
    ...     size=FrameSize(width=2, height=1), focal_px=(4.0, 4.0), centre_px=(0.0, 3.0), cam2world=np.eye(4)
    ... )
    >>> convert_depth(np.array([[4.0, 0.0]]), camera, source="z", target="ray")
    array([[5., 0.]])
    """
    camera = expect_camera(camera)
    depth = checked(depth, "depth", camera.size.shape)
    lengths = {name: _lengths(camera, kind, name) for name, kind in (("source", source), ("target", target))}
    converted: NDArray[np.float64] = depth.astype(np.float64) * (lengths["target"] / lengths["source"])
    return converted.astype(depth.dtype)


def unproject_depth(depth: NDArray[Real], camera: Camera, *, kind: DepthKind) -> NDArray[Real]:
    """Return the points of the world that pixels show.

    Parameters
    ----------
    depth : NDArray, shape (..., H, W), float32 or float64
        Of the camera's pixels, at their centres.
    camera : Camera
    kind : {"z", "ray", "radial"}
        What depth is measured along; see `convert_depth`.

    Returns
    -------
    NDArray, shape (..., H, W, 3), dtype of `depth`, world
        Computed in float64. NaN where depth is not a finite number above 0.

    Raises
    ------
    SchemaError
        As `convert_depth`.

    Examples
    --------
    >>> from lapsdata.geometry import EquirectangularCamera, FrameSize
    >>> around = EquirectangularCamera(size=FrameSize(width=3, height=1), cam2world=np.eye(4))
    >>> unproject_depth(np.array([[0.0, 10.0, -1.0]]), around, kind="ray")[0].round(6)
    array([[nan, nan, nan],
           [ 0.,  0., 10.],
           [nan, nan, nan]])
    """
    camera = expect_camera(camera)
    depth = checked(depth, "depth", camera.size.shape)
    known = np.where((depth > 0) & np.isfinite(depth), depth, np.nan).astype(np.float64)
    held = pixel_rays(camera) * (known / _lengths(camera, kind, "kind"))[..., np.newaxis]
    points: NDArray[np.float64] = held @ camera.cam2world[:3, :3].T + camera.cam2world[:3, 3]
    return points.astype(depth.dtype)


def carla_depth(colours: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the depth that a depth camera of CARLA codes in its colours.

    Parameters
    ----------
    colours : NDArray, shape (..., 3), uint8, red, green and blue

    Returns
    -------
    NDArray, shape (...), float64, metre, 0 to 1000
        Along the camera's axis: `1000 (R + 256 G + 65536 B) / (256^3 - 1)`. The sky is at 1000 m, and nothing else says
        that it is the sky. In float32 the codes beyond 512 m are no longer told apart.

    Raises
    ------
    SchemaError
        Wrong shape (`wrong-shape`) or dtype (`wrong-dtype`): colours with an opacity lose it first.

    Examples
    --------
    >>> carla_depth(np.array([[0, 0, 0], [0, 0, 128], [255, 255, 255]], np.uint8)).round(4)
    array([   0.,  500., 1000.])
    """
    colours = np.asarray(colours)
    if colours.ndim < 1 or colours.shape[-1] != 3:
        raise SchemaError(Problem("wrong-shape", "colours", f"expected (..., 3), got {colours.shape}"))
    if colours.dtype != np.uint8:
        raise SchemaError(Problem("wrong-dtype", "colours", f"expected uint8, got {colours.dtype}"))
    depth: NDArray[np.float64] = (colours.astype(np.int64) @ _BYTES) * _FARTHEST_M / _LAST_CODE
    return depth


def carla_depth_colours(depth: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """Return the colours in which CARLA codes depth; the inverse of `carla_depth`.

    Parameters
    ----------
    depth : NDArray, shape (...), float32 or float64, metre, 0 to 1000
        Along the camera's axis.

    Returns
    -------
    NDArray, shape (..., 3), uint8, red, green and blue
        Of the nearest of the 256^3 codes, which are 0.06 mm apart.

    Raises
    ------
    SchemaError
        Depth that has no code (`wrong-value`); wrong dtype (`wrong-dtype`).

    Examples
    --------
    >>> carla_depth_colours(np.array([0.0, 500.0, 1000.0])).tolist()
    [[0, 0, 0], [0, 0, 128], [255, 255, 255]]
    """
    depth = checked(depth, "depth", ())
    wrong = ~((depth >= 0) & (depth <= _FARTHEST_M))
    if wrong.any():
        first = depth[wrong].flat[0]
        message = f"expected 0 to {_FARTHEST_M:g} m, got {int(wrong.sum())} of {wrong.size} others, the first {first}"
        raise SchemaError(Problem("wrong-value", "depth", message, "say first what those are that have no depth"))
    codes = np.rint(depth.astype(np.float64) / _FARTHEST_M * _LAST_CODE).astype(np.int64)
    return (codes[..., np.newaxis] // _BYTES % 256).astype(np.uint8)


def _lengths(camera: Camera, kind: DepthKind, name: str) -> NDArray[np.float64]:
    """Return how long a step of one unit along each pixel's ray is, measured along something (H, W)."""
    choice(kind, name, DepthKind)
    if kind not in camera.depth_kinds:
        known = ", ".join(map(repr, camera.depth_kinds))
        message = f"expected {known} for a {type(camera).__name__}, got {kind!r}"
        raise SchemaError(Problem("unknown-choice", name, message))
    rays = pixel_rays(camera)
    if kind == "z":
        return rays[..., 2]
    return np.hypot(rays[..., 0], rays[..., 2]) if kind == "radial" else np.ones(camera.size.shape)
