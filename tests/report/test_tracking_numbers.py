"""What pictures of tracks draw, in numbers: those of the record, and none where they are a share of nothing."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.metrics import tracking_scores
from lapsdata.report._tracking_numbers import (
    LOSSES,
    MOST_TRACKERS,
    SCORES,
    drawn_rows,
    facts_of,
    loss_of,
    score_of,
    values_of,
)
from lapsdata.report._tracking_radar import SPOKES, radar_lines
from lapsdata.report._tracking_sheet import Page, colour_of, cut_names, dashes_of, told_number
from lapsdata.report._tracking_tables import MOST_SEQUENCES, drawn_sequences, sequence_table
from lapsdata.report.tracking_alphas import alpha_curves
from lapsdata.report.tracking_bars import loss_panels, nice_end, score_panels
from lapsdata.report.tracking_confusion import confusion_cells
from tests.metrics.tracks_by_trackeval import boxes_of
from tests.report.made_tracks import LONG, scored, some_boxes

if TYPE_CHECKING:
    from lapsdata.containers import Boxes
    from lapsdata.schema.tracking import TrackingResult

NOTHING: Boxes = boxes_of({"one": [], "two": []}, 30)


@pytest.fixture(scope="module")
def two() -> tuple[Boxes, dict[str, Boxes], TrackingResult]:
    truth = some_boxes(1)
    trackers = {"ours": some_boxes(1, missed=0.3, changed=0.05), "none": NOTHING}
    return truth, trackers, scored(truth, trackers)


def title(panels: Any, name: str) -> Any:
    return next(panel for panel in panels if panel.title == name)


def test_panels_hold_the_scores_of_the_boxes(two: tuple[Boxes, dict[str, Boxes], TrackingResult]) -> None:
    truth, trackers, result = two
    scores = tracking_scores(truth, trackers["ours"]).classes["object"]
    summary = scores.summary()
    panels = score_panels(result, None)
    assert [panel.title for panel in panels] == [
        "HOTA", "DetA", "AssA", "LocA", "MOTA", "MOTP", "IDF1", "IDP", "IDR", "precision", "recall", "F1", "mean IoU",
        "IDSW", "Frag",
    ]  # fmt: skip
    names = {"precision": "CLR_Pr", "recall": "CLR_Re", "F1": "CLR_F1"}
    for panel in panels:
        expected = scores.clear.mean_iou if panel.title == "mean IoU" else summary[names.get(panel.title, panel.title)]
        assert panel.values[0] == pytest.approx(expected, abs=1e-12), panel.title
        rows = {row.name: row for row in result.rows if row.kind == "oracle"}
        for row, value in zip(rows.values(), panel.oracles, strict=True):
            key = names.get(panel.title, panel.title)
            one = row.classes["object"]
            told = one.mean_iou if key == "mean IoU" else {**one.scores, **one.counts}[key]  # type: ignore[index]
            assert value == pytest.approx(told)
    chance = next(row for row in result.rows if row.of == "ours")
    assert title(panels, "HOTA").chance[0] == chance.classes["object"].scores["HOTA"]


def test_a_tracker_that_found_nothing_has_no_precision(
    two: tuple[Boxes, dict[str, Boxes], TrackingResult],
) -> None:
    _, _, result = two
    told = {panel.title: panel.values[1] for panel in score_panels(result, "object")}
    assert {name for name, value in told.items() if value is None} == {
        "AssA", "LocA", "MOTP", "IDP", "precision", "mean IoU"
    }  # fmt: skip
    # Misses are misses: what is a share of true boxes is 0, and is told.
    assert {name for name, value in told.items() if value == 0} == {
        "HOTA", "DetA", "MOTA", "IDF1", "IDR", "recall", "F1", "IDSW", "Frag"
    }  # fmt: skip


def test_without_a_true_box_nothing_can_be_recalled() -> None:
    found = some_boxes(2)
    row = scored(NOTHING, {"ours": found}).rows[0]
    told = {name: score_of(values_of(row, None), name) for name in SCORES}
    assert {name for name, value in told.items() if value is None} == {
        "AssA", "LocA", "MOTA", "MOTP", "IDR", "recall", "mean IoU"
    }  # fmt: skip
    assert all(loss_of(values_of(row, None), name) == (None, False) for name in LOSSES)
    nothing = values_of(scored(NOTHING, {"ours": NOTHING}).rows[0], None)
    assert [score_of(nothing, name) for name in SCORES] == [None] * len(SCORES)


def test_losses_are_those_of_the_record_and_say_which_hold_a_rule(
    two: tuple[Boxes, dict[str, Boxes], TrackingResult],
) -> None:
    _, _, result = two
    panels = loss_panels(result, "object")
    assert [panel.title for panel in panels] == ["detection", "iou", "tracking", "mota", "combined"]
    for panel in panels:
        losses = [row.classes["object"].losses for row in result.trackers]
        assert list(panel.values) == [getattr(one, panel.title) for one in losses]
    assert {panel.title: panel.by_rule for panel in panels} == {
        "detection": (False, True), "iou": (False, True), "tracking": (False, False), "mota": (False, False),
        "combined": (False, True),
    }  # fmt: skip
    clear = result.rows[0].classes["object"]
    parts = title(panels, "detection").values[0], title(panels, "iou").values[0], title(panels, "tracking").values[0]
    assert parts[0] == pytest.approx(2 - clear.scores["CLR_Pr"] - clear.scores["CLR_Re"])  # type: ignore[operator]
    assert title(panels, "combined").values[0] == pytest.approx(np.dot(parts, (0.4, 0.3, 0.3)))


def test_axes_begin_at_0_and_reach_all_that_trackers_have(
    two: tuple[Boxes, dict[str, Boxes], TrackingResult],
) -> None:
    _, _, result = two
    for panel in (*score_panels(result, None), *loss_panels(result, None)):
        there = [value for value in (*panel.values, *panel.chance) if value is not None]
        assert panel.low <= min(0.0, *there)
        assert panel.high >= max(there)
        assert {0.0}.issubset(panel.ticks)
        assert min(panel.ticks) >= panel.low
        assert max(panel.ticks) <= panel.high
        if panel.title not in {"IDSW", "Frag", "tracking", "detection", "mota", "combined"}:
            assert panel.high == 1
    mota = title(score_panels(result, None), "MOTA")
    assert mota.low == math.floor(2 * min(mota.chance)) / 2 < 0


def test_switches_of_oracles_do_not_hide_those_of_trackers(
    two: tuple[Boxes, dict[str, Boxes], TrackingResult],
) -> None:
    _, _, result = two
    panel = title(score_panels(result, None), "IDSW")
    assert panel.oracles[1] > panel.high >= panel.values[0] > 0
    assert panel.high <= 5 * max(panel.values[0], panel.chance[0], 1)


@given(st.floats(0, 1e7), st.booleans())
def test_ends_of_axes_are_round_and_not_far(most: float, whole: bool) -> None:
    end = nice_end(most, whole=whole)
    assert end >= most
    assert end <= max(2.5 * most + 1e-9, 2.0 if whole else 0.01)
    assert float(f"{end:.1g}") == end


def test_confusion_has_three_cells_and_shares_of_what_there_is() -> None:
    truth = boxes_of({"a": [(f, 1, 0.0, 0.0, 9.0, 9.0) for f in range(4)]}, 4)
    found = boxes_of({"a": [(f, 1, 0.0 if f else 99.0, 0.0, 9.0, 9.0) for f in range(2)]}, 4)
    cells = confusion_cells(scored(truth, {"ours": found}).rows[0].classes["object"])
    assert [(cell.name, cell.boxes, cell.share, cell.of) for cell in cells] == [
        ("TP", 1, 0.25, "true"), ("FN", 3, 0.75, "true"), ("FP", 1, 0.5, "predicted")
    ]  # fmt: skip
    none = boxes_of({"a": []}, 4)
    nothing = confusion_cells(scored(truth, {"ours": none}).rows[0].classes["object"])
    assert [cell.share for cell in nothing] == [0.0, 1.0, None]
    both = confusion_cells(scored(none, {"ours": none}).rows[0].classes["any"])
    assert [cell.share for cell in both] == [None, None, None]


def test_curves_over_alpha_are_those_of_the_record_and_end_where_nothing_matches() -> None:
    truth = boxes_of({"a": [(f, 1, 0.0, 0.0, 10.0, 10.0) for f in range(4)]}, 4)
    # An overlap of 2 / 3: matched up to an alpha of 0.65.
    found = boxes_of({"a": [(f, 1, 0.0, 2.0, 10.0, 10.0) for f in range(4)]}, 4)
    one = scored(truth, {"ours": found}).rows[0].classes["object"]
    curves = alpha_curves(one)
    np.testing.assert_array_equal(curves["HOTA"], one.by_alpha["HOTA"])
    np.testing.assert_array_equal(curves["DetA"], [1.0] * 13 + [0.0] * 6)
    np.testing.assert_array_equal(curves["AssA"], [1.0] * 13 + [math.nan] * 6)
    none = boxes_of({"a": []}, 4)
    missed = alpha_curves(scored(truth, {"ours": none}).rows[0].classes["object"])
    assert (missed["HOTA"] == 0).all()
    assert np.isnan(missed["AssA"]).all()
    nothing = alpha_curves(scored(none, {"ours": none}).rows[0].classes["any"])
    assert all(np.isnan(nothing[name]).all() for name in ("HOTA", "DetA", "AssA"))


def test_a_radar_joins_neighbours_that_are_defined(two: tuple[Boxes, dict[str, Boxes], TrackingResult]) -> None:
    _, _, result = two
    values, sides = radar_lines(result.rows[0].classes["object"])
    assert values == [score_of(result.rows[0].classes["object"], name) for name in SPOKES]
    assert len(sides) == len(SPOKES)
    values, sides = radar_lines(result.rows[1].classes["object"])
    named = {name: value for name, value in zip(SPOKES, values, strict=True) if value is not None}
    assert named == {"HOTA": 0, "DetA": 0, "IDF1": 0, "recall": 0}
    assert sides == [(SPOKES.index("HOTA"), SPOKES.index("DetA"))]


def test_rows_are_numbered_and_the_first_ones_are_drawn() -> None:
    truth = some_boxes(3, frames=4, walking=1)
    result = scored(truth, {f"t{k}": truth for k in range(MOST_TRACKERS + 3)})
    rows = drawn_rows(result)
    assert (len(rows.trackers), rows.left) == (MOST_TRACKERS, 3)
    assert [row.of for row in rows.chance if row is not None] == [row.name for row in rows.trackers]
    assert (rows.labels[0], rows.labels[-1]) == ("1  t0", f"{MOST_TRACKERS}  t{MOST_TRACKERS - 1}")
    looks = {(colour_of(k), str(dashes_of(k))) for k in range(MOST_TRACKERS)}
    assert len(looks) == MOST_TRACKERS


def test_a_result_without_chance_has_none_beside_it(two: tuple[Boxes, dict[str, Boxes], TrackingResult]) -> None:
    _, _, result = two
    bare = result.model_copy(update={"rows": tuple(row for row in result.rows if row.kind == "prediction")})
    rows = drawn_rows(bare)
    assert (rows.chance, rows.oracles) == ((None, None), ())
    assert all(panel.chance == (None, None) and panel.oracles == () for panel in score_panels(bare, None))


def test_of_many_sequences_the_worst_are_drawn_in_the_order_of_the_truth() -> None:
    names = [f"s{k:02}" for k in range(MOST_SEQUENCES + 2)]
    truth = some_boxes(4, frames=4, walking=1, sequences=names)
    rows = {name: [(0, 1, 0.0, 0.0, 30.0, 60.0)] for name in names}
    rows[names[3]] = rows[names[7]] = []
    found = truth, boxes_of(rows, 4)
    # Of the first tracker only two sequences are found in full.
    worse = boxes_of({name: [(f, 10, 0.0, 3.0 * f, 30.0, 60.0) for f in range(4)] if name in names[4:6] else []
                      for name in names}, 4)  # fmt: skip
    result = scored(truth, {"worse": worse, "same": found[0]})
    kept = drawn_sequences(result, "object")
    assert kept == [name for name in names if name not in names[4:6]]
    table = sequence_table(result, drawn_rows(result), "object")
    assert (table.names, table.left) == (kept, 2)
    scores = tracking_scores(truth, worse).sequences
    for name, (ours, same) in zip(table.names, table.hota, strict=True):
        assert ours == pytest.approx(scores[name].classes["object"].hota.HOTA.mean())
        assert same == 1
    assert table.labels[:2] == ["s1  s00", "s2  s01"]


def test_a_sequence_without_a_box_has_no_score() -> None:
    truth = boxes_of({"a": [(0, 1, 0.0, 0.0, 9.0, 9.0)], "b": []}, 2)
    table = sequence_table(result := scored(truth, {"ours": truth}), drawn_rows(result), "object")
    assert table.hota == [[1.0], [None]]


def test_facts_say_what_was_scored_and_what_was_not() -> None:
    truth = some_boxes(5, annotated=[(0, 10), (20, 30)], labels=("ball", "player"))
    result = scored(truth, {"ours": truth})
    boxes = {name: row.counts["GT_Dets"] for name, row in result.rows[0].classes.items()}
    assert facts_of(result, "ball") == (
        f"2 sequences, 40 frames scored, 20 left out that nobody annotated, {boxes['ball']} true boxes of ball; "
        "profile plain, matched from an overlap of 0.5"
    )
    every = sum(boxes.values())
    assert f"{every} true boxes of all 2 classes, each box of the same weight; " in facts_of(result, None)
    assert values_of(result.rows[0], None).counts["GT_Dets"] == every
    other = result.model_copy(update={"rules": result.rules.model_copy(update={"rules": "py-motmetrics"})})
    assert facts_of(other, "ball").endswith("0.5, rules of py-motmetrics")


def test_a_truth_without_a_box_has_the_classes_of_the_trackers() -> None:
    found = some_boxes(6, labels=("ball", "player"))
    result = scored(NOTHING, {"ours": found, "none": NOTHING})
    assert result.rules.classes == ("ball", "player")
    assert all(set(row.classes) == {"ball", "player"} for row in result.rows)
    assert result.rows[0].classes["ball"].counts["CLR_FP"] == sum(label == "ball" for label in found.label)


def test_numbers_are_told_shortly_and_never_as_nan() -> None:
    told = {0.0: "0.000", 1.0: "1.000", -0.7250001: "-0.725", 12.3456: "12.35", -39.45: "-39.45", -7250.4: "-7250"}
    assert {value: told_number(value) for value in told} == told
    assert told_number(None) == "undefined"


def test_names_that_are_cut_are_told_whole() -> None:
    names = [LONG.format(k) for k in (0.3, 0.5)]
    assert cut_names(["short", *names], 200) == names
    assert cut_names(["short", *names], 2000) == []


def test_a_page_has_room_for_each_of_its_lines() -> None:
    bare, full = Page.of("title", "facts", 100), Page.of("title", "facts " * 60, 100, ["foot " * 60, "more"], "note")
    assert full.top > bare.top
    assert len(full.facts) > 1
    assert len(full.foot) > 2
    assert full.size.height > full.top + 100 + 20 * len(full.foot)
    assert " ".join(full.foot).split() == ["foot"] * 60 + ["more"]
