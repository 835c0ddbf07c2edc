"""Depth beside views of OPV2V: which of two files is taken, and what the LiDAR says of the same pixels."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsdata.adapters.opv2v.depth_files import DepthFolder, depth_folders, depth_notes
from lapsdata.adapters.opv2v.frame_facts import FrameFacts, read_facts
from lapsdata.adapters.opv2v.layout import agent_folders
from lapsdata.adapters.opv2v.lidar_depth import camera_depth, depth_of_points
from lapsdata.adapters.opv2v.reading import read_opv2v
from lapsdata.adapters.opv2v.scanning import scan_opv2v
from lapsdata.adapters.opv2v.view_pixels import Opv2vPixels
from lapsdata.containers import Views
from lapsdata.errors import CorruptDataError, SchemaError, StorageError
from lapsdata.geometry import FrameSize
from lapsdata.testing.opv2v_scenes import Opv2vScene, write_opv2v

if TYPE_CHECKING:
    from collections.abc import Callable

SCENE = Opv2vScene("train", "2021_08_22_21_41_24", ("641", "1000"), (69, 71), size=(40, 30), beams=(12, 60))
FOLDER = Path("train") / SCENE.name
SIZE = FrameSize(width=40, height=30)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("opv2v")
    write_opv2v(folder / "root", [SCENE], depth_root=folder / "depth")
    return folder


@pytest.fixture
def copied(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "made"))


def views_of(root: Path, depth: Path | None) -> Views:
    found = read_opv2v(root, depth_root=depth, cache=None).container
    assert isinstance(found, Views)
    return found


def metres(agent: str, frame: int, camera: int) -> Any:
    depth = SCENE.depth(agent, frame, camera)
    return np.where(depth < 1000, depth, 0).astype(np.float32)


def coded(agent: str, frame: int, camera: int) -> Any:
    """Say what CARLA's colours do: metres, and where the sky is."""
    known = metres(agent, frame, camera)
    return np.where(known > 0, known, np.float32(-1))


def of_place(place: Path, agent: str, frame: int, camera: int, ending: str) -> Path:
    return place / FOLDER / agent / f"{frame:06d}_camera{camera}_depth{ending}"


# --- two files of one view ------------------------------------------------------------------------------------------


def test_of_two_files_numbers_are_taken_and_that_is_told_and_counted(copied: Path) -> None:
    depth = copied / "depth"
    for camera in (0, 3):
        np.save(of_place(depth, "641", 71, camera, ".npy"), np.full((30, 40), 7.5, np.float32))
    adapted = read_opv2v(copied / "root", depth_root=depth, cache=None)
    (note,) = adapted.notes
    assert (note.code, note.severity) == ("depth-twice", "warning")
    assert note.where == str(of_place(depth, "641", 71, 0, ".npy"))
    assert note.message == "2 of 16 views have depth as .npy and as .png: the .npy is taken"
    assert note.fix == "keep one of them (policy depth_npy_before_png)"
    assert isinstance(adapted.container, Views)
    assert adapted.container.header.policies == {"depth_npy_before_png": 2}
    assert (adapted.container.read("depth", 12) == 7.5).all()
    assert not (adapted.container.read("depth", 13) == 7.5).any()
    with pytest.raises(SchemaError, match=r"2 of 16 views have depth as .npy and as .png.*\[depth-twice\]"):
        read_opv2v(copied / "root", depth_root=depth, strict=True)


def test_one_file_of_either_kind_is_nothing_to_tell(copied: Path) -> None:
    of_place(copied / "depth", "641", 71, 0, ".png").unlink()
    np.save(of_place(copied / "depth", "641", 71, 0, ".npy"), metres("641", 71, 0))
    adapted = read_opv2v(copied / "root", depth_root=copied / "depth", cache=None)
    assert adapted.notes == ()
    assert isinstance(adapted.container, Views)
    assert adapted.container.header.policies == {}
    np.testing.assert_array_equal(adapted.container.read("depth", 12), metres("641", 71, 0))


