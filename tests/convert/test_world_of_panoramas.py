"""Poses from the yaml to the panorama, by the formula of the format alone: NumPy, no scene and no geometry of ours.

A pose is x, y, z (metre), roll, yaw, pitch (degree), left-handed: x forward, y right, z up. A point (x, y, z) there is
(y, -z, x) in OpenCV's axes.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import lapsdata
from lapsdata._convert import PanoramaOptions, convert
from lapsdata._convert._lidar_depth import depth_from_lidar
from lapsdata.adapters.opv2v.poses import lidar_to_camera
from lapsdata.adapters.opv2v.reading import read_opv2v
from lapsdata.adapters.opv2v.vehicles import vehicles_of
from lapsdata.containers import Views
from lapsdata.geometry import carla_poses
from lapsdata.schema.base import Size
from lapsdata.transforms.panorama_views import _centre, panorama_views

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Matrix = NDArray[np.float64]

WIDTH, HEIGHT = 100, 75
FOCAL = 50 / math.tan(math.radians(50))
# A car on a hill, far from the origin: no angle is small, no two are alike.
CAR = np.array([120.0, -45.0, 3.0, 7.0, 137.0, -9.0])
# Mounts of OPV2V: x, y, z and yaw on the car.
MOUNTS = [(2.5, 0.0, 1.0, 0.0), (0.0, 0.3, 1.8, 100.0), (0.0, -0.3, 1.8, -100.0), (-2.0, 0.0, 1.5, 180.0)]
PLACE = ("train", "2021_08_22_21_41_24", "641")
POSES = st.tuples(*[st.floats(-60, 60)] * 3, st.floats(-40, 40), st.floats(-180, 180), st.floats(-40, 40))


def world_of(pose: Any) -> Matrix:
    """Return own2world term by term, as the published code spells it, left-handed on both sides."""
    x, y, z, *angles = pose
    (sr, sy, sp), (cr, cy, cp) = ([f(math.radians(a)) for a in angles] for f in (math.sin, math.cos))
    return np.array(
        [
            [cp * cy, cy * sp * sr - sy * cr, -cy * sp * cr - sy * sr, x],
            [sy * cp, sy * sp * sr + cy * cr, -sy * sp * cr + cy * sr, y],
            [sp, -cp * sr, cp * cr, z],
            [0.0, 0.0, 0.0, 1.0],
        ]
    )


def numbers_of(matrix: Matrix) -> list[float]:
    """Return the six numbers of a transform, read off the same terms."""
    roll, yaw = math.atan2(-matrix[2, 1], matrix[2, 2]), math.atan2(matrix[1, 0], matrix[0, 0])
    pitch = math.asin(matrix[2, 0])
    return [*matrix[:3, 3].tolist(), *(math.degrees(angle) for angle in (roll, yaw, pitch))]


def ours(vector: Any) -> Matrix:
    x, y, z = np.moveaxis(np.asarray(vector, float), -1, 0)
    return np.stack([y, -z, x], axis=-1)


def theirs(vector: Any) -> Matrix:
    x, y, z = np.moveaxis(np.asarray(vector, float), -1, 0)
    return np.stack([z, x, -y], axis=-1)


def mounted(car: Any, number: int, lean: tuple[float, float] = (0.0, 0.0)) -> Matrix:
    x, y, z, yaw = MOUNTS[number]
    return world_of(car) @ world_of([x, y, z, lean[0], yaw, lean[1]])


LIDAR = world_of(CAR) @ world_of([-0.5, 0.0, 1.9, 1.0, -3.0, 2.0])


def ground_of(matrix: Matrix) -> Matrix:
    """Return depth along the axis (H, W) of the level ground z = 0 in a camera's picture, 0 where it shows the sky."""
    u, v = np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5)
    own = np.stack([np.ones(u.shape), (u - WIDTH / 2) / FOCAL, -(v - HEIGHT / 2) / FOCAL], axis=-1)
    down = own @ matrix[2, :3]
    with np.errstate(divide="ignore"):
        times = -matrix[2, 3] / down
    return np.where((times > 0) & (times < 80), times, 0.0)


