"""Curves over tolerances: every value stands at its place, bands where they are known, names apart, equal bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import isotonic_regression

from lapsdata.errors import SchemaError, StorageError
from lapsdata.metrics import ORACLE_ROWS, evaluate_boundaries
from lapsdata.report import _curve_ink as ink
from lapsdata.report._curve_data import lines_of, lost_to_chance, spread, tolerance_axis
from lapsdata.report._curve_layout import gather_curves
from lapsdata.report._sheet import LEVEL, note_lines, note_px, wrapped
from lapsdata.report.tolerance_curve import (
    draw_tolerance_curve,
    tolerance_curve_layout,
    tolerance_curve_png,
    write_tolerance_curve,
)
from lapsdata.schema import BoundaryResult
from lapsdata.schema.result import BoundaryRow, BoundaryRules, BoundaryScore, PrecisionRecall, ScoredVideo
from lapsdata.testing.samples import sample_provenance, sample_segments

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lapsdata.report._curve_layout import CurveLayout

TOLERANCES = (0.25, 0.5, 1.0, 2.0, 5.0)
Band = tuple[float, float] | None


def ratios(f: float) -> PrecisionRecall:
    return PrecisionRecall(precision=f, recall=f, f=f)


def row(name: str, f: Sequence[float], band: Band = None, *, draws: int = 1, at: Sequence[float] = TOLERANCES) -> Any:
    """A row that scores `f` at the tolerances as macro mean, and half of it as micro."""
    scores = tuple(
        BoundaryScore(tolerance_s=t, found=1, hits=0, macro=ratios(one), micro=ratios(one / 2), macro_f_band=band)
        for t, one in zip(at, f, strict=True)
    )
    oracle = name in ORACLE_ROWS
    kind: Any = "prediction" if name == "prediction" else "oracle" if oracle else "chance"
    return BoundaryRow(name=name, kind=kind, scores=scores, draws=draws)


def result(*rows: BoundaryRow, at: Sequence[float] = TOLERANCES) -> BoundaryResult:
    """A result of one video."""
    return BoundaryResult(
        provenance=sample_provenance(),
        rules=BoundaryRules(tolerances_s=tuple(at), counting="once", matching="maximum", resolution_s=1e-6),
        truth_digest=f"sha256:{'0' * 64}",
        videos=(ScoredVideo(name="clip", end_s=9.0, truth=2, found=3, hits=(0,) * len(at)),),
        rows=rows,
    )


def flat(f: float, at: Sequence[float] = TOLERANCES) -> list[float]:
    return [f] * len(at)


def rgb(colour: str) -> np.ndarray:
    return np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)])


def pixel(image: np.ndarray, layout: CurveLayout, tolerance_s: float, f: float, panel: int = 0) -> np.ndarray:
    x, y = layout.place(tolerance_s, f, panel)
    return np.asarray(image[round(y), round(x)].astype(int))


shares = st.lists(st.integers(0, 100).map(lambda percent: percent / 100), min_size=5, max_size=5)


@settings(max_examples=8)
@given(shares)
def test_the_prediction_is_drawn_at_its_values(values: list[float]) -> None:
    """Also at 0 and 1, where half of the line is outside of the panel."""
    given_ = result(row("prediction", values), row("uniform_same_count", flat(0.5)))
    image, layout = draw_tolerance_curve(given_), tolerance_curve_layout(given_)
    for tolerance, f in zip(TOLERANCES, values, strict=True):
        assert (pixel(image, layout, tolerance, f) == rgb(ink.PREDICTION)).all(), (tolerance, f)


def test_a_perfect_prediction_lies_on_the_upper_edge_and_a_useless_one_on_the_lower() -> None:
    for f, edge in ((1.0, "y"), (0.0, "bottom")):
        given_ = result(row("prediction", flat(f)), row("uniform_same_count", flat(0.5)))
        image, layout = draw_tolerance_curve(given_), tolerance_curve_layout(given_)
        area = layout.panels[0]
        there = (image[:, area.x : area.right] == rgb(ink.PREDICTION)).all(axis=-1).mean(axis=1) > 0.8
        assert there.nonzero()[0].mean() == pytest.approx(getattr(area, edge), abs=1.5)


def test_the_micro_mean_is_another_curve() -> None:
    given_ = result(row("prediction", flat(0.8)), row("uniform_same_count", flat(0.1)))
    image, layout = draw_tolerance_curve(given_, average="micro"), tolerance_curve_layout(given_, average="micro")
    assert (pixel(image, layout, 1.0, 0.4) == rgb(ink.PREDICTION)).all()
    assert not (pixel(image, layout, 1.0, 0.8) == rgb(ink.PREDICTION)).all()


def test_a_band_is_shaded_between_its_ends_in_the_colour_of_its_line() -> None:
    given_ = result(row("prediction", flat(0.9)), row("circular_shift", flat(0.35), (0.21, 0.49), draws=7))
    image, layout = draw_tolerance_curve(given_), tolerance_curve_layout(given_)
    colour = rgb(ink.colours_of(lines_of(given_, "macro"))["circular_shift"])
    shaded = 255 + (colour - 255) * 0.16
    for f, inside in ((0.19, False), (0.23, True), (0.3, True), (0.47, True), (0.51, False)):
        seen = pixel(image, layout, 0.7, f)
        assert np.abs(seen - (shaded if inside else 255)).max() <= 2, f
    assert (pixel(image, layout, 0.7, 0.35) == colour).all()


def test_the_interval_of_the_prediction_is_shaded_where_a_result_has_one() -> None:
    ours = row("prediction", flat(0.6))
    known = tuple(score.model_copy(update={"macro_f_interval": (0.5, 0.75)}) for score in ours.scores)
    for one, inside in ((ours, False), (ours.model_copy(update={"scores": known}), True)):
        given_ = result(row("prediction", flat(0.6)), row("uniform_same_count", flat(0.1)))
        given_ = given_.model_copy(update={"rows": (one, *given_.rows[1:])})
        image, layout = draw_tolerance_curve(given_), tolerance_curve_layout(given_)
        assert (pixel(image, layout, 0.7, 0.7).min() < 250) == inside
        assert (pixel(image, layout, 0.7, 0.78) == 255).all()


def test_metronomes_are_dashed_and_oracles_dotted() -> None:
    rows = {"random_same_count": 0.1, "uniform_same_count": 0.3, "oracle_count": 0.5, "uniform_best_period": 0.7}
    given_ = result(
        row("prediction", flat(0.9)),
        *(row(name, flat(f), draws=2 if name.startswith("random") else 1) for name, f in rows.items()),
    )
    image, layout = draw_tolerance_curve(given_), tolerance_curve_layout(given_)
    lines = lines_of(given_, "macro")
    assert [line.family for line in lines] == ["prediction", "drawn", "metronome", "oracle", "oracle"]
    left, right = (round(layout.place(at, 0.0)[0]) for at in (0.25, 5.0))
    inked, runs = {}, {}
    for name, f in rows.items():
        near = np.abs(image[round(layout.place(1.0, f)[1])].astype(int) - rgb(ink.colours_of(lines)[name])).max(-1) < 60
        inked[name] = near[left:right].mean()
        runs[name] = int(np.diff(near[left:right].astype(int)).clip(0).sum())
    assert inked["random_same_count"] > 0.99
    for name in ("uniform_same_count", "oracle_count", "uniform_best_period"):
        assert 0.25 < inked[name] < 0.9, name
    # Dots are short: there are many more of them.
    assert runs["uniform_best_period"] > 2 * runs["uniform_same_count"] > 2 * runs["random_same_count"]
    assert abs(runs["oracle_count"] - runs["uniform_best_period"]) <= 2


@pytest.mark.parametrize(
    ("name", "draws", "family"),
    [
        ("uniform_same_count", 1, "metronome"),
        ("uniform_train_period", 1, "metronome"),
        ("uniform_best_period", 1, "oracle"),
        ("oracle_count", 1, "oracle"),
        ("circular_shift", 1000, "drawn"),
        ("train_durations", 50, "drawn"),
        ("train_copy", 1, "other"),
        ("constant_energy", 1, "other"),
    ],
)
def test_a_row_is_of_a_family_by_what_it_knows(name: str, draws: int, family: str) -> None:
    band = (0.1, 0.3) if draws > 1 else None
    ours, theirs = lines_of(result(row("prediction", flat(0.5)), row(name, flat(0.2), band, draws=draws)), "macro")
    assert (ours.family, ours.banded) == ("prediction", False)
    assert (theirs.name, theirs.family, theirs.banded) == (name, family, draws > 1)
    np.testing.assert_array_equal(theirs.tolerance_s, TOLERANCES)
    np.testing.assert_array_equal(theirs.f, flat(0.2))
    expected = (np.nan, np.nan) if band is None else band
    np.testing.assert_array_equal(theirs.band, np.tile(expected, (len(TOLERANCES), 1)))


def test_rows_keep_their_colours_whatever_stands_beside_them() -> None:
    few = lines_of(result(row("prediction", flat(0.5)), row("circular_shift", flat(0.2))), "macro")
    more = lines_of(
        result(row("prediction", flat(0.5)), row("mine", flat(0.1)), row("yours", flat(0.1)),
               row("circular_shift", flat(0.2))), "macro",
    )  # fmt: skip
    one, other = ink.colours_of(few), ink.colours_of(more)
    assert one == {name: other[name] for name in one}
    assert len(set(other.values())) == 4
    # A row of several results has one colour.
    assert ink.colours_of([*more, *more]) == other


@given(st.lists(st.integers(0, 1000).map(lambda share: share / 1000), min_size=1, max_size=25))
def test_names_stand_apart_and_beside_the_panel_in_the_order_of_the_last_values(values: list[float]) -> None:
    rows = [row(f"row_{number}", flat(f)) for number, f in enumerate(values[1:])]
    layout = tolerance_curve_layout(result(row("prediction", flat(values[0])), *rows, row("last", flat(0.5))))
    (names,), (area,) = layout.names, layout.panels
    order = sorted(range(len(names)), key=lambda i: names[i])
    assert (np.diff([names[i] for i in order]) > 27).all()
    assert area.y < names[order[0]]
    assert names[order[-1]] < area.bottom
    ends = [*values, 0.5]
    assert [ends[i] for i in order] == sorted(ends, reverse=True)


@given(st.lists(st.floats(-1e3, 1e3), max_size=20).map(sorted), st.floats(0, 50))
def test_places_are_moved_as_little_as_can_be(places: list[float], apart: float) -> None:
    moved = spread(places, apart)
    assert len(moved) == len(places)
    assert (np.diff(moved) >= apart - 1e-6).all()
    if places:
        steps = apart * np.arange(len(places))
        np.testing.assert_allclose(moved, isotonic_regression(np.array(places) - steps).x + steps, atol=1e-6)


def test_every_colour_is_dark_enough_to_be_read_on_white() -> None:
    lines = lines_of(result(row("prediction", flat(0.5)), *(row(f"own_{i}", flat(0.1)) for i in range(4))), "macro")
    for colour in (*ink.colours_of(lines).values(), *ink._COLOURS.values()):
        linear = np.where((share := rgb(colour) / 255) <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
        assert 1.05 / (0.05 + linear @ (0.2126, 0.7152, 0.0722)) >= 3.0, colour


def test_several_results_have_a_panel_each_with_an_axis_of_its_own() -> None:
    train = result(row("prediction", flat(0.75)), row("uniform_same_count", flat(0.1)))
    test = result(row("prediction", [0.25, 0.25], at=(0.1, 8.0)), row("mine", [0.1, 0.1], at=(0.1, 8.0)), at=(0.1, 8.0))
    both = {"train": train, "test": test}
    image, layout = draw_tolerance_curve(both), tolerance_curve_layout(both)
    assert image.shape == (*layout.size.shape, 3)
    upper, lower = layout.panels
    assert upper.bottom < lower.y
    assert lower.bottom < layout.foot < layout.size.height
    assert (pixel(image, layout, 0.25, 0.75) == rgb(ink.PREDICTION)).all()
    assert (pixel(image, layout, 0.1, 0.25, 1) == rgb(ink.PREDICTION)).all()


def test_the_footnote_says_rules_counts_and_truth() -> None:
    first = result(row("prediction", flat(0.75)), row("circular_shift", flat(0.1), (0.0, 0.2), draws=9))
    other = first.rules.model_copy(update={"counting": "each_end"})
    second = first.model_copy(update={"rules": other, "policies": {"truth_past_the_end": 3}})
    rules = "matching maximum, counting {}, window inclusive, ends left_out, empty both_1_one_0"
    counted, key = f"1 video, 2 true boundaries, 3 found; truth sha256:{'0' * 12}", "solid: mean of 9 draws; shaded"
    for given_, told in (
        ({"": first}, [counted, rules.format("once"), key]),
        ({"a": first, "b": first}, [f"a: {counted}", f"b: {counted}", rules.format("once"), key]),
        ({"a": first, "b": second}, [
            f"a: {counted}", f"b: {counted}; truth_past_the_end: 3",
            f"a: {rules.format('once')}", f"b: {rules.format('each_end')}", key,
        ]),
    ):  # fmt: skip
        foot = gather_curves(given_, "macro", None, None).foot
        assert len(foot) == len(told)
        for line, start in zip(foot, told, strict=True):
            assert line.startswith(start)


def test_tolerances_are_on_a_logarithm_where_that_has_a_place_for_them() -> None:
    assert tolerance_axis(TOLERANCES).kind == "log"
    assert tolerance_axis(TOLERANCES).ticks == TOLERANCES
    assert tolerance_axis(np.geomspace(0.1, 5, 16)).ticks == (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
    assert tolerance_axis((1.0, 2.0, 3.0)).kind == "linear"
    at = (0.0, 0.5, 5.0)
    given_ = result(row("prediction", flat(0.5, at), at=at), row("uniform_same_count", flat(0.1, at), at=at), at=at)
    image, layout = draw_tolerance_curve(given_), tolerance_curve_layout(given_)
    assert layout.axes[0].kind == "linear"
    for tolerance in at:
        assert (pixel(image, layout, tolerance, 0.5) == rgb(ink.PREDICTION)).all(), tolerance


@pytest.mark.parametrize(
    ("ours", "told"),
    [
        ([0.9] * 5, "above every row of chance at every tolerance"),
        ([0.1] * 5, "not above the best row of chance at any tolerance"),
        ([0.1, 0.2, 0.9, 0.9, 0.9], "not above the best row of chance at 0.25 to 0.5 s"),
        ([0.5, 0.9, 0.9, 0.4, 0.3], "not above the best row of chance at 0.25 s, 2 to 5 s"),
    ],
)
def test_what_chance_does_as_well_is_told(ours: list[float], told: str) -> None:
    given_ = result(row("prediction", ours), row("a", flat(0.5)), row("b", flat(0.2)))
    assert lost_to_chance(given_, "macro") == told
    image, layout = draw_tolerance_curve(given_), tolerance_curve_layout(given_)
    said = image[layout.panels[0].y - 40 : layout.panels[0].y - 4, layout.panels[0].x :]
    assert (np.abs(said.astype(int) - rgb(LEVEL)).max(-1) < 40).any() == told.startswith("not")


def test_a_note_is_a_band_that_moves_the_rest_down() -> None:
    given_ = result(row("prediction", flat(0.5)), row("uniform_same_count", flat(0.1)))
    note = "SYNTHETIC: scenes made after the labels of GTEA; " * 4
    plain, noted = draw_tolerance_curve(given_), draw_tolerance_curve(given_, note=note)
    lines = note_lines(note, plain.shape[1])
    assert len(lines) > 2
    # Every word of it.
    assert " ".join(lines) == note.strip()
    band = note_px(lines)
    assert ((noted[:band] == rgb(LEVEL)).all(axis=-1).mean(axis=1) > 0.4).all()
    assert (noted[:band, :18] == rgb(LEVEL)).all()
    assert (noted[:band, -18:] == rgb(LEVEL)).all()
    layouts = [tolerance_curve_layout(given_, note=one) for one in (None, note)]
    assert layouts[1].panels[0].y - layouts[0].panels[0].y == band
    assert noted.shape[0] - plain.shape[0] == band


def test_a_note_in_capitals_is_not_cut() -> None:
    from lapsdata.geometry import FrameSize
    from lapsdata.report._sheet import SIZE, Sheet

    with Sheet(FrameSize(width=1440, height=100)) as sheet:
        for line in note_lines("SYNTHETIC MADE-UP WORDS " * 12, 1440):
            assert sheet.say(line, 20, 20, weight="bold", fontsize=SIZE) <= 1420
    assert wrapped("one\ntwo", 10_000, SIZE) == ["one\\ntwo"]


def test_equal_arguments_give_equal_bytes_whatever_the_user_has_set() -> None:
    given_ = evaluate_boundaries(sample_segments(), sample_segments(), draws=3)
    once = tolerance_curve_png(given_)
    with mpl.rc_context({"font.size": 31.0, "axes.facecolor": "black", "lines.linewidth": 9.0, "axes.grid": False}):
        before = {name: mpl.rcParams[name] for name in mpl.rcParams if not name.startswith("backend")}
        assert tolerance_curve_png(given_) == once
        assert {name: mpl.rcParams[name] for name in before} == before
    read = cv2.imdecode(np.frombuffer(once, np.uint8), cv2.IMREAD_COLOR)
    assert read is not None
    assert (read[..., ::-1] == draw_tolerance_curve(given_)).all()
    assert once != tolerance_curve_png(given_, average="micro")
    assert once != tolerance_curve_png(given_, title="GTEA")


def test_a_written_curve_is_the_drawn_one_and_replaces_nothing_unasked(tmp_path: Path) -> None:
    given_ = evaluate_boundaries(sample_segments(), sample_segments(), draws=3)
    for overwrite in (False, True):
        write_tolerance_curve(tmp_path / "curve.png", given_, average="micro", title="GTEA", overwrite=overwrite)
    read = cv2.imread(str(tmp_path / "curve.png"))
    assert read is not None
    assert (read[..., ::-1] == draw_tolerance_curve(given_, average="micro", title="GTEA")).all()
    with pytest.raises(StorageError, match=r"curve\.png"):
        write_tolerance_curve(tmp_path / "curve.png", given_)


def test_names_of_others_are_drawn_as_they_are() -> None:
    odd = "$x^{1$ _{x}^2 左" + "w" * 80
    given_ = result(row("prediction", flat(0.5)), row(odd, flat(0.2)))
    image = draw_tolerance_curve({odd: given_}, title=odd, note=odd)
    assert (image[note_px(note_lines(odd, 1440)) :, -8:] == 255).all()


def test_what_is_no_curve_is_told() -> None:
    one = result(row("prediction", [0.5], at=(0.5,)), row("a", [0.5], at=(0.5,)), at=(0.5,))
    with pytest.raises(SchemaError, match=r"rules: expected at least two tolerances, got 0.5 s alone; score the"):
        draw_tolerance_curve(one)
    with pytest.raises(SchemaError, match="results: expected at least one result, got none"):
        draw_tolerance_curve({})
    average: Any = "median"
    with pytest.raises(SchemaError, match="average: expected one of 'macro', 'micro', got 'median'"):
        draw_tolerance_curve(result(row("prediction", flat(0.5)), row("a", flat(0.2))), average=average)
