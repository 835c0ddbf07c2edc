"""Segmenters: energies over time in, segments in seconds out; the same for a whole video and for a stream.

A segmenter is one public module here (its name is the segmenter's name, its attribute `PLUGIN` makes one of
parameters) or an entry point `lapsdata.segmenters` of another distribution.
"""

from lapsdata.segmenters._collecting import CollectingStream
from lapsdata.segmenters._containers import constant_energy_segments, found_segments, segment
from lapsdata.segmenters._protocol import EnergySeries, EnergyStep, Segment, Segmentation, Segmenter, SegmentStream
from lapsdata.segmenters.smoothing import ema, moving_average, smooth
from lapsdata.segmenters.thresholds import Threshold, given_threshold, metronome_problems, otsu_threshold

__all__ = [
    "CollectingStream",
    "EnergySeries",
    "EnergyStep",
    "Segment",
    "SegmentStream",
    "Segmentation",
    "Segmenter",
    "Threshold",
    "constant_energy_segments",
    "ema",
    "found_segments",
    "given_threshold",
    "metronome_problems",
    "moving_average",
    "otsu_threshold",
    "segment",
    "smooth",
]
