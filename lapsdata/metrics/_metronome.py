"""The metronome that does best on some videos, tolerance by tolerance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lapsdata.metrics.chance import candidate_periods, periodic_boundaries

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lapsdata.metrics._alignment import Video
    from lapsdata.metrics._rows import Scorer
    from lapsdata.schema.result import BoundaryRules

__all__ = ["beats", "best_periods", "ends_of_a_cut"]

_SHORTEST_S = 1 / 16


def ends_of_a_cut(rules: BoundaryRules) -> int:
    """Return as how many boundaries a cut counts: between two touching segments it is an end and a start."""
    return 2 if rules.counting == "each_end" else 1


def beats(videos: Sequence[Video], period_s: float, rules: BoundaryRules) -> list[NDArray[np.float64]]:
    """Return the boundaries of a metronome in each video, float64 (B,) seconds."""
    return [np.repeat(periodic_boundaries(video.span_s, period_s), ends_of_a_cut(rules)) for video in videos]


def best_periods(videos: Sequence[Video], scorer: Scorer, rules: BoundaryRules) -> list[float]:
    """Return the period of the highest macro F on these videos at each tolerance; of equals the slowest."""
    best: list[float] = []
    for tolerance in rules.tolerances_s:
        periods = _periods(videos, tolerance)
        best.append(max((scorer.macro_f(beats(videos, period, rules), tolerance), period) for period in periods)[1])
    return best


def _periods(videos: Sequence[Video], tolerance_s: float) -> tuple[float, ...]:
    """Return the periods among which the best metronome is looked for."""
    lengths = [end - start for start, end in (video.span_s for video in videos)]
    gap = sum(lengths) / max(1, sum(len(video.truth) for video in videos))
    # Where cuts are denser than the tolerance every boundary is near two of them, and where four come to one boundary
    # at least three are misses: beyond both, faster is worse. Very short tolerances would ask for endless cuts.
    shortest = max(_SHORTEST_S, min(tolerance_s, gap / 4))
    return candidate_periods(shortest, max(shortest, *lengths))
