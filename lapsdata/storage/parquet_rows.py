"""Columns of a Parquet table of others as arrays, a group of rows at a time."""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.errors import CorruptDataError, Problem, SchemaError, UnknownFormatError
from lapsdata.storage.atomic import storage_errors
from lapsdata.storage.lfs_pointer import LFS_HEAD, refuse_pointer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa
    from numpy.typing import NDArray

__all__ = ["ParquetRows", "column_array", "parquet_errors", "read_parquet"]

_ENDS = b"PAR1"
_AGAIN = "copy or download the file again"
_MAY_LACK = 'fill them in, or say where the column is described that rows may have none: "info": {"nullable": true}'


class ParquetRows:
    """One file of rows; it is opened for each group that is read, its footer is read once.

    Parameters
    ----------
    path : Path
    nulls : mapping of str to str
        Columns of which rows may have no value, by the name under which `read` says which: bool (R,). They have zeros
        there.

    Raises
    ------
    StorageError
        It is not there or may not be read.
    UnknownFormatError
        A Git LFS pointer, or no Parquet.
    CorruptDataError
        Its end is missing, or its footer is damaged.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import pyarrow, pyarrow.parquet
    >>> target = pathlib.Path(tempfile.mkdtemp()) / "rows.parquet"
    >>> table = pyarrow.table({"state": [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]})
    >>> pyarrow.parquet.write_table(table, target, row_group_size=2)
    >>> rows = ParquetRows(target)
    >>> rows.bounds.tolist(), rows.read(1, ["state"])["state"].tolist()
    ([0, 2, 3], [[5.0, 6.0]])
    """

    def __init__(self, path: Path, nulls: Mapping[str, str] | None = None) -> None:
        self.path = path
        self._nulls = dict(nulls or {})
        with _opened(path) as file:
            self._footer = file.metadata
        counts = [self._footer.row_group(group).num_rows for group in range(self._footer.num_row_groups)]
        self.bounds: NDArray[np.int64] = np.cumsum([0, *counts], dtype=np.int64)

    @functools.cached_property
    def schema(self) -> pa.Schema:
        """Names and types of the columns."""
        with parquet_errors(self.path):
            return self._footer.schema.to_arrow_schema()

    def __len__(self) -> int:
        """Return the number of rows."""
        return int(self.bounds[-1])

    def read(self, group: int, names: Sequence[str]) -> dict[str, NDArray[Any]]:
        """Return columns of a group of rows: each (R, ...), as `column_array` makes them.

        Raises
        ------
        SchemaError
            A column that is not there, or is none of numbers of one shape.
        CorruptDataError
            It cannot be decoded.
        StorageError
            It cannot be read.
        """
        table = self._group(group, list(dict.fromkeys(self._nulls.get(name, name) for name in names)))
        return {name: self._array(table, name) for name in names}

    def _array(self, table: pa.Table, name: str) -> NDArray[Any]:
        if name in self._nulls:
            absent: NDArray[Any] = table.column(self._nulls[name]).is_null().to_numpy()
            return absent
        nullable = name in self._nulls.values()
        return column_array(table.column(name), f"{self.path}: {name}", nullable=nullable, fix=_MAY_LACK)

    def values(self, group: int, name: str, first: int = 0, stop: int | None = None) -> list[Any]:
        """Return rows of a column of a group as values of Python: texts, or bytes of images."""
        table = self._group(group, [name])
        with parquet_errors(self.path):
            found: list[Any] = table.column(name)[first:stop].to_pylist()
        return found

    def _group(self, group: int, names: Sequence[str]) -> pa.Table:
        absent = [name for name in names if name not in self.schema.names]
        if absent:
            message = f"expected the columns {', '.join(absent)}, got {', '.join(self.schema.names)}"
            raise SchemaError(Problem("missing-column", str(self.path), message))
        twice = [name for name in names if self.schema.names.count(name) > 1]
        if twice:
            message = f"expected each column once, got {', '.join(twice)} more than once"
            raise SchemaError(Problem("column-twice", str(self.path), message, "write the file again without the copy"))
        with _opened(self.path, self._footer) as file:
            table = file.read_row_group(group, columns=list(names), use_threads=False)
        expected = int(self.bounds[group + 1] - self.bounds[group])
        if len(table) != expected:
            # A page that says wrongly how many values it holds.
            message = f"expected {expected} rows in group {group}, as its footer says, got {len(table)}"
            raise CorruptDataError(Problem("damaged-parquet", str(self.path), message, _AGAIN))
        return table


