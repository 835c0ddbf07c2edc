"""Trails: exact positions on frames that are not square, hidden points that look hidden, nothing on the border."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.errors import SchemaError
from lapsdata.geometry import FrameSize, PixelArea
from lapsdata.report import draw_trails
from lapsdata.report.trails import MOVING_PX, point_colours

WIDTH, HEIGHT = 96, 48


def blank(width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    return np.zeros((height, width, 3), np.uint8)


def path(*places: tuple[float, float]) -> np.ndarray:
    """One point, step by step."""
    return np.array(places, np.float32)[:, np.newaxis]


def drawn(
    tracks: np.ndarray, vis: bool | list[bool] = True, image: np.ndarray | None = None, **more: Any
) -> np.ndarray:
    steps = np.empty(tracks.shape[:2], bool)
    steps[:] = np.reshape(vis, (-1, 1))
    return draw_trails(blank() if image is None else image, tracks, steps, **more)


def centre(image: np.ndarray) -> tuple[float, float]:
    """Centre of what is painted on black: x, y."""
    weight = image.astype(float).sum(axis=-1)
    y, x = np.indices(weight.shape)
    return float((weight * x).sum() / weight.sum()), float((weight * y).sum() / weight.sum())


def distance(start: tuple[float, float], stop: tuple[float, float], width: int, height: int) -> np.ndarray:
    """Distance of each pixel's centre from a line between two points: (H, W)."""
    one, way = np.array(start), np.subtract(stop, start)
    pixels = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1) - one
    along = np.clip((pixels @ way) / (way @ way), 0, 1)
    return np.asarray(np.hypot(*np.moveaxis(pixels - along[..., np.newaxis] * way, -1, 0)))


@given(st.floats(8, WIDTH - 9), st.floats(8, HEIGHT - 9), st.booleans())
def test_a_dot_stands_exactly_where_its_point_is(x: float, y: float, seen: bool) -> None:
    assert centre(drawn(path((x, y)), seen)) == pytest.approx((x, y), abs=0.06)


@given(st.floats(4, 40), st.floats(4, 20), st.sampled_from([2, 3, 0.5]))
def test_positions_follow_a_picture_that_is_enlarged(x: float, y: float, scale: float) -> None:
    """Outer edges meet outer edges: the centre of the top-left pixel is at (scale - 1) / 2."""
    image = blank(int(WIDTH * scale), int(HEIGHT * scale))
    found = centre(drawn(path((x, y)), image=image, size=FrameSize(width=WIDTH, height=HEIGHT)))
    assert found == pytest.approx(((x + 0.5) * scale - 0.5, (y + 0.5) * scale - 0.5), abs=0.06)


@pytest.mark.parametrize(("x", "y"), [(0, 0), (770, 0), (0, 479), (770, 479), (700, 20)])
def test_whole_positions_are_pixels_of_a_wide_frame(x: int, y: int) -> None:
    image = drawn(path((x, y)), image=blank(771, 480)).sum(axis=-1)
    away = np.hypot(*(np.indices(image.shape) - np.reshape((y, x), (2, 1, 1))))
    assert (image[away <= 1] == image.max()).all()
    assert (image[away > 4] == 0).all()


def test_a_trail_follows_its_line_to_a_fraction_of_a_pixel() -> None:
    start, stop = (10.25, 8.5), (80.75, 40.0)
    image = drawn(path(start, stop)).sum(axis=-1)
    away = distance(start, stop, WIDTH, HEIGHT)
    # The dot at the end is wider than the trail.
    before = np.hypot(*(np.indices(away.shape)[::-1] - np.reshape(stop, (2, 1, 1)))) > 8
    assert (image[(away < 0.5) & before] > 0).all()
    assert (image[(away > 3) & before] == 0).all()


