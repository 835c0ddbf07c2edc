"""Noise that is put into a truth is found by the scores, by number: by ours, by TrackEval and by a plain version."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsdata.errors import SchemaError
from lapsdata.metrics import tracking_scores
from lapsdata.schema import FrameRange
from lapsdata.testing.made_up_tracks import made_up_tracks
from lapsdata.testing.noisy_boxes import noisy_boxes
from tests.metrics.tracks_by_trackeval import boxes_of, by_trackeval, given_to_trackeval
from tests.metrics.tracks_plainly import plain_clear, plain_overlap

if TYPE_CHECKING:
    from lapsdata.containers import Boxes
    from lapsdata.metrics import TrackScores
    from tests.metrics.tracks_by_trackeval import Row

TRUTH = made_up_tracks(sequences=1, frames=40)


def scored(truth: Boxes, found: Boxes) -> TrackScores:
    """Return the scores of all classes and sequences."""
    return tracking_scores(truth, found).detection_averaged


def counts_of(scores: TrackScores) -> dict[str, int]:
    return {name: int(getattr(scores.clear, name)) for name in ("CLR_TP", "CLR_FN", "CLR_FP", "IDSW")}


def rows(boxes: Boxes) -> list[Row]:
    columns = zip(boxes.frame, boxes.id, boxes.x, boxes.y, boxes.w, boxes.h, strict=True)
    return [(int(row[0]), int(row[1]), *map(float, row[2:])) for row in columns]


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 99),
    st.floats(0, 1),
    st.floats(0, 1),
    st.floats(0, 1),
    st.floats(0, 6),
)
def test_scores_find_what_was_put_in(seed: int, missing: float, false: float, swapped: float, jitter_px: float) -> None:
    found, noise = noisy_boxes(
        TRUTH, missing=missing, false=false, swapped=swapped, jitter_px=jitter_px, seed=seed
    )  # fmt: skip
    scores = scored(TRUTH, found)
    assert len(found) == noise.boxes - noise.removed + noise.added
    if noise.ambiguous == 0:
        assert counts_of(scores) == noise.counts
        assert scores.clear.mean_iou == pytest.approx(noise.overlap, abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_trackeval_and_a_plain_version_find_the_same(seed: int) -> None:
    truth = made_up_tracks(sequences=1, frames=30, seed=seed)
    found, noise = noisy_boxes(truth, missing=0.2, false=0.3, swapped=0.2, jitter_px=5.0, seed=seed)
    assert (noise.ambiguous, noise.exchanges > 2, noise.lost > 0) == (0, True, True)
    clear = by_trackeval(given_to_trackeval(rows(truth), rows(found), range(30)))["CLEAR"]
    assert {name: int(clear[name]) for name in noise.counts} == noise.counts
    assert clear["MOTP"] == pytest.approx(noise.overlap)
    plain = plain_clear(rows(truth), rows(found))
    assert {name: plain[name] for name in noise.counts} == noise.counts


@pytest.mark.parametrize("seed", range(3))
def test_without_noise_all_is_right(seed: int) -> None:
    found, noise = noisy_boxes(TRUTH, seed=seed)
    scores = scored(TRUTH, found)
    assert (scores.hota.HOTA.mean(), scores.clear.MOTA, scores.identity.IDF1) == (1, 1, 1)
    assert noise.counts == {"CLR_TP": len(TRUTH), "CLR_FN": 0, "CLR_FP": 0, "IDSW": 0}
    assert (noise.overlap, found.id.tolist(), found.x.tolist()) == (1.0, TRUTH.id.tolist(), TRUTH.x.tolist())
    assert set(found.source) == {"tracker"}


@pytest.mark.parametrize(
    ("kind", "share", "wrong"),
    [("missing", 0.25, "CLR_FN"), ("false", 0.5, "CLR_FP"), ("swapped", 0.1, "IDSW")],
)
def test_each_kind_alone_is_one_kind_of_mistake(kind: str, share: float, wrong: str) -> None:
    told: dict[str, Any] = {kind: share}
    found, noise = noisy_boxes(TRUTH, **told)
    counts = counts_of(scored(TRUTH, found))
    right = {"CLR_TP": len(TRUTH), "CLR_FN": 0, "CLR_FP": 0, "IDSW": 0}
    assert {name for name in right if counts[name] != right[name]} - {"CLR_TP"} == {wrong}
    done = {"missing": noise.removed, "false": noise.added, "swapped": noise.switches}[kind]
    assert counts[wrong] == done > 0
    # Of nobody missing, two tracks change their names with every exchange.
    assert noise.switches == 2 * noise.exchanges
    if kind != "swapped":
        assert done == round(share * len(TRUTH))


def test_scores_fall_with_the_noise() -> None:
    hota = [
        scored(TRUTH, noisy_boxes(TRUTH, missing=p, false=p, swapped=p / 5, jitter_px=20 * p).boxes).hota.HOTA.mean()
        for p in (0.0, 0.05, 0.1, 0.2, 0.4)
    ]
    assert all(one > other for one, other in pairwise(hota))


def test_false_boxes_overlap_nothing_and_stay_for_some_frames() -> None:
    found, noise = noisy_boxes(TRUTH, missing=1.0, false=0.4)
    assert (noise.removed, len(found)) == (len(TRUTH), noise.added)
    others: dict[int, list[Row]] = defaultdict(list)
    for row in (*rows(TRUTH), *rows(found)):
        others[row[0]].append(row)
    for row in rows(found):
        assert [plain_overlap(row[2:6], one[2:6]) for one in others[row[0]] if one is not row and one != row] == [
            0.0
        ] * (len(others[row[0]]) - 1)
        assert -0.5 <= row[2] <= 640 - 0.5 - row[4]
        assert -0.5 <= row[3] <= 360 - 0.5 - row[5]
    assert not set(found.id.tolist()) & set(TRUTH.id.tolist())
    # Each stands still in frames behind one another.
    for number in set(found.id.tolist()):
        own = [row for row in rows(found) if row[1] == number]
        assert len({row[2:] for row in own}) == 1
        assert [row[0] for row in own] == list(range(own[0][0], own[0][0] + len(own)))
        assert len(own) <= 8


def test_kinds_are_drawn_on_their_own() -> None:
    few, many = (noisy_boxes(TRUTH, missing=p, false=0.2, jitter_px=1.0, seed=3).boxes for p in (0.1, 0.5))
    every = set(zip(few.frame, few.id, few.x, few.y, strict=True))
    assert set(zip(many.frame, many.id, many.x, many.y, strict=True)) < every
    again = noisy_boxes(TRUTH, missing=0.1, false=0.2, jitter_px=1.0, seed=3).boxes
    other = noisy_boxes(TRUTH, missing=0.1, false=0.2, jitter_px=1.0, seed=4).boxes
    assert few.equals(again)
    assert not few.equals(other)


def test_scores_of_false_boxes_are_lower() -> None:
    found, _ = noisy_boxes(TRUTH, false=1.0)
    assert found.score is not None
    false = ~np.isin(found.id, TRUTH.id)
    assert 0.5 <= found.score[~false].min() < found.score[~false].max() <= 1
    assert 0.3 <= found.score[false].min() < found.score[false].max() <= 0.8


def test_only_boxes_of_one_label_are_exchanged() -> None:
    places = {1: (0, "player"), 2: (20, "ball"), 3: (200, "player"), 4: (300, "referee")}
    true = boxes_of(
        {"a": [(frame, name, x, 0, 9, 9, label) for frame in range(6) for name, (x, label) in places.items()]}
    )
    found, noise = noisy_boxes(true, swapped=1.0)
    assert (noise.exchanges, noise.switches) == (5, 10)
    called = {name: set(found.id[true.id == name].tolist()) for name in places}
    assert called == {1: {1, 3}, 2: {2}, 3: {1, 3}, 4: {4}}
    assert found.label == true.label


def test_the_nearest_two_are_exchanged_from_there_on() -> None:
    true = boxes_of({"a": [(frame, name, x, 0, 9, 9) for frame in range(2) for name, x in ((1, 0), (2, 90), (3, 130))]})
    found, noise = noisy_boxes(true, swapped=1.0)
    assert found.id.tolist() == [1, 2, 3, 1, 3, 2]
    assert (noise.exchanges, noise.counts["IDSW"]) == (1, 2)


def test_who_lies_on_another_one_is_told() -> None:
    rows_of_two = [(frame, name, x, 0, 10, 10) for frame in range(5) for name, x in ((1, 0), (2, 2))]
    _, noise = noisy_boxes(boxes_of({"a": rows_of_two}))
    assert noise.ambiguous == 10
    _, noise = noisy_boxes(boxes_of({"a": rows_of_two}), threshold=0.7)
    assert noise.ambiguous == 0


def test_boxes_that_do_not_count_are_not_predicted() -> None:
    true = boxes_of(
        {"a": [(frame, 1, 0, 0, 9, 9, "player", frame == 1) for frame in range(6)]}, annotated=[(0, 3), (5, 9)]
    )
    found, noise = noisy_boxes(true)
    assert (noise.boxes, found.frame.tolist()) == (3, [0, 2, 5])
    many, noise = noisy_boxes(true, false=20.0)
    assert set(many.frame.tolist()) <= {0, 1, 2, 5, 6, 7, 8}
    assert counts_of(scored(true, many)) == noise.counts


def test_a_truth_without_boxes_has_no_noise() -> None:
    found, noise = noisy_boxes(boxes_of({"a": []}), missing=0.5, swapped=0.5, jitter_px=1.0)
    assert (len(found), noise.counts) == (0, {"CLR_TP": 0, "CLR_FN": 0, "CLR_FP": 0, "IDSW": 0})


def resized(truth: Boxes, **update: Any) -> Boxes:
    sequences = tuple(one.model_copy(update=update) for one in truth.header.sequences)
    return replace(truth, header=truth.header.model_copy(update={"sequences": sequences}))


@pytest.mark.parametrize(
    ("truth", "told", "message"),
    [
        (TRUTH, {"missing": 1.5}, "noisy_boxes: missing: expected a number from 0 to 1, got 1.5"),
        (TRUTH, {"swapped": -0.1}, "swapped: expected a number from 0 to 1, got -0.1"),
        (TRUTH, {"false": float("inf")}, "false: expected a number from 0, got inf"),
        (TRUTH, {"jitter_px": float("nan")}, "jitter_px: expected a number from 0, got nan"),
        (replace(TRUTH, id=np.full(len(TRUTH), -1)), {}, "expected true boxes with identities, got .* without"),
        (
            boxes_of({"a": [(0, 1, 0, 0, 9, 9)] * 2}, source=("x", "y")),
            {},
            "expected boxes of one source, got 'x', 'y'",
        ),
        (resized(TRUTH, size=None), {"false": 0.1}, "expected the size of frames.*got none of 'walk_1'"),
        (
            boxes_of({"a": [(0, 1, 0, 0, 1900, 1000)]}, 1),
            {"false": 2.0},
            "expected room for 2 false boxes beside the true ones, found it for 0; ask for fewer",
        ),
    ],
)
def test_what_cannot_be_done_is_said(truth: Boxes, told: dict[str, float], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        noisy_boxes(truth, **told)


def test_unannotated_sequences_get_no_false_boxes() -> None:
    truth = resized(TRUTH, annotated=(FrameRange(start=0, stop=5),))
    found, noise = noisy_boxes(truth, false=1.0)
    assert found.frame.max() < 5
    assert noise.added == noise.boxes


# --- Truths of other kinds


@st.composite
def crowds(draw: st.DrawFn) -> Boxes:
    """Draw a truth of two sequences and two labels, in which boxes may lie on one another."""
    random = np.random.default_rng(draw(st.integers(0, 10_000)))
    wide = draw(st.sampled_from([30.0, 200.0, 1500.0]))
    found: dict[str, list[Row]] = {}
    for name in ("a", "b"):
        found[name] = [
            (frame, number, *(wide * random.random(2)), *(5 + 20 * random.random(2)), ("player", "ball")[number % 2])
            for frame in range(6)
            for number in random.permutation(5)[: random.integers(0, 6)].tolist()
        ]
    return boxes_of(found)


@settings(max_examples=40, deadline=None)
@given(crowds(), st.floats(0, 0.5), st.floats(0, 1), st.floats(0, 3), st.integers(0, 9))
def test_counts_of_any_truth_hold_where_they_are_determined(
    truth: Boxes, share: float, swapped: float, jitter_px: float, seed: int
) -> None:
    if not len(truth):
        return
    told = {"missing": share, "false": share, "swapped": swapped, "jitter_px": jitter_px}
    found, noise = noisy_boxes(truth, **told, seed=seed)
    assert noise.boxes == len(truth)
    assert len(found) == sum(noise.counts[name] for name in ("CLR_TP", "CLR_FP"))
    assert noise.counts["CLR_TP"] + noise.counts["CLR_FN"] == len(truth)
    counts = counts_of(scored(truth, found))
    # Whatever is matched with what: each box is right or wrong once.
    assert counts["CLR_TP"] + counts["CLR_FN"] == len(truth)
    assert counts["CLR_TP"] + counts["CLR_FP"] == len(found)
    if noise.ambiguous == 0:
        assert counts == noise.counts


def test_sequences_are_exchanged_and_missed_on_their_own() -> None:
    two = made_up_tracks(sequences=2, frames=30)
    found, noise = noisy_boxes(two, swapped=0.3)
    scores = tracking_scores(two, found)
    each = [sequence.classes["pedestrian"].clear.IDSW for sequence in scores.sequences.values()]
    assert min(each) > 0
    assert sum(each) == noise.switches
    # An identity of one sequence is nobody of the other.
    assert set(found.id.tolist()) == set(two.id.tolist())


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7, 0.9])
def test_what_is_lost_follows_from_the_threshold(threshold: float) -> None:
    found, noise = noisy_boxes(TRUTH, jitter_px=3.0, threshold=threshold)
    scores = tracking_scores(TRUTH, found, threshold=threshold).detection_averaged
    assert noise.ambiguous == 0
    assert counts_of(scores) == noise.counts
    assert scores.clear.mean_iou == pytest.approx(noise.overlap)
    overlaps = [plain_overlap(one[2:6], other[2:6]) for one, other in zip(rows(TRUTH), rows(found), strict=True)]
    assert noise.lost == sum(overlap < threshold for overlap in overlaps)


def test_boxes_are_moved_as_far_as_told() -> None:
    truth = made_up_tracks(sequences=3, frames=100)
    found, _ = noisy_boxes(truth, jitter_px=4.0)
    by = np.stack([found.x - truth.x, found.y - truth.y])
    assert by.std(axis=1) == pytest.approx([4.0, 4.0], rel=0.1)
    assert by.mean(axis=1) == pytest.approx([0.0, 0.0], abs=0.4)
    assert np.allclose(by * 10, np.round(by * 10))
    assert (found.w.tolist(), found.h.tolist()) == (truth.w.tolist(), truth.h.tolist())


def test_how_it_was_made_is_told_by_the_header() -> None:
    found, _ = noisy_boxes(TRUTH, missing=0.1, jitter_px=2.0, seed=5, source="ours")
    assert found.header.provenance.parameters == {
        "missing": 0.1, "false": 0.0, "swapped": 0.0, "jitter_px": 2.0, "seed": 5
    }  # fmt: skip
    assert found.header.sequences == TRUTH.header.sequences
    assert set(found.source) == {"ours"}
    assert not found.ignored.any()
