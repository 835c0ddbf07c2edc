"""Actions as places and as steps: plain NumPy and SciPy beside them, there and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from lapsdata.transforms.action_steps import (
    Turning,
    absolute_actions,
    delta_actions,
    relative_actions,
    summed_actions,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

DTYPES = st.sampled_from([np.float32, np.float64])


def drawn(dtype: Any, rows: int, wide: int) -> st.SearchStrategy[NDArray[Any]]:
    return hnp.arrays(dtype, (rows, wide), elements=st.floats(-8, 8, width=32))


@given(data=st.data(), dtype=DTYPES, rows=st.integers(1, 12), wide=st.integers(1, 4))
def test_numbers_come_back_up_to_rounding(data: st.DataObject, dtype: Any, rows: int, wide: int) -> None:
    actions, states = data.draw(drawn(dtype, rows, wide)), data.draw(drawn(dtype, rows, wide))
    steps = relative_actions(actions, states)
    np.testing.assert_array_equal(steps, actions - states)
    # Half a last place of the step, and half of one of the place.
    most = 16 * np.finfo(dtype).eps
    np.testing.assert_allclose(absolute_actions(steps, states), actions, rtol=0, atol=most)
    deltas = delta_actions(actions, states[0])
    np.testing.assert_array_equal(deltas, np.diff(actions, axis=0, prepend=states[:1]))
    again = summed_actions(deltas, states[0])
    np.testing.assert_allclose(again, actions, rtol=0, atol=most * (rows + 1))
    assert {array.dtype for array in (steps, deltas, again)} == {np.dtype(dtype)}


def test_numbers_near_each_other_come_back_to_the_bit() -> None:
    # A difference of two floats within a factor of two of each other is exact.
    actions = (1.5 + np.random.default_rng(0).uniform(-0.4, 0.4, (500, 3))).astype(np.float32)
    states = (1.5 + np.random.default_rng(1).uniform(-0.4, 0.4, (500, 3))).astype(np.float32)
    np.testing.assert_array_equal(absolute_actions(relative_actions(actions, states), states), actions)
    np.testing.assert_array_equal(summed_actions(delta_actions(actions, states[0]), states[0]), actions)


ANGLES = {"axis_angle": 3, "quaternion": 4, "quaternion_xyzw": 4, "rotation_6d": 6, "matrix": 9, "euler_angles_rpy": 3}


def written(rotations: Rotation, form: str) -> NDArray[np.float64]:
    matrix = rotations.as_matrix()
    xyzw = rotations.as_quat()
    return {
        "axis_angle": rotations.as_rotvec(),
        "quaternion": xyzw[:, [3, 0, 1, 2]],
        "quaternion_xyzw": xyzw,
        "rotation_6d": matrix[:, :2].reshape(-1, 6),
        "matrix": matrix.reshape(-1, 9),
        "euler_angles_rpy": rotations.as_euler("XYZ"),
    }[form]


def parsed(values: NDArray[Any], form: str) -> Rotation:
    wide = values.astype(np.float64)
    if form.startswith("quaternion"):
        return Rotation.from_quat(wide if form.endswith("xyzw") else wide[:, [1, 2, 3, 0]])
    if form == "axis_angle":
        return Rotation.from_rotvec(wide)
    if form.startswith("euler"):
        return Rotation.from_euler("XYZ", wide)
    rows = wide.reshape(len(wide), -1, 3)[:, :2]
    return Rotation.from_matrix(np.concatenate([rows, np.cross(rows[:, :1], rows[:, 1:])], axis=1))


@given(
    vectors=st.integers(1, 9).flatmap(lambda rows: drawn(np.float64, 2 * rows, 3)),
    form=st.sampled_from(sorted(ANGLES)),
    other=st.sampled_from(sorted(ANGLES)),
    dtype=DTYPES,
)
def test_rotations_come_back_as_rotations(vectors: NDArray[np.float64], form: str, other: str, dtype: Any) -> None:
    # A tenth of a turn: Euler angles stay unique.
    goals, hands = np.split(Rotation.from_rotvec(vectors / 10).as_rotvec(), 2)
    goal, hand = Rotation.from_rotvec(goals), Rotation.from_rotvec(hands)
    actions, states = written(goal, form).astype(dtype), written(hand, other).astype(dtype)
    turning, most = Turning(form, other), 200 * np.finfo(dtype).eps

    steps = relative_actions(actions, states, turning)
    assert steps.shape == (len(goals), ANGLES[form])
    assert apart(parsed(steps, form), hand.inv() * goal) < most
    assert apart(parsed(absolute_actions(steps, states, turning), form), goal) < most

    deltas = delta_actions(actions, states[0], turning)
    before = Rotation.concatenate([hand[:1], goal[:-1]]) if len(goals) > 1 else hand[:1]
    assert apart(parsed(deltas, form), before.inv() * goal) < most
    assert apart(parsed(summed_actions(deltas, states[0], turning), form), goal) < most * (len(goals) + 1)


def apart(one: Rotation, other: Rotation) -> float:
    """Greatest angle between rotations, in radians."""
    return float(np.abs((one.inv() * other).magnitude()).max())


def test_a_long_episode_of_rotations_does_not_drift() -> None:
    rng = np.random.default_rng(3)
    path = Rotation.from_rotvec(np.cumsum(rng.uniform(-0.05, 0.05, (3000, 3)), axis=0))
    actions = written(path, "rotation_6d").astype(np.float32)
    turning = Turning("rotation_6d", "axis_angle")
    start = np.array([0.1, 0.2, 0.3], np.float32)
    deltas = delta_actions(actions, start, turning)
    assert apart(parsed(summed_actions(deltas, start, turning), "rotation_6d"), path) < 1e-5


@pytest.mark.parametrize("turning", [None, Turning("axis_angle", "axis_angle")])
def test_one_row_is_a_step_from_its_state_in_both_senses(turning: Turning | None) -> None:
    action, state = np.array([[0.5, 0, 0]]), np.array([0.25, 0, 0])
    wanted = relative_actions(action, state[None], turning)
    np.testing.assert_allclose(wanted, [[0.25, 0, 0]], atol=1e-12)
    np.testing.assert_array_equal(delta_actions(action, state, turning), wanted)
    np.testing.assert_allclose(summed_actions(wanted, state, turning), action, atol=1e-12)
