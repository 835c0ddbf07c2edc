"""What timelines and curves show, in numbers: lanes, chance, spans, axes and places against plain rules."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lapsdata
from lapsdata.containers import Segments
from lapsdata.report import _timeline_ink as ink
from lapsdata.report._curve_data import lines_of, lost_to_chance, tolerance_axis
from lapsdata.report._curve_layout import gather_curves, lay_out_curves
from lapsdata.report._sheet import note_lines, note_px
from lapsdata.report._timeline_data import (
    LINEAR_DECADES,
    Curve,
    axis_for,
    bars_of,
    chance_bars,
    curves_of,
    linear_axis,
    rule_of,
    spans_of,
)
from lapsdata.report.timelines import draw_timeline, timeline_layout
from lapsdata.schema import BoundaryResult, SegmentedVideo, SegmentsHeader, Tool
from lapsdata.schema.result import BoundaryRow, BoundaryRules, BoundaryScore, PrecisionRecall, ScoredVideo
from lapsdata.testing.samples import sample_energies, sample_provenance, sample_segments

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lapsdata.geometry import PixelArea

    Span = tuple[float, float]

END_S = 20.0
TOLERANCES = (0.25, 0.5, 1.0, 2.0)


def cut(
    spans: Sequence[Span], *, labels: Any = None, overlap: bool = False, names: Sequence[str] = ("clip",),
    parameters: dict[str, Any] | None = None, note: str | None = None,
) -> Segments:  # fmt: skip
    """Segments of the first of some videos."""
    header = SegmentsHeader(
        provenance=sample_provenance().model_copy(update={"parameters": {} if note is None else {"smoothing": note}}),
        videos=tuple(SegmentedVideo(name=name, end_s=END_S) for name in names),
        overlap=overlap,
        segmenter=None if parameters is None else Tool(name="state_machine", version="1", parameters=parameters),
    )
    times = np.array(spans, np.float64).reshape(-1, 2)
    return Segments(
        header, np.zeros(len(times), np.int64), times[:, 0].copy(), times[:, 1].copy(), ("threshold",) * len(times),
        tuple(labels or (None,) * len(times)),
    )  # fmt: skip


def score(tolerance_s: float, f: float, **more: Any) -> BoundaryScore:
    one = PrecisionRecall(precision=f, recall=f, f=f)
    return BoundaryScore(tolerance_s=tolerance_s, found=1, hits=0, macro=one, micro=one, **more)


def result(rows: dict[str, Sequence[float]], *, draws: int = 1, kinds: dict[str, str] | None = None) -> BoundaryResult:
    """A result of two videos whose rows score so much at each tolerance."""
    made = []
    for name, values in rows.items():
        kind: Any = (kinds or {}).get(name, "prediction" if name == "prediction" else "chance")
        scores = tuple(score(at, f) for at, f in zip(TOLERANCES, values, strict=True))
        made.append(BoundaryRow(name=name, kind=kind, scores=scores, draws=1 if kind == "prediction" else draws))
    return BoundaryResult(
        provenance=sample_provenance(),
        rules=BoundaryRules(tolerances_s=TOLERANCES, counting="once", matching="maximum", resolution_s=1e-6),
        truth_digest=f"sha256:{'0' * 64}",
        videos=tuple(
            ScoredVideo(name=name, end_s=9.0, truth=2, found=3, hits=(0,) * len(TOLERANCES)) for name in ("a", "b")
        ),
        rows=tuple(made),
    )


ends = st.tuples(st.integers(0, 190), st.integers(1, 60)).map(lambda at: (at[0] / 10, min(sum(at), 200) / 10))
overlapping = st.lists(ends, max_size=8).map(sorted)


@given(overlapping)
def test_lanes_are_free_of_overlaps_and_as_few_as_can_be(spans: list[Span]) -> None:
    bars = bars_of(cut(spans, overlap=True), "clip")
    assert bars is not None
    for (one, lane), (other, its) in itertools.combinations(zip(spans, bars.lane.tolist(), strict=True), 2):
        assert lane != its or one[1] <= other[0] or other[1] <= one[0]
    # At no instant are there more lanes than segments: it is enough to ask at each start.
    at_once = max((sum(start <= at < end for start, end in spans) for at, _ in spans), default=1)
    assert bars.lanes == at_once


@given(overlapping)
def test_chance_has_as_many_inner_cuts_as_were_found_and_equal_parts(spans: list[Span]) -> None:
    bars = bars_of(cut(spans, overlap=True), "clip")
    assert bars is not None
    even = chance_bars(bars)
    inner = {at for span in spans for at in span if 0 < at < END_S}
    assert len(even.start_s) == len(inner) + 1
    np.testing.assert_allclose(even.end_s - even.start_s, END_S / (len(inner) + 1))
    assert (even.start_s[0], even.end_s[-1]) == (0.0, END_S)
    assert (even.start_s[1:] == even.end_s[:-1]).all()
    assert even.lanes == 1
    assert set(even.label) == {None}


@given(st.lists(st.integers(0, 2), max_size=12), st.integers(0, 2))
def test_spans_of_a_state_are_its_runs(states: list[int], state: int) -> None:
    edges = np.cumsum([0.0, *np.random.default_rng(len(states)).uniform(0.1, 1.0, len(states))])
    curve = Curve(edges[:-1], edges[1:], np.zeros(len(states)), np.array(states, np.uint8))
    expected, at = [], 0
    for key, run in itertools.groupby(states):
        after = at + len(list(run))
        if key == state:
            expected.append([edges[at], edges[after]])
        at = after
    assert spans_of(curve, state).tolist() == expected


def test_a_gap_between_values_is_a_missing_cell_and_overlaps_are_parted_in_the_middle() -> None:
    made = sample_energies(steps=3)
    starts, stops = np.array([0.0, 1.0, 5.0]), np.array([2.0, 3.0, 6.0])
    rows = made.video_index == 0
    one = replace(
        made,
        start_s=np.where(rows, np.tile(starts, 2), made.start_s),
        end_s=np.where(rows, np.tile(stops, 2), made.end_s),
    )
    curve, _ = curves_of(one, "clip_0")
    assert curve.start_s.tolist() == [0.0, 1.5, 3.0, 5.0]
    assert curve.end_s.tolist() == [1.5, 3.0, 5.0, 6.0]
    assert np.isnan(curve.energy).tolist() == [False, True, True, True]
    assert spans_of(curve, 2).tolist() == [[3.0, 6.0]]
    # The other video has its own times still.
    assert len(curves_of(one, "clip_1")[0].energy) == 3


@pytest.mark.parametrize(
    ("parameters", "levels"),
    [
        (None, None),
        ({}, None),
        ({"off_ratio": 0.5}, None),
        ({"threshold": None}, None),
        ({"threshold": 2}, (2.0,)),
        ({"threshold": 2.0, "off_ratio": 0.5}, (2.0, 1.0)),
        ({"threshold": 2.0, "off_ratio": 1}, (2.0,)),
        ({"threshold": 2.0, "off_ratio": "half"}, (2.0,)),
        ({"threshold": 1e200}, (1e150,)),
    ],
)
def test_levels_are_those_that_the_segmenter_tells(parameters: Any, levels: tuple[float, ...] | None) -> None:
    rule = rule_of(cut([(1, 2)], parameters=parameters))
    assert (None if rule is None else rule.levels) == levels


@given(st.floats(1e-3, 1e6), st.floats(1e-3, 1e6), st.booleans())
def test_a_linear_axis_holds_0_and_both_ends_and_has_even_ticks(one: float, other: float, below: bool) -> None:
    low, high = sorted((one, other))
    if below:
        low, high = -high, -low
    axis = linear_axis(low, high)
    assert axis.low < min(low, 0.0)
    assert axis.high > max(high, 0.0)
    assert 0.0 in axis.ticks
    steps = np.diff(axis.ticks)
    np.testing.assert_allclose(steps, steps[0], rtol=1e-9)
    assert 2 <= len(axis.ticks) <= 7


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=6))
def test_the_margin_of_an_axis_is_a_share_of_it(values: list[float]) -> None:
    """Nothing lies on the edge, and nothing is squeezed into a corner: by the places that the axis draws at."""
    axis = axis_for(np.array(values))

    def place(value: float) -> float:
        if axis.kind == "linear":
            return value
        if axis.kind == "log":
            return math.log(value)
        share = abs(value) / axis.linear_to
        return math.copysign(LINEAR_DECADES * share if share <= 1 else LINEAR_DECADES + math.log10(share), value)

    low, high = place(axis.low), place(axis.high)
    inside = [(place(value) - low) / (high - low) for value in values]
    assert min(inside) > 0.02
    assert max(inside) < 0.98
    # A value that is furthest out has no more room beside it than half of what all have together.
    assert max(inside) > 0.5 or min(inside) < 0.5


def areas(layout: Any) -> list[PixelArea]:
    found = [*layout.panels, layout.found, layout.truth, layout.chance, layout.classes]
    return [area for area in found if area is not None]


@settings(max_examples=30)
@given(
    overlapping, st.integers(0, 3), st.booleans(), st.lists(st.text("abcdef ", min_size=1, max_size=30), max_size=8),
    st.sampled_from([None, "SYNTHETIC", "SYNTHETIC " * 40]),
)  # fmt: skip
def test_parts_stand_below_one_another_within_the_picture(
    spans: list[Span], panels: int, with_truth: bool, labels: list[str], note: str | None
) -> None:
    energies = [sample_energies()] * panels
    found = cut(spans, overlap=True, names=("clip_0",), parameters={})
    pieces = [(float(at), float(at) + 1) for at in range(len(labels))]
    truth = cut(pieces, labels=labels, names=("clip_0",)) if with_truth else None
    layout = timeline_layout("clip_0", found, energies, truth, note=note)
    stacked = areas(layout)
    assert len(stacked) == panels + 1 + (2 + bool(labels) if with_truth else 0)
    assert stacked[0].y >= note_px(note_lines(note, layout.size.width))
    for upper, lower in itertools.pairwise(stacked):
        assert upper.bottom <= lower.y
    assert stacked[-1].bottom <= layout.size.height
    assert all(area.x >= 0 and area.x + area.width <= layout.size.width for area in stacked)
    assert layout.start_s <= min(layout.ticks)
    assert max(layout.ticks) <= layout.end_s
    assert layout.column(layout.end_s) == layout.found.x + layout.found.width


@given(st.integers(1, 4000))
def test_times_are_numbered_neither_too_often_nor_too_seldom(end_s: int) -> None:
    header = replace(cut([]), header=cut([]).header.model_copy(update={
        "videos": (SegmentedVideo(name="clip", end_s=float(end_s)),)
    }))  # fmt: skip
    layout = timeline_layout("clip", header, [])
    apart = np.diff([layout.column(tick) for tick in layout.ticks])
    assert apart.min() >= 100
    assert apart.max() <= 350


def test_a_video_that_the_truth_does_not_list_has_neither_truth_nor_chance() -> None:
    found, other = cut([(1, 2)], parameters={}), cut([(3, 4)], names=("other",))
    layout = timeline_layout("clip", found, [], other)
    assert (layout.truth, layout.chance, layout.classes) == (None, None, None)
    assert (draw_timeline("clip", found, [], other) == draw_timeline("clip", found, [])).all()


def test_chance_stands_there_also_where_nothing_was_found() -> None:
    found, truth = cut([], parameters={}), cut([(3, 6)])
    layout, image = timeline_layout("clip", found, [], truth), draw_timeline("clip", found, [], truth)
    assert layout.chance is not None
    row = image[layout.chance.y + 8, layout.chance.x + 4 : layout.chance.x + layout.chance.width - 4]
    colour = [int(ink.CHANCE[at : at + 2], 16) for at in (1, 3, 5)]
    # One part: no cut at all.
    assert (row == colour).all()


@given(st.lists(st.floats(0.01, 100.0), min_size=2, max_size=12, unique=True))
def test_every_tolerance_has_a_place_on_its_axis(tolerances: list[float]) -> None:
    axis = tolerance_axis(tolerances)
    assert all(axis.low <= one <= axis.high for one in tolerances)
    if axis.kind == "log" and len(tolerances) <= 6:
        assert list(axis.ticks) == sorted(tolerances)
    with_zero = tolerance_axis([0.0, *tolerances])
    assert with_zero.kind == "linear"
    assert with_zero.low <= 0.0


percents = st.lists(st.integers(0, 4).map(lambda quarter: quarter / 4), min_size=4, max_size=4)


@given(percents, percents, percents)
def test_where_chance_does_as_well_by_asking_at_each_tolerance(
    ours: list[float], one: list[float], other: list[float]
) -> None:
    told = lost_to_chance(result({"prediction": ours, "a": one, "b": other}), "macro")
    lost = [f"{at:g}" for at, f, *chance in zip(TOLERANCES, ours, one, other, strict=True) if f <= max(chance)]
    words = told.replace(",", "").split()
    if not lost:
        assert told == "above every row of chance at every tolerance"
    elif len(lost) == len(TOLERANCES):
        assert told == "not above the best row of chance at any tolerance"
    else:
        # The ends of the runs stand there, and no tolerance at which it is above.
        named = [word for word in words if word.replace(".", "").isdigit()]
        assert set(named) <= set(lost)
        assert (named[0], named[-1]) == (lost[0], lost[-1])


def test_oracles_are_lines_and_never_chance() -> None:
    told = result({"prediction": [0.5] * 4, "a": [0.1] * 4, "oracle_rate": [0.9] * 4}, kinds={"oracle_rate": "oracle"})
    assert lost_to_chance(told, "macro") == "above every row of chance at every tolerance"
    assert [line.family for line in lines_of(told, "macro")] == ["prediction", "other", "oracle"]


def test_bands_are_those_of_the_average_that_is_drawn() -> None:
    rows = result({"prediction": [0.5] * 4, "drawn": [0.2] * 4}, draws=9)
    banded = tuple(score(at, 0.2, macro_f_band=(0.1, 0.3), micro_f_band=(0.0, 0.4)) for at in TOLERANCES)
    sure = tuple(score(at, 0.5, macro_f_interval=(0.4, 0.6)) for at in TOLERANCES)
    first, second = rows.rows
    told = rows.model_copy(update={
        "rows": (first.model_copy(update={"scores": sure}), second.model_copy(update={"scores": banded}))
    })  # fmt: skip
    macro, micro = (lines_of(told, average) for average in ("macro", "micro"))
    assert macro[0].band.tolist() == [[0.4, 0.6]] * 4
    assert not micro[0].banded
    assert (macro[1].band.tolist(), micro[1].band.tolist()) == ([[0.1, 0.3]] * 4, [[0.0, 0.4]] * 4)


@pytest.mark.parametrize(
    ("rows", "draws", "words"),
    [
        ({"a": [0.1] * 4}, 1, ["dash and dot: others that have not seen the video"]),
        ({"a": [0.1] * 4}, 9, ["solid: mean of 9 draws"]),
        ({"uniform_same_count": [0.1] * 4}, 1, ["dashed: evenly spread cuts"]),
        ({"uniform_same_count": [0.1] * 4, "oracle_rate": [0.2] * 4}, 1,
         ["dashed: evenly spread cuts", "dotted: cuts that know this truth"]),
    ],
)  # fmt: skip
def test_the_key_explains_the_lines_that_are_there_and_no_others(
    rows: dict[str, Sequence[float]], draws: int, words: list[str]
) -> None:
    kinds = {name: "oracle" for name in rows if name.startswith("oracle")}
    told = result({"prediction": [0.5] * 4} | rows, draws=draws, kinds=kinds)
    content = gather_curves({"": told}, "macro", None, None)
    assert content.foot[-1].split("; ") == words
    assert content.foot[0].startswith("2 videos, 4 true boundaries, 6 found; truth sha256:")
    assert content.facts == "F of hits within a tolerance, macro: mean over the videos"


@given(st.lists(percents, min_size=1, max_size=30))
@settings(max_examples=15)
def test_however_many_rows_there_are_their_names_stand_apart_within_the_panel(rows: list[list[float]]) -> None:
    many = {"prediction": [0.5] * 4} | {f"row_{at}": values for at, values in enumerate(rows)}
    layout = lay_out_curves(gather_curves({"": result(many)}, "macro", None, None))
    (panel,), (names,) = layout.panels, layout.names
    assert np.diff(sorted(names)).min(initial=30.0) >= 30.0 - 1e-6
    assert panel.y <= min(names)
    assert max(names) <= panel.bottom
    assert panel.bottom < layout.foot < layout.size.height


def test_a_result_that_is_drawn_twice_has_two_panels_one_below_the_other() -> None:
    one = result({"prediction": [0.5] * 4, "a": [0.1] * 4})
    layout = lay_out_curves(gather_curves({"train": one, "test": one}, "micro", "GTEA", "SYNTHETIC"))
    upper, lower = layout.panels
    assert upper.bottom < lower.y
    for panel, area in enumerate(layout.panels):
        for at, f in itertools.product(TOLERANCES, (0.0, 0.5, 1.0)):
            x, y = layout.place(at, f, panel)
            assert area.x <= x <= area.x + area.width
            assert y == area.y + (1 - f) * area.height


def test_files_are_drawn_as_what_was_written_to_them(tmp_path: Path) -> None:
    lapsdata.write(tmp_path / "segments.parquet", sample_segments())
    lapsdata.write(tmp_path / "energies.jsonl", sample_energies())
    segments, energies = (lapsdata.read(tmp_path / name) for name in ("segments.parquet", "energies.jsonl"))
    for name in ("clip_0", "clip_1"):
        one = draw_timeline(name, sample_segments(), [sample_energies()])
        assert (draw_timeline(name, segments, [energies]) == one).all()
