"""Sealed HDF5 files, read: plain datasets that any tool opens, with header, checksums and seal beside them.

`sealed_hdf5_writer` writes them, with `libver="v110"`, whose metadata blocks carry checksums of their own. Header and
seal are fixed-length bytes datasets, since variable-length text would lie in a heap that nothing protects. Everything
is read through the ladder of `hdf5_file`, so that a broken NumPy install does not matter.
"""

from __future__ import annotations

import contextlib
import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lapsdata.errors import CorruptDataError, MissingExtraError, Problem, SchemaError, UnknownFormatError
from lapsdata.storage.atomic import storage_errors
from lapsdata.storage.decoding import decoding
from lapsdata.storage.hdf5_file import DatasetInfo, Hdf5File
from lapsdata.storage.hdf5_index import LibrarySlabs, hdf5_index
from lapsdata.storage.seal import (
    CHECKSUMS,
    REPAIR,
    check_rows,
    crc32c,
    digest,
    open_seal,
    sealed_by,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from typing import Self

    from numpy.typing import NDArray
    from pydantic import JsonValue

    from lapsdata.storage.index import ChunkIndex

__all__ = ["HEADER_PATH", "SEAL_PATH", "STORAGE_PATH", "SealedHdf5", "hdf5_header", "hdf5_manifest"]

_INSTALL_FAULTS = ("cannot-import", "mixed-numpy-install")

HEADER_PATH = "lapsdata/header"
"""Dataset that holds the header; what has it is a file of ours."""

STORAGE_PATH = "lapsdata/storage"
"""Dataset that says how the values were put on disk."""

SEAL_PATH = "lapsdata/seal"
"""Dataset that holds the seal; a file of ours without it was not finished."""

_EMPTY_ELSEWHERE = (".tar", ".txt", ".json", ".xml")


class SealedHdf5:
    """A file of ours, opened for reading; the seal has been checked.

    Parameters
    ----------
    path : Path

    Raises
    ------
    StorageError
        Nothing is there, or it may not be read.
    UnknownFormatError
        Not HDF5, or not a file that this library wrote.
    CorruptDataError
        Metadata, small arrays or seal do not fit each other.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = Hdf5File(path)
        try:
            self._open()
        except BaseException:
            self._file.close()
            raise

    def _open(self) -> None:
        if not _has_header(self._file):
            message = "expected an HDF5 file with a lapsdata header, got one without"
            raise UnknownFormatError(Problem("not-ours", str(self.path), message, "name its format, or use an adapter"))
        with _damage(), decoding(f"{self.path}: {HEADER_PATH}", "JSON"):
            self.header: dict[str, JsonValue] = dict(json.loads(self._bytes(HEADER_PATH)))
        with sealed_by(self.header, str(self.path)), _damage():
            self._check_seal()

    def _check_seal(self) -> None:
        if f"/{SEAL_PATH}" not in self._file.datasets():
            message = "expected a seal, got none: the file was not finished"
            raise CorruptDataError(Problem("unsealed", str(self.path), message, REPAIR))
        seal = self._bytes(SEAL_PATH)
        with decoding(f"{self.path}: {SEAL_PATH}", "a seal"):
            manifest = json.loads(seal)["manifest"]
            arrays, attributes = dict(manifest["arrays"]), dict(manifest["attributes"])
            small = {name for name, entry in arrays.items() if "digest" in entry}
        with decoding(str(self.path), "the sealed datasets"):
            found = hdf5_manifest(self._file, sorted(arrays), small, attributes)
        open_seal(seal, found, str(self.path))
        with decoding(f"{self.path}: {STORAGE_PATH}", "JSON"):
            self.storage: dict[str, JsonValue] = json.loads(self._bytes(STORAGE_PATH))
        self._small = small
        self.names = tuple(name for name in arrays if not name.endswith(CHECKSUMS))

    def _bytes(self, name: str) -> bytes:
        return _read_bytes(self._file, name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def read(self, name: str, *, verify: bool = True) -> NDArray[Any]:
        """Return a whole array; each window is compared with its checksum unless `verify` is False.

        Raises
        ------
        CorruptDataError
            A window is damaged.
        """
        with _damage():
            values: NDArray[Any] = self._file.read(name)
            if verify and name not in self._small:
                expected = self._file.read(name + CHECKSUMS)
                check_rows(values, expected, f"{self.path}: {name}", lambda window: self._bytes_of(name, window))
        return values

    def small(self, name: str) -> NDArray[Any] | None:
        """Return a small array, which the seal has vouched for; None where there is none of that name."""
        with _damage():
            return self._file.read(name) if name in self._small else None

    def source(self, name: str) -> ChunkIndex | LibrarySlabs:
        """Say where the windows of a big array lie, and what their checksums are.

        Raises
        ------
        CorruptDataError
            A window was never written, or the chunk index is damaged.
        """
        with _damage():
            return hdf5_index(self._file, name, row_crc32c=self._file.read(name + CHECKSUMS))

    def _bytes_of(self, name: str, window: int) -> str | None:
        """Say which bytes of the file hold a window; None where it has a chunk of its own."""
        info = self._file.describe(name)
        if info.offset is None or info.shape is None:
            return None
        size = info.size * math.prod(info.shape[1:])
        start = info.offset + window * size
        return f"bytes {start} to {start + size}"


def hdf5_header(path: Path) -> dict[str, JsonValue] | None:
    """Return the header that this library wrote into an HDF5 file; None where it is none of ours.

    Raises
    ------
    CorruptDataError
        An HDF5 file whose structure, or whose header, cannot be read.
    """
    with storage_errors(path, "open"):
        # Of an empty text or tar, those tell who read such files.
        if path.is_dir() or (path.suffix.lower() in _EMPTY_ELSEWHERE and not path.stat().st_size):
            return None
    try:
        opened = Hdf5File(path)
    except UnknownFormatError:
        return None  # no HDF5 signature: some other kind of file
    with opened as file:
        if not _has_header(file):
            return None
        with _damage(), decoding(f"{path!s}: {HEADER_PATH}", "JSON"):
            header: dict[str, JsonValue] = dict(json.loads(_read_bytes(file, HEADER_PATH)))
    return header


def _has_header(file: Hdf5File) -> bool:
    """Say whether a file holds a header of ours; a group that is there and cannot be entered may hide it."""
    paths = file.datasets()
    for path in ("/", f"/{HEADER_PATH.partition('/')[0]}"):
        problem = file.describe(path).problem if path in paths else None
        if problem is not None:
            raise CorruptDataError(replace(problem, fix=REPAIR))
    return f"/{HEADER_PATH}" in paths


@contextlib.contextmanager
def _damage() -> Iterator[None]:
    """Name the errors of reading any HDF5 file for what they are in a file of ours: it was whole once.

    Raises
    ------
    CorruptDataError
        In place of a missing dataset, an unknown type or a filter that is not installed.
    """
    try:
        yield
    except (SchemaError, UnknownFormatError, MissingExtraError) as error:
        if any(problem.code in _INSTALL_FAULTS for problem in error.problems):
            raise  # says something about this machine, and nothing about the file
        raise CorruptDataError(*(replace(problem, fix=REPAIR) for problem in error.problems)) from error


def _read_bytes(file: Hdf5File, name: str) -> bytes:
    return bytes(file.read(name).item())


def hdf5_manifest(
    file: Hdf5File, names: list[str], small: set[str], attributes: Mapping[str, Mapping[str, int]]
) -> dict[str, JsonValue]:
    """Describe the file as it is: every dataset's structure, digests of the small ones, attributes, header."""
    arrays: dict[str, JsonValue] = {}
    for name in names:
        entry = _structure(file.describe(name))
        if name in small:
            entry["digest"] = digest(file.read(name))
        arrays[name] = entry
    return {
        "header": f"{crc32c(_read_bytes(file, HEADER_PATH)):08x}",
        "storage": f"{crc32c(_read_bytes(file, STORAGE_PATH)):08x}",
        "attributes": {g: {key: int(file.attribute(g, key)) for key in pairs} for g, pairs in attributes.items()},
        "arrays": arrays,
    }


def _structure(info: DatasetInfo) -> dict[str, JsonValue]:
    if info.problem is not None:
        raise CorruptDataError(info.problem)
    return {
        "type": f"{info.type_class} {info.size} {info.byte_order}",
        "shape": list(info.shape or ()),
        "layout": info.layout,
        "chunks": None if info.chunk_shape is None else list(info.chunk_shape),
        "filters": [f"{step.id}:{step.name}" for step in info.filters],
    }
