"""Rotations in the words of GR00T, held against SciPy and against the functions of PyTorch3D written out."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from lapsdata.errors import SchemaError
from lapsdata.geometry import EPISODE_ROTATIONS, convert_episode_rotations, rotation_width
from lapsdata.schema import episodes

if TYPE_CHECKING:
    from numpy.typing import NDArray

EULER = sorted(word for word in EPISODE_ROTATIONS if word.startswith("euler"))


def turn(axis: str, angle: float) -> NDArray[np.float64]:
    """Return the matrix about an axis, as PyTorch3D's `_axis_angle_rotation` spells it."""
    c, s = np.cos(angle), np.sin(angle)
    if axis == "r":
        return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    if axis == "p":
        return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def written(matrix: NDArray[np.float64], word: str) -> NDArray[np.float64]:
    """Return a rotation in a form that has one spelling, by SciPy."""
    rotation = Rotation.from_matrix(matrix)
    if word == "quaternion":
        x, y, z, w = rotation.as_quat(canonical=True)
        return np.array([w, x, y, z])
    forms = {"axis_angle": rotation.as_rotvec(), "rotation_6d": matrix[:2].reshape(-1), "matrix": matrix.reshape(-1)}
    return np.asarray(forms[word])


angles = st.tuples(st.floats(-3, 3), st.floats(-1.4, 1.4), st.floats(-3, 3))


def test_the_words_are_those_of_the_header_of_episodes() -> None:
    assert set(EPISODE_ROTATIONS) == set(get_args(episodes.Rotation))
    assert {word: rotation_width(word) for word in EPISODE_ROTATIONS if word not in EULER} == {
        "axis_angle": 3,
        "quaternion": 4,
        "rotation_6d": 6,
        "matrix": 9,
    }
    assert len(EULER) == 6
    assert {rotation_width(word) for word in EULER} == {3}


@given(numbers=angles, word=st.sampled_from(EULER), target=st.sampled_from(["axis_angle", "quaternion", "matrix"]))
def test_angles_are_about_the_moving_axes_in_the_order_of_the_letters(
    numbers: tuple[float, float, float], word: str, target: str
) -> None:
    one, two, three = (turn(axis, angle) for axis, angle in zip(word[-3:], numbers, strict=True))
    wanted = written(one @ two @ three, target)
    found = convert_episode_rotations(np.array(numbers), source=word, target=target)
    if target == "axis_angle":
        assume(np.linalg.norm(wanted) < 3.1)
    if target == "quaternion":
        assume(wanted[0] > 1e-6)
    np.testing.assert_allclose(found, wanted, atol=1e-9)


@given(
    numbers=angles,
    source=st.sampled_from(sorted(EPISODE_ROTATIONS)),
    target=st.sampled_from(sorted(EPISODE_ROTATIONS)),
)
def test_there_and_back_is_the_same_rotation(numbers: tuple[float, float, float], source: str, target: str) -> None:
    assume(all(abs(abs(number) - np.pi / 2) > 0.05 for number in numbers))
    matrix = Rotation.from_euler("XYZ", numbers).as_matrix().reshape(1, 9)
    first = convert_episode_rotations(matrix, source="matrix", target=source)
    assume(not _locked(matrix, source) and not _locked(matrix, target))
    back = convert_episode_rotations(
        convert_episode_rotations(first, source=source, target=target), source=target, target="matrix"
    )
    np.testing.assert_allclose(back, matrix, atol=1e-7)


def _locked(matrix: NDArray[np.float64], word: str) -> bool:
    """Say whether the second angle is near a quarter turn, where angles are not unique."""
    if word not in EULER:
        return False
    return bool(abs(abs(convert_episode_rotations(matrix, source="matrix", target=word)[0, 1]) - np.pi / 2) < 0.05)


def test_a_quaternion_has_its_real_part_first_and_six_numbers_are_rows() -> None:
    quarter_about_z = np.array([[np.sqrt(0.5), 0, 0, np.sqrt(0.5)]], np.float32)
    six = convert_episode_rotations(quarter_about_z, source="quaternion", target="rotation_6d")
    assert six.dtype == np.float32
    np.testing.assert_allclose(six, [[0, -1, 0, 1, 0, 0]], atol=1e-6)
    many = convert_episode_rotations(np.tile(quarter_about_z, (2, 3, 1)), source="quaternion", target="axis_angle")
    assert many.shape == (2, 3, 3)
    np.testing.assert_allclose(many[1, 2], [0, 0, np.pi / 2], atol=1e-6)


def test_forms_of_others_are_known_by_their_exact_names() -> None:
    quarter_about_z = np.array([[0, 0, np.sqrt(0.5), np.sqrt(0.5)]])
    six = convert_episode_rotations(quarter_about_z, source="quaternion_xyzw", target="rotation_6d")
    np.testing.assert_allclose(six, [[0, -1, 0, 1, 0, 0]], atol=1e-12)
    columns = convert_episode_rotations(six, source="rotation_6d", target="rotation_6d_columns")
    np.testing.assert_allclose(columns, [[0, 1, 0, -1, 0, 0]], atol=1e-12)
    assert rotation_width("quaternion_wxyz") == 4
    with pytest.raises(SchemaError, match=r"rotation: expected one of .*, or a form of convert_rotations, got 'xyzw'"):
        rotation_width("xyzw")


@pytest.mark.parametrize(
    ("source", "target", "width", "message"),
    [
        ("quaternion_wxzy", "matrix", 4, r"source: expected one of 'axis_angle', .*, got 'quaternion_wxzy'"),
        ("quaternion", "euler", 4, r"target: expected one of 'axis_angle', .*, got 'euler'"),
        ("matrix", "quaternion", 3, r"values: expected \(\.\.\., 9\), got \(2, 3\)"),
        ("quaternion", "matrix", 4, r"quaternions of length 1"),
    ],
)
def test_refusals(source: str, target: str, width: int, message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        convert_episode_rotations(np.zeros((2, width)), source=source, target=target)
