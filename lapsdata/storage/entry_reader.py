"""Rows of more files than can be kept open: each file is opened for a batch, read, and closed, in compiled code.

What has to be known of a file stands in an index; no library of its format is asked. Its size, time and inode are
compared with the index each time, and each row with its checksum as `verify` says.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import sys
import weakref
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from lapsdata.errors import Problem, StorageError
from lapsdata.storage.atomic import storage_errors
from lapsdata.storage.entries import entry_damaged
from lapsdata.storage.gather import FAULTS, VERIFY, RowReader, wait_for
from lapsdata.storage.pieces import outside

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.storage.open_files import Io
    from lapsdata.storage.pieces import Fields, Piece
    from lapsdata.storage.seal import Verify

__all__ = ["EntryIndex", "EntryReader"]

_REOPEN = 2
"""In `known`: the item is read without its entry."""

_TRIES = 3
_UNOPENED, _REPLACED, _BAD_ENTRY = 8, 9, 10
"""Codes of `copy_entries`."""

_LINUX = (48, 88, 96, 8)
"""Where a `struct stat` of 64-bit Linux holds size, seconds and nanoseconds of the last change, and inode."""


class EntryIndex(Protocol):
    """The entries of the items of a catalog; see `lapsdata.storage.entries`."""

    @property
    def path(self) -> Path:
        """A file, for messages."""

    @property
    def folder(self) -> Path:
        """What names of files are relative to."""

    @property
    def generation(self) -> int:
        """That of the catalog."""

    @property
    def places(self) -> NDArray[np.int64]:
        """First byte of each entry, and the end of the last: (items + 1,), rising."""

    @property
    def entries(self) -> NDArray[np.uint8]:
        """All entries, mapped."""

    def check(self) -> None:
        """Refuse entries that are not what they were when they were opened."""


class EntryReader(RowReader):
    """Reads rows of many pieces as one array; see `RowReader`.

    Where there are more pieces than files may be open, rows are read by the entries of an index.

    Parameters
    ----------
    pieces : sequence of Piece
        Opening one (`sources`) either says what is wrong with its file, or where its rows lie now.
    fields : mapping of np.dtype
        In the order of the index.
    index : EntryIndex
    bare : callable
        Says which items have no checksums.
    verify, io, open_files
        See `RowReader`; with `io="mmap"`, files are kept open and mapped, however many there are.

    Attributes
    ----------
    direct : bool
        Whether files are opened for each batch, by the index.
    """

    def __init__(
        self,
        pieces: Sequence[Piece],
        fields: Fields,
        index: EntryIndex,
        *,
        bare: Callable[[], Sequence[int]],
        verify: Verify,
        io: Io,
        open_files: int,
    ) -> None:
        self._index, self._bare = index, bare
        self._may = io != "mmap" and len(pieces) > open_files
        super().__init__(pieces, fields, verify=verify, io=io, open_files=open_files)

    def _start(self) -> None:
        super()._start()
        self.direct = self._may and opens_directly(self._index.path)
        self._folder: int | None = None
        self._closing: Callable[[], object] | None = None
        if self.direct:
            self._known = np.zeros(len(self._pieces), np.uint8)
            self._bits = np.zeros((len(self._fields), len(self) // 8 + 1), np.uint8)

    def __getstate__(self) -> dict[str, Any]:
        return super().__getstate__() | {"_index": self._index, "_bare": self._bare, "_may": self._may}

    @property
    def unverified(self) -> int:
        """How many rows were delivered in this process that carry no checksum."""
        opened = super().unverified
        return opened + (sum(self._delivered(item) for item in self._bare()) if self.direct else 0)

    def _delivered(self, item: int) -> int:
        """Count the rows of an item that were read directly."""
        first, stop = self.starts[item : item + 2].tolist()
        bits = np.unpackbits(self._bits[:, first // 8 : stop // 8 + 1], axis=1, bitorder="little")
        rows: NDArray[np.uint8] = np.bitwise_or.reduce(bits, axis=0)
        return int(np.count_nonzero(rows[first % 8 : first % 8 + stop - first]))

    def close(self) -> None:
        """Close files and threads; a later `gather` opens what it needs."""
        super().close()
        self._folder = None
        if self._closing is not None:
            self._closing()

    def _serve(self, ids: NDArray[np.int64], names: list[str], batch: dict[str, NDArray[Any]], threads: int) -> None:
        if not self.direct:
            super()._serve(ids, names, batch, threads)
        else:
            self._serve_directly(ids, names, batch, threads)

    def _serve_directly(
        self, ids: NDArray[np.int64], names: list[str], batch: dict[str, NDArray[Any]], threads: int
    ) -> None:
        if ids.min() < 0 or ids.max() >= len(self):
            raise outside(ids, len(self))
        self._index.check()
        left = np.zeros(len(ids), np.uint8)
        order = np.argsort(ids, kind="stable")
        edges = [len(ids) * n // max(threads, 1) for n in range(max(threads, 1) + 1)]
        own, *others = [order[a:b] for a, b in itertools.pairwise(edges) if b > a]
        tasks = [self._submit(threads, self._copy_directly, ids, part, names, batch, left) for part in others]
        try:
            self._copy_directly(ids, own, names, batch, left)
        finally:
            wait_for(tasks)
        rest = np.flatnonzero(left)
        if len(rest):
            part = {name: np.empty((len(rest), *batch[name].shape[1:]), batch[name].dtype) for name in names}
            super()._serve(ids[rest], names, part, threads)
            for name in names:
                batch[name][rest] = part[name]

    def _copy_directly(
        self,
        ids: NDArray[np.int64],
        order: NDArray[np.int64],
        names: list[str],
        batch: dict[str, NDArray[Any]],
        left: NDArray[np.uint8],
    ) -> None:
        from lapsdata.storage._copy_loop import copy_entries

        index, (numbers, sizes) = self._index, self._plan(tuple(names))
        outs = np.array([batch[name].__array_interface__["data"][0] for name in names])
        entries = int(index.entries.__array_interface__["data"][0])
        flags = os.O_RDONLY | os.O_CLOEXEC
        items = (self.starts, index.places, entries, index.generation, numbers, len(self._fields), outs, sizes)
        marks = (VERIFY[self.verify], self._bits, self._known, left)
        layout, refusals = np.array(_LINUX, np.int64), 0
        while True:
            code, at, field = copy_entries(ids, order, *items, *marks, self._descriptor(), flags, layout)
            if not code:
                return
            refusals += code == _UNOPENED
            self._settle(code, int(ids[at]), names[field])
            if refusals >= _TRIES:
                message = "expected a file that can be opened, got refusals that do not last"
                raise StorageError(Problem("input-output", self._where(int(ids[at])), message, "read it again"))

    def _descriptor(self) -> int:
        """Return the descriptor of the folder that names are relative to."""
        if self._folder is None:
            with storage_errors(self._index.folder, "open"):
                self._folder = os.open(self._index.folder, os.O_RDONLY | os.O_CLOEXEC)
            self._closing = weakref.finalize(self, os.close, self._folder)
        return self._folder

    def _item(self, row: int) -> int:
        return int(np.searchsorted(self.starts, row, "right")) - 1

    def _where(self, row: int) -> str:
        return self._pieces[self._item(row)].where

    def _settle(self, code: int, row: int, name: str) -> None:
        """Raise what is wrong with a row, or see to it that it is read in another way."""
        item = self._item(row)
        if code == _BAD_ENTRY:
            raise entry_damaged(str(self._index.path), item)
        piece = self._pieces[item]
        source: Any = piece.sources()[name]
        if code in (_UNOPENED, _REPLACED):
            # Whoever opened it found nothing wrong: it is not the file that was indexed, and taken as it is.
            if code == _REPLACED:
                self._known[item] = _REOPEN
            return
        within = row - int(self.starts[item])
        kind, key, message, fix = FAULTS[code]
        raise kind(Problem(key, f"{piece.where}: {name}: row {within} ({source.place(within)})", message, fix))


def opens_directly(path: Path) -> bool:
    """Say whether compiled code may ask this system's C library for the status of files, as it does for one of them.

    Examples
    --------
    >>> from pathlib import Path
    >>> opens_directly(Path(sys.executable)) in (True, False)
    True
    """
    function = getattr(ctypes.CDLL(None), "fstat", None)
    if function is None or sys.platform != "linux" or sys.maxsize < 1 << 32:
        return False
    status = np.zeros(512, np.uint8)
    with storage_errors(path, "open"), path.open("rb") as file:
        function(file.fileno(), ctypes.c_void_p(status.__array_interface__["data"][0]))
        told = os.fstat(file.fileno())
    size, seconds, nanos, inode = (int(status[at : at + 8].view("<i8")[0]) for at in _LINUX)
    return (size, seconds * 10**9 + nanos, inode) == (told.st_size, told.st_mtime_ns, told.st_ino)
