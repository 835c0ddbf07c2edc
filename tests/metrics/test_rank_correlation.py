"""Rank correlations are scipy's, with ties and without, and lags have the sign that they say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata, spearmanr

from lapsdata.errors import LengthMismatchError, SchemaError
from lapsdata.metrics.rank_correlation import average_ranks, best_lag, spearman

# Few values, so that many are equal.
TIED = st.integers(-3, 3).map(float)
PAIRS = st.lists(st.tuples(TIED, TIED), min_size=3, max_size=30)


@given(st.lists(TIED, min_size=1, max_size=40))
def test_ranks_are_those_of_scipy(values: list[float]) -> None:
    np.testing.assert_array_equal(average_ranks(np.array(values)), rankdata(values))


@given(PAIRS)
def test_correlations_are_those_of_scipy(pairs: list[tuple[float, float]]) -> None:
    first, second = np.array(pairs).T
    found = spearman(first, second)
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        assert np.isnan(found)
    else:
        assert found == pytest.approx(spearmanr(first, second).statistic, abs=1e-12)


@given(st.integers(0, 1000))
def test_only_the_order_matters(seed: int) -> None:
    first, second = np.random.default_rng(seed).standard_normal((2, 30))
    assert spearman(np.exp(first), second**3) == pytest.approx(spearman(first, second), abs=1e-12)
    assert spearman(first, -second) == pytest.approx(-spearman(first, second), abs=1e-12)


def test_pairs_with_a_missing_value_are_left_out() -> None:
    first, second = np.random.default_rng(0).standard_normal((2, 20))
    first[3], second[7] = np.nan, np.nan
    kept = np.delete(np.arange(20), [3, 7])
    assert spearman(first, second) == pytest.approx(spearmanr(first[kept], second[kept]).statistic)
    assert np.isnan(spearman(first[:4], np.array([np.nan, 1.0, 2.0, 3.0])))


@pytest.mark.parametrize("lag", [-7, -1, 0, 1, 4])
def test_the_lag_says_how_far_the_second_is_behind(lag: int) -> None:
    noise = np.random.default_rng(1).standard_normal(120)
    series = np.convolve(noise, np.ones(5), "same")
    moved: Any = np.full(120, np.nan)
    moved[max(lag, 0) : 120 + min(lag, 0)] = series[max(-lag, 0) : 120 - max(lag, 0)]
    found = best_lag(series, moved, 10)
    assert found.steps == lag
    assert found.correlation == pytest.approx(1)


def test_the_best_lag_is_the_best_of_scipys_correlations() -> None:
    first, second = np.random.default_rng(2).standard_normal((2, 50))
    each = {lag: spearmanr(first[max(-lag, 0) : 50 - max(lag, 0)], second[max(lag, 0) : 50 + min(lag, 0)]).statistic
            for lag in range(-8, 9)}  # fmt: skip
    best = max(each, key=lambda lag: each[lag])
    assert best_lag(first, second, 8) == (best, pytest.approx(each[best]))


def test_series_that_stand_still_have_no_best_lag() -> None:
    found = best_lag(np.zeros(9), np.arange(9.0), 3)
    assert found.steps == 0
    assert np.isnan(found.correlation)


def test_series_that_do_not_fit_are_refused() -> None:
    with pytest.raises(LengthMismatchError, match="got 3 and 4"):
        spearman(np.zeros(3), np.zeros(4))
    with pytest.raises(SchemaError, match="expected a lag below the 5 values, got 5"):
        best_lag(np.arange(5.0), np.arange(5.0), 5)
    with pytest.raises(SchemaError, match="most"):
        best_lag(np.arange(5.0), np.arange(5.0), -1)
