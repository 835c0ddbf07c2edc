"""Rigid 4 x 4 transforms and the two conventions for the axes of a camera."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lapsdata.errors import Problem, SchemaError
from lapsdata.geometry._arrays import Real, checked
from lapsdata.geometry.rotations import check_matrices, refuse_items

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["compose_poses", "flip_camera_axes", "invert_poses"]


def _rigid(poses: NDArray[Real], name: str) -> NDArray[np.float64]:
    flat = poses.reshape(-1, 4, 4).astype(np.float64)
    at = np.flatnonzero(np.isfinite(flat).all(axis=(-1, -2)))
    finite = flat[at]
    refuse_items((finite[:, 3] != [0.0, 0.0, 0.0, 1.0]).any(axis=-1), at, name, "last rows of 0, 0, 0, 1")
    check_matrices(finite[:, :3, :3], at, name)
    return flat.reshape(poses.shape)


def invert_poses(poses: NDArray[Real]) -> NDArray[Real]:
    """Return the inverse of rigid transforms: cam2world becomes world2cam.

    Parameters
    ----------
    poses : NDArray, shape (..., 4, 4), float32 or float64
        Rotation and translation; acts on column vectors.

    Returns
    -------
    NDArray, shape (..., 4, 4), dtype of `poses`
        `R.T` and `-R.T @ t`, computed in float64. NaN passes through.

    Raises
    ------
    SchemaError
        A rotation part that is off by more than 1e-3 or mirrored, or a last row other than 0, 0, 0, 1
        (`not-a-rotation`); wrong shape (`wrong-shape`) or dtype (`wrong-dtype`).

    Examples
    --------
    >>> shifted = np.eye(4)
    >>> shifted[:3, 3] = 1, 2, 3
    >>> invert_poses(shifted)[:3, 3]
    array([-1., -2., -3.])
    """
    poses = checked(poses, "poses", (4, 4))
    rigid = _rigid(poses, "poses")
    back = np.swapaxes(rigid[..., :3, :3], -1, -2)
    inverse = rigid.copy()
    inverse[..., :3, :3] = back
    inverse[..., :3, 3] = -(back @ rigid[..., :3, 3:])[..., 0]
    return inverse.astype(poses.dtype)


def compose_poses(outer: NDArray[Real], inner: NDArray[Real]) -> NDArray[Real]:
    """Return the transform that applies `inner` first: cam2world from (ego2world, cam2ego).

    Parameters
    ----------
    outer, inner : NDArray, shape (..., 4, 4), float32 or float64, of one dtype
        Leading axes are broadcast.

    Returns
    -------
    NDArray, shape (..., 4, 4), dtype of the inputs
        `outer @ inner`, computed in float64. NaN passes through.

    Raises
    ------
    SchemaError
        As `invert_poses`; the dtypes differ (`wrong-dtype`); the leading axes do not fit (`wrong-shape`).

    Examples
    --------
    >>> step = np.eye(4)
    >>> step[0, 3] = 2
    >>> compose_poses(step, step)[:3, 3]
    array([4., 0., 0.])
    """
    outer, inner = checked(outer, "outer", (4, 4)), checked(inner, "inner", (4, 4))
    if outer.dtype != inner.dtype:
        raise SchemaError(
            Problem("wrong-dtype", "inner", f"expected the dtype of outer, {outer.dtype}, got {inner.dtype}")
        )
    try:
        np.broadcast_shapes(outer.shape, inner.shape)
    except ValueError:
        message = f"expected leading axes that fit {outer.shape}, got {inner.shape}"
        raise SchemaError(Problem("wrong-shape", "inner", message)) from None
    return (_rigid(outer, "outer") @ _rigid(inner, "inner")).astype(outer.dtype)


def flip_camera_axes(cam2world: NDArray[Real]) -> NDArray[Real]:
    """Exchange OpenCV camera axes (x right, y down, z forward) and OpenGL ones (x right, y up, z back).

    The camera stays where it is and looks where it looked; only the names of its axes change. The same function
    leads back.

    Parameters
    ----------
    cam2world : NDArray, shape (..., 4, 4), float32 or float64
        Poses of cameras; invert world2cam first.

    Returns
    -------
    NDArray, shape (..., 4, 4), dtype of `cam2world`
        Second and third column with the other sign; exact.

    Raises
    ------
    SchemaError
        As `invert_poses`.

    Examples
    --------
    >>> flip_camera_axes(np.eye(4)).diagonal()
    array([ 1., -1., -1.,  1.])
    """
    cam2world = checked(cam2world, "cam2world", (4, 4))
    flipped: NDArray[np.float64] = _rigid(cam2world, "cam2world") * np.array([1.0, -1.0, -1.0, 1.0])
    return flipped.astype(cam2world.dtype)
