from __future__ import annotations

from fractions import Fraction

import cv2
import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.errors import SchemaError
from lapsdata.geometry import FrameSize, PixelArea, PixelMap, inside_frame, letterbox_area

SIZES = st.from_type(FrameSize)
POINTS = hnp.arrays(np.float32, st.integers(0, 8).map(lambda n: (n, 2)), elements=st.floats(-5000, 5000, width=32))


@st.composite
def areas(draw: st.DrawFn, size: FrameSize) -> PixelArea:
    x, y = draw(st.integers(0, size.width - 1)), draw(st.integers(0, size.height - 1))
    width, height = draw(st.integers(1, size.width - x)), draw(st.integers(1, size.height - y))
    return PixelArea(x=x, y=y, width=width, height=height)


@st.composite
def maps(draw: st.DrawFn) -> PixelMap:
    """Draw a crop, then a placement: every map that can be made is a chain of these."""
    source, working = draw(SIZES), draw(SIZES)
    cut = PixelMap.cropped(source, draw(areas(source)))
    return cut.then(PixelMap.placed(cut.working, working, draw(areas(working))))


def position_images(size: FrameSize) -> tuple[np.ndarray, np.ndarray]:
    """Return two pictures whose values are the x and the y of their own pixels."""
    y, x = np.mgrid[: size.height, : size.width].astype(np.float32)
    return x, y


def pixel_centres(size: FrameSize) -> np.ndarray:
    return np.stack(position_images(size), axis=-1).astype(np.float64)


@pytest.mark.parametrize(("width", "height"), [(320, 180), (211, 480), (1542, 960), (100, 97)])
def test_resized_agrees_with_opencv(width: int, height: int, wide: FrameSize) -> None:
    # Linear interpolation of a ramp returns the source position that was sampled.
    working = FrameSize(width=width, height=height)
    seen = [cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR) for image in position_images(wide)]
    sampled = PixelMap.resized(wide, working).to_source(pixel_centres(working))
    # At the border OpenCV repeats the last pixel instead of sampling beyond it.
    np.testing.assert_allclose(np.stack(seen, axis=-1), sampled.clip(0, [770, 479]), atol=0.02)


def test_cropped_agrees_with_slicing(wide: FrameSize) -> None:
    area = PixelArea(x=100, y=20, width=300, height=41)
    x, y = (image[20:61, 100:400] for image in position_images(wide))
    here = PixelMap.cropped(wide, area)
    assert here.working == FrameSize.from_shape(x.shape)
    np.testing.assert_array_equal(here.to_source(pixel_centres(here.working)), np.stack([x, y], axis=-1))


def test_letterboxed_agrees_with_a_letterboxed_picture(wide: FrameSize) -> None:
    working = FrameSize(width=320, height=256)
    area = letterbox_area(wide, working)
    assert area == PixelArea(x=0, y=28, width=320, height=199)
    picture = np.full((*working.shape, 2), np.nan)
    rows, columns = slice(area.y, area.y + area.height), slice(area.x, area.x + area.width)
    for axis, image in enumerate(position_images(wide)):
        picture[rows, columns, axis] = cv2.resize(image, (area.width, area.height))
    source = PixelMap.letterboxed(wide, working).to_source(pixel_centres(working))
    shown = ~np.isnan(picture[..., 0])
    np.testing.assert_allclose(picture[shown], source[shown], atol=0.02)
    np.testing.assert_array_equal(inside_frame(source, wide), shown)


@pytest.mark.parametrize(
    ("source", "working", "expected"),
    [
        ((1280, 720), (640, 640), (0, 140, 640, 360)),
        ((720, 1280), (640, 640), (140, 0, 360, 640)),
        ((640, 480), (640, 480), (0, 0, 640, 480)),
        ((100, 50), (200, 101), (0, 0, 200, 100)),  # the odd spare row is at the bottom
        ((3, 2), (5, 9), (0, 3, 5, 3)),  # 10/3 rows
        ((4, 2), (5, 9), (0, 3, 5, 3)),  # 2.5 rows become 3
        ((4096, 1), (64, 64), (0, 31, 64, 1)),  # never less than a row
    ],
)
def test_letterbox_area_by_hand(
    source: tuple[int, int], working: tuple[int, int], expected: tuple[int, int, int, int]
) -> None:
    area = letterbox_area(FrameSize(width=source[0], height=source[1]), FrameSize(width=working[0], height=working[1]))
    assert (area.x, area.y, area.width, area.height) == expected


