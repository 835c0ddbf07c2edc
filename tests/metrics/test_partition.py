"""Covering and R-value, by hand, by sets of cells, and by what they are for."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.errors import SchemaError
from lapsdata.metrics import BoundaryCounts
from lapsdata.metrics.partition import covering, r_value

if TYPE_CHECKING:
    from numpy.typing import NDArray

CELLS = 40
CUTS = st.sets(st.integers(1, CELLS - 1), max_size=8).map(lambda drawn: np.array(sorted(drawn), np.float64) / 8)
SPAN_S = (0.0, CELLS / 8)


def parts(cuts: NDArray[np.float64]) -> list[set[int]]:
    edges = [0, *(cuts * 8).astype(int).tolist(), CELLS]
    return [set(range(low, high)) for low, high in itertools.pairwise(edges)]


@given(CUTS, CUTS)
def test_covering_is_that_of_sets_of_cells(truth: NDArray[np.float64], found: NDArray[np.float64]) -> None:
    wanted = sum(
        len(part) * max(len(part & other) / len(part | other) for other in parts(found)) for part in parts(truth)
    )
    assert covering(truth, found, SPAN_S) == pytest.approx(wanted / CELLS)
    assert covering(truth, truth, SPAN_S) == 1.0


def test_times_outside_are_refused() -> None:
    with pytest.raises(SchemaError, match=r"expected times from 0.0 s to 5.0 s, got 6.0 s"):
        covering(np.array([6.0]), np.array([1.0]), SPAN_S)


def test_the_r_value_of_published_cases() -> None:
    # HR 1, OS 0: the target. HR 0.8, OS 0.2 by hand: r1 = 0.2 sqrt(2), r2 = 0.4 / sqrt(2).
    assert r_value(BoundaryCounts(10, 10, 10)) == 1.0
    assert r_value(BoundaryCounts(10, 12, 8)) == pytest.approx(1 - (0.2 * math.sqrt(2) + 0.4 / math.sqrt(2)) / 2)
    assert r_value(BoundaryCounts(10, 0, 0)) == pytest.approx(1 - (math.sqrt(2) + 0) / 2)


@given(st.integers(1, 40), st.integers(1, 40))
def test_more_boundaries_than_true_ones_lower_it_even_where_all_are_hit(truth: int, more: int) -> None:
    dense = [r_value(BoundaryCounts(truth, truth + extra, truth)) for extra in range(more + 1)]
    assert all(late < early for early, late in itertools.pairwise(dense))


def test_without_true_boundaries_it_is_the_best_or_the_worst() -> None:
    assert r_value(BoundaryCounts(0, 0, 0)) == 1.0
    assert r_value(BoundaryCounts(0, 3, 0)) == -math.inf
