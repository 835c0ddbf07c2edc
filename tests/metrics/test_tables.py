"""What a person reads: rows beside tolerances, chance named where it does as well, unlike results refused."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lapsdata.errors import SchemaError
from lapsdata.metrics import (
    best_chance,
    boundary_table,
    check_comparable,
    comparison_table,
    evaluate_boundaries,
    not_above_chance,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from lapsdata.schema import BoundaryResult

RIGHT = {"a": np.array([2.0, 5.0, 6.5]), "b": np.array([3.0])}
# A video in which no metronome is right within 0.25 s.
UNEVEN = {"truth": {"a": np.array([0.7, 1.9, 6.6])}, "spans_s": {"a": (0.0, 9.0)}, "tolerances_s": (0.05,)}


def test_the_table_says_all_rows_rules_and_counts(evaluate: Callable[..., BoundaryResult]) -> None:
    result = evaluate()
    lines = boundary_table(result).splitlines()
    assert lines[0] == "boundary F, macro: 2 videos, 4 true boundaries, 6 found"
    assert lines[1] == "rules default: matching maximum, counting once, window inclusive, ends left_out,"
    assert lines[2].startswith("empty both_1_one_0, truth sha256:")
    assert lines[3].split() == ["row", "0.25", "s", "1", "s", "median", "s"]
    assert lines[4].split() == ["prediction", "0.286", "0.762", "0.475"]
    assert [line.split()[-3:] for line in lines[7:9]] == [["precision", "0.250", "0.625"], ["recall", "0.333", "1.000"]]
    starts = [line.split()[0] for line in lines[4:] if not line.startswith(" ")]
    assert starts[:6] == [row.name for row in result.rows]
    assert not any(line != line.rstrip() for line in lines)


def test_the_table_has_eighty_columns_with_all_rows_and_tolerances() -> None:
    spans = dict.fromkeys("abt", (0.0, 90.0))
    true = {name: np.arange(4.0, 89.0, 3.5 + seed) for seed, name in enumerate("ab")}
    found, train = {name: times + 0.7 for name, times in true.items()}, {"t": np.arange(1.0, 88.0, 2.9)}
    result = evaluate_boundaries(true, found, spans_s=spans, train=train, draws=3, shift_draws=3, resamples=9)
    for average in ("macro", "micro"):
        assert max(map(len, boundary_table(result, average=average).splitlines())) <= 80
    table = comparison_table({"ours": result})
    assert max(map(len, table.splitlines())) <= 80


def test_intervals_stand_beneath_the_prediction_and_its_share_above_chance(
    evaluate: Callable[..., BoundaryResult],
) -> None:
    result = evaluate()
    for average in ("macro", "micro"):
        lines = boundary_table(result, average=average).splitlines()
        intervals = [getattr(score, f"{average}_f_interval") for score in result.rows[0].scores]
        above = [getattr(one, average) for one in result.above_chance or ()]
        at = next(i for i, line in enumerate(lines) if line.startswith("above chance  "))
        assert lines[at].split()[2:] == [f"{one.chance_corrected_f:.3f}" for one in above]
        for place, bands in ((5, intervals), (at + 1, [one.interval for one in above])):
            for end in (0, 1):
                told = [f"{band[end]:.3f}" for band in bands if band is not None]
                assert lines[place + end].split()[:4] == ["95", "%", "of", "resamples"]
                assert lines[place + end].split()[5:] == told
        text = " ".join(lines)
        assert "above chance = (F - F_best_chance) / (1 - F_best_chance), of the best row of chance: " in text
        assert all(one.best_chance_row in text.split("row of chance: ")[1] for one in above)


def test_what_needs_no_tolerance_has_a_line(evaluate: Callable[..., BoundaryResult]) -> None:
    result = evaluate()
    chance = max(row.covering for row in result.rows if row.kind == "chance" and row.covering is not None)
    line = next(line for line in boundary_table(result).splitlines() if line.startswith("covering: "))
    assert line.startswith(f"covering: {result.rows[0].covering:.3f} (")
    assert line.endswith(f" has {chance:.3f}).")
    told = next(line for line in boundary_table(result, average="micro").splitlines() if "R-value" in line)
    assert told.split()[1:] == [f"{score.micro_r_value:.3f}" for score in result.rows[0].scores]


def test_columns_are_aligned(evaluate: Callable[..., BoundaryResult]) -> None:
    lines = boundary_table(evaluate()).splitlines()
    for heading in ("0.25 s", "1 s", "median s"):
        column = lines[3].index(heading)
        for line in lines[4:22]:
            cell = line[column : column + 5]
            assert cell == "" or cell.strip() == "" or cell[0] in "-0123456789", line
            assert line[column - 2 : column].strip() == "", line


def test_drawn_rows_say_their_spread(evaluate: Callable[..., BoundaryResult]) -> None:
    result = evaluate()
    lines = boundary_table(result).splitlines()
    drawn = [i for i, line in enumerate(lines) if line.startswith("  sd of the draws")]
    assert [lines[i - 1].split()[0] for i in drawn] == ["random_same_count", "circular_shift"]
    scores = result.rows[2].scores
    assert lines[drawn[0]].split()[4:] == [f"{score.macro_f_sd:.3f}" for score in scores]


def test_micro_numbers_are_micro(evaluate: Callable[..., BoundaryResult]) -> None:
    lines = boundary_table(evaluate(), average="micro").splitlines()
    assert lines[0].startswith("boundary F, micro: ")
    assert lines[4].split() == ["prediction", "0.400", "0.800", "0.475"]


def test_policies_are_shown(evaluate: Callable[..., BoundaryResult]) -> None:
    table = boundary_table(evaluate(found={"a": RIGHT["a"]}, missing="empty"))
    assert "missing_as_empty: 1" in table.splitlines()


def test_no_distance_is_a_dash(evaluate: Callable[..., BoundaryResult]) -> None:
    none = {"a": np.empty(0), "b": np.empty(0)}
    assert boundary_table(evaluate(found=none)).splitlines()[4].split() == ["prediction", "0.000", "0.000", "-"]


# --- the verdict ------------------------------------------------------------------------------------------------


def test_a_good_prediction_gets_no_sentence(evaluate: Callable[..., BoundaryResult]) -> None:
    result = evaluate(found=UNEVEN["truth"], **UNEVEN)
    assert best_chance(result, 0)[0] < 1
    assert not_above_chance(result) is None
    assert boundary_table(result).splitlines()[-1].startswith("covering: ")


@pytest.mark.parametrize("average", ["macro", "micro"])
def test_a_prediction_that_is_a_metronome_is_told_at_which_tolerances(
    evaluate: Callable[..., BoundaryResult], average: Any
) -> None:
    thirds = {"a": np.array([3.0, 6.0]), "b": np.array([2.0, 4.0])}
    result = evaluate(truth=RIGHT, found=thirds)
    sentence = not_above_chance(result, average=average)
    assert sentence is not None
    assert " ".join(boundary_table(result, average=average).splitlines()).endswith(sentence)
    for at, tolerance in enumerate(("0.25 s", "1 s")):
        best, name = best_chance(result, at, average=average)
        ours = result.rows[0].scores[at]
        f = ours.macro.f if average == "macro" else ours.micro.f
        assert f"{tolerance} ({f:.3f}, {name} has {best:.3f})" in sentence


def test_a_row_that_was_given_counts_as_chance(evaluate: Callable[..., BoundaryResult]) -> None:
    result = evaluate(found=UNEVEN["truth"], chance={"constant_energy": UNEVEN["truth"]}, **UNEVEN)
    assert best_chance(result, 0) == (1.0, "constant_energy")
    expected = "The prediction is not above chance at 0.05 s (1.000, constant_energy has 1.000)."
    assert not_above_chance(result) == expected


def test_without_a_train_split_the_best_metronome_is_named_where_it_does_as_well(
    evaluate: Callable[..., BoundaryResult],
) -> None:
    beats = {"a": np.array([2.0, 4.0, 6.0, 8.0]), "b": np.array([2.0, 4.0])}
    truth = {"a": beats["a"], "b": np.array([2.0, 5.0])}
    changes: dict[str, Any] = {"truth": truth, "found": beats, "tolerances_s": (0.1,)}
    alone = evaluate(**changes)
    assert alone.rows[0].scores[0].macro.f > best_chance(alone, 0)[0]
    assert not_above_chance(alone) == (
        "Without a train split no metronome is among the rows of chance: the best one on this truth does as well at "
        "0.1 s (0.750)."
    )
    spans = {"a": (0.0, 9.0), "b": (0.0, 6.0), "t": (0.0, 9.0)}
    trained = evaluate(**changes, spans_s=spans, train={"t": np.array([1.0, 5.5])})
    assert not_above_chance(trained) is None


def test_only_lost_tolerances_are_named(evaluate: Callable[..., BoundaryResult]) -> None:
    result = evaluate(found=UNEVEN["truth"], **{**UNEVEN, "tolerances_s": (0.05, 9.0)})
    sentence = not_above_chance(result)
    assert sentence is not None
    assert sentence.startswith("The prediction is not above chance at 9 s (1.000, ")


@pytest.mark.parametrize("function", [boundary_table, not_above_chance, partial(best_chance, at=0)])
def test_an_unknown_average_is_refused(
    evaluate: Callable[..., BoundaryResult], function: Callable[..., object]
) -> None:
    with pytest.raises(SchemaError, match="average: expected one of 'macro', 'micro', got 'mean'"):
        function(evaluate(), average="mean")


# --- comparison -------------------------------------------------------------------------------------------------


def test_predictions_stand_beside_the_best_chance(evaluate: Callable[..., BoundaryResult]) -> None:
    ours, theirs = evaluate(), evaluate(found=RIGHT)
    lines = comparison_table({"ours": ours, "theirs": theirs}).splitlines()
    assert lines[0] == "boundary F, macro: 2 videos, 4 true boundaries"
    assert [line.split() for line in lines[4:6]] == [["ours", "0.286", "0.762"], ["theirs", "1.000", "1.000"]]
    best = [max(best_chance(result, at)[0] for result in (ours, theirs)) for at in (0, 1)]
    assert lines[6].split() == ["best", "chance", *(f"{f:.3f}" for f in best)]
    assert comparison_table({"one": ours}, average="micro").splitlines()[4].split() == ["one", "0.400", "0.800"]


def test_unlike_rules_are_refused_each_by_name(evaluate: Callable[..., BoundaryResult]) -> None:
    ours, theirs = evaluate(), evaluate(matching="greedy", tolerances_s=(0.5, 1.0))
    with pytest.raises(SchemaError, match="2 problems") as caught:
        comparison_table({"ours": ours, "theirs": theirs})
    assert [str(problem) for problem in caught.value.problems] == [
        "theirs: rules: matching: expected 'maximum' as in ours, got 'greedy' [unlike-rules]",
        "theirs: rules: tolerances_s: expected [0.25, 1.0] as in ours, got [0.5, 1.0] [unlike-rules]",
    ]


def test_another_truth_is_refused_and_the_videos_named(evaluate: Callable[..., BoundaryResult]) -> None:
    ours = evaluate()
    moved = evaluate(truth={**RIGHT, "b": np.array([3.5])})
    with pytest.raises(SchemaError, match=r"theirs: truth_digest: expected sha256:.* as in ours, got .*same videos"):
        check_comparable({"ours": ours, "theirs": moved})
    fewer = evaluate(truth={"a": RIGHT["a"]}, found={"a": RIGHT["a"]})
    with pytest.raises(SchemaError, match=r"; videos that only one of them has: b \[unlike-truth\]"):
        check_comparable({"ours": ours, "theirs": fewer})


def test_like_results_may_be_compared_whatever_was_found(evaluate: Callable[..., BoundaryResult]) -> None:
    check_comparable({"one": evaluate(), "two": evaluate(found=RIGHT, seed=9), "three": evaluate(draws=9)})
    with pytest.raises(SchemaError, match="expected at least one result, got none"):
        check_comparable({})