@given(source=SIZES, working=SIZES)
def test_a_letterbox_fits_and_touches(source: FrameSize, working: FrameSize) -> None:
    area = letterbox_area(source, working)
    area.check_within(working)
    assert area.width == working.width or area.height == working.height
    assert abs(area.width + 2 * area.x - working.width) <= 1
    assert abs(area.height + 2 * area.y - working.height) <= 1


@given(source=SIZES, working=SIZES)
def test_outer_edges_meet_outer_edges(source: FrameSize, working: FrameSize) -> None:
    corners = np.array([[-0.5, -0.5], [working.width - 0.5, working.height - 0.5]])
    expected = np.array([[-0.5, -0.5], [source.width - 0.5, source.height - 0.5]])
    np.testing.assert_allclose(PixelMap.resized(source, working).to_source(corners), expected, atol=1e-9)


@given(maps())
def test_the_inverse_is_exact(here: PixelMap) -> None:
    identity = here.then(here.inverse())
    assert (identity.scale_x, identity.scale_y, identity.offset_x, identity.offset_y) == (1, 1, 0, 0)
    assert identity.source == identity.working == here.source
    assert here.inverse().inverse() == here


@given(maps(), st.data())
def test_chaining_is_associative_and_exact(first: PixelMap, data: st.DataObject) -> None:
    second = PixelMap.cropped(first.working, data.draw(areas(first.working)))
    third = PixelMap.letterboxed(second.working, data.draw(SIZES))
    assert first.then(second).then(third) == first.then(second.then(third))


@given(here=maps(), xy=POINTS)
def test_round_trip_of_stored_points(here: PixelMap, xy: np.ndarray) -> None:
    working = here.to_working(xy)
    back = here.to_source(working)
    assert working.dtype == back.dtype == np.float32
    # Half an ulp of the working position, seen in source pixels, and half an ulp of the result.
    offset = np.abs([float(here.offset_x), float(here.offset_y)])
    bound = (np.abs(xy.astype(np.float64)) + offset) * 2.0**-23 + 1e-30
    assert np.all(np.abs(back.astype(np.float64) - xy) <= bound)


@given(maps(), POINTS)
def test_points_follow_the_exact_fractions(here: PixelMap, xy: np.ndarray) -> None:
    result = here.to_source(xy.astype(np.float64))
    for (x, y), (got_x, got_y) in zip(xy, result, strict=True):
        exact_x = Fraction(float(x)) * here.scale_x + here.offset_x
        exact_y = Fraction(float(y)) * here.scale_y + here.offset_y
        assert got_x == pytest.approx(float(exact_x), rel=1e-12, abs=1e-8)
        assert got_y == pytest.approx(float(exact_y), rel=1e-12, abs=1e-8)


def test_one_scale_per_axis(wide: FrameSize) -> None:
    # LAPS divided both axes by one side: then y would land at 240 * 385 / 480, not in the middle.
    here = PixelMap.resized(wide, FrameSize(width=240, height=240))
    np.testing.assert_array_equal(here.to_working(np.array([385.0, 239.5])), [119.5, 119.5])
    assert (here.scale_x, here.scale_y) == (Fraction(771, 240), 2)


def test_nan_passes_through(wide: FrameSize) -> None:
    here = PixelMap.letterboxed(wide, FrameSize(width=224, height=224))
    np.testing.assert_array_equal(np.isnan(here.to_working(np.array([[np.nan, 1.0]]))), [[True, False]])


def test_sizes_must_meet(wide: FrameSize) -> None:
    first = PixelMap.resized(wide, FrameSize(width=320, height=200))
    second = PixelMap.resized(FrameSize(width=200, height=320), wide)
    with pytest.raises(SchemaError, match=r"following.source: expected the working size 320x200, got 200x320"):
        first.then(second)


def test_areas_must_lie_inside(wide: FrameSize) -> None:
    area = PixelArea(x=700, y=0, width=72, height=480)
    with pytest.raises(SchemaError, match="inside the 771x480 frame"):
        PixelMap.cropped(wide, area)
    with pytest.raises(SchemaError, match="inside the 771x480 frame"):
        PixelMap.placed(FrameSize(width=8, height=4), wide, area)


def test_scales_must_be_positive(wide: FrameSize) -> None:
    zero = Fraction(0)
    with pytest.raises(SchemaError, match="2 problems") as caught:
        PixelMap(source=wide, working=wide, scale_x=zero, scale_y=Fraction(-1), offset_x=zero, offset_y=zero)
    assert [str(p) for p in caught.value.problems] == [
        "PixelMap: scale_x: expected a scale above 0, got 0 [wrong-value]",
        "PixelMap: scale_y: expected a scale above 0, got -1 [wrong-value]",
    ]
