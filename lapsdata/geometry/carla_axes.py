"""Poses and points as CARLA, and the data sets recorded in it, write them: turned into OpenCV's axes, and back.

CARLA's axes are left-handed: x forward, y right, z up. OpenCV's are x right, y down, z forward, so a point (x, y, z)
becomes (y, -z, x). This exchange mirrors; a transform is therefore exchanged on both of its sides, its own axes and
those of the world, and stays a rotation. The world then has OpenCV's axes as well: its y points down.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from lapsdata.geometry._arrays import Real, checked, choice
from lapsdata.geometry.poses import invert_poses
from lapsdata.geometry.rotations import convert_rotations

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "AxesOfCarla",
    "carla_poses",
    "points_from_carla",
    "points_to_carla",
    "transforms_from_carla",
    "transforms_to_carla",
]

AxesOfCarla = Literal["opencv", "carla"]
"""Whether a pose is given in OpenCV's axes or in those it was recorded in."""

# Which axis of CARLA each axis of OpenCV is, with its sign; then the other way round.
_FROM, _FROM_SIGN = np.array([1, 2, 0]), np.array([1.0, -1.0, 1.0])
_TO, _TO_SIGN = np.array([2, 0, 1]), np.array([1.0, 1.0, -1.0])


def carla_poses(values: NDArray[Real], *, axes: AxesOfCarla = "opencv") -> NDArray[Real]:
    """Return the transforms that six numbers of OPV2V stand for: x, y, z, roll, yaw, pitch.

    Parameters
    ----------
    values : NDArray, shape (..., 6), float32 or float64, metre and degree
        In this order: CARLA itself, and most who copy it, name pitch, yaw and roll in another.
    axes : {"opencv", "carla"}
        Of the result, on both sides: own2world with `"opencv"` is cam2world for a camera.

    Returns
    -------
    NDArray, shape (..., 4, 4), dtype of `values`
        In CARLA's axes the rotation is `Rz(yaw) Ry(-pitch) Rx(-roll)`; computed in float64. Numbers that are not
        finite become NaN throughout the rotation, or stay in the translation.

    Raises
    ------
    SchemaError
        Wrong shape (`wrong-shape`), dtype (`wrong-dtype`) or word (`unknown-choice`).

    Examples
    --------
    A camera 2.5 m in front of the origin of a car and 1 m above it, turned to the right by 90 degrees: OpenCV's z of
    the world is forward, its x to the right. What is ahead of this camera is to the right of the car.

    >>> pose = carla_poses(np.array([2.5, 0.0, 1.0, 0.0, 90.0, 0.0]))
    >>> (pose[:3, 3] + 0.0).tolist(), (pose[:3, 2].round(6) + 0.0).tolist()
    ([0.0, -1.0, 2.5], [1.0, 0.0, 0.0])
    """
    values = checked(values, "values", (6,))
    choice(axes, "axes", AxesOfCarla)
    wide = values.astype(np.float64)
    angles = np.radians(wide[..., [4, 5, 3]]) * [1.0, -1.0, -1.0]
    poses = np.tile(np.eye(4), (*wide.shape[:-1], 1, 1))
    poses[..., :3, :3] = convert_rotations(angles, source="euler_ZYX", target="matrix")
    poses[..., :3, 3] = wide[..., :3]
    return (_exchanged(poses, _FROM, _FROM_SIGN) if axes == "opencv" else poses).astype(values.dtype)


def transforms_from_carla(transforms: NDArray[Real]) -> NDArray[Real]:
    """Return rigid transforms between frames with CARLA's axes as ones between frames with OpenCV's.

    Parameters
    ----------
    transforms : NDArray, shape (..., 4, 4), float32 or float64
        In either direction: OPV2V's `extrinsic` leads from the LiDAR to a camera, and so does the result.

    Returns
    -------
    NDArray, shape (..., 4, 4), dtype of `transforms`
        The same numbers at other places and with other signs; exact.

    Raises
    ------
    SchemaError
        As `invert_poses`.

    Examples
    --------
    >>> ahead = np.eye(4)
    >>> ahead[:3, 3] = 10, 2, 1
    >>> transforms_from_carla(ahead)[:3, 3]
    array([ 2., -1., 10.])
    """
    transforms = _rigid(transforms)
    return _exchanged(transforms, _FROM, _FROM_SIGN).astype(transforms.dtype)


def transforms_to_carla(transforms: NDArray[Real]) -> NDArray[Real]:
    """Return rigid transforms between frames with OpenCV's axes as ones between frames with CARLA's.

    Parameters
    ----------
    transforms : NDArray, shape (..., 4, 4), float32 or float64

    Returns
    -------
    NDArray, shape (..., 4, 4), dtype of `transforms`
        The inverse of `transforms_from_carla`; exact.

    Raises
    ------
    SchemaError
        As `invert_poses`.

    Examples
    --------
    >>> pose = carla_poses(np.array([9.0, 8.0, 7.0, 3.0, 2.0, 1.0]))
    >>> transforms_to_carla(pose)[:3, 3]
    array([9., 8., 7.])
    """
    transforms = _rigid(transforms)
    return _exchanged(transforms, _TO, _TO_SIGN).astype(transforms.dtype)


def points_from_carla(points: NDArray[Real]) -> NDArray[Real]:
    """Return points or directions with CARLA's axes as ones with OpenCV's: (x, y, z) becomes (y, -z, x).

    Parameters
    ----------
    points : NDArray, shape (..., 3), float32 or float64

    Returns
    -------
    NDArray, shape (..., 3), dtype of `points`
        Exact; NaN passes through.

    Raises
    ------
    SchemaError
        Wrong shape (`wrong-shape`) or dtype (`wrong-dtype`).

    Examples
    --------
    >>> points_from_carla(np.array([10.0, 2.0, 1.0]))
    array([ 2., -1., 10.])
    """
    points = checked(points, "points", (3,))
    exchanged: NDArray[np.float64] = points[..., _FROM] * _FROM_SIGN
    return exchanged.astype(points.dtype)


def points_to_carla(points: NDArray[Real]) -> NDArray[Real]:
    """Return points or directions with OpenCV's axes as ones with CARLA's: (x, y, z) becomes (z, x, -y).

    Parameters
    ----------
    points : NDArray, shape (..., 3), float32 or float64

    Returns
    -------
    NDArray, shape (..., 3), dtype of `points`
        The inverse of `points_from_carla`; exact.

    Raises
    ------
    SchemaError
        Wrong shape (`wrong-shape`) or dtype (`wrong-dtype`).

    Examples
    --------
    >>> points_to_carla(np.array([2.0, -1.0, 10.0]))
    array([10.,  2.,  1.])
    """
    points = checked(points, "points", (3,))
    exchanged: NDArray[np.float64] = points[..., _TO] * _TO_SIGN
    return exchanged.astype(points.dtype)


def _rigid(transforms: NDArray[Real]) -> NDArray[Real]:
    """Return transforms that are rotations and translations, or say which is none."""
    transforms = checked(transforms, "transforms", (4, 4))
    invert_poses(transforms)
    return transforms


def _exchanged(transforms: NDArray[Real], axis: NDArray[np.intp], sign: NDArray[np.float64]) -> NDArray[np.float64]:
    """Exchange the axes on both sides: B T B^-1, where B holds one number per row."""
    turned = transforms.astype(np.float64)
    turned[..., :3, :3] = turned[..., axis, :][..., :, axis] * np.outer(sign, sign)
    turned[..., :3, 3] = transforms[..., axis, 3] * sign
    return turned
