"""HOTA and its parts over the 19 thresholds of overlap: a panel for each, a line for each tracker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lapsdata.metrics.tracking import ALPHAS
from lapsdata.report._sheet import FAINT, INK, SMALL
from lapsdata.report._tracking_numbers import drawn_rows, facts_of, score_of, values_of
from lapsdata.report._tracking_sheet import (
    LEFT,
    UNDEFINED,
    WIDTH,
    Page,
    TrackingSheet,
    colour_of,
    cut_names,
    dashes_of,
    not_drawn,
    told_number,
)

if TYPE_CHECKING:
    import numpy.typing as npt

    from lapsdata.schema.tracking import TrackingResult, TrackRow, TrackValues

    Image = npt.NDArray[np.uint8]
    Floats = npt.NDArray[np.float64]

__all__ = ["alpha_curves", "draw_tracking_alphas"]

_PARTS: tuple[Literal["HOTA", "DetA", "AssA"], ...] = ("HOTA", "DetA", "AssA")
_X, _ACROSS, _TALL, _APART = 110, 770, 330, 92
_KEY_X, _KEY_ROW, _SAMPLE = 930, 30, 60
_OTHERS: dict[str, Any] = {"color": "#8a929b", "linewidth": 1.0}
_CHANCE = (0, (4, 2))
_ORACLES = ((0, (1, 1.4)), (0, (6, 1.6, 1, 1.6)))


def alpha_curves(one: TrackValues) -> dict[str, Floats]:
    """Return HOTA, DetA and AssA at each threshold (19,); NaN where it is a mean, or a share, of nothing.

    Without a match there is nothing that could be associated: AssA is undefined, and HOTA is 0 as DetA is.

    Examples
    --------
    >>> from lapsdata.metrics.tracking.evaluation import evaluate_tracking
    >>> from lapsdata.testing.samples import sample_tracked
    >>> truth, found = sample_tracked()
    >>> curves = alpha_curves(evaluate_tracking(truth, {"ours": found}).rows[0].classes["player"])
    >>> curves["DetA"][[0, -1]].tolist()
    [0.75, 0.75]
    """
    curves: dict[str, Floats] = {name: np.array(one.by_alpha[name]) for name in _PARTS}
    curves["AssA"] = np.where(np.array(one.by_alpha["HOTA_TP"]) > 0, curves["AssA"], np.nan)
    if not one.counts["GT_Dets"] and not one.counts["Dets"]:
        curves = {name: np.full(len(ALPHAS), np.nan) for name in _PARTS}
    return curves


def draw_tracking_alphas(result: TrackingResult, label: str | None = None, *, note: str | None = None) -> Image:
    """Return a picture of HOTA over alpha; arguments and result are those of `draw_tracking_overview`.

    Beside the trackers are chance of the first one (dashed) and what is made of the truth (dotted, dash and dot).

    Examples
    --------
    >>> from lapsdata.metrics.tracking.evaluation import evaluate_tracking
    >>> from lapsdata.testing.samples import sample_tracked
    >>> truth, found = sample_tracked()
    >>> draw_tracking_alphas(evaluate_tracking(truth, {"ours": found})).shape[1:]
    (1440, 3)
    """
    rows = drawn_rows(result)
    room = WIDTH - LEFT - _KEY_X - _SAMPLE - 12
    lines: list[tuple[str, TrackRow, dict[str, Any]]] = [
        (name, row, {"color": colour_of(i), "linestyle": dashes_of(i), "linewidth": 1.8})
        for i, (name, row) in enumerate(zip(rows.labels, rows.trackers, strict=True))
    ]
    if rows.chance[0] is not None:
        lines.append((f"chance of {rows.labels[0]}", rows.chance[0], {**_OTHERS, "linestyle": _CHANCE}))
    lines += [
        (f"{row.name} (oracle)", row, {**_OTHERS, "linestyle": _ORACLES[i % len(_ORACLES)]})
        for i, row in enumerate(rows.oracles)
    ]
    foot = ["AssA is undefined, and not drawn, where no box is matched; in the key stand means over the 19 thresholds."]
    foot += cut_names([name for name, *_ in lines], room)
    foot += not_drawn(rows.left)
    body = max((_TALL + _APART) * len(_PARTS), 2 * _KEY_ROW * len(lines) + 20)
    page = Page.of("HOTA over the overlap of a match", facts_of(result, label), body, foot, note)
    with TrackingSheet(page) as sheet:
        _panels(sheet, page.top, [(alpha_curves(values_of(row, label)), look) for _, row, look in lines])
        for place, (name, row, look) in enumerate(lines):
            y = page.top + 30 + 2 * _KEY_ROW * place
            sheet.line(_KEY_X, y - 6, _SAMPLE - 10, **look)
            sheet.small(name, _KEY_X + _SAMPLE, y, within=room)
            sheet.small(_means(values_of(row, label)), _KEY_X + _SAMPLE, y + _KEY_ROW - 4, color=FAINT, within=room)
        return sheet.image()


def _means(one: TrackValues) -> str:
    means = {part: score_of(one, part) for part in _PARTS}
    if means["HOTA"] is None:
        return UNDEFINED
    return "  ".join(f"{part} {told_number(value)}" for part, value in means.items())


def _panels(sheet: TrackingSheet, top: int, lines: list[tuple[dict[str, Floats], dict[str, Any]]]) -> None:
    for number, part in enumerate(_PARTS):
        y = top + (_TALL + _APART) * number
        axes = sheet.axes(_X, y + 20, _ACROSS, _TALL)
        axes.set_xlim(0.0, 1.0)
        axes.set_ylim(0.0, 1.0)
        axes.set_xticks([k / 10 for k in range(11)])
        axes.set_yticks([k / 5 for k in range(6)])
        axes.grid(visible=True)
        axes.set_ylabel(part, color=INK, weight="bold")
        axes.set_xlabel("alpha: least overlap of a match", fontsize=SMALL, color=FAINT)
        # The first is judged first: its line lies above the others.
        for curves, look in reversed(lines):
            axes.plot(ALPHAS, curves[part], marker="o", markersize=2.2, clip_on=False, **look)
