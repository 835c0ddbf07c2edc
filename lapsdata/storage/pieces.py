"""Pieces of a data set, opened when their rows are first wanted: where each field of each row lies.

A piece is a run of rows whose fields are arrays of the same files: a tracks file, a tar, a part of a large Zarr array.
Few are open at once; the ones not used for longest are closed, and never while a batch is being filled from them.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from lapsdata.errors import CorruptDataError, Problem
from lapsdata.storage.index import ABSENT, ChunkIndex
from lapsdata.storage.open_files import OpenFile, is_local, open_file
from lapsdata.storage.remote_index import RemoteIndex
from lapsdata.storage.seal import REPAIR
from lapsdata.storage.slabs import Slabs, chunk_slab

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.storage.open_files import Io
    from lapsdata.storage.remote import RemoteReader

__all__ = ["ELSEWHERE", "Fields", "OpenPieces", "Piece", "Source", "outside"]

Source = ChunkIndex | RemoteIndex | Slabs | np.ndarray[Any, np.dtype[Any]]
"""Where an array is: its chunks, here or behind URLs, something that reads runs of its rows, or the array itself."""

Fields = Mapping[str, np.dtype[Any]]
"""By name, the dtype of one row in a batch, with its shape: `np.dtype((np.float32, (16, 400, 2)))`."""

# METHOD, OFFSETS, LENGTHS, PARTS, SUMS, SEEN, TAIL: columns of a table as `_copy_loop` reads them.
_COLUMNS, _PART = 7, 3
_COPY, _FLAGS, _BLOSC, _BLOSC_FLAGS, ELSEWHERE, _MEMORY = range(6)

UNSUMMED = 2
"""In a `seen` byte: the row was delivered, and nothing says what it should have been."""


class Piece(Protocol):
    """A run of rows that is opened when it is first wanted."""

    @property
    def where(self) -> str:
        """File, for messages."""

    @property
    def rows(self) -> int:
        """Number of rows."""

    def sources(self) -> Mapping[str, Source]:
        """Find out where each field lies; may open files, and closes them again."""


@dataclass
class Opened:
    """An open piece: its table, and what keeps the table's addresses alive."""

    number: int
    sources: Mapping[str, Source]
    table: NDArray[np.int64]
    handles: dict[Path, tuple[OpenFile, int]] = field(default_factory=dict)
    """By path: the file, and its row of `parts`."""
    kept: list[NDArray[Any]] = field(default_factory=list)
    room: int = 0
    copied: int = 0
    """Fields that `_copy_loop` takes from files."""
    mapped: bool = False
    users: int = 0

    def stored(self, name: str) -> ChunkIndex | RemoteIndex | Slabs:
        """Return where a field lies that is stored in files.

        Raises
        ------
        TypeError
            It is an array in memory.
        """
        source = self.sources[name]
        if isinstance(source, np.ndarray):
            raise TypeError(f"{name} lies in memory")
        return source

    def slab(self, name: str, number: int) -> NDArray[Any]:
        """Read one slab of a field; see `chunk_slab`."""
        source = self.stored(name)
        if not isinstance(source, ChunkIndex):
            return source.read_slab(number)
        return chunk_slab(source, number, {path: file for path, (file, _) in self.handles.items()})

    def close(self) -> None:
        """Close the files."""
        for file, _ in self.handles.values():
            file.close()


