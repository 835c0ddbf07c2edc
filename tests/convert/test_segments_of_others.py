"""Segments of others through `convert`: read with what is said of them, and written where it is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import lapsdata
from lapsdata._convert import convert
from lapsdata.containers import Segments
from lapsdata.errors import SchemaError, UnknownFormatError
from lapsdata.stages.segments_source import read_segments
from lapsdata.testing.samples import sample_segments, sample_tracks

if TYPE_CHECKING:
    from lapsdata._convert import ConvertReport

SAMPLES = Path(__file__).parents[1] / "samples"


def codes(report: ConvertReport) -> set[str]:
    return {problem.code for problem in report.problems}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("mstcn", {"rate": 2, "split": "test.split1"}),
        ("frame_ranges", {"rate": 15, "end": "inclusive"}),
        ("activitynet/truth.json", {"split": "training"}),
        ("lab", {"unit": "s"}),
        ("rttm", {}),
        ("epic", {}),
        ("laps_segments/found", {}),
    ],
)
def test_what_adapters_read_becomes_a_file_of_ours(name: str, said: dict[str, Any], tmp_path: Path) -> None:
    report = convert(SAMPLES / name, tmp_path / "out.parquet", **said)
    assert report.counts["made"] == 1, report.problems
    back = lapsdata.read(tmp_path / "out.parquet", Segments)
    told = {key: value for key, value in said.items() if key != "unit"}
    door = read_segments(SAMPLES / name, **told)
    assert (back.start_s.tolist(), back.label) == (door.segments.start_s.tolist(), door.segments.label)
    assert {note.code for note in door.notes} - {"unit-by-decimals"} <= codes(report)


def test_what_is_counted_is_called_by_its_name(tmp_path: Path) -> None:
    report = convert(SAMPLES / "rttm", tmp_path / "out.parquet")
    assert report.facts["segments"] == "2"
    assert "windows" not in report.facts
    assert "2 segments carry no checksum: they were copied as they were found" in {
        problem.message for problem in report.problems
    }
    (made,) = convert(tmp_path / "out.parquet", tmp_path / "found", to="laps_segments").made
    assert (made.unit, made.windows, made.as_json()["unit"]) == ("segments", 2, "segments")


def test_labels_per_frame_go_there_and_back(tmp_path: Path) -> None:
    convert(SAMPLES / "mstcn", tmp_path / "truth.parquet", rate=15)
    convert(tmp_path / "truth.parquet", tmp_path / "labels", to="mstcn", rate=15)
    for file in (SAMPLES / "mstcn" / "groundTruth").iterdir():
        assert (tmp_path / "labels" / "groundTruth" / file.name).read_bytes() == file.read_bytes()
    # Straight from one project to another: both sides have frames of this rate, or one of them.
    convert(SAMPLES / "mstcn", tmp_path / "laps", to="laps_segments", rate=15)
    convert(tmp_path / "laps", tmp_path / "again", to="mstcn", rate=15)
    for file in (SAMPLES / "mstcn" / "groundTruth").iterdir():
        assert (tmp_path / "again" / "groundTruth" / file.name).read_bytes() == file.read_bytes()


def test_gaps_are_filled_by_name_only(tmp_path: Path) -> None:
    said: dict[str, Any] = {"to": "mstcn", "rate": 15, "end": "inclusive"}
    report = convert(SAMPLES / "frame_ranges", tmp_path / "out", **said)
    assert codes(report) == {"no-label"}
    assert not (tmp_path / "out").exists()
    report = convert(SAMPLES / "frame_ranges", tmp_path / "out", gap_label="background", **said)
    assert {"gaps-filled", "shared-frames", "objects-left-out", "length-unknown", "unverified"} == codes(report)
    found = (tmp_path / "out" / "groundTruth" / "S1_Tea.txt").read_text().splitlines()
    assert (len(found), found.count("background")) == (60, 9)


def test_files_of_others_are_never_replaced(tmp_path: Path) -> None:
    lapsdata.write(tmp_path / "one.parquet", sample_segments())
    for force in (False, True):
        (tmp_path / "out").mkdir(exist_ok=True)
        (tmp_path / "out" / "mine.json").write_text("{}")
        report = convert(tmp_path / "one.parquet", tmp_path / "out", to="laps_segments", force=force)
        assert codes(report) == {"foreign-output"}
        assert [file.name for file in (tmp_path / "out").iterdir()] == ["mine.json"]


def test_what_is_wanted_tells_two_records_of_one_folder_apart(tmp_path: Path) -> None:
    place = tmp_path / "in" / "V1_Box"
    (place / "segmented_videos").mkdir(parents=True)
    (place / "segmented_videos" / "V1_Box_segments.json").write_text('{"segments": [{"start_sec": 0, "end_sec": 1}]}')
    (place / "stream_energy_quantized_l2_mean.jsonl").write_text(
        '{"window": 0, "energy": 1, "source": "quantized", "mode": "l2_mean"}\n'
    )
    convert(tmp_path / "in", tmp_path / "out.parquet")
    convert(tmp_path / "in", tmp_path / "out.jsonl", rate=10, stride=4)
    assert [type(lapsdata.read(tmp_path / f"out.{end}")).__name__ for end in ("parquet", "jsonl")] == [
        "Segments",
        "Energies",
    ]


def test_what_means_nothing_is_refused(tmp_path: Path) -> None:
    lapsdata.write(tmp_path / "one.parquet", sample_segments())
    lapsdata.write(tmp_path / "clip.h5", sample_tracks())
    with pytest.raises(SchemaError, match="split: expected none with segments of ours or of foreign windows, got one"):
        convert(tmp_path / "one.parquet", tmp_path / "out", to="mstcn", rate=15, split="test")
    with pytest.raises(
        SchemaError, match="gap_label: expected none with segments_parquet, got one: segments may leave"
    ):
        convert(SAMPLES / "rttm", tmp_path / "out.parquet", gap_label="x")
    with pytest.raises(UnknownFormatError, match=r"laps_segments, mstcn, got --to text"):
        convert(tmp_path / "one.parquet", tmp_path / "out", to="text")
    with pytest.raises(UnknownFormatError, match=r"expected one of the formats of tracks, .* got --to mstcn"):
        convert(tmp_path / "clip.h5", tmp_path / "out", to="mstcn")
    for said, wrong in (({"rate": 15}, "rate"), ({"gap_label": "x"}, "gap_label")):
        (problem,) = convert(tmp_path / "one.parquet", tmp_path / "out", to="laps_segments", **said).problems
        assert problem.message == f"expected what laps_segments or its source takes, got {wrong}"
    (problem,) = convert(SAMPLES / "epic", tmp_path / "out.parquet", rate=15).problems
    assert problem.message == "expected nothing to be said beside it, got rate"
    assert not (tmp_path / "out").exists()
