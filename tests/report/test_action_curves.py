"""Errors over steps as a picture: its size, its panels, and that equal results are equal pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from lapsdata.errors import StorageError
from lapsdata.report.action_curves import draw_action_curves, write_action_curves
from lapsdata.testing.samples import sample_action_result

if TYPE_CHECKING:
    from pathlib import Path

PREDICTION = (0x0B, 0x3C, 0x7D)


def ink(image: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """Return the rows of a picture where a colour stands, below the key."""
    return np.flatnonzero((image == np.array(colour)).all(axis=2).any(axis=1))


def test_a_panel_for_each_key_with_the_prediction_in_it() -> None:
    image = draw_action_curves(sample_action_result())
    assert (image.dtype, image.shape[1:]) == (np.uint8, (1440, 3))
    rows = ink(image, PREDICTION)
    for top in (130, 550):
        assert ((rows > top) & (rows < top + 420)).any()


def test_a_larger_error_stands_higher_above_an_axis_that_begins_at_0() -> None:
    small, large = (ink(draw_action_curves(sample_action_result(prediction=value)), PREDICTION) for value in (0.1, 0.4))
    assert large[large > 130].min() < small[small > 130].min()


def test_equal_results_are_equal_pictures(tmp_path: Path) -> None:
    target = tmp_path / "curves.png"
    write_action_curves(target, sample_action_result())
    assert np.array_equal(cv2.imread(str(target))[..., ::-1], draw_action_curves(sample_action_result()))
    with pytest.raises(StorageError, match=r"curves\.png"):
        write_action_curves(target, sample_action_result())
    write_action_curves(target, sample_action_result(), overwrite=True)
