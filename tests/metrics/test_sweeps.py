"""Sweeps over thresholds: plateaus, frames and boundaries, each against the same counted one by one."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score, recall_score

from lapsdata.errors import LengthMismatchError, SchemaError
from lapsdata.metrics import match_boundaries, segment_boundaries
from lapsdata.metrics.sweeps import (
    frame_sweep,
    hits_of_sets,
    mean_share,
    shares,
    true_videos,
    whole_shares,
    widest_plateau,
)
from lapsdata.testing.samples import sample_segments

if TYPE_CHECKING:
    from lapsdata.schema.threshold import FrameObjective

INF = math.inf


def plateau(scores: list[float], edges: list[float]) -> Any:
    ends = np.array([-INF, *edges, INF])
    return widest_plateau(np.array(scores, np.float64), ends[:-1], ends[1:])


# --- which of equal ones ----------------------------------------------------------------------------------------


def test_the_middle_of_the_widest_is_taken() -> None:
    found = plateau([0, 1, 0, 1, 1, 0], [1, 2, 3, 4, 48])
    assert (found.low, found.high, found.first, found.last, found.others) == (3, 48, 3, 4, 1)
    assert found.value == pytest.approx(12)


def test_width_is_a_ratio_of_what_is_positive_and_else_a_difference() -> None:
    scores = [0, 1, 0, 1, 0]
    assert plateau(scores, [1, 4, 100, 110]).value == 2
    assert plateau(scores, [0, 4, 100, 110]).value == 105
    assert plateau(scores, [-4, 4, 100, 108]).value == 0


def test_of_equally_wide_ones_the_lowest_is_taken() -> None:
    found = plateau([0, 1, 0, 1, 0], [1, 2, 4, 8])
    assert (found.low, found.high, found.others) == (1, 2, 1)


@pytest.mark.parametrize(
    ("scores", "value", "ends"),
    [
        ([1, 0, 0], 1.0, (1, 1)),
        ([0, 0, 1], math.nextafter(4, INF), (4, 4)),
        ([1, 1, 0], 2.0, (1, 4)),
        ([1, 1, 1], 2.0, (1, 4)),
        ([0, 1, 1], 2.0, (1, 4)),
    ],
)
def test_beyond_the_energies_there_is_no_width(scores: list[float], value: float, ends: tuple[float, float]) -> None:
    found = plateau(scores, [1, 4])
    assert (found.value, found.low, found.high) == (value, *ends)


def test_what_was_not_tried_between_two_is_no_part_of_a_plateau() -> None:
    found = widest_plateau(np.array([1.0, 1, 1]), np.array([1.0, 2, 8]), np.array([2.0, 3, 9]))
    assert (found.low, found.high, found.last, found.others) == (1, 3, 1, 1)


@given(
    st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=2, max_size=12),
    st.lists(st.integers(-40, 400), min_size=11, max_size=11, unique=True),
)
def test_the_value_scores_best_and_no_run_is_wider(scores: list[float], numbers: list[int]) -> None:
    edges = sorted(number / 8 for number in numbers)[: len(scores) - 1]
    found = plateau(scores, edges)
    ends = [-INF, *edges, INF]
    (at,) = [i for i in range(len(scores)) if ends[i] < found.value <= ends[i + 1]]
    assert scores[at] == max(scores)
    assert found.first <= at <= found.last

    def width(first: int, last: int) -> float:
        low, high = max(edges[0], ends[first]), min(edges[-1], ends[last + 1])
        return high - low if edges[0] <= 0 else math.log(high) - math.log(low)

    runs = [
        (first, last)
        for first in range(len(scores))
        for last in range(first, len(scores))
        if set(scores[first : last + 1]) == {max(scores)}
    ]
    assert width(found.first, found.last) == pytest.approx(max(width(*run) for run in runs), abs=1e-12)


def test_scores_of_other_pieces_are_refused() -> None:
    with pytest.raises(LengthMismatchError, match=r"expected a score for each of 2 pieces, at least one, got 1"):
        widest_plateau(np.zeros(1), np.zeros(2), np.ones(2))
    with pytest.raises(LengthMismatchError, match=r"for each of 0 pieces"):
        widest_plateau(np.zeros(0), np.zeros(0), np.zeros(0))


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=8), st.randoms())
def test_means_do_not_hang_on_the_order(pairs: list[tuple[int, int]], random: Any) -> None:
    pairs = [(min(pair), max(pair)) for pair in pairs]
    parts, wholes = np.array(pairs).T
    each = shares(parts, wholes)
    assert mean_share(whole_shares(each).sum(keepdims=True), len(each))[0] == pytest.approx(each.mean(), abs=1e-9)
    order = random.sample(range(len(pairs)), len(pairs))
    again = sum(whole_shares(each[[at]]) for at in order)
    assert again == whole_shares(each).sum()


# --- frames -----------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(-4, 4), st.booleans()), min_size=2, max_size=20))
def test_every_threshold_is_counted_as_sklearn_counts_it(rows: list[tuple[int, bool]]) -> None:
    energy, active = np.array([row[0] for row in rows]) / 4, np.array([row[1] for row in rows])
    if len(set(active.tolist())) < 2:
        with pytest.raises(SchemaError, match=r"expected frames of both kinds, got \d+ active ones of .*\[one-class\]"):
            frame_sweep(energy, active)
        return
    sweep = frame_sweep(energy, active)
    assert sweep.high.tolist() == [*np.unique(energy).tolist(), INF]
    assert (sweep.low[1:] == sweep.high[:-1]).all()
    f1, youden = sweep.score("f1"), sweep.score("youden")
    for at, edge in enumerate(sweep.high.tolist()):
        loud = energy >= edge
        assert f1[at] == pytest.approx(f1_score(active, loud, zero_division=0.0))
        j = recall_score(active, loud) + recall_score(active, loud, pos_label=False) - 1
        assert youden[at] == pytest.approx(j)


@pytest.mark.parametrize("objective", ["f1", "youden"])
def test_two_kinds_that_do_not_overlap_are_parted_in_the_middle(objective: FrameObjective) -> None:
    sweep = frame_sweep(np.array([1.0, 2.0, 8.0, 9.0]), np.array([False, False, True, True]))
    found = widest_plateau(sweep.score(objective), sweep.low, sweep.high)
    assert (found.value, found.low, found.high) == (pytest.approx(4), 2, 8)
    assert sweep.score(objective).max() == 1


def test_labels_and_energies_that_are_none_are_refused() -> None:
    with pytest.raises(LengthMismatchError, match=r"expected R = 3 labels as energies, got 2"):
        frame_sweep(np.zeros(3), np.array([True, False]))
    with pytest.raises(SchemaError, match=r"expected finite energies"):
        frame_sweep(np.array([0.0, np.nan]), np.array([True, False]))


# --- boundaries -------------------------------------------------------------------------------------------------


@st.composite
def segmentations(draw: st.DrawFn) -> list[list[tuple[float, float]]]:
    """Draw sets of segments between 0 and 10 s that may touch, begin with the video and end with it."""
    sets = []
    for _ in range(draw(st.integers(0, 4))):
        cuts = sorted(draw(st.lists(st.integers(0, 40), max_size=8, unique=True)))
        spans = [(low / 4, high / 4) for low, high in itertools.pairwise(cuts)]
        sets.append([span for span in spans if draw(st.booleans())])
    return sets


@given(segmentations(), st.lists(st.integers(0, 80), max_size=8), st.sampled_from([0.0, 0.125, 0.5, 2.0]))
def test_many_sets_score_as_each_alone(
    sets: list[list[tuple[float, float]]], truth: list[int], tolerance_s: float
) -> None:
    span_s, true = (0.0, 10.0), np.unique(np.array(truth, np.float64) / 8)
    flat = np.array([span for some in sets for span in some], np.float64).reshape(-1, 2)
    offsets = np.cumsum([0, *map(len, sets)]).astype(np.int64)
    found, hits = hits_of_sets(true, flat, offsets, span_s, tolerance_s)
    assert len(found) == len(hits) == len(sets)
    inner = true[(true > 0) & (true < 10)]
    for at, some in enumerate(sets):
        starts, ends = np.array(some, np.float64).reshape(-1, 2).T
        boundaries = segment_boundaries(starts, ends, span_s)
        counts = match_boundaries(inner, boundaries, tolerance_s).counts
        assert (found[at], hits[at]) == (counts.found, counts.hits)


def test_videos_are_brought_together_as_for_a_score() -> None:
    made = sample_segments()
    videos, policies = true_videos(made, made)
    assert [video.name for video in videos] == sorted(video.name for video in made.header.videos)
    assert policies == {}
    wrong: Any = "ignore"
    with pytest.raises(SchemaError, match=r"extra: expected one of 'raise', 'leave_out', got 'ignore'"):
        true_videos(made, made, extra=wrong)
