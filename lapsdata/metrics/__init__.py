"""Scores of segmentations: pure functions on seconds, typed results, and chance beside every one of them."""

from lapsdata.metrics.assignment import matched_share
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
from lapsdata.metrics.detection import DetectionScores, boundary_scores
from lapsdata.metrics.evaluation import CHANCE_ROWS, ORACLE_ROWS, TRAIN_ROWS, evaluate_boundaries
from lapsdata.metrics.partition import covering, r_value
from lapsdata.metrics.profiles import PROFILES, Profile, ProfileName
from lapsdata.metrics.relative_distance import relative_distance_counts
from lapsdata.metrics.segmental import (
    FrameCounts,
    Runs,
    SegmentCounts,
    edit_score,
    frame_counts,
    overlap_counts,
    runs_of,
    without,
)
from lapsdata.metrics.table import best_chance, boundary_table, comparison_table, not_above_chance
from lapsdata.metrics.temporal_ap import ACTIVITYNET_OVERLAPS, AveragePrecision, Detections, average_precision

__all__ = [
    "ACTIVITYNET_OVERLAPS",
    "CHANCE_ROWS",
    "ORACLE_ROWS",
    "PROFILES",
    "TOLERANCES_S",
    "TRAIN_ROWS",
    "AveragePrecision",
    "BoundaryCounts",
    "BoundaryMatch",
    "DetectionScores",
    "Detections",
    "FrameCounts",
    "Profile",
    "ProfileName",
    "Runs",
    "SegmentCounts",
    "average_precision",
    "best_chance",
    "boundary_scores",
    "boundary_table",
    "candidate_periods",
    "check_comparable",
    "comparison_table",
    "covering",
    "edit_score",
    "evaluate_boundaries",
    "frame_counts",
    "inner_boundaries",
    "lasting_boundaries",
    "match_boundaries",
    "matched_share",
    "median_shares",
    "nearest_distances",
    "not_above_chance",
    "overlap_counts",
    "periodic_boundaries",
    "placed_boundaries",
    "r_value",
    "random_boundaries",
    "relative_distance_counts",
    "runs_of",
    "segment_boundaries",
    "shifted_boundaries",
    "uniform_boundaries",
    "without",
]
