from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lapsdata.errors import SchemaError
from lapsdata.timebase import FrameRate, FrameSpan, frame_to_s

spans = st.tuples(st.integers(0, 50), st.integers(0, 50)).map(lambda pair: FrameSpan(min(pair), max(pair)))
intervals = hnp.arrays(np.float64, st.integers(1, 30), elements=st.floats(1e-3, 2))


def members(span: FrameSpan) -> set[int]:
    return set(range(span.start, span.stop))


@given(spans, spans, st.integers(0, 60))
def test_a_span_is_the_set_of_its_frames(one: FrameSpan, two: FrameSpan, frame: int) -> None:
    assert len(one) == len(members(one))
    assert (frame in one) == (frame in members(one))
    assert members(one.intersect(two)) == members(one) & members(two)
    assert members(one.shift(frame)) == {member + frame for member in members(one)}
    assert one.shift(frame).shift(-frame) == one


def test_spans_without_common_frames_meet_in_an_empty_one() -> None:
    assert FrameSpan(0, 5).intersect(FrameSpan(5, 9)) == FrameSpan(5, 5)
    assert FrameSpan(7, 9).intersect(FrameSpan(0, 2)) == FrameSpan(7, 7)
    assert not FrameSpan(7, 7)


def test_spans_sort_by_start_and_hash_by_value() -> None:
    assert sorted([FrameSpan(3, 4), FrameSpan(0, 9), FrameSpan(0, 2)])[0] == FrameSpan(0, 2)
    assert len({FrameSpan(1, 2), FrameSpan(1, 2)}) == 1


def test_numpy_integers_become_plain_ones() -> None:
    span = FrameSpan(*np.array([2, 5]))
    assert (type(span.start), type(span.stop)) == (int, int)


@pytest.mark.parametrize(("start", "stop"), [(-1, 3), (4, 3), (-2, -1)])
def test_a_span_runs_forward_from_0(start: int, stop: int) -> None:
    with pytest.raises(SchemaError, match=rf"0 <= start <= stop, got start {start}, stop {stop} \[wrong-span\]"):
        FrameSpan(start, stop)


def test_a_span_cannot_be_moved_below_0() -> None:
    with pytest.raises(SchemaError, match=r"got start -1, stop 1 \[wrong-span\]"):
        FrameSpan(2, 4).shift(-3)


def test_frames_are_whole() -> None:
    for wrong in (0.5, 0.0, "0", False, None):
        with pytest.raises(SchemaError, match=f"expected integers 0 <= start <= stop, got start {wrong!r}, stop 2"):
            FrameSpan(wrong, 2)  # type: ignore[arg-type]  # the refusal is what is tested
    span = FrameSpan(np.int64(1), np.uint8(3))  # type: ignore[arg-type]  # as loops over arrays give
    assert (type(span.start), type(span.stop), span) == (int, int, FrameSpan(1, 3))


@given(spans, st.sampled_from(["30000/1001", "50/3", "15/2", "10"]).map(FrameRate.parse))
def test_seconds_on_a_grid_give_the_span_back(span: FrameSpan, rate: FrameRate) -> None:
    start_s, end_s = span.to_seconds(rate)
    assert (start_s, end_s) == (float(span.start / rate.fraction), float(span.stop / rate.fraction))
    assert FrameSpan.from_seconds(start_s, end_s, rate) == span


@given(intervals, st.data())
def test_seconds_under_vfr_give_the_span_back(
    gaps: np.ndarray[tuple[int], np.dtype[np.float64]], data: st.DataObject
) -> None:
    times = np.cumsum(gaps)
    last_end_s = times[-1] + 0.5
    stop = data.draw(st.integers(0, times.size))
    span = FrameSpan(data.draw(st.integers(0, stop)), stop)
    start_s, end_s = span.to_seconds(times, last_end_s=last_end_s)
    assert start_s == (times[span.start] if span.start < times.size else last_end_s)
    assert end_s == (times[stop] if stop < times.size else last_end_s)
    found = FrameSpan.from_seconds(start_s, end_s, times)
    assert (found.start, found.stop) == (span.start, span.stop)


