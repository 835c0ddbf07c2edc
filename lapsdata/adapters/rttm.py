"""RTTM (NIST's rich transcription time marks): `TYPE file channel onset duration ortho subtype name confidence slat`.

A row is a piece of one recording, in seconds. Of `SPEAKER` rows the name is the label; of other types their subtype, or
the type itself. Comments begin with `;;`, and what a field does not say is `<NA>`.
"""

from __future__ import annotations

import re
from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING

from lapsdata.adapters._adapter import Adapted, Adapter
from lapsdata.adapters._pieces import Pieces, seconds_of
from lapsdata.adapters._texts import files_inside, head, lines
from lapsdata.provenance import parent
from lapsdata.storage.atomic import existing

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["PLUGIN", "read"]

_ENDING, _COMMENT, _NONE = "*.rttm", ";;", "<NA>"
_ROW = re.compile(r"^[A-Z-]+[ \t]+\S+[ \t]+\S+[ \t]+(<NA>|[\d.]+)[ \t]", re.MULTILINE)
_FIELDS, _WANTED = 9, "SPEAKER"


def recognises(path: Path) -> str | None:
    """Return "segments" for a file `*.rttm` with such rows, and for a folder with such files."""
    if path.is_dir():
        return "segments" if files_inside(path, _ENDING) else None
    return "segments" if path.suffix == ".rttm" and _ROW.search(head(path)) else None


def read(path: Path) -> Adapted:
    r"""Read a file, or all files of a folder.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Adapted
        Where there are `SPEAKER` rows these alone, else all rows that have a time; what is left out is counted by type.
        The confidence of a row is its score. How long a recording is, is not told.

    Raises
    ------
    SchemaError
        Rows that are none, or no row with a time.
    StorageError
        It cannot be read.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "talk.rttm"
    >>> _ = path.write_text("SPEAKER talk 1 0.5 1.25 <NA> <NA> ann <NA> <NA>\n")
    >>> segments = read(path).container
    >>> segments.end_s.tolist(), segments.label
    ([1.75], ('ann',))
    """
    files = files_inside(existing(path), _ENDING)
    pieces = Pieces(path)
    rows: list[tuple[str, list[str]]] = []
    for file in files:
        for number, line in lines(file, _COMMENT):
            where, fields = f"{file}: line {number}", line.split()
            if len(fields) < _FIELDS:
                message = f"expected at least {_FIELDS} fields, got {len(fields)}"
                pieces.problems.add(
                    "wrong-row", where, message, "TYPE file channel onset duration ortho subtype name …"
                )
            else:
                rows.append((where, fields))
    types = Counter(fields[0] for _, fields in rows)
    left: Counter[str] = Counter()
    for where, fields in rows:
        kind, onset, length = fields[0], fields[3], fields[4]
        if (types[_WANTED] and kind != _WANTED) or _NONE in (onset, length):
            left[kind] += 1
        else:
            _add(where, fields, pieces)
    named = ", ".join(f"{count} {kind}" for kind, count in sorted(left.items()))
    message = f"rows of other types, or without a time: left out ({named})"
    pieces.count("rows-left-out", left.total(), message)
    channels = {(fields[1], fields[2]) for _, fields in rows}
    if len(channels) > len({name for name, _ in channels}):
        pieces.note("several-channels", "channels of one recording are taken together", info=True)
    return pieces.adapted([parent("rttm", file) for file in files])


def _add(where: str, fields: list[str], pieces: Pieces) -> None:
    kind, recording, _, onset, length, _, subtype, name, confidence = fields[:_FIELDS]
    start, duration = seconds_of(onset), seconds_of(length)
    if start is None or duration is None or duration < 0:
        message = f"expected onset and duration in seconds, got {onset!r} and {length!r}"
        pieces.problems.add("wrong-time", where, message)
        return
    label = next(one for one in (name, subtype, kind) if one != _NONE)
    score = None if confidence == _NONE else confidence
    # As written, with one rounding at the end: 0.1 and 0.2 after it end where the next row begins, at 0.3.
    pieces.add(where, recording, start, float(Decimal(onset) + Decimal(length)), label, score)


PLUGIN = Adapter("rttm", "Rich transcription time marks of NIST", recognises, read, takes=frozenset())
