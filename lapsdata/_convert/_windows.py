"""The windows of one video, from whatever file holds them, block by block and every one of them verified."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.errors import Problem, SchemaError
from lapsdata.storage.gather import RowReader
from lapsdata.storage.index import ChunkIndex

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from lapsdata.schema.tracks import TracksHeader
    from lapsdata.storage.pieces import Source

__all__ = ["BLOCK", "Block", "Windows"]

BLOCK = 256
"""Windows that are held at once: a shard of a Zarr array, 13 MB of the usual windows."""

_FILES = 32
"""Files that one piece may need: an array that lies in more is opened in parts."""

_SLABS = 1 << 26
"""Bytes of decoded chunks that are held where several windows share them."""

_DTYPES = {"tracks": np.dtype(np.float32), "vis": np.dtype(np.bool_), "confidence": np.dtype(np.float32)}


@dataclass(frozen=True, eq=False)
class Block:
    """Windows that follow each other, by view.

    Parameters
    ----------
    tracks : dict of float32 (n, T, N, 2), pixel xy
    vis : dict of bool (n, T, N)
    confidence : dict of float32 (n, T, N) or None
    largest_error_px : float
        By how much a position differs from the stored one at most: 0.0 unless that was no float32.
    """

    tracks: dict[str, NDArray[np.float32]]
    vis: dict[str, NDArray[np.bool_]]
    confidence: dict[str, NDArray[np.float32]] | None
    largest_error_px: float

    def __len__(self) -> int:
        """Return the number of windows n."""
        return len(next(iter(self.vis.values())))


@dataclass(frozen=True, eq=False)
class Windows:
    """The windows of one video: header and times are known, positions lie where `sources` says.

    Parameters
    ----------
    where : str
        File, for messages.
    header : TracksHeader
    start_index : int64 (W,)
    frame_s : float64 (F,), seconds
    source_index : int64 (F,) or None
    sources : mapping of mapping of Source
        By view, then by `tracks`, `vis` and `confidence`.
    left_behind : tuple of str
        What the file holds beside, which has no place in tracks.
    notes : tuple of Problem
        What was taken for granted.
    filled : int
        How many chunks were never written, and read as the fill value.
    part : (int, int) or None
        In shards: which of their windows is the first of this video, and how many they have in all.
    """

    where: str
    header: TracksHeader
    start_index: NDArray[np.int64]
    frame_s: NDArray[np.float64]
    source_index: NDArray[np.int64] | None
    sources: Mapping[str, Mapping[str, Source]]
    left_behind: tuple[str, ...] = ()
    notes: tuple[Problem, ...] = field(default_factory=tuple)
    filled: int = 0
    part: tuple[int, int] | None = None

    def __len__(self) -> int:
        """Return the number of windows W."""
        return len(self.start_index)

    @property
    def unverified(self) -> int:
        """How many windows carry no checksum, so that nothing says what their bytes should be."""
        sources = [source for arrays in self.sources.values() for source in arrays.values()]
        summed = all(getattr(source, "row_crc32c", None) is not None for source in sources)
        return 0 if summed else len(self)

    def share_of(self, size: int) -> int:
        """Return the bytes of the source that belong to this video; the shares of all videos in shards make the sum."""
        if self.part is None:
            return size
        first, total = self.part
        return size * (first + len(self)) // total - size * first // total

    def blocks(self, begin: int = 0) -> Iterator[Block]:
        """Read all windows from `begin` on in order, each compared with its checksum where there is one.

        Raises
        ------
        CorruptDataError
            A window is not what was written; says file, row and byte.
        StorageError
            A file is gone, was replaced, or may not be read.
        SchemaError
            Positions that float32 cannot hold.
        """
        found = {f"{array}/{view}": source for view, arrays in self.sources.items() for array, source in arrays.items()}
        fields = {name: _field(name, source) for name, source in found.items()}
        # Not through maps: what has been read would count as this process's memory.
        reader = RowReader(
            _pieces(self.where, len(self), found), fields, verify="always", io="pread", slab_bytes=_SLABS
        )
        try:
            for first in range(begin, len(self), BLOCK):
                yield _block(reader.gather(np.arange(first, min(first + BLOCK, len(self)))), self.where)
        finally:
            reader.close()


@dataclass(frozen=True, eq=False)
class _Piece:
    where: str
    rows: int
    found: Mapping[str, Source]

    def sources(self) -> Mapping[str, Source]:
        return self.found


def _field(name: str, source: Any) -> np.dtype[Any]:  # noqa: ANN401 - any kind of source
    dtype = _DTYPES[name.partition("/")[0]]
    exact = dtype.kind != "f" or (source.dtype.kind == "f" and source.dtype.itemsize <= dtype.itemsize)
    return np.dtype((dtype if exact else np.float64, tuple(source.shape[1:])))


def _pieces(where: str, rows: int, found: Mapping[str, Source]) -> Sequence[_Piece]:
    """Part arrays that lie in many files, so that few of these are open at once."""
    arrays = [source for source in found.values() if isinstance(source, ChunkIndex)]
    files = max((len(source.files) for source in arrays), default=1)
    if files <= _FILES or len(arrays) < len(found) or not all(source.by_row for source in arrays):
        return [_Piece(where, rows, found)]
    step = max(1, rows * _FILES // files)
    cuts = [(first, min(first + step, rows)) for first in range(0, rows, step)]
    return [_Piece(where, b - a, {name: source.part(a, b) for name, source in _indexes(found)}) for a, b in cuts]


def _indexes(found: Mapping[str, Source]) -> Iterator[tuple[str, ChunkIndex]]:
    return ((name, source) for name, source in found.items() if isinstance(source, ChunkIndex))


def _block(batch: dict[str, NDArray[Any]], where: str) -> Block:
    by_array: dict[str, dict[str, NDArray[Any]]] = {"tracks": {}, "vis": {}, "confidence": {}}
    largest = 0.0
    for name, values in batch.items():
        array, _, view = name.partition("/")
        narrow, error = _as_float32(values, f"{where}: {name}") if values.dtype == np.float64 else (values, 0.0)
        by_array[array][view] = narrow
        largest = max(largest, error if array == "tracks" else 0.0)
    return Block(by_array["tracks"], by_array["vis"], by_array["confidence"] or None, largest)


def _as_float32(values: NDArray[np.float64], where: str) -> tuple[NDArray[np.float32], float]:
    """Return the nearest float32 numbers, and the largest difference."""
    with np.errstate(over="ignore"):  # what overflows is refused below
        narrow = values.astype(np.float32)
    if (np.isinf(narrow) & np.isfinite(values)).any():
        message = "expected numbers that float32 can hold, got larger ones"
        raise SchemaError(Problem("not-finite", where, message, "give positions in pixels"))
    with np.errstate(invalid="ignore"):  # an infinity is the writer's to refuse
        error = np.abs(narrow.astype(np.float64) - values)
    return narrow, float(np.max(error, initial=0.0, where=np.isfinite(error)))
