"""Roots of OPV2V as views: which sets there are, where cameras stand, and what is told of files that are not right."""

from __future__ import annotations

import math
import pickle
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
import yaml

import lapsdata
from lapsdata.adapters import Adapted, find_adapter
from lapsdata.adapters.opv2v.layout import agent_folders, agent_order, first_yaml, named_split
from lapsdata.adapters.opv2v.reading import read_opv2v
from lapsdata.adapters.opv2v.scanning import scan_opv2v
from lapsdata.adapters.opv2v.selection import select_agents, selections_of
from lapsdata.adapters.opv2v.vehicles import read_vehicles
from lapsdata.containers import Views
from lapsdata.errors import CorruptDataError, SchemaError, StorageError
from lapsdata.schema import AgentSelection
from lapsdata.testing._street import matrix_of
from lapsdata.testing.opv2v_scenes import Opv2vScene, write_opv2v, write_opv2v_yaml

if TYPE_CHECKING:
    from numpy.typing import NDArray

SCENE = Opv2vScene("train", "2021_08_22_21_41_24", ("641", "1000", "-1"), (69, 71, 75), size=(32, 24), beams=(4, 20))
OTHER = Opv2vScene("validate", "2021_09_09_13_20_58", ("7",), (70,), size=(32, 24), beams=(4, 20))
FOLDER = Path("train") / SCENE.name


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("opv2v")
    write_opv2v(folder / "root", [SCENE, OTHER], depth_root=folder / "png")
    write_opv2v(folder / "again", [SCENE, OTHER], depth_root=folder / "npy", depth="npy")
    return folder


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(made / "root", tmp_path / "root"))


def views_of(adapted: Adapted) -> Views:
    assert isinstance(adapted.container, Views)
    return adapted.container


def codes(adapted: Adapted) -> list[str]:
    return [note.code for note in adapted.notes]


def test_sets_are_frames_and_agents_are_in_the_order_of_opencood(made: Path) -> None:
    adapted = read_opv2v(made / "root")
    views = views_of(adapted)
    assert views.split == ("train",) * 3 + ("validate",)
    assert views.frame.tolist() == [69, 71, 75, 70]
    assert views.time_s.tolist() == pytest.approx([3.45, 3.55, 3.75, 3.5])
    assert views.set_stop.tolist() == [12, 24, 36, 40]
    assert views.agent[:12] == ("1000",) * 4 + ("641",) * 4 + ("-1",) * 4
    assert views.camera[:4] == ("camera0", "camera1", "camera2", "camera3")
    assert codes(adapted) == []
    assert str(adapted.rate) == "20"


def test_poses_lead_from_pixels_to_the_surfaces_of_the_scene(made: Path) -> None:
    """Depth that is unprojected with the view's own pose and intrinsics lies on the street, within a millimetre."""
    views = views_of(read_opv2v(made / "root", depth_root=made / "npy"))
    for view in (0, 5, 11, 26, 39):
        scene = SCENE if view < 36 else OTHER
        frame = int(views.frame[int(views.set_of[view])])
        depth = views.read("depth", view).astype(np.float64)
        rows, columns = np.nonzero(depth)
        ahead = depth[rows, columns]
        inverse = np.linalg.inv(views.intrinsics(view))
        own = (inverse @ np.stack([columns, rows, np.ones(len(rows))])) * ahead
        world = views.cam2world[view, :3, :3] @ own + views.cam2world[view, :3, 3:]
        carla = np.stack([world[2], world[0], -world[1]], axis=1)
        assert len(carla) > 100
        assert scene.street(frame).gaps(carla).max() < 1e-3


