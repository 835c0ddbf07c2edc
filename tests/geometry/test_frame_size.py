from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.errors import SchemaError
from lapsdata.geometry import FrameSize, PixelArea


def test_sides_are_named() -> None:
    with pytest.raises(TypeError, match="positional argument"):
        FrameSize(771, 480)  # type: ignore[misc]  # the point of the test
    with pytest.raises(TypeError, match="positional argument"):
        PixelArea(0, 0, 771, 480)  # type: ignore[misc]  # the point of the test


def test_size_is_a_frozen_value(wide: FrameSize) -> None:
    assert wide == FrameSize(width=771, height=480)
    assert wide != FrameSize(width=480, height=771)
    assert hash(wide) == hash(FrameSize(width=771, height=480))
    assert str(wide) == "771x480"
    with pytest.raises(dataclasses.FrozenInstanceError, match="width"):
        wide.width = 3  # type: ignore[misc]  # the point of the test


def test_numpy_integers_become_plain_ones() -> None:
    size = FrameSize(width=np.int64(771), height=np.uint8(48))  # type: ignore[arg-type]  # arrays hand these out
    assert (type(size.width), type(size.height)) == (int, int)


@pytest.mark.parametrize("side", [0, -3, True, 4.0, "480", None, np.nan])
def test_a_side_must_be_a_positive_integer(side: object) -> None:
    with pytest.raises(SchemaError, match=r"FrameSize.height: expected an integer of at least 1, got"):
        FrameSize(width=771, height=side)  # type: ignore[arg-type]  # the point of the test


def test_both_wrong_sides_are_named() -> None:
    with pytest.raises(SchemaError, match="2 problems") as caught:
        FrameSize(width=0, height=-1)
    assert [(p.code, p.where) for p in caught.value.problems] == [
        ("wrong-value", "FrameSize.height"),
        ("wrong-value", "FrameSize.width"),
    ]


@pytest.mark.parametrize("channels", [(), (1,), (3,)])
def test_size_of_an_image(channels: tuple[int, ...], wide: FrameSize) -> None:
    image = np.zeros((480, 771, *channels), dtype=np.uint8)
    assert FrameSize.from_shape(image.shape) == wide
    assert image.shape[:2] == wide.shape


@pytest.mark.parametrize("shape", [(480,), (1, 3, 480, 771), ()])
def test_size_of_something_else(shape: tuple[int, ...]) -> None:
    with pytest.raises(SchemaError, match=r"expected \(H, W\) or \(H, W, channels\), got"):
        FrameSize.from_shape(shape)


def test_size_of_an_empty_image() -> None:
    with pytest.raises(SchemaError, match=r"FrameSize\.height: expected an integer of at least 1, got 0"):
        FrameSize.from_shape((0, 771, 3))


@given(size=st.from_type(FrameSize), quarters=st.integers(0, 3))
def test_turned_size_is_that_of_a_turned_image(size: FrameSize, quarters: int) -> None:
    image = np.broadcast_to(np.uint8(0), size.shape)
    expected = FrameSize.from_shape(np.rot90(image, -quarters).shape)
    assert size.turned(90 * quarters) == expected  # type: ignore[arg-type]  # one of the four


@pytest.mark.parametrize("angle", [45, -90, 360, "90"])
def test_only_four_turns(angle: object, wide: FrameSize) -> None:
    with pytest.raises(SchemaError, match="clockwise: expected one of 0, 90, 180, 270, got"):
        wide.turned(angle)  # type: ignore[arg-type]  # the point of the test


def test_area_covers_a_frame(wide: FrameSize) -> None:
    area = PixelArea.whole(wide)
    assert (area.x, area.y, area.size) == (0, 0, wide)
    area.check_within(wide)


@pytest.mark.parametrize(("field", "value", "least"), [("x", -1, 0), ("y", 0.5, 0), ("width", 0, 1), ("height", -2, 1)])
def test_area_values(field: str, value: object, least: int) -> None:
    fields = {"x": 0, "y": 0, "width": 4, "height": 4} | {field: value}
    message = rf"PixelArea.{field}: expected an integer of at least {least}, got {value}"
    with pytest.raises(SchemaError, match=message):
        PixelArea(**fields)  # type: ignore[arg-type]  # the point of the test


@pytest.mark.parametrize(
    ("area", "got"),
    [
        (PixelArea(x=1, y=0, width=771, height=480), r"columns 1\.\.771 and rows 0\.\.479"),
        (PixelArea(x=0, y=400, width=10, height=81), r"columns 0\.\.9 and rows 400\.\.480"),
        # Fits when the sides are mixed up, and only then.
        (PixelArea(x=0, y=0, width=480, height=771), r"columns 0\.\.479 and rows 0\.\.770"),
    ],
)
def test_area_outside_of_a_frame(area: PixelArea, got: str, wide: FrameSize) -> None:
    with pytest.raises(SchemaError, match=f"area: expected an area inside the 771x480 frame, got {got}"):
        area.check_within(wide)
