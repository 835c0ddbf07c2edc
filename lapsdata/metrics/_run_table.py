"""Runs of labels of many videos in flat arrays, each video covered from its start to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Integers = NDArray[np.int64]

__all__ = ["Pieces", "RunTable", "covered", "merged"]


class Pieces(NamedTuple):
    """Labelled pieces of items (videos, or draws of them), which may leave gaps; int64 (S,) each."""

    item: Integers
    label: Integers
    start: Integers
    end: Integers


class RunTable(NamedTuple):
    """The runs of item i stand in places `offset[i]` to `offset[i + 1]`, rising, without a gap.

    Parameters
    ----------
    offset : int64 (I + 1,)
    label, start, end : int64 (R,)
    """

    offset: Integers
    label: Integers
    start: Integers
    end: Integers

    @property
    def item(self) -> Integers:
        """The item that each run is of: int64 (R,)."""
        return np.repeat(np.arange(len(self.offset) - 1), np.diff(self.offset))

    @property
    def counts(self) -> Integers:
        """The number of runs of each item: int64 (I,)."""
        return np.diff(self.offset)

    def lengths(self) -> Integers:
        """Return how long each item is: int64 (I,)."""
        held: Integers = np.add.reduceat(self.end - self.start, self.offset[:-1])
        return held


def merged(pieces: Pieces, items: int) -> RunTable:
    """Return pieces that cover their items, in order, with touching ones of one label made one."""
    fresh = np.ones(len(pieces.item), bool)
    fresh[1:] = (pieces.item[1:] != pieces.item[:-1]) | (pieces.label[1:] != pieces.label[:-1])
    first = np.flatnonzero(fresh)
    last = np.concatenate([first[1:], [len(fresh)]])[: len(first)] - 1
    offset = np.searchsorted(pieces.item[first], np.arange(items + 1))
    return RunTable(offset, pieces.label[first], pieces.start[first], pieces.end[last])


def covered(pieces: Pieces, begin: Integers, end: Integers, gap: int) -> tuple[RunTable, int]:
    """Return the runs of items that last from `begin` to `end` (I,), and how much of them was in no piece.

    Parameters
    ----------
    pieces : Pieces
        In order of items, then of time; empty ones, and what lies past the end of an item, are left out.
    begin, end : int64 (I,)
    gap : int
        Label of time that is in no piece.
    """
    item = pieces.item
    start, stop = np.minimum(pieces.start, end[item]), np.minimum(pieces.end, end[item])
    # Where the piece before ends, or the item begins; and where the last piece of each item ends.
    before = np.concatenate([begin[:1], stop[:-1]])[: len(item)]
    first = np.ones(len(item), bool)
    first[1:] = item[1:] != item[:-1]
    before[first] = begin[item[first]]
    left = begin.copy()
    left[item] = stop
    everyone = np.arange(len(begin))
    both = Pieces(
        np.concatenate([item, item, everyone]),
        np.concatenate([np.full(len(item), gap), pieces.label, np.full(len(begin), gap)]),
        np.concatenate([before, start, left]),
        np.concatenate([start, stop, end]),
    )
    kept = both.end > both.start
    order = np.lexsort((both.start[kept], both.item[kept]))
    runs = merged(Pieces(*(column[kept][order] for column in both)), len(begin))
    return runs, int((end - begin).sum() - (stop - start).sum())
