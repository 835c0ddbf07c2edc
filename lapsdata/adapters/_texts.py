"""How the small files of others are read: their beginning, to know them by, their lines, and lines that are ranges."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lapsdata.errors import Problem, SchemaError
from lapsdata.storage.atomic import storage_errors

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["BEGINNING", "RANGE", "files_inside", "head", "lines"]

RANGE = re.compile(
    r"(?P<first>\d{1,9})-(?P<last>\d{1,9})\s+(?P<label>\S.*)"
    r"|<(?P<verb>[^<>]+)>(?P<objects>\S*)\s*\((?P<low>\d{1,9})-(?P<high>\d{1,9})\)\S*",
    re.ASCII,
)
"""A line `1-30 SIL`, or `<take><cup> (1-20)`: frames and a label."""

BEGINNING = 4096
"""Bytes of a beginning: what a file is shows in its first entries."""


def head(path: Path) -> str:
    """Return the beginning of a file as text, "" of a folder; bytes that are no UTF-8 are replaced."""
    if not path.is_file():
        return ""
    with storage_errors(path, "open"), path.open("rb") as file:
        return file.read(BEGINNING).decode("utf-8-sig", errors="replace")


def lines(path: Path, comment: str) -> list[tuple[int, str]]:
    """Return the lines that say something, with their numbers from 1; those that begin with `comment` do not.

    Raises
    ------
    SchemaError
        Not UTF-8.
    StorageError
        It cannot be read.
    """
    with storage_errors(path, "read"):
        data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SchemaError(Problem("wrong-text", str(path), f"expected text in UTF-8, got: {error}")) from None
    every = ((number, line.strip()) for number, line in enumerate(text.splitlines(), 1))
    return [(number, line) for number, line in every if line and not line.startswith(comment)]


def files_inside(path: Path, *patterns: str) -> list[Path]:
    """Return a file by itself, or the files of these names in a folder, in order of their names."""
    if not path.is_dir():
        return [path]
    with storage_errors(path, "list"):
        found = {file for pattern in patterns for file in path.glob(pattern) if file.is_file()}
    return sorted(file for file in found if not file.name.startswith("."))
