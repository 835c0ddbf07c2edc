"""The best of many thresholds: scores of each, and which of those that score alike is taken.

Conventions: thresholds are given as pieces (`low`, `high`], float64 (C,), rising, within which the score is one; the
first may begin at minus infinity and the last end at infinity. Scores that are to tie are equal numbers: one division
of whole numbers each, or means that were rounded (`mean_share`).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from lapsdata.errors import LengthMismatchError, Problem, SchemaError
from lapsdata.metrics._alignment import Alignment, ExtraPolicy, align
from lapsdata.metrics._given import Span, instants_of, known_word, span_ticks, ticks_of, tolerance_ticks
from lapsdata.metrics.boundary import inner_boundaries, is_another

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lapsdata.metrics._alignment import Boundaries
    from lapsdata.schema.threshold import FrameObjective

__all__ = [
    "FrameSweep",
    "Plateau",
    "TrueVideo",
    "frame_sweep",
    "hits_of_sets",
    "mean_share",
    "shares",
    "true_videos",
    "whole_shares",
    "widest_plateau",
]

_ONE: Final = 1 << 40
# Shares as whole numbers of 2 ** -40: sums of a million stay below 2 ** 63, and no order of adding changes them.

_DIGITS: Final = 9


class Plateau(NamedTuple):
    """Thresholds that all score best.

    Parameters
    ----------
    value : float
        Its middle: of logarithms where all ends of pieces are above 0, else of the numbers themselves.
    low, high : float
        Where it lies; of a piece without an end, the end of its neighbour.
    first, last : int
        Its pieces.
    others : int
        Plateaus of the same score elsewhere, none of them wider.

    Examples
    --------
    >>> widest_plateau(np.array([0.0, 2, 2, 1]), np.array([-np.inf, 1, 2, 4]), np.array([1, 2, 4, np.inf]))
    Plateau(value=2.0, low=1.0, high=4.0, first=1, last=2, others=0)
    """

    value: float
    low: float
    high: float
    first: int
    last: int
    others: int


def widest_plateau(scores: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]) -> Plateau:
    """Return the middle of the widest run of pieces that have the best score; of equally wide ones the lowest.

    A threshold in the middle of a wide plateau is the one whose score changes least when other videos come. Width is a
    ratio where all ends are above 0, for energies range over decades, and else a difference. Pieces that do not adjoin
    (between which others were not tried) are no run.

    Parameters
    ----------
    scores : NDArray, shape (C,), float64
        At least one.
    low, high : NDArray, shape (C,), float64

    Raises
    ------
    LengthMismatchError
        Not one score per piece, or none.

    Examples
    --------
    See `Plateau`.
    """
    if not len(scores) == len(low) == len(high) or not len(scores):
        message = f"expected a score for each of {len(low)} pieces, at least one, got {len(scores)}"
        raise LengthMismatchError(Problem("length-mismatch", "scores", message))
    least, most = _ends(low, high)
    first_ends, last_ends = np.clip(low, least, most), np.clip(high, least, most)
    scale = np.log if least > 0 else np.asarray
    best = scores == scores.max()
    begins = best & ~np.concatenate([[False], best[:-1] & (high[:-1] == low[1:])])
    first = np.flatnonzero(begins)
    last = np.flatnonzero(best & np.concatenate([begins[1:] | ~best[1:], [True]]))
    width = scale(last_ends[last]) - scale(first_ends[first])
    at = int(np.argmax(width))
    begin, end = float(first_ends[first[at]]), float(last_ends[last[at]])
    middle = math.sqrt(begin) * math.sqrt(end) if least > 0 else begin + (end - begin) / 2
    value = min(max(middle, begin), end)
    if low[first[at]] == most:
        value = math.nextafter(most, math.inf)
    elif value <= low[first[at]]:
        value = end
    return Plateau(value, begin, end, int(first[at]), int(last[at]), len(first) - 1)


def _ends(low: NDArray[np.float64], high: NDArray[np.float64]) -> tuple[float, float]:
    """Return the lowest and the highest finite end."""
    ends = np.concatenate([low, high])
    finite = ends[np.isfinite(ends)]
    return float(finite.min()), float(finite.max())


def shares(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return part / whole, float64 (C,); nothing of nothing is 1, as in `BoundaryCounts`.

    Parameters
    ----------
    part, whole : NDArray, shape (C,), int64
        Not negative.

    Examples
    --------
    >>> shares(np.array([1, 0]), np.array([2, 0])).tolist()
    [0.5, 1.0]
    """
    return np.divide(part, whole, out=np.ones(len(part)), where=whole > 0)


