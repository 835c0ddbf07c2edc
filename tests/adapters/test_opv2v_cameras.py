"""Cameras that a yaml does not tell of, and pictures that nobody has a pose of: named, counted, and never silent."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsdata.adapters.opv2v.faults import faults_of_opv2v
from lapsdata.adapters.opv2v.frame_facts import FrameFacts
from lapsdata.adapters.opv2v.layout import AgentFolder
from lapsdata.adapters.opv2v.missing_cameras import MissingCamera, missing_cameras, missing_notes, missing_policies
from lapsdata.adapters.opv2v.reading import read_opv2v
from lapsdata.containers import Views
from lapsdata.errors import SchemaError
from lapsdata.testing.opv2v_scenes import Opv2vScene, write_opv2v
from tests.adapters.yaml_files import told

if TYPE_CHECKING:
    from collections.abc import Callable

    from lapsdata.errors import Problem

SCENE = Opv2vScene("train", "2021_08_22_21_41_24", ("641", "1000"), (69, 71, 75), size=(16, 12), beams=(2, 8))
FOLDER = Path("train") / SCENE.name


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("opv2v") / "root"
    write_opv2v(root, [SCENE])
    return root


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "root"))


def without(camera: str) -> Callable[[dict[str, Any]], Any]:
    return lambda document: document.pop(camera)


def faults(root: Path) -> list[tuple[str, str, str]]:
    return [(one.code, one.where.removeprefix(f"{root / FOLDER}/"), one.severity) for one in faults_of_opv2v(root)]


def views_of(root: Path, **said: Any) -> tuple[Views, tuple[Problem, ...]]:
    adapted = read_opv2v(root, cache=None, **said)
    assert isinstance(adapted.container, Views)
    return adapted.container, adapted.notes


def test_a_camera_that_one_yaml_lacks_is_an_error_with_its_picture(root: Path) -> None:
    told(root / FOLDER / "641" / "000071.yaml", without("camera2"))
    assert faults(root) == [("missing-camera", "641/000071.yaml", "error")]
    (problem,) = faults_of_opv2v(root)
    assert f"expected camera2 of agent 641 in frame 71 of {SCENE.name}, as in other frames" in problem.message
    assert "its picture 000071_camera2.png is there, and has no pose" in problem.message
    assert problem.fix == "copy the yaml again; until then the set of this frame has a view less"


def test_a_camera_that_is_gone_with_its_picture_is_a_warning(root: Path) -> None:
    told(root / FOLDER / "641" / "000071.yaml", without("camera2"))
    (root / FOLDER / "641" / "000071_camera2.png").unlink()
    assert faults(root) == [("missing-camera", "641/000071.yaml", "warning")]
    (problem,) = faults_of_opv2v(root)
    assert problem.message.endswith("got a yaml without it; and there is no picture of it")


def test_each_camera_of_each_frame_is_told(root: Path) -> None:
    for frame in (69, 75):
        told(root / FOLDER / "1000" / f"{frame:06d}.yaml", without("camera0"))
    told(root / FOLDER / "1000" / "000069.yaml", without("camera3"))
    assert faults(root) == [
        ("missing-camera", "1000/000069.yaml", "error"),
        ("missing-camera", "1000/000069.yaml", "error"),
        ("missing-camera", "1000/000075.yaml", "error"),
    ]


def test_pictures_of_a_camera_that_no_yaml_tells_of_are_told_once(root: Path) -> None:
    for frame in SCENE.frames:
        told(root / FOLDER / "641" / f"{frame:06d}.yaml", without("camera1"))
    (problem,) = faults_of_opv2v(root)
    assert (problem.code, problem.where, problem.severity) == (
        "picture-without-camera",
        str(root / FOLDER / "641"),
        "warning",
    )
    assert f"expected camera1 of agent 641 in the yaml files of {SCENE.name}, got 3 pictures of it" in problem.message
    assert "no pose: '000069_camera1.png', '000071_camera1.png', '000075_camera1.png'" in problem.message


def test_reading_counts_what_it_leaves_out(root: Path) -> None:
    told(root / FOLDER / "641" / "000071.yaml", without("camera2"))
    told(root / FOLDER / "1000" / "000075.yaml", without("camera0"))
    (root / FOLDER / "1000" / "000075_camera0.png").unlink()
    views, (note,) = views_of(root)
    assert views.set_stop.tolist() == [8, 15, 22]
    assert views.header.policies == {"cameras_not_in_yaml": 2, "pictures_without_pose": 1}
    assert (note.code, note.severity) == ("missing-camera", "warning")
    assert note.where == str(root / FOLDER / "641" / "000071.yaml")
    assert "2 of 24 views are not in the yaml of their frame, and are left out (policy cameras_not_in_yaml)" in (
        note.message
    )
    assert f"1 of their pictures are there without a pose ({SCENE.name}, agent 641, frame 71, camera2)" in note.message
    with pytest.raises(SchemaError, match=r"2 of 24 views are not in the yaml.*\[missing-camera\]"):
        read_opv2v(root, strict=True)


def test_only_what_would_be_read_is_counted(root: Path) -> None:
    told(root / FOLDER / "641" / "000071.yaml", without("camera2"))
    views, notes = views_of(root, agents="1")
    assert set(views.agent) == {"1000"}
    assert (views.header.policies, notes) == ({}, ())
    (root / FOLDER / "1000" / "000071.yaml").unlink()
    _, notes = views_of(root)
    assert [note.code for note in notes] == ["sets-left-out"]


def test_pictures_that_no_yaml_tells_of_are_counted_too(root: Path) -> None:
    shutil.copy(root / FOLDER / "641" / "000071_camera0.png", root / FOLDER / "641" / "000071_camera7.png")
    views, (note,) = views_of(root)
    assert len(views) == 24
    assert views.header.policies == {"pictures_without_pose": 1}
    assert (note.code, note.severity) == ("picture-without-camera", "warning")
    assert "1 pictures are of cameras that no yaml of their agent tells of" in note.message
    assert "(policy pictures_without_pose; " in note.message


def test_frames_whose_yaml_is_broken_or_gone_are_told_as_those(root: Path) -> None:
    (root / FOLDER / "641" / "000071.yaml").write_text("camera0: [")
    assert [code for code, _, _ in faults(root)] == ["broken-yaml"]
    (root / FOLDER / "641" / "000071.yaml").unlink()
    assert [code for code, _, _ in faults(root)] == ["unequal-frames", "frames-without-yaml"]


@settings(max_examples=60, deadline=None)
@given(
    told_of=st.lists(st.sets(st.integers(0, 3)), min_size=1, max_size=4),
    pictured=st.lists(st.sets(st.integers(0, 4)), min_size=4, max_size=4),
)
def test_missing_cameras_are_those_of_sets(told_of: list[set[int]], pictured: list[set[int]]) -> None:
    stems = tuple(f"{number:06d}" for number in range(len(told_of)))
    facts = {
        stem: FrameFacts(tuple(f"camera{one}" for one in sorted(cameras)), ())
        for stem, cameras in zip(stems, told_of, strict=True)
    }
    files = {f"{stem}_camera{one}.png" for stem, cameras in zip(stems, pictured, strict=False) for one in cameras}
    other = {"000000_camera0_depth.png", "000000.pcd", "camera0.png", "000000_camera0.jpg", "999999_camera0.png"}
    folder = AgentFolder("train", "scene", "641", "641", stems, frozenset(files | other), 0)
    found = missing_cameras(folder, facts)
    expected = {
        (stem, f"camera{one}", one in set().union(*told_of), one in pictures)
        for stem, mine, pictures in zip(stems, told_of, pictured, strict=False)
        for one in (set().union(*told_of) | pictures) - mine
    }
    assert {tuple(one) for one in found} == expected
    assert len(found) == len(expected)
    assert [one.stem for one in found] == sorted(one.stem for one in found)


def test_counts_are_of_views_and_of_pictures() -> None:
    folder = AgentFolder("train", "scene", "641", "641", (), frozenset(), 0)
    each = [
        MissingCamera("000071", "camera2", told=True, picture=False),
        MissingCamera("000071", "camera3", told=True, picture=True),
        MissingCamera("000071", "camera9", told=False, picture=True),
    ]
    missing = [(folder, one) for one in each]
    assert missing_policies(missing) == {"cameras_not_in_yaml": 2, "pictures_without_pose": 2}
    assert missing_policies(missing[:1]) == {"cameras_not_in_yaml": 1}
    first, second = missing_notes(missing, 8)
    assert "2 of 10 views" in first.message
    assert "1 of their pictures" in first.message
    assert second.message.startswith("1 pictures are of cameras that no yaml")


def test_names_of_cameras_are_taken_as_they_are(root: Path) -> None:
    """An agent with another number of cameras lacks none, and an eleventh camera is one like the others."""

    def more(document: dict[str, Any]) -> None:
        document["camera10"] = document["camera0"]

    for frame in SCENE.frames:
        told(root / FOLDER / "641" / f"{frame:06d}.yaml", more)
        shutil.copy(
            root / FOLDER / "641" / f"{frame:06d}_camera0.png", root / FOLDER / "641" / f"{frame:06d}_camera10.png"
        )
    assert faults(root) == []
    views, notes = views_of(root)
    assert notes == ()
    assert np.diff([0, *views.set_stop.tolist()]).tolist() == [9, 9, 9]
