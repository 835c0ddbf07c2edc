"""Timelines on paper: how each of their parts is drawn."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.containers.energies import ENERGY_STATES
from lapsdata.containers.segments import END_REASONS
from lapsdata.report._sheet import DPI, FAINT, FLAT, GROUND, INK, LEVEL, SIZE, SMALL, Sheet
from lapsdata.report._timeline_data import LINEAR_DECADES, spans_of
from lapsdata.report._timeline_layout import KEY_ROW

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt
    from matplotlib.axes import Axes

    from lapsdata.geometry import PixelArea
    from lapsdata.report._timeline_data import Axis, Bars, Curve, Rule
    from lapsdata.report._timeline_layout import TimelineLayout
    from lapsdata.schema import EndReason

    Floats = npt.NDArray[np.float64]
    Look = Mapping[str, Any]

__all__ = ["Paper", "class_looks", "reason_entries", "reason_looks", "state_entries"]

RAW, GATED, TRUE, CHANCE = "#a9b2bc", "#f0e4cd", "#c3cad3", "#dcd3c4"
"""Values before smoothing; time that a gate skipped; true segments without a label; cuts of chance."""
REASON_COLOURS: dict[EndReason, str] = {
    # Of Paul Tol's "bright" and "muted" sets, which differ for every eye.
    "threshold": "#4477aa",
    "max_duration": "#ddaa33",
    "end_of_stream": "#8f6bb1",
    "annotation": "#44aa99",
}
"""Found segments, by why they end."""

# Values that have less room each are drawn by a thinner line.
_DENSE_PX = 2
# A bar gets a light seam on its left where it is at least so wide.
_SEAM_PX = 5


class Paper(Sheet):
    """A sheet that one timeline is drawn on.

    Examples
    --------
    >>> from lapsdata.report.timelines import timeline_layout
    >>> from lapsdata.testing.samples import sample_segments
    >>> layout = timeline_layout("clip_0", sample_segments(), [])
    >>> with Paper(layout) as paper:
    ...     after = paper.say("clip_0", 10, 20)
    ...     paper.image().shape == (*layout.size.shape, 3)
    True
    """

    def __init__(self, layout: TimelineLayout) -> None:
        super().__init__(layout.size)
        self._layout = layout

    def panel(self, area: PixelArea, axis: Axis, unit: str) -> Axes:
        """Return axes for energies; beside them stand the unit and the kind of the axis."""
        axes = self._axes(area)
        if axis.kind == "symlog":
            axes.set_yscale("symlog", linthresh=axis.linear_to, linscale=LINEAR_DECADES)
        else:
            axes.set_yscale(axis.kind)
        axes.set_ylim(axis.low, axis.high)
        axes.set_yticks(axis.ticks, [f"{tick:g}" for tick in axis.ticks])
        axes.set_yticks([], minor=True)
        axes.grid(visible=True, axis="both")
        place = (
            0.6 * SIZE * DPI / 72 / self._size.width,
            1 - (area.y + area.height / 2) / self._size.height,
        )
        label = "\n".join(line for line in (self._drawable(unit), axis.words) if line)
        self._figure.text(*place, label, rotation=90, ha="left", va="center", multialignment="center", fontsize=SMALL)
        return axes

    def states(self, axes: Axes, curve: Curve) -> None:
        """Mark the times of which there is no value over the whole height."""
        for word, look in _STATE_LOOKS.items():
            spans = self._visible(spans_of(curve, ENERGY_STATES.index(word)))
            if len(spans):
                self._rectangles(axes, spans, (0.0, 1.0), transform=axes.get_xaxis_transform(), zorder=0.6, **look)

    def curve(self, axes: Axes, curve: Curve, colour: str = INK) -> None:
        """Draw values as stairs: each over the time that it stands for, and nothing where there is none."""
        x = np.stack([curve.start_s, curve.end_s], axis=1).ravel()
        dense = len(curve.energy) * _DENSE_PX > self._layout.found.width
        axes.plot(x, np.repeat(curve.energy, 2), color=colour, linewidth=0.5 if dense else 0.8, zorder=3)

    def levels(self, axes: Axes, area: PixelArea, rule: Rule) -> None:
        """Draw thresholds, and name them in the right margin: the upper above its line, the lower below."""
        after = area.x + area.width + 0.4 * SIZE * DPI / 72
        texts = [("threshold", rule.threshold, "-", "bottom"), ("off", rule.off, (0, (4, 2)), "top")]
        for name, level, dashes, va in texts:
            if level is None:
                continue
            axes.axhline(level, color=LEVEL, linewidth=0.7, linestyle=dashes, zorder=2.5)
            _, y = axes.transData.transform((0.0, level))
            place = (after / self._size.width, float(y) / self._size.height)
            self._figure.text(*place, f"{name} {level:.3g}", color=LEVEL, fontsize=SMALL, va=va)

    def note_in(self, axes: Axes, text: str) -> None:
        """Write in the middle of axes that have nothing else to show."""
        axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=FAINT, fontsize=SMALL)

    def strip(self, area: PixelArea, bars: Bars, name: str, looks: Sequence[Look], *, dark: bool = True) -> Axes:
        """Draw segments as bars, each as it looks, with labels in dark or in white."""
        axes = self._axes(area)
        axes.set_ylim(bars.lanes, 0)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.patch.set_visible(False)
        looked_at = np.array([[bars.video.start_s, bars.video.end_s]])
        self._rectangles(axes, looked_at, (0.0, float(bars.lanes)), facecolor=GROUND, zorder=0.5)
        axes.grid(visible=True, axis="x")
        spans = self._visible(np.stack([bars.start_s, bars.end_s], axis=1))
        alike = [tuple(sorted(look.items())) for look in looks]
        different = {key: number for number, key in enumerate(dict.fromkeys(alike))}
        which = np.array([different[key] for key in alike], np.int64)
        for lane in range(bars.lanes):
            for key, number in different.items():
                chosen = (bars.lane == lane) & (which == number)
                self._rectangles(axes, spans[chosen], (lane, lane + 1), **dict(key), zorder=2)
            self._seams(axes, spans[bars.lane == lane], lane)
        self._labels(axes, bars, spans, dark=dark)
        if not len(spans):
            self.note_in(axes, "no segment")
        base = area.y + area.height / 2 + 0.35 * SIZE * DPI / 72
        self.say(name, area.x - 0.8 * SIZE * DPI / 72, base, right=True)
        return axes

    def seconds(self, axes: Axes, y: float) -> None:
        """Write numbers of seconds below the lowest axes, and what they are at pixel `y`."""
        axes.tick_params(axis="x", bottom=True, labelbottom=True)
        axes.spines["bottom"].set_visible(True)
        area = self._layout.found
        self._figure.text(
            (area.x + area.width / 2) / self._size.width, 1 - y / self._size.height,
            "time in the video (s)", ha="center", va="baseline",
        )  # fmt: skip

    def classes(self, looks: Mapping[str | None, Look], names: Sequence[str], area: PixelArea, column_px: int) -> None:
        """Write what the colours of classes mean, in columns of one width."""
        columns = area.width // column_px
        for number, name in enumerate(names):
            row, column = divmod(number, columns)
            x, y = area.x + column * column_px, area.y + (row + 1) * KEY_ROW - 8
            self.key([(looks[name], name)], y, left=x, within=column_px)

    def _axes(self, area: PixelArea) -> Axes:
        width, height = self._size.width, self._size.height
        bottom = height - area.y - area.height
        axes = self._figure.add_axes((area.x / width, bottom / height, area.width / width, area.height / height))
        axes.set_xlim(self._layout.start_s, self._layout.end_s)
        ticks = self._layout.ticks
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.tick_params(axis="x", bottom=False, labelbottom=False)
        axes.spines["bottom"].set_visible(False)
        return axes

    def _visible(self, spans: Floats) -> Floats:
        """Return spans that are each at least one pixel wide: nothing is too short to be seen."""
        least = (self._layout.end_s - self._layout.start_s) / self._layout.found.width
        short = spans[:, 1] - spans[:, 0] < least
        # Beginning where a pixel begins.
        first = np.floor((spans[:, 0] - self._layout.start_s) / least) * least + self._layout.start_s
        first = np.minimum(first, self._layout.end_s - least)
        grown = np.stack([first, first + least], axis=1)
        return np.where(short[:, None], grown, spans)

    def _rectangles(self, axes: Axes, spans: Floats, height: tuple[float, float], **look: Any) -> None:  # noqa: ANN401
        from matplotlib.collections import PolyCollection

        (low, high), (left, right) = height, spans.T
        x = np.stack([left, left, right, right], axis=1)
        y = np.broadcast_to([low, high, high, low], x.shape)
        # Autoscaling is over: the limits are known.
        axes.add_collection(PolyCollection(list(np.stack([x, y], axis=2)), **{**FLAT, **look}), autolim=False)

    def _seams(self, axes: Axes, spans: Floats, lane: int) -> None:
        """Part neighbours that touch, where both are wide enough to keep their colour."""
        scale = self._layout.found.width / (self._layout.end_s - self._layout.start_s)
        wide = (spans[:, 1] - spans[:, 0]) * scale >= _SEAM_PX
        touch = (spans[1:, 0] - spans[:-1, 1]) * scale < 1
        at = spans[1:, 0][touch & wide[1:] & wide[:-1]]
        axes.vlines(at, lane, lane + 1, colors="white", linewidth=0.8, zorder=2.5)

    def _labels(self, axes: Axes, bars: Bars, spans: Floats, *, dark: bool) -> None:
        scale = self._layout.found.width / (self._layout.end_s - self._layout.start_s)
        for number, label in enumerate(bars.label):
            room = (spans[number, 1] - spans[number, 0]) * scale - 0.6 * SMALL * DPI / 72
            if label is None or room <= 0:
                continue
            text = self._drawable(label)
            if self._width(text, SMALL) <= room:
                axes.text(
                    spans[number].mean(), bars.lane[number] + 0.5, text, fontsize=SMALL, zorder=3,
                    ha="center", va="center_baseline", color=INK if dark else "white",
                )  # fmt: skip


_STATE_LOOKS: dict[str, dict[str, Any]] = {
    "gated": {"facecolor": GATED},
    "missing": {"facecolor": "white", "hatch": "//////", "edgecolor": RAW},
}
# Paul Tol's "light" set, on which dark text is read; more classes have the same colours with other patterns.
_CLASS_COLOURS = ("#77aadd", "#ee8866", "#eedd88", "#ffaabb", "#44bb99", "#bbcc33", "#99ddff", "#aaaa00")
_CLASS_PATTERNS = ("", "////", "....", "xxxx", "||||", "----")
# What GTEA and Breakfast call the time between actions stays in the background.
_QUIET = ("background", "SIL")


def class_looks(classes: Sequence[str]) -> dict[str | None, Look]:
    """Return how the segments of each class look, and those of none; from the 49th on, looks come again.

    Time between actions, as the data sets of the field name it, looks as what has no label.

    Examples
    --------
    >>> class_looks(["pour", "take"])["take"]
    {'facecolor': '#ee8866'}
    """
    looks: dict[str | None, Look] = {None: {"facecolor": TRUE}}
    looks |= {name: looks[None] for name in classes if name in _QUIET}
    for number, name in enumerate(name for name in classes if name not in _QUIET):
        turn, colour = divmod(number, len(_CLASS_COLOURS))
        pattern = _CLASS_PATTERNS[turn % len(_CLASS_PATTERNS)]
        hatched = {"hatch": pattern, "edgecolor": "white"} if pattern else {}
        looks[name] = {"facecolor": _CLASS_COLOURS[colour], **hatched}
    return looks


def reason_looks(bars: Bars) -> list[Look]:
    """Return how segments look that tell why they end."""
    return [{"facecolor": REASON_COLOURS[reason]} for reason in bars.reason]


def state_entries(curves: Sequence[Curve]) -> list[tuple[Mapping[str, Any], str]]:
    """Return a key to the states that are in any of the curves."""
    words = {"gated": "gated: no value", "missing": "missing: no value"}
    there = [word for word in words if any((one.state == ENERGY_STATES.index(word)).any() for one in curves)]
    return [(_STATE_LOOKS[word], words[word]) for word in there]


def reason_entries(bars: Bars) -> list[tuple[Mapping[str, Any], str]]:
    """Return a key to why the found segments end, with how many do."""
    count = Counter(bars.reason)
    return [
        ({"facecolor": REASON_COLOURS[reason]}, f"{reason.replace('_', ' ')} ({count[reason]})")
        for reason in END_REASONS
        if count[reason]
    ]
