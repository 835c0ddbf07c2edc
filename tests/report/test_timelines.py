"""Timelines: every mark stands at its time and height, nothing is drawn where there is no value, equal bytes."""

from __future__ import annotations

import threading
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import cv2
import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsdata.containers import Energies, Segments
from lapsdata.errors import SchemaError
from lapsdata.metrics import evaluate_boundaries
from lapsdata.report import _timeline_ink as ink
from lapsdata.report._timeline_data import axis_for, bars_of, chance_bars, curves_of, nice_step, spans_of
from lapsdata.report.timelines import LEAST_PX, LONGEST_PX, draw_timeline, timeline_layout, timeline_png
from lapsdata.schema import EnergiesHeader, SegmentedVideo, SegmentsHeader, Tool
from lapsdata.segmenters import EnergySeries, smooth
from lapsdata.segmenters._cells import cells_of
from lapsdata.testing import strategies
from lapsdata.testing.samples import sample_provenance

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lapsdata.geometry import PixelArea


def series(energy: Sequence[float], state: Sequence[int] | None = None, hop_s: float = 0.5, **header: Any) -> Energies:
    """Energies of `clip`, a value every `hop_s`."""
    count = len(energy)
    words = np.array([0] * count if state is None else state, np.uint8)
    told: dict[str, Any] = {
        "provenance": sample_provenance(), "per": "step", "source": "velocity", "mode": "velocity_step",
        "support_s": 0.2, "hop_s": hop_s, "videos": ("clip",), **header,
    }  # fmt: skip
    starts = np.arange(count) * hop_s
    values = np.where(words == 0, np.array(energy, np.float64), np.nan)
    return Energies(
        EnergiesHeader(**told), np.zeros(count, np.int64), np.arange(count), starts, starts + hop_s, values, words
    )


def cut(
    spans: Sequence[tuple[float, float]], *, end_s: float = 20.0, reasons: Sequence[str] = (), labels: Any = None,
    overlap: bool = False, start_s: float = 0.0, name: str = "clip", told: dict[str, Any] | None = None, **rule: Any,
) -> Segments:  # fmt: skip
    """Segments of one video; further keywords are parameters of their segmenter."""
    header = SegmentsHeader(
        provenance=sample_provenance().model_copy(update={"parameters": told or {}}),
        videos=(SegmentedVideo(name=name, start_s=start_s, end_s=end_s),),
        overlap=overlap,
        segmenter=Tool(name="state_machine", version="1", parameters=rule),
    )
    times = np.array(spans, np.float64).reshape(-1, 2)
    why: Any = tuple(reasons or ("threshold",) * len(times))
    return Segments(
        header, np.zeros(len(times), np.int64), times[:, 0].copy(), times[:, 1].copy(), why,
        tuple(labels or (None,) * len(times)),
    )  # fmt: skip


def rgb(colour: str) -> np.ndarray:
    return np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)])


def painted(image: np.ndarray, area: PixelArea, colour: str) -> np.ndarray:
    """Where an area has exactly a colour: bool (height, width)."""
    return (image[area.y : area.bottom, area.x : area.right] == rgb(colour)).all(axis=-1)


def inked(image: np.ndarray, area: PixelArea) -> np.ndarray:
    """Where an area is as dark as a curve or a text: bool (height, width)."""
    return image[area.y : area.bottom, area.x : area.right].max(axis=-1) < 135


times = st.lists(st.integers(0, 200), min_size=2, max_size=12, unique=True).map(
    lambda ticks: [(a / 10, b / 10) for a, b in zip(sorted(ticks)[::2], sorted(ticks)[1::2], strict=False)]
)


