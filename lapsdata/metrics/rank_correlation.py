"""Spearman's rank correlation of two series, and at which lag of one behind the other it is highest."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata.errors import LengthMismatchError, Problem, SchemaError
from lapsdata.metrics._given import at_least

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["BestLag", "average_ranks", "best_lag", "spearman"]

# Of fewer pairs a rank correlation is as good as any number.
_FEWEST = 3


class BestLag(NamedTuple):
    """Where two series agree best.

    Parameters
    ----------
    steps : int
        How many steps the second series is behind the first there; below 0 it is ahead.
    correlation : float
        Rank correlation of what overlaps there; NaN where no lag has one.

    Examples
    --------
    See `best_lag`.
    """

    steps: int
    correlation: float


def average_ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ranks from 1; equal values share the mean of theirs.

    Parameters
    ----------
    values : float64 (R,)
        Finite.

    Examples
    --------
    >>> average_ranks(np.array([3.0, 1.0, 3.0]))
    array([2.5, 1. , 2.5])
    """
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return np.asarray((last - (count - 1) / 2)[place], np.float64)


def spearman(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Return Spearman's rank correlation, ties with average ranks (Spearman 1904).

    Parameters
    ----------
    first, second : float64 (R,)
        Pairs in which one is NaN are left out.

    Returns
    -------
    float
        From -1 to 1; NaN with fewer than three pairs, or where one of both stands still.

    Raises
    ------
    LengthMismatchError
        Series of different lengths.

    Examples
    --------
    >>> spearman(np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 10.0, 100.0, np.nan]))
    1.0
    """
    if len(first) != len(second):
        message = f"expected as many values in both, got {len(first)} and {len(second)}"
        raise LengthMismatchError(Problem("length-mismatch", "first, second", message))
    known = ~(np.isnan(first) | np.isnan(second))
    if known.sum() < _FEWEST:
        return float("nan")
    ranks = [average_ranks(series[known]) for series in (first, second)]
    one, other = (rank - rank.mean() for rank in ranks)
    size = np.sqrt((one @ one) * (other @ other))
    return float(np.clip(one @ other / size, -1, 1)) if size > 0 else float("nan")


def best_lag(first: NDArray[np.float64], second: NDArray[np.float64], most: int) -> BestLag:
    """Return the lag at which the rank correlation of two series of one rate is highest; of equals the shortest.

    Parameters
    ----------
    first, second : float64 (R,)
        NaN where there is no value.
    most : int
        Longest lag that is tried, in steps, either way; below R.

    Raises
    ------
    LengthMismatchError
        Series of different lengths.
    SchemaError
        A longest lag that leaves nothing to compare.

    Examples
    --------
    >>> line = np.array([0.0, 0.0, 1.0, 5.0, 1.0, 0.0, 0.0, 0.0])
    >>> best_lag(line, np.roll(line, 2), 3)
    BestLag(steps=2, correlation=1.0)
    """
    if at_least(most, "most", 0) >= len(first):
        message = f"expected a lag below the {len(first)} values, got {most}"
        raise SchemaError(Problem("wrong-value", "most", message))
    length, best = len(first), BestLag(0, float("nan"))
    for steps in sorted(range(-most, most + 1), key=abs):
        early, late = max(-steps, 0), max(steps, 0)
        found = spearman(first[early : length - late], second[late : length - early])
        # NaN compares as false: what has no correlation is never the best.
        if found > best.correlation or (np.isnan(best.correlation) and not np.isnan(found)):
            best = BestLag(steps, found)
    return best
