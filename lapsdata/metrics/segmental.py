"""Labelled segments beside true ones: edit score and F at an overlap, as MS-TCN and its followers report them.

Conventions: a segmentation is `Runs`, the runs of equal labels of a video, half-open and in one unit of time of whole
numbers (frames, or ticks of a clock), so that an overlap is compared as a fraction of integers and no last bit decides.
Labels that are background are left out of both sides before anything is compared: which ones these are differs from
paper to paper, moves F by 0.1, and is said by the caller.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata.errors import LengthMismatchError, Problem, SchemaError
from lapsdata.metrics._given import share

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from numpy.typing import NDArray

    Integers = NDArray[np.int64]

__all__ = ["FrameCounts", "Runs", "SegmentCounts", "edit_score", "frame_counts", "overlap_counts", "runs_of", "without"]


class Runs(NamedTuple):
    """Segments of one video, each with a label.

    Parameters
    ----------
    label : int64 (S,)
    start, end : int64 (S,)
        Half-open, in any one unit of whole numbers; in order of time.

    Examples
    --------
    >>> Runs(np.array([3]), np.array([0]), np.array([8])).label.tolist()
    [3]
    """

    label: Integers
    start: Integers
    end: Integers


@dataclass(frozen=True, slots=True)
class FrameCounts:
    """How many frames have the right label.

    Parameters
    ----------
    correct, frames : int

    Examples
    --------
    >>> FrameCounts.pooled([FrameCounts(1, 2), FrameCounts(3, 4)]).accuracy
    0.6666666666666666
    """

    correct: int
    frames: int

    @property
    def accuracy(self) -> float:
        """Share of the frames that are right; 1 of none, where there is nothing to be wrong about."""
        return self.correct / self.frames if self.frames else 1.0

    @classmethod
    def pooled(cls, counts: Iterable[FrameCounts]) -> FrameCounts:
        """Return the counts of several videos together (micro average)."""
        each = tuple(counts)
        return cls(sum(one.correct for one in each), sum(one.frames for one in each))


@dataclass(frozen=True, slots=True)
class SegmentCounts:
    """How many segments were found, found wrongly, and missed.

    Parameters
    ----------
    tp, fp, fn : int

    Examples
    --------
    >>> counts = SegmentCounts(tp=3, fp=1, fn=2)
    >>> counts.precision, counts.recall, round(counts.f, 4)
    (0.75, 0.6, 0.6667)
    """

    tp: int
    fp: int
    fn: int

    @property
    def precision(self) -> float:
        """Share of the found segments that are right."""
        return self._share(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float:
        """Share of the true segments that were found."""
        return self._share(self.tp, self.tp + self.fn)

    @property
    def f(self) -> float:
        """Harmonic mean of both: 2 tp / (2 tp + fp + fn)."""
        return self._share(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    def _share(self, part: int, whole: int) -> float:
        # Nothing true and nothing found: there is nothing to miss. Nothing on one side: 0.
        if not (self.tp or self.fp or self.fn):
            return 1.0
        return part / whole if whole else 0.0

    @classmethod
    def pooled(cls, counts: Iterable[SegmentCounts]) -> SegmentCounts:
        """Return the counts of several videos together, as MS-TCN pools those of a split."""
        each = tuple(counts)
        return cls(sum(one.tp for one in each), sum(one.fp for one in each), sum(one.fn for one in each))


def runs_of(labels: Integers) -> Runs:
    """Return the runs of equal labels of frames int64 (F,).

    Raises
    ------
    SchemaError
        No integers in one row.

    Examples
    --------
    >>> runs = runs_of(np.array([4, 4, 4, 7, 4]))
    >>> runs.label.tolist(), runs.start.tolist(), runs.end.tolist()
    ([4, 7, 4], [0, 3, 4], [3, 4, 5])
    """
    given = _integers(labels, "labels")
    changes = np.flatnonzero(np.diff(given)) + 1
    start = np.concatenate([[0], changes]).astype(np.int64)[: len(given)]
    end = np.concatenate([changes, [len(given)]]).astype(np.int64)[: len(given)]
    return Runs(given[start], start, end)


def without(runs: Runs, background: Collection[int]) -> Runs:
    """Return the runs whose label is not among those of the background.

    Examples
    --------
    >>> without(runs_of(np.array([4, 7, 4])), [4]).start.tolist()
    [1]
    """
    kept = ~np.isin(runs.label, list(background))
    return Runs(runs.label[kept], runs.start[kept], runs.end[kept])


def frame_counts(truth: Integers, found: Integers) -> FrameCounts:
    """Return how many frames have the label that they should have; int64 (F,) each, background as any label.

    Raises
    ------
    LengthMismatchError
        Not as many labels on one side as on the other: nothing is cut.
    SchemaError
        No integers in one row.

    Examples
    --------
    >>> frame_counts(np.array([1, 1, 2]), np.array([1, 2, 2]))
    FrameCounts(correct=2, frames=3)
    """
    wanted, got = _integers(truth, "truth"), _integers(found, "found")
    if len(wanted) != len(got):
        message = f"expected labels of {len(wanted)} frames as in the truth, got {len(got)}"
        raise LengthMismatchError(Problem("length-mismatch", "found", message, "bring both to one rate first"))
    return FrameCounts(int((wanted == got).sum()), len(wanted))


def edit_score(truth: Integers, found: Integers) -> float:
    """Return how alike two orders of labels are: 1 - d / max(S, R), with Levenshtein's distance d.

    Parameters
    ----------
    truth, found : int64 (S,), int64 (R,)
        The labels of the runs, without background; see `without`.

    Returns
    -------
    float
        0 to 1 (MS-TCN prints it times 100); 1 where both are empty, 0 where one is.

    Raises
    ------
    SchemaError
        No integers in one row.

    Examples
    --------
    >>> edit_score(np.array([1, 2, 3, 4]), np.array([1, 3, 4]))
    0.75
    """
    wanted, got = _integers(truth, "truth"), _integers(found, "found")
    longest = max(len(wanted), len(got))
    return 1 - _levenshtein(wanted, got) / longest if longest else 1.0


def _levenshtein(one: Integers, other: Integers) -> int:
    """Return the fewest insertions, deletions and replacements that turn one row into the other."""
    places = np.arange(len(other) + 1)
    row = places.copy()
    for at, value in enumerate(one, 1):
        below = np.minimum(row[1:] + 1, row[:-1] + (other != value))
        # Insertions go on from the left, each one step farther: the least of what lies left, less its place.
        row = np.minimum.accumulate(np.concatenate([[at], below]) - places) + places
    return int(row[-1])


def overlap_counts(truth: Runs, found: Runs, overlaps: Sequence[float]) -> tuple[SegmentCounts, ...]:
    """Return the counts of F@k for each share of overlap: MS-TCN's rule, one video.

    Each found segment, in order of time, is held against the true segment of its label with which it has the largest
    intersection over union, of equals the first. It is right where that is at least the share and nobody has taken
    that true segment before; the second-best one is not asked (so is the rule).

    Parameters
    ----------
    truth, found : Runs
        Without background; see `without`.
    overlaps : sequence of float
        Above 0, up to 1, such as (0.1, 0.25, 0.5).

    Raises
    ------
    SchemaError
        A share that is none, or runs that are no half-open spans in one order of time.

    Examples
    --------
    >>> truth, found = runs_of(np.array([1, 1, 1, 1, 2, 2])), runs_of(np.array([1, 1, 2, 2, 2, 2]))
    >>> overlap_counts(truth, found, (0.5, 0.75))
    (SegmentCounts(tp=2, fp=0, fn=0), SegmentCounts(tp=0, fp=2, fn=2))
    """
    # The decimal fractions that were meant: 0.1 is a tenth.
    shares = [Fraction(repr(share(value, "overlaps"))) for value in overlaps]
    _check(truth, "truth")
    _check(found, "found")
    shared, union = _overlaps(truth, found)
    # Same label only: any other is as far away as what does not overlap at all.
    shared = np.where(truth.label[:, None] == found.label, shared, 0)
    if not len(truth.label):
        return tuple(SegmentCounts(0, len(found.label), 0) for _ in shares)
    best = _largest(shared, union)
    column = np.arange(len(found.label))
    counts = []
    for least in shares:
        enough = shared[best, column] * least.denominator >= union[best, column] * least.numerator
        hit = np.zeros(len(column), bool)
        # Of those that are close enough to one true segment, the first takes it.
        hit[np.flatnonzero(enough)[np.unique(best[enough], return_index=True)[1]]] = True
        tp = int(hit.sum())
        counts.append(SegmentCounts(tp, len(column) - tp, len(truth.label) - tp))
    return tuple(counts)


def _overlaps(truth: Runs, found: Runs) -> tuple[Integers, Integers]:
    """Return the lengths of intersections and unions of each pair: int64 (S, R) each."""
    low, high = np.maximum.outer(truth.start, found.start), np.minimum.outer(truth.end, found.end)
    shared = np.maximum(high - low, 0)
    return shared, np.add.outer(truth.end - truth.start, found.end - found.start) - shared


def _largest(shared: Integers, union: Integers) -> Integers:
    """Return the row of the largest fraction of each column, of equals the first: int64 (R,)."""
    # Of whole numbers below 2 ** 26 (frames of weeks) equal quotients are equal floats, and others are not.
    return np.asarray((shared / union).argmax(axis=0), np.int64)


def _check(runs: Runs, where: str) -> None:
    label, start, end = (_integers(part, f"{where}.{name}") for name, part in zip(Runs._fields, runs, strict=True))
    if not len(label) == len(start) == len(end):
        message = f"expected as many labels, starts and ends, got {len(label)}, {len(start)} and {len(end)}"
        raise LengthMismatchError(Problem("length-mismatch", where, message))
    wrong = np.flatnonzero((end <= start) | np.concatenate([[False], start[1:] < start[:-1]])[: len(start)])
    if len(wrong):
        at = int(wrong[0])
        message = f"expected ends after starts, in order of time, got {start[at]} to {end[at]} in place {at}"
        raise SchemaError(Problem("wrong-order", where, message))


def _integers(values: object, where: str) -> Integers:
    found = np.asarray(values)
    if found.ndim != 1 or not (np.issubdtype(found.dtype, np.integer) or not len(found)):
        message = f"expected integers (S,), got {found.dtype} {found.shape}"
        raise SchemaError(Problem("wrong-shape", where, message))
    return found.astype(np.int64)
