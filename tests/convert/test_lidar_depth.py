"""Depth from point clouds: exact against formulas of the scene, made once, and never over the files of others."""

from __future__ import annotations

import json
import math
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import yaml

from lapsdata._convert._lidar_depth import depth_from_lidar
from lapsdata.adapters.opv2v.lidar_depth import depth_of_points
from lapsdata.adapters.opv2v.poses import lidar_to_camera
from lapsdata.adapters.opv2v.reading import read_opv2v
from lapsdata.adapters.opv2v.scanning import scan_opv2v
from lapsdata.containers import Views
from lapsdata.errors import SchemaError, UnknownFormatError
from lapsdata.geometry import FrameSize, PinholeCamera
from lapsdata.testing._street import matrix_of
from lapsdata.testing.opv2v_scenes import Opv2vScene, write_opv2v
from lapsdata.transforms.points_to_depth import points_to_depth

if TYPE_CHECKING:
    from numpy.typing import NDArray

SCENE = Opv2vScene("train", "2021_08_22_21_41_24", ("641", "-1"), (69, 71), size=(64, 48), beams=(16, 120))
FOLDER = Path("train") / SCENE.name


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("opv2v")
    write_opv2v(folder / "root", [SCENE])
    assert depth_from_lidar(folder / "root", folder / "depth", workers=1).exit_code == 0
    return folder


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made / "root", tmp_path / "root"))


def by_hand(agent: str, frame: int, camera: int) -> NDArray[np.float64]:
    """Project each point by the formulas of the format, in CARLA's axes, and keep the nearest of each pixel."""
    to_camera = np.linalg.inv(matrix_of(SCENE.camera_pose(agent, frame, camera)))
    to_camera = to_camera @ matrix_of(SCENE.lidar_pose(agent, frame))
    focal = 32 / math.tan(math.radians(50))
    depth = np.zeros((48, 64))
    for x, y, z, _ in SCENE.cloud(agent, frame).tolist():
        ahead, right, up, _ = (to_camera @ [x, y, z, 1]).tolist()
        if ahead <= 0:
            continue
        column, row = math.floor(32 + focal * right / ahead), math.floor(24 - focal * up / ahead)
        if 0 <= column < 64 and 0 <= row < 48 and (depth[row, column] == 0 or ahead < depth[row, column]):
            depth[row, column] = ahead
    return depth


@pytest.mark.parametrize("agent", SCENE.agents)
@pytest.mark.parametrize("camera", range(4))
def test_depth_is_that_of_the_nearest_point_of_each_pixel(made: Path, agent: str, camera: int) -> None:
    stored = np.load(made / "depth" / FOLDER / agent / f"000071_camera{camera}_depth.npy")
    assert stored.dtype == np.float32
    assert np.count_nonzero(stored) > 50
    np.testing.assert_allclose(stored, by_hand(agent, 71, camera), rtol=1e-6, atol=1e-6)


def test_most_depth_is_that_of_the_picture(made: Path) -> None:
    """Points that the camera sees too lie on what is drawn there; the LiDAR looks over some edges from above."""
    stored = np.load(made / "depth" / FOLDER / "641" / "000069_camera0_depth.npy")
    drawn = SCENE.depth("641", 69, 0)
    seen = stored > 0
    apart = np.abs(stored[seen] - drawn[seen]) / drawn[seen]
    assert np.median(apart) < 0.05


def test_depth_is_read_as_views_and_lies_on_the_surfaces(made: Path) -> None:
    views = read_opv2v(made / "root", depth_root=made / "depth").container
    assert isinstance(views, Views)
    assert views.present["depth"].all()
    assert not [name for name in views.header.policies if "depth" in name]
    depth = views.read("depth", 0)
    rows, columns = np.nonzero(depth)
    own = np.linalg.inv(views.intrinsics(0)) @ np.stack([columns, rows, np.ones(len(rows))]) * depth[rows, columns]
    world = views.cam2world[0, :3, :3] @ own + views.cam2world[0, :3, 3:]
    # A point is anywhere on its pixel: half a pixel of a ground that is met at a flat angle.
    assert np.median(SCENE.street(69).gaps(np.stack([world[2], world[0], -world[1]], axis=1))) < 0.1


