"""Energies in JSON lines: a header, one row per line, and a last line that seals them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lapsdata.containers.energies import Energies
from lapsdata.errors import CorruptDataError, LapsError, Problem, Problems, SchemaError, UnknownFormatError
from lapsdata.formats._format import Format, WriteReport, check_container, open_header, size_on_disk
from lapsdata.schema.base import canonical_json
from lapsdata.schema.energies import EnergiesHeader, EnergiesSeal, EnergyRow
from lapsdata.storage.atomic import atomic_file, storage_errors
from lapsdata.storage.seal import REPAIR, check_verify, crc32c

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata.storage.seal import Verify

__all__ = ["PLUGIN", "read", "write"]


def write(path: Path, container: Energies, *, overwrite: bool = False) -> WriteReport:
    """Write energies to one JSONL file, all or nothing.

    Parameters
    ----------
    path : Path
    container : Energies
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    StorageError
        The target exists, or the file system refused.
    SchemaError
        No energies.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from lapsdata.testing.samples import sample_energies
    >>> target = pathlib.Path(tempfile.mkdtemp()) / "clips.energies.jsonl"
    >>> report = write(target, sample_energies())
    >>> target.read_text().splitlines()[-1]
    '{"crc32c":"...","rows":12}'
    """
    check_container(container, Energies, path)
    lines = [container.header.to_bytes()]
    lines += [_row_bytes(row, container.header.per) for row in container.rows()]
    content = b"\n".join(lines) + b"\n"
    seal = EnergiesSeal(rows=len(container), crc32c=f"{crc32c(content):08x}")
    with atomic_file(path, overwrite=overwrite) as temporary:
        temporary.write_bytes(content + seal.to_bytes() + b"\n")
    return WriteReport(path, PLUGIN.name, size_on_disk(path))


def _row_bytes(row: EnergyRow, per: str) -> bytes:
    """Spell a row with the number that the header speaks of, and without the other."""
    document = row.as_json()
    del document["window" if per == "step" else "step"]
    return canonical_json(document)


def read(path: Path, *, verify: Verify = "first") -> Energies:
    """Read an energies file of ours, whole.

    Parameters
    ----------
    path : Path
    verify : {"first", "always", "never"}
        "never" leaves the checksum alone; the seal must be there in any case.

    Raises
    ------
    StorageError
        Nothing is there, or it may not be read.
    UnknownFormatError
        Not a file of ours.
    CorruptDataError
        Unfinished, cut, or with a byte that is not as it was written.
    FormatTooNewError
        Written by a newer major version.
    """
    check_verify(verify)
    with storage_errors(path, "open"):
        content = path.read_bytes()
    head, *lines = content.split(b"\n")
    document = _header_document(head)
    if document is None:
        message = "expected JSON lines that begin with a lapsdata.energies header, got something else"
        raise UnknownFormatError(Problem("not-ours", str(path), message, "name its format, or use an adapter"))
    body = _sealed_body(content, str(path), compare=verify != "never")
    header = open_header(EnergiesHeader, document, path)
    return Energies.of_rows(header, _rows(lines[: body.rows], str(path)))


def _sealed_body(content: bytes, where: str, *, compare: bool) -> EnergiesSeal:
    """Check that the last line is the seal of all the lines before it."""
    *lines, last, empty = content.split(b"\n") if content.count(b"\n") > 1 else [content, b"", b"-"]
    try:
        seal = EnergiesSeal.parse(last, where)
        whole = seal.to_bytes() == last and not empty
    except SchemaError:
        whole, seal = False, EnergiesSeal(rows=0, crc32c="0" * 8)
    if not whole:
        message = "expected a last line {crc32c, rows} that seals the file, got none: it is unfinished or was cut"
        raise CorruptDataError(Problem("unsealed", where, message, REPAIR))
    if seal.rows != len(lines) - 1:
        message = f"expected {seal.rows} rows as sealed, got {len(lines) - 1}"
        raise CorruptDataError(Problem("row-count", where, message, REPAIR))
    found = f"{crc32c(content[: -len(last) - 1]):08x}"
    if compare and found != seal.crc32c:
        message = f"expected CRC-32C {seal.crc32c} as sealed, got {found}"
        raise CorruptDataError(Problem("payload-checksum", where, message, REPAIR))
    return seal


def _rows(lines: list[bytes], where: str) -> list[EnergyRow]:
    rows, problems = [], Problems()
    for number, line in enumerate(lines, start=2):
        try:
            rows.append(EnergyRow.parse(line, f"{where}: line {number}"))
        except LapsError as error:
            problems.extend(error.problems)
    problems.raise_as(SchemaError)
    return rows


def _header_document(line: bytes) -> dict[str, Any] | None:
    """Return the first line as JSON if it claims to be a header of ours."""
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        return None  # not JSON, or nested deeper than any header: not ours
    ours = isinstance(document, dict) and document.get("format") == "lapsdata.energies"
    return document if ours else None


def recognises(path: Path) -> bool:
    """Say whether a path is a file whose first line is a header of ours for energies."""
    if path.is_dir():
        return False
    with storage_errors(path, "open"), path.open("rb") as file:
        return _header_document(file.readline(1 << 24)) is not None


PLUGIN = Format("energies_jsonl", "energies", "jsonl", (".jsonl",), Energies, recognises, read, write)
