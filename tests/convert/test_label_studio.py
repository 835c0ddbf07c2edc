"""Label Studio through `convert` and the command: what is said beside a file, what is told, and what is written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

import lapsdata
from lapsdata._convert import convert
from lapsdata.containers import Boxes
from lapsdata.errors import SchemaError
from tests.adapters.by_hand_label_studio import SAMPLES, annotation, rectangle, saved, task

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata._convert import ConvertReport


def codes(report: ConvertReport) -> set[str]:
    return {problem.code for problem in report.problems}


def test_tasks_become_a_file_of_ours_and_tasks_again(tmp_path: Path) -> None:
    report = convert(SAMPLES / "tasks.json", tmp_path / "out.boxes.parquet")
    assert report.counts["made"] == 1, report.problems
    assert report.facts["boxes"] == "5"
    assert {"annotated-frames", "annotation-chosen", "regions-left-out"} <= codes(report)
    boxes = lapsdata.read(tmp_path / "out.boxes.parquet", Boxes)
    assert boxes.source_id == ("track_7", "track_9", "track_7", "track_3", "track_7")
    report = convert(
        tmp_path / "out.boxes.parquet", tmp_path / "again.json", to="label-studio", prefix="/data/local-files/?d=val"
    )
    assert report.counts["made"] == 1, report.problems
    tasks = json.loads((tmp_path / "again.json").read_text())
    assert tasks[0]["data"]["image"] == "/data/local-files/?d=val/beach_1/img1/000001.jpg"
    convert(tmp_path / "again.json", tmp_path / "back.boxes.parquet")
    back = lapsdata.read(tmp_path / "back.boxes.parquet", Boxes)
    assert back.header.sequences == boxes.header.sequences
    assert (back.id.tolist(), back.label) == (boxes.id.tolist(), boxes.label)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"annotations": "predictions"}, ("player", "player")),
        ({"annotations": "newest"}, ("player", "player", "player", "player")),
        ({"classes": {"ball": "sphere"}}, ("player", "sphere", "player", "player", "player")),
        ({"number_by": "name", "rate": 25}, ("player", "ball", "player", "player", "player")),
    ],
)
def test_what_is_said_beside_a_file_reaches_it(said: dict[str, Any], expected: tuple[str, ...], tmp_path: Path) -> None:
    report = convert(SAMPLES / "tasks.json", tmp_path / "out.parquet", **said)
    assert report.counts["made"] == 1, report.problems
    boxes = lapsdata.read(tmp_path / "out.parquet", Boxes)
    assert boxes.label == expected
    recorded = boxes.header.provenance.parameters
    assert all(recorded[name] == value for name, value in said.items() if name in ("annotations", "number_by"))


def test_a_size_is_told_to_reading_and_to_writing(tmp_path: Path) -> None:
    path = saved(tmp_path, [task(1, annotation(rectangle("track_1", size=None)))])
    report = convert(path, tmp_path / "out.parquet")
    assert report.counts["failed"] == 1
    assert any("give the size of the images: --size 1280x720" in str(problem) for problem in report.problems)
    report = convert(path, tmp_path / "out.parquet", size=(200, 100))
    assert report.counts["made"] == 1, report.problems
    assert lapsdata.read(tmp_path / "out.parquet", Boxes).w.tolist() == [20]
    # A table of ours without a size, on its way to tasks.
    two = [task(1, annotation(rectangle("track_1"), rectangle("track_2", size=(100, 100))))]
    convert(saved(tmp_path, two, "two.json"), tmp_path / "two.parquet")
    report = convert(tmp_path / "two.parquet", tmp_path / "two_tasks.json", to="label-studio")
    assert report.counts["failed"] == 1
    assert "no-size" in codes(report)
    report = convert(tmp_path / "two.parquet", tmp_path / "two_tasks.json", to="label-studio", size=(200, 100))
    assert report.counts["made"] == 1, report.problems


def test_what_means_nothing_elsewhere_is_refused(tmp_path: Path) -> None:
    for said in ({"annotations": "best"}, {"number_by": "name"}):
        with pytest.raises(SchemaError, match="expected none with segments, got some: only of boxes"):
            convert(SAMPLES.parent / "rttm", tmp_path / "out.parquet", **said)
    convert(SAMPLES / "tasks.json", tmp_path / "out.parquet")
    report = convert(tmp_path / "out.parquet", tmp_path / "x.json", to="label-studio", annotations="best")
    assert [problem.message for problem in report.problems if problem.code == "wrong-option"] == [
        "expected nothing to be said beside a file of ours, got annotations"
    ]
