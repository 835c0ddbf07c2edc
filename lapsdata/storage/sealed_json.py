"""Records that are a whole file: one JSON object with its own checksum, which any other tool reads as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeVar

from lapsdata.errors import CorruptDataError, Problem, StorageError
from lapsdata.schema.base import Record, canonical_json
from lapsdata.storage.atomic import atomic_file, existing, storage_errors
from lapsdata.storage.seal import crc32c

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import JsonValue

__all__ = ["parse_sealed_json", "read_sealed_json", "sealed_json", "unsealed_json", "write_sealed_json"]

R = TypeVar("R", bound=Record)

_SEAL = "x-seal"


def sealed_json(record: Record) -> bytes:
    r"""Return a record as canonical JSON with `x-seal`, the CRC-32C of the canonical JSON without it.

    Examples
    --------
    >>> from lapsdata.schema.base import Size
    >>> sealed_json(Size(width=4, height=3))
    b'{"height":3,"width":4,"x-seal":"crc32c:7abf193a"}\n'
    """
    return canonical_json({**record.as_json(), _SEAL: _seal(record.to_bytes())}) + b"\n"


def write_sealed_json(path: Path, record: Record, *, overwrite: bool = False) -> None:
    """Write a record with its seal, all or nothing.

    Raises
    ------
    StorageError
        It exists, or may not be written.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.schema.base import Size
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "size.json"
    >>> write_sealed_json(path, Size(width=4, height=3))
    >>> read_sealed_json(path, Size)
    Size(width=4, height=3)
    """
    with atomic_file(path, overwrite=overwrite) as temporary:
        temporary.write_bytes(sealed_json(record))


def read_sealed_json(path: Path, kind: type[R]) -> R:
    """Read a record that was written with its seal.

    Raises
    ------
    StorageError
        There is no such file, or it cannot be read.
    CorruptDataError
        It has no seal, or is not what was sealed.
    SchemaError
        It is no JSON object, or another record.

    Examples
    --------
    See `write_sealed_json`.

    >>> import pathlib
    >>> from lapsdata.schema.base import Size
    >>> read_sealed_json(pathlib.Path("nowhere.json"), Size)
    Traceback (most recent call last):
    lapsdata.errors.StorageError: nowhere.json: cannot open: no such file or folder; check the path [not-found]
    """
    where = str(path)
    if existing(path).is_dir():
        raise StorageError(Problem("wrong-kind", where, "expected a file, got a folder"))
    with storage_errors(path, "read"):
        data = path.read_bytes()
    return parse_sealed_json(data, kind, where)


def parse_sealed_json(data: bytes, kind: type[R], where: str) -> R:
    """Return the record that sealed bytes hold; raises as `read_sealed_json` does about bytes.

    Examples
    --------
    >>> from lapsdata.schema.base import Size
    >>> parse_sealed_json(sealed_json(Size(width=4, height=3)), Size, "size.json")
    Size(width=4, height=3)
    """
    document = unsealed_json(data, where)
    if document is None:
        # Whatever else is wrong with it is told first.
        kind.parse(data, where)
        message = f"expected {_SEAL}, got none: it was not written to its end, or by another program"
        raise CorruptDataError(Problem("no-seal", where, message, "make it again"))
    return kind.parse(canonical_json(document), where)


def unsealed_json(data: bytes, where: str) -> dict[str, JsonValue] | None:
    """Return the object that was sealed, whatever record it is; None where the bytes are no object with a seal.

    Raises
    ------
    CorruptDataError
        It is not what was sealed.

    Examples
    --------
    >>> from lapsdata.schema.base import Size
    >>> unsealed_json(sealed_json(Size(width=4, height=3)), "size.json")
    {'height': 3, 'width': 4}
    >>> unsealed_json(b"[]", "list.json") is None
    True
    """
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or _SEAL not in document:
        return None
    told = document.pop(_SEAL)
    try:
        found = _seal(canonical_json(document))
    except ValueError:  # NaN, or half of a letter: nobody seals these
        found = "values that no seal is made of"
    if told != found:
        message = f"expected {found} over its content, got {told}"
        raise CorruptDataError(Problem("checksum", where, message, "make it again, or copy it again"))
    return document


def _seal(content: bytes) -> str:
    return f"crc32c:{crc32c(content):08x}"
