"""Frames by number from a pool: the same whether images or pictures are kept, in any order, by any threads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lapsdata.errors import CorruptDataError, Problem
from lapsdata.loading._frame_pool import FramePool, jobs_of
from lapsdata.loading._frame_videos import FrameVideo
from lapsdata.video._decoding import PacketSession
from lapsdata.video.writer import write_video

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

Keep = Literal["images", "pictures"]
CODECS = {"libx264": "mp4", "libx265": "mp4", "libsvtav1": "mp4", "mpeg4": "mp4", "libvpx-vp9": "webm"}
COUNT, HEIGHT, WIDTH = 12, 48, 64


def drawn(number: int) -> NDArray[np.uint8]:
    return np.full((HEIGHT, WIDTH, 3), (20 + 15 * number, 60, 220 - 15 * number), np.uint8)


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> list[FrameVideo]:
    folder = tmp_path_factory.mktemp("videos")
    found = []
    for name, gop in (("short", 2), ("long", 12)):
        path = folder / f"{name}.mp4"
        write_video(path, [drawn(number) for number in range(COUNT)], np.arange(COUNT) / 10, gop=gop)
        found.append(FrameVideo(name, path, None, None, None))
    return found


@pytest.fixture(params=["images", "pictures"])
def pool(request: pytest.FixtureRequest, videos: list[FrameVideo]) -> Iterator[FramePool]:
    made = FramePool(videos, 4, 1 << 24, keep=request.param)
    yield made
    made.decoders.close()


def taken(pool: FramePool, video: Any, frame: Any, threads: int = 1) -> NDArray[np.uint8]:
    flat = np.zeros((len(frame), HEIGHT, WIDTH, 3), np.uint8)
    pool.fill_all([(flat, job) for job in jobs_of(np.asarray(video), np.asarray(frame))], threads)
    return flat


@given(
    asked=st.lists(st.tuples(st.integers(0, 1), st.integers(0, COUNT - 1)), min_size=1, max_size=20),
    threads=st.integers(1, 3),
)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_each_place_has_the_frame_that_was_asked_for(
    pool: FramePool, asked: list[tuple[int, int]], threads: int
) -> None:
    video, frame = zip(*asked, strict=True)
    found = taken(pool, video, frame, threads)
    for image, number in zip(found, frame, strict=True):
        assert np.abs(image.astype(int) - drawn(number)).max() <= 6
    assert pool.decoded + pool.kept >= len(set(asked))


def test_pictures_are_made_the_same_images_at_each_use(videos: list[FrameVideo]) -> None:
    order, made = [7, 3, 11, 3, 0], []
    for keep in ("images", "pictures"):
        pool = FramePool(videos, 4, 1 << 24, keep=keep)
        first = taken(pool, [1] * 5, order)
        np.testing.assert_array_equal(first, taken(pool, [1] * 5, order))
        made.append(first)
        pool.decoders.close()
    np.testing.assert_array_equal(*made)


def test_frames_on_the_way_are_kept_as_pictures_and_not_as_images(videos: list[FrameVideo]) -> None:
    counts = {}
    for keep in ("images", "pictures"):
        pool = FramePool(videos, 4, 1 << 24, keep=keep)
        taken(pool, [1], [9])
        taken(pool, [1] * 9, range(9))
        counts[keep] = pool.decoded, pool.kept
        pool.decoders.close()
    # The long group of pictures is decoded from its start: what lies before frame 9 is there already.
    assert counts == {"images": (10, 0), "pictures": (1, 9)}


def held(pool: FramePool) -> list[int]:
    return [number for number in range(COUNT) if pool.cache.get((0, number)) is not None]


def test_the_frame_behind_is_decoded_too_where_frames_come_back(videos: list[FrameVideo]) -> None:
    pool = FramePool(videos, 4, 1 << 24, keep="pictures")
    taken(pool, [0], [0])
    # So far nothing that was kept was asked for again: as in random order over more than the cache holds.
    assert held(pool) == [0]
    taken(pool, [0], [0])
    taken(pool, [0], [4])
    assert held(pool) == [0, 4, 5]
    assert (pool.decoded, pool.kept) == (2, 1)
    images = taken(pool, [0, 0], [4, 5])
    assert np.abs(images.astype(int) - np.stack([drawn(4), drawn(5)])).max() <= 6
    assert (pool.decoded, pool.kept) == (2, 3)
    # Behind the last frame there is none, and the next group of pictures is another matter.
    taken(pool, [0], [11])
    taken(pool, [0], [7])
    assert held(pool) == [0, 4, 5, 6, 7, 10, 11]
    pool.decoders.close()


def test_what_is_wrong_with_the_frame_behind_is_told_to_who_asks_for_it(
    videos: list[FrameVideo], monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = FramePool(videos, 4, 1 << 24, keep="pictures")
    whole = PacketSession.picture

    def damaged(session: PacketSession, index: int, passed: Any = None) -> Any:
        if index == 3:
            raise CorruptDataError(Problem("undecodable-frame", "clip.mp4: frame 3", "cannot be decoded"))
        return whole(session, index, passed)

    taken(pool, [0, 0], [0, 1])
    taken(pool, [0, 0], [0, 1])
    monkeypatch.setattr(PacketSession, "picture", damaged)
    assert np.abs(taken(pool, [0], [2])[0].astype(int) - drawn(2)).max() <= 6
    with pytest.raises(CorruptDataError, match="frame 3: cannot be decoded"):
        taken(pool, [0], [3])
    monkeypatch.undo()
    assert np.abs(taken(pool, [0], [3])[0].astype(int) - drawn(3)).max() <= 6
    pool.decoders.close()


@pytest.mark.parametrize("keep", ["images", "pictures"])
def test_no_more_is_kept_than_allowed(videos: list[FrameVideo], keep: Keep) -> None:
    pool = FramePool(videos, 4, 0, keep=keep)
    for _ in range(2):
        assert np.abs(taken(pool, [0], [5])[0].astype(int) - drawn(5)).max() <= 6
    assert (pool.decoded, pool.kept) == (2, 0)
    pool.decoders.close()


def test_a_batch_by_channels_is_filled_in_place(pool: FramePool) -> None:
    flat = np.zeros((2, 3, HEIGHT, WIDTH), np.uint8)
    jobs = jobs_of(np.array([0, 0]), np.array([4, 1]))
    pool.fill_all([(flat.transpose(0, 2, 3, 1), job) for job in jobs])
    np.testing.assert_array_equal(flat.transpose(0, 2, 3, 1), taken(pool, [0, 0], [4, 1]))


@pytest.mark.parametrize("codec", CODECS)
def test_frames_of_each_codec_are_found_by_number(tmp_path: Path, codec: str) -> None:
    path = tmp_path / f"clip.{CODECS[codec]}"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=10, options={"g": "4"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(COUNT):
            frame = av.VideoFrame.from_ndarray(drawn(number), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    pool = FramePool([FrameVideo("clip", path, None, None, None, "rgb_quick")], 1, 1 << 24, keep="pictures")
    order = [10, 0, 5, 11, 5, 1]
    found = taken(pool, [0] * len(order), order)
    levels = found.reshape(len(order), -1, 3).mean(axis=1)
    np.testing.assert_allclose(levels, [drawn(number)[0, 0] for number in order], atol=7)
    with av.open(str(path)) as container:
        plain = [one.to_ndarray(format="rgb24") for one in container.decode(video=0)]
    np.testing.assert_array_equal(found, [plain[number] for number in order])
    pool.decoders.close()
