"""All of a tracking result on one page: numbers, radars, counts, sequences, and what is to be doubted."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lapsdata.metrics.tracking.doubts import tracking_doubts
from lapsdata.report._sheet import FAINT, LEVEL, SMALL, wrapped
from lapsdata.report._tracking_numbers import drawn_rows, facts_of, values_of
from lapsdata.report._tracking_radar import HIGH, radar
from lapsdata.report._tracking_sheet import LEFT, WIDTH, Page, TrackingSheet, colour_of, cut_names, not_drawn
from lapsdata.report._tracking_tables import (
    NAME_PX,
    NONE,
    ROW,
    count_bars,
    draw_sequences,
    draw_table,
    sequence_table,
)

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from lapsdata.report._tracking_numbers import DrawnRows
    from lapsdata.schema.tracking import TrackingResult

    Image = npt.NDArray[np.uint8]

__all__ = ["draw_tracking_dashboard"]

_RADARS, _RADAR_WIDE, _MIDDLE = 3, 460, 166
_APART, _MOST_DOUBTS = 30, 8


def draw_tracking_dashboard(result: TrackingResult, label: str | None = None, *, note: str | None = None) -> Image:
    """Return a picture with all that matters of a result; arguments and result as `draw_tracking_overview`.

    Examples
    --------
    >>> from lapsdata.metrics.tracking.evaluation import evaluate_tracking
    >>> from lapsdata.testing.samples import sample_tracked
    >>> truth, found = sample_tracked()
    >>> draw_tracking_dashboard(evaluate_tracking(truth, {"ours": found})).shape[1:]
    (1440, 3)
    """
    rows = drawn_rows(result)
    classes = result.rules.classes
    of_class = label or (classes[0] if len(classes) == 1 else None)
    # Of all classes together, a record has no scores of a sequence.
    table = None if of_class is None or len(result.sequences) == 1 else sequence_table(result, rows, of_class)
    doubts = _doubts(result)
    count = len(rows.trackers)
    heights = [
        ROW * (count + 1),
        HIGH * math.ceil(count / _RADARS),
        ROW * (count + 1) + 50,
        ROW * (len(table.names) + 2) if table else 0,
        ROW * (len(doubts) + 1) if doubts else 0,
    ]
    tops = [sum(heights[:i]) + _APART * sum(1 for high in heights[:i] if high) for i in range(len(heights) + 1)]
    foot = ["Radars: from 0 in the middle to 1 at the rim, dashed: its own boxes half of the frames later (chance)."]
    cut = cut_names([*rows.labels, *(table.labels if table else [])], NAME_PX - 12)
    left = not_drawn(rows.left)
    if of_class is None and len(result.sequences) > 1:
        foot.append("HOTA by sequence stands on the page of each class.")
    if table:
        foot.append(f"Sequences: from white for a HOTA of 0 to blue for 1; {NONE} is undefined, no box on either side.")
    if table:
        left += not_drawn(table.left, "sequence", ": of the first tracker, their HOTA is higher")
    page = Page.of("Tracking at a glance", facts_of(result, label), tops[-1], [*foot, *left, *cut], note)
    with TrackingSheet(page) as sheet:
        at = [page.top + top for top in tops]
        draw_table(sheet, rows, label, at[0])
        _radars(sheet, rows, label, at[1])
        count_bars(sheet, rows, label, at[2])
        if table:
            sheet.small("HOTA by sequence", LEFT, at[3] + 20, weight="bold")
            draw_sequences(sheet, table, rows.labels, at[3] + ROW)
        if doubts:
            sheet.small("to be doubted", LEFT, at[4] + 20, weight="bold", color=LEVEL)
            for number, line in enumerate(doubts, 1):
                sheet.small(line, LEFT, at[4] + ROW * number + 20, within=WIDTH - 2 * LEFT)
        return sheet.image()


def _radars(sheet: TrackingSheet, rows: DrawnRows, label: str | None, y: float) -> None:
    for number, (name, row, chance) in enumerate(zip(rows.labels, rows.trackers, rows.chance, strict=True)):
        line, column = divmod(number, _RADARS)
        x, top = LEFT + _RADAR_WIDE * column, y + HIGH * line
        sheet.small(name, x, top + 20, within=_RADAR_WIDE - 30, weight="bold", color=FAINT)
        beside = None if chance is None else values_of(chance, label)
        radar(sheet, values_of(row, label), beside, (x + _RADAR_WIDE / 2 - 10, top + _MIDDLE), colour_of(number))


def _doubts(result: TrackingResult) -> list[str]:
    """Return what is to be doubted as lines that have room; of many the first."""
    every = [f"{one.where}: {one.message}" for one in tracking_doubts(result)]
    told = every[:_MOST_DOUBTS]
    if len(every) > len(told):
        told.append(f"and {len(every) - len(told)} more, which the command tells")
    return [line for text in told for line in wrapped(text, WIDTH - 2 * LEFT, SMALL)]
