"""Matching: as many pairs as there can be, by the judgement of three programs that know nothing of each other."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING, Any

import mir_eval
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from lapsdata.errors import SchemaError
from lapsdata.metrics import BoundaryCounts, inner_boundaries, match_boundaries, nearest_distances

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Multiples of 1/32 s have five decimals and are exact in binary: mir_eval rounds none of them, and a distance that
# equals a tolerance is one for it as well.
GRID_S = 1 / 32
TOLERANCES = (0.0, 0.25, 0.5, 1.0, 2.0, 5.0)


def instants(most: int = 12, length_s: int = 8) -> st.SearchStrategy[NDArray[np.float64]]:
    """Draw times in any order, crowded enough that many are as far apart as a tolerance, and some are equal."""
    steps = st.lists(st.integers(1, int(length_s / GRID_S) - 1), max_size=most)
    return steps.map(lambda drawn: np.array(drawn, np.float64) * GRID_S)


AT = st.sampled_from(TOLERANCES)
SPAN_S = (0.0, 8.0)


def hits(truth: NDArray[np.float64], found: NDArray[np.float64], tolerance: float, **rule: Any) -> int:
    return match_boundaries(truth, found, tolerance, **rule).counts.hits


def every_pairing(truth: NDArray[np.float64], found: NDArray[np.float64], tolerance: float) -> int:
    """Return the largest number of hits over all ways to line up one list with the other."""
    fewer, more = sorted((truth.tolist(), found.tolist()), key=len)
    return max(sum(abs(a - b) <= tolerance for a, b in zip(fewer, row, strict=False)) for row in permutations(more))


# --- the largest matching ---------------------------------------------------------------------------------------


@given(instants(most=6), instants(most=6), AT)
def test_no_pairing_has_more_hits(truth: NDArray[np.float64], found: NDArray[np.float64], tolerance: float) -> None:
    assert hits(truth, found, tolerance) == every_pairing(truth, found, tolerance)


@given(instants(most=60, length_s=20), instants(most=60, length_s=20), AT)
def test_scipy_finds_as_many(truth: NDArray[np.float64], found: NDArray[np.float64], tolerance: float) -> None:
    near = np.abs(np.subtract.outer(truth, found)) <= tolerance
    by_scipy = (maximum_bipartite_matching(csr_array(near)) >= 0).sum() if near.size else 0
    assert hits(truth, found, tolerance) == by_scipy


@given(instants(most=20), instants(most=20), st.sampled_from(TOLERANCES[1:]))
def test_mir_eval_gives_the_same_numbers(
    truth: NDArray[np.float64], found: NDArray[np.float64], tolerance: float
) -> None:
    truth, found = (inner_boundaries(times, SPAN_S) for times in (truth, found))
    if not len(truth) or not len(found):
        return  # mir_eval warns of empty intervals; the empty cases have tests of their own
    whole = [np.concatenate([[SPAN_S[0]], times, [SPAN_S[1]]]) for times in (truth, found)]
    reference, estimate = (np.stack([edges[:-1], edges[1:]], axis=1) for edges in whole)
    expected = mir_eval.segment.detection(reference, estimate, window=tolerance, trim=True)
    counts = match_boundaries(truth, found, tolerance).counts
    assert (counts.precision, counts.recall, counts.f) == pytest.approx(expected)
    to_found, to_truth = nearest_distances(truth, found)
    medians = mir_eval.segment.deviation(reference, estimate, trim=True)
    assert (np.median(to_found), np.median(to_truth)) == medians


def test_the_published_example_of_a_greedy_library() -> None:
    """pyannote-metrics#95 and ruptures: 0.5 where every boundary has a partner."""
    truth, found = np.array([10.0, 12.0]), np.array([9.0, 11.0])
    assert hits(truth, found, 1.0) == 2
    # The same, moved so that the partner of the first is the nearest of the second as well.
    assert hits(np.array([10.0, 12.0]), np.array([9.0, 10.75]), 1.25) == 2
    assert hits(np.array([10.0, 12.0]), np.array([9.0, 10.75]), 1.25, matching="greedy") == 1


# --- properties -------------------------------------------------------------------------------------------------


