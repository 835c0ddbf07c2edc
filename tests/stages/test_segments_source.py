"""Segments as people have them: one door for files of ours, tables, and files of others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lapsdata import formats
from lapsdata.containers import Segments
from lapsdata.errors import SchemaError, StorageError, UnknownFormatError
from lapsdata.schema import SegmentedVideo, SegmentsHeader
from lapsdata.stages.evaluate import ScoredFiles, segment_scores
from lapsdata.stages.segments_source import read_segments
from lapsdata.testing.samples import sample_energies, sample_provenance, sample_segments
from lapsdata.timebase import FrameRate

SAMPLES = Path(__file__).parents[1] / "samples"


def segments(**spans: tuple[float, float]) -> Segments:
    """Return one segment per video, all of its time."""
    videos = tuple(SegmentedVideo(name=name, start_s=start, end_s=end) for name, (start, end) in spans.items())
    times = np.array(list(spans.values())).reshape(-1, 2)
    count = len(spans)
    header = SegmentsHeader(provenance=sample_provenance(), videos=videos)
    return Segments(
        header, np.arange(count), times[:, 0].copy(), times[:, 1].copy(), ("annotation",) * count, (None,) * count
    )


FOUND = segments(a=(0.0, 9.5), b=(0.0, 4.0))


def test_a_table_says_segments_and_the_found_say_how_long(tmp_path: Path) -> None:
    path = tmp_path / "truth.csv"
    path.write_text(
        "\ufefflabel, video, start_s, end_s\ncut, b, 1, 2.5\n,a,7.25,9.75\nreach,a,0.5,3\n", encoding="utf-8"
    )
    truth = read_segments(path, found=FOUND).segments
    assert [(v.name, v.start_s, v.end_s) for v in truth.header.videos] == [("a", 0, 9.75), ("b", 0, 4)]
    assert truth.start_s.tolist() == [0.5, 7.25, 1]
    assert truth.end_s.tolist() == [3, 9.75, 2.5]
    assert truth.label == ("reach", None, "cut")
    assert not truth.header.overlap


def test_overlap_is_stated(tmp_path: Path) -> None:
    path = tmp_path / "truth.csv"
    path.write_text("video,start_s,end_s\na,0,3\na,2,4\nb,3,4\n")
    assert read_segments(path, found=FOUND).segments.header.overlap
    path.write_text("video,start_s,end_s\na,0,3\na,3,4\nb,3,4\n")
    assert not read_segments(path, found=FOUND).segments.header.overlap


def test_a_file_of_ours_is_taken_as_it_is(tmp_path: Path) -> None:
    formats.write(tmp_path / "truth.parquet", FOUND)
    assert read_segments(tmp_path / "truth.parquet", found=segments(a=(0.0, 1.0))).segments.header == FOUND.header


def test_a_folder_is_put_together(tmp_path: Path) -> None:
    formats.write(tmp_path / "one.parquet", segments(b=(0.0, 4.0)))
    (tmp_path / "two.csv").write_text("video,start_s,end_s\na,1,2\n")
    (tmp_path / "notes.txt").write_text("not looked at")
    truth = read_segments(tmp_path, found=FOUND).segments
    assert [video.name for video in truth.header.videos] == ["b", "a"]
    assert truth.video_index.tolist() == [0, 1]
    assert truth.start_s.tolist() == [0, 1]


def test_a_video_in_two_files_is_told(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.csv").write_text("video,start_s,end_s\na,1,2\n")
    with pytest.raises(SchemaError, match=r"two.csv: expected each video in one file, got 'a' in one.csv too"):
        read_segments(tmp_path, found=FOUND)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"truth.csv: expected the columns video, start_s, end_s .*; got none"),
        ("video;start_s;end_s\na;1;2\n", r"expected the columns .*; got video;start_s;end_s"),
        ("video,start,end\na,1,2\n", r"got video, start, end; the first line names the columns"),
        ("video,start_s,end_s\n", r"expected a segment, got none"),
        ("video,start_s,end_s\na,1\n", r"line 2: expected 3 values in each line"),
        ("video,start_s,end_s\na,1,2,3\n", r"line 2: expected 3 values in each line"),
        ("video,start_s,end_s\na,1,2\na,5,4\n", r"line 3: expected start <= end in seconds, got '5' and '4'"),
        ("video,start_s,end_s\na,one,2\n", r"line 2: expected start <= end in seconds, got 'one'"),
        ("video,start_s,end_s\na,nan,2\n", r"line 2: expected start <= end"),
        ("video,start_s,end_s\na,1,inf\n", r"line 2: expected start <= end"),
        ("video,start_s,end_s\n,1,2\n", r"name"),
    ],
)
def test_what_is_no_table_of_segments_is_told(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "truth.csv"
    path.write_text(text)
    with pytest.raises(SchemaError, match=message):
        read_segments(path, found=FOUND)


def test_what_holds_no_segments_is_told(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"cannot open: no such file or folder"):
        read_segments(tmp_path / "nowhere", found=FOUND)
    with pytest.raises(UnknownFormatError, match=r"expected segments: Parquet of ours, CSV .* mstcn, .*; got none of"):
        read_segments(tmp_path, found=FOUND)
    (tmp_path / "truth.csv").write_bytes(b"\xff\xff,\n")
    with pytest.raises(SchemaError, match=r"expected comma-separated text in UTF-8"):
        read_segments(tmp_path / "truth.csv", found=FOUND)
    (tmp_path / "truth.json").write_text("{}")
    with pytest.raises(UnknownFormatError, match=r"truth.json"):
        read_segments(tmp_path / "truth.json", found=FOUND)


def test_a_table_has_scores_and_counts_what_has_no_length(tmp_path: Path) -> None:
    path = tmp_path / "found.csv"
    path.write_text("video,start_s,end_s,score\na,1,2,0.5\na,2,3,\na,3,3,0.1\n")
    source = read_segments(path)
    assert np.array_equal(source.segments.score, [0.5, np.nan], equal_nan=True)
    assert [(note.code, note.message) for note in source.notes] == [
        ("empty-segments", "1 segments begin where they end: left out"),
        ("length-unknown", "how long 'a' last is not told: their time ends with their last segment"),
    ]
    assert [note.code for note in read_segments(path, found=FOUND).notes] == ["empty-segments"]
    assert source.segments.header.policies == {"empty_segments": 1}
    assert (source.rate, source.rate_origin) == (None, None)


def test_the_time_of_a_video_without_length_is_that_of_its_twin(tmp_path: Path) -> None:
    (tmp_path / "a.lab").write_text("2.5 4.0 x\n")
    twin = segments(a=(1.0, 9.5))
    alone, beside = (read_segments(tmp_path / "a.lab", found=found).segments for found in (None, twin))
    assert [(video.start_s, video.end_s) for one in (alone, beside) for video in one.header.videos] == [
        (0.0, 4.0),
        (1.0, 9.5),
    ]
    # What says its own length keeps it: that of labels per frame is their number.
    (tmp_path / "groundTruth").mkdir()
    (tmp_path / "groundTruth" / "a.txt").write_text("x\n" * 7)
    labels = read_segments(tmp_path / "groundTruth", rate="30000/1001", found=twin).segments
    assert [(video.start_s, video.end_s) for video in labels.header.videos] == [(0.0, 7 * 1001 / 30000)]


def test_a_rate_stands_by_and_says_where_it_is_from(tmp_path: Path) -> None:
    (tmp_path / "groundTruth").mkdir()
    (tmp_path / "groundTruth" / "a.txt").write_text("take\npour\n")
    classes = "take open pour close shake scoop stir put fold spread background"
    (tmp_path / "mapping.txt").write_text("".join(f"{k} {name}\n" for k, name in enumerate(classes.split())))
    known = read_segments(tmp_path)
    assert known.rate == FrameRate(15)
    assert known.rate_origin == "15 per second, as GTEA's labels have; known by mapping.txt"
    assert [(note.code, note.severity) for note in known.notes] == [("known-rate", "info")]
    told = read_segments(tmp_path, rate=30)
    assert (told.rate, told.rate_origin, told.notes) == (FrameRate(30), "told", ())
    # Files with times of their own do not look at it.
    assert read_segments(SAMPLES / "epic", rate=30).rate is None


@pytest.mark.parametrize("name", ["activitynet/truth.json", "epic", "rttm", "lab", "laps_segments/truth", "mstcn"])
def test_files_of_others_are_read_by_the_same_door(name: str) -> None:
    source = read_segments(SAMPLES / name, rate=15)
    assert len(source.segments) > 0
    assert set(source.segments.end_reason) == {"annotation"}


def test_splits_are_those_of_the_files() -> None:
    labels = read_segments(SAMPLES / "mstcn", rate=2, split="test.split1").segments
    assert [video.name for video in labels.header.videos] == ["V2_Box"]
    subset = read_segments(SAMPLES / "activitynet" / "truth.json", split="training").segments
    assert [video.name for video in subset.header.videos] == ["surf_1"]


@pytest.mark.parametrize(
    ("name", "said", "message"),
    [
        ("mstcn", {"rate": 2, "split": "test.split9"}, r"expected a split of .*'test.split1', 'train.split1', got"),
        ("mstcn", {"rate": 2, "end": "inclusive"}, "expected rate or split to be said beside it, got end"),
        ("mstcn", {}, "expected frames per second, got none"),
        (
            "epic",
            {"split": "train"},
            "expected nothing to be said beside it, got split; leave it out: .* files of epic",
        ),
        ("activitynet/truth.json", {"split": "val"}, "expected the subset of some videos as split, got 'val'"),
        ("activitynet/result.json", {"split": "training"}, "expected no split of a result, got 'training'"),
        ("frame_ranges", {"rate": 15}, "whether the last frame of a range is part of it, got none; give --end"),
        ("laps", {"rate": 10}, r"expected segments: .* got energies \(Energies and codes of LAPS"),
    ],
)
def test_what_means_nothing_to_the_files_is_told(name: str, said: dict[str, str], message: str) -> None:
    with pytest.raises((SchemaError, UnknownFormatError), match=message):
        read_segments(SAMPLES / name, rate=said.get("rate"), split=said.get("split"), end=said.get("end"))


def test_tables_of_times_have_no_split(tmp_path: Path) -> None:
    formats.write(tmp_path / "one.parquet", sample_segments())
    (tmp_path / "two.csv").write_text("video,start_s,end_s\na,1,2\n")
    for name in ("one.parquet", "two.csv"):
        with pytest.raises(SchemaError, match="expected no split with a table of times, got 'test'"):
            read_segments(tmp_path / name, split="test")


def test_another_record_of_ours_is_told(tmp_path: Path) -> None:
    formats.write(tmp_path / "energies.jsonl", sample_energies())
    with pytest.raises(SchemaError, match="expected a file with Segments, got one with Energies"):
        read_segments(tmp_path / "energies.jsonl")


def test_files_of_ours_go_before_those_beside_them(tmp_path: Path) -> None:
    (tmp_path / "groundTruth").mkdir()
    (tmp_path / "groundTruth" / "a.txt").write_text("x\n")
    (tmp_path / "classes.csv").write_text("id,name\n0,x\n")
    assert read_segments(tmp_path, rate=1).segments.label == ("x",)
    formats.write(tmp_path / "one.parquet", segments(b=(0.0, 4.0)))
    (tmp_path / "classes.csv").unlink()
    source = read_segments(tmp_path, rate=1)
    assert [video.name for video in source.segments.header.videos] == ["b"]
    assert [(note.code, note.severity) for note in source.notes] == [("others-beside", "warning")]


def test_scores_of_one_file_and_notes_of_another_are_kept(tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text("video,start_s,end_s,score\na,1,2,0.5\n")
    (tmp_path / "two.csv").write_text("video,start_s,end_s\nb,1,2\nb,2,2\n")
    source = read_segments(tmp_path)
    assert np.array_equal(source.segments.score, [0.5, np.nan], equal_nan=True)
    assert [note.code for note in source.notes] == ["length-unknown", "empty-segments", "length-unknown"]


def test_scores_of_others_are_those_of_the_same_segments_in_a_file_of_ours(tmp_path: Path) -> None:
    found = read_segments(SAMPLES / "mstcn", rate=2).segments
    formats.write(tmp_path / "found.parquet", found)
    formats.write(tmp_path / "truth.parquet", found)
    (tmp_path / "theirs").mkdir()
    for video in found.header.videos:
        rows = found.of_video(video.name).tolist()
        parts = ", ".join(f'{{"start_sec": {found.start_s[at]}, "end_sec": {found.end_s[at]}}}' for at in rows)
        text = f'{{"video_duration_sec": {video.end_s}, "segments": [{parts}]}}'
        (tmp_path / "theirs" / f"{video.name}_segments.json").write_text(text)
    ours, theirs = (
        segment_scores(ScoredFiles(tmp_path / "found.parquet", tmp_path / name))[0].boundaries
        for name in ("truth.parquet", "theirs")
    )
    assert theirs.rows == ours.rows
    assert theirs.rows[0].scores[0].macro.f == 1.0
