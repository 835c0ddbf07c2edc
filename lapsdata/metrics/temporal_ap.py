"""Average precision of temporal detections: ActivityNet's rule, per class or over all at once.

Every found span has a score; from the highest score down, each takes the free true span of its video and class that it
overlaps most, if that is enough, and is a false one otherwise. A segmentation has no scores by itself: whatever is made
one (its energy, its length) decides the order, and so does the rule for equal ones, which is therefore said.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata.errors import LengthMismatchError, Problem, SchemaError
from lapsdata.metrics._given import instants_of, known_word, share, ticks_of
from lapsdata.schema.ap_scores import EdgeRule, TieRule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["ACTIVITYNET_OVERLAPS", "AveragePrecision", "Detections", "average_precision"]

ACTIVITYNET_OVERLAPS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
"""The overlaps over which ActivityNet takes the mean: 0.5, 0.55 ... 0.95."""

SLACK: dict[EdgeRule, float] = {"exact": 1e-9, "last_bit": 0.0}
"""By how much less than the share an overlap is enough."""


class Detections(NamedTuple):
    """Spans of time in some videos, each with a label.

    Parameters
    ----------
    video : int64 (S,)
        Which video each is of.
    start_s, end_s : float64 (S,), seconds
    label : int64 (S,)
        Equal numbers where no class is told from another.
    score : float64 (S,), optional
        How sure each is; of found spans only.

    Examples
    --------
    >>> Detections(np.array([0]), np.array([0.5]), np.array([2.0]), np.array([3])).score is None
    True
    """

    video: NDArray[np.int64]
    start_s: NDArray[np.float64]
    end_s: NDArray[np.float64]
    label: NDArray[np.int64]
    score: NDArray[np.float64] | None = None


class AveragePrecision(NamedTuple):
    """How well spans were found.

    Parameters
    ----------
    overlaps : tuple of float
        Intersection over union from which on a span is right.
    labels : tuple of int
        The labels of the truth, rising.
    ap : float64 (O, C)
        One row per overlap, one column per label.
    unknown : int
        Found spans of labels that the truth does not have: no class of the mean is theirs.

    Examples
    --------
    >>> AveragePrecision((0.5,), (1, 2), np.array([[0.5, 1.0]]), 0).mean
    array([0.75])
    """

    overlaps: tuple[float, ...]
    labels: tuple[int, ...]
    ap: NDArray[np.float64]
    unknown: int

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean over the labels: float64 (O,)."""
        return np.asarray(self.ap.mean(axis=1))


def average_precision(
    truth: Detections,
    found: Detections,
    overlaps: Sequence[float] = ACTIVITYNET_OVERLAPS,
    *,
    ties: TieRule = "given",
    edges: EdgeRule = "exact",
) -> AveragePrecision:
    """Score found spans with true ones, as ActivityNet's `eval_detection` does.

    The area is that under the precision at each recall, made not to rise with recall (VOC 2010 and later; all points).

    Parameters
    ----------
    truth : Detections
    found : Detections
        With scores.
    overlaps : sequence of float
        Above 0, up to 1.
    ties : {"given", "worst"}
    edges : {"exact", "last_bit"}

    Raises
    ------
    SchemaError
        No scores, or none that are finite; spans that do not end after their start; no true span; a share that is none.
    LengthMismatchError
        Columns of different lengths.

    Examples
    --------
    >>> zero = np.zeros(2, np.int64)
    >>> truth = Detections(zero, np.array([0.0, 4.0]), np.array([2.0, 6.0]), zero)
    >>> found = Detections(zero, np.array([0.5, 8.0]), np.array([2.0, 9.0]), zero, np.array([0.9, 0.4]))
    >>> average_precision(truth, found, (0.5, 0.8)).mean
    array([0.5, 0. ])
    """
    known_word(ties, "ties", TieRule)
    known_word(edges, "edges", EdgeRule)
    shares = [share(value, "overlaps") - SLACK[edges] for value in overlaps]
    _check(truth, "truth")
    _check(found, "found")
    if found.score is None or not np.isfinite(found.score).all():
        message = f"expected a finite score of each span, got {'none' if found.score is None else 'others'}"
        raise SchemaError(Problem("no-scores", "found.score", message, "say what is taken for one: energy, duration"))
    if not len(truth.label):
        raise SchemaError(Problem("no-truth", "truth", "expected at least one true span, got none"))
    order = np.argsort(-found.score, kind="stable")
    ranked = Detections(
        found.video[order], found.start_s[order], found.end_s[order], found.label[order], found.score[order]
    )
    labels = np.unique(truth.label)
    ap = np.array([[_of_class(truth, ranked, int(label), least, ties) for label in labels] for least in shares])
    unknown = int((~np.isin(found.label, labels)).sum())
    return AveragePrecision(tuple(overlaps), tuple(labels.tolist()), ap, unknown)


def _of_class(truth: Detections, ranked: Detections, label: int, least: float, ties: TieRule) -> float:
    true, mine = np.flatnonzero(truth.label == label), np.flatnonzero(ranked.label == label)
    hit = _hits(truth, true, ranked, mine, least)
    if ties == "worst" and ranked.score is not None:
        # Among equals the false ones first; scores fall already.
        hit = hit[np.lexsort((hit, -ranked.score[mine]))]
    return _area(hit, len(true))


def _hits(
    truth: Detections, true: NDArray[np.int64], ranked: Detections, mine: NDArray[np.int64], least: float
) -> NDArray[np.bool_]:
    """Say which found spans are right: bool (R,), in order of their scores."""
    start, end = truth.start_s[true], truth.end_s[true]
    of_video = truth.video[true]
    free = np.ones(len(true), bool)
    hits = np.zeros(len(mine), bool)
    spans = zip(ranked.video[mine], ranked.start_s[mine], ranked.end_s[mine], strict=True)
    for at, (video, low, high) in enumerate(spans):
        there = np.flatnonzero(free & (of_video == video))
        shared = np.maximum(np.minimum(end[there], high) - np.maximum(start[there], low), 0)
        overlap = shared / (end[there] - start[there] + high - low - shared)
        if len(there) and overlap.max() >= least:
            free[there[overlap.argmax()]] = False
            hits[at] = True
    return hits


def _area(hit: NDArray[np.bool_], true: int) -> float:
    right = np.cumsum(hit)
    precision = np.concatenate([[0.0], right / np.arange(1, len(hit) + 1), [0.0]])
    recall = np.concatenate([[0.0], right / true, [1.0]])
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float((np.diff(recall) * envelope[1:]).sum())


def _check(spans: Detections, where: str) -> None:
    start, end = instants_of(spans.start_s, f"{where}.start_s"), instants_of(spans.end_s, f"{where}.end_s")
    lengths = {name: len(column) for name, column in spans._asdict().items() if column is not None}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise LengthMismatchError(Problem("length-mismatch", where, f"expected columns of one length, got {told}"))
    wrong = np.flatnonzero(ticks_of(end) <= ticks_of(start))
    if len(wrong):
        at = int(wrong[0])
        message = (
            f"expected ends after starts, got {start[at]} s to {end[at]} s in place {at} ({len(wrong)} such spans)"
        )
        raise SchemaError(Problem("wrong-order", where, message))
