"""Errors of actions in words: what stands where, what is counted, and when chance is as good."""

from __future__ import annotations

from lapsdata.metrics.action_table import action_table, not_better_than_chance
from lapsdata.testing.samples import sample_action_result


def lines(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_every_row_and_key_has_its_errors() -> None:
    text = lines(action_table(sample_action_result(prediction=0.125)))
    assert ["prediction", "arm", "0.125", "0.01562"] in text
    assert ["hold_last", "hand", "0.5", "0.25"] in text
    assert ["row", "key", "0", "1"] in text
    assert ["key", "number", "prediction", "hold_last"] in text
    assert ["arm", "shoulder", "0.125", "0.5"] in text


def test_what_was_counted_is_said_and_what_was_not_is_not() -> None:
    text = action_table(sample_action_result())
    assert "1 steps beyond the end left out" in text
    assert "first rows held" not in text
    assert "no other episode is known: rows that need one are absent" in text


def test_a_step_without_a_truth_has_no_error() -> None:
    result = sample_action_result()
    bare = result.model_copy(update={"steps_scored": (4, 0)})
    assert ["prediction", "arm", "0.25", "-"] in lines(action_table(bare))


def test_chance_that_is_as_good_is_named() -> None:
    assert not_better_than_chance(sample_action_result(prediction=0.25)) == ()
    verdict = "arm: the prediction is not better than chance (MAE 0.5, hold_last has 0.5)."
    assert not_better_than_chance(sample_action_result(prediction=0.5))[0] == verdict
    assert verdict in action_table(sample_action_result(prediction=0.5))


def test_of_many_numbers_the_worst_are_shown() -> None:
    result = sample_action_result(numbers=20)
    text = lines(action_table(result))
    assert ["arm", "and", "12", "more"] in text
