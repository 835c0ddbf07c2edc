"""Constant borders are found and nothing else is taken for one."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lapsdata.errors import SchemaError
from lapsdata.geometry import FrameSize, PixelArea
from lapsdata.testing.scenes import SceneConfig, render_scene
from lapsdata.timebase import FrameRate
from lapsdata.video.reader import open_video
from lapsdata.video.writer import write_video
from lapsmodels.trackers import active_area

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    Image = NDArray[np.uint8]

# Left, top, right, bottom.
BARS = {
    "none": (0, 0, 0, 0),
    "letterbox": (0, 32, 0, 32),
    "pillarbox": (48, 0, 48, 0),
    "both": (24, 16, 24, 16),
    "top": (0, 30, 0, 0),
    "right": (0, 0, 40, 0),
    "uneven": (10, 22, 34, 6),
}


def whole(image: Image) -> PixelArea:
    return PixelArea.whole(FrameSize.from_shape(image.shape))


def boxed(
    seed: int, bars: tuple[int, int, int, int], level: Any = 0, size: tuple[int, int] = (160, 120)
) -> list[Image]:
    """Return three frames of bright noise between bars of one level."""
    width, height = size
    left, top, right, bottom = bars
    frames = []
    for k in range(3):
        image = np.zeros((height, width, 3), np.uint8)
        image[...] = level
        noise = np.random.default_rng([seed, k]).integers(60, 256, (height - top - bottom, width - left - right, 3))
        image[top : height - bottom, left : width - right] = noise
        frames.append(image)
    return frames


def inner(bars: tuple[int, int, int, int], size: tuple[int, int] = (160, 120)) -> PixelArea:
    left, top, right, bottom = bars
    return PixelArea(x=left, y=top, width=size[0] - left - right, height=size[1] - top - bottom)


@pytest.mark.parametrize("bars", BARS.values(), ids=BARS)
def test_bars_are_found_to_the_pixel(bars: tuple[int, int, int, int]) -> None:
    assert active_area(boxed(0, bars)) == inner(bars)
    assert active_area([frame[..., 1] for frame in boxed(0, bars)]) == inner(bars)


@settings(max_examples=60)
@given(
    bars=st.tuples(st.integers(0, 23), st.integers(0, 30), st.integers(0, 23), st.integers(0, 30)),
    size=st.tuples(st.integers(64, 90), st.integers(64, 90)),
    level=st.integers(0, 25),
    noise=st.integers(0, 10),
    seed=st.integers(0, 99),
)
def test_bars_of_any_width_and_darkness_are_found(
    bars: tuple[int, int, int, int], size: tuple[int, int], level: int, noise: int, seed: int
) -> None:
    frames = boxed(seed, bars, level, size)
    random = np.random.default_rng(seed)
    for frame in frames:
        # What compression leaves, within ten levels.
        dark = frame == level
        frame[dark] += random.integers(0, noise, int(dark.sum()), np.uint8, endpoint=True)
    assert active_area(frames) == inner(bars, size)


@pytest.mark.parametrize("level", [(0, 0, 0), (16, 16, 16), (0, 30, 120), (255, 255, 255), (250, 0, 0)])
def test_bars_may_have_any_colour(level: tuple[int, int, int]) -> None:
    frames = [np.minimum(frame, 200) for frame in boxed(1, BARS["uneven"], level)]
    for frame, given_level in zip(frames, boxed(1, BARS["uneven"], level), strict=True):
        bar = (given_level == level).all(axis=-1)
        frame[bar] = level
    assert active_area(frames) == inner(BARS["uneven"])


def test_one_channel_is_enough_to_tell_a_picture_from_a_bar() -> None:
    """Blue on green of the same brightness: a bar is a colour and not a level."""
    frames = boxed(2, BARS["letterbox"], (0, 100, 0))
    for frame in frames:
        frame[32:88, :, 1] = 100
        frame[32:88, :, 0] = 0
    assert active_area(frames) == inner(BARS["letterbox"])


@pytest.mark.parametrize("bars", BARS.values(), ids=BARS)
@pytest.mark.parametrize("crf", [18, 23])
def test_bars_are_found_after_compression(bars: tuple[int, int, int, int], crf: int, tmp_path: Path) -> None:
    """Up to one block of lines of a bar may be left in, where its end does not fall on one; no picture is cut off."""
    config = SceneConfig(actions=1, size=(256, 192), rate=FrameRate(10), letterbox=bars)
    scene = render_scene(4, config)
    frames = [scene.frame(index) for index in range(0, len(scene), 2)]
    write_video(tmp_path / "clip.mp4", frames, np.arange(len(frames)) / 10, crf=crf)
    with open_video(tmp_path / "clip.mp4") as reader:
        area = active_area(frame.image for frame in reader.frames(range(0, len(frames), 3)))
    true = config.active_area
    left_in = [true.x - area.x, true.y - area.y, area.right - true.right, area.bottom - true.bottom]
    assert all(0 <= lines <= 7 for lines in left_in)
    assert all(lines <= 2 for lines, bar in zip(left_in, bars, strict=True) if bar % 16 == 0)
    assert active_area(frames) == true


@settings(max_examples=200)
@given(
    arrays.arrays(
        np.uint8,
        st.tuples(st.integers(1, 3), st.integers(1, 12), st.integers(1, 12)),
        elements=st.sampled_from([0, 5, 10, 11, 30, 31, 200]),
        fill=st.sampled_from([0, 5]),
    )
)
def test_all_that_changes_lies_inside(frames: NDArray[np.uint8]) -> None:
    """Whatever the frames: outside of the area no pixel changes, and what is above and below has one colour."""
    area = active_area(list(frames))
    height, width = frames.shape[1:]
    low, high = frames.min(axis=0).astype(int), frames.max(axis=0).astype(int)
    outside = np.ones((height, width), bool)
    outside[area.y : area.bottom, area.x : area.right] = False
    assert (high - low)[outside].max(initial=0) <= 10
    columns = slice(area.x, area.right)
    for bar in (slice(0, area.y), slice(area.bottom, height)):
        assert high[bar, columns].max(initial=0) - low[bar, columns].min(initial=255) <= 10
    assert area.width >= 1
    assert area.height >= 1


@settings(max_examples=60)
@given(
    arrays.arrays(
        np.uint8,
        st.tuples(st.integers(1, 2), st.integers(2, 12), st.integers(2, 12)),
        elements=st.sampled_from([0, 5, 11, 40, 200]),
        fill=st.just(0),
    )
)
def test_all_four_sides_are_treated_alike(frames: NDArray[np.uint8]) -> None:
    area = active_area(list(frames))
    height, width = frames.shape[1:]
    down, across = active_area(list(frames[:, ::-1])), active_area(list(frames[:, :, ::-1]))
    assert (down.x, down.y, down.width, down.height) == (area.x, height - area.bottom, area.width, area.height)
    assert (across.x, across.y, across.width, across.height) == (width - area.right, area.y, area.width, area.height)


def test_order_of_frames_does_not_matter() -> None:
    frames = boxed(3, BARS["both"])
    frames[1][:20, 60:70] = 255
    assert active_area(frames) == active_area(frames[::-1]) == active_area([frames[1], frames[0], frames[2]])


@pytest.mark.parametrize("level", [0, 7, 128, 255])
def test_frames_of_one_colour_have_no_border(level: int) -> None:
    frame = np.full((90, 120), level, np.uint8)
    assert active_area([frame]) == active_area([frame, frame]) == whole(frame)


def test_dark_noise_has_no_border() -> None:
    """A night without light: everything is within a few levels."""
    frames = [np.random.default_rng(k).integers(0, 9, (90, 120, 3), dtype=np.uint8) for k in range(4)]
    assert active_area(frames) == whole(frames[0])


def test_lamps_in_the_night_are_no_end_of_a_border() -> None:
    """Dark from edge to edge but for some lamps: what is around them may move, and belongs to the picture."""
    random = np.random.default_rng(0)
    frames = []
    for k in range(4):
        image = random.integers(0, 6, (120, 160), dtype=np.uint8)
        for x, y in ((40, 50), (90, 64), (120, 58)):
            image[y : y + 6, x + k : x + k + 6] = 255
        frames.append(image)
    assert active_area(frames) == whole(frames[0])


def test_a_sky_that_brightens_slowly_is_picture() -> None:
    rows = np.minimum(2 * np.arange(120), 255).astype(np.uint8)
    frame = np.repeat(rows[:, None], 160, axis=1)
    frame[80:] = np.random.default_rng(0).integers(0, 255, (40, 160))
    assert active_area([frame]) == whole(frame)


def test_a_ragged_horizon_is_picture() -> None:
    """Hills before a black sky: no straight line ends it."""
    image = np.zeros((120, 160), np.uint8)
    for x in range(160):
        image[60 + int(40 * np.sin(x / 9)) :, x] = 120
    assert active_area([image, image]) == whole(image)


def test_subtitles_in_a_bar_are_kept_in() -> None:
    for width, bottom in ((30, 120), (60, 110)):
        frames = boxed(4, BARS["letterbox"])
        frames[2][100:110, 50 : 50 + width] = 255
        area = active_area(frames)
        # Wide ones end in a straight line themselves.
        assert (area.y, area.bottom) == (32, bottom)


def test_a_bar_of_one_frame_is_picture() -> None:
    """A scene that is letterboxed for a while."""
    frames = [boxed(5, BARS["letterbox"])[0], boxed(5, BARS["none"])[1]]
    assert active_area(frames) == whole(frames[0])


def test_bars_that_leave_nothing_are_none() -> None:
    """Half black, half grey: each half ends at the other, and no picture is left between them."""
    image = np.zeros((80, 100), np.uint8)
    image[40:] = 100
    assert active_area([image]) == whole(image)
    assert active_area([np.ascontiguousarray(image.T)]) == whole(image.T)


def test_a_thin_picture_between_wide_bars_is_found() -> None:
    image = np.zeros((80, 100), np.uint8)
    image[40] = 200
    assert active_area([image]) == PixelArea(x=0, y=40, width=100, height=1)


def test_a_part_of_the_line_is_enough_and_less_is_not() -> None:
    """A quarter of the first lines of the picture differs from the bar."""
    image = np.zeros((80, 100), np.uint8)
    image[20:, :25] = 120
    image[40:] = np.random.default_rng(0).integers(60, 255, (40, 100))
    assert active_area([image]).y == 20
    image[20:40, 24] = 0
    assert active_area([image]).y == 0
    # What begins within a block of eight lines begins at once.
    image[27:40, 24] = 120
    assert active_area([image]).y == 20
    image[27, 24] = 0
    assert active_area([image]).y == 0


@pytest.mark.parametrize(("step", "y"), [(15, 0), (20, 0), (21, 20), (30, 20)])
def test_a_bar_ends_with_more_than_twenty_levels(step: int, y: int) -> None:
    for bar, picture in ((100, 100 + step), (100, 100 - step)):
        image = np.full((80, 100), bar, np.uint8)
        image[20:] = picture
        image[60:] = np.random.default_rng(0).integers(0, 255, (20, 100))
        assert active_area([image]).y == y


def test_a_picture_below_a_quarter_of_both_sides_is_no_end_of_a_bar() -> None:
    """A logo on one colour; of a quarter of one side, it is a picture."""
    assert active_area(boxed(9, (60, 40, 62, 60))) == PixelArea(x=0, y=0, width=160, height=120)
    assert active_area(boxed(9, (60, 40, 60, 60))) == inner((60, 40, 60, 60))


def test_bars_at_the_sides_may_have_another_colour() -> None:
    """Black above and below, grey at the sides: the sides are judged between the others."""
    frames = boxed(8, (30, 20, 30, 20))
    for frame in frames:
        frame[20:100, :30] = frame[20:100, 130:] = 40
    assert active_area(frames) == inner((30, 20, 30, 20))


def test_frames_are_taken_one_by_one_and_let_go() -> None:
    alive: list[weakref.ref[Any]] = []
    most = 0

    def frames() -> Iterator[Image]:
        nonlocal most
        for k in range(30):
            image = boxed(k, BARS["both"])[0]
            alive.append(weakref.ref(image))
            most = max(most, sum(reference() is not None for reference in alive))
            yield image

    assert active_area(frames()) == inner(BARS["both"])
    # One is being made, one was compared; the first may be its own lowest and highest.
    assert most <= 3


def test_frames_are_not_changed() -> None:
    frames = boxed(6, BARS["both"])
    kept = [frame.copy() for frame in frames]
    for frame in frames:
        frame.flags.writeable = False
    active_area(frames)
    assert all((frame == other).all() for frame, other in zip(frames, kept, strict=True))


def test_no_frame_is_an_error() -> None:
    with pytest.raises(SchemaError, match=r"expected at least one frame, got none \[no-frames\]"):
        active_area([])


def test_frames_of_several_shapes_are_an_error() -> None:
    frames = [np.zeros((20, 30), np.uint8), np.zeros((20, 30), np.uint8), np.zeros((30, 20), np.uint8)]
    with pytest.raises(SchemaError, match=r"frame 2: expected \(20, 30, 1\), got \(30, 20, 1\) \[wrong-frame\]"):
        active_area(frames)