def cloud() -> Matrix:
    """Return points of the ground in the axes of the LiDAR (N, 3)."""
    x, y = np.meshgrid(np.linspace(-15, 15, 80), np.linspace(-15, 15, 80))
    world = np.stack([CAR[0] + x.ravel(), CAR[1] + y.ravel(), np.zeros(x.size), np.ones(x.size)])
    return (np.linalg.inv(LIDAR) @ world)[:3].T


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One frame of one car, written by hand, with depth of the ground beside it."""
    folder = tmp_path_factory.mktemp("by_hand")
    place, beside = folder.joinpath("root", *PLACE), folder.joinpath("depth", *PLACE)
    place.mkdir(parents=True)
    beside.mkdir(parents=True)
    told: dict[str, Any] = {"lidar_pose": numbers_of(LIDAR), "true_ego_pos": CAR.tolist(), "vehicles": {}}
    for number in range(4):
        matrix = mounted(CAR, number)
        told[f"camera{number}"] = {
            "cords": numbers_of(matrix),
            "extrinsic": (np.linalg.inv(matrix) @ LIDAR).tolist(),
            "intrinsic": [[FOCAL, 0, WIDTH / 2], [0, FOCAL, HEIGHT / 2], [0, 0, 1]],
        }
        cv2.imwrite(str(place / f"000069_camera{number}.png"), np.full((HEIGHT, WIDTH, 3), 60 * number, np.uint8))
        np.save(beside / f"000069_camera{number}_depth.npy", ground_of(matrix).astype(np.float32))
    (place / "000069.yaml").write_text(yaml.safe_dump(told))
    rows = "".join(f"{x:.6f} {y:.6f} {z:.6f} 0\n" for x, y, z in cloud().tolist())
    count = len(cloud())
    head = f"VERSION 0.7\nFIELDS x y z rgb\nSIZE 4 4 4 4\nTYPE F F F F\nCOUNT 1 1 1 1\nWIDTH {count}\nHEIGHT 1\n"
    head += f"VIEWPOINT 0 0 0 1 0 0 0\nPOINTS {count}\nDATA ascii\n"
    (place / "000069.pcd").write_text(head + rows)
    return folder


@pytest.fixture(scope="module")
def cameras(made: Path) -> Views:
    adapted = read_opv2v(made / "root", depth_root=made / "depth", cache=None)
    assert isinstance(adapted.container, Views)
    assert not adapted.notes, adapted.notes
    return adapted.container


@pytest.fixture(scope="module", params=["equirectangular", "cylinder"])
def around(request: pytest.FixtureRequest, cameras: Views) -> Views:
    return panorama_views(cameras, PanoramaOptions(model=request.param, size=Size(width=504, height=126)))


# --- what the yaml says -------------------------------------------------------------------------------------------


def test_the_numbers_of_the_oracle_lead_back_to_its_matrices() -> None:
    for number in range(4):
        matrix = mounted(CAR, number, (4.0, -6.0))
        np.testing.assert_allclose(world_of(numbers_of(matrix)), matrix, atol=1e-12)


def test_the_files_written_by_hand_contradict_themselves_nowhere(cameras: Views) -> None:
    """Extrinsics are compared with poses of LiDAR and camera: the fixture asserts that no note says they differ."""
    assert cameras.camera == tuple(f"camera{number}" for number in range(4))
    lens = cameras.header.cameras[0].lens
    assert lens is not None
    assert lens.centre_px == ((WIDTH - 1) / 2, (HEIGHT - 1) / 2)


@pytest.mark.parametrize("number", range(4))
def test_a_camera_stands_and_looks_as_the_formula_says(cameras: Views, number: int) -> None:
    matrix, pose = mounted(CAR, number), cameras.cam2world[number]
    np.testing.assert_allclose(pose[:3, 3], ours(matrix[:3, 3]), atol=1e-9)
    # Right, down and ahead in its picture are y, -z and x of its own axes there.
    for column, axis in enumerate((matrix[:3, 1], -matrix[:3, 2], matrix[:3, 0])):
        np.testing.assert_allclose(pose[:3, column], ours(axis), atol=1e-9)
    assert np.linalg.det(pose[:3, :3]) == pytest.approx(1)


@pytest.mark.parametrize("number", range(4))
def test_a_point_is_on_the_same_pixel_by_either_way(cameras: Views, number: int) -> None:
    """Projected in CARLA's axes with the middle at W / 2, and in ours with it at (W - 1) / 2: half a pixel apart."""
    matrix = mounted(CAR, number)
    spread = np.random.default_rng(number).uniform(-8, 8, (50, 3)) + 12 * matrix[:3, 0] + matrix[:3, 3]
    ahead, right, up = ((spread - matrix[:3, 3]) @ matrix[:3, :3]).T
    corner = np.stack([WIDTH / 2 + FOCAL * right / ahead, HEIGHT / 2 - FOCAL * up / ahead], axis=-1)
    pose = cameras.cam2world[number]
    x, y, z = ((ours(spread) - pose[:3, 3]) @ pose[:3, :3]).T
    u, v, _ = cameras.intrinsics(number) @ np.stack([x / z, y / z, np.ones(50)])
    np.testing.assert_allclose(np.stack([u, v], axis=-1), corner - 0.5, atol=1e-6)


