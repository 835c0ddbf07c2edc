"""Hashes that every machine and release computes alike: keys of orders, and of ids for digests."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

__all__ = ["EVERY_BIT", "extended_crc32c", "id_hashes", "keys_of", "mixed", "sum_of_hashes"]

EVERY_BIT = 2**64 - 1

# SplitMix64: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
_STEP = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_SHIFTS = np.uint64(30), np.uint64(27), np.uint64(31)


def mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return 64 well mixed bits for each value; different values have different ones.

    Examples
    --------
    >>> [hex(value) for value in mixed(np.arange(2, dtype=np.uint64))]
    ['0xe220a8397b1dcdaf', '0x6e789e6aa1b965f4']
    """
    bits = (values + np.uint64(1)) * _STEP
    bits ^= bits >> _SHIFTS[0]
    bits *= _FIRST
    bits ^= bits >> _SHIFTS[1]
    bits *= _SECOND
    bits ^= bits >> _SHIFTS[2]
    return bits


def id_hashes(ids: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return the hash of each id, for digests of what was delivered.

    Examples
    --------
    >>> id_hashes(np.array([0])).dtype
    dtype('uint64')
    """
    return mixed(ids.astype(np.uint64))


def sum_of_hashes(ids: NDArray[np.int64]) -> int:
    """Return the sum of the hashes of ids modulo 2**64: the same whatever their order.

    Examples
    --------
    >>> sum_of_hashes(np.array([3, 1, 2])) == sum_of_hashes(np.array([1, 2, 3]))
    True
    """
    return int(id_hashes(ids).sum(dtype=np.uint64))


def extended_crc32c(crc: int, ids: NDArray[np.int64]) -> int:
    """Return the CRC-32C of what `crc` is of, and of ids as little-endian int64 behind it; 0 is of nothing.

    Examples
    --------
    >>> ids = np.arange(5)
    >>> extended_crc32c(extended_crc32c(0, ids[:2]), ids[2:]) == extended_crc32c(0, ids)
    True
    """
    import google_crc32c

    return int(google_crc32c.extend(crc, ids.astype("<i8", copy=False).tobytes()))


def keys_of(words: Iterable[int | str], count: int) -> NDArray[np.uint64]:
    """Return up to eight 64-bit keys that depend on every word and on their order.

    Parameters
    ----------
    words : iterable of int or str
        Integers from 0 to 2**64 - 1.
    count : int

    Returns
    -------
    uint64 (count,)

    Examples
    --------
    >>> len(set(keys_of(("order", 7, 0), 2)) & set(keys_of(("order", 0, 7), 2)))
    0
    """
    text = "/".join(f"{word}" for word in words).encode()
    return np.frombuffer(hashlib.blake2b(text, digest_size=64).digest(), "<u8")[:count].astype(np.uint64)
