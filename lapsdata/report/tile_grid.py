"""How many pictures stand in a row."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lapsdata.errors import Problems, SchemaError, whole_number

__all__ = ["TileGrid"]

# The shape that a sheet comes close to when nobody says how many columns it has.
_SHAPE = 1.4


@dataclass(frozen=True, slots=True)
class TileGrid:
    """How many cells a sheet has, and in how many columns.

    Parameters
    ----------
    columns, rows : int or None
        1 to 100; None is chosen, so that the usual number of cells finds a place and the sheet comes out somewhat
        wider than high.

    Raises
    ------
    SchemaError
        A number that is no integer from 1 to 100 (`out-of-range`).

    Examples
    --------
    >>> TileGrid(columns=8).count(usual=12), TileGrid(columns=8, rows=1).count(usual=12)
    (16, 8)
    >>> TileGrid().columns_for(12, aspect=4 / 3), TileGrid().columns_for(12, aspect=480 / 771)
    (4, 6)
    """

    columns: int | None = None
    rows: int | None = None

    def __post_init__(self) -> None:
        found = Problems()
        for name, value in (("columns", self.columns), ("rows", self.rows)):
            if value is not None and not 1 <= (whole_number(value) or 0) <= 100:
                found.add("out-of-range", name, f"expected an integer from 1 to 100, got {value!r}")
        found.raise_as(SchemaError)

    def count(self, usual: int) -> int:
        """Return how many cells find a place: `usual` (int) of them, unless the grid says otherwise."""
        given = [number for number in (self.columns, self.rows) if number is not None]
        if len(given) == 1:
            return given[0] * math.ceil(usual / given[0])
        return math.prod(given) if given else usual

    def columns_for(self, count: int, aspect: float) -> int:
        """Return the number of columns for `count` cells whose width is `aspect` times their height."""
        if self.columns is not None:
            return min(self.columns, count)
        if self.rows is not None:
            return math.ceil(count / min(self.rows, count))

        def badness(columns: int) -> float:
            rows = math.ceil(count / columns)
            return abs(math.log(columns * aspect / rows / _SHAPE)) + (columns * rows - count) / count

        return min(range(1, count + 1), key=badness)
