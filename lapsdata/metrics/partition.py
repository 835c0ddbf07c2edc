"""How alike two partitions of one video are, without a tolerance: covering, and the R-value of boundaries."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from lapsdata.metrics._given import Span, span_ticks, ticks_of
from lapsdata.metrics.boundary import BoundaryCounts, inner_boundaries

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["covering", "r_value"]


def covering(truth_s: NDArray[np.float64], found_s: NDArray[np.float64], span_s: Span) -> float:
    """Return how well the found parts of a video cover the true ones.

    The mean over the true parts, weighted by their length, of the largest intersection over union with a found part
    (Arbelaez et al. 2011; of time: van den Burg and Williams 2020).

    Parameters
    ----------
    truth_s, found_s : float64 (B,), float64 (C,), seconds
        Boundaries, in any order.
    span_s : (float, float), seconds
        What is parted: without a boundary it is one part.

    Returns
    -------
    float
        Above 0, up to 1.

    Raises
    ------
    SchemaError
        Times outside of the span, or none that are times.

    Examples
    --------
    >>> round(covering(np.array([2.0]), np.array([3.0]), (0.0, 4.0)), 4)
    0.5833
    """
    true, found = (_edges(inner_boundaries(given, span_s), span_s) for given in (truth_s, found_s))
    low = np.maximum.outer(true[:-1], found[:-1])
    shared = np.maximum(np.minimum.outer(true[1:], found[1:]) - low, 0)
    lengths = np.diff(true)
    best = (shared / (np.add.outer(lengths, np.diff(found)) - shared)).max(axis=1)
    return float(best @ lengths / lengths.sum())


def _edges(boundaries_s: NDArray[np.float64], span_s: Span) -> NDArray[np.int64]:
    start, end = span_ticks(span_s, "span_s")
    return np.concatenate([[start], ticks_of(boundaries_s), [end]])


def r_value(counts: BoundaryCounts) -> float:
    """Return the R-value of boundary counts, which a dense grid of boundaries does not raise.

    `1 - (r1 + r2) / 2` with `r1 = sqrt((1 - HR)^2 + OS^2)`, `r2 = |OS - HR + 1| / sqrt(2)`, hit rate HR = recall, and
    over-segmentation OS = found / truth - 1 (Räsänen, Laine and Altosaar 2009, of shares in place of per cents).

    Returns
    -------
    float
        Up to 1; below 0 where there are far too many boundaries. Without true ones: 1 where none was found, else minus
        infinity.

    Examples
    --------
    >>> r_value(BoundaryCounts(truth=4, found=4, hits=4)), round(r_value(BoundaryCounts(4, 8, 4)), 4)
    (1.0, 0.1464)
    """
    if not counts.truth:
        return -math.inf if counts.found else 1.0
    over = counts.found / counts.truth - 1
    to_best = math.hypot(1 - counts.recall, over)
    to_line = abs(over - counts.recall + 1) / math.sqrt(2)
    return 1 - (to_best + to_line) / 2
