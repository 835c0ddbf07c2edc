"""Counts of labelled runs beside true ones, for many draws at once: the rules of `segmental`, compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lapsdata.compiling import compile_loop

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Integers = NDArray[np.int64]
    Table = tuple[Integers, Integers, Integers, Integers]
    """The columns of a `RunTable`: offset, label, start, end."""

__all__ = ["add_overlaps", "count_runs"]


def _next_row(row: Integers, labels: Integers, label: int, place: int) -> None:
    """Turn Levenshtein's distances of `labels` to the first `place - 1` found ones into those to one more."""
    corner = row[0]
    row[0] = place
    for j in range(len(labels)):
        replaced = corner + (labels[j] != label)
        corner = row[j + 1]
        row[j + 1] = min(replaced, corner + 1, row[j] + 1)


def _nearest(truth: Table, runs: Integers, label: int, start: int, end: int) -> tuple[int, int, int]:
    """Return which of the true `runs` of the label a span overlaps most, of equals the first, the shared, the union."""
    best, most, shared, union = -1, 0.0, 0, 1
    for j in range(len(runs)):
        t = runs[j]
        low, high = truth[2][t], truth[3][t]
        if low >= end:
            break
        if truth[1][t] != label or high <= start:
            continue
        inner, outer = min(high, end) - max(low, start), max(high, end) - min(low, start)
        # Of whole numbers below 2 ** 26 equal quotients are equal floats, and others are not.
        if inner / outer > most:
            best, most, shared, union = j, inner / outer, inner, outer
    return best, shared, union


def _count_runs(
    truth: Table,
    found: Table,
    of_item: Integers,
    action: NDArray[np.bool_],
    shares: Integers,
    slack: int,
    counts: Integers,
) -> None:
    """Count each found item (P,) beside the item of the truth that `of_item` (P,) says.

    `shares` (2, K) are numerators and denominators of the overlaps, which intersection and union are held against once
    both were moved by `slack` to where it is easier. A row of `counts` (P, 5 + K) becomes: time with the
    right label, Levenshtein's distance, actions of the longer side, found and true actions, and the right ones at each
    overlap.
    """
    overlaps = shares.shape[1]
    for p in range(len(of_item)):
        first, last = truth[0][of_item[p]], truth[0][of_item[p] + 1]
        runs = first + np.flatnonzero(action[truth[1][first:last]])
        labels = truth[1][runs]
        row = np.arange(len(runs) + 1)
        taken = np.zeros((len(runs), overlaps), np.bool_)
        ours, at = 0, first
        for f in range(found[0][p], found[0][p + 1]):
            label, start, end = found[1][f], found[2][f], found[3][f]
            while at < last and truth[3][at] <= start:
                at += 1
            t = at
            while t < last and truth[2][t] < end:
                if truth[1][t] == label:
                    counts[p, 0] += min(truth[3][t], end) - max(truth[2][t], start)
                t += 1
            if not action[label]:
                continue
            ours += 1
            next_row(row, labels, label, ours)
            best, shared, union = nearest(truth, runs, label, start, end)
            for k in range(overlaps):
                enough = (shared + slack) * shares[1, k] >= (union - slack) * shares[0, k]
                if best >= 0 and enough and not taken[best, k]:
                    taken[best, k] = True
                    counts[p, 5 + k] += 1
        counts[p, 1] = row[len(runs)]
        counts[p, 2] = max(ours, len(runs))
        counts[p, 3] = ours
        counts[p, 4] = len(runs)


def _add_overlaps(truth: Table, found: Table, of_item: Integers, into: Integers, tables: Integers) -> None:
    """Add the time that labels and clusters share: item p of `found` to `tables[into[p]]` (L, C).

    Time of a label below 0 is not counted.
    """
    for p in range(len(of_item)):
        at, last = truth[0][of_item[p]], truth[0][of_item[p] + 1]
        for f in range(found[0][p], found[0][p + 1]):
            start, end = found[2][f], found[3][f]
            while at < last and truth[3][at] <= start:
                at += 1
            t = at
            while t < last and truth[2][t] < end:
                if truth[1][t] >= 0:
                    tables[into[p], truth[1][t], found[1][f]] += min(truth[3][t], end) - max(truth[2][t], start)
                t += 1


next_row = compile_loop(_next_row)
nearest = compile_loop(_nearest)
count_runs = compile_loop(_count_runs, nogil=True)
add_overlaps = compile_loop(_add_overlaps, nogil=True)
