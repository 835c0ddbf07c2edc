from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, get_args

import cv2
import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.errors import SchemaError
from lapsdata.geometry import (
    BoxForm,
    BoxOrigin,
    FrameSize,
    RelativeOrigin,
    RelativeUnit,
    boxes_to_relative,
    convert_boxes,
    enclosing_boxes,
    pixel_to_relative,
    relative_to_boxes,
    rotated_box_corners,
    shift_boxes,
)

if TYPE_CHECKING:
    from collections.abc import Callable

SIZES = st.from_type(FrameSize)
FORMS = st.sampled_from(get_args(BoxForm))
BOX_ORIGINS = st.sampled_from(get_args(BoxOrigin))
UNITS = st.sampled_from(get_args(RelativeUnit))
ORIGINS = st.sampled_from(get_args(RelativeOrigin))
ROWS = st.integers(0, 6).map(lambda n: (n, 4))
BOXES = hnp.arrays(np.float32, ROWS, elements=st.floats(-4000, 4000, width=32))
HALVES = hnp.arrays(np.float32, ROWS, elements=st.integers(-8000, 8000).map(lambda n: n / 2))
ONE_BOX = {"xywh": [10.0, 20.0, 30.0, 50.0], "xyxy": [10.0, 20.0, 40.0, 70.0], "cxcywh": [25.0, 45.0, 30.0, 50.0]}


@pytest.mark.parametrize(("source", "target"), list(itertools.product(get_args(BoxForm), repeat=2)))
def test_forms_by_hand(source: BoxForm, target: BoxForm) -> None:
    for dtype in (np.float32, np.float64):
        result = convert_boxes(np.array(ONE_BOX[source], dtype=dtype), source=source, target=target)
        assert result.dtype == dtype
        np.testing.assert_array_equal(result, ONE_BOX[target])


@given(boxes=HALVES, source=FORMS, target=FORMS)
def test_forms_round_trip_exactly_on_half_pixels(boxes: np.ndarray, source: BoxForm, target: BoxForm) -> None:
    there = convert_boxes(boxes, source=source, target=target)
    np.testing.assert_array_equal(convert_boxes(there, source=target, target=source), boxes)


@given(boxes=BOXES, source=FORMS, target=FORMS)
def test_forms_round_trip(boxes: np.ndarray, source: BoxForm, target: BoxForm) -> None:
    back = convert_boxes(convert_boxes(boxes, source=source, target=target), source=target, target=source)
    # The added constant stands for the last bit of subnormal numbers.
    scale = np.abs(boxes.astype(np.float64)).sum(axis=-1, keepdims=True) + 1e-30
    assert np.all(np.abs(back.astype(np.float64) - boxes) <= scale * 2.0**-22)


def test_same_form_is_a_copy() -> None:
    boxes = np.zeros((1, 4))
    convert_boxes(boxes, source="xywh", target="xywh")[:] = 1
    assert not boxes.any()


def test_inverted_corners_are_kept() -> None:
    inverted = np.array([40.0, 70.0, 10.0, 20.0])
    np.testing.assert_array_equal(convert_boxes(inverted, source="xyxy", target="xywh"), [40, 70, -30, -50])


# --- where zero lies ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("origin", "whole_frame"),
    [("centre", [-0.5, -0.5, 771, 480]), ("edge", [0, 0, 771, 480]), ("one_based", [1, 1, 771, 480])],
)
@pytest.mark.parametrize("form", get_args(BoxForm))
def test_the_whole_frame_in_each_origin(origin: BoxOrigin, whole_frame: list[float], form: BoxForm) -> None:
    given_box = convert_boxes(np.array(whole_frame, dtype=np.float32), source="xywh", target=form)
    ours = shift_boxes(given_box, form=form, source=origin, target="centre")
    np.testing.assert_array_equal(convert_boxes(ours, source=form, target="xywh"), [-0.5, -0.5, 771, 480])
    np.testing.assert_array_equal(shift_boxes(ours, form=form, source="centre", target=origin), given_box)


@given(boxes=HALVES, form=FORMS, a=BOX_ORIGINS, b=BOX_ORIGINS, c=BOX_ORIGINS)
def test_shifts_are_exact_and_add_up(
    boxes: np.ndarray, form: BoxForm, a: BoxOrigin, b: BoxOrigin, c: BoxOrigin
) -> None:
    by_b = shift_boxes(shift_boxes(boxes, form=form, source=a, target=b), form=form, source=b, target=c)
    np.testing.assert_array_equal(by_b, shift_boxes(boxes, form=form, source=a, target=c))
    back = shift_boxes(by_b, form=form, source=c, target=a)
    np.testing.assert_array_equal(back, boxes)


