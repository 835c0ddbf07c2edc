"""Entries of an index of many files: all that is needed to read the rows of one of them, in one run of bytes.

An entry is little-endian int64 words, then tables and names that these point to by byte offsets within the entry::

    checksum, item, generation, rows, files, fields, bytes
    files  x (size, mtime_ns, inode, name)
    fields x (method, file, base, stride, length, offsets, lengths, parts, sums, tail)

Row r of a field lies in `file`, or in that of `parts (rows,)` int32; at `base + r * stride`, or at `offsets (rows,)`
int64; and is `length` bytes long, or `lengths (rows,)` int64. File -1 is the entry itself: times stand in it. `sums
(rows,)` uint32 are the CRC-32C of decoded rows; with `tail`, one of the stored bytes follows each row. Names end with
a zero byte, and are relative to the folder of the index's catalog, or absolute. The checksum is the CRC-32C of
everything behind it, so that an entry is verified when it is used, and opening an index of a million costs nothing.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.errors import CorruptDataError, Problem
from lapsdata.storage.codecs import Codec
from lapsdata.storage.index import ChunkIndex, FileKey
from lapsdata.storage.pieces import ELSEWHERE, row_method
from lapsdata.storage.seal import REPAIR, crc32c

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.storage.pieces import Fields, Source

__all__ = ["Entry", "make_entry", "read_entry"]

_HEAD, _FILE, _FIELD = 7, 4, 10
_IN_ENTRY = -1
_NONE = (ELSEWHERE, 0)
_COPY, _FLAGS, _BLOSC, _BLOSC_FLAGS = range(4)


class _Builder:
    """Words at the front, tables behind them."""

    def __init__(self, words: int) -> None:
        self.words = np.zeros(words, np.int64)
        self._tables: list[bytes] = []
        self._at = 8 * words

    def table(self, array: NDArray[Any], dtype: str) -> int:
        return self.raw(np.ascontiguousarray(array, dtype).tobytes())

    def raw(self, data: bytes) -> int:
        place = self._at
        padded = data + bytes(-len(data) % 8)
        self._tables.append(padded)
        self._at += len(padded)
        return place

    def finish(self) -> bytes:
        self.words[6] = self._at
        body = self.words[1:].astype("<i8").tobytes() + b"".join(self._tables)
        return np.array([crc32c(body)], "<i8").tobytes() + body


def make_entry(
    item: int, generation: int, sources: Mapping[str, Source], fields: Fields, folder: Path
) -> tuple[bytes, bool]:
    """Return the entry of an item, and whether every field is in it.

    Parameters
    ----------
    item : int
        Its number: entries that changed places are found.
    generation : int
        That of the catalog: entries of another one are found.
    sources : mapping of Source
        Where each field lies.
    fields : mapping of np.dtype
        By name, the dtype of one row in a batch with its shape; every field of `sources`, in the order of the index.
    folder : Path
        What names of files within it are relative to.

    Notes
    -----
    A field whose rows cannot be copied or decoded one by one is marked as being elsewhere: whoever wants it opens the
    file.
    """
    stored = {name: source for name, source in sources.items() if isinstance(source, ChunkIndex)}
    methods = {name: row_method(source, fields[name]) for name, source in stored.items()}
    places: dict[Path, FileKey] = {}
    for name, chunks in stored.items():
        if methods[name][0] != ELSEWHERE:
            places |= {chunks.files[n]: chunks.keys[n] for n in np.unique(chunks.file).tolist()}
    rows = next(iter(sources.values())).shape[0]
    built = _Builder(_HEAD + _FILE * len(places) + _FIELD * len(fields))
    built.words[1:6] = item, generation, rows, len(places), len(fields)
    numbers = {}
    for number, (path, key) in enumerate(places.items()):
        at = _HEAD + _FILE * number
        built.words[at : at + _FILE] = key.size, key.mtime_ns, key.inode, built.raw(_name(path, folder) + b"\0")
        numbers[path] = number
    lines: dict[bytes, int] = {}
    # The longest first: the others may be parts of it.
    for number, name in sorted(enumerate(fields), key=lambda pair: -fields[pair[1]].itemsize):
        at = _HEAD + _FILE * len(places) + _FIELD * number
        source = sources[name]
        if isinstance(source, np.ndarray):
            built.words[at : at + _FIELD] = _in_entry(built, source, fields[name], lines)
        elif not isinstance(source, ChunkIndex) or methods[name][0] == ELSEWHERE:
            built.words[at] = ELSEWHERE
        else:
            built.words[at : at + _FIELD] = _in_files(built, source, methods[name], numbers)
    whole = all(isinstance(sources[name], np.ndarray) or methods.get(name, _NONE)[0] != ELSEWHERE for name in fields)
    return built.finish(), whole


def _name(path: Path, folder: Path) -> bytes:
    return os.fsencode(path.relative_to(folder) if path.is_relative_to(folder) else path.absolute())


def _in_files(
    built: _Builder, source: ChunkIndex, method: tuple[int, int], numbers: Mapping[Path, int]
) -> tuple[int, ...]:
    """Return the words of a field that is stored in files; regular rows need no tables."""
    way, tail = method
    part = np.array([numbers.get(path, -1) for path in source.files], np.int32)[source.file]
    lengths = source.length - 4 * tail
    base, stride, offsets = _line(source.offset)
    one_part, one_length = bool((part == part[0]).all()), bool((lengths == lengths[0]).all())
    return (
        way,
        int(part[0]),
        base,
        stride,
        int(lengths[0]),
        0 if offsets is None else built.table(offsets, "<i8"),
        0 if one_length else built.table(lengths, "<i8"),
        0 if one_part else built.table(part, "<i4"),
        0 if source.row_crc32c is None else built.table(source.row_crc32c, "<u4"),
        tail,
    )


def _line(offset: NDArray[np.int64]) -> tuple[int, int, NDArray[np.int64] | None]:
    """Return first offset and distance where all are alike, else the offsets."""
    steps = np.diff(offset)
    if not len(steps) or (steps == steps[0]).all():
        return int(offset[0]), int(steps[0]) if len(steps) else 0, None
    return int(offset[0]), 0, offset


def _in_entry(built: _Builder, values: NDArray[Any], dtype: np.dtype[Any], lines: dict[bytes, int]) -> tuple[int, ...]:
    """Return the words of an array in memory; windows that overlap share the times of their frames."""
    array = np.ascontiguousarray(values, dtype.base)
    line, stride = overlapped(array) if array.ndim == 2 else (array.reshape(-1), array[0].size)
    data = line.astype(line.dtype.newbyteorder("<")).tobytes()
    found = next((at + known.find(data) for known, at in lines.items() if known.find(data) % array.itemsize == 0), None)
    if found is None:
        found = built.raw(data)
        lines[data] = found
    return (_COPY, _IN_ENTRY, found, stride * array.itemsize, array[0].nbytes, 0, 0, 0, 0, 0)


def overlapped(array: NDArray[Any]) -> tuple[NDArray[Any], int]:
    """Return one line of numbers, and the stride at which the rows of an array are runs of it.

    Examples
    --------
    >>> line, stride = overlapped(np.array([[0.0, 0.1, 0.2], [0.1, 0.2, 0.3]]))
    >>> line.tolist(), stride
    ([0.0, 0.1, 0.2, 0.3], 1)
    """
    width = array.shape[1]
    for stride in range(1, width):
        # As bytes: NaN is itself, and -0.0 is not 0.0.
        if array[1:, : width - stride].tobytes() == array[:-1, stride:].tobytes():
            return np.concatenate([array[0], array[1:, width - stride :].reshape(-1)]), stride
    return array.reshape(-1), width


@dataclass(frozen=True)
class Entry:
    """An entry that was verified.

    Parameters
    ----------
    rows : int
    files : tuple of Path
    keys : tuple of FileKey
    sources : dict of Source
        By field; those that are elsewhere are not in it.
    """

    rows: int
    files: tuple[Path, ...]
    keys: tuple[FileKey, ...]
    sources: dict[str, Source]


def read_entry(
    data: bytes, item: int, generation: int, fields: Fields, folder: Path, where: str, *, place: str | None = None
) -> Entry:
    """Read an entry; see `make_entry`.

    Parameters
    ----------
    data : bytes
    item, generation : int
        Which item of which index it should be.
    fields : mapping of np.dtype
    folder : Path
        What the names of files are relative to.
    where : str
        The index, for messages about the entry.
    place : str, optional
        The item's own file or folder, for messages about its rows; by default `where`.

    Raises
    ------
    CorruptDataError
        It is not the entry that was written.

    Examples
    --------
    >>> from pathlib import Path
    >>> times, kinds = {"start_s": np.array([0.0, 0.1])}, {"start_s": np.dtype("f8")}
    >>> made, _ = make_entry(3, 9, times, kinds, Path())
    >>> read_entry(made, 3, 9, kinds, Path(), "an index").sources["start_s"].tolist()
    [0.0, 0.1]
    >>> read_entry(made, 4, 9, kinds, Path(), "an index")
    Traceback (most recent call last):
    lapsdata.errors.CorruptDataError: an index: item 4: expected its entry, got other bytes; ... [index-damaged]
    """
    words = np.frombuffer(data[: len(data) // 8 * 8], "<i8")
    sound = len(words) >= _HEAD and len(data) == words[6] and words[0] == crc32c(data[8:])
    if not sound or (words[1], words[2], words[5]) != (item, generation, len(fields)):
        raise entry_damaged(where, item)
    rows, count = int(words[3]), int(words[4])
    table = words[_HEAD : _HEAD + _FILE * count].reshape(count, _FILE)
    files = tuple(folder / os.fsdecode(data[at : data.index(b"\0", at)]) for at in table[:, 3].tolist())
    keys = tuple(FileKey(*key) for key in table[:, :3].tolist())
    sources: dict[str, Source] = {}
    for number, (name, dtype) in enumerate(fields.items()):
        at = _HEAD + _FILE * count + _FIELD * number
        source = _source(data, words[at : at + _FIELD].tolist(), rows, dtype, files, keys, f"{place or where}: {name}")
        if source is not None:
            sources[name] = source
    return Entry(rows, files, keys, sources)


def entry_damaged(where: str, item: int) -> CorruptDataError:
    """Return the error of an entry that is not what was written."""
    message = "expected its entry, got other bytes"
    return CorruptDataError(Problem("index-damaged", f"{where}: item {item}", message, REPAIR))


def _source(
    data: bytes,
    words: Sequence[int],
    rows: int,
    dtype: np.dtype[Any],
    files: tuple[Path, ...],
    keys: tuple[FileKey, ...],
    where: str,
) -> Source | None:
    method, part, base, stride, length, offsets, lengths, parts, sums, tail = words
    if method == ELSEWHERE:
        return None
    if part == _IN_ENTRY:
        place = (rows, *dtype.shape)
        strides = (stride, *np.empty((1, *dtype.shape), dtype.base).strides[1:])
        return np.ndarray(place, dtype.base.newbyteorder("<"), data, base, strides)

    def table(at: int, kind: str, other: NDArray[Any]) -> NDArray[Any]:
        return np.frombuffer(data, kind, rows, at) if at else other

    stored = np.dtype("<f4") if method in (_FLAGS, _BLOSC_FLAGS) else dtype.base.newbyteorder("<")
    codecs = (*([Codec("blosc")] if method in (_BLOSC, _BLOSC_FLAGS) else []), *([Codec("crc32c")] if tail else []))
    return ChunkIndex(
        where,
        (rows, *dtype.shape),
        stored,
        (1, *dtype.shape),
        files,
        keys,
        file=table(parts, "<i4", np.full(rows, part, np.int32)).astype(np.int32),
        offset=table(offsets, "<i8", base + stride * np.arange(rows, dtype=np.int64)).astype(np.int64),
        length=table(lengths, "<i8", np.full(rows, length, np.int64)) + 4 * tail,
        codecs=codecs,
        row_crc32c=np.frombuffer(data, "<u4", rows, sums).astype(np.uint32) if sums else None,
    )
