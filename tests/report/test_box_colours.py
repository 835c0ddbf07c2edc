"""Colours: of an identity one and the same, of neighbours far apart, of scores three."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.report.box_colours import NAMELESS, id_colours, score_colours, text_colour

GREEN, YELLOW, ORANGE = (70, 220, 90), (250, 220, 50), (255, 140, 30)


def lab(colours: np.ndarray) -> np.ndarray:
    """CIE L*a*b*, in which a distance of 2 is just seen."""
    return np.asarray(cv2.cvtColor((colours[np.newaxis] / 255).astype(np.float32), cv2.COLOR_RGB2LAB)[0])


def luminance(colour: tuple[int, int, int]) -> float:
    """Relative luminance as WCAG 2 defines it."""
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in (np.array(colour) / 255).tolist()]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("first", [0, 1, 7, 12_345])
def test_twenty_identities_that_follow_each_other_are_well_apart(first: int) -> None:
    colours = lab(id_colours(np.arange(first, first + 20)))
    apart = np.linalg.norm(colours[:, np.newaxis] - colours, axis=-1) + 1000 * np.eye(20)
    assert apart.min() > 38
    assert np.linalg.norm(np.diff(colours, axis=0), axis=-1).min() > 50


@given(st.lists(st.integers(0, 2**62), min_size=1, max_size=8))
def test_the_colour_of_an_identity_knows_nothing_of_the_others(ids: list[int]) -> None:
    together = id_colours(np.array(ids, np.int64))
    alone = [id_colours(np.array([one], np.int64))[0] for one in ids]
    np.testing.assert_array_equal(together, alone)


def test_no_identity_is_pale_and_no_box_is_no_colour() -> None:
    assert id_colours(np.array([-1])).tolist() == [list(NAMELESS)]
    assert id_colours(np.array([], np.int64)).shape == score_colours(np.array([])).shape == (0, 3)


@pytest.mark.parametrize(
    ("score", "colour"),
    [
        (1.0, GREEN),
        (0.701, GREEN),
        (0.7, YELLOW),
        (0.501, YELLOW),
        (0.5, ORANGE),
        (0.0, ORANGE),
        (-3.5, ORANGE),
        (12.0, GREEN),
        (float("nan"), NAMELESS),
    ],
)
def test_scores_have_three_colours(score: float, colour: tuple[int, int, int]) -> None:
    found = score_colours(np.array([score]))
    assert found.dtype == np.uint8
    assert found.tolist() == [list(colour)]


def test_text_on_every_colour_has_contrast() -> None:
    grounds = [*map(tuple, id_colours(np.arange(20)).tolist()), GREEN, YELLOW, ORANGE, NAMELESS]
    for ground in grounds:
        dark, bright = sorted([luminance(ground), luminance(text_colour(ground))])
        # 3 is what WCAG 2 asks of large text.
        assert (bright + 0.05) / (dark + 0.05) > 3, ground
