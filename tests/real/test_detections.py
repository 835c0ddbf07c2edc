"""Detections of a volleyball project: an empty database, one of D-FINE, and what YOLOX wrote by frame."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lapsdata._convert import convert
from lapsdata.adapters import BoxesEdit, find_adapter
from lapsdata.checks.detections import beside_truth
from lapsdata.checks.integrity import check_integrity

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(real_data: Path) -> Path:
    return real_data / "volleyball_mot" / "detections"


def opened(path: Path) -> Any:
    found = find_adapter(path, ("boxes",))
    assert found is not None
    return found[0].read(path)


def values(path: Path) -> dict[str, list[list[float]]]:
    """Return what stands behind each key, read by hand."""
    document = json.loads(path.read_text())
    if isinstance(next(iter(document["0"] if "0" in document else document.values()), None), dict):
        return {key: [[*row["bbox"], row["score"]] for row in rows] for key, rows in document.items()}
    return {key: [[float(part) for part in row.split(",")] for row in rows] for key, rows in document.items()}


@pytest.mark.parametrize(
    ("name", "keys", "boxes", "first"),
    [
        ("det_db_volleyball_train.json", 956, 0, 1),
        ("det_db_volleyball_train_dfine.json", 956, 16_484, 1),
        ("Beispielvideo_Beach_YOLOX.json", 286, 3_291, 0),
    ],
)
def test_counts_and_numbers_are_those_of_the_file(folder: Path, name: str, keys: int, boxes: int, first: int) -> None:
    found = opened(folder / name).container
    (sequence,) = found.header.sequences
    assert (sequence.length, len(found), sequence.first_number) == (keys, boxes, first)
    assert [(span.start, span.stop) for span in sequence.annotated] == [(0, keys)]
    plain = values(folder / name)
    number = [int(key.rpartition("/")[2]) - first for key, rows in plain.items() for _ in rows]
    wanted = np.array([row for rows in plain.values() for row in rows]).reshape(-1, 5)
    assert found.frame.tolist() == number
    assert np.array_equal(np.stack([found.x + 0.5, found.y + 0.5, found.w, found.h, found.score], 1), wanted) or (
        np.abs(found.x + 0.5 - wanted[:, 0]).max() < 1e-13 and np.array_equal(found.score, wanted[:, 4])
    )


def test_the_empty_one_is_told(folder: Path) -> None:
    (item,) = check_integrity([folder / "det_db_volleyball_train.json"]).items
    assert (item.status, item.note) == ("warning", "1 sequence, 956 of 956 frames annotated, 0 boxes")
    assert [problem.code for problem in item.problems] == ["empty-database"]
    items = check_integrity([folder]).items
    assert [one.kind for one in items] == ["detection_db"] * 3


def test_what_is_written_again_says_the_same(folder: Path, tmp_path: Path, one_process: list[int]) -> None:
    source = folder / "det_db_volleyball_train_dfine.json"
    convert(source, tmp_path / "ours.parquet")
    convert(tmp_path / "ours.parquet", tmp_path / "again.json", to="detection-db")
    assert values(tmp_path / "again.json") == values(source)
    report = convert(
        source,
        tmp_path / "high.json",
        to="detection-db",
        prefix="volleyball/test/test1",
        digits=8,
        suffix=".txt",
        boxes=BoxesEdit(min_score=0.7, frames=(1, 500)),
    )
    assert report.counts["made"] == 1
    wanted = {
        f"volleyball/test/test1/img1/{int(key[-6:]):08d}.txt": [row for row in rows if row[4] >= 0.7]
        for key, rows in values(source).items()
        if int(key[-6:]) <= 500
    }
    assert values(tmp_path / "high.json") == wanted
    assert len(one_process) == 3


def test_one_detector_beside_another_is_no_copy(folder: Path, tmp_path: Path, one_process: list[int]) -> None:
    """Both saw a game of beach volleyball, of another size and length: one is no detection for the other."""
    said: dict[str, Any] = {"to": "detection-db", "prefix": "v/game1", "digits": 6, "suffix": "none"}
    convert(folder / "Beispielvideo_Beach_YOLOX.json", tmp_path / "yolox.json", **said)
    found = opened(folder / "det_db_volleyball_train_dfine.json").container
    truth = replace(found, source=("truth",) * len(found))
    problems = list(beside_truth(opened(tmp_path / "yolox.json").container, truth))
    assert {problem.code for problem in problems} >= {"frames-not-covered", "compared"}
    assert problems[0].message.startswith("covers 286 of 956 frames of the truth: none of 287-956")
    assert "detections-equal-truth" not in {problem.code for problem in problems}
    same = {problem.code for problem in beside_truth(truth, truth)}
    assert same == {"compared", "detections-equal-truth"}
    assert len(one_process) == 1
