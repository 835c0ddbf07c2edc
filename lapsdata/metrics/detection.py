"""Precision, recall and F of the boundaries of one video.

Conventions: as in `lapsdata.metrics.boundary`. By the rules `default` these are the numbers of
`mir_eval.segment.detection`, where both sides have boundaries: with `span_s` from the first to the last end those of
`trim=True`, without it those of boundaries that are all counted. Of two sides without any it says 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata.containers.base import ArrayCheck
from lapsdata.errors import Problem, SchemaError
from lapsdata.metrics._given import Span, instants_of, known_word, ticks_of, tolerance_ticks
from lapsdata.metrics._ratios import ratios
from lapsdata.metrics.boundary import PAIRINGS, inside, is_another
from lapsdata.metrics.profiles import PROFILES
from lapsdata.schema.segmentation import RulesProfile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lapsdata.metrics.profiles import Profile

__all__ = ["DetectionScores", "boundary_scores"]


class DetectionScores(NamedTuple):
    """How well the boundaries of one video were found.

    Parameters
    ----------
    precision : float
        Share of the found boundaries that are hits.
    recall : float
        Share of the true boundaries that are hit.
    f : float
        2 hits / (true + found), the harmonic mean of both.
    hits : int
        Pairs within the tolerance.

    Examples
    --------
    >>> scores = boundary_scores(np.array([2.0, 5.0]), np.array([5.25]), 0.5)
    >>> scores.precision, scores.recall, scores.hits
    (1.0, 0.5, 1)
    """

    precision: float
    recall: float
    f: float
    hits: int


def boundary_scores(
    reference_s: NDArray[np.float64],
    estimate_s: NDArray[np.float64],
    tolerance_s: float,
    *,
    rules: RulesProfile = "default",
    span_s: Span | None = None,
) -> DetectionScores:
    """Return how well boundaries of one video were found; of many videos, and beside chance: `evaluate_boundaries`.

    Parameters
    ----------
    reference_s, estimate_s : NDArray, shape (B,) or (S, 2), float64, seconds
        Instants, in any order, or the starts and ends of segments, which may touch, overlap and leave gaps.
    tolerance_s : float, seconds, >= 0
        A distance that equals it is a hit.
    rules : {"default", "laps-2025", "ms-tcn"}
        See `RulesProfile`. By `"default"` and `"ms-tcn"` each instant is one boundary, however often it is
        given. By `"laps-2025"` each start and each end is one, so that an instant between two touching segments counts
        twice, and an instant that is given alone as often as it is given: both sides are instants then, or both are
        segments.
    span_s : (float, float), seconds, or None
        The time that was looked at, (0, duration) for a whole video: boundaries at its ends are given to everyone and
        left out. None counts every instant; segments need it.

    Returns
    -------
    DetectionScores
        Nothing on both sides scores 1. Nothing on one side scores 0, but that by `"laps-2025"` precision is 1 where
        nothing is true.

    Raises
    ------
    SchemaError
        Times of another type or shape, not finite (`not-finite`), or outside of the span (`outside-span`); a segment
        that does not end after its start (`end-before-start`), segments without a span (`no-span`), instants beside
        segments where these count twice (`unlike-sides`); a tolerance that is none, an unknown word.

    Examples
    --------
    >>> reference, estimate = np.array([2.0, 5.0, 6.5]), np.array([2.25, 4.0, 6.5, 8.0])
    >>> boundary_scores(reference, estimate, 0.5)
    DetectionScores(precision=0.5, recall=0.6666666666666666, f=0.5714285714285714, hits=2)
    >>> cuts = np.array([0.0, 2.0, 5.0, 9.0])
    >>> segments = np.stack([cuts[:-1], cuts[1:]], axis=1)
    >>> boundary_scores(segments, segments, 0.5, rules="laps-2025", span_s=(0.0, 9.0)).hits
    4
    """
    known_word(rules, "rules", RulesProfile)
    profile, tolerance = PROFILES[rules], tolerance_ticks(tolerance_s)
    sides = {"reference_s": reference_s, "estimate_s": estimate_s}
    kinds = ["segments" if np.ndim(side) == 2 else "instants" for side in sides.values()]
    if profile.counting == "each_end" and len(set(kinds)) > 1:
        message = f"expected segments on both sides or instants on both, got {kinds[0]} and {kinds[1]}"
        fix = "give both as (S, 2): a cut between touching segments is an end and a start"
        raise SchemaError(Problem("unlike-sides", "estimate_s", message, fix))
    true, found = (_ticks(side, name, span_s, profile) for name, side in sides.items())
    hits = len(PAIRINGS[profile.matching](true, found, tolerance))
    precision, recall, f = map(float, ratios(len(true), len(found), hits, profile.empty))
    return DetectionScores(precision, recall, f, hits)


def _ticks(side: NDArray[np.float64], name: str, span_s: Span | None, profile: Profile) -> list[int]:
    """Return the boundaries of one side as they are counted, rising."""
    if np.ndim(side) == 2:
        side = _ends(side, name)
        if span_s is None:
            message = "expected the time that was looked at beside segments, got none"
            raise SchemaError(Problem("no-span", name, message, "give span_s=(0.0, duration)"))
    ticks = np.sort(ticks_of(instants_of(side, name)))
    if span_s is not None:
        ticks = ticks[inside(ticks, span_s, name)]
    if profile.counting == "once":
        ticks = ticks[is_another(ticks)]
    rising: list[int] = ticks.tolist()
    return rising


def _ends(segments: NDArray[np.float64], name: str) -> NDArray[np.float64]:
    check = ArrayCheck("")
    if check.array(name, segments, ("S", 2), np.float64):
        # What is not finite is told of as an instant.
        wrong = segments[:, 0] >= segments[:, 1]
        check.rows("end-before-start", name, wrong, "expected segments that end after their start")
    check.finish()
    return segments.ravel()
