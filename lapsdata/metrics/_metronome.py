"""The metronome that does best on some videos, tolerance by tolerance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lapsdata.metrics._boundary_sets import BoundarySets
from lapsdata.metrics._given import ticks_of
from lapsdata.metrics.chance import candidate_periods

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lapsdata.metrics._alignment import Video
    from lapsdata.metrics._rows import Scorer
    from lapsdata.schema.result import BoundaryRules

__all__ = ["beats", "best_periods", "ends_of_a_cut"]

_SHORTEST_S = 1 / 16


def ends_of_a_cut(rules: BoundaryRules) -> int:
    """Return as how many boundaries a cut counts: between two touching segments it is an end and a start."""
    return 2 if rules.counting == "each_end" else 1


def beats(videos: Sequence[Video], period_s: float, rules: BoundaryRules) -> BoundarySets:
    """Return the boundaries of a metronome in each video: what `periodic_boundaries` says of one, of all at once."""
    start, end = np.array([video.span_s for video in videos], np.float64).T
    ends = ticks_of(end)
    most = np.ceil((end - start) / period_s).astype(np.int64)
    video = np.repeat(np.arange(len(videos)), most)
    number = np.arange(1, len(video) + 1) - np.repeat(np.cumsum(most) - most, most)
    ticks = ticks_of(start[video] + period_s * number)
    inside = ticks < ends[video]
    counts = np.bincount(video[inside], minlength=len(videos))
    return BoundarySets.of_counts(ticks[inside], counts, 1).repeated(ends_of_a_cut(rules))


def best_periods(videos: Sequence[Video], scorer: Scorer, rules: BoundaryRules) -> list[float]:
    """Return the period of the highest macro F on these videos at each tolerance; of equals the slowest."""
    tried = {tolerance: _periods(videos, tolerance) for tolerance in rules.tolerances_s}
    best = dict.fromkeys(rules.tolerances_s, (-1.0, 0.0))
    for period in sorted({period for periods in tried.values() for period in periods}):
        found = beats(videos, period, rules)
        for tolerance, periods in tried.items():
            if period in periods:
                best[tolerance] = max(best[tolerance], (scorer.macro_f(found, tolerance), period))
    return [best[tolerance][1] for tolerance in rules.tolerances_s]


def _periods(videos: Sequence[Video], tolerance_s: float) -> tuple[float, ...]:
    """Return the periods among which the best metronome is looked for."""
    lengths = [end - start for start, end in (video.span_s for video in videos)]
    gap = sum(lengths) / max(1, sum(len(video.truth) for video in videos))
    # Where cuts are denser than the tolerance every boundary is near two of them, and where four come to one boundary
    # at least three are misses: beyond both, faster is worse. Very short tolerances would ask for endless cuts.
    shortest = max(_SHORTEST_S, min(tolerance_s, gap / 4))
    return candidate_periods(shortest, max(shortest, *lengths))
