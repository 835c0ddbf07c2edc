"""Colours are those of the matrix and range that a stream states, without bias; against the formulas of the ITU."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.geometry import turn_points
from lapsdata.video._pixels import converter
from lapsdata.video.reader import open_video

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

# Weights of red and blue in luma: ITU-R BT.601-7 2.5.1, BT.709-6 3.2, BT.2020-2 table 4; FFmpeg's number of each.
MATRICES = {"bt601": (0.299, 0.114, 6), "bt709": (0.2126, 0.0722, 1), "bt2020": (0.2627, 0.0593, 9)}
LIMITED, FULL = 1, 2


def colours(width: int = 96, height: int = 64) -> NDArray[np.uint8]:
    """Return colours that lie inside of what every matrix can hold."""
    ys, xs = np.mgrid[:height, :width]
    return (128 + 45 * np.stack([np.sin(xs / 19 + c) + np.cos(ys / 17 - c) for c in range(3)], -1)).astype(np.uint8)


def stored(rgb: NDArray[np.uint8], matrix: str, level: int, bits: int = 8) -> list[NDArray[np.float64]]:
    """Return Y, Cb, Cr as a recorder computes them, before rounding."""
    red, blue, _ = MATRICES[matrix]
    r, g, b = (rgb[..., c] / 255.0 for c in range(3))
    luma = red * r + (1 - red - blue) * g + blue * b
    chroma = [(b - luma) / (2 - 2 * blue), (r - luma) / (2 - 2 * red)]
    unit = 2 ** (bits - 8)
    if level == FULL:
        return [luma * 255, *(c * 255 + 128 for c in chroma)]
    return [unit * (16 + 219 * luma), *(unit * (128 + 224 * c) for c in chroma)]


def frame_of(planes: list[NDArray[Any]], form: str, matrix: str = "bt601", level: int = LIMITED) -> av.VideoFrame:
    """Fill a frame whose lines are padded with a value that no picture has."""
    made = av.VideoFrame(planes[0].shape[1], planes[0].shape[0], form)
    for plane, values in zip(made.planes, planes, strict=True):
        lines = np.frombuffer(plane, values.dtype).reshape(-1, plane.line_size // values.itemsize)
        lines[:] = 255
        lines[: values.shape[0], : values.shape[1]] = values
    made.colorspace, made.color_range = MATRICES[matrix][2], level
    return made


def rounded(planes: list[NDArray[np.float64]], kind: type = np.uint8) -> list[NDArray[Any]]:
    return [np.rint(plane).astype(kind) for plane in planes]


def halved(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    height, width = plane.shape
    return plane.reshape(height // 2, 2, width // 2, 2).mean((1, 3))


@pytest.mark.parametrize("level", [LIMITED, FULL])
@pytest.mark.parametrize("matrix", sorted(MATRICES))
def test_colour_at_full_size_is_exact_to_the_rounding(matrix: str, level: int) -> None:
    rgb = colours()
    frame = frame_of(rounded(stored(rgb, matrix, level)), "yuv444p", matrix, level)
    # Rounding of three planes moves a colour by one level, and one more in blue of BT.2020.
    difference = converter("rgb", 0)(frame).astype(int) - rgb
    assert np.abs(difference).max() <= 2
    assert np.abs(difference.mean(axis=(0, 1))).max() < 0.1


@pytest.mark.parametrize("level", [LIMITED, FULL])
@pytest.mark.parametrize("matrix", sorted(MATRICES))
def test_colour_at_half_size_has_no_bias(matrix: str, level: int) -> None:
    rgb = colours()
    luma, *chroma = stored(rgb, matrix, level)
    frame = frame_of(rounded([luma, *map(halved, chroma)]), "yuv420p", matrix, level)
    ours = converter("rgb", 0)(frame).astype(int) - rgb
    quick = frame.to_ndarray(format="rgb24").astype(int) - rgb
    assert np.abs(ours.mean(axis=(0, 1))).max() < 0.1
    assert np.abs(ours).mean() < 0.6
    # The reason for the careful way: FFmpeg's quick one is off by about a level, and always to one side.
    assert np.abs(quick.mean()) > 5 * np.abs(ours.mean())
    assert np.abs(quick).mean() > 2 * np.abs(ours).mean()


def test_a_stream_that_states_nothing_is_bt601_in_limited_range() -> None:
    planes = rounded(stored(colours(), "bt601", LIMITED))
    unstated = frame_of(planes, "yuv444p")
    unstated.colorspace, unstated.color_range = 2, 0
    stated = frame_of(planes, "yuv444p", "bt601", LIMITED)
    for pixels in ("rgb", "gray"):
        np.testing.assert_array_equal(converter(pixels, 0)(unstated), converter(pixels, 0)(stated))  # type: ignore[arg-type]  # the test


@pytest.mark.parametrize("level", [LIMITED, FULL])
@pytest.mark.parametrize("matrix", sorted(MATRICES))
@pytest.mark.parametrize("form", ["yuv444p", "yuv420p"])
def test_gray_is_the_stored_luma_from_0_to_255(form: str, matrix: str, level: int) -> None:
    luma, *chroma = stored(colours(), matrix, level)
    planes = rounded([luma, *(chroma if form == "yuv444p" else map(halved, chroma))])
    gray = converter("gray", 0)(frame_of(planes, form, matrix, level))
    exact = planes[0].astype(float) if level == FULL else np.clip((planes[0] - 16.0) * 255 / 219, 0, 255)
    np.testing.assert_allclose(gray, exact, atol=0.5 + 1e-6)
    assert gray.shape == (64, 96)


@pytest.mark.parametrize("level", [LIMITED, FULL])
@pytest.mark.parametrize("form", ["yuv444p", "yuv420p"])
def test_gray_of_bt601_is_what_opencv_makes_of_the_colours(form: str, level: int) -> None:
    luma, *chroma = stored(colours(), "bt601", level)
    planes = rounded([luma, *(chroma if form == "yuv444p" else map(halved, chroma))])
    frame = frame_of(planes, form, "bt601", level)
    expected = cv2.cvtColor(converter("rgb", 0)(frame), cv2.COLOR_RGB2GRAY)
    assert np.abs(converter("gray", 0)(frame).astype(int) - expected).max() <= 1


@pytest.mark.parametrize("form", ["rgb24", "bgr0", "bgra", "gbrp", "rgb48le"])
def test_pictures_stored_as_rgb(form: str) -> None:
    rgb = colours()
    frame = av.VideoFrame.from_ndarray(rgb, "rgb24").reformat(format=form)
    np.testing.assert_array_equal(converter("rgb", 0)(frame), rgb)
    gray = converter("gray", 0)(frame).astype(int)
    assert np.abs(gray - cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)).max() <= 1


@pytest.mark.parametrize("level", [0, 1, 16, 128, 235, 255])
def test_a_gray_picture_is_the_same_in_both(level: int) -> None:
    frame = av.VideoFrame.from_ndarray(np.full((20, 33), level, np.uint8), "gray")
    assert (converter("gray", 0)(frame) == level).all()
    assert (converter("rgb", 0)(frame) == level).all()


@pytest.mark.parametrize("form", ["yuv444p10le", "yuv420p10le"])
def test_ten_bits_are_rounded_and_not_cut(form: str) -> None:
    rgb = colours()
    luma, *chroma = stored(rgb, "bt601", LIMITED, bits=10)
    planes = rounded([luma, *(chroma if "444" in form else map(halved, chroma))], np.uint16)
    frame = frame_of(planes, form)
    difference = converter("rgb", 0)(frame).astype(int) - rgb
    assert np.abs(difference.mean(axis=(0, 1))).max() < 0.1
    assert np.abs(difference).mean() < 0.5
    exact = np.clip((planes[0] / 4 - 16) * 255 / 219, 0, 255)
    np.testing.assert_allclose(converter("gray", 0)(frame), exact, atol=1.0)


@given(width=st.integers(1, 70), height=st.integers(1, 40), pixels=st.sampled_from(["rgb", "gray"]))
def test_padding_of_lines_never_shows(width: int, height: int, pixels: Any) -> None:
    rgb = colours(width, height)
    frame = frame_of(rounded(stored(rgb, "bt601", FULL)), "yuv444p", "bt601", FULL)
    image = converter(pixels, 0)(frame)
    expected = rgb if pixels == "rgb" else cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    assert image.shape == expected.shape
    assert np.abs(image.astype(int) - expected).max() <= 2
    assert image.flags.c_contiguous
    assert image.flags.writeable


def test_an_image_has_memory_of_its_own() -> None:
    """Also where nothing has to be converted and the decoder's own bytes would do."""
    for form, shape, pixels in (("rgb24", (8, 16, 3), "rgb"), ("gray", (8, 16), "gray")):
        frame = av.VideoFrame.from_ndarray(np.full(shape, 7, np.uint8), form)
        convert = converter(pixels, 0)  # type: ignore[arg-type]  # a word from the list
        first = convert(frame)
        first[:] = 99
        assert (convert(frame) == 7).all()
        kept = convert(frame)
        del frame
        assert (kept == 7).all()


