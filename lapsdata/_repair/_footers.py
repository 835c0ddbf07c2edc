"""Parquet files of ours that may be damaged: opened by a footer that their seal vouches for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lapsdata._repair._seals import REMAKE, parse_seal
from lapsdata.errors import CorruptDataError, Problem
from lapsdata.schema.base import canonical_json
from lapsdata.storage.atomic import storage_errors
from lapsdata.storage.decoding import decoding
from lapsdata.storage.sealed_parquet import parquet_header

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import JsonValue

    from lapsdata._repair._seals import Seal

__all__ = ["open_footer"]

_SEAL = b"lapsdata:seal"


def open_footer(path: Path) -> tuple[dict[str, JsonValue], Any, Seal]:
    """Return the header, the file as Arrow opens it, and the seal: pages are found and read by the footer.

    Parameters
    ----------
    path : Path

    Raises
    ------
    CorruptDataError
        The footer is not the sealed one; names what differs.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    header = parquet_header(path)
    if header is None:
        message = "expected a footer with a header, got none that can be read: it says where everything stands"
        raise CorruptDataError(Problem("header-damaged", str(path), message, REMAKE))
    with storage_errors(path, "open"):
        data = pa.BufferReader(path.read_bytes())
    with decoding(str(path), "a Parquet footer"):
        file = pq.ParquetFile(data, page_checksum_verification=True)
        schema = file.schema_arrow
    seal = parse_seal((schema.metadata or {}).get(_SEAL))
    if seal.state != "sound":
        message = f"expected a sound seal, got one that is {seal.state}: nothing vouches for header and columns"
        raise CorruptDataError(Problem("seal-damaged", str(path), message, REMAKE))
    seal.expect_header(canonical_json(header), str(path))
    sealed = {name: entry["type"] for name, entry in seal.manifest["columns"].items()}
    found = {field.name: str(field.type) for field in schema}
    if sealed != found:
        message = f"expected the columns {sealed} as sealed, got {found}"
        raise CorruptDataError(Problem("header-damaged", str(path), message, REMAKE))
    return header, file, seal
