"""Colours of boxes: of an identity always the same, of a score one of three, of a truth white."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Colours = NDArray[np.uint8]

__all__ = ["IGNORED", "NAMELESS", "SCORE_LEVELS", "TRUTH", "id_colours", "score_colours", "text_colour"]

TRUTH, IGNORED, NAMELESS = (255, 255, 255), (150, 150, 150), (205, 205, 205)
"""Of a truth, of boxes that scores leave out, and of tracked boxes without identity or detected ones without score."""

SCORE_LEVELS = ((0.7, (70, 220, 90)), (0.5, (250, 220, 50)), (float("-inf"), (255, 140, 30)))
"""What a score is above, and the colour it has: green, yellow, orange."""

# Each is at least 39 away from all others in CIE L*a*b*, and 53 from the one before: chosen one by one, the next always
# the farthest from those there are, among colours that are neither pale nor dark.
_IDS = np.array(
    [
        (75, 255, 210), (180, 0, 255), (255, 30, 0), (255, 225, 0), (45, 120, 195), (0, 255, 0), (240, 60, 150),
        (180, 120, 75), (60, 135, 0), (210, 135, 255), (225, 240, 150), (60, 210, 240), (255, 150, 15), (15, 135, 105),
        (0, 105, 255), (0, 240, 120), (255, 165, 210), (225, 60, 75), (255, 45, 225), (165, 225, 45),
    ],
    np.uint8,
)  # fmt: skip


def id_colours(ids: NDArray[np.int64]) -> Colours:
    """Return the colours of identities: a function of the number alone, and so the same in any frame, run and file.

    Any 20 numbers that follow each other have colours well apart; then they come again.

    Parameters
    ----------
    ids : numpy.ndarray, shape (R,), int64
        -1 for no identity, which is pale gray.

    Returns
    -------
    numpy.ndarray, shape (R, 3), uint8, RGB

    Examples
    --------
    >>> id_colours(np.array([0, 1, 20, -1])).tolist()
    [[75, 255, 210], [180, 0, 255], [75, 255, 210], [205, 205, 205]]
    """
    return np.where((ids >= 0)[:, np.newaxis], _IDS[ids % len(_IDS)], np.array(NAMELESS, np.uint8))


def score_colours(scores: NDArray[np.float64]) -> Colours:
    """Return the colours of scores: above 0.7, above 0.5, and not above; NaN, which is none, is pale gray.

    Parameters
    ----------
    scores : numpy.ndarray, shape (R,), float64

    Returns
    -------
    numpy.ndarray, shape (R, 3), uint8, RGB

    Examples
    --------
    >>> score_colours(np.array([0.71, 0.7, 0.5, np.nan])).tolist()
    [[70, 220, 90], [250, 220, 50], [255, 140, 30], [205, 205, 205]]
    """
    levels = [scores > level for level, _ in SCORE_LEVELS]
    colours = [np.array(colour, np.uint8) for _, colour in SCORE_LEVELS]
    return np.select([level[:, np.newaxis] for level in levels], colours, np.array(NAMELESS, np.uint8))


def text_colour(ground: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return what text on a ground is read best in: black or white, as it is bright (BT.601 luma).

    Examples
    --------
    >>> text_colour((255, 225, 0)), text_colour((180, 0, 255))
    ((0, 0, 0), (255, 255, 255))
    """
    red, green, blue = ground
    return (0, 0, 0) if 0.299 * red + 0.587 * green + 0.114 * blue > 125 else (255, 255, 255)
