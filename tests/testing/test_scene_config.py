"""Options of a scene are checked all at once, and each message says what would be right."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.errors import SchemaError
from lapsdata.testing.scenes import SceneConfig
from lapsdata.timebase import FrameRate


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": (320,)}, r"size: expected 2 whole numbers in 64 to 4096, got \(320,\)"),
        ({"size": (320.5, 240)}, r"size: expected 2 whole numbers in 64 to 4096, got \(320.5, 240\)"),
        ({"size": (63, 240)}, r"size: expected 2 whole numbers in 64 to 4096, got \(63, 240\)"),
        ({"actions": 0}, "actions: expected a whole number in 1 to 10000, got 0"),
        ({"actions": True}, "actions: expected a whole number in 1 to 10000, got True"),
        ({"blocks": 6}, "blocks: expected a whole number in 1 to 5, got 6"),
        ({"rate": 20}, r"rate: expected a FrameRate, got 20; write FrameRate\(20\)"),
        ({"shake_px": -1.0}, "shake_px: expected 0 to 12, got -1.0"),
        ({"shake_px": 12.5}, "shake_px: expected 0 to 12, got 12.5"),
        ({"noise": float("nan")}, "noise: expected 0 to 64, got nan"),
        ({"texture": 1.5}, "texture: expected 0 to 1, got 1.5"),
        ({"letterbox": (0, -1, 0, 0)}, r"letterbox: expected 4 whole numbers in 0 to 4096, got \(0, -1, 0, 0\)"),
        ({"letterbox": (0, 100, 0, 100)}, "expected bars that leave 64 x 64 pixel, got 320 x 40 left"),
    ],
)
def test_an_option_out_of_range_is_named_with_its_range(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        SceneConfig(**options)


def test_all_problems_are_reported_together() -> None:
    with pytest.raises(SchemaError, match="3 problems") as caught:
        SceneConfig(size=(1, 2), actions=0, blocks=0)
    assert [problem.where for problem in caught.value.problems] == [
        "SceneConfig: actions",
        "SceneConfig: blocks",
        "SceneConfig: size",
    ]
    with pytest.raises(SchemaError, match="3 problems") as caught:
        SceneConfig(shake_px=99.0, noise=99.0, texture=99.0)
    assert {problem.code for problem in caught.value.problems} == {"out-of-range"}


def test_nothing_hides_another_fault() -> None:
    with pytest.raises(SchemaError, match="7 problems") as caught:
        SceneConfig(size=(1, 2), actions=0, blocks=9, noise=99.0, shake_px=-1.0, texture=2.0, rate=20)  # type: ignore[arg-type]
    names = ("actions", "blocks", "noise", "rate", "shake_px", "size", "texture")
    assert [problem.where for problem in caught.value.problems] == [f"SceneConfig: {name}" for name in names]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 320}, "size: expected 2 whole numbers in 64 to 4096, got 320"),
        ({"size": "320x240"}, "size: expected 2 whole numbers in 64 to 4096, got '320x240'"),
        ({"size": None}, "size: expected 2 whole numbers in 64 to 4096, got None"),
        ({"letterbox": 3}, "letterbox: expected 4 whole numbers in 0 to 4096, got 3"),
        ({"noise": "x"}, "noise: expected 0 to 64, got 'x'"),
        ({"shake_px": None}, "shake_px: expected 0 to 12, got None"),
        ({"texture": [0.5]}, r"texture: expected 0 to 1, got \[0.5\]"),
        ({"noise": float("inf")}, "noise: expected 0 to 64, got inf"),
        ({"actions": "3"}, "actions: expected a whole number in 1 to 10000, got '3'"),
        ({"size": (100, 100), "shake_px": 6.0}, "shake_px: expected 0 to 5, got 6.0"),
    ],
)
def test_a_wrong_kind_is_a_fault_like_any_other(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SchemaError, match=rf"^SceneConfig: {message} \[out-of-range\]$"):
        SceneConfig(**options)


def test_numbers_of_numpy_are_numbers() -> None:
    config = SceneConfig(
        size=(np.int64(320), np.int32(240)),  # type: ignore[arg-type]  # as loops over arrays give
        actions=np.uint8(3),  # type: ignore[arg-type]
        noise=np.float32(1.5),  # type: ignore[arg-type]
    )
    assert config == SceneConfig(size=(320, 240), actions=3, noise=1.5)
    assert {type(value) for value in (*config.size, config.actions, config.blocks)} == {int}


@given(st.tuples(*[st.integers(64, 4096)] * 2), st.tuples(*[st.integers(0, 40)] * 4))
def test_the_active_area_and_the_bars_make_up_the_frame(size: tuple[int, int], bars: tuple[int, int, int, int]) -> None:
    left, top, right, bottom = bars
    if min(size[0] - left - right, size[1] - top - bottom) < 64:
        with pytest.raises(SchemaError, match="expected bars that leave 64 x 64 pixel"):
            SceneConfig(size=size, letterbox=bars)
        return
    area = SceneConfig(size=size, letterbox=bars).active_area
    assert (area.x, area.y) == (left, top)
    assert (area.right + right, area.bottom + bottom) == size
    assert (area.width, area.height) == (area.right - area.x, area.bottom - area.y)


def test_a_configuration_is_a_value() -> None:
    assert SceneConfig(rate=FrameRate(30, 1)) == SceneConfig(rate=FrameRate(60, 2))
    with pytest.raises(AttributeError, match="cannot assign to field 'noise'"):
        SceneConfig().noise = 1.0  # type: ignore[misc]  # the refusal is the test
