"""Items of a catalog: columns that are read when they are asked for, and files that are opened when they are wanted."""

from __future__ import annotations

import functools
import hashlib
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

from lapsdata.errors import CorruptDataError, Problem, SchemaError, StorageError, listed
from lapsdata.formats.catalog_parquet import catalog_header
from lapsdata.loading._catalog_index import CatalogIndexFolder
from lapsdata.loading._item_table import Times, many_files
from lapsdata.loading.finding import open_one
from lapsdata.loading.items import WindowFile, WindowItem, rows_of, window_spec
from lapsdata.storage.atomic import existing
from lapsdata.storage.entries import Entry, read_entry
from lapsdata.storage.index import file_key
from lapsdata.storage.seal import REPAIR
from lapsdata.storage.sealed_groups import GroupedTable
from lapsdata.storage.sealed_parquet import column_values

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray
    from pydantic import JsonValue

    from lapsdata.loading.source import BatchSpec
    from lapsdata.storage.pieces import Piece, Source

__all__ = ["CatalogItems", "CatalogPieces", "Stale", "item_digest"]

Stale = Literal["raise", "reopen"]
"""What is done about a file that is not the one that an index was made of."""

_ROW = ("path", "video", "first", "windows", "digest")
_TELLING = ("video", "first", "windows", "digest")
"""Columns that say which items these are, whatever their place."""

_GROUPS = 4
"""Groups of rows of a catalog that are held."""


