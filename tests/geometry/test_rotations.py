from __future__ import annotations

import itertools

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lapsdata.errors import SchemaError
from lapsdata.geometry import ROTATION_FORMS, convert_rotations

FORMS = [*ROTATION_FORMS, "euler_xyz", "euler_ZYX", "euler_zxz"]
QUATERNIONS = hnp.arrays(
    np.float64, st.integers(1, 5).map(lambda n: (n, 4)), elements=st.floats(-1, 1).filter(lambda v: abs(v) > 1e-3)
).map(lambda q: q / np.linalg.norm(q, axis=-1, keepdims=True))


def hamilton(xyzw: np.ndarray) -> np.ndarray:
    """Return the matrix of a unit quaternion from the textbook formula."""
    x, y, z, w = xyzw
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def about(axis: str, angle: float) -> np.ndarray:
    """Return the matrix that turns by an angle about one axis, right-handed."""
    cos, sin = np.cos(angle), np.sin(angle)
    matrix = np.eye(3)
    one, two = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    matrix[one, one] = matrix[two, two] = cos
    matrix[two, one], matrix[one, two] = sin, -sin
    return matrix


@given(QUATERNIONS)
def test_quaternion_orders_against_the_textbook(xyzw: np.ndarray) -> None:
    expected = np.stack([hamilton(row) for row in xyzw])
    wxyz = xyzw[:, [3, 0, 1, 2]]
    np.testing.assert_allclose(convert_rotations(xyzw, source="quaternion_xyzw", target="matrix"), expected, atol=1e-12)
    np.testing.assert_allclose(convert_rotations(wxyz, source="quaternion_wxyz", target="matrix"), expected, atol=1e-12)


def test_an_exchanged_quaternion_order_shows() -> None:
    quarter = np.array([0.0, 0.0, np.sqrt(0.5), np.sqrt(0.5)])
    right = convert_rotations(quarter, source="quaternion_xyzw", target="matrix")
    np.testing.assert_allclose(right @ [1, 0, 0], [0, 1, 0], atol=1e-12)
    wrong = convert_rotations(quarter, source="quaternion_wxyz", target="matrix")
    assert np.abs(right - wrong).max() > 1


@given(hnp.arrays(np.float64, 3, elements=st.floats(-1.8, 1.8)))
def test_axis_angle_against_rodrigues(vector: np.ndarray) -> None:
    angle = np.linalg.norm(vector)
    assume(angle > 1e-6)
    x, y, z = vector / angle
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    expected = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    np.testing.assert_allclose(convert_rotations(vector, source="axis_angle", target="matrix"), expected, atol=1e-10)


@given(st.permutations("xyz"), hnp.arrays(np.float64, 3, elements=st.floats(-3, 3)))
def test_euler_angles_are_products_of_three_turns(axes: list[str], angles: np.ndarray) -> None:
    one, two, three = (about(axis, angle) for axis, angle in zip(axes, angles, strict=True))
    order = "".join(axes)
    fixed = convert_rotations(angles, source=f"euler_{order}", target="matrix")
    np.testing.assert_allclose(fixed, three @ two @ one, atol=1e-12)
    moving = convert_rotations(angles, source=f"euler_{order.upper()}", target="matrix")
    np.testing.assert_allclose(moving, one @ two @ three, atol=1e-12)


def test_six_numbers_by_hand() -> None:
    turn = about("z", 0.3) @ about("x", -1.1)
    columns = convert_rotations(turn, source="matrix", target="rotation_6d_columns")
    rows = convert_rotations(turn, source="matrix", target="rotation_6d_rows")
    np.testing.assert_allclose(columns, [*turn[:, 0], *turn[:, 1]], atol=1e-12)
    np.testing.assert_allclose(rows, [*turn[0], *turn[1]], atol=1e-12)
    # Read the other way they are the inverse rotation.
    other = convert_rotations(columns, source="rotation_6d_rows", target="matrix")
    np.testing.assert_allclose(other, turn.T, atol=1e-12)


@given(hnp.arrays(np.float64, 6, elements=st.floats(-3, 3)))
def test_predicted_six_numbers_become_rotations(six: np.ndarray) -> None:
    one, two = six[:3], six[3:]
    assume(np.linalg.norm(np.cross(one, two)) > 0.1)
    matrix = convert_rotations(six, source="rotation_6d_columns", target="matrix")
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(matrix) == pytest.approx(1)
    np.testing.assert_allclose(matrix[:, 0], one / np.linalg.norm(one), atol=1e-9)
    # The second column lies in the plane of both, on the side of the second vector.
    assert abs(np.dot(matrix[:, 2], two)) < 1e-9
    assert np.dot(matrix[:, 1], two) > 0


@pytest.mark.parametrize(("source", "target"), list(itertools.product(FORMS, repeat=2)))
def test_every_form_leads_to_every_other_and_back(source: str, target: str) -> None:
    rng = np.random.default_rng(5)
    start = rng.normal(size=(2, 3, 4))
    start /= np.linalg.norm(start, axis=-1, keepdims=True)
    here = convert_rotations(start, source="quaternion_xyzw", target=source)
    there = convert_rotations(here, source=source, target=target)
    back = convert_rotations(there, source=target, target="quaternion_xyzw")
    assert there.shape[:2] == (2, 3)
    # q and -q are the same rotation; ours has w >= 0.
    np.testing.assert_allclose(back, start * np.sign(start[..., 3:]), atol=1e-9)


