"""A tolerance that is a share of the duration, and several raters: the published rule, told again in plain words."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsdata.errors import SchemaError
from lapsdata.metrics import BoundaryCounts, match_boundaries, relative_distance_counts

if TYPE_CHECKING:
    from numpy.typing import NDArray

TIMES = st.lists(st.integers(0, 64), max_size=8).map(lambda drawn: np.sort(np.array(drawn, np.float64)) / 8)
# Powers of two: a distance that equals a share of 8 s is one to the last bit.
SHARES = st.sampled_from([1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 2])
VIDEO = st.tuples(st.lists(TIMES, min_size=1, max_size=4), TIMES)

Videos = list[tuple[list["NDArray[np.float64]"], "NDArray[np.float64]"]]


def published(videos: Videos, duration: float, relative: float) -> tuple[float, float, float]:
    """Return precision, recall and F of all videos: the nearest free one for each true boundary, the best rater."""
    pairs, wanted, given = 0, 0, 0
    for raters, found in videos:
        given += len(found)
        if not len(found):
            wanted += len(raters[0])
            continue
        told = []
        for truth in raters:
            free, hits = found.tolist(), 0
            for time in truth.tolist():
                if free:
                    apart = [abs(time - other) for other in free]
                    nearest = int(np.argmin(apart))
                    if apart[nearest] <= relative * duration:
                        hits += 1
                        del free[nearest]
            # As a fraction: of raters whose F is equal the last bit of a float shall not choose.
            told.append((Fraction(2 * hits, len(truth) + len(found)), hits, len(truth)))
        _, hits, size = told[int(np.argmax([f for f, _, _ in told]))]
        pairs, wanted = pairs + hits, wanted + size
    precision, recall = pairs / given if given else 0.0, pairs / wanted if wanted else 1.0
    return precision, recall, 2 * precision * recall / (precision + recall) if pairs else 0.0


@given(st.lists(VIDEO, min_size=1, max_size=4), SHARES)
@settings(max_examples=300)
def test_pooled_counts_have_the_published_scores(videos: Videos, relative: float) -> None:
    each = [relative_distance_counts(raters, found, 8.0, relative) for raters, found in videos]
    pooled = BoundaryCounts.pooled(each)
    precision, recall, f = published(videos, 8.0, relative)
    if pooled.truth and pooled.found:
        assert (pooled.precision, pooled.recall) == pytest.approx((precision, recall))
    if pooled.truth or pooled.found:
        assert pooled.f == pytest.approx(f)


def test_the_tolerance_grows_with_the_video() -> None:
    truth, found = [np.array([4.0])], np.array([4.5])
    assert relative_distance_counts(truth, found, 10.0).hits == 1
    assert relative_distance_counts(truth, found, 9.9).hits == 0
    assert relative_distance_counts(truth, found, 9.9, 0.1).hits == 1


def test_the_best_rater_counts_and_of_equals_the_first() -> None:
    found = np.array([1.0, 5.0])
    raters = [np.array([3.0]), np.array([1.0]), np.array([1.0, 5.0, 7.0]), np.array([1.1, 5.1, 9.0])]
    assert relative_distance_counts(raters, found, 10.0) == BoundaryCounts(3, 2, 2)
    assert relative_distance_counts(raters[:2], found, 10.0) == BoundaryCounts(1, 2, 1)
    # Nobody is hit, and nothing was found.
    assert relative_distance_counts([np.array([3.0]), np.array([7.0, 8.0])], found, 10.0) == BoundaryCounts(1, 2, 0)
    assert relative_distance_counts([np.array([3.0, 4.0]), np.empty(0)], np.empty(0), 10.0) == BoundaryCounts(2, 0, 0)


def test_boundaries_at_the_ends_count() -> None:
    assert relative_distance_counts([np.array([0.0, 10.0])], np.array([0.0, 10.0]), 10.0).hits == 2


def f_of(video: tuple[list[NDArray[np.float64]], NDArray[np.float64]], relative: float, times: float = 1.0) -> float:
    raters, found = video
    return relative_distance_counts([times * one for one in raters], times * found, 8.0 * times, relative).f


@given(VIDEO, TIMES, SHARES)
def test_a_rater_more_never_lowers_f(video: Any, another: NDArray[np.float64], relative: float) -> None:
    raters, found = video
    if len(found):
        assert f_of(([*raters, another], found), relative) >= f_of(video, relative)
        # In which order they are asked decides only between equals.
        assert f_of((raters[::-1], found), relative) == f_of(video, relative)


@given(VIDEO, SHARES, st.sampled_from([0.5, 2.0, 16.0]))
def test_a_video_that_runs_slower_scores_the_same(video: Any, relative: float, times: float) -> None:
    assert f_of(video, relative, times) == f_of(video, relative)


@given(VIDEO, SHARES)
def test_who_repeats_a_rater_is_right(video: Any, relative: float) -> None:
    raters, _ = video
    for one in raters:
        counts = relative_distance_counts(raters, one, 8.0, relative)
        if len(one):
            assert counts.f == 1.0
            assert counts.hits == counts.truth == counts.found


@given(TIMES, TIMES, SHARES)
def test_of_one_rater_it_is_the_greedy_matching_at_that_tolerance(
    truth: NDArray[np.float64], found: NDArray[np.float64], relative: float
) -> None:
    expected = match_boundaries(truth, found, 8.0 * relative, matching="greedy").counts
    assert relative_distance_counts([truth], found, 8.0, relative) == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"raters_s": []}, "raters_s: expected the boundaries of at least one rater, got none"),
        (
            {"raters_s": [np.empty(0), np.array([11.0])]},
            r"raters_s\[1\]: expected times from 0\.0 s to 10\.0 s",
        ),
        ({"found_s": np.array([1.0, -0.5])}, r"found_s: expected times from 0\.0 s to 10\.0 s, got -0\.5 s \(1 such"),
        ({"found_s": [1.0]}, r"found_s: expected float64 \(B,\) array, got list"),
        ({"duration_s": 0.0}, "duration_s: expected finite seconds of at least 1e-06, got 0.0"),
        ({"relative": 0.0}, "relative: expected a share above 0, up to 1, got 0.0"),
        ({"relative": 5}, "relative: expected a share above 0, up to 1, got 5"),
    ],
)
def test_what_is_none_of_it_is_refused(changes: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"raters_s": [np.array([1.0])], "found_s": np.array([1.0]), "duration_s": 10.0} | changes
    with pytest.raises(SchemaError, match=message):
        relative_distance_counts(**given)
