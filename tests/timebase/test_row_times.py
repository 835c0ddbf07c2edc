"""Times of rows: what is told of them is true of them, and nothing is told of times that are as they should be."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lapsdata.timebase import FrameRate
from lapsdata.timebase.row_times import TIME_TOLERANCE_S, not_rising, off_rate

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("times", "told"),
    [
        ([0, 0.1, NAN, 0.3], "got nan in row 2 after 0.1"),
        ([NAN, 0.1], "got nan in row 0"),
        ([NAN] * 3, "got nan in row 0 (3 of 3 rows)"),
        ([0, INF, 0.2], "got inf in row 1 after 0.0"),
        ([-INF, 0.0], "got -inf in row 0"),
        ([0, 0.1, 0.2, 0.1, 0.4], "got 0.1 in row 3 after 0.2"),
        ([0, 0], "got 0.0 in row 1 after 0.0"),
        # Rows behind one that is too late are not after it.
        ([0, 5, 0.2, 0.3, 6], "got 0.2 in row 2 after 5.0 (2 of 5 rows)"),
        ([0, NAN, 0.0], "got nan in row 1 after 0.0 (2 of 3 rows)"),
    ],
)
def test_rows_that_have_no_time_of_their_own(times: list[float], told: str, dtype: type) -> None:
    assert not_rising(np.array(times, dtype)) == f"expected rising seconds, {told}"


@pytest.mark.parametrize("times", [[], [0.0], [-1.0, 0.0, 1e-9], [5, 6, 7]])
def test_rows_that_rise_are_not_told_of(times: list[float]) -> None:
    assert not_rising(np.array(times)) is None


@given(arrays.arrays(np.float64, st.integers(1, 12), elements=st.sampled_from([0.0, 1.0, 2.0, 3.0, NAN, INF])))
def test_rows_are_as_a_loop_over_them_finds_them(times: np.ndarray) -> None:
    latest, wrong = -INF, []
    for row, time in enumerate(times.tolist()):
        if np.isfinite(time) and time > latest:
            latest = time
        else:
            wrong.append(row)
    told = not_rising(times)
    assert (told is None) == (not wrong)
    if told is not None:
        assert f"in row {wrong[0]}" in told
        assert ("rows)" in told) == (len(wrong) > 1)
        assert f"({len(wrong)} of {len(times)} rows)" in told or len(wrong) == 1


@pytest.mark.parametrize(
    ("times", "rate", "told"),
    [
        (np.arange(5) / 10, 20, "expected rows 0.05 s apart, as 20 per second says, got 0.1 s: 10 per second"),
        (np.arange(5) / 10, "30000/1001", "rows 0.03337 s apart, as 30000/1001 per second says, got 0.1 s: 10 per"),
        ([0, 0.1, 0.2, 0.5], 10, "as 10 per second says, got 0.1 to 0.3 s"),
        ([0, 0.1, 0.15], 10, "got 0.05 to 0.1 s"),
        # Each step is within the tolerance, and after a while rows are nowhere near their frames.
        (np.arange(1000) / 29.97, 30, "rows 0.03333 s apart, as 30 per second says, got 0.03337 s: 29.97 per second"),
    ],
)
def test_rows_at_another_pace_than_their_rate(times: list[float], rate: int | str, told: str) -> None:
    found = off_rate(np.asarray(times), FrameRate.parse(rate))
    assert found is not None
    assert told in found


@pytest.mark.parametrize("start_s", [0.0, 0.05, 1e3, 1e5])
@pytest.mark.parametrize("rate", [FrameRate(10), FrameRate(30000, 1001), FrameRate(200)])
def test_rows_at_their_pace_are_not_told_of_however_late(start_s: float, rate: FrameRate) -> None:
    # float32 counts in steps of 0.0078 s after a day: what it cannot tell is no fault.
    times = (start_s + np.arange(50) * rate.period_s).astype(np.float32)
    assert off_rate(times, rate) is None
    assert off_rate(np.array([3], np.int64), rate) is None
    assert off_rate(np.arange(4), FrameRate(1)) is None


@given(st.floats(0.0, 3 * TIME_TOLERANCE_S), st.integers(1, 4))
def test_the_tolerance_is_that_of_one_step(moved_s: float, row: int) -> None:
    times = np.arange(6) / 10
    times[row:] += moved_s
    told = off_rate(times, FrameRate(10))
    assert (told is not None) == (moved_s > TIME_TOLERANCE_S) or moved_s == pytest.approx(TIME_TOLERANCE_S)
    if told is not None:
        assert [float(number) for number in re.findall(r"\d+\.\d+", told)] == pytest.approx(
            [0.1, 0.1, 0.1 + moved_s], abs=1e-4
        )
