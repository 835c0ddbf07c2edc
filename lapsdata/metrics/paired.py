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
from lapsdata.metrics._score_rows import named_rows
from lapsdata.metrics._spread import spread_of
from lapsdata.metrics.comparison import check_comparable
from lapsdata.metrics.table import Average

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lapsdata.metrics._bootstrap import Counts
    from lapsdata.schema.label_scores import LabelledVideo, LabelScores
    from lapsdata.schema.result import BoundaryResult, BoundaryScore

__all__ = ["PairedDifference", "PairedLabelDifference", "paired_differences", "paired_label_differences"]


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


class PairedLabelDifference(NamedTuple):
    """How much higher a score of the labels of one prediction is than that of another.

    Parameters
    ----------
    score : str
        As `label_table` has it: `acc` (of all frames together), `macro` (the mean over the videos), `edit`, `F@10`.
    difference : float, -1 to 1
    interval, p
        As of `PairedDifference`.
    higher, equal, lower : int
        Videos in which the first prediction scores higher, the same, lower; F is that of each video alone.

    Examples
    --------
    >>> PairedLabelDifference("edit", 0.25, None, None, 1, 0, 0).difference
    0.25
    """

    score: str
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
        told = spread_of(ours - theirs, by_video[0] - by_video[1])
        made.append(PairedDifference(score.tolerance_s, apart, *told))
    return tuple(made)


def paired_label_differences(
    one: LabelScores, other: LabelScores, *, draws: int = 10_000, seed: int = 0
) -> tuple[PairedLabelDifference, ...]:
    """Return how much higher frame accuracy, edit and F of the labels of one prediction are than those of another.

    Parameters
    ----------
    one, other : LabelScores
        Of one truth and one set of rules.
    draws : int, >= 1
        How often the videos are drawn anew, with replacement: by one seed the same videos as `paired_differences`.
    seed : int, >= 0

    Returns
    -------
    tuple of PairedLabelDifference
        Accuracy of all frames and by video, edit, then F in the order of the overlaps.

    Raises
    ------
    SchemaError
        Unlike rules or truths (`unlike-rules`, `unlike-truth`), numbers that are none.

    Examples
    --------
    >>> from lapsdata.metrics import evaluate_labels
    >>> from lapsdata.testing.samples import labelled_segments
    >>> truth = labelled_segments({name: [("pour", 2.0), ("stir", 2.0)] for name in "abcd"})
    >>> late = labelled_segments({name: [("pour", 3.0), ("stir", 1.0)] for name in "abcd"})
    >>> scores = [evaluate_labels(truth, found, draws=2) for found in (truth, late)]
    >>> [(found.score, found.difference) for found in paired_label_differences(*scores, draws=99)][:3]
    [('acc', 0.25), ('macro', 0.25), ('edit', 0.0)]
    """
    check_comparable({"one": one, "other": other})
    at_least(draws, "draws", 1)
    drawn = times_drawn(len(one.videos), draws, at_least(seed, "seed", 0))
    mine, others = (_of_labels(scores, drawn) for scores in (one, other))
    made = []
    for name, ours in mine.items():
        theirs = others[name]
        told = spread_of(ours.drawn - theirs.drawn, ours.each - theirs.each)
        made.append(PairedLabelDifference(name, ours.score - theirs.score, *told))
    return tuple(made)


def _f(score: BoundaryScore, average: Average) -> float:
    return (score.macro if average == "macro" else score.micro).f


def _counts(result: BoundaryResult, at: int) -> Counts:
    """Return true and found boundaries and hits at a tolerance, (videos, 1) each, by the names of the videos."""
    videos = sorted(result.videos, key=lambda video: video.name)
    columns = [[video.truth for video in videos], [video.found for video in videos], [one.hits[at] for one in videos]]
    truth, found, hits = (np.array(column, np.int64)[:, np.newaxis] for column in columns)
    return truth, found, hits


class _LabelScore(NamedTuple):
    """A score of a prediction, in each draw of videos, and of each video alone."""

    score: float
    drawn: NDArray[np.float64]
    each: NDArray[np.float64]


def _of_labels(scores: LabelScores, drawn: NDArray[np.int64]) -> dict[str, _LabelScore]:
    videos = sorted(scores.videos, key=lambda video: video.name)
    correct, counted = (np.array([getattr(video, name) for video in videos]) for name in ("correct", "counted"))
    edit = np.array([1 - video.edits / max(video.longest, 1) for video in videos])
    # Sums go over whole numbers, or video after video, so that they are the same on every machine.
    told = [
        ((correct @ drawn) / (counted @ drawn), correct / counted),
        *(((each[:, np.newaxis] * drawn).sum(axis=0) / len(videos), each) for each in (correct / counted, edit)),
    ]
    for at in range(len(scores.rules.overlaps)):
        counts = _overlap_counts(videos, at)
        told.append((resampled(counts, drawn, scores.rules.empty)[1], ratios(*counts, scores.rules.empty).f[:, 0]))
    means = ((name, one.mean) for name, one in named_rows(scores)[0].scores.items() if one is not None)
    return {name: _LabelScore(mean, *each) for (name, mean), each in zip(means, told, strict=True)}


def _overlap_counts(videos: Sequence[LabelledVideo], at: int) -> Counts:
    """Return true and found segments and those that are right at an overlap, (videos, 1) each."""
    columns = (np.array([getattr(video, side)[at] for video in videos], np.int64) for side in ("tp", "fp", "fn"))
    right, false, lost = (column[:, np.newaxis] for column in columns)
    return right + lost, right + false, right
