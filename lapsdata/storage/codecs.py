"""The codecs of stored chunks, by name: those of the HDF5 and Zarr v3 cores, each checked."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.errors import CorruptDataError, Problem, UnknownFormatError
from lapsdata.storage.decoding import decoding
from lapsdata.storage.hdf5_decode import fletcher32_payload, inflate, unshuffle
from lapsdata.storage.seal import REPAIR, crc32c

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pydantic import JsonValue

__all__ = ["CODECS", "Codec", "decode"]


@dataclass(frozen=True, slots=True)
class Codec:
    """One step between an array's bytes and those in the file.

    Parameters
    ----------
    name : str
        `deflate`, `lzf`, `shuffle`, `fletcher32` (HDF5); `blosc`, `zstd`, `gzip`, `zlib`, `lz4`, `shuffle`, `crc32c`,
        `transpose` (Zarr).
    settings : mapping
        What undoing it needs to know.

    Examples
    --------
    >>> Codec("shuffle", {"elementsize": 4}).settings["elementsize"]
    4
    """

    name: str
    settings: Mapping[str, JsonValue] = field(default_factory=dict)


def decode(stored: bytes, codecs: Sequence[Codec], *, size: int, itemsize: int, mask: int, where: str) -> bytes:
    """Undo the codecs of one chunk, last one first.

    Parameters
    ----------
    stored : bytes
    codecs : sequence of Codec
        In the order in which the writer applied them.
    size : int
        Bytes of the decoded chunk.
    itemsize : int
        Bytes of one element, for shuffle where its settings do not say.
    mask : int
        Bit i is set where codec i was left out.
    where : str
        File, array and chunk, for messages.

    Raises
    ------
    CorruptDataError
        A checksum, stream or length does not fit.
    UnknownFormatError
        A codec that is not decoded here.

    Examples
    --------
    >>> decode(zlib.compress(b"abcd"), [Codec("deflate")], size=4, itemsize=4, mask=0, where="clip.h5")
    b'abcd'
    """
    data = stored
    for number in reversed(range(len(codecs))):
        if mask >> number & 1:
            continue
        codec = codecs[number]
        undo = CODECS.get(codec.name)
        if undo is None:
            message = f"expected one of {', '.join(sorted(CODECS))}, got the codec {codec.name!r}"
            raise UnknownFormatError(Problem("unsupported-codec", where, message, "convert it with its own tool"))
        with decoding(where, f"{codec.name} bytes"):
            data = undo(data, codec.settings, itemsize, size, where)
    if len(data) != size:
        message = f"expected {size} bytes after decoding, got {len(data)}"
        raise CorruptDataError(Problem("wrong-chunk-length", where, message, REPAIR))
    return data


def _numcodecs(name: str) -> Callable[..., bytes]:
    def undo(data: bytes, settings: Mapping[str, Any], itemsize: int, size: int, where: str) -> bytes:
        import numcodecs

        return bytes(numcodecs.get_codec({"id": name}).decode(data))

    return undo


def _deflate(data: bytes, settings: Mapping[str, Any], itemsize: int, size: int, where: str) -> bytes:
    return inflate(data, where)


def _gzip(data: bytes, settings: Mapping[str, Any], itemsize: int, size: int, where: str) -> bytes:
    return zlib.decompress(data, 31)


def _shuffle(data: bytes, settings: Mapping[str, Any], itemsize: int, size: int, where: str) -> bytes:
    return unshuffle(data, int(settings.get("elementsize", itemsize)))


def _fletcher32(data: bytes, settings: Mapping[str, Any], itemsize: int, size: int, where: str) -> bytes:
    return fletcher32_payload(data, where)


def _crc32c(data: bytes, settings: Mapping[str, Any], itemsize: int, size: int, where: str) -> bytes:
    body, stated = data[:-4], data[-4:]
    found = crc32c(body)
    if len(stated) != 4 or found.to_bytes(4, "little") != stated:
        message = f"expected CRC-32C {int.from_bytes(stated, 'little'):08x}, got {found:08x}"
        raise CorruptDataError(Problem("payload-checksum", where, message, REPAIR))
    return body


def _lzf(data: bytes, settings: Mapping[str, Any], itemsize: int, size: int, where: str) -> bytes:
    from lapsdata.storage._lzf_loop import expand

    out = np.empty(size, np.uint8)
    done = expand(np.frombuffer(data, np.uint8), out)
    if done != size:
        message = f"expected an LZF stream of {size} bytes, got one that breaks after {max(0, done)}"
        raise CorruptDataError(Problem("corrupt-chunk", where, message, REPAIR))
    return out.tobytes()


CODECS: Mapping[str, Callable[..., bytes]] = {
    "deflate": _deflate,
    "zlib": _deflate,
    "gzip": _gzip,
    "shuffle": _shuffle,
    "fletcher32": _fletcher32,
    "crc32c": _crc32c,
    "lzf": _lzf,
    "blosc": _numcodecs("blosc"),
    "zstd": _numcodecs("zstd"),
    "lz4": _numcodecs("lz4"),
}
"""How each codec is undone: `undo(stored, settings, itemsize, size, where) -> bytes`."""
