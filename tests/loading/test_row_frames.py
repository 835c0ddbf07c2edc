"""Which frame shows which row: held against a plain search over all frames, for drawn clocks of rows and videos."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.errors import SchemaError
from lapsdata.loading._row_frames import frames_of_rows


def video(frame_s: Any) -> Any:
    """Stand for an open video: of one, times and name are looked at."""
    facts = SimpleNamespace(frame_s=np.asarray(frame_s, np.float64))
    return SimpleNamespace(plan=SimpleNamespace(facts=facts), video=SimpleNamespace(path="clip.mp4"))


def found(frame_s: Any, row_s: Any, span: tuple[float, float | None] = (0.0, None), tolerance: Any = None) -> Any:
    return frames_of_rows(video(frame_s), np.asarray(row_s, np.float64), span, tolerance, "top: episode 3")


@given(
    rows=st.integers(3, 30),
    before=st.integers(0, 12),
    after=st.integers(0, 12),
    period=st.sampled_from([0.02, 1 / 30, 0.05, 0.1, 0.2]),
    offset=st.sampled_from([0.0, 0.05, 0.1, 0.037, -0.02]),
    noise=st.floats(-0.1, 0.1),
)
def test_as_many_frames_as_rows_count_the_same_whatever_lies_beside(
    rows: int, before: int, after: int, period: float, offset: float, noise: float
) -> None:
    """The frames of other episodes in the video, earlier and later ones, are not those of this one."""
    frame_s = np.arange(before + rows + after) * period
    start_s = before * period
    row_s = np.arange(rows) * period + offset
    row_s[rows // 2] += noise * period
    stop_s = (before + rows) * period if after else None
    result = found(frame_s, row_s, (start_s, stop_s))
    assert result.frame.tolist() == list(range(before, before + rows))
    assert result.offset_s == pytest.approx(offset, abs=1e-4)


@given(
    rows=st.integers(1, 20),
    step=st.integers(2, 4),
    shift=st.floats(-0.2, 0.2),
    period=st.sampled_from([0.02, 0.05, 0.1]),
)
def test_more_frames_than_rows_are_found_by_time(rows: int, step: int, shift: float, period: float) -> None:
    frame_s = np.arange(rows * step + 1) * period
    row_s = np.arange(rows) * step * period + shift * period
    plain = [int(np.argmin(np.abs(frame_s - time))) for time in row_s.tolist()]
    result = found(frame_s, row_s)
    assert result.frame.tolist() == plain
    assert result.offset_s == 0.0


@given(late=st.integers(0, 9), off=st.floats(0.3, 0.5))
def test_a_row_between_two_frames_is_refused_by_its_number(late: int, off: float) -> None:
    frame_s = np.arange(30) * 0.1
    row_s = np.arange(10) * 0.2
    row_s[late] += off * 0.1
    message = rf"clip\.mp4: top: episode 3: row {late}: expected a frame within 0\.025.*\(1 of 10 rows"
    with pytest.raises(SchemaError, match=message):
        found(frame_s, row_s)


@pytest.mark.parametrize("frames", [1, 3, 9])
def test_fewer_frames_than_rows_are_never_filled_up(frames: int) -> None:
    with pytest.raises(SchemaError, match=rf"episode 3: expected a frame for each of 10 rows, got {frames}; record"):
        found(np.arange(frames) * 0.1, np.arange(10) * 0.1)


def test_frames_of_the_next_episode_do_not_stand_in() -> None:
    """A video of two episodes: the first has one frame too few, and the second's must not be taken for it."""
    frame_s = np.arange(20) * 0.1
    told = (
        r"each of 11 rows, got 10, between 0 s and 1 s in a video of 20 frames; compare .* \(from_timestamp\): a wrong"
    )
    with pytest.raises(SchemaError, match=told):
        found(frame_s, np.arange(11) * 0.1, (0.0, 1.0))


def test_a_place_that_is_one_frame_late_is_no_matter_of_the_recording() -> None:
    told = (
        r"each of 10 rows, got 9, between 1\.1 s and its end in a video of 20 frames; compare with the list of episodes"
    )
    with pytest.raises(SchemaError, match=told):
        found(np.arange(20) * 0.1, np.arange(10) * 0.1, (1.1, None))


def test_times_that_are_rounded_to_float32_and_to_ticks_are_the_same() -> None:
    """An hour at 30 frames per second: float32 is off by up to 0.0001 s there, MP4 by half a tick."""
    rows = np.arange(108_000)
    row_s = (rows / 30).astype(np.float32).astype(np.float64)
    frame_s = np.round(rows / 30 * 15_360) / 15_360
    result = found(frame_s, row_s)
    np.testing.assert_array_equal(result.frame, rows)
    assert result.offset_s == 0.0


def test_a_tolerance_of_ones_own_is_kept() -> None:
    frame_s, row_s = np.arange(30) * 0.1, np.arange(10) * 0.2 + 0.04
    assert found(frame_s, row_s, tolerance=0.05).frame.tolist() == list(range(0, 20, 2))
    with pytest.raises(SchemaError, match=r"row 0: expected a frame within 0\.010000 s of 0\.040000 s, the nearest is"):
        found(frame_s, row_s, tolerance=0.01)


@pytest.mark.parametrize(("row_s", "offset_s"), [(0.0, 0.0), (0.05, 0.05)])
def test_a_video_of_one_frame_shows_one_row(row_s: float, offset_s: float) -> None:
    result = found([0.0], [row_s])
    assert (result.frame.tolist(), result.offset_s) == ([0], offset_s)
