"""Clips begin at 0 s, and have even sides whatever their source has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from lapsdata.errors import LengthMismatchError, StorageError
from lapsdata.video.clips import write_clip
from lapsdata.video.reader import open_video

if TYPE_CHECKING:
    from pathlib import Path


def pictures(count: int, height: int, width: int) -> list[np.ndarray]:
    return [np.full((height, width, 3), 40 + 30 * number, np.uint8) for number in range(count)]


@pytest.mark.parametrize(
    ("size", "written", "padded"), [((48, 64), (48, 64), 0), ((47, 64), (48, 64), 3), ((47, 63), (48, 64), 3)]
)
def test_sides_are_made_even_and_counted(
    tmp_path: Path, size: tuple[int, int], written: tuple[int, int], padded: int
) -> None:
    assert write_clip(tmp_path / "clip.mp4", np.array([7.0, 7.1, 7.35]), pictures(3, *size)) == padded
    with open_video(tmp_path / "clip.mp4") as video:
        np.testing.assert_allclose(video.facts.frame_s, [0.0, 0.1, 0.35], atol=1e-6)
        for number, frame in enumerate(video.frames()):
            assert frame.image.shape[:2] == written
            assert abs(float(frame.image[-1, -1].mean()) - (40 + 30 * number)) < 3


def test_a_clip_replaces_nothing_unasked(tmp_path: Path) -> None:
    times = np.array([0.0, 0.1])
    write_clip(tmp_path / "clip.mp4", times, pictures(2, 48, 64))
    before = (tmp_path / "clip.mp4").read_bytes()
    with pytest.raises(StorageError, match="expected a free name"):
        write_clip(tmp_path / "clip.mp4", times, pictures(2, 48, 64))
    write_clip(tmp_path / "clip.mp4", times, pictures(2, 48, 64), overwrite=True)
    assert (tmp_path / "clip.mp4").read_bytes() == before


def test_times_and_pictures_are_as_many(tmp_path: Path) -> None:
    with pytest.raises(LengthMismatchError, match="expected 2 frames as there are times, got 1"):
        write_clip(tmp_path / "clip.mp4", np.array([0.0, 0.1]), pictures(1, 48, 64))
    assert not list(tmp_path.iterdir())
