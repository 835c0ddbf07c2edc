"""Where the points of each window begin: a grid, drawn points, or those of a file; always in source pixels."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from lapsdata.errors import CorruptDataError, Problem, SchemaError
from lapsdata.geometry import inside_frame, uniform_grid
from lapsdata.storage.atomic import existing, storage_errors
from lapsdata.storage.npy_errors import npy_errors

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.geometry import FrameSize, PixelArea

__all__ = ["QueryLayout", "query_points"]

_SHOWN = 5


@dataclass(frozen=True, eq=False)
class QueryLayout:
    """Query points of every window.

    Parameters
    ----------
    kind : str
        As `lapsdata.schema.tracks.Grid`: "uniform", "random" or "file".
    order : {"row_major", "none"}
        How they are numbered.
    points : callable
        From the number of a window to its points: float32 (N, 2), source pixel xy; N never changes.
    """

    kind: str
    order: Literal["row_major", "none"]
    points: Callable[[int], NDArray[np.float32]]


def query_points(
    query: Literal["uniform", "random", "file"],
    size: FrameSize,
    *,
    count: int,
    area: PixelArea,
    seed: int = 0,
    file: Path | None = None,
) -> QueryLayout:
    """Lay out the query points of all windows.

    Parameters
    ----------
    query : {"uniform", "random", "file"}
        A grid over the area; points drawn anew for each window, uniformly over the area, by seed and number of the
        window; or the points of a file, the same for each window.
    size : FrameSize
        Frame of the source.
    count : int
        Number of points N of the first two.
    area : PixelArea
        Where the picture is.
    seed : int
    file : Path, optional
        `.npy` with (N, 2) numbers, or text with `x,y` in each line, a heading allowed.

    Raises
    ------
    SchemaError
        No file given, points outside of the frame, or a count that no near-square grid has.
    StorageError
        The file is not there, or may not be read.
    CorruptDataError
        The file does not hold points.

    Examples
    --------
    >>> from lapsdata.geometry import FrameSize, PixelArea
    >>> size = FrameSize(width=771, height=480)
    >>> layout = query_points("uniform", size, count=400, area=PixelArea.whole(size))
    >>> layout.points(0).shape, layout.kind
    ((400, 2), 'uniform')
    """
    if query == "uniform":
        grid = uniform_grid(size, count=count, area=area).points
        return QueryLayout("uniform", "row_major", lambda _: grid)
    if query == "random":
        return QueryLayout("random", "none", lambda number: _drawn(count, area, seed, number))
    if file is None:
        raise SchemaError(Problem("no-queries", "query", "expected a file of points, got none"))
    points = _of_file(file, size)
    return QueryLayout("file", "none", lambda _: points)


def _drawn(count: int, area: PixelArea, seed: int, number: int) -> NDArray[np.float32]:
    share = np.random.default_rng([seed, number]).random((count, 2))
    low = np.array([area.x, area.y]) - 0.5
    points = (low + share * (area.width, area.height)).astype(np.float32)
    # Rounding to float32 must not reach the far edge, which is outside.
    edge = np.array([area.right - 0.5, area.bottom - 0.5], np.float32)
    return np.minimum(points, np.nextafter(edge, np.float32(0)))


def _of_file(file: Path, size: FrameSize) -> NDArray[np.float32]:
    with storage_errors(file, "read"):
        content = existing(file).read_bytes()
    points = _array(file) if content.startswith(b"\x93NUMPY") else _text(content, file)
    if points.ndim != 2 or points.shape[1] != 2 or not len(points):
        message = f"expected (N, 2) source pixel xy with N >= 1, got {points.shape}"
        raise CorruptDataError(Problem("wrong-shape", str(file), message))
    xy = points.astype(np.float32)
    outside = np.flatnonzero(~inside_frame(xy, size))
    if outside.size:
        rows = ", ".join(f"row {row} ({xy[row, 0]:g}, {xy[row, 1]:g})" for row in outside[:_SHOWN])
        message = f"expected points of the {size} frame, got {outside.size} outside: {rows}"
        raise SchemaError(Problem("outside-frame", str(file), message, "give source pixels, x before y"))
    return xy


def _array(file: Path) -> NDArray[np.float64]:
    try:
        with npy_errors():
            points = np.load(file, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise CorruptDataError(Problem("wrong-file", str(file), f"expected a .npy of numbers, got: {error}")) from error
    if points.dtype.kind not in "iuf":
        raise CorruptDataError(Problem("wrong-file", str(file), f"expected a .npy of numbers, got {points.dtype}"))
    return np.asarray(points, np.float64)


def _text(content: bytes, file: Path) -> NDArray[np.float64]:
    try:
        rows = [row for row in csv.reader(content.decode("utf-8-sig").splitlines()) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        message = f"expected text with x,y in each line, or .npy, got: {error}"
        raise CorruptDataError(Problem("wrong-file", str(file), message)) from error
    if rows and [cell.strip().lower() for cell in rows[0]] == ["x", "y"]:
        rows = rows[1:]
    points = []
    for number, row in enumerate(rows):
        try:
            x, y = map(float, row)
        except ValueError:
            message = f"expected two numbers x,y, got {','.join(row)[:40]!r}"
            raise CorruptDataError(Problem("wrong-row", f"{file}: row {number}", message)) from None
        points.append((x, y))
    return np.array(points, np.float64).reshape(-1, 2)
