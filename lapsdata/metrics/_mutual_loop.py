"""Mutual information that two labellings would have by chance, for many tables at once, compiled."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lapsdata.compiling import compile_loop

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["expected_information"]

# Below this share of the likeliest count, the others together change no bit of the sum.
_NEVER = 1e-20


def _cell(a: int, b: int, total: int) -> float:
    """Return the expectation of n / N log(N n / (a b)) for n hypergeometric: of N items a are one's, b the other's.

    Weights are told from the likeliest n on, each by its ratio to the one before: no factorial, and nothing is lost
    where N is large.
    """
    low, high = max(0, a + b - total), min(a, b)
    mode = min(high, max(low, (a + 1) * (b + 1) // (total + 2)))
    weights, held, weight = 0.0, 0.0, 1.0
    for n in range(mode, high + 1):
        weights += weight
        held += weight * share(n, a, b, total)
        weight *= (a - n) / (n + 1) * (b - n) / (total - a - b + n + 1)
        if weight < _NEVER:
            break
    weight = 1.0
    for n in range(mode, low, -1):
        weight *= n / (a - n + 1) * (total - a - b + n) / (b - n + 1)
        if weight < _NEVER:
            break
        weights += weight
        held += weight * share(n - 1, a, b, total)
    return held / weights


def _share(n: int, a: int, b: int, total: int) -> float:
    """Return what a cell of n items adds to mutual information, in nats."""
    return n / total * math.log(total / a * n / b) if n > 0 else 0.0


def _expected_information(rows: NDArray[np.int64], columns: NDArray[np.int64], out: NDArray[np.float64]) -> None:
    """Fill in the expected mutual information (T,), in nats, of tables with sums `rows` (T, L), `columns` (T, C)."""
    for t in range(len(out)):
        total = rows[t].sum()
        for i in range(rows.shape[1]):
            for j in range(columns.shape[1]):
                if rows[t, i] > 0 and columns[t, j] > 0:
                    out[t] += cell(rows[t, i], columns[t, j], total)


share = compile_loop(_share)
cell = compile_loop(_cell)
expected_information = compile_loop(_expected_information, nogil=True)
