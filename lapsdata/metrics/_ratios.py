"""Precision, recall and F of counts, alone or in arrays of any one shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from lapsdata.schema.result import BoundaryEmpty

__all__ = ["Ratios", "ratios"]


class Ratios(NamedTuple):
    """Shares from 0 to 1, float64, of one shape."""

    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    f: NDArray[np.float64]


def ratios(truth: ArrayLike, found: ArrayLike, hits: ArrayLike, empty: BoundaryEmpty) -> Ratios:
    """Return the ratios of counts, which are broadcast, where nothing is true or found by the rule `empty`."""
    true, ours, pairs = np.broadcast_arrays(*(np.asarray(one, np.float64) for one in (truth, found, hits)))
    neither = (true == 0) & (ours == 0)

    def share(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
        made: NDArray[np.float64] = np.where(neither, 1.0, part / np.where(whole == 0, 1.0, whole))
        return made

    precision = share(pairs, ours)
    if empty == "no_truth_precision_1":
        precision = np.where(true == 0, 1.0, precision)
    return Ratios(precision, share(pairs, true), share(2 * pairs, true + ours))
