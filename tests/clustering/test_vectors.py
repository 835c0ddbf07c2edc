"""Vectors that nothing is learned for: by hand, against scikit-learn, and under changes that must not matter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.preprocessing import StandardScaler, normalize

from lapsdata.errors import SchemaError
from lapsmodels.clustering.lengths import longest_taken, told_lengths
from lapsmodels.clustering.vectors import (
    attention_means,
    bags,
    counts,
    log_durations,
    means,
    projected_bags,
    standardised,
    unit_rows,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

SEQUENCES = st.lists(st.lists(st.integers(0, 8), min_size=1, max_size=9), min_size=1, max_size=7)


def codes_of(drawn: list[list[int]]) -> list[NDArray[np.int32]]:
    return [np.array(one, np.int32) for one in drawn]


@given(SEQUENCES)
def test_bags_are_those_of_an_independent_tf_idf(drawn: list[list[int]]) -> None:
    found = np.stack([np.bincount(one, minlength=9) for one in drawn])
    expected = TfidfTransformer().fit_transform(found).toarray()
    np.testing.assert_allclose(bags(codes_of(drawn), 9), expected, atol=1e-12)


def test_a_bag_does_not_see_the_order_and_counts_do_not_lose_any() -> None:
    one, other = codes_of([[1, 2, 2, 8], [2, 8, 1, 2]])
    np.testing.assert_array_equal(*bags([one, other], 9))
    assert counts([one], 9).sum() == 4


def test_a_mean_that_is_weighted_by_length_by_hand() -> None:
    """Lengths 1 and 3: weights 1/4 and 3/4."""
    vectors = np.array([[1, 0], [0, 3]], np.float32)
    np.testing.assert_allclose(attention_means([vectors]), [[0.25, 2.25]])
    np.testing.assert_allclose(means([vectors]), [[0.5, 1.5]])
    np.testing.assert_array_equal(attention_means([np.zeros((3, 2), np.float32)]), [[0, 0]])


LATENTS = arrays(np.float32, st.tuples(st.integers(1, 6), st.just(3)), elements=st.floats(-8, 8, width=16))


@given(LATENTS, st.floats(0.5, 4), st.integers(0, 99))
def test_averages_follow_scale_and_do_not_see_order_or_repeats(
    vectors: NDArray[np.float32], scale: float, seed: int
) -> None:
    order = np.random.default_rng(seed).permutation(len(vectors))
    averages: tuple[Any, ...] = (means, attention_means)
    for average in averages:
        found = average([vectors])
        np.testing.assert_allclose(average([vectors[order]]), found, atol=1e-6)
        np.testing.assert_allclose(average([np.repeat(vectors, 3, axis=0)]), found, atol=1e-6)
        np.testing.assert_allclose(average([vectors * np.float32(scale)]), found * np.float32(scale), atol=1e-4)


def test_durations_know_nothing_else() -> None:
    np.testing.assert_allclose(log_durations(np.array([0.5, 2.0])), [[-np.log(2)], [np.log(2)]])


def test_equally_long_segments_are_equally_long_whatever_their_last_bits_say() -> None:
    starts = np.arange(40) / 10
    assert len(np.unique((starts + 1.0) - starts)) > 1
    assert len(np.unique(log_durations((starts + 1.0) - starts))) == 1


def test_a_random_projection_is_of_shares_and_of_its_seed() -> None:
    each = codes_of([[0, 1], [1, 0, 1, 0], [2, 2]])
    found = projected_bags(each, 3, seed=0)
    np.testing.assert_allclose(found[0], found[1])
    assert np.abs(found[0] - found[2]).max() > 0.01
    assert np.abs(found - projected_bags(each, 3, seed=1)).max() > 0.01
    # Columns are of unit length on average: no code is nearer to all others by chance of scale.
    book = projected_bags(codes_of([[code] for code in range(300)]), 300, seed=0)
    assert np.linalg.norm(book, axis=1).mean() == pytest.approx(1, abs=0.05)


@given(arrays(np.float64, (5, 3), elements=st.integers(-9, 9)))
def test_what_is_made_ready_is_what_scikit_learn_makes(vectors: NDArray[np.float64]) -> None:
    np.testing.assert_allclose(standardised(vectors), StandardScaler().fit_transform(vectors), atol=1e-9)
    np.testing.assert_allclose(unit_rows(vectors), normalize(vectors), atol=1e-12)


def test_a_column_of_equal_numbers_is_not_blown_up_by_its_last_bits() -> None:
    """Regression of the probe's trap: constant columns once came to R2 of -9,660."""
    vectors = np.stack([np.full(7, 0.1) * 3, np.arange(7.0)], axis=1)
    vectors[0, 0] = np.nextafter(vectors[0, 0], 1)
    assert np.abs(standardised(vectors)[:, 0]).max() == 0


@pytest.mark.parametrize(("quantile", "longest"), [(0.5, 5), (0.95, 78), (1.0, 90), (0.25, 4)])
def test_the_longest_length_is_a_quantile_rounded_up(quantile: float, longest: int) -> None:
    """Of 3, 4, 5, 26, 90: the quarter is 4, the median 5; 0.95 lies at 26 + 0.8 * 64 = 77.2."""
    assert longest_taken(np.array([3, 4, 5, 26, 90]), quantile) == longest


def test_cuts_are_counted_in_sequences_and_codes() -> None:
    told = told_lengths(np.array([3, 4, 5, 26, 90]), 20)
    assert (told.cut, told.cut_codes, told.longest) == (2, 6 + 70, 20)
    assert (told.least, told.median, told.mean, told.most) == (3, 5, 25.6, 90)
    assert told_lengths(np.array([3, 90])).cut == 0


@pytest.mark.parametrize("quantile", [0.0, 1.01, -1.0])
def test_no_quantile(quantile: float) -> None:
    with pytest.raises(SchemaError, match="longest_quantile: expected a quantile above 0 and up to 1"):
        longest_taken(np.array([3]), quantile)
    with pytest.raises(SchemaError, match="expected at least one sequence, got none"):
        longest_taken(np.array([], np.int64), 0.5)
