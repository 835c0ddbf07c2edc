from __future__ import annotations

from typing import TYPE_CHECKING

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lapsdata.errors import SchemaError
from lapsdata.geometry import (
    FrameSize,
    QuarterTurn,
    RelativeOrigin,
    RelativeUnit,
    inside_frame,
    pixel_to_relative,
    relative_to_pixel,
    swap_xy,
    turn_points,
)

if TYPE_CHECKING:
    from collections.abc import Callable

Pair = tuple[float, float]
SIZES = st.from_type(FrameSize)
UNITS = st.sampled_from(["fraction", "percent"])
ORIGINS = st.sampled_from(["edge", "centre"])
TURNS = st.sampled_from([0, 90, 180, 270])
FLOAT32 = 2.0**-23


def points(dtype: type[np.floating], limit: float = 10_000.0) -> st.SearchStrategy[np.ndarray]:
    bits = np.dtype(dtype).itemsize * 8
    shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4).map(lambda lead: (*lead, 2))
    return hnp.arrays(dtype, shapes, elements=st.floats(-limit, limit, width=bits))


# --- swapping -------------------------------------------------------------------------------------------------


@given(points(np.float32))
def test_swapping_twice_gives_the_same_bytes(xy: np.ndarray) -> None:
    assert swap_xy(swap_xy(xy)).tobytes() == xy.tobytes()


def test_swap_exchanges_the_last_axis_only() -> None:
    xy = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
    yx = swap_xy(xy)
    np.testing.assert_array_equal(yx[..., 0], xy[..., 1])
    np.testing.assert_array_equal(yx[..., 1], xy[..., 0])
    yx[:] = 0
    assert xy[0, 0, 1] == 1, "the result is a copy"


@given(xy=points(np.float64), size=SIZES, unit=UNITS, origin=ORIGINS)
def test_swapped_axes_show_unless_square(
    xy: np.ndarray, size: FrameSize, unit: RelativeUnit, origin: RelativeOrigin
) -> None:
    # The same positions in the wrong order land elsewhere, unless the two shifted coordinates are both zero.
    shift = 0.5 if origin == "edge" else 0.0
    assume(xy.size and np.all(np.abs(xy + shift) > 1e-3))
    right = pixel_to_relative(xy, size, unit=unit, origin=origin)
    wrong = swap_xy(pixel_to_relative(swap_xy(xy), size, unit=unit, origin=origin))
    assert not np.any(np.isclose(right, wrong, rtol=1e-9, atol=0))
    square = FrameSize(width=size.width, height=size.width)
    right = pixel_to_relative(xy, square, unit=unit, origin=origin)
    wrong = swap_xy(pixel_to_relative(swap_xy(xy), square, unit=unit, origin=origin))
    np.testing.assert_array_equal(right, wrong)


# --- relative positions ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pixel", "edge", "centre"),
    [
        ((-0.5, -0.5), (0.0, 0.0), (-0.5 / 771, -0.5 / 480)),
        ((0.0, 0.0), (0.5 / 771, 0.5 / 480), (0.0, 0.0)),
        ((770.0, 479.0), (770.5 / 771, 479.5 / 480), (770 / 771, 479 / 480)),
        ((770.5, 479.5), (1.0, 1.0), (770.5 / 771, 479.5 / 480)),
        ((385.0, 239.5), (0.5, 0.5), (385 / 771, 239.5 / 480)),
        ((-771.5, 959.5), (-1.0, 2.0), (-771.5 / 771, 959.5 / 480)),
    ],
)
def test_by_hand(pixel: Pair, edge: Pair, centre: Pair, wide: FrameSize) -> None:
    xy = np.array(pixel)
    for expected, origin in ((edge, "edge"), (centre, "centre")):
        fraction = pixel_to_relative(xy, wide, unit="fraction", origin=origin)
        np.testing.assert_allclose(fraction, expected, rtol=1e-15)
        percent = pixel_to_relative(xy, wide, unit="percent", origin=origin)
        np.testing.assert_allclose(percent, np.array(expected) * 100, rtol=1e-15)


def test_the_two_origins_are_half_a_pixel_apart(wide: FrameSize) -> None:
    fraction = np.array([0.25, 0.75])
    edge = relative_to_pixel(fraction, wide, unit="fraction", origin="edge")
    centre = relative_to_pixel(fraction, wide, unit="fraction", origin="centre")
    np.testing.assert_array_equal(centre - edge, [0.5, 0.5])


@given(xy=points(np.float32), size=SIZES, unit=UNITS, origin=ORIGINS)
def test_round_trip_float32(xy: np.ndarray, size: FrameSize, unit: RelativeUnit, origin: RelativeOrigin) -> None:
    relative = pixel_to_relative(xy, size, unit=unit, origin=origin)
    back = relative_to_pixel(relative, size, unit=unit, origin=origin)
    assert relative.dtype == back.dtype == np.float32
    assert relative.shape == xy.shape
    # One rounding of the relative value and one of the pixel: half an ulp of |x| + 0.5 each; tiny numbers
    # (1e-40) lose their last bits altogether.
    bound = (np.abs(xy.astype(np.float64)) + 0.5) * FLOAT32
    assert np.all(np.abs(back.astype(np.float64) - xy) <= bound)


