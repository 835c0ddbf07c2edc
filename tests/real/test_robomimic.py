"""Demonstrations in robomimic's layout: what files say, what was made of what, and points where cameras see them."""

from __future__ import annotations

import importlib
import json
from typing import TYPE_CHECKING, Any, Final

import h5py
import numpy as np
import pytest

from lapsdata.metrics import evaluate_boundaries

if TYPE_CHECKING:
    from pathlib import Path

STEPS: Final = {"annotated": 2163, "generated": 2328}
SWITCHES: Final = {"annotated_0": [60, 102, 157, 221], "generated_9": [51, 113, 169, 247]}


@pytest.fixture(scope="module")
def robomimic(root: Path) -> Any:
    """The module that the benchmark reads the demonstrations with."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(root / "benchmarks"))
        yield importlib.import_module("robomimic")


@pytest.fixture(scope="module")
def bench(robomimic: Any, root: Path) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(root / "benchmarks"))
        yield importlib.import_module("bench_robomimic")


@pytest.fixture(scope="module")
def demos(robomimic: Any, real_data: Path) -> dict[str, Any]:
    return {demo.name: demo for demo in robomimic.read_demos(real_data / "robomimic")}


def by_h5py(real_data: Path, robomimic: Any, name: str, path: str) -> np.ndarray:
    kind, _, number = name.partition("_")
    with h5py.File(real_data / "robomimic" / robomimic.FILES[kind]) as file:
        return file[f"data/demo_{number}/{path}"][:]


# --- what the files say -----------------------------------------------------------------------------------------


def test_twenty_demonstrations_hold_eighty_switches(demos: dict[str, Any]) -> None:
    assert len(demos) == 20
    for kind, steps in STEPS.items():
        assert sum(len(demo) for name, demo in demos.items() if name.startswith(kind)) == steps
    assert {len(demo.switches) for demo in demos.values()} == {4}
    for name, rows in SWITCHES.items():
        assert demos[name].switches.tolist() == rows


def test_a_switch_is_the_first_row_of_another_command(robomimic: Any, real_data: Path, demos: dict[str, Any]) -> None:
    for name, demo in demos.items():
        command = by_h5py(real_data, robomimic, name, "actions")[:, 6]
        assert set(command.tolist()) == {-1.0, 1.0}
        assert [t for t in range(1, len(command)) if command[t] != command[t - 1]] == demo.switches.tolist()


def test_the_hand_is_where_the_annotation_has_it(robomimic: Any, real_data: Path, demos: dict[str, Any]) -> None:
    """The quaternions are scalar first, and positions those of the robot's frame."""
    for name in ("annotated_0", "annotated_7"):
        pose = by_h5py(real_data, robomimic, name, "obs/datagen_info/eef_pose/franka")
        np.testing.assert_allclose(demos[name].hand, pose[:, :3, 3], atol=1e-6)
        np.testing.assert_allclose(demos[name].hand_turn, pose[:, :3, :3], atol=1e-5)
        for cube in range(3):
            pose = by_h5py(real_data, robomimic, name, f"obs/datagen_info/object_pose/cube_{cube + 1}")
            np.testing.assert_allclose(demos[name].cubes[:, cube], pose[:, :3, 3], atol=1e-6)
            np.testing.assert_allclose(demos[name].cube_turns[:, cube], pose[:, :3, :3], atol=1e-5)


def test_a_row_is_what_was_seen_before_its_action(robomimic: Any, real_data: Path, demos: dict[str, Any]) -> None:
    """`states` of a row are those after it; and `obs/cube_positions` are of the world in the generated file."""
    for name in ("annotated_3", "generated_1"):
        after = by_h5py(real_data, robomimic, name, "states/rigid_object/cube_2/root_pose")
        np.testing.assert_allclose(demos[name].cubes[1:, 1], after[:-1, :3], atol=1e-6)
    world = by_h5py(real_data, robomimic, "generated_1", "obs/cube_positions")
    assert np.abs(world[:, :3] - demos["generated_1"].cubes[:, 0]).max() > 1


def test_fingers_move_after_the_command_and_never_before(demos: dict[str, Any]) -> None:
    for demo in demos.values():
        width = demo.fingers[:, 0] - demo.fingers[:, 1]
        for row in demo.switches:
            assert abs(width[row] - width[row - 3]) < 2e-3
            assert abs(width[row + 5] - width[row]) > 5e-3


# --- what was made of what --------------------------------------------------------------------------------------


def test_each_part_replays_one_demonstration_under_the_generators_noise(robomimic: Any, demos: dict[str, Any]) -> None:
    annotated = [demo for demo in demos.values() if demo.asked is not None]
    assert len(annotated) == 10
    for demo in demos.values():
        if demo.asked is not None:
            continue
        parts = [robomimic.replayed(demo, part, annotated) for part in range(4)]
        # Isaac Lab Mimic's noise on actions is 0.03; its mean over so few is up to 0.042.
        assert all(0.025 < part.noise < 0.043 for part in parts), demo.name
        assert all(part.next_noise > 1.09 * part.noise for part in parts), demo.name
        # Told by the time alone: five rows lead from the pose at the start to the first one asked for.
        first = demos[parts[0].source]
        assert demo.switches[0] - first.switches[0] == 6


