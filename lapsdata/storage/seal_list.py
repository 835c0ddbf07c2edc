"""Checksums for files of other makers, in a list beside each: `<name>.lapsdata-seal.json`.

The file itself is never touched. Whoever reads its rows takes the checksums from the list (`with_checksums`); a list
that is damaged, or that tells of another file, is an error and never passed over.
"""

from __future__ import annotations

import base64
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lapsdata.errors import CorruptDataError, LapsError, Problem, Problems, SchemaError, shown
from lapsdata.provenance import provenance
from lapsdata.schema.seal_list import SealedArray, SealList
from lapsdata.storage.atomic import storage_errors
from lapsdata.storage.hdf5_index import LibrarySlabs
from lapsdata.storage.index import ChunkIndex, FileKey
from lapsdata.storage.sealed_json import read_sealed_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.storage.pieces import Source

__all__ = [
    "SEAL_LIST",
    "Store",
    "existing_seal_list",
    "list_differences",
    "read_seal_list",
    "seal_list",
    "seal_list_path",
    "stored_dtype",
    "with_checksums",
]

Store = Literal["hdf5", "zarr", "tar", "npy"]

SEAL_LIST = ".lapsdata-seal.json"
"""What the name of a list ends with, behind the whole name of its file or folder."""

_NO_FILE = FileKey(0, 0, 0)
"""Key of a chunk file that was never written."""

_ANEW = "take the file from a copy; if it was changed on purpose: lapsdata check PATH --seal --force"
"""What to do about a list that does not fit."""

_LIST_ANEW = "take the list from a copy, or make it anew: lapsdata check PATH --seal --force"


def seal_list_path(path: Path) -> Path:
    """Return where the list of a file or folder stands.

    Examples
    --------
    >>> import pathlib
    >>> seal_list_path(pathlib.Path("clip.h5")).name
    'clip.h5.lapsdata-seal.json'
    """
    return path.with_name(path.name + SEAL_LIST)


def existing_seal_list(path: Path) -> Path | None:
    """Return the list beside a file or folder or, where none is beside a link, beside what it leads to; None for none.

    Examples
    --------
    >>> import pathlib
    >>> existing_seal_list(pathlib.Path("clip.h5")) is None
    True
    """
    places = (seal_list_path(path), seal_list_path(path.resolve()))
    return next((place for place in places if os.path.lexists(place)), None)


def read_seal_list(path: Path) -> SealList | None:
    """Read the list of a file or folder, see `existing_seal_list`; None where there is none.

    Raises
    ------
    CorruptDataError
        It is not what was written.
    StorageError
        It may not be read.
    FormatTooNewError
        Written by a newer major version.

    Examples
    --------
    >>> import pathlib
    >>> read_seal_list(pathlib.Path("clip.h5")) is None
    True
    """
    place = existing_seal_list(path)
    if place is None:
        return None
    try:
        return read_sealed_json(place, SealList)
    except (CorruptDataError, SchemaError) as error:
        message = f"expected a list of checksums as it was written, got a damaged one ({_why(error)})"
        raise CorruptDataError(Problem("seal-list-damaged", str(place), message, _LIST_ANEW)) from error


def _why(error: LapsError) -> str:
    more = f", and {len(error.problems) - 1} more" if len(error.problems) > 1 else ""
    return error.problems[0].message + more


def seal_list(
    path: Path, store: Store, sources: Mapping[str, Source], checksums: Mapping[str, NDArray[np.uint32]]
) -> SealList:
    """Make the list of a file or folder.

    Parameters
    ----------
    path : Path
    store : {"hdf5", "zarr", "tar", "npy"}
    sources : mapping of Source
        By the name of the array in the file.
    checksums : mapping of uint32 (W,)
        CRC-32C of each row's decoded little-endian bytes, by the same names.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.storage.index import file_key
    >>> place = pathlib.Path(tempfile.mkdtemp()) / "n.h5"
    >>> _ = place.write_bytes(bytes(24))
    >>> index = ChunkIndex.rows("n", (3, 2), np.dtype("<f4"), (place,), (file_key(place),), offset=0)
    >>> made = seal_list(place, "hdf5", {"n": index}, {"n": np.zeros(3, np.uint32)})
    >>> made.size_bytes, made.arrays[0].dtype
    (24, '<f4')
    """
    files, size = _stored_size(path, sources)
    arrays = tuple(
        SealedArray(
            name=name,
            shape=tuple(map(int, source.shape)),
            dtype=stored_dtype(source).str,
            row_crc32c=base64.b64encode(checksums[name].astype("<u4").tobytes()).decode("ascii"),
        )
        for name, source in sources.items()
    )
    return SealList(
        name=shown(path.name), store=store, files=files, size_bytes=size, arrays=arrays, provenance=provenance()
    )


