"""The score of sets of boundaries: counts, averages over videos, means over draws."""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING

import numpy as np

from lapsdata.metrics._boundary_sets import sets_of
from lapsdata.metrics._given import PER_S, span_ticks, tolerance_ticks
from lapsdata.metrics._ratios import ratios
from lapsdata.metrics._summary import band, reached
from lapsdata.metrics.boundary import BoundaryCounts
from lapsdata.metrics.partition import r_value
from lapsdata.schema.result import BoundaryDeviation, BoundaryScore, NearestBoundary, PrecisionRecall

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lapsdata.metrics._alignment import Video
    from lapsdata.metrics._boundary_sets import BoundarySets
    from lapsdata.metrics._ratios import Ratios
    from lapsdata.schema.result import BoundaryEmpty, BoundaryMatching

__all__ = ["Scorer", "exact_means"]


class Scorer:
    """Scores sets of boundaries against the truth of some videos.

    Parameters
    ----------
    videos : sequence of Video
        At least one.
    matching : {"maximum", "greedy"}
    empty : {"both_1_one_0", "no_truth_precision_1"}
    """

    def __init__(self, videos: Sequence[Video], matching: BoundaryMatching, empty: BoundaryEmpty) -> None:
        self._truth = sets_of([[video.truth] for video in videos])
        self._spans = np.array([span_ticks(video.span_s, "span_s") for video in videos], np.int64)
        self._matching, self._empty = matching, empty

    @property
    def truth(self) -> NDArray[np.int64]:
        """True boundaries of each video, (V, 1)."""
        return self._truth.counts

    def hits(self, found: BoundarySets, tolerance_s: float) -> NDArray[np.int64]:
        """Return the number of pairs of each set, (V, draws)."""
        from lapsdata.metrics._set_loops import pair_greedily, pair_most

        hits = np.zeros((len(self._spans), found.draws), np.int64)
        pair = pair_most if self._matching == "maximum" else pair_greedily
        pair(self._truth.ticks, self._truth.places, found.ticks, found.places, tolerance_ticks(tolerance_s), hits)
        return hits

    def each(self, found: BoundarySets, tolerance_s: float) -> Ratios:
        """Return the ratios of each set, (V, draws)."""
        return ratios(self.truth, found.counts, self.hits(found, tolerance_s), self._empty)

    def macro_f(self, found: BoundarySets, tolerance_s: float) -> float:
        """Return the mean of each video's F, of one set for each."""
        return exact_means(self.each(found, tolerance_s).f)[0]

    def score(self, found: BoundarySets, tolerance_s: float, against: BoundaryScore | None = None) -> BoundaryScore:
        """Return the score of a row at one tolerance; where there is one to beat, with how often its draws do."""
        truth, hits = self.truth, self.hits(found, tolerance_s)
        macro = [exact_means(one) for one in ratios(truth, found.counts, hits, self._empty)]
        both = int(truth.sum()), found.counts.sum(axis=0), hits.sum(axis=0)
        micro = [one.tolist() for one in ratios(*both, self._empty)]
        pooled = [BoundaryCounts(both[0], *each) for each in zip(both[1].tolist(), both[2].tolist(), strict=True)]
        return BoundaryScore(
            tolerance_s=tolerance_s,
            found=statistics.fmean(one.found for one in pooled),
            hits=statistics.fmean(one.hits for one in pooled),
            macro=_means(macro),
            micro=_means(micro),
            macro_f_sd=_sd(macro[2]),
            micro_f_sd=_sd(micro[2]),
            macro_f_band=_band(macro[2]),
            micro_f_band=_band(micro[2]),
            macro_f_p=_p(macro[2], None if against is None else against.macro.f),
            micro_f_p=_p(micro[2], None if against is None else against.micro.f),
            micro_r_value=statistics.fmean(map(r_value, pooled)) if self._truth.ticks.size else None,
        )

    def covering(self, found: BoundarySets) -> float:
        """Return the mean over the videos of how well their parts are covered, and over the draws."""
        from lapsdata.metrics._set_loops import cover

        covering = np.zeros((len(self._spans), found.draws))
        begins, ends = np.ascontiguousarray(self._spans.T)
        cover(self._truth.ticks, self._truth.places, found.ticks, found.places, begins, ends, covering)
        return statistics.fmean(exact_means(covering))

    def deviation(self, found: BoundarySets) -> BoundaryDeviation:
        """Return median distances of sets of one length for each video, each as the mean over the draws."""
        from lapsdata.metrics._set_loops import distances

        true, draws = self.truth[:, 0], found.draws
        firsts = np.concatenate([[0], np.cumsum(np.repeat(true, draws))])
        to_found, to_true = np.zeros(firsts[-1], np.int64), np.zeros(len(found.ticks), np.int64)
        distances(self._truth.ticks, self._truth.places, found.ticks, found.places, to_found, firsts, to_true)
        both = np.flatnonzero((true > 0) & (found.counts[:, 0] > 0)).tolist()

        def of_video(values: NDArray[np.int64], edges: NDArray[np.int64]) -> list[NDArray[np.int64]]:
            cuts = edges[::draws]
            return [values[cuts[video] : cuts[video + 1]].reshape(draws, -1) for video in both]

        sides = of_video(to_found, firsts), of_video(to_true, found.places)
        macro, micro = ([side(one) for one in sides] for side in (_macro, _micro))
        return BoundaryDeviation(
            macro=NearestBoundary(truth_to_found_s=macro[0], found_to_truth_s=macro[1]),
            micro=NearestBoundary(truth_to_found_s=micro[0], found_to_truth_s=micro[1]),
            videos=len(both),
        )


def exact_means(values: NDArray[np.float64]) -> list[float]:
    """Return the mean of each column, rounded once: neither the order of the rows nor the machine matters."""
    return [math.fsum(column) / len(column) for column in values.T.tolist()]


def _means(draws: Sequence[Sequence[float]]) -> PrecisionRecall:
    precision, recall, f = (statistics.fmean(each) for each in draws)
    return PrecisionRecall(precision=precision, recall=recall, f=f)


def _sd(draws: Sequence[float]) -> float | None:
    return statistics.stdev(draws) if len(draws) > 1 else None


def _band(draws: Sequence[float]) -> tuple[float, float] | None:
    return band(np.array(draws)) if len(draws) > 1 else None


def _p(draws: Sequence[float], f: float | None) -> float | None:
    return None if f is None or len(draws) < 2 else reached(np.array(draws), f)


def _macro(distances: list[NDArray[np.int64]]) -> float | None:
    if not distances:
        return None
    return statistics.fmean((np.concatenate([np.median(each, axis=1) for each in distances]) / PER_S).tolist())


def _micro(distances: list[NDArray[np.int64]]) -> float | None:
    if not distances:
        return None
    return statistics.fmean((np.median(np.concatenate(distances, axis=1), axis=1) / PER_S).tolist())
