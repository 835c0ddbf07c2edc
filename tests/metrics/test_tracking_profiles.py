"""What benchmarks leave out is what TrackEval's own preparation leaves out."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pytest

from lapsdata.errors import SchemaError
from lapsdata.metrics import TRACKING_PROFILES, tracking_scores
from lapsdata.metrics.tracking import MOT_LABELS, ProfileName
from tests.metrics.tracks_by_trackeval import (
    assert_same,
    boxes_of,
    by_trackeval,
    given_to_trackeval,
    overlaps,
    random_rows,
)

if TYPE_CHECKING:
    from tests.metrics.tracks_by_trackeval import Row

BENCHMARKS = {"mot15": "MOT15", "mot16": "MOT16", "mot17": "MOT17", "mot20": "MOT20"}


def people(seed: int, labels: tuple[str, ...]) -> tuple[list[Row], list[Row]]:
    """Draw a truth of several classes, some of it to be ignored, and predictions near it."""
    random = np.random.default_rng(seed)
    true = [(*row, labels[row[1] % len(labels)], bool(random.random() < 0.2)) for row in random_rows(seed, 9, 14, 90.0)]
    found = [
        (row[0], 100 - row[1], *np.round(np.array(row[2:6]) + random.normal(0, 0.7, 4)).tolist(), "pedestrian")
        for row in true
        if random.random() < 0.9
    ]
    return true, found


def prepared_by_trackeval(true: list[Row], found: list[Row], benchmark: str) -> dict[str, Any]:
    """Return what TrackEval keeps of a sequence of ten frames, as its metrics take it."""
    from trackeval.datasets import MotChallenge2DBox

    number = {name: i for i, name in enumerate(MOT_LABELS, 1)}
    raw: dict[str, Any] = given_to_trackeval(true, found, range(10))
    for side, rows in (("gt", true), ("tracker", found)):
        frames = [[row for row in rows if row[0] == frame] for frame in range(10)]
        raw |= {
            f"{side}_ids": [np.array([row[1] for row in each], int) for each in frames],
            f"{side}_dets": [np.array([row[2:6] for row in each], float).reshape(-1, 4) for each in frames],
            f"{side}_classes": [np.array([number[row[6]] for row in each], int) for each in frames],
        }
        if side == "gt":
            raw["gt_extras"] = [{"zero_marked": np.array([not row[7] for row in each], int)} for each in frames]
        else:
            raw["tracker_confidences"] = [np.ones(len(each)) for each in frames]
    raw["seq"] = "a"
    kit = SimpleNamespace(
        benchmark=benchmark,
        do_preproc=True,
        class_name_to_class_id=number,
        valid_class_numbers=list(number.values()),
        _check_unique_ids=lambda data, after_preproc=False: None,
    )
    made: dict[str, Any] = MotChallenge2DBox.get_preprocessed_seq_data(kit, raw, "pedestrian")
    return made


@pytest.mark.parametrize("profile", sorted(BENCHMARKS))
@pytest.mark.parametrize("seed", range(4))
def test_it_is_prepared_as_trackeval_prepares_it(profile: Any, seed: int) -> None:
    labels = MOT_LABELS if profile != "mot15" else ("pedestrian",)
    true, found = people(seed, labels)
    scores = tracking_scores(boxes_of({"a": true}), boxes_of({"a": found}), profile=profile)
    kept = prepared_by_trackeval(true, found, BENCHMARKS[profile])
    here = scores.sequences["a"]
    assert_same(here.classes["pedestrian"], by_trackeval(kept))
    assert here.left_out.on_distractors == len(found) - kept["num_tracker_dets"]
    assert (here.left_out.on_distractors > 0) == (profile != "mot15")
    ignored = sum(row[7] for row in true)
    assert here.left_out.ignored_truth == ignored
    assert here.left_out.other_truth == len(true) - ignored - kept["num_gt_dets"]


def test_mot20_has_one_distractor_more() -> None:
    here = (5, 5, 20, 40)
    true = [(0, 1, *here, "non_mot_vehicle"), (0, 2, 200, 5, 20, 40, "pedestrian")]
    found = [(0, 1, *here, "pedestrian"), (0, 2, 200, 5, 20, 40, "pedestrian")]
    counts = {}
    for profile in ("mot17", "mot20"):
        scores = tracking_scores(boxes_of({"a": true}), boxes_of({"a": found}), profile=profile)  # type: ignore[arg-type]
        counts[profile] = (scores.classes["pedestrian"].clear.CLR_FP, scores.left_out.told())
    assert counts == {"mot17": (1, {"other_truth": 1}), "mot20": (0, {"other_truth": 1, "on_distractors": 1})}


def test_a_distractor_takes_only_the_box_that_fits_it_best() -> None:
    here = (0, 0, 20, 20)
    true = [(0, 1, *here, "static_person"), (0, 2, 4, 0, 20, 20, "pedestrian")]
    found = [(0, 1, *here, "pedestrian"), (0, 2, 4, 0, 20, 20, "pedestrian"), (0, 3, 1, 0, 20, 20, "pedestrian")]
    assert overlaps(np.array([here], float), np.array([[4, 0, 20, 20]], float))[0, 0] > 0.5
    scores = tracking_scores(boxes_of({"a": true}), boxes_of({"a": found}), profile="mot17")
    clear = scores.classes["pedestrian"].clear
    assert (clear.CLR_TP, clear.CLR_FP, scores.left_out.on_distractors) == (1, 1, 1)


@pytest.mark.parametrize("profile", ["mot15", "sportsmot", "dancetrack"])
def test_where_there_is_one_class_its_name_is_not_looked_at(profile: Any) -> None:
    true = [(0, 1, 0, 0, 10, 10, "player"), (1, 1, 0, 0, 10, 10, "player", True)]
    scores = tracking_scores(boxes_of({"a": true}), boxes_of({"a": [(0, 1, 0, 0, 10, 10, "person")]}), profile=profile)
    assert scores.classes["pedestrian"].clear.MOTA == 1
    assert scores.left_out.told() == {"ignored_truth": 1}
    several = boxes_of({"a": [*true, (1, 2, 0, 0, 5, 5, "ball")]})
    with pytest.raises(SchemaError, match=r"truth: label: expected boxes of one label.*'player', 'ball'.*'plain'"):
        tracking_scores(several, several, profile=profile)
    assert tracking_scores(several, several, profile=profile, labels="any").classes["pedestrian"].count.GT_Dets == 2


def test_predictions_of_people_alone_are_scored_for_people() -> None:
    true = boxes_of({"a": [(0, 1, 0, 0, 10, 10, "pedestrian")]})
    other = boxes_of({"a": [(0, 1, 0, 0, 10, 10, "car")]})
    with pytest.raises(SchemaError, match=r"predictions: label: expected .* of 'pedestrian' alone, got 'car'; labels="):
        tracking_scores(true, other, profile="mot17")
    assert tracking_scores(true, other, profile="mot17", labels="any").classes["pedestrian"].clear.CLR_TP == 1
    with pytest.raises(SchemaError, match=r"truth: label: expected classes of MOTChallenge, got 'player'; profile"):
        tracking_scores(boxes_of({"a": [(0, 1, 0, 0, 10, 10, "player")]}), true, profile="mot20")
    with pytest.raises(SchemaError, match=r"labels: expected no labels, since the profile scores 'pedestrian' alone"):
        tracking_scores(true, true, profile="mot16", labels=("pedestrian",))


def test_profiles_are_those_that_can_be_named() -> None:
    assert tuple(TRACKING_PROFILES) == get_args(ProfileName)
    assert all(set(profile.distractors) <= set(MOT_LABELS) for profile in TRACKING_PROFILES.values())
