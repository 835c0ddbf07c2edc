from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lapsdata.errors import SchemaError
from lapsdata.timebase import FrameRate, Rounding, frame_to_s, grid_tolerance_s, off_grid, resample, s_to_frame

if TYPE_CHECKING:
    from collections.abc import Callable

rates = st.one_of(
    st.sampled_from([24, 30, 48, 60, 120]).map(lambda n: FrameRate(n * 1000, 1001)),
    st.sampled_from(["50/3", "15/2", "25", "10", "1/3", "240", "90000"]).map(FrameRate.parse),
    st.builds(FrameRate, st.integers(1, 10**5), st.integers(1, 10**4)),
)
frames = st.integers(0, 10**7)


def test_hand_computed_times() -> None:
    ntsc = FrameRate(30000, 1001)
    assert frame_to_s(0, ntsc) == 0.0
    assert frame_to_s(30, ntsc) == 1.001
    assert frame_to_s(30_000, ntsc) == 1001.0
    assert frame_to_s(np.int32(3), FrameRate(50, 3)) == 0.18
    assert frame_to_s(np.arange(4, dtype=np.uint8), FrameRate(10)).tolist() == [0.0, 0.1, 0.2, 0.3]
    assert frame_to_s(np.arange(6).reshape(2, 3), FrameRate(15, 2)).shape == (2, 3)


@given(frames, rates)
def test_a_time_is_the_float_nearest_to_the_fraction(frame: int, rate: FrameRate) -> None:
    seconds = frame_to_s(frame, rate)
    assert isinstance(seconds, float)
    assert seconds == float(frame / rate.fraction)


@given(frames, rates)
@example(1, FrameRate(30000, 1001))
@example(10**7, FrameRate(24000, 1001))
@example(10**7 - 1, FrameRate(120000, 1001))
def test_a_time_gives_its_frame_back_under_every_rounding(frame: int, rate: FrameRate) -> None:
    seconds = frame_to_s(frame, rate)
    for rounding in get_args(Rounding):
        assert s_to_frame(seconds, rate, rounding) == frame, rounding


@pytest.mark.parametrize("rounding", get_args(Rounding))
def test_every_one_of_the_first_million_ntsc_frames_comes_back(rounding: Rounding) -> None:
    all_frames = np.arange(1_000_000)
    for nominal in (24, 30, 60):
        rate = FrameRate(nominal * 1000, 1001)
        np.testing.assert_array_equal(s_to_frame(frame_to_s(all_frames, rate), rate, rounding), all_frames)


def test_the_product_with_the_rate_would_lose_frames() -> None:
    # Why the module compares instead of multiplying: the obvious floor is wrong for thousands of frames.
    rate = FrameRate(30000, 1001)
    all_frames = np.arange(100_000)
    naive = np.floor(frame_to_s(all_frames, rate) * rate.hz).astype(np.int64)
    assert (naive != all_frames).sum() > 1000


@given(frames, rates)
def test_one_float_before_a_frame_still_shows_the_frame_before(frame: int, rate: FrameRate) -> None:
    border = frame_to_s(frame + 1, rate)
    before, after = np.nextafter(border, 0.0), np.nextafter(border, np.inf)
    assert (s_to_frame(before, rate), s_to_frame(border, rate)) == (frame, frame + 1)
    assert (s_to_frame(border, rate, "ceil"), s_to_frame(after, rate, "ceil")) == (frame + 1, frame + 2)


@given(st.floats(0, 1e5, allow_nan=False), rates)
def test_floor_and_ceil_enclose_every_time(seconds: float, rate: FrameRate) -> None:
    low, high = s_to_frame(seconds, rate, "floor"), s_to_frame(seconds, rate, "ceil")
    assert frame_to_s(low, rate) <= seconds < frame_to_s(low + 1, rate)
    assert high - low == (frame_to_s(low, rate) != seconds)
    assert frame_to_s(high, rate) >= seconds


@given(frames, st.fractions(0, 1, max_denominator=1000), rates)
def test_nearest_agrees_with_exact_fractions(frame: int, part: Fraction, rate: FrameRate) -> None:
    seconds = float((frame + part) / rate.fraction)
    # Up to the half, and on it, the earlier frame; the shares used here keep clear of the half by 1/2000.
    assert s_to_frame(seconds, rate, "nearest") == frame + (part > Fraction(1, 2))


@pytest.mark.parametrize("rate", [FrameRate(10), FrameRate(15), FrameRate(30000, 1001), FrameRate(50, 3)], ids=str)
def test_ties_go_to_the_earlier_frame_whatever_the_last_bit_says(rate: FrameRate) -> None:
    halves = np.array([float((k + Fraction(1, 2)) / rate.fraction) for k in range(2000)])
    np.testing.assert_array_equal(s_to_frame(halves, rate, "nearest"), np.arange(2000))