class OpenPieces:
    """The open pieces of a data set, in one process.

    Parameters
    ----------
    pieces : sequence of Piece
    fields : mapping of np.dtype
    io : {"auto", "mmap", "pread"}
    most_files : int
        How many files may be open; a piece that alone needs more may have them.

    Attributes
    ----------
    starts : int64 (pieces + 1,)
    slots : int64 (pieces,)
        Row of `tables` of each piece; -1 where it is closed.
    tables : int64 (slots, fields, columns)
    parts : int64 (files, columns)
    room : int
        Bytes of the largest row, stored or decoded, among the pieces opened so far.
    reads : int64 (slots,)
        How many rows of each open piece were read, fields counted one by one.
    elsewhere : bool
        Whether rows of an open piece must be decoded by slabs.
    remotes : set of RemoteReader
        What reads rows that lie behind URLs.
    """

    def __init__(self, pieces: Sequence[Piece], fields: Fields, *, io: Io, most_files: int) -> None:
        self._pieces, self._fields, self._io, self._most = pieces, fields, io, most_files
        self.starts = starts_of(pieces)
        self.slots = np.full(len(pieces), -1, np.int64)
        self.tables = np.zeros((0, len(fields), _COLUMNS), np.int64)
        self.parts = np.zeros((0, _PART), np.int64)
        self.reads = np.zeros(0, np.int64)
        self.room, self.elsewhere, self.evicted = 0, False, 0
        self.remotes: set[RemoteReader] = set()
        self._open: OrderedDict[int, Opened] = OrderedDict()
        """The ones used last are last."""
        self._seen: dict[int, dict[str, NDArray[np.uint8]]] = {}
        self._free_slots: list[int] = []
        self._free_parts: list[int] = []
        self._files = self._readers = 0
        self._closing = False
        self._lock = threading.Lock()

    @property
    def may_close(self) -> bool:
        """Whether pieces may be closed to make room for others, so that they must be held while they are read."""
        return self._files >= self._most or len(self._open) < len(self._pieces)

    def hold(self, ids: NDArray[np.int64]) -> list[int]:
        """Open the pieces that rows lie in, and keep them open until `release`, which must follow.

        Raises
        ------
        IndexError
            A row outside of all pieces.
        CorruptDataError, StorageError, SchemaError
            A piece cannot be opened, or does not hold the fields.
        """
        with self._lock:
            self._readers += 1
            if not self.may_close:
                return []  # all are open, and stay so while somebody reads
        held: list[int] = []
        try:
            wanted = self.numbers(ids)
            with self._lock:
                self._open_all(wanted, held)
        except BaseException:
            self.release(held)
            raise
        return held

    def numbers(self, ids: NDArray[np.int64]) -> list[int]:
        """Return the pieces that rows lie in, each once.

        Raises
        ------
        IndexError
            A row outside of all pieces.
        """
        if ids.min() < 0 or ids.max() >= self.starts[-1]:
            raise outside(ids, int(self.starts[-1]))
        return [int(number) for number in np.unique(np.searchsorted(self.starts, ids, "right") - 1)]

    def _open_all(self, wanted: list[int], held: list[int]) -> None:
        # Those that are open first: they may not be closed to make room for the others.
        for number in sorted(wanted, key=lambda number: number not in self._open):
            if number not in self._open:
                self._make_room(self._most - 1)
                self._put(number)
            self._open[number].users += 1
            self._open.move_to_end(number)
            held.append(number)
        self._make_room(self._most)

    def release(self, held: list[int]) -> None:
        """Let pieces be closed again."""
        with self._lock:
            for number in held:
                self._open[number].users -= 1
            self._readers -= 1
            if self._closing and not self._readers:
                self._drop_all()

    def opened(self, number: int) -> Opened:
        """Return a piece that is held."""
        return self._open[number]

    def seen(self, number: int, name: str) -> NDArray[np.uint8]:
        """Return the bytes that say which rows of a field of a piece were read; they outlive its closing."""
        fields = self._seen.setdefault(number, {})
        if name not in fields:
            fields[name] = np.zeros(self._pieces[number].rows, np.uint8)
        return fields[name]

    def unverified(self) -> int:
        """Count the rows delivered so far of which a field has no checksum."""
        total = 0
        for fields in self._seen.values():
            total += int(np.any([seen == UNSUMMED for seen in fields.values()], axis=0).sum())
        return total

    def map_the_wanted(self) -> None:
        """Map the files of pieces whose rows have been read as often as there are rows, as `auto` says."""
        if self._io != "auto":
            return
        with self._lock:
            for piece in self._open.values():
                slot = self.slots[piece.number]
                enough = self._pieces[piece.number].rows * piece.copied
                if piece.mapped or not enough or self.reads[slot] < enough:
                    continue
                piece.mapped = True
                for file, part in piece.handles.values():
                    if is_local(file.path.parent) and file.populate():
                        self.parts[part, 0] = file.base

    def close(self) -> None:
        """Close all files, now or when the last reader leaves; pieces open again when they are wanted."""
        with self._lock:
            self._closing = True
            if not self._readers:
                self._drop_all()

    def _drop_all(self) -> None:
        for number in list(self._open):
            self._drop(number)
        self._closing = False

    def _make_room(self, most: int) -> None:
        """Close pieces that nobody reads, the ones used longest ago, until at most so many files are open."""
        while self._files > most:
            idle = next((piece for piece in self._open.values() if piece.users == 0), None)
            if idle is None:
                break
            self._drop(idle.number)
            self.evicted += 1

    def _drop(self, number: int) -> None:
        piece = self._open.pop(number)
        self._free_slots.append(int(self.slots[number]))
        self.slots[number] = -1
        self._files -= len(piece.handles)
        self._give_back(piece)

    def _give_back(self, piece: Opened) -> None:
        for _, part in piece.handles.values():
            self.parts[part] = -1
            self._free_parts.append(part)
        piece.close()

    def _put(self, number: int) -> Opened:
        opened = Opened(number, self._pieces[number].sources(), np.zeros((len(self._fields), _COLUMNS), np.int64))
        try:
            for row, (name, dtype) in enumerate(self._fields.items()):
                opened.table[row] = self._describe(opened, name, dtype)
        except BaseException:
            self._give_back(opened)
            raise
        if not self._free_slots:
            # Readers keep the old tables, which stay right for the pieces that they hold.
            self.tables, self._free_slots = _longer(self.tables)
            self.reads = np.concatenate([self.reads, np.zeros(len(self.tables) - len(self.reads), np.int64)])
        slot = self._free_slots.pop()
        self.reads[slot] = 0
        self.tables[slot] = opened.table
        self.room = max(self.room, opened.room)
        self.elsewhere |= bool((opened.table[:, 0] == ELSEWHERE).any())
        opened.copied = int((~np.isin(opened.table[:, 0], (ELSEWHERE, _MEMORY))).sum())
        self.slots[number] = slot
        self._files += len(opened.handles)
        self._open[number] = opened
        return opened

    def _describe(self, opened: Opened, name: str, dtype: np.dtype[Any]) -> tuple[int, ...]:
        """Return the table's row of a field, after opening its files."""
        source, piece = opened.sources[name], self._pieces[opened.number]
        if source.shape != (piece.rows, *dtype.shape):
            expected = (piece.rows, *dtype.shape)
            message = f"expected {expected}, got {source.shape}: the file is another one than was announced"
            raise CorruptDataError(Problem("wrong-shape", f"{piece.where}: {name}", message, REPAIR))
        if isinstance(source, np.ndarray):
            values = np.ascontiguousarray(source, dtype.base)
            opened.kept.append(values)
            return (_MEMORY, _address(values), 0, 0, 0, 0, 0)
        seen = _address(self.seen(opened.number, name))
        if isinstance(source, RemoteIndex):
            self.remotes.add(source.reader)
        if not isinstance(source, ChunkIndex):
            return (ELSEWHERE, 0, 0, 0, 0, seen, 0)
        source.check_extent()
        part_of_file = np.full(len(source.files), -1, np.int32)
        for number in np.unique(source.file[source.offset != ABSENT]).tolist():
            part_of_file[number] = self._handle(opened, source, number)
        method, tail = row_method(source, dtype)
        if method == ELSEWHERE:
            return (ELSEWHERE, 0, 0, 0, 0, seen, 0)
        lengths = np.ascontiguousarray(source.length - 4 * tail, np.int64)
        # A length below 0 is that of a chunk which is shorter than its own checksum.
        wrong = lengths < 0 if method in (_BLOSC, _BLOSC_FLAGS) else lengths != source.row_bytes
        if wrong.any():
            message = f"expected {source.row_bytes} bytes per row, got {lengths[wrong][0]}"
            raise CorruptDataError(Problem("wrong-chunk-length", source.where, message, REPAIR))
        opened.room = max(opened.room, source.row_bytes, int(lengths.max(initial=0)) + 4)
        arrays: list[NDArray[Any]] = [np.ascontiguousarray(source.offset, np.int64), lengths, part_of_file[source.file]]
        if source.row_crc32c is not None:
            arrays.append(np.ascontiguousarray(source.row_crc32c, np.uint32))
        opened.kept += arrays
        addresses = [_address(array) for array in arrays] + [0] * (4 - len(arrays))
        return (method, *addresses, seen, tail)

    def _handle(self, opened: Opened, source: ChunkIndex, number: int) -> int:
        """Open a file for a piece, unless another of its fields has it open; return its row of `parts`."""
        path = source.files[number]
        if path not in opened.handles:
            file = open_file(path, source.keys[number], self._io)
            if not self._free_parts:
                self.parts, self._free_parts = _longer(self.parts)
            part = self._free_parts.pop()
            self.parts[part] = (file.base, file.descriptor, file.size)
            opened.handles[path] = (file, part)
        return opened.handles[path][1]


