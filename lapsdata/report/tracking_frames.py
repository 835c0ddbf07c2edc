"""What happens frame by frame in a sequence: matches, misses, false alarms, switches and overlap of each tracker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.metrics._words import plural
from lapsdata.report._sheet import FAINT, INK, SMALL
from lapsdata.report._tracking_axis import UNSCORED, centred, frame_axis, mark_unscored
from lapsdata.report._tracking_sheet import FN, FP, LEFT, TP, WIDTH, Page, TrackingSheet, cut_names, not_drawn
from lapsdata.report._tracking_time import columns_told, frame_columns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt
    from matplotlib.axes import Axes

    from lapsdata.metrics.tracking.matches import SequenceMatches
    from lapsdata.report._tracking_time import FrameColumns, MatchedSequence

    Image = npt.NDArray[np.uint8]

__all__ = ["draw_tracking_frames"]

_X, _ACROSS = 190, 1210
# Of a tracker: its name, boxes, switches, overlap, numbers of frames.
_NAME, _BOXES, _SWITCHES, _IOU, _APART, _AXIS = 44, 150, 40, 76, 14, 52
_BLOCK = _NAME + _BOXES + _SWITCHES + _IOU + 2 * _APART + _AXIS
_KEY = 40
_MOST_FACTS = 700


def draw_tracking_frames(
    sequence: MatchedSequence,
    label: str,
    names: Mapping[str, str],
    *,
    note: str | None = None,
    left: int = 0,
) -> Image:
    """Return a picture of one sequence over its frames, trackers one below the other.

    Where nobody annotated, there is a hatched gap; where nothing is matched, there is no overlap and no line.

    Parameters
    ----------
    sequence : MatchedSequence
    label : str
        Which class.
    names : mapping of str to str
        What the trackers that are drawn are called.
    note : str, optional
        A band at the top.
    left : int
        Trackers that are not drawn.

    Returns
    -------
    numpy.ndarray, shape (H, 1440, 3), uint8, RGB

    Examples
    --------
    >>> from lapsdata.metrics.tracking.matches import track_matches
    >>> from lapsdata.report._tracking_time import MatchedSequence
    >>> from lapsdata.testing.samples import sample_tracked
    >>> found = track_matches(*sample_tracked())["rally"]
    >>> draw_tracking_frames(MatchedSequence("rally", 4, 0, {"ours": found}), "player", {"ours": "ours"}).shape[1:]
    (1440, 3)
    """
    matches = {tracker: sequence.trackers[tracker][label] for tracker in names}
    frames = len(next(iter(matches.values())).series.frame)
    gap = sequence.length - frames
    facts = f"{label} in {plural(sequence.length, 'frame')}, the first is {sequence.first_number}; {frames} scored"
    facts += f", {gap} left out that nobody annotated" if gap else ""
    told = columns_told(sequence.length, "boxes are means over its scored frames, switches are summed")
    foot = [text for text in (told, *cut_names([*names.values()], _MOST_FACTS)) if text]
    foot += not_drawn(left)
    page = Page.of(f"{sequence.name}, frame by frame", facts, _KEY + _BLOCK * len(names), foot, note)
    with TrackingSheet(page) as sheet:
        _key(sheet, page.top + 14, gap=gap > 0)
        # One scale for all, so that trackers can be compared.
        columns = {tracker: frame_columns(one.series, sequence.length) for tracker, one in matches.items()}
        scale = _scale([*columns.values()])
        for number, (tracker, name) in enumerate(names.items()):
            y = page.top + _KEY + _BLOCK * number
            after = sheet.small(name, LEFT, y + 30, weight="bold", within=_MOST_FACTS)
            sheet.small(_facts(matches[tracker]), after + 24, y + 30, color=FAINT, within=WIDTH - after - 54)
            _block(sheet, sequence, columns[tracker], matches[tracker], y + _NAME, scale)
        return sheet.image()


def _scale(columns: Sequence[FrameColumns]) -> tuple[float, float, float]:
    """Return the most true and false boxes and switches of a column of any tracker, at least 1."""
    every = [(one.tp + one.fn, one.fp, one.idsw) for one in columns]
    most, false, switches = (
        max(float(np.nanmax(values, initial=1.0)) for values in each) for each in zip(*every, strict=True)
    )
    return most, false, switches


def _facts(matches: SequenceMatches) -> str:
    series = matches.series
    counts = {"TP": series.tp, "FN": series.fn, "FP": series.fp, "IDSW": series.idsw}
    told = [f"{name} {int(values.sum())}" for name, values in counts.items()]
    tp = int(series.tp.sum())
    return "  ".join([*told, f"mean IoU {series.iou_sum.sum() / tp:.3f}" if tp else "mean IoU undefined"])


def _key(sheet: TrackingSheet, y: float, *, gap: bool) -> None:
    entries = [
        ({"facecolor": TP}, "TP"),
        ({"facecolor": FN}, "FN, above: both are the true boxes"),
        ({"facecolor": FP}, "FP, below 0"),
        ({"facecolor": INK}, "IDSW"),
    ]
    sheet.key([*entries, *([(UNSCORED, "nobody annotated")] if gap else [])], y, left=LEFT - 12)


def _block(
    sheet: TrackingSheet,
    sequence: MatchedSequence,
    columns: FrameColumns,
    matches: SequenceMatches,
    y: int,
    scale: tuple[float, float, float],
) -> None:
    places = (("boxes", y, _BOXES), ("IDSW", y + _BOXES + _APART, _SWITCHES))
    boxes, switches = (_axes(sheet, name, top, high, sequence, matches) for name, top, high in places)
    iou = _axes(sheet, "mean IoU", y + _BOXES + _SWITCHES + 2 * _APART, _IOU, sequence, matches, named=True)
    edges = centred(columns.edges, sequence)
    most, false, changes = scale
    true = columns.tp + columns.fn
    flat: dict[str, Any] = {"fill": True, "linewidth": 0, "antialiased": False}
    boxes.stairs(true, edges, color=FN, **flat)
    boxes.stairs(columns.tp, edges, color=TP, **flat)
    boxes.stairs(-columns.fp, edges, color=FP, **flat)
    boxes.axhline(0, color=FAINT, linewidth=0.6)
    boxes.set_ylim(-1.08 * false, 1.08 * most)
    _whole(boxes, most + false)
    # A change is no wider than a frame, and is seen.
    at = np.flatnonzero(np.nan_to_num(columns.idsw) > 0)
    middle = (edges[at] + edges[at + 1]) / 2
    switches.vlines(middle, 0, columns.idsw[at], color=INK, linewidth=1.4)
    switches.set_ylim(0, 1.15 * changes)
    switches.set_yticks([0, changes], ["0", f"{changes:.0f}"])
    iou.stairs(columns.iou, edges, baseline=None, color=TP, linewidth=1.0)
    iou.set_ylim(0, 1.04)
    iou.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])
    if not np.isfinite(columns.iou).any():
        iou.text(0.5, 0.5, "undefined: nothing is matched", transform=iou.transAxes, ha="center", va="center",
                 color=FAINT, fontsize=SMALL, bbox={"facecolor": "white", "linewidth": 0, "pad": 2})  # fmt: skip


def _whole(axes: Axes, span: float) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.yaxis.set_major_locator(MaxNLocator(nbins=5 if span > 2 else 3, integer=True))
    # Below 0 are false boxes, of which there are so many and not fewer than none.
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{abs(value):g}"))


def _axes(
    sheet: TrackingSheet, name: str, y: int, high: int, sequence: MatchedSequence, matches: SequenceMatches,
    *, named: bool = False,
) -> Axes:  # fmt: skip
    axes = sheet.axes(_X, y, _ACROSS, high)
    frame_axis(axes, sequence, named=named)
    mark_unscored(axes, sequence, matches.series.frame)
    axes.tick_params(axis="y", labelsize=SMALL - 1)
    sheet.small(name, LEFT, y + high / 2 + 6, color=FAINT)
    return axes