@settings(max_examples=12)
@given(times, st.data())
def test_a_segment_has_its_colour_in_its_columns_and_nowhere_else(
    spans: list[tuple[float, float]], data: st.DataObject
) -> None:
    reasons = [data.draw(st.sampled_from(list(ink.REASON_COLOURS))) for _ in spans]
    found = cut(spans, reasons=reasons)
    image, layout = draw_timeline("clip", found, []), timeline_layout("clip", found, [])
    row = image[layout.found.y + layout.found.height // 2]
    of_reason = {reason: (row == rgb(colour)).all(axis=-1) for reason, colour in ink.REASON_COLOURS.items()}
    expected = {reason: np.zeros(len(row), bool) for reason in ink.REASON_COLOURS}
    near_an_edge = np.zeros(len(row), bool)
    for (start, end), reason in zip(spans, reasons, strict=True):
        left, right = layout.column(start), layout.column(end)
        expected[reason][round(left) : round(right)] = True
        for edge in (left, right):
            # A seam between two that touch is 2 pixels wide.
            near_an_edge[max(0, round(edge) - 2) : round(edge) + 2] = True
    for reason, columns in of_reason.items():
        assert (columns == expected[reason])[~near_an_edge].all(), reason


def test_bars_are_as_high_as_their_strip() -> None:
    found = cut([(5, 10)])
    image, layout = draw_timeline("clip", found, []), timeline_layout("clip", found, [])
    there = painted(image, layout.found, ink.REASON_COLOURS["threshold"])
    inside = np.zeros_like(there)
    inside[:, round(layout.column(5)) - layout.found.x : round(layout.column(10)) - layout.found.x] = True
    # The line of the axis lies on the lowest row.
    assert (there[:-2] == inside[:-2]).all()


def test_nothing_is_too_short_to_be_seen() -> None:
    found = cut([(1, 1.0001), (3599.9999, 3600)], end_s=3600)
    image, layout = draw_timeline("clip", found, []), timeline_layout("clip", found, [])
    columns = painted(image, layout.found, ink.REASON_COLOURS["threshold"])[5].nonzero()[0].tolist()
    assert columns == [int(layout.column(1)) - layout.found.x, layout.found.width - 1]


def test_segments_that_overlap_lie_below_one_another() -> None:
    found = cut([(1, 9), (2, 5), (4, 8), (6, 7)], reasons=["threshold", "max_duration", "end_of_stream", "annotation"],
                overlap=True)  # fmt: skip
    bars = bars_of(found, "clip")
    assert bars is not None
    assert bars.lane.tolist() == [0, 1, 2, 1]
    image, layout = draw_timeline("clip", found, []), timeline_layout("clip", found, [])
    lane_px = layout.found.height // 3
    for lane, reason, at in ((0, "threshold", 6.5), (1, "max_duration", 4.5), (2, "end_of_stream", 6.5),
                             (1, "annotation", 6.5)):  # fmt: skip
        pixel = image[layout.found.y + lane * lane_px + lane_px // 2, round(layout.column(at))]
        assert pixel.tolist() == rgb(ink.REASON_COLOURS[reason]).tolist(), reason


def test_the_truth_has_a_strip_where_there_is_one() -> None:
    found = cut([(2, 4)])
    truth = cut([(3, 6)], end_s=25)
    assert timeline_layout("clip", found, []).truth is None
    assert timeline_layout("clip", found, [], cut([(3, 6)], name="other")).truth is None
    layout, image = timeline_layout("clip", found, [], truth), draw_timeline("clip", found, [], truth)
    assert (layout.start_s, layout.end_s) == (0, 25)
    assert layout.truth is not None
    columns = painted(image, layout.truth, ink.TRUE)[10].nonzero()[0] + layout.truth.x
    assert (columns[0], columns[-1]) == pytest.approx((layout.column(3), layout.column(6) - 1), abs=1)
    # Only the time that was looked at has a ground.
    looked_at = painted(image, layout.found, ink.GROUND)[10].nonzero()[0] + layout.found.x
    assert looked_at[-1] == pytest.approx(layout.column(20), abs=3)
    assert painted(image, layout.truth, ink.GROUND)[10].nonzero()[0][-1] >= layout.truth.width - 2


def test_labels_are_written_where_they_fit() -> None:
    truth = cut([(0, 0.5), (1, 8), (8, 20)], labels=["grasp", "grasp", None])
    layout, image = timeline_layout("clip", truth, [], truth), draw_timeline("clip", truth, [], truth)
    assert layout.truth is not None
    dark = inked(image, layout.truth)[3:-3].any(axis=0)
    written = [
        dark[round(layout.column(start)) - layout.truth.x + 3 : round(layout.column(end)) - layout.truth.x - 3].sum()
        for start, end in ((0, 0.5), (1, 8), (8, 20))
    ]
    assert written[1] > 30
    assert (written[0], written[2]) == (0, 0)


def test_beside_a_truth_stands_chance_with_as_many_cuts_as_were_found() -> None:
    found, truth = cut([(2, 4), (4, 9)]), cut([(3, 6)])
    assert timeline_layout("clip", found, []).chance is None
    layout, image = timeline_layout("clip", found, [], truth), draw_timeline("clip", found, [], truth)
    assert layout.chance is not None
    bars = bars_of(found, "clip")
    assert bars is not None
    # Cuts at 2, 4 and 9 s of 20.
    assert chance_bars(bars).start_s.tolist() == [0, 5, 10, 15]
    row = painted(image, layout.chance, ink.CHANCE)[10]
    seams = np.flatnonzero(~row[2:-2]) + 2
    middles = [run.mean() for run in np.split(seams, np.flatnonzero(np.diff(seams) > 1) + 1)]
    assert middles == pytest.approx([layout.column(at) - layout.chance.x for at in (5, 10, 15)], abs=2)


def test_chance_is_the_row_of_chance_of_the_scores() -> None:
    found = cut([(0, 2), (3, 9), (9, 15)])
    bars = bars_of(found, "clip")
    assert bars is not None
    cuts = chance_bars(bars).start_s[1:]
    alone = evaluate_boundaries({"clip": cuts}, found, spans_s={"clip": (0.0, 20.0)}, tolerances_s=(0.0,), draws=2)
    assert next(row for row in alone.rows if row.name == "uniform_same_count").scores[0].macro.f == 1.0


def test_a_class_has_one_colour_in_every_video_and_is_named_in_the_key() -> None:
    names = ("one", "two")
    header = SegmentsHeader(
        provenance=sample_provenance(), videos=tuple(SegmentedVideo(name=name, end_s=20.0) for name in names)
    )
    starts, ends = np.array([0.0, 6.0, 0.0, 6.0]), np.array([6.0, 20.0, 6.0, 20.0])
    labels = ("pour", "background", "take", "pour")
    truth = Segments(header, np.array([0, 0, 1, 1]), starts, ends, ("annotation",) * 4, labels)
    looks = ink.class_looks(("background", "pour", "take"))
    assert looks["background"]["facecolor"] == ink.TRUE
    for name, first, second in (("one", "pour", "background"), ("two", "take", "pour")):
        found = cut([(1, 12)], name=name)
        layout, image = timeline_layout(name, found, [], truth), draw_timeline(name, found, [], truth)
        assert layout.truth is not None
        assert layout.classes is not None
        for at, label in ((0.5, first), (19.0, second)):
            pixel = image[layout.truth.y + 5, round(layout.column(at))]
            assert pixel.tolist() == rgb(looks[label]["facecolor"]).tolist(), (name, label)
        # Of the classes that this video has, and of no other.
        keyed = {label for label in ("pour", "take") if painted(image, layout.classes, looks[label]["facecolor"]).any()}
        assert keyed == {first, second} - {"background"}
    assert timeline_layout("one", cut([(1, 12)], name="one"), []).classes is None


def test_annotations_are_coloured_by_label_where_segments_are_coloured_by_why_they_end() -> None:
    found = cut([(1, 9)], labels=["pour"], reasons=["annotation"])
    layout = timeline_layout("clip", found, [])
    looks = ink.class_looks(("pour",))
    for header, colour in (
        (found.header, ink.REASON_COLOURS["annotation"]),
        (found.header.model_copy(update={"segmenter": None}), looks["pour"]["facecolor"]),
    ):
        image = draw_timeline("clip", replace(found, header=header), [])
        assert painted(image, layout.found, colour)[5].mean() == pytest.approx(0.4, abs=0.01)


@given(st.lists(st.text(min_size=1, max_size=3), unique=True, max_size=60).map(sorted))
def test_looks_of_classes_differ_as_long_as_there_are_any_left(names: list[str]) -> None:
    looks = [look for name, look in ink.class_looks(names).items() if name is not None and name not in ink._QUIET]
    different = [look for number, look in enumerate(looks) if look not in looks[:number]]
    assert len(different) == min(len(looks), 48)


def test_a_note_stands_above_everything() -> None:
    found, given_ = cut([(1, 9)]), series([1.0, 5.0] * 20)
    plain, noted = (draw_timeline("clip", found, [given_], note=note) for note in (None, "SYNTHETIC: not GTEA"))
    band = noted.shape[0] - plain.shape[0]
    assert band == 40
    assert (noted[band:] == plain).all()
    assert ((noted[:band] == rgb(ink.LEVEL)).all(axis=-1).mean(axis=1) > 0.8).all()
    layouts = [timeline_layout("clip", found, [given_], note=note) for note in (None, "SYNTHETIC: not GTEA")]
    assert layouts[1].found.y - layouts[0].found.y == band
    assert timeline_png("clip", found, [given_], note="SYNTHETIC: not GTEA")[1:4] == b"PNG"


def level_rows(image: np.ndarray, area: PixelArea) -> list[float]:
    """Heights of the lines in the colour of thresholds: runs of rows that have it in many columns."""
    share = (np.abs(image[area.y : area.bottom, area.x : area.right].astype(int) - rgb(ink.LEVEL)).max(-1) < 60).mean(1)
    rows = np.flatnonzero(share > 0.3)
    return [float(run.mean()) + 0.5 for run in np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1) if len(run)]


@pytest.mark.parametrize(
    ("energy", "kind"), [([2.0, 3.0, 4.0] * 12, "linear"), ([0.01, 1.0, 30.0] * 12, "log"), ([0.0, 9.0] * 18, "symlog")]
)
def test_thresholds_are_drawn_at_their_height(energy: list[float], kind: str) -> None:
    given_, found = series(energy), cut([(1, 2)], threshold=2.5, off_ratio=0.5)
    axis = axis_for(np.array(energy), (2.5, 1.25))
    assert axis.kind == kind
    area = timeline_layout("clip", found, [given_]).panels[0]
    rows = level_rows(draw_timeline("clip", found, [given_]), area)

    def place(value: float) -> float:
        if kind == "linear":
            return value
        if kind == "log":
            return float(np.log(value))
        linear = ink.LINEAR_DECADES
        share = abs(value) / axis.linear_to
        return float(np.sign(value) * (linear * share if share < 1 else linear + np.log10(share)))

    low, high = place(axis.low), place(axis.high)
    expected = [(high - place(level)) / (high - low) * area.height for level in (2.5, 1.25)]
    assert rows == pytest.approx(expected, abs=1.5)


def test_a_segmenter_without_a_threshold_has_no_line_and_only_the_segmented_energies_have_one() -> None:
    given_ = series([2.0, 3.0, 4.0] * 12)
    for rule, lines in (
        ({}, 0), ({"threshold": 3.0}, 1), ({"threshold": 3.0, "off_ratio": 1.0}, 1), ({"threshold": "otsu"}, 0),
        ({"threshold": True}, 0), ({"threshold": -3.0, "off_ratio": 1.0}, 1),
    ):  # fmt: skip
        found = cut([(1, 2)], **rule)
        image, layout = draw_timeline("clip", found, [given_, given_]), timeline_layout("clip", found, [given_, given_])
        assert [len(level_rows(image, area)) for area in layout.panels] == [lines, 0], rule


def test_time_without_a_value_is_marked_and_not_drawn() -> None:
    state = [0] * 10 + [1] * 10 + [0] * 10 + [2] * 10
    given_, found = series([5.0, 0.0] * 20, state), cut([])
    image, layout = draw_timeline("clip", found, [given_]), timeline_layout("clip", found, [given_])
    area = layout.panels[0]
    dark = inked(image, area)

    def within(start: float, end: float) -> slice:
        return slice(round(layout.column(start)) - area.x + 3, round(layout.column(end)) - area.x - 3)

    for measured in (within(0, 5), within(10, 15)):
        assert dark[:, measured].any(axis=0).all()
    for without in (within(5, 10), within(15, 20)):
        assert not dark[:, without].any()
    assert painted(image, area, ink.GATED)[:, within(5, 10)].all()
    assert not painted(image, area, ink.GATED)[:, within(15, 20)].any()
    hatched = image[area.y : area.bottom, area.x : area.right][:, within(15, 20)]
    assert 0.05 < (hatched.max(axis=-1) < 240).mean() < 0.6
    # Zeros are drawn, near the foot.
    zeros = dark[:, within(0, 5)]
    assert zeros[-int(0.15 * area.height) :].any()


def test_a_single_gated_value_in_an_hour_is_seen() -> None:
    state = [0] * 7200
    state[3000] = 1
    given_, found = series([1.0, 2.0] * 3600, state), cut([], end_s=3600)
    area = timeline_layout("clip", found, [given_]).panels[0]
    assert painted(draw_timeline("clip", found, [given_]), area, ink.GATED).any(axis=0).sum() >= 1


@settings(max_examples=50)
@given(st.integers(0, 30), st.integers(1, 6), st.data())
def test_curves_are_the_cells_that_segmenters_see(count: int, length: int, data: st.DataObject) -> None:
    hops = np.array(data.draw(st.lists(st.integers(1, 4), min_size=count, max_size=count)), np.float64)
    starts = np.cumsum(hops) / 4
    state = np.array(data.draw(st.lists(st.integers(0, 2), min_size=count, max_size=count)), np.uint8)
    energy = np.where(state == 0, np.arange(count) + 0.5, np.nan)
    like = series([1.0] * count)
    made = replace(like, start_s=starts, end_s=starts + length / 4, energy=energy, state=state)
    curve, smoothed = curves_of(made, "clip")
    assert smoothed is None
    (one,) = EnergySeries.each_of(made)
    cells = cells_of(one)
    np.testing.assert_allclose(curve.start_s, [cell.start_s for cell in cells], atol=1e-12)
    np.testing.assert_allclose(curve.end_s, [cell.end_s for cell in cells], atol=1e-12)
    np.testing.assert_array_equal(curve.energy, [cell.energy for cell in cells])
    missing = sum(end - start for start, end in spans_of(curve, 2))
    assert missing == pytest.approx(sum(cell.end_s - cell.start_s for cell in cells if cell.state == "missing"))


def test_energies_that_were_smoothed_for_the_segmenter_are_drawn_smoothed_too() -> None:
    raw = series([1.0, 9.0] * 20)
    for how in ("ema", "moving_average"):
        word = smooth(raw, how, 1.5).header.smoothing
        assert word is not None
        _, dark = curves_of(raw, "clip", word)
        assert dark is not None
        np.testing.assert_array_equal(dark.energy, smooth(raw, how, 1.5).energy)
    assert curves_of(smooth(raw, "ema", 1.5), "clip", "ema 1.5 s")[1] is None
    assert curves_of(raw, "clip", "their own way")[1] is None
    found = cut([(1, 2)], told={"smoothing": "ema 1.5 s"})
    area = timeline_layout("clip", found, [raw]).panels[0]
    pale = painted(draw_timeline("clip", found, [raw]), area, ink.RAW)
    assert pale.any(axis=0).mean() > 0.5
    assert not painted(draw_timeline("clip", cut([(1, 2)]), [raw]), area, ink.RAW).any()


def test_equal_arguments_give_equal_bytes_and_others_do_not() -> None:
    given_, found = series([1.0, 5.0, 2.0] * 10), cut([(1, 3), (3, 9)], threshold=2.0)
    once = timeline_png("clip", found, [given_], found)
    assert once == timeline_png("clip", found, [given_], found)
    assert once != timeline_png("clip", cut([(1, 3), (3, 9)], threshold=2.1), [given_], found)
    assert once != timeline_png("clip", found, [series([1.0, 5.0, 2.5] * 10)], found)
    read = cv2.imdecode(np.frombuffer(once, np.uint8), cv2.IMREAD_COLOR)
    assert read is not None
    assert (read[..., ::-1] == draw_timeline("clip", found, [given_], found)).all()
    # Nothing but the picture: no program, no clock.
    assert {
        once[at - 4 : at] for at in range(12, len(once)) if once[at - 4 : at] in (b"tEXt", b"tIME", b"iTXt")
    } == set()


UNUSUAL = {
    "font.size": 31.0, "font.family": ["serif"], "axes.facecolor": "black", "figure.facecolor": "red",
    "savefig.dpi": 30.0, "lines.linewidth": 9.0, "path.sketch": (5.0, 50.0, 5.0), "axes.grid": False,
    "text.usetex": True, "xtick.bottom": False, "hatch.linewidth": 8.0, "axes.xmargin": 0.4,
}  # fmt: skip


def test_the_settings_of_the_user_neither_matter_nor_change() -> None:
    given_, found = series([1.0, 5.0, 2.0] * 10, [0, 1, 2] * 10), cut([(1, 3)], threshold=2.0)
    plain = timeline_png("clip", found, [given_])
    with mpl.rc_context(UNUSUAL):
        before = {name: mpl.rcParams[name] for name in mpl.rcParams if not name.startswith("backend")}
        assert timeline_png("clip", found, [given_]) == plain
        assert {name: mpl.rcParams[name] for name in before} == before


def test_several_threads_draw_the_same() -> None:
    given_, found = series([1.0, 5.0, 2.0] * 10), cut([(1, 3)], threshold=2.0)
    plain, seen = timeline_png("clip", found, [given_]), []
    before = dict(mpl.rcParams)
    draw = [threading.Thread(target=lambda: seen.append(timeline_png("clip", found, [given_]))) for _ in range(4)]
    for one in draw:
        one.start()
    for one in draw:
        one.join()
    assert seen == [plain] * 4
    assert dict(mpl.rcParams) == before


def test_names_are_drawn_as_they_are() -> None:
    # No text of mathematics: its braces are open.
    odd = "$x^{1$ _{x}^2 \x85\u202e 左 <b>&" + "w" * 150
    found = cut([(1, 12)], name=odd, labels=["$x^{$"])
    given_ = series([1.0, 2.0] * 10, videos=(odd,), source="$x_{$", mode="$x$_")
    image = draw_timeline(odd, found, [given_], found)
    # A name that is too long is cut within the picture, and does not touch its edge.
    assert (image[:40, -12:] == 255).all()


def test_a_video_of_which_little_is_known_is_drawn_all_the_same() -> None:
    nothing = cut([])
    empty, one = series([]), series([3.0])
    zeros, gated, negative = series([0.0] * 20), series([1.0] * 20, [1] * 20), series([-1.0, -900.0, 3.0, 0.0] * 5)
    tiny, huge = series([1e-308, 5e-324] * 5), series([1.7e308, -1.7e308] * 5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for some in ([], [empty], [one], [zeros], [gated], [negative], [tiny], [huge], [empty, gated, one]):
            for found in (nothing, cut([(1, 2)], threshold=1.7e308), cut([(1, 2)], threshold=0.0, off_ratio=0.5)):
                layout, image = timeline_layout("clip", found, some), draw_timeline("clip", found, some)
                assert image.shape == (*layout.size.shape, 3)
                assert len(layout.panels) == len(some)
    said = draw_timeline("clip", nothing, [])
    strip = timeline_layout("clip", nothing, []).found
    assert inked(said, strip)[3:-3].any()
    assert not inked(draw_timeline("clip", cut([(1, 2)]), []), strip)[3:-3].any()


@settings(max_examples=20)
@given(strategies.energies(), strategies.segments(), strategies.segments())
def test_whatever_a_file_can_hold_is_drawn(measured: Energies, found: Segments, truth: Segments) -> None:
    if not found.header.videos:
        return
    name = found.header.videos[0].name
    others = [video for video in measured.header.videos[1:] if video != name]
    header = measured.header.model_copy(update={"videos": (name, *others, "more")[: len(measured.header.videos)]})
    if len(set(header.videos)) == len(measured.header.videos):
        image = draw_timeline(name, found, [replace(measured, header=header)], truth)
        assert (image < 200).any()


def test_the_width_grows_with_the_video_up_to_a_limit() -> None:
    widths = [timeline_layout("clip", cut([], end_s=end_s), []).size.width for end_s in (1, 60, 200, 600, 36_000)]
    assert widths == sorted(widths)
    assert (widths[0], widths[1], widths[-1]) == (LEAST_PX, LEAST_PX, LONGEST_PX)
    assert LEAST_PX < widths[2] < LONGEST_PX
    narrow = timeline_layout("clip", cut([], end_s=600), [], longest_px=2000)
    assert narrow.size.width == 2000
    assert draw_timeline("clip", cut([], end_s=600), [], longest_px=2000).shape[1] == 2000


def test_all_parts_share_one_axis_of_time() -> None:
    given_, found = series([1.0] * 10), cut([(3, 4)], start_s=2.0)
    layout = timeline_layout("clip", found, [given_, given_], cut([], end_s=31.0))
    assert layout.truth is not None
    edges = {(area.x, area.width) for area in (*layout.panels, layout.found, layout.truth)}
    assert len(edges) == 1
    assert (layout.start_s, layout.end_s) == (0.0, 31.0)
    assert layout.ticks == (0, 5, 10, 15, 20, 25, 30)
    assert all(layout.start_s <= tick <= layout.end_s for tick in layout.ticks)


def test_what_cannot_be_drawn_is_told() -> None:
    found = cut([(1, 2)])
    with pytest.raises(SchemaError, match=r"(?s)2 problems.*energies 1: expected 'clip'.*longest_px: .* 1440, got 99"):
        draw_timeline("clip", found, [series([1.0]), series([1.0], videos=("other",))], longest_px=99)
    with pytest.raises(SchemaError, match="segments: expected 'clop' in the header, got other videos"):
        draw_timeline("clop", found, [])


finite = st.floats(-1e12, 1e12) | st.sampled_from([0.0, 1e-9, 1e150, -1e150, 1.0, 1000.0])


@given(st.lists(finite, max_size=8), st.lists(finite, max_size=2))
def test_every_value_has_a_place_on_the_axis_and_few_are_numbered(values: list[float], levels: list[float]) -> None:
    axis = axis_for(np.array(values), levels)
    assert axis.low < axis.high
    assert all(axis.low <= value <= axis.high for value in (*values, *levels))
    assert all(axis.low <= tick <= axis.high for tick in axis.ticks)
    assert list(axis.ticks) == sorted(set(axis.ticks))
    assert len(axis.ticks) <= 7
    assert axis.kind != "log" or axis.low > 0
    # The axis says where it is no logarithm.
    assert (axis.kind == "symlog") == axis.words.startswith("log above")


def test_values_that_spread_are_on_a_logarithm_and_others_are_not() -> None:
    assert axis_for(np.array([1.0, 4.0])).kind == "linear"
    assert axis_for(np.array([-1.0, -4.0])).kind == "linear"
    assert axis_for(np.array([0.01, 4.0])).kind == "log"
    assert axis_for(np.array([0.0, 4.0])).kind == "symlog"
    assert axis_for(np.array([-3.0, 4.0])).kind == "symlog"
    # A threshold is never in the linear part if it can be helped.
    assert axis_for(np.array([0.0, 4000.0]), (0.5,)).linear_to <= 0.5


@given(st.floats(1e-9, 1e9))
def test_steps_are_one_two_or_five(step: float) -> None:
    nice = nice_step(step)
    assert step * 0.999 <= nice <= step * 2.6
    assert f"{nice:e}"[0] in "125"
