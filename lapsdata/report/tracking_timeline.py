"""Tracks of a sequence over its frames: true ones as rows, in the colours of the predicted identities on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lapsdata.metrics._words import plural
from lapsdata.report._sheet import FAINT, INK, SMALL
from lapsdata.report._tracking_axis import UNSCORED, centred, frame_axis, mark_unscored
from lapsdata.report._tracking_sheet import FP, LEFT, WIDTH, Page, TrackingSheet, cut_names, not_drawn
from lapsdata.report._tracking_time import columns_told, frame_columns, frames_per_column, longest_ids, track_rows
from lapsdata.report.box_colours import id_colours

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt
    from matplotlib.axes import Axes

    from lapsdata.metrics.tracking.matches import SequenceMatches
    from lapsdata.report._tracking_time import MatchedSequence, TrackRows

    Image = npt.NDArray[np.uint8]

__all__ = ["draw_tracking_timeline", "most_tracks"]

_X, _ACROSS = 150, 1050
_ROW, _FALSE, _NAME, _AXIS, _KEY = 24, 60, 72, 56, 40
# Rows on a page, shared by the trackers, and the fewest and most of one.
_ROWS, _FEWEST, _MOST = 160, 8, 40
# Of the height of a row, in twelfths: paper, colour; and the line of a true track that nothing covers.
_FINE, _COLOUR, _LINE = 12, slice(2, 11), slice(6, 7)
_PRESENT = (150, 158, 167)


def most_tracks(trackers: int) -> int:
    """Return how many true tracks are drawn of a sequence, for each of some trackers.

    Examples
    --------
    >>> most_tracks(1), most_tracks(9), most_tracks(18)
    (40, 17, 8)
    """
    return min(_MOST, max(_FEWEST, _ROWS // trackers))


def draw_tracking_timeline(
    sequence: MatchedSequence, label: str, names: Mapping[str, str], *, note: str | None = None, left: int = 0
) -> Image:
    """Return a picture of the true tracks of a sequence, and of what each tracker has put on them.

    A row is a true track: its colour is that of the predicted identity that it is matched with, as
    `lapsdata overlay` has it; a gray line is a true box that nothing covers, a black mark a switch. Of many tracks
    the longest are drawn. Arguments and result are those of `draw_tracking_frames`.

    Examples
    --------
    >>> from lapsdata.metrics.tracking.matches import track_matches
    >>> from lapsdata.report._tracking_time import MatchedSequence
    >>> from lapsdata.testing.samples import sample_tracked
    >>> found = track_matches(*sample_tracked())["rally"]
    >>> draw_tracking_timeline(MatchedSequence("rally", 4, 0, {"ours": found}), "player", {"ours": "ours"}).shape[1:]
    (1440, 3)
    """
    matches = {tracker: sequence.trackers[tracker][label] for tracker in names}
    first = next(iter(matches.values()))
    ids, more = longest_ids(first, most_tracks(len(names)))
    gap = sequence.length - len(first.series.frame)
    facts = f"{label} in {plural(sequence.length, 'frame')}, the first is {sequence.first_number}; "
    facts += f"the {len(ids)} longest of {len(ids) + more} true tracks" if more else plural(len(ids), "true track")
    foot = ["Colours come again after 20 identities; on the right: share of the true boxes that is covered, switches."]
    foot.append(columns_told(sequence.length, "it has the identity that is there in most of them"))
    foot += cut_names([*names.values()], WIDTH - 2 * LEFT)
    foot += not_drawn(left)
    block = _NAME + _ROW * max(1, len(ids)) + _FALSE + _AXIS
    page = Page.of(f"{sequence.name}, tracks", facts, _KEY + block * len(names), [text for text in foot if text], note)
    with TrackingSheet(page) as sheet:
        _key(sheet, page.top + 14, gap=gap > 0)
        for number, (tracker, name) in enumerate(names.items()):
            y = page.top + _KEY + block * number
            sheet.small(name, LEFT, y + 26, weight="bold", within=WIDTH - 2 * LEFT)
            sheet.small(_facts(matches[tracker], ids), LEFT, y + 54, color=FAINT, within=WIDTH - 2 * LEFT)
            _block(sheet, sequence, matches[tracker], ids, y + _NAME)
        return sheet.image()


def whole_percent(part: int, of: int) -> str:
    """Return a share in whole percent; 0 and 100 only where it is none and all.

    Examples
    --------
    >>> whole_percent(0, 300), whole_percent(1, 300), whole_percent(299, 300), whole_percent(300, 300)
    ('0 %', '1 %', '99 %', '100 %')
    """
    return f"{part * 100 // of if part in (0, of) else min(99, max(1, round(100 * part / of)))} %"


def _facts(matches: SequenceMatches, drawn: npt.NDArray[np.int64]) -> str:
    """Tell what holds of all tracks, drawn or not, and the identities that are on no true one."""
    count, hit = len(matches.id), matches.found >= 0
    said = []
    if count:
        said.append(f"{100 * hit.mean():.1f} % of {plural(count, 'true box', 'true boxes')} covered")
    said.append(plural(int(matches.switched.sum()), "switch", "switches"))
    others = int(matches.switched[~np.isin(matches.id, drawn)].sum())
    if others:
        said[-1] += f" ({others} not drawn)"
    never = np.setdiff1d(matches.false_id, matches.found)
    on_none = int(np.isin(matches.false_id, never).sum())
    said.append(f"{plural(len(matches.false_id), 'false box', 'false boxes')}")
    if len(never):
        said[-1] += f" ({on_none} by {plural(len(never), 'identity', 'identities')} that match nothing)"
    return "; ".join(said)


def _key(sheet: TrackingSheet, y: float, *, gap: bool) -> None:
    entries = [
        ({"facecolor": "#" + "".join(f"{part:02x}" for part in _PRESENT)}, "gray line: true box, not covered"),
        ({"facecolor": INK}, "another identity takes over"),
        ({"facecolor": FP}, "false boxes"),
    ]
    after = sheet.small("colour: predicted identity", LEFT, y, color=FAINT)
    sheet.key([*entries, *([(UNSCORED, "nobody annotated")] if gap else [])], y, left=after + 6)


def _block(
    sheet: TrackingSheet, sequence: MatchedSequence, matches: SequenceMatches, ids: npt.NDArray[np.int64], y: int
) -> None:
    rows = track_rows(matches, ids, sequence.length)
    high = _ROW * max(1, len(ids))
    axes = sheet.axes(_X, y, _ACROSS, high)
    axes.spines["left"].set_visible(False)
    frame_axis(axes, sequence, named=False)
    axes.set_ylim(max(1, len(ids)), 0)
    axes.set_yticks([])
    mark_unscored(axes, sequence, matches.series.frame)
    if len(ids):
        _paint(axes, sequence, rows)
    else:
        sheet.small("no true track", LEFT, y + 18, color=FAINT)
    for place, number in enumerate(ids.tolist()):
        base = y + _ROW * place + 18
        sheet.small(f"id {number}", _X - 12, base, right=True, within=_X - 24)
        share = whole_percent(int(rows.covered[place]), int(rows.boxes[place]))
        sheet.small(share, _X + _ACROSS + 70, base, right=True, color=FAINT)
        switches = int(rows.switches[place])
        if switches:
            sheet.small(
                plural(switches, "switch", "switches"), _X + _ACROSS + 82, base, within=WIDTH - _X - _ACROSS - 92
            )
    _false(sheet, sequence, matches, y + high + 8)


def _paint(axes: Axes, sequence: MatchedSequence, rows: TrackRows) -> None:
    colours = id_colours(rows.found.ravel()).reshape(*rows.found.shape, 3)
    count, columns = rows.found.shape
    # RGBA: where there is no true box, nothing is painted.
    fine = np.zeros((count, _FINE, columns, 4), np.uint8)
    fine[:, _LINE][rows.there[:, np.newaxis]] = (*_PRESENT, 255)
    covered = np.concatenate([colours, np.full((count, columns, 1), 255, np.uint8)], axis=-1)
    hit = (rows.found >= 0)[:, np.newaxis, :, np.newaxis]
    fine[:, _COLOUR] = np.where(hit, covered[:, np.newaxis], fine[:, _COLOUR])
    edges = centred(rows.edges, sequence)
    axes.imshow(
        fine.reshape(count * _FINE, columns, 4), interpolation="nearest", aspect="auto", resample=False,
        extent=(edges[0], edges[0] + columns * (rows.edges[1] - rows.edges[0]), count, 0), zorder=2,
    )  # fmt: skip
    frame_axis(axes, sequence, named=False)
    if len(rows.switched):
        row, frame = rows.switched.T
        begin = frame + sequence.first_number - 0.5
        # Where a column is several frames, marks would hide the colours.
        fine_marks = frames_per_column(sequence.length) > 1
        low, wide = (0.4, 0.5) if fine_marks else (0.94, 1.2)
        axes.vlines(begin, row + 0.06, row + low, color=INK, linewidth=wide, zorder=3)


def _false(sheet: TrackingSheet, sequence: MatchedSequence, matches: SequenceMatches, y: int) -> None:
    columns = frame_columns(matches.series, sequence.length)
    axes = sheet.axes(_X, y, _ACROSS, _FALSE - 20)
    frame_axis(axes, sequence, named=True)
    mark_unscored(axes, sequence, matches.series.frame)
    most = max(1.0, float(np.nanmax(columns.fp, initial=0.0)))
    axes.stairs(columns.fp, centred(columns.edges, sequence), color=FP, fill=True, linewidth=0, antialiased=False)
    axes.set_ylim(0, most)
    axes.set_yticks([0, most], ["0", f"{most:.3g}"], fontsize=SMALL - 1)
    sheet.small("false", LEFT, y + 26, color=FAINT)
