"""The search for the threshold with the best boundaries: every segmentation of every video, each once.

A video has as many segmentations as its own energies part all thresholds into; those of the other videos add none. So
each video is cut once for each of its own pieces, and scores of all videos together are put together afterwards, piece
by piece of all their energies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata.errors import Problem, SchemaError
from lapsdata.metrics.sweeps import hits_of_sets, mean_share, shares, whole_shares, widest_plateau
from lapsdata.segmenters.many_thresholds import ManyThresholds, pieces_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Literal

    from numpy.typing import NDArray

    from lapsdata.metrics.sweeps import Plateau, TrueVideo
    from lapsdata.segmenters import EnergySeries
    from lapsdata.segmenters.many_thresholds import Pieces
    from lapsdata.segmenters.state_machine import StateMachine

    Objective = Literal["f_macro", "f_micro"]

__all__ = ["BoundaryTrain", "Swept", "TrainVideo"]

# Segments of so many thresholds are held at once.
_AT_ONCE = 512


class TrainVideo:
    """One video that thresholds are tried on.

    Parameters
    ----------
    series : EnergySeries
    true : TrueVideo
    machine : StateMachine
        All of it but its threshold.
    tolerance_s : float, seconds
    """

    def __init__(self, series: EnergySeries, true: TrueVideo, machine: StateMachine, tolerance_s: float) -> None:
        self.name = true.name
        self.values = series.energy[series.state == 0]
        self.truth = len(true.truth_s)
        self.many = ManyThresholds(series, machine)
        self._true, self._tolerance_s = true, tolerance_s

    def counts(self, thresholds: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return how many boundaries are found at each threshold, and how many are hits: int64 (C,) each."""
        found, hits = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        for first in range(0, len(thresholds), _AT_ONCE):
            sets = self.many.segments(thresholds[first : first + _AT_ONCE])
            true = self._true
            some = hits_of_sets(true.truth_s, sets.spans_s, sets.offsets, true.span_s, self._tolerance_s)
            found.append(some[0])
            hits.append(some[1])
        return np.concatenate(found), np.concatenate(hits)

    def f(self, threshold: float) -> float:
        """Return F at one threshold."""
        found, hits = self.counts(np.array([threshold]))
        return float(shares(2 * hits, found + self.truth)[0])


class _Steps(NamedTuple):
    """The counts of one video over the pieces of all: constant from each place on."""

    at: NDArray[np.int64]
    found: NDArray[np.int64]
    hits: NDArray[np.int64]

    def add_to(self, rises: NDArray[np.int64], values: NDArray[np.int64]) -> None:
        """Add to a sum over videos, as what each piece has more than the one before it."""
        rises[self.at] += np.diff(values, prepend=0)


class Swept(NamedTuple):
    """What a search has found.

    Parameters
    ----------
    pieces : Pieces
        The thresholds that were tried.
    scores : float64 (C,)
        Their scores.
    best : Plateau
    candidates : int
        How many thresholds there were.
    left_out : list of (str, float, float)
        Of each video, where it was asked for: the threshold that the others call for, and its F at that.
    """

    pieces: Pieces
    scores: NDArray[np.float64]
    best: Plateau
    candidates: int
    left_out: list[tuple[str, float, float]]

    @property
    def reaches(self) -> tuple[Literal["lowest", "highest"], ...]:
        """Which ends of the energies the best thresholds reach."""
        lowest = np.isinf(self.pieces.low[self.best.first])
        highest = np.isinf(self.pieces.high[self.best.last])
        return (*(("lowest",) if lowest else ()), *(("highest",) if highest else ()))


