"""Folders of WAI, read by PyAV, Pillow's like and JSON: poses, lenses, pictures and depth are those of the views."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import av
import cv2
import numpy as np
import pytest

from lapsdata.adapters import write_wai
from lapsdata.containers import HeldPixels
from lapsdata.errors import CorruptDataError, SchemaError, StorageError
from lapsdata.testing.opv2v_scenes import Opv2vScene, write_opv2v
from tests.loading.views_by_hand import AROUND, HEIGHT, PINHOLE, WIDTH, depth_of, make_views, pose

if TYPE_CHECKING:
    from pathlib import Path


def exr(path: Path) -> Any:
    """Read an OpenEXR file by FFmpeg's decoder."""
    with av.open(str(path)) as file:
        (frame,) = file.decode(video=0)
    assert frame.format.name == "grayf32le"
    return frame.to_ndarray()


def meta(scene: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((scene / "scene_meta.json").read_text())
    return found


def test_a_scene_is_a_set_and_a_frame_a_view(tmp_path: Path) -> None:
    done = write_wai(tmp_path / "wai", make_views([2, 1], split=["train", "val"]), dataset="made")
    scenes = sorted(item.name for item in (tmp_path / "wai" / "made").iterdir())
    assert scenes == ["train_scene0_60", "val_scene0_62"]
    one = meta(tmp_path / "wai" / "made" / "train_scene0_60")
    assert (one["scene_name"], one["dataset_name"], one["version"]) == ("train_scene0_60", "made", "0.1")
    assert (one["camera_model"], one["camera_convention"]) == ("PINHOLE", "opencv")
    assert one["scale_type"] == "metric"
    assert one["frame_modalities"] == {
        "image": {"frame_key": "image", "format": "image"},
        "depth": {"frame_key": "depth", "format": "depth"},
    }
    for view, frame in enumerate(one["frames"]):
        assert frame["frame_name"] == f"a{view}_camera{view}"
        assert frame["file_path"] == frame["image"] == f"images/a{view}_camera{view}.png"
        assert frame["transform_matrix"] == pose(view).tolist()
        assert [frame[key] for key in ("w", "h", "fl_x", "fl_y", "cx", "cy")] == [WIDTH, HEIGHT, 2.0, 3.0, 1.5, 1.0]
    assert done.nbytes == sum(item.stat().st_size for item in (tmp_path / "wai").rglob("*") if item.is_file())
    assert [note.code for note in done.notes] == ["no-times", "no-covisibility"]


def test_pictures_and_depth_come_back_to_the_bit(tmp_path: Path) -> None:
    made = make_views([3])
    rng = np.random.default_rng(0)
    images = tuple(rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8) for _ in range(3))
    depths = tuple((rng.random((HEIGHT, WIDTH)) * 1000 - 1).astype(np.float32) for _ in range(3))
    write_wai(tmp_path / "wai", replace(made, pixels=HeldPixels({"image": images, "depth": depths})), dataset="made")
    scene = tmp_path / "wai" / "made" / "train_scene0_60"
    for view, frame in enumerate(meta(scene)["frames"]):
        assert np.array_equal(cv2.imread(str(scene / frame["image"]))[..., ::-1], images[view])
        assert np.array_equal(exr(scene / frame["depth"]), depths[view])


def test_scene_lists_name_the_scenes_of_a_split(tmp_path: Path) -> None:
    write_wai(tmp_path / "wai", make_views([1, 1, 1], split=["train", "val", "train"]), dataset="made")
    lists = {
        split: np.load(tmp_path / "wai" / "metadata" / split / f"made_scene_list_{split}.npy").tolist()
        for split in ("train", "val")
    }
    assert lists == {"train": ["train_scene0_60", "train_scene0_64"], "val": ["val_scene0_62"]}


