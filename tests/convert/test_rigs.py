"""Agents that lack a camera in some frames: which they are, and where a conversion tells of them."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import lapsdata
from lapsdata._convert import PanoramaOptions, convert
from lapsdata._convert._report import Converted, ConvertReport
from lapsdata._convert._rigs import LackingCameras, lacking_cameras, lacking_text
from lapsdata.containers import Views
from lapsdata.execution.report import Entry
from lapsdata.schema.base import Size
from lapsdata.testing._street import matrix_of
from lapsdata.testing.opv2v_scenes import Opv2vScene, write_opv2v
from tests.loading.views_by_hand import make_views

if TYPE_CHECKING:
    from collections.abc import Sequence

SCENE = Opv2vScene("train", "2021_08_22_21_41_24", ("641", "1000"), (69, 71, 73), size=(40, 30), beams=(2, 8))
SMALL: dict[str, Any] = {"size": Size(width=84, height=21)}
LACKING = [
    {"split": "train", "scenario": SCENE.name, "frame": 71, "agent": "641", "cameras": ["camera3"]},
    {"split": "train", "scenario": SCENE.name, "frame": 73, "agent": "1000", "cameras": ["camera0", "camera2"]},
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    write_opv2v(folder / "root", [SCENE])
    return folder / "root"


@pytest.fixture
def root(whole: Path, tmp_path: Path) -> Path:
    """A root in which two yaml files do not tell of some cameras."""
    root = Path(shutil.copytree(whole, tmp_path / "root"))
    for one in LACKING:
        path = root / "train" / SCENE.name / str(one["agent"]) / f"{one['frame']:06d}.yaml"
        told = yaml.safe_load(path.read_text())
        path.write_text(yaml.safe_dump({name: value for name, value in told.items() if name not in one["cameras"]}))
    return root


def named(agents: Sequence[Sequence[tuple[str, str]]], scenario: Sequence[str] | None = None) -> Views:
    """Make sets of views of such agents and cameras."""
    views = make_views([len(one) for one in agents])
    pairs = [pair for one in agents for pair in one]
    return replace(
        views,
        agent=tuple(agent for agent, _ in pairs),
        camera=tuple(camera for _, camera in pairs),
        scenario=views.scenario if scenario is None else tuple(scenario),
    )


def test_views_of_a_root_say_where_cameras_are_lacking(root: Path, tmp_path: Path) -> None:
    report = convert(root, tmp_path / "all.h5")
    assert report.facts["lacking"] == (
        "2 sets in which an agent has no view of a camera that it has in other frames: agent 1000 camera0 (1), agent "
        "1000 camera2 (1), agent 641 camera3 (1)"
    )
    document = report.as_json()
    assert document["items"][0]["made"]["lacking"] == LACKING
    assert json.loads(json.dumps(document)) == document


def test_a_whole_rig_lacks_nothing(whole: Path, tmp_path: Path) -> None:
    report = convert(whole, tmp_path / "all.h5")
    assert "lacking" not in report.facts
    assert "lacking" not in report.as_json()["items"][0]["made"]
    around = convert(whole, tmp_path / "out", to="panorama", panorama=PanoramaOptions(**SMALL), workers=1)
    assert "fewer-cameras" not in [one.code for one in around.problems]
    (path,) = (tmp_path / "out").glob("*.h5")
    assert "panoramas_of_fewer_cameras" not in lapsdata.read(path, Views).header.policies


def test_panoramas_of_fewer_cameras_are_counted_and_told(root: Path, tmp_path: Path) -> None:
    report = convert(root, tmp_path / "one.h5", to="panorama", panorama=PanoramaOptions(**SMALL), workers=1)
    (note,) = [one for one in report.problems if one.code == "fewer-cameras"]
    assert note.severity == "warning"
    assert note.message.startswith("2 panoramas are made of fewer cameras than their agent has in other frames")
    assert "their centre is the mean of those that are left, ahead as the first of them looks" in note.message
    assert report.facts["lacking"].startswith("2 sets in which an agent has no view of a camera")
    views = lapsdata.read(tmp_path / "one.h5", Views)
    assert views.header.policies["panoramas_of_fewer_cameras"] == 2
    place = [*zip(views.agent, views.frame[views.set_of].tolist(), strict=True)].index(("1000", 73))
    # Without camera0 the first that is left is camera1, 100 degrees to the right: the pose says so, and so does a note.
    left = np.stack([matrix_of(SCENE.camera_pose("1000", 73, number)) for number in (1, 3)])
    x, y, z = left[:, :3, 3].mean(axis=0)
    np.testing.assert_allclose(views.cam2world[place, :3, 3], [y, -z, x], atol=1e-9)
    ahead = left[0, :3, 0]
    assert views.cam2world[place, :3, 2] @ [ahead[1], -ahead[2], ahead[0]] > 0.999
    whole = [view for view in range(len(views)) if view != place and views.agent[view] == "1000"]
    assert views.read("covered", place).mean() < views.read("covered", whole[0]).mean() - 0.3


def test_panoramas_at_a_camera_stay_where_they_are(root: Path, tmp_path: Path) -> None:
    told = {"panorama": PanoramaOptions(**SMALL, place="camera1"), "workers": 1}
    report = convert(root, tmp_path / "one.h5", to="panorama", **told)
    (note,) = [one for one in report.problems if one.code == "fewer-cameras"]
    assert "their centre" not in note.message
    views = lapsdata.read(tmp_path / "one.h5", Views)
    for view, (agent, place) in enumerate(zip(views.agent, views.set_of.tolist(), strict=True)):
        x, y, z = matrix_of(SCENE.camera_pose(agent, int(views.frame[place]), 1))[:3, 3]
        np.testing.assert_allclose(views.cam2world[view, :3, 3], [y, -z, x], atol=1e-9)


@pytest.mark.parametrize(("index", "count"), [(0, 0), (1, 1), (2, 1)])
def test_one_set_alone_is_compared_with_the_others(root: Path, tmp_path: Path, index: int, count: int) -> None:
    """The other sets are not made, and still tell what its agents should have."""
    told = {"panorama": PanoramaOptions(**SMALL), "workers": 1, "index": index}
    report = convert(root, tmp_path / "one.h5", to="panorama", **told)
    assert [one.message.split()[0] for one in report.problems if one.code == "fewer-cameras"] == ["1"] * count
    made = report.as_json()["items"][0]["made"]
    assert made.get("lacking", []) == LACKING[index - 1 : index] * count


def test_a_file_of_ours_tells_it_too(root: Path, tmp_path: Path) -> None:
    """No adapter says anything of it, and nothing of it is said of files that the conversion does not make."""
    convert(root, tmp_path / "all.h5")
    told = {"panorama": PanoramaOptions(**SMALL), "workers": 1}
    report = convert(tmp_path / "all.h5", tmp_path / "out", to="panorama", **told)
    assert {"fewer-cameras"} <= {one.code for one in report.problems}
    assert report.as_json()["items"][0]["made"]["lacking"] == LACKING


def test_agents_are_compared_with_themselves_in_their_scenario() -> None:
    front, back = ("a", "front"), ("a", "back")
    # Another agent has other cameras, which this one does not lack.
    assert lacking_cameras(named([[front, ("b", "left")], [front, ("b", "left")]])) == ()
    # In another scenario it may have another rig.
    assert lacking_cameras(named([[front, back], [front]], ["one", "two"])) == ()
    # A set that it is not in lacks nothing of it.
    assert lacking_cameras(named([[front, back], [("b", "left")]], ["one", "one"])) == ()
    found = lacking_cameras(named([[front, back], [front], [back]], ["one"] * 3))
    assert [(one.frame, one.agent, one.cameras) for one in found] == [(62, "a", ("back",)), (64, "a", ("front",))]


@given(st.lists(st.sets(st.sampled_from("pqrs"), min_size=1), min_size=1, max_size=5))
def test_what_is_there_and_what_is_lacking_are_the_whole_rig(sets: list[set[str]]) -> None:
    views = named([[("a", camera) for camera in sorted(one)] for one in sets], ["one"] * len(sets))
    found = {one.frame: set(one.cameras) for one in lacking_cameras(views)}
    for place, here in enumerate(sets):
        lacks = found.get(int(views.frame[place]), set())
        assert lacks | here == set.union(*sets)
        assert not lacks & here
    # The order of views in a set, and of sets, changes nothing.
    turned = named([[("a", camera) for camera in sorted(one, reverse=True)] for one in sets], ["one"] * len(sets))
    assert lacking_cameras(turned) == lacking_cameras(views)


def test_words_for_one_and_for_many() -> None:
    one = LackingCameras("train", "s", 1, "7", ("camera1",))
    assert lacking_text([one]).startswith("1 set in which an agent has no view")
    many = [LackingCameras("train", "s", frame, str(agent), ("c", "d")) for frame in range(3) for agent in range(3)]
    told = lacking_text([*many, one._replace(agent="0", cameras=("c",), frame=9)])
    assert told.startswith("4 sets in which")
    assert told.endswith(": agent 0 c (4), agent 0 d (3), agent 1 c (3), agent 1 d (3) and 2 more")
    same = lacking_text([one, one._replace(agent="8")])
    assert same.startswith("1 set in which")
    both = lacking_text([one, one._replace(split="val")])
    assert both.startswith("2 sets in which")


def test_the_summary_adds_up_what_all_files_lack() -> None:
    one, two = (LackingCameras(split, "s", 1, "7", ("camera1",)) for split in ("train", "validate"))
    results = [Converted(4, 10, 5, unit="panoramas", lacking=(lost,)) for lost in (one, two)]
    entries = [Entry(name, Path(name), "made", result=result) for name, result in zip("ab", results, strict=True)]
    facts = ConvertReport(tuple(entries)).facts
    assert facts["lacking"].endswith("agent 7 camera1 (2)")
    assert facts["lacking"].startswith("2 sets ")
    assert list(facts).index("lacking") == list(facts).index("bytes") + 1
