"""Boundaries of segmentations, and how well found ones meet true ones.

Conventions: seconds are float64; times are compared as whole microseconds, so that 0.1 + 0.2 equals 0.3 and a distance
that equals the tolerance is a hit whatever the last bit of a float says (mir_eval rounds to 5 decimals and then
subtracts floats; on times of 5 decimals or fewer the two agree but for that last bit).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from lapsdata.containers.base import read_only
from lapsdata.errors import LengthMismatchError, Problem, SchemaError
from lapsdata.metrics._given import (
    PER_S,
    Span,
    instants_of,
    known_word,
    span_ticks,
    tick_lists,
    ticks_of,
    tolerance_ticks,
)
from lapsdata.schema.result import BoundaryCounting, BoundaryMatching

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

__all__ = [
    "TOLERANCES_S",
    "BoundaryCounts",
    "BoundaryMatch",
    "inner_boundaries",
    "match_boundaries",
    "nearest_distances",
    "segment_boundaries",
]

TOLERANCES_S: Final[tuple[float, ...]] = (0.25, 0.5, 1.0, 2.0, 5.0)
"""The tolerances that are scored unless others are given, in seconds."""


@dataclass(frozen=True, slots=True)
class BoundaryCounts:
    """How many boundaries there are on each side, and how many of them are pairs.

    With nothing on both sides there is nothing to miss: precision, recall and F are 1. With nothing on one side they
    are 0 (as in mir_eval, which says 0 in the first case as well).

    Parameters
    ----------
    truth, found, hits : int

    Examples
    --------
    >>> counts = BoundaryCounts(truth=4, found=6, hits=3)
    >>> counts.precision, counts.recall, counts.f
    (0.5, 0.75, 0.6)
    >>> BoundaryCounts.pooled([counts, BoundaryCounts(0, 2, 0)])
    BoundaryCounts(truth=4, found=8, hits=3)
    """

    truth: int
    found: int
    hits: int

    @property
    def precision(self) -> float:
        """Share of the found boundaries that are hits."""
        return self._share(self.hits, self.found)

    @property
    def recall(self) -> float:
        """Share of the true boundaries that are hit."""
        return self._share(self.hits, self.truth)

    @property
    def f(self) -> float:
        """Harmonic mean of precision and recall: 2 hits / (truth + found)."""
        return self._share(2 * self.hits, self.truth + self.found)

    def _share(self, part: int, whole: int) -> float:
        if not self.truth and not self.found:
            return 1.0
        return part / whole if whole else 0.0

    @classmethod
    def pooled(cls, counts: Iterable[BoundaryCounts]) -> BoundaryCounts:
        """Return the counts of several videos together (micro average)."""
        each = tuple(counts)
        return cls(sum(one.truth for one in each), sum(one.found for one in each), sum(one.hits for one in each))


@dataclass(frozen=True, slots=True, eq=False)
class BoundaryMatch:
    """Which found boundary is paired with which true one.

    Parameters
    ----------
    tolerance_s : float, seconds
    counts : BoundaryCounts
    pairs : int64 (H, 2), read-only
        Positions in the given arrays, (truth, found), in order of the true boundaries' times.

    Examples
    --------
    >>> match = match_boundaries(np.array([2.0, 5.0]), np.array([4.75]), 0.25)
    >>> match.pairs.tolist(), match.counts
    ([[1, 0]], BoundaryCounts(truth=2, found=1, hits=1))
    """

    tolerance_s: float
    counts: BoundaryCounts
    pairs: NDArray[np.int64]


def segment_boundaries(
    start_s: NDArray[np.float64],
    end_s: NDArray[np.float64],
    span_s: Span,
    *,
    counting: BoundaryCounting = "once",
) -> NDArray[np.float64]:
    """Return the boundaries of a segmentation: starts and ends, without the start and end of the looked-at time.

    Segments may touch, overlap, or leave gaps; their order does not matter, and no label is looked at.

    Parameters
    ----------
    start_s, end_s : NDArray, shape (S,), float64, seconds
    span_s : (float, float), seconds
        Start and end of the time that was looked at; (0, duration) for a whole video.
    counting : {"once", "each_end"}
        Whether the instant between two touching segments is one boundary, or the end of the one and the start of the
        other.

    Returns
    -------
    NDArray, shape (B,), float64, seconds
        Rising; strictly inside of the span.

    Raises
    ------
    SchemaError
        Times of another type, shape or length (`wrong-dtype`, `wrong-shape`, `length-mismatch`), not finite
        (`not-finite`) or outside of the span (`outside-span`), a wrong span, an unknown word.

    Examples
    --------
    >>> start, end = np.array([0.0, 1.0, 2.5]), np.array([1.0, 2.5, 4.0])
    >>> segment_boundaries(start, end, (0.0, 4.0))
    array([1. , 2.5])
    >>> segment_boundaries(start, end, (0.0, 4.0), counting="each_end")
    array([1. , 1. , 2.5, 2.5])
    """
    starts, ends = instants_of(start_s, "start_s"), instants_of(end_s, "end_s")
    if len(starts) != len(ends):
        message = f"expected S = {len(starts)} as in start_s, got {len(ends)}"
        raise LengthMismatchError(Problem("length-mismatch", "end_s", message))
    return inner_boundaries(np.concatenate([starts, ends]), span_s, counting=counting)


def inner_boundaries(
    instants_s: NDArray[np.float64], span_s: Span, *, counting: BoundaryCounting = "once"
) -> NDArray[np.float64]:
    """Return instants as boundaries: in order, each once, without the start and end of the looked-at time.

    Parameters
    ----------
    instants_s : NDArray, shape (B,), float64, seconds
        In any order.
    span_s : (float, float), seconds
        Start and end of the time that was looked at.
    counting : {"once", "each_end"}
        Whether instants of one microsecond are one boundary, or as many as were given.

    Returns
    -------
    NDArray, shape (at most B,), float64, seconds
        Rising; strictly inside of the span.

    Raises
    ------
    SchemaError
        As `segment_boundaries`.

    Examples
    --------
    >>> inner_boundaries(np.array([3.0, 0.0, 0.3, 0.1 + 0.2, 4.0]), (0.0, 4.0))
    array([0.3, 3. ])
    """
    known_word(counting, "counting", BoundaryCounting)
    instants = np.sort(instants_of(instants_s, "instants_s"))
    ticks = ticks_of(instants)
    kept = inside(ticks, span_s, "instants_s")
    if counting == "once":
        kept &= is_another(ticks)
    return instants[kept]


def inside(ticks: NDArray[np.int64], span_s: Span, where: str) -> NDArray[np.bool_]:
    """Return which ticks lie strictly inside of a span, or raise SchemaError where some lie outside."""
    start, end = span_ticks(span_s, "span_s")
    outside = (ticks < start) | (ticks > end)
    if outside.any():
        first = ticks[np.argmax(outside)] / PER_S
        message = f"expected times from {span_s[0]} s to {span_s[1]} s, got {first} s ({outside.sum()} such times)"
        raise SchemaError(Problem("outside-span", where, message))
    return (ticks > start) & (ticks < end)


def is_another(ticks: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which of rising ticks differ from the one before."""
    another = np.ones(len(ticks), bool)
    np.not_equal(ticks[1:], ticks[:-1], out=another[1:])
    return another


