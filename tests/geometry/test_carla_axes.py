"""Poses of CARLA by its own formula, by hand, and there and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.errors import SchemaError
from lapsdata.geometry import (
    carla_poses,
    convert_rotations,
    invert_poses,
    points_from_carla,
    points_to_carla,
    transforms_from_carla,
    transforms_to_carla,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

# (x, y, z) becomes (y, -z, x).
BASIS = np.array([[0.0, 1.0, 0.0, 0.0], [0.0, 0.0, -1.0, 0.0], [1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]])
NUMBERS = hnp.arrays(np.float64, (4, 6), elements=st.floats(-180, 180))


def by_carla(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return one matrix term by term, as the simulator documents its transforms."""
    x, y, z, roll, yaw, pitch = numbers
    (cr, cy, cp), (sr, sy, sp) = (f(np.radians([roll, yaw, pitch])) for f in (np.cos, np.sin))
    return np.array(
        [
            [cp * cy, cy * sp * sr - sy * cr, -cy * sp * cr - sy * sr, x],
            [cp * sy, sy * sp * sr + cy * cr, -sy * sp * cr + cy * sr, y],
            [sp, -cp * sr, cp * cr, z],
            [0.0, 0.0, 0.0, 1.0],
        ]
    )


@given(NUMBERS)
def test_six_numbers_are_the_matrix_of_carla(numbers: NDArray[np.float64]) -> None:
    expected = np.stack([by_carla(row) for row in numbers])
    np.testing.assert_allclose(carla_poses(numbers, axes="carla"), expected, atol=1e-12)
    np.testing.assert_allclose(carla_poses(numbers), BASIS @ expected @ BASIS.T, atol=1e-12)


@given(NUMBERS, hnp.arrays(np.float64, (4, 3), elements=st.floats(-50, 50)))
def test_a_point_is_carried_to_the_same_place_in_both_worlds(
    numbers: NDArray[np.float64], points: NDArray[np.float64]
) -> None:
    theirs, ours = carla_poses(numbers, axes="carla"), carla_poses(numbers)
    in_their_world = np.einsum("nij,nj->ni", theirs[:, :3, :3], points) + theirs[:, :3, 3]
    in_ours = np.einsum("nij,nj->ni", ours[:, :3, :3], points_from_carla(points)) + ours[:, :3, 3]
    np.testing.assert_allclose(points_to_carla(in_ours), in_their_world, atol=1e-9)


@given(NUMBERS)
def test_transforms_go_there_and_back_without_a_bit_lost(numbers: NDArray[np.float64]) -> None:
    poses = carla_poses(numbers, axes="carla")
    assert np.array_equal(transforms_to_carla(transforms_from_carla(poses)), poses)
    assert np.array_equal(transforms_from_carla(poses), carla_poses(numbers))
    # Rotations stay rotations, and an inverse is exchanged as the transform itself.
    np.testing.assert_allclose(np.linalg.det(carla_poses(numbers)[:, :3, :3]), 1, atol=1e-12)
    there = transforms_from_carla(invert_poses(poses))
    np.testing.assert_allclose(there, np.linalg.inv(carla_poses(numbers)), atol=1e-9)


@pytest.mark.parametrize(
    ("angle", "place", "axis", "direction"),
    [
        # Yaw turns to the right: what was ahead (z) is to the right (x).
        ("yaw", 4, 2, (1.0, 0.0, 0.0)),
        # Pitch lifts the nose: what was ahead is up, which is -y.
        ("pitch", 5, 2, (0.0, -1.0, 0.0)),
        # Roll lowers the right side: what was right (x) is down (y).
        ("roll", 3, 0, (0.0, 1.0, 0.0)),
    ],
)
def test_quarter_turns_by_hand(angle: str, place: int, axis: int, direction: tuple[float, ...]) -> None:
    numbers = np.zeros(6)
    numbers[place] = 90.0
    np.testing.assert_allclose(carla_poses(numbers)[:3, axis], direction, atol=1e-12, err_msg=angle)


def test_order_and_signs_matter_where_scipys_lower_case_word_is_wrong() -> None:
    """Fixed axes z, y, x with unchanged signs differ by degrees at the pitch of a ramp."""
    numbers = np.array([0.0, 0.0, 0.0, 2.0, 70.0, 3.0])
    wrong = convert_rotations(np.radians(numbers[[4, 5, 3]]), source="euler_zyx", target="matrix")
    apart = carla_poses(numbers, axes="carla")[:3, :3].T @ wrong
    assert np.degrees(np.arccos((np.trace(apart) - 1) / 2)) > 3


def test_dtypes_leading_axes_and_lost_numbers() -> None:
    numbers = np.zeros((2, 0, 6), np.float32)
    assert (carla_poses(numbers).shape, carla_poses(numbers).dtype) == ((2, 0, 4, 4), np.float32)
    lost = carla_poses(np.array([[1.0, 2.0, 3.0, np.nan, 0.0, 0.0], [np.nan, 2.0, 3.0, 0.0, 0.0, 0.0]]))
    assert np.isnan(lost[0, :3, :3]).all()
    assert lost[0, :3, 3].tolist() == [2.0, -3.0, 1.0]
    assert np.isnan(lost[1, 2, 3])
    assert np.isfinite(lost[1, :3, :3]).all()
    points = np.array([[1.0, np.nan, 3.0]], np.float32)
    assert points_from_carla(points).dtype == np.float32
    np.testing.assert_array_equal(points_to_carla(points_from_carla(points)), points)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: carla_poses(np.zeros(7)), r"values: expected \(\.\.\., 6\), got \(7,\)"),
        (lambda: carla_poses(np.zeros(6, int)), "values: expected float32 or float64"),
        (lambda: carla_poses(np.zeros(6), axes="unreal"), "axes: expected one of 'opencv', 'carla', got 'unreal'"),  # type: ignore[arg-type]
        (lambda: points_from_carla(np.zeros(4)), r"points: expected \(\.\.\., 3\), got \(4,\)"),
        (lambda: points_to_carla(np.zeros(4)), r"points: expected \(\.\.\., 3\), got \(4,\)"),
        (lambda: transforms_from_carla(np.zeros((3, 4))), r"transforms: expected \(\.\.\., 4, 4\), got \(3, 4\)"),
        (lambda: transforms_from_carla(np.diag([1.0, -1.0, 1.0, 1.0])), "expected orthonormal matrices"),
        (lambda: transforms_to_carla(np.zeros((4, 4))), "expected last rows of 0, 0, 0, 1"),
    ],
)
def test_what_is_no_pose_is_refused(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        call()
