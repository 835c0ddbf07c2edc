"""Statistics of each episode, lines of `episodes_stats` or columns `stats/`, and those of all episodes together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lapsdata.adapters.lerobot.layout import numbers_of
from lapsdata.adapters.lerobot.tables import each_line, joined, json_lines, parquet_files
from lapsdata.errors import Problem, SchemaError
from lapsdata.schema.feature_stats import MOMENTS, FeatureStats
from lapsdata.storage.parquet_rows import ParquetRows, column_array, read_parquet

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.adapters._stated import Stated

__all__ = ["EpisodeStats", "by_episode", "each_episode", "merged", "stated_numbers", "where_stated"]

_KINDS = (*MOMENTS, "count")
_LINES, _COLUMNS = "episodes_stats", "stats/"

Parts = dict[str, "NDArray[np.float64]"]
"""Min, max, mean, std (E, C) and count (E, 1) of episodes."""


class EpisodeStats(NamedTuple):
    """What is said of episodes.

    Parameters
    ----------
    by_feature : dict of Parts
        Of features of which each kind is said of every episode; NaN where it is no number.
    notes : tuple of Problem
    """

    by_feature: dict[str, Parts]
    notes: tuple[Problem, ...]


def by_episode(meta: Path, names: Sequence[str], numbers: NDArray[np.int64]) -> EpisodeStats | None:
    """Return what is said of episodes, by their number; None where nothing is said of any.

    Raises
    ------
    SchemaError
        Lines or columns of another form.
    UnknownFormatError, CorruptDataError, StorageError
        A file that cannot be read.
    """
    lines = meta / f"{_LINES}.jsonl"
    if lines.is_file():
        read = json_lines(lines)
        return EpisodeStats(_of_lines(read.rows, names, numbers, str(lines)), read.notes)
    if files := parquet_files(meta, _LINES):
        rows = [row for file in files for row in read_parquet(file).to_pylist()]
        return EpisodeStats(_of_lines(rows, names, numbers, str(files[0])), ())
    if files := parquet_files(meta, "episodes"):
        return _of_columns(files, names, numbers)
    return None


def where_stated(meta: Path) -> str | None:
    """Return where something is said of episodes, from the folder of the set on; None where nothing is."""
    lines, files = meta / f"{_LINES}.jsonl", parquet_files(meta, "episodes")
    if lines.is_file() or parquet_files(meta, _LINES):
        return f"{meta.name}/{lines.name if lines.is_file() else _LINES}"
    columns = files and any(name.startswith(_COLUMNS) for name in ParquetRows(files[0]).schema.names)
    return f"{meta.name}/episodes: {_COLUMNS}*" if columns else None


def each_episode(meta: Path, leave_out: Collection[str]) -> Iterator[tuple[int, Stated]]:
    """Give what is said of each episode, with its number, in the order of the files; raises as `by_episode`.

    Lines are read one at a time, and tables a file at a time.

    Parameters
    ----------
    meta : Path
    leave_out : collection of str
        Columns and cameras of which nothing is given.
    """
    lines, files = meta / f"{_LINES}.jsonl", parquet_files(meta, _LINES)
    if lines.is_file():
        for row in each_line(lines):
            if isinstance(row, Problem):
                raise SchemaError(row)
            if row is not None:
                number, stats = _of_row(row, str(lines))
                yield number, stated_numbers(stats, leave_out)
        return
    for file in files:
        for row in read_parquet(file).to_pylist():
            number, stats = _of_row(row, str(file))
            yield number, stated_numbers(stats, leave_out)
    for file in () if files else parquet_files(meta, "episodes"):
        yield from _of_file(file, leave_out)


def stated_numbers(told: Mapping[str, Any], leave_out: Collection[str]) -> Stated:
    """Return the numbers of what is said by feature and kind, but for some features; null is nothing."""
    return {
        name: {kind: _stacked([value])[0] for kind, value in one.items() if value is not None}
        for name, one in told.items()
        if name not in leave_out and isinstance(one, dict)
    }


def merged(parts: Parts, shape: tuple[int, ...]) -> FeatureStats | None:
    """Return the statistics of all episodes together; None where one has no numbers.

    Sums are of what is left when the mean of all is taken away (Chan, Golub, LeVeque 1979).
    """
    count = parts["count"]
    if not all(np.isfinite(parts[kind]).all() for kind in _KINDS) or (count < 1).any():
        return None
    mean = parts["mean"][0] + ((parts["mean"] - parts["mean"][0]) * count).sum(axis=0) / count.sum()
    squares = (count * (parts["std"] ** 2 + (parts["mean"] - mean) ** 2)).sum(axis=0)
    return FeatureStats(
        shape=shape,
        origin="merged",
        count=int(count.sum()),
        min=tuple(parts["min"].min(axis=0).tolist()),
        max=tuple(parts["max"].max(axis=0).tolist()),
        mean=tuple(mean.tolist()),
        std=tuple(np.sqrt(squares / count.sum()).tolist()),
    )


def _of_lines(
    rows: list[dict[str, Any]], names: Sequence[str], numbers: NDArray[np.int64], where: str
) -> dict[str, Parts]:
    told: dict[int, dict[str, Any]] = {}
    for row in rows:
        number, stats = _of_row(row, where)
        told[number] = stats
    found = {}
    for name in names:
        every = [(told.get(number) or {}).get(name) for number in numbers.tolist()]
        if all(isinstance(one, dict) and set(_KINDS) <= set(one) for one in every):
            found[name] = {kind: _stacked([one[kind] for one in every if one is not None]) for kind in _KINDS}
    return found


def _of_row(row: dict[str, Any], where: str) -> tuple[int, dict[str, Any]]:
    """Return the number of the episode that a line is of, and what it says."""
    stats, number = row.get("stats"), row.get("episode_index")
    if not isinstance(stats, dict) or not isinstance(number, int):
        message = f"expected objects with episode_index and stats, got {', '.join(row)}"
        raise SchemaError(Problem("wrong-value", where, message))
    return number, stats


def _of_file(path: Path, leave_out: Collection[str]) -> Iterator[tuple[int, Stated]]:
    """Give what the columns of one file say of each of its episodes."""
    columns = [name for name in ParquetRows(path).schema.names if name.startswith(_COLUMNS)]
    kinds = {column: column.removeprefix(_COLUMNS).rpartition("/")[::2] for column in columns}
    wanted = [column for column, (name, _) in kinds.items() if name not in leave_out]
    table = read_parquet(path, ["episode_index", *wanted])
    arrays = {column: _rows_of(table, column) for column in wanted}
    for row, number in enumerate(numbers_of(table, "episode_index", str(path)).tolist()):
        said: dict[str, dict[str, NDArray[np.float64]]] = {}
        for column, array in arrays.items():
            if (numbers := array[row]) is not None:
                name, kind = kinds[column]
                said.setdefault(name, {})[kind] = numbers
        yield number, said


def _rows_of(table: Any, column: str) -> Sequence[NDArray[np.float64] | None]:  # noqa: ANN401 - no types of pyarrow
    """Return numbers of each episode; None for one of which nothing is said."""
    found = _column(table, column)
    if found.shape[1]:
        return found  # type: ignore[return-value]  # rows of an array are arrays
    return [None if value is None else _stacked([value])[0] for value in table.column(column).to_pylist()]


def _stacked(values: list[Any]) -> NDArray[np.float64]:
    """Return numbers of episodes (E, C), whether they stand in lists or alone; (E, 0) for what is none."""
    try:
        return np.array(values, np.float64).reshape(len(values), -1)
    except (ValueError, TypeError):
        return np.empty((len(values), 0))


def _of_columns(files: Sequence[Path], names: Sequence[str], numbers: NDArray[np.int64]) -> EpisodeStats | None:
    columns = {(name, kind): f"{_COLUMNS}{name}/{kind}" for name in names for kind in _KINDS}
    there = set.intersection(*(set(ParquetRows(file).schema.names) for file in files))
    complete = [name for name in names if all(columns[name, kind] in there for kind in _KINDS)]
    if not complete:
        return None
    wanted = ["episode_index", *(columns[name, kind] for name in complete for kind in _KINDS)]
    table = joined([read_parquet(file, wanted) for file in files], files[0])
    every = numbers_of(table, "episode_index", str(files[0]))
    order = np.argsort(every, kind="stable")
    at = np.minimum(np.searchsorted(every[order], numbers), len(every) - 1)
    if (every[order][at] != numbers).any():
        return None
    table = table.take(order[at])
    return EpisodeStats({name: {kind: _column(table, columns[name, kind]) for kind in _KINDS} for name in complete}, ())


def _column(table: Any, name: str) -> NDArray[np.float64]:  # noqa: ANN401 - pyarrow publishes no types
    """Return numbers of episodes (E, C); (E, 0) for what is none."""
    try:
        return column_array(table.column(name), name).astype(np.float64).reshape(len(table), -1)
    except SchemaError:
        return np.empty((len(table), 0))