def test_the_second_file_is_read_when_it_is_asked_for(copied: Path) -> None:
    views = views_of(copied / "root", copied / "depth")
    pixels = pickle.loads(pickle.dumps(views.pixels))
    assert isinstance(pixels, Opv2vPixels)
    assert pixels.second_depth(12) is None
    np.save(of_place(copied / "depth", "641", 71, 0, ".npy"), metres("641", 71, 0) * 3)
    assert pixels.second_depth(12) is None, "the picture is the one that is taken"
    other = views_of(copied / "root", copied / "depth").pixels
    assert isinstance(other, Opv2vPixels)
    found = other.second_depth(12)
    assert found is not None
    assert found[0] == str(of_place(copied / "depth", "641", 71, 0, ".png"))
    np.testing.assert_allclose(found[1], coded("641", 71, 0), atol=1e-4)
    of_place(copied / "depth", "641", 71, 0, ".png").write_bytes(b"")
    with pytest.raises(CorruptDataError, match=r"000071_camera0_depth.png: .*\[empty-file\]"):
        other.second_depth(12)
    assert Opv2vPixels(("a.png",), (None,)).second_depth(0) is None


@settings(max_examples=40)
@given(st.sets(st.sampled_from(["a_depth.npy", "a_depth.png", "a.png", "a_depth.exr", "b_depth.npy"])))
def test_files_of_a_view_are_in_the_order_in_which_they_are_taken(files: set[str]) -> None:
    found = DepthFolder("depth", frozenset(files)).of("a")
    assert list(found) == [f"depth/{name}" for name in ("a_depth.npy", "a_depth.png") if name in files]


def test_notes_count_views() -> None:
    assert depth_notes(["a.npy", "b.png"], ["a.png", "b.png"], []) == []
    (note,) = depth_notes(["a.npy", None, None], ["a.png", "b.png", "c.png"], [])
    assert (note.code, note.where) == ("missing-depth", "b.png")
    assert note.message == "2 of 3 views have no depth in the root of depth"


def test_folders_of_depth_are_found_by_split_and_a_root_must_have_it(made: Path, tmp_path: Path) -> None:
    folders = list(agent_folders(made / "root"))
    found = depth_folders(made / "depth", folders)
    assert sorted(found) == [0, 1]
    assert all(len(one.files) == 8 for one in found.values())
    assert depth_folders(None, folders) == {}
    with pytest.raises(StorageError, match="not-found"):
        depth_folders(tmp_path / "nothing", folders)
    (tmp_path / "empty" / "validate").mkdir(parents=True)
    with pytest.raises(SchemaError, match=r"expected one of the splits validate, got 'train'.*\[unknown-split\]"):
        depth_folders(tmp_path / "empty", folders)
    (tmp_path / "other" / "train" / SCENE.name / "641").mkdir(parents=True)
    assert list(depth_folders(tmp_path / "other", folders)) == [1]


# --- the LiDAR in a picture -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("view", [0, 5, 10, 15])
def test_points_in_a_picture_are_the_depth_of_the_scene(made: Path, view: int) -> None:
    """Most points are on the surface that the pixel shows, somewhere in a pixel of 2.5 degrees."""
    views = views_of(made / "root", None)
    assert isinstance(views.pixels, Opv2vPixels)
    found = views.pixels.lidar_depth(view, SIZE)
    assert found is not None
    assert (found.dtype, found.shape) == (np.float32, (30, 40))
    truth = metres(views.agent[view], 69 if view < 8 else 71, view % 4)
    both = (found > 0) & (truth > 0)
    assert both.sum() >= 40
    assert np.median(np.abs(found[both] / truth[both] - 1)) < 0.08


def test_depth_of_one_camera_is_that_of_the_folder(made: Path) -> None:
    scan = scan_opv2v(made / "root")
    each = dict(depth_of_points(scan.folders[0], "000069", scan.facts[0, "000069"]))
    assert list(each) == [f"000069_camera{number}_depth" for number in range(4)]
    views = views_of(made / "root", None)
    assert isinstance(views.pixels, Opv2vPixels)
    for view, depth in enumerate(each.values()):
        found = views.pixels.lidar_depth(view, SIZE)
        assert found is not None
        np.testing.assert_array_equal(found, depth)


@pytest.mark.parametrize("name", ["000069.pcd", "000069.yaml"])
@pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.write_bytes(b"[")])
def test_files_that_cannot_be_read_say_nothing_of_depth(
    copied: Path, name: str, harm: Callable[[Path], object]
) -> None:
    views = views_of(copied / "root", None)
    assert isinstance(views.pixels, Opv2vPixels)
    harm(copied / "root" / FOLDER / "1000" / name)
    assert views.pixels.lidar_depth(0, SIZE) is None
    assert views.pixels.lidar_depth(4, SIZE) is not None


