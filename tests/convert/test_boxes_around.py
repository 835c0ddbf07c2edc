"""One root of sequences on its way through every format of boxes, and back: what stays, and what is told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lapsdata._convert import convert
from lapsdata.adapters import BoxesEdit, read_boxes
from tests.adapters.mot_by_hand import FOUND, RESULT, put, sequence

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata.containers import Boxes

IMAGES = [f"{number:06d}.jpg" for number in (1, 2, 3)]
SIZE = {"imWidth": 320, "imHeight": 240, "frameRate": 25, "seqLength": 3}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    sequence(tmp_path / "mot" / "train" / "park", found=FOUND, images=IMAGES, **SIZE)
    put(tmp_path / "mot" / "trackers" / "ours" / "data" / "park.txt", *RESULT)
    return tmp_path / "mot"


def made(source: Path, target: Path, **told: Any) -> tuple[Boxes, set[str]]:
    report = convert(source, target, workers=1, **told)
    assert not [one for one in report.problems if one.severity == "error"], report.problems
    found = read_boxes(target)
    assert found is not None
    return found.boxes, {one.code for one in report.problems}


def rows(boxes: Boxes) -> list[tuple[Any, ...]]:
    names = [one.name for one in boxes.header.sequences]
    number = boxes.frame + np.array([one.first_number for one in boxes.header.sequences])[boxes.sequence_index]
    places = np.round(boxes.xywh, 6).tolist()
    columns = zip(boxes.sequence_index.tolist(), number.tolist(), boxes.id.tolist(), places, strict=True)
    return sorted((names[at], frame, who, *place) for at, frame, who, place in columns)


def test_truth_goes_around_by_label_studio(root: Path, tmp_path: Path) -> None:
    kept = BoxesEdit(sources=("truth",), labels=("pedestrian",))
    table, _ = made(root, tmp_path / "a.parquet", boxes=kept)
    tasks, _ = made(tmp_path / "a.parquet", tmp_path / "tasks.json", to="label-studio")
    back, _ = made(tmp_path / "tasks.json", tmp_path / "back", to="motchallenge")
    assert rows(table) == rows(tasks) == rows(back)
    assert set(back.label) == {"pedestrian"}
    assert json.loads((tmp_path / "tasks.json").read_text())[0]["data"]["image"].endswith("=park/img1/000001.jpg")


def test_detections_go_around_by_a_database(root: Path, tmp_path: Path) -> None:
    said = {"prefix": "train/park", "digits": 6, "suffix": "none"}
    base, codes = made(root, tmp_path / "db.json", to="detection-db", boxes=BoxesEdit(sources=("detector",)), **said)
    assert list(json.loads((tmp_path / "db.json").read_text())) == [f"train/park/img1/{n:06d}" for n in (1, 2, 3)]
    assert "other-sources" in codes
    # What the database calls `object` is a pedestrian again where somebody says so.
    table, _ = made(tmp_path / "db.json", tmp_path / "b.parquet", classes={"object": "pedestrian"})
    assert (set(base.label), set(table.label)) == ({"object"}, {"pedestrian"})
    report = convert(tmp_path / "b.parquet", tmp_path / "tasks.json", to="label-studio", size=(320, 240), workers=1)
    codes = {one.code for one in report.problems}
    document = json.loads((tmp_path / "tasks.json").read_text())
    assert [one["data"]["image"].partition("=")[2] for one in document] == [f"train/park/img1/{one}" for one in IMAGES]
    assert {"images-assumed", "as-predictions"} <= codes
    assert "sequence-renamed" not in codes
    tasks, _ = made(tmp_path / "tasks.json", tmp_path / "c.parquet", annotations="predictions")
    assert rows(tasks) == rows(base)
    assert set(tasks.source) == {"detector"}
    back, _ = made(tmp_path / "b.parquet", tmp_path / "back", to="motchallenge")
    assert "imDir" not in (tmp_path / "back" / "park" / "seqinfo.ini").read_text()
    assert rows(base) == rows(table) == rows(back)
    assert [one[0] for one in rows(base)] == ["park"] * len(FOUND)


def test_several_people_are_no_detector(root: Path, tmp_path: Path) -> None:
    said = {"prefix": "train/park", "digits": 6, "suffix": "none"}
    report = convert(root, tmp_path / "db.json", to="detection-db", workers=1, **said)  # type: ignore[arg-type]
    (problem,) = [one for one in report.problems if one.severity == "error"]
    assert problem.code == "several-sources"
    assert problem.fix == "say whose detections are wanted: --source detector"
    report = convert(root, tmp_path / "x.parquet", workers=1, boxes=BoxesEdit(sources=("yours",)))
    (problem,) = [one for one in report.problems if one.severity == "error"]
    assert problem.message == "expected sources of 'detector', 'ours', 'truth', got 'yours'"
