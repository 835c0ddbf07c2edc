"""The pictures under boxes: which they are, what they are called, and where they lie."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lapsdata.errors import SchemaError, UnknownFormatError
from lapsdata.report.box_frames import images_beside, open_frames
from lapsdata.report.png import write_png
from lapsdata.timebase import FrameRate
from lapsdata.video.writer import write_video
from tests.report.made_boxes import Row, made_layer

if TYPE_CHECKING:
    from lapsdata.report.layered_boxes import BoxLayer


def images(folder: Path, numbers: range, digits: int = 6) -> Path:
    """Write images of 64 x 48 pixels whose level is their number."""
    folder.mkdir(parents=True)
    for number in numbers:
        write_png(folder / f"{number:0{digits}d}.png", np.full((48, 64, 3), number, np.uint8))
    return folder


@pytest.fixture
def layer() -> BoxLayer:
    return made_layer(Row(0), images="img1/{frame:06d}.png", first_number=1, size=(64, 48), length=5)


@pytest.mark.parametrize("digits", [1, 6, 8])
def test_images_are_called_by_the_numbers_in_their_names(digits: int, layer: BoxLayer, tmp_path: Path) -> None:
    frames = open_frames(images(tmp_path / "img", range(8, 12), digits), [layer], None)
    assert frames.numbers.tolist() == [8, 9, 10, 11]
    assert frames.told([12]) == f"1 frame (12), as '{12:0{digits}d}.png'"
    cut = frames.within((9, 10))
    assert (cut.numbers.tolist(), cut.indices.tolist(), cut.all_numbers.tolist()) == ([9, 10], [1, 2], [8, 9, 10, 11])
    assert [int(frame.image[0, 0, 0]) for frame in cut.reader.frames(cut.indices.tolist())] == [9, 10]


def test_frames_of_a_video_are_counted_from_0(layer: BoxLayer, tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mp4", [np.zeros((48, 64, 3), np.uint8)] * 4, np.arange(4) / 10)
    frames = open_frames(tmp_path / "clip.mp4", [layer], None)
    assert frames.numbers.tolist() == [0, 1, 2, 3]
    assert frames.told([7, 8, 9, 12]) == "4 frames (7-9, 12)"
    assert frames.within(None) is frames


def test_a_span_without_a_frame_is_refused(layer: BoxLayer, tmp_path: Path) -> None:
    frames = open_frames(images(tmp_path / "img", range(1, 4)), [layer], None)
    with pytest.raises(SchemaError, match=r"img: frames: expected frames from 1 to 3, got 4 to 9"):
        frames.within((4, 9))


def test_the_rate_of_images_is_that_of_the_boxes_or_told(layer: BoxLayer, tmp_path: Path) -> None:
    folder = images(tmp_path / "img", range(1, 4))
    assert open_frames(folder, [layer], None).reader.facts.rate == FrameRate(25)
    assert open_frames(folder, [layer], "30000/1001").reader.facts.rate == FrameRate(30000, 1001)
    silent, other = made_layer(rate=None, called="silent"), made_layer(rate=30, called="other")
    assert open_frames(folder, [silent, layer], None).reader.facts.rate == FrameRate(25)
    with pytest.raises(SchemaError, match=r"expected one rate of the boxes, got none; give --fps"):
        open_frames(folder, [silent], None)
    with pytest.raises(SchemaError, match=r"got 25 of made, 30 of other; give --fps"):
        open_frames(folder, [layer, other], None)


def test_a_video_has_times_of_its_own(layer: BoxLayer, tmp_path: Path) -> None:
    write_video(tmp_path / "clip.mp4", [np.zeros((48, 64, 3), np.uint8)] * 4, np.arange(4) / 10)
    with pytest.raises(SchemaError, match=r"expected no rate beside a video, .*; leave --fps out"):
        open_frames(tmp_path / "clip.mp4", [layer], 30)


def test_a_folder_above_the_images_is_where_their_pattern_begins(layer: BoxLayer, tmp_path: Path) -> None:
    images(tmp_path / "seq" / "img1", range(1, 4))
    assert open_frames(tmp_path / "seq", [layer], None).numbers.tolist() == [1, 2, 3]
    with pytest.raises(UnknownFormatError, match="expected a video file or numbered images"):
        open_frames(tmp_path, [layer], None)


@pytest.mark.parametrize("table", ["match.parquet", "gt/gt.parquet", "."])
def test_images_are_found_beside_the_boxes(table: str, layer: BoxLayer, tmp_path: Path) -> None:
    folder = images(tmp_path / "seq" / "img1", range(1, 3))
    path = tmp_path / "seq" / table
    path.parent.mkdir(exist_ok=True)
    assert images_beside([path], [layer]).resolve() == folder
    assert images_beside([path, tmp_path / "elsewhere" / "results.txt"], [layer, layer]).resolve() == folder


def test_images_are_found_in_the_folder_of_the_sequence(layer: BoxLayer, tmp_path: Path) -> None:
    folder = images(tmp_path / "match" / "img1", range(1, 3))
    assert images_beside([tmp_path / "all.parquet"], [layer]) == folder


def test_a_video_is_found_beside_the_boxes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "clip.mp4").touch()
    layer = made_layer(images="clip.mp4")
    assert images_beside([tmp_path / "b.parquet"], [layer]) == tmp_path / "clip.mp4"
    monkeypatch.chdir(tmp_path)
    assert images_beside([Path("b.parquet")], [layer]).resolve() == tmp_path / "clip.mp4"


def test_a_pattern_alone_means_the_folder_of_the_boxes(tmp_path: Path) -> None:
    folder = images(tmp_path / "img", range(1, 3))
    assert images_beside([folder / "b.parquet"], [made_layer(images="{frame:06d}.png")]) == folder


def test_pictures_that_are_nowhere_are_told_with_the_places_that_were_looked_at(
    layer: BoxLayer, tmp_path: Path
) -> None:
    with pytest.raises(
        UnknownFormatError, match=r"pictures: expected pictures beside the boxes, got none in .*img1.*--on"
    ):
        images_beside([tmp_path / "gt" / "gt.txt"], [layer])
    with pytest.raises(UnknownFormatError, match=r"got boxes that do not say their names; name them: --on"):
        images_beside([tmp_path / "b.parquet"], [made_layer()])


def test_two_places_are_no_guess(layer: BoxLayer, tmp_path: Path) -> None:
    images(tmp_path / "img1", range(1, 3))
    shutil.copytree(tmp_path / "img1", tmp_path / "match" / "img1")
    with pytest.raises(SchemaError, match=r"expected one place with the pictures of the boxes, got 2: .*; .*--on"):
        images_beside([tmp_path / "b.parquet"], [layer])


def test_what_lies_right_beside_the_boxes_comes_before_what_lies_above(layer: BoxLayer, tmp_path: Path) -> None:
    images(tmp_path / "img1", range(1, 3))
    near = images(tmp_path / "cut" / "img1", range(1, 3))
    assert images_beside([tmp_path / "cut" / "b.parquet"], [layer]) == near
