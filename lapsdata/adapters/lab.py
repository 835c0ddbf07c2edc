"""Label files `start end label`: those of music (mir_eval, Audacity) in seconds, those of HTK in units of 100 ns.

One file is one recording, named by it. Both units are in use under one ending: a decimal point tells seconds, since HTK
counts in whole numbers; whole numbers alone may be either, and the unit is asked for.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

from lapsdata.adapters._adapter import Adapted, Adapter
from lapsdata.adapters._pieces import Pieces, seconds_of
from lapsdata.adapters._texts import files_inside, head, lines
from lapsdata.errors import Problem, SchemaError, listed
from lapsdata.provenance import parent
from lapsdata.storage.atomic import existing

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["PLUGIN", "Unit", "read"]

Unit = Literal["s", "100ns"]
"""What times are counted in."""

_ENDING, _COMMENT = "*.lab", "#"
_ROW = re.compile(r"^[ \t]*[\d.]+[ \t]+[\d.]+([ \t]|$)", re.MULTILINE)
# All else is a decimal: 1e-05, as NumPy writes small times, is 0.00001.
_WHOLE = re.compile(r"[+-]?\d+")
_PER_S = 10**7


class _Row(NamedTuple):
    where: str
    video: str
    start: str
    end: str
    label: str | None


def recognises(path: Path) -> str | None:
    """Return "segments" for a file `*.lab` with such rows, and for a folder with such files."""
    if path.is_dir():
        return "segments" if files_inside(path, _ENDING) else None
    return "segments" if path.suffix == ".lab" and _ROW.search(head(path)) else None


def read(path: Path, *, unit: Unit | None = None) -> Adapted:
    r"""Read a file, or all files of a folder.

    Parameters
    ----------
    path : Path
    unit : {"s", "100ns"}, optional
        What times are counted in; needed where all of them are whole numbers.

    Returns
    -------
    Adapted
        A label is the rest of its line, None where there is none. How long a recording is, is not told.

    Raises
    ------
    SchemaError
        Rows that are none; whole numbers, and no unit (`no-unit`); parts of 100 ns.
    StorageError
        It cannot be read.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "song.lab"
    >>> _ = path.write_text("0 5000000 Intro\n5000000 20000000 Verse (guitar solo)\n")
    >>> segments = read(path, unit="100ns").container
    >>> segments.end_s.tolist(), segments.label
    ([0.5, 2.0], ('Intro', 'Verse (guitar solo)'))
    """
    if unit is not None and unit not in get_args(Unit):
        message = f"expected one of {', '.join(get_args(Unit))}, got {unit!r}"
        raise SchemaError(Problem("wrong-option", "unit", message))
    files = files_inside(existing(path), _ENDING)
    pieces = Pieces(path)
    rows = [row for file in files for row in _rows(file, pieces)]
    dotted = [row.video for row in rows if not (_WHOLE.fullmatch(row.start) and _WHOLE.fullmatch(row.end))]
    whole = sorted({row.video for row in rows} - set(dotted))
    if unit is None and whole:
        message = "expected the unit of the times, got none: they are whole numbers, seconds or HTK's 100 ns, in "
        raise SchemaError(Problem("no-unit", str(path), message + listed(whole), "give --unit s or --unit 100ns"))
    if unit is None:
        message = f"{len(dotted)} of {len(rows)} rows have a decimal point: times are taken for seconds"
        pieces.note("unit-by-decimals", message, info=True)
    if unit == "100ns" and dotted:
        message = f"expected whole numbers of 100 ns, got a decimal point in {len(dotted)} of {len(rows)} rows"
        raise SchemaError(Problem("wrong-option", str(path), message, "give --unit s"))
    for row in rows:
        start, end = (_in_s(text, unit) for text in (row.start, row.end))
        pieces.add(row.where, row.video, start, end, row.label)
    parents = [parent("labels", file) for file in files]
    return pieces.adapted(parents, parameters=None if unit is None else {"unit": unit})


def _rows(file: Path, pieces: Pieces) -> list[_Row]:
    rows = []
    for number, line in lines(file, _COMMENT):
        fields = line.split(maxsplit=2)
        where = f"{file}: line {number}"
        if len(fields) < 2 or seconds_of(fields[0]) is None or seconds_of(fields[1]) is None:
            pieces.problems.add("wrong-row", where, f"expected start, end and a label, got {line[:40]!r}")
        else:
            rows.append(_Row(where, file.stem, fields[0], fields[1], fields[2] if len(fields) > 2 else None))
    return rows


def _in_s(text: str, unit: Unit | None) -> float:
    return float(Fraction(int(text), _PER_S)) if unit == "100ns" else float(text)


PLUGIN = Adapter("lab", "Label files of music and of HTK", recognises, read, takes=frozenset({"unit"}))
