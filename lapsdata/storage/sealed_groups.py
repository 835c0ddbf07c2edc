"""Sealed Parquet tables that are read in parts: a digest for each column of each group of rows.

Of a table of a million rows, one column or the few rows that are asked for are read and verified, and nothing else:
the seal is a few kilobytes, and says of each part what it must be.
"""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.errors import CorruptDataError, Problem, StorageError, UnknownFormatError
from lapsdata.schema.base import canonical_json
from lapsdata.storage.atomic import atomic_file, storage_errors
from lapsdata.storage.decoding import decoding
from lapsdata.storage.index import file_key
from lapsdata.storage.seal import REPAIR, crc32c, make_seal, open_seal, sealed_by
from lapsdata.storage.sealed_parquet import column_values, parquet_header

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa
    from pydantic import JsonValue

__all__ = ["GroupedTable", "group_digest", "write_sealed_groups"]

_HEADER, _SEAL = b"lapsdata:header", b"lapsdata:seal"

ROW_GROUP = 65_536
"""Rows that are read and verified together."""


def write_sealed_groups(
    path: Path,
    header: Mapping[str, JsonValue],
    table: pa.Table,
    *,
    overwrite: bool = False,
    rows_per_group: int | None = None,
) -> None:
    """Write a table with header and seal, all or nothing.

    Parameters
    ----------
    path : Path
    header : mapping
        The header record as JSON.
    table : pyarrow.Table
        Columns of numbers or texts.
    overwrite : bool
        Whether an existing file may be replaced.
    rows_per_group : int, optional

    Raises
    ------
    StorageError
        The target exists, or the file system refused.

    Examples
    --------
    >>> import tempfile, pathlib, pyarrow
    >>> target = pathlib.Path(tempfile.mkdtemp()) / "names.parquet"
    >>> write_sealed_groups(target, {"format": "names"}, pyarrow.table({"x": ["a", None, "c"]}), rows_per_group=2)
    >>> GroupedTable(target).group(1, ["x"])["x"].to_pylist()
    ['c']
    """
    import pyarrow.parquet as pq

    per = rows_per_group or ROW_GROUP
    rows = [min(per, table.num_rows - at) for at in range(0, table.num_rows, per)] or [0]
    edges = [0, *itertools.accumulate(rows)]
    columns: dict[str, JsonValue] = {}
    for name in table.column_names:
        parts = [table[name].slice(at, count) for at, count in zip(edges, rows, strict=False)]
        columns[name] = {"type": str(table.schema.field(name).type), "digests": [group_digest(part) for part in parts]}
    seal = make_seal(_manifest(header, rows, columns))
    sealed = table.replace_schema_metadata({_HEADER: canonical_json(dict(header)), _SEAL: seal})
    with atomic_file(path, overwrite=overwrite) as temporary, temporary.open("wb") as raw:
        pq.write_table(sealed, raw, compression="zstd", write_page_checksum=True, row_group_size=per)


