"""Rows of boxes become a table in order; what is wrong with a row is named by its place, and nothing is left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lapsdata.adapters._box_faults import DETECTOR, TRUTH, faults_of
from lapsdata.adapters._box_rows import BoxRows, RowsOfBoxes
from lapsdata.containers import Boxes
from lapsdata.containers.base import all_differ
from lapsdata.errors import SchemaError
from lapsdata.schema import Size
from lapsdata.timebase import FrameRate

PATH = Path("set")


def rows_of(
    frames: list[int], ids: list[int] | None = None, places: Any = None, *, source: str = TRUTH, **more: Any
) -> RowsOfBoxes:
    count = len(frames)
    xywh = np.tile([10.0, 20.0, 30.0, 40.0], (count, 1)) if places is None else np.array(places, np.float64)
    return RowsOfBoxes(
        frame=np.array(frames, np.int64),
        id=np.array(range(count) if ids is None else ids, np.int64),
        xywh=xywh,
        source=source,
        **{"label": "player", **more},
    )


def line(row: int) -> str:
    return f"gt.txt: line {row + 1}"


def table(rows: BoxRows) -> Boxes:
    boxes = rows.adapted([]).container
    assert isinstance(boxes, Boxes)
    return boxes


def test_rows_are_put_in_order_of_sequences_and_frames() -> None:
    rows = BoxRows(PATH)
    rows.add("b", rows_of([2, 0, 1], [5, 6, 7], label=["x", "y", "z"]), line, length=3, first_number=1)
    rows.add("a", rows_of([0], [5]), line, length=1)
    boxes = table(rows)
    assert [one.name for one in boxes.header.sequences] == ["b", "a"]
    assert boxes.sequence_index.tolist() == [0, 0, 0, 1]
    assert boxes.frame.tolist() == [0, 1, 2, 0]
    assert boxes.id.tolist() == [6, 7, 5, 5]
    assert boxes.label == ("y", "z", "x", "player")
    assert boxes.header.sequences[0].first_number == 1


def test_rows_of_one_frame_keep_their_order() -> None:
    rows = BoxRows(PATH)
    rows.add("a", rows_of([1, 0, 1, 0], [9, 8, 7, 6]), line, length=2)
    assert table(rows).id.tolist() == [8, 6, 9, 7]


def test_several_sources_of_a_sequence_stand_together() -> None:
    rows = BoxRows(PATH)
    found = rows_of([0, 1], [-1, -1], source=DETECTOR, score=np.array([0.5, 0.75]))
    rows.add("a", rows_of([0, 1], [3, 3]), line, length=2, more=[(found, line)])
    boxes = table(rows)
    assert boxes.source == (TRUTH, DETECTOR, TRUTH, DETECTOR)
    assert boxes.score is not None
    assert np.array_equal(boxes.score, [np.nan, 0.5, np.nan, 0.75], equal_nan=True)


def test_what_a_sequence_says_is_in_its_header() -> None:
    rows = BoxRows(PATH)
    size = Size(width=640, height=360)
    rows.add(
        *("a", rows_of([4]), line),
        length=10,
        rate=FrameRate(25),
        size=size,
        annotated=[(0, 5)],
        images="img1/{frame:06d}.jpg",
    )
    (one,) = table(rows).header.sequences
    assert (one.length, one.rate, one.size, one.images) == (10, FrameRate(25), size, "img1/{frame:06d}.jpg")
    assert [(span.start, span.stop) for span in one.annotated] == [(0, 5)]


@pytest.mark.parametrize(
    ("frames", "length", "end"),
    [([0, 6], 7, "it ends with its last box, at 7 frames"), ([], 1, "without a box, it is taken for one frame")],
)
def test_a_length_that_is_not_told_is_that_of_the_rows(frames: list[int], length: int, end: str) -> None:
    rows = BoxRows(PATH)
    rows.add("a", rows_of(frames), line)
    adapted = rows.adapted([])
    assert adapted.container.header.sequences[0].length == length  # type: ignore[attr-defined]
    assert [(note.code, note.severity) for note in adapted.notes] == [("length-unknown", "info")]
    assert adapted.notes[0].message.endswith(end)


def test_all_columns_that_any_part_has_are_there() -> None:
    rows = BoxRows(PATH)
    rows.add("a", rows_of([0], visibility=np.array([0.5]), ignored=np.array([True])), line, length=1)
    rows.add("b", rows_of([0], source_id=["p1"], score=np.array([0.25])), line, length=1)
    boxes = table(rows)
    assert boxes.visibility is not None
    assert boxes.score is not None
    assert np.array_equal(boxes.visibility, [0.5, np.nan], equal_nan=True)
    assert np.array_equal(boxes.score, [np.nan, 0.25], equal_nan=True)
    assert boxes.ignored.tolist() == [True, False]
    assert boxes.source_id == (None, "p1")


@pytest.mark.parametrize(
    ("made", "code", "place"),
    [
        (rows_of([0], places=[[np.nan, 0, 1, 1]]), "not-finite", "x"),
        (rows_of([0], places=[[0, np.inf, 1, 1]]), "not-finite", "y"),
        (rows_of([0], places=[[0, 0, -1, 1]]), "negative-size", "w"),
        (rows_of([0], places=[[0, 0, 1, -0.5]]), "negative-size", "h"),
        (rows_of([-1]), "frame-outside", "frame"),
        (rows_of([5]), "frame-outside", "frame"),
        (rows_of([0], [-2]), "negative-id", "id"),
        (rows_of([0], score=np.array([np.inf])), "not-finite", "score"),
        (rows_of([0], visibility=np.array([1.5])), "visibility-outside", "visibility"),
    ],
)
def test_a_wrong_row_is_named_with_its_line_and_column(made: RowsOfBoxes, code: str, place: str) -> None:
    rows = BoxRows(PATH)
    rows.add("a", made, line, length=5)
    with pytest.raises(SchemaError, match=rf"gt.txt: line 1: {place}: expected .*, got ") as error:
        rows.adapted([])
    assert {problem.code for problem in error.value.problems} == {code}


def test_frames_are_told_as_the_source_numbers_them() -> None:
    rows = BoxRows(PATH)
    rows.add("a", rows_of([0, 5]), line, length=5, first_number=1)
    with pytest.raises(SchemaError, match=r"line 2: frame: expected frames up to 5, of 5, got 6; look at how long"):
        rows.adapted([])


def test_an_identity_twice_in_a_frame_is_named_with_frame_and_id() -> None:
    rows = BoxRows(PATH)
    rows.add("a", rows_of([0, 1, 1, 1], [4, 4, 7, 4]), line, length=2, first_number=1)
    with pytest.raises(
        SchemaError, match=r"line 4: id: expected each identity once in a frame, got frame 2, id 4; keep"
    ):
        rows.adapted([])


def test_boxes_without_identity_may_stand_in_a_frame_together() -> None:
    rows = BoxRows(PATH)
    rows.add("a", rows_of([0, 0, 0], [-1, -1, -1]), line, length=1)
    assert len(table(rows)) == 3


def test_of_many_wrong_rows_five_are_named_and_the_rest_counted() -> None:
    rows = BoxRows(PATH)
    rows.add("a", rows_of([0] * 9, places=[[0, 0, -1, 1]] * 9), line, length=1)
    with pytest.raises(SchemaError, match=r"line 6: w: expected w from 0; 4 more such rows") as error:
        rows.adapted([])
    assert len(error.value.problems) == 6


def test_a_sequence_twice_and_none_at_all() -> None:
    rows = BoxRows(PATH)
    rows.add("a", rows_of([0]), line, length=1)
    rows.add("a", rows_of([0]), line, length=1)
    with pytest.raises(SchemaError, match="expected each sequence once, got a again"):
        rows.adapted([])
    with pytest.raises(SchemaError, match="expected a sequence of boxes, got none"):
        BoxRows(PATH).adapted([])


def test_boxes_outside_of_the_image_are_kept_and_counted() -> None:
    rows = BoxRows(PATH)
    places = [[-30.5, 0, 30, 10], [-30.0, 0, 30, 10], [99.5, 0, 5, 5], [99.0, 0, 5, 5], [0, 50, 5, 5]]
    rows.add("a", rows_of([0, 1, 2, 3, 4], [1] * 5, places), line, length=5, size=Size(width=100, height=50))
    adapted = rows.adapted([])
    (note,) = adapted.notes
    assert (note.code, note.severity) == ("boxes-outside", "warning")
    assert note.message == "3 boxes lie wholly outside of 100x50, first gt.txt: line 1, x -30.5, y 0, w 30, h 10: kept"
    assert adapted.container.header.policies == {"boxes_outside": 3}
    assert len(adapted.container) == 5


def test_no_row_is_outside_of_the_image() -> None:
    rows = BoxRows(PATH)
    rows.add("a", rows_of([], places=np.empty((0, 4))), line, length=5, size=Size(width=100, height=50))
    assert len(table(rows)) == 0


def codes(parts: list[RowsOfBoxes]) -> list[str]:
    found = list(faults_of("beach", parts))
    assert all(one.severity == "warning" and one.where.startswith("beach: ") for one in found)
    return [one.code for one in found]


def test_identities_that_never_persist_are_told() -> None:
    frames, ids = [0, 0, 1, 1, 2], [1, 2, 3, 4, 5]
    assert codes([rows_of(frames, ids, source="ours")]) == ["ids-never-persist"]
    assert codes([rows_of(frames, ids)]) == ["ids-never-persist"]
    assert codes([rows_of(frames, ids, source=DETECTOR)]) == []
    assert codes([rows_of(frames, [1, 2, 3, 4, 1], source="ours")]) == []
    assert codes([rows_of([0, 0, 1, 1], [1, 2, 3, 4], source="ours")]) == []
    assert codes([rows_of(frames, [-1] * 5, source="ours")]) == []


def ranked(counts: list[int], first: int = 0, **more: Any) -> RowsOfBoxes:
    frames = [frame for frame, count in enumerate(counts) for _ in range(count)]
    return rows_of(frames, [first + rank for count in counts for rank in range(count)], source="ours", **more)


def test_ranks_in_place_of_identities_are_told() -> None:
    coming_and_going = [3, 2, 4, 1, 3, 2, 4, 3, 5, 1]
    assert codes([ranked(coming_and_going)]) == ["ids-are-ranks"]
    assert codes([ranked(coming_and_going, first=1)]) == ["ids-are-ranks"]
    falling = np.array([score for count in [3, 3, 3] for score in (0.9, 0.8, 0.7)[:count]])
    assert codes([ranked([3, 3, 3], score=falling)]) == ["ids-are-ranks"]


@pytest.mark.parametrize(
    "counts",
    [[3] * 20, list(range(1, 20)), [2, 1] * 20, [3, 3, 2, 2, 1, 1], [1] * 10],
    ids=["nobody leaves", "one after another comes", "one flickers", "last in, first out", "one alone"],
)
def test_people_who_stay_are_no_ranks(counts: list[int]) -> None:
    assert codes([ranked(counts)]) == []
    assert codes([ranked(counts, score=np.ones(sum(counts)))]) == []


def test_ranks_need_every_frame_and_no_gap() -> None:
    frames = [0, 0, 1, 1, 2, 2, 3, 4, 5, 6, 6, 6]
    assert codes([rows_of(frames, [0, 1, 0, 2, 0, 1, 0, 1, 0, 0, 1, 2], source="ours")]) == []


def test_detections_that_are_those_of_the_truth_are_told() -> None:
    generator = np.random.default_rng(0)
    places = generator.uniform(0, 500, (20, 4))
    truth = rows_of(list(range(20)), [1] * 20, places)
    other = places.copy()
    other[:11] += 0.25
    assert codes([truth, rows_of(list(range(20)), [-1] * 20, places, source=DETECTOR)]) == ["detections-equal-truth"]
    assert codes([truth, rows_of(list(range(20)), [1] * 20, places, source="ours")]) == ["detections-equal-truth"]
    assert codes([truth, rows_of(list(range(20)), [-1] * 20, other, source=DETECTOR)]) == []
    assert codes([truth, rows_of(list(range(1, 21)), [-1] * 20, places, source=DETECTOR)]) == []
    assert codes([truth, rows_of([], source=DETECTOR, places=np.empty((0, 4)))]) == []
    shuffled = generator.permutation(20)
    mixed = rows_of(shuffled.tolist(), [-1] * 20, places[shuffled], source=DETECTOR)
    (fault,) = faults_of("beach", [truth, mixed])
    assert fault.message == "100.0% of the true boxes stand among the others as they are: 100.0% of these are copies"
    # Copies of a few of many are copies too.
    few = rows_of([0, 1], [-1] * 2, places[:2], source=DETECTOR)
    assert codes([truth, few]) == ["detections-equal-truth"]
    much = rows_of(list(range(20)) * 3, [-1] * 60, np.concatenate([places, places + 9, places + 5]), source=DETECTOR)
    assert codes([truth, much]) == ["detections-equal-truth"]


@given(keys=st.integers(1, 3).flatmap(lambda k: arrays(np.int64, (k, 6), elements=st.integers(-2, 2))))
def test_columns_differ_where_no_two_are_one(keys: np.ndarray[Any, Any]) -> None:
    assert all_differ(keys) == (len({tuple(column) for column in keys.T.tolist()}) == keys.shape[1])


def test_columns_that_do_not_fit_into_a_number_are_not_said_to_differ() -> None:
    wide = np.array([[-(2**62), 2**62], [0, 2**40]], np.int64)
    assert not all_differ(wide)
    assert all_differ(wide[:, :1])
    assert all_differ(np.empty((3, 0), np.int64))


@given(data=st.data())
def test_a_table_has_every_row_that_was_added(data: st.DataObject) -> None:
    rows = BoxRows(PATH)
    added: list[tuple[str, int, int, float]] = []
    for name in data.draw(st.lists(st.sampled_from("abc"), unique=True, min_size=1)):
        frames = data.draw(st.lists(st.integers(0, 4), max_size=6))
        xs = data.draw(st.lists(st.floats(-9, 9), min_size=len(frames), max_size=len(frames)))
        part = rows_of(frames, None, [[x, 0, 1, 1] for x in xs] if xs else np.empty((0, 4)))
        rows.add(name, part, line, length=5)
        added += [(name, frame, row, x) for row, (frame, x) in enumerate(zip(frames, xs, strict=True))]
    boxes = table(rows)
    names = [one.name for one in boxes.header.sequences]
    columns = (boxes.sequence_index.tolist(), boxes.frame.tolist(), boxes.id.tolist(), boxes.x.tolist())
    found = [(names[at], frame, row, x) for at, frame, row, x in zip(*columns, strict=True)]
    assert sorted(found) == sorted(added)