@given(boxes=HALVES, form=FORMS, a=BOX_ORIGINS, b=BOX_ORIGINS)
def test_sizes_never_shift(boxes: np.ndarray, form: BoxForm, a: BoxOrigin, b: BoxOrigin) -> None:
    before = convert_boxes(boxes, source=form, target="xywh")
    after = convert_boxes(shift_boxes(boxes, form=form, source=a, target=b), source=form, target="xywh")
    np.testing.assert_array_equal(after[:, 2:], before[:, 2:])
    steps = {"centre": 0, "edge": 0.5, "one_based": 1.5}
    np.testing.assert_array_equal(after[:, :2] - before[:, :2], np.full((len(boxes), 2), steps[b] - steps[a]))


# --- relative -------------------------------------------------------------------------------------------------


def test_yolo_by_hand(wide: FrameSize) -> None:
    yolo = np.array([0.5, 0.5, 0.5, 0.25])
    box = relative_to_boxes(yolo, wide, form="cxcywh", unit="fraction", origin="edge")
    np.testing.assert_array_equal(box, [385, 239.5, 385.5, 120])
    np.testing.assert_array_equal(boxes_to_relative(box, wide, form="cxcywh", unit="fraction", origin="edge"), yolo)


def test_label_studio_by_hand() -> None:
    size = FrameSize(width=600, height=800)
    box = relative_to_boxes(np.array([10.0, 20.0, 50.0, 25.0]), size, form="xywh", unit="percent", origin="edge")
    np.testing.assert_allclose(box, [59.5, 159.5, 300, 200], rtol=1e-15)


@given(boxes=BOXES, size=SIZES, form=FORMS, unit=UNITS, origin=ORIGINS)
def test_relative_round_trip(
    boxes: np.ndarray, size: FrameSize, form: BoxForm, unit: RelativeUnit, origin: RelativeOrigin
) -> None:
    relative = boxes_to_relative(boxes, size, form=form, unit=unit, origin=origin)
    back = relative_to_boxes(relative, size, form=form, unit=unit, origin=origin)
    assert relative.dtype == back.dtype == np.float32
    bound = (np.abs(boxes.astype(np.float64)) + 0.5) * 2.0**-23
    assert np.all(np.abs(back.astype(np.float64) - boxes) <= bound)


@given(boxes=BOXES, size=SIZES, form=FORMS, unit=UNITS, origin=ORIGINS)
def test_corners_of_relative_boxes_are_relative_corners(
    boxes: np.ndarray, size: FrameSize, form: BoxForm, unit: RelativeUnit, origin: RelativeOrigin
) -> None:
    exact = boxes.astype(np.float64)
    relative = boxes_to_relative(exact, size, form=form, unit=unit, origin=origin)
    corners = convert_boxes(exact, source=form, target="xyxy").reshape(-1, 2, 2)
    expected = pixel_to_relative(corners, size, unit=unit, origin=origin).reshape(-1, 4)
    result = convert_boxes(relative, source=form, target="xyxy")
    np.testing.assert_allclose(result, expected, rtol=1e-9, atol=1e-9)


def test_exchanged_sides_show(wide: FrameSize) -> None:
    tall = FrameSize(width=480, height=771)
    box = np.array([100.0, 100.0, 50.0, 50.0])
    right = boxes_to_relative(box, wide, form="xywh", unit="percent", origin="edge")
    wrong = boxes_to_relative(box, tall, form="xywh", unit="percent", origin="edge")
    assert np.abs(right - wrong).min() > 1


# --- turned boxes ---------------------------------------------------------------------------------------------


@given(
    box=hnp.arrays(np.float64, 4, elements=st.floats(1, 1000)),
    degrees=st.floats(-720, 720),
)
def test_corners_follow_label_studios_formula(box: np.ndarray, degrees: float) -> None:
    x, y, w, h = box
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    expected = [
        (x, y),
        (x + w * cos, y + w * sin),
        (x + w * cos - h * sin, y + w * sin + h * cos),
        (x - h * sin, y + h * cos),
    ]
    np.testing.assert_allclose(rotated_box_corners(box, np.array(degrees)), expected, atol=1e-9)


