"""Numbers of draws as what is said of them all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lapsdata.schema.drawn import DrawnScore

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["band", "drawn_score", "reached"]


def band(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return between what 95 % of some numbers lie: their quantiles 0.025 and 0.975, interpolated."""
    low, high = np.quantile(values, (0.025, 0.975)).tolist()
    return low, high


def reached(values: NDArray[np.float64], least: float) -> float:
    """Return how likely a draw reaches the prediction's number, which is one more draw, so that no p is 0.

    Phipson and Smyth, "Permutation P-values Should Never Be Zero", 2010.
    """
    return float((1 + (values >= least).sum()) / (1 + len(values)))


def drawn_score(values: NDArray[np.float64], against: DrawnScore | None = None) -> DrawnScore:
    """Return the mean of draws (D,), how they scatter, and how often they reach the prediction's number.

    Numbers are 1 at most; what rounding leaves above it is 1.
    """
    mean = min(1.0, float(values.mean()))
    if len(values) < 2:
        return DrawnScore(mean=mean)
    return DrawnScore(
        mean=mean,
        sd=float(values.std(ddof=1)),
        band=band(values),
        p=None if against is None else reached(values, against.mean),
    )
