"""Rows that cannot be copied as they lie: runs of rows that share chunks are decoded together, and kept for a while."""

from __future__ import annotations

import itertools
import math
import os
import threading
from collections import OrderedDict
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import numpy as np

from lapsdata.errors import CorruptDataError, Problem
from lapsdata.storage.atomic import storage_errors
from lapsdata.storage.codecs import decode
from lapsdata.storage.index import ABSENT
from lapsdata.storage.seal import REPAIR

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.storage.index import ChunkIndex
    from lapsdata.storage.open_files import OpenFile

__all__ = ["SlabCache", "Slabs", "chunk_slab", "chunks_of_slab", "decoded", "decoded_slab"]


class Slabs(Protocol):
    """An array that is read by slabs: `slab_rows` rows at a time, the last slab perhaps fewer."""

    where: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    slab_rows: int
    row_crc32c: NDArray[np.uint32] | None

    def read_slab(self, number: int) -> NDArray[Any]:
        """Return rows `number * slab_rows` and following: (R, ...)."""


def chunk_slab(index: ChunkIndex, number: int, files: Mapping[Path, OpenFile]) -> NDArray[Any]:
    """Decode all chunks of one slab of an indexed array.

    Parameters
    ----------
    index : ChunkIndex
    number : int
        Which slab, along the first axis of the chunk grid.
    files : mapping of OpenFile
        By path.

    Returns
    -------
    np.ndarray, shape (R, ...), of `index.dtype`

    Raises
    ------
    CorruptDataError
        A chunk is missing, cut short, or cannot be decoded.
    """

    def stored(chunk: int, where: str) -> bytes:
        file = files[index.files[int(index.file[chunk])]]
        return read_exactly(file.descriptor, int(index.offset[chunk]), int(index.length[chunk]), where)

    return decoded_slab(index, number, stored)


