"""Scenes of OPV2V: files as documented, and a truth that every pixel, point and box agrees with."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from lapsdata.testing._street import Block, Street, matrix_of, pose_of
from lapsdata.testing.opv2v_scenes import Opv2vScene, write_opv2v, write_opv2v_yaml

SCENE = Opv2vScene("train", "2021_08_22_21_41_24", ("641", "1000", "-1"), (69, 75), size=(80, 60))
FOLDER = Path("train") / SCENE.name


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("opv2v")
    write_opv2v(root, [SCENE], depth_root=root / "depth")
    return root


def test_a_pose_is_the_matrix_that_opv2v_means() -> None:
    """Element by element, as the published code writes it out."""
    x, y, z, roll, yaw, pitch = 1.0, -2.0, 0.5, 3.0, 110.0, -7.0
    sr, cr = math.sin(math.radians(roll)), math.cos(math.radians(roll))
    sy, cy = math.sin(math.radians(yaw)), math.cos(math.radians(yaw))
    sp, cp = math.sin(math.radians(pitch)), math.cos(math.radians(pitch))
    expected = [
        [cp * cy, cy * sp * sr - sy * cr, -cy * sp * cr - sy * sr, x],
        [sy * cp, sy * sp * sr + cy * cr, -sy * sp * cr + cy * sr, y],
        [sp, -cp * sr, cp * cr, z],
        [0, 0, 0, 1],
    ]
    np.testing.assert_allclose(matrix_of(np.array([x, y, z, roll, yaw, pitch])), expected, atol=1e-15)


def test_a_pose_comes_back_from_its_matrix() -> None:
    random = np.random.default_rng(0)
    for _ in range(20):
        pose = np.concatenate([random.normal(size=3) * 50, random.uniform([-179, -179, -89], [179, 179, 89])])
        np.testing.assert_allclose(pose_of(matrix_of(pose)), pose, atol=1e-9)


def test_rays_meet_what_is_nearest() -> None:
    turned = Block(np.array([10.0, 0, 2, 0, 90, 0]), np.array([4.0, 1, 2]), (200, 100, 50))
    behind = Block(np.array([20.0, 0, 2, 0, 0, 0]), np.array([1.0, 9, 2]), (0, 0, 9), vehicle=5)
    street = Street((turned, behind))
    eye = np.array([0.0, 0.0, 1.0])
    directions = np.array([[1.0, 0, 0], [2.0, 0, 0], [1.0, 0.45, 0], [1.0, 0, -1], [-1.0, 0, 0.1], [1.0, 0.1, 1.0]])
    hits = street.cast(eye, directions)
    # A block that is turned by 90 degrees is 1 m deep and 4 m wide along x and y.
    assert hits.times.tolist() == pytest.approx([9.0, 4.5, 19.0, 1.0, math.inf, math.inf])
    assert hits.what.tolist() == [1, 1, 2, 0, -1, -1]
    assert street.without(5).cast(eye, directions).what.tolist() == [1, 1, -1, 0, -1, -1]


def test_gaps_are_distances_to_the_nearest_surface() -> None:
    block = Block(np.array([10.0, 0, 5, 0, 0, 0]), np.array([2.0, 1, 3]), (1, 1, 1))
    points = np.array([[0.0, 0, 0.5], [5.0, 0, 5], [10.0, 0.75, 5], [13.0, 2, 9], [0.0, 0, -0.5]])
    expected = [0.5, 3.0, 0.25, math.sqrt(3), 0.5]
    np.testing.assert_allclose(Street((block,)).gaps(points), expected, atol=1e-12)


def test_colours_tell_surfaces_and_tiles_apart() -> None:
    block = Block(np.array([10.0, 0, 2, 0, 0, 0]), np.array([1.0, 5, 2]), (200, 100, 50))
    street = Street((block,))
    eye = np.array([0.0, 0.0, 1.0])
    directions = np.array([[1.0, 0, 0], [1.0, 0.1, -1], [1.0, 1.1, -1], [0.0, 0, 1]])
    wall, tile, other, sky = street.colours(eye, directions, street.cast(eye, directions)).tolist()
    assert wall[0] == pytest.approx(2 * wall[1], abs=2)
    assert {tile[0], other[0]} == {95, 150}
    assert sky == [90, 140, 210]


@pytest.mark.parametrize("agent", SCENE.agents)
def test_depth_leads_to_surfaces(agent: str) -> None:
    for camera in range(4):
        depth = SCENE.depth(agent, 69, camera)
        rows, columns = np.nonzero(np.isfinite(depth))
        ahead = depth[rows, columns]
        focal = 40 / math.tan(math.radians(50))
        own = np.stack([ahead, (columns + 0.5 - 40) / focal * ahead, -(rows + 0.5 - 30) / focal * ahead, ahead**0])
        world = (matrix_of(SCENE.camera_pose(agent, 69, camera)) @ own)[:3].T
        assert len(world) > 500
        assert SCENE.street(69).gaps(world).max() < 1e-6


def test_points_lie_on_surfaces_and_bright_ones_are_near() -> None:
    cloud = SCENE.cloud("1000", 75)
    own = np.column_stack([cloud[:, :3], np.ones(len(cloud))])
    world = own @ matrix_of(SCENE.lidar_pose("1000", 75)).T
    assert SCENE.street(75).gaps(world[:, :3]).max() < 1e-6
    distance = np.linalg.norm(cloud[:, :3], axis=1)
    assert np.corrcoef(distance, cloud[:, 3])[0, 1] < -0.8
    assert (cloud[:, 3] * 255 % 1).max() < 1e-9 or np.allclose(cloud[:, 3] * 255, (cloud[:, 3] * 255).round())


def test_poses_lean_and_pitch_and_cars_move() -> None:
    first, later = SCENE.agent_pose("641", 69), SCENE.agent_pose("641", 75)
    assert np.abs(first[[3, 5]]).max() > 0.5
    assert np.linalg.norm(later[:2] - first[:2]) == pytest.approx(9.0 * 0.05 * 6)
    assert (SCENE.agent_pose("-1", 69) == SCENE.agent_pose("-1", 75)).all()


def test_files_are_called_as_documented(root: Path) -> None:
    names = sorted(path.name for path in (root / FOLDER / "-1").iterdir())
    cameras = [f"_camera{camera}.png" for camera in range(4)]
    assert names == sorted(f"{frame:06d}{end}" for frame in (69, 75) for end in (".pcd", ".yaml", *cameras))
    assert (root / FOLDER / "data_protocol.yaml").is_file()
    assert len(list((root / "depth").rglob("*_camera?_depth.png"))) == 3 * 2 * 4


def test_yaml_has_the_documented_keys(root: Path) -> None:
    told = yaml.safe_load((root / FOLDER / "641" / "000069.yaml").read_text())
    cameras = [f"camera{camera}" for camera in range(4)]
    rest = ["ego_speed", "lidar_pose", "plan_trajectory", "predicted_ego_pos", "true_ego_pos", "vehicles"]
    assert sorted(told) == [*cameras, *rest]
    assert sorted(told["camera2"]) == ["cords", "extrinsic", "intrinsic"]
    vehicle = told["vehicles"][1000]
    assert sorted(vehicle) == ["angle", "center", "extent", "location", "speed"]
    assert 641 not in told["vehicles"]


def test_extrinsic_leads_from_the_lidar_to_the_camera() -> None:
    told = SCENE.told("641", 69)
    point = np.array([7.0, 1.0, -1.0, 1.0])
    through_world = matrix_of(np.array(told["lidar_pose"])) @ point
    own = np.linalg.inv(matrix_of(np.array(told["camera0"]["cords"]))) @ through_world
    np.testing.assert_allclose(np.array(told["camera0"]["extrinsic"]) @ point, own, atol=1e-9)


def test_a_point_cloud_is_the_text_that_open3d_writes(root: Path) -> None:
    lines = (root / FOLDER / "641" / "000069.pcd").read_text().splitlines()
    cloud = SCENE.cloud("641", 69)
    assert lines[2:5] == ["FIELDS x y z rgb", "SIZE 4 4 4 4", "TYPE F F F F"]
    assert lines[9:11] == [f"POINTS {len(cloud)}", "DATA ascii"]
    values = np.array([line.split() for line in lines[11:]], np.float64)
    np.testing.assert_allclose(values[:, :3], cloud[:, :3], rtol=1e-9, atol=1e-12)
    bits = values[:, 3].astype(np.float32).view(np.uint32)
    np.testing.assert_array_equal(bits >> 16, (cloud[:, 3] * 255).round())
    assert not (bits & 0xFFFF).any()


def test_pictures_and_depth_are_those_of_the_scene(root: Path) -> None:
    image, depth = SCENE.picture("1000", 75, 2)
    place = root / FOLDER / "1000" / "000075_camera2.png"
    np.testing.assert_array_equal(cv2.imread(str(place))[..., ::-1], image)
    coded = cv2.imread(str(root / "depth" / FOLDER / "1000" / "000075_camera2_depth.png")).astype(np.int64)
    metres = (coded[..., 2] + 256 * coded[..., 1] + 65536 * coded[..., 0]) / (256**3 - 1) * 1000
    np.testing.assert_allclose(metres, np.minimum(depth, 1000), atol=1000 / 256**3)
    assert (metres == 1000).any()


def test_depth_may_be_npy(tmp_path: Path) -> None:
    scene = Opv2vScene("test", "s", ("7",), (2,), size=(16, 12))
    write_opv2v(tmp_path / "root", [scene], depth_root=tmp_path / "depth", depth="npy")
    stored = np.load(tmp_path / "depth" / "test" / "s" / "7" / "000002_camera3_depth.npy")
    depth = scene.depth("7", 2, 3)
    assert stored.dtype == np.float32
    np.testing.assert_array_equal(stored, np.where(np.isfinite(depth), depth, 0).astype(np.float32))


def test_yaml_alone_is_the_same_yaml(root: Path, tmp_path: Path) -> None:
    write_opv2v_yaml(tmp_path, [SCENE])
    for path in tmp_path.rglob("*.*"):
        assert path.read_bytes() == (root / path.relative_to(tmp_path)).read_bytes()
    assert len(list(tmp_path.rglob("0*.yaml"))) == 6