def _longer(rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], list[int]]:
    """Return twice as many rows, the new ones -1, and the numbers of the new ones, lowest last."""
    more = max(8, len(rows))
    longer = np.concatenate([rows, np.full((more, *rows.shape[1:]), -1, np.int64)])
    return longer, list(range(len(longer) - 1, len(rows) - 1, -1))


def starts_of(pieces: Sequence[Piece]) -> NDArray[np.int64]:
    """Return the first row of each piece, and the number of rows; a sequence that knows them has them as `starts`."""
    known: NDArray[np.int64] | None = getattr(pieces, "starts", None)
    if known is not None:
        return known
    counts = np.fromiter((piece.rows for piece in pieces), np.int64, len(pieces))
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])


def outside(ids: NDArray[np.int64], rows: int) -> IndexError:
    """Return the error that names the first row outside of all pieces."""
    wrong = ids[(ids < 0) | (ids >= rows)]
    return IndexError(f"ids: expected 0 to {rows - 1}, got {wrong[0]} ({len(wrong)} such ids)")


def _address(array: NDArray[Any]) -> int:
    return int(array.__array_interface__["data"][0])


def row_method(source: ChunkIndex, dtype: np.dtype[Any]) -> tuple[int, int]:
    """Say how rows of an array get into a batch, and whether a CRC-32C follows the bytes of each."""
    names = [codec.name for codec in source.codecs]
    tail = int(bool(names) and names[-1] == "crc32c")
    way = {(): _COPY, ("blosc",): _BLOSC}.get(tuple(names[: len(names) - tail]))
    if way is None or not source.by_row or source.masks is not None or (source.offset == ABSENT).any():
        return ELSEWHERE, 0
    if source.dtype == dtype.base:
        return way, tail
    if source.dtype == np.dtype("<f4") and dtype.base == np.dtype(bool):
        return (_FLAGS if way == _COPY else _BLOSC_FLAGS), tail
    return ELSEWHERE, 0