def test_a_trail_is_not_shifted_to_a_side() -> None:
    for y in (20.0, 20.25, 20.5, 20.75):
        image = drawn(path((10, y), (90, y)))[:, 20:70]
        assert centre(image)[1] == pytest.approx(y, abs=0.2)


def test_trails_end_at_the_last_given_step() -> None:
    whole = path((10, 20), (40, 20), (80, 20))
    assert not drawn(whole[:2])[:, 50:].any()
    assert drawn(whole)[20, 50:80].any(axis=-1).all()


def test_old_parts_are_fainter_than_new_ones() -> None:
    image = drawn(path(*[(10 + 5 * step, 20) for step in range(14)])).sum(axis=-1)
    light = image[20, 12:70:8].astype(int)
    assert (np.diff(light) >= 0).all()
    assert light[-1] > 1.5 * light[0]


def test_hidden_points_are_rings_and_visible_ones_discs() -> None:
    for moved in (0.0, 30.0):
        places = path((20 + moved, 20), (20, 20))
        x, y = 20, 20
        visible, hidden = drawn(places), drawn(places, [True, False])
        assert visible[y, x].max() > 150
        if moved == 0.0:
            assert hidden[y, x].max() < visible[y, x].max()
        around = hidden[y - 4 : y + 5, x - 6 : x].sum(axis=-1)
        assert around.max() > hidden[y, x].sum()


def test_hidden_parts_of_a_trail_are_thin_and_grey() -> None:
    places = path((10, 20), (50, 20), (90, 20))
    image = drawn(places, [True, False, False]).astype(int)
    middle = image[:, 30]
    assert (middle.max(axis=-1) - middle.min(axis=-1) <= 1).all()
    assert (middle.sum(axis=-1) > 0).sum() <= 3
    seen = drawn(places).astype(int)[:, 30]
    assert (seen.max(axis=-1) - seen.min(axis=-1)).max() > 50
    assert seen.sum() > 1.5 * middle.sum()


def test_what_was_not_measured_is_not_drawn() -> None:
    nan = (np.nan, np.nan)
    assert not drawn(path(nan, nan), False).any()
    image = drawn(path((10, 20), (30, 20), nan, (60, 20), (80, 20)), [True, True, False, True, True])
    assert not image[:, 34:56].any()
    assert image[20, 12:29].any(axis=-1).all()
    assert image[20, 62:79].any(axis=-1).all()
    lost = drawn(path((10, 20), (30, 20), (np.nan, 20)), [True, True, False])
    assert lost[20, 12:29].any(axis=-1).all()
    assert not lost[:, 34:].any()


@pytest.mark.parametrize("far", [20.0, 1e3, 1e6, 1e9, 3e38])
def test_points_outside_are_not_drawn_onto_the_border(far: float) -> None:
    for place in ((-far, 20), (WIDTH + far, 20), (50, -far), (50, HEIGHT + far), (far + WIDTH, -far)):
        for seen in (True, False):
            assert not drawn(path(place, place), seen).any()
            assert not drawn(path((place[0] * 1.1, place[1]), place), seen).any() or place[0] == 50


@given(st.floats(0, 2 * np.pi), st.floats(-20, 20), st.sampled_from([1e3, 1e5, 1e7]))
def test_a_trail_between_two_points_far_away_is_the_line_between_them(turn: float, aside: float, far: float) -> None:
    way = np.array([np.cos(turn), np.sin(turn)])
    through = np.array([WIDTH / 2, HEIGHT / 2]) + aside * np.array([-way[1], way[0]])
    # float32 is what a file holds, and is coarse so far away.
    start, stop = ((through + sign * far * way).astype(np.float32) for sign in (-1, 1))
    image = drawn(np.stack([start, stop])[:, np.newaxis]).sum(axis=-1)
    away = distance(tuple(start.astype(float)), tuple(stop.astype(float)), WIDTH, HEIGHT)
    assert (image[away < 0.4] > 0).all()
    assert (image[away > 3] == 0).all()


