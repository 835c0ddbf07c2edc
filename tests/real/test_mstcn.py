"""Labels per frame of GTEA and Breakfast, and results of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.adapters.mstcn import read

if TYPE_CHECKING:
    from pathlib import Path


def frames(segments: Any, rate: int) -> list[int]:
    return [round(video.end_s * rate) for video in segments.header.videos]


def test_gtea_has_the_segments_that_were_counted(real_data: Path) -> None:
    whole = read(real_data / "gtea", rate=15)
    segments: Any = whole.container
    assert (len(segments), len(segments.header.videos), sum(frames(segments, 15))) == (922, 28, 31_225)
    assert len(set(segments.label)) == 11
    assert whole.notes == ()
    length = segments.end_s - segments.start_s
    assert [round(float(value), 2) for value in (length.mean(), np.median(length))] == [2.26, 1.47]


def test_the_first_split_is_in_its_order(real_data: Path) -> None:
    test: Any = read(real_data / "gtea", rate=15, split="test.split1").container
    assert frames(test, 15) == [943, 1235, 1178, 718, 1384, 1643, 2009]
    assert len(test) == 227
    train: Any = read(real_data / "gtea", rate=15, split="train.split1").container
    assert len(train.header.videos) == 21


def test_results_have_the_frames_of_the_truth(real_data: Path) -> None:
    truth: Any = read(real_data / "gtea", rate=15, split="test.split2").container
    found: Any = read(real_data / "gtea_predictions" / "split_2", rate=15).container
    lengths = {video.name: video.end_s for video in truth.header.videos}
    assert {video.name: video.end_s for video in found.header.videos} == lengths


def test_breakfast_has_files_without_an_ending(real_data: Path) -> None:
    found: Any = read(real_data / "breakfast_labels", rate=15).container
    assert frames(found, 15) == [917, 1119, 472, 271, 571]
    assert found.label[0] == "SIL"