class BoundaryTrain:
    """The videos of a train split, on which thresholds are tried.

    Parameters
    ----------
    videos : sequence of TrainVideo
    objective : {"f_macro", "f_micro"}
    off_ratio : float
        Of the state machine.
    """

    def __init__(self, videos: Sequence[TrainVideo], objective: Objective, off_ratio: float) -> None:
        self._videos, self._objective, self._off_ratio = videos, objective, off_ratio
        self._pieces = pieces_of([video.values for video in videos], off_ratio=off_ratio)

    def search(self, most: int, *, coarse: bool, leave_one_out: bool) -> Swept:
        """Try all thresholds, or where a video has more than `most`, some of them.

        Raises
        ------
        SchemaError
            There are more, and no coarser search was asked for (`too-many-thresholds`).
        """
        pieces = self._pieces
        if self._too_many(most, refuse=not coarse):
            few = np.unique(np.linspace(0, len(pieces) - 1, max(2, most // 2)).round().astype(np.int64))
            best = self._best(pieces.taken(few))[1]
            around = few[max(0, best.first - 1)], few[min(len(few) - 1, best.last + 1)]
            fine = np.unique(np.linspace(*around, max(2, most - len(few))).round().astype(np.int64))
            pieces = pieces.taken(np.union1d(few, fine))
        steps = [self._steps(video, pieces) for video in self._videos]
        scores, best = self._best(pieces, steps)
        left_out = list(self._left_out(pieces, steps)) if leave_one_out else []
        return Swept(pieces, scores, best, len(self._pieces), left_out)

    def _too_many(self, most: int, *, refuse: bool) -> bool:
        worst = max(self._videos, key=lambda video: len(video.many.distinct(self._pieces.value)))
        count = len(worst.many.distinct(self._pieces.value))
        if count > most and refuse:
            message = (
                f"expected up to {most} thresholds that cut a video unlike one another, got {count} in '{worst.name}' "
                f"({worst.many.cells} values)"
            )
            fix = f"each is a pass over the video: ask for --most {count}, or --beyond coarse_to_fine"
            raise SchemaError(Problem("too-many-thresholds", "energies", message, fix))
        return count > most

    def _steps(self, video: TrainVideo, pieces: Pieces) -> _Steps:
        at = video.many.distinct(pieces.value)
        return _Steps(at, *video.counts(pieces.value[at]))

    def _best(self, pieces: Pieces, steps: Sequence[_Steps] | None = None) -> tuple[NDArray[np.float64], Plateau]:
        steps = steps or [self._steps(video, pieces) for video in self._videos]
        scores = self._scores(*self._totals(steps, self._videos, len(pieces)), self._videos)
        return scores, widest_plateau(scores, pieces.low, pieces.high)

    def _totals(
        self, steps: Sequence[_Steps], videos: Sequence[TrainVideo], count: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return two sums over videos, one per piece: of what the mean F is made of, or of hits and of found."""
        first, second = np.zeros(count, np.int64), np.zeros(count, np.int64)
        for step, video in zip(steps, videos, strict=True):
            if self._objective == "f_macro":
                step.add_to(first, whole_shares(shares(2 * step.hits, step.found + video.truth)))
            else:
                step.add_to(first, step.hits)
                step.add_to(second, step.found)
        return np.cumsum(first), np.cumsum(second)

    def _scores(
        self, first: NDArray[np.int64], second: NDArray[np.int64], videos: Sequence[TrainVideo]
    ) -> NDArray[np.float64]:
        if self._objective == "f_macro":
            return mean_share(first, len(videos))
        return shares(2 * first, second + sum(video.truth for video in videos))

    def _left_out(self, pieces: Pieces, steps: Sequence[_Steps]) -> list[tuple[str, float, float]]:
        """Return for each video what the others call for: just what a search among these alone would."""
        if len(self._videos) < 2:
            message = f"expected at least 2 videos, got {len(self._videos)}: nothing is left without one"
            raise SchemaError(Problem("one-video", "energies", message, "leave --leave-one-out away"))
        whole = self._totals(steps, self._videos, len(pieces))
        found = []
        for step, video in zip(steps, self._videos, strict=True):
            others = [one for one in self._videos if one is not video]
            own = self._totals([step], [video], len(pieces))
            scores = self._scores(whole[0] - own[0], whole[1] - own[1], others)
            values = np.concatenate([one.values for one in others])
            kept, low, high = _between(pieces, values, self._off_ratio)
            threshold = widest_plateau(scores[kept], low, high).value
            found.append((video.name, threshold, video.f(threshold)))
        return found


def _between(
    pieces: Pieces, values: NDArray[np.float64], off_ratio: float
) -> tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.float64]]:
    """Return which pieces some energies tell apart, and their ends: beyond the outermost all are one."""
    if not len(values):
        raise SchemaError(Problem("no-energy", "energies", "expected measured energies in two videos, got one"))
    edges = np.concatenate([values, values / off_ratio])
    least, most = edges.min(), edges.max()
    kept = (pieces.high >= least) & (pieces.low <= most)
    low, high = pieces.low[kept].copy(), pieces.high[kept].copy()
    low[high == least] = -np.inf
    high[low == most] = np.inf
    return kept, low, high
