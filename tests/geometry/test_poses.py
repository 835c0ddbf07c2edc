from __future__ import annotations

from typing import TYPE_CHECKING

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.errors import SchemaError
from lapsdata.geometry import compose_poses, convert_rotations, flip_camera_axes, invert_poses

if TYPE_CHECKING:
    from collections.abc import Callable

VECTORS = hnp.arrays(np.float64, 3, elements=st.floats(-100, 100))


@st.composite
def poses(draw: st.DrawFn, count: int = 3) -> np.ndarray:
    """Draw `count` rigid transforms."""
    turns = draw(hnp.arrays(np.float64, (count, 3), elements=st.floats(-3, 3)))
    result = np.tile(np.eye(4), (count, 1, 1))
    result[:, :3, :3] = convert_rotations(turns, source="axis_angle", target="matrix")
    result[:, :3, 3] = draw(hnp.arrays(np.float64, (count, 3), elements=st.floats(-100, 100)))
    return result


def carry(pose: np.ndarray, point: np.ndarray) -> np.ndarray:
    return (pose @ np.append(point, 1.0))[:3]


@given(poses())
def test_inverse_against_a_general_solver(given_poses: np.ndarray) -> None:
    np.testing.assert_allclose(invert_poses(given_poses), np.linalg.inv(given_poses), atol=1e-10)
    np.testing.assert_allclose(invert_poses(invert_poses(given_poses)), given_poses, atol=1e-10)


@given(poses(2), VECTORS)
def test_inner_is_applied_first(pair: np.ndarray, point: np.ndarray) -> None:
    outer, inner = pair
    expected = carry(outer, carry(inner, point))
    np.testing.assert_allclose(carry(compose_poses(outer, inner), point), expected, atol=1e-9)


@given(poses(2))
def test_inverse_of_a_chain(pair: np.ndarray) -> None:
    outer, inner = pair
    expected = compose_poses(invert_poses(inner), invert_poses(outer))
    np.testing.assert_allclose(invert_poses(compose_poses(outer, inner)), expected, atol=1e-9)


@given(poses(3))
def test_leading_axes_are_broadcast(three: np.ndarray) -> None:
    result = compose_poses(three[0], three)
    assert result.shape == (3, 4, 4)
    np.testing.assert_allclose(result[2], three[0] @ three[2], atol=1e-9)


@given(poses(1), VECTORS)
def test_flipped_cameras_see_the_same_point(one: np.ndarray, point: np.ndarray) -> None:
    opencv = one[0]
    opengl = flip_camera_axes(opencv)
    x, y, z = carry(invert_poses(opencv), point)
    np.testing.assert_allclose(carry(invert_poses(opengl), point), [x, -y, -z], atol=1e-9)
    np.testing.assert_array_equal(opengl[:3, 3], opencv[:3, 3])
    np.testing.assert_array_equal(flip_camera_axes(opengl), opencv)


def test_float32_stays_float32() -> None:
    pose = np.eye(4, dtype=np.float32)
    results = (invert_poses(pose), compose_poses(pose, pose), flip_camera_axes(pose))
    assert {result.dtype for result in results} == {np.dtype(np.float32)}


@pytest.mark.parametrize("function", [invert_poses, flip_camera_axes])
def test_nan_stays_in_its_own_pose(function: Callable[[np.ndarray], np.ndarray]) -> None:
    pair = np.stack([np.eye(4), np.eye(4)])
    pair[0, 0, 3] = np.nan
    result = function(pair)
    assert np.isnan(result[0]).any()
    np.testing.assert_array_equal(result[1], function(pair[1]))


def test_input_is_not_written_to() -> None:
    pose = np.eye(4)
    pose.flags.writeable = False
    for result in (invert_poses(pose), flip_camera_axes(pose), compose_poses(pose, pose)):
        assert result.flags.writeable


MIRRORED = np.diag([1.0, 1.0, -1.0, 1.0])
SCALED = np.diag([2.0, 2.0, 2.0, 1.0])
TRANSPOSED = np.eye(4) + np.pad([[5.0, 6.0, 7.0]], ((3, 0), (0, 1)))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (MIRRORED, "expected orthonormal matrices .* determinant .*, the first is item 2"),
        (SCALED, "expected orthonormal matrices .* determinant .*, the first is item 2"),
        (TRANSPOSED, "expected last rows of 0, 0, 0, 1, got 1 of 2 otherwise, the first is item 2"),
    ],
)
@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("poses", invert_poses),
        ("cam2world", flip_camera_axes),
        ("outer", lambda value: compose_poses(value, np.eye(4))),
        ("inner", lambda value: compose_poses(np.eye(4), value)),
    ],
)
def test_what_is_not_rigid_is_refused(
    name: str, call: Callable[[np.ndarray], np.ndarray], wrong: np.ndarray, message: str
) -> None:
    with pytest.raises(SchemaError, match=f"{name}: {message}"):
        call(np.stack([np.full((4, 4), np.nan), np.eye(4), wrong]))


def test_composed_poses_must_fit() -> None:
    with pytest.raises(SchemaError, match=r"inner: expected leading axes that fit \(2, 4, 4\), got \(3, 4, 4\)"):
        compose_poses(np.tile(np.eye(4), (2, 1, 1)), np.tile(np.eye(4), (3, 1, 1)))
    with pytest.raises(SchemaError, match="inner: expected the dtype of outer, float32, got float64"):
        compose_poses(np.eye(4, dtype=np.float32), np.eye(4))
