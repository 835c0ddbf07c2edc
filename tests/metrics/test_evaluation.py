"""A whole result: counts, averages, chance beside the prediction, and the same bytes each time."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.containers import Segments
from lapsdata.errors import SchemaError
from lapsdata.metrics import (
    CHANCE_ROWS,
    ORACLE_ROWS,
    TOLERANCES_S,
    candidate_periods,
    evaluate_boundaries,
    inner_boundaries,
    match_boundaries,
    nearest_distances,
    periodic_boundaries,
    random_boundaries,
    shifted_boundaries,
    uniform_boundaries,
)
from lapsdata.schema import BoundaryResult, BoundaryRow, SegmentedVideo, SegmentsHeader
from lapsdata.testing.samples import sample_provenance

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

GOLDEN = Path(__file__).parent / "golden"
SPANS = {"a": (0.0, 9.0), "b": (0.0, 6.0)}
TRUTH = {"a": np.array([2.0, 5.0, 6.5]), "b": np.array([3.0])}
FOUND = {"a": np.array([2.2, 4.0, 6.5, 8.0]), "b": np.array([3.75, 1.0])}


def row(result: BoundaryResult, name: str) -> BoundaryRow:
    return next(row for row in result.rows if row.name == name)


def segments(pieces: dict[str, list[tuple[float, float]]], spans: dict[str, tuple[float, float]]) -> Segments:
    names = list(spans)
    rows = [(names.index(name), start, end) for name in names for start, end in pieces.get(name, [])]
    index, start, end = zip(*rows, strict=True) if rows else ((), (), ())
    return Segments(
        SegmentsHeader(
            provenance=sample_provenance(),
            videos=tuple(SegmentedVideo(name=name, start_s=a, end_s=b) for name, (a, b) in spans.items()),
        ),
        np.array(index, np.int64),
        np.array(start, np.float64),
        np.array(end, np.float64),
        ("annotation",) * len(rows),
        (None,) * len(rows),
    )


# --- the prediction ---------------------------------------------------------------------------------------------


def test_the_prediction_by_hand(evaluate: Callable[..., BoundaryResult]) -> None:
    result = evaluate()
    a, b = result.videos
    assert (a.name, a.truth, a.found, a.hits, a.start_s, a.end_s) == ("a", 3, 4, (2, 3), 0.0, 9.0)
    assert (b.name, b.truth, b.found, b.hits) == ("b", 1, 2, (0, 1))
    near, far = result.rows[0].scores
    assert (near.tolerance_s, near.found, near.hits) == (0.25, 6, 2)
    assert (near.macro.precision, near.macro.recall) == pytest.approx((0.25, 1 / 3))
    assert near.macro.f == pytest.approx((4 / 7 + 0) / 2)
    assert (near.micro.precision, near.micro.recall, near.micro.f) == pytest.approx((2 / 6, 2 / 4, 4 / 10))
    assert (far.micro.f, far.macro.f) == pytest.approx((0.8, (6 / 7 + 2 / 3) / 2))
    assert (near.macro_f_sd, near.micro_f_sd) == (None, None)


def test_distances_by_hand(evaluate: Callable[..., BoundaryResult]) -> None:
    found = evaluate().rows[0].deviation
    assert found is not None
    # a: 0.2, 1.0, 0.0 and 0.2, 1.0, 0.0, 1.5; b: 0.75 and 0.75, 2.0
    assert found.videos == 2
    assert found.macro.truth_to_found_s == pytest.approx((0.2 + 0.75) / 2)
    assert found.macro.found_to_truth_s == pytest.approx((0.6 + 1.375) / 2)
    assert found.micro.truth_to_found_s == pytest.approx(0.475)
    assert found.micro.found_to_truth_s == pytest.approx(0.875)


def test_rules_are_in_the_result(evaluate: Callable[..., BoundaryResult]) -> None:
    assert evaluate().rules.as_json() == {
        "tolerances_s": [0.25, 1.0],
        "counting": "once",
        "matching": "maximum",
        "resolution_s": 1e-6,
        "window": "inclusive",
        "ends": "left_out",
        "background": "as_any_segment",
        "empty": "both_1_one_0",
        "profile": "default",
    }
    other = evaluate(matching="greedy", counting="each_end").rules
    assert (other.matching, other.counting, other.profile) == ("greedy", "each_end", None)


def test_one_word_names_the_rules(evaluate: Callable[..., BoundaryResult]) -> None:
    laps = evaluate(rules="laps-2025").rules
    assert (laps.matching, laps.counting, laps.empty, laps.profile) == (
        "greedy", "each_end", "no_truth_precision_1", "laps-2025",
    )  # fmt: skip
    spelled = evaluate(matching="greedy", counting="each_end", empty="no_truth_precision_1")
    assert evaluate(rules="laps-2025").rows == spelled.rows
    other = evaluate(rules="laps-2025", matching="maximum").rules
    assert (other.matching, other.counting, other.profile) == ("maximum", "each_end", None)
    frames = evaluate(rules="ms-tcn")
    assert (frames.rows, frames.rules.profile) == (evaluate().rows, "ms-tcn")
    with pytest.raises(SchemaError, match="rules: expected one of 'default', 'laps-2025', 'ms-tcn', got 'laps'"):
        evaluate(rules="laps")


def test_by_laps_precision_is_one_where_nothing_is_true(evaluate: Callable[..., BoundaryResult]) -> None:
    result = evaluate(truth={"a": np.empty(0), "b": np.array([3.0])}, found=FOUND, rules="laps-2025")
    far = result.rows[0].scores[1]
    # a: 1, 0, 0 by that rule; b: one of two is a hit.
    assert (far.macro.precision, far.macro.recall, far.macro.f) == pytest.approx((0.75, 0.5, 1 / 3))
    assert far.micro.precision == pytest.approx(1 / 6)
    none = {"a": np.empty(0), "b": np.empty(0)}
    for found, expected in ((FOUND, (1.0, 0.0, 0.0)), (none, (1.0, 1.0, 1.0))):
        score = evaluate(truth=none, found=found, rules="laps-2025").rows[0].scores[0]
        for side in (score.macro, score.micro):
            assert (side.precision, side.recall, side.f) == expected


def test_defaults_are_the_five_tolerances_and_a_provenance_of_ours() -> None:
    result = evaluate_boundaries(TRUTH, FOUND, spans_s=SPANS)
    assert result.rules.tolerances_s == TOLERANCES_S == (0.25, 0.5, 1.0, 2.0, 5.0)
    assert result.provenance.producer == "lapsdata"
    assert result.provenance.parameters == {"draws": 100, "shift_draws": 1000, "seed": 0, "resamples": 1000}
    assert {name: row(result, name).draws for name in CHANCE_ROWS} == {
        "uniform_same_count": 1, "random_same_count": 100, "circular_shift": 1000,
    }  # fmt: skip


# --- chance -----------------------------------------------------------------------------------------------------


def plain_macro_f(truth: dict[str, NDArray[np.float64]], cuts: dict[str, NDArray[np.float64]], at: float) -> float:
    return statistics.fmean(match_boundaries(truth[name], cuts[name], at).counts.f for name in truth)


def test_every_result_has_the_rows_of_chance(evaluate: Callable[..., BoundaryResult]) -> None:
    result = evaluate()
    assert tuple(row.name for row in result.rows) == ("prediction", *CHANCE_ROWS, *ORACLE_ROWS)
    assert [row.kind for row in result.rows] == ["prediction", *["chance"] * 3, *["oracle"] * 2]


def test_uniform_rows_score_what_their_boundaries_score(evaluate: Callable[..., BoundaryResult]) -> None:
    result = evaluate()
    for name, counts in (("uniform_same_count", FOUND), ("oracle_count", TRUTH)):
        cuts = {video: uniform_boundaries(SPANS[video], len(counts[video])) for video in SPANS}
        for score in row(result, name).scores:
            assert score.macro.f == pytest.approx(plain_macro_f(TRUTH, cuts, score.tolerance_s))
            assert score.found == sum(map(len, cuts.values()))


def test_drawn_rows_are_means_over_their_draws(evaluate: Callable[..., BoundaryResult]) -> None:
    result = evaluate(draws=7, shift_draws=9, seed=5)
    seven, nine = ({"draws": draws, "seed": 5} for draws in (7, 9))
    drawn = {
        "random_same_count": {v: random_boundaries(SPANS[v], len(FOUND[v]), video=v, **seven) for v in SPANS},
        "circular_shift": {v: shifted_boundaries(FOUND[v], SPANS[v], video=v, **nine) for v in SPANS},
    }
    for (name, sets), seeded in zip(drawn.items(), (seven, nine), strict=True):
        chance, draws = row(result, name), seeded["draws"]
        assert (chance.draws, chance.parameters) == (draws, seeded)
        for score in chance.scores:
            each = [plain_macro_f(TRUTH, {v: sets[v][i] for v in SPANS}, score.tolerance_s) for i in range(draws)]
            assert score.macro.f == pytest.approx(statistics.fmean(each))
            assert score.macro_f_sd == pytest.approx(statistics.stdev(each))
        medians = [np.median(nearest_distances(TRUTH[v], sets[v][i])[0]) for v in SPANS for i in range(draws)]
        assert chance.deviation is not None
        assert chance.deviation.macro.truth_to_found_s == pytest.approx(np.mean(medians))


def test_one_draw_has_no_deviation_over_draws(evaluate: Callable[..., BoundaryResult]) -> None:
    scores = row(evaluate(draws=1), "random_same_count").scores
    assert [(score.macro_f_sd, score.micro_f_sd) for score in scores] == [(None, None)] * 2


def test_the_best_metronome_is_the_best_of_the_candidates(evaluate: Callable[..., BoundaryResult]) -> None:
    best = row(evaluate(), "uniform_best_period")
    assert best.deviation is None
    periods = best.parameters["period_s"]
    assert isinstance(periods, list)
    for period, score in zip(periods, best.scores, strict=True):
        of_all = {
            candidate: plain_macro_f(
                TRUTH, {v: periodic_boundaries(SPANS[v], candidate) for v in SPANS}, score.tolerance_s
            )
            for candidate in candidate_periods(0.0625, 9.0)
        }
        assert score.macro.f == pytest.approx(max(of_all.values()))
        assert period == max(candidate for candidate, f in of_all.items() if f == max(of_all.values()))


def test_without_true_boundaries_the_best_metronome_is_silent(evaluate: Callable[..., BoundaryResult]) -> None:
    result = evaluate(truth={"a": np.empty(0), "b": np.empty(0)})
    assert [(score.found, score.macro.f) for score in row(result, "uniform_best_period").scores] == [(0, 1.0)] * 2
    assert [score.macro.f for score in result.rows[0].scores] == [0.0, 0.0]


def test_cuts_of_chance_count_twice_where_those_of_segments_do(evaluate: Callable[..., BoundaryResult]) -> None:
    twice = {name: np.repeat(times, 2) for name, times in FOUND.items()}
    truth = {name: np.repeat(times, 2) for name, times in TRUTH.items()}
    once, each = evaluate(), evaluate(truth=truth, found=twice, counting="each_end")
    assert [video.hits for video in each.videos] == [tuple(2 * n for n in video.hits) for video in once.videos]
    for name in ("prediction", *CHANCE_ROWS, *ORACLE_ROWS):
        ours, theirs = row(once, name).scores, row(each, name).scores
        assert [score.macro.f for score in theirs] == pytest.approx([score.macro.f for score in ours]), name
        assert [score.found for score in theirs] == [2 * score.found for score in ours], name


def test_rows_that_are_given_stand_behind_the_others(evaluate: Callable[..., BoundaryResult]) -> None:
    beats = {video: periodic_boundaries(span, 2.8) for video, span in SPANS.items()}
    result = evaluate(chance={"constant_energy": beats})
    assert [row.name for row in result.rows][-3:] == ["constant_energy", *ORACLE_ROWS]
    given_row = row(result, "constant_energy")
    assert (given_row.kind, given_row.draws) == ("chance", 1)
    assert [score.macro.f for score in given_row.scores] == pytest.approx(
        [plain_macro_f(TRUTH, beats, tolerance) for tolerance in (0.25, 1.0)]
    )


# --- both kinds of input ----------------------------------------------------------------------------------------


def test_segments_and_their_boundaries_score_alike(evaluate: Callable[..., BoundaryResult]) -> None:
    truth = segments({"a": [(0, 2), (2, 5), (5, 6.5), (6.5, 9)], "b": [(0, 3)]}, SPANS)
    found = segments({"a": [(2.2, 4), (4, 6.5), (6.5, 8)], "b": [(1, 3.75)]}, SPANS)
    assert evaluate(truth=truth, found=found, spans_s=None).to_bytes() == evaluate().to_bytes()
    assert evaluate(truth=truth, found=FOUND, spans_s=None).to_bytes() == evaluate().to_bytes()
    assert evaluate(found=found, spans_s=None).to_bytes() == evaluate().to_bytes()


@given(st.permutations(["a", "b"]), st.randoms())
def test_neither_the_order_of_videos_nor_of_boundaries_matters(names: list[str], random: Any) -> None:
    def shuffled(given: dict[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
        return {name: np.array(random.sample(given[name].tolist(), len(given[name]))) for name in names}

    options: dict[str, Any] = {
        "spans_s": SPANS,
        "draws": 2,
        "shift_draws": 2,
        "resamples": 3,
        "provenance": sample_provenance(),
    }
    one = evaluate_boundaries(TRUTH, FOUND, **options)
    assert evaluate_boundaries(shuffled(TRUTH), shuffled(FOUND), **options).to_bytes() == one.to_bytes()


def test_a_video_alone_scores_as_it_does_among_others(evaluate: Callable[..., BoundaryResult]) -> None:
    alone = evaluate(truth={"a": TRUTH["a"]}, found={"a": FOUND["a"]})
    assert alone.videos == evaluate().videos[:1]
    score = alone.rows[0].scores[0]
    assert score.macro == score.micro


# --- the truth's digest -----------------------------------------------------------------------------------------


def test_the_digest_is_of_the_truth_alone(evaluate: Callable[..., BoundaryResult]) -> None:
    digest = evaluate().truth_digest
    assert evaluate(found={"a": np.array([1.0]), "b": np.empty(0)}, seed=3).truth_digest == digest
    last_bit = {**TRUTH, "a": np.nextafter(TRUTH["a"], 9)}
    assert evaluate(truth=last_bit).truth_digest == digest
    others = (
        evaluate(truth={**TRUTH, "b": np.array([3.000001])}),
        evaluate(spans_s={**SPANS, "b": (0.0, 6.5)}),
        evaluate(truth={"a": TRUTH["a"]}, found={"a": FOUND["a"]}),
        evaluate(truth={"a": TRUTH["a"], "c": TRUTH["b"]}, found={"a": FOUND["a"], "c": FOUND["b"]},
                 spans_s={**SPANS, "c": SPANS["b"]}),
    )  # fmt: skip
    assert len({digest, *(other.truth_digest for other in others)}) == 5


# --- golden -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("plain", {}),
        ("rules_of_laps", {"rules": "laps-2025", "tolerances_s": (2.0, 5.0)}),
        ("policies", {"found": {"a": FOUND["a"], "c": np.array([1.0])}, "missing": "empty", "extra": "leave_out"}),
        ("empty", {"truth": {"a": np.empty(0), "b": np.empty(0)}, "found": {"a": np.empty(0), "b": np.array([1.0])}}),
        ("train", {"spans_s": {**SPANS, "t": (1.0, 8.0)}, "train": {"t": np.array([2.0, 4.5, 6.5])}}),
    ],
)
def test_results_are_the_bytes_of_the_golden_files(
    evaluate: Callable[..., BoundaryResult], name: str, changes: dict[str, Any]
) -> None:
    golden = (GOLDEN / f"{name}.json").read_bytes()
    result = evaluate(**changes)
    assert BoundaryResult.parse(golden, name) == result
    assert result.to_bytes() == golden.rstrip(b"\n")


def test_policies_are_counted(evaluate: Callable[..., BoundaryResult]) -> None:
    found = {"a": FOUND["a"], "c": np.array([1.0]), "d": np.empty(0)}
    result = evaluate(found=found, missing="empty", extra="leave_out")
    assert result.policies == {"missing_as_empty": 1, "without_truth_left_out": 2}
    assert [(video.name, video.found) for video in result.videos] == [("a", 4), ("b", 0)]
    assert evaluate().policies == {}


def test_nothing_on_both_sides_is_right_and_has_no_distance(evaluate: Callable[..., BoundaryResult]) -> None:
    none = {"a": np.empty(0), "b": np.empty(0)}
    result = evaluate(truth=none, found=none)
    for each in result.rows:
        assert [score.macro.f for score in each.scores] == [1.0, 1.0]
        assert [score.micro.f for score in each.scores] == [1.0, 1.0]
    found = result.rows[0].deviation
    assert found is not None
    assert (found.videos, found.macro.truth_to_found_s, found.micro.found_to_truth_s) == (0, None, None)


def test_the_given_arrays_are_left_alone(evaluate: Callable[..., BoundaryResult]) -> None:
    truth, found = np.array([5.0, 2.0]), np.array([6.0, 1.0])
    evaluate(truth={"a": truth}, found={"a": found})
    assert (truth.tolist(), found.tolist()) == ([5.0, 2.0], [6.0, 1.0])
    assert inner_boundaries(truth, (0.0, 9.0)).tolist() == [2.0, 5.0]
