"""Scores of point tracks against the truth: TAP-Vid's, end-point error, and visibility with *invisible* as positive.

As TAP-Vid (Doersch et al. 2022, arXiv 2211.03726; google-deepmind/tapnet, tapnet/tapvid/evaluation_datasets.py),
"first" queries: the frame of the query is not scored. Other than TAP-Vid, positions are pixels of the frame as it
is: nothing is rescaled to 256 x 256, so the thresholds 1, 2, 4, 8, 16 px are those of the frame.

Arrays: tracks (W, T, N, 2), vis (W, T, N); a query that is not visible in the first frame is not scored.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["MOVED_PX", "THRESHOLDS_PX", "Paths", "Scores", "moved", "score"]

THRESHOLDS_PX = (1.0, 2.0, 4.0, 8.0, 16.0)
MOVED_PX = 2.0
"""A point moves in a window if it is ever further than this from where it was in the first frame."""


class Paths(NamedTuple):
    """Paths of one scene: tracks (W, T, N, 2) float, pixel xy; vis (W, T, N) bool."""

    tracks: NDArray[np.float32]
    vis: NDArray[np.bool_]


@dataclasses.dataclass(frozen=True)
class Scores:
    """Scores of one set of points; NaN where a score has no cases."""

    points: int
    """Scored points, over all windows."""
    median_error_px: float
    """Median end-point error over truly visible points and all frames but the first; a lost point counts as inf."""
    delta_avg: float
    """Mean over the thresholds of the share of truly visible points nearer than that."""
    average_jaccard: float
    """Mean over the thresholds of TP / (TP + FN + FP), a hit being visible, said to be visible, and near."""
    occlusion_accuracy: float
    """Share of points and frames whose visibility is told rightly."""
    invisible_precision: float
    """Of what is said to be invisible, how much is."""
    invisible_recall: float
    """Of what is invisible, how much is said to be."""

    def as_json(self) -> dict[str, float | int | None]:
        """Round to four digits; what has no cases is null."""
        values = dataclasses.asdict(self)
        return {
            name: value if isinstance(value, int) else round(value, 4) if np.isfinite(value) else None
            for name, value in values.items()
        }


def moved(truth: Paths) -> NDArray[np.bool_]:
    """Tell which points (W, N) truly move by more than `MOVED_PX` within their window."""
    away = np.linalg.norm(truth.tracks - truth.tracks[:, :1], axis=-1)
    return np.asarray(away.max(axis=1) > MOVED_PX)


def score(truth: Paths, found: Paths, which: NDArray[np.bool_]) -> Scores:
    """Score the points `which` (W, N) that are visible where they are queried."""
    scored = which & truth.vis[:, 0]
    # Points first, then frames: (P, T - 1).
    error = np.linalg.norm(found.tracks - truth.tracks, axis=-1).transpose(0, 2, 1)[scored][:, 1:]
    error = np.where(np.isnan(error), np.inf, error)
    seen = truth.vis.transpose(0, 2, 1)[scored][:, 1:]
    told = found.vis.transpose(0, 2, 1)[scored][:, 1:]
    near = [error < threshold for threshold in THRESHOLDS_PX]
    hidden, lost = ~seen, ~told
    return Scores(
        points=int(scored.sum()),
        median_error_px=float(np.median(error[seen])) if seen.any() else np.nan,
        delta_avg=float(np.mean([share(hit, seen) for hit in near])),
        average_jaccard=float(np.mean([jaccard(hit, seen, told) for hit in near])),
        occlusion_accuracy=share(seen == told, np.ones_like(seen)),
        invisible_precision=share(hidden, lost),
        invisible_recall=share(lost, hidden),
    )


def share(what: NDArray[np.bool_], among: NDArray[np.bool_]) -> float:
    cases = int(among.sum())
    return float((what & among).sum() / cases) if cases else np.nan


def jaccard(near: NDArray[np.bool_], seen: NDArray[np.bool_], told: NDArray[np.bool_]) -> float:
    hits = int((near & seen & told).sum())
    # What is wrongly placed is missed once and claimed once.
    false = int((told & ~(seen & near)).sum())
    cases = int(seen.sum()) + false
    return hits / cases if cases else np.nan
