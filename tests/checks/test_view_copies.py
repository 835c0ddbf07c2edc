"""What was copied: one agent as two, the yaml of one frame as that of another; and lenses that are not their own."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsdata.adapters.opv2v.copied_frames import copied_frames
from lapsdata.adapters.opv2v.poses import pose_problems
from lapsdata.adapters.opv2v.scanning import scan_opv2v
from lapsdata.checks._view_lenses import lens_faults
from lapsdata.checks._view_poses import pose_faults
from lapsdata.checks.integrity import check_integrity
from lapsdata.containers import LAYERS, HeldPixels, Views
from lapsdata.schema import CameraModel, PinholeLens, ViewsHeader
from lapsdata.schema.base import Size
from lapsdata.testing._street import matrix_of
from lapsdata.testing.opv2v_scenes import Opv2vScene, write_opv2v
from lapsdata.testing.samples import sample_provenance
from tests.adapters.yaml_files import told

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lapsdata.errors import Problem

SCENE = Opv2vScene("train", "2021_08_22_21_41_24", ("641", "1000", "-1"), (69, 71, 75), size=(16, 12), beams=(2, 8))
FOLDER = Path("train") / SCENE.name
SIZE = Size(width=8, height=6)


def lens(fx: float = 4.0, fy: float = 4.0, centre: tuple[float, float] = (3.5, 2.5)) -> CameraModel:
    return CameraModel(kind="pinhole", size=SIZE, lens=PinholeLens(focal_px=(fx, fy), centre_px=centre), depth="z")


def views(
    at: Sequence[Sequence[tuple[float, float, float]]],
    *,
    models: Sequence[CameraModel] = (lens(),),
    which: Sequence[int] | None = None,
    cameras: Sequence[str] = ("front",),
    step_s: float = 0.1,
) -> Views:
    """Return views without pixels: in each set the same agents, each with some cameras, at the given places."""
    sets, each = len(at), len(at[0])
    count = sets * each
    poses = np.tile(np.eye(4), (count, 1, 1))
    poses[:, :3, 3] = [place for one in at for place in one]
    agents = each // len(cameras)
    return Views(
        ViewsHeader(provenance=sample_provenance(), cameras=tuple(models)),
        split=("train",) * sets,
        scenario=("street",) * sets,
        frame=np.arange(sets) * 2 + 69,
        time_s=np.arange(sets) * step_s,
        set_stop=np.arange(1, sets + 1) * each,
        agent=tuple(str(view % each // len(cameras)) for view in range(count)),
        camera=tuple(cameras) * (sets * agents),
        model=np.array([0] * count if which is None else which, np.int64),
        cam2world=poses,
        present={layer: np.zeros(count, bool) for layer in LAYERS},
        pixels=HeldPixels({}),
    )


def found(given: Views) -> dict[str, Problem]:
    each = list(pose_faults(given, "train", "scene: train"))
    return {one.code: one for one in each}


# --- one agent as two -----------------------------------------------------------------------------------------------

FAR = (200.0, 0.0, 30.0)


def driving(start: tuple[float, float, float], step: int) -> tuple[float, float, float]:
    return start[0], start[1], start[2] + step


def test_two_agents_that_drive_as_one_are_one_twice() -> None:
    problem = found(views([[driving(FAR, n), driving(FAR, n)] for n in range(3)]))["poses-identical"]
    assert "all views of a set have the same pose" in problem.message
    three = found(views([[driving(FAR, n), (180.0, 0.0, 3.0 + n), driving(FAR, n)] for n in range(3)]))
    assert list(three) == ["agent-twice"]
    assert three["agent-twice"].severity == "error"
    assert three["agent-twice"].message == "agents 0 and 2 are at the same place (3 of 3 sets; street, frame 69)"


def test_every_pair_is_looked_at() -> None:
    other = (190.0, 0.0, 3.0)
    given = views([[driving(FAR, n), driving(other, n), driving(other, n), driving(FAR, n)] for n in range(2)])
    problems = [one for one in pose_faults(given, "train", "scene: train") if one.code == "agent-twice"]
    assert [one.message[:40] for one in problems] == [
        "agents 0 and 3 are at the same place (2 ",
        "agents 1 and 2 are at the same place (2 ",
    ]


def test_one_set_is_enough_where_it_is_far_from_the_origin() -> None:
    given = views([[FAR, (190.0, 0.0, 3.0), FAR], [driving(FAR, 1), (190.0, 0.0, 4.0), (185.0, 0.0, 4.0)]])
    assert found(given)["agent-twice"].message.endswith("(1 of 2 sets; street, frame 69)")


def rigs(*agents: tuple[float, float, float]) -> list[tuple[float, float, float]]:
    """Two cameras of each agent, one meter apart."""
    return [place for x, y, z in agents for place in ((x, y, z), (x + 1, y, z))]


def test_poses_in_the_frame_of_each_agent_are_no_copies() -> None:
    given = views([rigs((0.0, 0.0, 2.0), (0.0, 0.0, 2.0)) for _ in range(3)], cameras=("front", "back"))
    assert list(found(given)) == ["poses-not-world"]
    # The same places, but they drive.
    moving = views([rigs((0.0, 0.0, 2.0 + n), (0.0, 0.0, 2.0 + n)) for n in range(3)], cameras=("front", "back"))
    assert "agent-twice" in found(moving)
    # The same places, but one agent is elsewhere.
    third = views([rigs((0.0, 0.0, 2.0), (0.0, 0.0, 2.0), (9.0, 0.0, 2.0))] * 3, cameras=("front", "back"))
    assert "agent-twice" in found(third)
    # The same places, but nobody's own frame is so far from its origin.
    far = views([rigs(FAR, FAR)] * 3, cameras=("front", "back"))
    assert "agent-twice" in found(far)


def test_agents_with_one_camera_at_one_place_and_others_apart_are_two() -> None:
    given = views([[FAR, driving(FAR, 5), FAR, driving(FAR, 9)]], cameras=("front", "back"))
    assert found(given) == {}
    given = replace(given, camera=("front", "back", "left", "right"))
    assert found(given) == {}, "cameras of unlike names are not compared"


# --- a pose of another frame ----------------------------------------------------------------------------------------


def track(*z: float, step_s: float = 0.1) -> dict[str, Problem]:
    """One camera, ahead along z."""
    return found(views([[(200.0, 0.0, one)] for one in z], step_s=step_s))


@pytest.mark.parametrize(
    ("z", "views_told"),
    [
        # Drives.
        ((0, 1, 2, 3), 0),
        # Stands all the time, as infrastructure does.
        ((5, 5, 5, 5), 0),
        # The second frame has the yaml of the first.
        ((0, 0, 2, 3), 1),
        # The last one that of the one before: seen by the step before.
        ((0, 1, 2, 2), 1),
        # A frame has that of an earlier one, not of its neighbour.
        ((0, 1, 2, 1, 4), 1),
        ((0, 1, 2, 0), 1),
        # Comes to a stand, and starts again.
        ((0, 0.5, 0.7, 0.75, 0.75, 0.75, 0.8, 1.0), 0),
        # Two frames are copies.
        ((0, 1, 1, 3, 4, 4, 6), 2),
    ],
)
def test_when_a_pose_is_that_of_another_frame(z: tuple[float, ...], views_told: int) -> None:
    given = track(*z)
    assert list(given) == (["pose-repeated"] if views_told else [])
    if views_told:
        assert given["pose-repeated"].severity == "warning"
        assert f"({views_told} of {len(z)} views; " in given["pose-repeated"].message


def test_the_frame_that_is_repeated_is_named() -> None:
    message = track(0, 1, 2, 1, 4)["pose-repeated"].message
    assert message.endswith("(1 of 5 views; street, frame 75, agent 0, front, that of frame 71)")


@pytest.mark.parametrize(("step_s", "told"), [(0.1, True), (0.3, True), (0.4, False)])
def test_a_stand_between_fast_steps_is_a_copy(step_s: float, told: bool) -> None:
    """One metre in a step: 10, 3.3 and 2.5 m/s."""
    assert ("pose-repeated" in track(0, 1, 1, 2, step_s=step_s)) == told


@settings(max_examples=80, deadline=None)
@given(st.lists(st.sampled_from([0.0, 0.05, 0.1, 0.8]), min_size=1, max_size=12), st.integers(0, 11))
def test_what_only_goes_ahead_and_brakes_is_never_told_and_a_copy_is(steps: list[float], copied: int) -> None:
    """Steps of a tenth of a second that rise and fall by at most 2 m/s, as engines and brakes do."""
    smooth = [0.0, *steps, 0.0]
    for place in range(1, len(smooth)):
        smooth[place] = min(smooth[place], smooth[place - 1] + 0.2)
    for place in range(len(smooth) - 2, -1, -1):
        smooth[place] = min(smooth[place], smooth[place + 1] + 0.2)
    z = np.cumsum([0.0, *smooth])
    assert "pose-repeated" not in track(*z)
    place = copied % len(z)
    if place < 2 or z[place] - z[place - 1] < 1e-9 or z[place - 1] - z[place - 2] < 1e-9:
        return
    # The pose of two frames before, with another one between.
    z[place] = z[place - 2]
    assert "pose-repeated" in track(*z)


def test_each_scenario_and_agent_has_its_own_way() -> None:
    given = views([[(200.0, 0.0, 0.0), (190.0, 0.0, 0.0)], [(200.0, 0.0, 1.0), (190.0, 0.0, 1.0)]] * 2)
    # Frames 69, 71 and 73, 75 of one street: back where it was.
    assert "(4 of 8 views" in found(given)["pose-repeated"].message
    apart = replace(given, scenario=("one", "one", "other", "other"))
    assert found(apart) == {}


# --- lenses ---------------------------------------------------------------------------------------------------------


def lenses(given: Views) -> dict[str, Problem]:
    return {one.code: one for one in lens_faults(given, "scene")}


@pytest.mark.parametrize(
    ("fx", "fy", "told"), [(4.0, 4.0, False), (4.0, 4.19, False), (4.0, 4.3, True), (5.2, 4.0, True), (4.0, 5.2, True)]
)
def test_how_unlike_focal_lengths_may_be(fx: float, fy: float, told: bool) -> None:
    given = lenses(views([[FAR]] * 2, models=[lens(fx, fy)]))
    assert list(given) == (["focal-lengths"] if told else [])
    if told:
        problem = given["focal-lengths"]
        assert (problem.severity, problem.where) == ("warning", "scene: cameras.0")
        assert problem.message == (
            f"expected focal lengths that are alike, got {fx:g} along x and {fy:g} along y (2 of 2 views; street, "
            "frame 69, agent 0, front)"
        )


def test_a_model_that_no_view_has_is_told_without_views() -> None:
    given = lenses(views([[FAR]] * 2, models=[lens(), lens(4, 6)]))
    assert given["focal-lengths"].message.endswith("got 4 along x and 6 along y")


def test_a_lens_that_changes_within_a_scenario_is_told_by_the_frames_that_are_few() -> None:
    models = [lens(), lens(5.0, 5.0)]
    given = views([[FAR, (190.0, 0.0, 3.0)]] * 4, models=models, which=[0, 1, 0, 1, 1, 1, 0, 1])
    problem = lenses(given)["lens-changes"]
    assert problem.severity == "warning"
    assert "(1 of 8 views; street, frame 73, agent 0, front)" in problem.message
    # Cameras and scenarios of unlike lenses are as good as others.
    assert lenses(replace(given, model=np.array([0, 1] * 4))) == {}
    other = replace(given, scenario=("one", "one", "other", "other"), model=np.array([0, 1, 0, 1, 1, 1, 1, 1]))
    assert lenses(other) == {}


# --- files of OPV2V -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("opv2v") / "root"
    write_opv2v(root, [SCENE])
    return root


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "root"))


def faults(root: Path) -> dict[str, Problem]:
    (item,) = check_integrity([root]).items
    return {one.code: one for one in item.problems}


def test_an_agent_that_is_there_twice_is_an_error(root: Path) -> None:
    shutil.copytree(root / FOLDER / "641", root / FOLDER / "642")
    problem = faults(root)["agent-twice"]
    assert problem.severity == "error"
    assert problem.where == f"{root}: train"
    assert f"agents 641 and 642 are at the same place (3 of 3 sets; {SCENE.name}, frame 69)" in problem.message


def test_a_yaml_that_is_that_of_another_frame_is_an_error(root: Path) -> None:
    shutil.copy(root / FOLDER / "641" / "000069.yaml", root / FOLDER / "641" / "000071.yaml")
    given = faults(root)
    assert set(given) == {"yaml-copied", "pose-repeated"}
    assert (given["yaml-copied"].severity, given["yaml-copied"].where) == (
        "error",
        str(root / FOLDER / "641" / "000071.yaml"),
    )
    assert "got the bytes of 000069.yaml, in which something moves, again in '000071.yaml'" in (
        given["yaml-copied"].message
    )
    assert "frame 71, agent 641, camera0, that of frame 69)" in given["pose-repeated"].message


def test_poses_alone_that_are_those_of_another_frame_are_told(root: Path) -> None:
    """Vehicles are those of the frame: the bytes differ."""
    first = yaml.safe_load((root / FOLDER / "641" / "000069.yaml").read_text())

    def older(document: dict[str, Any]) -> None:
        document |= {name: first[name] for name in first if name.startswith("camera") or name == "lidar_pose"}

    told(root / FOLDER / "641" / "000075.yaml", older)
    given = faults(root)
    assert list(given) == ["pose-repeated"]
    assert "(4 of 36 views; " in given["pose-repeated"].message


def copies(root: Path, agent: str) -> list[str]:
    scan = scan_opv2v(root)
    number = next(place for place, folder in enumerate(scan.folders) if folder.agent == agent)
    return [one.message for one in copied_frames(scan.folders[number], scan.facts_of(number))]


def test_infrastructure_beside_an_empty_road_may_say_the_same_twice(root: Path) -> None:
    place = root / FOLDER / "-1"
    assert copies(root, "-1") == []
    told(place / "000069.yaml", lambda document: document.update(vehicles={}))
    for frame in (71, 75):
        shutil.copy(place / "000069.yaml", place / f"{frame:06d}.yaml")
    assert copies(root, "-1") == []
    # With a car that passes by, or one that waits, it is another thing.
    for speed, number in ((30.0, 1), (0.2, 0)):
        car = {"location": [0, 0, 0], "angle": [0, 0, 0], "center": [0, 0, 0], "extent": [2, 1, 1], "speed": speed}
        told(place / "000069.yaml", lambda document, car=car: document.update(vehicles={7: car}))
        shutil.copy(place / "000069.yaml", place / "000075.yaml")
        assert len(copies(root, "-1")) == number
    assert faults(root) == {}


def test_copies_are_told_by_the_text_that_they_share(root: Path) -> None:
    place = root / FOLDER / "1000"
    for frame in (71, 75):
        shutil.copy(place / "000069.yaml", place / f"{frame:06d}.yaml")
    (message,) = copies(root, "1000")
    assert message.endswith("again in '000071.yaml', '000075.yaml'")
    (place / "000071.yaml").write_text((place / "000071.yaml").read_text() + "\n")
    (message,) = copies(root, "1000")
    assert message.endswith("again in '000075.yaml'")


def test_vehicles_that_cannot_be_read_are_told_as_those_and_not_as_copies(root: Path) -> None:
    place = root / FOLDER / "1000" / "000069.yaml"
    told(place, lambda document: document.update(vehicles=5, ego_speed="fast"))
    shutil.copy(place, place.with_name("000071.yaml"))
    assert copies(root, "1000") == []


def test_a_lens_with_unlike_focal_lengths_in_one_frame(root: Path) -> None:
    def squeeze(document: dict[str, Any]) -> None:
        document["camera2"]["intrinsic"][1][1] *= 1.3

    told(root / FOLDER / "641" / "000071.yaml", squeeze)
    given = faults(root)
    assert {"lens-changes", "focal-lengths"} <= set(given)
    named = f"(1 of 36 views; {SCENE.name}, frame 71, agent 641, camera2)"
    assert all(named in given[code].message for code in ("lens-changes", "focal-lengths"))


# --- extrinsics -----------------------------------------------------------------------------------------------------


def inverted(document: dict[str, Any]) -> None:
    for name in document:
        if name.startswith("camera"):
            document[name]["extrinsic"] = np.linalg.inv(np.array(document[name]["extrinsic"])).tolist()


@pytest.mark.parametrize(("frames", "severity"), [(1, "warning"), (4, "warning"), (5, "error"), (9, "error")])
def test_inverted_extrinsics_are_an_error_where_they_are_most(root: Path, frames: int, severity: str) -> None:
    every = [root / FOLDER / agent / f"{frame:06d}.yaml" for agent in SCENE.agents for frame in SCENE.frames]
    for path in every[:frames]:
        told(path, inverted)
    given = faults(root)
    assert list(given) == ["extrinsic-inverted"]
    assert given["extrinsic-inverted"].severity == severity
    assert f"({4 * frames} of 36 views)" in given["extrinsic-inverted"].message


def test_frames_that_are_not_read_count_too(root: Path) -> None:
    """The ego has no yaml of its frame: the set is left out, and its extrinsics are looked at all the same."""
    (root / FOLDER / "1000" / "000075.yaml").unlink()
    told(root / FOLDER / "641" / "000075.yaml", inverted)
    given = faults(root)
    assert {"extrinsic-inverted", "unequal-frames"} <= set(given)
    assert "(4 of 32 views)" in given["extrinsic-inverted"].message


def test_extrinsics_that_are_missing_are_a_warning_but_where_a_set_has_none(root: Path) -> None:
    def without(document: dict[str, Any]) -> None:
        for name in document:
            if name.startswith("camera"):
                del document[name]["extrinsic"]

    told(root / FOLDER / "641" / "000071.yaml", lambda document: document["camera2"].pop("extrinsic"))
    problem = faults(root)["missing-extrinsic"]
    assert (problem.severity, problem.where) == ("warning", str(root / FOLDER / "641" / "000071_camera2.png"))
    assert problem.message == "1 of 36 views have no extrinsic: nothing says whether their poses are right"
    for agent in SCENE.agents:
        for frame in SCENE.frames:
            path = root / FOLDER / agent / f"{frame:06d}.yaml"
            document = yaml.safe_load(path.read_text())
            for name in list(document):
                if name.startswith("camera"):
                    document[name].pop("extrinsic", None)
            path.write_text(yaml.safe_dump(document))
    problem = faults(root)["missing-extrinsic"]
    assert (problem.severity, problem.fix) == ("info", None)
    assert problem.message.startswith("36 of 36 views have no extrinsic")


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(["right", "inverted", "apart", "none"]), min_size=1, max_size=9))
def test_each_kind_of_extrinsic_is_counted_among_those_that_are_known(kinds: list[str]) -> None:
    camera, lidar = np.array([120.5, -33.25, 1.8, 0.3, 101.0, -0.4]), np.array([119.0, -33.0, 1.9, 0.2, 1.0, -0.3])
    right = np.linalg.inv(matrix_of(camera)) @ matrix_of(lidar)
    each = {"right": right, "inverted": np.linalg.inv(right), "apart": right + 0.5, "none": right * np.nan}
    count = len(kinds)
    matrices = np.array([each[kind] for kind in kinds]).reshape(count, 16)
    places = [f"{place}.png" for place in range(count)]
    given = pose_problems(np.tile(camera, (count, 1)), matrices, np.tile(lidar, (count, 1)), places)
    problems = {one.code: one for one in given}
    known = count - kinds.count("none")
    for kind, code in (("inverted", "extrinsic-inverted"), ("apart", "extrinsic-apart")):
        wrong = kinds.count(kind)
        assert (code in problems) == (wrong > 0)
        if wrong:
            assert problems[code].where == f"{kinds.index(kind)}.png"
            assert f"({wrong} of {known} views)" in problems[code].message
            assert problems[code].severity == ("error" if 2 * wrong > known else "warning")
    assert ("missing-extrinsic" in problems) == ("none" in kinds)
    if "none" in kinds:
        assert problems["missing-extrinsic"].severity == ("info" if known == 0 else "warning")
