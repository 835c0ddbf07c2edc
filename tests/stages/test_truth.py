"""True segments as people have them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from lapsdata import formats
from lapsdata.containers import Segments
from lapsdata.errors import SchemaError, StorageError, UnknownFormatError
from lapsdata.schema import SegmentedVideo, SegmentsHeader
from lapsdata.stages.truth import read_truth
from lapsdata.testing.samples import sample_provenance

if TYPE_CHECKING:
    from pathlib import Path


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
    truth = read_truth(path, FOUND)
    assert [(v.name, v.start_s, v.end_s) for v in truth.header.videos] == [("a", 0, 9.75), ("b", 0, 4)]
    assert truth.start_s.tolist() == [0.5, 7.25, 1]
    assert truth.end_s.tolist() == [3, 9.75, 2.5]
    assert truth.label == ("reach", None, "cut")
    assert not truth.header.overlap


def test_overlap_is_stated(tmp_path: Path) -> None:
    path = tmp_path / "truth.csv"
    path.write_text("video,start_s,end_s\na,0,3\na,2,4\nb,3,4\n")
    assert read_truth(path, FOUND).header.overlap
    path.write_text("video,start_s,end_s\na,0,3\na,3,4\nb,3,4\n")
    assert not read_truth(path, FOUND).header.overlap


def test_a_file_of_ours_is_taken_as_it_is(tmp_path: Path) -> None:
    formats.write(tmp_path / "truth.parquet", FOUND)
    assert read_truth(tmp_path / "truth.parquet", segments(a=(0.0, 1.0))).header == FOUND.header


def test_a_folder_is_put_together(tmp_path: Path) -> None:
    formats.write(tmp_path / "one.parquet", segments(b=(0.0, 4.0)))
    (tmp_path / "two.csv").write_text("video,start_s,end_s\na,1,2\n")
    (tmp_path / "notes.txt").write_text("not looked at")
    truth = read_truth(tmp_path, FOUND)
    assert [video.name for video in truth.header.videos] == ["b", "a"]
    assert truth.video_index.tolist() == [0, 1]
    assert truth.start_s.tolist() == [0, 1]


def test_a_video_in_two_files_is_told(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.csv").write_text("video,start_s,end_s\na,1,2\n")
    with pytest.raises(SchemaError, match=r"two.csv: expected each video in one file, got 'a' in one.csv too"):
        read_truth(tmp_path, FOUND)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"truth.csv: expected the columns video, start_s, end_s .*; got none"),
        ("video;start_s;end_s\na;1;2\n", r"expected the columns .*; got video;start_s;end_s"),
        ("video,start,end\na,1,2\n", r"got video, start, end; the first line names the columns"),
        ("video,start_s,end_s\n", r"expected a row per true segment, got none"),
        ("video,start_s,end_s\na,1\n", r"line 2: expected 3 values in each line"),
        ("video,start_s,end_s\na,1,2,3\n", r"line 2: expected 3 values in each line"),
        ("video,start_s,end_s\na,1,2\na,5,4\n", r"line 3: expected start_s < end_s in seconds, got '5' and '4'"),
        ("video,start_s,end_s\na,one,2\n", r"line 2: expected start_s < end_s in seconds, got 'one'"),
        ("video,start_s,end_s\na,nan,2\n", r"line 2: expected start_s < end_s"),
        ("video,start_s,end_s\na,1,inf\n", r"line 2: expected start_s < end_s"),
        ("video,start_s,end_s\n,1,2\n", r"name"),
    ],
)
def test_what_is_no_table_of_segments_is_told(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "truth.csv"
    path.write_text(text)
    with pytest.raises(SchemaError, match=message):
        read_truth(path, FOUND)


def test_what_is_no_truth_at_all_is_told(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"cannot open: no such file or folder"):
        read_truth(tmp_path / "nowhere", FOUND)
    with pytest.raises(SchemaError, match=r"expected files of true segments \(.csv, .parquet\), got none"):
        read_truth(tmp_path, FOUND)
    (tmp_path / "truth.csv").write_bytes(b"\xff\xff,\n")
    with pytest.raises(SchemaError, match=r"expected comma-separated text in UTF-8"):
        read_truth(tmp_path / "truth.csv", FOUND)
    (tmp_path / "truth.json").write_text("{}")
    with pytest.raises(UnknownFormatError, match=r"truth.json"):
        read_truth(tmp_path / "truth.json", FOUND)
