"""Which tables of tracking scores are records, and what is said of those that are none."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, get_args

import pytest
from pydantic import ValidationError

from lapsdata.metrics.tracking.evaluation import evaluate_tracking, sweep_row
from lapsdata.schema import TrackCountName, TrackingResult
from lapsdata.schema.tracking import AlphaName, ScoreName
from lapsdata.testing.samples import sample_tracked
from tests.metrics.tracks_by_trackeval import boxes_of, by_trackeval, given_to_trackeval

if TYPE_CHECKING:
    from collections.abc import Callable

    Told = dict[str, Any]

TRUTH, FOUND = sample_tracked()
RESULT = evaluate_tracking(
    TRUTH, {"ours": FOUND, "theirs": TRUTH}, sweep=[sweep_row("ours", TRUTH, FOUND, threshold=0.75)]
)


def told() -> Told:
    return json.loads(RESULT.to_bytes())  # type: ignore[no-any-return]


def test_a_record_is_what_its_json_says() -> None:
    assert TrackingResult.model_validate_json(json.dumps(told())) == RESULT


def test_names_are_all_those_of_trackeval() -> None:
    rows = [(0, 0, 0, 0, 9, 9)]
    said = by_trackeval(given_to_trackeval(rows, rows, range(1)))
    every = {name for family in said.values() for name in family} - {"Frames"}
    mine = {*get_args(ScoreName), *get_args(TrackCountName), *get_args(AlphaName)}
    assert mine == every


def test_arrays_are_those_that_trackeval_has_at_each_threshold() -> None:
    rows = [(0, 0, 0, 0, 9, 9)]
    said = by_trackeval(given_to_trackeval(rows, rows, range(1)))["HOTA"]
    assert {name for name, value in said.items() if getattr(value, "shape", ()) == (19,)} == set(get_args(AlphaName))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda one: one["rows"].reverse(), "expected trackers first, at least one"),
        (lambda one: one["rows"][0].update(kind="chance", of="theirs"), "expected trackers first, at least one"),
        (lambda one: one["rows"].insert(1, one["rows"][0]), "expected each row once"),
        (lambda one: one["rows"][2].update(of="nobody"), "expected rows of chance, and no others, to be of a tracker"),
        (lambda one: one["rows"][4].update(of="ours"), "expected rows of chance, and no others, to be of a tracker"),
        (lambda one: one["rows"][0]["sequences"].clear(), "expected scores of each sequence, in the order of the"),
        (lambda one: one["sequences"].append(one["sequences"][0]), "expected each sequence once"),
        (lambda one: one["rules"].update(classes=["ball"]), "expected scores of each class of the rules"),
        (lambda one: one["rows"][0]["classes"].clear(), "expected scores of each class of the rules"),
        (
            lambda one: one["rows"][0]["sequences"][0]["classes"].clear(),
            "expected scores of each class of the rules",
        ),
        (
            lambda one: one["rows"][0].update(class_averaged=one["rows"][0]["classes"]["player"]),
            "expected scores of all classes exactly where there are several",
        ),
        (lambda one: one["differences"][0].update(than="nobody"), "expected differences between trackers of the rows"),
        (lambda one: one["sweep"][0].update(tracker="nobody"), "expected a sweep of trackers of the rows"),
        (lambda one: one["sweep"][0]["classes"].clear(), "expected a sweep of trackers of the rows, in each class"),
        (
            lambda one: one["rows"][0]["classes"]["player"]["scores"].pop("HOTA"),
            "expected scores with each of TrackEval's names, got none of HOTA",
        ),
        (
            lambda one: one["rows"][0]["classes"]["player"]["counts"].pop("IDSW"),
            "expected counts with each of TrackEval's names, got none of IDSW",
        ),
        (
            lambda one: one["rows"][0]["classes"]["player"]["by_alpha"].pop("AssRe"),
            "expected by_alpha with each of TrackEval's names, got none of AssRe",
        ),
        (lambda one: one["rules"].update(threshold=0), "greater than 0"),
        (lambda one: one["sequences"].clear(), "at least 1 item"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(change: Callable[[Told], Any], message: str) -> None:
    changed = told()
    change(changed)
    with pytest.raises(ValidationError, match=message):
        TrackingResult.model_validate_json(json.dumps(changed))


def test_a_record_of_several_classes_needs_both_means() -> None:
    rows = {"a": [(0, 1, 0, 0, 9, 9, "player"), (0, 2, 40, 0, 4, 4, "ball")]}
    document = json.loads(evaluate_tracking(boxes_of(rows), {"ours": boxes_of(rows)}).to_bytes())
    assert TrackingResult.model_validate_json(json.dumps(document)).rules.classes == ("ball", "player")
    for name in ("class_averaged", "detection_averaged"):
        without = json.loads(json.dumps(document))
        without["rows"][0][name] = None
        with pytest.raises(ValidationError, match="expected scores of all classes exactly where there are several"):
            TrackingResult.model_validate_json(json.dumps(without))
