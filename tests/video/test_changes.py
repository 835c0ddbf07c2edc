"""Changes of a video against pictures and times that are worked out by hand or in another way."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as of_numpy

from lapsdata.errors import SchemaError
from lapsdata.geometry import FrameSize
from lapsdata.schema.invariance import VideoChange
from lapsdata.timebase import FrameRate
from lapsdata.video import changes
from lapsdata.video.changes import ChangedVideo, half_size, letterboxed, mirrored, noisy
from lapsdata.video.facts import VideoFacts
from lapsdata.video.frame import Frame
from lapsdata.video.reader import open_video
from lapsdata.video.writer import write_video

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

KINDS = (
    VideoChange(kind="none"),
    VideoChange(kind="half_size"),
    VideoChange(kind="mirrored"),
    VideoChange(kind="letterboxed", bar_share=0.25),
    VideoChange(kind="noisy", sigma=3.0, seed=1),
    VideoChange(kind="reversed"),
    VideoChange(kind="rate", rate=FrameRate(7)),
)
PICTURES = of_numpy.arrays(
    np.uint8,
    st.one_of(st.tuples(*[st.integers(1, 9)] * 2), st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3))),
)


class Memory:
    """Frames in memory: frame i is i everywhere but in its left column, which is 200. Counts what is decoded."""

    def __init__(
        self, times: NDArray[np.float64], size: tuple[int, int] = (6, 4), rate: FrameRate | None = None
    ) -> None:
        width, height = size
        shape = FrameSize(width=width, height=height)
        self.decoded = Counter[int]()
        self.facts = VideoFacts(
            name="clip", path=None, codec="none", container="none", pixel_format="gray", coded_size=shape, rotation=0,
            size=shape, rate=rate, time_base=None, frame_s=times, keyframes=np.array([0]),
            end_s=float(times[-1]) + 0.1, variable=rate is None, reordered=False,
        )  # fmt: skip

    def frames(self, indices: Iterable[int] | None = None) -> Iterator[Frame]:
        wanted = list(range(self.facts.frames) if indices is None else indices)
        assert wanted == sorted(wanted)
        for index in wanted:
            self.decoded[index] += 1
            image = np.full((self.facts.size.height, self.facts.size.width), index % 200, np.uint8)
            image[:, 0] = 200
            yield Frame(index, float(self.facts.frame_s[index]), image)


def tenths(count: int) -> Memory:
    return Memory(np.arange(count) / 10, rate=FrameRate(10))


@given(PICTURES)
def test_mirrored_and_bars_can_be_undone(image: NDArray[np.uint8]) -> None:
    np.testing.assert_array_equal(mirrored(mirrored(image)), image)
    assert mirrored(image).flags.c_contiguous
    np.testing.assert_array_equal(mirrored(image)[:, 0], image[:, -1])
    boxed = letterboxed(image, 0.5)
    bar = (boxed.shape[0] - image.shape[0]) // 2
    assert bar >= 1
    assert abs(bar - image.shape[0] / 2) <= 0.5 or bar == 1
    np.testing.assert_array_equal(boxed[bar:-bar], image)
    assert not boxed[:bar].any()
    assert not boxed[-bar:].any()


@given(PICTURES, st.integers(0, 5), st.integers(0, 5))
def test_no_noise_is_no_change_and_noise_is_a_function_of_seed_and_frame(
    image: NDArray[np.uint8], seed: int, index: int
) -> None:
    np.testing.assert_array_equal(noisy(image, 0.0, seed=seed, index=index), image)
    np.testing.assert_array_equal(noisy(image, 9.0, seed=seed, index=index), noisy(image, 9.0, seed=seed, index=index))


def test_noise_is_as_told() -> None:
    flat = np.full((240, 320, 3), 128, np.uint8)
    made = noisy(flat, 8.0, seed=0, index=0).astype(float) - 128
    # Rounding to whole levels adds a twelfth of variance; 230,400 values know the mean to 0.02, the deviation to 0.2 %.
    assert abs(made.mean()) < 0.08
    assert made.std() == pytest.approx((64 + 1 / 12) ** 0.5, rel=0.01)
    # Below 8 after rounding is below 7.5 before: 0.9375 deviations, 65.15 % of a normal distribution.
    assert (np.abs(made) < 8).mean() == pytest.approx(0.6515, abs=0.01)
    apart = np.corrcoef(made[..., 0].ravel(), made[..., 1].ravel())[0, 1]
    assert abs(apart) < 0.02
    other = noisy(flat, 8.0, seed=0, index=1).astype(float) - 128
    assert abs(np.corrcoef(made.ravel(), other.ravel())[0, 1]) < 0.02
    assert (noisy(np.zeros((64, 64), np.uint8), 8.0, seed=0, index=0) <= 40).all()


def test_half_size_is_the_mean_of_four_pixels() -> None:
    image = np.random.default_rng(0).integers(0, 256, (10, 14, 3), dtype=np.uint8)
    mean = image.reshape(5, 2, 7, 2, 3).astype(float).mean(axis=(1, 3))
    assert np.abs(half_size(image) - mean).max() <= 0.5
    assert half_size(image[:9, :13]).shape == (5, 7, 3)
    assert half_size(image[:1, :1, 0]).shape == (1, 1)


def shown(video: ChangedVideo, indices: list[int] | None = None) -> list[int]:
    return [int(frame.image[-1, -1]) for frame in video.frames(indices)]


@pytest.mark.parametrize("change", KINDS, ids=lambda change: change.kind)
def test_facts_are_those_of_the_frames(change: VideoChange) -> None:
    video = ChangedVideo(tenths(12), change)
    frames = list(video.frames())
    assert len(frames) == video.facts.frames == len(video.source_index)
    assert [frame.index for frame in frames] == list(range(len(frames)))
    np.testing.assert_array_equal([frame.time_s for frame in frames], video.facts.frame_s)
    assert (np.diff(video.facts.frame_s) > 0).all()
    assert video.facts.end_s > video.facts.frame_s[-1]
    size = video.facts.size
    assert all(frame.image.shape == (size.height, size.width) for frame in frames)
    some = list(video.frames([1, 1, 4]))
    assert [frame.index for frame in some] == [1, 1, 4]
    for frame in some:
        np.testing.assert_array_equal(frame.image, frames[frame.index].image)


def test_another_rate_shows_the_nearest_frames_and_counts() -> None:
    up = ChangedVideo(tenths(4), VideoChange(kind="rate", rate=FrameRate(30)))
    # Times 0, 1/30 ... 11/30 s; the frame at 0.1 is nearest from 2/30 on.
    assert shown(up) == [0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 3]
    assert (up.repeated, up.left_out) == (8, 0)
    np.testing.assert_allclose(up.facts.frame_s, np.arange(12) / 30)
    down = ChangedVideo(tenths(8), VideoChange(kind="rate", rate=FrameRate(5)))
    assert shown(down) == [0, 2, 4, 6]
    assert (down.repeated, down.left_out, down.facts.rate) == (0, 4, FrameRate(5))
    same = ChangedVideo(tenths(4), VideoChange(kind="rate", rate=FrameRate(10)))
    assert (shown(same), same.repeated, same.left_out) == ([0, 1, 2, 3], 0, 0)


def test_mirrored_frames_have_their_left_column_on_the_right() -> None:
    frame = next(ChangedVideo(tenths(2), VideoChange(kind="mirrored")).frames())
    assert (frame.image[:, -1] == 200).all()
    assert not frame.image[:, :-1].any()


@given(st.lists(st.floats(0.001, 2.0), min_size=1, max_size=30), st.floats(-5, 5))
def test_backwards_each_frame_keeps_its_picture_and_each_step_its_length(steps: list[float], start: float) -> None:
    times = start + np.concatenate([[0.0], np.cumsum(steps)])
    source = Memory(times)
    video = ChangedVideo(source, VideoChange(kind="reversed"))
    assert shown(video) == list(range(len(times)))[::-1]
    np.testing.assert_allclose(np.diff(video.facts.frame_s), np.diff(times)[::-1], atol=1e-12)
    np.testing.assert_allclose(video.facts.frame_s[[0, -1]], times[[0, -1]], atol=1e-12)
    # What is shown at a time, the source shows at the time that is told.
    np.testing.assert_allclose(video.in_source_s(video.facts.frame_s), times[::-1], atol=1e-12)


def test_backwards_in_blocks_each_frame_is_decoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    source = tenths(50)
    monkeypatch.setattr(changes, "_HELD_BYTES", 3 * 6 * 4 * 7)
    video = ChangedVideo(source, VideoChange(kind="reversed"))
    assert shown(video) == list(range(50))[::-1]
    assert set(source.decoded.values()) == {1}
    assert shown(video, [0, 0, 3, 49]) == [49, 49, 46, 0]


def test_a_file_runs_backwards(tmp_path: Path) -> None:
    levels = np.arange(0, 240, 8)
    write_video(tmp_path / "clip.mp4", [np.full((48, 64, 3), level, np.uint8) for level in levels], np.arange(30) / 10)
    with open_video(tmp_path / "clip.mp4", pixels="gray") as reader:
        found = [float(frame.image.mean()) for frame in ChangedVideo(reader, VideoChange(kind="reversed")).frames()]
    np.testing.assert_allclose(found, levels[::-1], atol=2)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"kind": "noisy", "sigma": 1.0}, "expected with a change 'noisy' seed, sigma, got sigma"),
        ({"kind": "rate"}, "expected with a change 'rate' rate, got nothing"),
        ({"kind": "mirrored", "seed": 1}, "expected with a change 'mirrored' nothing, got seed"),
        ({"kind": "noisy", "sigma": -1.0, "seed": 0}, "sigma: expected greater than or equal to 0, got -1.0"),
        ({"kind": "upside_down"}, "kind: expected"),
    ],
)
def test_a_change_has_what_it_needs(told: dict[str, Any], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        VideoChange(**told)


def test_a_rate_far_above_that_of_the_video_is_refused() -> None:
    with pytest.raises(SchemaError, match=r"expected at most 10000 grid frames per source frame.*\[grid-too-long\]"):
        ChangedVideo(tenths(2), VideoChange(kind="rate", rate=FrameRate(1_000_000)))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return 20 colourful frames at uneven times, without loss."""
    path = tmp_path_factory.mktemp("changes") / "clip.mkv"
    images = np.random.default_rng(5).integers(0, 256, (20, 34, 46, 3), dtype=np.uint8)
    # Whole milliseconds, which is what the container counts.
    write_video(path, list(images), np.cumsum([0, *np.random.default_rng(6).integers(20, 90, 19)]) / 1000, codec="ffv1")
    return path