@pytest.mark.parametrize(("form", "pixels"), [("gray", "gray"), ("rgb24", "rgb"), ("yuv420p", "rgb")])
def test_pictures_that_are_stored_from_the_bottom_up(form: str, pixels: Any) -> None:
    """FFmpeg turns them by counting their lines backwards in memory."""
    frame = av.VideoFrame.from_ndarray(colours(), "rgb24").reformat(format=form)
    graph = av.filter.Graph()
    graph.link_nodes(
        graph.add_buffer(width=96, height=64, format=frame.format, time_base=Fraction(1, 25)),
        graph.add("vflip"),
        graph.add("buffersink"),
    ).configure()
    graph.push(frame)
    turned = graph.pull()
    assert isinstance(turned, av.VideoFrame)
    assert turned.planes[0].line_size < 0
    np.testing.assert_array_equal(converter(pixels, 0)(turned)[::-1], converter(pixels, 0)(frame))


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
@pytest.mark.parametrize("suffix", [".mov", ".mp4", ".mkv"])
@pytest.mark.parametrize("pixels", ["rgb", "gray"])
def test_frames_are_upright(tmp_path: Path, suffix: str, turn: Any, pixels: Any, write: Callable[..., Path]) -> None:
    """A mark left of the middle of the top edge goes where turning its position clockwise puts it."""
    picture = np.full((64, 96, 3), 40, np.uint8)
    picture[4:12, 20:28] = 220
    path = write(tmp_path / f"clip{suffix}", pictures=[picture] * 3, rotate=turn)
    with open_video(path, pixels=pixels) as reader:
        image = reader.at_index(1).image
        assert image.shape[:2] == reader.facts.size.shape
    bright = np.argwhere(image.reshape(*image.shape[:2], -1).mean(-1) > 130)
    expected = turn_points(np.array([[23.5, 7.5]]), reader.facts.coded_size, clockwise=turn)[0]
    np.testing.assert_allclose(bright.mean(axis=0)[::-1], expected, atol=0.6)
    assert image.flags.c_contiguous


