"""The codecs of stored chunks, by name: those of the HDF5 and Zarr v3 cores, each checked."""

from __future__ import annotations

import functools
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lapsdata.errors import CorruptDataError, Problem, UnknownFormatError
from lapsdata.storage.decoding import decoding
from lapsdata.storage.hdf5_decode import fletcher32_payload, unshuffle
from lapsdata.storage.numpy_install import numpy_problem
from lapsdata.storage.seal import REPAIR, crc32c

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pydantic import JsonValue

    from lapsdata.storage.hdf5_decode import Filter

__all__ = ["CODECS", "HDF5_FILTERS", "Codec", "decode", "hdf5_codecs"]

HDF5_FILTERS: Final = {1: "deflate", 2: "shuffle", 3: "fletcher32", 32000: "lzf"}
"""Registered numbers of the filters that are decoded here (HDF5 specification, IV.A.2.l, and h5py's LZF)."""

_BLOSC_HEADER = 16


@dataclass(frozen=True, slots=True)
class Codec:
    """One step between an array's bytes and those in the file.

    Parameters
    ----------
    name : str
        `deflate`, `lzf`, `shuffle`, `fletcher32` (HDF5); `blosc`, `zstd`, `gzip`, `zlib`, `lz4`, `shuffle`,
        `fletcher32`, `crc32c` (Zarr).
    settings : mapping
        What undoing it needs to know.

    Examples
    --------
    >>> Codec("shuffle", {"elementsize": 4}).settings["elementsize"]
    4
    """

    name: str
    settings: Mapping[str, JsonValue] = field(default_factory=dict)


def hdf5_codecs(filters: Sequence[Filter]) -> tuple[Codec, ...]:
    """Return the codecs of a filter pipeline of HDF5; one that is not decoded here keeps its number.

    Examples
    --------
    >>> from lapsdata.storage.hdf5_decode import Filter
    >>> [codec.name for codec in hdf5_codecs([Filter(2, "shuffle"), Filter(307, "bzip2")])]
    ['shuffle', 'filter 307 (bzip2)']
    """
    return tuple(Codec(HDF5_FILTERS.get(step.id, f"filter {step.id} ({step.name})")) for step in filters)


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


def _blosc(data: bytes, settings: Mapping[str, Any], itemsize: int, size: int, where: str) -> bytes:
    # The library follows the lengths of the header, also out of the chunk.
    if len(data) < _BLOSC_HEADER or int.from_bytes(data[12:16], "little") != len(data):
        message = f"expected a Blosc chunk of {len(data)} bytes, got one that speaks of another length"
        raise CorruptDataError(Problem("corrupt-chunk", where, message, REPAIR))
    return _numcodecs("blosc", data, int.from_bytes(data[4:8], "little"), size, where)


def _zstd(data: bytes, settings: Mapping[str, Any], itemsize: int, size: int, where: str) -> bytes:
    return _numcodecs("zstd", data, _zstd_content(data), size, where)


def _lz4(data: bytes, settings: Mapping[str, Any], itemsize: int, size: int, where: str) -> bytes:
    return _numcodecs("lz4", data, int.from_bytes(data[:4], "little"), size, where)


def _numcodecs(name: str, data: bytes, stated: int, size: int, where: str) -> bytes:
    """Decode a stream that states its length, unless that makes no sense: memory would be taken for it."""
    import numcodecs

    if stated > _most(size):
        message = f"expected {name} bytes that hold {size} bytes, got {stated} as their stated length"
        raise CorruptDataError(Problem("corrupt-chunk", where, message, REPAIR))
    return bytes(numcodecs.get_codec({"id": name}).decode(data))


def _zstd_content(data: bytes) -> int:
    """Return the length that the first frame states, 0 where it states none (RFC 8878, 3.1.1.1)."""
    if len(data) < 5:
        return 0
    described = data[4]
    single = described >> 5 & 1
    width = (single, 2, 4, 8)[described >> 6]
    start = 5 + (1 - single) + (0, 1, 2, 4)[described & 3]
    return int.from_bytes(data[start : start + width], "little") + 256 * (width == 2)


def _most(size: int) -> int:
    """Return the bytes that any step of decoding may make: an inner codec can have made the chunk a bit longer."""
    return size + size // 64 + 4096


def _deflate(data: bytes, settings: Mapping[str, Any], itemsize: int, size: int, where: str) -> bytes:
    return _inflated(data, zlib.MAX_WBITS, size, where)[0]


def _gzip(data: bytes, settings: Mapping[str, Any], itemsize: int, size: int, where: str) -> bytes:
    members: list[bytes] = []
    made = 0
    # One member follows another (RFC 1952); zeros may fill up the end.
    while data.rstrip(b"\0") or not members:
        member, data = _inflated(data, 16 + zlib.MAX_WBITS, size - made, where)
        members.append(member)
        made += len(member)
    return members[0] if len(members) == 1 else b"".join(members)


def _inflated(data: bytes, window_bits: int, size: int, where: str) -> tuple[bytes, bytes]:
    """Return what a stream holds and what follows it; a stream that holds much more than it should is not followed."""
    stream = zlib.decompressobj(window_bits)
    try:
        made = stream.decompress(data, _most(max(0, size)))
        fault = "" if stream.eof else "one that breaks off, or holds more"
    except zlib.error as error:
        made, fault = b"", str(error)
    if fault:
        message = f"expected a deflate stream of {size} bytes, got {fault}"
        raise CorruptDataError(Problem("corrupt-chunk", where, message, REPAIR))
    return made, stream.unused_data


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
    out = np.empty(size, np.uint8)
    done = _lzf_loop()(np.frombuffer(data, np.uint8), out)
    if done != size:
        message = f"expected an LZF stream of {size} bytes, got {'one that breaks' if done < 0 else f'{done} bytes'}"
        raise CorruptDataError(Problem("corrupt-chunk", where, message, REPAIR))
    return out.tobytes()


@functools.cache
def _lzf_loop() -> Callable[..., int]:
    """Return the compiled loop; over arrays of a mixed NumPy install it cannot be called, and the plain one is."""
    from lapsdata.storage._lzf_loop import expand, expand_plain

    problem = numpy_problem()
    return expand if problem is None or problem.severity != "error" else expand_plain


CODECS: Mapping[str, Callable[..., bytes]] = {
    "deflate": _deflate,
    "zlib": _deflate,
    "gzip": _gzip,
    "shuffle": _shuffle,
    "fletcher32": _fletcher32,
    "crc32c": _crc32c,
    "lzf": _lzf,
    "blosc": _blosc,
    "zstd": _zstd,
    "lz4": _lz4,
}
"""How each codec is undone: `undo(stored, settings, itemsize, size, where) -> bytes`."""