def decoded(index: ChunkIndex) -> NDArray[Any]:
    """Read and decode a whole array, a small one: its files are opened for each chunk.

    Raises
    ------
    CorruptDataError
        A chunk is missing, cut short, or cannot be decoded.
    """

    def stored(chunk: int, where: str) -> bytes:
        path, length = index.files[int(index.file[chunk])], int(index.length[chunk])
        with storage_errors(path, "open"), path.open("rb", buffering=0) as file:
            return read_exactly(file.fileno(), int(index.offset[chunk]), length, where)

    slabs = [decoded_slab(index, number, stored) for number in range(-(-index.shape[0] // max(1, index.chunk[0])))]
    return np.concatenate(slabs) if slabs else np.empty(index.shape, index.dtype)


def decoded_slab(index: ChunkIndex, number: int, stored: Callable[[int, str], bytes]) -> NDArray[Any]:
    """Decode all chunks of one slab; `stored(chunk, where)` gives the bytes of each that is there."""
    shape = index.shape
    rows = min(index.chunk[0], shape[0] - number * index.chunk[0])
    inner = index.chunk[1:]
    slab = np.empty((rows, *shape[1:]), index.dtype)
    if not slab.size:
        return slab  # an axis without elements has chunks of none
    for chunk, at in zip(chunks_of_slab(index, number), _cells(index), strict=True):
        target = (slice(0, rows), *(slice(i * c, (i + 1) * c) for i, c in zip(at, inner, strict=True)))
        values = _chunk(index, chunk, stored)
        inside = tuple(slice(0, n) for n in slab[target].shape)
        slab[target] = values if values.ndim == 0 else values[inside]
    return slab


def chunks_of_slab(index: ChunkIndex, number: int) -> range:
    """Return the numbers of the chunks of one slab."""
    count = math.prod(-(-n // c) for n, c in zip(index.shape[1:], index.chunk[1:], strict=True))
    return range(number * count, (number + 1) * count)


def _cells(index: ChunkIndex) -> Iterator[tuple[int, ...]]:
    """Yield the place of each chunk of a slab in the grid, behind the first axis."""
    return itertools.product(*(range(-(-n // c)) for n, c in zip(index.shape[1:], index.chunk[1:], strict=True)))


def _chunk(index: ChunkIndex, number: int, stored: Callable[[int, str], bytes]) -> NDArray[Any]:
    offset, length = int(index.offset[number]), int(index.length[number])
    if offset == ABSENT:
        if index.fill is None:
            message = "expected a chunk, got none"
            raise CorruptDataError(Problem("chunk-missing", f"{index.where}: chunk {number}", message, REPAIR))
        return np.asarray(index.fill, index.dtype)
    name = index.files[int(index.file[number])].name
    where = f"{index.where}: chunk {number} (bytes {offset} to {offset + length} of {name})"
    mask = 0 if index.masks is None else int(index.masks[number])
    size = math.prod(index.chunk) * index.dtype.itemsize
    data = stored(number, where)
    raw = decode(data, index.codecs, size=size, itemsize=index.dtype.itemsize, mask=mask, where=where)
    return np.frombuffer(raw, index.dtype).reshape(index.chunk)


def read_exactly(descriptor: int, offset: int, length: int, where: str) -> bytes:
    """Read bytes of an open file; a file that has become shorter is told, whatever way it is read.

    Raises
    ------
    CorruptDataError
        There are fewer bytes.
    """
    parts, done = [], 0
    while done < length:
        part = os.pread(descriptor, length - done, offset + done)
        if not part:
            message = f"expected {length} bytes from byte {offset}, got {done}: the file is cut short"
            raise CorruptDataError(Problem("truncated-data", where, message, REPAIR))
        parts.append(part)
        done += len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


class Sized(Protocol):
    """What takes memory."""

    @property
    def nbytes(self) -> int:
        """Bytes that it takes."""

    def __len__(self) -> int:
        """Return how many rows it holds."""


Held = TypeVar("Held", bound=Sized)


class SlabCache(Generic[Held]):
    """Decoded slabs, the ones used last, up to a number of bytes; safe for threads.

    Parameters
    ----------
    most_bytes : int

    Attributes
    ----------
    decoded, decoded_rows : int
        How many slabs were put in, and how many rows were put in, which is how many were decoded.

    Examples
    --------
    >>> cache = SlabCache[np.ndarray](16)
    >>> for key in "abc":
    ...     cache.put(key, np.zeros(2, np.float32))
    >>> cache.get("a") is None, cache.get("c").nbytes, cache.decoded_rows
    (True, 8, 6)
    """

    def __init__(self, most_bytes: int) -> None:
        self._most, self._held = most_bytes, 0
        self._slabs: OrderedDict[Hashable, Held] = OrderedDict()
        self._lock = threading.Lock()
        self._making: dict[Hashable, Future[Held]] = {}
        self.decoded = self.decoded_rows = 0

    def get(self, key: Hashable) -> Held | None:
        """Return a slab that is held, or None."""
        with self._lock:
            slab = self._slabs.get(key)
            if slab is not None:
                self._slabs.move_to_end(key)
            return slab

    def put(self, key: Hashable, slab: Held) -> None:
        """Hold a slab; those not used for longest go. One that alone is too large is not held."""
        with self._lock:
            self.decoded += 1
            self.decoded_rows += len(slab)
            if key in self._slabs or slab.nbytes > self._most:
                return
            self._slabs[key] = slab
            self._held += slab.nbytes
            while self._held > self._most:
                _, gone = self._slabs.popitem(last=False)
                self._held -= gone.nbytes

    def get_or_make(self, key: Hashable, make: Callable[[], Held]) -> Held:
        """Return a slab that is held, or make and hold it; a thread that wants what another one makes waits for it.

        Where making it fails, each thread that wants it is told by its own attempt.
        """
        own: Future[Held] = Future()
        while True:
            with self._lock:
                slab = self._slabs.get(key)
                if slab is not None:
                    self._slabs.move_to_end(key)
                    return slab
                other = self._making.setdefault(key, own)
            if other is own:
                return self._made(key, make, own)
            if other.exception() is None:
                return other.result()

    def _made(self, key: Hashable, make: Callable[[], Held], told: Future[Held]) -> Held:
        try:
            slab = make()
            self.put(key, slab)
        except BaseException as error:
            told.set_exception(error)
            raise
        else:
            told.set_result(slab)
            return slab
        finally:
            with self._lock:
                del self._making[key]

    def forget(self, key: Hashable) -> None:
        """Hold a slab no longer."""
        with self._lock:
            gone = self._slabs.pop(key, None)
            self._held -= 0 if gone is None else gone.nbytes

    def clear(self) -> None:
        """Hold nothing."""
        with self._lock:
            self._slabs.clear()
            self._held = 0
