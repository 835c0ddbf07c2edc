"""Scores of one video: the numbers of mir_eval, and those of LAPS by its own rules."""

from __future__ import annotations

import inspect
import itertools
import warnings
from typing import TYPE_CHECKING, Any

import mir_eval
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsdata.errors import SchemaError
from lapsdata.metrics import PROFILES, boundary_scores, evaluate_boundaries, match_boundaries, segment_boundaries

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Multiples of 1/32 s are exact in binary and have five decimals: mir_eval rounds none of them.
GRID_S, LENGTH_S = 1 / 32, 16.0
SPAN_S = (0.0, LENGTH_S)
TOLERANCES = (0.0, 0.25, 0.5, 1.0, 2.0, 3.0)
CUTS = st.sets(st.integers(1, int(LENGTH_S / GRID_S) - 1), max_size=25).map(
    lambda steps: np.sort(np.array([*steps], np.float64)) * GRID_S
)


def parts(cuts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the segments between cuts that touch."""
    edges = np.concatenate([[0.0], cuts, [LENGTH_S]])
    return np.stack([edges[:-1], edges[1:]], axis=1)


def of_mir_eval(truth: NDArray[np.float64], found: NDArray[np.float64], at: float, **options: Any) -> tuple[float, ...]:
    with warnings.catch_warnings():
        # It warns of a side whose only boundaries are trimmed.
        warnings.simplefilter("ignore")
        precision, recall, f = mir_eval.segment.detection(parts(truth), parts(found), window=at, **options)
    return float(precision), float(recall), float(f)


# --- mir_eval ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("trim", [True, False])
def test_thousands_of_random_cases_have_the_numbers_of_mir_eval(trim: bool) -> None:
    random = np.random.default_rng(5)
    checked = 0
    for case in range(2000):
        steps = int(LENGTH_S / GRID_S)
        truth, found = (
            np.sort(random.choice(np.arange(1, steps), random.integers(0, 30), replace=False)) * GRID_S for _ in "ab"
        )
        tolerance = TOLERANCES[case % len(TOLERANCES)]
        whole = [np.concatenate([[0.0], cuts, [LENGTH_S]]) for cuts in (truth, found)]
        ours = (
            boundary_scores(parts(truth), parts(found), tolerance, span_s=SPAN_S)
            if trim
            else boundary_scores(*whole, tolerance)
        )
        if trim and not len(truth) and not len(found):
            assert ours == (1.0, 1.0, 1.0, 0)  # where mir_eval says 0
            continue
        expected = of_mir_eval(truth, found, tolerance, trim=trim)
        assert ours[:3] == pytest.approx(expected, abs=1e-12)
        checked += 1
    assert checked > 1990


@given(CUTS, CUTS, st.sampled_from(TOLERANCES))
def test_segments_and_their_instants_score_alike(
    truth: NDArray[np.float64], found: NDArray[np.float64], tolerance: float
) -> None:
    scores = boundary_scores(truth, found, tolerance)
    assert boundary_scores(parts(truth), parts(found), tolerance, span_s=SPAN_S) == scores
    assert boundary_scores(parts(truth), found, tolerance, span_s=SPAN_S) == scores
    assert boundary_scores(truth[::-1].copy(), np.repeat(found, 3), tolerance, rules="ms-tcn") == scores


# --- LAPS -------------------------------------------------------------------------------------------------------


def laps(
    truth: NDArray[np.float64], found: NDArray[np.float64], duration: float, tolerance: float
) -> tuple[float, float, float]:
    """Return precision, recall and F as facts/segmentation.md 1.2 and the origin project's evaluation have them."""
    lists = []
    for segments in (truth, found):
        starts = [start for start, _ in segments.tolist() if start > 0]
        lists.append(sorted([*starts, *(end for _, end in segments.tolist() if end < duration)]))
    wanted, given = lists
    if not wanted:
        return (1.0, 1.0, 1.0) if not given else (1.0, 0.0, 0.0)
    free, hits = dict(enumerate(given)), 0
    for time in wanted:
        nearest = min(free, key=lambda j: abs(free[j] - time), default=None)
        if nearest is not None and abs(free[nearest] - time) <= tolerance:
            hits += 1
            del free[nearest]
    precision, recall = hits / len(given) if given else 0.0, hits / len(wanted)
    return precision, recall, 2 * precision * recall / (precision + recall) if hits else 0.0


@st.composite
def segments(draw: st.DrawFn) -> NDArray[np.float64]:
    """Draw segments in order of time, of which some touch and some leave gaps."""
    edges = sorted(draw(st.sets(st.integers(0, 64), max_size=14)))
    pairs = [(a, b) for a, b in itertools.pairwise(edges) if draw(st.booleans())]
    return np.array(pairs, np.float64).reshape(-1, 2) / 4


@given(segments(), segments(), st.sampled_from(TOLERANCES))
@settings(max_examples=300)
def test_by_the_rules_of_laps_the_numbers_are_its_own(
    truth: NDArray[np.float64], found: NDArray[np.float64], tolerance: float
) -> None:
    ours = boundary_scores(truth, found, tolerance, rules="laps-2025", span_s=SPAN_S)
    assert ours[:3] == pytest.approx(laps(truth, found, LENGTH_S, tolerance), abs=1e-12)


def test_touching_segments_count_twice_by_laps_and_once_otherwise() -> None:
    truth, found = parts(np.array([4.0, 8.0])), np.array([[0.0, 4.0], [9.0, 16.0]])
    assert boundary_scores(truth, found, 0.5, rules="laps-2025", span_s=SPAN_S) == (0.5, 0.25, 1 / 3, 1)
    assert boundary_scores(truth, found, 0.5, span_s=SPAN_S) == (0.5, 0.5, 0.5, 1)
    # Instants stand as often as they are given.
    twice = np.array([4.0, 4.0, 8.0, 8.0])
    assert boundary_scores(twice, twice, 0.5, rules="laps-2025").hits == 4
    assert boundary_scores(twice, twice, 0.5).hits == 2


@pytest.mark.parametrize(
    ("truth", "found", "rules", "expected"),
    [
        ([], [], "default", (1.0, 1.0, 1.0, 0)),
        ([], [3.0], "default", (0.0, 0.0, 0.0, 0)),
        ([3.0], [], "default", (0.0, 0.0, 0.0, 0)),
        ([], [], "laps-2025", (1.0, 1.0, 1.0, 0)),
        ([], [3.0], "laps-2025", (1.0, 0.0, 0.0, 0)),
        ([3.0], [], "laps-2025", (0.0, 0.0, 0.0, 0)),
    ],
)
def test_empty_cases_are_defined(truth: list[float], found: list[float], rules: Any, expected: tuple[Any, ...]) -> None:
    assert boundary_scores(np.array(truth), np.array(found), 0.5, rules=rules) == expected


# --- one video of many ------------------------------------------------------------------------------------------


@given(CUTS, CUTS, st.sampled_from(TOLERANCES), st.sampled_from([*PROFILES]))
@settings(max_examples=60)
def test_a_video_alone_scores_what_it_does_in_a_data_set(
    truth: NDArray[np.float64], found: NDArray[np.float64], tolerance: float, rules: Any
) -> None:
    one = boundary_scores(truth, found, tolerance, rules=rules, span_s=SPAN_S)
    sides = ({"a": truth}, {"a": found})
    few = {"draws": 1, "shift_draws": 1, "resamples": 1}
    row = evaluate_boundaries(*sides, spans_s={"a": SPAN_S}, tolerances_s=(tolerance,), rules=rules, **few).rows[0]
    assert (row.scores[0].macro.precision, row.scores[0].macro.recall, row.scores[0].macro.f) == one[:3]
    assert row.scores[0].hits == one.hits


@given(segments(), segments(), st.sampled_from(TOLERANCES))
def test_segments_count_by_the_rules_as_their_boundaries_do(
    truth: NDArray[np.float64], found: NDArray[np.float64], tolerance: float
) -> None:
    for rules, profile in PROFILES.items():
        sides = (segment_boundaries(*one.T, SPAN_S, counting=profile.counting) for one in (truth, found))
        counts = match_boundaries(*sides, tolerance, matching=profile.matching).counts
        ours = boundary_scores(truth, found, tolerance, rules=rules, span_s=SPAN_S)
        assert (ours.hits, ours.recall, ours.f) == (counts.hits, counts.recall, counts.f)
        if counts.truth:
            assert ours.precision == counts.precision


@given(CUTS, st.sampled_from(TOLERANCES), st.sampled_from([*PROFILES]))
def test_a_truth_scores_1_against_itself(cuts: NDArray[np.float64], tolerance: float, rules: Any) -> None:
    assert boundary_scores(cuts, cuts, tolerance, rules=rules)[:3] == (1.0, 1.0, 1.0)


# --- the spelling -----------------------------------------------------------------------------------------------


def test_the_spelling_stays() -> None:
    parameters = inspect.signature(boundary_scores).parameters
    assert [*parameters] == ["reference_s", "estimate_s", "tolerance_s", "rules", "span_s"]
    assert (parameters["rules"].default, parameters["span_s"].default) == ("default", None)
    assert boundary_scores(np.array([1.0]), np.array([1.0]), 0.5)._fields == ("precision", "recall", "f", "hits")
    assert [*PROFILES] == ["default", "laps-2025", "ms-tcn"]


# --- bad input --------------------------------------------------------------------------------------------------


def test_instants_beside_segments_are_refused_where_these_count_twice() -> None:
    message = "estimate_s: expected segments on both sides or instants on both, got segments and instants"
    with pytest.raises(SchemaError, match=message):
        boundary_scores(parts(np.array([4.0])), np.array([4.0]), 0.5, rules="laps-2025", span_s=SPAN_S)


def test_segments_need_a_span() -> None:
    with pytest.raises(SchemaError, match="reference_s: expected the time that was looked at beside segments"):
        boundary_scores(parts(np.array([4.0])), np.array([4.0]), 0.5)


@pytest.mark.parametrize(
    ("estimate", "message"),
    [
        (np.array([[3.0, 3.0]]), "estimate_s: expected segments that end after their start"),
        (np.array([[3.0, np.nan]]), "estimate_s: expected finite seconds"),
        (np.array([[3.0, 4.0, 5.0]]), r"estimate_s: expected shape \(S, 2\), got \(1, 3\)"),
        (np.array([17.0]), r"estimate_s: expected times from 0\.0 s to 16\.0 s, got 17\.0 s"),
        (np.array([3]), "estimate_s: expected float64, got int64"),
        ([3.0], r"estimate_s: expected float64 \(B,\) array, got list"),
    ],
)
def test_wrong_times_are_refused(estimate: Any, message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        boundary_scores(np.array([4.0]), estimate, 0.5, span_s=SPAN_S)


def test_wrong_words_and_tolerances_are_refused() -> None:
    with pytest.raises(SchemaError, match="rules: expected one of 'default', 'laps-2025', 'ms-tcn', got 'laps'"):
        boundary_scores(np.empty(0), np.empty(0), 0.5, rules="laps")  # type: ignore[arg-type]
    with pytest.raises(SchemaError, match="tolerance_s: expected finite seconds of at least 0, got -1"):
        boundary_scores(np.empty(0), np.empty(0), -1)
