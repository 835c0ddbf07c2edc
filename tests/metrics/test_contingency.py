"""Rand index, mutual information and V, by the judgement of scikit-learn and of plain sums."""

from __future__ import annotations

import math
import warnings
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import hypergeom
from sklearn import metrics as sk

from lapsdata.errors import SchemaError
from lapsdata.metrics import (
    adjusted_mutual_information,
    adjusted_rand,
    matched_count,
    matched_share,
    normalised_mutual_information,
    v_measure,
)
from lapsdata.metrics._mutual_loop import _cell, _expected_information, cell, expected_information

if TYPE_CHECKING:
    from numpy.typing import NDArray

ITEMS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 5)), min_size=1, max_size=30)


def table_of(items: list[tuple[int, int]]) -> NDArray[np.int64]:
    table = np.zeros((5, 6), np.int64)
    np.add.at(table, tuple(np.array(items).T), 1)
    return table


@given(ITEMS)
def test_all_of_them_are_those_of_scikit_learn(items: list[tuple[int, int]]) -> None:
    true, found = np.array(items).T
    table = table_of(items)
    with warnings.catch_warnings():
        # It takes many labels of few items for numbers that were meant as such.
        warnings.simplefilter("ignore")
        wanted = [
            sk.adjusted_rand_score(true, found),
            sk.adjusted_mutual_info_score(true, found),
            sk.normalized_mutual_info_score(true, found),
            *sk.homogeneity_completeness_v_measure(true, found),
        ]
    got = [
        float(adjusted_rand(table)),
        float(adjusted_mutual_information(table)),
        float(normalised_mutual_information(table)),
        *map(float, v_measure(table)),
    ]
    assert got == pytest.approx(wanted, abs=1e-9)


@given(ITEMS, st.sampled_from(["geometric", "max"]))
def test_the_other_means_are_those_of_scikit_learn(items: list[tuple[int, int]], mean: str) -> None:
    true, found = np.array(items).T
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = sk.adjusted_mutual_info_score(true, found, average_method=mean)
        share = sk.normalized_mutual_info_score(true, found, average_method=mean)
    table = table_of(items)
    assert float(adjusted_mutual_information(table, mean)) == pytest.approx(wanted, abs=1e-9)  # type: ignore[arg-type]
    assert float(normalised_mutual_information(table, mean)) == pytest.approx(share, abs=1e-9)  # type: ignore[arg-type]


@given(st.lists(ITEMS, min_size=1, max_size=4))
def test_tables_are_scored_at_once_as_one_by_one(each: list[list[tuple[int, int]]]) -> None:
    tables = np.stack([table_of(items) for items in each])
    for score in (adjusted_rand, adjusted_mutual_information, normalised_mutual_information):
        assert score(tables[:, np.newaxis])[:, 0].tolist() == [float(score(table)) for table in tables]
    assert v_measure(tables).v.tolist() == [float(v_measure(table).v) for table in tables]


@given(st.integers(1, 40), st.data())
def test_what_is_expected_is_the_sum_over_all_counts(total: int, data: st.DataObject) -> None:
    a, b = data.draw(st.integers(1, total)), data.draw(st.integers(1, total))
    counts = range(max(0, a + b - total), min(a, b) + 1)
    weights = hypergeom(total, a, b).pmf(np.array(counts))
    wanted = sum(
        weight * n / total * math.log(total * n / (a * b)) for n, weight in zip(counts, weights, strict=True) if n
    )
    for compiled in (cell, _cell):
        got = compiled(a, b, total)
        assert got == pytest.approx(wanted, abs=1e-12)


def test_the_plain_loop_is_the_compiled_one() -> None:
    rows, columns = np.array([[3, 5, 0], [4, 4, 0]]), np.array([[2, 6], [8, 0]])
    sides = []
    for compiled in (expected_information, _expected_information):
        out = np.zeros(2)
        compiled(rows, columns, out)
        sides.append(out)
    assert sides[0].tolist() == pytest.approx(sides[1].tolist())
    # All in one cluster: nothing is shared, by chance or otherwise.
    assert sides[0][1] == pytest.approx(0.0, abs=1e-15)


@pytest.mark.parametrize("table", [[[0, 0], [0, 0]], [[7, 0], [0, 0]], [[2, 0], [0, 5]]])
def test_without_anything_to_tell_apart_or_wrong_all_is_1(table: list[list[int]]) -> None:
    given = np.array(table)
    values = [adjusted_rand(given), adjusted_mutual_information(given), normalised_mutual_information(given)]
    assert [float(value) for value in (*values, *v_measure(given))] == [1.0] * 6


def test_one_cluster_of_two_labels_is_worth_nothing_and_complete() -> None:
    given = np.array([[3], [4]])
    assert [float(value) for value in v_measure(given)] == [0.0, 1.0, 0.0]
    assert (float(adjusted_rand(given)), float(adjusted_mutual_information(given))) == (0.0, 0.0)


def test_the_rand_index_of_microseconds_is_that_of_shares() -> None:
    """Beyond the pairs that int64 holds."""
    small = np.array([[3, 1], [2, 4]])
    large = adjusted_rand(small * 10**10)
    p = small / small.sum()
    same, rows, columns = (p**2).sum(), (p.sum(axis=1) ** 2).sum(), (p.sum(axis=0) ** 2).sum()
    assert float(large) == pytest.approx((same - rows * columns) / ((rows + columns) / 2 - rows * columns))


@given(st.lists(st.lists(st.integers(0, 9), min_size=3, max_size=3), min_size=3, max_size=3))
def test_the_matching_is_the_best_there_is(table: list[list[int]]) -> None:
    given = np.array(table)
    best = max(
        sum(given[row, column] for row, column in zip(rows, columns, strict=True))
        for rows in combinations(range(3), 3)
        for columns in ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))
    )
    assert matched_count(given) == best
    true, found = (np.repeat(side.ravel(), given.ravel()) for side in np.indices(given.shape))
    assert matched_share(true, found, np.zeros(len(true), np.int64)) == (best / given.sum() if given.sum() else 1.0)


@pytest.mark.parametrize("table", [np.array([1, 2]), np.array([[0.5]]), np.array([[-1]])])
def test_what_is_no_table_is_told(table: NDArray[np.generic]) -> None:
    with pytest.raises(SchemaError, match=r"table: expected counts \(\.\.\., L, C\) of 0 or more, got"):
        adjusted_rand(table)  # type: ignore[arg-type]


def test_an_unknown_mean_is_told() -> None:
    with pytest.raises(SchemaError, match="mean: expected one of 'arithmetic', 'geometric', 'max', got 'min'"):
        normalised_mutual_information(np.eye(2, dtype=np.int64), "min")  # type: ignore[arg-type]
