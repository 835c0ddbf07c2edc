"""Typed, checked, time-correct motion data from video, robot and tracking data sets."""

__version__ = "0.1.0"
