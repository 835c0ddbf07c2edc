"""GR00T's own state beside its videos: the events of the hand that there are, and flow that knows of the arm."""

from __future__ import annotations

import importlib.util
import json
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lapsdata import formats
from lapsdata.containers import Tracks
from lapsdata.stages.probe import ProbeOptions, probe_features
from lapsdata.transforms.energies import track_energies
from lapsmodels.stages.track import track_video
from lapsmodels.stages.track_options import TrackOptions

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def bench(root: Path) -> Any:
    """Return the benchmark as a module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(root / "benchmarks"))
        spec = importlib.util.spec_from_file_location("bench_robot_state", root / "benchmarks" / "bench_robot_state.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        patch.setitem(sys.modules, "bench_robot_state", module)
        spec.loader.exec_module(module)
        return module


@pytest.fixture(scope="module")
def episodes(bench: Any, real_data: Path) -> Any:
    return bench.read_episodes(real_data / "gr00t_pick_n_place_v20")


@pytest.fixture(scope="module")
def tracks(episodes: Any, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return tracks of few points in windows that touch: what is asked is of steps."""
    folder = tmp_path_factory.mktemp("tracks")
    for one in episodes:
        track_video(one.video, folder / f"{one.name}.h5", TrackOptions(points=100, stride=15))
    return sorted(folder.glob("*.h5"))


def test_episodes_are_as_long_as_their_tables(episodes: Any) -> None:
    assert [len(one.frame_s) for one in episodes] == [416, 470, 470, 412, 328]
    assert all(one.arm.shape[1] == 7 and one.hand.shape[1] == 6 for one in episodes)


def test_of_sixteen_flips_ten_are_events(bench: Any, episodes: Any) -> None:
    flips = [bench.hand_flips(one) for one in episodes]
    assert [len(one) for one in flips] == [3, 2, 2, 5, 4]
    events = [bench.hand_events(one, episode.span_s) for one, episode in zip(flips, episodes, strict=True)]
    assert [len(one) for one in events] == [2, 2, 2, 2, 2]
    np.testing.assert_allclose(
        np.concatenate(events), [11.4, 19.55, 16.25, 22.45, 16.25, 22.45, 12.6, 19.35, 8.9, 15.35]
    )


def test_two_episodes_share_one_schedule_and_the_others_do_not(bench: Any, episodes: Any) -> None:
    flips = [bench.hand_flips(one).tolist() for one in episodes]
    assert flips[1] == flips[2]
    assert len({tuple(one) for one in flips}) == 4
    assert bench.GROUPS == {"same schedule": ("episode_000001", "episode_000002")}


def test_events_leave_out_pulses_and_ends_as_the_rule_says(bench: Any) -> None:
    """A pulse of just 0.5 s, and a flip just 0.5 s from an end, stay."""
    times = np.array([0.4, 1.0, 1.4, 3.0, 3.5, 6.0, 9.5])
    np.testing.assert_array_equal(bench.hand_events(times, (0.0, 10.0)), [3.0, 3.5, 6.0, 9.5])
    np.testing.assert_array_equal(bench.hand_events(times, (0.0, 9.9)), [3.0, 3.5, 6.0])
    assert len(bench.hand_events(np.empty(0), (0.0, 10.0))) == 0


def test_the_speed_of_an_arm_is_the_length_of_its_joint_velocities(bench: Any, tmp_path: Path) -> None:
    """Two joints at 3 and 4 radian per second: 5 together, over any span; none of it beyond the table."""
    frame_s = np.arange(40) / bench.RATE
    arm = np.stack([3 * frame_s, -4 * frame_s, np.full(40, 0.5)], axis=1)
    one = bench.Episode("one", tmp_path, frame_s, arm, np.ones((40, 1)))
    spans = np.array([[0.0, 0.05], [0.33, 1.2], [1.9, 2.1]])
    np.testing.assert_allclose(bench.arm_speed(one, spans), [5, 5, np.nan])
    assert one.span_s == (0.0, 2.0)