@given(st.lists(st.floats(0, 1e4), max_size=20), rates, st.sampled_from(get_args(Rounding)))
def test_arrays_and_scalars_agree(times: list[float], rate: FrameRate, rounding: Rounding) -> None:
    together = s_to_frame(np.array(times, dtype=np.float64), rate, rounding)
    assert together.dtype == np.int64
    assert together.tolist() == [s_to_frame(time, rate, rounding) for time in times]
    assert frame_to_s(together, rate).tolist() == [frame_to_s(int(frame), rate) for frame in together]


def test_a_time_just_before_zero_belongs_to_frame_0_or_to_none() -> None:
    assert s_to_frame(-0.01, FrameRate(10), "nearest") == 0
    assert s_to_frame(-0.01, FrameRate(10), "ceil") == 0
    with pytest.raises(SchemaError, match=r"times of frames from 0, got frame -1 \(1 below 0\) \[negative-frame\]"):
        s_to_frame(-0.01, FrameRate(10), "floor")


@pytest.mark.parametrize(
    ("index", "match"),
    [
        (np.array([3, -2, -1]), r"frames from 0, got frame -2 \(2 below 0\) \[negative-frame\]"),
        (np.array([0.5]), r"integers, got float64 \[wrong-dtype\]"),
        (np.array([True]), r"integers, got bool \[wrong-dtype\]"),
        (2**50, r"below 2\*\*50, got frame 1125899906842624 at 30 frames per second.*\[too-far\]"),
        (np.array([2**64 - 1], dtype=np.uint64), r"got frame 18446744073709551615 .*\[too-far\]"),
    ],
)
def test_frame_to_s_refuses(index: int, match: str) -> None:
    with pytest.raises(SchemaError, match=match):
        frame_to_s(index, FrameRate(30))


@pytest.mark.parametrize(
    ("seconds", "match"),
    [
        (np.array([0.0, np.nan, np.inf]), r"finite times, got nan \(2 such\) \[not-finite\]"),
        (1e20, r"below 2\*\*50, got 1e\+20 s at 30 .*check the unit of the times.*\[too-far\]"),
        (-1e20, r"got 1e\+20 s at 30 .*\[too-far\]"),
        (-1.0, r"got frame -30 \(1 below 0\) \[negative-frame\]"),
    ],
)
def test_s_to_frame_refuses(seconds: float, match: str) -> None:
    with pytest.raises(SchemaError, match=match):
        s_to_frame(seconds, FrameRate(30))


def test_an_unknown_rounding_is_refused() -> None:
    with pytest.raises(ValueError, match='expected "floor", "nearest" or "ceil", got \'round\''):
        s_to_frame(1.0, FrameRate(30), "round")  # type: ignore[call-overload]  # the refusal is what is tested


@pytest.mark.parametrize("wrong", [29.97, 30, "30", None])
def test_a_rate_is_a_rate(wrong: object) -> None:
    calls: tuple[Callable[[Any], object], ...] = (
        lambda rate: frame_to_s(3, rate),
        lambda rate: s_to_frame(0.1, rate),
        lambda rate: resample([0.0, 0.1], rate),
        lambda rate: off_grid(np.zeros(2), rate),
    )
    for call in calls:
        with pytest.raises(SchemaError, match=f"expected a FrameRate, got {wrong!r}; write FrameRate.parse") as caught:
            call(wrong)
        assert [problem.code for problem in caught.value.problems] == ["wrong-rate"]


@given(rates, st.integers(0, 60), st.sampled_from([0.0, -3.5, 7200.0]), st.data())
def test_off_grid_is_what_lies_beyond_the_tolerance(
    rate: FrameRate, count: int, start: float, data: st.DataObject
) -> None:
    slack = grid_tolerance_s(rate)
    assert slack == min(0.002, rate.period_s / 4)
    off = np.array(data.draw(st.lists(st.sampled_from([0, 0.9, -0.9, 1.1, -1.1, 50]), min_size=count, max_size=count)))
    off[:1] = 0.0
    times = start + np.array([float(k / rate.fraction) for k in range(count)]) + off * slack
    assert off_grid(times, rate).tolist() == (np.abs(off) > 1).tolist()


def test_clocks_of_milliseconds_keep_their_rate_however_long() -> None:
    for rate in (FrameRate(30000, 1001), FrameRate(25), FrameRate(60)):
        times = np.round(frame_to_s(np.arange(200_000), rate), 3)
        assert not off_grid(times, rate).any()
        # A wrong guess of the rate runs away.
        assert off_grid(times, FrameRate(rate.numerator * 1001, rate.denominator * 1000)).sum() > 199_000