def test_pictures_are_decoded_when_they_are_asked_for(made: Path) -> None:
    views = pickle.loads(pickle.dumps(views_of(read_opv2v(made / "root", depth_root=made / "png"))))
    image, depth = SCENE.picture("641", 71, 2)
    view = 12 + 4 + 2
    assert (views.agent[view], views.camera[view]) == ("641", "camera2")
    np.testing.assert_array_equal(views.read("image", view), image)
    np.testing.assert_allclose(
        views.read("depth", view), np.where(depth < 999.99, depth, -1), atol=1e-4 + 1000 / 256**3
    )
    np.testing.assert_array_equal(views.read("valid", view), depth < 1000)
    assert views.pixels.told("image", view) == str(made / "root" / FOLDER / "641" / "000071_camera2.png")


def test_depth_as_numbers_and_as_colours_is_the_same(made: Path) -> None:
    coded = views_of(read_opv2v(made / "root", depth_root=made / "png"))
    plain = views_of(read_opv2v(made / "root", depth_root=made / "npy"))
    for view in range(0, 40, 7):
        one, other = coded.read("depth", view), plain.read("depth", view)
        near = (other > 0) & (other < 999)
        np.testing.assert_allclose(one[near], other[near], atol=1e-3)
        np.testing.assert_array_equal(one == -1, (other == 0) | (other >= 1000))
        np.testing.assert_array_equal(coded.read("valid", view), one > 0)


def test_a_split_is_found_under_both_of_its_names(made: Path, root: Path) -> None:
    assert views_of(read_opv2v(made / "root", split="val")).split == ("validate",)
    (root / "validate").rename(root / "val")
    views = views_of(read_opv2v(root, split="validate", depth_root=made / "npy"))
    assert (views.split, views.present["depth"].all()) == (("val",), True)
    with pytest.raises(SchemaError, match=r"expected one of the splits train, val, got 'test'.*\[unknown-split\]"):
        read_opv2v(root, split="test")
    assert named_split(root, "validate") == "val"


def test_agents_are_ordered_as_texts_and_infrastructure_goes_to_the_end() -> None:
    assert agent_order(["641", "1000", "-1"]) == ("1000", "641", "-1")
    assert agent_order(["9", "10"]) == ("10", "9")
    assert agent_order(["-2", "-1", "5"]) == ("-2", "5", "-1")
    assert agent_order(["-1"]) == ("-1",)
    assert agent_order([]) == ()


def test_a_selection_is_a_rule_and_is_recorded(made: Path) -> None:
    adapted = read_opv2v(made / "root", agents="train=2,validate=4")
    views = views_of(adapted)
    assert views.split == ("train",) * 3
    assert views.agent == (("1000",) * 4 + ("641",) * 4) * 3
    assert views.header.policies == {"sets_with_too_few_agents": 1}
    assert {split: one.count for split, one in views.header.selections.items()} == {"train": 2, "validate": 4}
    assert "left out: 1 sets with too few agents" in str(adapted.notes[-1])
    with pytest.raises(SchemaError, match="got none: 1 sets with too few agents"):
        read_opv2v(made / "root", split="val", agents="4")
    with pytest.raises(SchemaError, match="expected splits that the root has, train, validate, got test"):
        read_opv2v(made / "root", split="train", agents="test=2")


@pytest.mark.parametrize("said", ["train=2,validate=1", "train=2,val=1", "2,val=1", "val=1"])
@pytest.mark.parametrize("split", ["val", "validate"])
def test_a_rule_for_all_splits_serves_each_of_them_under_both_names(made: Path, said: str, split: str) -> None:
    views = views_of(read_opv2v(made / "root", split=split, agents=said))
    assert set(views.split) == {"validate"}
    assert {name: one.count for name, one in views.header.selections.items()} == {"validate": 1}
    assert len(set(views.agent)) == 1


