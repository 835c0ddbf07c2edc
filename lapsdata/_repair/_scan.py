"""Which windows are what was written: by blocks, and by halves of a block that is not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.errors import CorruptDataError, LengthMismatchError, Problem, StorageError
from lapsdata.storage.gather import RowReader
from lapsdata.storage.index import ChunkIndex

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from lapsdata.storage.pieces import Source

__all__ = ["BLOCK", "WindowScan", "scan_windows"]

BLOCK = 256
"""Windows that are held at once."""


@dataclass(frozen=True, eq=False)
class WindowScan:
    """What was found of the windows of a file.

    Parameters
    ----------
    good : bool (W,)
        All arrays of the window fit their checksums.
    first : Problem or None
        The first damage.
    """

    good: NDArray[np.bool_]
    first: Problem | None
    _sources: Mapping[str, Source]
    _fields: Mapping[str, np.dtype[Any]]
    _where: str

    def lost_bytes(self, kept: NDArray[np.int64]) -> int:
        """Return the stored bytes of all other windows, where each has bytes of its own."""
        lost = np.ones(len(self.good), bool)
        lost[kept] = False
        indexes = [source for source in self._sources.values() if isinstance(source, ChunkIndex) and source.by_row]
        return sum(int(index.length[lost].sum()) for index in indexes)

    def blocks(self, kept: NDArray[np.int64]) -> Iterator[dict[str, NDArray[Any]]]:
        """Yield the arrays of some windows, by blocks; each is compared with its checksum once more."""
        reader = _reader(self._where, len(self.good), self._sources, self._fields)
        try:
            for first in range(0, len(kept), BLOCK):
                yield reader.gather(kept[first : first + BLOCK])
        finally:
            reader.close()


def scan_windows(where: str, sources: Mapping[str, Source], fields: Mapping[str, np.dtype[Any]]) -> WindowScan:
    """Compare every window with its checksum.

    Parameters
    ----------
    where : str
        File, for messages.
    sources : mapping of Source
        By name, each with the checksums of its windows.
    fields : mapping of np.dtype
        By the same names, what one window is, with its shape.

    Raises
    ------
    LengthMismatchError
        Arrays of unlike numbers of windows.
    """
    counts = {name: source.shape[0] for name, source in sources.items()}
    rows = next(iter(counts.values()))
    if len(set(counts.values())) > 1:
        raise LengthMismatchError(Problem("length-mismatch", where, f"expected arrays of one length, got {counts}"))
    good = np.zeros(rows, bool)
    first: Problem | None = None
    reader = _reader(where, rows, sources, fields)
    try:
        for begin in range(0, rows, BLOCK):
            found = _mark(reader, good, begin, min(begin + BLOCK, rows))
            first = first or found
    finally:
        reader.close()
    return WindowScan(good, first, sources, fields, where)


def _mark(reader: RowReader, good: NDArray[np.bool_], begin: int, end: int) -> Problem | None:
    """Note which windows of a span are sound, by halves; return what is wrong with the first that is not."""
    found = _read(reader, np.arange(begin, end))
    if found is None:
        good[begin:end] = True
        return None
    if end - begin == 1:
        return found
    middle = (begin + end) // 2
    first, second = _mark(reader, good, begin, middle), _mark(reader, good, middle, end)
    return first or second


def _read(reader: RowReader, ids: NDArray[np.int64]) -> Problem | None:
    """Return what is wrong with windows."""
    try:
        reader.gather(ids)
    except (CorruptDataError, StorageError) as error:
        return error.problems[0]
    return None


@dataclass(frozen=True, eq=False)
class _Piece:
    where: str
    rows: int
    found: Mapping[str, Source]

    def sources(self) -> Mapping[str, Source]:
        return self.found


def _reader(where: str, rows: int, sources: Mapping[str, Source], fields: Mapping[str, np.dtype[Any]]) -> RowReader:
    """Return a reader that opens a block at a time, so that a file that cannot be opened costs only its windows."""
    indexes = {name: source for name, source in sources.items() if isinstance(source, ChunkIndex) and source.by_row}
    pieces = [_Piece(where, rows, sources)]
    if len(indexes) == len(sources):
        pieces = [
            _Piece(
                where, min(BLOCK, rows - a), {name: one.part(a, min(a + BLOCK, rows)) for name, one in indexes.items()}
            )
            for a in range(0, rows, BLOCK)
        ]
    return RowReader(pieces, fields, verify="always", io="pread", open_files=64, slab_bytes=1 << 26)