@pytest.mark.parametrize("swap", [[0, 1, 2, 5, 4, 3], [0, 1, 2, 4, 3, 5], [0, 1, 2, 3, 5, 4]])
def test_another_order_of_angles_would_be_seen(swap: list[int]) -> None:
    """The oracle tells orders apart: each pair of angles exchanged is degrees away."""
    right, wrong = (carla_poses(CAR[order])[:3, :3] for order in (slice(None), swap))
    assert np.degrees(np.arccos(np.clip((np.trace(right.T @ wrong) - 1) / 2, -1, 1))) > 5


def test_the_world_is_mirrored_on_both_sides_or_not_at_all() -> None:
    """With the axes exchanged on one side only, or without the minus sign, a pose is no rotation."""
    matrix = world_of(CAR)[:3, :3]
    one_side = ours(matrix.T).T
    without_sign = matrix[[1, 2, 0]][:, [1, 2, 0]]
    assert np.linalg.det(one_side) == pytest.approx(-1)
    pose = carla_poses(CAR)[:3, :3]
    assert np.linalg.det(pose) == pytest.approx(1)
    assert np.abs(pose - without_sign).max() > 0.1


# --- what a panorama is -------------------------------------------------------------------------------------------


def test_the_centre_stands_between_the_cameras_and_is_turned_as_the_car(around: Views) -> None:
    pose, car = around.cam2world[0], world_of(CAR)
    middle = np.mean([mounted(CAR, number)[:3, 3] for number in range(4)], axis=0)
    np.testing.assert_allclose(pose[:3, 3], ours(middle), atol=1e-9)
    # 0.125 m ahead of the car's own origin, and 1.525 m above it, in the axes of the car.
    np.testing.assert_allclose((middle - car[:3, 3]) @ car[:3, :3], [0.125, 0, 1.525], atol=1e-12)
    for column, axis in enumerate((car[:3, 1], -car[:3, 2], car[:3, 0])):
        np.testing.assert_allclose(pose[:3, column], ours(axis), atol=1e-9)


