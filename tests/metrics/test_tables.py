"""What a person reads: rows beside tolerances, chance named where it does as well, unlike results refused."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lapsdata.errors import SchemaError
from lapsdata.metrics import best_chance, boundary_table, check_comparable, comparison_table, not_above_chance

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
    assert lines[1].startswith("matching maximum, counting once, window inclusive, ends left_out, truth sha256:")
    assert lines[2].split() == ["row", "0.25", "s", "1", "s", "median", "s", "to", "found"]
    assert lines[3].split() == ["prediction", "0.286", "0.762", "0.475"]
    assert lines[4].split() == ["precision", "0.250", "0.625"]
    assert lines[5].split() == ["recall", "0.333", "1.000"]
    assert [line.split()[0] for line in lines[6:11]] == [row.name for row in result.rows[1:]]
    assert not any(line != line.rstrip() for line in lines)


def test_columns_are_aligned(evaluate: Callable[..., BoundaryResult]) -> None:
    lines = boundary_table(evaluate()).splitlines()
    for heading in ("0.25 s", "1 s", "median s"):
        column = lines[2].index(heading)
        for line in lines[3:11]:
            cell = line[column : column + 5]
            assert cell == "" or cell.strip() == "" or cell[0].isdigit(), line
            assert line[column - 2 : column].strip() == "", line


def test_drawn_rows_say_their_spread(evaluate: Callable[..., BoundaryResult]) -> None:
    result = evaluate()
    drawn = [line for line in boundary_table(result).splitlines() if "±" in line]
    assert [line.split()[0] for line in drawn] == ["random_same_count", "circular_shift"]
    score = result.rows[4].scores[1]
    assert f"{score.macro.f:.3f} ± {score.macro_f_sd:.3f}" in drawn[0]


def test_micro_numbers_are_micro(evaluate: Callable[..., BoundaryResult]) -> None:
    lines = boundary_table(evaluate(), average="micro").splitlines()
    assert lines[0].startswith("boundary F, micro: ")
    assert lines[3].split() == ["prediction", "0.400", "0.800", "0.475"]


def test_policies_are_shown(evaluate: Callable[..., BoundaryResult]) -> None:
    table = boundary_table(evaluate(found={"a": RIGHT["a"]}, missing="empty"))
    assert "missing_as_empty: 1" in table.splitlines()


def test_no_distance_is_a_dash(evaluate: Callable[..., BoundaryResult]) -> None:
    none = {"a": np.empty(0), "b": np.empty(0)}
    assert boundary_table(evaluate(found=none)).splitlines()[3].split() == ["prediction", "0.000", "0.000", "-"]


# --- the verdict ------------------------------------------------------------------------------------------------


def test_a_good_prediction_gets_no_sentence(evaluate: Callable[..., BoundaryResult]) -> None:
    result = evaluate(found=UNEVEN["truth"], **UNEVEN)
    assert best_chance(result, 0)[0] < 1
    assert not_above_chance(result) is None
    assert boundary_table(result).splitlines()[-1].startswith("  p ")


@pytest.mark.parametrize("average", ["macro", "micro"])
def test_a_prediction_that_is_a_metronome_is_told_at_which_tolerances(
    evaluate: Callable[..., BoundaryResult], average: Any
) -> None:
    thirds = {"a": np.array([3.0, 6.0]), "b": np.array([2.0, 4.0])}
    result = evaluate(truth=RIGHT, found=thirds)
    sentence = not_above_chance(result, average=average)
    assert sentence is not None
    assert boundary_table(result, average=average).splitlines()[-1] == sentence
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
    assert [line.split() for line in lines[3:5]] == [["ours", "0.286", "0.762"], ["theirs", "1.000", "1.000"]]
    best = [max(best_chance(result, at)[0] for result in (ours, theirs)) for at in (0, 1)]
    assert lines[5].split() == ["best", "chance", *(f"{f:.3f}" for f in best)]
    assert comparison_table({"one": ours}, average="micro").splitlines()[3].split() == ["one", "0.400", "0.800"]


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
