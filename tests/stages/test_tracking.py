"""From files to the record: what is asked, kept, swept, left out and refused."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

import lapsdata
from lapsdata.errors import SchemaError, StorageError
from lapsdata.metrics import tracking_scores
from lapsdata.stages._name_settings import name_settings
from lapsdata.stages.tracking import TrackingOptions, score_tracking, tracking_result
from lapsdata.storage.sealed_json import read_sealed_json
from tests.metrics.tracks_by_trackeval import boxes_of, random_rows

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata.containers import Boxes


def crowd(seed: int, *, scored: bool = True) -> Boxes:
    boxes = boxes_of({name: random_rows(10 * seed + n, 6, 3, 30.0) for n, name in enumerate("ab")}, 6)
    return replace(boxes, score=np.linspace(0, 1, len(boxes))) if scored else boxes


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    names = ["truth", "th_0.3", "th_0.5"]
    for seed, name in enumerate(names):
        lapsdata.write(tmp_path / f"{name}.parquet", crowd(seed))
    return [tmp_path / f"{name}.parquet" for name in names]


def test_scores_are_those_of_the_boxes(paths: list[Path]) -> None:
    truth, *found = paths
    options = TrackingOptions(threshold=0.3, frames="all", rules="py-motmetrics", draws=10)
    result, _ = tracking_result(truth, found, options)
    scores = tracking_scores(crowd(0), crowd(1), threshold=0.3, frames="all", rules="py-motmetrics")
    row = result.trackers[0]
    assert row.classes["object"].counts["IDSW"] == scores.classes["object"].clear.IDSW
    assert row.classes["object"].scores["MOTP"] == scores.classes["object"].clear.MOTP
    assert [one.name for one in result.trackers] == ["th_0.3", "th_0.5"]
    assert [one.settings for one in result.trackers] == [{"th": 0.3}, {"th": 0.5}]
    assert (result.rules.threshold, result.rules.rules) == (0.3, "py-motmetrics")
    assert result.provenance.parameters == options.as_json()


def test_a_result_is_kept_until_something_changes(paths: list[Path], tmp_path: Path) -> None:
    truth, *found = paths
    out = tmp_path / "scores.json"
    fates = [score_tracking(truth, found, out, TrackingOptions(draws=10))[0].fate for _ in range(2)]
    fates.append(score_tracking(truth, found, out, TrackingOptions(draws=10, threshold=0.4))[0].fate)
    lapsdata.write(truth, crowd(9), overwrite=True)
    output, _ = score_tracking(truth, found, out, TrackingOptions(draws=10, threshold=0.4))
    assert [*fates, output.fate] == ["made", "kept", "changed", "changed"]
    assert read_sealed_json(out, type(output.content)) == output.content


def test_what_is_to_be_said_is_said_of_a_kept_result_as_well(paths: list[Path], tmp_path: Path) -> None:
    told = [score_tracking(paths[0], [paths[0]], tmp_path / "out.json")[1] for _ in range(2)]
    assert [[note.code for note in one] for one in told] == [["copied-truth"], ["copied-truth"]]


def test_what_others_have_written_is_never_replaced(paths: list[Path], tmp_path: Path) -> None:
    (tmp_path / "out.json").write_text("{}")
    with pytest.raises(StorageError, match=r"out.json"):
        score_tracking(paths[0], paths[1:], tmp_path / "out.json", force=True)


def test_boxes_below_a_score_are_left_out_and_counted(paths: list[Path]) -> None:
    truth, *found = paths
    result, _ = tracking_result(truth, found, TrackingOptions(min_score=0.5, draws=10))
    low = sum(int((crowd(seed).score < 0.5).sum()) for seed in (1, 2))
    assert result.policies == {"boxes_below_the_least_score_left_out": low}
    assert [row.min_score for row in result.trackers] == [0.5, 0.5]
    kept = result.trackers[0].classes["object"].counts["Dets"]
    assert kept == int((crowd(1).score >= 0.5).sum())


def test_a_sweep_has_every_pair_of_thresholds(paths: list[Path]) -> None:
    truth, *found = paths
    options = TrackingOptions(sweep_thresholds=(0.3, 0.7), sweep_scores=(0.0, 0.5, 2.0), draws=10)
    result, _ = tracking_result(truth, found, options)
    assert [(one.tracker, one.min_score, one.threshold) for one in result.sweep] == [
        (name, score, overlap) for name in ("th_0.3", "th_0.5") for score in (0, 0.5, 2) for overlap in (0.3, 0.7)
    ]
    by_key = {(one.tracker, one.min_score, one.threshold): one for one in result.sweep}
    assert by_key["th_0.3", 0.0, 0.3].boxes_left_out == 0
    nothing = by_key["th_0.3", 2.0, 0.3]
    assert (nothing.boxes_left_out, nothing.classes["object"].counts["Dets"]) == (len(crowd(1)), 0)
    easy, hard = (by_key["th_0.3", 0.0, overlap].classes["object"].counts["CLR_TP"] for overlap in (0.3, 0.7))
    assert easy == tracking_scores(crowd(0), crowd(1), threshold=0.3).classes["object"].clear.CLR_TP >= hard
    # The rows of the table are at the threshold that was asked for.
    assert result.rules.threshold == 0.5


def test_a_sweep_over_overlaps_alone_keeps_all_boxes(paths: list[Path]) -> None:
    result, _ = tracking_result(paths[0], paths[1:2], TrackingOptions(sweep_thresholds=(0.25,)))
    assert [(one.min_score, one.threshold, one.boxes_left_out) for one in result.sweep] == [(None, 0.25, 0)]


def test_scores_that_boxes_do_not_have_cannot_be_asked_for(paths: list[Path], tmp_path: Path) -> None:
    lapsdata.write(tmp_path / "plain.parquet", crowd(3, scored=False))
    half = crowd(3)
    lapsdata.write(tmp_path / "half.parquet", replace(half, score=np.where(half.frame == 0, np.nan, half.score)))
    with pytest.raises(SchemaError, match=r"plain: expected a score of each box, got \d+ of \d+ without"):
        tracking_result(paths[0], [tmp_path / "plain.parquet"], TrackingOptions(min_score=0.5))
    with pytest.raises(SchemaError, match=r"half: expected a score of each box, got \d+ of \d+ without"):
        tracking_result(paths[0], [tmp_path / "half.parquet"], TrackingOptions(sweep_scores=(0.5,)))


def test_frames_that_nobody_annotated_are_left_out_and_counted(tmp_path: Path) -> None:
    rows = [(frame, 1, 10.0 * frame, 0.0, 20.0, 40.0) for frame in range(1860)]
    lapsdata.write(tmp_path / "gt.parquet", boxes_of({"a": rows[:544]}, 1860, annotated=[(0, 544)]))
    lapsdata.write(tmp_path / "ours.parquet", boxes_of({"a": rows[:543] + rows[544:]}, 1860))
    result, _ = tracking_result(tmp_path / "gt.parquet", [tmp_path / "ours.parquet"])
    row = result.trackers[0]
    assert (result.sequences[0].length, result.sequences[0].frames) == (1860, 544)
    assert (row.left_out.frames, row.left_out.outside_predicted) == (1316, 1316)
    # Within the range a frame that only one side has counts in full.
    assert [row.classes["object"].counts[name] for name in ("CLR_TP", "CLR_FN", "CLR_FP")] == [543, 1, 0]
    everything, _ = tracking_result(tmp_path / "gt.parquet", [tmp_path / "ours.parquet"], TrackingOptions(frames="all"))
    assert everything.trackers[0].classes["object"].counts["CLR_FP"] == 1316


def test_results_without_a_byte_are_empty_and_told(tmp_path: Path) -> None:
    lapsdata.write(tmp_path / "gt.parquet", boxes_of({"a": [(0, 1, 0, 0, 9, 9)]}, 3))
    (tmp_path / "ours.txt").touch()
    result, notes = tracking_result(tmp_path / "gt.parquet", [tmp_path / "ours.txt"])
    warned = {note.code for note in notes if note.severity == "warning"}
    assert {"empty-file", "no-predictions"} <= warned
    values = result.trackers[0].classes["object"]
    assert (values.counts["CLR_FN"], values.counts["Dets"], values.scores["HOTA"]) == (1, 0, 0)


def test_a_result_of_rendered_scenes_says_so(tmp_path: Path) -> None:
    from lapsdata.provenance import marked_synthetic, synthetic_note

    truth = crowd(0)
    made = marked_synthetic(truth.header.provenance, "SYNTHETIC: rendered")
    lapsdata.write(tmp_path / "gt.parquet", replace(truth, header=truth.header.model_copy(update={"provenance": made})))
    result, _ = tracking_result(tmp_path / "gt.parquet", [tmp_path / "gt.parquet"])
    assert synthetic_note(result.provenance) == "SYNTHETIC: rendered"


# --- what names tell


@pytest.mark.parametrize(
    ("names", "settings"),
    [
        (["inference_ft_th_0.3", "inference_ft_th_0.5"], [{"inference_ft_th": 0.3}, {"inference_ft_th": 0.5}]),
        (
            [f"score_threshold_{s}_miss_tolerance_{m}" for s, m in ((0.3, 15), (0.4, 20))],
            [{"score_threshold": 0.3, "miss_tolerance": 15.0}, {"score_threshold": 0.4, "miss_tolerance": 20.0}],
        ),
        (
            ["minimal-lr=5e-6", "moderate-lr=1e-5", "aggressive-lr=2e-5"],
            [
                {"variant": "minimal", "lr": 5e-6},
                {"variant": "moderate", "lr": 1e-5},
                {"variant": "aggressive", "lr": 2e-5},
            ],
        ),
        (["th0.3", "th0.5"], [{"th": 0.3}, {"th": 0.5}]),
        (["run_3_best", "run_4_last"], [{"run": 3.0, "variant_2": "best"}, {"run": 4.0, "variant_2": "last"}]),
        (["0.3", "0.5"], [{"number_1": 0.3}, {"number_1": 0.5}]),
        (["th_1_th_2"], [{"th": 1.0, "th_2": 2.0}]),
        (["ours", "theirs"], [{"variant": "ours"}, {"variant": "theirs"}]),
        (["ours"], [{}]),
        (["ours", "th_0.5"], [{}, {}]),
        ([], []),
    ],
)
def test_settings_that_names_tell(names: list[str], settings: list[dict[str, float | str]]) -> None:
    assert list(name_settings(names).values()) == settings