@given(box=hnp.arrays(np.float32, 4, elements=st.floats(1, 500, width=32)), degrees=st.floats(0.5, 89.5))
def test_corners_agree_with_opencv(box: np.ndarray, degrees: float) -> None:
    corners = rotated_box_corners(box.astype(np.float64), np.array(degrees))
    middle = corners.mean(axis=0)
    theirs = cv2.boxPoints((tuple(middle), (float(box[2]), float(box[3])), degrees))
    # OpenCV starts at another corner.
    distance = np.linalg.norm(theirs[:, np.newaxis] - corners, axis=-1).min(axis=0)
    assert distance.max() < 1e-2


def test_positive_angles_turn_clockwise_on_the_screen() -> None:
    corners = rotated_box_corners(np.array([100.0, 100.0, 40.0, 10.0]), np.array(90.0))
    # The top edge pointed right; now it points down, and the box hangs to the left of its corner.
    np.testing.assert_allclose(corners, [[100, 100], [100, 140], [90, 140], [90, 100]], atol=1e-12)


def test_unturned_boxes_enclose_themselves() -> None:
    boxes = np.array([[10, 20, 30, 50], [-3, -4, 5, 6]], dtype=np.float32)
    corners = rotated_box_corners(boxes, np.zeros(2))
    assert corners.shape == (2, 4, 2)
    assert corners.dtype == np.float32
    np.testing.assert_array_equal(enclosing_boxes(corners), boxes)


@given(box=hnp.arrays(np.float64, 4, elements=st.floats(1, 500)), degrees=st.floats(-360, 360))
def test_an_enclosing_box_touches_its_corners(box: np.ndarray, degrees: float) -> None:
    corners = rotated_box_corners(box, np.array(degrees))
    x, y, w, h = enclosing_boxes(corners)
    cos, sin = abs(np.cos(np.radians(degrees))), abs(np.sin(np.radians(degrees)))
    np.testing.assert_allclose([w, h], [box[2] * cos + box[3] * sin, box[2] * sin + box[3] * cos], atol=1e-9)
    assert x == corners[:, 0].min()
    assert y == corners[:, 1].min()


def test_nan_corners_spread_over_their_axis_only() -> None:
    points = np.array([[[0.0, np.nan], [2.0, 3.0]], [[0.0, 1.0], [2.0, 3.0]]])
    np.testing.assert_array_equal(enclosing_boxes(points), [[0, np.nan, 2, np.nan], [0, 1, 2, 2]])


def test_no_points_have_no_box() -> None:
    with pytest.raises(SchemaError, match=r"points: expected K >= 1 points, got \(3, 0, 2\)"):
        enclosing_boxes(np.zeros((3, 0, 2)))
    assert enclosing_boxes(np.zeros((0, 4, 2))).shape == (0, 4)


@pytest.mark.parametrize("degrees", [np.array(3.0), np.zeros(3), np.zeros((2, 1))])
def test_one_angle_per_box(degrees: np.ndarray) -> None:
    with pytest.raises(SchemaError, match=r"degrees: expected one angle per box, \(2,\), got"):
        rotated_box_corners(np.zeros((2, 4)), degrees)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda b: convert_boxes(b, source="ltwh", target="xywh"), "source: expected one of 'xywh', 'xyxy', 'cxcywh'"),
        (lambda b: convert_boxes(b, source="xywh", target="tlbr"), "target: expected one of .*got 'tlbr'"),
        (
            lambda b: shift_boxes(b, form="xywh", source="1", target="edge"),
            "source: expected one of 'centre', 'edge', ",
        ),
        (lambda b: shift_boxes(b, form="xywh", source="edge", target=0), "target: expected one of .*got 0"),
        (lambda b: shift_boxes(b, form="", source="edge", target="edge"), "form: expected one of .*got ''"),
    ],
)
def test_words_must_be_known(call: Callable[[np.ndarray], np.ndarray], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        call(np.zeros((2, 4)))


@pytest.mark.parametrize("function", [boxes_to_relative, relative_to_boxes])
def test_relative_words_must_be_known(function: Callable[..., np.ndarray], wide: FrameSize) -> None:
    box = np.zeros(4)
    with pytest.raises(SchemaError, match="form: expected one of"):
        function(box, wide, form="yolo", unit="fraction", origin="edge")
    with pytest.raises(SchemaError, match="unit: expected one of"):
        function(box, wide, form="xywh", unit="%", origin="edge")
    with pytest.raises(SchemaError, match="origin: expected one of"):
        function(box, wide, form="xywh", unit="percent", origin="corner")
