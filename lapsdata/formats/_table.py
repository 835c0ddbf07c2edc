"""Columns of tables: names for indices, null for NaN, tuples for texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.errors import Problem, SchemaError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

__all__ = ["named", "names_to_index", "nullable", "texts"]


def named(names: Sequence[str], index: NDArray[np.int64]) -> pa.Array:
    """Return the text column that spells out an index."""
    import pyarrow as pa

    return pa.array(names, pa.string()).take(pa.array(index))


def names_to_index(names: Sequence[str], column: pa.ChunkedArray, where: str) -> NDArray[np.int64]:
    """Return which of `names` each row of a text column is: int64 (rows,).

    Raises
    ------
    SchemaError
        Rows that speak of something the header does not list.
    """
    number = {name: i for i, name in enumerate(names)}
    spelled = column.to_pylist()
    unknown = sorted({str(name) for name in spelled if name not in number})
    if unknown:
        message = f"expected names of the header, got {unknown[:5]} ({len(unknown)} unknown)"
        raise SchemaError(Problem("unknown-name", where, message))
    return np.array([number[name] for name in spelled], np.int64)


def nullable(values: NDArray[np.float64]) -> pa.Array:
    """Return a float column with null for NaN."""
    import pyarrow as pa

    return pa.array(values, mask=np.isnan(values))


def texts(column: pa.ChunkedArray) -> tuple[Any, ...]:
    """Return a text column as a tuple of str, with None for null."""
    return tuple(column.to_pylist())
