"""Whether poses and matrices fit each other: intrinsics and pictures, extrinsics and the poses of camera and LiDAR."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lapsdata.errors import Problem
from lapsdata.geometry import carla_poses, invert_poses, points_from_carla, transforms_from_carla
from lapsdata.schema import CameraModel, PinholeLens, Size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lapsdata.errors import Severity

__all__ = ["EXTRINSIC_CODES", "camera_models", "lidar_to_camera", "pose_problems"]

EXTRINSIC_CODES = frozenset({"extrinsic-inverted", "extrinsic-apart"})
"""What `pose_problems` says of extrinsics that are there, and are not what poses say."""

# Matrices are told in six digits behind the point, and poses in degrees of as many.
_SAME = 1e-3
_MIDDLE_PX = 1.0
# One wrong file is a slip; where most are wrong, those who wrote them meant another matrix.
_MOST = 0.5


def camera_models(
    intrinsics: NDArray[np.float64], sizes: Sequence[tuple[int, int]], places: Sequence[str], with_depth: bool
) -> tuple[tuple[CameraModel, ...], NDArray[np.int64], list[Problem]]:
    """Return each camera model once, which of them each view has, and which do not fit their pictures.

    The matrices count from the corner of the picture, where CARLA's middle is W / 2; the models count from the centre
    of the first pixel.

    Parameters
    ----------
    intrinsics : float64 (V, 9)
        Matrices, row by row.
    sizes : sequence of (int, int), V
        Width and height of each picture.
    places : sequence of str, V
        Files, for messages.
    with_depth : bool
        Whether views may have depth, along the camera's axis.

    Examples
    --------
    >>> models, which, notes = camera_models(np.array([[5.0, 0, 4, 0, 5, 3, 0, 0, 1]]), [(8, 6)], ["a.png"], False)
    >>> models[0].lens.centre_px, which.tolist(), notes
    ((3.5, 2.5), [0], [])
    """
    keys = [(*row, *size) for row, size in zip(intrinsics.tolist(), sizes, strict=True)]
    place = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    models, notes = [], []
    for key in place:
        fx, _, cx, _, fy, cy, *_, width, height = key
        size = Size(width=int(width), height=int(height))
        lens = PinholeLens(focal_px=(fx, fy), centre_px=(cx - 0.5, cy - 0.5))
        models.append(CameraModel(kind="pinhole", size=size, lens=lens, depth="z" if with_depth else None))
        where = places[keys.index(key)]
        if abs(2 * cx - width) > _MIDDLE_PX or abs(2 * cy - height) > _MIDDLE_PX:
            message = f"expected a picture of about {2 * cx:g} x {2 * cy:g} by its intrinsic, got {size.frame}"
            fix = "was it scaled or cropped? then the intrinsic must be too"
            notes.append(Problem("intrinsics-size", where, f"{message} ({keys.count(key)} views)", fix, "warning"))
    return tuple(models), np.array([place[key] for key in keys], np.int64), notes


def pose_problems(
    cords: NDArray[np.float64], extrinsics: NDArray[np.float64], lidar: NDArray[np.float64], places: Sequence[str]
) -> list[Problem]:
    """Say which extrinsics are not what the poses of camera and LiDAR say: from the LiDAR to the camera.

    What is wrong with most of them is an error, else a warning.

    Parameters
    ----------
    cords : float64 (V, 6)
        Poses of cameras.
    extrinsics : float64 (V, 16)
        Row by row; NaN where there is none.
    lidar : float64 (V, 6)
        Poses of the LiDAR; NaN where there is none.
    places : sequence of str, V
        Files, for messages.
    """
    known = np.flatnonzero(np.isfinite(extrinsics).all(axis=1) & np.isfinite(lidar).all(axis=1))
    told = extrinsics[known].reshape(-1, 4, 4)
    cameras, lidars = carla_poses(cords[known], axes="carla"), carla_poses(lidar[known], axes="carla")
    expected = invert_poses(cameras) @ lidars
    apart = ~_near(told, expected)
    turned = apart & _near(told, invert_poses(lidars) @ cameras)
    notes = []
    for code, wrong, got, fix in (
        ("extrinsic-inverted", turned, "that from the camera to the LiDAR", "invert them, or write them anew"),
        ("extrinsic-apart", apart & ~turned, "another matrix", "poses and extrinsics are of different times or cars"),
    ):
        if wrong.any():
            first = places[int(known[np.argmax(wrong)])]
            message = f"expected the matrix from the LiDAR to the camera that their poses give, got {got}"
            count = int(wrong.sum())
            severity: Severity = "error" if count > _MOST * len(known) else "warning"
            notes.append(Problem(code, first, f"{message} ({count} of {len(known)} views)", fix, severity))
    return [*notes, *_without("extrinsic", extrinsics, places), *_without("lidar-pose", lidar, places)]


def _without(what: str, numbers: NDArray[np.float64], places: Sequence[str]) -> list[Problem]:
    """Say how many views lack something: an info where a data set has none at all."""
    absent = ~np.isfinite(numbers).all(axis=1)
    if not absent.any():
        return []
    count, first = int(absent.sum()), places[int(np.argmax(absent))]
    named = what.replace("-", "_")
    message = f"{count} of {len(places)} views have no {named}: nothing says whether their poses are right"
    fix = None if absent.all() else "copy their yaml again: other views have one"
    return [Problem(f"missing-{what}", first, message, fix, "info" if absent.all() else "warning")]


def lidar_to_camera(cords: NDArray[np.float64], extrinsic: NDArray[np.float64], lidar: NDArray[np.float64],
                    points: NDArray[np.float64]) -> NDArray[np.float64]:  # fmt: skip
    """Return points of a LiDAR in the axes of a camera, OpenCV's: float64 (N, 3), metre.

    Parameters
    ----------
    cords : float64 (6,)
        Pose of the camera.
    extrinsic : float64 (16,)
        Taken where the pose of the LiDAR is NaN.
    lidar : float64 (6,)
        Pose of the LiDAR.
    points : float64 (N, 3)
        In the axes of the LiDAR, as files have them.

    Examples
    --------
    >>> lidar_to_camera(np.zeros(6), np.full(16, np.nan), np.array([1.0, 0, 0, 0, 0, 0]), np.array([[5.0, 2, 1]]))
    array([[ 2., -1.,  6.]])
    """
    if np.isfinite(lidar).all():
        matrix = invert_poses(carla_poses(cords)) @ carla_poses(lidar)
    else:
        matrix = transforms_from_carla(extrinsic.reshape(4, 4))
    moved: NDArray[np.float64] = points_from_carla(points) @ matrix[:3, :3].T + matrix[:3, 3]
    return moved


def _near(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.bool_]:
    near = np.abs(one - other) <= _SAME * np.maximum(1, np.abs(other))
    return np.asarray(near.all(axis=(1, 2)), bool)
