"""A copy of a data set with one more column: all files as they are, but for its rows and `meta/info.json`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.adapters.lerobot.info import INFO, read_json
from lapsdata.errors import CorruptDataError, Problem, SchemaError, StorageError
from lapsdata.storage.atomic import atomic_folder, refuse_existing, storage_errors
from lapsdata.storage.parquet_rows import ParquetRows, parquet_errors

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa
    from numpy.typing import NDArray

    from lapsdata.adapters.lerobot.reading import LeRobotSet

__all__ = ["add_column", "refuse_column"]


def refuse_column(found: LeRobotSet, target: Path, name: str) -> None:
    """Refuse a copy that cannot be made, before anything is done for it; raises as `add_column`.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.adapters.lerobot.reading import read_set
    >>> from lapsdata.testing.episode_sets import write_lerobot
    >>> root = write_lerobot(pathlib.Path(tempfile.mkdtemp()) / "set")
    >>> refuse_column(read_set(root), root / "copy", "label")
    Traceback (most recent call last):
    lapsdata.errors.StorageError: ...: expected a folder beside the data set, got one within it ... [inside-source]
    """
    found.expect_loose()
    source, place = found.root.resolve(), target.resolve()
    if place == source or source in place.parents or place in source.parents:
        message = "expected a folder beside the data set, got one within it or around it"
        raise StorageError(Problem("inside-source", str(target), message, "a data set is never changed: name another"))
    refuse_existing(target, overwrite=False, fix="name another folder, or remove that one")
    if name in [one.name for one in found.info.features] + [one.name for one in found.info.cameras]:
        message = f"expected a data set without {name}, got one that has it"
        raise SchemaError(
            Problem("column-there", f"{found.root / INFO}: features: {name}", message, "start from another")
        )


def add_column(
    found: LeRobotSet,
    target: Path,
    name: str,
    entry: Mapping[str, Any],
    columns: Mapping[int, tuple[NDArray[np.int64], NDArray[np.bool_]]],
) -> None:
    """Copy a data set with a column of whole numbers more; the source is only read.

    Groups of rows, compression and all that files say of themselves stay; so do all other files, byte by byte.
    Statistics tell nothing of the new column.

    Parameters
    ----------
    found : LeRobotSet
    target : Path
        The new folder; it appears when it is complete.
    name : str
        Of the column.
    entry : mapping
        What `features` of `info.json` says of it: `dtype`, `shape` [L], and more.
    columns : mapping of (int64 (R, L), bool (R,))
        By place of the episode, its values and which of its rows have none. Other rows have none either.

    Raises
    ------
    StorageError
        The folder is there, or lies within the source; something cannot be read or written.
    SchemaError
        The column is there.
    CorruptDataError
        A file of rows that has too few, or cannot be decoded.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.adapters.lerobot.reading import read_set
    >>> from lapsdata.testing.episode_sets import write_lerobot
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> found = read_set(write_lerobot(folder / "set", lengths=(3,)))
    >>> entry = {"dtype": "int64", "shape": [2], "names": None, "info": {"nullable": True}}
    >>> values = np.array([[1, 2], [3, 4], [0, 0]])
    >>> add_column(found, folder / "copy", "label", entry, {0: (values, np.array([False, False, True]))})
    >>> ParquetRows(folder / "copy/data/chunk-000/episode_000000.parquet").values(0, "label")
    [[1, 2], [3, 4], None]
    """
    refuse_column(found, target, name)
    length = int(entry["shape"][0])
    ours = {(found.root / file).resolve(): at for at, file in enumerate(found.episodes.files)}
    rows_folder = found.info.data_path.partition("/")[0]

    def copied(source: str, place: str) -> None:
        path = Path(source)
        if path == found.root / INFO:
            told = read_json(path)
            told["features"][name] = dict(entry)
            Path(place).write_text(json.dumps(told, indent=4, ensure_ascii=False), encoding="utf-8")
        elif path.suffix == ".parquet" and path.relative_to(found.root).parts[0] == rows_folder:
            values, null = _of_file(found, path, ours.get(path.resolve(), -1), columns, length)
            _write_beside(path, Path(place), name, values, null)
        else:
            shutil.copyfile(source, place)

    with atomic_folder(target) as temporary, storage_errors(target, "copy the data set"):
        shutil.copytree(found.root, temporary, copy_function=copied, dirs_exist_ok=True)


def _of_file(
    found: LeRobotSet,
    path: Path,
    file: int,
    columns: Mapping[int, tuple[NDArray[np.int64], NDArray[np.bool_]]],
    length: int,
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the values of all rows of a file, and which have none: all, where no episode is in it."""
    episodes = found.episodes
    rows = len(ParquetRows(path))
    values, null = np.zeros((rows, length), np.int64), np.ones(rows, bool)
    for place in np.flatnonzero(episodes.file_index == file).tolist():
        first, until = int(episodes.first_row[place]), int(episodes.first_row[place] + episodes.rows[place])
        if until > rows:
            message = f"expected rows {first} to {until}, got a file of {rows}"
            raise CorruptDataError(Problem("too-few-rows", f"{path}: episode {int(episodes.number[place])}", message))
        if place in columns:
            values[first:until], null[first:until] = columns[place]
    return values, null


def _write_beside(source: Path, target: Path, name: str, values: NDArray[np.int64], null: NDArray[np.bool_]) -> None:
    """Write the rows of a file with a column more, group by group."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with parquet_errors(source), pq.ParquetFile(source) as file:
        one = values.shape[1] == 1
        kind = pa.int64() if one else pa.list_(pa.int64(), values.shape[1])
        schema = file.schema_arrow.append(pa.field(name, kind))
        codec = file.metadata.row_group(0).column(0).compression if file.metadata.num_row_groups else "SNAPPY"
        with pq.ParquetWriter(target, schema, compression="NONE" if codec == "UNCOMPRESSED" else codec) as writer:
            first = 0
            for group in range(file.metadata.num_row_groups):
                table: pa.Table = file.read_row_group(group, use_threads=False)
                part = slice(first, first + len(table))
                table = table.append_column(schema.field(name), _column(values[part], null[part]))
                writer.write_table(table, row_group_size=max(1, len(table)))
                first += len(table)


def _column(values: NDArray[np.int64], null: NDArray[np.bool_]) -> pa.Array:
    """Return values as Arrow has them; one number in a row is no list, as LeRobot writes it."""
    import pyarrow as pa

    if values.shape[1] == 1:
        return pa.array(values[:, 0], mask=null)
    flat = pa.array(np.ascontiguousarray(values).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, values.shape[1], mask=pa.array(null))
