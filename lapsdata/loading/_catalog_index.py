"""The index beside a catalog: `<name>.index/` with `index.json`, sealed, and two tables that NumPy opens.

`places.npy` int64 (items + 1,) says where in `entries.npy` uint8 each item's entry begins; what an entry is, see
`lapsdata.storage.entries`. Every entry carries its own checksum.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
from typing import TYPE_CHECKING

import numpy as np

from lapsdata.errors import CorruptDataError, Problem, StorageError
from lapsdata.schema.catalog import CatalogIndex
from lapsdata.storage.atomic import atomic_folder, storage_errors
from lapsdata.storage.index import file_key
from lapsdata.storage.seal import REPAIR
from lapsdata.storage.sealed_json import read_sealed_json, write_sealed_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from typing import BinaryIO

    from numpy.typing import NDArray

    from lapsdata.schema.catalog import CatalogHeader

__all__ = ["CatalogIndexFolder", "index_writer"]

_NPY_HEADER = 128
"""Bytes before the values of both tables, whatever their lengths."""

_FIX = "write the catalog again (lapsdata.write_catalog), or remove the folder to read without an index"


def index_place(catalog: Path) -> Path:
    """Return where the index of a catalog stands.

    Examples
    --------
    >>> from pathlib import Path
    >>> index_place(Path("data.catalog.parquet")).name
    'data.catalog.index'
    """
    return catalog.with_name(catalog.name.removesuffix(".parquet") + ".index")


def seal_digest(seal: bytes) -> str:
    """Return the digest that binds an index to its catalog."""
    return f"sha256:{hashlib.sha256(seal).hexdigest()}"


def generation_of(paths: Iterable[str]) -> int:
    """Return the number that binds each entry to the items and their order."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.encode() + b"\0")
    return int.from_bytes(digest.digest()[:6], "little")


class CatalogIndexFolder:
    """An index that is open; see `EntryIndex`.

    Raises
    ------
    StorageError
        It belongs to another catalog, or a table is gone.
    CorruptDataError
        `index.json` or `places.npy` are damaged, or a table has another size.
    """

    def __init__(self, folder: Path, catalog: Path, seal: bytes, header: CatalogHeader) -> None:
        self.folder, self.path = catalog.parent, folder / "entries.npy"
        told = read_sealed_json(folder / "index.json", CatalogIndex)
        if told.catalog != seal_digest(seal):
            message = "expected an index of this catalog, got one of another"
            raise StorageError(Problem("replaced", str(folder), message, _FIX))
        if (told.fields, told.items) != (tuple(field.name for field in header.fields), header.items):
            message = f"expected {header.items} items with {[field.name for field in header.fields]}, got others"
            raise CorruptDataError(Problem("index-damaged", str(folder), message, _FIX))
        self.generation, self._bytes = told.generation, told.size_bytes
        self._check(folder / "places.npy", "<i8", told.items + 1)
        self._check(self.path, "|u1", told.size_bytes)
        with storage_errors(folder, "open"):
            self.places: NDArray[np.int64] = np.fromfile(folder / "places.npy", "<i8", offset=_NPY_HEADER)
        rising = self.places[0] == 0 and self.places[-1] == told.size_bytes and (np.diff(self.places) >= 0).all()
        if not rising or (self.places % 8).any():
            message = f"expected places that rise from 0 to {told.size_bytes}, got others"
            raise CorruptDataError(Problem("index-damaged", str(folder / "places.npy"), message, _FIX))
        self._key = file_key(self.path)

    @classmethod
    def beside(cls, catalog: Path, seal: bytes, header: CatalogHeader) -> CatalogIndexFolder | None:
        """Open the index of a catalog; None where it has none."""
        folder = index_place(catalog)
        return cls(folder, catalog, seal, header) if folder.is_dir() else None

    def _check(self, path: Path, kind: str, count: int) -> None:
        with storage_errors(path, "open"), path.open("rb") as file:
            found = file.read(_NPY_HEADER)
        size = file_key(path).size
        expected = _NPY_HEADER + count * np.dtype(kind).itemsize
        if found != _npy_header(kind, count) or size != expected:
            message = f"expected {count} numbers in {expected} bytes, got {size} bytes"
            raise CorruptDataError(Problem("index-damaged", str(path), message, REPAIR))

    def check(self) -> None:
        """Refuse entries that were replaced or cut short since they were opened: they are read through a map.

        Raises
        ------
        StorageError
            They are not what they were.
        """
        if file_key(self.path) != self._key:
            message = "expected the index that was opened, got another one of its name"
            raise StorageError(Problem("replaced", str(self.path), message, "open the data set again"))

    @functools.cached_property
    def entries(self) -> NDArray[np.uint8]:
        """All entries, mapped."""
        from lapsdata.storage._pages import map_file

        with storage_errors(self.path, "open"), self.path.open("rb") as file:
            self.check()
            return map_file(file.fileno(), _NPY_HEADER + self._bytes)[_NPY_HEADER:]

    def entry(self, number: int) -> bytes:
        """Read the entry of one item; nothing for an item without."""
        self.check()
        first, stop = self.places[number : number + 2].tolist()
        with storage_errors(self.path, "read"), self.path.open("rb") as file:
            return os.pread(file.fileno(), stop - first, _NPY_HEADER + first)


@contextlib.contextmanager
def index_writer(catalog: Path, generation: int) -> Iterator[EntryWriter]:
    """Give what takes the entries of a catalog in order; once finished, they stand beside it, in place of others."""
    with atomic_folder(index_place(catalog), overwrite=True) as folder, (folder / "entries.npy").open("wb") as file:
        yield EntryWriter(file, folder, generation)


class EntryWriter:
    """Writes entries one after the other."""

    def __init__(self, file: BinaryIO, folder: Path, generation: int) -> None:
        self._file, self._folder, self.generation = file, folder, generation
        self.places = [0]
        file.write(bytes(_NPY_HEADER))

    def add(self, entry: bytes) -> None:
        """Write the next entry."""
        self._file.write(entry)
        self.places.append(self.places[-1] + len(entry))

    def finish(self, header: CatalogHeader, seal: bytes) -> None:
        """Write what is known only at the end, and which catalog all this belongs to."""
        self._file.seek(0)
        self._file.write(_npy_header("|u1", self.places[-1]))
        self._file.flush()
        places = np.array(self.places, "<i8")
        (self._folder / "places.npy").write_bytes(_npy_header("<i8", len(places)) + places.tobytes())
        record = CatalogIndex(
            catalog=seal_digest(seal),
            fields=tuple(field.name for field in header.fields),
            items=header.items,
            generation=self.generation,
            size_bytes=self.places[-1],
        )
        write_sealed_json(self._folder / "index.json", record)


def _npy_header(kind: str, count: int) -> bytes:
    """Spell the header of an npy file, version 1.0, in always as many bytes."""
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': ({count},), }}".encode()
    length = _NPY_HEADER - 10
    return b"\x93NUMPY\x01\x00" + length.to_bytes(2, "little") + text.ljust(length - 1) + b"\n"
