"""The rows of a damaged catalog: cells that fit the seal, cells that files tell again, and what proves those.

The seal holds a digest of each column of each group of rows. A column that was made anew is believed where it fits that
digest; a single row also where the digest of its item is sound and its file still has it. Nothing else is believed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lapsdata._repair._catalog_files import OURS
from lapsdata._repair._seals import REMAKE
from lapsdata.errors import CorruptDataError, LapsError, Problem
from lapsdata.formats.catalog_parquet import COLUMNS, column_of
from lapsdata.storage.decoding import decoding
from lapsdata.storage.sealed_groups import group_digest
from lapsdata.storage.sealed_parquet import column_values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa

    from lapsdata._repair._catalog_files import CatalogFiles
    from lapsdata._repair._seals import Seal
    from lapsdata.schema.catalog import CatalogHeader

__all__ = ["RowGroup", "read_groups", "remake"]


@dataclass
class RowGroup:
    """A group of rows of a damaged catalog.

    Parameters
    ----------
    rows : list of dict
        Of each row, the cells that are known: sound ones, and those that were made anew and proved.
    digests : dict of str
        Of each column, as sealed.
    damaged : dict of Problem
        By column, why it is not believed.
    remade : list of str
        Columns of these that were made anew, and fit their digests.
    remade_rows : set of int
        Rows that have a cell that was made anew.
    """

    rows: list[dict[str, Any]]
    digests: dict[str, str]
    damaged: dict[str, Problem]
    remade: list[str] = field(default_factory=list)
    remade_rows: set[int] = field(default_factory=set)

    @property
    def asks(self) -> bool:
        """Whether its files may say something of what is lost."""
        return bool(set(self.damaged) - set(OURS))

    @property
    def good(self) -> list[bool]:
        """Which rows are known whole."""
        return [len(row) == len(COLUMNS) for row in self.rows]

    @property
    def missing(self) -> list[str]:
        """Columns that are not known whole."""
        return [name for name in COLUMNS if name in self.damaged and name not in self.remade]


def read_groups(path: Path, file: Any, seal: Seal) -> Iterator[RowGroup]:  # noqa: ANN401 - pyarrow carries no types
    """Yield the groups of rows that the seal speaks of, each with the columns that fit their digests.

    Raises
    ------
    CorruptDataError
        The columns are not those of a catalog.
    """
    if set(seal.manifest["columns"]) != set(COLUMNS):
        message = f"expected the columns {list(COLUMNS)}, got {list(seal.manifest['columns'])}"
        raise CorruptDataError(Problem("wrong-columns", str(path), message, REMAKE))
    for number, count in enumerate(seal.manifest["rows"]):
        digests = {name: seal.manifest["columns"][name]["digests"][number] for name in COLUMNS}
        group = RowGroup([{} for _ in range(count)], digests, {})
        for name in COLUMNS:
            try:
                values = _column(file, number, name, digests[name], f"{path}: row group {number}: {name}")
            except LapsError as error:
                group.damaged[name] = error.problems[0]
            else:
                _enter(group, name, values)
        yield group


def _column(file: Any, number: int, name: str, digest: str, where: str) -> list[Any]:  # noqa: ANN401 - pyarrow
    with decoding(where, "Parquet pages"):
        column = file.read_row_group(number, columns=[name], use_threads=False)[name]
        column.validate(full=True)
        found = group_digest(column)
    if found != digest:
        raise CorruptDataError(Problem("seal-mismatch", where, f"expected digest {digest} as sealed, got {found}"))
    return _plain(name, column)


def _plain(name: str, column: pa.ChunkedArray) -> list[Any]:
    values: list[Any] = column_values(column).tolist() if name == "duration_s" else column.to_pylist()
    return values


def _enter(group: RowGroup, name: str, values: Sequence[Any]) -> None:
    for row, value in zip(group.rows, values, strict=True):
        row[name] = value


def remake(group: RowGroup, files: CatalogFiles, header: CatalogHeader, advance: Callable[[int], None]) -> None:
    """Fill in cells that are lost: those of group and split where they are all alike, the others from the files.

    Parameters
    ----------
    group : RowGroup
        Rows are changed.
    files : CatalogFiles
    header : CatalogHeader
    advance : callable
        Takes the number of rows whose files have been looked at.
    """
    guesses: dict[str, list[Sequence[Any]]] = {}
    for name in OURS:
        alike = (None, *header.splits) if name == "split" else (None,)
        guesses[name] = [[value] * len(group.rows) for value in alike]
    found: list[dict[str, Any] | None] = [None] * len(group.rows)
    if group.asks:
        for number, row in enumerate(group.rows):
            found[number] = files.item(row)
            advance(1)
    if all(found):
        guesses |= {name: [[item[name] for item in found if item]] for name in COLUMNS if name not in OURS}
    for name in list(group.damaged):
        for values in guesses.get(name, []):
            if group_digest(_chunked(name, values)) == group.digests[name]:
                _enter(group, name, values)
                group.remade.append(name)
                group.remade_rows |= set(range(len(group.rows)))
                break
    _remake_rows(group, found)


def _chunked(name: str, values: Sequence[Any]) -> pa.ChunkedArray:
    import pyarrow as pa

    return pa.chunked_array([column_of(name, values)])


def _remake_rows(group: RowGroup, found: Sequence[Mapping[str, Any] | None]) -> None:
    """Fill in the rows whose own digest is sound: no other item has it."""
    lost = [name for name in group.missing if name not in OURS]
    for number, (row, item) in enumerate(zip(group.rows, found, strict=True)):
        if lost and item is not None and row.get("digest") is not None:
            row.update({name: item[name] for name in lost})
            group.remade_rows.add(number)
