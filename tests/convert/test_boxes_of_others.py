"""Boxes of others on their way: into Parquet, into files of MOTChallenge, and what is said of them and of the loss."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import lapsdata
from lapsdata._convert import convert
from lapsdata.adapters import BoxesEdit, EpisodesEdit
from lapsdata.containers import Boxes
from lapsdata.errors import SchemaError
from tests.adapters.mot_by_hand import RESULT, TRUTH, boxes_of, put, sequence

if TYPE_CHECKING:
    from lapsdata._convert import ConvertReport

SAMPLES = Path(__file__).parents[1] / "samples"


def converted(source: Any, target: Path, **options: Any) -> tuple[Boxes, ConvertReport]:
    report = convert(source, target, workers=1, **options)
    assert {entry.fate for entry in report.entries} == {"made"}, report.problems
    return (boxes_of(target) if target.is_dir() else lapsdata.read(target, Boxes)), report


def failed(source: Path, target: Path, **options: Any) -> str:
    report = convert(source, target, workers=1, **options)
    assert not target.exists()
    return "\n".join(map(str, report.problems))


@pytest.mark.parametrize("name", ["motchallenge", "vatic", "ua_detrac", "kitti_tracking/label_02", "visdrone_mot"])
def test_every_sample_becomes_parquet_and_motchallenge_and_parquet_again(tmp_path: Path, name: str) -> None:
    first, _ = converted(SAMPLES / name, tmp_path / "a.parquet")
    converted(tmp_path / "a.parquet", tmp_path / "mot", to="motchallenge")
    again, _ = converted(tmp_path / "mot", tmp_path / "b.parquet")
    assert len(first) == len(again) > 0
    assert sorted(first.x.tolist()) == sorted(again.x.tolist())
    assert sorted(first.label) == sorted(again.label)
    assert sorted(first.source) == sorted(again.source)


def test_what_was_counted_and_what_is_lost_is_in_the_report(tmp_path: Path) -> None:
    _, report = converted(SAMPLES / "ua_detrac", tmp_path / "mot", to="motchallenge-15")
    codes = sorted(problem.code for problem in report.problems)
    assert codes == ["ignored-regions", "left-behind", "length-unknown", "no-identity", "unverified"]


def test_what_is_said_of_the_files_is_taken(tmp_path: Path) -> None:
    path = put(tmp_path / "one.txt", "0,1,10,20,30,40,0.9,1,-1,-1", "1,2,10,20,3,4,0.8,2,-1,-1")
    boxes, _ = converted(
        path,
        tmp_path / "a.parquet",
        classes={"1": "player", "2": "ball"},
        whose="ByteTrack",
        first_number=0,
        rate=25,
        size=(640, 360),
    )
    assert boxes.label == ("player", "ball")
    assert set(boxes.source) == {"ByteTrack"}
    assert boxes.frame.tolist() == [0, 1]
    (one,) = boxes.header.sequences
    assert (one.first_number, str(one.rate), one.size.width if one.size else 0) == (0, "25", 640)


@pytest.mark.parametrize(("pixels", "x"), [(None, 8.5), ("one_based", 8.5), ("edge", 9.5), ("centre", 10.0)])
def test_pixels_count_from_where_it_is_told(tmp_path: Path, pixels: Any, x: float) -> None:
    path = put(tmp_path / "one.txt", "1,1,10,20,30,40,0.9,1,-1,-1")
    boxes, _ = converted(path, tmp_path / "a.parquet", pixels=pixels)
    assert (boxes.x.tolist(), boxes.w.tolist()) == ([x], [30.0])


def test_pixels_mean_nothing_to_other_boxes(tmp_path: Path) -> None:
    told = failed(SAMPLES / "vatic", tmp_path / "a.parquet", pixels="edge")
    assert "expected classes or rate or size to be said beside it, got pixels" in told
    converted(SAMPLES / "vatic", tmp_path / "a.parquet")
    told = failed(tmp_path / "a.parquet", tmp_path / "mot", to="motchallenge", pixels="edge")
    assert "expected nothing to be said beside a file of ours, got pixels" in told


def test_boxes_are_chosen_on_their_way(tmp_path: Path) -> None:
    folder = sequence(tmp_path / "one", seqLength=3)
    edit = BoxesEdit(labels=("pedestrian",), frames=(1, 1))
    boxes, report = converted(folder, tmp_path / "mot", to="motchallenge", boxes=edit)
    assert boxes.frame.tolist() == [0, 0]
    assert {"other-labels", "other-frames"} <= {problem.code for problem in report.problems}


def test_truth_and_results_become_one(tmp_path: Path) -> None:
    folder = sequence(tmp_path / "one", seqLength=3)
    result = put(tmp_path / "ours" / "data" / "one.txt", *RESULT)
    boxes, _ = converted([folder, result], tmp_path / "all.parquet")
    assert [one.name for one in boxes.header.sequences] == ["one"]
    assert sorted(set(boxes.source)) == ["ours", "truth"]
    assert len(boxes) == len(TRUTH) + len(RESULT)


def test_what_is_wrong_is_told_and_nothing_is_written(tmp_path: Path) -> None:
    told = failed(put(tmp_path / "gt.txt", "0,1,10,20,30,40,1"), tmp_path / "a.parquet")
    assert "gt.txt: line 1: frame: expected frames from 1, got 0" in told
    assert "--first-number 0" in told


def test_what_means_nothing_to_an_adapter_is_refused(tmp_path: Path) -> None:
    told = failed(SAMPLES / "vatic", tmp_path / "a.parquet", whose="ours")
    assert "expected classes or rate or size to be said beside it, got whose" in told
    told = failed(SAMPLES / "motchallenge", tmp_path / "a.parquet", whose="ours")
    assert "expected a file or a folder of results for --whose ours" in told


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("profile", "compact"),
        ("stride", 2),
        ("horizon", 3),
        ("duration_s", 5.0),
        ("zeros", "gated"),
        ("split", "test"),
        ("end", "inclusive"),
        ("unit", "s"),
        ("edit", EpisodesEdit(drop=("state",))),
    ],
)
def test_what_says_nothing_of_boxes_is_refused(tmp_path: Path, name: str, value: Any) -> None:
    (tmp_path / "db.json").write_text('{"a/img1/000001": ["1,2,3,4,0.5"]}')
    with pytest.raises(SchemaError, match=f"{name}: expected none with boxes, got one"):
        convert(tmp_path / "db.json", tmp_path / "boxes.parquet", **{name: value})
    assert not (tmp_path / "boxes.parquet").exists()


def test_options_of_boxes_are_refused_for_anything_else(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="expected none with segments, got some: only of boxes"):
        convert(SAMPLES / "rttm", tmp_path / "a.parquet", whose="truth")
    with pytest.raises(SchemaError, match="first_number"):
        convert(SAMPLES / "motchallenge", tmp_path / "a.parquet", first_number=-1)
