"""Segments of others by one door: ActivityNet's JSON, label files of music, MS-TCN's sets with known rates."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lapsdata._convert import convert
from lapsdata.errors import SchemaError
from lapsdata.metrics.temporal_ap import Detections, average_precision
from lapsdata.stages.segments_source import read_segments
from lapsdata.timebase import FrameRate

if TYPE_CHECKING:
    from pathlib import Path


def detections(segments: Any, names: list[str], words: list[str]) -> Detections:
    own = [names.index(video.name) for video in segments.header.videos]
    label = np.array([words.index(label) for label in segments.label], np.int64)
    video = np.array(own, np.int64)[segments.video_index]
    return Detections(video, segments.start_s, segments.end_s, label, segments.score)


def test_a_truth_and_a_result_of_activitynet_speak_of_the_same_videos(real_data: Path) -> None:
    folder = real_data / "temporal_ap" / "eval_localization"
    truth = read_segments(folder / "gt.json", split="validation").segments
    found = read_segments(folder / "result.json", found=truth).segments
    names = [video.name for video in truth.header.videos]
    assert names == [video.name for video in found.header.videos] == ["bYUmtLBL7W4", "hDPLy21Yyuk"]
    assert [video.end_s for video in found.header.videos] == [224.49, 76.23]
    assert (len(truth), len(found), found.header.overlap) == (4, 14, True)
    words = sorted({str(label) for label in (*truth.label, *found.label)})
    got = average_precision(detections(truth, names, words), detections(found, names, words), (0.5, 0.75))
    raw = json.loads((folder / "result.json").read_text())["results"]
    assert sorted(found.score.tolist()) == sorted(one["score"] for rows in raw.values() for one in rows)
    assert got.labels == tuple(range(len(words)))


def test_annotations_of_mmaction2_have_other_lengths(real_data: Path) -> None:
    found = read_segments(real_data / "temporal_ap" / "annotations" / "action_test_anno.json").segments
    assert [(video.name, video.end_s) for video in found.header.videos] == [("v_test1", 1.0), ("v_test2", 2.0)]


def test_ten_pairs_of_label_files_are_read(real_data: Path) -> None:
    from mir_eval.io import load_labeled_intervals

    files = sorted((real_data / "mir_eval_segment").glob("*.lab"))
    assert len(files) == 20
    for file in files:
        segments = read_segments(file).segments
        times, labels = load_labeled_intervals(str(file))
        kept = times[:, 0] < times[:, 1]
        assert np.array_equal(np.stack([segments.start_s, segments.end_s], 1), times[kept])
        assert [label or "" for label in segments.label] == [
            one for one, good in zip(labels, kept, strict=True) if good
        ]


@pytest.mark.parametrize(("name", "frames", "segments"), [("gtea", 31_225, 922), ("breakfast_labels", 3_350, 23)])
def test_rates_of_known_sets_need_not_be_told(real_data: Path, name: str, frames: int, segments: int) -> None:
    source = read_segments(real_data / name)
    assert source.rate == FrameRate(15)
    assert sum(round(video.end_s * 15) for video in source.segments.header.videos) == frames
    assert len(source.segments) == segments
    assert [note.code for note in source.notes] == ["known-rate"]


def test_a_prediction_takes_the_rate_of_its_truth(real_data: Path) -> None:
    truth = read_segments(real_data / "gtea", split="test.split1")
    folder = real_data / "gtea_predictions" / "split_1"
    with pytest.raises(SchemaError, match="expected frames per second, got none"):
        read_segments(folder)
    found = read_segments(folder, rate=truth.rate)
    lengths = {video.name: video.end_s for video in truth.segments.header.videos}
    assert {video.name: video.end_s for video in found.segments.header.videos} == lengths


def test_labels_of_gtea_are_written_as_they_were(real_data: Path, tmp_path: Path) -> None:
    convert(real_data / "gtea", tmp_path / "truth.parquet")
    convert(tmp_path / "truth.parquet", tmp_path / "labels", to="mstcn", rate=15)
    files = sorted((real_data / "gtea" / "groundTruth").iterdir())
    assert len(files) == 28
    for file in files:
        assert (tmp_path / "labels" / "groundTruth" / file.name).read_bytes() == file.read_bytes()
