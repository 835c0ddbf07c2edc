"""Sealed Parquet tables: page checksums written and verified, header and seal in the file's key-value metadata.

Page checksums do not cover the footer, where the header, the schema and the places of the pages stand. The seal does:
it holds the header's checksum, the schema, and a digest of each column's values, compared after decoding.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.errors import CorruptDataError, Problem, UnknownFormatError
from lapsdata.schema.base import canonical_json
from lapsdata.storage.atomic import atomic_file, storage_errors
from lapsdata.storage.decoding import decoding
from lapsdata.storage.seal import REPAIR, crc32c, make_seal, open_seal, sealed_by

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pyarrow as pa
    from numpy.typing import NDArray
    from pydantic import JsonValue

__all__ = ["column_values", "parquet_header", "parse_sealed_parquet", "read_sealed_parquet", "write_sealed_parquet"]

_HEADER, _SEAL = b"lapsdata:header", b"lapsdata:seal"
_MAGIC = b"PAR1"

ROW_GROUP = 65_536
"""Rows per group: small enough to read one video's rows alone, large enough to compress."""


def write_sealed_parquet(
    path: Path, header: Mapping[str, JsonValue], table: pa.Table, *, overwrite: bool = False
) -> None:
    """Write a table with header and seal, all or nothing.

    Parameters
    ----------
    path : Path
        The file; its folder must exist.
    header : mapping
        The header record as JSON.
    table : pyarrow.Table
        Columns of numbers, texts, or lists of numbers.
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    StorageError
        The target exists, or the file system refused.

    Examples
    --------
    >>> import tempfile, pathlib, pyarrow
    >>> target = pathlib.Path(tempfile.mkdtemp()) / "numbers.parquet"
    >>> write_sealed_parquet(target, {"format": "numbers"}, pyarrow.table({"x": [1.5, None]}))
    >>> header, table = read_sealed_parquet(target)
    >>> table["x"].to_pylist()
    [1.5, None]
    """
    import pyarrow.parquet as pq

    seal = make_seal(_manifest(header, table))
    sealed = table.replace_schema_metadata({_HEADER: canonical_json(dict(header)), _SEAL: seal})
    # Through an open file, here and when reading: Arrow cannot take names that are not UTF-8.
    with atomic_file(path, overwrite=overwrite) as temporary, temporary.open("wb") as raw:
        pq.write_table(sealed, raw, compression="zstd", write_page_checksum=True, row_group_size=ROW_GROUP)


def read_sealed_parquet(path: Path, *, verify: bool = True) -> tuple[dict[str, JsonValue], pa.Table]:
    """Read a table of ours: its header as JSON, and its columns.

    Parameters
    ----------
    path : Path
    verify : bool
        Whether pages and columns are compared with their checksums; the header always is.

    Raises
    ------
    StorageError
        Nothing is there, or it may not be read.
    UnknownFormatError
        Not a Parquet file, or not one that this library wrote.
    CorruptDataError
        Footer, pages or columns are damaged.
    """
    header = parquet_header(path)
    if header is None:
        raise _not_ours(str(path))
    with storage_errors(path, "open"):
        data = path.read_bytes()
    return header, _sealed_table(data, header, str(path), verify=verify)


def parse_sealed_parquet(data: bytes, where: str) -> tuple[dict[str, JsonValue], pa.Table]:
    """Return header and columns of a table of ours from its bytes; raises as `read_sealed_parquet` does about bytes."""
    import pyarrow as pa

    if not data.startswith(_MAGIC):
        raise _not_ours(where)
    header = _header(pa.BufferReader(data), where)
    if header is None:
        raise _not_ours(where)
    return header, _sealed_table(data, header, where, verify=True)


def _not_ours(where: str) -> UnknownFormatError:
    message = "expected a Parquet file with a lapsdata header, got something else"
    return UnknownFormatError(Problem("not-ours", where, message, "name its format, or use an adapter"))


def _sealed_table(data: bytes, header: dict[str, JsonValue], where: str, *, verify: bool) -> pa.Table:
    """Return all columns, compared with the seal."""
    with sealed_by(header, where):
        metadata, table = _load(data, where, verify=verify)
        if _SEAL not in metadata:
            raise CorruptDataError(Problem("unsealed", where, "expected a seal, got none", REPAIR))
        with decoding(where, "columns"):
            found = _manifest(header, table)
            if not verify:
                _take_digests(found, json.loads(metadata[_SEAL])["manifest"])
        open_seal(metadata[_SEAL], found, where)
    return table


