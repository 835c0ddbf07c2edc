"""Files of a Zarr v3 group as zarr-python writes them, byte by byte: metadata, chunks in shards, chunks alone.

Of all that Zarr allows there is one layout here: a window is an inner chunk, a shard holds some windows and its index
behind them, and a CRC-32C ends every chunk. A shard is put together in memory and written at once, which takes a tenth
of the time of the general machinery; that such files are those of zarr-python is tested against it.

References
----------
Zarr core specification 3.1 and its codecs `bytes`, `blosc`, `crc32c` and `sharding_indexed`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.storage.seal import crc32c

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from pydantic import JsonValue

__all__ = [
    "METADATA", "array_metadata", "blosc_chunk", "group_metadata",
    "write_chunk", "write_chunks", "write_metadata", "write_shard",
]  # fmt: skip

METADATA = "zarr.json"
"""File that holds the metadata of a group or an array (Zarr v3)."""

_ABSENT = np.iinfo(np.uint64).max
_ZSTD_LEVEL = 3

Json = dict[str, Any]


def group_metadata(attributes: Mapping[str, JsonValue]) -> Json:
    """Return what `zarr.json` says of a group.

    Examples
    --------
    >>> group_metadata({})
    {'attributes': {}, 'zarr_format': 3, 'node_type': 'group'}
    """
    return {"attributes": dict(attributes), "zarr_format": 3, "node_type": "group"}


def array_metadata(
    shape: Sequence[int], dtype: np.dtype[Any], *, chunk: int, shard: int | None, blosc: bool = False
) -> Json:
    """Return what `zarr.json` says of an array whose chunks reach over all axes but the first.

    Parameters
    ----------
    shape : sequence of int
    dtype : np.dtype
        Of numbers or bool.
    chunk : int
        Rows of a chunk.
    shard : int or None
        Rows of a shard; None where a chunk is a file of its own.
    blosc : bool
        Whether chunks are shuffled by bytes and compressed: how the Zarr v3 core spells "shuffle, then Zstandard".

    Examples
    --------
    >>> made = array_metadata((300, 2), np.dtype("f4"), chunk=1, shard=256)
    >>> made["chunk_grid"]["configuration"]["chunk_shape"], made["codecs"][0]["name"]
    ([256, 2], 'sharding_indexed')
    """
    inner = [max(1, length) for length in shape[1:]]
    little = {"name": "bytes", "configuration": {"endian": "little"}}
    one_byte = dtype.itemsize == 1
    codecs: list[Json] = [{"name": "bytes"} if one_byte else little]
    codecs += [{"name": "blosc", "configuration": _blosc(dtype.itemsize) | {"shuffle": "shuffle"}}] if blosc else []
    codecs += [{"name": "crc32c"}]
    if shard is not None:
        settings = {"chunk_shape": [chunk, *inner], "codecs": codecs}
        settings |= {"index_codecs": [little, {"name": "crc32c"}], "index_location": "end"}
        codecs = [{"name": "sharding_indexed", "configuration": settings}]
    # Never used by us; a tool that does not notice a missing chunk should at least see NaN.
    fill: Any = "NaN" if dtype.kind == "f" else False if dtype.kind == "b" else 0
    return {
        "shape": list(shape),
        "data_type": dtype.name,
        "chunk_grid": {
            "name": "regular",
            "configuration": {"chunk_shape": [shard or chunk, *inner]},
        },
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": fill,
        "codecs": codecs,
        "attributes": {},
        "zarr_format": 3,
        "node_type": "array",
        "storage_transformers": [],
    }


def _blosc(itemsize: int) -> Json:
    return {"typesize": itemsize, "cname": "zstd", "clevel": _ZSTD_LEVEL, "shuffle": 1, "blocksize": 0}


def write_metadata(folder: Path, document: Json) -> None:
    """Write the metadata of a group or an array into its folder, which is made if it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / METADATA).write_bytes(json.dumps(document, indent=2).encode())


def blosc_chunk(window: NDArray[Any]) -> bytes:
    """Return a window as the codecs `bytes` and `blosc` leave it.

    To be called outside of the main thread: there Blosc may use threads of its own, and then the order of its blocks
    is that in which they were ready.

    Parameters
    ----------
    window : np.ndarray
        Little-endian, in C order.
    """
    import numcodecs

    codec: Any = numcodecs.get_codec({"id": "blosc"} | _blosc(window.dtype.itemsize))
    return bytes(codec.encode(window.reshape(-1).view(np.uint8)))


def write_shard(array: Path, number: int, windows: NDArray[Any], sums: NDArray[np.uint32], rows: int) -> None:
    """Write the windows of a shard as they are, each with its CRC-32C, and where each lies.

    Parameters
    ----------
    array : Path
        Folder of the array.
    number : int
        Of the shard.
    windows : (R, ...), little-endian
    sums : uint32 (R,)
        CRC-32C of the bytes of each.
    rows : int
        Windows that a shard has room for; behind the end of an array there are none.
    """
    count = len(windows)
    size = windows.nbytes // count
    body = np.empty((count, size + 4), np.uint8)
    body[:, :size] = np.ascontiguousarray(windows).reshape(-1).view(np.uint8).reshape(count, size)
    body[:, size:] = sums.astype("<u4").view(np.uint8).reshape(count, 4)
    _write(array, number, windows.ndim, [body.data, _shard_index(np.full(count, size + 4, np.uint64), rows)])


def write_chunks(array: Path, number: int, dimensions: int, chunks: Sequence[bytes], rows: int) -> None:
    """Write the encoded windows of a shard, as `write_shard` does."""
    lengths = np.array([len(chunk) + 4 for chunk in chunks], np.uint64)
    parts = [part for chunk in chunks for part in (chunk, _sum_of(chunk))]
    _write(array, number, dimensions, [*parts, _shard_index(lengths, rows)])


def write_chunk(array: Path, values: NDArray[Any]) -> None:
    """Write a whole array as one chunk, with its CRC-32C."""
    if values.size:
        content = values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()
        _write(array, 0, values.ndim, [content, _sum_of(content)])


def _shard_index(lengths: NDArray[np.uint64], rows: int) -> bytes:
    places = np.full((rows, 2), _ABSENT, "<u8")
    places[: len(lengths), 0] = np.cumsum(lengths) - lengths
    places[: len(lengths), 1] = lengths
    content = places.tobytes()
    return content + _sum_of(content)


def _sum_of(content: bytes) -> bytes:
    return crc32c(content).to_bytes(4, "little")


def _write(array: Path, number: int, dimensions: int, parts: Sequence[bytes | memoryview]) -> None:
    place = array.joinpath("c", str(number), *["0"] * (dimensions - 1))
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("xb") as file:
        file.writelines(parts)
