"""What must not change the scores of tracks, and what must."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lapsdata.metrics import TrackingScores, tracking_scores
from tests.metrics.tracks_by_trackeval import assert_same, boxes_of, random_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from lapsdata.containers import Boxes
    from tests.metrics.tracks_by_trackeval import Row

FRAMES, IDENTITIES = 10, 9


@pytest.fixture(scope="module")
def pair() -> tuple[list[Row], list[Row]]:
    true = random_rows(11, FRAMES, IDENTITIES, 80.0)
    random = np.random.default_rng(0)
    found = [
        (row[0], row[1] if row[0] < 6 else (row[1] + 1) % IDENTITIES, *(np.array(row[2:]) + random.normal(0, 1, 4)))
        for row in true
        if random.random() < 0.8
    ]
    return true, [(*row[:4], *np.maximum(1, row[4:])) for row in found]


def scored(true: list[Row], found: list[Row], **options: Any) -> TrackingScores:
    return tracking_scores(boxes_of({"a": true}), boxes_of({"a": found}), **options)


def renamed(rows: list[Row]) -> list[Row]:
    return [(row[0], 10**12 - 7 * row[1], *row[2:]) for row in rows]


def doubled(rows: list[Row]) -> list[Row]:
    return [(*row[:2], *(2 * np.array(row[2:6])).tolist()) for row in rows]


def turned(rows: list[Row]) -> list[Row]:
    return [(*row[:2], row[3], row[2], row[5], row[4]) for row in rows]


def shuffled(rows: list[Row]) -> list[Row]:
    return [rows[i] for i in np.random.default_rng(3).permutation(len(rows)).tolist()]


@pytest.mark.parametrize("change", [renamed, doubled, turned, shuffled])
@pytest.mark.parametrize("rules", ["trackeval", "py-motmetrics"])
def test_names_sizes_axes_and_the_order_of_rows_change_nothing(
    pair: tuple[list[Row], list[Row]], change: Callable[[list[Row]], list[Row]], rules: Any
) -> None:
    before = scored(*pair, rules=rules).classes["object"]
    after = scored(*map(change, pair), rules=rules).classes["object"]
    assert 0.2 < before.clear.MOTA < 0.9
    assert_same(after, before.as_trackeval())


def test_hota_and_identity_know_no_direction_of_time(pair: tuple[list[Row], list[Row]]) -> None:
    back = ([(FRAMES - 1 - row[0], *row[1:]) for row in rows] for rows in pair)
    before, after = scored(*pair).classes["object"], scored(*back).classes["object"]
    assert pytest.approx(before.hota.HOTA) == after.hota.HOTA
    assert after.identity.as_trackeval() == before.identity.as_trackeval()


def test_truth_and_predictions_exchanged_exchange_recall_and_precision(pair: tuple[list[Row], list[Row]]) -> None:
    true, found = pair
    here, there = scored(true, found).classes["object"], scored(found, true).classes["object"]
    assert pytest.approx(here.hota.HOTA) == there.hota.HOTA
    assert there.hota.DetRe == pytest.approx(here.hota.DetPr)
    assert there.hota.AssRe == pytest.approx(here.hota.AssPr)
    assert (there.identity.IDP, there.identity.IDR) == (here.identity.IDR, here.identity.IDP)
    assert there.count.Dets == here.count.GT_Dets


def test_the_truth_itself_is_perfect(pair: tuple[list[Row], list[Row]]) -> None:
    true = pair[0]
    here = scored(true, renamed(true)).classes["object"]
    assert pytest.approx(np.ones(19)) == here.hota.HOTA
    assert (here.clear.MOTA, here.clear.IDSW, here.identity.IDF1) == (1, 0, 1)
    assert here.losses.combined == pytest.approx(0)


def test_boxes_that_fit_nothing_cost_precision_alone(pair: tuple[list[Row], list[Row]]) -> None:
    true, found = pair
    more = [*found, *((frame, 50, 1000, 500, 20, 20) for frame in range(FRAMES))]
    before, after = scored(true, found).classes["object"], scored(true, more).classes["object"]
    assert after.clear.CLR_FP == before.clear.CLR_FP + FRAMES
    assert after.clear.CLR_Re == before.clear.CLR_Re
    assert after.clear.CLR_Pr < before.clear.CLR_Pr
    assert np.all(after.hota.HOTA[before.hota.HOTA > 0] < before.hota.HOTA[before.hota.HOTA > 0])
    assert after.hota.AssA == pytest.approx(before.hota.AssA)


def test_a_higher_threshold_matches_no_more(pair: tuple[list[Row], list[Row]]) -> None:
    counts = [scored(*pair, threshold=number / 10).classes["object"] for number in range(1, 11)]
    hits = [each.clear.CLR_TP for each in counts]
    assert hits == sorted(hits, reverse=True)
    assert hits[0] > hits[-1]
    # HOTA has thresholds of its own.
    assert len({each.hota.HOTA_0 for each in counts}) == 1


def test_sequences_that_are_alike_are_scored_like_one(pair: tuple[list[Row], list[Row]]) -> None:
    sides = [boxes_of(dict.fromkeys("abc", rows)) for rows in pair]
    three, one = tracking_scores(*sides).classes["object"], scored(*pair).classes["object"]
    assert pytest.approx(one.hota.HOTA) == three.hota.HOTA
    assert three.clear.CLR_TP == 3 * one.clear.CLR_TP
    for name in ("MOTA", "MOTP", "CLR_Re", "MTR"):
        assert getattr(three.clear, name) == pytest.approx(getattr(one.clear, name))
    assert pytest.approx(one.identity.IDF1) == three.identity.IDF1
    assert three.count.GT_IDs == 3 * one.count.GT_IDs


def test_scores_of_a_sequence_are_its_own_whatever_stands_beside_it(pair: tuple[list[Row], list[Row]]) -> None:
    others = [random_rows(seed, FRAMES, 5) for seed in (21, 22)]
    beside = [boxes_of({"z": other, "a": rows}) for other, rows in zip(others, pair, strict=True)]
    together = tracking_scores(*beside)
    assert list(together.sequences) == ["z", "a"]
    assert_same(
        together.sequences["a"].classes["object"], scored(*pair).sequences["a"].classes["object"].as_trackeval()
    )


def test_one_class_is_its_own_mean(pair: tuple[list[Row], list[Row]]) -> None:
    scores = scored(*pair)
    for joined in (scores.class_averaged, scores.detection_averaged):
        assert_same(joined, scores.classes["object"].as_trackeval())
    assert list(scores.as_trackeval()["COMBINED_SEQ"]) == ["object"]


def test_what_was_given_is_not_changed_and_scores_are_the_same_again(pair: tuple[list[Row], list[Row]]) -> None:
    sides = [boxes_of({"a": rows}) for rows in pair]
    copies = [replace(boxes) for boxes in sides]
    first, second = tracking_scores(*sides), tracking_scores(*sides)
    assert_same(second.classes["object"], first.classes["object"].as_trackeval(), within=0)
    for boxes, copy in zip(sides, copies, strict=True):
        assert boxes.equals(copy)


def thousands(frames: int, source: int) -> Boxes:
    """Return a sequence in which identities live for three frames, so that there are thousands."""
    rows = [
        (frame, 1000 * (frame // 3) + number, 30 * number + source, 0, 20, 20)
        for frame in range(frames)
        for number in range(20)
    ]
    return boxes_of({"a": rows}, frames)


def test_memory_goes_by_pairs_that_meet_and_not_by_identities() -> None:
    import tracemalloc

    sides = thousands(900, 0), thousands(900, 2)
    tracking_scores(*sides)
    tracemalloc.start()
    scores = tracking_scores(*sides).classes["object"]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (scores.count.GT_IDs, scores.identity.IDF1) == (6000, 1)
    # A matrix of identities alone would be 288 MB.
    assert peak < 40e6