@given(intervals, st.floats(-5, 50), st.floats(0, 20))
def test_frames_inside_a_time_are_those_a_comparison_finds(
    gaps: np.ndarray[tuple[int], np.dtype[np.float64]], start_s: float, lasts_s: float
) -> None:
    times, end_s = np.cumsum(gaps), start_s + lasts_s
    inside = {i for i, time in enumerate(times) if start_s <= time < end_s}
    assert members(FrameSpan.from_seconds(start_s, end_s, times)) == inside
    rate = FrameRate(30000, 1001)
    on_grid = frame_to_s(np.arange(2200), rate)  # 73 s: beyond every end drawn here
    inside = {i for i, time in enumerate(on_grid.tolist()) if start_s <= time < end_s}
    assert members(FrameSpan.from_seconds(start_s, end_s, rate)) == inside


def test_hand_computed_borders_are_half_open() -> None:
    times = [0.0, 0.1, 0.2, 0.7]
    assert FrameSpan.from_seconds(0.1, 0.2, times) == FrameSpan(1, 2)
    assert FrameSpan.from_seconds(0.1, 0.1, times) == FrameSpan(1, 1)
    assert FrameSpan.from_seconds(-9.0, 9.0, times) == FrameSpan(0, 4)
    assert FrameSpan.from_seconds(-9.0, -1.0, times) == FrameSpan(0, 0)
    assert FrameSpan.from_seconds(5.0, 9.0, times) == FrameSpan(4, 4)
    assert FrameSpan.from_seconds(-9.0, 0.25, FrameRate(10)) == FrameSpan(0, 3)
    assert FrameSpan.from_seconds(-9.0, -1.0, FrameRate(10)) == FrameSpan(0, 0)


def test_the_last_frame_lasts_the_median_interval_unless_told() -> None:
    times = [0.0, 0.1, 0.2, 1.2]
    assert FrameSpan(3, 4).to_seconds(times) == pytest.approx((1.2, 1.3))
    assert FrameSpan(3, 4).to_seconds(times, last_end_s=1.25) == (1.2, 1.25)
    assert FrameSpan(0, 1).to_seconds([3.0], last_end_s=4.0) == (3.0, 4.0)


@pytest.mark.parametrize(("start_s", "end_s"), [(1.0, 0.5), (np.nan, 1.0), (0.0, np.inf)])
def test_a_time_span_is_finite_and_runs_forward(start_s: float, end_s: float) -> None:
    with pytest.raises(SchemaError, match=rf"start_s <= end_s, got {start_s} s and {end_s} s \[wrong-span\]"):
        FrameSpan.from_seconds(start_s, end_s, FrameRate(10))


@pytest.mark.parametrize(
    ("span", "times", "match"),
    [
        (FrameSpan(0, 4), [0.0, 0.1, 0.2], r"a span of 3 timed frames, got FrameSpan\(start=0, stop=4\)"),
        (FrameSpan(0, 0), np.zeros(0), r"a span of 0 timed frames, got .*\[span-outside\]"),
        (FrameSpan(0, 1), [0.0], r"got one frame; give end_s \[no-duration\]"),
        (FrameSpan(0, 1), [0.0, 0.2, 0.1], r"\[not-increasing\]"),
    ],
)
def test_to_seconds_refuses(span: FrameSpan, times: list[float], match: str) -> None:
    with pytest.raises(SchemaError, match=match):
        span.to_seconds(times)


def test_from_seconds_checks_the_times() -> None:
    with pytest.raises(SchemaError, match=r"got 0\.2 s at frame 1 and 0\.1 s at frame 2"):
        FrameSpan.from_seconds(0.0, 1.0, [0.0, 0.2, 0.1])