def with_checksums(path: Path, store: Store, sources: Mapping[str, Source]) -> dict[str, Source]:
    """Return the arrays of a file with the checksums that its list tells; as they are where there is no list.

    Parameters
    ----------
    path : Path
    store : {"hdf5", "zarr", "tar", "npy"}
    sources : mapping of Source
        All arrays that a list of this file tells of, by their names in the file.

    Raises
    ------
    CorruptDataError
        The list is damaged, or tells of a file of another size or of other arrays.
    StorageError, FormatTooNewError
        See `read_seal_list`.

    Examples
    --------
    >>> import pathlib
    >>> with_checksums(pathlib.Path("clip.h5"), "hdf5", {})
    {}
    """
    found = read_seal_list(path)
    if found is None:
        return dict(sources)
    problems = list_differences(found, path, store, sources)
    if problems:
        raise CorruptDataError(*problems)
    told = {array.name: array for array in found.arrays}
    return {name: _with(source, told[name]) for name, source in sources.items()}


def list_differences(found: SealList, path: Path, store: Store, sources: Mapping[str, Source]) -> list[Problem]:
    """Say in what a file differs from its list, without reading a row; empty where it does not."""
    files, size = _stored_size(path, sources)
    facts: list[tuple[str, object, object]] = [
        ("store", found.store, store),
        ("files", found.files, files),
        ("size", f"{found.size_bytes} bytes", f"{size} bytes"),
    ]
    told = {array.name: f"{array.shape} {array.dtype}" for array in found.arrays}
    now = {name: f"{tuple(source.shape)} {stored_dtype(source).str}" for name, source in sources.items()}
    facts += [(name, told.get(name, "no such array"), now.get(name, "none")) for name in sorted({*told, *now})]
    problems = Problems(str(existing_seal_list(path) or seal_list_path(path)))
    of = "" if found.name in (shown(path.name), shown(path.resolve().name)) else f", when it was called '{found.name}'"
    for what, sealed, here in facts:
        if sealed != here:
            message = f"expected {sealed} as sealed{of}, got {here} in {path.name}"
            problems.add("seal-list-mismatch", what, message, _ANEW)
    return list(problems)


def stored_dtype(source: Source) -> np.dtype[Any]:
    """Return the type of an array's elements, little-endian.

    Raises
    ------
    SchemaError
        They are no plain numbers.
    """
    dtype = source.dtype.newbyteorder("<")
    if dtype.kind not in "biuf" or dtype.itemsize > 8:
        where = getattr(source, "where", "array")
        raise SchemaError(Problem("wrong-dtype", where, f"expected plain numbers up to 8 bytes, got {source.dtype}"))
    return dtype


def _stored_size(path: Path, sources: Mapping[str, Source]) -> tuple[int, int]:
    """Return how many files arrays lie in, and their bytes; a chunk that was never written has none."""
    sizes: dict[Path, int] = {}
    for source in sources.values():
        if isinstance(source, ChunkIndex):
            keys = zip(source.files, source.keys, strict=True)
            sizes.update((file, key.size) for file, key in keys if key != _NO_FILE)
        else:
            with storage_errors(path, "open"):
                sizes[path] = path.stat().st_size
    # Of arrays that hold nothing but fill values there is the metadata alone.
    return max(1, len(sizes)), sum(sizes.values())


def _with(source: Source, told: SealedArray) -> Source:
    sums = np.frombuffer(base64.b64decode(told.row_crc32c), "<u4").astype(np.uint32)
    if isinstance(source, ChunkIndex | LibrarySlabs):
        return replace(source, row_crc32c=sums)
    raise TypeError(type(source).__name__)
