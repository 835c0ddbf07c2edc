"""Tracks of real sequences through the command, as TrackEval 1.3.0 has scored them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lapsdata.stages.tracking import TrackingOptions, tracking_result

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata.schema import TrackValues


def assert_as_said(values: TrackValues, said: dict[str, dict[str, Any]]) -> None:
    """Hold every field that TrackEval has said against the record."""
    for family in said.values():
        for name, value in family.items():
            if isinstance(value, list):
                np.testing.assert_allclose(values.by_alpha[name], value, rtol=0, atol=1e-6, err_msg=name)
            else:
                own = values.counts[name] if name in values.counts else values.scores[name]
                assert own == pytest.approx(value, abs=1e-6), name


def test_tud_stadtmitte_from_its_texts(real_data: Path) -> None:
    folder = real_data / "mot"
    sides = [folder / "TUD-Stadtmitte" / name for name in ("gt.txt", "test.txt")]
    result, notes = tracking_result(sides[0], sides[1:], TrackingOptions(profile="mot15"))
    said = json.loads((folder / "expected_trackeval-1.3.0.json").read_text())["TUD-Stadtmitte"]
    values = result.trackers[0].classes["pedestrian"]
    assert_as_said(values, said)
    assert values.counts["IDSW"] == 7
    assert values.scores["HOTA"] == pytest.approx(0.397849, abs=1e-6)
    # People walk: neither chance nor what stands still comes near.
    assert [note for note in notes if note.severity != "info"] == []


def test_the_volleyball_demo_from_label_studio_and_text(real_data: Path) -> None:
    folder = real_data / "volleyball_mot"
    demo = folder / "analysis" / "demo_data"
    options = TrackingOptions(labels="any", pixels="edge")
    result, notes = tracking_result(demo / "demo_gt.json", [demo / "demo_predictions.txt"], options)
    said = json.loads((folder / "expected_trackeval-1.3.0_demo.json").read_text())["demo"]
    values = result.trackers[0].classes["any"]
    assert_as_said(values, said)
    assert [values.counts[name] for name in ("CLR_TP", "CLR_FP", "CLR_FN", "IDSW")] == [89, 657, 711, 12]
    assert values.mean_iou == pytest.approx(0.6345304261, abs=1e-9)
    told = json.loads((demo / "demo_metrics.json").read_text())["losses"]
    assert values.losses.detection == pytest.approx(told["detection_loss"])
    assert values.losses.iou == pytest.approx(told["iou_loss"])
    # The notes have counted no switch: that is what a loss of 0 for tracking was.
    assert (told["tracking_loss"], values.losses.tracking) == (0, pytest.approx(12 / 800))
    # True boxes of the first frame that stand still score five times as much.
    assert [note.code for note in notes if note.severity == "warning"] == ["not-above-standing"]


def test_results_without_a_byte_beside_others(real_data: Path) -> None:
    folder = real_data / "volleyball_mot" / "tracker_outputs"
    files = [folder / f"inference_ft_th_{threshold}.txt" for threshold in (0.3, 0.5)]
    result, notes = tracking_result(files[0], files)
    assert [row.settings for row in result.trackers] == [{"inference_ft_th": 0.3}, {"inference_ft_th": 0.5}]
    assert [row.classes["pedestrian"].counts["Dets"] for row in result.trackers] == [7164, 0]
    codes = {(note.code, note.where.rpartition("/")[2]) for note in notes if note.severity == "warning"}
    assert {("copied-truth", "inference_ft_th_0.3"), ("no-predictions", "inference_ft_th_0.5")} <= codes
    assert ("empty-file", "inference_ft_th_0.5.txt") in codes
