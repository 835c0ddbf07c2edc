"""Rows of several sets as those of one: numbered on, tasks by their new numbers, all else as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.adapters.lerobot._out_rows import episode_tables
from lapsdata.errors import CorruptDataError, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from lapsdata.adapters.lerobot._edit_names import Names
    from lapsdata.adapters.lerobot.reading import LeRobotSet

__all__ = ["edited_tables", "task_columns"]


def task_columns(found: LeRobotSet) -> tuple[str, ...]:
    """Return the columns whose numbers are those of tasks."""
    columns = {"task_index", *found.episodes.header.annotations.values()}
    return tuple(feature.name for feature in found.info.features if feature.name in columns)


def edited_tables(
    sets: Sequence[LeRobotSet],
    names: Names,
    numbers: Sequence[Mapping[int, int]],
    changes: Sequence[Callable[[pa.Table, str], pa.Table]],
) -> Iterator[pa.Table]:
    """Yield the rows of all episodes, one after the other.

    Parameters
    ----------
    sets : sequence of LeRobotSet
        With the episodes that are kept.
    names : Names
    numbers : sequence of mapping of int
        For each set, what its numbers of tasks have become.
    changes : sequence of callable
        For each set, what is made of the numbers of an episode, given its rows and its place for messages.

    Raises
    ------
    CorruptDataError
        Rows that are not there, or name a task that has no words where tasks get new numbers.
    """
    episode, index, order = 0, 0, list[str]()
    for found, became, changed in zip(sets, numbers, changes, strict=True):
        columns = task_columns(found) if any(old != new for old, new in became.items()) else ()
        for number, table in zip(found.episodes.number.tolist(), episode_tables(found), strict=True):
            own = {"episode_index": np.full(len(table), episode), "index": index + np.arange(len(table))}
            for name in columns:
                own[name] = _mapped(table.column(name), became, f"{found.root}: episode {number}: {name}")
            renewed = table
            for name, values in own.items():
                renewed = _replaced(renewed, name, values) if name in table.column_names else renewed
            renewed = names.table(changed(renewed, f"{found.root}: episode {number}"))
            order = order or renewed.column_names
            yield renewed if renewed.column_names == order else renewed.select(_ordered(renewed.column_names, order))
            episode, index = episode + 1, index + len(table)


def _ordered(there: Collection[str], order: Sequence[str]) -> list[str]:
    return [name for name in order if name in there] + [name for name in there if name not in order]


def _mapped(column: pa.ChunkedArray, became: Mapping[int, int], where: str) -> NDArray[np.int64]:
    import pyarrow as pa

    flat = column.combine_chunks()
    flat = flat if pa.types.is_integer(flat.type) else flat.flatten()
    values = flat.to_pylist()
    if strange := sorted({str(value) for value in values if value not in became}):
        message = f"expected numbers of tasks that have words, {sorted(became)}, got {', '.join(strange[:6])}"
        raise CorruptDataError(Problem("unknown-task", where, message, "name them in meta/tasks"))
    return np.array([became[value] for value in values], np.int64)


def _replaced(table: pa.Table, name: str, values: NDArray[Any]) -> pa.Table:
    """Return rows with other whole numbers in a column, which keeps its type: also that of lists of one."""
    import pyarrow as pa

    at = table.schema.get_field_index(name)
    field = table.schema.field(at)
    plain = pa.types.is_integer(field.type)
    array = pa.array(values).cast(field.type) if plain else pa.array([[v] for v in values.tolist()], field.type)
    return table.set_column(at, field, array)
