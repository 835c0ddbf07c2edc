"""Clips of boxes that others wrote: equal to the rows of their texts, and their faults told at opening."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lapsdata.errors import LapsWarning, SchemaError
from lapsdata.loading import Loader, open_mot

if TYPE_CHECKING:
    from pathlib import Path


def test_every_row_of_a_truth_comes_in_an_epoch(real_data: Path) -> None:
    path = real_data / "mot" / "TUD-Stadtmitte"
    clips = open_mot(
        path / "gt.txt",
        path / "test.txt",
        clip=1,
        images=False,
        proposal_names={"TUD-Stadtmitte": "test"},
        box_form="xywh",
        box_origin="one_based",
    )
    rows = {}
    for name in ("gt", "test"):
        with (path / f"{name}.txt").open(newline="") as file:
            rows[name] = sorted([float(field) for field in row[:6]] for row in csv.reader(file))
    found: dict[str, list[list[float]]] = {"gt": [], "test": []}
    for batch in Loader(clips, batch_size=32, shuffle="global", workers=0):
        for at in np.flatnonzero(batch["valid"]).tolist():
            number = float(batch["frame_number"][at, 0])
            for side, name in (("truth", "gt"), ("proposals", "test")):
                boxes = batch[f"{side}/box"][at, 0][batch[f"{side}/valid"][at, 0]]
                ids = batch["truth/track_id"][at, 0] if side == "truth" else np.full(len(boxes), -1)
                found[name] += [[number, float(one), *box] for one, box in zip(ids, boxes.tolist(), strict=False)]
    of_truth = [[row[0], clips.identities.number("TUD-Stadtmitte", int(row[1])), *row[2:]] for row in rows["gt"]]
    np.testing.assert_allclose(sorted(found["gt"]), sorted(of_truth), rtol=1e-6)
    np.testing.assert_allclose(
        sorted(row[:1] + row[2:] for row in found["test"]), sorted(row[:1] + row[2:] for row in rows["test"]), rtol=1e-6
    )
    assert (len(clips), len(clips.identities)) == (179, 10)


def test_what_went_wrong_there_is_told_in_a_second(real_data: Path) -> None:
    folder = real_data / "volleyball_mot"
    truth = folder / "analysis" / "demo_data" / "demo_gt.json"
    named = {"proposal_names": {"frames": "game1"}, "clip": 4, "images": False}
    with pytest.raises(SchemaError, match="no-truth"):
        open_mot(folder / "analysis" / "demo_data" / "demo_predictions.txt", clip=2, images=False)
    with pytest.raises(SchemaError, match="detections-equal-truth"):
        open_mot(truth, truth, clip=4, images=False)
    with pytest.raises(SchemaError, match="expected proposals, got none in the frames of 800 true boxes"):
        open_mot(truth, folder / "detections" / "det_db_volleyball_train.json", **named)
    with pytest.raises(SchemaError, match="wrong-detections"):
        open_mot(truth, folder / "detections" / "det_db_volleyball_train_dfine.json", **named)
    ranks = folder / "analysis" / "dfine_detections_sequenz_beach.txt"
    with pytest.raises(SchemaError, match="ids-are-ranks"):
        open_mot(ranks, clip=4, images=False, truth_source=ranks.stem)


def test_a_tracker_beside_a_database_of_its_frames(real_data: Path) -> None:
    folder = real_data / "volleyball_mot"
    tracker = folder / "tracker_outputs" / "inference_ft_th_0.3.txt"
    clips = open_mot(
        tracker,
        folder / "detections" / "det_db_volleyball_train_dfine.json",
        clip=5,
        max_interval=30,
        images=False,
        truth_source=tracker.stem,
        proposal_names={tracker.stem: "game1"},
    )
    assert len(clips) == 952
    assert len(clips.identities) == 361
    every = [clips.gather(np.arange(952))["frame_number"] for clips in (clips.at_epoch(0), clips.at_epoch(1))]
    assert (np.diff(every[0], axis=1).max(), np.diff(every[0], axis=1).min()) == (30, 1)
    assert (every[0] != every[1]).any()


def test_keys_of_bare_numbers_meet_frames_of_their_number(real_data: Path) -> None:
    folder = real_data / "volleyball_mot"
    off = pytest.warns(LapsWarning, match="0, 101-285: not used; the truth begins with frame 1; .* off by 1 frames")
    with pytest.warns(LapsWarning, match="wrong-detections"), off:
        clips = open_mot(
            folder / "analysis" / "demo_data" / "demo_gt.json",
            folder / "detections" / "Beispielvideo_Beach_YOLOX.json",
            clip=2,
            images=False,
            proposal_names={"frames": "Beispielvideo_Beach_YOLOX"},
            allow=["wrong-detections"],
        )
    assert any("bare-numbers" in note for note in clips.notes)
    assert clips.gather([0])["frame_number"].tolist() == [[1, 2]]