def test_one_split_has_one_rule(made: Path, tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=r"expected one rule for validate, got two: val and validate .*same-split"):
        read_opv2v(made / "root", agents="val=1,validate=2")
    both = tmp_path / "both"
    write_opv2v_yaml(both, [Opv2vScene(name, "s", ("1", "2"), (2,)) for name in ("val", "validate")])
    views = views_of(read_opv2v(both, agents="val=1,validate=2", cache=None))
    counts = {split: len(views.views_of(place)) // 4 for place, split in enumerate(views.split)}
    assert counts == {"val": 1, "validate": 2}


def test_agents_that_are_drawn_are_the_same_each_time_and_keep_the_ego() -> None:
    agents = ["1", "2", "3", "4", "5"]
    rule = AgentSelection(count=3, pick="drawn", seed=7)
    drawn = [select_agents(agents, rule, "scene", frame) for frame in range(200)]
    assert drawn == [select_agents(agents, rule, "scene", frame) for frame in range(200)]
    assert all(one is not None and one[0] == "1" and len(one) == 3 and list(one) == sorted(one) for one in drawn)
    seen = {one[1:] for one in drawn if one is not None}
    assert len(seen) == math.comb(4, 2)
    assert drawn != [select_agents(agents, rule.model_copy(update={"seed": 8}), "scene", frame) for frame in range(200)]
    assert select_agents(agents, AgentSelection(), "scene", 0) == tuple(agents)
    assert select_agents(agents, AgentSelection(count=1, pick="drawn"), "scene", 0) == ("1",)


@pytest.mark.parametrize("text", ["", "0", "train=", "train=2,train=3", "2:nearest", "train:2", "-1", "2,3"])
def test_selections_that_are_spelled_wrong_are_refused(text: str) -> None:
    with pytest.raises(SchemaError, match=r"expected 2, or train=2,validate=4:drawn@SEED.*\[wrong-value\]"):
        selections_of(text)


def test_frames_that_not_all_agents_have_make_smaller_sets(root: Path) -> None:
    (root / FOLDER / "641" / "000071.yaml").unlink()
    (root / FOLDER / "1000" / "000075.yaml").unlink()
    (root / FOLDER / "641" / "000069_additional.yaml").write_text("a: 1")
    adapted = read_opv2v(root, split="train")
    views = views_of(adapted)
    assert (views.frame.tolist(), views.set_stop.tolist()) == ([69, 71], [12, 20])
    assert views.agent[12:] == ("1000",) * 4 + ("-1",) * 4
    assert views.header.policies == {"frames_without_ego": 1}
    assert sorted(codes(adapted)) == ["additional-files", "sets-left-out"]


def test_a_broken_yaml_is_told_by_line_and_leaves_its_frame_out(root: Path) -> None:
    path = root / FOLDER / "641" / "000071.yaml"
    path.write_text(path.read_text()[:400] + "\n  : [")
    (root / FOLDER / "-1" / "000071.yaml").write_text("")
    adapted = read_opv2v(root, split="train")
    assert views_of(adapted).set_stop.tolist() == [12, 16, 28]
    told = {note.code: note for note in adapted.notes}
    assert set(told) == {"broken-yaml", "no-poses"}
    assert f"{path}: line 2" in told["broken-yaml"].where
    assert told["broken-yaml"].severity == "warning"
    assert "the frame is left out" in told["no-poses"].message
    with pytest.raises(SchemaError, match=r"(?s)2 problems"):
        read_opv2v(root, split="train", strict=True)


def test_pictures_that_are_gone_leave_views_with_poses_alone(root: Path) -> None:
    (root / FOLDER / "1000" / "000069_camera3.png").unlink()
    adapted = read_opv2v(root, split="train")
    views = views_of(adapted)
    assert np.flatnonzero(~views.present["image"]).tolist() == [3]
    (note,) = adapted.notes
    assert (note.code, note.where) == ("missing-image", str(root / FOLDER / "1000" / "000069_camera3.png"))
    assert "1 of 36 pictures are not there" in note.message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"expected a picture, got 0 bytes.*\[empty-file\]"),
        (b"GIF89a" + b"0" * 40, r"expected PNG, got bytes b'GIF89a00'.*\[not-png\]"),
        (None, r"expected a PNG up to its last chunk.*\[cut-off\]"),
    ],
)
def test_damaged_pictures_are_errors_with_their_file(root: Path, content: bytes | None, message: str) -> None:
    path = root / FOLDER / "1000" / "000071_camera0.png"
    path.write_bytes(path.read_bytes()[:-20] if content is None else content)
    views = views_of(read_opv2v(root, split="train"))
    with pytest.raises(CorruptDataError, match=f"000071_camera0.png: {message}"):
        views.read("image", 12)


