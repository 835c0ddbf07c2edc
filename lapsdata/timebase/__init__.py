"""Time: exact rates, half-open spans, frames <-> seconds, resampling by timestamp.

This is the only place that rounds time. Seconds are float64; frames are counted from 0; spans are half-open.
"""

from lapsdata.timebase.rate import FrameRate

__all__ = ["FrameRate"]