def test_flips_are_told_at_the_first_frame_of_the_new_command(bench: Any, tmp_path: Path) -> None:
    frame_s = np.arange(40) / bench.RATE
    hand = np.ones((40, 2)) * [1.5, 3.0]
    hand[12:30] *= -1
    one = bench.Episode("one", tmp_path, frame_s, np.zeros((40, 1)), hand)
    np.testing.assert_allclose(bench.hand_flips(one), [12 / bench.RATE, 30 / bench.RATE])
    still = bench.Episode("one", tmp_path, frame_s, np.zeros((40, 1)), np.ones((40, 2)))
    assert len(bench.hand_flips(still)) == 0


@pytest.mark.parametrize("late", [-3, 0, 5])
def test_an_energy_that_follows_the_arm_late_is_told_so(bench: Any, late: int) -> None:
    speed = np.convolve(np.random.default_rng(0).standard_normal(200), np.ones(7), "same")
    found = bench.agreement(speed, np.roll(speed, late), 1 / bench.RATE)
    assert found["lag_s"] == pytest.approx(late / bench.RATE)
    assert found["spearman_there"] > 0.99
    assert found["spearman"] <= found["spearman_there"]


def test_plain_flow_of_the_whole_picture_rises_and_falls_with_the_arm(bench: Any, episodes: Any) -> None:
    found = bench.whole_picture(episodes[4])
    assert 0.7 < found["spearman"] < 0.9
    assert abs(found["lag_s"]) <= 0.1


def test_the_stored_figures_are_of_these_events_and_groups(bench: Any, episodes: Any) -> None:
    told = json.loads(bench.RESULT.read_text())
    assert told["hand_flips"] == {"all": 16, "kept": 10}
    assert told["episodes"] == len(episodes)
    assert told["frames"] == sum(len(one.frame_s) for one in episodes)
    assert set(told["energies"]) == {*bench.OF_TRACKS, *bench.OF_TOKENS}
    for row in told["energies"].values():
        assert set(row["episodes"]) == {one.name for one in episodes}
        each = [one["spearman"] for one in row["episodes"].values()]
        assert row["spearman"] == {"least": min(each), "most": max(each)}
    for per in ("step", "window"):
        probe = told["probe"][per]
        assert set(probe["groups"]) == {"episode_000000", "episode_000003", "episode_000004", "same schedule"}
        assert {"tokens", "tracks", "time", "raw_flow", "shuffled_tokens", "random_features"} <= set(probe["rows"])
        assert probe["rules"]["target"] == "velocity"


def test_energies_of_flow_rise_and_fall_with_the_arm(bench: Any, episodes: Any, tracks: list[Path]) -> None:
    energies = track_energies([formats.read(path, Tracks) for path in tracks])
    found = bench.correlations(energies, episodes)
    assert len(found) == 5
    for row in found.values():
        assert 0.5 < row["spearman"] < 0.9
        # Neither the table nor the video is late; few points say it to a few frames.
        assert abs(row["lag_s"]) <= 0.2


def test_flow_tells_joint_velocities_and_time_and_shuffled_motion_do_not(
    bench: Any, episodes: Any, tracks: list[Path], tmp_path: Path
) -> None:
    """Regression: border cells that hardly vary, standardised plainly, gave an R² of -9,660."""
    truth = bench.motion_table(tmp_path / "motion.parquet", episodes)
    found = probe_features(tracks, truth, ProbeOptions(draws=5, random_draws=2, groups=bench.GROUPS))
    rows = {row.name: row for row in found.rows}
    assert rows["raw_flow"].columns_left_out > 0
    assert [group.name for group in found.groups] == [
        *("episode_000000", "episode_000003", "episode_000004", "same schedule"),
    ]
    assert 0.05 < rows["raw_flow"].r2 < 0.5
    assert rows["raw_flow"].r2 > rows["time"].r2 + 0.02
    assert abs(rows["shuffled_tracks"].r2) < 0.05
    assert {policy: count for policy, count in found.policies.items() if policy.startswith("rows_")} == {
        "rows_outside_the_truth": 0, "rows_in_a_gap_of_the_truth": 0, "rows_without_features": 0,
    }  # fmt: skip
