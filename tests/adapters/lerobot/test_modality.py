"""Names that GR00T gives to parts of vectors, to cameras and to columns: those that fit, and those that do not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from lapsdata.adapters.lerobot.modality import Modality, read_modality
from lapsdata.adapters.lerobot.reading import read_set
from lapsdata.errors import SchemaError
from lapsdata.schema import Camera, Feature
from lapsdata.testing.episode_sets import CAMERA, write_lerobot

if TYPE_CHECKING:
    from pathlib import Path

FEATURES = (
    Feature(name="observation.state", dtype="float32", shape=(3,)),
    Feature(name="action", dtype="float32", shape=(7,)),
    Feature(name="observation.gripper", dtype="float32", shape=()),
    Feature(name="task_index", dtype="int64", shape=()),
    Feature(name="annotation.human.validity", dtype="int64", shape=()),
)
CAMERAS = (Camera(name=CAMERA, stored="video"),)


def told(folder: Path, **parts: Any) -> Modality:
    (folder / "meta").mkdir(exist_ok=True)
    (folder / "meta/modality.json").write_text(json.dumps(parts))
    return read_modality(folder, FEATURES, CAMERAS)


def test_parts_of_the_usual_vectors_and_of_any_column(tmp_path: Path) -> None:
    found = told(
        tmp_path,
        state={
            "arm": {"start": 0, "end": 2, "rotation_type": "euler_angles_rpy"},
            "gripper": {"start": 0, "end": 1, "original_key": "observation.gripper"},
        },
        action={"arm": {"start": 0, "end": 7, "absolute": False, "dtype": "float32", "range": None}},
    )
    assert [(group.name, group.feature, group.start, group.stop) for group in found.groups] == [
        ("state.arm", "observation.state", 0, 2),
        ("state.gripper", "observation.gripper", 0, 1),
        ("action.arm", "action", 0, 7),
    ]
    assert [(group.rotation, group.absolute) for group in found.groups] == [
        ("euler_angles_rpy", None),
        (None, None),
        (None, False),
    ]


def test_cameras_and_annotations_by_their_own_or_the_usual_name(tmp_path: Path) -> None:
    found = told(
        tmp_path,
        video={"ego": {"original_key": CAMERA}, "top": {}},
        annotation={"human.validity": {}, "human.task": {"original_key": "task_index"}},
    )
    assert found.cameras == {"video.ego": CAMERA, "video.top": CAMERA}
    assert found.annotations == {
        "annotation.human.validity": "annotation.human.validity",
        "annotation.human.task": "task_index",
    }
    assert found.notes == ()


@pytest.mark.parametrize(
    ("part", "name", "one", "code", "message"),
    [
        ("state", "arm", {"start": 0, "end": 4}, "unknown-part", "got observation.state of 3 numbers: it is left out"),
        ("state", "arm", {"start": 2, "end": 2}, "unknown-part", "expected numbers 2 to 2 of observation.state"),
        ("state", "arm", {"start": -1, "end": 2}, "unknown-part", "expected numbers -1 to 2"),
        ("action", "arm", {"start": 0, "end": 1, "original_key": "x"}, "unknown-part", "got no column x: it is left"),
        ("video", "webcam", {"original_key": "observation.images.webcam"}, "unknown-reference", "expected a camera"),
        ("annotation", "human.task", {}, "unknown-reference", "expected a column annotation.human.task in info.json"),
    ],
)
def test_what_the_set_does_not_have_is_left_out_and_told(
    tmp_path: Path, part: str, name: str, one: Any, code: str, message: str
) -> None:
    found = told(tmp_path, **{part: {name: one}})
    assert found[:3] == ((), {}, {})
    (note,) = found.notes
    assert (note.code, note.severity) == (code, "warning")
    assert note.where.endswith(f"meta/modality.json: {part}.{name}")
    assert message in note.message
    assert note.fix


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"state": {"arm": [0, 1]}}, "state.arm: expected an object with whole numbers start and end"),
        ({"state": {"arm": {"start": 0.0, "end": 1}}}, "state.arm: expected an object with whole numbers"),
        ({"state": {"arm": {"start": 0, "end": 1, "rotation_type": "spin"}}}, "rotation_type: expected one of axis_an"),
        ({"state": []}, "expected an object of state, action, video and annotation"),
        ({"state": {"a": 1}, "action": {"b": 2}}, "2 problems"),
    ],
)
def test_what_cannot_be_is_refused_all_at_once(tmp_path: Path, parts: dict[str, Any], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        told(tmp_path, **parts)


def test_names_of_a_set_stand_in_its_header(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", version="v2.0", lengths=(4,), videos=True)
    assert read_set(root).episodes.header.groups == ()
    names = {"state": {"arm": {"start": 0, "end": 2}}, "video": {"ego": {"original_key": CAMERA}}}
    (root / "meta/modality.json").write_text(json.dumps(names))
    header = read_set(root, strict=True).episodes.header
    assert [group.name for group in header.groups] == ["state.arm"]
    assert header.extras["video"] == {"video.ego": CAMERA}
