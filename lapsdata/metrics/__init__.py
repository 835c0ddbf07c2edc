"""Scores of segmentations and tracks: pure functions, typed results; and chance beside all that is in seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lapsdata._first_use import on_first_use

if TYPE_CHECKING:
    from lapsdata.metrics.ap_evaluation import AP_CHANCE_ROWS, evaluate_ap
    from lapsdata.metrics.assignment import matched_count, matched_share
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
    from lapsdata.metrics.cluster_evaluation import CLUSTER_CHANCE_ROWS, evaluate_clusters
    from lapsdata.metrics.comparison import check_comparable
    from lapsdata.metrics.contingency import (
        InformationMean,
        VMeasure,
        adjusted_mutual_information,
        adjusted_rand,
        normalised_mutual_information,
        v_measure,
    )
    from lapsdata.metrics.detection import DetectionScores, boundary_scores
    from lapsdata.metrics.difference_rows import paired_label_table, paired_table
    from lapsdata.metrics.evaluation import CHANCE_ROWS, ORACLE_ROWS, TRAIN_ROWS, evaluate_boundaries
    from lapsdata.metrics.label_evaluation import LABEL_CHANCE_ROWS, LABEL_OVERLAPS, LABEL_TRAIN_ROWS, evaluate_labels
    from lapsdata.metrics.paired import (
        PairedDifference,
        PairedLabelDifference,
        paired_differences,
        paired_label_differences,
    )
    from lapsdata.metrics.partition import covering, r_value
    from lapsdata.metrics.profiles import PROFILES, ApOptions, LabelOptions, Profile
    from lapsdata.metrics.relative_distance import relative_distance_counts
    from lapsdata.metrics.score_tables import ap_table, cluster_table, label_table, lost_to_chance
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
    from lapsdata.metrics.segmentation import evaluate_segments
    from lapsdata.metrics.table import best_chance, boundary_table, comparison_table, not_above_chance
    from lapsdata.metrics.temporal_ap import ACTIVITYNET_OVERLAPS, AveragePrecision, Detections, average_precision
    from lapsdata.metrics.tracking import (
        TRACKING_PROFILES,
        Clear,
        FrameSeries,
        Hota,
        Identity,
        LeftOut,
        SequenceTracking,
        TrackCount,
        TrackingProfile,
        TrackingRules,
        TrackingScores,
        TrackLosses,
        TrackScores,
        tracking_scores,
    )
    from lapsdata.metrics.whole_table import segmentation_table

__all__ = [
    "ACTIVITYNET_OVERLAPS",
    "AP_CHANCE_ROWS",
    "CHANCE_ROWS",
    "CLUSTER_CHANCE_ROWS",
    "LABEL_CHANCE_ROWS",
    "LABEL_OVERLAPS",
    "LABEL_TRAIN_ROWS",
    "ORACLE_ROWS",
    "PROFILES",
    "TOLERANCES_S",
    "TRACKING_PROFILES",
    "TRAIN_ROWS",
    "ApOptions",
    "AveragePrecision",
    "BoundaryCounts",
    "BoundaryMatch",
    "Clear",
    "DetectionScores",
    "Detections",
    "FrameCounts",
    "FrameSeries",
    "Hota",
    "Identity",
    "InformationMean",
    "LabelOptions",
    "LeftOut",
    "PairedDifference",
    "PairedLabelDifference",
    "Profile",
    "Runs",
    "SegmentCounts",
    "SequenceTracking",
    "TrackCount",
    "TrackLosses",
    "TrackScores",
    "TrackingProfile",
    "TrackingRules",
    "TrackingScores",
    "VMeasure",
    "adjusted_mutual_information",
    "adjusted_rand",
    "ap_table",
    "average_precision",
    "best_chance",
    "boundary_scores",
    "boundary_table",
    "candidate_periods",
    "check_comparable",
    "cluster_table",
    "comparison_table",
    "covering",
    "edit_score",
    "evaluate_ap",
    "evaluate_boundaries",
    "evaluate_clusters",
    "evaluate_labels",
    "evaluate_segments",
    "frame_counts",
    "inner_boundaries",
    "label_table",
    "lasting_boundaries",
    "lost_to_chance",
    "match_boundaries",
    "matched_count",
    "matched_share",
    "median_shares",
    "nearest_distances",
    "normalised_mutual_information",
    "not_above_chance",
    "overlap_counts",
    "paired_differences",
    "paired_label_differences",
    "paired_label_table",
    "paired_table",
    "periodic_boundaries",
    "placed_boundaries",
    "r_value",
    "random_boundaries",
    "relative_distance_counts",
    "runs_of",
    "segment_boundaries",
    "segmentation_table",
    "shifted_boundaries",
    "tracking_scores",
    "uniform_boundaries",
    "v_measure",
    "without",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = on_first_use(__name__)
