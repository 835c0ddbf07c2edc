"""Boxes on a picture: which pixels are painted, in which colour, and what is written beside them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.errors import SchemaError
from lapsdata.geometry import FrameSize
from lapsdata.report.box_colours import IGNORED, NAMELESS, id_colours
from lapsdata.report.drawn_boxes import BoxPen, dashes, draw_boxes, put_text, text_size
from tests.report.made_boxes import Row, made_layer

WHITE, GREEN, ORANGE = (255, 255, 255), (70, 220, 90), (255, 140, 30)
# So low a picture has lines of one pixel.
HEIGHT, WIDTH = 120, 160


def black(height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    return np.zeros((height, width, 3), np.uint8)


def painted(image: np.ndarray, colour: tuple[int, int, int]) -> set[tuple[int, int]]:
    """Return the pixels (x, y) of exactly this colour."""
    y, x = np.nonzero((image == np.array(colour, np.uint8)).all(axis=-1))
    return set(zip(x.tolist(), y.tolist(), strict=True))


def frame_of(left: int, top: int, right: int, bottom: int) -> set[tuple[int, int]]:
    """Return the border pixels of a rectangle, both corners included."""
    return {
        (x, y)
        for x in range(left, right + 1)
        for y in range(top, bottom + 1)
        if x in (left, right) or y in (top, bottom)
    }


def drawn(*rows: Row, image: np.ndarray | None = None, **options: object) -> np.ndarray:
    layer = made_layer(*(row._replace(id=-1) for row in rows), size=None, kind="truth")
    return draw_boxes(black() if image is None else image, [layer], **options)  # type: ignore[arg-type]


def test_a_box_around_pixels_paints_the_outermost_of_them() -> None:
    # From -0.5 to 9.5 on either axis are the first ten pixels.
    assert painted(drawn(Row(0, (-0.5, -0.5, 10.0, 10.0))), WHITE) == frame_of(0, 0, 9, 9)
    assert painted(drawn(Row(0, (29.5, 39.5, 4.0, 20.0))), WHITE) == frame_of(30, 40, 33, 59)


def test_a_box_around_the_whole_picture_paints_its_border() -> None:
    assert painted(drawn(Row(0, (-0.5, -0.5, WIDTH, HEIGHT))), WHITE) == frame_of(0, 0, WIDTH - 1, HEIGHT - 1)


@pytest.mark.parametrize(
    ("x", "w", "columns"),
    [(30.0, 4.0, (30, 33)), (30.1, 4.0, (31, 34)), (30.5, 4.0, (31, 34)), (29.4, 4.2, (30, 33)), (30.0, 0.2, (30, 30))],
)
def test_a_pixel_is_inside_where_its_centre_is(x: float, w: float, columns: tuple[int, int]) -> None:
    first, last = columns
    assert painted(drawn(Row(0, (x, 39.5, w, 20.0))), WHITE) == frame_of(first, 40, last, 59)


@given(st.floats(-20, WIDTH + 20), st.floats(-20, HEIGHT + 20), st.floats(1.5, 200), st.floats(1.5, 200), st.booleans())
def test_any_box_paints_the_border_of_the_pixels_whose_centres_it_holds(
    x: float, y: float, w: float, h: float, halves: bool
) -> None:
    if halves:
        x, y, w, h = (round(2 * value) / 2 for value in (x, y, w, h))
    columns = [column for column in range(-300, 500) if x <= column < x + w]
    rows = [row for row in range(-300, 500) if y <= row < y + h]
    expected = frame_of(columns[0], rows[0], columns[-1], rows[-1])
    seen = {(column, row) for column, row in expected if 0 <= column < WIDTH and 0 <= row < HEIGHT}
    assert painted(drawn(Row(0, (x, y, w, h))), WHITE) == seen


def test_boxes_as_far_away_as_numbers_go_paint_what_is_seen_of_them() -> None:
    far = drawn(Row(0, (-1e12, 9.5, 2e12, 1e15)), Row(0, (1e15, 1e15, 5.0, 5.0)))
    assert painted(far, WHITE) == {(x, 10) for x in range(WIDTH)}


def test_a_box_without_size_is_one_pixel() -> None:
    assert painted(drawn(Row(0, (30.0, 40.0, 0.0, 0.0))), WHITE) == {(30, 40)}


def test_lines_grow_with_the_picture_and_inwards() -> None:
    image = drawn(Row(0, (99.5, 199.5, 100.0, 50.0)), image=black(720, 1280))
    assert painted(image, WHITE) == frame_of(100, 200, 199, 249) | frame_of(101, 201, 198, 248)


@pytest.mark.parametrize(("height", "thick"), [(90, 1), (360, 1), (720, 2), (1080, 3), (2160, 6)])
def test_lines_are_thin_at_any_size(height: int, thick: int) -> None:
    size = FrameSize(width=height * 16 // 9, height=height)
    assert BoxPen([], size, size).thick == thick


def test_a_thin_box_is_not_painted_beyond_its_border() -> None:
    image = drawn(Row(0, (99.5, 199.5, 1.0, 50.0)), image=black(1080, 1920))
    assert painted(image, WHITE) == {(100, y) for y in range(200, 250)}


def test_the_picture_that_is_given_is_not_changed() -> None:
    image = black()
    assert drawn(Row(0), image=image).any()
    assert not image.any()


def test_only_boxes_of_the_frame_are_drawn() -> None:
    image = drawn(Row(0, (9.5, 9.5, 5.0, 5.0)), Row(1, (29.5, 9.5, 5.0, 5.0)), number=1)
    assert painted(image, WHITE) == frame_of(30, 10, 34, 14)


def test_boxes_follow_a_picture_that_is_enlarged() -> None:
    size = FrameSize(width=WIDTH // 2, height=HEIGHT // 2)
    image = drawn(Row(0, (9.5, 19.5, 10.0, 20.0)), size=size)
    assert painted(image, WHITE) == frame_of(20, 40, 39, 79)


def test_detections_have_the_colour_of_their_score() -> None:
    rows = [Row(0, (20.0 * k - 0.5, 59.5, 10.0, 10.0), score=score) for k, score in enumerate((0.9, 0.1, np.nan), 1)]
    image = draw_boxes(black(), [made_layer(*rows)])
    for k, colour in enumerate((GREEN, ORANGE, NAMELESS), 1):
        assert frame_of(20 * k, 60, 20 * k + 9, 69) <= painted(image, colour)


def test_tracks_have_the_colour_of_their_identity_in_every_frame() -> None:
    rows = [Row(frame, (20.0 * (k + frame) - 0.5, 59.5, 10.0, 10.0), k) for frame in (0, 1) for k in (1, 3)]
    layer = made_layer(*rows)
    assert layer.kind == "tracks"
    for frame in (0, 1):
        image = draw_boxes(black(), [layer], frame, trail=0)
        for k in (1, 3):
            left, colour = 20 * (k + frame), tuple(id_colours(np.array([k]))[0].tolist())
            assert frame_of(left, 60, left + 9, 69) <= painted(image, colour)


def test_boxes_to_be_ignored_are_gray_and_without_a_label() -> None:
    row = Row(0, (59.5, 59.5, 20.0, 20.0), 7, ignored=True)
    for kind in ("truth", "tracks", "detections"):
        image = draw_boxes(black(), [made_layer(row, kind=kind)])
        assert painted(image, IGNORED) == frame_of(60, 60, 79, 79)
        assert np.count_nonzero(image.any(axis=-1)) == len(frame_of(60, 60, 79, 79))


def test_labels_of_three_kinds_stand_at_three_corners() -> None:
    row = Row(0, (299.5, 199.5, 100.0, 100.0), 12, score=0.91)
    size = FrameSize(width=1280, height=720)
    text_px = BoxPen([], size, size).text_px
    wide, high = text_size("12", text_px)
    places = {}
    for kind in ("truth", "tracks", "detections"):
        image = draw_boxes(black(720, 1280), [made_layer(row, kind=kind)])
        image[200:300, 300:400] = 0
        y, x = np.nonzero(image.any(axis=-1))
        places[kind] = (int(x.min()), int(y.min()), int(x.max()), int(y.max()))
    assert places["tracks"] == (300, 200 - high - 4, 300 + wide + 3, 199)
    assert places["truth"] == (300, 300, 300 + wide + 3, 300 + high + 3)
    assert places["detections"][1:] == (200 - high - 4, 399, 199)
    assert places["detections"][0] > places["tracks"][2]


@pytest.mark.parametrize("corner", [(-0.5, -0.5), (1179.5, -0.5), (-0.5, 619.5), (1179.5, 619.5)])
@pytest.mark.parametrize("kind", ["truth", "tracks", "detections"])
def test_labels_stay_in_the_picture(corner: tuple[float, float], kind: str) -> None:
    row = Row(0, (*corner, 100.0, 100.0), 1234, score=0.5)
    bare = draw_boxes(black(720, 1280), [made_layer(row._replace(id=-1, score=np.nan), kind=kind)])  # type: ignore[arg-type]
    image = draw_boxes(black(720, 1280), [made_layer(row, kind=kind)])  # type: ignore[arg-type]
    wide, high = text_size("0.50" if kind == "detections" else "1234", 16)
    assert np.count_nonzero((image != bare).any(axis=-1)) > 0.5 * wide * high


def test_boxes_outside_of_the_picture_have_no_label_in_it() -> None:
    image = draw_boxes(black(), [made_layer(Row(0, (300.0, 20.0, 10.0, 10.0), 5))])
    assert not image.any()


def test_classes_stand_beside_the_identity_where_there_are_several() -> None:
    def width_of_label(*labels: str) -> int:
        rows = [Row(0, (59.5, 199.5 + 200 * k, 20.0, 20.0), 3 + k, label=label) for k, label in enumerate(labels)]
        image = draw_boxes(black(720, 1280), [made_layer(*rows)])
        return int(np.nonzero(image[:200].any(axis=(0, 2)))[0].max()) - 60

    assert width_of_label("player", "player") == text_size("3", 16)[0] + 3
    assert width_of_label("player", "ball") == text_size("3 player", 16)[0] + 3


def test_a_trail_ends_in_the_centre_and_begins_where_the_box_was() -> None:
    rows = [Row(frame, (20.0 + 2 * frame - 5.0, 55.0, 10.0, 10.0), 4) for frame in range(31)]
    image = draw_boxes(black(), [made_layer(*rows)], 30, trail=20)
    box = draw_boxes(black(), [made_layer(*rows)], 30, trail=0)
    columns = np.nonzero((image != box).any(axis=(0, 2)))[0]
    # The centre was at x = 40 twenty frames before, and is at 80; a line is about a pixel and a half wide.
    assert (abs(columns.min() - 40) <= 1, abs(columns.max() - 80) <= 1) == (True, True)
    assert np.nonzero((image != box).any(axis=(1, 2)))[0].tolist() in ([59, 60, 61], [60])
    old, new = image[60, 50].astype(int).sum(), image[60, 73].astype(int).sum()
    assert 0 < old < 0.7 * new


def test_truth_and_detections_leave_no_trail() -> None:
    rows = [Row(frame, (20.0 + 2 * frame, 55.0, 10.0, 10.0), 4) for frame in range(31)]
    for kind in ("truth", "detections"):
        layer = made_layer(*rows, kind=kind)
        np.testing.assert_array_equal(
            draw_boxes(black(), [layer], 30, trail=30), draw_boxes(black(), [layer], 30, trail=0)
        )


def test_a_second_and_a_third_layer_of_a_kind_are_dashed_and_dotted() -> None:
    rows = [Row(0, (9.5, 59.5, 100.0, 40.0), source="truth")]
    layers = [made_layer(*rows, called=f"{k}") for k in range(3)]
    whole, dashed, dotted = (
        np.count_nonzero((draw_boxes(black(), [layers[0]] * k + [layer])[60, 10:110] == 255).all(axis=-1))
        for k, layer in enumerate(layers)
    )
    assert (whole, dashed, dotted) == (100, 100, 100)  # the first covers all of them
    alone = []
    for k in range(3):
        hidden = [made_layer(Row(9, source="truth"), called=f"h{n}") for n in range(k)]
        image = draw_boxes(black(), [*hidden, layers[k]])
        assert painted(image, WHITE) <= frame_of(10, 60, 109, 99)
        alone.append(len(painted(image, WHITE)))
    assert alone[0] == len(frame_of(10, 60, 109, 99))
    assert math.isclose(alone[1], 4 / 7 * alone[0], rel_tol=0.1)
    assert math.isclose(alone[2], 1 / 3 * alone[0], rel_tol=0.1)


def test_dashes_that_reach_over_the_edge_are_cut() -> None:
    hidden = made_layer(Row(9, source="truth"), called="first")
    layer = made_layer(Row(0, (-30.0, -30.0, 80.0, 70.0), source="truth"), called="second")
    seen = painted(draw_boxes(black(), [hidden, layer]), WHITE)
    assert seen
    assert seen <= {(49, y) for y in range(40)} | {(x, 39) for x in range(50)}


def test_a_fourth_layer_of_a_kind_is_refused() -> None:
    layers = [made_layer(Row(0), called=f"{k}") for k in range(4)]
    with pytest.raises(SchemaError, match=r"expected up to 3 layers of detections, .*, got 4; draw some of them"):
        draw_boxes(black(), layers)


@pytest.mark.parametrize("trail", [-1, 2.5, "many", None])
def test_a_trail_is_a_number_of_frames(trail: object) -> None:
    with pytest.raises(SchemaError, match="trail: expected a number of frames from 0 on, got"):
        draw_boxes(black(), [], trail=trail)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "image", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((0, 4, 3), np.uint8)]
)
def test_what_is_no_picture_is_refused(image: np.ndarray) -> None:
    with pytest.raises(SchemaError, match=r"image: expected \(H, W, 3\) uint8 RGB, got"):
        draw_boxes(image, [])


def test_text_lies_within_the_size_that_is_told_of_it() -> None:
    image = black(60, 400)
    put_text(image, "0123456789", (10, 40), 16, WHITE)
    y, x = np.nonzero(image.any(axis=-1))
    wide, high = text_size("0123456789", 16)
    assert 9 <= x.min() <= x.max() <= 10 + wide
    assert 40 - high - 1 <= y.min() <= y.max() <= 41


def test_dashes_come_again() -> None:
    size = FrameSize(width=1280, height=720)
    pen = BoxPen([made_layer(called=name) for name in "abc"], size, size)
    along = np.arange(84)
    assert [int(dashes(along, style).sum()) for style in pen.styles] == [84, 48, 28]
