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
    from collections.abc import Callable
    from pathlib import Path

    from lapsdata._convert import ConvertReport
    from tests.conftest import Ran


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


def test_the_command_says_what_it_took_and_what_to_do(
    inside: Callable[..., Ran], one_process: list[int], tmp_path: Path
) -> None:
    names = [task(1, annotation(rectangle("a")), image="A/zebra.jpg")]
    saved(tmp_path, names, "names.json")
    failed = inside("convert", "names.json", "names.parquet")
    assert failed.returncode == 1
    assert "task 1: expected the number of a frame in the name of an image, got 'zebra.jpg'" in failed.stderr
    assert "--number-by name" in failed.stderr
    assert inside("convert", "names.json", "names.parquet", "--number-by", "name").returncode == 0
    (tmp_path / "tasks.json").write_bytes((SAMPLES / "tasks.json").read_bytes())
    done = inside("convert", "tasks.json", "found.parquet", "--annotations", "predictions:dfine")
    assert done.returncode == 0
    assert dict(line.split(maxsplit=1) for line in done.stdout.splitlines())["boxes"] == "2"
    done = inside("convert", "found.parquet", "again.json", "--to", "label-studio")
    assert done.returncode == 0
    assert "boxes of 'dfine' are predictions, to be looked at and taken over" in done.stderr
    wrong = inside("convert", "tasks.json", "x.parquet", "--annotations", "last")
    assert wrong.returncode == 1
    assert "expected one of best, newest, first, predictions, predictions:NAME, got 'last'" in wrong.stderr
