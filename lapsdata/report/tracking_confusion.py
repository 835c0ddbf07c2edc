"""Matches, misses and false alarms of trackers, a square for each; what is neither true nor found is not counted."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from lapsdata.report._sheet import FAINT, INK, SMALL
from lapsdata.report._tracking_numbers import drawn_rows, facts_of, values_of
from lapsdata.report._tracking_sheet import FN, FP, LEFT, TP, UNDEFINED, Page, TrackingSheet, cut_names, not_drawn

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from lapsdata.schema.tracking import TrackingResult, TrackNumbers

    Image = npt.NDArray[np.uint8]

__all__ = ["Cell", "confusion_cells", "draw_tracking_confusion"]

_COLUMNS, _WIDE, _HIGH, _SIDE = 2, 690, 330, 190
_CELL_WIDE, _CELL_HIGH, _TOP = 232, 112, 70
_PALEST, _DEEPEST = 0.12, 0.55


class Cell(NamedTuple):
    """A count, and the share that it is of true or of predicted boxes; None of none."""

    name: str
    boxes: int
    share: float | None
    of: str


def confusion_cells(one: TrackNumbers) -> tuple[Cell, Cell, Cell]:
    """Return matches, misses and false alarms.

    Examples
    --------
    >>> from lapsdata.metrics.tracking.evaluation import evaluate_tracking
    >>> from lapsdata.testing.samples import sample_tracked
    >>> truth, found = sample_tracked()
    >>> [cell.share for cell in confusion_cells(evaluate_tracking(truth, {"ours": found}).rows[0].classes["player"])]
    [0.75, 0.25, 0.0]
    """
    tp, fn, fp = (one.counts[name] for name in ("CLR_TP", "CLR_FN", "CLR_FP"))
    true, found = tp + fn, tp + fp
    return (
        Cell("TP", tp, tp / true if true else None, "true"),
        Cell("FN", fn, fn / true if true else None, "true"),
        Cell("FP", fp, fp / found if found else None, "predicted"),
    )


def draw_tracking_confusion(result: TrackingResult, label: str | None = None, *, note: str | None = None) -> Image:
    """Return a picture of what was matched and what was not; arguments are those of `draw_tracking_overview`.

    Examples
    --------
    >>> from lapsdata.metrics.tracking.evaluation import evaluate_tracking
    >>> from lapsdata.testing.samples import sample_tracked
    >>> truth, found = sample_tracked()
    >>> draw_tracking_confusion(evaluate_tracking(truth, {"ours": found})).shape[1:]
    (1440, 3)
    """
    rows = drawn_rows(result)
    foot = ["A detector has no true negatives: where nothing is and nothing is found there is no box to count."]
    foot += cut_names(rows.labels, _WIDE - 40)
    foot += not_drawn(rows.left)
    body = _HIGH * math.ceil(len(rows.trackers) / _COLUMNS)
    page = Page.of("Detection: boxes found, missed and made up", facts_of(result, label), body, foot, note)
    with TrackingSheet(page) as sheet:
        for place, (name, row) in enumerate(zip(rows.labels, rows.trackers, strict=True)):
            at, column = divmod(place, _COLUMNS)
            _square(sheet, name, values_of(row, label), LEFT + _WIDE * column, page.top + _HIGH * at)
        return sheet.image()


def _square(sheet: TrackingSheet, name: str, one: TrackNumbers, x: int, y: int) -> None:
    sheet.small(name, x, y + 24, weight="bold", within=_WIDE - 40)
    left, top = x + _SIDE, y + _TOP
    for column, text in enumerate(("predicted", "not predicted")):
        sheet.small(text, left + _CELL_WIDE * column, top - 12, color=FAINT)
    for row, text in enumerate(("true box", "no true box")):
        sheet.small(text, left - 14, top + _CELL_HIGH * row + _CELL_HIGH / 2 + 6, right=True, color=FAINT)
    axes = sheet.axes(left, top, 2 * _CELL_WIDE, 2 * _CELL_HIGH)
    axes.set_xlim(0, 2)
    axes.set_ylim(2, 0)
    axes.axis("off")
    from matplotlib.patches import Rectangle

    for cell, corner, colour in zip(confusion_cells(one), ((0, 0), (1, 0), (0, 1)), (TP, FN, FP), strict=True):
        deep = _PALEST + (_DEEPEST - _PALEST) * (cell.share or 0.0)
        axes.add_patch(Rectangle(corner, 1, 1, facecolor=colour, alpha=deep, linewidth=0))
        place = left + _CELL_WIDE * corner[0] + 16, top + _CELL_HIGH * corner[1]
        sheet.say(f"{cell.name} {cell.boxes}", place[0], place[1] + 48, fontsize=11, weight="bold", color=INK)
        told = UNDEFINED if cell.share is None else f"{100 * cell.share:.1f} % of {cell.of}"
        sheet.small(told, place[0], place[1] + 86, within=_CELL_WIDE - 20)
    axes.add_patch(Rectangle((1, 1), 1, 1, facecolor="none", edgecolor="#c9ced4", hatch="////", linewidth=0))
    sheet.say(UNDEFINED, left + _CELL_WIDE + 16, top + _CELL_HIGH + 62, fontsize=SMALL, color=FAINT,
              bbox={"facecolor": "white", "linewidth": 0, "pad": 2})  # fmt: skip