@pytest.mark.parametrize("pixels", ["rgb", "gray"])
def test_reading_gray_is_converting_what_was_decoded(pixels: Any, video: Callable[[str], Path]) -> None:
    with open_video(video("h264.mp4"), pixels=pixels) as reader, av.open(str(video("h264.mp4"))) as container:
        for ours, plain in zip(reader.frames(), container.decode(video=0), strict=True):
            np.testing.assert_array_equal(ours.image, converter(pixels, 0)(plain))


def test_alpha_is_dropped() -> None:
    rgba = np.dstack([colours(), np.zeros((64, 96), np.uint8)])
    frame = av.VideoFrame.from_ndarray(rgba, "rgba")
    np.testing.assert_array_equal(converter("rgb", 0)(frame), rgba[..., :3])


def test_flags_of_a_file_reach_the_conversion(tmp_path: Path) -> None:
    """A file that states BT.709 and full range is decoded so."""
    rgb = colours()
    for matrix, level in (("bt709", FULL), ("bt709", LIMITED), ("bt601", FULL)):
        path = tmp_path / f"{matrix}{level}.mkv"
        with av.open(str(path), "w") as output:
            stream: Any = output.add_stream("libx264", rate=25, options={"qp": "0"})
            stream.height, stream.width, stream.pix_fmt = 64, 96, "yuv444p"
            context = stream.codec_context
            context.colorspace, context.color_range = MATRICES[matrix][2], level
            frame = frame_of(rounded(stored(rgb, matrix, level)), "yuv444p", matrix, level)
            frame.pts, frame.time_base = 0, Fraction(1, 25)
            output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
        with open_video(path) as reader:
            assert np.abs(reader.at_index(0).image.astype(int) - rgb).max() <= 2
