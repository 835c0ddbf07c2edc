"""Pieces that are copied hold just the frames that are wanted, each as it decodes in the source."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from lapsdata.errors import StorageError
from lapsdata.video.probe import find_source
from lapsdata.video.reader import open_video
from lapsdata.video.stream_copy import StreamJoin, copies_exactly, copy_frames
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


@pytest.mark.parametrize("codec", ["h264", "av1"])
def test_copied_frames_are_those_of_the_source(tmp_path: Path, codec: str) -> None:
    times = np.cumsum([0.0, *np.random.default_rng(2).integers(900, 9000, 19)]) / 90_000
    whole = source(tmp_path / "whole.mp4", times.tolist(), codec=codec)
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


def test_other_containers_are_not_copied(tmp_path: Path) -> None:
    assert not copies_exactly(source(tmp_path / "whole.mkv", (np.arange(10) / 10).tolist()), 0, 10)


@pytest.mark.parametrize("codec", ["h264", "av1"])
def test_joined_videos_follow_one_another_frame_by_frame(tmp_path: Path, codec: str) -> None:
    lengths, wanted_s, wanted, begin = (7, 3, 12), [], [], 0.0
    with StreamJoin(tmp_path / "joined.mp4") as join:
        for number, length in enumerate(lengths):
            part = tmp_path / f"{number}.mp4"
            source(part, (np.arange(length) / 10).tolist(), codec=codec)
            span = join.append(part)
            assert span is not None
            assert (span.start_s, span.end_s) == pytest.approx((begin, begin + length / 10))
            part_s, pictures = decoded(part)
            wanted_s.append(part_s + begin)
            wanted.append(pictures)
            begin += length / 10
        assert not (tmp_path / "joined.mp4").exists()
    came_s, came = decoded(tmp_path / "joined.mp4")
    np.testing.assert_allclose(came_s, np.concatenate(wanted_s), atol=1e-6)
    np.testing.assert_array_equal(came, np.concatenate(wanted))


def test_a_first_frame_that_comes_late_keeps_its_time(tmp_path: Path) -> None:
    source(tmp_path / "a.mp4", [0.0, 0.1, 0.2])
    source(tmp_path / "b.mp4", [0.1, 0.2, 0.3])
    with StreamJoin(tmp_path / "joined.mp4") as join:
        spans = [join.append(tmp_path / name) for name in ("a.mp4", "b.mp4")]
    assert spans[1] is not None
    assert (spans[1].start_s, spans[1].end_s) == pytest.approx((0.3, 0.7))
    np.testing.assert_allclose(decoded(tmp_path / "joined.mp4")[0], [0.0, 0.1, 0.2, 0.4, 0.5, 0.6], atol=1e-6)


@pytest.mark.parametrize(
    ("name", "codec", "times"), [("b.mp4", "av1", 10), ("b.mkv", "h264", 10), ("b.mp4", "h264", 12)]
)
def test_what_cannot_follow_is_not_joined(tmp_path: Path, name: str, codec: str, times: int) -> None:
    """Another codec, another container, another clock."""
    source(tmp_path / "a.mp4", (np.arange(5) / 10).tolist())
    source(tmp_path / name, (np.arange(5) / times).tolist(), codec=codec)
    with StreamJoin(tmp_path / "joined.mp4") as join:
        assert join.append(tmp_path / "a.mp4") is not None
        assert join.append(tmp_path / name) is None
    np.testing.assert_array_equal(decoded(tmp_path / "joined.mp4")[1], decoded(tmp_path / "a.mp4")[1])


def test_nothing_is_there_of_what_was_not_joined_to_the_end(tmp_path: Path) -> None:
    source(tmp_path / "a.mp4", (np.arange(5) / 10).tolist())
    join = StreamJoin(tmp_path / "joined.mp4")
    assert join.append(tmp_path / "a.mp4") is not None
    with pytest.raises(StorageError, match=r"nothing\.mp4: cannot open"), join:
        join.append(tmp_path / "nothing.mp4")
    with StreamJoin(tmp_path / "empty.mp4"):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4"]


@pytest.mark.parametrize(("clock", "most_s"), [(10_240, 209_715.1), (1_000_000, 2147.4)])
def test_a_video_that_begins_too_late_for_a_frame_to_last_until_then_stands_alone(
    tmp_path: Path, clock: int, most_s: float
) -> None:
    """Regression: frames that followed more than 2**31 ticks later came at other times."""
    # Of microseconds is what lies on no grid.
    step = 0.1 if clock == 10_240 else 0.1234567
    for name, begin_s in (("first", 1.7e9), ("near", most_s - 5), ("far", most_s + 5)):
        source(tmp_path / f"{name}.mp4", (begin_s + step * np.arange(6)).round(6).tolist())
    first_s, first_pictures = decoded(tmp_path / "first.mp4")
    with StreamJoin(tmp_path / "joined.mp4") as join:
        spans = [join.append(tmp_path / f"{name}.mp4") for name in ("first", "far", "near", "first")]
    assert [span is None for span in spans] == [False, True, False, True]
    near_s, near_pictures = decoded(tmp_path / "near.mp4")
    assert spans[2] is not None
    joined_s, joined_pictures = decoded(tmp_path / "joined.mp4")
    np.testing.assert_allclose(joined_s, [*first_s, *(near_s + spans[2].start_s)], atol=1e-6)
    np.testing.assert_array_equal(joined_pictures, [*first_pictures, *near_pictures])
