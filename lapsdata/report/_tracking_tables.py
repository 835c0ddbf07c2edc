"""Parts of a dashboard: a table of numbers, stacked counts of each tracker, and HOTA by sequence."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, NamedTuple

from lapsdata.report._sheet import FAINT, INK, SMALL
from lapsdata.report._tracking_numbers import score_of, values_of
from lapsdata.report._tracking_sheet import FN, FP, LEFT, TP, WIDTH, told_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lapsdata.report._tracking_numbers import DrawnRows, Score
    from lapsdata.report._tracking_sheet import TrackingSheet
    from lapsdata.schema.tracking import TrackingResult, TrackValues

__all__ = [
    "MOST_SEQUENCES", "NAME_PX", "NONE", "ROW", "SequenceTable", "count_bars", "draw_sequences", "draw_table",
    "drawn_sequences", "sequence_table",
]  # fmt: skip

MOST_SEQUENCES = 20
"""Of more sequences those are drawn in which the first tracker has the lowest HOTA."""
ROW, NAME_PX = 28, 300
"""Height of a row, and width of a name, in pixels."""
NONE = "-"
"""Stands for an undefined score where that word has no room."""

_SCORES: tuple[Score, ...] = ("HOTA", "DetA", "AssA", "MOTA", "IDF1", "precision", "recall")
_COUNTS = {"IDSW": 84, "Frag": 84, "MT": 64, "PT": 64, "ML": 64}
_WIDE, _ROOMY = 103, 72
_STACKS = (
    ("boxes", (("CLR_TP", "TP", TP), ("CLR_FN", "FN", FN), ("CLR_FP", "FP", FP))),
    ("true tracks", (("MT", "mostly tracked", TP), ("PT", "partly", "#a9c3dd"), ("ML", "mostly lost", FN))),
)


def draw_table(sheet: TrackingSheet, rows: DrawnRows, label: str | None, y: float) -> None:
    """Write scores and counts of each tracker, from pixel `y` on: a row of names and one of each."""
    ends = [LEFT + NAME_PX + _WIDE * (i + 1) for i in range(len(_SCORES))]
    ends += [ends[-1] + wide for wide in itertools.accumulate(_COUNTS.values())]
    for end, name in zip(ends, (*_SCORES, *_COUNTS), strict=True):
        sheet.small(name, end, y + 20, right=True, color=FAINT)
    for number, (name, row) in enumerate(zip(rows.labels, rows.trackers, strict=True), 1):
        base, one = y + ROW * number + 20, values_of(row, label)
        sheet.small(name, LEFT, base, within=NAME_PX - 12)
        told = [told_number(score_of(one, score)) for score in _SCORES]
        told += [str(one.counts[count]) for count in _COUNTS]  # type: ignore[index]
        for end, text in zip(ends, told, strict=True):
            sheet.small(text, end, base, right=True, within=_WIDE)


def count_bars(sheet: TrackingSheet, rows: DrawnRows, label: str | None, y: float) -> None:
    """Draw boxes and true tracks of each tracker as stacked bars, from pixel `y` on: a key, and a row of each."""
    from matplotlib.ticker import MaxNLocator

    across = 560
    for place, (title, parts) in enumerate(_STACKS):
        x = LEFT + 60 + 720 * place
        sheet.key([({"facecolor": colour}, name) for _, name, colour in parts], y + 20, left=x + 120)
        sheet.small(title, x - 60, y + 20, weight="bold")
        axes = sheet.axes(x, y + ROW + 6, across, ROW * len(rows.trackers))
        axes.set_ylim(len(rows.trackers), 0)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="x", labelsize=SMALL - 1)
        for number, row in enumerate(rows.trackers):
            counts, begin = values_of(row, label).counts, 0
            for key, _, colour in parts:
                count = counts[key]  # type: ignore[index]
                axes.barh(number + 0.5, count, 0.66, left=begin, color=colour, linewidth=0)
                begin += count
            if len(rows.trackers) > 1:
                sheet.small(str(number + 1), x - 14, y + ROW + 6 + ROW * number + 20, right=True)
        axes.set_xlim(0, max(1.0, axes.get_xlim()[1]))
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))


def drawn_sequences(result: TrackingResult, label: str) -> list[str]:
    """Return the sequences that are drawn, in the order of the truth.

    Examples
    --------
    >>> from lapsdata.metrics.tracking.evaluation import evaluate_tracking
    >>> from lapsdata.testing.samples import sample_tracked
    >>> truth, found = sample_tracked()
    >>> drawn_sequences(evaluate_tracking(truth, {"ours": found}), "player")
    ['rally']
    """
    every = result.trackers[0].sequences

    def worst(place: int) -> float:
        hota = score_of(every[place].classes[label], "HOTA")
        # What has no score is no worse than what has the best.
        return 1.0 if hota is None else hota

    kept = sorted(range(len(every)), key=worst)[:MOST_SEQUENCES]
    return [every[place].name for place in sorted(kept)]


class SequenceTable(NamedTuple):
    """HOTA of each tracker in each sequence that is drawn, and how many sequences are left."""

    names: list[str]
    hota: list[list[float | None]]
    left: int

    @property
    def labels(self) -> list[str]:
        """What the sequences are called: numbered, since names that are shortened may look alike."""
        return [f"s{number}  {name}" for number, name in enumerate(self.names, 1)]


def sequence_table(result: TrackingResult, rows: DrawnRows, label: str) -> SequenceTable:
    """Return the HOTA of trackers, a row for each sequence.

    Examples
    --------
    >>> from lapsdata.metrics.tracking.evaluation import evaluate_tracking
    >>> from lapsdata.report._tracking_numbers import drawn_rows
    >>> from lapsdata.testing.samples import sample_tracked
    >>> truth, found = sample_tracked()
    >>> result = evaluate_tracking(truth, {"ours": found})
    >>> sequence_table(result, drawn_rows(result), "player").names
    ['rally']
    """
    names = drawn_sequences(result, label)
    by_name: list[dict[str, TrackValues]] = [
        {one.name: one.classes[label] for one in row.sequences} for row in rows.trackers
    ]
    hota = [[score_of(one[name], "HOTA") for one in by_name] for name in names]
    return SequenceTable(names, hota, len(result.sequences) - len(names))


def draw_sequences(sheet: TrackingSheet, table: SequenceTable, labels: Sequence[str], y: float) -> None:
    """Draw HOTA by sequence and tracker, from pixel `y` on: a row of numbers of trackers, and one of each sequence."""
    from matplotlib.patches import Rectangle

    wide = min(110.0, (WIDTH - 2 * LEFT - NAME_PX) / len(labels))
    axes = sheet.axes(LEFT + NAME_PX, y + ROW, wide * len(labels), ROW * len(table.names))
    axes.set_xlim(0, len(labels))
    axes.set_ylim(len(table.names), 0)
    axes.axis("off")
    for column in range(len(labels)):
        text = str(column + 1) if len(labels) > 1 else "HOTA"
        sheet.small(text, LEFT + NAME_PX + wide * (column + 1) - 8, y + 20, right=True, color=FAINT)
    for row, (name, values) in enumerate(zip(table.labels, table.hota, strict=True)):
        base = y + ROW * (row + 1) + 20
        sheet.small(name, LEFT, base, within=NAME_PX - 12)
        for column, value in enumerate(values):
            look = {"facecolor": TP, "alpha": 0.7 * value} if value is not None else {"facecolor": "none"}
            axes.add_patch(Rectangle((column, row), 1, 1, linewidth=0, **look))
            # Beside many trackers there is room for two decimals.
            told = told_number(value) if wide >= _ROOMY else f"{value or 0.0:.2f}"
            text = NONE if value is None else told
            sheet.small(text, LEFT + NAME_PX + wide * (column + 1) - 8, base, right=True, color=INK)