def test_what_is_not_valid_has_no_depth_and_ambiguity_is_a_mask(tmp_path: Path) -> None:
    made = make_views([1], lacking={"valid": [], "non_ambiguous": [], "covered": []})
    done = write_wai(tmp_path / "wai", made, dataset="made")
    scene = tmp_path / "wai" / "made" / "train_scene0_60"
    (frame,) = meta(scene)["frames"]
    depth = exr(scene / frame["depth"])
    valid = made.read("valid", 0)
    assert np.array_equal(depth[valid], depth_of(0)[valid])
    # The sky stays below 0, whatever the mask says of it.
    assert (depth[~valid] == np.minimum(depth_of(0), 0)[~valid]).all()
    mask = cv2.imread(str(scene / frame["non_ambiguous"]), cv2.IMREAD_UNCHANGED)
    assert mask.ndim == 2
    assert np.array_equal(mask == 255, made.read("non_ambiguous", 0))
    assert meta(scene)["frame_modalities"]["non_ambiguous"] == {"frame_key": "non_ambiguous", "format": "binary"}
    assert [note.code for note in done.notes] == ["valid-in-depth", "left-out", "no-times", "no-covisibility"]


def test_depth_along_rays_becomes_depth_along_the_axis(tmp_path: Path) -> None:
    write_wai(tmp_path / "wai", make_views([1], models=[PINHOLE.model_copy(update={"depth": "ray"})]), dataset="made")
    x, y = np.meshgrid((np.arange(WIDTH) - 1.5) / 2, (np.arange(HEIGHT) - 1) / 3)
    found = exr(tmp_path / "wai" / "made" / "train_scene0_60" / "depth" / "a0_camera0.exr")
    np.testing.assert_allclose(found, depth_of(0) / np.sqrt(1 + x**2 + y**2), rtol=1e-6)


def test_a_root_of_opv2v_becomes_wai(tmp_path: Path) -> None:
    from lapsdata.adapters import expect_views

    write_opv2v(
        tmp_path / "root", [Opv2vScene("train", "2021_08_22_21_41_24", ("641",), (69,), size=(16, 12), beams=(4, 8))]
    )
    views = expect_views(tmp_path / "root").views
    write_wai(tmp_path / "wai", views, dataset="opv2v")
    scene = tmp_path / "wai" / "opv2v" / "train_2021_08_22_21_41_24_69"
    frames = meta(scene)["frames"]
    assert [frame["frame_name"] for frame in frames] == [f"641_camera{number}" for number in range(4)]
    assert all("depth" not in frame for frame in frames)
    # A pixel is meant at its number: the middle of 16 pixels is at 7.5.
    assert {frame["cx"] for frame in frames} == {7.5}
    raw = cv2.imread(str(next((tmp_path / "root").rglob("*_camera2.png"))))
    assert np.array_equal(cv2.imread(str(scene / frames[2]["image"])), raw)


def test_what_wai_cannot_hold_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    made = make_views([1, 1])
    wrong = {
        "wrong-camera": make_views([1], models=[AROUND]),
        "no-image": make_views([2], lacking={"image": [1]}),
        "scene-twice": replace(made, frame=np.array([7, 7])),
    }
    for code, views in wrong.items():
        with pytest.raises(SchemaError, match=code):
            write_wai(tmp_path / "wai", views, dataset="made")
    depth = depth_of(0)
    depth[1, 1] = np.inf
    broken = HeldPixels({"image": (made.read("image", 0),) * 2, "depth": (depth_of(0), depth)})
    with pytest.raises(CorruptDataError, match=r"depth of view 1: expected finite depth, got 1 pixels"):
        write_wai(tmp_path / "wai", replace(made, pixels=broken), dataset="made")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_there_is_replaced_only_where_that_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "wai").mkdir()
    (tmp_path / "wai" / "mine.txt").write_text("kept")
    with pytest.raises(StorageError, match="wai"):
        write_wai(tmp_path / "wai", make_views([1]), dataset="made")
    assert (tmp_path / "wai" / "mine.txt").read_text() == "kept"
    write_wai(tmp_path / "wai", make_views([1]), dataset="made", overwrite=True)
    assert sorted(item.name for item in (tmp_path / "wai").iterdir()) == ["made", "metadata"]


