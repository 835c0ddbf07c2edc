"""What holds of the scores of any boxes, and of the rows beside them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsdata.metrics.tracking.chance import covered_frames, new_identities, shifted_in_time, standing_still
from lapsdata.metrics.tracking.evaluation import evaluate_tracking, joined_results, truth_digest
from lapsdata.schema import TrackingResult
from tests.metrics.tracks_by_trackeval import boxes_of, random_rows

if TYPE_CHECKING:
    from random import Random

FRAMES = 6
SEEDS = st.integers(0, 10_000)
RANGES = st.sampled_from([[(0, 6)], [(0, 2), (4, 6)], [(1, 5)], [(3, 4)]])


@given(seed=SEEDS, spans=RANGES, sequences=st.integers(1, 3))
@settings(max_examples=20)
def test_every_box_is_counted_once(seed: int, spans: list[tuple[int, int]], sequences: int) -> None:
    names = [f"s{n}" for n in range(sequences)]
    truth = boxes_of({name: random_rows(seed + n, FRAMES, 3) for n, name in enumerate(names)}, FRAMES, annotated=spans)
    found = boxes_of({name: random_rows(seed + n + 7, FRAMES, 3) for n, name in enumerate(names)}, FRAMES)
    result = evaluate_tracking(truth, {"ours": found})
    for row in result.rows:
        for values in row.classes.values():
            counts = values.counts
            assert counts["CLR_TP"] + counts["CLR_FN"] == counts["IDTP"] + counts["IDFN"] == counts["GT_Dets"]
            assert counts["CLR_TP"] + counts["CLR_FP"] == counts["IDTP"] + counts["IDFP"] == counts["Dets"]
            assert counts["MT"] + counts["PT"] + counts["ML"] == counts["GT_IDs"]
            tp, fn = (np.array(values.by_alpha[name]) for name in ("HOTA_TP", "HOTA_FN"))
            assert (tp + fn == counts["GT_Dets"]).all()
    ours = result.trackers[0]
    scored = sum(values.counts["GT_Dets"] for values in ours.classes.values())
    assert scored + ours.left_out.outside_truth == len(truth) == sum(one.boxes for one in result.sequences)
    assert TrackingResult.parse(result.to_bytes()) == result


@given(seed=SEEDS, spans=RANGES)
def test_half_of_the_frames_twice_is_all_of_them(seed: int, spans: list[tuple[int, int]]) -> None:
    truth = boxes_of({"a": random_rows(seed, FRAMES, 3)}, FRAMES, annotated=spans)
    covered = covered_frames(truth.header.sequences[0], "annotated")
    inside = np.isin(truth.frame, covered)
    twice = shifted_in_time(shifted_in_time(truth, truth), truth)
    assert len(twice) == inside.sum()
    if len(covered) % 2 == 0:
        assert twice.frame.tolist() == truth.frame[inside].tolist()
        assert twice.x.tolist() == truth.x[inside].tolist()


@given(seed=SEEDS, spans=RANGES)
def test_rows_of_the_truth_stay_where_somebody_looked(seed: int, spans: list[tuple[int, int]]) -> None:
    truth = boxes_of({"a": random_rows(seed, FRAMES, 3)}, FRAMES, annotated=spans)
    covered = covered_frames(truth.header.sequences[0], "annotated")
    still, alone = standing_still(truth), new_identities(truth)
    assert np.isin(still.frame, covered).all()
    assert len({*zip(still.id.tolist(), still.x.tolist(), strict=True)}) == len(set(still.id.tolist()))
    assert len(set(alone.id.tolist())) == len(alone) == len(truth)


@given(seed=SEEDS, order=st.randoms(use_true_random=False))
def test_the_order_of_rows_is_of_no_matter(seed: int, order: Random) -> None:
    rows = random_rows(seed, FRAMES, 3)
    shuffled = list(rows)
    order.shuffle(shuffled)
    assert truth_digest(boxes_of({"a": rows})) == truth_digest(boxes_of({"a": shuffled}))
    assert (truth_digest(boxes_of({"a": rows})) == truth_digest(boxes_of({"a": rows[1:]}))) == (not rows)


@given(seed=SEEDS)
@settings(max_examples=15)
def test_sides_that_change_places_change_the_sign(seed: int) -> None:
    names = "abc"
    truth, x, y = (
        boxes_of({name: random_rows(seed + 10 * side + n, FRAMES, 3) for n, name in enumerate(names)}, FRAMES)
        for side in range(3)
    )
    one = evaluate_tracking(truth, {"x": x, "y": y}, draws=20)
    other = joined_results({"y": evaluate_tracking(truth, {"y": y}), "x": evaluate_tracking(truth, {"x": x})}, draws=20)
    for ours, theirs in zip(one.differences, other.differences, strict=True):
        assert ours.difference == pytest.approx(-theirs.difference, abs=1e-12)
        assert (ours.higher, ours.lower) == (theirs.lower, theirs.higher)
        assert ours.interval == pytest.approx(tuple(-end for end in reversed(theirs.interval or ())), abs=1e-9)


@given(seed=SEEDS)
@settings(max_examples=15)
def test_places_and_names_of_identities_are_of_no_matter_to_scores(seed: int) -> None:
    truth, found = (boxes_of({"a": random_rows(seed + side, FRAMES, 3)}, FRAMES) for side in range(2))
    moved = [replace(one, x=one.x + 64, y=one.y - 32, id=one.id * 7 + 5) for one in (truth, found)]
    rows = [evaluate_tracking(*pair) for pair in ((truth, {"ours": found}), (moved[0], {"ours": moved[1]}))]
    for ours, theirs in zip(*(one.rows for one in rows), strict=True):
        assert ours.classes["object"].counts == theirs.classes["object"].counts
        assert ours.classes["object"].scores == pytest.approx(theirs.classes["object"].scores, abs=1e-9)
