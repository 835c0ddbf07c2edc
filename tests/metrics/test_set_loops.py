"""The compiled loops over many sets say what the plain functions say of each set alone."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.metrics import (
    BoundaryCounts,
    covering,
    match_boundaries,
    nearest_distances,
    periodic_boundaries,
    r_value,
)
from lapsdata.metrics._alignment import Video
from lapsdata.metrics._boundary_sets import BoundarySets, sets_of
from lapsdata.metrics._metronome import beats
from lapsdata.metrics._ratios import ratios
from lapsdata.metrics._rows import Scorer
from lapsdata.schema import BoundaryRules

if TYPE_CHECKING:
    from numpy.typing import NDArray

SPAN_S = (0.0, 8.0)
# Crowded, so that many are as far apart as a tolerance, and some are equal.
TIMES = st.lists(st.integers(1, 63), max_size=12).map(lambda drawn: np.sort(np.array(drawn, np.float64)) / 8)
SETS = st.integers(1, 4).flatmap(lambda draws: st.lists(TIMES, min_size=draws, max_size=draws))


@st.composite
def videos(draw: st.DrawFn) -> tuple[list[Video], list[list[NDArray[np.float64]]]]:
    """Draw the truth of some videos and as many sets of boundaries for each."""
    count, draws = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    drawn = [[draw(TIMES) for _ in range(draws)] for _ in range(count)]
    return [Video(str(i), SPAN_S, draw(TIMES), np.empty(0)) for i in range(count)], drawn


def scorer(of: list[Video], **rules: Any) -> Scorer:
    return Scorer(of, **({"matching": "maximum", "empty": "both_1_one_0"} | rules))


@pytest.mark.parametrize("matching", ["maximum", "greedy"])
@given(videos(), st.sampled_from([0.0, 0.125, 0.5, 1.0, 9.0]))
def test_hits_are_those_of_each_set_alone(
    matching: Any, given: tuple[list[Video], list[list[NDArray[np.float64]]]], tolerance: float
) -> None:
    truth, drawn = given
    hits = scorer(truth, matching=matching).hits(sets_of(drawn), tolerance)
    for video, sets, counted in zip(truth, drawn, hits.tolist(), strict=True):
        alone = [match_boundaries(video.truth, found, tolerance, matching=matching).counts.hits for found in sets]
        assert counted == alone


@given(videos())
def test_covering_and_distances_are_those_of_each_set_alone(
    given: tuple[list[Video], list[list[NDArray[np.float64]]]],
) -> None:
    truth, drawn = given
    each = [[covering(video.truth, found, SPAN_S) for found in sets] for video, sets in zip(truth, drawn, strict=True)]
    score = scorer(truth)
    assert score.covering(sets_of(drawn)) == pytest.approx(statistics.fmean(np.mean(each, axis=0)))
    # Distances are asked for of sets of one length.
    alike = [[found[: min(map(len, sets))] for found in sets] for sets in drawn]
    told = score.deviation(sets_of(alike))
    both = [
        [nearest_distances(video.truth, found) for found in sets]
        for video, sets in zip(truth, alike, strict=True)
        if len(video.truth) and len(sets[0])
    ]
    assert told.videos == len(both)
    for side, name in enumerate(("truth_to_found_s", "found_to_truth_s")):
        if not both:
            assert getattr(told.macro, name) is getattr(told.micro, name) is None
            continue
        medians = [np.median(one[side]) for sets in both for one in sets]
        assert getattr(told.macro, name) == pytest.approx(np.mean(medians))
        pooled = [np.median(np.concatenate([sets[r][side] for sets in both])) for r in range(len(both[0]))]
        assert getattr(told.micro, name) == pytest.approx(np.mean(pooled))


@given(videos())
def test_the_score_of_draws_is_the_mean_of_the_scores_of_each(
    given: tuple[list[Video], list[list[NDArray[np.float64]]]],
) -> None:
    truth, drawn = given
    told = scorer(truth).score(sets_of(drawn), 0.5)
    counts = [
        [match_boundaries(video.truth, sets[r], 0.5).counts for video, sets in zip(truth, drawn, strict=True)]
        for r in range(len(drawn[0]))
    ]
    pooled = [BoundaryCounts.pooled(each) for each in counts]
    for name in ("precision", "recall", "f"):
        macro = [statistics.fmean(getattr(one, name) for one in each) for each in counts]
        assert getattr(told.macro, name) == statistics.fmean(macro)
        assert getattr(told.micro, name) == pytest.approx(statistics.fmean(getattr(one, name) for one in pooled))
    assert told.found == statistics.fmean(one.found for one in pooled)
    if pooled[0].truth:
        assert told.micro_r_value == pytest.approx(statistics.fmean(map(r_value, pooled)))
    else:
        assert told.micro_r_value is None


def test_a_greedy_choice_passes_over_what_is_taken() -> None:
    """Each is nearest to 4.0, which the first has: the second goes the one way, and who comes next the other."""
    truth = [Video("a", SPAN_S, np.array([3.75, 3.875, 4.0, 4.125]), np.empty(0))]
    found = sets_of([[np.array([3.0, 4.0, 5.0])]])
    for tolerance, expected in ((0.5, 1), (0.875, 3), (1.0, 3)):
        hits = scorer(truth, matching="greedy").hits(found, tolerance)
        plain = match_boundaries(truth[0].truth, np.array([3.0, 4.0, 5.0]), tolerance, matching="greedy").counts.hits
        assert hits.tolist() == [[plain]] == [[expected]]


@given(
    st.lists(st.tuples(st.integers(-9, 9), st.floats(0.1, 40)), min_size=1, max_size=4),
    st.sampled_from([0.1, 0.3, 1.0, 2.0, 2**0.25, 50.0]),
    st.sampled_from(["once", "each_end"]),
)
def test_beats_of_all_videos_are_those_of_each_alone(
    spans: list[tuple[int, float]], period: float, counting: Any
) -> None:
    none = np.empty(0)
    given = [Video(str(i), (start, start + length), none, none) for i, (start, length) in enumerate(spans)]
    rules = BoundaryRules(tolerances_s=(1.0,), counting=counting, matching="maximum", resolution_s=1e-6)
    told = beats(given, period, rules)
    alone = sets_of([periodic_boundaries(video.span_s, period)] for video in given)
    expected = alone.repeated(2 if counting == "each_end" else 1)
    assert told.ticks.tolist() == expected.ticks.tolist()
    assert told.places.tolist() == expected.places.tolist()


@given(st.lists(SETS, min_size=1, max_size=1), st.integers(1, 3))
def test_sets_keep_their_order_and_their_lengths(given: list[list[NDArray[np.float64]]], times: int) -> None:
    (sets,) = given
    made = sets_of([sets]).repeated(times)
    assert made.counts.tolist() == [[times * len(one) for one in sets]]
    parts = np.split(made.ticks, made.places[1:-1])
    assert [part.tolist() for part in parts] == [np.repeat(one * 1e6, times).tolist() for one in sets]
    if len({len(one) for one in sets}) == 1:
        of_array = sets_of([np.stack(sets)])
        assert isinstance(of_array, BoundarySets)
        assert (of_array.ticks.tolist(), of_array.draws) == (sets_of([sets]).ticks.tolist(), len(sets))


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=9))
def test_ratios_of_arrays_are_those_of_counts(drawn: list[tuple[int, int, int]]) -> None:
    each = [BoundaryCounts(truth, found, min(truth, found, hits)) for truth, found, hits in drawn]
    columns = [np.array(column) for column in zip(*((one.truth, one.found, one.hits) for one in each), strict=True)]
    ours = ratios(*columns, "both_1_one_0")
    for name in ("precision", "recall", "f"):
        assert getattr(ours, name).tolist() == [getattr(one, name) for one in each]
    laps = ratios(*columns, "no_truth_precision_1")
    assert laps.precision.tolist() == [one.precision if one.truth else 1.0 for one in each]
    assert (laps.recall.tolist(), laps.f.tolist()) == (ours.recall.tolist(), ours.f.tolist())
