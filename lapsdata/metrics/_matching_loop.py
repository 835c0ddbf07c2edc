"""Two pointers over many sets of boundaries; `boundary._walk` is the same for one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lapsdata.compiling import compile_loop

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ticks = NDArray[np.int64]

__all__ = ["count_pairs"]


def _count_pairs(truth: Ticks, found: Ticks, offsets: Ticks, tolerance: int) -> Ticks:
    """Return how many pairs each set has with the truth.

    Parameters
    ----------
    truth : int64 (B,)
        Rising ticks.
    found : int64 (F,)
        Ticks of all sets, rising within each.
    offsets : int64 (C + 1,)
        Where each set begins.
    tolerance : int
        In ticks; a distance that equals it is a hit.
    """
    pairs = np.zeros(len(offsets) - 1, np.int64)
    for c in range(len(pairs)):
        i, j = 0, offsets[c]
        while i < len(truth) and j < offsets[c + 1]:
            apart = found[j] - truth[i]
            if -tolerance <= apart <= tolerance:
                pairs[c] += 1
                i += 1
                j += 1
            elif apart < 0:
                j += 1
            else:
                i += 1
    return pairs


count_pairs = compile_loop(_count_pairs, nogil=True)
