"""Tables of comma-separated text, as people and spreadsheets write them: every row has all columns, or is named."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, NamedTuple

from lapsdata.errors import Problem, SchemaError
from lapsdata.storage.atomic import existing, storage_errors

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["TextTable", "read_text_table"]


class TextTable(NamedTuple):
    """The cells of a table.

    Parameters
    ----------
    columns : list of str
        What the first line names.
    rows : list of list of str
        As many cells each; empty lines are none.
    lines : list of int
        The line that each row ends in, from 1.
    """

    columns: list[str]
    rows: list[list[str]]
    lines: list[int]


def read_text_table(path: Path) -> TextTable:
    """Read a table.

    Raises
    ------
    StorageError
        Nothing is there, or it cannot be read.
    SchemaError
        No comma-separated text in UTF-8 (`wrong-text`), or a row with more or fewer cells than columns (`wrong-row`).
    """
    with storage_errors(existing(path), "read"):
        data = path.read_bytes()
    found: list[tuple[int, list[str]]] = []
    try:
        # What spreadsheets write begins with a byte order mark.
        reader = csv.reader(io.StringIO(data.decode("utf-8-sig")), strict=True, skipinitialspace=True)
        found += [(reader.line_num, row) for row in reader if row]
    except (UnicodeDecodeError, csv.Error) as error:
        message = f"expected comma-separated text in UTF-8, got: {error}"
        raise SchemaError(Problem("wrong-text", str(path), message)) from None
    columns = [name.strip() for name in found[0][1]] if found else []
    ragged = [line for line, row in found if len(row) != len(columns)]
    if ragged:
        message = f"expected {len(columns)} values in each line, got others in {len(ragged)} of them"
        raise SchemaError(Problem("wrong-row", f"{path}: line {ragged[0]}", message))
    return TextTable(columns, [row for _, row in found[1:]], [line for line, _ in found[1:]])
