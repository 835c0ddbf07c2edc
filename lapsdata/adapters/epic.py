"""Annotations as EPIC-Kitchens has them: CSV with `video_id`, `start_timestamp`, `stop_timestamp` and what is done.

Times are `HH:MM:SS.cc`. Segments overlap: a quarter of all neighbours do. What is done stands in `verb` and `noun`, in
the numbers of their classes, and in words (`narration`).
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from fractions import Fraction
from typing import TYPE_CHECKING

from lapsdata.adapters._adapter import Adapted, Adapter
from lapsdata.adapters._pieces import Pieces
from lapsdata.adapters._texts import files_inside, head
from lapsdata.errors import Problem, SchemaError
from lapsdata.provenance import parent
from lapsdata.storage.atomic import existing
from lapsdata.storage.text_table import read_text_table

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["PLUGIN", "read"]

_VIDEO, _START, _STOP = "video_id", "start_timestamp", "stop_timestamp"
_KNOWN = {_VIDEO, _START, _STOP}
_TIME = re.compile(r"(\d{1,4}):([0-5]\d):([0-5]\d(?:\.\d{1,9})?)", re.ASCII)
# The first that the table has; a label is what its columns say, with a blank between.
_LABELS = (("verb", "noun"), ("verb_class", "noun_class"), ("verb",), ("narration",))


def recognises(path: Path) -> str | None:
    """Return "segments" for a CSV file whose first line names these columns, and for a folder with such files alone."""
    if path.is_dir():
        files = files_inside(path, "*.csv")
        return "segments" if files and all(map(_is_theirs, files)) else None
    return "segments" if path.suffix == ".csv" and _is_theirs(path) else None


def _is_theirs(path: Path) -> bool:
    columns = next(csv.reader(head(path).splitlines()[:1]), [])
    return {name.strip() for name in columns} >= _KNOWN


def read(path: Path) -> Adapted:
    r"""Read a table, or all tables of a folder.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Adapted
        Labels are verb and noun where both are there, else the numbers of their classes, else the verb, else the
        narration: which it was, is told. How long a video is, is not told.

    Raises
    ------
    SchemaError
        Times that are none, or a table that is none: every row is named.
    StorageError
        It cannot be read.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "train.csv"
    >>> _ = path.write_text(
    ...     "video_id,start_timestamp,stop_timestamp,verb,noun\nP01_01,00:00:01.08,00:00:03.5,take,plate\n"
    ... )
    >>> segments = read(path).container
    >>> segments.start_s.tolist(), segments.end_s.tolist(), segments.label
    ([1.08], [3.5], ('take plate',))
    """
    files = files_inside(existing(path), "*.csv")
    pieces = Pieces(path)
    told: Counter[str] = Counter()
    for file in files:
        columns, rows, numbers = read_text_table(file)
        if not set(columns) >= _KNOWN:
            message = f"expected the columns {_VIDEO}, {_START} and {_STOP}, got {', '.join(columns) or 'none'}"
            raise SchemaError(Problem("missing-column", str(file), message))
        names = next((one for one in _LABELS if set(one) <= set(columns)), ())
        told[" and ".join(names) or "no column"] += len(rows)
        for number, cells in zip(numbers, rows, strict=True):
            row = dict(zip(columns, cells, strict=True))
            where = f"{file}: line {number}"
            start, stop = (_seconds(row[column]) for column in (_START, _STOP))
            if start is None or stop is None:
                message = f"expected times as HH:MM:SS.cc, got {row[_START]!r} and {row[_STOP]!r}"
                pieces.problems.add("wrong-time", where, message)
                continue
            pieces.add(where, row[_VIDEO], start, stop, " ".join(row[name] for name in names) or None)
    taken = ", ".join(f"{names} ({count} segments)" for names, count in told.items())
    pieces.note("labels-of-columns", f"labels are those of {taken}", info=True)
    return pieces.adapted([parent("annotations", file) for file in files])


def _seconds(text: str) -> float | None:
    found = _TIME.fullmatch(text.strip())
    if found is None:
        return None
    # Exact until the one rounding at the end: 00:01:00.08 is the float64 nearest to 60.08.
    return float(int(found[1]) * 3600 + int(found[2]) * 60 + Fraction(found[3]))


PLUGIN = Adapter("epic", "Annotations of EPIC-Kitchens", recognises, read, takes=frozenset())
