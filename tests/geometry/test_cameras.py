"""Where points of the world are in a picture: by hand, beside OpenCV, and where they are in none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.errors import SchemaError
from lapsdata.geometry import FrameSize, PinholeCamera, convert_rotations, inside_frame, project_points

if TYPE_CHECKING:
    from numpy.typing import NDArray

WIDE, TALL = FrameSize(width=640, height=200), FrameSize(width=90, height=400)
VECTORS = hnp.arrays(np.float64, 3, elements=st.floats(-20, 20))


def camera(**changes: Any) -> PinholeCamera:
    given: dict[str, Any] = {
        "size": WIDE, "focal_px": (500.0, 400.0), "centre_px": (320.0, 90.0), "cam2world": np.eye(4),
    } | changes  # fmt: skip
    return PinholeCamera(**given)


@st.composite
def cameras(draw: st.DrawFn) -> PinholeCamera:
    pose = np.eye(4)
    turn = draw(hnp.arrays(np.float64, 3, elements=st.floats(-3, 3)))
    pose[:3, :3] = convert_rotations(turn, source="axis_angle", target="matrix")
    pose[:3, 3] = draw(VECTORS)
    focal = draw(st.tuples(st.floats(50, 900), st.floats(50, 900)))
    return camera(size=draw(st.sampled_from([WIDE, TALL])), focal_px=focal, cam2world=pose)


# --- where a point is -------------------------------------------------------------------------------------------


def test_a_point_by_hand_in_a_frame_that_is_not_square() -> None:
    # 0.5 m to the right and 0.2 m below the axis, 2 m ahead: 500 x 0.25 and 400 x 0.1 from the centre.
    seen = project_points(np.array([0.5, 0.2, 2.0]), camera())
    assert seen.points.tolist() == [445.0, 130.0]
    assert seen.vis
    assert seen.depth == 2.0
    # The same pixel is beyond the frame that is as wide as this one is high.
    assert not project_points(np.array([0.5, 0.2, 2.0]), camera(size=FrameSize(width=200, height=640))).vis


def test_a_camera_that_stands_somewhere_and_looks_elsewhere_by_hand() -> None:
    # It stands at x = 1, looks along the world's -x; its right is the world's y, its down the world's -z.
    pose = np.array([[0, 0, -1, 1], [1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]], np.float64)
    seen = project_points(np.array([-1.0, 0.5, 0.2]), camera(cam2world=pose))
    assert (seen.points.tolist(), float(seen.depth)) == ([445.0, 50.0], 2.0)


@given(cameras(), hnp.arrays(np.float64, (6, 3), elements=st.floats(-20, 20)))
def test_points_ahead_are_where_opencv_has_them(seer: PinholeCamera, points: NDArray[np.float64]) -> None:
    seen = project_points(points, seer)
    world2cam = np.linalg.inv(seer.cam2world)
    turn, _ = cv2.Rodrigues(world2cam[:3, :3])
    (fx, fy), (cx, cy) = seer.focal_px, seer.centre_px
    inner = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    theirs = cv2.projectPoints(points.reshape(-1, 1, 3), turn, world2cam[:3, 3], inner, None)[0].reshape(-1, 2)
    np.testing.assert_allclose(seen.depth, (points @ world2cam[:3, :3].T + world2cam[:3, 3])[:, 2], atol=1e-9)
    # Both lose digits beside the camera, where a pixel is the ratio of two small numbers.
    sure = seen.depth > 1e-3
    np.testing.assert_allclose(seen.points[sure & seen.vis], theirs[sure & seen.vis], atol=1e-4)
    edge = np.array([seer.size.width - 0.5, seer.size.height - 0.5])
    inner_points = ((theirs > -0.49) & (theirs < edge - 0.01)).all(axis=1) & sure
    assert seen.vis[inner_points].all()


@given(cameras(), VECTORS, st.floats(1.5, 4))
def test_points_on_one_ray_are_one_pixel(seer: PinholeCamera, point: NDArray[np.float64], far: float) -> None:
    eye = seer.cam2world[:3, 3]
    near, beyond = (project_points(eye + at * (point - eye), seer) for at in (1.0, far))
    if near.vis and beyond.vis and near.depth > 1e-3:
        np.testing.assert_allclose(near.points, beyond.points, atol=1e-6)


# --- where it is not --------------------------------------------------------------------------------------------


@given(cameras(), hnp.arrays(np.float64, (6, 3), elements=st.floats(-20, 20)))
def test_what_is_behind_or_outside_is_nowhere(seer: PinholeCamera, points: NDArray[np.float64]) -> None:
    seen = project_points(points, seer)
    assert np.array_equal(np.isfinite(seen.points).all(axis=-1), seen.vis)
    assert not seen.vis[seen.depth <= 0].any()
    assert inside_frame(seen.points[seen.vis], seer.size).all()


def test_behind_and_beside_the_camera_and_lost_points() -> None:
    points = np.array([[0, 0, -1], [0, 0, 0], [1, 0, 0], [0, 0, 5e-324], [np.nan, 0, 1], [0, 0, np.inf]], np.float64)
    seen = project_points(points, camera())
    assert seen.vis.tolist() == [False, False, False, True, False, False]
    assert np.isnan(seen.points[~seen.vis]).all()


def test_the_border_is_half_a_pixel_outside_of_the_last_centres() -> None:
    at = np.array([-0.5, 639.49, 639.51, -0.51])
    points = np.stack([(at - 320) / 500, np.zeros(4), np.ones(4)], axis=-1)
    assert project_points(points, camera()).vis.tolist() == [True, True, False, False]
    at = np.array([-0.49, 199.49, 199.51, -0.51])
    points = np.stack([np.zeros(4), (at - 90) / 400, np.ones(4)], axis=-1)
    assert project_points(points, camera()).vis.tolist() == [True, True, False, False]


def test_visible_is_said_of_the_number_that_is_given_back() -> None:
    """In float32 the last number below the border is the border."""
    point = np.array([[(639.49999999 - 320) / 500, 0.0, 1.0]])
    assert project_points(point, camera()).vis.tolist() == [True]
    single = project_points(point.astype(np.float32), camera())
    assert single.points.dtype == np.float32
    assert single.vis.tolist() == [False]


def test_leading_axes_stay() -> None:
    seen = project_points(np.ones((4, 0, 2, 3), np.float32), camera())
    assert (seen.points.shape, seen.vis.shape, seen.depth.shape) == ((4, 0, 2, 2), (4, 0, 2), (4, 0, 2))


# --- where a camera looks ---------------------------------------------------------------------------------------


@given(VECTORS, VECTORS, st.sampled_from([WIDE, TALL]))
def test_the_target_is_in_the_middle_and_up_is_up(
    eye: NDArray[np.float64], target: NDArray[np.float64], size: FrameSize
) -> None:
    aside = np.linalg.norm((target - eye)[:2])
    if aside < 1e-2:
        return
    seer = PinholeCamera.looking_at(eye=eye.tolist(), target=target.tolist(), size=size, focal_px=(60.0, 70.0))
    seen = project_points(target + np.array([[0, 0, 0], [0, 0, 1e-3]]), seer)
    np.testing.assert_allclose(seen.points[0], [(size.width - 1) / 2, (size.height - 1) / 2], atol=1e-6)
    assert seen.depth[0] == pytest.approx(np.linalg.norm(target - eye))
    assert abs(seen.points[1, 0] - seen.points[0, 0]) < 1e-6
    assert seen.points[1, 1] < seen.points[0, 1]
    assert np.linalg.det(seer.cam2world[:3, :3]) == pytest.approx(1)


def test_to_the_right_is_to_the_right() -> None:
    seer = PinholeCamera.looking_at(eye=(0, -2, 0), target=(0, 0, 0), size=WIDE, focal_px=(100.0, 100.0))
    assert project_points(np.array([0.5, 0.0, 0.0]), seer).points.tolist() == [344.5, 99.5]


# --- bad input --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"focal_px": (500.0, 0.0)}, r"focal_px: expected two finite numbers above 0, got \(500\.0, 0\.0\)"),
        ({"focal_px": 500.0}, r"focal_px: expected two finite numbers above 0, got 500\.0"),
        ({"centre_px": (np.nan, 1.0)}, r"centre_px: expected two finite numbers, got \(nan, 1\.0\)"),
        ({"centre_px": ("a", 1.0)}, "centre_px: expected two finite numbers, got"),
        ({"size": (640, 200)}, r"size: expected a FrameSize, got \(640, 200\)"),
        ({"cam2world": np.eye(3)}, r"cam2world: expected \(\.\.\., 4, 4\), got \(3, 3\)"),
        (
            {"cam2world": np.eye(4)[np.newaxis]},
            r"cam2world: expected one finite \(4, 4\) matrix, got shape \(1, 4, 4\)",
        ),
        ({"cam2world": np.full((4, 4), np.nan)}, "cam2world: expected one finite .* got numbers that are not finite"),
        ({"cam2world": np.diag([1.0, 1.0, -1.0, 1.0])}, "cam2world|poses: expected orthonormal matrices"),
    ],
)
def test_a_camera_that_is_none_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        camera(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target": (0.0, 0.0, 5.0)}, "target: expected a target beside the line through the eye along `up`"),
        ({"target": (0.0, 0.0, 0.0)}, "target: expected a target beside the line"),
        ({"eye": (0.0, 0.0)}, "eye: expected three finite numbers, got others"),
        ({"up": (0.0, np.inf, 0.0)}, "up: expected three finite numbers, got others"),
    ],
)
def test_a_look_that_has_no_direction_is_refused(changes: dict[str, Any], message: str) -> None:
    options: dict[str, Any] = {
        "eye": (0.0, 0.0, 0.0), "target": (1.0, 0.0, 0.0), "size": WIDE, "focal_px": (1.0, 1.0),
    } | changes  # fmt: skip
    with pytest.raises(SchemaError, match=message):
        PinholeCamera.looking_at(**options)


def test_the_pose_is_kept_apart() -> None:
    pose = np.eye(4)
    seer = camera(cam2world=pose)
    pose[0, 3] = 7
    assert seer.cam2world[0, 3] == 0
    with pytest.raises(ValueError, match="read-only"):
        seer.cam2world[0, 3] = 7


def test_something_else_is_no_camera() -> None:
    nothing: Any = "camera"
    with pytest.raises(SchemaError, match=r"camera: expected a PinholeCamera, CylinderCamera or .*, got 'camera'"):
        project_points(np.ones(3), nothing)
