"""Timelines on paper: the only place that knows matplotlib, kept apart from what a user's program does with it."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from lapsdata.containers.energies import ENERGY_STATES
from lapsdata.containers.segments import END_REASONS
from lapsdata.errors import shown
from lapsdata.report._timeline_data import LINEAR_DECADES, spans_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy.typing as npt
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from lapsdata.geometry import PixelArea
    from lapsdata.report._timeline_data import Axis, Bars, Curve, Rule
    from lapsdata.report._timeline_layout import TimelineLayout
    from lapsdata.schema import EndReason

    Floats = npt.NDArray[np.float64]
    Image = npt.NDArray[np.uint8]

__all__ = ["DPI", "Paper"]

DPI = 192
"""Pixels per inch: twice those of a web page, so that a timeline is sharp at half its width."""

INK, FAINT, HAIRLINE, GROUND = "#26303b", "#68737f", "#e3e6ea", "#f3f4f6"
"""Text and curves; what is said beside them; grids; the time that was looked at."""
RAW, LEVEL, GATED, TRUE = "#a9b2bc", "#b8475a", "#f0e4cd", "#c3cad3"
"""Values before smoothing; thresholds; time that a gate skipped; true segments."""
REASON_COLOURS: dict[EndReason, str] = {
    # Of Paul Tol's "bright" and "muted" sets, which differ for every eye.
    "threshold": "#4477aa",
    "max_duration": "#ddaa33",
    "end_of_stream": "#8f6bb1",
    "annotation": "#44aa99",
}
"""Found segments, by why they end."""

_SIZE, _SMALL = 8.0, 7.0
# Values that have less room each are drawn by a thinner line.
_DENSE_PX = 2
# A bar gets a light seam on its left where it is at least so wide.
_SEAM_PX = 5
_STYLE = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": _SIZE,
    # Names may hold dollars and underscores.
    "text.parse_math": False,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.labelsize": _SIZE,
    "grid.color": HAIRLINE,
    "grid.linewidth": 0.5,
    "hatch.linewidth": 0.5,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": _SMALL,
    "ytick.labelsize": _SMALL,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.solid_capstyle": "round",
    "lines.solid_joinstyle": "round",
    # Longer paths than Agg takes at once.
    "agg.path.chunksize": 20_000,
}
# The settings of matplotlib are the process's.
_ALONE = threading.Lock()


@contextlib.contextmanager
def _own_style() -> Iterator[None]:
    """Draw by matplotlib's defaults and ours, and leave the user's settings as they were."""
    import matplotlib

    # The choice of a window system is none of a style, and nothing here opens a window.
    style: dict[Any, Any] = {key: of for key, of in matplotlib.rcParamsDefault.items() if not key.startswith("backend")}
    style.update(_STYLE)
    with _ALONE, matplotlib.rc_context(style):
        yield


class Paper:
    """A sheet that one timeline is drawn on; as a context, in which alone it can be drawn on.

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
        self._layout = layout
        self._stack = contextlib.ExitStack()
        self._widths: dict[tuple[str, float, str], float] = {}

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            stack.enter_context(_own_style())
            from matplotlib.backends.backend_agg import FigureCanvasAgg
            from matplotlib.figure import Figure

            size = self._layout.size
            self._figure: Figure = Figure(figsize=(size.width / DPI, size.height / DPI), dpi=DPI, facecolor="white")
            # It publishes no types.
            self._canvas: Any = FigureCanvasAgg(self._figure)
            stack.callback(self._figure.clear)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def image(self) -> Image:
        """Return what is drawn: uint8 (H, W, 3) RGB."""
        self._canvas.draw()
        return np.array(self._canvas.buffer_rgba())[..., :3]

    def say(
        self,
        text: str,
        x: float,
        y: float,
        *,
        right: bool = False,
        within: float | None = None,
        **look: Any,  # noqa: ANN401
    ) -> float:
        """Write a line at pixel `x` (its left, or its right edge) and `y` (its baseline, from the top).

        Return its other edge.
        """
        size, weight = look.setdefault("fontsize", _SIZE), look.setdefault("weight", "normal")
        line = self._drawable(text)
        if within is not None:
            line = self._fitted(line, within, size, weight)
        width, height = self._layout.size.width, self._layout.size.height
        self._figure.text(x / width, 1 - y / height, line, ha="right" if right else "left", va="baseline", **look)
        wide = self._width(line, size, weight)
        return x - wide if right else x + wide

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
            0.6 * _SIZE * DPI / 72 / self._layout.size.width,
            1 - (area.y + area.height / 2) / self._layout.size.height,
        )
        label = "\n".join(line for line in (self._drawable(unit), axis.words) if line)
        self._figure.text(*place, label, rotation=90, ha="left", va="center", multialignment="center", fontsize=_SMALL)
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
        after = area.x + area.width + 0.4 * _SIZE * DPI / 72
        texts = [("threshold", rule.threshold, "-", "bottom"), ("off", rule.off, (0, (4, 2)), "top")]
        for name, level, dashes, va in texts:
            if level is None:
                continue
            axes.axhline(level, color=LEVEL, linewidth=0.7, linestyle=dashes, zorder=2.5)
            _, y = axes.transData.transform((0.0, level))
            place = (after / self._layout.size.width, float(y) / self._layout.size.height)
            self._figure.text(*place, f"{name} {level:.3g}", color=LEVEL, fontsize=_SMALL, va=va)

    def note(self, axes: Axes, text: str) -> None:
        """Write in the middle of axes that have nothing else to show."""
        axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=FAINT, fontsize=_SMALL)

    def strip(self, area: PixelArea, bars: Bars, name: str, colours: Mapping[EndReason, str] | None) -> Axes:
        """Draw segments as bars; by why they end, or all in the colour of the truth."""
        axes = self._axes(area)
        axes.set_ylim(bars.lanes, 0)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.patch.set_visible(False)
        looked_at = np.array([[bars.video.start_s, bars.video.end_s]])
        self._rectangles(axes, looked_at, (0.0, float(bars.lanes)), facecolor=GROUND, zorder=0.5)
        axes.grid(visible=True, axis="x")
        spans = self._visible(np.stack([bars.start_s, bars.end_s], axis=1))
        for lane in range(bars.lanes):
            for reason in END_REASONS:
                chosen = (bars.lane == lane) & np.array([one == reason for one in bars.reason], bool)
                colour = TRUE if colours is None else colours[reason]
                self._rectangles(axes, spans[chosen], (lane, lane + 1), facecolor=colour, zorder=2)
            self._seams(axes, spans[bars.lane == lane], lane)
        self._labels(axes, bars, spans, dark=colours is None)
        if not len(spans):
            self.note(axes, "no segment")
        base = area.y + area.height / 2 + 0.35 * _SIZE * DPI / 72
        self.say(name, area.x - 0.8 * _SIZE * DPI / 72, base, right=True)
        return axes

    def seconds(self, axes: Axes, y: float) -> None:
        """Write numbers of seconds below the lowest axes, and what they are at pixel `y`."""
        axes.tick_params(axis="x", bottom=True, labelbottom=True)
        axes.spines["bottom"].set_visible(True)
        area = self._layout.found
        self._figure.text(
            (area.x + area.width / 2) / self._layout.size.width, 1 - y / self._layout.size.height,
            "time in the video (s)", ha="center", va="baseline",
        )  # fmt: skip

    def key(
        self,
        entries: Sequence[tuple[Mapping[str, Any], str]],
        y: float,
        *,
        left: float | None = None,
        right: float | None = None,
    ) -> None:
        """Write what colours mean, from pixel `left` on or up to pixel `right`, its baseline at `y` from the top."""
        em = _SMALL * DPI / 72
        wide = [2.6 * em + self._width(text, _SMALL) for _, text in entries]
        x = (right or 0.0) - sum(wide) + 1.0 * em if left is None else left + 0.6 * em
        for (look, text), room in zip(entries, wide, strict=True):
            self._patch(round(x), round(y), em, look)
            self.say(text, x + 1.6 * em, y, fontsize=_SMALL, color=FAINT)
            x += room

    def _patch(self, x: int, y: int, em: float, look: Mapping[str, Any]) -> None:
        from matplotlib.patches import Rectangle

        width, height = self._layout.size.width, self._layout.size.height
        corner, marks = (x / width, 1 - (y + 1) / height), {**_FLAT, **look}
        self._figure.add_artist(Rectangle(corner, round(1.2 * em) / width, round(0.75 * em) / height, **marks))

    def _axes(self, area: PixelArea) -> Axes:
        width, height = self._layout.size.width, self._layout.size.height
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
        axes.add_collection(PolyCollection(list(np.stack([x, y], axis=2)), **{**_FLAT, **look}), autolim=False)

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
            room = (spans[number, 1] - spans[number, 0]) * scale - 0.6 * _SMALL * DPI / 72
            if label is None or room <= 0:
                continue
            text = self._drawable(label)
            if self._width(text, _SMALL) <= room:
                axes.text(
                    spans[number].mean(), bars.lane[number] + 0.5, text, fontsize=_SMALL, zorder=3,
                    ha="center", va="center_baseline", color=INK if dark else "white",
                )  # fmt: skip

    def _width(self, text: str, size: float, weight: str = "normal") -> float:
        """Return the width of a text in pixels."""
        told = text, size, weight
        if told not in self._widths:
            from matplotlib.font_manager import FontProperties

            font = FontProperties(size=size, weight=weight)
            wide, _, _ = self._canvas.get_renderer().get_text_width_height_descent(text, font, ismath=False)
            self._widths[told] = float(wide)
        return self._widths[told]

    def _fitted(self, text: str, within: float, size: float, weight: str) -> str:
        """Shorten a text in its middle, which of names tells least."""
        kept = len(text)
        line = text
        while kept > 2 and self._width(line, size, weight) > within:
            kept -= 1
            line = f"{text[: (kept + 1) // 2]}…{text[len(text) - kept // 2 :]}"
        return line

    @staticmethod
    def _drawable(text: str) -> str:
        """Return a text in one line, with a box for each sign that the font does not have."""
        from matplotlib.font_manager import FontProperties, findfont, get_font

        known = get_font(findfont(FontProperties())).get_charmap()
        return "".join(sign if ord(sign) in known else "□" for sign in shown(text))


# Edges on pixels, and nothing beside them.
_FLAT: dict[str, Any] = {"linewidth": 0, "antialiased": False}
_STATE_LOOKS: dict[str, dict[str, Any]] = {
    "gated": {"facecolor": GATED},
    "missing": {"facecolor": "white", "hatch": "//////", "edgecolor": RAW},
}


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
