"""Tracks of real sequences, scored as TrackEval 1.3.0 has scored them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lapsdata.metrics import tracking_scores
from lapsdata.testing.noisy_boxes import noisy_boxes
from tests.metrics.tracks_by_trackeval import assert_same, boxes_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.metrics.tracks_by_trackeval import Row


def rows_of(path: Path) -> list[Row]:
    """Read frame (from 1), identity and place from lines of MOTChallenge."""
    lines = [line.split(",") for line in path.read_text().splitlines()]
    return [(int(line[0]) - 1, int(line[1]), *map(float, line[2:6])) for line in lines]


def rows_of_tasks(path: Path) -> list[Row]:
    """Read rectangles of Label Studio, whose places are percent of the picture, and whose ids name tracks."""
    rows: list[Row] = []
    for task in json.loads(path.read_text()):
        frame = int(re.findall(r"\d+", task["data"]["image"])[-1]) - 1
        for found in task["annotations"][0]["result"]:
            value, size = found["value"], (found["original_width"], found["original_height"])
            share = (value["x"], value["y"], value["width"], value["height"])
            place = [part * whole / 100 for part, whole in zip(share, (*size, *size), strict=True)]
            rows.append((frame, int(found["id"].rpartition("_")[2]), *place))
    return rows


def expected(path: Path, sequence: str) -> dict[str, dict[str, Any]]:
    said: dict[str, dict[str, Any]] = json.loads(path.read_text())[sequence]
    return said


def test_every_field_of_tud_stadtmitte(real_data: Path) -> None:
    folder = real_data / "mot"
    sides = [rows_of(folder / "TUD-Stadtmitte" / name) for name in ("gt.txt", "test.txt")]
    length = 1 + max(row[0] for rows in sides for row in rows)
    scores = tracking_scores(*(boxes_of({"TUD-Stadtmitte": rows}, length) for rows in sides), profile="mot15")
    said = expected(folder / "expected_trackeval-1.3.0.json", "TUD-Stadtmitte")
    mine = scores.classes["pedestrian"].as_trackeval()
    assert_same({family: mine[family] for family in said}, said, within=1e-6)
    assert len(said["HOTA"]["HOTA"]) == 19
    assert scores.left_out.told() == {}


def test_noise_in_real_tracks_is_found_by_number(real_data: Path) -> None:
    truth = boxes_of({"TUD-Stadtmitte": rows_of(real_data / "mot" / "TUD-Stadtmitte" / "gt.txt")}, 179)
    # People hide one another there: at 0.9 nobody lies on another one.
    found, noise = noisy_boxes(truth, missing=0.1, false=0.2, swapped=0.05, threshold=0.9)
    clear = tracking_scores(truth, found, threshold=0.9).classes["object"].clear
    assert (noise.boxes, noise.removed, noise.added, noise.ambiguous) == (1156, 116, 231, 0)
    assert {name: getattr(clear, name) for name in noise.counts} == noise.counts
    assert noise.exchanges == noise.switches / 2 == 9
    _, crowded = noisy_boxes(truth, jitter_px=5.0)
    assert crowded.ambiguous > 0


@pytest.fixture(scope="module")
def volleyball(real_data: Path) -> tuple[list[Row], list[Row]]:
    folder = real_data / "volleyball_mot" / "analysis" / "demo_data"
    return rows_of_tasks(folder / "demo_gt.json"), rows_of(folder / "demo_predictions.txt")


def test_every_field_of_the_volleyball_demo(real_data: Path, volleyball: tuple[list[Row], list[Row]]) -> None:
    scores = tracking_scores(*(boxes_of({"demo": rows}, 100) for rows in volleyball))
    here = scores.classes["object"]
    said = expected(real_data / "volleyball_mot" / "expected_trackeval-1.3.0_demo.json", "demo")
    mine = here.as_trackeval()
    assert_same({family: mine[family] for family in said}, said, within=1e-6)
    clear = here.clear
    assert (clear.CLR_TP, clear.CLR_FP, clear.CLR_FN, clear.IDSW) == (89, 657, 711, 12)
    assert clear.mean_iou == pytest.approx(0.6345304261, abs=1e-9)
    assert pytest.approx(-0.725) == clear.MOTA
    assert pytest.approx(0.062096, abs=1e-6) == here.identity.IDF1
    assert here.hota.HOTA.mean() == pytest.approx(0.100529, abs=1e-6)


def test_the_project_behind_the_demo_counted_the_same_frames_and_no_switch(
    real_data: Path, volleyball: tuple[list[Row], list[Row]]
) -> None:
    told = json.loads((real_data / "volleyball_mot" / "analysis" / "demo_data" / "demo_metrics.json").read_text())
    here = tracking_scores(*(boxes_of({"demo": rows}, 100) for rows in volleyball)).sequences["demo"].classes["object"]
    assert here.losses.detection == pytest.approx(told["losses"]["detection_loss"])
    assert here.losses.iou == pytest.approx(told["losses"]["iou_loss"])
    switches = here.clear.IDSW / 800
    assert here.losses.tracking == switches > told["losses"]["tracking_loss"] == 0
    assert here.losses.mota == pytest.approx(told["losses"]["mota_loss"] + switches)
    assert here.losses.combined == pytest.approx(told["losses"]["combined_loss"] + 0.3 * switches)
    assert here.frames is not None
    assert np.sum(here.frames.tp) == told["metrics"]["true_positives"]
