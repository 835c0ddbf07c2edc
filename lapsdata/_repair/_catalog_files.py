"""What the files of a catalog say themselves of their items, so that a lost cell of a row can be told again."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from lapsdata.errors import LapsError
from lapsdata.loading.catalog import item_rows, spelled_path
from lapsdata.loading.finding import find_places, open_one
from lapsdata.provenance import one_code_warning

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["OURS", "CatalogFiles", "same"]

OURS = ("group", "split")
"""Columns that stand in the catalog alone."""

Row = dict[str, Any]
"""What a catalog says of an item, but for group and split; see `lapsdata.loading.catalog.item_rows`."""


class CatalogFiles:
    """The files that a catalog names, and those that stand beside it; each is opened once, when it is asked for.

    Parameters
    ----------
    folder : Path
        That of the catalog, absolute.

    Attributes
    ----------
    refused : dict of LapsError
        By path as the catalog spells it: why a file could not be opened.
    changed : dict
        By path, in the same spelling: files that hold no item that agrees with a row.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._of: dict[str, _Rows] = {}
        self._beside: _Rows | None = None
        self.refused: dict[str, LapsError] = {}
        self.changed: dict[str, None] = {}

    def item(self, known: Mapping[str, Any]) -> Row | None:
        """Return the one item that agrees with all that is known of a row; None where there is none, or several.

        A row that does not say its file is looked for in the files that stand beside the catalog.
        """
        rows = self._file(known["path"]) if "path" in known else self._all_beside()
        cells = [name for name in known if name not in OURS]
        fitting = [row for row in rows.some(known) if all(same(row[name], known[name]) for name in cells)]
        if "path" in known and not fitting and known["path"] not in self.refused:
            self.changed[known["path"]] = None
        return fitting[0] if len(fitting) == 1 else None

    def _file(self, path: str) -> _Rows:
        if path not in self._of:
            rows = _Rows()
            try:
                with one_code_warning():
                    file = open_one(self._folder / path)
                for row, _ in item_rows(self._folder / path, file, self._folder):
                    rows.add(row | {"path": path})
            except LapsError as error:
                self.refused[path] = error
            self._of[path] = rows
        return self._of[path]

    def _all_beside(self) -> _Rows:
        if self._beside is None:
            self._beside = _Rows()
            try:
                places = [place for place in find_places(self._folder) if not isinstance(place, str)]
            except LapsError:
                places = []  # no file of windows stands there; the rows are lost, and told so
            for place in places:
                for row in self._file(spelled_path(place, self._folder)).rows:
                    self._beside.add(row)
        return self._beside


class _Rows:
    """Rows, found by the digest of the item, or by its video."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self._by: dict[str, dict[str, list[Row]]] = {"digest": defaultdict(list), "video": defaultdict(list)}

    def add(self, row: Row) -> None:
        self.rows.append(row)
        for name, rows in self._by.items():
            if row[name] is not None:
                rows[row[name]].append(row)

    def some(self, known: Mapping[str, Any]) -> list[Row]:
        """Return all rows that may agree with what is known."""
        for name, rows in self._by.items():
            if known.get(name) is not None:
                return rows.get(known[name], [])
        return self.rows


def same(one: object, other: object) -> bool:
    """Say whether two cells are equal; a time that is not known is equal to another.

    Examples
    --------
    >>> same(float("nan"), float("nan")), same(None, "10"), same(0.5, 0.5)
    (True, False, True)
    """
    return one == other or (one != one and other != other)
