"""Two predictions of one truth beside each other: how far apart they are, and how sure that is.

Scores of one truth rise and fall together from video to video, so that two intervals that overlap say little. Here the
videos are drawn anew, both predictions on the same ones, and what is looked at is the difference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata.metrics._bootstrap import resampled, times_drawn
from lapsdata.metrics._given import at_least, known_word
from lapsdata.metrics._ratios import ratios
from lapsdata.metrics.comparison import check_comparable
from lapsdata.metrics.table import Average

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lapsdata.metrics._bootstrap import Counts
    from lapsdata.schema.result import BoundaryResult, BoundaryScore

__all__ = ["PairedDifference", "paired_differences"]


class PairedDifference(NamedTuple):
    """How much higher the F of one prediction is than that of another, at one tolerance.

    Parameters
    ----------
    tolerance_s : float, seconds
    difference : float, -1 to 1
    interval : (float, float) or None
        The middle 95 % of the differences over the draws of videos; None for a single video.
    p : float or None
        Twice the smaller share of draws in which the difference is not above, or not below, 0, with what was found as
        one more draw, up to 1 (Efron & Tibshirani 1993, 13.3 and 15.4). None for a single video.
    higher, equal, lower : int
        Videos in which the first prediction has the higher F, the same, the lower.

    Examples
    --------
    >>> PairedDifference(0.5, 0.25, None, None, 1, 0, 0).difference
    0.25
    """

    tolerance_s: float
    difference: float
    interval: tuple[float, float] | None
    p: float | None
    higher: int
    equal: int
    lower: int


def paired_differences(
    one: BoundaryResult, other: BoundaryResult, *, average: Average = "macro", draws: int = 10_000, seed: int = 0
) -> tuple[PairedDifference, ...]:
    """Return, at each tolerance, how much higher the F of one prediction is than that of another.

    Parameters
    ----------
    one, other : BoundaryResult
        Of one truth and one set of rules.
    average : {"macro", "micro"}
    draws : int, >= 1
        How often the videos are drawn anew, with replacement.
    seed : int, >= 0

    Returns
    -------
    tuple of PairedDifference
        In the order of the tolerances.

    Raises
    ------
    SchemaError
        Unlike rules or truths (`unlike-rules`, `unlike-truth`), an unknown average, numbers that are none.

    Examples
    --------
    >>> from lapsdata.metrics import evaluate_boundaries
    >>> truth = {name: np.array([2.0, 5.0]) for name in "abcd"}
    >>> spans = dict.fromkeys(truth, (0.0, 9.0))
    >>> good = evaluate_boundaries(truth, truth, spans_s=spans, tolerances_s=(0.5,))
    >>> late = {name: times + 1 for name, times in truth.items()}
    >>> bad = evaluate_boundaries(truth, late, spans_s=spans, tolerances_s=(0.5,))
    >>> found, = paired_differences(good, bad)
    >>> found.difference, found.interval, found.higher
    (1.0, (1.0, 1.0), 4)
    """
    known_word(average, "average", Average)
    check_comparable({"one": one, "other": other})
    at_least(draws, "draws", 1)
    drawn = times_drawn(len(one.videos), draws, at_least(seed, "seed", 0))
    place = 0 if average == "macro" else 1
    made = []
    for at, score in enumerate(one.rows[0].scores):
        counts = [_counts(result, at) for result in (one, other)]
        ours, theirs = (resampled(each, drawn, one.rules.empty)[place] for each in counts)
        by_video = [ratios(*each, one.rules.empty).f[:, 0] for each in counts]
        apart = _f(score, average) - _f(other.rows[0].scores[at], average)
        made.append(_difference(score.tolerance_s, apart, ours - theirs, by_video[0] - by_video[1]))
    return tuple(made)


def _f(score: BoundaryScore, average: Average) -> float:
    return (score.macro if average == "macro" else score.micro).f


def _counts(result: BoundaryResult, at: int) -> Counts:
    """Return true and found boundaries and hits at a tolerance, (videos, 1) each, by the names of the videos."""
    videos = sorted(result.videos, key=lambda video: video.name)
    columns = [[video.truth for video in videos], [video.found for video in videos], [one.hits[at] for one in videos]]
    truth, found, hits = (np.array(column, np.int64)[:, np.newaxis] for column in columns)
    return truth, found, hits


def _difference(
    tolerance_s: float, difference: float, spread: NDArray[np.float64], each: NDArray[np.float64]
) -> PairedDifference:
    several = len(each) > 1
    low, high = np.quantile(spread, (0.025, 0.975)).tolist()
    side = 1 + min((spread <= 0).sum(), (spread >= 0).sum())
    return PairedDifference(
        tolerance_s=tolerance_s,
        difference=difference,
        interval=(low, high) if several else None,
        p=min(1.0, float(2 * side / (1 + len(spread)))) if several else None,
        higher=int((each > 0).sum()),
        equal=int((each == 0).sum()),
        lower=int((each < 0).sum()),
    )
