from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lapsdata.errors import SchemaError
from lapsdata.timebase import FrameRate, frame_to_s, tail_frames, window_starts, window_time_s


@given(st.integers(0, 200), st.integers(1, 40), st.integers(1, 40))
def test_windows_are_those_that_fit(n_frames: int, horizon: int, stride: int) -> None:
    starts = window_starts(n_frames, horizon, stride)
    assert starts.dtype == np.int64
    assert starts.tolist() == [s for s in range(0, n_frames, stride) if s + horizon <= n_frames]
    covered = [frame for start in starts.tolist() for frame in range(start, start + horizon)]
    assert tail_frames(n_frames, horizon, stride) == n_frames - 1 - max(covered, default=-1)


@pytest.mark.parametrize(
    ("n_frames", "horizon", "stride", "windows", "tail"),
    [
        (629, 16, 4, 154, 1),  # the first GTEA test video at 10 per second
        (16, 16, 4, 1, 0),
        (15, 16, 4, 0, 15),
        (0, 16, 4, 0, 0),
        (10, 2, 5, 2, 3),  # frames between windows are no tail
    ],
)
def test_hand_computed_counts(n_frames: int, horizon: int, stride: int, windows: int, tail: int) -> None:
    assert window_starts(n_frames, horizon, stride).shape == (windows,)
    assert tail_frames(n_frames, horizon, stride) == tail


def test_windows_refuse_all_wrong_numbers_at_once() -> None:
    with pytest.raises(SchemaError, match="3 problems") as caught:
        window_starts(-1, 0, 0)
    assert [p.where for p in caught.value.problems] == ["horizon", "n_frames", "stride"]
    with pytest.raises(SchemaError, match=r"stride: expected an integer of at least 1, got -4 \[wrong-window\]"):
        tail_frames(10, 2, -4)


@pytest.mark.parametrize(("wrong", "shown"), [(10.5, "10.5"), (16.0, "16.0"), ("16", "'16'"), (True, "True")])
def test_numbers_of_frames_are_integers(wrong: int, shown: str) -> None:
    for name in ("n_frames", "horizon", "stride"):
        numbers = {"n_frames": 20, "horizon": 4, "stride": 1, name: wrong}
        with pytest.raises(
            SchemaError, match=rf"^{name}: expected an integer of at least \d, got {re.escape(shown)} \["
        ):
            window_starts(**numbers)
    with pytest.raises(SchemaError, match=rf"^horizon: expected an integer of at least 1, got {re.escape(shown)} \["):
        window_time_s([0.0, 0.1], np.array([0]), wrong)


def test_integers_of_numpy_are_integers() -> None:
    starts = window_starts(np.int64(10), np.int32(4), np.uint8(2))  # type: ignore[arg-type]  # as loops over arrays give
    assert starts.tolist() == [0, 2, 4, 6]


def test_a_window_at_10_hz_lasts_its_frames() -> None:
    frame_s = frame_to_s(np.arange(100), FrameRate(10))
    starts = window_starts(100, 16, 4)
    start_s, end_s = window_time_s(frame_s, starts, 16)
    np.testing.assert_allclose(start_s, starts * 0.4 / 4, atol=1e-12)
    np.testing.assert_allclose(end_s - start_s, 1.6, atol=1e-12)
    # The end of a window is the very float that starts the frame after it.
    assert end_s[:-1].tolist() == frame_s[starts[:-1] + 16].tolist()


@given(
    hnp.arrays(np.float64, st.integers(2, 40), elements=st.floats(1e-3, 2)).map(np.cumsum),
    st.integers(1, 10),
    st.integers(1, 10),
)
def test_window_times_under_vfr(
    frame_s: np.ndarray[tuple[int], np.dtype[np.float64]], horizon: int, stride: int
) -> None:
    starts = window_starts(frame_s.size, horizon, stride)
    start_s, end_s = window_time_s(frame_s, starts, horizon, end_s=frame_s[-1] + 1)
    border = [*frame_s.tolist(), frame_s[-1] + 1]
    assert start_s.tolist() == [border[s] for s in starts]
    assert end_s.tolist() == [border[s + horizon] for s in starts]
    if stride == horizon:
        assert end_s[:-1].tolist() == start_s[1:].tolist()


def test_the_last_frame_lasts_the_median_interval_unless_told() -> None:
    frame_s, starts = [0.0, 0.1, 0.2, 1.2], np.array([2])
    assert window_time_s(frame_s, starts, 2)[1].tolist() == pytest.approx([1.3])
    assert window_time_s(frame_s, starts, 2, end_s=1.5)[1].tolist() == [1.5]


def test_no_windows_have_no_times() -> None:
    start_s, end_s = window_time_s(np.zeros(0), np.zeros(0, np.int64), 16)
    assert start_s.shape == end_s.shape == (0,)


@pytest.mark.parametrize(
    ("starts", "horizon", "match"),
    [
        ([0, 2, 3], 3, r"windows of 3 frames within 4 frames, got window 1 from frame 2 \(2 such windows\)"),
        ([0, -1], 2, r"got window 1 from frame -1 \(1 such windows\) \[wrong-window\]"),
        ([0], 5, r"windows of 5 frames within 4 frames, got window 0 from frame 0"),
        ([0], 0, r"horizon: expected an integer of at least 1, got 0"),
        ([0.0], 2, r"start_index: expected integers, got float64 \[wrong-dtype\]"),
        ([[0]], 2, r"start_index: expected shape \(W,\), got \(1, 1\) \[wrong-shape\]"),
    ],
)
def test_window_time_s_refuses(starts: list[int], horizon: int, match: str) -> None:
    with pytest.raises(SchemaError, match=match):
        window_time_s([0.0, 0.1, 0.2, 0.3], np.array(starts), horizon)


def test_window_times_need_increasing_frames() -> None:
    with pytest.raises(SchemaError, match=r"got 0\.2 s at frame 0 and 0\.1 s at frame 1"):
        window_time_s([0.2, 0.1], np.array([0]), 1)
