"""Draws of chance that any machine and any release of NumPy repeats."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["fractions", "orders"]


def fractions(use: str, seed: int, video: str, count: int) -> NDArray[np.float64]:
    """Return numbers strictly between 0 and 1 that depend on the arguments alone, in every release of NumPy.

    NumPy promises the raw stream of a bit generator for ever, and the numbers of a Generator only until the next
    release (NEP 19).
    """
    key = hashlib.sha256(f"{use}\0{seed}\0{video}".encode("utf-8", "surrogatepass")).digest()
    raw = np.random.PCG64(int.from_bytes(key, "big")).random_raw(count)
    return ((raw >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52


def orders(use: str, seed: int, video: str, draws: int, count: int) -> NDArray[np.int64]:
    """Return the numbers below `count` in orders that are drawn, each as likely as any other: int64 (draws, count)."""
    return np.argsort(fractions(use, seed, video, draws * count).reshape(draws, count), axis=1, kind="stable")
