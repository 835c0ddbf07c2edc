"""Rotations as steps from others, held against SciPy and against matrices by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from lapsdata.errors import SchemaError
from lapsdata.geometry import convert_episode_rotations, rotation_places, rotation_steps

FORMS = st.sampled_from(["axis_angle", "quaternion", "quaternion_xyzw", "rotation_6d", "matrix", "euler_angles_ypr"])
turns = st.lists(st.floats(-1.2, 1.2), min_size=3, max_size=3).map(lambda numbers: Rotation.from_rotvec(numbers))


def told(rotation: Rotation, form: str) -> np.ndarray:
    return convert_episode_rotations(rotation.as_matrix().reshape(1, 9), source="matrix", target=form)


@given(hand=turns, goal=turns, form=FORMS, origin=FORMS)
def test_a_step_is_what_brings_the_origin_to_the_place_in_its_own_axes(
    hand: Rotation, goal: Rotation, form: str, origin: str
) -> None:
    step = rotation_steps(told(goal, form), told(hand, origin), form=form, origin=origin)
    matrix = convert_episode_rotations(step, source=form, target="matrix").reshape(3, 3)
    np.testing.assert_allclose(matrix, (hand.inv() * goal).as_matrix(), atol=1e-7)
    back = rotation_places(step, told(hand, origin), form=form, origin=origin)
    found = convert_episode_rotations(back, source=form, target="matrix").reshape(3, 3)
    np.testing.assert_allclose(found, goal.as_matrix(), atol=1e-7)


def test_the_axes_are_those_of_the_hand_and_not_of_the_room() -> None:
    # The hand is turned a quarter about z; turned on about x of the room, that is about minus y of its own.
    hand = Rotation.from_euler("z", 90, degrees=True)
    goal = Rotation.from_euler("x", 90, degrees=True) * hand
    step = rotation_steps(told(goal, "axis_angle"), told(hand, "matrix"), form="axis_angle", origin="matrix")
    np.testing.assert_allclose(step, [[0, -np.pi / 2, 0]], atol=1e-9)


def test_one_origin_for_several_and_precision_of_the_values() -> None:
    quarters = np.array([[0, 0, 0.5], [0, 0, 1.0]], np.float32)
    many = np.stack([quarters, quarters + np.float32([0, 0, 0.25])])
    origins = np.array([[0, 0, 0.5], [0, 0, 0.25]])
    steps = rotation_steps(many, origins[:, None], form="axis_angle", origin="axis_angle")
    assert (steps.shape, steps.dtype) == ((2, 2, 3), np.dtype(np.float32))
    np.testing.assert_allclose(steps[..., 2], [[0, 0.5], [0.5, 1.0]], atol=1e-7)


def test_what_is_no_rotation_is_refused_under_its_name() -> None:
    good = np.array([[1.0, 0, 0, 0]])
    with pytest.raises(SchemaError, match=r"expected quaternions of length 1"):
        rotation_steps(good, good * 2, form="quaternion", origin="quaternion")
    with pytest.raises(SchemaError, match=r"origins: expected \(\.\.\., 4\), got \(1, 3\)"):
        rotation_steps(good, good[:, :3], form="quaternion", origin="quaternion")
    with pytest.raises(SchemaError, match=r"steps: expected \(\.\.\., 9\), got \(1, 4\)"):
        rotation_places(good, good, form="matrix", origin="quaternion")
