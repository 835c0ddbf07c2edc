"""Point trackers: pictures and query points in, windows of paths with visibility and confidence out.

A tracker is one public module here (its name is the tracker's name, its attribute `PLUGIN` the tracker) or an
entry point `lapsdata.trackers` of another distribution.
"""

from __future__ import annotations

from lapsmodels.trackers._protocol import Pixels, Queries, TrackedWindow, Tracker, WindowPlan

__all__ = ["Pixels", "Queries", "TrackedWindow", "Tracker", "WindowPlan"]