def match_boundaries(
    truth_s: NDArray[np.float64],
    found_s: NDArray[np.float64],
    tolerance_s: float,
    *,
    matching: BoundaryMatching = "maximum",
) -> BoundaryMatch:
    """Pair found boundaries with true ones, one to one, where they are no farther apart than the tolerance.

    On a line, with one tolerance for all, walking both sorted lists and pairing whatever can be paired makes as many
    pairs as any pairing can: two crossing pairs may be swapped, and an earlier partner leaves the later one to the
    rest. It gives the numbers of the bipartite matching of mir_eval.segment.detection in O(n log n).

    Parameters
    ----------
    truth_s, found_s : NDArray, shape (B,) and (C,), float64, seconds
        In any order; equal times are boundaries of their own.
    tolerance_s : float, seconds, >= 0
        A distance that equals it is a hit.
    matching : {"maximum", "greedy"}
        `"greedy"` gives each true boundary, in order of time, the nearest free one (of two equally near ones the
        earlier), as LAPS (tools/eval_segmentation.py) and GEBD do: it may miss hits, and says so in no other number.

    Returns
    -------
    BoundaryMatch

    Raises
    ------
    SchemaError
        Times of another type or shape, or not finite; a tolerance that is none; an unknown word.

    Examples
    --------
    >>> truth, found = np.array([10.0, 12.0]), np.array([10.9, 9.0])
    >>> match = match_boundaries(truth, found, 1.25)
    >>> match.pairs.tolist(), match.counts.f
    ([[0, 1], [1, 0]], 1.0)
    >>> match_boundaries(truth, found, 1.25, matching="greedy").counts.hits
    1
    """
    known_word(matching, "matching", BoundaryMatching)
    truth, found = instants_of(truth_s, "truth_s"), instants_of(found_s, "found_s")
    tolerance = tolerance_ticks(tolerance_s)
    order, other = np.argsort(truth, kind="stable"), np.argsort(found, kind="stable")
    pairs = PAIRINGS[matching](tick_lists(truth[order]), tick_lists(found[other]), tolerance)
    at = np.array(pairs, np.int64).reshape(-1, 2)
    places = np.stack([order[at[:, 0]], other[at[:, 1]]], axis=1)
    return BoundaryMatch(float(tolerance_s), BoundaryCounts(len(truth), len(found), len(pairs)), read_only(places))