class CatalogItems:
    """The items of a catalog; see `ItemTable`.

    Parameters
    ----------
    path : Path
    rename : mapping of str
        By field of the catalog, its name in a batch.
    open_files : int
        Files that may be open at once.
    stale : {"raise", "reopen"}
    """

    def __init__(self, path: Path, rename: Mapping[str, str], *, open_files: int, stale: Stale) -> None:
        self._path, self._rename, self._most, self._stale = path, dict(rename), open_files, stale
        self._load()

    def _load(self) -> None:
        self.table = GroupedTable(self._path)
        self.header = catalog_header(self.table)
        windows = column_values(self.table.columns(["windows"])["windows"])
        if len(windows) != self.header.items or int(windows.sum()) != self.header.windows:
            message = f"expected {self.header.items} items of {self.header.windows} windows, got other rows"
            raise CorruptDataError(Problem("wrong-shape", str(self._path), message, REPAIR))
        self.starts: NDArray[np.int64] = np.concatenate([np.zeros(1, np.int64), np.cumsum(windows)])
        self.index = CatalogIndexFolder.beside(self._path, self.table.seal, self.header)
        self.stored = {field.name: np.dtype((field.dtype, field.shape)) for field in self.header.fields}
        self.again: dict[int, dict[str, Source]] = {}
        self._lock = threading.Lock()
        self._group = functools.lru_cache(maxsize=_GROUPS)(self._read_group)

    def __getstate__(self) -> dict[str, Any]:
        return {name: self.__dict__[name] for name in ("_path", "_rename", "_most", "_stale")} | {
            "_seal": self.table.seal
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        seal = state.pop("_seal")
        self.__dict__.update(state)
        self._load()
        if self.table.seal != seal:
            message = "expected the catalog that was opened first, got another one of its name"
            raise StorageError(Problem("replaced", str(self._path), message, "open the data set again"))

    def __len__(self) -> int:
        """Return the number of items."""
        return len(self.starts) - 1

    def __iter__(self) -> Iterator[WindowItem]:
        """Yield each item, whole: every file is opened for that."""
        return (self.whole(number)[1] for number in range(len(self)))

    @property
    def path(self) -> Path:
        """The catalog."""
        return self._path

    @property
    def reopened(self) -> int:
        """How many items were read from another file than the index was made of."""
        return len(self.again)

    @property
    def videos(self) -> tuple[str, ...]:
        """See `ItemTable`."""
        return tuple(self._distinct("video"))

    @property
    def paths(self) -> tuple[Path, ...]:
        """See `ItemTable`."""
        return tuple(self._path.parent / name for name in self._distinct("path"))

    def _distinct(self, name: str) -> list[str]:
        found: list[str] = self.table.columns([name])[name].unique().to_pylist()
        return found

    def row(self, number: int) -> dict[str, Any]:
        """Return what the catalog says of one item."""
        per = self.table.rows[0]
        group = self._group(number // per)
        return {name: group[name][number % per].as_py() for name in _ROW}

    def _read_group(self, number: int) -> Any:  # noqa: ANN401 - pyarrow carries no types
        return self.table.group(number, _ROW)

    def place(self, number: int) -> tuple[str, Path]:
        """See `ItemTable`."""
        row = self.row(number)
        return row["video"], self._path.parent / row["path"]

    def times(self, number: int) -> Times:
        """See `ItemTable`."""
        found = self.sources(number)
        start_s, end_s = found.get("start_s"), found.get("end_s")
        return (
            start_s if isinstance(start_s, np.ndarray) else None,
            end_s if isinstance(end_s, np.ndarray) else None,
        )

    def of_videos(self, names: set[str]) -> NDArray[np.bool_]:
        """See `ItemTable`."""
        return self._in("video", names)

    def of_splits(self, names: Iterable[str]) -> NDArray[np.bool_]:
        """See `ItemTable`.

        Raises
        ------
        SchemaError
            A split that the catalog does not have.
        """
        strangers = sorted(set(names) - set(self.header.splits))
        if strangers:
            message = f"expected some of {listed(self.header.splits) or 'no splits'}, got {listed(strangers)}"
            raise SchemaError(Problem("unknown-split", f"{self._path}: split", message))
        return self._in("split", set(names))

    def _in(self, name: str, values: set[str]) -> NDArray[np.bool_]:
        import pyarrow as pa
        import pyarrow.compute as pc

        found = pc.is_in(self.table.columns([name])[name], value_set=pa.array(sorted(values), pa.string()))
        return np.asarray(found.to_numpy(zero_copy_only=False) if isinstance(found, pa.Array) else found, bool)

    def facts(self) -> JsonValue:
        """See `ItemTable`: what the seal says of the columns that tell items; none of these is read for it.

        Not where the files lie, nor who wrote the catalog: data that were moved and catalogued again are the same.
        """
        columns = json.loads(self.table.seal)["manifest"]["columns"]
        return {"columns": {name: columns[name] for name in _TELLING}}

    def notes(self) -> tuple[str, ...]:
        """See `ItemTable`."""
        if self.index is None and len(self) > self._most:
            return (f"{many_files(len(self), self._most)}; {self._path.name} has none",)
        return ()

    def bare(self) -> list[int]:
        """Return the items whose windows have no checksums."""
        if not self.header.unsummed:
            return []
        return np.flatnonzero(np.asarray(self.table.columns(["digest"])["digest"].is_null(), bool)).tolist()

    def renamed(self, found: Mapping[str, Source]) -> dict[str, Source]:
        """Return sources by the names that a batch has for them."""
        return {self._rename.get(name, name): source for name, source in found.items()}

    def sources(self, number: int) -> dict[str, Source]:
        """Return where each field of an item lies: by the index, or by the file itself.

        Raises
        ------
        StorageError
            A file is gone, or is not the one that the index was made of.
        CorruptDataError
            The index is damaged, or the file holds something else than the catalog says.
        """
        with self._lock:
            again = self.again.get(number)
        if again is not None:
            return again
        entry = self._entry(number)
        changed = None if entry is None else self._changed(entry)
        if entry is not None and changed is None and len(entry.sources) == len(self.stored):
            return self.renamed(entry.sources)
        if changed is not None and self._stale == "raise":
            message = "expected the file that the catalog's index was made of, got another one of its name"
            fix = "write the catalog again (lapsdata.write_catalog), or open it with stale='reopen'"
            raise StorageError(Problem("replaced", str(changed), message, fix))
        found = self.renamed(self.whole(number)[0])
        if changed is not None:
            with self._lock:
                self.again[number] = found
        return found

    def _entry(self, number: int) -> Entry | None:
        index = self.index
        data = b"" if index is None else index.entry(number)
        if index is None or not data:
            return None
        known = (data, number, index.generation, self.stored, self._path.parent, str(index.path))
        return read_entry(*known, place=str(self.place(number)[1]))

    def _changed(self, entry: Entry) -> Path | None:
        """Return a file that is not the one that was indexed; None where all are."""
        for path, key in zip(entry.files, entry.keys, strict=True):
            existing(path)
            if file_key(path) != key:
                return path
        return None

    def whole(self, number: int) -> tuple[Mapping[str, Source], WindowItem]:
        """Open the file of an item itself, and compare it with the catalog."""
        row = self.row(number)
        path = self._path.parent / row["path"]
        file = open_one(path)
        return item_of(file, row, f"{self._path}: item {number}")


def item_of(file: WindowFile, row: Mapping[str, Any], where: str) -> tuple[Mapping[str, Source], WindowItem]:
    """Return where the windows of an item lie in its file, and the item.

    Raises
    ------
    CorruptDataError
        The file holds something else than the catalog says.
    """
    first, problem = 0, "no such video"
    for item in file.items:
        if (item.video, first) == (row["video"], row["first"]):
            found = {name: rows_of(source, first, first + item.rows) for name, source in file.found.items()}
            if item.rows != row["windows"]:
                problem = f"{item.rows} windows"
            elif row["digest"] not in (None, digest := item_digest(item, found)):
                problem = digest
            else:
                return found, item
            break
        first += item.rows
    told = f"{row['windows']} windows of {row['video']!r} ({row['digest'] or 'no digest'})"
    message = f"expected {told} in {file.path}, got {problem}: it is another file than was catalogued"
    raise CorruptDataError(Problem("changed-item", where, message, "write the catalog again: lapsdata.write_catalog"))


def item_digest(item: WindowItem, found: Mapping[str, Source]) -> str:
    """Return the digest of an item: header, shapes, times, and the checksums of its windows.

    It says as much as a digest of all bytes, and none of the windows is read for it.
    """
    digest = hashlib.sha256(b"" if item.header is None else item.header.to_bytes())
    digest.update(f"{item.video}\0{window_spec(found)!r}".encode())
    for name in sorted(found):
        source = found[name]
        values = source if isinstance(source, np.ndarray) else source.row_crc32c
        digest.update(f"{name}\0{item.rows}".encode())
        digest.update(b"" if values is None else values.astype(values.dtype.newbyteorder("<")).tobytes())
    return f"sha256:{digest.hexdigest()}"


class _CatalogPiece:
    """The windows of one item."""

    def __init__(self, items: CatalogItems, number: int) -> None:
        self._items, self._number = items, number

    @property
    def where(self) -> str:
        return str(self._items.place(self._number)[1])

    @property
    def rows(self) -> int:
        return int(self._items.starts[self._number + 1] - self._items.starts[self._number])

    def sources(self) -> Mapping[str, Source]:
        return self._items.sources(self._number)


class CatalogPieces(Sequence["Piece"]):
    """The same items as pieces to read from; none is an object before it is used."""

    def __init__(self, items: CatalogItems) -> None:
        self._items = items

    @property
    def starts(self) -> NDArray[np.int64]:
        """First row of each piece, and the number of rows."""
        return self._items.starts

    def __len__(self) -> int:
        """Return the number of pieces."""
        return len(self._items)

    @overload
    def __getitem__(self, number: int) -> Piece: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[Piece]: ...
    def __getitem__(self, number: int | slice) -> Piece | Sequence[Piece]:
        """Return a piece, or several."""
        if isinstance(number, slice):
            return [self[one] for one in range(*number.indices(len(self)))]
        if not 0 <= number < len(self):
            raise IndexError(number)
        return _CatalogPiece(self._items, number)


def catalog_spec(items: CatalogItems, names: Mapping[str, str]) -> BatchSpec:
    """Return the fields of a catalog under the names that batches have for them."""
    from lapsdata.loading.source import BatchSpec, FieldSpec

    return BatchSpec(
        {
            renamed: FieldSpec(field.shape, np.dtype(field.dtype), field.unit)
            for field in items.header.fields
            if (renamed := names.get(field.name)) is not None
        }
    )


def all_summed(found: Mapping[str, Source]) -> bool:
    """Say whether every stored field has a checksum for each window."""
    return all(isinstance(source, np.ndarray) or source.row_crc32c is not None for source in found.values())