def _load(data: bytes, where: str, *, verify: bool) -> tuple[dict[bytes, bytes], pa.Table]:
    """Return the key-value metadata and all columns."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    # From memory: Arrow's threads must not call a Python file while the interpreter ends, which aborts the process.
    with (
        decoding(where, "Parquet pages"),
        pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=verify) as file,
    ):
        # Arrow's threads are still beginning when a short program ends, and then take it down ("terminate called").
        table = file.read(use_threads=False)
    return dict(table.schema.metadata or {}), table.replace_schema_metadata(None)


def _take_digests(found: dict[str, JsonValue], sealed: dict[str, JsonValue]) -> None:
    """Believe the sealed digests of the columns, and compare only what stands around them."""
    columns, stated = found["columns"], sealed["columns"]
    if isinstance(columns, dict) and isinstance(stated, dict):
        for name, entry in columns.items():
            other = stated.get(name)
            if isinstance(entry, dict) and isinstance(other, dict):
                entry["digest"] = other["digest"]


def parquet_header(path: Path) -> dict[str, JsonValue] | None:
    """Return the header that this library wrote into a Parquet file; None where it is none of ours.

    Raises
    ------
    StorageError
        Nothing is there, or it may not be read.
    CorruptDataError
        It begins as Parquet and cannot be opened as such.
    """
    with storage_errors(path, "open"):
        if path.is_dir():
            return None
        with path.open("rb") as file:
            begins = file.read(len(_MAGIC)) == _MAGIC
            file.seek(max(0, file.seek(0, 2) - len(_MAGIC)))
            ends = file.read() == _MAGIC
    if not begins and ends:
        message = f"expected {_MAGIC!r} at byte 0 as at the end, got other bytes"
        raise CorruptDataError(Problem("magic-damaged", str(path), message, REPAIR))
    if not begins:
        return None
    with storage_errors(path, "open"), path.open("rb") as raw:
        return _header(raw, str(path))


def _header(raw: Any, where: str) -> dict[str, JsonValue] | None:  # noqa: ANN401 - a file, or a buffer of Arrow
    import pyarrow.parquet as pq  # not before it is known to be needed: it may be the broken part of an install

    with decoding(where, "a Parquet footer"):
        metadata = pq.read_schema(raw).metadata or {}
        if _HEADER not in metadata:
            return None
        header: dict[str, JsonValue] = json.loads(metadata[_HEADER])
        if canonical_json(header) != metadata[_HEADER]:
            message = "expected the header in its canonical spelling, got damaged bytes"
            raise CorruptDataError(Problem("seal-mismatch", where, message, REPAIR))
    return header


def _manifest(header: Mapping[str, JsonValue], table: pa.Table) -> dict[str, JsonValue]:
    columns: dict[str, JsonValue] = {
        name: {"type": str(table.schema.field(name).type), "digest": _column_digest(table[name])}
        for name in table.column_names
    }
    return {"header": f"{crc32c(canonical_json(dict(header))):08x}", "rows": table.num_rows, "columns": columns}


def _column_digest(column: pa.ChunkedArray) -> str:
    """Return the CRC-32C of what a column says, however Arrow laid it out: lengths, nulls, values."""
    import pyarrow as pa

    flat = column.combine_chunks()
    parts = []
    if pa.types.is_list(flat.type) or pa.types.is_fixed_size_list(flat.type):
        parts.append(np.asarray(flat.value_lengths().fill_null(-1)).astype("<i8").tobytes())
        flat = flat.flatten()
    parts.append(np.packbits(np.asarray(flat.is_null(), dtype=bool)).tobytes())
    if pa.types.is_string(flat.type):
        parts.append(canonical_json(flat.to_pylist()))
    else:
        parts.append(column_values(flat).tobytes())
    return f"{crc32c(b''.join(len(part).to_bytes(8, 'little') + part for part in parts)):08x}"


def column_values(array: pa.Array | pa.ChunkedArray) -> NDArray[Any]:
    """Return a numeric or boolean column as NumPy; a null becomes NaN, which only float columns may hold.

    Examples
    --------
    >>> import pyarrow
    >>> column_values(pyarrow.array([1.5, None]))
    array([1.5, nan])
    """
    import pyarrow as pa

    if pa.types.is_floating(array.type):
        nan = pa.scalar(np.nan, pa.float64()).cast(array.type)
        array = array.fill_null(nan)
    values: NDArray[Any] = np.asarray(array.to_numpy(zero_copy_only=False) if isinstance(array, pa.Array) else array)
    return values