def test_a_picture_of_another_size_is_an_error(root: Path) -> None:
    path = root / FOLDER / "1000" / "000071_camera0.png"
    cv2.imwrite(str(path), np.zeros((24, 30, 3), np.uint8))
    views = views_of(read_opv2v(root, split="train"))
    with pytest.raises(CorruptDataError, match=r"000071_camera0.png: expected image of 32x24 pixels, .*, got 30x24"):
        views.read("image", 12)
    path.unlink()
    with pytest.raises(StorageError, match=r"000071_camera0.png.*\[not-found\]"):
        views.read("image", 12)


@pytest.mark.parametrize(
    ("depth", "message"),
    [
        (np.zeros((24, 32), np.int32), r"expected \(H, W\) float metres, got int32"),
        (np.full((24, 32), -1.0), r"expected metres from 0, and 0 for none, got -1.0 \(768 such\)"),
        (np.full((24, 32), np.nan), "expected metres from 0, and 0 for none, got nan"),
        (np.array([{}], object), "expected an array, got"),
        (np.zeros((2, 2)), "expected depth of 32x24 pixels, as camera0 of agent 1000 has, got 2x2"),
    ],
)
def test_depth_that_is_none_is_an_error(made: Path, tmp_path: Path, depth: NDArray[np.float64], message: str) -> None:
    place = tmp_path / "depth" / FOLDER / "1000"
    place.mkdir(parents=True)
    np.save(place / "000069_camera0_depth.npy", depth, allow_pickle=True)
    adapted = read_opv2v(made / "root", split="train", depth_root=tmp_path / "depth")
    assert "35 of 36 views have no depth" in str(adapted.notes[0])
    with pytest.raises(CorruptDataError, match=message):
        views_of(adapted).read("depth", 0)


def rewritten(path: Path, change: str) -> None:
    told = yaml.safe_load(path.read_text())
    camera = told["camera1"]
    if change == "inverted":
        camera["extrinsic"] = np.linalg.inv(np.array(camera["extrinsic"])).tolist()
    elif change == "moved":
        camera["extrinsic"][0][3] += 0.5
    elif change == "cropped":
        camera["intrinsic"][1][2] /= 2
    elif change == "skewed":
        camera["intrinsic"][0][1] = 3.0
    elif change == "absent":
        del camera["extrinsic"]
    path.write_text(yaml.safe_dump(told))


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        ("inverted", "extrinsic-inverted", r"got that from the camera to the LiDAR \(1 of 36 views\)"),
        ("moved", "extrinsic-apart", r"got another matrix \(1 of 36 views\)"),
        ("cropped", "intrinsics-size", "expected a picture of about 32 x 12 by its intrinsic, got 32x24 (1 views)"),
        ("absent", "missing-extrinsic", "1 of 36 views have no extrinsic: nothing says whether their poses are right"),
    ],
)
def test_matrices_that_do_not_fit_are_told(root: Path, change: str, code: str, message: str) -> None:
    path = root / FOLDER / "641" / "000075.yaml"
    rewritten(path, change)
    adapted = read_opv2v(root, split="train")
    (note,) = adapted.notes
    assert (note.code, note.severity) == (code, "warning")
    assert note.where.endswith("641/000075_camera1.png")
    assert message.replace("\\", "") in note.message


def test_a_frame_with_a_lens_that_is_none_is_left_out(root: Path) -> None:
    rewritten(root / FOLDER / "641" / "000075.yaml", "skewed")
    adapted = read_opv2v(root, split="train")
    assert views_of(adapted).set_stop.tolist() == [12, 24, 32]
    (note,) = adapted.notes
    assert (note.code, note.where) == (
        "wrong-intrinsic",
        f"{root / FOLDER / '641' / '000075.yaml'}: camera1: intrinsic",
    )


