"""Average precision of many draws of segments at once: the rule of `temporal_ap`, compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lapsdata.compiling import compile_loop

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]
    Flags = NDArray[np.bool_]

    Truth = tuple[Integers, Floats, Floats]
    """Places (C, V + 1), start_s and end_s (S,): spans of class c in video v stand in `places[c, v]` to
    `places[c, v + 1]`."""

    Found = tuple[Integers, Integers, Floats, Floats, Floats]
    """Video, class, start_s, end_s and score (D, R), in order of class, then of falling score; a class below 0 is
    none."""

__all__ = ["average_precisions"]


def _hit(begin: Floats, end: Floats, free: Flags, first: int, last: int, span: tuple[float, float, float]) -> bool:
    """Take the free true span of places `first` to `last` that a span (low, high, least) overlaps most, if enough."""
    low, high, least = span
    best, most = -1, -1.0
    for t in range(first, last):
        if free[t]:
            shared = max(min(end[t], high) - max(begin[t], low), 0.0)
            overlap = shared / (end[t] - begin[t] + high - low - shared)
            if overlap > most:
                best, most = t, overlap
    if best < 0 or most < least:
        return False
    free[best] = False
    return True


def _area(hits: Flags, true: int) -> float:
    """Return the area under the precision at each recall, made not to rise with recall."""
    right = 0
    for at in range(len(hits)):
        right += hits[at]
    held, envelope = 0.0, 0.0
    for at in range(len(hits) - 1, -1, -1):
        envelope = max(envelope, right / (at + 1))
        if hits[at]:
            held += envelope
            right -= 1
    # Divided once: all right is 1, and not nearly so.
    return held / true


def _average_precisions(truth: Truth, found: Found, least: Floats, worst: bool, ap: Floats) -> None:
    """Fill in `ap` (D, O, C) of draws of found spans that overlap by at least `least` (O,).

    `worst` counts the wrong ones first among those of one score.
    """
    places, begin, end = truth
    video, label, low, high, score = found
    for d in range(len(video)):
        row = 0
        while row < video.shape[1] and label[d, row] < 0:
            row += 1
        for c in range(len(places)):
            stop = row
            while stop < video.shape[1] and label[d, stop] == c:
                stop += 1
            first, last = places[c, 0], places[c, -1]
            for o in range(len(least)):
                free = np.ones(len(begin), np.bool_)
                hits = np.zeros(stop - row, np.bool_)
                for r in range(row, stop):
                    v = video[d, r]
                    span = (low[d, r], high[d, r], least[o])
                    hits[r - row] = hit(begin, end, free, places[c, v], places[c, v + 1], span)
                if worst:
                    wrong_first(hits, score[d, row:stop])
                ap[d, o, c] = area(hits, last - first)
            row = stop


def _wrong_first(hits: Flags, score: Floats) -> None:
    """Move, among equal scores, the wrong ones before the right ones."""
    start = 0
    while start < len(hits):
        stop, right = start, 0
        while stop < len(hits) and score[stop] == score[start]:
            right += hits[stop]
            stop += 1
        hits[start:stop] = False
        hits[stop - right : stop] = True
        start = stop


hit = compile_loop(_hit)
area = compile_loop(_area)
wrong_first = compile_loop(_wrong_first)
average_precisions = compile_loop(_average_precisions, nogil=True)