def test_an_annotated_demonstration_replays_itself_without_noise(robomimic: Any, demos: dict[str, Any]) -> None:
    annotated = [demo for demo in demos.values() if demo.asked is not None]
    for demo in annotated:
        found = robomimic.replayed(demo, 1, annotated)
        assert (found.source, found.noise < 1e-3, found.next_noise > 0.01) == (demo.name, True, True)


def test_all_are_linked_and_folds_hold_none_that_shares_a_source(
    robomimic: Any, bench: Any, demos: dict[str, Any]
) -> None:
    sources = robomimic.sources_of(list(demos.values()))
    assert sources["generated_9"] == {"annotated_0", "annotated_1", "annotated_2", "annotated_6"}
    assert bench.linked(sources) == 1
    assert bench.linked({"a": frozenset("xy"), "b": frozenset("z"), "c": frozenset("yw")}) == 2
    folds = bench.folds(list(demos.values()), sources)
    assert sorted(demo.name for fold in folds for demo in fold.test) == sorted(demos)
    for fold in folds:
        of_test = {source for demo in fold.test for source in sources[demo.name]}
        assert len(fold.train) >= 6
        assert not any(sources[demo.name] & of_test for demo in fold.train)


# --- where cameras see it ---------------------------------------------------------------------------------------


def test_a_corner_is_where_a_hand_calculation_has_it(robomimic: Any, demos: dict[str, Any]) -> None:
    """The front camera by plain trigonometry: from (1.45, 0, 0.65) it looks down along the world's -x."""
    demo = demos["annotated_0"]
    tracks = robomimic.demo_tracks(demo)
    # Points: four of the hand, two fingers, then nine of each cube, its middle first.
    middle = demo.cubes[40, 1]
    down = np.arctan2(0.55, 0.95)
    ahead, below = 1.45 - middle[0], 0.65 - middle[2]
    depth = ahead * np.cos(down) + below * np.sin(down)
    x = 159.5 + 300 * middle[1] / depth
    y = 95.5 + 300 * (below * np.cos(down) - ahead * np.sin(down)) / depth
    np.testing.assert_allclose(tracks.tracks["front"][40, 0, 15], [x, y], atol=1e-3)
    np.testing.assert_allclose(tracks.tracks["front"][30, 10, 15], [x, y], atol=1e-3)
    assert tracks.step_s[30, 10] == 2.0


def test_windows_are_twenty_a_second_of_what_both_cameras_see(robomimic: Any, demos: dict[str, Any]) -> None:
    for demo in demos.values():
        tracks = robomimic.demo_tracks(demo)
        assert (len(tracks), str(tracks.header.rate)) == (len(demo) - 15, "20")
        for view, camera in robomimic.CAMERAS.items():
            assert camera.size.width != camera.size.height
            assert tracks.vis[view].mean() > 0.99
    without = robomimic.demo_tracks(demos["annotated_0"], fingers=False)
    assert without.header.views["front"].points == 31


def test_the_command_of_the_gripper_is_no_input(robomimic: Any, demos: dict[str, Any]) -> None:
    from dataclasses import replace

    demo = demos["annotated_2"]
    other = replace(demo, actions=np.zeros_like(demo.actions), asked=None)
    for view in robomimic.CAMERAS:
        ours, theirs = (robomimic.demo_tracks(one).tracks[view] for one in (demo, other))
        assert np.array_equal(ours, theirs)


# --- what is known without a look -------------------------------------------------------------------------------


def test_the_place_in_other_demonstrations_alone_finds_nearly_all_within_a_second(
    robomimic: Any, root: Path, demos: dict[str, Any]
) -> None:
    """Here by plain medians: with all others known, 0.975; the stored result has the same."""
    found, truth, spans = {}, {}, {}
    shares = {name: demo.switches / len(demo) for name, demo in demos.items()}
    for name, demo in demos.items():
        median = np.median([other for key, other in shares.items() if key != name], axis=0)
        found[name], truth[name] = median * len(demo) / 20, demo.switches / 20
        spans[name] = (0.0, len(demo) / 20)
    result = evaluate_boundaries(truth, found, spans_s=spans, tolerances_s=(0.25, 0.5, 1.0), draws=2)
    f = {str(score.tolerance_s): score.macro.f for score in result.rows[0].scores}
    assert f["1.0"] == pytest.approx(0.975)
    stored = json.loads((root / "benchmarks" / "results" / "robomimic.json").read_text())
    assert stored["train_rows_over_whole_demonstrations"]["all others"]["train_position"] == pytest.approx(f, abs=1e-4)
    assert (stored["demonstrations"], stored["switches"]) == (20, 80)
