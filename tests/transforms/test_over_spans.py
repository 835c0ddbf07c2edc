"""Quantities over spans of time: exact for straight pieces, and nothing where nothing was sampled."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.interpolate import interp1d

from lapsdata.transforms.over_spans import at_times, median_gap_s, over_spans

TIME = np.array([0.0, 0.1, 0.2, 0.31, 0.4, 0.52])
VALUE = np.stack([np.array([0.0, 1, 4, 2, -1, 3]), np.array([5.0, 5, 5, 6, 7, 8])], axis=1)


@given(st.floats(0, 0.5), st.floats(0.001, 0.5))
def test_means_are_those_of_an_integral_over_straight_pieces(start: float, length: float) -> None:
    span = np.array([[start, min(start + length, 0.52)]])
    found = over_spans(TIME, VALUE, span, "value", max_gap_s=1.0)
    line = interp1d(TIME, VALUE[:, 0], fill_value="extrapolate")
    inside = [t for t in TIME if span[0, 0] < t < span[0, 1]] or None
    expected = quad(lambda t: float(line(t)), *span[0], points=inside)[0] / float(np.diff(span[0])[0])
    assert found.value[0, 0] == pytest.approx(expected, rel=1e-6, abs=1e-6)


@given(st.floats(0, 0.5), st.floats(0.001, 0.5))
def test_velocities_are_differences_of_interpolated_values(start: float, length: float) -> None:
    span = np.array([[start, min(start + length, 0.52)]])
    found = over_spans(TIME, VALUE, span, "velocity", max_gap_s=1.0).value[0]
    ends = [np.array([np.interp(t, TIME, column) for column in VALUE.T]) for t in span[0]]
    np.testing.assert_allclose(found, (ends[1] - ends[0]) / np.diff(span[0]), rtol=1e-6, atol=1e-6)


def test_a_line_has_its_slope_as_velocity_everywhere_however_it_is_sampled() -> None:
    random = np.random.default_rng(0)
    time = np.sort(random.uniform(0, 10, 200))
    found = over_spans(time, 3 * time[:, None] - 2, np.array([[1.0, 1.3], [2.0, 7.7]]), "velocity", max_gap_s=10)
    np.testing.assert_allclose(found.value, 3, rtol=1e-9)


def test_spans_beyond_the_samples_have_no_value() -> None:
    span = np.array([[-0.05, 0.1], [0.0, 0.1], [0.5, 0.52], [0.5, 0.6], [2.0, 3.0]])
    found = over_spans(TIME, VALUE, span, "value", max_gap_s=1.0)
    assert found.outside.tolist() == [True, False, False, True, True]
    assert np.isnan(found.value).all(axis=1).tolist() == found.outside.tolist()
    assert not found.in_gap.any()


def test_times_that_differ_by_rounding_alone_are_inside() -> None:
    found = over_spans(TIME, VALUE, np.array([[0.0 - 1e-9, 0.52 + 1e-9]]), "velocity", max_gap_s=1.0)
    assert not found.outside.any()
    np.testing.assert_allclose(found.value[0], [3 / 0.52, 3 / 0.52])


def test_nothing_is_made_up_across_a_gap() -> None:
    time = np.array([0.0, 0.1, 0.2, 0.3, 0.7, 0.8, 0.9])
    value = np.arange(7.0)[:, None]
    span = np.array([[0.1, 0.3], [0.2, 0.35], [0.3, 0.7], [0.4, 0.5], [0.7, 0.9], [0.0, 0.9]])
    found = over_spans(time, value, span, "velocity")
    assert found.in_gap.tolist() == [False, True, True, True, False, True]
    assert not over_spans(time, value, span, "velocity", max_gap_s=0.4).in_gap.any()
    assert median_gap_s(time) == pytest.approx(0.15)


def test_a_sample_that_is_not_there_is_a_gap() -> None:
    value = np.arange(8.0)[:, None].copy()
    value[3] = np.nan
    time = np.arange(8) / 10
    span = np.stack([time[:-1], time[1:]], axis=1)
    found = over_spans(time, value, span, "velocity")
    assert found.in_gap.tolist() == [False, False, True, True, False, False, False]
    np.testing.assert_allclose(found.value[~found.in_gap], 10)
    assert np.isnan(found.value[found.in_gap]).all()


@pytest.mark.parametrize("samples", [0, 1])
def test_a_single_sample_says_nothing_of_any_span(samples: int) -> None:
    found = over_spans(TIME[:samples], VALUE[:samples], np.array([[0.0, 0.1]]), "value")
    assert found.outside.all()
    assert np.isnan(found.value).all()
    assert np.isnan(at_times(TIME[:samples], VALUE[:samples], np.array([0.0]))).all()


@given(st.lists(st.floats(0, 0.52), min_size=1, max_size=9))
def test_values_at_times_are_interpolated(at: list[float]) -> None:
    found = at_times(TIME, VALUE, np.array(at))
    for column in range(2):
        np.testing.assert_allclose(found[:, column], np.interp(at, TIME, VALUE[:, column]), rtol=1e-6, atol=1e-6)


def test_values_at_times_go_no_further_than_the_samples() -> None:
    time = np.array([0.0, 0.1, 0.2, 0.3, 0.7, 0.8])
    value: Any = np.arange(12.0).reshape(6, 2)
    value[1, 0] = np.nan
    found = at_times(time, value, np.array([-0.1, 0.05, 0.25, 0.3, 0.5, 0.7, 0.8, 0.9]))
    assert np.isnan(found[:, 0]).tolist() == [True, True, False, False, True, False, False, True]
    assert np.isnan(found[:, 1]).tolist() == [True, False, False, False, True, False, False, True]
    np.testing.assert_allclose(found[3], value[3])
