"""Where the parts of a curve over tolerances stand, before anything is drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from lapsdata.geometry import FrameSize, PixelArea
from lapsdata.metrics._words import plural
from lapsdata.report._curve_data import lines_of, lost_to_chance, spread, tolerance_axis
from lapsdata.report._sheet import SMALL, note_lines, note_px, wrapped

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lapsdata.metrics.table import Average
    from lapsdata.report._curve_data import Line
    from lapsdata.report._timeline_data import Axis
    from lapsdata.schema import BoundaryResult

__all__ = ["FOOT_ROW", "CurveContent", "CurveLayout", "CurvePanel", "gather_curves", "lay_out_curves"]

_WIDTH = 1440
# Around the panels: y labels, names of lines.
_LEFT, _RIGHT = 132, 420
# From the top: title and facts; a line that says what a panel is, and its verdict; the least height of a panel; its
# axis; a line of the footnote. Even, so that a page shows the picture at half its size.
_HEAD, _SAID, _PANEL, _BELOW, FOOT_ROW, _FOOT_GAP = 76, 40, 560, 84, 28, 20
# Names of lines are so far apart.
_APART = 30


class CurvePanel(NamedTuple):
    """The lines of one result, what it is called, and what is said of it."""

    name: str
    lines: list[Line]
    axis: Axis
    verdict: str
    lost: bool


class CurveContent(NamedTuple):
    """All that is shown."""

    title: str
    facts: str
    average: Average
    panels: list[CurvePanel]
    foot: list[str]
    note: list[str]


@dataclass(frozen=True, slots=True)
class CurveLayout:
    """Where the parts of a curve over tolerances stand.

    Parameters
    ----------
    size : FrameSize, pixel
        Of the whole picture.
    panels : tuple of PixelArea
        One for each result; F is 0 at the lower edge and 1 at the upper.
    axes : tuple of Axis
        Of the tolerances, one for each panel.
    names : tuple of tuple of float, pixel
        For each line of each panel, how far from the top its name is.
    foot : int, pixel
        Where the footnote begins.
    """

    size: FrameSize
    panels: tuple[PixelArea, ...]
    axes: tuple[Axis, ...]
    names: tuple[tuple[float, ...], ...]
    foot: int

    def place(self, tolerance_s: float, f: float, panel: int = 0) -> tuple[float, float]:
        """Return where a value stands, in pixels from the left and from the top.

        Examples
        --------
        >>> from lapsdata.metrics import evaluate_boundaries
        >>> from lapsdata.report.tolerance_curve import tolerance_curve_layout
        >>> from lapsdata.testing.samples import sample_segments
        >>> layout = tolerance_curve_layout(evaluate_boundaries(sample_segments(), sample_segments(), draws=2))
        >>> layout.place(1.0, 1.0)[1] == layout.panels[0].y
        True
        """
        area, axis = self.panels[panel], self.axes[panel]
        low, high, at = axis.low, axis.high, tolerance_s
        if axis.kind == "log":
            low, high, at = math.log(low), math.log(high), math.log(at)
        return area.x + (at - low) / (high - low) * area.width, area.y + (1 - f) * area.height


def gather_curves(
    results: Mapping[str, BoundaryResult], average: Average, title: str | None, note: str | None
) -> CurveContent:
    """Take together what is shown of some results."""
    panels = []
    for name, result in results.items():
        verdict = lost_to_chance(result, average)
        lines = lines_of(result, average)
        axis = tolerance_axis(result.rules.tolerances_s)
        panels.append(CurvePanel(name, lines, axis, verdict, verdict.startswith("not")))
    means = "mean over the videos" if average == "macro" else "of the counts of all videos together"
    foot = _foot(results)
    foot.append(_key([line for panel in panels for line in panel.lines], [*results.values()]))
    return CurveContent(
        title or f"Boundary F ({average}) over tolerance",
        f"F of hits within a tolerance, {average}: {means}",
        average,
        panels,
        [line for text in foot for line in wrapped(text, _WIDTH - _LEFT, SMALL)],
        note_lines(note, _WIDTH),
    )


def _foot(results: Mapping[str, BoundaryResult]) -> list[str]:
    """Say what was counted in each result, and then the rules, once where they are alike."""
    counted, rules = [], {}
    for name, result in results.items():
        videos, told = result.videos, result.rules
        true, found = sum(video.truth for video in videos), sum(video.found for video in videos)
        said = [
            f"{plural(len(videos), 'video')}, {true} true boundaries, {found} found",
            f"truth {result.truth_digest[:19]}",
            *(f"{policy}: {count}" for policy, count in sorted(result.policies.items())),
        ]
        counted.append(f"{name}: {'; '.join(said)}" if len(results) > 1 else "; ".join(said))
        rules[name] = (
            f"matching {told.matching}, counting {told.counting}, window {told.window}, ends {told.ends}, "
            f"empty {told.empty}"
        )
    alike = len(set(rules.values())) == 1
    return counted + ([*rules.values()][:1] if alike else [f"{name}: {text}" for name, text in rules.items()])


def _key(lines: list[Line], results: list[BoundaryResult]) -> str:
    """Say what the looks of lines mean, of those that are there."""
    families = {line.family for line in lines}
    draws = sorted({row.draws for result in results for row in result.rows if row.draws > 1})
    words = {
        "drawn": f"solid: mean of {' or '.join(map(str, draws))} draws",
        "metronome": "dashed: evenly spread cuts",
        "oracle": "dotted: cuts that know this truth",
        "other": "dash and dot: others that have not seen the video",
    }
    said = [text for family, text in words.items() if family in families]
    if any(line.banded for line in lines if line.family != "prediction"):
        said.append("shaded: 95 % of the draws")
    if any(line.banded for line in lines if line.family == "prediction"):
        said.append("around the prediction: its 95 % interval over videos")
    return "; ".join(said)


def lay_out_curves(content: CurveContent) -> CurveLayout:
    """Return where everything stands; a panel is as high as the names of its lines want."""
    y, panels, names = note_px(content.note) + _HEAD, [], []
    across = _WIDTH - _LEFT - _RIGHT
    for panel in content.panels:
        y += _SAID
        height = max(_PANEL, _APART * len(panel.lines))
        area = PixelArea(x=_LEFT, y=y, width=across, height=height)
        panels.append(area)
        names.append(_names(panel.lines, area))
        y += height + _BELOW
    foot = y + _FOOT_GAP
    size = FrameSize(width=_WIDTH, height=foot + FOOT_ROW * len(content.foot) + _FOOT_GAP // 2)
    return CurveLayout(size, tuple(panels), tuple(panel.axis for panel in content.panels), tuple(names), foot)


def _names(lines: list[Line], area: PixelArea) -> tuple[float, ...]:
    """Return where the names of lines stand: near their last values, apart, and within the height of the panel."""
    ends = [area.y + (1 - float(line.f[-1])) * area.height for line in lines]
    order = sorted(range(len(lines)), key=lambda i: (ends[i], i))
    lowest, highest = area.y + _APART / 2, area.bottom - _APART / 2
    room = [lowest + _APART * i for i in range(len(order))], [highest - _APART * i for i in range(len(order))][::-1]
    wanted = spread([ends[i] for i in order], _APART)
    placed = [min(max(y, least), most) for y, least, most in zip(wanted, *room, strict=True)]
    return tuple(placed[order.index(i)] for i in range(len(lines)))
