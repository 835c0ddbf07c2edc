"""Boxes through `convert`: read in any way, chosen, merged, and written as a database of detections."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import lapsdata
from lapsdata._convert import convert
from lapsdata.adapters import BoxesEdit
from lapsdata.adapters._boxes_edit import taken_rows
from lapsdata.containers import Boxes
from lapsdata.errors import SchemaError, UnknownFormatError
from lapsdata.testing.samples import sample_boxes, sample_segments
from lapsdata.timebase import FrameRate

if TYPE_CHECKING:
    from lapsdata._convert import ConvertReport

SAMPLES = Path(__file__).parents[1] / "samples"
DB = SAMPLES / "detection_db"


def codes(report: ConvertReport) -> dict[str, str]:
    return {problem.code: problem.severity for problem in report.problems}


def keys(path: Path) -> dict[str, int]:
    return {key: len(lines) for key, lines in json.loads(path.read_text()).items()}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("detection_db/upstream.json", {}),
        ("detection_db/fork.json", {"rate": 25, "size": (1280, 720)}),
        ("detection_db/frames.json", {"classes": {"1": "player", "2": "ball"}}),
        ("coco_boxes/truth.json", {"rate": "30000/1001"}),
        ("coco_boxes/found.json", {}),
    ],
)
def test_what_adapters_read_becomes_a_file_of_ours(name: str, said: dict[str, Any], tmp_path: Path) -> None:
    report = convert(SAMPLES / name, tmp_path / "out.parquet", **said)
    assert report.counts["made"] == 1, report.problems
    back = lapsdata.read(tmp_path / "out.parquet", Boxes)
    assert report.facts["boxes"] == str(len(back))
    if "rate" in said:
        assert {one.rate for one in back.header.sequences} == {FrameRate.parse(said["rate"])}
    if "classes" in said:
        assert set(back.label) == {"player", "ball"}
    # A second call finds what the first has made.
    assert convert(SAMPLES / name, tmp_path / "out.parquet", **said).counts["kept"] == 1


def test_a_database_is_written_by_what_was_said(tmp_path: Path) -> None:
    report = convert(
        DB / "fork.json",
        tmp_path / "db.json",
        to="detection-db",
        prefix="volleyball/test/test1",
        digits=8,
        suffix=".txt",
        boxes=BoxesEdit(min_score=0.7, frames=(1, 4)),
    )
    assert keys(tmp_path / "db.json") == {
        "volleyball/test/test1/img1/00000001.txt": 1,
        "volleyball/test/test1/img1/00000002.txt": 0,
        "volleyball/test/test1/img1/00000003.txt": 1,
        "volleyball/test/test1/img1/00000004.txt": 0,
    }
    assert codes(report) == {
        "database-written": "info",
        "low-scores": "info",
        "uncovered-frames": "warning",
        "unverified": "warning",
    }
    (made,) = report.made
    assert (made.unit, made.windows, made.largest_error_px) == ("boxes", 2, 0.0)


def test_through_a_file_of_ours_nothing_is_lost(tmp_path: Path) -> None:
    convert(DB / "upstream.json", tmp_path / "ours.parquet")
    report = convert(tmp_path / "ours.parquet", tmp_path / "db.json", to="detection-db")
    before = json.loads((DB / "upstream.json").read_text())
    after = json.loads((tmp_path / "db.json").read_text())
    assert set(after) - set(before) == {"DanceTrack/train/dancetrack0001/img1/00000003.txt"}
    for key, lines in before.items():
        assert [[float(n) for n in line.split(",")] for line in after[key]] == [
            [float(n) for n in line.split(",")] for line in lines
        ]
    assert "unverified" not in codes(report)


def test_several_databases_become_one(tmp_path: Path) -> None:
    report = convert([DB / "upstream.json", DB / "fork.json"], tmp_path / "db.json", to="detection-db")
    found = keys(tmp_path / "db.json")
    assert {key.partition("/")[0] for key in found} == {"DanceTrack", "crowdhuman", "volleyball"}
    assert (len(found), sum(found.values())) == (9, 8)
    assert codes(report)["keys-kept"] == "info"
    # As one table of ours as well, with what was chosen of it.
    convert([DB / "upstream.json", DB / "fork.json"], tmp_path / "ours.parquet", boxes=BoxesEdit(min_score=0.7))
    back = lapsdata.read(tmp_path / "ours.parquet", Boxes)
    assert [one.name for one in back.header.sequences][-1] == "test1"
    assert back.score is not None
    assert sorted(back.score.tolist()) == [0.75, 0.875, 0.9, 0.923437]


def test_a_table_of_ours_is_chosen_from(tmp_path: Path) -> None:
    lapsdata.write(tmp_path / "all.parquet", sample_boxes())
    report = convert(
        tmp_path / "all.parquet", tmp_path / "some.parquet", boxes=BoxesEdit(labels=("player",), frames=(0, 0))
    )
    some = lapsdata.read(tmp_path / "some.parquet", Boxes)
    assert some.x.tolist() == [10.0, 100.5]
    assert [[(span.start, span.stop) for span in one.annotated] for one in some.header.sequences] == [[(0, 1)]] * 2
    assert codes(report) == {"other-labels": "info", "other-frames": "info"}


def test_a_truth_becomes_no_database(tmp_path: Path) -> None:
    report = convert(
        SAMPLES / "coco_boxes" / "truth.json", tmp_path / "db.json", to="detection-db", prefix="x", suffix="none"
    )
    assert codes(report) == {"truth-as-detections": "error"}
    assert report.counts["failed"] == 1
    assert list(tmp_path.iterdir()) == []
    # Detections of the same images do.
    done = convert(
        SAMPLES / "coco_boxes" / "found.json", tmp_path / "db.json", to="detection-db", prefix="x", suffix="none"
    )
    assert done.counts["made"] == 1
    assert keys(tmp_path / "db.json") == {
        "x/game1/img1/000001": 1,
        "x/game1/img1/000002": 0,
        "x/game1/img1/000003": 1,
        "x/game2/img1/000001": 0,
    }


def test_a_dialect_is_asked_for_and_nothing_is_written_without(tmp_path: Path) -> None:
    detections = taken_rows(sample_boxes(), np.array([2]))
    lapsdata.write(tmp_path / "in.parquet", detections)
    report = convert(tmp_path / "in.parquet", tmp_path / "db.json", to="detection-db", digits=6)
    assert [problem.code for problem in report.problems] == ["no-prefix", "no-suffix"]
    assert all("'left', 'right'" in problem.where for problem in report.problems)
    assert not (tmp_path / "db.json").exists()
    assert all("--" in str(problem.fix) for problem in report.problems)


def test_a_database_of_others_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "db.json").write_text("{}")
    for force in (False, True):
        report = convert(DB / "fork.json", tmp_path / "db.json", to="detection-db", force=force)
        assert codes(report) == {"foreign-output": "error"}
    assert (tmp_path / "db.json").read_text() == "{}"


def test_what_means_nothing_is_refused(tmp_path: Path) -> None:
    lapsdata.write(tmp_path / "ours.parquet", sample_boxes())
    lapsdata.write(tmp_path / "segments.parquet", sample_segments())
    with pytest.raises(SchemaError, match="boxes: expected none with segments, got some: only of boxes"):
        convert(tmp_path / "segments.parquet", tmp_path / "x", to="mstcn", rate=15, boxes=BoxesEdit(min_score=0.5))
    with pytest.raises(SchemaError, match="prefix: expected none with segments"):
        convert(tmp_path / "segments.parquet", tmp_path / "x", to="mstcn", rate=15, prefix="x")
    with pytest.raises(UnknownFormatError, match="detection-db, label-studio, motchallenge, "):
        convert(tmp_path / "ours.parquet", tmp_path / "x", to="yolo")
    with pytest.raises(SchemaError, match="expected another store or profile, got boxes_parquet again"):
        convert(tmp_path / "ours.parquet", tmp_path / "again.parquet")
    for said, wrong in (
        ({"rate": 25}, "expected nothing to be said beside a file of ours, got rate"),
        ({"classes": {"1": "player"}}, "expected nothing to be said beside a file of ours, got classes"),
        ({"prefix": "x"}, "expected what boxes_parquet takes, got prefix"),
        ({"boxes": BoxesEdit(labels=("net",))}, "expected labels of 'player', 'stand', got 'net'"),
    ):
        given: dict[str, Any] = {"boxes": BoxesEdit(frames=(0, 5)), **said}
        (problem,) = convert(tmp_path / "ours.parquet", tmp_path / "out.parquet", **given).problems
        assert problem.message == wrong
    (problem,) = convert(SAMPLES / "coco_boxes/truth.json", tmp_path / "out.parquet", size=(64, 48)).problems
    assert problem.message == "expected classes or rate to be said beside it, got size"
    assert not (tmp_path / "out.parquet").exists()