def read_parquet(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Return a whole table of others, or some of its columns; raises as `ParquetRows`.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import pyarrow, pyarrow.parquet
    >>> target = pathlib.Path(tempfile.mkdtemp()) / "tasks.parquet"
    >>> pyarrow.parquet.write_table(pyarrow.table({"task_index": [0, 1]}), target)
    >>> read_parquet(target).num_rows
    2
    """
    with _opened(path) as file:
        table = file.read(None if columns is None else list(columns), use_threads=False)
        table.validate(full=True)
        return table


def column_array(
    column: pa.ChunkedArray, where: str, *, nullable: bool = False, fix: str | None = None
) -> NDArray[Any]:
    """Return a column of numbers as an array: (R,), or (R, ...) of lists that are all equally long.

    Parameters
    ----------
    column : pyarrow.ChunkedArray
    where : str
        Place, for the messages.
    nullable : bool
        Whether rows may have no value; they have zeros then.
    fix : str, optional
        What to do where a row has none and may not.

    Raises
    ------
    SchemaError
        Lists of several lengths, no numbers, or integers of which some are missing; missing floats are NaN.

    Examples
    --------
    >>> import pyarrow
    >>> column_array(pyarrow.chunked_array([[[1, 2], [3, 4]]]), "state").shape
    (2, 2)
    """
    import pyarrow as pa

    if nullable:
        values = column_array(column.drop_null(), where)
        filled: NDArray[Any] = np.zeros((len(column), *values.shape[1:]), values.dtype)
        filled[column.is_valid().to_numpy()] = values
        return filled
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    shape: list[int] = [len(array)]
    while pa.types.is_list(array.type) or pa.types.is_large_list(array.type) or pa.types.is_fixed_size_list(array.type):
        if array.null_count:
            message = f"expected a list in every row, got none in {array.null_count}"
            raise SchemaError(Problem("missing-value", where, message, fix))
        inner = array.flatten()
        length = _one_length(array, where)
        shape.append(length)
        array = inner
    if not (pa.types.is_integer(array.type) or pa.types.is_floating(array.type) or pa.types.is_boolean(array.type)):
        raise SchemaError(Problem("wrong-type", where, f"expected numbers, got {array.type}"))
    if array.null_count and not pa.types.is_floating(array.type):
        message = f"expected a value in every row, got none in {array.null_count}"
        raise SchemaError(Problem("missing-value", where, message, fix))
    found: NDArray[Any] = array.to_numpy(zero_copy_only=False).reshape(shape)
    return found


def _one_length(array: Any, where: str) -> int:  # noqa: ANN401 - pyarrow publishes no types
    import pyarrow as pa

    if pa.types.is_fixed_size_list(array.type):
        return int(array.type.list_size)
    lengths = np.unique(np.diff(array.offsets.to_numpy()))
    if len(lengths) > 1:
        message = f"expected lists of one length, got lengths from {lengths[0]} to {lengths[-1]}"
        raise SchemaError(Problem("unlike-shapes", where, message))
    return int(lengths[0]) if len(lengths) else 0


@contextlib.contextmanager
def _opened(path: Path, footer: Any = None) -> Iterator[Any]:  # noqa: ANN401 - pyarrow publishes no types
    """Open a file for what is read of it at once; left to Arrow, it would stay open until it is collected."""
    import pyarrow.parquet as pq

    with storage_errors(path, "read"), path.open("rb") as file:
        head = file.read(len(LFS_HEAD))
        size = file.seek(0, 2)
        file.seek(-min(size, len(_ENDS)), 2)
        tail = file.read()
    refuse_pointer(head, path, "Parquet")
    if not head.startswith(_ENDS):
        got = "an empty file" if not size else repr(head[:8])
        raise UnknownFormatError(
            Problem("not-parquet", str(path), f"expected Parquet, which begins with 'PAR1', got {got}")
        )
    if tail != _ENDS:
        message = f"expected 'PAR1' at the end of {size} bytes, got {tail!r}: the file is cut short"
        raise CorruptDataError(Problem("truncated-data", str(path), message, _AGAIN))
    # Sums of pages are rare, and cost little where they are.
    # From a handle, as the file may be part of an archive.
    with (
        parquet_errors(path),
        path.open("rb") as handle,
        pq.ParquetFile(handle, metadata=footer, page_checksum_verification=True) as file,
    ):
        yield file


@contextlib.contextmanager
def parquet_errors(path: Path) -> Iterator[None]:
    """Tell what Arrow says of a damaged file as ours.

    Raises
    ------
    CorruptDataError
        It cannot be decoded.
    StorageError
        It cannot be read.

    Examples
    --------
    >>> import pathlib
    >>> import pyarrow
    >>> with parquet_errors(pathlib.Path("rows.parquet")):
    ...     raise pyarrow.ArrowInvalid("a page is too long")
    Traceback (most recent call last):
    lapsdata.errors.CorruptDataError: rows.parquet: cannot be decoded: a page is too long; ... [damaged-parquet]
    """
    import pyarrow as pa

    with storage_errors(path, "read"):
        try:
            yield
        except (pa.ArrowException, UnicodeDecodeError, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise  # the file system, and not what the file holds
            message = f"cannot be decoded: {str(error).splitlines()[0]}"
            raise CorruptDataError(Problem("damaged-parquet", str(path), message, _AGAIN)) from None
