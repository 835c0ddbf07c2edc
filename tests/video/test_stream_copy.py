"""Pieces that are copied hold just the frames that are wanted, each as it decodes in the source."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from lapsdata.video.probe import find_source
from lapsdata.video.reader import open_video
from lapsdata.video.stream_copy import copies_exactly, copy_frames
from lapsdata.video.writer import write_video

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lapsdata.video._decoding import PacketSource


def source(path: Path, times: Sequence[float], gop: int = 5, codec: str = "h264") -> PacketSource:
    random = np.random.default_rng(1)
    picture = random.integers(0, 256, (48, 64, 3)).astype(np.uint8)
    frames = [np.roll(picture, 2 * number, axis=1) for number in range(len(times))]
    write_video(path, frames, times, gop=gop, codec=codec)  # type: ignore[arg-type]  # one of the words
    found, session = find_source(path, "rgb", stream=None, rate=None, frame_s=None, times="packets")
    assert session is not None
    session.close()
    return found  # type: ignore[return-value]  # no folder of images


def decoded(path: Path) -> tuple[np.ndarray, np.ndarray]:
    with open_video(path) as video:
        return video.facts.frame_s, np.stack([frame.image for frame in video.frames()])


def test_copied_frames_are_those_of_the_source(tmp_path: Path) -> None:
    times = np.cumsum([0.0, *np.random.default_rng(2).integers(900, 9000, 19)]) / 90_000
    whole = source(tmp_path / "whole.mp4", times.tolist())
    keys = whole.facts.keyframes.tolist()
    assert len(keys) > 2
    _, pictures = decoded(tmp_path / "whole.mp4")
    for first, until in zip(keys, [*keys[1:], 20], strict=True):
        assert copies_exactly(whole, first, until)
        part = tmp_path / f"{first}.mp4"
        copy_frames(whole, part, first, until)
        part_s, part_pictures = decoded(part)
        np.testing.assert_allclose(part_s, times[first:until] - times[first], atol=1e-6)
        np.testing.assert_array_equal(part_pictures, pictures[first:until])


def test_only_whole_groups_of_pictures_are_copied(tmp_path: Path) -> None:
    whole = source(tmp_path / "whole.mp4", (np.arange(20) / 10).tolist())
    keys = {*whole.facts.keyframes.tolist(), 20}
    for first in range(20):
        for until in range(first + 1, 21):
            assert copies_exactly(whole, first, until) == (first in keys and until in keys)


@pytest.mark.parametrize(("name", "codec"), [("whole.mkv", "h264"), ("whole.mp4", "av1")])
def test_other_containers_and_codecs_are_not_copied(tmp_path: Path, name: str, codec: str) -> None:
    assert not copies_exactly(source(tmp_path / name, (np.arange(10) / 10).tolist(), codec=codec), 0, 10)