def test_a_second_call_keeps_what_is_whole(made: Path, root: Path, tmp_path: Path) -> None:
    out = tmp_path / "depth"
    shutil.copytree(made / "depth", out)
    assert depth_from_lidar(root, out, workers=1).facts == {"items": "2", "kept": "2"}
    lost = out / FOLDER / "641" / "000069_camera2_depth.npy"
    before = lost.read_bytes()
    lost.unlink()
    report = depth_from_lidar(root, out, workers=1)
    assert report.facts["kept"] == "1"
    assert "made again" in report.facts
    assert lost.read_bytes() == before
    (root / FOLDER / "-1" / "000069.pcd").write_text((root / FOLDER / "-1" / "000071.pcd").read_text())
    changed = depth_from_lidar(root, out, workers=1)
    assert [entry.fate for entry in changed.entries] != ["kept", "kept"]
    table = json.loads((out / FOLDER / "-1" / "lidar_depth.json").read_text())
    assert len(table["files"]) == 8
    assert table["pixels"] == 8 * 64 * 48


def test_points_that_were_written_again_are_read_again(made: Path, root: Path, tmp_path: Path) -> None:
    """Of one size, as files of one number of points spelled with as many digits are."""
    out, path = tmp_path / "depth", root / FOLDER / "641" / "000069.pcd"
    shutil.copytree(made / "depth", out)
    before, text = path.stat(), path.read_bytes()
    head, body = text.partition(b"DATA ascii\n")[::2]
    moved = body.replace(b"\n1", b"\n2").replace(b"\n-1", b"\n-2")
    assert moved != body
    path.write_bytes(head + b"DATA ascii\n" + moved)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert path.stat().st_size == before.st_size
    report = depth_from_lidar(root, out, workers=1)
    assert {entry.name.rpartition("/")[2]: entry.fate for entry in report.entries} == {"641": "changed", "-1": "kept"}
    name = Path(FOLDER, "641", "000069_camera0_depth.npy")
    assert not np.array_equal(np.load(out / name), np.load(made / "depth" / name))


def test_folders_of_others_are_left_as_they_are(root: Path, tmp_path: Path) -> None:
    place = tmp_path / "depth" / FOLDER / "641"
    place.mkdir(parents=True)
    (place / "000069_camera0_depth.npy").write_bytes(b"mine")
    report = depth_from_lidar(root, tmp_path / "depth", force=True, workers=1)
    assert [entry.fate for entry in report.entries] == ["failed", "made"]
    assert "foreign-output" in [problem.code for problem in report.problems]
    assert [path.name for path in place.iterdir()] == ["000069_camera0_depth.npy"]


def test_broken_and_absent_clouds_are_told(root: Path, tmp_path: Path) -> None:
    (root / FOLDER / "641" / "000069.pcd").unlink()
    broken = root / FOLDER / "-1" / "000071.pcd"
    broken.write_text(broken.read_text()[:-30])
    (root / FOLDER / "641" / "000071.yaml").write_text("a: [")
    report = depth_from_lidar(root, tmp_path / "depth", workers=1)
    assert sorted(entry.fate for entry in report.entries) == ["failed", "made"]
    assert report.facts["left out"] == "1 frames without a point cloud"
    told = {problem.code: problem for problem in report.problems}
    assert set(told) == {"truncated", "broken-yaml"}
    assert told["broken-yaml"].severity == "warning"
    assert not (tmp_path / "depth" / FOLDER / "-1").exists()
    assert report.as_json()["items"][0]["made"] == {"files": 0, "without_points": 1, "pixels": 0, "filled": 0}


def test_only_roots_of_opv2v_have_points(root: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UnknownFormatError, match="expected a root of OPV2V, whose frames have point clouds"):
        depth_from_lidar(tmp_path / "empty", tmp_path / "depth")
    with pytest.raises(SchemaError, match="expected another root for depth"):
        depth_from_lidar(root, root)
    with pytest.raises(SchemaError, match="unknown-split"):
        depth_from_lidar(root, tmp_path / "depth", split="test")