@given(relative=points(np.float64, limit=200.0), size=SIZES, unit=UNITS, origin=ORIGINS)
def test_round_trip_float64_the_other_way(
    relative: np.ndarray, size: FrameSize, unit: RelativeUnit, origin: RelativeOrigin
) -> None:
    xy = relative_to_pixel(relative, size, unit=unit, origin=origin)
    back = pixel_to_relative(xy, size, unit=unit, origin=origin)
    np.testing.assert_allclose(back, relative, rtol=1e-14, atol=1e-13 * (100 if unit == "percent" else 1))


def test_nan_and_infinity_pass_through(wide: FrameSize) -> None:
    xy = np.array([[np.nan, 3.0], [np.inf, -np.inf]], dtype=np.float32)
    relative = pixel_to_relative(xy, wide, unit="percent", origin="edge")
    np.testing.assert_array_equal(np.isnan(relative), [[True, False], [False, False]])
    np.testing.assert_array_equal(relative[1], [np.inf, -np.inf])
    back = relative_to_pixel(relative, wide, unit="percent", origin="edge")
    np.testing.assert_allclose(back, xy, rtol=1e-6)


@pytest.mark.parametrize("function", [pixel_to_relative, relative_to_pixel])
def test_words_must_be_known(function: Callable[..., np.ndarray], wide: FrameSize) -> None:
    xy = np.zeros(2)
    with pytest.raises(SchemaError, match=r"unit: expected one of 'fraction', 'percent', got 'pixels'"):
        function(xy, wide, unit="pixels", origin="edge")
    with pytest.raises(SchemaError, match=r"origin: expected one of 'edge', 'centre', got 'center'"):
        function(xy, wide, unit="percent", origin="center")
    with pytest.raises(TypeError, match="origin"):
        function(xy, wide, unit="percent")  # no default: half a pixel is never guessed


# --- inside ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [
        (-0.5, -0.5, True),
        (-0.5000001, 0, False),
        (0, -0.6, False),
        (770.49, 479.49, True),
        (770.5, 0, False),
        (0, 479.5, False),
        (479, 770, False),
        (np.nan, 5, False),
        (np.inf, 5, False),
    ],
)
def test_inside_means_on_a_pixel(x: float, y: float, expected: bool, wide: FrameSize) -> None:
    assert bool(inside_frame(np.array([x, y], dtype=float), wide)) is expected


@given(xy=points(np.float32, limit=5000), size=SIZES)
def test_inside_points_have_edge_fractions_from_0_to_1(xy: np.ndarray, size: FrameSize) -> None:
    fraction = pixel_to_relative(xy.astype(np.float64), size, unit="fraction", origin="edge")
    expected = np.all((fraction >= 0) & (fraction < 1), axis=-1)
    result = inside_frame(xy, size)
    assert result.dtype == np.bool_
    np.testing.assert_array_equal(result, expected)


# --- turning --------------------------------------------------------------------------------------------------


@given(size=st.from_type(FrameSize).filter(lambda s: s.width * s.height < 10_000), clockwise=TURNS, data=st.data())
def test_a_point_stays_on_its_pixel_of_a_turned_image(
    size: FrameSize, clockwise: QuarterTurn, data: st.DataObject
) -> None:
    x, y = data.draw(st.integers(0, size.width - 1)), data.draw(st.integers(0, size.height - 1))
    image = np.zeros(size.shape, dtype=bool)
    image[y, x] = True
    turned = np.rot90(image, -clockwise // 90)  # numpy turns the other way round
    new_x, new_y = turn_points(np.array([x, y], dtype=np.float32), size, clockwise=clockwise).astype(int)
    assert turned[new_y, new_x]


@given(xy=points(np.float32), size=SIZES, clockwise=TURNS)
def test_a_turn_and_its_complement(xy: np.ndarray, size: FrameSize, clockwise: QuarterTurn) -> None:
    turned = turn_points(xy, size, clockwise=clockwise)
    back = turn_points(turned, size.turned(clockwise), clockwise=(360 - clockwise) % 360)
    assert turned.dtype == back.dtype == np.float32
    bound = (np.abs(xy.astype(np.float64)) + max(size.width, size.height)) * FLOAT32
    assert np.all(np.abs(back.astype(np.float64) - xy) <= bound)


@given(xy=points(np.float64), size=SIZES)
def test_four_quarter_turns_and_two_halves(xy: np.ndarray, size: FrameSize) -> None:
    once, here = xy, size
    for _ in range(2):
        once, here = turn_points(once, here, clockwise=90), here.turned(90)
    np.testing.assert_allclose(once, turn_points(xy, size, clockwise=180), atol=1e-9)
    for _ in range(2):
        once, here = turn_points(once, here, clockwise=90), here.turned(90)
    assert here == size
    np.testing.assert_allclose(once, xy, atol=1e-9)


def test_clockwise_by_hand(wide: FrameSize) -> None:
    top_left = np.array([0.0, 0.0])
    np.testing.assert_array_equal(turn_points(top_left, wide, clockwise=90), [479, 0])
    np.testing.assert_array_equal(turn_points(top_left, wide, clockwise=180), [770, 479])
    np.testing.assert_array_equal(turn_points(top_left, wide, clockwise=270), [0, 770])


def test_a_turn_is_a_multiple_of_90(wide: FrameSize) -> None:
    with pytest.raises(SchemaError, match="clockwise: expected one of 0, 90, 180, 270, got -90"):
        turn_points(np.zeros(2), wide, clockwise=-90)  # type: ignore[arg-type]  # the point of the test
