"""Frames that are late by a known number of rows, those that are not, and those of which nobody can say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.checks.episodes import check_episodes, episodes_adapter
from lapsdata.checks.frame_lag import Motion, estimate_lag, joint_speed, picture_motion
from lapsdata.testing.episode_sets import CAMERA, write_lerobot
from lapsdata.video.writer import write_video

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.errors import Problem

ROWS = 150


def reaching(rng: np.random.Generator, rows: int = ROWS) -> NDArray[np.float64]:
    """Return a place that goes and rests in turns, smooth as an arm is."""
    speed = np.repeat(rng.choice([0.0, 0.3, 1.0, 2.0], rows // 5 + 1), 5)[:rows] * rng.uniform(0.7, 1.3, rows)
    return np.cumsum(np.convolve(speed, np.ones(3) / 3, "same"))


def picture(place: float) -> NDArray[np.uint8]:
    """Return a bright square at a place, on a ground that does not move."""
    image = np.full((48, 64, 3), 40, np.uint8)
    column = round(place * 2) % 52
    image[16:32, column : column + 12] = 220
    return image


def moving_set(root: Path, late: int, *, seed: int = 0) -> Path:
    """Write a set in which each frame shows where the joint was `late` rows before."""
    write_lerobot(root, videos=True, lengths=(ROWS, ROWS, ROWS))
    rng = np.random.default_rng(seed)
    for episode in range(3):
        place = reaching(rng, ROWS + 40)
        file = root / f"data/chunk-000/episode_{episode:06d}.parquet"
        state = np.stack([place, -place, np.zeros(len(place))], axis=1)[20 : 20 + ROWS].astype(np.float32)
        table = pq.read_table(file)
        at = table.schema.get_field_index("observation.state")
        cells = pa.FixedSizeListArray.from_arrays(pa.array(state.reshape(-1)), 3)
        pq.write_table(table.set_column(at, "observation.state", cells), file)
        video = root / f"videos/chunk-000/{CAMERA}/episode_{episode:06d}.mp4"
        frames = [picture(place[20 + row - late]) for row in range(ROWS)]
        write_video(video, frames, np.arange(ROWS) / 10, overwrite=True)
    return root


def said_of_lag(root: Path) -> Problem:
    adapter = episodes_adapter(root)
    assert adapter is not None
    told = check_episodes(root, adapter, lambda *_: None, decode=True).problems
    # The statistics are those of the states before they were made to move.
    (found,) = (one for one in told if "statistics" not in one.code and one.code != "constant-numbers")
    return found


@pytest.mark.parametrize(("late", "word"), [(3, "3 rows late"), (-4, "4 rows early")])
def test_frames_that_are_late_or_early_are_a_warning(tmp_path: Path, late: int, word: str) -> None:
    found = said_of_lag(moving_set(tmp_path / "set", late))
    assert (found.code, found.severity) == ("frame-lag", "warning")
    assert word in found.message
    assert "rank correlation" in found.message


def test_the_twin_whose_frames_are_in_time_is_no_warning(tmp_path: Path) -> None:
    found = said_of_lag(moving_set(tmp_path / "set", 0))
    assert (found.code, found.severity) == ("frame-lag", "info")
    assert found.message.startswith("frames lag by no row: ")


def test_pictures_that_have_nothing_to_do_with_the_joints(tmp_path: Path) -> None:
    found = said_of_lag(write_lerobot(tmp_path / "set", videos=True, lengths=(60, 60)))
    assert (found.code, found.severity) == ("lag-unknown", "info")


def motions(late: int, *, seed: int, noise: float, count: int = 4) -> list[Motion]:
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        speed = np.abs(np.diff(reaching(rng, ROWS + 41)))
        seen = speed[20 - late : 20 - late + ROWS] + rng.normal(0, noise, ROWS)
        found.append(Motion(seen, speed[20 : 20 + ROWS]))
    return found


@given(late=st.integers(-8, 8), seed=st.integers(0, 1000))
def test_any_lag_is_found_and_none_where_there_is_none(late: int, seed: int) -> None:
    found = estimate_lag(motions(late, seed=seed, noise=0.3), most=10)
    assert found is not None
    assert found.rows == late
    assert found.clear == (late != 0)
    assert found.least <= late <= found.most


@given(seed=st.integers(0, 1000))
def test_unrelated_motions_have_no_clear_lag(seed: int) -> None:
    one, other = motions(0, seed=seed, noise=0.1), motions(0, seed=seed + 5000, noise=0.1)
    found = estimate_lag([Motion(a.picture, b.joints) for a, b in zip(one, other, strict=True)], most=10)
    assert found is not None
    assert not found.clear


@pytest.mark.parametrize("late", [-6, 6])
def test_a_lag_at_the_end_of_what_was_tried_is_not_clear(late: int) -> None:
    moved = motions(late, seed=2, noise=0.1)
    at_end, inside = estimate_lag(moved, most=6), estimate_lag(moved, most=7)
    assert at_end is not None
    assert inside is not None
    assert (at_end.rows, at_end.known, at_end.clear) == (late, True, False)
    assert (inside.rows, inside.known, inside.clear) == (late, True, True)


def test_the_curve_is_a_correlation_of_ranks() -> None:
    from scipy.stats import spearmanr

    (one,) = motions(0, seed=3, noise=0.5, count=1)
    found = estimate_lag([one], most=4)
    assert found is not None
    assert found.at_zero == pytest.approx(spearmanr(one.picture, one.joints).statistic)


@pytest.mark.parametrize("one", [Motion(np.arange(19.0), np.arange(19.0)), Motion(np.zeros(50), np.arange(50.0))])
def test_nothing_is_said_of_what_is_short_or_still(one: Motion) -> None:
    assert estimate_lag([one], most=5) is None
    assert estimate_lag([], most=5) is None


def test_a_short_episode_makes_the_range_smaller() -> None:
    found = estimate_lag([Motion(np.sin(np.arange(24.0)) + 1, np.sin(np.arange(24.0)) + 1)], most=100)
    assert found is not None
    assert max(abs(found.least), abs(found.most)) <= 6


def test_one_row_is_no_motion_and_joints_at_rest_are_none() -> None:
    assert joint_speed(np.ones((1, 3), np.float32)).tolist() == []
    assert joint_speed(np.ones((4, 3), np.float32)).tolist() == [0, 0, 0]
    assert picture_motion([np.zeros((48, 64), np.uint8)]).tolist() == []


def test_motion_of_pictures_and_of_joints() -> None:
    images = [np.full((50, 70), level, np.uint8) for level in (0, 10, 4)]
    assert picture_motion(images).tolist() == [10.0, 6.0]
    assert picture_motion([]).tolist() == []
    # Each joint counts by its own usual step, whatever its unit; one that rests does not count.
    state = np.array([[0, 0, 7], [1, 100, 7], [0, 300, 7]], np.float32)
    scaled = joint_speed(state * np.array([1, 0.001, 1]))
    assert joint_speed(state) == pytest.approx(scaled)
