"""Timelines: what was measured in a video, and what was found in it, over its time.

One panel for each energies, the segmented one with the thresholds of its segmenter; below them the found segments, by
why they end, the true ones where there is a truth, and beside these chance: as many cuts as were found, evenly spread.
All share one axis, in seconds of the video's own time. A class has one colour in all videos of a truth.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.report._sheet import FAINT, INK, SMALL, note_lines, note_px, png_bytes
from lapsdata.report._timeline_data import axis_for
from lapsdata.report._timeline_layout import LEAST_PX, LONGEST_PX, TimelineLayout, gather, lay_out

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from lapsdata.containers import Energies, Segments
    from lapsdata.geometry import PixelArea
    from lapsdata.report._timeline_data import Bars
    from lapsdata.report._timeline_ink import Paper
    from lapsdata.report._timeline_layout import Content

__all__ = ["LEAST_PX", "LONGEST_PX", "TimelineLayout", "draw_timeline", "timeline_layout", "timeline_png"]

_UNITS = {"velocity": "pixel/s", "prequant": "latent length", "quantized": "latent length"}
# How far above a part the baseline of its line is.
_SAID_PX = 12
# How far below the lowest strip the baselines of its axis and of what chance is are.
_SECONDS_PX, _CHANCE_PX = 58, 88
_CHANCE = "chance: as many cuts as were found, evenly spread, without a look at the video"
# Behind so much text, the key to why segments end has room.
_TOOL_PX = 480


def draw_timeline(
    video: str,
    segments: Segments,
    energies: Sequence[Energies],
    truth: Segments | None = None,
    *,
    longest_px: int = LONGEST_PX,
    note: str | None = None,
) -> npt.NDArray[np.uint8]:
    """Return a picture of what was measured and found in one video.

    Time of which no value speaks is marked where a gate skipped it and hatched where it is missing; no curve is drawn
    there. Segments that overlap lie below one another. Where the energies were smoothed before they were segmented,
    the raw ones are drawn behind, paler. Settings of matplotlib neither matter nor change.

    Parameters
    ----------
    video : str
        One that the segments list.
    segments : Segments
    energies : sequence of Energies
        First the segmented one; thresholds are drawn there.
    truth : Segments, optional
        May be without this video.
    longest_px : int, pixel
        The picture grows with the length of the video up to this width; at least 1440.
    note : str, optional
        What nobody who sees the picture may overlook, such as that its data are synthetic: a band at the top.

    Returns
    -------
    numpy.ndarray, shape (H, W, 3), uint8, RGB
        At 192 pixels per inch; equal for equal arguments.

    Raises
    ------
    SchemaError
        The segments, or one of the energies, do not list this video; `longest_px` is too small.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_energies, sample_segments
    >>> draw_timeline("clip_0", sample_segments(), [sample_energies()]).shape[1:]
    (1440, 3)
    """
    from lapsdata.report._timeline_ink import Paper

    content = gather(video, segments, energies, truth, longest_px, note)
    layout = lay_out(content, longest_px)
    with Paper(layout) as paper:
        _draw(paper, layout, content)
        return paper.image()


def timeline_png(
    video: str,
    segments: Segments,
    energies: Sequence[Energies],
    truth: Segments | None = None,
    *,
    longest_px: int = LONGEST_PX,
    note: str | None = None,
) -> bytes:
    """Return `draw_timeline` as the bytes of a PNG file, equal for equal arguments.

    Raises
    ------
    SchemaError
        As `draw_timeline`.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_segments
    >>> timeline_png("clip_0", sample_segments(), [])[1:4]
    b'PNG'
    """
    return png_bytes(draw_timeline(video, segments, energies, truth, longest_px=longest_px, note=note))


def timeline_layout(
    video: str,
    segments: Segments,
    energies: Sequence[Energies],
    truth: Segments | None = None,
    *,
    longest_px: int = LONGEST_PX,
    note: str | None = None,
) -> TimelineLayout:
    """Return where everything of a timeline stands; the arguments are those of `draw_timeline`.

    Raises
    ------
    SchemaError
        As `draw_timeline`.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_segments
    >>> timeline_layout("clip_0", sample_segments(), []).end_s
    4.0
    """
    return lay_out(gather(video, segments, energies, truth, longest_px, note), longest_px)


def _draw(paper: Paper, layout: TimelineLayout, content: Content) -> None:
    from lapsdata.report._timeline_ink import reason_entries, state_entries

    area = layout.found
    said = note_lines(content.note, layout.size.width)
    paper.note(said)
    top = note_px(said)
    name = content.found.video.name
    paper.say(name, area.x, top + 34, within=layout.size.width - area.x - 20, fontsize=10, weight="bold")
    paper.say(_facts(content), area.x, top + 62, color=FAINT)
    paper.key(state_entries([raw for raw, _ in content.curves]), top + 62, right=area.x + area.width)
    for number, panel in enumerate(layout.panels):
        _draw_panel(paper, panel, content, number)
    reasons = () if content.found_by_class else reason_entries(content.found)
    coloured = ", coloured by label" if content.found_by_class else ", ended by" if reasons else ""
    after = paper.say(
        f"segments by {content.tool}{coloured}", area.x, area.y - _SAID_PX, within=_TOOL_PX, color=FAINT, fontsize=SMALL
    )
    paper.key(reasons, area.y - _SAID_PX, left=after)
    _draw_strips(paper, layout, content)


def _draw_strips(paper: Paper, layout: TimelineLayout, content: Content) -> None:
    from lapsdata.report._timeline_ink import CHANCE, class_looks, reason_looks

    of_class = class_looks(content.classes)

    def by_class(bars: Bars) -> list[Mapping[str, Any]]:
        return [of_class[label] for label in bars.label]

    found = content.found
    looks = by_class(found) if content.found_by_class else reason_looks(found)
    lowest = paper.strip(layout.found, found, "found", looks, dark=content.found_by_class)
    if layout.truth is not None and content.truth is not None:
        lowest = paper.strip(layout.truth, content.truth, "true", by_class(content.truth))
    if layout.chance is not None and content.chance is not None:
        even = [{"facecolor": CHANCE}] * len(content.chance.label)
        lowest = paper.strip(layout.chance, content.chance, "chance", even)
        y = layout.chance.bottom + _CHANCE_PX
        paper.say(_CHANCE, layout.chance.x, y, within=layout.chance.width, color=FAINT, fontsize=SMALL)
    if layout.classes is not None:
        paper.classes(of_class, content.classes_there, layout.classes, layout.class_px)
    bottom = max(area.bottom for area in (layout.found, layout.truth, layout.chance) if area is not None)
    paper.seconds(lowest, bottom + _SECONDS_PX)


def _draw_panel(paper: Paper, area: PixelArea, content: Content, number: int) -> None:
    from lapsdata.report._timeline_ink import RAW

    told, (raw, smoothed) = content.measures[number], content.curves[number]
    rule = None if number else content.rule
    values = np.concatenate([one.energy[np.isfinite(one.energy)] for one in (raw, smoothed) if one is not None])
    axis = axis_for(values, rule.levels if rule else ())
    said = f"{told.mode} of {told.source}, support {told.support_s:.3g} s"
    if told.smoothing is not None:
        said += f", smoothed by {told.smoothing}"
    elif smoothed is not None:
        said += f"; dark: smoothed by {content.smoothing}, as it was segmented"
    paper.say(said, area.x, area.y - _SAID_PX, within=area.width, color=FAINT, fontsize=SMALL)
    axes = paper.panel(area, axis, _UNITS.get(told.source, f"energy of {told.source}"))
    paper.states(axes, raw)
    paper.curve(axes, raw, INK if smoothed is None else RAW)
    if smoothed is not None:
        paper.curve(axes, smoothed, INK)
    if rule is not None:
        paper.levels(axes, area, rule)
    if not len(values):
        paper.note_in(axes, "nothing was measured" if len(raw.energy) else "no row")


def _facts(content: Content) -> str:
    found = content.found
    length = found.video.end_s - found.video.start_s
    count = len(found.start_s)
    facts = f"{length:.1f} s, {count} segment{'' if count == 1 else 's'} found"
    return facts if content.truth is None else f"{facts}, {len(content.truth.start_s)} true"
