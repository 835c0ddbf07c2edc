"""Many numbers in few words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["spans_told"]

_MOST = 12


def spans_told(numbers: Iterable[int]) -> str:
    """Return numbers as a person writes them: `0, 2-28, 30`; of many spans the first.

    Examples
    --------
    >>> spans_told([0, 2, 3, 4, 9])
    '0, 2-4, 9'
    """
    every = np.array(sorted(set(numbers)), np.int64)
    parts = np.split(every, np.flatnonzero(np.diff(every) > 1) + 1) if len(every) else []
    told = [str(part[0]) if len(part) == 1 else f"{part[0]}-{part[-1]}" for part in parts]
    return ", ".join(told[:_MOST]) + (f" and {len(told) - _MOST} more spans" if len(told) > _MOST else "")
