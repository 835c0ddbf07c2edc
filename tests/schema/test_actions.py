"""Which tables of errors of actions are records, and what is said of those that are none."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from lapsdata.schema.actions import ActionResult
from lapsdata.testing.samples import sample_action_result

if TYPE_CHECKING:
    from collections.abc import Callable

    Told = dict[str, Any]


def told() -> Told:
    return sample_action_result().as_json()


def test_a_record_is_what_its_json_says() -> None:
    assert ActionResult.model_validate_json(json.dumps(told())) == sample_action_result()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda one: one.update(steps_scored=[4]), "expected steps_scored for each of 2 steps"),
        (lambda one: one["rows"].reverse(), "expected the prediction as first row, and as no other"),
        (lambda one: one["rows"].append(one["rows"][0]), "expected the prediction as first row, and as no other"),
        (lambda one: one["rows"][0].update(kind="chance"), "expected the prediction as first row, and as no other"),
        (lambda one: one["rows"].append(one["rows"][1]), "expected each row once, chance after the prediction"),
        (lambda one: one["rows"][1].update(kind="prediction"), "expected each row once, chance after the prediction"),
        (lambda one: one["parts"][1].update(name="arm"), "expected each key once"),
        (lambda one: one.update(episodes=[2, 1]), "expected each episode once, rising"),
        (lambda one: one.update(episodes=[1, 1]), "expected each episode once, rising"),
        (lambda one: one["rows"][1]["parts"].pop(), "expected errors of each of 2 keys"),
        (lambda one: one["rows"][1]["parts"][0]["numbers"].pop(), "expected errors of each number of a key"),
        (lambda one: one["rows"][0]["parts"][1]["steps"].pop(), "and of each step of the horizon"),
        (lambda one: one["rows"][0]["parts"][1].update(mae=-0.1), "greater than or equal to 0"),
        (lambda one: one["rules"].update(horizon=0), "greater than"),
        (lambda one: one["rules"].update(beyond_the_end="repeated"), "left_out"),
    ],
)
def test_what_does_not_fit_is_named(change: Callable[[Told], object], message: str) -> None:
    wrong = told()
    change(wrong)
    with pytest.raises(ValidationError, match=message):
        ActionResult.model_validate_json(json.dumps(wrong))