def test_a_second_scan_parses_nothing_and_a_changed_file_anew(root: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first, again = scan_opv2v(root, cache=cache), scan_opv2v(root, cache=cache)
    assert (first.parsed, again.parsed, len(list(cache.iterdir()))) == (10, 0, 1)
    assert again.facts == first.facts == scan_opv2v(root).facts
    assert again.parent == first.parent
    path = root / FOLDER / "641" / "000071.yaml"
    told = yaml.safe_load(path.read_text())
    told["lidar_pose"][0] += 1
    path.write_text(yaml.safe_dump(told))
    changed = scan_opv2v(root, cache=cache)
    assert (changed.parsed, changed.parent == first.parent) == (1, False)
    number = next(n for n, folder in enumerate(changed.folders) if folder.agent == "641")
    assert changed.facts[number, "000071"].numbers[0] == first.facts[number, "000071"].numbers[0] + 1
    moved = root.rename(root.with_name("moved"))
    assert scan_opv2v(moved, cache=cache).facts == changed.facts


def test_only_roots_of_opv2v_are_known(made: Path, tmp_path: Path) -> None:
    found = find_adapter(made / "root")
    assert found is not None
    assert (found[0].name, found[1]) == ("opv2v", "views")
    assert find_adapter(made / "root" / "train") is None
    assert find_adapter(made) is None
    (tmp_path / "train" / "scene" / "5").mkdir(parents=True)
    assert first_yaml(tmp_path) is None
    (tmp_path / "train" / "scene" / "5" / "000001.yaml").write_text("name: another\n")
    assert find_adapter(tmp_path) is None
    with pytest.raises(SchemaError, match=r"expected one of the splits \(there is none\), got 'train'"):
        list(agent_folders(tmp_path / "train"))
    with pytest.raises(StorageError, match="not-found"):
        read_opv2v(tmp_path / "nothing")


def test_yaml_alone_gives_poses(tmp_path: Path) -> None:
    write_opv2v_yaml(tmp_path, [SCENE])
    adapted = read_opv2v(tmp_path)
    views = views_of(adapted)
    assert not views.present["image"].any()
    assert codes(adapted) == ["missing-image"]
    size = views.header.cameras[0].size
    assert (size.width, size.height) == (32, 24)
    mount = matrix_of(SCENE.camera_pose("1000", 69, 0))
    assert views.cam2world[0, :3, 3].tolist() == pytest.approx([mount[1, 3], -mount[2, 3], mount[0, 3]])


def test_vehicles_of_a_file_are_those_of_the_scene(made: Path) -> None:
    folder = next(folder for folder in agent_folders(made / "root", "train") if folder.agent == "-1")
    assert read_vehicles(folder, "000075").number.tolist() == sorted(SCENE.vehicles("-1", 75))


def test_views_are_converted_and_come_back(root: Path, tmp_path: Path) -> None:
    from lapsdata._convert import convert

    path = root / FOLDER / "641" / "000075.yaml"
    told = yaml.safe_load(path.read_text())
    del told["camera2"]
    path.write_text(yaml.safe_dump(told))
    report = convert(root, tmp_path / "out.h5", split="train", workers=1)
    assert report.exit_code == 0, report.problems
    back = lapsdata.read(tmp_path / "out.h5", Views)
    np.testing.assert_array_equal(back.read("image", 18), SCENE.picture("641", 71, 2)[0])
    assert (back.sets, len(back), back.split) == (3, 35, ("train",) * 3)
    # What is not carried over is reported, and counted in the file.
    (note,) = (one for one in report.problems if one.code == "missing-camera")
    assert note.severity == "warning"
    assert "agent 641, frame 75, camera2" in note.message
    assert back.header.policies == {"cameras_not_in_yaml": 1, "pictures_without_pose": 1}
