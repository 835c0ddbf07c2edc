"""Where the rows of HDF5 datasets lie: a chunk index where the bytes can be read without libhdf5, else through it."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lapsdata.errors import CorruptDataError, Problem, SchemaError, UnknownFormatError
from lapsdata.storage.codecs import HDF5_FILTERS, hdf5_codecs
from lapsdata.storage.hdf5_file import Hdf5File
from lapsdata.storage.hdf5_ladder import Selection, chunk_positions, fill_value
from lapsdata.storage.hdf5_refusal import require_plausible
from lapsdata.storage.index import ABSENT, ChunkIndex, file_key, key_of_status
from lapsdata.storage.open_files import require_same
from lapsdata.storage.seal import REPAIR

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lapsdata.storage.codecs import Codec
    from lapsdata.storage.hdf5_ladder import Source
    from lapsdata.storage.index import FileKey

__all__ = ["LibrarySlabs", "hdf5_index"]

_MOST: Final = np.iinfo(np.int64).max


@dataclass(eq=False)
class LibrarySlabs:
    """A dataset whose bytes only libhdf5 can find or decode: plug-in filters, szip, virtual and external data.

    The file is opened for each slab, so nothing of libhdf5 is shared with a forked process.
    """

    path: Path
    key: FileKey
    name: str
    where: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    slab_rows: int
    row_crc32c: NDArray[np.uint32] | None = None

    def read_slab(self, number: int) -> NDArray[Any]:
        """Read rows `number * slab_rows` and following.

        Raises
        ------
        StorageError
            The file is gone, or was replaced.
        CorruptDataError, MissingExtraError, UnknownFormatError
            See `Hdf5File.read`.
        """
        first = number * self.slab_rows
        require_same(self.path, file_key(self.path), self.key)
        with Hdf5File(self.path) as file:
            values = file.read(self.name, slice(first, min(first + self.slab_rows, self.shape[0])))
        require_same(self.path, file_key(self.path), self.key)
        return values


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
    SchemaError
        No such dataset, or one without rows.
    UnknownFormatError
        Elements that are no numbers.
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
    stored = _numbers(source)
    _require_plausible(source)
    known = all(step.id in HDF5_FILTERS for step in source.filters)
    dtype = _plain_dtype(source)
    behind_block = source.layout == "chunked" and source.user_block
    if dtype is None or not known or source.layout not in ("contiguous", "chunked") or behind_block:
        rows = source.chunk_shape[0] if source.chunk_shape else min(64, max(1, source.shape[0]))
        path = Path(file.path)
        return LibrarySlabs(path, file_key(path), name, source.where, source.shape, stored, rows, row_crc32c)
    # Of the file that is open, whatever stands at its path by now.
    key = key_of_status(os.fstat(source.dataset.file.id.get_vfd_handle()))
    if source.unwritten_chunks and not fill:
        message = f"expected {source.chunks} written chunks, got {source.chunks - source.unwritten_chunks}"
        raise CorruptDataError(Problem("chunk-missing", source.where, message, REPAIR))
    value = fill_value(source) if source.unwritten_chunks else None
    if source.layout == "contiguous":
        return _contiguous(source, dtype, key, row_crc32c, value)
    return _chunked(source, dtype, key, hdf5_codecs(source.filters), row_crc32c, value)


def _numbers(source: Source) -> np.dtype[Any]:
    """Return the dtype that elements are read to; refuse what has no rows of numbers."""
    if not source.shape:
        message = "expected an array with rows, got a single value"
        raise SchemaError(Problem("no-rows", source.where, message))
    native = source.stored.native
    if native is None or native.kind not in "biuf":
        message = f"expected numbers, got elements of the class {source.stored.type_class}"
        raise UnknownFormatError(Problem("not-numbers", source.where, message))
    return native


def _require_plausible(source: Source) -> None:
    """Refuse a shape that the file cannot hold: a damaged one asks for any amount of memory, for the index alone."""
    require_plausible(source, Selection((0,) * len(source.shape), source.shape))
    if source.layout == "contiguous" and source.offset is not None:
        length = math.prod(source.shape) * source.stored.size
        end, size = source.offset + length, source.path.stat().st_size
        if length and end > size:
            message = f"expected elements within {size} bytes, got {source.shape} of them up to byte {end}"
            raise CorruptDataError(Problem("chunk-outside", source.where, message, REPAIR))


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
    empty = math.prod(source.shape) == 0
    offset = 0 if empty else source.offset or 0
    index = ChunkIndex.rows(source.where, source.shape, dtype, (source.path,), (key,), offset=offset, row_crc32c=sums)
    if source.offset is None and not empty:
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
        if info.byte_offset is None or info.byte_offset > _MOST or info.size > _MOST:
            message = f"expected the place of a chunk, got byte {info.byte_offset} and a length of {info.size}"
            raise CorruptDataError(Problem("wrong-chunk-index", source.where, message, REPAIR))
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
