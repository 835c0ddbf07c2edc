"""Scores and losses of trackers as bars: a panel for each, trackers as its rows, beside chance and oracles."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from lapsdata.report._sheet import FAINT, INK, SMALL
from lapsdata.report._tracking_numbers import LOSSES, SCORES, drawn_rows, facts_of, loss_of, score_of, values_of
from lapsdata.report._tracking_sheet import (
    CHANCE,
    LEFT,
    ORACLE,
    Page,
    TrackingSheet,
    colour_of,
    cut_names,
    not_drawn,
    told_number,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt

    from lapsdata.schema.tracking import TrackingResult, TrackRow

    Image = npt.NDArray[np.uint8]
    Values = tuple[float | None, ...]

__all__ = ["BarPanel", "draw_tracking_losses", "draw_tracking_overview", "loss_panels", "score_panels"]

_COLUMNS, _ROW, _HEAD, _AXIS = 3, 28, 40, 44
_NAMES, _PANEL = 210, 390
# Of a panel: its bars, the ends of both columns of numbers.
_BARS, _VALUE, _CHANCE_END = 172, 252, 352
_KEY = 34
_COUNTS = ("IDSW", "Frag")
# Oracles may have so many switches that no bar of a tracker would be seen beside theirs.
_OPEN = (*_COUNTS, "tracking")
_BY_RULE, _BEYOND = "*", "»"
_BEYOND_SAID = f"{_BEYOND} goes on beyond its axis, which is that of the trackers."


class BarPanel(NamedTuple):
    """One score: of each tracker, of chance beside each, and of the oracles; the ends of its axis.

    Bars of oracles may go on beyond it, and are marked. `by_rule` says which of the trackers' numbers hold a part that
    is a share of nothing, set by a rule.
    """

    title: str
    values: Values
    chance: Values
    oracles: Values
    low: float
    high: float
    by_rule: tuple[bool, ...]

    @property
    def ticks(self) -> list[float]:
        """Where the axis has numbers: its ends, and what lies between where there is room."""
        if self.low < 0:
            return [self.low, 0.0] if self.low < -3 * self.high else [self.low, 0.0, self.high]
        halved = self.high / 2
        return [0.0, self.high] if self.title in _COUNTS and halved % 1 else [0.0, halved, self.high]


def _panel(title: str, found: Sequence[tuple[Values, tuple[bool, ...]]], high: float) -> BarPanel:
    (values, by_rule), (chance, _), (oracles, _) = found
    there = [value for value in (*values, *chance, *oracles) if value is not None]
    if title in _OPEN:
        most = max((value for value in (*values, *chance) if value is not None), default=0.0)
        return BarPanel(title, values, chance, oracles, 0.0, nice_end(most, whole=title in _COUNTS), by_rule)
    high = max(high, *(float(math.ceil(value)) for value in (0.0, *there)))
    return BarPanel(title, values, chance, oracles, math.floor(2 * min([0.0, *there])) / 2, high, by_rule)


def nice_end(most: float, *, whole: bool) -> float:
    """Return where an axis from 0 ends that has room for a value: 1, 2 or 5 with zeros.

    Examples
    --------
    >>> nice_end(0.025, whole=False), nice_end(1274, whole=True), nice_end(0, whole=True)
    (0.05, 2000.0, 2.0)
    """
    least = 2.0 if whole else 0.01
    power = 10.0 ** math.floor(math.log10(max(most, least)))
    # Of a power that is no binary fraction, a multiple is rounded to the number that is meant.
    ends = (float(f"{step * power:.1g}") for step in (1, 2, 5, 10))
    return next(end for end in ends if end >= max(most, least))


def score_panels(result: TrackingResult, label: str | None) -> list[BarPanel]:
    """Return the panels of an overview: scores from 0 to 1 (MOTA from below 0 where it is), switches and fragments.

    Examples
    --------
    >>> from lapsdata.metrics.tracking.evaluation import evaluate_tracking
    >>> from lapsdata.testing.samples import sample_tracked
    >>> truth, found = sample_tracked()
    >>> mota = score_panels(evaluate_tracking(truth, {"ours": found}), None)[4]
    >>> mota.title, mota.values, mota.chance, mota.oracles, mota.low
    ('MOTA', (0.5,), (-0.75,), (0.0, 0.25), -1.0)
    """
    rows = drawn_rows(result)

    def values(of: Sequence[TrackRow | None], name: str) -> tuple[Values, tuple[bool, ...]]:
        every = [None if row is None else values_of(row, label) for row in of]
        if name in _COUNTS:
            found = tuple(None if one is None else float(one.counts[name]) for one in every)  # type: ignore[index]
        else:
            found = tuple(None if one is None else score_of(one, name) for one in every)  # type: ignore[arg-type]
        return found, (False,) * len(found)

    return [_panel(name, [values(of, name) for of in rows[:3]], 1.0) for name in (*SCORES, *_COUNTS)]


def loss_panels(result: TrackingResult, label: str | None) -> list[BarPanel]:
    """Return the panels of losses, 0 is best.

    Examples
    --------
    >>> from lapsdata.metrics.tracking.evaluation import evaluate_tracking
    >>> from lapsdata.testing.samples import sample_tracked
    >>> truth, found = sample_tracked()
    >>> [panel.values[0] for panel in loss_panels(evaluate_tracking(truth, {"ours": found}), None)][:4]
    [0.25, 0.0, 0.25, 0.5]
    """
    rows = drawn_rows(result)

    def values(of: Sequence[TrackRow | None], name: str) -> tuple[Values, tuple[bool, ...]]:
        every = [(None, False) if row is None else loss_of(values_of(row, label), name) for row in of]  # type: ignore[arg-type]
        return tuple(value for value, _ in every), tuple(by_rule for _, by_rule in every)

    most = {"detection": 2.0}
    return [_panel(name, [values(of, name) for of in rows[:3]], most.get(name, 1.0)) for name in LOSSES]


def draw_tracking_overview(result: TrackingResult, label: str | None = None, *, note: str | None = None) -> Image:
    """Return a picture of all scores of all trackers, beside chance and what is made of the truth.

    Parameters
    ----------
    result : TrackingResult
    label : str, optional
        Of this class; by default of all classes, each box of the same weight.
    note : str, optional
        What nobody who sees the picture may overlook, such as that its data are synthetic: a band at the top.

    Returns
    -------
    numpy.ndarray, shape (H, 1440, 3), uint8, RGB
        At 192 pixels per inch; equal for equal arguments.

    Examples
    --------
    >>> from lapsdata.metrics.tracking.evaluation import evaluate_tracking
    >>> from lapsdata.testing.samples import sample_tracked
    >>> truth, found = sample_tracked()
    >>> draw_tracking_overview(evaluate_tracking(truth, {"ours": found})).shape[1:]
    (1440, 3)
    """
    said = (
        "Scores reach from 0 to 1, and MOTA from below 0; 1 is best. MOTP is as the rules have it. IDSW and Frag count."
    )
    return _draw(result, label, note, "Tracking scores", score_panels(result, label), said)


def draw_tracking_losses(result: TrackingResult, label: str | None = None, *, note: str | None = None) -> Image:
    """Return a picture of all losses of all trackers; arguments and result as `draw_tracking_overview`.

    Examples
    --------
    >>> from lapsdata.metrics.tracking.evaluation import evaluate_tracking
    >>> from lapsdata.testing.samples import sample_tracked
    >>> truth, found = sample_tracked()
    >>> draw_tracking_losses(evaluate_tracking(truth, {"ours": found})).shape[1:]
    (1440, 3)
    """
    panels = loss_panels(result, label)
    said = f"0 is best. {'; '.join(f'{name}: {made}' for name, made in LOSSES.items())}."
    if any(any(panel.by_rule) for panel in panels):
        said += f" {_BY_RULE} holds a part that a rule sets to 1: the precision, or the overlap, of nothing."
    return _draw(result, label, note, "Tracking losses", panels, said)


def _draw(
    result: TrackingResult, label: str | None, note: str | None, title: str, panels: list[BarPanel], said: str
) -> Image:
    rows = drawn_rows(result)
    names = [*rows.labels, *(row.name for row in rows.oracles)]
    high = _HEAD + _ROW * len(names) + _AXIS
    foot = [said, *([_BEYOND_SAID] if any(map(_beyond, panels)) else []), *cut_names(names, _NAMES - 14)]
    foot += not_drawn(rows.left)
    page = Page.of(title, facts_of(result, label), _KEY + high * math.ceil(len(panels) / _COLUMNS), foot, note)
    with TrackingSheet(page) as sheet:
        _key(sheet, page.top + 14, oracles=bool(rows.oracles))
        for place, panel in enumerate(panels):
            row, column = divmod(place, _COLUMNS)
            y = page.top + _KEY + high * row
            if not column:
                for number, name in enumerate(names):
                    base = y + _HEAD + _ROW * number + 20
                    sheet.small(name, LEFT, base, within=_NAMES - 14, color=INK if number < len(rows.labels) else FAINT)
            _bars(sheet, panel, LEFT + _NAMES + _PANEL * column, y)
        return sheet.image()


def _beyond(panel: BarPanel) -> bool:
    return any(value is not None and value > panel.high for value in panel.oracles)


def _key(sheet: TrackingSheet, y: float, *, oracles: bool) -> None:
    said = "bar and first number: the tracker; mark and second number: its own boxes half of the frames later (chance)"
    after = sheet.small(said, LEFT, y, color=FAINT)
    if oracles:
        sheet.key([({"facecolor": ORACLE}, "made of the truth (oracle)")], y, left=after + 10)


def _bars(sheet: TrackingSheet, panel: BarPanel, x: float, y: float) -> None:
    count = len(panel.values) + len(panel.oracles)
    sheet.small(panel.title, x, y + 28, weight="bold", within=_CHANCE_END)
    axes = sheet.axes(x, y + _HEAD, _BARS, _ROW * count)
    axes.set_xlim(panel.low, panel.high)
    axes.set_ylim(count, 0)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_xticks(panel.ticks, [f"{tick:g}" for tick in panel.ticks], fontsize=SMALL - 1)
    axes.grid(visible=True, axis="x")
    axes.axvline(0, color=FAINT, linewidth=0.6)
    for row, value in enumerate((*panel.values, *panel.oracles)):
        ours = row < len(panel.values)
        if value is not None:
            axes.barh(row + 0.5, min(value, panel.high), 0.62, color=colour_of(row) if ours else ORACLE, linewidth=0)
        base = y + _HEAD + _ROW * row + 20
        mark = _BY_RULE if ours and panel.by_rule[row] else ""
        colour = FAINT if value is None or not ours else INK
        before = f"{_BEYOND} " if value is not None and value > panel.high else ""
        sheet.small(before + _told(panel, value) + mark, x + _VALUE, base, right=True, color=colour)
        if ours:
            chance = panel.chance[row]
            if chance is not None:
                axes.plot([chance] * 2, [row + 0.08, row + 0.92], color=CHANCE, linewidth=1.6, clip_on=False,
                          solid_capstyle="butt")  # fmt: skip
            sheet.small(_told(panel, chance), x + _CHANCE_END, base, right=True, color=FAINT)


def _told(panel: BarPanel, value: float | None) -> str:
    return f"{value:.0f}" if value is not None and panel.title in _COUNTS else told_number(value)
