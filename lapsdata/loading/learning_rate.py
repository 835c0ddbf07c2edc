"""The learning rate of a step, from its number alone: no epoch, whose length may change, has a part in it."""

from __future__ import annotations

import math

from lapsdata.schema.training import RateSchedule

__all__ = ["RateSchedule", "share_of_rate"]


def share_of_rate(
    step: int, steps: int, schedule: RateSchedule, warm_share: float, *, least_share: float = 0.01
) -> float:
    """Return by what the highest rate is multiplied in a step.

    Parameters
    ----------
    step : int
        From 0, of the whole training: a training that goes on counts on.
    steps : int
        In all.
    schedule : {"cosine", "constant"}
    warm_share : float
        Share of the steps over which the rate rises, as a line.
    least_share : float
        Where a cosine ends.

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
    return least_share + (1 - least_share) * 0.5 * (1 + math.cos(math.pi * done))