def whole_shares(given: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return shares as whole numbers, which add up to the same in any order; see `mean_share`.

    Parameters
    ----------
    given : NDArray, shape (C,), float64, 0 to 1

    Examples
    --------
    See `mean_share`.
    """
    return np.rint(given * _ONE).astype(np.int64)


def mean_share(total: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    """Return the mean of shares that were added up as whole numbers, to nine digits: what differs by less is alike.

    Parameters
    ----------
    total : NDArray, shape (C,), int64
        Sums of `count` results of `whole_shares`.
    count : int, >= 1

    Examples
    --------
    >>> thirds, halves = (whole_shares(np.array([one])) for one in (1 / 3, 1 / 2))
    >>> mean_share(thirds + thirds + halves + halves, 4).tolist()
    [0.416666667]
    """
    mean: NDArray[np.float64] = np.round(total / (_ONE * count), _DIGITS)
    return mean


class TrueVideo(NamedTuple):
    """A video whose segmentations are to be scored.

    Parameters
    ----------
    name : str
    span_s : (float, float), seconds
        The time that was looked at.
    truth_s : NDArray, shape (B,), float64, seconds
        True boundaries within it, rising, each instant once.

    Examples
    --------
    >>> TrueVideo("clip_0", (0.0, 9.0), np.array([2.0])).name
    'clip_0'
    """

    name: str
    span_s: Span
    truth_s: NDArray[np.float64]


def true_videos(
    truth: Boundaries, found: Boundaries, *, extra: ExtraPolicy = "raise", end_slack_s: float = 0.0
) -> tuple[tuple[TrueVideo, ...], dict[str, int]]:
    """Bring a truth together with what is to be scored on it, as `evaluate_boundaries` does.

    Parameters
    ----------
    truth, found : Segments, or mapping of str to NDArray, shape (B,), float64, seconds
        Of `found` the videos and their times alone are looked at.
    extra, end_slack_s
        See `evaluate_boundaries`.

    Returns
    -------
    videos : tuple of TrueVideo
        By name.
    policies : dict of str to int
        How many items each policy has touched.

    Raises
    ------
    SchemaError
        As `evaluate_boundaries`.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_segments
    >>> videos, policies = true_videos(sample_segments(), sample_segments())
    >>> len(videos), policies
    (2, {})
    """
    known_word(extra, "extra", ExtraPolicy)
    videos, policies = align(truth, found, Alignment(None, "raise", extra, end_slack_s, "once"))
    return tuple(TrueVideo(one.name, one.span_s, one.truth) for one in videos), policies


class FrameSweep(NamedTuple):
    """How well each threshold of an energy tells which frames are active.

    Parameters
    ----------
    low, high : NDArray, shape (C,), float64
        Pieces: between neighbours of the energies, below the lowest and above the highest.
    hits, false : NDArray, shape (C,), int64
        Active frames that are loud, and others that are.
    active, quiet : int
        Frames by label.

    Examples
    --------
    >>> sweep = frame_sweep(np.array([1.0, 2.0, 3.0]), np.array([False, True, True]))
    >>> sweep.high.tolist(), sweep.hits.tolist(), sweep.false.tolist()
    ([1.0, 2.0, 3.0, inf], [2, 2, 1, 0], [1, 0, 0, 0])
    >>> round(widest_plateau(sweep.score("youden"), sweep.low, sweep.high).value, 3)
    1.414
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    hits: NDArray[np.int64]
    false: NDArray[np.int64]
    active: int
    quiet: int

    def score(self, objective: FrameObjective) -> NDArray[np.float64]:
        """Return F1 = 2 TP / (2 TP + FP + FN), or Youden's J = TP / (TP + FN) - FP / (FP + TN), float64 (C,)."""
        if objective == "f1":
            return 2 * self.hits / (self.active + self.hits + self.false)
        return (self.hits * self.quiet - self.false * self.active) / (self.active * self.quiet)


def frame_sweep(energy: NDArray[np.float64], active: NDArray[np.bool_]) -> FrameSweep:
    """Count, for every threshold there is, the frames that it says rightly and wrongly to be active.

    One sort and two running sums, O(R log R). A frame is loud from the threshold on.

    Parameters
    ----------
    energy : NDArray, shape (R,), float64
        Finite.
    active : NDArray, shape (R,), bool
        The label of each.

    Raises
    ------
    LengthMismatchError
        Not one label per energy.
    SchemaError
        Energies that are none; labels of one kind, which part nothing (`one-class`).

    Examples
    --------
    See `FrameSweep`.
    """
    if len(active) != len(energy):
        message = f"expected R = {len(energy)} labels as energies, got {len(active)}"
        raise LengthMismatchError(Problem("length-mismatch", "active", message))
    if not np.isfinite(energy).all():
        raise SchemaError(Problem("not-finite", "energy", "expected finite energies, got others"))
    positive = int(active.sum())
    if positive in (0, len(active)):
        message = f"expected frames of both kinds, got {positive} active ones of {len(active)}"
        raise SchemaError(Problem("one-class", "active", message, "no threshold can be judged by these labels"))
    order = np.argsort(energy)
    values, marks = energy[order], active[order]
    first = np.flatnonzero(np.concatenate([[True], np.diff(values) > 0]))
    # Those from a place on: all without those before it.
    before = np.concatenate([[0], np.cumsum(marks, dtype=np.int64)])[np.append(first, len(values))]
    loud = len(values) - np.append(first, len(values))
    hits = positive - before
    edges = values[first]
    return FrameSweep(
        np.concatenate([[-math.inf], edges]),
        np.concatenate([edges, [math.inf]]),
        hits,
        loud - hits,
        positive,
        len(active) - positive,
    )


def hits_of_sets(
    truth_s: NDArray[np.float64],
    spans_s: NDArray[np.float64],
    offsets: NDArray[np.int64],
    span_s: Span,
    tolerance_s: float,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Hold many segmentations of one video against its true boundaries, by maximum matching.

    Each gets the numbers of `segment_boundaries(counting="once")` and `match_boundaries`.

    Parameters
    ----------
    truth_s : NDArray, shape (B,), float64, seconds
        True boundaries.
    spans_s : NDArray, shape (S, 2), float64, seconds
        Starts and ends of the segments of all sets; within a set in order of time and not overlapping.
    offsets : NDArray, shape (C + 1,), int64
        Where each set begins.
    span_s : (float, float), seconds
        The time that was looked at.
    tolerance_s : float, seconds, >= 0

    Returns
    -------
    found, hits : NDArray, shape (C,), int64
        Boundaries of each set, and how many of them are hits.

    Raises
    ------
    SchemaError
        Times, a tolerance or a span that are none.

    Examples
    --------
    >>> sets = np.array([[1.0, 2.0], [2.0, 3.0], [1.0, 4.0]])
    >>> found, hits = hits_of_sets(np.array([1.1, 3.0]), sets, np.array([0, 2, 3]), (0.0, 4.0), 0.25)
    >>> found.tolist(), hits.tolist()
    ([3, 1], [2, 1])
    """
    from lapsdata.metrics._set_loops import pair_most

    start, end = span_ticks(span_s, "span_s")
    truth = ticks_of(inner_boundaries(truth_s, span_s))
    # Ends and starts follow one another, so that what is one boundary stands side by side.
    ticks = ticks_of(instants_of(spans_s.reshape(-1), "spans_s"))
    sets = np.repeat(np.arange(len(offsets) - 1), 2 * np.diff(offsets))
    kept = (ticks > start) & (ticks < end) & (is_another(ticks) | is_another(sets))
    found = np.bincount(sets[kept], minlength=len(offsets) - 1)
    places = np.concatenate([[0], np.cumsum(found)])
    hits = np.zeros((1, len(found)), np.int64)
    pair_most(truth, np.array([0, len(truth)]), ticks[kept], places, tolerance_ticks(tolerance_s), hits)
    return found, hits[0]
