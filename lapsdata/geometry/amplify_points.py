"""AMPLIFY's coordinates: (row, column), -1 to 1 over the height and the width, without a half-pixel term."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Literal

import numpy as np

from lapsdata.errors import Problems, SchemaError
from lapsdata.geometry._arrays import Real, checked, choice, expect
from lapsdata.geometry.frame_size import FrameSize

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["AmplifyPoints", "LostPolicy", "OutsidePolicy", "amplify_to_pixel", "pixel_to_amplify"]

OutsidePolicy = Literal["raise", "keep", "clip", "nan"]
"""What becomes of points beyond [-1, 1]."""

LostPolicy = Literal["raise", "keep", "zero"]
"""What becomes of points with a NaN or infinite coordinate."""


@dataclass(frozen=True, slots=True, eq=False)
class AmplifyPoints(Generic[Real]):
    """Points in AMPLIFY's coordinates, with the number of points that a policy touched or would have touched.

    Parameters
    ----------
    row_col : NDArray, shape (..., 2), float32 or float64, -1 .. 1
        Row first.
    outside : int
        Points with a coordinate beyond [-1, 1], before the policy was applied.
    lost : int
        Points with a NaN or infinite coordinate, before the policy was applied.

    Examples
    --------
    >>> from lapsdata.geometry import FrameSize
    >>> points = np.array([[400.0, 120.0]], np.float32)
    >>> pixel_to_amplify(points, FrameSize(width=320, height=240), outside="clip").outside
    1
    """

    row_col: NDArray[Real]
    outside: int
    lost: int


def _half_sides(size: FrameSize, like: NDArray[Real]) -> NDArray[Real]:
    expect(size, "size", FrameSize)
    return np.array([size.height / 2, size.width / 2]).astype(like.dtype)


def pixel_to_amplify(
    points: NDArray[Real],
    size: FrameSize,
    *,
    outside: OutsidePolicy = "raise",
    lost: LostPolicy = "raise",
) -> AmplifyPoints[Real]:
    """Turn pixel xy into the (row, column) coordinates of AMPLIFY's motion tokenizer.

    Row `(y - H/2) / (H/2)`, column `(x - W/2) / (W/2)`, computed in the dtype of `points` as upstream does.
    Pixel 0 is -1 and pixel W is 1, so the right edge of the frame stays below 1 by half a pixel.
    Upstream replaces lost coordinates by pixel 0 and then clips, without a word; that is
    `outside="clip", lost="zero"` here (pairlab/AMPLIFY, amplify/loaders/libero_dataset.py).

    Parameters
    ----------
    points : NDArray, shape (..., 2), float32 or float64, pixel xy, centre of the top-left pixel = (0, 0)
    size : FrameSize
        The frame that `points` refer to.
    outside : {"raise", "keep", "clip", "nan"}
        Points beyond [-1, 1]: refuse them, leave them, move each coordinate to the border (which stops their
        motion), or make both coordinates NaN.
    lost : {"raise", "keep", "zero"}
        Points with a NaN or infinite coordinate: refuse them, leave them, or put each such coordinate to
        pixel 0 (which is -1 in the result and makes a jump).

    Returns
    -------
    AmplifyPoints
        `row_col` with the dtype of `points`, and both counts.

    Raises
    ------
    SchemaError
        Points are outside (`points-outside-frame`) or lost (`points-lost`) and the policy is `"raise"`;
        wrong shape (`wrong-shape`), dtype (`wrong-dtype`) or word (`unknown-choice`).

    Examples
    --------
    >>> from lapsdata.geometry import FrameSize
    >>> size = FrameSize(width=800, height=480)
    >>> pixel_to_amplify(np.array([[200.0, 240.0], [900.0, 0.0]]), size, outside="clip")
    AmplifyPoints(row_col=array([[ 0. , -0.5],
           [-1. ,  1. ]]), outside=1, lost=0)
    """
    points = checked(points, "points", (2,))
    choice(outside, "outside", OutsidePolicy)
    choice(lost, "lost", LostPolicy)
    finite = np.isfinite(points)
    lost_count = int(np.count_nonzero(~finite.all(axis=-1)))
    if lost == "zero":
        points = np.where(finite, points, points.dtype.type(0))
    half = _half_sides(size, points)
    row_col = (points[..., ::-1] - half) / half
    known = np.isfinite(points)[..., ::-1]
    beyond = np.any(known & (np.abs(row_col) > 1), axis=-1)
    outside_count = int(np.count_nonzero(beyond))
    _refuse(outside_count if outside == "raise" else 0, lost_count if lost == "raise" else 0, size)
    if outside == "clip":
        row_col = np.where(known, np.clip(row_col, -1, 1), row_col)
    elif outside == "nan":
        row_col = np.where(beyond[..., np.newaxis], row_col.dtype.type(np.nan), row_col)
    return AmplifyPoints(row_col.astype(points.dtype, copy=False), outside_count, lost_count)


def _refuse(outside: int, lost: int, size: FrameSize) -> None:
    found = Problems()
    if outside:
        message = f"expected 0 <= x <= {size.width} and 0 <= y <= {size.height}, got {outside} points outside"
        found.add("points-outside-frame", "points", message, fix='choose outside="keep", "clip" or "nan"')
    if lost:
        message = f"expected finite positions, got {lost} points with NaN or infinity"
        found.add("points-lost", "points", message, fix='choose lost="keep" or "zero"')
    found.raise_as(SchemaError)


def amplify_to_pixel(row_col: NDArray[Real], size: FrameSize) -> NDArray[Real]:
    """Turn AMPLIFY's (row, column) coordinates into pixel xy; the inverse of `pixel_to_amplify`.

    Parameters
    ----------
    row_col : NDArray, shape (..., 2), float32 or float64
        Row first; 1 is the height or the width. Values beyond [-1, 1] are kept.
    size : FrameSize
        The frame that the result refers to.

    Returns
    -------
    NDArray, shape (..., 2), dtype of `row_col`
        Pixel xy, centre of the top-left pixel = (0, 0).

    Raises
    ------
    SchemaError
        Wrong shape (`wrong-shape`) or dtype (`wrong-dtype`).

    Examples
    --------
    >>> from lapsdata.geometry import FrameSize
    >>> amplify_to_pixel(np.array([0.0, -0.5]), FrameSize(width=800, height=480))
    array([200., 240.])
    """
    row_col = checked(row_col, "row_col", (2,))
    half = _half_sides(size, row_col)
    points: NDArray[Real] = (row_col * half + half)[..., ::-1]
    return points.copy()
