"""Where the rows of HDF5 datasets lie: a chunk index where the bytes can be read without libhdf5, else through it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lapsdata.errors import CorruptDataError, Problem
from lapsdata.storage.codecs import Codec
from lapsdata.storage.hdf5_file import Hdf5File
from lapsdata.storage.hdf5_ladder import chunk_positions, fill_value
from lapsdata.storage.index import ABSENT, ChunkIndex, file_key
from lapsdata.storage.seal import REPAIR

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lapsdata.storage.hdf5_ladder import Source
    from lapsdata.storage.index import FileKey

__all__ = ["LibrarySlabs", "hdf5_index"]

_CODECS: Final = {1: "deflate", 2: "shuffle", 3: "fletcher32", 32000: "lzf"}
"""Registered numbers of the filters that are decoded here (HDF5 specification, IV.A.2.l, and h5py's LZF)."""


@dataclass(eq=False)
class LibrarySlabs:
    """A dataset whose bytes only libhdf5 can find or decode: plug-in filters, szip, virtual and external data.

    The file is opened for each slab, so nothing of libhdf5 is shared with a forked process.
    """

    path: Path
    name: str
    where: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    slab_rows: int
    row_crc32c: NDArray[np.uint32] | None = None

    def read_slab(self, number: int) -> NDArray[Any]:
        """Read rows `number * slab_rows` and following."""
        first = number * self.slab_rows
        with Hdf5File(self.path) as file:
            return file.read(self.name, slice(first, min(first + self.slab_rows, self.shape[0])))


def hdf5_index(
    file: Hdf5File, name: str, *, row_crc32c: NDArray[np.uint32] | None = None, fill: bool = False
) -> ChunkIndex | LibrarySlabs:
    """Find out where the rows of a dataset lie.

    Parameters
    ----------
    file : Hdf5File
    name : str
        Path of the dataset; of one axis at least.
    row_crc32c : uint32 (W,), optional
        CRC-32C of each row's little-endian bytes, where something says it.
    fill : bool
        Whether chunks that were never written are the fill value, instead of an error.

    Raises
    ------
    SchemaError, UnknownFormatError, MissingExtraError
        No such dataset, or none that can be read.
    CorruptDataError
        Chunks were never written and `fill` is False, or the chunk index makes no sense.

    Examples
    --------
    >>> import h5py, tempfile
    >>> place = Path(tempfile.mkdtemp()) / "clip.h5"
    >>> with h5py.File(place, "w") as made:
    ...     made["vis"] = np.ones((3, 2), "f4")
    >>> with Hdf5File(place) as file:
    ...     index = hdf5_index(file, "vis")
    >>> index.plain, index.length.tolist()
    (True, [8, 8, 8])
    """
    source = file.source(name)
    key = file_key(source.path)
    codecs = tuple(Codec(_CODECS.get(step.id, step.name)) for step in source.filters)
    known = all(step.id in _CODECS for step in source.filters)
    dtype = _plain_dtype(source)
    behind_block = source.layout == "chunked" and source.user_block
    if dtype is None or not known or source.layout not in ("contiguous", "chunked") or behind_block:
        stored = source.stored.native
        rows = source.chunk_shape[0] if source.chunk_shape else min(64, max(1, source.shape[0]))
        dtype = np.dtype(object) if stored is None else stored
        return LibrarySlabs(Path(file.path), name, source.where, source.shape, dtype, rows, row_crc32c)
    if source.unwritten_chunks and not fill:
        message = f"expected {source.chunks} written chunks, got {source.chunks - source.unwritten_chunks}"
        raise CorruptDataError(Problem("chunk-missing", source.where, message, REPAIR))
    value = fill_value(source) if source.unwritten_chunks else None
    if source.layout == "contiguous":
        return _contiguous(source, dtype, key, row_crc32c, value)
    return _chunked(source, dtype, key, codecs, row_crc32c, value)


def _plain_dtype(source: Source) -> np.dtype[Any] | None:
    """Return the dtype of elements whose bytes are their value; None for those that need more than that."""
    stored = source.stored
    if stored.type_class == "boolean":
        return np.dtype(np.uint8)
    plain = stored.type_class in ("float", "integer") and stored.disk is not None
    return stored.disk if plain and stored.precision in (0, 8 * stored.size) else None


def _contiguous(
    source: Source,
    dtype: np.dtype[Any],
    key: FileKey,
    sums: NDArray[np.uint32] | None,
    value: NDArray[Any] | None,
) -> ChunkIndex:
    offset = source.offset or 0
    index = ChunkIndex.rows(source.where, source.shape, dtype, (source.path,), (key,), offset=offset, row_crc32c=sums)
    if source.offset is None:
        # Nothing was written: every row is the fill value.
        return replace(index, offset=np.full(len(index.offset), ABSENT, np.int64), fill=value)
    return index


def _chunked(
    source: Source,
    dtype: np.dtype[Any],
    key: FileKey,
    codecs: tuple[Codec, ...],
    sums: NDArray[np.uint32] | None,
    value: NDArray[Any] | None,
) -> ChunkIndex:
    chunk = source.chunk_shape or ()
    grid = tuple(-(-n // c) for n, c in zip(source.shape, chunk, strict=True))
    count = math.prod(grid)
    offset = np.full(count, ABSENT, np.int64)
    length, masks = np.zeros(count, np.int64), np.zeros(count, np.uint32)
    for origin, info in chunk_positions(source).items():
        number = int(np.ravel_multi_index(tuple(o // c for o, c in zip(origin, chunk, strict=True)), grid))
        offset[number], length[number], masks[number] = info.byte_offset, info.size, info.filter_mask
    return ChunkIndex(
        source.where,
        source.shape,
        dtype,
        chunk,
        (source.path,),
        (key,),
        file=np.zeros(count, np.int32),
        offset=offset,
        length=length,
        codecs=codecs,
        row_crc32c=sums,
        fill=value,
        masks=masks if masks.any() else None,
    )
