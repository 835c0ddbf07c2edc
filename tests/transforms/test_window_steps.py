"""Means over overlapping windows, against a loop."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsdata.errors import SchemaError
from lapsdata.transforms.window_steps import StepSums, step_means

VALUE = st.floats(0, 9) | st.just(np.nan)


@settings(max_examples=80)
@given(data=st.data(), length=st.integers(1, 5), windows=st.integers(0, 6), spare=st.integers(0, 4))
def test_each_step_has_the_mean_of_the_windows_that_see_it(
    data: st.DataObject, length: int, windows: int, spare: int
) -> None:
    starts = np.sort(np.array(data.draw(st.lists(st.integers(0, 8), min_size=windows, max_size=windows)), np.int64))
    steps = (int(starts.max()) if windows else 0) + length + spare
    rows = data.draw(st.lists(st.lists(VALUE, min_size=length, max_size=length), min_size=windows, max_size=windows))
    values = np.array(rows, float).reshape(windows, length)
    told: dict[int, list[float]] = {k: [] for k in range(steps)}
    for start, row in zip(starts, values, strict=True):
        for k, value in enumerate(row):
            if not np.isnan(value):
                told[start + k].append(value)
    got = step_means(values, starts, steps)
    np.testing.assert_array_equal(got.windows, [len(told[k]) for k in range(steps)])
    np.testing.assert_allclose(got.value, [np.mean(told[k]) if told[k] else np.nan for k in range(steps)])


@pytest.mark.parametrize("start", [-1, 3])
def test_windows_beyond_the_video_are_refused(start: int) -> None:
    with pytest.raises(SchemaError, match=r"expected windows within 4 steps, got steps"):
        step_means(np.zeros((1, 2)), np.array([start]), 4)


def test_one_step_that_is_quick_stays_one_step() -> None:
    """Regression: a mean over the window says for 1.5 s that something moves, and starts to say so 0.75 s early."""
    moving = np.zeros(60)
    moving[30] = 1
    starts = np.arange(0, 46)
    values = np.stack([moving[start : start + 15] for start in starts])
    assert np.flatnonzero(step_means(values, starts, 60).value).tolist() == [30]
    assert (values.mean(axis=1) > 0).sum() == 15


def test_no_window_is_no_value(**_: Any) -> None:
    got = step_means(np.zeros((0, 3)), np.zeros(0, np.int64), 2)
    assert np.isnan(got.value).all()


@given(
    st.lists(st.lists(VALUE, min_size=4, max_size=4), min_size=1, max_size=9),
    st.lists(st.integers(1, 4), min_size=9, max_size=9),
    st.integers(1, 5),
)
def test_it_does_not_matter_how_many_windows_come_at_once(
    rows: list[list[float]], sizes: list[int], stride: int
) -> None:
    values, starts = np.array(rows), np.arange(len(rows)) * stride
    steps = int(starts[-1]) + 4
    whole = step_means(values, starts, steps)
    sums, parts, first = StepSums(), list[float](), 0
    for size in sizes:
        some = slice(first, first + size)
        sums.add(values[some], starts[some])
        first = min(first + size, len(rows))
        parts += sums.take(steps if first == len(rows) else first * stride).value.tolist()
    np.testing.assert_array_equal(parts, whole.value)


def test_what_was_given_is_not_changed_any_more() -> None:
    sums = StepSums()
    sums.add(np.ones((1, 4)), np.array([0]))
    assert sums.take(3).windows.tolist() == [1, 1, 1]
    assert sums.take(2).windows.tolist() == []
    with pytest.raises(SchemaError, match="expected windows from step 3 on, got step 2"):
        sums.add(np.ones((1, 4)), np.array([2]))
