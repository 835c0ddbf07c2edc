"""Zarr shards whose own index, or whose end, may be gone: chunks stand one after the other, and are found so."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.errors import CorruptDataError, Problem
from lapsdata.storage.atomic import storage_errors
from lapsdata.storage.codecs import Codec
from lapsdata.storage.decoding import decoding
from lapsdata.storage.index import ABSENT, ChunkIndex, FileKey, file_key
from lapsdata.storage.seal import REPAIR, crc32c

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["shard_index", "whole_array"]

_SUM = 4
"""Bytes of the CRC-32C that ends every chunk, and every index."""

_BLOSC_HEADER = 16
"""Bytes of the header of a Blosc chunk; its last four are the length of the whole."""

_ABSENT = np.iinfo(np.uint64).max


def whole_array(folder: Path, metadata: dict[str, Any], where: str) -> NDArray[Any]:
    """Read an array that is a single chunk: uncompressed, with its CRC-32C at the end, which is not compared here."""
    with decoding(where, "a whole chunk"):
        shape, dtype = tuple(metadata["shape"]), np.dtype(str(metadata["data_type"])).newbyteorder("<")
        place = folder.joinpath("c", *("0" for _ in shape))
        size = math.prod(shape) * dtype.itemsize
    with storage_errors(place, "open"):
        data = place.read_bytes() if place.is_file() else b""
    if len(data) != size + _SUM:
        message = f"expected {size + _SUM} bytes, got {len(data)}"
        raise CorruptDataError(Problem("chunk-missing", where, message, REPAIR))
    values: NDArray[Any] = np.frombuffer(data, dtype, math.prod(shape)).reshape(shape)
    return values.astype(dtype.newbyteorder("="))


def shard_index(
    folder: Path, metadata: dict[str, Any], sums: NDArray[np.uint32], where: str
) -> tuple[ChunkIndex, tuple[Problem, ...]]:
    """Find out where the windows of an array of ours may lie, whatever is damaged.

    Where the index of a shard is damaged or cut off, its chunks are found one after the other; whether they are what
    they should be is said by the checksums of the windows.

    Raises
    ------
    CorruptDataError
        The metadata make no sense.
    """
    with decoding(where, "array metadata"):
        shape = tuple(int(n) for n in metadata["shape"])
        dtype = np.dtype(str(metadata["data_type"])).newbyteorder("<")
        per = int(metadata["chunk_grid"]["configuration"]["chunk_shape"][0])
        steps = metadata["codecs"][0]["configuration"]["codecs"][1:]
        codecs = tuple(Codec(step["name"], step.get("configuration", {})) for step in steps)
        if per < 1 or len(sums) != shape[0] or steps[-1]["name"] != "crc32c":
            raise ValueError(f"{shape[0]} windows, {len(sums)} checksums")
    row_bytes = math.prod(shape[1:]) * dtype.itemsize
    files, keys, notes = list[Path](), list[FileKey](), list[Problem]()
    offset, length = np.full(shape[0], ABSENT, np.int64), np.zeros(shape[0], np.int64)
    for number in range(-(-shape[0] // per)):
        file = folder.joinpath("c", str(number), *("0" for _ in shape[1:]))
        rows = slice(number * per, min((number + 1) * per, shape[0]))
        key = file_key(file) if file.is_file() else FileKey(0, 0, 0)
        files.append(file)
        keys.append(key)
        count = rows.stop - rows.start
        found = _index(file, key.size, per)
        if found is None and key.size:
            message = "the index of its chunks is damaged or cut off: they were found one after the other"
            notes.append(Problem("shard-index", str(file.relative_to(folder.parent)), message, severity="warning"))
            found = _walk(file, key.size, count, row_bytes if len(steps) == 1 else None)
        if found is not None:
            offset[rows], length[rows] = _inside(found[:count], key.size)
    number_of = (np.arange(shape[0]) // per).astype(np.int32)
    index = ChunkIndex(
        where,
        shape,
        dtype,
        (1, *shape[1:]),
        tuple(files),
        tuple(keys),
        file=number_of,
        offset=offset,
        length=length,
        codecs=codecs,
        row_crc32c=sums,
    )
    return index, tuple(notes)


def _index(file: Path, size: int, per: int) -> NDArray[np.uint64] | None:
    """Return (offset, length) of each chunk as the shard's own index says; None where that is not sound."""
    need = 16 * per + _SUM
    if size < need:
        return None
    with storage_errors(file, "open"), file.open("rb") as raw:
        raw.seek(size - need)
        stored = raw.read(need)
    if crc32c(stored[:-_SUM]).to_bytes(_SUM, "little") != stored[-_SUM:]:
        return None
    return np.frombuffer(stored[:-_SUM], "<u8").reshape(-1, 2)


def _walk(file: Path, size: int, count: int, row_bytes: int | None) -> NDArray[np.uint64]:
    """Return (offset, length) of chunks that stand one after the other: of one size, or by their own."""
    pairs = np.full((count, 2), _ABSENT, np.uint64)
    at = 0
    with storage_errors(file, "open"), file.open("rb") as raw:
        for number in range(count):
            if row_bytes is None:
                raw.seek(at)
                header = raw.read(_BLOSC_HEADER)
                long = int.from_bytes(header[12:], "little") + _SUM if len(header) == _BLOSC_HEADER else size
            else:
                long = row_bytes + _SUM
            if at + long > size or long <= _SUM:
                break
            pairs[number] = at, long
            at += long
    return pairs


def _inside(pairs: NDArray[np.uint64], size: int) -> NDArray[np.int64]:
    """Return offsets and lengths; chunks that are not there, or reach over the end, are absent."""
    there = (pairs[:, 0] <= size) & (pairs[:, 1] <= size)
    known = np.where(there[:, None], pairs, 0).astype(np.int64)
    there &= known.sum(axis=1) <= size
    return np.stack([np.where(there, known[:, 0], ABSENT), np.where(there, known[:, 1], 0)])
