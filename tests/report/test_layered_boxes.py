"""Layers: what boxes are, which of them lie in a picture, and where a track came from."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.errors import SchemaError
from lapsdata.report.layered_boxes import BoxKind, box_layers, refuse_min_score
from lapsdata.testing.samples import sample_boxes
from tests.report.made_boxes import Row, made_boxes, made_layer


@pytest.mark.parametrize(
    ("source", "ids", "kind"),
    [
        ("truth", (3, 4), "truth"),
        ("GT", (-1, -1), "truth"),
        ("detector", (-1, -1), "detections"),
        ("detector", (3, 4), "detections"),
        ("ByteTrack", (3, 4), "tracks"),
        ("ByteTrack", (-1, 4), "tracks"),
        ("yolo", (-1, -1), "detections"),
    ],
)
def test_a_layer_is_what_its_source_or_its_identities_say(source: str, ids: tuple[int, int], kind: BoxKind) -> None:
    layer = made_layer(*(Row(0, id=one, source=source) for one in ids))
    assert layer.kind == kind
    assert (source in layer.why) == (source.lower() in {"truth", "gt", "detector"})


def test_what_is_told_counts_more_than_what_is_seen() -> None:
    layer = made_layer(Row(0, id=1, source="truth"), kind="tracks")
    assert (layer.kind, layer.why) == ("tracks", "as told")
    with pytest.raises(SchemaError, match=r"kind: expected one of truth, detections, tracks, got 'boxes'"):
        box_layers(made_boxes(Row(0)), "made", kind="boxes")  # type: ignore[arg-type]


def test_a_table_without_boxes_is_a_layer_all_the_same() -> None:
    layer = made_layer()
    assert (len(layer), layer.kind, layer.rows(0)) == (0, "detections", slice(0, 0))
    assert list(layer.trails(0, 30)) == []


def test_each_source_of_a_table_is_a_layer_of_its_own() -> None:
    rows = [Row(0, id=1, source="truth"), Row(0, id=1, source="SORT"), Row(1, id=1, source="truth")]
    truth, sort = box_layers(made_boxes(*rows), "both")
    assert (truth.name, truth.kind, truth.frame.tolist()) == ("both: truth", "truth", [0, 1])
    assert (sort.name, sort.kind, sort.frame.tolist()) == ("both: SORT", "tracks", [0])


def test_one_of_several_sequences_is_named() -> None:
    (right,) = box_layers(sample_boxes(), "match", sequence="right")
    assert (right.name, right.sequence.name, right.xywh.tolist()) == ("match", "right", [[0.0, 0.0, 640.0, 60.0]])
    with pytest.raises(SchemaError, match=r"match: expected one sequence, got 2: 'left', 'right'; .*--sequence"):
        box_layers(sample_boxes(), "match")
    with pytest.raises(SchemaError, match=r"match: expected the sequence 'up', got a table of 'left', 'right'"):
        box_layers(sample_boxes(), "match", sequence="up")


def test_rows_are_found_by_what_the_pictures_are_called() -> None:
    layer = made_layer(Row(0), Row(0), Row(7), first_number=1)
    assert [layer.rows(number) for number in (0, 1, 2, 8, 9)] == [
        slice(0, 0),
        slice(0, 2),
        slice(2, 2),
        slice(2, 3),
        slice(3, 3),
    ]
    assert layer.numbers.tolist() == [1, 1, 8]


def test_what_a_table_speaks_of_is_told_from_what_it_leaves_open() -> None:
    layer = made_layer(Row(3), first_number=1, annotated=[(2, 5), (10, 11)])
    assert [number for number in range(20) if layer.annotated(number)] == [3, 4, 5, 11]


def test_low_scores_are_left_out_of_detections_and_counted() -> None:
    rows = [Row(0, score=0.29), Row(0, score=0.3), Row(1), Row(1, score=0.9)]
    (layer,) = box_layers(made_boxes(*rows), "made", min_score=0.3)
    assert layer.left_out == 1
    np.testing.assert_array_equal(layer.score, [0.3, np.nan, 0.9])
    assert layer.label == ("player",) * 3
    tracked = [row._replace(id=number, source="SORT") for number, row in enumerate(rows)]
    (tracks,) = box_layers(made_boxes(*tracked), "made", min_score=0.3)
    assert (len(tracks), tracks.left_out) == (4, 0)


def test_a_least_score_without_scores_is_refused() -> None:
    truth, blind, seen = (
        made_layer(Row(0, id=1, source="truth"), called="gt"),
        made_layer(Row(0), called="blind"),
        made_layer(Row(0, score=0.1), called="seen"),
    )
    with pytest.raises(SchemaError, match=r"expected a layer of detections, got 'gt \(truth\)'"):
        refuse_min_score([truth], 0.5)
    with pytest.raises(SchemaError, match=r"expected detections with scores, got none; leave --min-score out"):
        refuse_min_score([truth, blind], 0.5)
    refuse_min_score([truth, blind, seen], 0.5)
    refuse_min_score([truth], None)
    refuse_min_score(box_layers(made_boxes(Row(0, score=0.1)), "all low", min_score=0.5), 0.5)


def box_at(frame: int, x: float, who: int) -> Row:
    """Return a box of 2 x 4 pixels with its centre at (x, 0)."""
    return Row(frame, (x - 1.0, -2.0, 2.0, 4.0), who)


def test_a_trail_is_the_way_of_the_centre_to_the_picture() -> None:
    layer = made_layer(*(box_at(frame, 10.0 * frame, 5) for frame in range(6)))
    (found,) = layer.trails(4, 2)
    assert found[0] == 4
    np.testing.assert_array_equal(found[1], [[20.0, 0.0], [30.0, 0.0], [40.0, 0.0]])
    ((_, still),) = layer.trails(4, 0)
    np.testing.assert_array_equal(still, [[40.0, 0.0]])


def test_a_trail_is_broken_where_others_are_seen_and_it_is_not() -> None:
    rows = [box_at(frame, frame, 1) for frame in (0, 1, 3, 4)] + [box_at(frame, 90.0, 2) for frame in range(5)]
    layer = made_layer(*sorted(rows))
    ways = {int(layer.id[row]): way[:, 0].tolist() for row, way in layer.trails(4, 30)}
    assert ways == {1: [3.0, 4.0], 2: [90.0] * 5}


def test_a_table_of_every_fifth_frame_has_trails_that_go_back_frames_and_not_rows() -> None:
    layer = made_layer(*(box_at(frame, frame, 1) for frame in range(0, 50, 5)), first_number=1)
    ((_, way),) = layer.trails(46, 20)
    assert way[:, 0].tolist() == [25.0, 30.0, 35.0, 40.0, 45.0]


def test_boxes_without_identity_have_no_trail() -> None:
    layer = made_layer(box_at(0, 0.0, -1), box_at(1, 1.0, -1), box_at(1, 5.0, 0))
    assert [row for row, _ in layer.trails(1, 30)] == [2]


@given(st.data())
def test_trails_are_those_of_a_walk_back_frame_by_frame(data: st.DataObject) -> None:
    present = data.draw(st.lists(st.sets(st.integers(0, 3)), min_size=1, max_size=12))
    rows = [box_at(frame, 100.0 * who + frame, who) for frame, ids in enumerate(present) for who in sorted(ids)]
    layer, reach = made_layer(*rows), data.draw(st.integers(0, 6))
    filled = [frame for frame, ids in enumerate(present) if ids]
    for frame, ids in enumerate(present):
        expected = {}
        for who in ids:
            way = []
            for back in reversed([one for one in filled if one <= frame]):
                if who not in present[back] or back < frame - reach:
                    break
                way.insert(0, 100.0 * who + back)
            expected[who] = way
        assert {int(layer.id[row]): way[:, 0].tolist() for row, way in layer.trails(frame, reach)} == expected


def test_classes_are_told_where_there_are_several() -> None:
    assert not made_layer(Row(0), Row(1)).several_labels
    assert made_layer(Row(0), Row(1, label="ball")).several_labels
