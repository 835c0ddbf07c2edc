"""Energies: whole lines up to where the file was cut; one checksum over all of them says no more than that.

A line carries no checksum of its own. Where a file ends early, or a line is no row any more, the damage has a place,
and the rows before it are saved. Where the seal says that the bytes are others and every line is still a row, any
number may be the wrong one: nothing is saved then.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lapsdata._repair._marks import saved_header
from lapsdata._repair._report import Repaired
from lapsdata.containers.energies import Energies
from lapsdata.errors import CorruptDataError, LapsError, Problem, SchemaError
from lapsdata.formats import read, write
from lapsdata.schema.energies import EnergiesHeader, EnergiesSeal, EnergyRow
from lapsdata.storage.atomic import storage_errors
from lapsdata.storage.seal import crc32c

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lapsdata._repair._choice import Keep

__all__ = ["repair_energies"]

_REMAKE = "measure them anew: lapsdata energies"


def repair_energies(path: Path, format: str, out: Path | None, keep: Keep) -> Repaired:
    """Save the rows of a damaged energies file; see `lapsdata._repair.repair`.

    Raises
    ------
    CorruptDataError
        Nothing can be saved; says why.
    SchemaError
        All that is verified is wanted, and rows behind a damage never are.
    """
    with storage_errors(path, "open"):
        lines = path.read_bytes().splitlines(keepends=True)
    header = _header(lines, path)
    seal = _seal(lines[-1])
    rows = lines[1:-1] if seal is not None else lines[1:]
    good = _leading(rows, header, path)
    if seal is not None and good == len(rows):
        if _fits(seal, lines):
            return Repaired(path, format, "whole", "rows", kept=good)
        message = (
            f"expected {seal.rows} rows with CRC-32C {seal.crc32c} as sealed, got {good} others; "
            "every line is still a row, so nothing says which of them is wrong"
        )
        raise CorruptDataError(Problem("damage-without-place", str(path), message, _REMAKE))
    if keep == "all":
        message = "expected prefix for energies, whose rows carry no checksums of their own, got all"
        raise SchemaError(Problem("wrong-option", "keep", message))
    if good == 0:
        raise CorruptDataError(Problem("nothing-left", str(path), "not even the first row is whole", _REMAKE))
    lost = (len(rows) if seal is None else max(seal.rows, len(rows))) - good
    byte = sum(len(line) for line in lines[: good + 1])
    damage = f"line {good + 2}, byte {byte}" if good < len(rows) else f"the end, byte {byte}"
    size = sum(len(line) for line in rows[good:])
    found = Repaired(path, format, "damaged", "rows", good, lost, lost_bytes=size, first_bad=damage, notes=_notes(seal))
    if out is None:
        return found
    saved = _container(lines[: good + 1])
    write(out, replace(saved, header=header.model_copy(update=saved_header(header, path, lost))), format=format)
    return replace(found, state="repaired", output=out)


def _header(lines: Sequence[bytes], path: Path) -> EnergiesHeader:
    try:
        return EnergiesHeader.parse(lines[0] if lines else b"", f"{path}: line 1")
    except SchemaError as error:
        message = f"the header cannot be read, and nothing else says what was measured: {error.problems[0].message}"
        raise CorruptDataError(Problem("header-damaged", str(path), message, _REMAKE)) from error


def _seal(line: bytes) -> EnergiesSeal | None:
    try:
        seal = EnergiesSeal.parse(line)
    except LapsError:
        return None
    return seal if seal.to_bytes() + b"\n" == line else None


def _fits(seal: EnergiesSeal, lines: Sequence[bytes]) -> bool:
    return seal.rows == len(lines) - 2 and seal.crc32c == f"{crc32c(b''.join(lines[:-1])):08x}"


def _leading(rows: Sequence[bytes], header: EnergiesHeader, path: Path) -> int:
    """Return how many rows from the first on are rows.

    Raises
    ------
    CorruptDataError
        One speaks of something else than the header.
    """
    videos = set(header.videos)
    for number, line in enumerate(rows):
        try:
            row = EnergyRow.parse(line, f"{path}: line {number + 2}")
        except LapsError:
            return number
        if not line.endswith(b"\n"):
            return number
        if row.video not in videos or getattr(row, header.per) is None:
            message = "expected a row of the header's videos, got another: nothing says which of the two is wrong"
            raise CorruptDataError(Problem("damage-without-place", f"{path}: line {number + 2}", message, _REMAKE))
    return len(rows)


def _notes(seal: EnergiesSeal | None) -> tuple[Problem, ...]:
    message = "rows carry no checksum of their own: those before the damage are as they were found"
    notes = (Problem("rows-without-checksums", "", message, "measure them anew to be sure", "warning"),)
    if seal is not None:
        return notes
    cut = "the last line, which seals the file, is missing or damaged: how many rows there were is not known"
    return (*notes, Problem("end-missing", "", cut, _REMAKE))


def _container(lines: Sequence[bytes]) -> Energies:
    """Read header and rows as a file that ends with them."""
    content = b"".join(lines)
    seal = EnergiesSeal(rows=len(lines) - 1, crc32c=f"{crc32c(content):08x}")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "rows.jsonl"
        place.write_bytes(content + seal.to_bytes() + b"\n")
        return read(place, Energies)