def yaml_of(**changed: object) -> bytes:
    camera = {
        "cords": [0.0] * 6,
        "extrinsic": np.eye(4).tolist(),
        "intrinsic": [[4.0, 0.0, 4.0], [0.0, 4.0, 3.0], [0.0, 0.0, 1.0]],
    }
    document: dict[str, object] = {"camera0": {**camera, **changed}, "lidar_pose": [0.0] * 6}
    if "extrinsic" in changed and changed["extrinsic"] is None:
        document = {"camera0": {name: camera[name] for name in ("cords", "intrinsic")}}
    return yaml.safe_dump(document).encode()


def test_without_pose_and_extrinsic_points_are_nowhere_and_that_is_an_error(copied: Path) -> None:
    """They were put at no pixel at all, and depth was 0 everywhere without a word."""
    facts = read_facts(yaml_of(extrinsic=None), "a.yaml")
    with pytest.raises(SchemaError, match=r"a.yaml: expected lidar_pose, or the extrinsic of camera0.*no-lidar-pose"):
        camera_depth(facts, "camera0", np.ones((3, 3)), FrameSize(width=8, height=6), "a.yaml")
    path = copied / "root" / FOLDER / "1000" / "000069.yaml"
    document = yaml.safe_load(path.read_text())
    del document["lidar_pose"], document["camera1"]["extrinsic"]
    path.write_text(yaml.safe_dump(document))
    scan = scan_opv2v(copied / "root")
    made = depth_of_points(scan.folders[0], "000069", scan.facts[0, "000069"])
    assert next(made)[1].any(), "the extrinsic leads"
    with pytest.raises(SchemaError, match=r"1000/000069.yaml: expected lidar_pose, or the extrinsic of camera1"):
        next(made)
    views = views_of(copied / "root", None)
    assert isinstance(views.pixels, Opv2vPixels)
    assert [views.pixels.lidar_depth(view, SIZE) is None for view in range(4)] == [False, True, False, False]


@settings(max_examples=60, deadline=None)
@given(
    point=st.tuples(st.floats(0.5, 50), st.floats(-30, 30), st.floats(-30, 30)),
    cameras=st.integers(1, 3),
    which=st.integers(0, 2),
)
def test_a_point_is_where_a_pinhole_shows_it(point: tuple[float, float, float], cameras: int, which: int) -> None:
    """By hand: x is ahead, y right, z up, and the file counts pixels from the corner of the picture."""
    which = which % cameras
    lens = (0.0,) * 6 + (0.0,) * 16 + (4.0, 0.0, 4.0, 0.0, 4.0, 3.0, 0.0, 0.0, 1.0)
    far = (1000.0, *(0.0,) * 5, *(0.0,) * 16, 4.0, 0.0, 4.0, 0.0, 4.0, 3.0, 0.0, 0.0, 1.0)
    numbers = (0.0,) * 6 + sum((lens if place == which else far for place in range(cameras)), ())
    facts = FrameFacts(tuple(f"camera{place}" for place in range(cameras)), numbers)
    size = FrameSize(width=8, height=6)
    found = camera_depth(facts, f"camera{which}", np.array([point]), size, "a.yaml")
    ahead, right, up = point
    column, row = np.floor(4.0 * right / ahead + 4.0), np.floor(-4.0 * up / ahead + 3.0)
    beside = abs(4.0 * right / ahead % 1 - 0.5) > 0.49 or abs(4.0 * up / ahead % 1 - 0.5) > 0.49
    if beside:
        return
    expected = np.zeros((6, 8), np.float32)
    if 0 <= column < 8 and 0 <= row < 6:
        expected[int(row), int(column)] = ahead
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_size_is_said_by_who_asks(made: Path) -> None:
    """Depth for pictures of half the size is that of a camera with half the focal length only if its yaml says so."""
    views = views_of(made / "root", None)
    assert isinstance(views.pixels, Opv2vPixels)
    whole, part = (views.pixels.lidar_depth(0, FrameSize(width=width, height=30)) for width in (40, 20))
    assert whole is not None
    assert part is not None
    np.testing.assert_array_equal(whole[:, :19], part[:, :19])
