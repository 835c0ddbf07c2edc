"""Differences between trackers: by drawing sequences anew, held against scores of sequences that were really copied."""

from __future__ import annotations

import numpy as np
import pytest

from lapsdata.errors import SchemaError
from lapsdata.metrics import tracking_scores
from lapsdata.metrics._bootstrap import times_drawn
from lapsdata.metrics.tracking.evaluation import evaluate_tracking
from lapsdata.metrics.tracking.paired import paired_track_differences
from tests.metrics.tracks_by_trackeval import boxes_of, random_rows

NAMES = ("a", "b", "c", "d")
SIDES = [{name: random_rows(10 * seed + n, 6, 3, 30.0) for n, name in enumerate(NAMES)} for seed in (1, 2, 3)]
RESULT = evaluate_tracking(boxes_of(SIDES[0]), {"x": boxes_of(SIDES[1]), "y": boxes_of(SIDES[2])}, draws=40, seed=5)
X, Y = (row.sequences for row in RESULT.trackers)


def really_drawn(times: list[int]) -> dict[str, float]:
    """Return x less y where each sequence stands as often in all files as it is drawn."""
    copied = [
        {f"{name}{copy}": side[name] for name, count in zip(NAMES, times, strict=True) for copy in range(count)}
        for side in SIDES
    ]
    truth, *trackers = map(boxes_of, copied)
    x, y = (tracking_scores(truth, tracker).classes["object"].summary() for tracker in trackers)
    return {name: x[name] - y[name] for name in ("HOTA", "DetA", "AssA", "MOTA", "IDF1")}


def test_differences_are_those_of_the_scores() -> None:
    x, y = (row.classes["object"].scores for row in RESULT.trackers)
    for found in RESULT.differences:
        ours, theirs = x[found.score], y[found.score]
        assert ours is not None
        assert theirs is not None
        assert found.difference == pytest.approx(ours - theirs, abs=1e-12)
        assert (found.tracker, found.than) == ("x", "y")


def test_draws_are_scores_of_sequences_that_stand_there_as_often() -> None:
    drawn = times_drawn(4, 40, 5)
    differences = [really_drawn(times) for times in drawn.T.tolist()]
    for found in RESULT.differences:
        spread = np.array([one[found.score] for one in differences])
        assert found.interval == pytest.approx(np.quantile(spread, (0.025, 0.975)), abs=1e-9)
        side = 1 + min((spread <= 1e-12).sum(), (spread >= -1e-12).sum())
        assert found.p == pytest.approx(min(1.0, 2 * side / 41))


def test_sequences_are_counted_one_by_one() -> None:
    alone = [really_drawn([int(n == at) for n in range(4)]) for at in range(4)]
    for found in RESULT.differences:
        signs = [np.sign(round(one[found.score], 12)) for one in alone]
        assert (found.higher, found.equal, found.lower) == (signs.count(1), signs.count(0), signs.count(-1))


def test_classes_count_together() -> None:
    rows = {name: [(*row, "ball" if row[1] else "player") for row in side] for name, side in SIDES[0].items()}
    found = {name: [(*row, "ball" if row[1] else "player") for row in side] for name, side in SIDES[1].items()}
    result = evaluate_tracking(boxes_of(rows), {"x": boxes_of(found), "same": boxes_of(rows)}, draws=20)
    x, same = (row.detection_averaged for row in result.trackers)
    assert x is not None
    assert same is not None
    told = {one.score: one.difference for one in result.differences}
    for name in ("HOTA", "MOTA", "IDF1"):
        assert told[name] == pytest.approx((x.scores[name] or 0) - (same.scores[name] or 0), abs=1e-12)


def test_the_record_says_how_it_was_drawn() -> None:
    assert RESULT.bootstrap is not None
    assert (RESULT.bootstrap.resamples, RESULT.bootstrap.seed) == (40, 5)
    assert [one.score for one in RESULT.differences] == ["HOTA", "DetA", "AssA", "MOTA", "IDF1"]


def test_a_single_sequence_has_no_interval() -> None:
    truth, x, y = (boxes_of({"a": side["a"]}) for side in SIDES)
    result = evaluate_tracking(truth, {"x": x, "y": y})
    assert result.bootstrap is None
    assert {(one.interval, one.p) for one in result.differences} == {(None, None)}


def test_sequences_of_others_are_refused() -> None:
    with pytest.raises(SchemaError, match="expected scores of the same sequences, at least one, got 'a', 'b', 'c'"):
        paired_track_differences(X, Y[1:])
    with pytest.raises(SchemaError, match="expected scores of the same sequences"):
        paired_track_differences([], [])
    with pytest.raises(SchemaError, match="draws"):
        paired_track_differences(X, Y, draws=0)
