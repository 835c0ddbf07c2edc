"""Scores of multi-object tracking: HOTA, CLEAR, Identity and counts, equal to TrackEval's."""

from lapsdata.metrics.tracking.clear import Clear, ClearRules
from lapsdata.metrics.tracking.count import TrackCount
from lapsdata.metrics.tracking.frame_series import FrameSeries
from lapsdata.metrics.tracking.hota import ALPHAS, Hota
from lapsdata.metrics.tracking.identity import Identity
from lapsdata.metrics.tracking.left_out import LeftOut
from lapsdata.metrics.tracking.matches import SequenceMatches, track_matches
from lapsdata.metrics.tracking.profiles import MOT_LABELS, TRACKING_PROFILES, ProfileName, TrackingProfile
from lapsdata.metrics.tracking.result import (
    SequenceTracking,
    TrackingRules,
    TrackingScores,
    TrackLosses,
    TrackScores,
)
from lapsdata.metrics.tracking.scores import tracking_scores

__all__ = [
    "ALPHAS",
    "MOT_LABELS",
    "TRACKING_PROFILES",
    "Clear",
    "ClearRules",
    "FrameSeries",
    "Hota",
    "Identity",
    "LeftOut",
    "ProfileName",
    "SequenceMatches",
    "SequenceTracking",
    "TrackCount",
    "TrackLosses",
    "TrackScores",
    "TrackingProfile",
    "TrackingRules",
    "TrackingScores",
    "track_matches",
    "tracking_scores",
]
