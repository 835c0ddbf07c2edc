"""Every window of a file, read once from its beginning to its end, in memory that does not grow with the file."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from lapsdata.errors import CorruptDataError, Problem
from lapsdata.storage.gather import RowReader
from lapsdata.storage.seal import row_checksums
from lapsdata.storage.seal_list import stored_dtype

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from lapsdata.loading.items import WindowFile
    from lapsdata.storage.pieces import Fields, Piece, Source
    from lapsdata.storage.seal import Verify

__all__ = ["Advance", "ReadWindows", "read_windows", "sum_windows"]


class Advance(Protocol):
    """Called with the number of windows read since the last call; of something else also with what it is."""

    def __call__(self, units: int, unit: str = "windows", /) -> None:
        """Count units."""


_Buffers = Mapping[str, "NDArray[Any]"]
_Read = Callable[[str, int, int, _Buffers], "NDArray[Any]"]

_BLOCK_BYTES = 1 << 24
"""Bytes of all fields that are read at once, where windows do not share larger chunks."""

_SLAB_BYTES = 1 << 26

_MOST_DAMAGED = 200
"""Damaged windows of a field that are looked for one by one; what is unreadable behind these is counted by blocks."""


@dataclass
class ReadWindows:
    """What became of the windows of a file.

    Parameters
    ----------
    windows : int
        How many there are.
    good : int
        How many could be read whole, and fit their checksums where these are known.
    problems : list of Problem
        One for each field with damaged windows.
    """

    windows: int
    good: int = 0
    problems: list[Problem] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The numbers in words."""
        of = "" if self.good == self.windows else f" of {self.windows}"
        return f"{self.good}{of} windows verified"


def read_windows(file: WindowFile, advance: Advance) -> ReadWindows:
    """Read every window of a file, as a loader gives it out, and compare it with its checksum.

    Parameters
    ----------
    file : WindowFile
    advance : callable

    Raises
    ------
    StorageError
        The file is gone, was replaced, or may not be read.
    """
    names = [name for name in file.usual if name != "start_s"]
    fields = {name: np.dtype((file.spec[name].dtype, file.spec[name].shape)) for name in names}
    found = ReadWindows(sum(item.rows for item in file.items))
    faults: dict[str, _Faults] = {name: _Faults() for name in names}
    with _reader(file.pieces, fields, verify="always") as read:
        for first, stop, buffers in _blocks(file.pieces, fields):
            good = np.ones(stop - first, bool)
            for name in names:
                for a, b in faults[name].find(read, name, first, stop, buffers):
                    good[a - first : b - first] = False
            found.good += int(good.sum())
            advance(stop - first)
    found.problems = [fault.problem(found.windows) for fault in faults.values() if fault.first is not None]
    return found


def sum_windows(
    pieces: Sequence[Piece], sources: Mapping[str, Source], advance: Advance
) -> dict[str, NDArray[np.uint32]]:
    """Return the CRC-32C of each row of arrays, over its decoded little-endian bytes, by name.

    Raises
    ------
    CorruptDataError
        A row cannot be read.
    SchemaError
        Arrays of something else than plain numbers.
    StorageError
        The file is gone, was replaced, or may not be read.
    """
    fields = {
        name: np.dtype((stored_dtype(source).newbyteorder("="), tuple(source.shape[1:])))
        for name, source in sources.items()
    }
    sums = {name: np.empty(source.shape[0], np.uint32) for name, source in sources.items()}
    with _reader(pieces, fields, verify="never") as read:
        for first, stop, buffers in _blocks(pieces, fields):
            for name in fields:
                sums[name][first:stop] = row_checksums(read(name, first, stop, buffers))
            advance(stop - first)
    return sums


class _Faults:
    """The damaged windows of one field."""

    def __init__(self) -> None:
        self.first: CorruptDataError | None = None
        self._ranges: list[tuple[int, int]] = []
        self._count, self._coarse = 0, False

    def find(self, read: _Read, name: str, first: int, stop: int, buffers: _Buffers) -> Iterator[tuple[int, int]]:
        """Yield the half-open ranges of damaged windows in a block, found by halving it again and again."""
        try:
            read(name, first, stop, buffers)
        except CorruptDataError as error:
            single = stop - first == 1
            if not single and self._count < _MOST_DAMAGED:
                middle = (first + stop) // 2
                yield from self.find(read, name, first, middle, buffers)
                yield from self.find(read, name, middle, stop, buffers)
                return
            self._coarse |= not single
            self._note(error, first, stop)
            yield first, stop

    def _note(self, error: CorruptDataError, first: int, stop: int) -> None:
        self.first = self.first or error
        self._count += stop - first
        if self._ranges and self._ranges[-1][1] == first:
            self._ranges[-1] = self._ranges[-1][0], stop
        else:
            self._ranges.append((first, stop))

    def problem(self, windows: int) -> Problem:
        """Return the first one's problem, with the others in its message."""
        told = self.first.problems[0] if self.first is not None else Problem("", "", "")
        shown = [str(a) if b == a + 1 else f"{a} .. {b - 1}" for a, b in self._ranges[:5]]
        more = " and others" if len(self._ranges) > len(shown) else ""
        count = f"{'up to ' * self._coarse}{self._count} of {windows} windows"
        message = f"{told.message} (damaged: {count}, {', '.join(shown)}{more})"
        return Problem(told.code, told.where, message, told.fix)


@contextlib.contextmanager
def _reader(pieces: Sequence[Piece], fields: Fields, *, verify: Verify) -> Iterator[_Read]:
    """Give a function that reads neighbouring rows of one field into the buffer that it has."""
    reader = RowReader(pieces, fields, verify=verify, io="pread", slab_bytes=_SLAB_BYTES)
    threads = min(4, os.cpu_count() or 1)

    def read(name: str, first: int, stop: int, buffers: _Buffers) -> NDArray[Any]:
        out = {name: buffers[name][: stop - first]}
        return reader.gather(np.arange(first, stop), fields=[name], out=out, threads=threads)[name]

    try:
        yield read
    finally:
        reader.close()


def _blocks(pieces: Sequence[Piece], fields: Fields) -> Iterator[tuple[int, int, dict[str, NDArray[Any]]]]:
    """Cut rows into blocks that no shared chunk lies in two of; the buffers are the same ones each time."""
    rows = sum(piece.rows for piece in pieces)
    slabs = [getattr(source, "slab_rows", 1) for piece in pieces for source in piece.sources().values()]
    slab = min(max(slabs, default=1), max(rows, 1))
    row_bytes = max(1, sum(dtype.itemsize for dtype in fields.values()))
    count = min(max(1, _BLOCK_BYTES // (row_bytes * slab)) * slab, max(rows, 1))
    buffers = {name: np.empty((count, *dtype.shape), dtype.base) for name, dtype in fields.items()}
    for first in range(0, rows, count):
        yield first, min(first + count, rows), buffers
