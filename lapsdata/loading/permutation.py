"""Permutations that take no memory: the id at a position is computed, never looked up in a list of all ids.

Small ranges are sorted by the hash of each number, which is as random as a shuffle. Others go through a keyed Feistel
network over a rectangle of about sqrt(n) x sqrt(n) numbers (Black and Rogaway, "Ciphers with arbitrary finite
domains", CT-RSA 2002); the few numbers of the rectangle that lie beyond the range are sent through again until they
are inside. Either way the result depends on length and key alone: on no release of NumPy, and on no other position.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

import numpy as np

from lapsdata.errors import Problem, SchemaError, whole_number
from lapsdata.loading._hashing import keys_of, mixed

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["MOST", "Permutation", "permutation", "within_windows"]

MOST = 2**53 - 1
"""The longest range: its numbers are still exact in JSON."""

# Where sorting costs as much as a batch of computed positions.
_SORTED = 4096

# Fewer leave traces that the tests of quality find.
_ROUNDS = 8

_M1, _M2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_HALF = np.uint64(32)


class Permutation:
    """A fixed shuffle of `0 .. length - 1`.

    Parameters
    ----------
    length : int
        At least 1, at most 2**53 - 1.
    *words : int or str
        What the shuffle depends on: seed, epoch, purpose.

    Raises
    ------
    SchemaError
        A length out of range.

    Examples
    --------
    >>> shuffle = Permutation(10**10, "docs", 0)
    >>> ids = shuffle(np.arange(3))
    >>> len(set(ids.tolist())), bool((ids < 10**10).all())
    (3, True)
    >>> sorted(Permutation(5, "docs", 0)(np.arange(5)).tolist())
    [0, 1, 2, 3, 4]
    """

    __slots__ = ("_keys", "_table", "length")

    def __init__(self, length: int, *words: int | str) -> None:
        if (whole_number(length) or 0) < 1 or length > MOST:
            raise SchemaError(Problem("wrong-value", "length", f"expected 1 .. 2**53 - 1, got {length!r}"))
        self.length = length
        self._keys = keys_of((*words, length), _ROUNDS)
        self._table: NDArray[np.int64] | None = None
        if length <= _SORTED:
            hashes = mixed(mixed(np.arange(length, dtype=np.uint64) ^ self._keys[0]) ^ self._keys[1])
            self._table = np.argsort(hashes, kind="stable").astype(np.int64)

    def __call__(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return what stands at each position.

        Parameters
        ----------
        positions : int64 (B,)
            From 0 to `length - 1`.

        Returns
        -------
        int64 (B,)
        """
        if self._table is not None:
            return self._table[positions]
        return _feistel(positions, self.length, self._keys)


@functools.lru_cache(maxsize=64)
def permutation(length: int, *words: int | str) -> Permutation:
    """Return the same as `Permutation(length, *words)`, made once.

    Examples
    --------
    >>> permutation(100, "docs") is permutation(100, "docs")
    True
    """
    return Permutation(length, *words)


def within_windows(
    offsets: NDArray[np.int64], size: int, windows: NDArray[np.int64], *words: int | str
) -> NDArray[np.int64]:
    """Shuffle inside of windows of equal size, each in its own way.

    Parameters
    ----------
    offsets : int64 (B,)
        Places within the window, from 0 to `size - 1`.
    size : int
        Numbers in a window.
    windows : int64 (B,)
        Which window each place lies in.
    *words : int or str
        What the shuffles depend on.

    Returns
    -------
    int64 (B,)
        The place whose content comes at each of `offsets`.

    Examples
    --------
    >>> found = within_windows(np.arange(8) % 4, 4, np.arange(8) // 4, "docs")
    >>> sorted(found[:4].tolist()), sorted(found[4:].tolist())
    ([0, 1, 2, 3], [0, 1, 2, 3])
    """
    keys = keys_of((*words, size), _ROUNDS)
    numbers = mixed(windows.astype(np.uint64))
    return _feistel(offsets, size, mixed(numbers[None, :] ^ keys[:, None]))


def _feistel(positions: NDArray[np.int64], length: int, keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Send positions through the network; `keys` is (rounds,) for all, or (rounds, B) for each."""
    rows = math.isqrt(length - 1) + 1
    columns = -(-length // rows)
    todo = np.arange(len(positions))
    found = np.empty(len(positions), np.int64)
    row, column = np.divmod(positions.astype(np.uint64), np.uint64(columns))
    while True:
        for number, key in enumerate(keys):
            if number % 2 == 0:
                _turn(row, column, np.uint64(rows), key)
            else:
                _turn(column, row, np.uint64(columns), key)
        numbers = (row * np.uint64(columns) + column).astype(np.int64)
        beyond = numbers >= length
        if not beyond.any():
            found[todo] = numbers
            return found
        found[todo[~beyond]] = numbers[~beyond]
        todo, row, column = todo[beyond], row[beyond], column[beyond]
        keys = keys if keys.ndim == 1 else keys[:, beyond]


def _turn(
    turned: NDArray[np.uint64], by: NDArray[np.uint64], size: np.uint64, key: np.uint64 | NDArray[np.uint64]
) -> None:
    """Turn one coordinate, modulo its size (below 2**32), by a hash of the other."""
    bits = (by ^ key) * _M1
    bits ^= bits >> _HALF
    bits *= _M2
    bits >>= _HALF
    # The upper half of a product with 32 random bits is a random number below `size`.
    bits *= size
    bits >>= _HALF
    turned += bits
    turned -= size * (turned >= size)
