"""What a timeline shows of one video, and where it stands, before anything is drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from lapsdata.errors import Problems, SchemaError, whole_number
from lapsdata.geometry import FrameSize, PixelArea
from lapsdata.provenance import synthetic_note
from lapsdata.report._timeline_data import bars_of, curves_of, nice_step, rule_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lapsdata.containers import Energies, Segments
    from lapsdata.report._timeline_data import Bars, Curve, Rule
    from lapsdata.schema import EnergiesHeader

__all__ = ["LEAST_PX", "LONGEST_PX", "Content", "TimelineLayout", "gather", "lay_out"]

LONGEST_PX = 4608
"""A timeline is no wider: 24 inches on paper, two screens; ten minutes of video with 7 pixels a second."""

LEAST_PX = 1440
"""Nor is one less wide: names, keys and short labels find their place."""

_PX_PER_S = 12.0
# Around the panels: y labels, names of thresholds.
_LEFT, _RIGHT = 132, 184
# From the top: name and facts; above each part a line that says what it is; panels; gaps; lanes of strips.
_HEAD, _SAID, _FIRST, _OTHER, _GAP, _LANE, _MOST_LANES = 76, 34, 216, 168, 16, 36, 6
_BELOW = 72
# About so far apart are two numbers on the axis of time.
_TICK_PX = 130


@dataclass(frozen=True, slots=True)
class TimelineLayout:
    """Where the parts of a timeline stand.

    Parameters
    ----------
    size : FrameSize, pixel
        Of the whole picture.
    start_s, end_s : float, seconds
        The time between the left and the right edge of every part.
    panels : tuple of PixelArea
        One for each energies.
    found : PixelArea
        Strip of the found segments.
    truth : PixelArea or None
        Strip of the true ones.
    ticks : tuple of float, seconds
        Times that are numbered.
    """

    size: FrameSize
    start_s: float
    end_s: float
    panels: tuple[PixelArea, ...]
    found: PixelArea
    truth: PixelArea | None
    ticks: tuple[float, ...]

    def column(self, seconds: float) -> float:
        """Return the place of a time from left to right; the left edge of column x is at x.

        Examples
        --------
        >>> from lapsdata.report.timelines import timeline_layout
        >>> from lapsdata.testing.samples import sample_segments
        >>> layout = timeline_layout("clip_0", sample_segments(), [])
        >>> layout.column(layout.start_s) == layout.found.x
        True
        """
        return self.found.x + (seconds - self.start_s) / (self.end_s - self.start_s) * self.found.width


class Content(NamedTuple):
    """All that is shown of one video."""

    found: Bars
    truth: Bars | None
    tool: str
    rule: Rule | None
    measures: list[EnergiesHeader]
    curves: list[tuple[Curve, Curve | None]]
    smoothing: str | None
    synthetic: bool


def gather(
    video: str, segments: Segments, energies: Sequence[Energies], truth: Segments | None, longest_px: int
) -> Content:
    """Take together what is shown of a video.

    Raises
    ------
    SchemaError
        The segments, or one of the energies, do not list it; `longest_px` is too small.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_segments
    >>> gather("clip_0", sample_segments(), [], None, LONGEST_PX).tool
    'sample'
    """
    problems = Problems("timeline")
    if (whole_number(longest_px) or 0) < LEAST_PX:
        problems.add("out-of-range", "longest_px", f"expected an integer of at least {LEAST_PX}, got {longest_px!r}")
    found = bars_of(segments, video)
    if found is None:
        problems.add("unknown-video", "segments", f"expected '{video}' in the header, got other videos")
    for number, one in enumerate(energies):
        if video not in one.header.videos:
            problems.add("unknown-video", f"energies {number}", f"expected '{video}' in the header, got other videos")
    if found is None or len(problems):
        raise SchemaError(*problems)
    told = segments.header.provenance.parameters.get("smoothing")
    smoothing = told if isinstance(told, str) else None
    tool = segments.header.segmenter
    return Content(
        found,
        None if truth is None else bars_of(truth, video),
        "annotations" if tool is None else tool.name,
        rule_of(segments),
        [one.header for one in energies],
        [curves_of(one, video, None if number else smoothing) for number, one in enumerate(energies)],
        smoothing,
        truth is not None and synthetic_note(truth.header.provenance) is not None,
    )


def lay_out(content: Content, longest_px: int) -> TimelineLayout:
    """Return where everything stands; the picture is as wide as its time is long, within limits.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_segments
    >>> lay_out(gather("clip_0", sample_segments(), [], None, LONGEST_PX), LONGEST_PX).size.width
    1440
    """
    start_s, end_s = _time(content)
    wanted = _LEFT + _RIGHT + math.ceil(_PX_PER_S * (end_s - start_s))
    width = min(max(LEAST_PX, wanted), longest_px)
    across = width - _LEFT - _RIGHT
    y, panels, strips = _HEAD, [], []
    for number in range(len(content.curves)):
        y += _SAID
        panels.append(PixelArea(x=_LEFT, y=y, width=across, height=_OTHER if number else _FIRST))
        y += panels[-1].height + _GAP
    y += _SAID
    for bars in (content.found, content.truth):
        if bars is not None:
            strips.append(PixelArea(x=_LEFT, y=y, width=across, height=_LANE * min(bars.lanes, _MOST_LANES)))
            y += strips[-1].height + _GAP // 2
    size = FrameSize(width=width, height=y + _BELOW)
    step = nice_step((end_s - start_s) * _TICK_PX / across)
    ticks = tuple(step * k for k in range(math.ceil(start_s / step), math.floor(end_s / step) + 1))
    return TimelineLayout(size, start_s, end_s, tuple(panels), strips[0], strips[1] if content.truth else None, ticks)


def _time(content: Content) -> tuple[float, float]:
    """Return the time that anything speaks of."""
    looked_at = [(bars.video.start_s, bars.video.end_s) for bars in (content.found, content.truth) if bars is not None]
    measured = [(raw.start_s[0], raw.end_s.max()) for raw, _ in content.curves if len(raw.energy)]
    starts, ends = zip(*looked_at, *measured, strict=True)
    return float(min(starts)), float(max(ends))