def moved(path: Path, metres: float) -> None:
    told = yaml.safe_load(path.read_text())
    told["lidar_pose"][0] += metres
    path.write_text(yaml.safe_dump(told))


def test_poses_that_extrinsics_contradict_are_told_by_agent_and_depth_is_made(root: Path, tmp_path: Path) -> None:
    for agent, frame in (("641", 69), ("641", 71), ("-1", 71)):
        moved(root / FOLDER / agent / f"{frame:06d}.yaml", 3.0)
    report = depth_from_lidar(root, tmp_path / "depth", workers=1)
    told = [(one.code, one.severity, one.where.removeprefix(f"{root / FOLDER}/")) for one in report.problems]
    assert told == [
        ("extrinsic-apart", "warning", "641/000069_camera0.png"),
        ("extrinsic-apart", "warning", "-1/000071_camera0.png"),
    ]
    first, second = report.problems
    assert "got another matrix (8 of 8 views): depth is made as the poses say" in first.message
    assert "(4 of 8 views)" in second.message
    assert report.exit_code == 0
    assert len(list((tmp_path / "depth").rglob("*_depth.npy"))) == 16


def test_extrinsics_of_the_other_direction_are_told_of_depth(root: Path, tmp_path: Path) -> None:
    path = root / FOLDER / "641" / "000071.yaml"
    told = yaml.safe_load(path.read_text())
    told["camera2"]["extrinsic"] = np.linalg.inv(np.array(told["camera2"]["extrinsic"])).tolist()
    path.write_text(yaml.safe_dump(told))
    (problem,) = depth_from_lidar(root, tmp_path / "depth", workers=1).problems
    assert (problem.code, problem.where) == ("extrinsic-inverted", str(path).replace(".yaml", "_camera2.png"))
    assert "got that from the camera to the LiDAR (1 of 8 views)" in problem.message


def test_no_depth_is_made_of_folders_without_a_number_and_that_is_told(root: Path, tmp_path: Path) -> None:
    (root / FOLDER / "641").rename(root / FOLDER / "rsu_2")
    report = depth_from_lidar(root, tmp_path / "depth", workers=1)
    (problem,) = report.problems
    assert (problem.code, problem.severity, len(report.entries)) == ("unknown-folder", "warning", 1)
    assert f"'{FOLDER}/rsu_2'" in problem.message


def test_without_a_pose_of_the_lidar_the_extrinsic_leads(root: Path) -> None:
    scan = scan_opv2v(root)
    number = next(n for n, folder in enumerate(scan.folders) if folder.agent == "641")
    facts = scan.facts[number, "000069"]
    without = facts._replace(numbers=(math.nan,) * 6 + facts.numbers[6:])
    told = dict(depth_of_points(scan.folders[number], "000069", facts))
    for name, depth in depth_of_points(scan.folders[number], "000069", without):
        np.testing.assert_allclose(depth, told[name], rtol=1e-5, atol=1e-4)
    ahead = lidar_to_camera(np.zeros(6), np.eye(4).ravel(), np.full(6, np.nan), np.array([[5.0, 2.0, 1.0]]))
    assert ahead.tolist() == [[2.0, -1.0, 5.0]]


def test_the_last_half_pixel_belongs_to_the_last_pixel() -> None:
    camera = PinholeCamera(
        size=FrameSize(width=3, height=2), focal_px=(1.0, 1.0), centre_px=(1.0, 0.5), cam2world=np.eye(4)
    )
    pixels = np.array(
        [[2.49, 0, 2], [2.51, 0, 1], [-0.49, 1.49, 3], [-0.51, 0, 1], [1, 1.51, 1], [0, 1, 4], [2, 0, -1]]
    )
    points = np.column_stack([(pixels[:, 0] - 1) * pixels[:, 2], (pixels[:, 1] - 0.5) * pixels[:, 2], pixels[:, 2]])
    assert points_to_depth(points, camera).tolist() == [[0, 0, 2], [3, 0, 0]]
    assert points_to_depth(points[::-1].astype(np.float32), camera).tolist() == [[0, 0, 2], [3, 0, 0]]
    assert points_to_depth(np.empty((0, 3)), camera).tolist() == [[0, 0, 0], [0, 0, 0]]
