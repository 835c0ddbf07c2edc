"""What a timeline shows of one video, and where it stands, before anything is drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from lapsdata.errors import Problems, SchemaError, shown, whole_number
from lapsdata.geometry import FrameSize, PixelArea
from lapsdata.report._sheet import note_lines, note_px
from lapsdata.report._timeline_data import bars_of, chance_bars, curves_of, nice_step, rule_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lapsdata.containers import Energies, Segments
    from lapsdata.report._timeline_data import Bars, Curve, Rule
    from lapsdata.schema import EnergiesHeader

__all__ = ["KEY_ROW", "LEAST_PX", "LONGEST_PX", "Content", "TimelineLayout", "gather", "lay_out"]

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
# The strip of chance is lower than others; below the axis a line says what it is, and rows what colours mean.
_CHANCE, KEY_ROW = 26, 28
# A column of the key to classes: around the name, and for each of its letters.
_ENTRY, _LETTER = 54, 12
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
    truth, chance : PixelArea or None
        Strips of the true ones, and of chance.
    classes : PixelArea or None
        The key to the colours of classes.
    class_px : int, pixel
        Width of its columns.
    ticks : tuple of float, seconds
        Times that are numbered.
    """

    size: FrameSize
    start_s: float
    end_s: float
    panels: tuple[PixelArea, ...]
    found: PixelArea
    truth: PixelArea | None
    chance: PixelArea | None
    classes: PixelArea | None
    class_px: int
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
    chance: Bars | None
    classes: tuple[str, ...]
    found_by_class: bool
    tool: str
    rule: Rule | None
    measures: list[EnergiesHeader]
    curves: list[tuple[Curve, Curve | None]]
    smoothing: str | None
    note: str | None

    @property
    def classes_there(self) -> tuple[str, ...]:
        """Those of this video that have a colour."""
        of_found = self.found.label if self.found_by_class else ()
        there = {*of_found, *(() if self.truth is None else self.truth.label)}
        return tuple(name for name in self.classes if name in there)


def gather(
    video: str,
    segments: Segments,
    energies: Sequence[Energies],
    truth: Segments | None,
    longest_px: int,
    note: str | None = None,
) -> Content:
    """Take together what is shown of a video; a class has one colour in all videos of the same containers.

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
    true = None if truth is None else bars_of(truth, video)
    # Annotations all end for one reason: their labels say more.
    by_class = tool is None and any(label is not None for label in segments.label)
    labels = {*(segments.label if by_class else ()), *(() if truth is None else truth.label)}
    return Content(
        found,
        true,
        None if true is None else chance_bars(found),
        tuple(sorted(label for label in labels if label is not None)),
        by_class,
        "annotations" if tool is None else tool.name,
        rule_of(segments),
        [one.header for one in energies],
        [curves_of(one, video, None if number else smoothing) for number, one in enumerate(energies)],
        smoothing,
        note,
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
    y, panels = note_px(note_lines(content.note, width)) + _HEAD, []
    for number in range(len(content.curves)):
        y += _SAID
        panels.append(PixelArea(x=_LEFT, y=y, width=across, height=_OTHER if number else _FIRST))
        y += panels[-1].height + _GAP
    y += _SAID
    strips = []
    for bars, lane in ((content.found, _LANE), (content.truth, _LANE), (content.chance, _CHANCE)):
        if bars is not None:
            strips.append(PixelArea(x=_LEFT, y=y, width=across, height=lane * min(bars.lanes, _MOST_LANES)))
            y += strips[-1].height + _GAP // 2
    y += _BELOW + (0 if content.chance is None else KEY_ROW)
    names, classes = content.classes_there, None
    class_px = min(across, _ENTRY + _LETTER * max((len(shown(name)) for name in names), default=0))
    if names:
        rows = -(-len(names) // (across // class_px))
        classes = PixelArea(x=_LEFT, y=y - _GAP, width=across, height=rows * KEY_ROW)
        y += classes.height
    truth, chance = strips[1:] or (None, None)
    step = nice_step((end_s - start_s) * _TICK_PX / across)
    ticks = tuple(step * k for k in range(math.ceil(start_s / step), math.floor(end_s / step) + 1))
    size = FrameSize(width=width, height=y)
    return TimelineLayout(size, start_s, end_s, tuple(panels), strips[0], truth, chance, classes, class_px, ticks)


def _time(content: Content) -> tuple[float, float]:
    """Return the time that anything speaks of."""
    looked_at = [(bars.video.start_s, bars.video.end_s) for bars in (content.found, content.truth) if bars is not None]
    measured = [(raw.start_s[0], raw.end_s.max()) for raw, _ in content.curves if len(raw.energy)]
    starts, ends = zip(*looked_at, *measured, strict=True)
    return float(min(starts)), float(max(ends))
