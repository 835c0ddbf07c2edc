"""Clusters matched with labels, one to one: the accuracy of what has no names for what it has found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["matched_count", "matched_share"]


def matched_count(table: NDArray[np.int64]) -> int:
    """Return how many items of a table int64 (L, C) are of a cluster that was matched with their label.

    Each cluster is matched with one label or none, so that they are as many as can be (Kuhn 1955).

    Examples
    --------
    >>> matched_count(np.array([[2, 0], [1, 1]]))
    3
    """
    from scipy.optimize import linear_sum_assignment

    return int(table[linear_sum_assignment(table, maximize=True)].sum())


def matched_share(true: NDArray[np.int64], found: NDArray[np.int64], groups: NDArray[np.int64]) -> float:
    """Return the share of items whose cluster was matched with their label, one-to-one within each group.

    The matching is that of `matched_count`. What it is done within, each video, the videos of an activity or
    all of them, makes other scores of it: the smaller a group, the higher. Clusters and labels may differ in number:
    what is left over is matched with nothing, and wrong.

    Parameters
    ----------
    true, found : int64 (S,)
        Labels and clusters, of segments or of frames.
    groups : int64 (S,)
        What each is matched within.

    Returns
    -------
    float
        0 to 1; 1 of no item.

    Examples
    --------
    >>> matched_share(np.array([0, 0, 1, 1]), np.array([5, 5, 5, 7]), np.zeros(4, int))
    0.75
    """
    hits = 0
    for group in np.unique(groups):
        here = groups == group
        labels, row = np.unique(true[here], return_inverse=True)
        clusters, column = np.unique(found[here], return_inverse=True)
        table = np.zeros((len(labels), len(clusters)), np.int64)
        np.add.at(table, (row, column), 1)
        hits += matched_count(table)
    return hits / len(true) if len(true) else 1.0
