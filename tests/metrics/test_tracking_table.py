"""Tracking scores as text and as rows of a spreadsheet."""

from __future__ import annotations

from lapsdata.metrics.tracking.evaluation import evaluate_tracking, sweep_row
from lapsdata.metrics.tracking_table import tracking_rows, tracking_table
from lapsdata.testing.samples import sample_tracked
from tests.metrics.tracks_by_trackeval import boxes_of, random_rows

TRUTH, FOUND = sample_tracked()
SEQUENCES = {name: random_rows(n, 6, 3, 30.0) for n, name in enumerate("ab")}
OTHERS = {name: random_rows(n + 7, 6, 3, 30.0) for n, name in enumerate("ab")}


def cells(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_each_number_of_the_brief_is_in_the_table() -> None:
    lines = cells(tracking_table(evaluate_tracking(TRUTH, {"ours": FOUND})))
    assert lines[3] == ["row", *["HOTA", "DetA", "AssA", "LocA", "MOTA", "MOTP", "IDF1", "P", "R", "F1", "mean", "IoU"]]
    assert lines[4] == [
        "ours", "0.559", "0.750", "0.417", "1.000", "0.500", "1.000", "0.571", "1.000", "0.750", "0.857", "1.000"
    ]  # fmt: skip
    assert lines[8][:8] == ["row", *["IDSW", "Frag", "MT", "ML", "TP", "FP", "FN"]]
    assert lines[8][8:] == ["detection", "loss", "iou", "loss", "tracking", "loss", "mota", "loss", "combined", "loss"]
    assert lines[9] == ["ours", *["1", "0", "0", "0", "3", "0", "1", "0.250", "0.000", "0.250", "0.500", "0.175"]]
    assert [line[0] for line in lines[5:8]] == ["shifted_in_time", "standing_still", "new_identities"]


def test_chance_stands_beneath_its_tracker() -> None:
    text = tracking_table(evaluate_tracking(TRUTH, {"ours": FOUND, "theirs": TRUTH}))
    names = [line.split("  0.")[0].rstrip() for line in text.splitlines()[4:9]]
    assert [name.split("  ")[0] or name.strip().split(" ")[0] for name in names] == [
        "ours", "shifted_in_time", "theirs", "shifted_in_time", "standing_still (oracle)"
    ]  # fmt: skip


def test_one_sequence_is_said_to_have_no_interval() -> None:
    text = tracking_table(evaluate_tracking(TRUTH, {"ours": FOUND, "theirs": TRUTH}))
    assert "ours less each other tracker:" in text
    assert "One sequence: there is no interval and no p" in text
    assert ["theirs", "MOTA", "-0.500", "-", "-", "-", "0", "0", "1"] in cells(text)


def test_several_sequences_have_intervals_and_those_of_one_tracker_are_shown() -> None:
    truth, found, other = boxes_of(SEQUENCES), boxes_of(OTHERS), boxes_of(SEQUENCES)
    both = tracking_table(evaluate_tracking(truth, {"x": found, "y": other}, draws=50))
    assert "50 draws of 2 sequences" in both
    assert "by sequence" not in both
    one = tracking_table(evaluate_tracking(truth, {"x": found}))
    at = one.splitlines().index("x, by sequence:")
    assert [line.split()[:2] for line in one.splitlines()[at + 2 : at + 4]] == [["a", "object"], ["b", "object"]]


def test_several_classes_have_a_table_each() -> None:
    rows = {"a": [(0, 1, 0, 0, 9, 9, "player"), (0, 2, 40, 0, 4, 4, "ball")]}
    text = tracking_table(evaluate_tracking(boxes_of(rows), {"ours": boxes_of(rows)}, labels=("ball", "player")))
    assert "labels ball player" in " ".join(text.split())
    assert [line for line in text.splitlines() if line.endswith(":")] == [
        "class ball:", "class player:", "mean over classes:", "all classes:"
    ]  # fmt: skip


def test_what_was_left_out_is_counted() -> None:
    truth = boxes_of(SEQUENCES, annotated=[(0, 3)])
    result = evaluate_tracking(truth, {"ours": boxes_of(OTHERS)}, policies={"sequences_of_trackers_left_out": 2})
    text = tracking_table(result)
    left = result.rows[0].left_out
    assert left.frames == 14
    assert f"left out of ours: 14 frames, {left.outside_truth} outside truth, {left.outside_predicted}" in text
    assert "sequences of trackers left out: 2" in text


def test_a_sweep_shows_the_settings_that_differ() -> None:
    truth, found = boxes_of(SEQUENCES), boxes_of(OTHERS)
    trackers = {"th_0.3_miss_9": found, "th_0.5_miss_9": found}
    settings = {"th_0.3_miss_9": {"th": 0.3, "miss": 9.0}, "th_0.5_miss_9": {"th": 0.5, "miss": 9.0}}
    sweep = [sweep_row(name, truth, found, threshold=0.25, min_score=0.4, left_out=2) for name in trackers]
    result = evaluate_tracking(truth, trackers, settings=settings, sweep=sweep, draws=10)
    text = tracking_table(result)
    head = next(line for line in text.splitlines() if line.startswith("tracker "))
    assert head.split()[:7] == ["tracker", "th", "threshold", "min", "score", "left", "out"]
    assert ["th_0.3_miss_9", "0.3", "0.25", "0.4", "2"] in [line[:5] for line in cells(text)]
    assert "is chosen on the truth that it is scored by" in " ".join(text.split())
    rows = [row for row in tracking_rows(result) if row["kind"] == "sweep"]
    assert [(row["row"], row["th"], row["threshold"], row["min_score"]) for row in rows] == [
        ("th_0.3_miss_9", 0.3, 0.25, 0.4), ("th_0.5_miss_9", 0.5, 0.25, 0.4)
    ]  # fmt: skip


def test_rows_of_a_spreadsheet_hold_every_name() -> None:
    result = evaluate_tracking(boxes_of(SEQUENCES), {"x": boxes_of(OTHERS)})
    rows = tracking_rows(result)
    assert [(row["row"], row["sequence"]) for row in rows] == [
        ("x", "a"), ("x", "b"), ("x", "COMBINED"),
        *((name, "COMBINED") for name in ("shifted_in_time", "standing_still", "new_identities")),
    ]  # fmt: skip
    values = result.rows[0].classes["object"]
    assert rows[2].keys() >= {*values.scores, *values.counts, "mean_iou", "combined_loss"}
    assert rows[2]["HOTA"] == values.scores["HOTA"]
    assert rows[3]["of"] == "x"


def test_a_spreadsheet_has_means_over_classes() -> None:
    rows = {"a": [(0, 1, 0, 0, 9, 9, "player"), (0, 2, 40, 0, 4, 4, "ball")]}
    told = tracking_rows(evaluate_tracking(boxes_of(rows), {"ours": boxes_of(rows)}))
    assert [row["class"] for row in told if row["row"] == "ours" and row["sequence"] == "COMBINED"] == [
        "ball", "player", "cls_comb_cls_av", "cls_comb_det_av"
    ]  # fmt: skip