def decoded(clip: Path, pixels: Any) -> tuple[list[NDArray[np.uint8]], NDArray[np.float64]]:
    with open_video(clip, pixels=pixels) as reader:
        return [frame.image for frame in reader.frames()], reader.facts.frame_s


@pytest.mark.parametrize("pixels", ["rgb", "gray"])
@pytest.mark.parametrize(
    ("change", "made"),
    [
        (VideoChange(kind="none"), lambda image: image),
        (VideoChange(kind="half_size"), half_size),
        (VideoChange(kind="mirrored"), mirrored),
        (VideoChange(kind="letterboxed", bar_share=0.3), lambda image: letterboxed(image, 0.3)),
    ],
    ids=lambda one: getattr(one, "kind", ""),
)
def test_frames_of_a_file_are_changed_one_by_one(clip: Path, pixels: Any, change: VideoChange, made: Any) -> None:
    images, times = decoded(clip, pixels)
    with open_video(clip, pixels=pixels) as reader:
        video = ChangedVideo(reader, change)
        found = list(video.frames())
        twice = [frame.image for frame in video.frames()]
    np.testing.assert_array_equal([frame.time_s for frame in found], times)
    for frame, again, image in zip(found, twice, images, strict=True):
        np.testing.assert_array_equal(frame.image, made(image))
        np.testing.assert_array_equal(frame.image, again)
        assert frame.image.shape[:2] == (video.facts.size.height, video.facts.size.width)


