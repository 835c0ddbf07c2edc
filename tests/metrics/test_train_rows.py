"""What is known of a train split: where its events are, how long its segments last, nothing of what is scored."""

from __future__ import annotations

import json
import statistics
from fractions import Fraction
from math import ceil
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
    TRAIN_ROWS,
    best_chance,
    boundary_table,
    candidate_periods,
    check_comparable,
    lasting_boundaries,
    match_boundaries,
    median_shares,
    periodic_boundaries,
    placed_boundaries,
)
from lapsdata.schema import BoundaryResult, BoundaryRow, SegmentedVideo, SegmentsHeader
from lapsdata.testing.samples import sample_provenance

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Evaluate = Callable[..., BoundaryResult]

GOLDEN = Path(__file__).parent / "golden"
TRUTH = {"a": np.array([2.0, 5.0, 6.5]), "b": np.array([3.0])}
SPANS = {"a": (0.0, 9.0), "b": (0.0, 6.0)}
TRAIN = {"t": np.array([1.0, 4.0]), "u": np.array([12.0, 14.0, 18.0]), "v": np.array([2.5, 3.0])}
TRAIN_SPANS = {"t": (0.0, 8.0), "u": (10.0, 20.0), "v": (0.0, 5.0)}
SHARES = st.lists(st.integers(0, 64), max_size=6).map(lambda drawn: np.sort(np.array(drawn, np.float64)) / 64)


def row(result: BoundaryResult, name: str) -> BoundaryRow:
    return next(row for row in result.rows if row.name == name)


def macro_f(cuts: dict[str, NDArray[np.float64]], tolerance_s: float) -> float:
    return statistics.fmean(match_boundaries(TRUTH[name], cuts[name], tolerance_s).counts.f for name in TRUTH)


@pytest.fixture
def trained(evaluate: Evaluate) -> Evaluate:
    """Return a function that scores the two small videos beside a train split of three."""

    def of(**changes: Any) -> BoundaryResult:
        return evaluate(**({"spans_s": SPANS | TRAIN_SPANS, "train": TRAIN} | changes))

    return of


# --- where events are -------------------------------------------------------------------------------------------


def test_median_shares_by_hand() -> None:
    four = [np.array([0.1, 0.4, 0.6, 0.9]), np.array([0.2, 0.3, 0.7, 0.8]), np.array([0.3, 0.5, 0.6, 1.0])]
    assert median_shares(four).tolist() == [0.2, 0.4, 0.6, 0.9]
    # Two events in the median video: of four the first and the third (1/4 and 3/4 of them), of one the only one.
    unlike = [np.array([0.1, 0.2, 0.3, 0.4]), np.array([0.5, 0.6]), np.array([0.7])]
    assert median_shares(unlike).tolist() == [0.5, 0.6]
    assert median_shares([np.empty(0), np.array([0.3]), np.array([0.5])]).tolist() == [0.4]
    assert median_shares([np.empty(0), np.empty(0), np.array([0.5])]).tolist() == []


