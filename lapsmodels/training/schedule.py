"""The learning rate of a step, from its number alone."""

from __future__ import annotations

import math
from typing import Literal

__all__ = ["Schedule", "share_of_rate"]

Schedule = Literal["cosine", "constant"]
"""How the rate goes on after its rise: as a cosine to a hundredth, or as it is."""

_LAST = 0.01


def share_of_rate(step: int, steps: int, schedule: Schedule, warm_share: float) -> float:
    """Return by what the highest rate is multiplied in a step.

    Parameters
    ----------
    step : int
        From 0.
    steps : int
        In all.
    schedule : {"cosine", "constant"}
    warm_share : float
        Share of the steps over which the rate rises, as a line.

    Examples
    --------
    >>> [round(share_of_rate(step, 10, "cosine", 0.2), 2) for step in (0, 1, 2, 6, 10)]
    [0.5, 1.0, 1.0, 0.51, 0.01]
    """
    warm = round(warm_share * steps)
    if step < warm:
        return (step + 1) / warm
    if schedule == "constant":
        return 1.0
    done = (step - warm) / max(1, steps - warm)
    return _LAST + (1 - _LAST) * 0.5 * (1 + math.cos(math.pi * done))
