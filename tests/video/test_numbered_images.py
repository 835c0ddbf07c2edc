"""Numbers of images: from their names, with any number of digits, in the order of the frames of the folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from lapsdata.errors import SchemaError, UnknownFormatError
from lapsdata.report.png import write_png
from lapsdata.video.numbered_images import image_numbers
from lapsdata.video.reader import open_video

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("names", "numbers", "thirteenth"),
    [
        (["000001.jpg", "000002.jpg"], [1, 2], "000013.jpg"),
        (["00000000.png", "00000007.png"], [0, 7], "00000013.png"),
        (["9.png", "10.png", "100.png"], [9, 10, 100], "13.png"),
        (["cam2_frame_0004_left.jpeg", "cam2_frame_0003_left.jpeg"], [3, 4], "cam2_frame_0013_left.jpeg"),
        (["v1#0001.png"], [1], "v1#0013.png"),
    ],
)
def test_numbers_and_names_are_read_from_the_folder(
    names: list[str], numbers: list[int], thirteenth: str, tmp_path: Path
) -> None:
    for name in names:
        (tmp_path / name).touch()
    (tmp_path / "notes.txt").touch()
    (tmp_path / ".000099.jpg").touch()
    found = image_numbers(tmp_path)
    assert found.numbers.tolist() == numbers
    assert found.name_of(13) == thirteenth


def test_numbers_stand_in_the_order_in_which_frames_are_read(tmp_path: Path) -> None:
    for number in (11, 2, 103):
        write_png(tmp_path / f"{number}.png", np.full((4, 6, 3), number, np.uint8))
    with pytest.warns(UserWarning, match="numbers are missing"), open_video(tmp_path, rate=10) as video:
        levels = [int(frame.image[0, 0, 0]) for frame in video.frames()]
    assert image_numbers(tmp_path).numbers.tolist() == levels == [2, 11, 103]


def test_names_that_do_not_number_the_images_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownFormatError, match="expected a video file or numbered images"):
        image_numbers(tmp_path)
    (tmp_path / "a1.png").touch()
    (tmp_path / "b2.png").touch()
    with pytest.raises(SchemaError, match="expected one series of images, got 2"):
        image_numbers(tmp_path)
    (tmp_path / "cover.png").touch()
    with pytest.raises(SchemaError, match=r"cover.png: expected a number in the name, got none"):
        image_numbers(tmp_path)
