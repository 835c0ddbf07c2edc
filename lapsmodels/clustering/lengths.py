"""How long sequences are, and where those are cut that a model takes by steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lapsdata.errors import Problem, SchemaError
from lapsdata.schema import SequenceLengths

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["longest_taken", "told_lengths"]


def longest_taken(lengths: NDArray[np.int64], quantile: float) -> int:
    """Return the length at which longer sequences are cut: a quantile of all lengths, rounded up.

    Parameters
    ----------
    lengths : int64 (S,)
    quantile : float
        Above 0; 1 cuts none.

    Raises
    ------
    SchemaError
        No sequence, or no such quantile.

    Examples
    --------
    >>> longest_taken(np.array([3, 4, 5, 90]), 0.75), longest_taken(np.array([3, 90]), 1.0)
    (27, 90)
    """
    if not len(lengths):
        raise SchemaError(Problem("no-sequences", "lengths", "expected at least one sequence, got none"))
    if not 0 < quantile <= 1:
        message = f"expected a quantile above 0 and up to 1, got {quantile!r}"
        raise SchemaError(Problem("out-of-range", "longest_quantile", message))
    return int(np.ceil(np.quantile(lengths, quantile)))


def told_lengths(lengths: NDArray[np.int64], longest: int | None = None) -> SequenceLengths:
    """Return what the lengths are, and what is cut off by sequences longer than `longest`.

    Examples
    --------
    >>> told = told_lengths(np.array([3, 4, 5, 90]), 27)
    >>> told.median, told.cut, told.cut_codes
    (4.5, 1, 63)
    """
    over = np.maximum(lengths - (longest or lengths.max()), 0)
    return SequenceLengths(
        least=int(lengths.min()),
        median=float(np.median(lengths)),
        mean=float(lengths.mean()),
        most=int(lengths.max()),
        longest=longest,
        cut=int((over > 0).sum()),
        cut_codes=int(over.sum()),
    )
