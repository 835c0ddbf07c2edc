"""Pictures of layers: their colours can be read back, and nothing that is not there has one."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import colormaps
from PIL import Image

from lapsdata.report.view_pictures import (
    MASK_STATES,
    NEAR_M,
    NO_DEPTH,
    RATIO_MOST,
    averaged,
    depth_colours,
    depth_picture,
    every_nth,
    jpeg_bytes,
    mask_picture,
    png_bytes,
    ratio_colours,
    ratio_picture,
)

DARK = list(NO_DEPTH)


def opened(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def test_near_is_red_and_far_is_blue_as_in_turbo() -> None:
    known = np.round(np.array(colormaps["turbo"].colors) * 255)
    assert np.abs(depth_colours()[::-1].astype(float) - known[:255]).max() <= 1


def test_every_colour_tells_one_step_of_depth() -> None:
    for colours in (depth_colours(), ratio_colours()):
        assert colours.shape == (255, 3)
        assert len({tuple(colour) for colour in colours.tolist()}) == 255
        assert NO_DEPTH not in {tuple(colour) for colour in colours.tolist()}


@given(st.floats(0.01, 500), st.floats(5, 200))
def test_depth_is_read_back_from_its_colour(depth: float, far_m: float) -> None:
    colour = depth_picture(np.array([[depth]], np.float32), far_m)[0, 0].tolist()
    step = depth_colours().tolist().index(colour)
    told = NEAR_M * (far_m / NEAR_M) ** (step / 254)
    # Half a step of the logarithm, and no farther than the ends.
    assert told == pytest.approx(min(max(depth, NEAR_M), far_m), rel=(far_m / NEAR_M) ** (0.51 / 254) - 1)


@given(st.floats(0.1, 10))
def test_a_ratio_is_read_back_from_its_colour(ratio: float) -> None:
    true = np.full((1, 1), 8, np.float32)
    step = ratio_colours().tolist().index(ratio_picture(true, true * np.float32(ratio))[0, 0].tolist())
    told = RATIO_MOST ** (2 * step / 254 - 1)
    assert told == pytest.approx(min(max(ratio, 1 / RATIO_MOST), RATIO_MOST), rel=RATIO_MOST ** (1.02 / 254) - 1)


@pytest.mark.parametrize("nothing", [0.0, -1.0, np.nan, np.inf])
@pytest.mark.parametrize("sparse", [False, True])
def test_what_is_no_depth_is_dark(nothing: float, sparse: bool) -> None:
    depth, one = np.full((2, 3), nothing, np.float32), np.ones((2, 3), np.float32)
    assert (depth_picture(depth, 80, sparse=sparse) == DARK).all()
    assert (ratio_picture(depth, one, sparse=sparse) == DARK).all()
    assert (ratio_picture(one, depth, sparse=sparse) == DARK).all()


def test_sparse_depth_is_drawn_three_wide_with_the_nearest_in_front() -> None:
    depth = np.zeros((5, 7), np.float32)
    depth[0, 0], depth[2, 3], depth[2, 4] = 4, 30, 2
    drawn = depth_picture(depth, 80, sparse=True)
    colour = {metres: depth_picture(np.array([[metres]], np.float32), 80)[0, 0].tolist() for metres in (2, 4, 30)}
    expected = [
        [colour[4], colour[4], DARK, DARK, DARK, DARK, DARK],
        [colour[4], colour[4], colour[30], colour[2], colour[2], colour[2], DARK],
        [DARK, DARK, colour[30], colour[2], colour[2], colour[2], DARK],
        [DARK, DARK, colour[30], colour[2], colour[2], colour[2], DARK],
        [DARK] * 7,
    ]
    assert drawn.tolist() == expected
    assert (depth_picture(depth, 80) == DARK).all(axis=-1).sum() == 32


def test_of_sparse_ratios_the_larger_error_is_in_front() -> None:
    true = np.zeros((3, 4), np.float32)
    true[1, 1:3] = 10
    found = np.full((3, 4), 6, np.float32)
    found[1, 2] = 10.5
    near, little = (ratio_picture(true, found)[1, column].tolist() for column in (1, 2))
    drawn = ratio_picture(true, found, sparse=True).tolist()
    assert near != little
    assert [row[:3] for row in drawn] == [[near] * 3] * 3
    assert [row[3] for row in drawn] == [little] * 3


@pytest.mark.parametrize(
    ("valid", "covered", "trusted", "state"),
    [
        (0, 0, 0, "no colour and no depth"),
        (0, 1, 0, "colour alone"),
        (1, 1, 0, "depth, ambiguous"),
        (1, 0, 0, "depth, ambiguous"),
        (0, 1, 1, "trusted, no depth"),
        (1, 1, 1, "trusted, depth"),
        (0, None, 0, "colour alone"),
        (1, None, None, "depth, no mask"),
        (0, None, None, "colour alone"),
        (0, 0, None, "no colour and no depth"),
        (None, 1, 1, "trusted, no depth"),
        (None, 1, None, "colour alone"),
    ],
)
def test_masks_have_one_colour_for_what_they_say_together(
    valid: int | None, covered: int | None, trusted: int | None, state: str
) -> None:
    masks = [None if one is None else np.full((2, 3), bool(one)) for one in (valid, covered, trusted)]
    drawn = mask_picture((2, 3), masks[0], masks[1], masks[2])
    assert drawn.tolist() == [[list(MASK_STATES[state])] * 3] * 2


def test_png_keeps_every_colour_and_jpeg_nearly_all() -> None:
    random = np.random.default_rng(0)
    image = random.integers(0, 256, (20, 30, 3), np.uint8)
    assert (opened(png_bytes(image)) == image).all()
    flat = np.zeros((32, 32, 3), np.uint8)
    flat[:, 16:] = (250, 20, 30)
    # Colours that are halved in size would leave a grey seam.
    assert np.abs(opened(jpeg_bytes(flat)).astype(int) - flat).max() < 60
    assert np.abs(opened(jpeg_bytes(flat)).astype(int) - flat)[:, [0, 31]].max() <= 4


def test_every_nth_pixel_is_the_middle_of_its_square_and_averages_are_of_all() -> None:
    random = np.random.default_rng(0)
    image = random.integers(0, 256, (7, 10, 3), np.uint8)
    assert (every_nth(image, 1) == image).all()
    assert (averaged(image, 1) == image).all()
    for step in (2, 3):
        rows, columns = -(-7 // step), -(-10 // step)
        picked, mean = every_nth(image, step), averaged(image, step)
        assert picked.shape == mean.shape == (rows, columns, 3)
        for row in range(7 // step):
            for column in range(10 // step):
                square = image[row * step : (row + 1) * step, column * step : (column + 1) * step]
                assert (picked[row, column] == square[(step - 1) // 2, (step - 1) // 2]).all()
                assert np.abs(mean[row, column] - square.reshape(-1, 3).mean(axis=0)).max() <= 0.5001


@given(st.integers(1, 9), st.integers(1, 9), st.sampled_from([2, 3]))
def test_a_flat_picture_stays_flat_whatever_its_size(height: int, width: int, step: int) -> None:
    flat = np.full((height, width, 3), (9, 99, 199), np.uint8)
    for small in (every_nth(flat, step), averaged(flat, step)):
        assert small.shape == (-(-height // step), -(-width // step), 3)
        assert (small == (9, 99, 199)).all()


@pytest.mark.parametrize("step", [2, 3])
def test_no_point_of_a_lidar_is_lost_where_every_third_pixel_is_shown(step: int) -> None:
    for row in range(12):
        for column in range(12):
            depth = np.zeros((12, 12), np.float32)
            depth[row, column] = 9
            shown = every_nth(depth_picture(depth, 80, sparse=True), step)
            assert (shown != DARK).any(), (row, column)
