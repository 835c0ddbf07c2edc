from __future__ import annotations

import itertools
import math
from fractions import Fraction
from typing import TypeAlias

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lapsdata.errors import SchemaError
from lapsdata.timebase import FrameRate, Resampled, frame_to_s, resample

Times: TypeAlias = np.ndarray[tuple[int], np.dtype[np.float64]]

vfr = st.builds(
    lambda gaps, start: start + np.cumsum(gaps),
    hnp.arrays(np.float64, st.integers(2, 40), elements=st.floats(1e-3, 0.5)),
    st.floats(0, 1000),
)
targets = st.sampled_from(["30000/1001", "24000/1001", "50/3", "15/2", "10", "3", "60"]).map(FrameRate.parse)


def same(result: Resampled, source: Times) -> None:
    """Everything that holds for every result."""
    used = set(result.source_index.tolist())
    assert result.frame_s.dtype == np.float64
    assert result.source_index.dtype == np.int64
    assert result.frame_s.shape == result.source_index.shape
    assert len(used) == result.frame_s.size - result.duplicated
    assert len(used) == source.size - result.dropped
    assert result.duplicated == sum(a == b for a, b in itertools.pairwise(result.source_index.tolist()))
    assert (np.diff(result.source_index) >= 0).all()
    assert not result.frame_s.flags.writeable
    assert not result.source_index.flags.writeable


