"""Scores of segmentations: pure functions on seconds, typed results, and chance beside every one of them."""

from lapsdata.metrics.boundary import (
    TOLERANCES_S,
    BoundaryCounts,
    BoundaryMatch,
    inner_boundaries,
    match_boundaries,
    nearest_distances,
    segment_boundaries,
)
from lapsdata.metrics.chance import (
    candidate_periods,
    lasting_boundaries,
    median_shares,
    periodic_boundaries,
    placed_boundaries,
    random_boundaries,
    shifted_boundaries,
    uniform_boundaries,
)
from lapsdata.metrics.comparison import check_comparable
from lapsdata.metrics.evaluation import CHANCE_ROWS, TRAIN_ROWS, evaluate_boundaries
from lapsdata.metrics.table import best_chance, boundary_table, comparison_table, not_above_chance

__all__ = [
    "CHANCE_ROWS",
    "TOLERANCES_S",
    "TRAIN_ROWS",
    "BoundaryCounts",
    "BoundaryMatch",
    "best_chance",
    "boundary_table",
    "candidate_periods",
    "check_comparable",
    "comparison_table",
    "evaluate_boundaries",
    "inner_boundaries",
    "lasting_boundaries",
    "match_boundaries",
    "median_shares",
    "nearest_distances",
    "not_above_chance",
    "periodic_boundaries",
    "placed_boundaries",
    "random_boundaries",
    "segment_boundaries",
    "shifted_boundaries",
    "uniform_boundaries",
]