def test_a_point_that_hardly_moves_is_a_small_dot() -> None:
    still, moving = (drawn(path((40, 20), (40 + by, 20))) for by in (MOVING_PX, MOVING_PX + 0.1))
    assert (still > 0).any(axis=-1).sum() < 0.6 * (moving > 0).any(axis=-1).sum()
    # Far and back again is motion as well.
    back = drawn(path((40, 20), (70, 20), (40, 20)))
    assert back[20, 45:70].any(axis=-1).all()
    # So many pixels are no motion of a large frame.
    wide = drawn(path((40, 20), (44, 20)), image=blank(960, 480))
    assert not wide[:, :41].any()
    assert drawn(path((40, 20), (46, 20)), image=blank(960, 480))[20, 40].any()
    # Source pixels count, not those of an enlarged picture.
    large = drawn(path((40, 20), (41.5, 20)), image=blank(960, 480), size=FrameSize(width=WIDTH, height=HEIGHT))
    assert not large[:, :400].any()


def test_the_colour_is_that_of_the_place_where_a_point_begins() -> None:
    area = PixelArea(x=0, y=0, width=WIDTH, height=HEIGHT)
    for begins in ((10, 20), (50, 5), (90, 40)):
        expected = point_colours(np.array([begins], np.float64), area)[0]
        for ends in ((30.0, 30.0), (70.0, 10.0)):
            image = drawn(path(begins, ends), area=area)
            assert image[int(ends[1]), int(ends[0])].tolist() == expected.tolist()


def test_colours_differ_from_left_to_right_and_are_equally_light() -> None:
    import cv2

    area = PixelArea(x=10, y=5, width=200, height=100)
    colours = point_colours(np.stack([np.linspace(10, 209, 9), np.full(9, 54.5)], axis=-1), area)
    assert len({tuple(colour) for colour in colours.tolist()}) == 9
    away = np.abs(colours[:, np.newaxis].astype(int) - colours).sum(axis=-1)
    assert away[~np.eye(9, dtype=bool)].min() > 30
    lightness = cv2.cvtColor(colours[np.newaxis].astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[0, :, 0]
    assert np.ptp(lightness) < 8
    outside = point_colours(np.array([[-50.0, 54.5], [1e9, 54.5]]), area)
    assert np.abs(outside.astype(int) - colours[[0, -1]]).max() <= 3


def test_the_picture_that_is_drawn_on_stays_as_it_is() -> None:
    image = blank()
    image.flags.writeable = False
    assert drawn(path((10, 20), (60, 30)), image=image).any()
    assert not image.any()


def test_no_points_leave_the_picture_as_it_is() -> None:
    image = np.full((HEIGHT, WIDTH, 3), 7, np.uint8)
    assert (draw_trails(image, np.empty((3, 0, 2), np.float32), np.empty((3, 0), bool)) == image).all()


def test_wrong_arrays_are_told_all_at_once() -> None:
    good, vis = np.zeros((2, 3, 2), np.float32), np.ones((2, 3), bool)
    with pytest.raises(SchemaError, match=r"image: expected \(H, W, 3\) uint8 RGB, got \(4, 4\) float64") as told:
        draw_trails(np.zeros((4, 4)), good[..., :1], vis)  # type: ignore[arg-type]
    assert [problem.code for problem in told.value.problems] == ["wrong-frame", "wrong-shape"]
    with pytest.raises(SchemaError, match=r"vis: expected \(2, 3\) bool, got \(2, 3\) float64"):
        draw_trails(blank(), good, vis.astype(float))
    with pytest.raises(SchemaError, match=r"tracks: expected \(T, N, 2\) float pixel xy, got \(2, 3, 2\) int64"):
        draw_trails(blank(), good.astype(np.int64), vis)
    with pytest.raises(SchemaError, match=r"tracks: expected \(T, N, 2\)"):
        draw_trails(blank(), good[:0], vis[:0])
