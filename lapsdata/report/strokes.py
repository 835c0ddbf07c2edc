"""Discs, rings and lines at any fraction of a pixel; what lies outside of the picture is left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Image = npt.NDArray[np.uint8]
    FloatArray = npt.NDArray[np.float64]

__all__ = ["lines", "stamp"]

_SHIFT = 6
"""Bits behind the point of OpenCV's whole-number coordinates: 1/64 pixel."""


def stamp(
    image: Image, centre: FloatArray, colour: Image, radius: float, *, hollow: bool = False, opacity: float = 1.0
) -> None:
    """Blend a disc, or a ring that is a pixel wide, into a picture: each pixel by the share of it that is covered.

    OpenCV draws discs of two or three pixels as squares that stand on a corner.

    Parameters
    ----------
    image : numpy.ndarray, shape (H, W, 3), uint8, RGB
        Is changed.
    centre : numpy.ndarray, shape (2,), float64, pixel xy
    colour : numpy.ndarray, shape (3,), uint8, RGB
    radius : float, pixel
    hollow : bool
        Whether only the edge is drawn.
    opacity : float
        0 to 1.

    Examples
    --------
    >>> image = np.zeros((5, 9, 3), np.uint8)
    >>> stamp(image, np.array([6.0, 2.0]), np.array([200, 0, 0], np.uint8), 1.0)
    >>> image[2, 5:8, 0]
    array([100, 200, 100], dtype=uint8)
    """
    low = np.maximum(np.floor(centre - radius), 0.0)
    high = np.minimum(np.ceil(centre + radius) + 1.0, (image.shape[1], image.shape[0]))
    if not (low < high).all():
        return
    (left, top), (right, bottom) = low.astype(int), high.astype(int)
    x, y = np.arange(left, right) - centre[0], np.arange(top, bottom) - centre[1]
    away = np.hypot(x[np.newaxis], y[:, np.newaxis])
    covered = np.clip(radius + 0.5 - away, 0.0, 1.0)
    if hollow:
        covered -= np.clip(radius - 0.5 - away, 0.0, 1.0)
    part = image[top:bottom, left:right]
    part[...] = np.rint(part + (colour - part.astype(np.float64)) * (opacity * covered[..., np.newaxis]))


def lines(image: Image, start: FloatArray, stop: FloatArray, colours: Image, thick: int, opacity: float) -> Image:
    """Return the picture with lines that let it shine through; where they cross, the last one covers the others.

    Parameters
    ----------
    image : numpy.ndarray, shape (H, W, 3), uint8, RGB
    start, stop : numpy.ndarray, shape (M, 2), float64, pixel xy
        Finite, and as far away as floats go.
    colours : numpy.ndarray, shape (M, 3), uint8, RGB
    thick : int
        OpenCV's thickness: 1 is about 1.5 pixel wide, 2 about 3.5.
    opacity : float
        0 to 1.

    Examples
    --------
    >>> start, stop = np.array([[-1e9, 2.0]]), np.array([[1e9, 2.0]])
    >>> lines(np.zeros((7, 9, 3), np.uint8), start, stop, np.array([[200, 0, 0]], np.uint8), 2, 0.5)[1:4, 4, 0]
    array([100, 100, 100], dtype=uint8)
    """
    import cv2

    ends, near = _cut(start, stop, image.shape, thick + 2.0)
    if not near.any():
        return image
    fixed = np.rint(ends[near] * (1 << _SHIFT)).astype(np.int32)
    drawn = image.copy()
    for (one, other), colour in zip(fixed.tolist(), colours[near].tolist(), strict=True):
        cv2.line(drawn, one, other, colour, thick, cv2.LINE_AA, _SHIFT)
    return np.asarray(cv2.addWeighted(drawn, opacity, image, 1.0 - opacity, 0.0))


def _cut(
    start: FloatArray, stop: FloatArray, shape: tuple[int, ...], reach: float
) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Cut lines (M, 2) to (M, 2) at a frame that lies `reach` outside of the picture, as Liang and Barsky do.

    OpenCV counts in 32 bits, which a point far away would overflow; cutting changes no pixel of the picture.
    """
    low, high = np.full(2, -0.5 - reach), np.array([shape[1], shape[0]]) - 0.5 + reach
    way = stop - start
    with np.errstate(divide="ignore", invalid="ignore"):
        one, other = (low - start) / way, (high - start) / way
    # A line along an axis meets the two edges it runs beside never, or lies between them always.
    beside = way == 0.0
    inside = (start >= low) & (start <= high)
    enter = np.where(beside, np.where(inside, 0.0, np.inf), np.minimum(one, other)).max(axis=-1, initial=0.0)
    leave = np.where(beside, 1.0, np.maximum(one, other)).min(axis=-1, initial=1.0)
    near: npt.NDArray[np.bool_] = np.asarray(enter <= leave)
    part = np.where(near[:, np.newaxis], np.stack([enter, leave], axis=-1), 0.0)
    return start[:, np.newaxis] + way[:, np.newaxis] * part[..., np.newaxis], near
