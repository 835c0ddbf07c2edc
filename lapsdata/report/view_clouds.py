"""Points that views show, and outlines of their cameras, for pages that place them themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata.containers.model_cameras import model_camera
from lapsdata.geometry import unproject_depth

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lapsdata.containers import Views
    from lapsdata.schema import CameraModel

__all__ = ["ViewCloud", "camera_outline", "cloud_from_above", "placed", "thinned", "view_cloud"]

_OUTLINE_M = 1.5
_RING = 24


class ViewCloud(NamedTuple):
    """Points of a view in the axes of its camera.

    Parameters
    ----------
    points : float32 (N, 3), metre
        x right, y down, z forward.
    colours : uint8 (N, 3), RGB
    farther : int
        How many pixels have depth, but beyond the farthest that was wanted.

    Examples
    --------
    >>> ViewCloud(np.zeros((2, 3), np.float32), np.zeros((2, 3), np.uint8), 0).farther
    0
    """

    points: NDArray[np.float32]
    colours: NDArray[np.uint8]
    farther: int


def view_cloud(
    views: Views, view: int, depth: NDArray[np.float32], image: NDArray[np.uint8] | None, far_m: float
) -> ViewCloud:
    """Return the points of a view.

    Parameters
    ----------
    views : Views
        Whose camera model says where pixels look, and what depth is measured along.
    view : int
    depth : float32 (H, W), metre
    image : uint8 (H, W, 3), RGB, or None
        Colours; gray without.
    far_m : float
        Points farther from the camera are counted, and left out.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_views
    >>> views = sample_views()
    >>> cloud = view_cloud(views, 0, views.read("depth", 0), views.read("image", 0), 5.0)
    >>> len(cloud.points), cloud.farther
    (7, 4)
    """
    model = views.camera_model(view)
    points = unproject_depth(depth, model_camera(model), kind=model.depth or "z")
    away = np.linalg.norm(points, axis=-1)
    known = np.isfinite(away)
    near = known & (away <= far_m)
    colours = np.full((int(near.sum()), 3), 170, np.uint8) if image is None else image[near]
    return ViewCloud(points[near], colours, int(known.sum() - near.sum()))


def thinned(cloud: ViewCloud, most: int) -> ViewCloud:
    """Return so many points at most, in an order drawn once for all: any first part of it shows the whole scene.

    Examples
    --------
    >>> cloud = ViewCloud(np.zeros((9, 3), np.float32), np.zeros((9, 3), np.uint8), 0)
    >>> len(thinned(cloud, 4).points)
    4
    """
    order = np.random.default_rng(0).permutation(len(cloud.points))[:most]
    return ViewCloud(cloud.points[order], cloud.colours[order], cloud.farther)


def placed(points: NDArray[np.float32], cam2world: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return points in the axes of a camera as points of its world: float64 (N, 3).

    Examples
    --------
    >>> pose = np.eye(4)
    >>> pose[:3, 3] = 1, 2, 3
    >>> placed(np.ones((1, 3), np.float32), pose).tolist()
    [[2.0, 3.0, 4.0]]
    """
    world: NDArray[np.float64] = points.astype(np.float64) @ cam2world[:3, :3].T + cam2world[:3, 3]
    return world


def camera_outline(model: CameraModel) -> list[list[list[float]]]:
    """Return lines that show where a camera is and which way it looks, in its own axes.

    A pinhole is the pyramid of what it sees, 1.5 m long, with a roof over its upper edge; a panorama a ring with an
    arrow ahead and a line upwards.

    Parameters
    ----------
    model : CameraModel

    Returns
    -------
    list of list of [x, y, z]
        Each a line through these points, metre.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_views
    >>> len(camera_outline(sample_views().camera_model(0)))
    6
    """
    if model.lens is not None:
        lines = _pyramid(model)
    else:
        turn = np.linspace(0, 2 * np.pi, _RING + 1)
        ring = np.stack([np.sin(turn), np.zeros_like(turn), np.cos(turn)], axis=-1)
        arrow = np.array([[0, 0, 0], [0, 0, 2.0], [-0.3, 0, 1.6], [0, 0, 2.0], [0.3, 0, 1.6]])
        lines = [ring, arrow, np.array([[0, 0, 0], [0, -1.0, 0]])]
    return [np.round(line, 4).tolist() for line in lines]


def _pyramid(model: CameraModel) -> list[NDArray[np.float64]]:
    width, height = model.size.width, model.size.height
    edges = np.array([[0, 0], [width, 0], [width, height], [0, height]], float) - 0.5
    rays = model_camera(model).rays(edges)
    corners = rays / rays[:, 2:] * _OUTLINE_M
    eye = np.zeros(3)
    roof = corners[:2].mean(axis=0) + (corners[0] - corners[3]) * 0.3
    frame = np.concatenate([corners, corners[:1]])
    return [frame, *(np.stack([eye, corner]) for corner in corners), np.stack([corners[0], roof, corners[1]])]


def cloud_from_above(
    points: NDArray[np.float64], colours: NDArray[np.uint8], middle: NDArray[np.float64], *, side_px: int = 640
) -> NDArray[np.uint8]:
    """Return points as they look from straight above, world x to the right and z upwards: uint8 (640, 640, 3) RGB.

    A pixel shows the highest of its points; a white cross is where the camera stands.

    Parameters
    ----------
    points : float64 (N, 3), metre
        In the world, y down.
    colours : uint8 (N, 3), RGB
    middle : float64 (3,), metre
        In the middle of the picture, whose edges are where the farthest point is.
    side_px : int
        Width and height.

    Examples
    --------
    >>> drawn = cloud_from_above(np.array([[2.0, 0, 0]]), np.array([[255, 0, 0]], np.uint8), np.zeros(3), side_px=65)
    >>> drawn[32, 64].tolist()
    [255, 0, 0]
    """
    picture = np.full((side_px, side_px, 3), 18, np.uint8)
    half = (side_px - 1) / 2
    away = points - middle
    reach = max(float(np.abs(away[:, [0, 2]]).max()) if len(away) else 0.0, 1e-3)
    column = np.rint(half + away[:, 0] / reach * half).astype(np.int64)
    row = np.rint(half - away[:, 2] / reach * half).astype(np.int64)
    # The largest y, which is the lowest, first: what is drawn last stays.
    order = np.argsort(-points[:, 1], kind="stable")
    picture[row[order], column[order]] = colours[order]
    centre, arm = side_px // 2, side_px // 80
    picture[centre - arm : centre + arm + 1, centre] = picture[centre, centre - arm : centre + arm + 1] = 255
    return picture
