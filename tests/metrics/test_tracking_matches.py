"""Who is matched with whom: the scores follow from it, pairs overlap, and names are those of the boxes."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Literal

import numpy as np
import pytest

from lapsdata.errors import SchemaError
from lapsdata.metrics import tracking_scores
from lapsdata.metrics.tracking.matches import SequenceMatches, track_matches
from lapsdata.testing.samples import sample_tracked
from tests.metrics.tracks_by_trackeval import boxes_of, overlaps, random_rows

if TYPE_CHECKING:
    from lapsdata.containers import Boxes

Rules = Literal["trackeval", "py-motmetrics"]
BOTH: tuple[Rules, ...] = ("trackeval", "py-motmetrics")


def sides(seed: int, **made: object) -> tuple[Boxes, Boxes]:
    """Two sequences of crowded boxes, whose identities are far from 0."""
    truth, found = (
        {name: [(f, 90 - i, *rest) for f, i, *rest in random_rows(20 * seed + k + side, 12, 6, 30.0)]
         for k, name in enumerate("ab")}
        for side in (0, 10)
    )  # fmt: skip
    return boxes_of(truth, 12, **made), boxes_of(found, 12, **made)  # type: ignore[arg-type]


def changes(matches: SequenceMatches) -> list[int]:
    """Rows whose identity was matched with another one last, found by hand."""
    last: dict[int, int] = {}
    found = []
    for row, (true, other) in enumerate(zip(matches.id.tolist(), matches.found.tolist(), strict=True)):
        if other >= 0:
            if last.get(true, other) != other:
                found.append(row)
            last[true] = other
    return found


@pytest.mark.parametrize("rules", BOTH)
@pytest.mark.parametrize("seed", range(4))
def test_counts_and_switches_are_those_of_the_scores(seed: int, rules: Rules) -> None:
    truth, found = sides(seed)
    scores = tracking_scores(truth, found, threshold=0.3, rules=rules)
    for name, classes in track_matches(truth, found, threshold=0.3, rules=rules).items():
        matches, clear = classes["object"], scores.sequences[name].classes["object"].clear
        hit = matches.found >= 0
        assert (hit.sum(), (~hit).sum(), len(matches.false_id)) == (clear.CLR_TP, clear.CLR_FN, clear.CLR_FP)
        assert np.flatnonzero(matches.switched).tolist() == changes(matches)
        assert matches.switched.sum() == clear.IDSW
        series = scores.sequences[name].classes["object"].frames
        assert series is not None
        for one in ("frame", "tp", "fp", "fn", "idsw", "iou_sum"):
            np.testing.assert_array_equal(getattr(matches.series, one), getattr(series, one), err_msg=one)
        for frame in range(12):
            there = matches.frame == frame
            assert hit[there].sum() == series.tp[frame]
            assert matches.switched[there].sum() == series.idsw[frame]
            assert (matches.false_frame == frame).sum() == series.fp[frame]


@pytest.mark.parametrize("rules", BOTH)
def test_pairs_are_boxes_of_a_frame_that_overlap_enough_each_once(rules: Rules) -> None:
    truth, found = sides(7)
    places = {
        side: {
            (int(boxes.sequence_index[r]), int(boxes.frame[r]), int(boxes.id[r])): r for r in range(len(boxes.frame))
        }
        for side, boxes in (("truth", truth), ("found", found))
    }
    every = {side: boxes.xywh for side, boxes in (("truth", truth), ("found", found))}
    used: Counter[tuple[int, int, int]] = Counter()
    for number, classes in enumerate(track_matches(truth, found, threshold=0.4, rules=rules).values()):
        one = classes["object"]
        sums = np.zeros(12)
        for frame, true, other in zip(one.frame.tolist(), one.id.tolist(), one.found.tolist(), strict=True):
            row = places["truth"].pop((number, frame, true))
            if other >= 0:
                used[number, frame, other] += 1
                pair = every["truth"][[row]], every["found"][[places["found"][number, frame, other]]]
                overlap = float(overlaps(*pair)[0, 0])
                assert overlap >= 0.4 - 1e-12
                sums[frame] += overlap
        np.testing.assert_allclose(one.series.iou_sum, sums, atol=1e-12)
        for frame, other in zip(one.false_frame.tolist(), one.false_id.tolist(), strict=True):
            used[number, frame, other] += 1
    # Every true box is told, and every predicted one is matched once or false once.
    assert places["truth"] == {}
    assert used == Counter(places["found"].keys())


def test_frames_that_nobody_annotated_have_no_box_and_keep_their_numbers() -> None:
    truth, found = sides(1, annotated=[(2, 5), (8, 9)])
    for classes in track_matches(truth, found).values():
        matches = classes["object"]
        assert matches.series.frame.tolist() == [2, 3, 4, 8]
        assert set(matches.frame.tolist()) | set(matches.false_frame.tolist()) <= {2, 3, 4, 8}
    every = track_matches(truth, found, frames="all")["a"]["object"]
    assert every.series.frame.tolist() == list(range(12))


def test_of_one_side_alone_nothing_is_matched() -> None:
    truth, _ = sample_tracked()
    nothing = boxes_of({"rally": []}, 4)
    missed = track_matches(truth, nothing)["rally"]["player"]
    assert (missed.found.tolist(), missed.false_id.tolist()) == ([-1] * 4, [])
    assert not missed.switched.any()
    false = track_matches(nothing, truth)["rally"]["player"]
    assert (false.found.tolist(), false.false_id.tolist(), false.false_frame.tolist()) == ([], [0] * 4, [0, 1, 2, 3])


def test_an_identity_that_comes_back_is_a_switch_and_one_that_pauses_is_none() -> None:
    truth = boxes_of({"a": [(f, 4, 10.0 * f, 0.0, 9.0, 9.0) for f in range(7)]}, 7)
    ids = {0: 8, 1: 8, 3: 8, 4: 2, 6: 8}
    found = boxes_of({"a": [(f, number, 10.0 * f, 0.0, 9.0, 9.0) for f, number in ids.items()]}, 7)
    matches = track_matches(truth, found)["a"]["object"]
    assert matches.found.tolist() == [8, 8, -1, 8, 2, -1, 8]
    assert np.flatnonzero(matches.switched).tolist() == [4, 6]


def test_classes_are_matched_apart() -> None:
    rows = [(0, 1, 0.0, 0.0, 9.0, 9.0, "player"), (0, 2, 0.0, 0.0, 9.0, 9.0, "ball")]
    boxes = boxes_of({"a": rows}, 1)
    found = track_matches(boxes, boxes)["a"]
    assert {name: one.found.tolist() for name, one in found.items()} == {"ball": [2], "player": [1]}
    both = track_matches(boxes, boxes, labels="any")["a"]["any"]
    assert sorted(both.found.tolist()) == [1, 2]


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"threshold": 0.0}, "threshold"),
        ({"rules": "others"}, "rules"),
        ({"profile": "mot18"}, "profile"),
        ({"frames": "some"}, "frames"),
        ({"labels": ("referee",)}, "referee"),
    ],
)
def test_rules_that_are_none_are_refused_as_scores_refuse_them(option: dict[str, object], message: str) -> None:
    for function in (track_matches, tracking_scores):
        with pytest.raises(SchemaError, match=message):
            function(*sample_tracked(), **option)  # type: ignore[operator]
