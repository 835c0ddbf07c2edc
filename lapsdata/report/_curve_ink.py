"""Curves over tolerances on paper: how their parts look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lapsdata.report._curve_layout import FOOT_ROW
from lapsdata.report._sheet import DPI, FAINT, INK, LEVEL, SMALL, Sheet

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    from lapsdata.geometry import PixelArea
    from lapsdata.report._curve_data import Family, Line
    from lapsdata.report._curve_layout import CurveContent, CurveLayout, CurvePanel

__all__ = ["PREDICTION", "CurveSheet", "colours_of"]

PREDICTION = "#0b3c7d"
"""What is judged."""
# Of Paul Tol's "muted" and ColorBrewer's "Dark2", which differ for every eye; names stand beside the lines as well.
_COLOURS = {
    "uniform_same_count": "#cc6677",
    "oracle_count": "#882255",
    "uniform_best_period": "#aa4499",
    "uniform_train_period": "#d95f02",
    "random_same_count": "#117733",
    "circular_shift": "#2f9e94",
    "train_durations": "#8a8a2a",
    "train_position": "#666f7a",
    "train_copy": "#a6761d",
}
_OTHERS = ("#5e59a8", "#3a7fb8", "#b0562f", "#4d4d4d")
_DASHES: dict[Family, Any] = {
    "prediction": "-",
    "drawn": "-",
    "metronome": (0, (5, 2)),
    "oracle": (0, (1, 1.6)),
    "other": (0, (6, 1.6, 1, 1.6)),
}
_THICK, _THIN, _SHADE = 2.2, 1.0, 0.16
# From a last value to its name: beside the mark, to a slope beyond the panel, a sample of the line, a gap; in pixels.
_MARK_PX, _SLOPE, _SAMPLE, _GAP = 8, 34, 56, 12
_SECONDS_PX, _BESIDE_PX, _SAID_PX = 62, 100, 14


def colours_of(lines: Sequence[Line]) -> dict[str, str]:
    """Return the colour of each line: a row that every result has keeps its own."""
    colours, others = {}, 0
    for line in lines:
        if line.family == "prediction":
            colours[line.name] = PREDICTION
        elif line.name in _COLOURS:
            colours[line.name] = _COLOURS[line.name]
        elif line.name not in colours:
            colours[line.name] = _OTHERS[others % len(_OTHERS)]
            others += 1
    return colours


class CurveSheet(Sheet):
    """A sheet that curves are drawn on."""

    def __init__(self, layout: CurveLayout) -> None:
        super().__init__(layout.size)
        self._layout = layout

    def curves(self, content: CurveContent, top: int) -> None:
        """Draw all of it, below pixel `top`."""
        left = self._layout.panels[0].x
        self.say(content.title, left, top + 34, within=self._size.width - left - 20, fontsize=10, weight="bold")
        self.say(content.facts, left, top + 62, color=FAINT)
        colours = colours_of([line for panel in content.panels for line in panel.lines])
        for number, panel in enumerate(content.panels):
            self._panel(number, panel, colours, content.average)
        for number, line in enumerate(content.foot):
            y = self._layout.foot + number * FOOT_ROW
            self.say(line, left, y, within=self._size.width - left - 10, color=FAINT, fontsize=SMALL)

    def _panel(self, number: int, panel: CurvePanel, colours: Mapping[str, str], average: str) -> None:
        area, names = self._layout.panels[number], self._layout.names[number]
        said: float = area.x
        if panel.name:
            said = self.say(panel.name, said, area.y - _SAID_PX, within=area.width / 2, weight="bold") + 16
        self.say(
            f"the prediction is {panel.verdict}", said, area.y - _SAID_PX, within=self._size.width - said - 20,
            color=LEVEL if panel.lost else FAINT, fontsize=SMALL,
        )  # fmt: skip
        axes = self._axes(area, panel, average)
        for line, name_y in zip(panel.lines, names, strict=True):
            self._line(axes, line, colours[line.name])
            self._name(number, line, colours[line.name], name_y)

    def _axes(self, area: PixelArea, panel: CurvePanel, average: str) -> Axes:
        width, height = self._size.width, self._size.height
        place = (area.x / width, 1 - area.bottom / height, area.width / width, area.height / height)
        axes = self._figure.add_axes(place)
        axes.set_xscale("log" if panel.axis.kind == "log" else "linear")
        axes.set_xlim(panel.axis.low, panel.axis.high)
        axes.set_ylim(0.0, 1.0)
        axes.set_xticks(panel.axis.ticks, [f"{tick:g}" for tick in panel.axis.ticks])
        axes.set_xticks([], minor=True)
        axes.set_yticks([k / 5 for k in range(6)], [f"{k / 5:g}" for k in range(6)])
        axes.grid(visible=True)
        beside = (area.x - _BESIDE_PX) / width, 1 - (area.y + area.height / 2) / height
        self._figure.text(*beside, f"boundary F ({average})", rotation=90, ha="left", va="center")
        below = (area.x + area.width / 2) / width, 1 - (area.bottom + _SECONDS_PX) / height
        self._figure.text(*below, "tolerance (s)", ha="center", va="baseline")
        return axes

    def _line(self, axes: Axes, line: Line, colour: str) -> None:
        ours = line.family == "prediction"
        if line.banded:
            low, high = line.band.T
            axes.fill_between(
                line.tolerance_s, low, high, color=colour, alpha=_SHADE, linewidth=0, zorder=2.6 if ours else 1.5
            )
        marks: dict[str, Any] = {"marker": "o", "markersize": 3.2} if ours else {}
        axes.plot(
            line.tolerance_s, line.f, color=colour, linewidth=_THICK if ours else _THIN, clip_on=False,
            linestyle=_DASHES[line.family], dash_capstyle="butt", zorder=4 if ours else 3, **marks,
        )  # fmt: skip

    def _name(self, panel: int, line: Line, colour: str, y: float) -> None:
        """Lead from the last value of a line to its name."""
        from matplotlib.lines import Line2D

        width, height, area = self._size.width, self._size.height, self._layout.panels[panel]
        ours = line.family == "prediction"
        last_x, last_y = self._layout.place(float(line.tolerance_s[-1]), float(line.f[-1]), panel)
        bend = area.x + area.width + _SLOPE
        end = bend + _SAMPLE
        slope = [(last_x + _MARK_PX) / width, bend / width]
        thin = Line2D(slope, [1 - last_y / height, 1 - y / height], color=colour, linewidth=0.5)
        sample = Line2D(
            [bend / width, end / width], [1 - y / height] * 2, color=colour, linestyle=_DASHES[line.family],
            linewidth=_THICK if ours else 1.3, dash_capstyle="butt", solid_capstyle="butt",
        )  # fmt: skip
        for artist in (thin, sample):
            self._figure.add_artist(artist)
        oracle = " (oracle)" if line.family == "oracle" else ""
        x = end + _GAP
        self.say(
            f"{line.name}{oracle}", x, y + 0.35 * SMALL * DPI / 72, within=width - x - 10,
            fontsize=SMALL, weight="bold" if ours else "normal", color=colour if ours else INK,
        )  # fmt: skip
