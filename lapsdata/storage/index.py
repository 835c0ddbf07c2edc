"""Every array in every container file is a list of chunks: which file, where in it, how long, how encoded.

HDF5, Zarr, tar members and npy files each have a small builder that makes this list; `gather` serves them all and
knows none of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.errors import CorruptDataError, Problem
from lapsdata.storage.atomic import storage_errors

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.storage.codecs import Codec

__all__ = ["ABSENT", "ChunkIndex", "FileKey", "file_key"]

ABSENT = -1
"""Offset of a chunk that is not there."""


@dataclass(frozen=True, slots=True)
class FileKey:
    """What tells a file from another one of the same name: an index belongs to one key and is used with no other."""

    size: int
    mtime_ns: int
    inode: int


def file_key(path: Path) -> FileKey:
    """Return the key of a file as it is now.

    Raises
    ------
    StorageError
        It is not there, or may not be looked at.
    """
    with storage_errors(path, "open"):
        return key_of_status(path.stat())


def key_of_status(status: os.stat_result) -> FileKey:
    """Return the key that a status holds."""
    return FileKey(status.st_size, status.st_mtime_ns, status.st_ino)


@dataclass(frozen=True, eq=False, slots=True)
class ChunkIndex:
    """One array as a list of chunks, in C order of the chunk grid.

    Parameters
    ----------
    where : str
        File and array, for messages.
    shape : tuple of int
        (W, ...); rows of the first axis are what is gathered.
    dtype : np.dtype
        Of the decoded bytes, byte order included.
    chunk : tuple of int
        Shape of a chunk; those at the end of an axis are stored whole and cut (`clipped` False), or stored cut.
    files : tuple of Path
    keys : tuple of FileKey
        Of each file, when the index was made.
    file : int32 (C,)
        Which of `files` each chunk lies in.
    offset : int64 (C,), bytes
        `ABSENT` for a chunk that is not there.
    length : int64 (C,), bytes
        As stored.
    codecs : tuple of Codec
        In the order in which the writer applied them; empty for plain bytes.
    row_crc32c : uint32 (W,) or None
        CRC-32C of the decoded little-endian bytes of each row; None where nothing says what they should be.
    fill : scalar or None
        Value of absent chunks; None where an absent chunk is an error.

    Examples
    --------
    >>> from pathlib import Path
    >>> index = ChunkIndex.rows("n.bin", (3, 2), np.dtype("f4"), (Path("n.bin"),), (FileKey(32, 0, 0),), offset=8)
    >>> index.offset.tolist(), index.plain
    ([8, 16, 24], True)
    """

    where: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunk: tuple[int, ...]
    files: tuple[Path, ...]
    keys: tuple[FileKey, ...]
    file: NDArray[np.int32]
    offset: NDArray[np.int64]
    length: NDArray[np.int64]
    codecs: tuple[Codec, ...] = ()
    row_crc32c: NDArray[np.uint32] | None = None
    fill: Any = None
    masks: NDArray[np.uint32] | None = None
    """uint32 (C,): bit i is set where codec i was left out for a chunk (HDF5 filter masks); None for nowhere."""

    @classmethod
    def rows(
        cls,
        where: str,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        files: tuple[Path, ...],
        keys: tuple[FileKey, ...],
        *,
        offset: int,
        row_crc32c: NDArray[np.uint32] | None = None,
    ) -> ChunkIndex:
        """Return the index of an array that lies in one piece in one file: each row is a chunk."""
        row_bytes = int(np.prod(shape[1:], dtype=np.int64)) * dtype.itemsize
        return cls(
            where,
            shape,
            dtype,
            (1, *shape[1:]),
            files,
            keys,
            file=np.zeros(shape[0], np.int32),
            offset=offset + np.arange(shape[0], dtype=np.int64) * row_bytes,
            length=np.full(shape[0], row_bytes, np.int64),
            row_crc32c=row_crc32c,
        )

    def part(self, first: int, stop: int) -> ChunkIndex:
        """Return the index of some rows, where each row is a chunk; only the files that they lie in are named.

        Raises
        ------
        ValueError
            Rows share chunks.
        """
        if not self.by_row:
            raise ValueError(f"{self.where}: rows share chunks of {self.chunk}")
        rows = slice(first, stop)
        used, file = np.unique(self.file[rows], return_inverse=True)
        return replace(
            self,
            shape=(stop - first, *self.shape[1:]),
            files=tuple(self.files[n] for n in used.tolist()),
            keys=tuple(self.keys[n] for n in used.tolist()),
            file=file.astype(np.int32),
            offset=self.offset[rows],
            length=self.length[rows],
            row_crc32c=None if self.row_crc32c is None else self.row_crc32c[rows],
            masks=None if self.masks is None else self.masks[rows],
        )

    @property
    def row_bytes(self) -> int:
        """Decoded bytes of one row."""
        return int(np.prod(self.shape[1:], dtype=np.int64)) * self.dtype.itemsize

    @property
    def by_row(self) -> bool:
        """Whether each row is a chunk of its own."""
        return self.chunk[0] == 1 and self.chunk[1:] == self.shape[1:]

    @property
    def slab_rows(self) -> int:
        """Rows that share chunks, and are decoded together."""
        return self.chunk[0]

    @property
    def plain(self) -> bool:
        """Whether each row is one run of plain bytes."""
        return self.by_row and not self.codecs

    def place(self, row: int) -> str:
        """Say which file and bytes hold a row, or the chunk that it begins in."""
        number = row // self.chunk[0] * max(1, len(self.offset) // max(1, -(-self.shape[0] // self.chunk[0])))
        offset, length = int(self.offset[number]), int(self.length[number])
        if offset == ABSENT:
            return "no bytes"
        file, folder = str(self.files[self.file[number]]), self.where.partition(": ")[0] + "/"
        return f"{file.removeprefix(folder)}, bytes {offset} to {offset + length}"

    def check_extent(self) -> None:
        """Refuse chunks that lie outside of their files.

        Raises
        ------
        CorruptDataError
            Names the first one.
        """
        sizes = np.array([key.size for key in self.keys], np.int64)
        there = self.offset != ABSENT
        # Compared by a difference: damaged numbers are so large that their sum is small.
        room = sizes[self.file] - self.offset
        wrong = there & ((self.offset < 0) | (self.length < 0) | (self.length > room))
        if wrong.any():
            first = int(np.argmax(wrong))
            place = f"{self.where}: chunk {first}"
            message = (
                f"expected bytes within {sizes[self.file[first]]}, "
                f"got {self.length[first]} from byte {self.offset[first]}"
            )
            fix = "take it from a copy, or make it anew"
            raise CorruptDataError(Problem("chunk-outside", place, message, fix))
