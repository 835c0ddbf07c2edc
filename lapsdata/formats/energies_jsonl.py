"""Energies in JSON lines: a header, one row per line, and a last line that seals them."""

from __future__ import annotations

import io
import json
import math
import re
from array import array
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.containers.energies import ENERGY_STATES, Energies
from lapsdata.errors import (
    CorruptDataError,
    LapsError,
    LapsWarning,
    Problem,
    Problems,
    SchemaError,
    UnknownFormatError,
    warn,
)
from lapsdata.formats._format import Format, WriteReport, check_container, open_header, size_on_disk
from lapsdata.schema.base import LARGEST_WHOLE, canonical_json
from lapsdata.schema.energies import EnergiesHeader, EnergiesSeal, EnergyRow
from lapsdata.storage.atomic import atomic_file, storage_errors
from lapsdata.storage.seal import REPAIR, check_verify, crc32c, sealed_by

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lapsdata.storage.seal import Verify

__all__ = ["PLUGIN", "read", "write"]

_BEGINNING = b'{"format":"lapsdata.energies"'
"""How the first line begins: keys stand in their order, and `format` is the first."""

_SEAL = rb'\n\{"crc32c":"[0-9a-f]{8}","rows":[0-9]+\}\n$'
_SEAL_BYTES = 100

_ORDER = {
    "step": ("end_s", "energy", "start_s", "state", "step", "video"),
    "window": ("end_s", "energy", "start_s", "state", "video", "window"),
}
"""Keys of a row in the order of canonical JSON."""


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
    content = b"".join(_lines(container))
    seal = EnergiesSeal(rows=len(container), crc32c=f"{crc32c(content):08x}")
    with atomic_file(path, overwrite=overwrite) as temporary:
        temporary.write_bytes(content + seal.to_bytes() + b"\n")
    return WriteReport(path, PLUGIN.name, size_on_disk(path))


def _lines(energies: Energies) -> Iterator[bytes]:
    """Spell the header and each row in canonical JSON, from the columns: a container is known to be sound."""
    yield energies.header.to_bytes() + b"\n"
    videos = [canonical_json(name).decode() for name in energies.header.videos]
    number = '"step":%d,"video":%s' if energies.header.per == "step" else '"video":%s,"window":%d'
    steps = energies.header.per == "step"
    columns = (energies.video_index, energies.index, energies.start_s, energies.end_s, energies.energy, energies.state)
    for video, index, start, end, energy, state in zip(*(column.tolist() for column in columns), strict=True):
        told = number % ((index, videos[video]) if steps else (videos[video], index))
        value = "null" if state else repr(energy)
        row = f'{{"end_s":{end!r},"energy":{value},"start_s":{start!r},"state":"{ENERGY_STATES[state]}",{told}}}\n'
        yield row.encode()


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
    head = content[: content.find(b"\n") + 1]
    document = _header_document(head)
    if document is None:
        message = "expected JSON lines that begin with a lapsdata.energies header, got something else"
        raise UnknownFormatError(Problem("not-ours", str(path), message, "name its format, or use an adapter"))
    with sealed_by(document, str(path)):
        end = _check_seal(content, str(path), compare=verify != "never")
    header = open_header(EnergiesHeader, document, path)
    return _energies(header, memoryview(content)[len(head) : end], str(path))


def _check_seal(content: bytes, where: str, *, compare: bool) -> int:
    """Check that the last line is the seal of all the lines before it; return where it begins."""
    start = content.rfind(b"\n", 0, -1) + 1
    last = content[start:]
    try:
        seal = EnergiesSeal.parse(last, where)
        whole = seal.to_bytes() + b"\n" == last
    except SchemaError:
        whole, seal = False, EnergiesSeal(rows=0, crc32c="0" * 8)
    if not whole:
        message = "expected a last line {crc32c, rows} that seals the file, got none: it is unfinished or was cut"
        raise CorruptDataError(Problem("unsealed", where, message, REPAIR))
    rows = content.count(b"\n", 0, start) - 1
    if seal.rows != rows:
        message = f"expected {seal.rows} rows as sealed, got {rows}"
        raise CorruptDataError(Problem("row-count", where, message, REPAIR))
    found = f"{crc32c(content[:start]):08x}"
    if compare and found != seal.crc32c:
        message = f"expected CRC-32C {seal.crc32c} as sealed, got {found}"
        raise CorruptDataError(Problem("payload-checksum", where, message, REPAIR))
    return start