@given(instants(), instants(), AT)
def test_pairs_are_one_to_one_and_within_the_tolerance(
    truth: NDArray[np.float64], found: NDArray[np.float64], tolerance: float
) -> None:
    for rule in ("maximum", "greedy"):
        match = match_boundaries(truth, found, tolerance, matching=rule)  # type: ignore[arg-type]
        mine, theirs = match.pairs.T
        assert len(set(mine.tolist())) == len(set(theirs.tolist())) == match.counts.hits == len(match.pairs)
        assert (np.abs(truth[mine] - found[theirs]) <= tolerance).all()
        assert (np.diff(truth[mine]) >= 0).all()
        assert (match.counts.truth, match.counts.found) == (len(truth), len(found))


@given(instants(), instants(), AT)
def test_truth_and_found_are_interchangeable(
    truth: NDArray[np.float64], found: NDArray[np.float64], tolerance: float
) -> None:
    one, other = (match_boundaries(*pair, tolerance).counts for pair in ((truth, found), (found, truth)))
    assert (one.hits, one.precision, one.recall, one.f) == (other.hits, other.recall, other.precision, other.f)


@given(instants(), instants(), AT, AT)
def test_a_wider_tolerance_has_no_fewer_hits(
    truth: NDArray[np.float64], found: NDArray[np.float64], one: float, other: float
) -> None:
    assert hits(truth, found, min(one, other)) <= hits(truth, found, max(one, other))


@given(instants(), instants(), AT)
def test_greedy_never_has_more(truth: NDArray[np.float64], found: NDArray[np.float64], tolerance: float) -> None:
    assert hits(truth, found, tolerance, matching="greedy") <= hits(truth, found, tolerance)


@given(instants(), instants(), AT, st.randoms(), st.integers(-3200, 3_200_000))
def test_neither_order_nor_a_common_shift_matters(
    truth: NDArray[np.float64], found: NDArray[np.float64], tolerance: float, random: Any, steps: int
) -> None:
    mixed = [np.array(random.sample(times.tolist(), len(times))) + steps * GRID_S for times in (truth, found)]
    assert hits(mixed[0], mixed[1], tolerance) == hits(truth, found, tolerance)


@given(instants(), instants(), AT)
def test_f_is_one_exactly_where_both_are_equal_within_the_tolerance(
    truth: NDArray[np.float64], found: NDArray[np.float64], tolerance: float
) -> None:
    equal = len(truth) == len(found) and bool((np.abs(np.sort(truth) - np.sort(found)) <= tolerance).all())
    assert (match_boundaries(truth, found, tolerance).counts.f == 1) == equal


@given(instants(), AT, st.data())
def test_moving_each_boundary_by_the_tolerance_loses_none(
    truth: NDArray[np.float64], tolerance: float, data: st.DataObject
) -> None:
    steps = int(tolerance / GRID_S)
    moves = np.array([data.draw(st.integers(-steps, steps)) for _ in truth], np.float64) * GRID_S
    assert match_boundaries(truth, truth + moves, tolerance).counts.f == 1


# --- floats -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [10, 15, 24, 25, 30, 60])
@pytest.mark.parametrize("tolerance", [0.2, 1.0, 2.0])
def test_a_distance_of_exactly_the_tolerance_is_a_hit_at_any_rate(rate: int, tolerance: float) -> None:
    frames = np.arange(0, 90 * rate, 9 * rate, dtype=np.float64)
    apart = round(tolerance * rate)
    if apart / rate != tolerance:
        return
    assert hits(frames / rate, (frames + apart) / rate, tolerance) == len(frames)
    assert hits(frames / rate, (frames + apart + 1) / rate, tolerance) == 0


def test_the_last_bit_of_a_float_does_not_decide() -> None:
    assert 1.3 - 1.2 > 0.1
    assert hits(np.array([1.2]), np.array([1.3]), 0.1) == 1
    assert hits(np.array([0.1 + 0.2]), np.array([0.3]), 0.0) == 1
    assert hits(np.array([1.2]), np.array([1.300001]), 0.1) == 0


def test_times_of_the_clock_on_the_wall_are_told_apart() -> None:
    now = 1.7e9
    assert hits(np.array([now]), np.array([now + 0.25]), 0.25) == 1
    assert hits(np.array([now]), np.array([now + 0.25001]), 0.25) == 0


# --- greedy -----------------------------------------------------------------------------------------------------


