"""Where query points are laid: over the whole frame, or as AMPLIFY and CoTracker lay them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from lapsdata.errors import Problem, SchemaError
from lapsdata.geometry._arrays import choice, expect, whole
from lapsdata.geometry.frame_size import FrameSize, PixelArea

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["GridKind", "GridOrder", "PointGrid", "amplify_grid", "cotracker_grid", "uniform_grid"]

GridKind = Literal["uniform", "amplify_square", "cotracker"]
"""Name of a layout, as it stands in headers."""

GridOrder = Literal["row_major", "column_major"]
"""Which index runs fastest: `row_major` the column (x), `column_major` the row (y)."""

# A cell more than twice as long as wide samples one axis at half the density: then the count is the mistake.
_LONGEST_CELL = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class PointGrid:
    """Query points with the names that a header keeps.

    Parameters
    ----------
    points : NDArray, shape (N, 2), float32, pixel xy, centre of the top-left pixel = (0, 0), read-only
    kind : {"uniform", "amplify_square", "cotracker"}
    order : {"row_major", "column_major"}
    rows, columns : int
        N = rows * columns.

    Examples
    --------
    >>> from lapsdata.geometry import FrameSize
    >>> grid = uniform_grid(FrameSize(width=320, height=240), count=12)
    >>> grid.kind, grid.order, grid.rows, grid.columns
    ('uniform', 'row_major', 3, 4)
    """

    points: NDArray[np.float32]
    kind: GridKind
    order: GridOrder
    rows: int
    columns: int


def _lattice(x: NDArray[np.float64], y: NDArray[np.float64], kind: GridKind, order: GridOrder) -> PointGrid:
    indexing: Literal["xy", "ij"] = "xy" if order == "row_major" else "ij"
    points = np.stack(np.meshgrid(x, y, indexing=indexing), axis=-1).reshape(-1, 2).astype(np.float32)
    points.flags.writeable = False
    return PointGrid(points, kind, order, rows=len(y), columns=len(x))


def _at_least_one(value: int, name: str) -> None:
    problem = whole(value, name, 1)
    if problem is not None:
        raise SchemaError(problem)


def _rows_columns(count: int, area: PixelArea) -> tuple[int, int, float]:
    """Return (rows, columns, length of a cell over its width) of the most nearly square cells."""
    best = (0, 0, np.inf)
    for rows in (n for n in range(1, count + 1) if count % n == 0):
        columns = count // rows
        aspect = (area.width * rows) / (area.height * columns)
        stretch = max(aspect, 1 / aspect)
        if stretch < best[2]:
            best = (rows, columns, stretch)
    return best


def uniform_grid(
    size: FrameSize, *, count: int, order: GridOrder = "row_major", area: PixelArea | None = None
) -> PointGrid:
    """Lay exactly `count` points over a frame, each in the centre of its cell, cells as square as they can be.

    Parameters
    ----------
    size : FrameSize
    count : int, >= 1
        Number of points N; split into the rows x columns whose cells are nearest to squares (of two equally
        near ones, the one with fewer rows).
    order : {"row_major", "column_major"}
        Whether the column or the row index runs fastest.
    area : PixelArea or None
        Part of the frame that is covered, such as the picture between letterbox bars; None is the whole frame.

    Returns
    -------
    PointGrid
        Kind `"uniform"`; the outermost points are half a cell inside the outer edges of the area.

    Raises
    ------
    SchemaError
        Every split of `count` makes cells more than twice as long as wide (`no-near-square-grid`; the nearest
        counts that work are named), the area is outside (`area-outside-frame`), a value is wrong (`wrong-value`,
        `unknown-choice`).

    Examples
    --------
    >>> from lapsdata.geometry import FrameSize
    >>> grid = uniform_grid(FrameSize(width=771, height=480), count=400)
    >>> grid.rows, grid.columns
    (16, 25)
    >>> grid.points[:2]
    array([[14.92, 14.5 ],
           [45.76, 14.5 ]], dtype=float32)
    """
    _at_least_one(count, "count")
    choice(order, "order", GridOrder)
    expect(size, "size", FrameSize)
    area = PixelArea.whole(size) if area is None else area
    expect(area, "area", PixelArea)
    area.check_within(size)
    rows, columns, stretch = _rows_columns(int(count), area)
    if stretch > _LONGEST_CELL:
        raise SchemaError(_no_grid(int(count), area))
    x = area.x - 0.5 + (np.arange(columns) + 0.5) * area.width / columns
    y = area.y - 0.5 + (np.arange(rows) + 0.5) * area.height / rows
    return _lattice(x, y, "uniform", order)


def _no_grid(count: int, area: PixelArea) -> Problem:
    def works(n: int) -> bool:
        return _rows_columns(n, area)[2] <= _LONGEST_CELL

    above = count + 1
    while not works(above):
        above += 1
    below = next((n for n in range(count - 1, 0, -1) if works(n)), None)
    near = f"{above}" if below is None else f"{below} or {above}"
    return Problem(
        "no-near-square-grid",
        "count",
        f"expected a count that splits into near-square cells on {area.size}, got {count}",
        fix=f"take {near}",
    )


def amplify_grid(size: FrameSize, *, side: int = 20) -> PointGrid:
    """Lay AMPLIFY's query grid: `side` x `side` points over the left H x H square only, row index fastest.

    Upstream takes one image size, the height, for both axes (pairlab/AMPLIFY, amplify/utils/kp_utils): on a wide
    frame the right part gets no points. On 771 x 480 pixels x runs from 12 to 468, which is 61 % of the width.
    Normalised positions are linspace(-1 + 1/side, 1 - 1/side, side), pixels (v + 1) * H / 2.

    Parameters
    ----------
    size : FrameSize
    side : int, >= 1
        Points per row and column; N = side * side.

    Returns
    -------
    PointGrid
        Kind `"amplify_square"`, order `"column_major"`.

    Raises
    ------
    SchemaError
        The frame is so narrow, or `side` so large, that points would lie outside (`grid-outside-frame`); `side` is
        not an integer of at least 1 (`wrong-value`).

    Examples
    --------
    >>> from lapsdata.geometry import FrameSize
    >>> grid = amplify_grid(FrameSize(width=771, height=480))
    >>> grid.points[[0, 1, 20, -1]]
    array([[ 12.,  12.],
           [ 12.,  36.],
           [ 36.,  12.],
           [468., 468.]], dtype=float32)
    """
    _at_least_one(side, "side")
    expect(size, "size", FrameSize)
    # (v + 1) * H / 2 with v = -1 + (2 i + 1) / side, without the rounding of linspace.
    places = (2 * np.arange(side) + 1) * size.height / (2 * side)
    if places[-1] >= min(size.width, size.height) - 0.5:
        raise SchemaError(
            Problem(
                "grid-outside-frame",
                "size",
                f"expected a frame that reaches x = y = {places[-1]:g}, the last point of AMPLIFY's square, got {size}",
                fix="use uniform_grid",
            )
        )
    return _lattice(places, places, "amplify_square", "column_major")


def cotracker_grid(size: FrameSize, *, side: int) -> PointGrid:
    """Lay the grid that CoTracker makes for `grid_size=side`: `side` x `side` points, column index fastest.

    x runs from W/64 to W - W/64 and y from W/64 to H - W/64: the margin is a part of the width on both axes
    (facebookresearch/co-tracker, cotracker/models/core/model_utils.py). One point lies at (W/2, H/2).

    Parameters
    ----------
    size : FrameSize
    side : int, >= 1
        Points per row and column; N = side * side.

    Returns
    -------
    PointGrid
        Kind `"cotracker"`, order `"row_major"`.

    Raises
    ------
    SchemaError
        The frame is so wide that the margins meet (`grid-outside-frame`); `side` is not an integer of at least 1
        (`wrong-value`).

    Examples
    --------
    >>> from lapsdata.geometry import FrameSize
    >>> cotracker_grid(FrameSize(width=640, height=480), side=2).points
    array([[ 10.,  10.],
           [630.,  10.],
           [ 10., 470.],
           [630., 470.]], dtype=float32)
    """
    _at_least_one(side, "side")
    expect(size, "size", FrameSize)
    margin = size.width / 64
    if 2 * margin >= size.height:
        raise SchemaError(
            Problem(
                "grid-outside-frame",
                "size",
                f"expected a height above W/32, got {size}: two margins of W/64 = {margin:g} leave no rows",
                fix="use uniform_grid",
            )
        )
    if side == 1:
        return _lattice(np.array([size.width / 2]), np.array([size.height / 2]), "cotracker", "row_major")
    x = np.linspace(margin, size.width - margin, side)
    y = np.linspace(margin, size.height - margin, side)
    return _lattice(x, y, "cotracker", "row_major")