def _energies(header: EnergiesHeader, lines: memoryview, where: str) -> Energies:
    """Build the columns from the lines of the rows.

    Raises
    ------
    SchemaError
        Every line that is no row of this header.
    """
    number = {name: i for i, name in enumerate(header.videos)}
    columns = tuple(array(kind) for kind in "qqdddB")
    problems, own = Problems(), set[str]()
    for line_number, line in enumerate(io.BytesIO(lines), start=2):
        row = _plain_row(line, header.per)
        if row is None:
            try:
                record = EnergyRow.parse(line, f"{where}: line {line_number}")
            except LapsError as error:
                problems.extend(error.problems)
                continue
            own.update(record.model_extra or ())
            row = (record.video, getattr(record, header.per), record.start_s, record.end_s, record.energy, record.state)
        video, index, start, end, energy, state = row
        if video not in number or index is None:
            message = f"expected a {header.per} of a video of the header, got another row"
            problems.add("wrong-row", f"{where}: line {line_number}", message)
            continue
        values = (number[video], index, start, end, math.nan if energy is None else energy, ENERGY_STATES.index(state))
        for column, value in zip(columns, values, strict=True):
            column.append(value)
    problems.raise_as(SchemaError)
    if own:
        warn(f"{where}: rows have own keys that Energies does not keep: {', '.join(sorted(own))}", LapsWarning)
    kinds = (np.int64, np.int64, np.float64, np.float64, np.float64, np.uint8)
    return Energies(header, *(np.frombuffer(c, k).copy() for c, k in zip(columns, kinds, strict=True)))


def _plain_row(line: bytes, per: str) -> tuple[Any, ...] | None:
    """Read a row that is spelled as we write it; None for any other, which the record itself then judges.

    Ten times as fast as the record, and never kinder: keys, their order, and types are all compared.
    """
    try:
        pairs = json.loads(line, object_pairs_hook=tuple)
    except (ValueError, RecursionError):
        return None
    if not isinstance(pairs, tuple) or tuple(key for key, _ in pairs) != _ORDER[per]:
        return None
    row = dict(pairs)
    numbers = row["start_s"], row["end_s"]
    energy, measured = row["energy"], row["state"] == "measured"
    sound = (
        all(type(value) in (int, float) and abs(value) < math.inf for value in numbers)
        and row["start_s"] < row["end_s"]
        and (energy is None if not measured else type(energy) in (int, float) and abs(energy) < math.inf)
        and row["state"] in ENERGY_STATES
        and type(row["video"]) is str
        and type(row[per]) is int
        and 0 <= row[per] <= LARGEST_WHOLE
    )
    return (row["video"], row[per], *numbers, energy, row["state"]) if sound else None


def _header_document(line: bytes) -> dict[str, Any] | None:
    """Return the first line as JSON if it claims to be a header of ours."""
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        return None  # not JSON, or nested deeper than any header: not ours
    ours = isinstance(document, dict) and document.get("format") == "lapsdata.energies"
    return document if ours else None


def recognises(path: Path) -> bool:
    """Say whether a path is a file whose first line is a header of ours for energies.

    Raises
    ------
    CorruptDataError
        The last line is a seal of ours, and the first one no header.
    """
    with storage_errors(path, "open"):
        if path.is_dir():
            return False
        with path.open("rb") as file:
            if file.read(len(_BEGINNING)) == _BEGINNING:
                return True
            file.seek(max(0, file.seek(0, 2) - _SEAL_BYTES))
            sealed = re.search(_SEAL, file.read()) is not None
    if sealed:
        message = f"expected {_BEGINNING.decode()} at byte 0, got other bytes before a seal of ours"
        raise CorruptDataError(Problem("header-damaged", str(path), message, REPAIR))
    return False


PLUGIN = Format("energies_jsonl", "energies", "jsonl", (".jsonl",), Energies, recognises, read, write)
