"""Rotations as steps from others, and back: composed, never subtracted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lapsdata.geometry._arrays import Real, checked
from lapsdata.geometry.rotations import convert_episode_rotations, rotation_width

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["rotation_places", "rotation_steps"]


def rotation_steps(values: NDArray[Real], origins: NDArray[Real], *, form: str, origin: str) -> NDArray[Real]:
    """Return rotations as they are seen from others: `R = inverse(origin) @ value`.

    So do GR00T, UMI and LeRobot: the step is told in the axes of the hand that makes it.

    Parameters
    ----------
    values : NDArray, shape (..., C), float32 or float64
        The numbers of `form`.
    origins : NDArray, shape (..., D), float32 or float64
        The numbers of `origin`; one for each of `values`, or one for several by NumPy's rules.
    form, origin : str
        Words of `convert_episode_rotations`.

    Returns
    -------
    NDArray, shape (..., C), dtype of `values`
        In the same form, computed in float64.

    Raises
    ------
    SchemaError
        As `convert_episode_rotations`.

    Examples
    --------
    >>> half, quarter = np.array([0.0, 0.0, np.pi]), np.array([0.0, 0.0, np.pi / 2])
    >>> rotation_steps(half, quarter, form="axis_angle", origin="axis_angle").round(6)
    array([0.      , 0.      , 1.570796])
    """
    from_origin = np.swapaxes(_matrices(origins, origin, "origins"), -1, -2)
    return _written(from_origin @ _matrices(values, form, "values"), form, values)


def rotation_places(steps: NDArray[Real], origins: NDArray[Real], *, form: str, origin: str) -> NDArray[Real]:
    """Return where steps from others lead: `R = origin @ step`, what `rotation_steps` came from.

    Parameters, results and errors are those of `rotation_steps`.

    Examples
    --------
    >>> quarter = np.array([0.0, 0.0, np.pi / 2])
    >>> rotation_places(quarter, quarter, form="axis_angle", origin="axis_angle").round(6)
    array([0.      , 0.      , 3.141593])
    """
    return _written(_matrices(origins, origin, "origins") @ _matrices(steps, form, "steps"), form, steps)


def _matrices(values: NDArray[Real], word: str, name: str) -> NDArray[np.float64]:
    wide = checked(values, name, (rotation_width(word),)).astype(np.float64)
    flat = convert_episode_rotations(wide, source=word, target="matrix")
    return flat.reshape(*flat.shape[:-1], 3, 3)


def _written(matrices: NDArray[np.float64], word: str, like: NDArray[Real]) -> NDArray[Real]:
    flat = matrices.reshape(*matrices.shape[:-2], 9)
    return convert_episode_rotations(flat, source="matrix", target=word).astype(like.dtype)