def test_depth_of_a_panorama_leads_to_the_level_ground(around: Views) -> None:
    """The car leans and climbs, and its world does not: what it measured is at height 0, on a plane exactly."""
    depth, valid = around.read("depth", 0).astype(float), around.read("valid", 0)
    rows, columns = np.nonzero(valid & around.read("non_ambiguous", 0))
    azimuth = ((columns + 0.5) / 504 - 0.5) * 2 * np.pi
    share = 1 - (rows + 0.5) / 63
    tilt = np.arctan(share) if around.header.cameras[0].kind == "cylinder" else share * np.pi / 4
    rays = np.stack([np.cos(tilt) * np.cos(azimuth), np.cos(tilt) * np.sin(azimuth), np.sin(tilt)], axis=-1)
    middle = np.mean([mounted(CAR, number)[:3, 3] for number in range(4)], axis=0)
    points = middle + depth[rows, columns, None] * (rays @ world_of(CAR)[:3, :3].T)
    # A ray to the ground is as long as the formula says. Where measured ground ends, one pixel is all that is beyond.
    expected = -middle[2] / (rays @ world_of(CAR)[2, :3])
    near = expected < 60
    assert near.sum() > 15000
    np.testing.assert_allclose(depth[rows, columns][near], expected[near], rtol=1e-5)
    assert np.abs(points[near, 2]).max() < 1e-4


def test_at_a_camera_it_has_that_cameras_pose(made: Path, cameras: Views) -> None:
    options = PanoramaOptions(size=Size(width=84, height=21), place="camera2")
    convert(made / "root", made / "two.h5", to="panorama", panorama=options, workers=1)
    np.testing.assert_array_equal(lapsdata.read(made / "two.h5", Views).cam2world[0], cameras.cam2world[2])


@settings(max_examples=20)
@given(POSES)
def test_any_car_gives_a_rotation_that_is_its_own(car: tuple[float, ...]) -> None:
    """The centre by the formula of `panorama_views`, of poses by that of the format."""
    poses = np.stack([carla_poses(np.array(numbers_of(mounted(car, number)))) for number in range(4)])
    pose, matrix = _centre(poses, "views"), world_of(car)
    for column, axis in enumerate((matrix[:3, 1], -matrix[:3, 2], matrix[:3, 0])):
        np.testing.assert_allclose(pose[:3, column], ours(axis), atol=1e-6)


# --- LiDAR --------------------------------------------------------------------------------------------------------


@settings(max_examples=20)
@given(POSES, POSES)
def test_points_of_a_lidar_go_through_the_world_or_the_extrinsic(
    lidar: tuple[float, ...], camera: tuple[float, ...]
) -> None:
    points = np.array([[5.0, 1.0, -1.0], [0.0, 0.0, 0.0], [-3.0, 8.0, 2.0]])
    there, seer = world_of(lidar), world_of(camera)
    world = points @ there[:3, :3].T + there[:3, 3]
    expected = ours((world - seer[:3, 3]) @ seer[:3, :3])
    extrinsic = np.linalg.inv(seer) @ there
    by_pose = lidar_to_camera(np.array(camera), extrinsic.ravel(), np.array(lidar), points)
    by_matrix = lidar_to_camera(np.array(camera), extrinsic.ravel(), np.full(6, np.nan), points)
    np.testing.assert_allclose(by_pose, expected, atol=1e-9)
    np.testing.assert_allclose(by_matrix, expected, atol=1e-9)


def test_the_inverse_extrinsic_is_told_and_not_used(made: Path, tmp_path: Path) -> None:
    place = tmp_path.joinpath("root", *PLACE)
    place.mkdir(parents=True)
    told = yaml.safe_load(made.joinpath("root", *PLACE, "000069.yaml").read_text())
    for number in range(4):
        camera = told[f"camera{number}"]
        camera["extrinsic"] = np.linalg.inv(np.array(camera["extrinsic"])).tolist()
    (place / "000069.yaml").write_text(yaml.safe_dump(told))
    adapted = read_opv2v(tmp_path / "root", cache=None)
    assert "extrinsic-inverted" in [note.code for note in adapted.notes]
    assert isinstance(adapted.container, Views)
    np.testing.assert_allclose(adapted.container.cam2world[0, :3, 3], ours(mounted(CAR, 0)[:3, 3]), atol=1e-9)