@pytest.mark.parametrize("seconds", [1, 2, 3, 60])
@pytest.mark.parametrize("tick", [None, 1e-3, 1 / 90_000, 1e-6], ids=["exact", "1ms", "90k", "1us"])
def test_15_to_10_gives_exactly_10_per_second(seconds: int, tick: float | None) -> None:
    source = frame_to_s(np.arange(15 * seconds), FrameRate(15))
    if tick is not None:
        source = np.round(source / tick) * tick
    result = resample(source, FrameRate(10))
    same(result, source)
    assert result.frame_s.size == 10 * seconds
    assert result.frame_s.tolist() == [k / 10 for k in range(10 * seconds)]
    # Every second grid frame lies in the middle of two source frames: the earlier one, each time.
    assert result.source_index.tolist() == [k * 3 // 2 for k in range(10 * seconds)]
    assert (result.duplicated, result.dropped) == (0, 5 * seconds)
    assert result.largest_shift_s == pytest.approx(1 / 30, abs=1e-3)
    assert result.end_s == seconds
    # The decimation it replaces: round(15 / 10) = 2, so 7.5 frames per second.
    assert len(range(0, 15 * seconds, round(15 / 10))) == math.ceil(7.5 * seconds)


@pytest.mark.parametrize(
    ("source_hz", "target_hz", "n", "expected"),
    [
        (15, 10, 943, 629),  # the first GTEA test video: 62.87 s
        (24, 10, 240, 100),
        (25, 10, 250, 100),
        (30, 10, 301, 101),
        (30, 20, 300, 200),
        (15, 30, 15, 30),
        (10, 10, 7, 7),
    ],
)
@pytest.mark.parametrize("tick", [None, 1e-3], ids=["exact", "1ms"])
def test_counts_of_common_conversions(
    source_hz: int, target_hz: int, n: int, expected: int, tick: float | None
) -> None:
    source = frame_to_s(np.arange(n), FrameRate(source_hz))
    if tick is not None:
        source = np.round(source / tick) * tick
    result = resample(source, FrameRate(target_hz))
    same(result, source)
    assert result.frame_s.size == expected


def test_ntsc_to_10_over_a_thousand_seconds() -> None:
    source = frame_to_s(np.arange(30_000), FrameRate(30000, 1001))  # 1001 s
    result = resample(source, FrameRate(10))
    same(result, source)
    assert result.frame_s.size == 10_010
    assert result.largest_shift_s <= 1001 / 60000 + 1e-12
    assert result.end_s == 1001.0


def test_the_own_rate_changes_nothing(fraction: Fraction) -> None:
    rate = FrameRate.parse(fraction)
    source = frame_to_s(np.arange(2000), rate)
    result = resample(source, rate)
    same(result, source)
    assert result.source_index.tolist() == list(range(2000))
    assert (result.duplicated, result.dropped, result.largest_shift_s) == (0, 0, 0.0)


@given(
    st.sampled_from(
        [Fraction(15), Fraction(30000, 1001), Fraction(50, 3), Fraction(15, 2), Fraction(25), Fraction(60)]
    ),
    targets,
    st.integers(2, 300),
)
def test_constant_rates_agree_with_exact_fractions(source_rate: Fraction, rate: FrameRate, n: int) -> None:
    source = frame_to_s(np.arange(n), FrameRate.parse(source_rate))
    result = resample(source, rate)
    same(result, source)
    for k, index in enumerate(result.source_index.tolist()):
        time = k / rate.fraction
        assert result.frame_s[k] == float(time)
        nearest = math.ceil(time * source_rate - Fraction(1, 2))  # a half goes down: the earlier frame
        assert index == min(max(nearest, 0), n - 1)
    # All grid times before the end, but for those less than 2 ms (or a quarter period) before it.
    edge = min(Fraction(2, 1000), 1 / rate.fraction / 4)
    exact = math.ceil((n / source_rate - edge) * rate.fraction)
    assert result.frame_s.size == max(1, exact)


@given(vfr, targets)
def test_vfr_agrees_with_a_search_through_all_frames(source: Times, rate: FrameRate) -> None:
    result = resample(source, rate)
    same(result, source)
    far = np.abs(result.frame_s[:, None] - source[None, :])  # (F, S)
    nearest = far.min(axis=1)
    chosen = far[np.arange(far.shape[0]), result.source_index]
    slack = 1e-6 * np.diff(source).max() + 1e-12
    assert (chosen <= nearest + slack).all()
    # The first of the equally near: no earlier frame is as near, but for the width of a tie.
    for k, index in enumerate(result.source_index.tolist()):
        assert (far[k, :index] >= chosen[k] - slack).all()
    assert result.largest_shift_s == chosen.max()
    assert result.frame_s[0] == source[0]
    np.testing.assert_allclose(np.diff(result.frame_s), rate.period_s, atol=1e-12)
    end_s = source[-1] + np.median(np.diff(source))
    assert result.frame_s[-1] < end_s
    assert result.end_s >= end_s - 2e-3 - 1e-9


@given(vfr, targets, st.data())
def test_a_given_span_is_covered_and_nothing_else(source: Times, rate: FrameRate, data: st.DataObject) -> None:
    start_s = data.draw(st.floats(source[0], source[-1]))
    end_s = start_s + data.draw(st.floats(0.01, 3))
    result = resample(source, rate, start_s=start_s, end_s=end_s)
    same(result, source)
    assert result.frame_s[0] == start_s
    assert result.frame_s[-1] < end_s <= result.end_s + 2e-3 + 1e-9
    assert result.frame_s.tolist() == [start_s + float(k / rate.fraction) for k in range(result.frame_s.size)]


def test_hand_computed_vfr() -> None:
    source = np.array([0.0, 0.04, 0.31, 0.35, 0.5])
    result = resample(source, FrameRate(10), end_s=0.7)
    same(result, source)
    assert result.frame_s.tolist() == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    # 0.2 is 0.16 from 0.04 and 0.11 from 0.31.
    assert result.source_index.tolist() == [0, 1, 2, 2, 3, 4, 4]
    assert (result.duplicated, result.dropped) == (2, 0)
    assert result.largest_shift_s == pytest.approx(0.11)
    assert result.end_s == pytest.approx(0.7)


def test_upsampling_counts_what_it_repeats() -> None:
    result = resample([0.0, 0.5], FrameRate(8))
    assert result.source_index.tolist() == [0, 0, 0, 1, 1, 1, 1, 1]
    assert (result.duplicated, result.dropped) == (6, 0)


def test_dropped_counts_the_frames_outside_the_span_too() -> None:
    source = frame_to_s(np.arange(20), FrameRate(10))
    result = resample(source, FrameRate(10), start_s=0.5, end_s=1.0)
    assert result.source_index.tolist() == [5, 6, 7, 8, 9]
    assert (result.duplicated, result.dropped) == (0, 15)


def test_the_last_frame_lasts_as_long_as_it_is_said_to() -> None:
    source = [0.0, 0.1, 0.2]
    assert resample(source, FrameRate(10)).frame_s.size == 3
    assert resample(source, FrameRate(10), end_s=1.0).source_index.tolist() == [0, 1, 2, 2, 2, 2, 2, 2, 2, 2]
    assert resample([5.0], FrameRate(10), end_s=5.3).frame_s.tolist() == [5.0, 5.1, 5.2]


@pytest.mark.parametrize(
    ("end_s", "expected"),
    [(0.2, 2), (np.nextafter(0.2, 1), 2), (0.2015, 2), (0.2025, 3), (1e-5, 1), (0.1, 1)],
)
def test_the_end_is_open_and_two_milliseconds_wide(end_s: float, expected: int) -> None:
    source = frame_to_s(np.arange(10), FrameRate(10))
    assert resample(source, FrameRate(10), end_s=end_s).frame_s.size == expected


def test_a_fast_grid_keeps_its_frames_near_the_end() -> None:
    # At 1000 per second the edge is a quarter of a millisecond and not two frames.
    assert resample([0.0, 0.01], FrameRate(1000), end_s=0.02).frame_s.size == 20


def test_unix_time_keeps_its_ties() -> None:
    # float64 resolves 0.24 us here, so that the last bits of the distances are noise.
    source = 1.7e9 + frame_to_s(np.arange(150), FrameRate(15))
    result = resample(source, FrameRate(10))
    assert result.source_index.tolist() == [k * 3 // 2 for k in range(100)]


def test_a_shift_of_exactly_the_tolerance_is_kept() -> None:
    source = frame_to_s(np.arange(15_000), FrameRate(15))
    result = resample(source, FrameRate(10), max_shift_s=1 / 30)
    assert result.largest_shift_s > 1 / 30  # by float64 noise alone
    assert result.largest_shift_s == pytest.approx(1 / 30)


def test_a_tolerance_that_is_kept_changes_nothing() -> None:
    source = [0.0, 0.1, 0.2, 0.5, 0.6]
    kept = resample(source, FrameRate(10), max_shift_s=0.1)
    assert kept.source_index.tolist() == resample(source, FrameRate(10)).source_index.tolist() == [0, 1, 2, 2, 3, 3, 4]


@pytest.mark.parametrize(
    ("source", "end_s", "match"),
    [
        (
            [0.0, 0.1, 0.2, 0.7, 0.8],
            None,
            r"within 0\.05 s of every grid frame, got 0\.2 s at 0\.\d+ s \(4 of 9 grid frames are too far\); "
            r"the largest gap is 0\.5 s after source frame 2 at 0\.200000 s; cut the source there",
        ),
        (
            [0.0, 0.1],
            0.6,
            r"got 0\.4 s at 0\.500000 s \(4 of 6 .*the largest gap is 0\.5 s after source frame 1 at 0\.1",
        ),
        ([1.0], 2.0, r"got 0\.9 s at 1\.900000 s \(9 of 10 .*largest gap is 1 s after source frame 0 at 1\.0"),
    ],
)
def test_a_gap_beyond_the_tolerance_is_named(source: list[float], end_s: float | None, match: str) -> None:
    with pytest.raises(SchemaError, match=match) as caught:
        resample(source, FrameRate(10), end_s=end_s, max_shift_s=0.05)
    assert [problem.code for problem in caught.value.problems] == ["gap-too-large"]


@pytest.mark.parametrize("max_shift_s", [-0.1, math.nan])
def test_a_tolerance_is_not_negative(max_shift_s: float) -> None:
    with pytest.raises(SchemaError, match=rf"expected 0 or more, got {max_shift_s} s \[wrong-tolerance\]"):
        resample([0.0, 0.1], FrameRate(10), max_shift_s=max_shift_s)


@pytest.mark.parametrize(
    ("source", "start_s", "end_s", "match"),
    [
        ([], None, None, r"at least one frame, got none \[no-frames\]"),
        ([0.5], None, None, r"got one frame; give end_s \[no-duration\]"),
        (
            [0.5, 0.6],
            0.4,
            None,
            r"first source frame \(0\.5 s\) on, got 0\.4 s; there is nothing to show.*\[wrong-span",
        ),
        ([0.5, 0.6], math.nan, None, r"2 problems(.|\n)*got nan s"),
        ([0.5, 0.6], None, 0.5, r"finite time after the start \(0\.5 s\), got 0\.5 s \[wrong-span\]"),
        ([0.5, 0.6], None, math.inf, r"finite time after the start \(0\.5 s\), got inf s"),
        ([0.5, 0.6], 9.0, None, r"finite time after the start \(9\.0 s\), got 0\.7 s"),
        ([0.5, 0.4], None, None, r"source_s: expected increasing times, got 0\.5 s at frame 0"),
    ],
)
def test_resample_refuses(source: list[float], start_s: float | None, end_s: float | None, match: str) -> None:
    with pytest.raises(SchemaError, match=match):
        resample(np.array(source, dtype=np.float64), FrameRate(10), start_s=start_s, end_s=end_s)


@pytest.mark.parametrize(
    ("source_s", "rate", "frames"),
    [
        ([0, 1e9], FrameRate(60), "120000000000 for 2 "),
        ([0, 33333, 66666], FrameRate(30), "2999970 for 3 "),  # microseconds
        ([0.0, 333.35], FrameRate(30), r"20001 for 2 \(666\.7 s at 30 frames per second\)"),
    ],
)
def test_times_in_another_unit_are_no_grid_of_millions(source_s: list[float], rate: FrameRate, frames: str) -> None:
    message = (
        rf"^source_s: expected at most 10000 grid frames per source frame, got {frames}.*"
        r"; are the times in seconds\? divide milliseconds by 1e3, microseconds by 1e6 \[grid-too-long\]"
    )
    with pytest.raises(SchemaError, match=message):
        resample(source_s, rate)


def test_slow_sources_are_resampled_as_long_as_their_times_can_be_seconds() -> None:
    # One picture in five minutes, at 30 frames per second.
    assert resample([0.0, 300.0, 600.0], FrameRate(30)).frame_s.size == 27_000
    assert resample([0.0, 333.3], FrameRate(30)).frame_s.size == 19_998
