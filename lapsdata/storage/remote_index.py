"""Arrays whose chunks lie in files behind URLs: all that one batch needs of them is fetched together."""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lapsdata.storage.index import ABSENT
from lapsdata.storage.slabs import chunks_of_slab, decoded_slab

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from lapsdata.storage.index import ChunkIndex
    from lapsdata.storage.remote import RemoteFile, RemoteReader, Wanted

__all__ = ["RemoteIndex", "fetch_slabs"]


@dataclass(frozen=True, eq=False)
class RemoteIndex:
    """An array as a list of chunks, as `ChunkIndex`, in files behind URLs.

    Parameters
    ----------
    index : ChunkIndex
        Its `files` are names for messages, and its `keys` tell sizes alone.
    files : tuple of RemoteFile
        One for each of `index.files`.
    reader : RemoteReader

    Examples
    --------
    >>> import fsspec, numpy as np
    >>> from pathlib import Path
    >>> from lapsdata.storage.index import ChunkIndex, FileKey
    >>> from lapsdata.storage.remote import RemoteReader
    >>> fsspec.filesystem("memory").pipe_file("/rows.bin", np.arange(6, dtype="<f4").tobytes())
    >>> reader = RemoteReader()
    >>> plain = ChunkIndex.rows("n", (3, 2), np.dtype("<f4"), (Path("rows.bin"),), (FileKey(24, 0, 0),), offset=0)
    >>> index = RemoteIndex(plain, tuple(reader.look(["memory://rows.bin"])), reader)
    >>> [slab.tolist() for slab in fetch_slabs([(index, 2), (index, 0)])], reader.transfers.requests
    ([[[4.0, 5.0]], [[0.0, 1.0]]], 2)
    """

    index: ChunkIndex
    files: tuple[RemoteFile, ...]
    reader: RemoteReader

    @property
    def where(self) -> str:
        """URL and array, for messages."""
        return self.index.where

    @property
    def shape(self) -> tuple[int, ...]:
        """(W, ...)."""
        return self.index.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the decoded bytes."""
        return self.index.dtype

    @property
    def slab_rows(self) -> int:
        """Rows that share chunks, and are decoded together."""
        return self.index.slab_rows

    @property
    def row_crc32c(self) -> NDArray[np.uint32] | None:
        """CRC-32C of each row; None where nothing says what it should be."""
        return self.index.row_crc32c

    def part(self, first: int, stop: int) -> RemoteIndex:
        """Return the index of some rows; see `ChunkIndex.part`."""
        index, files = self.index.part(first, stop), dict(zip(self.index.files, self.files, strict=True))
        return replace(self, index=index, files=tuple(files[path] for path in index.files))

    def read_slab(self, number: int) -> NDArray[Any]:
        """Return the rows of one slab."""
        return fetch_slabs([(self, number)])[0]

    def ranges(self, number: int) -> Iterable[tuple[int, Wanted]]:
        """Yield the chunks of a slab that are there: number, and where it lies."""
        index = self.index
        for chunk in chunks_of_slab(index, number):
            if index.offset[chunk] != ABSENT:
                yield chunk, (self.files[index.file[chunk]], int(index.offset[chunk]), int(index.length[chunk]))


def fetch_slabs(wanted: Sequence[tuple[RemoteIndex, int]]) -> list[NDArray[Any]]:
    """Read slabs of arrays: neighbours, of whatever arrays, in one request.

    Parameters
    ----------
    wanted : sequence of (RemoteIndex, int)

    Returns
    -------
    list of np.ndarray (R, ...)

    Raises
    ------
    StorageError
        A file is gone, was replaced, or cannot be read.
    CorruptDataError
        A chunk is missing, cut short, or cannot be decoded.
    """
    found: list[NDArray[Any] | None] = [None] * len(wanted)
    for reader in dict.fromkeys(index.reader for index, _ in wanted):
        own = [n for n, (index, _) in enumerate(wanted) if index.reader is reader]
        chunks = [list(wanted[n][0].ranges(wanted[n][1])) for n in own]
        data = iter(reader.read([place for several in chunks for _, place in several]))
        for n, several in zip(own, chunks, strict=True):
            index, number = wanted[n]
            stored = dict(zip((chunk for chunk, _ in several), itertools.islice(data, len(several)), strict=True))
            found[n] = decoded_slab(index.index, number, functools.partial(_stored, stored))
    return [slab for slab in found if slab is not None]


def _stored(chunks: Mapping[int, memoryview], number: int, _where: str) -> bytes:
    return bytes(chunks[number])