def plain_greedy(truth: list[float], found: list[float], tolerance: float) -> int:
    free = sorted(found)
    count = 0
    for time in sorted(truth):
        if free:
            nearest = free[int(np.argmin([abs(other - time) for other in free]))]
            if abs(nearest - time) <= tolerance:
                free.remove(nearest)
                count += 1
    return count


@given(instants(most=20), instants(most=20), AT)
def test_greedy_is_what_laps_and_gebd_do(
    truth: NDArray[np.float64], found: NDArray[np.float64], tolerance: float
) -> None:
    expected = plain_greedy(truth.tolist(), found.tolist(), tolerance)
    assert hits(truth, found, tolerance, matching="greedy") == expected


# --- counts -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("truth", "found", "expected"),
    [(0, 0, (1.0, 1.0, 1.0)), (0, 3, (0.0, 0.0, 0.0)), (3, 0, (0.0, 0.0, 0.0)), (3, 3, (0.0, 0.0, 0.0))],
)
def test_empty_cases_are_defined(truth: int, found: int, expected: tuple[float, float, float]) -> None:
    counts = match_boundaries(np.arange(truth) * 10.0, np.arange(found) * 10.0 + 5, 1.0).counts
    assert (counts.precision, counts.recall, counts.f) == expected


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)), max_size=5))
def test_pooled_counts_are_sums(drawn: list[tuple[int, int, int]]) -> None:
    each = [BoundaryCounts(truth, found, min(truth, found, some)) for truth, found, some in drawn]
    pooled = BoundaryCounts.pooled(iter(each))
    assert pooled.hits == sum(one.hits for one in each)
    assert 0 <= pooled.f <= 1
    if pooled.hits:
        assert pooled.f == pytest.approx(2 / (1 / pooled.precision + 1 / pooled.recall))


# --- distances --------------------------------------------------------------------------------------------------


@given(instants(), instants())
def test_nearest_distances_are_those_of_all_pairs(truth: NDArray[np.float64], found: NDArray[np.float64]) -> None:
    to_found, to_truth = nearest_distances(truth, found)
    assert to_found.tolist() == [min((abs(a - b) for b in found), default=np.inf) for a in truth]
    assert to_truth.tolist() == [min((abs(a - b) for a in truth), default=np.inf) for b in found]


# --- bad input --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tolerance", [-0.1, np.nan, np.inf, "1", None, True, 1e300])
def test_a_tolerance_that_is_none_is_refused(tolerance: Any) -> None:
    with pytest.raises(SchemaError, match="tolerance_s: expected finite seconds of at least 0, got"):
        match_boundaries(np.empty(0), np.empty(0), tolerance)


def test_an_unknown_matching_is_refused() -> None:
    with pytest.raises(SchemaError, match="matching: expected one of 'maximum', 'greedy', got 'hungarian'"):
        match_boundaries(np.empty(0), np.empty(0), 1.0, matching="hungarian")  # type: ignore[arg-type]


@pytest.mark.parametrize("side", [0, 1])
def test_wrong_times_name_their_side(side: int) -> None:
    given = [np.empty(0), np.empty(0)]
    given[side] = np.array([np.nan])
    for function in (lambda *two: match_boundaries(*two, 1.0), nearest_distances):
        with pytest.raises(SchemaError, match=f"{('truth_s', 'found_s')[side]}: expected finite seconds"):
            function(*given)


def test_pairs_cannot_be_written_to() -> None:
    pairs = match_boundaries(np.array([1.0]), np.array([1.0]), 0.5).pairs
    with pytest.raises(ValueError, match="read-only"):
        pairs[0] = 0


def test_long_lists_are_matched_as_scipy_does() -> None:
    random = np.random.default_rng(0)
    truth, found = np.sort(random.random(20_000) * 2e4), np.sort(random.random(30_000) * 2e4)
    first, last = np.searchsorted(found, truth - 0.5), np.searchsorted(found, truth + 0.5)
    columns = np.concatenate([np.arange(a, b) for a, b in zip(first, last, strict=True)])
    near = csr_array((np.ones(len(columns), bool), columns, np.append(0, np.cumsum(last - first))))
    assert hits(truth, found, 0.5) == (maximum_bipartite_matching(near) >= 0).sum()
