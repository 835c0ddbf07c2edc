"""Which boxes are scored: annotated frames, labels, identities; and what is said where that cannot be told."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from lapsdata.errors import SchemaError
from lapsdata.metrics import LeftOut, tracking_scores
from lapsdata.testing.samples import sample_boxes
from tests.metrics.tracks_by_trackeval import assert_same, boxes_of, by_trackeval, given_to_trackeval, random_rows

if TYPE_CHECKING:
    from tests.metrics.tracks_by_trackeval import Row

HERE = (0, 0, 10, 10)
ONE: list[Row] = [(frame, 1, *HERE) for frame in range(4)]


def test_frames_that_nobody_annotated_are_left_out_and_counted() -> None:
    true, found = random_rows(1, 10, 7), random_rows(2, 10, 7)
    spans, kept = [(2, 4), (7, 9)], [2, 3, 7, 8]
    scores = tracking_scores(boxes_of({"a": true}, annotated=spans), boxes_of({"a": found}))
    inside = [[row for row in rows if row[0] in kept] for rows in (true, found)]
    assert_same(scores.sequences["a"].classes["object"], by_trackeval(given_to_trackeval(*inside, kept)))
    told = LeftOut(frames=6, outside_truth=len(true) - len(inside[0]), outside_predicted=len(found) - len(inside[1]))
    assert scores.left_out == told
    assert min(told.outside_truth, told.outside_predicted) > 0
    every = tracking_scores(boxes_of({"a": true}, annotated=spans), boxes_of({"a": found}), frames="all")
    assert_same(every.sequences["a"].classes["object"], by_trackeval(given_to_trackeval(true, found, range(10))))
    assert every.left_out == LeftOut()


def test_a_frame_that_one_side_lacks_counts_in_full_where_it_was_annotated() -> None:
    truth = boxes_of({"a": ONE}, annotated=[(0, 6)])
    clear = tracking_scores(truth, boxes_of({"a": [ONE[0], (5, 1, *HERE), (9, 1, *HERE)]})).classes["object"].clear
    assert (clear.CLR_TP, clear.CLR_FN, clear.CLR_FP, clear.CLR_Frames) == (1, 3, 1, 6)


def test_the_predictions_own_ranges_say_nothing() -> None:
    scores = tracking_scores(boxes_of({"a": ONE}), boxes_of({"a": ONE}, annotated=[(0, 1)]))
    assert scores.classes["object"].clear.CLR_TP == 4


def test_nothing_annotated_is_an_error_and_one_empty_sequence_is_none() -> None:
    nothing = boxes_of({"a": ONE}, annotated=[])
    with pytest.raises(SchemaError, match=r"truth: annotated: expected annotated ranges, got none .* frames='all'"):
        tracking_scores(nothing, boxes_of({"a": ONE}))
    assert tracking_scores(nothing, boxes_of({"a": ONE}), frames="all").classes["object"].clear.MOTA == 1


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"profile": "mot18"}, r"profile: expected one of 'plain', .*, got 'mot18' \[unknown-choice\]"),
        ({"frames": "some"}, r"frames: expected one of 'annotated', 'all', got 'some'"),
        ({"rules": "kitti"}, r"rules: expected one of 'trackeval', 'py-motmetrics', got 'kitti'"),
        ({"threshold": 0}, r"threshold: expected a share above 0, up to 1, got 0"),
        ({"threshold": float("nan")}, r"threshold: expected a share above 0, up to 1, got nan"),
        ({"labels": "object"}, r"labels: expected labels, each once, or 'any', got 'object'; labels=\('object',\)"),
        ({"labels": ()}, r"labels: expected labels, each once, or 'any', got \(\)"),
        ({"labels": ("object", "object")}, r"expected labels, each once"),
        ({"labels": ("ball",)}, r"labels: expected labels of the truth, 'object', got 'ball' \[unknown-label\]"),
    ],
)
def test_options_that_are_unknown_are_refused(options: dict[str, Any], match: str) -> None:
    boxes = boxes_of({"a": ONE})
    with pytest.raises(SchemaError, match=match):
        tracking_scores(boxes, boxes, **options)


def test_sequences_that_one_side_lacks_are_named() -> None:
    with pytest.raises(SchemaError, match="2 problems") as error:
        tracking_scores(boxes_of({"a": ONE, "b": ONE}), boxes_of({"b": ONE, "c": ONE}))
    first, second = error.value.problems
    assert first.message == "expected the sequences of the truth, got 'b', 'c' without 'a'"
    assert second.message == "expected the sequences of the predictions, got 'a', 'b' without 'c'"
    assert {problem.code for problem in error.value.problems} == {"unequal-sequences"}
    assert "name the sequence without a box" in str(first.fix)


def test_sequences_may_stand_in_another_order_and_be_longer_than_the_truth() -> None:
    found = {"b": [(0, 3, *HERE)], "a": ONE}
    scores = tracking_scores(boxes_of({"a": ONE, "b": ONE}, 4), boxes_of(found, 9))
    assert list(scores.sequences) == ["a", "b"]
    assert [each.classes["object"].clear.CLR_TP for each in scores.sequences.values()] == [4, 1]


def test_frames_behind_the_end_are_named() -> None:
    found = boxes_of({"a": [*ONE, (4, 1, *HERE), (5, 1, *HERE), (9, 1, *HERE)]}, 10)
    match = r"predictions: a: expected frames 0 to 3, as long as the truth is, got 4-5, 9; .* or subtract 1"
    with pytest.raises(SchemaError, match=match):
        tracking_scores(boxes_of({"a": ONE}, 4), found)


def test_frames_behind_the_end_are_called_as_their_source_calls_them() -> None:
    """Whoever subtracts 1 from a text that is right scores every box a frame off."""
    found = boxes_of({"a": [*ONE, (4, 1, *HERE)]}, 10)
    one_based = found.header.sequences[0].model_copy(update={"first_number": 1})
    text = replace(found, header=found.header.model_copy(update={"sequences": (one_based,)}))
    match = r"expected frames 1 to 4, .*, got 5; give the truth of this video; .* say its length: seqinfo\.ini \["
    with pytest.raises(SchemaError, match=match):
        tracking_scores(boxes_of({"a": ONE}, 4), text)


@pytest.mark.parametrize("side", ["truth", "predictions"])
def test_detections_without_identity_are_no_tracks(side: str) -> None:
    detections = boxes_of({"a": [*ONE[:2], (2, -1, *HERE), (3, -1, *HERE)]})
    sides = (detections, boxes_of({"a": ONE})) if side == "truth" else (boxes_of({"a": ONE}), detections)
    match = rf"{side}: a: expected an identity for each box, got 2 without, in frames 2-3; these are detections: .*"
    with pytest.raises(SchemaError, match=match):
        tracking_scores(*sides)


def test_boxes_that_are_not_scored_need_no_identity() -> None:
    true = [*ONE, (0, -1, 50, 50, 10, 10, "object", True), (9, -1, *HERE)]
    found = [*ONE, (9, -1, *HERE)]
    scores = tracking_scores(boxes_of({"a": true}, annotated=[(0, 5)]), boxes_of({"a": found}))
    assert scores.classes["object"].clear.MOTA == 1
    assert scores.left_out.told() == {"frames": 5, "outside_truth": 1, "outside_predicted": 1, "ignored_truth": 1}


def test_an_identity_of_two_sources_stands_twice() -> None:
    true = [(0, 1, *HERE), (1, 1, *HERE), (1, 1, 1, 0, 10, 10)]
    twice = boxes_of({"a": true}, source=("anna", "anna", "ben"))
    match = r"truth: a: expected each identity once .*, got 1 again, first 1 in frame 1, from sources 'anna', 'ben'; k"
    with pytest.raises(SchemaError, match=match):
        tracking_scores(twice, boxes_of({"a": ONE}))
    apart = boxes_of({"a": [(0, 1, *HERE), (1, 1, *HERE)]}, source=("anna", "ben"))
    assert tracking_scores(apart, apart).classes["object"].clear.MOTA == 1


def test_labels_are_classes_and_those_that_are_not_scored_are_counted() -> None:
    true = [(0, 1, *HERE, "player"), (0, 2, 50, 0, 5, 5, "ball"), (1, 1, *HERE, "player")]
    found = [*true, (1, 9, *HERE, "referee")]
    sides = boxes_of({"a": true}), boxes_of({"a": found})
    match = r"predictions: label: expected labels of the truth, 'player', 'ball', got 'referee'; .*labels='any'"
    with pytest.raises(SchemaError, match=match):
        tracking_scores(*sides)
    scores = tracking_scores(*sides, labels=["ball", "player"])
    assert [each.count.GT_Dets for each in scores.classes.values()] == [1, 2]
    assert scores.left_out.told() == {"other_predicted": 1}
    ball = tracking_scores(*sides, labels=("ball",))
    assert list(ball.classes) == ["ball"]
    assert ball.left_out.told() == {"other_truth": 2, "other_predicted": 3}
    every = tracking_scores(*sides, labels="any")
    assert (list(every.classes), every.classes["any"].count.Dets) == (["any"], 4)


def test_a_closed_list_of_labels_has_classes_without_boxes() -> None:
    true = [(0, 1, *HERE, "player")]
    scores = tracking_scores(boxes_of({"a": true}, labels=("ball", "player")), boxes_of({"a": true}))
    assert list(scores.classes) == ["ball", "player"]
    assert scores.class_averaged.clear.MOTA == 0.5
    assert scores.detection_averaged.clear.MOTA == 1


def test_a_truth_without_boxes_has_the_classes_of_the_predictions() -> None:
    found = [(0, 1, *HERE, "player"), (0, 2, *HERE, "ball")]
    scores = tracking_scores(boxes_of({"a": []}), boxes_of({"a": found}))
    assert {name: each.clear.CLR_FP for name, each in scores.classes.items()} == {"ball": 1, "player": 1}


def test_predictions_that_are_to_be_ignored_are_left_out() -> None:
    found = [*ONE, (0, 2, 50, 0, 10, 10, "object", True)]
    scores = tracking_scores(boxes_of({"a": ONE}), boxes_of({"a": found}))
    assert scores.classes["object"].clear.CLR_FP == 0
    assert scores.left_out.told() == {"ignored_predicted": 1}


def test_a_container_of_any_kind_of_box_is_refused_with_what_to_do() -> None:
    with pytest.raises(SchemaError, match=r"truth: left: expected an identity .* in frames 1; these are detections"):
        tracking_scores(sample_boxes(), sample_boxes())
