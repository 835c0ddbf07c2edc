"""Permutations: exact bijections, the same for ever, and as random as a shuffle where it can be measured."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lapsdata.errors import SchemaError
from lapsdata.loading.permutation import MOST, Permutation, permutation, within_windows

if TYPE_CHECKING:
    from numpy.typing import NDArray

# The verdict of a test of chance: wrong once in a million keys, and the keys are fixed.
UNLIKELY = 1e-6


def whole(length: int, *words: int | str) -> NDArray[np.int64]:
    return Permutation(length, *words)(np.arange(length))


@given(length=st.integers(1, 20_000), seed=st.integers(0, MOST))
def test_every_number_comes_exactly_once(length: int, seed: int) -> None:
    assert np.array_equal(np.sort(whole(length, seed)), np.arange(length))


@given(
    length=st.integers(1, MOST), positions=st.lists(st.integers(0, MOST), min_size=2, max_size=50), seed=st.integers(0)
)
def test_a_position_does_not_depend_on_what_is_asked_with_it(length: int, positions: list[int], seed: int) -> None:
    places = np.array(positions, np.int64) % length
    shuffle = Permutation(length, seed)
    together = shuffle(places)
    assert together.tolist() == [int(shuffle(places[i : i + 1])[0]) for i in range(len(places))]
    assert bool(((together >= 0) & (together < length)).all())
    assert len(set(together.tolist())) == len(set(places.tolist()))


def test_the_order_is_the_same_in_every_release() -> None:
    """A change here changes the order of every run that is resumed: then the algorithm needs a new number."""
    assert whole(8, "golden", 1).tolist() == GOLDEN_SMALL
    assert Permutation(10**10, "golden", 1)(np.arange(4)).tolist() == GOLDEN_LARGE
    assert within_windows(np.arange(6), 6, np.arange(6) // 6, "golden").tolist() == GOLDEN_WINDOW


@pytest.mark.parametrize("length", [2, 3, 4, 5])
def test_every_order_of_a_few_is_equally_likely(length: int) -> None:
    draws = 200 * math.factorial(length)
    seen = Counter(tuple(whole(length, "chance", seed).tolist()) for seed in range(draws))
    counts = [*seen.values(), *[0] * (math.factorial(length) - len(seen))]
    assert stats.chisquare(counts).pvalue > UNLIKELY


@pytest.mark.parametrize("length", [97, 5000, 10**6 + 3, 10**10])
def test_ids_are_uniform_at_every_position_and_independent_of_the_next(length: int) -> None:
    """Over keys: where the first, a middle and the last position go, and where a pair goes."""
    bins, draws = 8, 4000
    places = np.array([0, 1, length // 2, length - 1])
    ids = np.array([Permutation(length, "keys", seed)(places) for seed in range(draws)])
    cells = (ids.astype(object) * bins // length).astype(int)
    shares = np.diff([-(-k * length // bins) for k in range(bins + 1)]) / length
    for column in cells.T:
        assert stats.chisquare(np.bincount(column, minlength=bins), shares * draws).pvalue > UNLIKELY
    if length > 1000:
        pairs = np.bincount(cells[:, 0] * bins + cells[:, 1], minlength=bins**2)
        assert stats.chisquare(pairs).pvalue > UNLIKELY


@pytest.mark.parametrize("length", [4096, 4097, 65_536, 200_003])
def test_neighbours_are_strangers(length: int) -> None:
    """Within one permutation: no serial correlation, as many rises as falls, steps as long as those of chance."""
    ids = whole(length, "neighbours").astype(float)
    assert abs(np.corrcoef(ids[:-1], ids[1:])[0, 1]) < 5 / math.sqrt(length)
    rises = int((np.diff(ids) > 0).sum())
    assert abs(rises - (length - 1) / 2) < 5 * math.sqrt((length + 1) / 12)
    assert np.abs(np.diff(ids)).mean() == pytest.approx(length / 3, rel=5 / math.sqrt(length))


@pytest.mark.parametrize("length", [1000, 100_000])
def test_two_keys_agree_no_more_than_chance(length: int) -> None:
    """Two random orders agree in one place on average (Poisson)."""
    agreed = [int((whole(length, "a", seed) == whole(length, "b", seed)).sum()) for seed in range(100)]
    assert stats.poisson.sf(sum(agreed) - 1, 100) > UNLIKELY
    assert stats.poisson.cdf(sum(agreed), 100) > UNLIKELY


def test_a_window_of_the_order_is_spread_like_a_sample() -> None:
    """The first thousand ids of a large set, against a uniform distribution (Kolmogorov and Smirnov)."""
    for seed in range(20):
        ids = Permutation(10**9, "spread", seed)(np.arange(1000)) / 1e9
        assert stats.kstest(ids, "uniform").pvalue > UNLIKELY


@given(size=st.integers(1, 300), windows=st.integers(1, 20), seed=st.integers(0, 99))
def test_windows_are_shuffled_in_themselves_and_each_in_its_own_way(size: int, windows: int, seed: int) -> None:
    places = np.arange(size * windows)
    found = within_windows(places % size, size, places // size, seed).reshape(windows, size)
    assert np.array_equal(np.sort(found, axis=1), np.tile(np.arange(size), (windows, 1)))
    if size > 30:
        assert len({tuple(row) for row in found.tolist()}) == windows


def test_places_within_windows_are_uniform() -> None:
    size, windows = 6, 6000
    for place in range(size):
        found = within_windows(np.full(windows, place), size, np.arange(windows), "windows")
        assert stats.chisquare(np.bincount(found, minlength=size)).pvalue > UNLIKELY


def test_equal_permutations_are_made_once() -> None:
    assert permutation(100, 1, "a") is permutation(100, 1, "a")
    assert permutation(100, 1, "a") is not permutation(100, 1, "b")


@pytest.mark.parametrize("length", [0, -1, MOST + 1, 2.0, True])
def test_other_lengths_are_refused(length: object) -> None:
    with pytest.raises(SchemaError, match=r"length: expected 1 \.\. 2\*\*53 - 1, got"):
        Permutation(length)  # type: ignore[arg-type]  # the refusal is the test


# Computed once; see the test.
GOLDEN_SMALL = [7, 6, 3, 4, 1, 0, 5, 2]
GOLDEN_LARGE = [2811429376, 9766800297, 8082386812, 8854563034]
GOLDEN_WINDOW = [4, 1, 3, 2, 5, 0]
