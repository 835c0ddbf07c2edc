"""Corrections by name: what they are by default, what is as published, and the grid that a window asks for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.errors import SchemaError
from lapsmodels.tokenizer.corrections import AS_PUBLISHED, LAPS, Corrections, LossOptions, class_grid


def test_a_new_training_corrects_everything_and_as_published_nothing() -> None:
    ours, theirs = Corrections().as_json(), AS_PUBLISHED.as_json()
    assert {name for name in ours if ours[name] == theirs[name]} == {"focal_alpha", "radial_power"}
    assert theirs["window_per_s"] is None
    assert (LAPS.focal_gamma, LAPS.focal_alpha, LAPS.radial_strength, LAPS.radial_power) == (4, 0.5, 4, 2)
    assert {name for name in theirs if LAPS.as_json()[name] != theirs[name]} == {
        "focal_gamma", "focal_alpha", "radial_strength",
    }  # fmt: skip


@given(window=st.floats(0.05, 5), rate=st.floats(1, 120), reach=st.integers(1, 15))
def test_the_farthest_class_is_the_window(window: float, rate: float, reach: int) -> None:
    """So many pixels of the grid per step are that share of the frame per second, to half a pixel of the grid."""
    side = reach * rate / window
    if round(side) < 2:
        with pytest.raises(SchemaError, match=r"window_per_s: expected a window that a grid of at least 2 x 2 pixels"):
            class_grid(window, rate, reach)
        return
    height, width = class_grid(window, rate, reach)
    assert height == width
    assert abs(height - side) <= 0.5
    assert reach / height * rate == pytest.approx(window, rel=0.5 / height + 1e-9)


def test_twice_the_rate_is_twice_the_grid() -> None:
    assert class_grid(1.0, 20.0, 7) == (140, 140)
    assert class_grid(1.0, 40.0, 7) == (280, 280)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"focal_gamma": 0.5}, r"focal_gamma: .*expected 0 or at least 1, got 0.5"),
        ({"focal_gamma": -1.0}, r"focal_gamma"),
        ({"focal_alpha": 0.0}, r"focal_alpha"),
        ({"radial_strength": -0.1}, r"radial_strength"),
        ({"diversity": -0.1}, r"diversity"),
    ],
)
def test_costs_that_make_no_sense_are_refused(wrong: dict[str, float], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        LossOptions(**wrong)


def test_a_window_of_nothing_is_refused() -> None:
    with pytest.raises(SchemaError, match=r"window_per_s"):
        Corrections(window_per_s=0.0)
