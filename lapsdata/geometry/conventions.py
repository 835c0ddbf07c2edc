"""Points between the contract (pixel xy, centre of the top-left pixel = (0, 0)) and other conventions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lapsdata.geometry._arrays import Real, checked, choice, expect
from lapsdata.geometry.frame_size import FrameSize, QuarterTurn

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "RelativeOrigin",
    "RelativeUnit",
    "inside_frame",
    "pixel_to_relative",
    "relative_to_pixel",
    "swap_xy",
    "turn_points",
]

RelativeUnit = Literal["fraction", "percent"]
"""Whether the whole side of the frame is 1 or 100."""

RelativeOrigin = Literal["edge", "centre"]
"""Where 0 lies: on the outer edge of the top-left pixel, or on its centre."""

_WHOLE: dict[RelativeUnit, float] = {"fraction": 1.0, "percent": 100.0}
_ZERO: dict[RelativeOrigin, float] = {"edge": 0.5, "centre": 0.0}


def relative_terms(
    size: FrameSize, unit: RelativeUnit, origin: RelativeOrigin
) -> tuple[NDArray[np.float64], float, float]:
    """Return (sides, whole, shift) of `relative = (pixel + shift) / sides * whole`, the only place it stands."""
    expect(size, "size", FrameSize)
    choice(unit, "unit", RelativeUnit)
    choice(origin, "origin", RelativeOrigin)
    return np.array([size.width, size.height], dtype=np.float64), _WHOLE[unit], _ZERO[origin]


def swap_xy(points: NDArray[Real]) -> NDArray[Real]:
    """Return points with their two coordinates exchanged: xy to yx (row, column), or back.

    Parameters
    ----------
    points : NDArray, shape (..., 2), float32 or float64

    Returns
    -------
    NDArray, shape (..., 2), dtype of `points`
        A copy.

    Raises
    ------
    SchemaError
        Wrong shape (`wrong-shape`) or dtype (`wrong-dtype`).

    Examples
    --------
    >>> swap_xy(np.array([[300.0, 20.0]]))
    array([[ 20., 300.]])
    """
    return checked(points, "points", (2,))[..., ::-1].copy()


def pixel_to_relative(
    points: NDArray[Real], size: FrameSize, *, unit: RelativeUnit, origin: RelativeOrigin
) -> NDArray[Real]:
    """Divide pixel positions by the sides of the frame; positions outside the frame stay outside [0, 1].

    Parameters
    ----------
    points : NDArray, shape (..., 2), float32 or float64, pixel xy, centre of the top-left pixel = (0, 0)
    size : FrameSize
        The frame that `points` refer to.
    unit : {"fraction", "percent"}
        Whether a whole side is 1 or 100.
    origin : {"edge", "centre"}
        `"edge"`: `(x + 0.5) / W`; the frame spans exactly 0 to 1, a point is where a viewer sees it (YOLO,
        COCO, Label Studio). `"centre"`: `x / W`; 0 is the centre of the first pixel, the frame
        spans -0.5/W to 1 - 0.5/W (tools that divide an index by the side, such as ATM's tracks).

    Returns
    -------
    NDArray, shape (..., 2), dtype of `points`
        Relative xy; computed in float64 and rounded once. NaN stays NaN.

    Raises
    ------
    SchemaError
        Wrong shape (`wrong-shape`), dtype (`wrong-dtype`) or word (`unknown-choice`).

    Examples
    --------
    >>> from lapsdata.geometry import FrameSize
    >>> middle = np.array([319.5, 99.5])
    >>> pixel_to_relative(middle, FrameSize(width=640, height=200), unit="percent", origin="edge")
    array([50., 50.])
    """
    points = checked(points, "points", (2,))
    sides, whole, shift = relative_terms(size, unit, origin)
    return ((points.astype(np.float64) + shift) / sides * whole).astype(points.dtype)


def relative_to_pixel(
    points: NDArray[Real], size: FrameSize, *, unit: RelativeUnit, origin: RelativeOrigin
) -> NDArray[Real]:
    """Turn positions relative to the frame into pixels; the inverse of `pixel_to_relative`.

    Parameters
    ----------
    points : NDArray, shape (..., 2), float32 or float64, relative xy
    size : FrameSize
        The frame that the result refers to.
    unit : {"fraction", "percent"}
        Whether a whole side is 1 or 100.
    origin : {"edge", "centre"}
        Where 0 lies; see `pixel_to_relative`.

    Returns
    -------
    NDArray, shape (..., 2), dtype of `points`
        Pixel xy, centre of the top-left pixel = (0, 0).

    Raises
    ------
    SchemaError
        Wrong shape (`wrong-shape`), dtype (`wrong-dtype`) or word (`unknown-choice`).

    Examples
    --------
    >>> from lapsdata.geometry import FrameSize
    >>> corner = np.array([0.0, 1.0])
    >>> relative_to_pixel(corner, FrameSize(width=640, height=200), unit="fraction", origin="edge")
    array([ -0.5, 199.5])
    """
    points = checked(points, "points", (2,))
    sides, whole, shift = relative_terms(size, unit, origin)
    return (points.astype(np.float64) / whole * sides - shift).astype(points.dtype)


def inside_frame(points: NDArray[np.floating[Any]], size: FrameSize) -> NDArray[np.bool_]:
    """Tell which points lie on a pixel of the frame: -0.5 <= x < W - 0.5 and -0.5 <= y < H - 0.5.

    Parameters
    ----------
    points : NDArray, shape (..., 2), float32 or float64, pixel xy, centre of the top-left pixel = (0, 0)
    size : FrameSize

    Returns
    -------
    NDArray, shape (...), bool
        False for NaN.

    Raises
    ------
    SchemaError
        Wrong shape (`wrong-shape`) or dtype (`wrong-dtype`).

    Examples
    --------
    >>> from lapsdata.geometry import FrameSize
    >>> inside_frame(np.array([[639.4, 0.0], [0.0, 300.0]]), FrameSize(width=640, height=200))
    array([ True, False])
    """
    points = checked(points, "points", (2,))
    expect(size, "size", FrameSize)
    limit = np.array([size.width - 0.5, size.height - 0.5])
    inside: NDArray[np.bool_] = np.all((points >= -0.5) & (points < limit), axis=-1)
    return inside


def turn_points(points: NDArray[Real], size: FrameSize, *, clockwise: QuarterTurn) -> NDArray[Real]:
    """Carry points along when a frame is turned by a multiple of 90 degrees.

    Parameters
    ----------
    points : NDArray, shape (..., 2), float32 or float64, pixel xy, centre of the top-left pixel = (0, 0)
        Positions in the frame as it is stored.
    size : FrameSize
        Size before the turn; `size.turned(clockwise)` is the size after it.
    clockwise : {0, 90, 180, 270}
        Degrees, as seen on the screen. FFmpeg's `rotate` tag counts this way, its display matrix the other way.

    Returns
    -------
    NDArray, shape (..., 2), dtype of `points`
        Positions in the turned frame.

    Raises
    ------
    SchemaError
        Wrong shape (`wrong-shape`), dtype (`wrong-dtype`) or angle (`unknown-choice`).

    Examples
    --------
    >>> from lapsdata.geometry import FrameSize
    >>> turn_points(np.array([0.0, 0.0]), FrameSize(width=640, height=200), clockwise=90)
    array([199.,   0.])
    """
    points = checked(points, "points", (2,))
    expect(size, "size", FrameSize)
    choice(clockwise, "clockwise", QuarterTurn)
    x, y = points[..., 0], points[..., 1]
    last_x, last_y = size.width - 1, size.height - 1
    turned = {0: (x, y), 90: (last_y - y, x), 180: (last_x - x, last_y - y), 270: (y, last_x - x)}
    return np.stack(turned[clockwise], axis=-1).astype(points.dtype, copy=False)