def test_frames_of_a_file_have_noise_of_their_own_that_stays(clip: Path) -> None:
    images, _ = decoded(clip, "rgb")
    with open_video(clip) as reader:
        video = ChangedVideo(reader, VideoChange(kind="noisy", sigma=2.0, seed=7))
        found = [frame.image for frame in video.frames()]
        later = [frame.image for frame in video.frames([3, 11])]
    np.testing.assert_array_equal(later, [found[3], found[11]])
    apart = [one.astype(int) - image for one, image in zip(found, images, strict=True)]
    assert all(1.5 < difference.std() < 2.5 for difference in apart)
    # Not one noise for all frames.
    assert abs(np.corrcoef(apart[0].ravel(), apart[1].ravel())[0, 1]) < 0.1


def test_uneven_times_run_backwards_and_at_another_rate(clip: Path) -> None:
    images, times = decoded(clip, "gray")
    with open_video(clip, pixels="gray") as reader:
        backwards = ChangedVideo(reader, VideoChange(kind="reversed"))
        found = list(backwards.frames())
        even = ChangedVideo(reader, VideoChange(kind="rate", rate=FrameRate(25)))
        shown_at = list(even.frames())
        assert backwards.facts.variable
        assert not even.facts.variable
    for frame, image in zip(found, images[::-1], strict=True):
        np.testing.assert_array_equal(frame.image, image)
    np.testing.assert_allclose([frame.time_s for frame in found], times[0] + times[-1] - times[::-1])
    for frame in shown_at:
        # Each shows a picture than which none is nearer in time.
        distances = np.abs(times - frame.time_s)
        same = [k for k, image in enumerate(images) if np.array_equal(image, frame.image)]
        assert distances[same].min() == pytest.approx(distances.min(), abs=1e-9)
    np.testing.assert_allclose(np.diff([frame.time_s for frame in shown_at]), 0.04)
    assert even.repeated == len(shown_at) - len({int(k) for k in even.source_index})
    assert even.left_out == len(images) - len({int(k) for k in even.source_index})
