"""The score of sets of boundaries: counts, averages over videos, means over draws."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

import numpy as np

from lapsdata.metrics._given import tick_lists, tolerance_ticks
from lapsdata.metrics.boundary import PAIRINGS, BoundaryCounts, to_nearest
from lapsdata.schema.result import BoundaryDeviation, BoundaryScore, NearestBoundary, PrecisionRecall

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from lapsdata.schema.result import BoundaryMatching

    Draws = NDArray[np.float64] | Sequence[NDArray[np.float64]]
    """Sets of boundaries of one video, float64 (C,) seconds, rising; an array (draws, C) where C is one for all."""

__all__ = ["Scorer", "deviation"]


class Scorer:
    """Scores sets of boundaries against one truth.

    Parameters
    ----------
    truth : sequence of float64 (B,), one per video, seconds, rising
    matching : {"maximum", "greedy"}
    """

    def __init__(self, truth: Sequence[NDArray[np.float64]], matching: BoundaryMatching) -> None:
        self._truth = [tick_lists(times) for times in truth]
        self._pairing = PAIRINGS[matching]

    def counts(self, found: Sequence[list[int]], tolerance_s: float) -> list[BoundaryCounts]:
        """Return the counts of each video; `found` holds rising ticks per video."""
        tolerance = tolerance_ticks(tolerance_s)
        return [
            BoundaryCounts(len(true), len(ours), len(self._pairing(true, ours, tolerance)))
            for true, ours in zip(self._truth, found, strict=True)
        ]

    def macro_f(self, found: Sequence[NDArray[np.float64]], tolerance_s: float) -> float:
        """Return the mean of each video's F."""
        counts = self.counts([tick_lists(times) for times in found], tolerance_s)
        return statistics.fmean(one.f for one in counts)

    def score(self, draws: Sequence[Draws], tolerance_s: float, against: BoundaryScore | None = None) -> BoundaryScore:
        """Return the score of a row at one tolerance; where there is one to beat, with how often its draws do."""
        ticks = [
            tick_lists(sets) if isinstance(sets, np.ndarray) else [tick_lists(times) for times in sets]
            for sets in draws
        ]
        each = [self.counts(found, tolerance_s) for found in zip(*ticks, strict=True)]
        pooled = [BoundaryCounts.pooled(counts) for counts in each]
        macro = [_mean((one.precision, one.recall, one.f) for one in counts) for counts in each]
        micro = [(one.precision, one.recall, one.f) for one in pooled]
        return BoundaryScore(
            tolerance_s=tolerance_s,
            found=statistics.fmean(one.found for one in pooled),
            hits=statistics.fmean(one.hits for one in pooled),
            macro=_ratios(macro),
            micro=_ratios(micro),
            macro_f_sd=_sd(macro),
            micro_f_sd=_sd(micro),
            macro_f_band=_band(macro),
            micro_f_band=_band(micro),
            macro_f_p=_p(macro, None if against is None else against.macro.f),
            micro_f_p=_p(micro, None if against is None else against.micro.f),
        )


def _mean(each: Iterable[tuple[float, float, float]]) -> tuple[float, float, float]:
    precision, recall, f = (statistics.fmean(column) for column in zip(*each, strict=True))
    return precision, recall, f


def _ratios(draws: Sequence[tuple[float, float, float]]) -> PrecisionRecall:
    precision, recall, f = _mean(draws)
    return PrecisionRecall(precision=precision, recall=recall, f=f)


def _sd(draws: Sequence[tuple[float, float, float]]) -> float | None:
    return statistics.stdev(f for _, _, f in draws) if len(draws) > 1 else None


def _band(draws: Sequence[tuple[float, float, float]]) -> tuple[float, float] | None:
    if len(draws) < 2:
        return None
    low, high = np.quantile([f for _, _, f in draws], (0.025, 0.975)).tolist()
    return low, high


def _p(draws: Sequence[tuple[float, float, float]], f: float | None) -> float | None:
    """Return how likely a draw reaches `f`, which is counted as one more draw, so that no p is 0.

    Phipson and Smyth, "Permutation P-values Should Never Be Zero", 2010.
    """
    if f is None or len(draws) < 2:
        return None
    return (1 + sum(drawn >= f for _, _, drawn in draws)) / (1 + len(draws))


def deviation(truth: Sequence[NDArray[np.float64]], draws: Sequence[Draws]) -> BoundaryDeviation:
    """Return median distances of a row, per video and pooled, each as the mean over its draws.

    Parameters
    ----------
    truth : sequence of float64 (B,), one per video, seconds, rising
    draws : sequence of float64 (draws, C), one per video, seconds, rows rising
    """
    each = zip(truth, map(np.asarray, draws), strict=True)
    both = [(true, sets) for true, sets in each if true.size and sets.size]
    to_found = [np.stack([to_nearest(true, found) for found in sets]) for true, sets in both]
    to_truth = [to_nearest(sets, true) for true, sets in both]
    return BoundaryDeviation(
        macro=NearestBoundary(truth_to_found_s=_macro(to_found), found_to_truth_s=_macro(to_truth)),
        micro=NearestBoundary(truth_to_found_s=_micro(to_found), found_to_truth_s=_micro(to_truth)),
        videos=len(both),
    )


def _macro(distances: list[NDArray[np.float64]]) -> float | None:
    return statistics.fmean(median for each in distances for median in np.median(each, axis=1)) if distances else None


def _micro(distances: list[NDArray[np.float64]]) -> float | None:
    return statistics.fmean(np.median(np.concatenate(distances, axis=1), axis=1)) if distances else None
