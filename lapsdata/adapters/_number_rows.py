"""Rows of numbers in the small texts of tracking: parted by commas, blanks or tabs, and fast where they are well made.

A file that is well made is parsed in one go by pyarrow. Whatever it refuses is read once more, line by line: then it is
one of the odd spellings that can still be read, or the line and the column can be named.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from lapsdata.errors import Problem, Problems, SchemaError
from lapsdata.storage.atomic import storage_errors

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["LARGEST", "NumberRows", "field_numbers", "first_numbers", "read_numbers"]

LARGEST = 2**53
"""From here on float64, which the texts are read as, no longer holds every whole number."""

_BOM = b"\xef\xbb\xbf"
_NUMBER = re.compile(r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|nan|inf|infinity)", re.ASCII | re.IGNORECASE)
_PARTED = re.compile(r"\s*,\s*|\s+")
_BLOCK = 1 << 16
# Of lines that are wrong so many are named.
_NAMED = 5


@dataclass(frozen=True)
class NumberRows:
    """The numbers of a file.

    Parameters
    ----------
    path : Path
    columns : tuple of float64 (R,)
        In the order of the file; none where it has no rows.
    notes : tuple of Problem
        What is odd about how they are spelled.
    """

    path: Path
    columns: tuple[NDArray[np.float64], ...]
    notes: tuple[Problem, ...] = ()
    _data: bytes = field(default=b"", repr=False)

    def __len__(self) -> int:
        return len(self.columns[0]) if self.columns else 0

    @cached_property
    def _lines(self) -> list[int]:
        return [number for number, _ in _said(self._data)]

    def where(self, row: int) -> str:
        """Return the place of a row: its file and line."""
        return f"{self.path}: line {self._lines[row]}"


def read_numbers(path: Path, names: Sequence[str], least: int) -> NumberRows:
    r"""Read a text whose lines all have the same number of numbers.

    Parameters
    ----------
    path : Path
    names : sequence of str
        What the columns mean, for messages; a line may not have more.
    least : int
        How many of them there must be.

    Raises
    ------
    SchemaError
        Each line that is none, with its column and value: lines that differ in length, and what is no number.
    StorageError
        It cannot be read.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "gt.txt"
    >>> _ = path.write_text("1, 7, 10.5, 20\n2, 7, 11, 21\n")
    >>> rows = read_numbers(path, ["frame", "id", "x", "y"], 4)
    >>> rows.columns[2].tolist(), rows.where(1)[-6:]
    ([10.5, 11.0], 'line 2')
    """
    with storage_errors(path, "read"):
        data = path.read_bytes()
    notes = []
    if data.startswith(_BOM):
        data = data.removeprefix(_BOM)
        message = "begins with a byte-order mark, which other readers take for a part of the first number: left out"
        notes.append(Problem("byte-order-mark", str(path), message, "save it as UTF-8 without one", "info"))
    if b"\0" in data[:4096] or data.startswith((b"\xff\xfe", b"\xfe\xff")):
        fix = "save it as UTF-8: this looks like UTF-16, or like no text at all"
        raise SchemaError(Problem("wrong-text", str(path), "expected lines of numbers, got other bytes", fix))
    data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    text = _comma_separated(data)
    width = text[: text.find(b"\n") if b"\n" in text else None].count(b",") + 1
    columns = _parsed(text, width) if text and least <= width <= len(names) else None
    if columns is None:
        columns, odd = _line_by_line(path, data, names, least)
        notes += odd
    return NumberRows(path, columns, tuple(notes), data)


def first_numbers(text: str) -> list[float] | None:
    """Return the numbers of the first line that says something; None where that has anything else.

    Examples
    --------
    >>> first_numbers("1, 2, 30.5,"), first_numbers("1 2 worker")
    ([1.0, 2.0, 30.5], None)
    """
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    fields = _fields(line)
    return [float(one) for one in fields] if fields and all(map(_NUMBER.fullmatch, fields)) else None


def field_numbers(
    place: str, fields: Sequence[str], names: Sequence[str], problems: Problems, whole: int = 0
) -> list[float] | None:
    """Return the numbers that fields spell; None where one does not, which is noted.

    Parameters
    ----------
    place : str
        File and line, for the message.
    fields, names : sequence of str
        Texts, and what they mean; as many.
    problems : Problems
    whole : int
        How many of them, from the first, are to be whole.

    Examples
    --------
    >>> found = Problems()
    >>> field_numbers("a.txt: line 2", ["7", "0.5"], ["frame", "x"], found, whole=1)
    [7.0, 0.5]
    >>> field_numbers("a.txt: line 3", ["7.5", "0.5"], ["frame", "x"], found, whole=1)
    >>> print(*found)
    a.txt: line 3: expected a whole number in column 1 (frame), got '7.5' [wrong-number]
    """
    numbers: list[float] = []
    for column, (text, name) in enumerate(zip(fields, names, strict=True)):
        number = float(text) if _NUMBER.fullmatch(text) else None
        if number is None or (column < whole and not (number.is_integer() and abs(number) < LARGEST)):
            word = "a whole number" if column < whole else "a number"
            problems.add("wrong-number", place, f"expected {word} in column {column + 1} ({name}), got {text[:40]!r}")
            return None
        numbers.append(number)
    return numbers


def _fields(line: str) -> list[str]:
    return _PARTED.split(line.strip(" \t,")) if line.strip(" \t,") else []


def _said(data: bytes) -> list[tuple[int, str]]:
    """Return the lines that say something, with their numbers from 1."""
    every = enumerate(data.decode("utf-8", errors="replace").split("\n"), 1)
    return [(number, line) for number, line in every if line.strip()]


def _comma_separated(data: bytes) -> bytes:
    """Return lines with commas between numbers, if they are well made; else what pyarrow will refuse."""
    text = data.strip()
    first = text[: text.find(b"\n") if b"\n" in text else None].rstrip()
    if b"," not in text:
        text = text.replace(b"\t", b" ")
        while b"  " in text:
            text = text.replace(b"  ", b" ")
        return text.replace(b" \n", b"\n").replace(b"\n ", b"\n").replace(b" ", b",")
    if first.endswith(b","):
        return re.sub(rb"[ \t,]+\n", b"\n", text + b"\n").strip()
    return text


def _parsed(text: bytes, width: int) -> tuple[NDArray[np.float64], ...] | None:
    """Return columns of numbers; None where a line has another number of them, or anything else."""
    import pyarrow as pa
    from pyarrow import csv

    names = [str(column) for column in range(width)]
    try:
        table = csv.read_csv(
            pa.BufferReader(text),
            # Threads gain nothing in files of this size, and do not survive a fork; one block needs no copy.
            read_options=csv.ReadOptions(
                column_names=names, use_threads=False, block_size=min(max(len(text), _BLOCK), 2**31 - 1)
            ),
            parse_options=csv.ParseOptions(quote_char=False, double_quote=False),
            convert_options=csv.ConvertOptions(column_types=dict.fromkeys(names, pa.float64()), null_values=[]),
        )
    except pa.ArrowInvalid:
        return None
    return tuple(column.to_numpy() for column in table.columns)


def _line_by_line(
    path: Path, data: bytes, names: Sequence[str], least: int
) -> tuple[tuple[NDArray[np.float64], ...], list[Problem]]:
    """Return columns of numbers and what is odd about them.

    Raises
    ------
    SchemaError
        As `read_numbers`.
    """
    found = Problems()
    rows: list[list[float]] = []
    wrong: list[Problem] = []
    separators: Counter[str] = Counter()
    other = ""
    width, first = 0, 0
    for number, line in _said(data):
        fields = _fields(line)
        place = f"{path}: line {number}"
        if not width and least <= len(fields) <= len(names):
            width, first = len(fields), number
        separators[kind := _separator(line)] += 1
        if not other and len(separators) > 1:
            other = f"{place} by {kind}"
        told = _told(place, fields, names, least, width, first)
        if told is None:
            rows.append([float(one) for one in fields])
        else:
            wrong.append(told)
    found.extend(wrong[:_NAMED])
    if (more := len(wrong) - _NAMED) > 0:
        found.add("wrong-row", wrong[_NAMED].where, f"expected numbers, got this and {more - 1} more such lines")
    found.raise_as(SchemaError)
    notes = []
    if other:
        parts = ", ".join(f"{count} by {kind}" for kind, count in separators.most_common())
        message = f"expected one separator, got lines whose numbers are parted {parts}, first {other}: all were read"
        notes.append(Problem("mixed-separators", str(path), message, "other readers lose such lines", "warning"))
    return tuple(np.array(rows, np.float64).T.copy()) if rows else (), notes


def _separator(line: str) -> str:
    inner = line.strip(" \t,")
    if "," not in inner:
        return "blanks"
    return "both" if re.search(r"[^\s,]\s+[^\s,]", inner) else "commas"


def _told(
    place: str, fields: Sequence[str], names: Sequence[str], least: int, width: int, first: int
) -> Problem | None:
    """Say what is wrong with a line; None where nothing is."""
    for column, text in enumerate(fields):
        if not _NUMBER.fullmatch(text):
            name = names[column] if column < len(names) else "nothing known"
            message = f"expected a number in column {column + 1} ({name}), got {text[:40]!r}"
            fix = "leave the line of names out" if column == 0 and text.isalpha() else "write a number, as 12.5"
            fix = "part numbers by commas, or all by blanks" if ";" in text else fix
            return Problem("wrong-number", place, message, fix)
    if width and len(fields) != width:
        message = f"expected {width} columns as in line {first}, got {len(fields)}"
        return Problem("wrong-columns", place, message, "look whether the file was cut, or two were put into one")
    if not width:
        most = f" to {len(names)}" * (least < len(names))
        message = f"expected {least}{most} columns ({', '.join(names)}), got {len(fields)}"
        return Problem("wrong-columns", place, message, "part them by commas, or all by blanks")
    return None