@pytest.mark.parametrize(
    ("dataset", "agents", "scenario", "said"),
    [
        ("..", ("1", "2"), "s", "dataset: expected the name of a folder beside 'metadata', got '..'"),
        ("", ("1", "2"), "s", "dataset: expected the name of a folder"),
        ("metadata", ("1", "2"), "s", "dataset: expected the name of a folder"),
        ("a/b", ("1", "2"), "s", "dataset: expected the name of a folder"),
        ("made", ("1", "2"), "../../s", r"scenario: expected what a folder can be called, got 'train_\.\./\.\./s_60'"),
        ("made", ("1", "2"), "s" * 300, "scenario: expected what a folder can be called"),
        ("made", ("1", "../2"), "s", r"train_s_60: expected what a file can be called, got '\.\./2_camera1'"),
        ("made", ("1", "a\\2"), "s", "train_s_60: expected what a file can be called"),
    ],
    ids=["up", "empty", "metadata", "within", "scenario-up", "long", "agent-up", "agent-backslash"],
)
def test_nothing_is_written_outside_of_its_folder(
    tmp_path: Path, dataset: str, agents: tuple[str, str], scenario: str, said: str
) -> None:
    made = replace(make_views([2]), agent=agents, scenario=(scenario,))
    with pytest.raises(SchemaError, match=said) as caught:
        write_wai(tmp_path / "inner" / "wai", made, dataset=dataset)
    assert {problem.code for problem in caught.value.problems} == {"wrong-name"}
    assert list(tmp_path.rglob("*")) == []


def test_two_views_whose_joined_names_are_one_are_not_written_over_each_other(tmp_path: Path) -> None:
    made = replace(make_views([2]), agent=("a", "a_b"), camera=("b_c", "c"))
    with pytest.raises(
        SchemaError, match=r"train_scene0_60: expected names .* joined by _, got a_b_c again.*frame-twice"
    ):
        write_wai(tmp_path / "wai", made, dataset="made")
    assert list(tmp_path.iterdir()) == []
    # In two sets they lie in two folders.
    apart = replace(make_views([1, 1]), agent=("a", "a_b"), camera=("b_c", "c"))
    write_wai(tmp_path / "wai", apart, dataset="made")
    assert len(list((tmp_path / "wai").rglob("a_b_c.png"))) == 2


def test_all_that_cannot_be_written_is_told_at_once(tmp_path: Path) -> None:
    made = replace(make_views([2, 2], models=[AROUND], lacking={"image": [1]}), agent=("/", "1", "2", "3"))
    with pytest.raises(SchemaError, match="wrong-camera") as caught:
        write_wai(tmp_path / "wai", made, dataset="..")
    codes = sorted(problem.code for problem in caught.value.problems)
    assert codes == ["no-image", "wrong-camera", "wrong-name", "wrong-name"]


def test_equal_views_give_equal_folders(tmp_path: Path) -> None:
    made = make_views([2, 1], lacking={"non_ambiguous": [1]})
    for name in ("one", "two"):
        write_wai(tmp_path / name, made, dataset="made")
    files = {name: {file.relative_to(tmp_path / name): file.read_bytes()
                    for file in (tmp_path / name).rglob("*") if file.is_file()} for name in ("one", "two")}  # fmt: skip
    assert files["one"] == files["two"]
    assert len(files["one"]) == 1 + 2 + 3 + 3 + 2  # list, scenes, pictures, depths, masks


def test_a_view_without_depth_has_none_and_the_modality_is_told_where_any_has_it(tmp_path: Path) -> None:
    write_wai(tmp_path / "wai", make_views([2, 1], lacking={"depth": [0, 2]}), dataset="made")
    some, none = (meta(tmp_path / "wai" / "made" / f"train_scene0_{frame}") for frame in (60, 62))
    assert ["depth" in frame for frame in some["frames"]] == [False, True]
    assert set(some["frame_modalities"]) == {"image", "depth"}
    assert set(none["frame_modalities"]) == {"image"}
    assert not (tmp_path / "wai" / "made" / "train_scene0_62" / "depth").exists()