@pytest.mark.parametrize("number", range(4))
def test_depth_of_a_point_cloud_lies_on_the_same_ground(made: Path, tmp_path: Path, number: int) -> None:
    depth_from_lidar(made / "root", tmp_path / "lidar", workers=1)
    depth = np.load(tmp_path.joinpath("lidar", *PLACE, f"000069_camera{number}_depth.npy")).astype(float)
    matrix = mounted(CAR, number)
    points = cloud() @ LIDAR[:3, :3].T + LIDAR[:3, 3]
    ahead, right, up = ((points - matrix[:3, 3]) @ matrix[:3, :3]).T
    with np.errstate(divide="ignore", invalid="ignore"):
        column, row = np.floor(WIDTH / 2 + FOCAL * right / ahead), np.floor(HEIGHT / 2 - FOCAL * up / ahead)
    inside = (ahead > 0) & (column >= 0) & (column < WIDTH) & (row >= 0) & (row < HEIGHT)
    expected = np.full((HEIGHT, WIDTH), np.inf)
    places = row[inside].astype(int), column[inside].astype(int)
    np.minimum.at(expected, places, ahead[inside])
    expected[np.isinf(expected)] = 0
    # A point on the border of two pixels is on either of them, by the last digit that the file has.
    alike = np.isclose(depth, expected, atol=1e-4)
    assert np.count_nonzero(expected) > 100
    assert alike.mean() > 0.999


# --- vehicles -----------------------------------------------------------------------------------------------------


@settings(max_examples=20)
@given(POSES, st.tuples(st.floats(-1, 1), st.floats(-1, 1), st.floats(0, 2)))
def test_the_middle_of_a_box_is_told_in_the_axes_of_its_vehicle(
    pose: tuple[float, ...], centre: tuple[float, float, float]
) -> None:
    """CARLA's box lies in its vehicle, and turns with it; so do its eight corners."""
    told = {"location": list(pose[:3]), "angle": list(pose[3:]), "center": list(centre), "extent": [2.3, 0.9, 0.7]}
    found = vehicles_of({"vehicles": {7: told}}, "frame")
    matrix = world_of(pose)
    signs = np.stack(np.meshgrid([-1, 1], [-1, 1], [-1, 1]), axis=-1).reshape(-1, 3)
    corners = (np.array(centre) + signs * [2.3, 0.9, 0.7]) @ matrix[:3, :3].T + matrix[:3, 3]
    box, half = found.box2world[0], found.half[0]
    own = ours(signs) * half
    np.testing.assert_allclose(theirs(own @ box[:3, :3].T + box[:3, 3]), corners, atol=1e-9)
    # Added without being turned, as OpenCOOD does, it is apart by what turning does to it.
    unturned = np.array(pose[:3]) + centre
    apart = np.linalg.norm(theirs(box[:3, 3]) - unturned)
    assert apart == pytest.approx(np.linalg.norm((matrix[:3, :3] - np.eye(3)) @ centre), abs=1e-9)
    assert apart <= 2 * np.linalg.norm(centre) + 1e-9


def test_a_vehicle_that_stands_the_other_way_round_tells_both_apart() -> None:
    """A middle 0.3 m ahead of the origin of a car that looks back is 0.3 m behind it in the world, not ahead."""
    car = {"location": [10, 0, 0], "angle": [0, 180, 0], "center": [0.3, 0, 0.7], "extent": [2, 1, 0.7], "speed": 0}
    found = vehicles_of({"vehicles": {7: car}}, "frame")
    np.testing.assert_allclose(theirs(found.box2world[0, :3, 3]), [9.7, 0, 0.7], atol=1e-12)
