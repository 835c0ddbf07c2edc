"""Trackers beside what knows less: rows of chance, the digest of the truth, doubts, and what the record holds."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lapsdata.errors import SchemaError
from lapsdata.metrics import tracking_scores
from lapsdata.metrics.tracking.chance import covered_frames, new_identities, shifted_in_time, standing_still
from lapsdata.metrics.tracking.doubts import all_classes, tracking_doubts
from lapsdata.metrics.tracking.evaluation import evaluate_tracking, sweep_row, truth_digest
from lapsdata.schema import TrackingResult
from tests.metrics.tracks_by_trackeval import boxes_of, random_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from lapsdata.containers import Boxes

WALK = [(frame, 1, 10.0 * frame, 0.0, 20.0, 40.0) for frame in range(8)]


def crowd(seed: int, sequences: int = 3, frames: int = 12) -> Boxes:
    return boxes_of({f"s{n}": random_rows(100 * seed + n, frames, 4) for n in range(sequences)}, frames)


def rows_of(boxes: Boxes) -> list[tuple[float, ...]]:
    columns = (boxes.sequence_index, boxes.frame, boxes.id, boxes.x, boxes.y, boxes.w, boxes.h)
    return list(zip(*(column.tolist() for column in columns), strict=True))


# --- rows beside trackers


def test_boxes_of_another_time_keep_place_and_identity() -> None:
    truth = boxes_of({"a": WALK}, 8)
    moved = rows_of(shifted_in_time(truth, truth))
    assert moved == sorted((0, (row[0] + 4) % 8, *row[1:]) for row in WALK)


def test_time_goes_round_within_what_is_scored() -> None:
    truth = boxes_of({"a": WALK}, 8, annotated=[(1, 3), (5, 7)])
    moved = shifted_in_time(truth, truth)
    # Frames 1, 2, 5, 6 are scored: 1 and 5 change places, and so do 2 and 6; the others are left out.
    assert list(zip(moved.frame.tolist(), moved.x.tolist(), strict=True)) == [(1, 50), (2, 60), (5, 10), (6, 20)]
    everything = shifted_in_time(truth, truth, "all")
    assert len(everything) == 8


def test_predictions_in_another_order_of_sequences_are_moved_in_that_of_the_truth() -> None:
    truth = boxes_of({"a": WALK[:2], "b": WALK[:4]}, 8)
    found = boxes_of({"b": WALK[:3], "a": WALK[:1]}, 8)
    moved = shifted_in_time(found, truth)
    assert [one.name for one in moved.header.sequences] == ["a", "b"]
    assert np.bincount(moved.sequence_index).tolist() == [1, 3]


def test_boxes_that_no_sequence_of_the_predictions_has_are_an_error() -> None:
    with pytest.raises(SchemaError, match="expected the sequences of the truth, got none called 'b'"):
        shifted_in_time(boxes_of({"a": WALK}, 8), boxes_of({"a": WALK, "b": WALK}, 8))


def test_what_stands_still_is_where_it_was_first() -> None:
    rows = [*WALK[2:], (3, 2, 500.0, 0.0, 20.0, 40.0)]
    still = standing_still(boxes_of({"a": rows, "b": []}, 8))
    assert still.frame.tolist() == [2, 3, 4, 5, 6, 7]
    assert set(still.x.tolist()) == {20.0}
    assert set(still.id.tolist()) == {1}


def test_what_stands_still_begins_where_somebody_looked() -> None:
    still = standing_still(boxes_of({"a": WALK}, 8, annotated=[(3, 6)]))
    assert (still.frame.tolist(), set(still.x.tolist())) == ([3, 4, 5], {30.0})


def test_ignored_boxes_and_other_labels_are_no_rows_of_chance() -> None:
    rows = [(0, 1, 0, 0, 9, 9, "pedestrian"), (0, 2, 9, 0, 9, 9, "car"), (0, 3, 50, 0, 9, 9, "pedestrian", True)]
    truth = boxes_of({"a": rows}, 2)
    assert standing_still(truth, label="pedestrian").x.tolist() == [0, 0]
    assert new_identities(truth).id.tolist() == [0, 1]
    assert new_identities(truth, label="pedestrian").label == ("pedestrian",)


def test_scored_frames_are_those_of_the_ranges() -> None:
    (sequence,) = boxes_of({"a": []}, 8, annotated=[(1, 3), (5, 6)]).header.sequences
    assert covered_frames(sequence, "annotated").tolist() == [1, 2, 5]
    assert covered_frames(sequence, "all").tolist() == list(range(8))


# --- the record


@pytest.fixture(scope="module")
def result() -> TrackingResult:
    return evaluate_tracking(crowd(1), {"ours": crowd(1), "theirs": crowd(2)}, draws=200)


def test_numbers_are_those_of_tracking_scores() -> None:
    truth, found = crowd(1), crowd(2)
    row = evaluate_tracking(truth, {"ours": found}).rows[0]
    scores = tracking_scores(truth, found)
    for told, own in [
        (row.classes["object"], scores.classes["object"]),
        *((row.sequences[n].classes["object"], scores.sequences[f"s{n}"].classes["object"]) for n in range(3)),
    ]:
        every = own.summary()
        assert told.scores == {name: every[name] for name in told.scores}
        assert told.counts == {name: every[name] for name in told.counts}
        for name, values in told.by_alpha.items():
            assert list(values) == getattr(own.hota, name).tolist()
        assert told.mean_iou == own.clear.mean_iou
        assert told.losses.as_json() == own.losses._asdict()


def test_a_record_says_what_was_scored_and_is_what_its_json_says(result: TrackingResult) -> None:
    assert TrackingResult.parse(result.to_bytes()) == result
    assert [(row.name, row.kind, row.of) for row in result.rows] == [
        ("ours", "prediction", None),
        ("theirs", "prediction", None),
        ("shifted_in_time", "chance", "ours"),
        ("shifted_in_time", "chance", "theirs"),
        ("standing_still", "oracle", None),
        ("new_identities", "oracle", None),
    ]
    assert [(one.name, one.length, one.frames) for one in result.sequences] == [(f"s{n}", 12, 12) for n in range(3)]
    assert sum(one.boxes for one in result.sequences) == len(crowd(1))
    assert [row.name for row in result.trackers] == ["ours", "theirs"]
    assert result.rules.classes == ("object",)


def test_a_perfect_detector_without_tracks_has_detection_and_no_association(result: TrackingResult) -> None:
    alone = all_classes(result.rows[-1])
    assert alone.scores["DetA"] == 1
    assert alone.counts["IDs"] == alone.counts["GT_Dets"]
    assert alone.scores["AssA"] is not None
    assert alone.scores["AssA"] < 0.25


def test_several_classes_have_means_and_totals() -> None:
    rows = {"a": [(0, 1, 0, 0, 9, 9, "player"), (0, 2, 40, 0, 4, 4, "ball"), (1, 1, 0, 0, 9, 9, "player")]}
    truth, found = boxes_of(rows, 2), boxes_of({"a": rows["a"][:2]}, 2)
    result = evaluate_tracking(truth, {"ours": found})
    row = result.rows[0]
    assert result.rules.classes == ("ball", "player")
    assert row.class_averaged is not None
    assert row.detection_averaged is not None
    assert row.class_averaged.scores["CLR_Re"] == 0.75
    assert row.detection_averaged.scores["CLR_Re"] == 2 / 3
    assert all_classes(row) is row.detection_averaged
    assert all(one.detection_averaged is not None for one in result.rows)


def test_a_mean_of_nothing_is_null() -> None:
    truth, far = boxes_of({"a": WALK}, 8), boxes_of({"a": [(0, 1, 5000, 0, 9, 9)]}, 8)
    values = evaluate_tracking(truth, {"ours": far}, rules="py-motmetrics").rows[0].classes["object"]
    assert values.scores["MOTP"] is None
    assert (values.mean_iou, values.losses.iou) == (0, 1)
    assert evaluate_tracking(truth, {"ours": far}).rows[0].classes["object"].scores["MOTP"] == 0


def test_rows_of_a_benchmark_are_of_the_class_that_it_scores() -> None:
    rows = [(frame, 1, 9 * frame, 0, 9, 9, "pedestrian") for frame in range(4)]
    truth = boxes_of({"a": [*rows, (0, 2, 50, 0, 9, 9, "static_person"), (1, 3, 90, 0, 9, 9, "car")]}, 4)
    result = evaluate_tracking(truth, {"ours": boxes_of({"a": rows}, 4)}, profile="mot17")
    assert [all_classes(row).counts["Dets"] for row in result.rows] == [4, 4, 4, 4]
    assert result.rows[0].left_out.other_truth == 2


def test_an_error_names_the_tracker() -> None:
    truth, late = boxes_of({"a": WALK}, 8), boxes_of({"a": [(9, 1, 0, 0, 9, 9)]}, 10)
    with pytest.raises(SchemaError, match=r"^theirs: predictions: a: expected frames 0 to 7"):
        evaluate_tracking(truth, {"ours": truth, "theirs": late})
    with pytest.raises(SchemaError, match=r"^truth: annotated: expected annotated ranges"):
        evaluate_tracking(boxes_of({"a": WALK}, 8, annotated=[]), {"ours": truth})
    with pytest.raises(SchemaError, match="expected at least one tracker, got none"):
        evaluate_tracking(truth, {})


def test_a_row_of_a_sweep_is_a_score_at_another_threshold() -> None:
    truth, found = crowd(1), crowd(2)
    row = sweep_row("ours", truth, found, threshold=0.2, min_score=0.5, left_out=3)
    scores = tracking_scores(truth, found, threshold=0.2)
    assert row.classes["object"].counts["CLR_TP"] == scores.classes["object"].clear.CLR_TP > 0
    assert (row.tracker, row.threshold, row.min_score, row.boxes_left_out) == ("ours", 0.2, 0.5, 3)
    result = evaluate_tracking(truth, {"ours": found}, sweep=[row])
    assert result.sweep == (row,)


# --- the digest of a truth


def same(boxes: Boxes) -> Boxes:
    return boxes


def other_order(boxes: Boxes) -> Boxes:
    order = np.lexsort((-boxes.id, boxes.frame, boxes.sequence_index))
    arrays = {name: getattr(boxes, name)[order] for name in ("sequence_index", "frame", "id", "x", "y", "w", "h")}
    return replace(boxes, **arrays)


def other_source(boxes: Boxes) -> Boxes:
    return replace(boxes, source=("somebody",) * len(boxes), source_id=("track 7",) * len(boxes))


def other_sequences(boxes: Boxes) -> Boxes:
    first, *others = boxes.header.sequences
    count = len(boxes.header.sequences)
    header = boxes.header.model_copy(update={"sequences": (*others, first)})
    index = (boxes.sequence_index - 1) % count
    order = np.argsort(index, kind="stable")
    arrays = {name: getattr(boxes, name)[order] for name in ("frame", "id", "x", "y", "w", "h", "ignored")}
    return replace(boxes, header=header, sequence_index=index[order], **arrays)


def negative_zero(boxes: Boxes) -> Boxes:
    return replace(boxes, x=np.where(boxes.x == 0, -0.0, boxes.x))


@pytest.mark.parametrize("change", [same, other_order, other_source, other_sequences, negative_zero])
def test_one_truth_has_one_digest(change: Callable[[Boxes], Boxes]) -> None:
    truth = crowd(1)
    truth = replace(truth, x=np.where(np.arange(len(truth)) == 0, 0.0, truth.x))
    assert truth_digest(change(truth)) == truth_digest(truth)


def corrected(name: str, value: Any) -> Callable[[Boxes], Boxes]:
    def change(boxes: Boxes) -> Boxes:
        column = getattr(boxes, name)
        if isinstance(column, tuple):
            return replace(boxes, **{name: (value, *column[1:])})
        changed = column.copy()
        changed[0] = value
        return replace(boxes, **{name: changed})

    return change


def described(**update: Any) -> Callable[[Boxes], Boxes]:
    def change(boxes: Boxes) -> Boxes:
        first, *others = boxes.header.sequences
        sequences = (first.model_copy(update=update), *others)
        return replace(boxes, header=boxes.header.model_copy(update={"sequences": sequences}))

    return change


@pytest.mark.parametrize(
    "change",
    [
        *(corrected(name, value) for name, value in {"x": 3.25, "w": 7.5, "id": 77, "ignored": True}.items()),
        corrected("label", "ball"),
        described(name="other"),
        described(length=99),
        described(annotated=()),
    ],
)
def test_a_corrected_truth_has_another_digest(change: Callable[[Boxes], Boxes]) -> None:
    assert truth_digest(change(crowd(1))) != truth_digest(crowd(1))


# --- doubts


def codes(truth: Boxes, found: Boxes) -> list[str]:
    return [doubt.code for doubt in tracking_doubts(evaluate_tracking(truth, {"ours": found}))]


def test_a_copy_of_the_truth_is_told() -> None:
    truth = boxes_of({"a": WALK}, 8)
    assert codes(truth, truth) == ["copied-truth"]
    shifted = replace(truth, x=(truth.x + 0.5) - 0.5 + 1e-9)
    assert codes(truth, shifted) == ["copied-truth"]
    assert codes(truth, replace(truth, x=truth.x + 0.5)) == []


def test_identities_that_restart_every_frame_are_told() -> None:
    truth = boxes_of({"a": WALK}, 8)
    found = boxes_of({"a": [(frame, frame, x + 1, *rest) for frame, _, x, *rest in WALK]}, 8)
    assert codes(truth, found) == ["identities-restart"]


def test_sequences_without_a_box_are_told() -> None:
    truth = boxes_of({"a": WALK, "b": WALK}, 8)
    doubts = tracking_doubts(evaluate_tracking(truth, {"ours": boxes_of({"a": WALK, "b": []}, 8)}))
    assert [doubt.code for doubt in doubts] == ["no-predictions", "copied-truth"]
    assert doubts[0].message == "no predicted box is scored in 'b': all that is true there is missed"
    assert {doubt.severity for doubt in doubts} == {"warning"}
    assert codes(truth, boxes_of({"a": [], "b": []}, 8)) == ["no-predictions"]


def test_a_tracker_that_does_not_follow_is_told() -> None:
    truth = boxes_of({"a": WALK}, 8)
    lazy = boxes_of({"a": [(frame, 1, -1.0, *rest) for frame, _, _, *rest in WALK]}, 8)
    assert codes(truth, lazy) == ["not-above-chance", "not-above-standing"]
    assert codes(truth, boxes_of({"a": [(f, 1, x + 2, *rest) for f, _, x, *rest in WALK]}, 8)) == []
