"""Tables of `meta/` in each form that programs write: JSON lines, one Parquet file, or folders of them."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from lapsdata.adapters.lerobot._line_kinds import JsonLines, expect_alike, expect_known, in_words
from lapsdata.errors import Problem, Problems, SchemaError
from lapsdata.storage.atomic import storage_errors
from lapsdata.storage.lfs_pointer import LFS_HEAD, refuse_pointer
from lapsdata.storage.parquet_rows import read_parquet

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import pyarrow as pa

__all__ = ["MetaTable", "each_line", "find_table", "joined", "json_lines", "parquet_files"]


class MetaTable(NamedTuple):
    """One table of `meta/`.

    Parameters
    ----------
    files : tuple of Path
        What it was read from.
    table : pyarrow.Table
    notes : tuple of Problem
    """

    files: tuple[Path, ...]
    table: pa.Table
    notes: tuple[Problem, ...]


def find_table(meta: Path, name: str, leave_out: str | None = None) -> MetaTable | None:
    r"""Return the table `name` of a folder `meta`, in whatever form it is there; None where it is in none.

    Parameters
    ----------
    meta : Path
    name : str
        `episodes`, `tasks` or `episodes_stats`.
    leave_out : str, optional
        Columns that begin so are not read.

    Raises
    ------
    SchemaError
        Lines that are no JSON objects: all of them.
    UnknownFormatError, CorruptDataError, StorageError
        A file that cannot be read.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> meta = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (meta / "tasks.jsonl").write_text('{"task_index": 0, "task": "pick"}\n\n')
    >>> found = find_table(meta, "tasks")
    >>> found.table.num_rows, found.notes[0].code
    (1, 'blank-lines')
    """
    import pyarrow as pa

    lines = meta / f"{name}.jsonl"
    files = parquet_files(meta, name)
    if lines.is_file():
        read = json_lines(lines)
        notes = read.notes
        if files:
            message = f"it is there twice, as {lines.name} and as {files[0].relative_to(meta)}: the lines are read"
            notes = (*notes, Problem("table-twice", str(lines), message, "delete one of them", "warning"))
        try:
            return MetaTable((lines,), pa.Table.from_pylist(read.rows), notes)
        except (pa.ArrowException, OverflowError) as error:
            expect_alike(read, lines)
            message = f"expected values of one kind under each key, also in lists of objects, got others: {error}"
            raise SchemaError(Problem("unlike-rows", str(lines), message)) from None
    if not files:
        return None
    tables = [_read(file, leave_out) for file in files]
    return MetaTable(tuple(files), joined(tables, files[0]), ())


def joined(tables: Sequence[pa.Table], first: Path) -> pa.Table:
    """Return tables of several files one after the other; a column that one lacks is empty there.

    Raises
    ------
    SchemaError
        Columns of one name and of types that have nothing in common.
    """
    import pyarrow as pa

    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowException as error:
        message = f"expected columns of one type in this file and in those after it, got others: {error}"
        raise SchemaError(Problem("unlike-columns", str(first), message)) from None


def parquet_files(meta: Path, name: str) -> list[Path]:
    """Return `<name>.parquet`, or the files of `<name>/chunk-*/` in order of their numbers."""
    single = meta / f"{name}.parquet"
    with storage_errors(meta, "list"):
        return [single] if single.is_file() else sorted((meta / name).glob("chunk-*/file-*.parquet"))


def json_lines(path: Path) -> JsonLines:
    """Return the objects of a file of JSON lines; blank lines are left out and counted, so is a last one that is cut.

    Raises
    ------
    SchemaError
        Lines that are no JSON objects, or have what does not belong under keys of LeRobot: all of them.
    UnknownFormatError
        A Git LFS pointer stands for the file.
    StorageError
        It cannot be read.
    """
    found, every = Problems(), list(each_line(path))
    notes: tuple[Problem, ...] = ()
    if len(every) > 1 and isinstance(cut := every[-1], Problem) and not _ended(path):
        every.pop()
        message = (
            "expected an end of the line, got a line that is cut, as a program leaves it that was killed: left out"
        )
        notes = (Problem("cut-line", cut.where, message, "take the file from a copy, or delete the line", "warning"),)
    found.extend(line for line in every if isinstance(line, Problem))
    found.raise_as(SchemaError)
    rows = [(number, line) for number, line in enumerate(every, 1) if isinstance(line, dict)]
    if blank := len(every) - len(rows):
        message = f"{blank} blank of {len(every)} lines are left out"
        fix = "delete them: some readers stop there"
        notes = (*notes, Problem("blank-lines", str(path), message, fix, "info"))
    return expect_known(JsonLines([line for _, line in rows], [number for number, _ in rows], notes), path)


def _ended(path: Path) -> bool:
    """Say whether the last line of a file has an end."""
    with storage_errors(path, "read"), path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def each_line(path: Path) -> Iterator[dict[str, Any] | Problem | None]:
    """Give the object of each line of a file of JSON lines, one after the other: a file may be larger than memory.

    A blank line gives None, and one that is no object what is wrong with it; raises as `json_lines` otherwise.
    """
    with storage_errors(path, "read"), path.open("rb") as file:
        refuse_pointer(file.read(len(LFS_HEAD)), path, "JSON lines")
        file.seek(0)
        for number, line in enumerate(file, 1):
            where = f"{path}: line {number}"
            if not line.strip():
                yield None
                continue
            try:
                row = json.loads(line.decode("utf-8-sig"))
            except (ValueError, RecursionError) as error:
                yield Problem("not-json", where, f"expected a JSON object, got: {error}")
                continue
            if isinstance(row, dict):
                yield row
            else:
                yield Problem("wrong-type", where, f"expected a JSON object, got {in_words(row)}")


def _read(path: Path, leave_out: str | None) -> pa.Table:
    if leave_out is None:
        return read_parquet(path)
    from lapsdata.storage.parquet_rows import ParquetRows

    names: Sequence[str] = ParquetRows(path).schema.names
    return read_parquet(path, [name for name in names if not name.startswith(leave_out)])
