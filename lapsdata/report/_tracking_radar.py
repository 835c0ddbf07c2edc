"""A radar of one tracker: scores from 0 in the middle to 1 at the rim, beside those of chance."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from lapsdata.report._sheet import FAINT, HAIRLINE, SMALL
from lapsdata.report._tracking_numbers import score_of
from lapsdata.report._tracking_sheet import UNDEFINED

if TYPE_CHECKING:
    from lapsdata.report._tracking_numbers import Score
    from lapsdata.report._tracking_sheet import TrackingSheet
    from lapsdata.schema.tracking import TrackValues

__all__ = ["HIGH", "SPOKES", "radar", "radar_lines"]

SPOKES: tuple[Score, ...] = ("HOTA", "DetA", "AssA", "LocA", "IDF1", "precision", "recall", "mean IoU")
"""Scores that are never below 0; MOTA may be, and has no place on a radar."""
HIGH = 312
"""Pixels of a radar with its labels."""
_RADIUS, _LABEL = 100, 1.16


def radar_lines(one: TrackValues) -> tuple[list[float | None], list[tuple[int, int]]]:
    """Return the value of each spoke, None where it is undefined, and which neighbours a line joins.

    Examples
    --------
    >>> from lapsdata.metrics.tracking.evaluation import evaluate_tracking
    >>> from lapsdata.testing.samples import sample_tracked
    >>> truth, found = sample_tracked()
    >>> values, sides = radar_lines(evaluate_tracking(truth, {"ours": found}).rows[0].classes["player"])
    >>> values[1], len(sides)
    (0.75, 8)
    """
    values = [score_of(one, name) for name in SPOKES]
    pairs = [(i, (i + 1) % len(values)) for i in range(len(values))]
    return values, [(i, j) for i, j in pairs if values[i] is not None and values[j] is not None]


def radar(
    sheet: TrackingSheet, one: TrackValues, chance: TrackValues | None, place: tuple[float, float], colour: str
) -> None:
    """Draw a radar whose middle is at pixels (x, y)."""
    x, y = place
    axes = sheet.axes(x - _RADIUS, y - _RADIUS, 2 * _RADIUS, 2 * _RADIUS)
    axes.set_xlim(-1, 1)
    axes.set_ylim(-1, 1)
    axes.axis("off")
    from matplotlib.patches import Circle

    for rim in (0.5, 1.0):
        axes.add_patch(Circle((0, 0), rim, facecolor="none", edgecolor=HAIRLINE, linewidth=0.8, clip_on=False))
    for spoke in range(len(SPOKES)):
        axes.plot(*zip((0.0, 0.0), _at(spoke, 1.0), strict=True), color=HAIRLINE, linewidth=0.6)
    if chance is not None:
        _polygon(axes, chance, {"color": FAINT, "linewidth": 1.0, "linestyle": (0, (4, 2))}, filled=False)
    _polygon(axes, one, {"color": colour, "linewidth": 1.6}, filled=True)
    values, _ = radar_lines(one)
    for spoke, (name, value) in enumerate(zip(SPOKES, values, strict=True)):
        across, up = _at(spoke, _LABEL)
        side = "center" if abs(across) < 0.1 else "left" if across > 0 else "right"
        text = name if value is not None else f"{name}\n{UNDEFINED}"
        axes.text(across, up, text, ha=side, va="center", fontsize=SMALL, color=FAINT)


def _polygon(axes: Any, one: TrackValues, look: dict[str, Any], *, filled: bool) -> None:  # noqa: ANN401 - Axes
    values, sides = radar_lines(one)
    for i, j in sides:
        ends = _at(i, values[i] or 0.0), _at(j, values[j] or 0.0)
        axes.plot(*zip(*ends, strict=True), clip_on=False, **look)
    for i, value in enumerate(values):
        if filled and value is not None:
            axes.plot(*_at(i, value), marker="o", markersize=2.6, color=look["color"], clip_on=False)
    if filled and len(sides) == len(values):
        corners = [_at(i, value or 0.0) for i, value in enumerate(values)]
        axes.fill(*zip(*corners, strict=True), color=look["color"], alpha=0.14, linewidth=0)


def _at(spoke: int, radius: float) -> tuple[float, float]:
    angle = math.pi / 2 - 2 * math.pi * spoke / len(SPOKES)
    return radius * math.cos(angle), radius * math.sin(angle)