@given(st.lists(SHARES, min_size=1, max_size=7))
def test_median_shares_are_those_of_each_rank_in_exact_fractions(shares: list[NDArray[np.float64]]) -> None:
    found = median_shares(shares)
    counts = sorted(map(len, shares))
    count = counts[(len(counts) - 1) // 2]
    assert len(found) == count
    for k in range(1, count + 1):
        quantile = Fraction(2 * k - 1, 2 * count)
        said = [events[ceil(quantile * len(events)) - 1] for events in shares if len(events)]
        assert found[k - 1] == statistics.median(said)
    assert (np.diff(found) >= 0).all()
    assert median_shares(shares[::-1]).tolist() == found.tolist()


@given(st.integers(-20, 20), st.integers(1, 400), SHARES)
def test_places_are_shares_of_the_span(start: int, length: int, shares: NDArray[np.float64]) -> None:
    placed = placed_boundaries((float(start), float(start + length)), shares)
    np.testing.assert_allclose((placed - start) / length, shares, atol=1e-12)


# --- how long segments last -------------------------------------------------------------------------------------


@given(
    st.tuples(st.integers(-20, 20), st.integers(1, 200)).map(lambda drawn: (drawn[0] / 4, sum(drawn) / 4)),
    st.lists(st.integers(1, 40), min_size=1, max_size=5).map(lambda drawn: np.array(drawn, np.float64) / 4),
    st.integers(1, 4),
    st.integers(0, 9),
)
def test_segments_last_as_given_ones_until_the_video_ends(
    span: tuple[float, float], durations: NDArray[np.float64], draws: int, seed: int
) -> None:
    drawn = lasting_boundaries(span, durations, draws=draws, seed=seed, video="a")
    assert len(drawn) == draws
    for cuts in drawn:
        lasted = np.diff([span[0], *cuts])
        assert np.isin(np.round(lasted * 4), durations * 4).all()
        assert not len(cuts) or cuts[-1] < span[1]
        # The last segment would have reached the end.
        assert span[1] - (cuts[-1] if len(cuts) else span[0]) <= durations.max() + 1e-9
    more = lasting_boundaries(span, durations, draws=draws + 2, seed=seed, video="a")
    assert [cuts.tolist() for cuts in more[:draws]] == [cuts.tolist() for cuts in drawn]


def test_each_duration_is_as_likely_whatever_came_before() -> None:
    drawn = lasting_boundaries((0.0, 4000.0), np.array([1.0, 2.0, 5.0]), draws=3, seed=1, video="a")
    lasted = np.concatenate([np.diff(cuts) for cuts in drawn])
    shares = [np.mean(np.isclose(lasted, one)) for one in (1.0, 2.0, 5.0)]
    # 4,500 draws: a standard deviation of 0.007.
    np.testing.assert_allclose(shares, 1 / 3, atol=0.03)
    assert abs(np.corrcoef(lasted[:-1], lasted[1:])[0, 1]) < 0.06
    alone = [lasting_boundaries((0.0, 50.0), np.array([1.0, 2.0]), draws=1, seed=s, video=v)[0].tolist()
             for s, v in ((0, "a"), (1, "a"), (0, "b"))]  # fmt: skip
    assert alone[0] != alone[1] != alone[2] != alone[0]


def test_one_long_segment_among_short_ones_is_no_reason_to_stop_early() -> None:
    """The numbers drawn at once are by the mean: where that is far above the median more must follow."""
    durations = np.array([0.5] * 50 + [500.0])
    for cuts in lasting_boundaries((0.0, 600.0), durations, draws=20, seed=0, video="a"):
        assert 600.0 - (cuts[-1] if len(cuts) else 0.0) <= 500.0
        assert np.isin(np.round(np.diff([0.0, *cuts]), 6), durations).all()


# --- the rows ---------------------------------------------------------------------------------------------------


def test_without_a_train_split_there_is_no_such_row(evaluate: Evaluate, trained: Evaluate) -> None:
    assert not {row.name for row in evaluate().rows} & set(TRAIN_ROWS)
    names = [row.name for row in trained(chance={"own": TRUTH}).rows]
    assert names == ["prediction", *CHANCE_ROWS, *TRAIN_ROWS, "own", *ORACLE_ROWS]
    assert {each.kind for each in trained().rows[1:8]} == {"chance"}
    # What was scored before is scored as before.
    assert (*trained().rows[:4], *trained().rows[8:]) == evaluate().rows


def test_positions_by_hand(trained: Evaluate) -> None:
    # Shares: t 1/8 4/8, u 2/10 4/10 8/10, v 5/10 6/10; two events; of three the first and the third.
    told = row(trained(), "train_position")
    assert told.parameters["shares"] == pytest.approx([0.2, 0.6])
    assert told.parameters["train_videos"] == 3
    cuts = {"a": np.array([1.8, 5.4]), "b": np.array([1.2, 3.6])}
    assert [score.macro.f for score in told.scores] == pytest.approx([macro_f(cuts, at) for at in (0.25, 1.0)])
    assert told.scores[1].macro.f > 0
    assert told.deviation is not None
    assert told.deviation.micro.truth_to_found_s == pytest.approx(np.median([0.2, 0.4, 1.1, 0.6]))


def test_copies_are_of_the_video_nearest_in_length(trained: Evaluate) -> None:
    # 9 s lie between 8 s and 10 s: the first by name; 6 s are nearest to 5 s.
    told = row(trained(), "train_copy")
    cuts = {"a": np.array([1 / 8, 4 / 8]) * 9, "b": np.array([0.5, 0.6]) * 6}
    for score in told.scores:
        assert score.macro.f == pytest.approx(macro_f(cuts, score.tolerance_s))
        assert score.found == 4
    other = row(trained(spans_s={**SPANS, **TRAIN_SPANS, "t": (0.0, 7.9)}), "train_copy")
    assert other.scores[0].found == 5


def test_durations_are_those_between_boundaries_and_ends(trained: Evaluate) -> None:
    told = row(trained(draws=6, seed=3), "train_durations")
    assert (told.draws, told.deviation, told.parameters["seed"]) == (6, None, 3)
    lasted = np.array([1, 3, 4, 2, 2, 4, 2, 2.5, 0.5, 2])
    sets = {name: lasting_boundaries(SPANS[name], lasted, draws=6, seed=3, video=name) for name in SPANS}
    for score in told.scores:
        each = [macro_f({name: sets[name][i] for name in sets}, score.tolerance_s) for i in range(6)]
        assert score.macro.f == pytest.approx(statistics.fmean(each))
        assert score.macro_f_sd == pytest.approx(statistics.stdev(each))


def test_the_period_is_the_best_of_the_train_split(trained: Evaluate) -> None:
    told = row(trained(), "uniform_train_period")
    periods = told.parameters["period_s"]
    assert isinstance(periods, list)
    for period, score in zip(periods, told.scores, strict=True):
        there = {
            candidate: statistics.fmean(
                match_boundaries(TRAIN[v], periodic_boundaries(TRAIN_SPANS[v], candidate), score.tolerance_s).counts.f
                for v in TRAIN
            )
            for candidate in candidate_periods(0.0625, 10.0)
        }
        assert period == max(candidate for candidate, f in there.items() if f == max(there.values()))
        beats = {v: periodic_boundaries(SPANS[v], float(str(period))) for v in SPANS}
        assert score.macro.f == pytest.approx(macro_f(beats, score.tolerance_s))


def test_the_train_rows_know_nothing_of_what_is_scored(trained: Evaluate) -> None:
    moved = trained(truth={"a": TRUTH["a"] + 0.7, "b": np.array([0.3, 5.0])}, found={"a": TRUTH["a"], "b": TRUTH["b"]})
    for name in TRAIN_ROWS:
        ours, theirs = row(trained(), name), row(moved, name)
        assert ours.parameters == theirs.parameters
        assert [score.found for score in ours.scores] == [score.found for score in theirs.scores]


@given(st.permutations(list(TRAIN)))
def test_the_order_of_the_train_videos_does_not_matter(names: list[str]) -> None:
    from lapsdata.metrics import evaluate_boundaries

    options: dict[str, Any] = {"spans_s": SPANS | TRAIN_SPANS, "draws": 2, "provenance": sample_provenance()}
    shuffled = {name: TRAIN[name][::-1] for name in names}
    one = evaluate_boundaries(TRUTH, TRUTH, train=TRAIN, **options)
    assert evaluate_boundaries(TRUTH, TRUTH, train=shuffled, **options).to_bytes() == one.to_bytes()


def test_a_train_video_that_is_the_truth_by_another_name_is_copied_to_the_full_score(trained: Evaluate) -> None:
    result = trained(train={"x": TRUTH["a"], "y": TRUTH["b"]}, spans_s={**SPANS, "x": SPANS["a"], "y": SPANS["b"]})
    assert [score.macro.f for score in row(result, "train_copy").scores] == [1.0, 1.0]
    assert best_chance(result, 0)[0] == 1.0


def test_a_split_without_events_cuts_nothing(trained: Evaluate) -> None:
    result = trained(train={name: np.empty(0) for name in TRAIN})
    for name in ("uniform_train_period", "train_position", "train_copy"):
        assert [score.found for score in row(result, name).scores] == [0, 0]


def test_segments_say_the_time_of_their_videos(evaluate: Evaluate, trained: Evaluate) -> None:
    names = list(TRAIN)
    cut = {name: [TRAIN_SPANS[name][0], *TRAIN[name], TRAIN_SPANS[name][1]] for name in names}
    rows = [(v, *pair) for v, name in enumerate(names) for pair in zip(cut[name], cut[name][1:], strict=False)]
    segments = Segments(
        SegmentsHeader(
            provenance=sample_provenance(),
            videos=tuple(SegmentedVideo(name=name, start_s=a, end_s=b) for name, (a, b) in TRAIN_SPANS.items()),
        ),
        np.array([v for v, _, _ in rows]),
        np.array([start for _, start, _ in rows]),
        np.array([end for _, _, end in rows]),
        ("annotation",) * len(rows),
        (None,) * len(rows),
    )
    assert evaluate(train=segments).to_bytes() == trained().to_bytes()


def test_cuts_count_twice_where_those_of_segments_do(trained: Evaluate) -> None:
    def twice(given: dict[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
        return {name: np.repeat(times, 2) for name, times in given.items()}

    once = trained(found=TRUTH)
    each = trained(truth=twice(TRUTH), found=twice(TRUTH), train=twice(TRAIN), counting="each_end")
    for name in TRAIN_ROWS:
        ours, theirs = row(once, name).scores, row(each, name).scores
        assert [score.macro.f for score in theirs] == pytest.approx([score.macro.f for score in ours]), name
        assert [score.found for score in theirs] == [2 * score.found for score in ours], name


def test_the_rows_stand_in_the_table(trained: Evaluate) -> None:
    names = [line.split()[0] for line in boundary_table(trained()).splitlines()]
    assert [name for name in names if name in TRAIN_ROWS] == [*TRAIN_ROWS]


# --- how likely a draw reaches the prediction -------------------------------------------------------------------


@given(st.integers(0, 30), st.integers(2, 40))
def test_p_and_band_are_of_the_draws(seed: int, draws: int) -> None:
    from lapsdata.metrics import evaluate_boundaries, shifted_boundaries

    found = {"a": np.array([2.2, 4.0, 6.5, 8.0]), "b": np.array([3.2, 1.0])}
    result = evaluate_boundaries(
        TRUTH, found, spans_s=SPANS, tolerances_s=(0.5,), draws=1, shift_draws=draws, resamples=1, seed=seed
    )
    seeded: dict[str, Any] = {"draws": draws, "seed": seed}
    sets = {v: shifted_boundaries(found[v], SPANS[v], video=v, **seeded) for v in SPANS}
    each = sorted(macro_f({v: sets[v][i] for v in sets}, 0.5) for i in range(draws))
    score = row(result, "circular_shift").scores[0]
    reached = sum(f >= macro_f(found, 0.5) for f in each)
    assert score.macro_f_p == pytest.approx((1 + reached) / (1 + draws))
    assert score.macro_f_band is not None
    for end, quantile in zip(score.macro_f_band, (0.025, 0.975), strict=True):
        place = quantile * (draws - 1)
        low = int(place)
        high = min(low + 1, draws - 1)
        assert end == pytest.approx(each[low] + (each[high] - each[low]) * (place - low))
    assert row(result, "uniform_same_count").scores[0].macro_f_p is None


def test_a_prediction_that_nobody_reaches_has_the_least_p(evaluate: Evaluate) -> None:
    score = row(evaluate(found=TRUTH, shift_draws=99, tolerances_s=(0.01,)), "circular_shift").scores[0]
    assert (score.macro_f_p, score.micro_f_p) == (0.01, 0.01)
    none = row(evaluate(found={"a": np.array([0.5]), "b": np.array([5.0])}, shift_draws=9), "circular_shift").scores[0]
    assert none.macro_f_p == 1.0


def test_one_draw_has_neither_band_nor_p(evaluate: Evaluate) -> None:
    score = row(evaluate(shift_draws=1), "circular_shift").scores[0]
    assert (score.macro_f_band, score.macro_f_p, score.micro_f_band, score.micro_f_p) == (None,) * 4
    assert not any(line.startswith("  p ") for line in boundary_table(evaluate(shift_draws=1)).splitlines())


def test_the_table_says_both_under_the_shifted_row(evaluate: Evaluate) -> None:
    for average in ("macro", "micro"):
        result = evaluate(shift_draws=40)
        lines = boundary_table(result, average=average).splitlines()
        at = next(i for i, line in enumerate(lines) if line.startswith("circular_shift"))
        scores = row(result, "circular_shift").scores
        bands = [score.macro_f_band if average == "macro" else score.micro_f_band for score in scores]
        p = [score.macro_f_p if average == "macro" else score.micro_f_p for score in scores]
        for end, word in enumerate(("from", "to")):
            told = [f"{band[end]:.3f}" for band in bands if band is not None]
            assert lines[at + 2 + end].split() == ["95", "%", "of", "draws", word, *told]
        assert lines[at + 4].split() == ["p", *(f"{one:.3f}" for one in p)]


# --- old results ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["1_0", "1_1"])
def test_a_result_of_an_older_version_is_read_and_says_what_it_said(evaluate: Evaluate, version: str) -> None:
    document = json.loads((GOLDEN / f"plain_{version}.json").read_text())
    old, new = BoundaryResult.parse(json.dumps(document), "plain"), evaluate(shift_draws=4)
    assert (document["format_version"].replace(".", "_"), old.format_version) == (version, "1.2")
    assert (old.truth_digest, old.videos) == (new.truth_digest, new.videos)
    assert (old.above_chance, old.bootstrap, old.rules.profile) == (None, None, None)
    names = {"uniform_truth_count": "oracle_count"}
    for ours in old.rows:
        theirs = row(new, names.get(ours.name, ours.name))
        assert [score.macro for score in ours.scores] == [score.macro for score in theirs.scores]
        assert [score.macro_f_p for score in ours.scores] == (
            [None, None] if version == "1_0" else [score.macro_f_p for score in theirs.scores]
        )
        assert ours.covering is None
    lines = boundary_table(old).splitlines()
    assert [line.split()[0] for line in lines if line.startswith("uniform")] == [
        "uniform_same_count", "uniform_truth_count", "uniform_best_period",
    ]  # fmt: skip
    # They count as chance where they were written as such, and are comparable with results of today.
    assert not any("oracle" in line or "above chance =" in line for line in lines)
    check_comparable({"old": old, "new": new})


# --- bad input --------------------------------------------------------------------------------------------------


def test_a_video_of_the_truth_in_the_train_split_is_refused(trained: Evaluate) -> None:
    message = r"train: expected other videos than those that are scored, got 'a' in both.*\[train-in-truth\]"
    with pytest.raises(SchemaError, match=message):
        trained(train={**TRAIN, "a": np.array([1.0])})


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ({}, r"train: truth: expected at least one video, got none \[no-videos\]"),
        ({"w": np.array([1.0])}, r"train: truth: w: expected the video in spans_s, got no such key \[no-span\]"),
        ({"t": np.array([9.0])}, r"train: truth: t: expected times from 0\.0 s to 8\.0 s, got 9\.0 s"),
        ([1.0], r"train: found: expected Segments or a mapping of videos"),
    ],
)
def test_a_train_split_that_is_none_is_refused(trained: Evaluate, train: Any, message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        trained(train=train)


def test_times_past_the_end_of_train_videos_are_counted_apart(trained: Evaluate) -> None:
    result = trained(train={**TRAIN, "t": np.array([1.0, 4.0, 8.3])}, end_slack_s=0.5)
    assert result.policies == {"train_past_the_end": 1}
    assert result.rows[6:] == trained().rows[6:]


def test_a_row_of_the_same_name_is_refused(trained: Evaluate) -> None:
    with pytest.raises(SchemaError, match=r"chance: train_copy: expected a name of its own.*\[row-twice\]"):
        trained(chance={"train_copy": TRUTH})


@pytest.mark.parametrize("durations", [np.empty(0), np.array([1.0, 0.0]), np.array([-1.0])])
def test_durations_that_are_none_are_refused(durations: NDArray[np.float64]) -> None:
    with pytest.raises(SchemaError, match="durations_s: expected durations of at least 1e-06 s, got"):
        lasting_boundaries((0.0, 1.0), durations, draws=1, seed=0, video="a")


@pytest.mark.parametrize("shares", [np.array([0.5, 0.2]), np.array([1.5]), np.array([-0.1])])
def test_shares_that_are_none_are_refused(shares: NDArray[np.float64]) -> None:
    with pytest.raises(SchemaError, match=r"shares\[1\]: expected rising shares from 0 to 1, got others"):
        median_shares([np.array([0.5]), shares])


@pytest.mark.parametrize("shares", [np.array([1.5]), np.array([-0.1])])
def test_shares_outside_of_the_video_are_refused(shares: NDArray[np.float64]) -> None:
    with pytest.raises(SchemaError, match="shares: expected shares from 0 to 1, got others"):
        placed_boundaries((0.0, 1.0), shares)


def test_no_video_has_no_median() -> None:
    with pytest.raises(SchemaError, match="shares: expected at least one video, got none"):
        median_shares([])
