"""Rotations in three dimensions, each form named so that no order of numbers is guessed.

A matrix turns column vectors: `v' = R @ v`. Angles are radians. The work is done by scipy.spatial.transform.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.errors import Problem, SchemaError
from lapsdata.geometry._arrays import Real, checked

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.spatial.transform import Rotation

__all__ = ["EPISODE_ROTATIONS", "ROTATION_FORMS", "convert_episode_rotations", "convert_rotations", "rotation_width"]

ROTATION_FORMS: dict[str, tuple[int, ...]] = {
    "matrix": (3, 3),
    "quaternion_xyzw": (4,),
    "quaternion_wxyz": (4,),
    "axis_angle": (3,),
    "rotation_6d_columns": (6,),
    "rotation_6d_rows": (6,),
}
"""The forms of fixed name and their last axes; `euler_` with three axis letters is the other family."""

EPISODE_ROTATIONS: dict[str, str] = {
    "axis_angle": "axis_angle",
    "quaternion": "quaternion_wxyz",
    "rotation_6d": "rotation_6d_rows",
    "matrix": "matrix",
    **{
        f"euler_angles_{order}": "euler_" + order.translate(str.maketrans("rpy", "XYZ"))
        for order in ("rpy", "ryp", "pry", "pyr", "yrp", "ypr")
    },
}
"""The words of GR00T's modality.json, which mean what PyTorch3D's functions of these names do.