class GroupedTable:
    """A table of ours, of which parts are read when they are asked for.

    Parameters
    ----------
    path : Path

    Attributes
    ----------
    header : dict
        The header record as JSON.
    rows : tuple of int
        Rows of each group.
    seal : bytes
        Equal for equal content.

    Raises
    ------
    StorageError
        Nothing is there, or it may not be read.
    UnknownFormatError
        Not a Parquet file, or not one that this library wrote.
    CorruptDataError
        Footer, header or seal are damaged.
    """

    def __init__(self, path: Path) -> None:
        header = parquet_header(path)
        if header is None:
            message = "expected a Parquet file with a lapsdata header, got something else"
            raise UnknownFormatError(Problem("not-ours", str(path), message, "name its format, or use an adapter"))
        self.path, self.header = path, header
        self._key = file_key(path)
        with sealed_by(header, str(path)), self._opened() as file:
            metadata = file.schema_arrow.metadata or {}
            if _SEAL not in metadata:
                raise CorruptDataError(Problem("unsealed", str(path), "expected a seal, got none", REPAIR))
            self.seal: bytes = metadata[_SEAL]
            with decoding(str(path), "the seal"):
                stated = json.loads(self.seal)["manifest"]["columns"]
                rows = [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)]
                self._digests: dict[str, list[str]] = {name: list(entry["digests"]) for name, entry in stated.items()}
                types = {field.name: str(field.type) for field in file.schema_arrow}
                columns: dict[str, JsonValue] = {
                    name: {"type": kind, "digests": list(self._digests.get(name, []))} for name, kind in types.items()
                }
            open_seal(self.seal, _manifest(header, rows, columns), str(path))
            if any(len(digests) != len(rows) for digests in self._digests.values()):
                message = f"expected a digest of each of {len(rows)} groups, got others"
                raise CorruptDataError(Problem("seal-damaged", str(path), message, REPAIR))
        self.rows = tuple(rows)

    def __len__(self) -> int:
        """Return the number of rows."""
        return sum(self.rows)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(self._digests)

    def group(self, number: int, names: Sequence[str], *, verify: bool = True) -> pa.Table:
        """Return some columns of one group of rows.

        Raises
        ------
        StorageError
            The file is gone or was replaced.
        CorruptDataError
            Pages or values are damaged.
        """
        return self._read([number], names, verify=verify)

    def columns(self, names: Sequence[str], *, verify: bool = True) -> pa.Table:
        """Return some columns of all rows; see `group`."""
        return self._read(range(len(self.rows)), names, verify=verify)

    def _read(self, groups: Sequence[int], names: Sequence[str], *, verify: bool) -> pa.Table:
        import pyarrow as pa

        with self._opened(verify=verify) as file:
            parts = []
            for number in groups:
                # One thread: those of Arrow must not call a Python file while the interpreter ends.
                with decoding(str(self.path), "Parquet pages"):
                    part = file.read_row_group(number, columns=list(names), use_threads=False)
                if part.num_rows != self.rows[number] or part.column_names != list(names):
                    message = f"expected {self.rows[number]} rows of {list(names)}, got {part.num_rows}"
                    raise CorruptDataError(Problem("wrong-shape", f"{self.path}: group {number}", message, REPAIR))
                for name in names if verify else ():
                    self._compare(number, name, part[name])
                parts.append(part.replace_schema_metadata(None))
        return pa.concat_tables(parts)

    def _compare(self, number: int, name: str, column: pa.ChunkedArray) -> None:
        with decoding(str(self.path), "columns"):
            found = group_digest(column)
        if found != self._digests[name][number]:
            message = f"expected digest {self._digests[name][number]} as sealed, got {found}"
            raise CorruptDataError(Problem("seal-mismatch", f"{self.path}: {name}: group {number}", message, REPAIR))

    def _opened(self, *, verify: bool = True) -> Any:  # noqa: ANN401 - pyarrow carries no types
        return _Opened(self.path, self._key, verify)


class _Opened:
    """The file, open for a moment: nothing is held that a fork or a pickle could not take along."""

    def __init__(self, path: Path, key: object, verify: bool) -> None:
        self._path, self._key, self._verify = path, key, verify

    def __enter__(self) -> Any:  # noqa: ANN401 - pyarrow carries no types
        import pyarrow.parquet as pq

        if file_key(self._path) != self._key:
            message = "expected the file that was opened, got another one of its name"
            raise StorageError(Problem("replaced", str(self._path), message, "open it again"))
        with storage_errors(self._path, "open"):
            self._raw = self._path.open("rb")
        try:
            with decoding(str(self._path), "a Parquet footer"):
                return pq.ParquetFile(self._raw, page_checksum_verification=self._verify, pre_buffer=False)
        except BaseException:
            self._raw.close()
            raise

    def __exit__(self, *_: object) -> None:
        self._raw.close()


def _manifest(
    header: Mapping[str, JsonValue], rows: Sequence[int], columns: dict[str, JsonValue]
) -> dict[str, JsonValue]:
    return {"header": f"{crc32c(canonical_json(dict(header))):08x}", "rows": list(rows), "columns": columns}


def group_digest(column: pa.ChunkedArray) -> str:
    """Return the digest that the seal holds of a column of one group of rows.

    It is the CRC-32C of what the column says, however Arrow laid it out: nulls, lengths, values.

    Examples
    --------
    >>> import pyarrow
    >>> whole = pyarrow.chunked_array([["a", None], ["c"]])
    >>> group_digest(whole) == group_digest(pyarrow.chunked_array([["a", None, "c"]]))
    True
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    flat = column.combine_chunks()
    flat = flat.chunk(0) if isinstance(flat, pa.ChunkedArray) and flat.num_chunks == 1 else flat
    parts = [np.packbits(np.asarray(flat.is_null(), dtype=bool)).tobytes()]
    if pa.types.is_string(flat.type):
        lengths = np.asarray(pc.fill_null(pc.binary_length(flat), 0)).astype("<i4")
        _, offsets, data = flat.buffers()
        ends = np.frombuffer(offsets, np.int32)[flat.offset : flat.offset + len(flat) + 1]
        parts += [lengths.tobytes(), b"" if data is None else data.to_pybytes()[ends[0] : ends[-1]]]
    else:
        parts.append(column_values(flat).tobytes())
    return f"{crc32c(b''.join(len(part).to_bytes(8, 'little') + part for part in parts)):08x}"
