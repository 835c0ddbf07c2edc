"""What libhdf5 does to bytes, undone without it: its own filters, and the types of elements.

A checksum that does not fit is a `CorruptDataError`: bytes are never passed on in doubt. Streams are undone by
`lapsdata.storage.codecs`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lapsdata.errors import CorruptDataError, Problem

if TYPE_CHECKING:
    from lapsdata.storage.hdf5_types import StoredType

__all__ = ["Filter", "decode_elements", "fletcher32", "fletcher32_payload", "unshuffle"]

# Sums of this many 16-bit words, weighted by their position, stay below 2 ** 64.
_BLOCK: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Filter:
    """One step of a chunk's filter pipeline: its registered number and its name."""

    id: int
    name: str


def fletcher32(data: bytes | memoryview) -> int:
    """Return HDF5's Fletcher-32 checksum: 16-bit big-endian words, an odd last byte as the high one.

    Source: the format specification of HDF5, IV.A.2.l, and `H5_checksum_fletcher32` of the library, whose
    folded sums are 65535, never 0, where a sum of words that are not all 0 is a multiple of 65535.

    Examples
    --------
    >>> hex(fletcher32(b"abcdef"))
    '0x50562a2d'
    """
    words = np.frombuffer(data, ">u2", len(data) // 2).astype(np.uint64)
    if len(data) % 2:
        words = np.append(words, np.uint64(data[-1] << 8))
    first = second = 0
    for start in range(0, len(words), _BLOCK):
        block = words[start : start + _BLOCK]
        weights = np.arange(len(block), 0, -1, dtype=np.uint64)
        second += first * len(block) + int(block @ weights)
        first += int(block.sum())
    return (_fold(second) << 16) | _fold(first)


def _fold(total: int) -> int:
    return (total - 1) % 65535 + 1 if total else 0


def unshuffle(data: bytes, element: int) -> bytes:
    """Put byte k of every element beside its fellows; bytes past the last whole element lie as they were."""
    whole = len(data) // element
    planes = np.frombuffer(data, np.uint8, whole * element).reshape(element, whole)
    return planes.T.tobytes() + data[whole * element :]


def fletcher32_payload(data: bytes, where: str) -> bytes:
    """Return the bytes before their checksum, if it is theirs."""
    payload, written = data[:-4], int.from_bytes(data[-4:], "little")
    found = fletcher32(payload)
    # Before 1.6.3 the library wrote the bytes of each half in the other order, and it still accepts both.
    swapped = (found & 0x00FF00FF) << 8 | found >> 8 & 0x00FF00FF
    if len(data) < 4 or written not in (found, swapped):
        message = f"expected the fletcher32 checksum {written:#010x} that the file holds, got {found:#010x}"
        raise CorruptDataError(Problem("checksum-mismatch", where, message, "restore the file from a copy"))
    return payload


def decode_elements(raw: bytes, stored: StoredType) -> np.ndarray[Any, np.dtype[Any]]:
    """Turn the bytes of elements into a flat array of `stored.native`.

    Raises
    ------
    ValueError
        The type needs more than a reinterpretation, a shift or a cut at its padding.
    """
    if stored.disk is None or stored.native is None:
        raise ValueError(f"a {stored.type_class} of {stored.size} bytes is not decoded without libhdf5")
    values = np.frombuffer(raw, stored.disk)
    if stored.type_class == "fixed-string":
        return _unpadded(values, stored)
    if stored.type_class == "boolean":
        return values.view(stored.native)
    native = values.astype(stored.native)
    if stored.native.kind in "iu" and stored.precision < 8 * stored.size:
        return _significant(native, stored)
    return native


def _significant(values: np.ndarray[Any, Any], stored: StoredType) -> np.ndarray[Any, np.dtype[Any]]:
    """Keep the significant bits of each integer; a signed one is extended by its sign."""
    spare = 8 * stored.size - stored.precision
    significant: np.ndarray[Any, np.dtype[Any]] = (values << (spare - stored.bit_offset)) >> spare
    return significant


def _unpadded(values: np.ndarray[Any, Any], stored: StoredType) -> np.ndarray[Any, np.dtype[Any]]:
    octets = values.view(np.uint8).reshape(-1, stored.size).copy()
    if stored.padding == "null-terminated":
        octets[np.maximum.accumulate(octets == 0, axis=1)] = 0
    elif stored.padding == "space-padded":
        trailing = np.minimum.accumulate((octets == ord(" "))[:, ::-1], axis=1)[:, ::-1]
        octets[trailing] = 0
    return octets.reshape(-1).view(values.dtype)