Quaternions have their real part first, six numbers are two rows of the matrix, a matrix is nine numbers, row by row,
and roll, pitch and yaw are angles about the moving axes x, y and z, in the order of the letters.
"""

_EULER = re.compile(r"euler_(?!.*(.)\1)([xyz]{3}|[XYZ]{3})")

# Text with four decimals is off by 1e-4; a swapped or unscaled input is off by much more.
_TOLERANCE = 1e-3


def _tail(form: str, name: str) -> tuple[int, ...]:
    if form in ROTATION_FORMS:
        return ROTATION_FORMS[form]
    if _EULER.fullmatch(form):
        return (3,)
    known = ", ".join(repr(word) for word in ROTATION_FORMS)
    raise SchemaError(
        Problem(
            "unknown-choice",
            name,
            f"expected {known}, or 'euler_' and three of xyz (fixed axes) or XYZ (moving axes) "
            f"without a direct repeat, got {form!r}",
        )
    )


def refuse_items(wrong: NDArray[np.bool_], at: NDArray[np.intp], name: str, expected: str) -> None:
    """Raise with the number of the items that are not what was expected, and the place of the first.

    `at` is where each item stands in the caller's array, leading axes flattened, before lost ones were left out.
    """
    if wrong.any():
        first = int(at[wrong][0])
        message = f"expected {expected}, got {int(wrong.sum())} of {wrong.size} otherwise, the first is item {first}"
        raise SchemaError(Problem("not-a-rotation", name, message))


def check_matrices(matrices: NDArray[np.float64], at: NDArray[np.intp], name: str) -> None:
    """Refuse finite matrices (M, 3, 3) that are not rotations: unequal axes, not orthogonal, or mirrored."""
    residual = np.abs(matrices @ np.swapaxes(matrices, -1, -2) - np.eye(3)).max(axis=(-1, -2), initial=0.0)
    wrong = (residual > _TOLERANCE) | (np.linalg.det(matrices) < 0)
    refuse_items(wrong, at, name, f"orthonormal matrices (within {_TOLERANCE:g}) with determinant +1")


def _orthonormal(six: NDArray[np.float64], at: NDArray[np.intp]) -> NDArray[np.float64]:
    """Make matrices whose columns are the two given vectors, by Gram-Schmidt, and their cross product."""
    one, two = six[:, :3], six[:, 3:]
    area = np.linalg.norm(np.cross(one, two), axis=-1)
    flat = area <= _TOLERANCE * np.linalg.norm(one, axis=-1) * np.linalg.norm(two, axis=-1)
    refuse_items(flat, at, "values", "two vectors that are neither zero nor parallel")
    x = one / np.linalg.norm(one, axis=-1, keepdims=True)
    y = two - np.sum(x * two, axis=-1, keepdims=True) * x
    y /= np.linalg.norm(y, axis=-1, keepdims=True)
    return np.stack([x, y, np.cross(x, y)], axis=-1)


def _parse(values: NDArray[np.float64], at: NDArray[np.intp], form: str) -> Rotation:
    from scipy.spatial.transform import Rotation

    if form == "matrix":
        check_matrices(values, at, "values")
        return Rotation.from_matrix(values)
    if form.startswith("quaternion"):
        off = np.abs(np.linalg.norm(values, axis=-1) - 1)
        refuse_items(off > _TOLERANCE, at, "values", f"quaternions of length 1 (within {_TOLERANCE:g})")
        return Rotation.from_quat(np.roll(values, -1, axis=-1) if form.endswith("wxyz") else values)
    if form == "axis_angle":
        return Rotation.from_rotvec(values)
    if form.startswith("euler"):
        return Rotation.from_euler(form.removeprefix("euler_"), values)
    matrices = _orthonormal(values, at)
    return Rotation.from_matrix(np.swapaxes(matrices, -1, -2) if form.endswith("rows") else matrices)


def _write(rotations: Rotation, form: str) -> NDArray[Any]:
    if form == "matrix":
        return rotations.as_matrix()
    if form.startswith("quaternion"):
        xyzw = rotations.as_quat(canonical=True)
        return np.roll(xyzw, 1, axis=-1) if form.endswith("wxyz") else xyzw
    if form == "axis_angle":
        return rotations.as_rotvec()
    if form.startswith("euler"):
        axes: Any = form.removeprefix("euler_")  # one of the 24 words that SciPy's stubs list
        angles: NDArray[Any] = rotations.as_euler(axes)
        return angles
    matrices = rotations.as_matrix()
    vectors = matrices if form.endswith("rows") else np.swapaxes(matrices, -1, -2)
    return vectors[:, :2].reshape(-1, 6)


def convert_rotations(values: NDArray[Real], *, source: str, target: str) -> NDArray[Real]:
    """Rewrite rotations in another form.

    Parameters
    ----------
    values : NDArray, shape (..., *form), float32 or float64
        The last axes are those of `source`: (3, 3), (4,), (3,) or (6,).
    source, target : str
        `"matrix"`; `"quaternion_xyzw"`, `"quaternion_wxyz"` (the result has w >= 0); `"axis_angle"` (axis times
        angle, the result at most pi long); `"rotation_6d_columns"` (first two columns of the matrix, one after the
        other: Zhou et al., CVPR 2019), `"rotation_6d_rows"` (its first two rows: PyTorch3D, and what builds on
        it); `"euler_xyz"` and the like (lower case: about fixed axes, in this order; upper case: about the axes
        that move along).

    Returns
    -------
    NDArray, shape (..., *form), dtype of `values`
        Computed in float64. A rotation with a NaN or infinite number becomes NaN throughout. Six numbers that are
        not orthonormal, as networks predict them, are made so by Gram-Schmidt, which defines this form.

    Raises
    ------
    SchemaError
        A quaternion whose length, or a matrix whose product with its transpose, is off by more than 1e-3, a mirrored
        matrix, six numbers whose vectors are zero or parallel (`not-a-rotation`); wrong shape (`wrong-shape`),
        dtype (`wrong-dtype`) or form (`unknown-choice`).

    Warns
    -----
    UserWarning
        From SciPy: Euler angles are not unique here (gimbal lock), the third one is set to 0.

    Examples
    --------
    >>> half_turn_about_z = np.array([0.0, 0.0, 1.0, 0.0])
    >>> convert_rotations(half_turn_about_z, source="quaternion_xyzw", target="axis_angle").round(6)
    array([0.      , 0.      , 3.141593])
    """
    taken, given = _tail(source, "source"), _tail(target, "target")
    values = checked(values, "values", taken)
    lead = values.shape[: values.ndim - len(taken)]
    rows = values.reshape(-1, *taken).astype(np.float64)
    whole = np.isfinite(rows).all(axis=tuple(range(1, rows.ndim)))
    result = np.full((len(rows), *given), np.nan)
    if whole.any():
        result[whole] = _write(_parse(rows[whole], np.flatnonzero(whole), source), target)
    return result.reshape(*lead, *given).astype(values.dtype)


def convert_episode_rotations(values: NDArray[Real], *, source: str, target: str) -> NDArray[Real]:
    """Rewrite rotations that are numbers of a vector in another form.

    Parameters
    ----------
    values : NDArray, shape (..., C), float32 or float64
        The numbers of `source`: 3 of axis_angle and euler_angles, 4 of quaternion, 6 of rotation_6d, 9 of matrix.
    source, target : str
        Words of GR00T (`EPISODE_ROTATIONS`), or those of `convert_rotations`. Robomimic, ROS and SciPy put the real
        part of a quaternion last: that is "quaternion_xyzw".

    Returns
    -------
    NDArray, shape (..., D), dtype of `values`

    Raises
    ------
    SchemaError
        A word that is none of them (`unknown-choice`); else as `convert_rotations`.

    Examples
    --------
    >>> half_turn_about_z = np.array([0.0, 0.0, 0.0, 1.0])
    >>> convert_episode_rotations(half_turn_about_z, source="quaternion", target="matrix").round(6).tolist()
    [-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0]
    """
    given, wanted = episode_form(source, "source"), episode_form(target, "target")
    values = checked(values, "values", (rotation_width(source),))
    lead = values.shape[:-1]
    rows = values.reshape(*lead, *_tail(given, "source"))
    return convert_rotations(rows, source=given, target=wanted).reshape(*lead, rotation_width(target))


def rotation_width(word: str) -> int:
    """Return how many numbers of a vector a form has, in the words of `convert_episode_rotations`.

    Examples
    --------
    >>> rotation_width("matrix"), rotation_width("euler_angles_rpy"), rotation_width("quaternion_xyzw")
    (9, 3, 4)
    """
    return math.prod(_tail(episode_form(word, "rotation"), "rotation"))


def episode_form(word: str, name: str) -> str:
    """Return the form that a word of GR00T stands for, and a word of `convert_rotations` as it is."""
    form = EPISODE_ROTATIONS.get(word, word)
    if form not in ROTATION_FORMS and not _EULER.fullmatch(form):
        known = ", ".join(map(repr, EPISODE_ROTATIONS))
        message = f"expected one of {known}, or a form of convert_rotations, got {word!r}"
        raise SchemaError(Problem("unknown-choice", name, message))
    return form
