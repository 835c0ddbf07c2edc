"""Scores of tracks equal those of TrackEval, field by field: random ones, ties, empty sides, classes and sequences."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.metrics import tracking_scores
from lapsdata.metrics.tracking import TrackLosses
from lapsdata.testing.samples import sample_tracked
from tests.metrics.tracks_by_trackeval import (
    Families,
    assert_same,
    boxes_of,
    by_trackeval,
    given_to_trackeval,
    joined,
    random_rows,
)

if TYPE_CHECKING:
    from tests.metrics.tracks_by_trackeval import Row

FLOATS = st.tuples(*(st.floats(0, 12),) * 2, *(st.floats(0, 16),) * 2)
# Few corners and sizes: many assignments are equally good, and overlaps stand at thresholds.
WHOLE = st.tuples(*(st.integers(0, 3),) * 2, *(st.integers(0, 4),) * 2)


def rows_of(boxes: st.SearchStrategy[Any], most: int = 4, labels: tuple[str, ...] = ()) -> st.SearchStrategy[list[Row]]:
    """Draw up to six frames, empty ones as well; an identity comes, goes, and is used again."""
    frame = st.dictionaries(st.integers(0, 5), st.tuples(boxes, st.sampled_from(labels or ("object",))), max_size=most)
    return st.lists(frame, min_size=6, max_size=6).map(
        lambda frames: [
            (f, number, *box, label) for f, each in enumerate(frames) for number, (box, label) in each.items()
        ]
    )


@pytest.mark.parametrize("boxes", [FLOATS, WHOLE], ids=["any", "ties"])
@given(data=st.data())
def test_every_field_is_that_of_trackeval(boxes: st.SearchStrategy[Any], data: st.DataObject) -> None:
    true, found = (data.draw(rows_of(boxes)) for _ in range(2))
    scores = tracking_scores(boxes_of({"a": true}), boxes_of({"a": found}), labels="any")
    assert_same(scores.sequences["a"].classes["any"], by_trackeval(given_to_trackeval(true, found, range(10))))


@pytest.mark.parametrize("seed", range(12))
def test_crowds_are_scored_as_trackeval_scores_them(seed: int) -> None:
    whole = seed % 2 == 0
    true, others = (random_rows(2 * seed + side, 8, 24) for side in (0, 1))
    near = [(frame, (number + frame // 3) % 24, x + 2, y - 1, w, h) for frame, number, x, y, w, h in true]
    sides = [true, [row for row in near if row[0] % 4] + [row for row in others if not row[0] % 4]]
    if whole:
        sides = [[(*row[:2], *(5 * round(value / 5) for value in row[2:])) for row in rows] for rows in sides]
    scores = tracking_scores(*(boxes_of({"a": rows}) for rows in sides), threshold=0.3)
    said = by_trackeval(given_to_trackeval(*sides, range(10)), 0.3)
    assert_same(scores.sequences["a"].classes["object"], said)
    assert min(said["CLEAR"]["CLR_TP"], said["CLEAR"]["IDSW"]) > 5


def test_more_boxes_in_a_frame_than_numpy_adds_at_once() -> None:
    sides = [random_rows(side, 2, 300, wide=200.0) for side in (3, 4)]
    assert max(sum(row[0] == frame for row in rows) for rows in sides for frame in (0, 1)) > 128
    scores = tracking_scores(*(boxes_of({"a": rows}) for rows in sides))
    assert_same(scores.sequences["a"].classes["object"], by_trackeval(given_to_trackeval(*sides, range(10))))


@pytest.mark.parametrize("least", [1, -20])
@pytest.mark.parametrize("seed", range(8))
def test_overlaps_on_a_threshold_are_decided_by_the_numbers_that_trackeval_reads(seed: int, least: int) -> None:
    """Places of one decimal, half the width: an overlap is 0.5 but for its last bit; no shift may turn it."""
    random = np.random.default_rng(seed)
    texts = [
        (
            frame,
            number,
            *np.round(least + 40 * random.random(2), 1).tolist(),
            *np.round(5 + 20 * random.random(2), 1).tolist(),
        )
        for frame in range(10)
        for number in range(6)
    ]
    halves = [(*row[:4], row[4] / 2, row[5]) for row in texts]
    said = by_trackeval(given_to_trackeval(texts, halves, range(10), shift=0))
    assert 0 < said["Identity"]["IDTP"] < len(texts)
    sides = ([(*row[:2], row[2] - 1.5, row[3] - 1.5, *row[4:]) for row in rows] for rows in (texts, halves))
    scores = tracking_scores(*(boxes_of({"a": rows}) for rows in sides))
    assert_same(scores.sequences["a"].classes["object"], said)


ONE: list[Row] = [(0, 4, 0, 0, 10, 10), (1, 4, 1, 0, 10, 10), (1, 5, 50, 0, 10, 10)]


@pytest.mark.parametrize(
    ("true", "found"), [(ONE, []), ([], ONE), ([], []), (ONE, ONE)], ids=["no tracks", "no truth", "neither", "same"]
)
def test_an_empty_side_is_scored_as_trackeval_scores_it(true: list[Row], found: list[Row]) -> None:
    scores = tracking_scores(boxes_of({"a": true}), boxes_of({"a": found}))
    (name,) = scores.classes
    said = by_trackeval(given_to_trackeval(true, found, range(10)))
    assert_same(scores.sequences["a"].classes[name], said)
    assert_same(scores.classes[name], joined({"a": said}, "combine_sequences"))
    assert all(math.isfinite(number) for number in scores.classes[name].summary().values())


def test_what_an_empty_side_means() -> None:
    nothing = tracking_scores(boxes_of({"a": ONE}), boxes_of({"a": []})).sequences["a"].classes["object"]
    assert (nothing.clear.MOTA, nothing.clear.CLR_FN, nothing.clear.ML, nothing.clear.MLR) == (0, 3, 2, 1)
    assert (nothing.identity.IDFN, nothing.hota.HOTA_0, nothing.hota.LocA_0) == (3, 0, 1)
    invented = tracking_scores(boxes_of({"a": []}), boxes_of({"a": ONE}))
    alone = invented.sequences["a"].classes["object"].clear
    assert (alone.CLR_FP, alone.MOTA, alone.MLR, alone.CLR_Frames) == (3, 0, 1, 0)
    # Over sequences the ratios are made anew, and false alarms count.
    assert invented.classes["object"].clear.MOTA == -3


@given(rows_of(WHOLE, labels=("ball", "player")), rows_of(WHOLE, labels=("ball", "player")))
def test_classes_and_sequences_are_combined_as_trackeval_does(true: list[Row], found: list[Row]) -> None:
    truth = {"a": true, "b": [row for row in true if row[0] < 4], "c": []}
    predicted = {"a": found, "b": [(row[0], 9 - row[1], *row[2:]) for row in found if row[0] > 0], "c": found[:2]}
    classes = ("ball", "player")
    scores = tracking_scores(boxes_of(truth, labels=classes), boxes_of(predicted))
    said: dict[str, dict[str, Families]] = {name: {} for name in classes}
    for label in classes:
        for name in truth:
            sides = ([row for row in rows[name] if row[6] == label] for rows in (truth, predicted))
            said[label][name] = by_trackeval(given_to_trackeval(*sides, range(10)))
            assert_same(scores.sequences[name].classes[label], said[label][name])
    both = {label: joined(said[label], "combine_sequences") for label in classes}
    tree = scores.as_trackeval()["COMBINED_SEQ"]
    for label in classes:
        assert_same(tree[label], both[label])
    assert_same(tree["cls_comb_cls_av"], joined(both, "combine_classes_class_averaged"))
    assert_same(tree["cls_comb_det_av"], joined(both, "combine_classes_det_averaged"))


def test_hota_over_sequences_is_no_mean_of_theirs() -> None:
    true = random_rows(0, 8, 6)
    rough = [(*row[:2], row[2] + 2, *row[3:]) for row in true]
    truth, found = {"a": true, "b": true[:9]}, {"a": rough, "b": [(*row[:2], row[2] + 5, *row[3:]) for row in true[:9]]}
    scores = tracking_scores(boxes_of(truth), boxes_of(found))
    each = [scores.sequences[name].classes["object"].hota.HOTA.mean() for name in truth]
    whole = scores.classes["object"].hota.HOTA.mean()
    assert abs(whole - np.mean(each)) > 0.01


def test_frames_tell_what_the_sums_are_made_of() -> None:
    true, found = random_rows(5, 9, 8), random_rows(6, 9, 8)
    scores = tracking_scores(*(boxes_of({"a": rows}, annotated=[(1, 3), (5, 9)]) for rows in (true, found)))
    here = scores.sequences["a"].classes["object"]
    series, clear = here.frames, here.clear
    assert series is not None
    assert series.frame.tolist() == [1, 2, 5, 6, 7, 8]
    assert series.truths.tolist() == [sum(row[0] == frame for row in true) for frame in series.frame]
    assert series.predictions.tolist() == [sum(row[0] == frame for row in found) for frame in series.frame]
    counts = [int(each.sum()) for each in (series.tp, series.fp, series.fn, series.idsw)]
    assert counts == [clear.CLR_TP, clear.CLR_FP, clear.CLR_FN, clear.IDSW]
    assert series.iou_sum.sum() == pytest.approx(clear.MOTP_sum)
    assert np.all(series.tp <= np.minimum(series.truths, series.predictions))
    f1 = 2 * series.precision * series.recall / np.maximum(1e-12, series.precision + series.recall)
    assert series.f1 == pytest.approx(f1)
    assert np.all(series.mean_iou[series.tp > 0] >= 0.5)
    assert scores.classes["object"].frames is None


def test_losses_are_the_scores_turned_round() -> None:
    scores = tracking_scores(*sample_tracked()).classes["player"]
    assert scores.losses == TrackLosses(
        detection=0.25, iou=0.0, tracking=0.25, mota=0.5, combined=pytest.approx(0.4 * 0.25 + 0.3 * 0.25)
    )
    nothing = tracking_scores(boxes_of({"a": ONE}), boxes_of({"a": []})).classes["object"].losses
    assert nothing == TrackLosses(detection=2.0, iou=1.0, tracking=0.0, mota=1.0, combined=pytest.approx(1.1))


def test_a_switch_is_told_however_long_ago_the_other_one_was() -> None:
    here = (0, 0, 10, 10)
    true = [(frame, 1, *here) for frame in range(6)]
    found = [(0, 1, *here), (5, 2, *here)]
    clear = tracking_scores(boxes_of({"a": true}), boxes_of({"a": found})).classes["object"].clear
    # Frames without any prediction are no reason to be lost.
    assert (clear.IDSW, clear.Frag, clear.CLR_TP) == (1, 0, 2)


def test_summary_has_one_number_for_each_name() -> None:
    summary = tracking_scores(*sample_tracked()).classes["player"].summary()
    assert len(summary) == 15 + 22 + 6 + 4
    assert {"HOTA", "HOTA(0)", "MOTA", "IDF1", "GT_IDs"} < summary.keys()
    assert all(isinstance(number, (int, float)) for number in summary.values())