def nearest_distances(
    truth_s: NDArray[np.float64], found_s: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how far each boundary is from the nearest one of the other side; medians of these need no tolerance.

    Parameters
    ----------
    truth_s, found_s : NDArray, shape (B,) and (C,), float64, seconds
        In any order.

    Returns
    -------
    truth_to_found_s : NDArray, shape (B,), float64, seconds
    found_to_truth_s : NDArray, shape (C,), float64, seconds
        Both infinite where the other side has no boundary.

    Raises
    ------
    SchemaError
        Times of another type or shape, or not finite.

    Examples
    --------
    >>> nearest_distances(np.array([1.0, 4.0]), np.array([1.5, 2.0, 3.75]))
    (array([0.5 , 0.25]), array([0.5 , 1.  , 0.25]))
    """
    truth, found = instants_of(truth_s, "truth_s"), instants_of(found_s, "found_s")
    return to_nearest(truth, np.sort(found)), to_nearest(found, np.sort(truth))


def to_nearest(times: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distance of each time, of any shape, to the nearest of `others`, which rise; infinite without any."""
    if not len(others):
        return np.full(times.shape, np.inf)
    after = np.searchsorted(others, times)
    left, right = others[np.maximum(after - 1, 0)], others[np.minimum(after, len(others) - 1)]
    return np.minimum(np.abs(times - left), np.abs(right - times))


def _walk(truth: list[int], found: list[int], tolerance: int) -> list[tuple[int, int]]:
    """Pair two rising lists of ticks by two pointers."""
    pairs = []
    i = j = 0
    while i < len(truth) and j < len(found):
        apart = found[j] - truth[i]
        if -tolerance <= apart <= tolerance:
            pairs.append((i, j))
            i, j = i + 1, j + 1
        elif apart < 0:
            j += 1
        else:
            i += 1
    return pairs


def _nearest_free(truth: list[int], found: list[int], tolerance: int) -> list[tuple[int, int]]:
    """Give each true boundary of two rising lists of ticks the nearest found one that is free."""
    pairs = []
    free = list(range(len(found)))
    for i, time in enumerate(truth):
        nearest = min(free, key=lambda j: abs(found[j] - time), default=None)
        if nearest is not None and abs(found[nearest] - time) <= tolerance:
            pairs.append((i, nearest))
            free.remove(nearest)
    return pairs


PAIRINGS: Final[dict[BoundaryMatching, Callable[[list[int], list[int], int], list[tuple[int, int]]]]] = {
    "maximum": _walk,
    "greedy": _nearest_free,
}
"""Positions of the pairs of two rising lists of ticks at a tolerance in ticks, by the name of the rule."""
