"""Point trackers: pictures and query points in, windows of paths with visibility and confidence out.

A tracker is one public module here (its name is the tracker's name, its attribute `PLUGIN` the tracker) or an
entry point `lapsdata.trackers` of another distribution.
"""

from __future__ import annotations

from lapsmodels.trackers._active_area import active_area
from lapsmodels.trackers._options import configured, notice_of, weights_of
from lapsmodels.trackers._protocol import Pixels, Queries, TrackedWindow, Tracker, WindowPlan
from lapsmodels.trackers._quality import QualityMeter, textured
from lapsmodels.trackers._queries import QueryLayout, query_points

__all__ = [
    "Pixels",
    "QualityMeter",
    "Queries",
    "QueryLayout",
    "TrackedWindow",
    "Tracker",
    "WindowPlan",
    "active_area",
    "configured",
    "notice_of",
    "query_points",
    "textured",
    "weights_of",
]
