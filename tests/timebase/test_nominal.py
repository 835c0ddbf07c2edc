from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lapsdata.errors import SchemaError
from lapsdata.timebase import FrameRate, NominalRate, frame_to_s, nominal_rate


@pytest.mark.parametrize("start_s", [0.0, 0.083, 1.7e9])
@pytest.mark.parametrize("tick", [None, 1e-6, 1 / 90_000, 1e-3], ids=["exact", "1us", "90k", "1ms"])
def test_a_minute_of_frames_tells_its_rate(fraction: Fraction, tick: float | None, start_s: float) -> None:
    rate = FrameRate.parse(fraction)
    times = frame_to_s(np.arange(round(60 * rate.hz)), rate)
    if tick is not None:
        times = np.round(times / tick) * tick
    assert nominal_rate(times + start_s) == NominalRate(rate, is_vfr=False)


@pytest.mark.parametrize("tick", [1 / 90_000, 1e-3], ids=["90k", "1ms"])
def test_clocks_that_cut_instead_of_rounding(fraction: Fraction, tick: float) -> None:
    rate = FrameRate.parse(fraction)
    times = np.floor(frame_to_s(np.arange(round(60 * rate.hz)), rate) / tick) * tick
    assert nominal_rate(times).rate == rate


@given(
    st.sampled_from([Fraction(n * 1000, 1001) for n in (24, 30, 48, 60, 120)] + [Fraction(50, 3), Fraction(15, 2)]),
    st.integers(2, 400),
    st.floats(0, 100),
)
def test_times_without_rounding_need_two_frames(fraction: Fraction, n: int, start_s: float) -> None:
    rate = FrameRate.parse(fraction)
    assert nominal_rate(start_s + frame_to_s(np.arange(n), rate)) == NominalRate(rate, is_vfr=False)


def test_29_97_is_told_from_30_as_soon_as_the_clock_allows() -> None:
    times = np.round(frame_to_s(np.arange(300), FrameRate(30000, 1001)), 3)
    told = [nominal_rate(times[:n]).rate for n in (10, 20, 100, 300)]
    assert told == [FrameRate(30), *[FrameRate(30000, 1001)] * 3]


def test_an_odd_but_constant_rate_is_a_fraction_near_it() -> None:
    # A webcam at 14.998: the grid of the answer must stay within the tolerance to the last frame.
    times = np.arange(5000) / 14.998
    rate, is_vfr = nominal_rate(times)
    assert rate is not None
    assert not is_vfr
    assert rate != FrameRate(15)
    off = times - frame_to_s(np.arange(5000), rate)
    assert off.max() - off.min() <= 1e-3 * (1 + 1e-6)


@given(
    hnp.arrays(np.float64, st.integers(2, 60), elements=st.floats(1e-3, 0.5)).map(np.cumsum),
    st.sampled_from([1e-6, 1e-4, 1e-3, 1e-2]),
)
def test_whatever_is_found_fits(times: np.ndarray[tuple[int], np.dtype[np.float64]], tolerance_s: float) -> None:
    rate, is_vfr = nominal_rate(times, tolerance_s=tolerance_s)
    assert is_vfr == (rate is None)
    if rate is not None:
        off = times - frame_to_s(np.arange(times.size), rate)
        assert off.max() - off.min() <= tolerance_s * (1 + 2e-6) + 1e-12


@given(st.integers(0, 98), st.floats(2e-3, 0.03))
def test_one_late_frame_makes_the_rate_variable(at: int, late_s: float) -> None:
    times = frame_to_s(np.arange(100), FrameRate(30))
    times[at] += late_s
    # The band of a line through 99 exact frames and one that is off is the distance of that one, or more than
    # half of it at the border, where the line can lean.
    assert nominal_rate(times, tolerance_s=late_s / 4) == NominalRate(None, is_vfr=True)
    assert nominal_rate(times, tolerance_s=late_s + 1e-9) == NominalRate(FrameRate(30), is_vfr=False)


def test_dropped_frames_are_variable_spacing() -> None:
    times = np.delete(frame_to_s(np.arange(100), FrameRate(30)), [40, 41])
    assert nominal_rate(times) == NominalRate(None, is_vfr=True)


@pytest.mark.parametrize("times", [np.zeros(0), np.array([3.0])])
def test_fewer_than_two_frames_leave_the_rate_open(
    times: np.ndarray[tuple[int], np.dtype[np.float64]],
) -> None:
    assert nominal_rate(times) == NominalRate(None, is_vfr=False)


@pytest.mark.parametrize("times", [[0.0, 5e-324], [0.0, 1e-12, 2e-12], [0.0, 1e300]])
def test_spacings_that_no_rate_can_say_have_none(times: list[float]) -> None:
    assert nominal_rate(times).rate is None


@pytest.mark.parametrize("tolerance_s", [0.0, -1.0, np.nan])
def test_the_tolerance_is_above_zero(tolerance_s: float) -> None:
    with pytest.raises(SchemaError, match=rf"expected above 0, got {tolerance_s} s \[wrong-tolerance\]"):
        nominal_rate([0.0, 0.1], tolerance_s=tolerance_s)


def test_nominal_rate_checks_the_times() -> None:
    with pytest.raises(SchemaError, match=r"source_s: expected increasing times, got 0\.2 s at frame 0"):
        nominal_rate([0.2, 0.1])