@pytest.mark.parametrize("form", FORMS)
def test_float32_stays_float32(form: str) -> None:
    start = np.array([[0.1, -0.2, 0.3, np.sqrt(0.86)]], dtype=np.float32)
    there = convert_rotations(start, source="quaternion_xyzw", target=form)
    back = convert_rotations(there, source=form, target="quaternion_xyzw")
    assert there.dtype == back.dtype == np.float32
    np.testing.assert_allclose(back, start, atol=1e-6)


@pytest.mark.parametrize("target", FORMS)
@pytest.mark.parametrize("source", FORMS)
def test_nan_makes_one_rotation_nan_and_leaves_the_rest(source: str, target: str) -> None:
    start = np.array([[0.0, 0.6, 0.0, 0.8], [0.6, 0.0, 0.0, 0.8]])
    here = convert_rotations(start, source="quaternion_xyzw", target=source)
    expected = convert_rotations(here, source=source, target=target)
    here.reshape(2, -1)[0, -1] = np.nan
    result = convert_rotations(here, source=source, target=target)
    assert np.isnan(result[0]).all()
    np.testing.assert_array_equal(result[1], expected[1])


@pytest.mark.parametrize("lead", [(0,), (2, 0, 3)])
def test_no_rotations(lead: tuple[int, ...]) -> None:
    empty = np.zeros((*lead, 3, 3), dtype=np.float32)
    result = convert_rotations(empty, source="matrix", target="rotation_6d_rows")
    assert result.shape == (*lead, 6)
    assert result.dtype == np.float32


def test_all_rotations_lost() -> None:
    lost = np.full((4, 3), np.inf)
    assert np.isnan(convert_rotations(lost, source="axis_angle", target="matrix")).all()


def test_gimbal_lock_is_told() -> None:
    locked = np.array([0.1, np.pi / 2, 0.3])
    matrix = convert_rotations(locked, source="euler_xyz", target="matrix")
    with pytest.warns(UserWarning, match="Gimbal lock"):
        angles = convert_rotations(matrix, source="matrix", target="euler_xyz")
    assert angles[2] == 0
    np.testing.assert_allclose(convert_rotations(angles, source="euler_xyz", target="matrix"), matrix, atol=1e-9)


MIRROR = np.diag([1.0, 1.0, -1.0])


@pytest.mark.parametrize(
    ("form", "value", "expected"),
    [
        ("quaternion_xyzw", [0, 0, 0, 2.0], r"quaternions of length 1 \(within 0.001\)"),
        ("quaternion_wxyz", [0, 0, 0, 0.0], "quaternions of length 1"),
        ("matrix", MIRROR, r"orthonormal matrices \(within 0.001\) with determinant \+1"),
        ("matrix", np.eye(3) * 1.01, "orthonormal matrices"),
        ("matrix", np.zeros((3, 3)), "orthonormal matrices"),
        ("rotation_6d_columns", [1, 0, 0, 2, 0, 0.0], "two vectors that are neither zero nor parallel"),
        ("rotation_6d_rows", [0, 0, 0, 0, 1, 0.0], "two vectors that are neither zero nor parallel"),
    ],
)
def test_what_is_no_rotation_is_refused_with_its_place(
    form: str, value: list[float] | np.ndarray, expected: str
) -> None:
    good = convert_rotations(np.zeros(3), source="axis_angle", target=form)
    # Lost items are left out of the count, and still numbered.
    values = np.stack([np.full_like(good, np.nan), good, np.asarray(value, dtype=float)])
    with pytest.raises(
        SchemaError, match=f"values: expected {expected}.*, got 1 of 2 otherwise, the first is item 2"
    ) as caught:
        convert_rotations(values, source=form, target="matrix")
    assert caught.value.problems[0].code == "not-a-rotation"


def test_rounded_text_is_still_a_rotation() -> None:
    turn = (about("z", 0.4) @ about("y", -0.2)).round(4)
    result = convert_rotations(turn, source="matrix", target="axis_angle")
    assert np.isfinite(result).all()


@pytest.mark.parametrize(
    "form", ["quaternion", "euler", "euler_xyx2", "euler_xxy", "euler_xyy", "euler_xYz", "euler_rpy"]
)
def test_forms_must_be_known(form: str) -> None:
    with pytest.raises(SchemaError, match=rf"source: expected 'matrix', 'quaternion_xyzw', .*got '{form}'"):
        convert_rotations(np.zeros(3), source=form, target="matrix")
    with pytest.raises(SchemaError, match=rf"target: expected 'matrix', .* without a direct repeat, got '{form}'"):
        convert_rotations(np.zeros(3), source="axis_angle", target=form)


@pytest.mark.parametrize(("form", "tail"), list(ROTATION_FORMS.items()))
def test_last_axes_must_be_those_of_the_form(form: str, tail: tuple[int, ...]) -> None:
    shown = ", ".join(map(str, tail))
    with pytest.raises(SchemaError, match=rf"values: expected \(..., {shown}\), got \(7, 5\)"):
        convert_rotations(np.zeros((7, 5)), source=form, target="axis_angle")
