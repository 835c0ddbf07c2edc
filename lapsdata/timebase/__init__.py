"""Time: exact rates, half-open spans, frames <-> seconds, resampling by timestamp.

This is the only place that rounds time. Seconds are float64; frames are counted from 0; spans are half-open.
"""

from lapsdata.timebase.grid import Rounding, frame_to_s, grid_tolerance_s, off_grid, s_to_frame
from lapsdata.timebase.grid_stream import GridFrame, GridStream
from lapsdata.timebase.nominal import NominalRate, nominal_rate
from lapsdata.timebase.pieces import piece_starts
from lapsdata.timebase.rate import FrameRate
from lapsdata.timebase.resampling import Resampled, resample
from lapsdata.timebase.row_times import TIME_TOLERANCE_S, not_rising, off_rate
from lapsdata.timebase.span import FrameSpan
from lapsdata.timebase.stamps import check_times, frame_end_s
from lapsdata.timebase.windows import tail_frames, window_starts, window_time_s

__all__ = [
    "TIME_TOLERANCE_S",
    "FrameRate",
    "FrameSpan",
    "GridFrame",
    "GridStream",
    "NominalRate",
    "Resampled",
    "Rounding",
    "check_times",
    "frame_end_s",
    "frame_to_s",
    "grid_tolerance_s",
    "nominal_rate",
    "not_rising",
    "off_grid",
    "off_rate",
    "piece_starts",
    "resample",
    "s_to_frame",
    "tail_frames",
    "window_starts",
    "window_time_s",
]
