"""The tree of scores: families, names, means over classes, rules, and what was left out."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lapsdata.metrics import FrameSeries, LeftOut, TrackingRules, tracking_scores
from lapsdata.metrics.tracking import ALPHAS, Clear, Hota, Identity, TrackCount, TrackLosses, TrackScores
from lapsdata.metrics.tracking._overlaps import Frames, Overlaps, Side
from lapsdata.metrics.tracking.clear import match_frames
from lapsdata.testing.samples import sample_tracked
from tests.metrics.tracks_by_trackeval import boxes_of, metrics, random_rows

if TYPE_CHECKING:
    from lapsdata.metrics import TrackingScores

FAMILIES = {"HOTA": Hota, "CLEAR": Clear, "Identity": Identity, "Count": TrackCount}


@pytest.fixture(scope="module")
def scores() -> TrackingScores:
    """Two classes in two sequences, one of which has no ball."""
    true = [(*row, "ball" if row[1] == 0 else "player") for row in random_rows(1, 8, 6)]
    found = [(*row[:2], row[2] + 1, *row[3:]) for row in true if (row[0] + row[1]) % 5]
    without = [[row for row in rows if row[6] == "player"] for rows in (true, found)]
    return tracking_scores(
        boxes_of({"a": true, "b": without[0]}, labels=("ball", "player")), boxes_of({"a": found, "b": without[1]})
    )


@pytest.mark.parametrize("name", FAMILIES)
def test_names_are_those_of_trackeval(name: str, scores: TrackingScores) -> None:
    theirs = metrics(0.5)[name]
    mine = scores.classes["player"].as_trackeval()[name]
    assert mine.keys() == set(theirs.fields)
    counts = {*theirs.integer_fields, *theirs.integer_array_fields}
    assert {FAMILIES[name].SPELLING.get(field, field) for field in FAMILIES[name].COUNTS} == counts
    for field, value in mine.items():
        if field in {*theirs.float_array_fields, *theirs.integer_array_fields}:
            assert value.shape == ALPHAS.shape
        else:
            assert isinstance(value, int if field in counts else float), field


def test_alphas_are_those_of_trackeval_to_the_last_bit() -> None:
    assert np.array_equal(ALPHAS, metrics(0.5)["HOTA"].array_labels)


def test_the_tree_has_each_class_of_each_sequence_and_all_of_them(scores: TrackingScores) -> None:
    tree = scores.as_trackeval()
    assert list(tree) == ["a", "b", "COMBINED_SEQ"]
    assert list(tree["a"]) == list(tree["b"]) == ["ball", "player"]
    assert list(tree["COMBINED_SEQ"]) == ["ball", "player", "cls_comb_cls_av", "cls_comb_det_av"]
    assert all(list(families) == list(FAMILIES) for classes in tree.values() for families in classes.values())


def test_the_mean_over_classes_weighs_them_alike_and_boxes_weigh_by_number(scores: TrackingScores) -> None:
    ball, player = (scores.classes[name] for name in ("ball", "player"))
    assert ball.count.GT_Dets < player.count.GT_Dets / 4
    mean, whole = scores.class_averaged, scores.detection_averaged
    assert pytest.approx((ball.clear.MOTA + player.clear.MOTA) / 2) == mean.clear.MOTA
    assert mean.clear.mean_iou == pytest.approx((ball.clear.mean_iou + player.clear.mean_iou) / 2)
    assert pytest.approx((ball.hota.HOTA + player.hota.HOTA) / 2) == mean.hota.HOTA
    assert pytest.approx((ball.identity.IDF1 + player.identity.IDF1) / 2) == mean.identity.IDF1
    for joined in (mean, whole):
        assert joined.clear.CLR_TP == ball.clear.CLR_TP + player.clear.CLR_TP
        assert joined.hota.HOTA_TP.tolist() == (ball.hota.HOTA_TP + player.hota.HOTA_TP).tolist()
        assert joined.count.GT_IDs == ball.count.GT_IDs + player.count.GT_IDs
        assert joined.frames is None
    boxes = whole.clear.CLR_TP + whole.clear.CLR_FN
    errors = whole.clear.CLR_FN + whole.clear.CLR_FP + whole.clear.IDSW
    assert pytest.approx(1 - errors / boxes) == whole.clear.MOTA
    assert abs(mean.clear.MOTA - whole.clear.MOTA) > 1e-3


def test_a_class_that_a_sequence_lacks_counts_nothing_there(scores: TrackingScores) -> None:
    ball = scores.sequences["b"].classes["ball"]
    assert [ball.count.GT_Dets, ball.count.Dets, ball.clear.CLR_FN, ball.identity.IDTP] == [0, 0, 0, 0]
    here = scores.sequences["a"].classes["ball"]
    assert pytest.approx(here.hota.HOTA) == scores.classes["ball"].hota.HOTA
    assert pytest.approx(here.clear.MOTA) == scores.classes["ball"].clear.MOTA


@pytest.mark.parametrize("part", ["hota", "clear", "identity", "count"])
def test_what_is_combined_of_one_part_is_that_part(part: str, scores: TrackingScores) -> None:
    family: Any = getattr(scores.classes["player"], part)
    for joined in (type(family).combined([family]), type(family).class_averaged([family])):
        for name, value in family.as_trackeval().items():
            assert joined.as_trackeval()[name] == pytest.approx(value), name


def test_parts_are_combined_in_any_order_and_grouping(scores: TrackingScores) -> None:
    parts = [sequence.classes[name] for sequence in scores.sequences.values() for name in sequence.classes]
    whole = TrackScores.combined(parts, "trackeval").summary()
    back = TrackScores.combined(parts[::-1], "trackeval").summary()
    halves = [TrackScores.combined(half, "trackeval") for half in (parts[:2], parts[2:])]
    assert back == pytest.approx(whole)
    assert TrackScores.combined(halves, "trackeval").summary() == pytest.approx(whole)


def test_numbers_of_a_summary_go_into_json(scores: TrackingScores) -> None:
    summary = scores.class_averaged.summary()
    assert json.loads(json.dumps(summary)) == pytest.approx(summary)
    assert summary["HOTA"] == pytest.approx(scores.class_averaged.hota.HOTA.mean())
    assert "mean_iou" not in summary


def test_rules_say_how_it_was_scored() -> None:
    sides = sample_tracked()
    assert tracking_scores(*sides).rules == TrackingRules("plain", "trackeval", "annotated", 0.5)
    others = tracking_scores(*sides, profile="mot15", rules="py-motmetrics", frames="all", threshold=0.7)
    assert others.rules == TrackingRules("mot15", "py-motmetrics", "all", 0.7)


def test_what_is_left_out_is_summed_over_sequences() -> None:
    place = (0, 0, 10, 10)
    true = [(0, 1, *place), (6, 1, *place), (1, 2, *place, "object", True)]
    sides = boxes_of({"a": true, "b": true}, annotated=[(0, 5)]), boxes_of({"a": true[:2], "b": []})
    scores = tracking_scores(*sides)
    each = [sequence.left_out for sequence in scores.sequences.values()]
    assert each[0] == LeftOut(frames=5, outside_truth=1, outside_predicted=1, ignored_truth=1)
    assert each[1] == LeftOut(frames=5, outside_truth=1, ignored_truth=1)
    assert scores.left_out == each[0] + each[1]
    assert scores.left_out.told() == {"frames": 10, "outside_truth": 2, "outside_predicted": 1, "ignored_truth": 2}
    assert LeftOut().told() == {}


def test_scores_show_what_is_looked_at_first(scores: TrackingScores) -> None:
    head, *lines = repr(scores).splitlines()
    assert head == "TrackingScores(2 sequences)"
    assert [line.partition(":")[0].strip() for line in lines] == ["ball", "player"]
    player = scores.classes["player"]
    assert f"MOTA: {player.clear.MOTA:.4f}" in lines[1]
    assert repr(player) == f"TrackScores({player.told()})"
    assert player.told().endswith(f"true boxes: {player.count.GT_Dets}, predicted boxes: {player.count.Dets}")


def test_scores_cannot_be_changed(scores: TrackingScores) -> None:
    for part in (scores, scores.classes["ball"], scores.classes["ball"].clear, scores.sequences["a"]):
        name = dataclasses.fields(part)[0].name
        with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field"):
            setattr(part, name, None)


def test_clear_of_counts_makes_every_ratio() -> None:
    counts = {"CLR_TP": 60, "CLR_FN": 40, "CLR_FP": 20, "IDSW": 10, "MT": 1, "PT": 2, "ML": 1, "CLR_Frames": 40}
    clear = Clear.of(counts, overlap=45.0)
    assert (clear.MOTA, clear.MODA, clear.MOTP, clear.sMOTA) == (0.3, 0.4, 0.75, 0.15)
    assert (clear.CLR_Re, clear.CLR_Pr, clear.CLR_F1) == (0.6, 0.75, pytest.approx(60 / 90))
    assert (clear.MTR, clear.PTR, clear.MLR, clear.FP_per_frame) == (0.25, 0.5, 0.25, 0.5)
    assert pytest.approx((60 - 20 - 1) / 100) == clear.MOTAL
    assert Clear.of(counts | {"IDSW": 0}, 45.0).MOTAL == 0.4
    distance = Clear.of(counts, 45.0, "py-motmetrics")
    assert (distance.MOTP, distance.mean_iou, distance.MOTP_sum) == (0.25, 0.75, 45.0)


def test_of_one_side_alone_only_counts_are_told() -> None:
    nothing = Clear.of_one_side(true=5, identities=2, found=0, rules="trackeval")
    told = {name: value for name, value in nothing.as_trackeval().items() if value}
    assert told == {"CLR_FN": 5, "ML": 2, "MLR": 1.0}
    assert math.isnan(Clear.of_one_side(true=0, identities=0, found=3, rules="py-motmetrics").MOTP)


def test_losses_follow_from_any_scores() -> None:
    losses = TrackLosses.of(precision=0.8, recall=0.6, mean_iou=0.7, switches_per_box=0.1, mota=-0.5)
    assert losses == pytest.approx((0.6, 0.3, 0.1, 1.5, 0.4 * 0.6 + 0.3 * 0.3 + 0.3 * 0.1))
    best = TrackLosses.of(precision=1, recall=1, mean_iou=1, switches_per_box=0, mota=1)
    assert best == pytest.approx((0, 0, 0, 0, 0))


def test_series_of_frames_that_have_nothing() -> None:
    sides = [Side.of(np.zeros((0, 4)), np.zeros(0, int), np.zeros(0, int), 3) for _ in range(2)]
    overlaps = Overlaps.of(Frames(*sides))
    series = FrameSeries.of(np.arange(3), overlaps.frames, match_frames(overlaps, 0.5, "trackeval").frames)
    for name in ("tp", "fp", "fn", "idsw", "precision", "recall", "f1", "mean_iou"):
        assert getattr(series, name).tolist() == [0, 0, 0], name


def test_identities_are_numbered_without_gaps_and_frames_have_their_places() -> None:
    box = np.arange(20.0).reshape(5, 4)
    side = Side.of(box, np.array([70, 5, 70, 9, 5]), np.array([0, 0, 2, 2, 2]), 4)
    assert side.id.tolist() == [2, 0, 2, 1, 0]
    assert side.start.tolist() == [0, 2, 2, 5, 5]
    assert side.count.tolist() == [2, 1, 2]
    assert len(side) == 5
    assert side.box.flags.c_contiguous
