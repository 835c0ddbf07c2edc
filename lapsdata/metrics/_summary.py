"""A number of each draw as what is said of them all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lapsdata.schema.drawn import DrawnScore

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["drawn_score"]


def drawn_score(values: NDArray[np.float64], against: DrawnScore | None = None) -> DrawnScore:
    """Return the mean of draws (D,), how they scatter, and how often they reach the prediction's number.

    The prediction counts as one more draw, so that no p is 0: Phipson and Smyth, "Permutation P-values Should Never Be
    Zero", 2010. Numbers are 1 at most; what rounding leaves above it is 1.
    """
    mean = min(1.0, float(values.mean()))
    if len(values) < 2:
        return DrawnScore(mean=mean)
    low, high = np.quantile(values, (0.025, 0.975)).tolist()
    reached = None if against is None else int((values >= against.mean).sum())
    return DrawnScore(
        mean=mean,
        sd=float(values.std(ddof=1)),
        band=(low, high),
        p=None if reached is None else (1 + reached) / (1 + len(values)),
    )
