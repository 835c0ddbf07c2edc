"""Several tables as one: each box once, ranges of the truth, and what is told; against counters of plain rows."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lapsdata
from lapsdata._convert import convert
from lapsdata.adapters import merged_boxes
from lapsdata.adapters._boxes_edit import taken_rows
from lapsdata.containers import Boxes
from lapsdata.errors import SchemaError
from lapsdata.schema import BoxesHeader, BoxSequence, FrameRange
from lapsdata.schema.base import Parent
from lapsdata.testing.samples import sample_boxes, sample_provenance

if TYPE_CHECKING:
    from pathlib import Path

LENGTH = 30
Row = tuple[int, int, float]


def ranges(*spans: tuple[int, int]) -> tuple[FrameRange, ...]:
    return tuple(FrameRange(start=start, stop=stop) for start, stop in spans)


def boxes_of(
    rows: list[Row], source: str = "detector", spans: Any = ((0, LENGTH),), name: str = "a", score: Any = 0.5
) -> Boxes:
    """Return boxes of frame, id and x, one sequence long."""
    rows = sorted(rows, key=lambda row: row[0])
    count = len(rows)
    sequence = BoxSequence(name=name, length=LENGTH, annotated=ranges(*spans), first_number=1)
    return Boxes(
        BoxesHeader(provenance=sample_provenance(), sequences=(sequence,)),
        np.zeros(count, np.int64),
        np.array([row[0] for row in rows], np.int64),
        np.array([row[1] for row in rows], np.int64),
        np.array([row[2] for row in rows], np.float64),
        *(np.ones(count) for _ in range(3)),
        ("player",) * count,
        (source,) * count,
        np.zeros(count, bool),
        score=None if score is None else np.full(count, score),
    )


def plain(boxes: Boxes) -> list[Row]:
    return list(zip(boxes.frame.tolist(), boxes.id.tolist(), boxes.x.tolist(), strict=True))


def spans_of(boxes: Boxes) -> list[tuple[int, int]]:
    return [(span.start, span.stop) for span in boxes.header.sequences[0].annotated]


@pytest.mark.parametrize("truth_first", [True, False])
def test_what_a_detector_looked_at_is_not_annotated(truth_first: bool) -> None:
    truth = boxes_of([(0, 3, 1.0)], "truth", [(0, 10), (20, 21)], score=None)
    found = boxes_of([(frame, -1, 1.0) for frame in range(5, LENGTH)], spans=[(5, LENGTH)])
    whole, notes = merged_boxes([truth, found] if truth_first else [found, truth])
    assert spans_of(whole) == [(0, 10), (20, 21)]
    assert len(whole) == 26
    (note,) = notes
    assert (note.code, note.where, note.severity) == ("ranges-of-truth", "a", "warning")
    assert note.message == (
        "of 30 frames 11 were annotated, and others looked at 25, 6 of them annotated: the ranges of the truth stand"
    )


def test_ranges_of_the_same_frames_and_parts_of_a_truth_are_told_nothing_of() -> None:
    truth = boxes_of([(0, 3, 1.0)], "truth", score=None)
    assert merged_boxes([truth, boxes_of([(4, -1, 1.0)])])[1] == ()
    parts = [boxes_of([(first, 3, 1.0)], "truth", [(first, first + 5)], score=None) for first in (0, 5, 20)]
    whole, notes = merged_boxes(parts)
    assert (spans_of(whole), notes) == ([(0, 10), (20, 25)], ())
    several = [boxes_of([(first, -1, 1.0)], spans=[(first, first + 5)]) for first in (0, 5)]
    assert spans_of(merged_boxes(several)[0]) == [(0, 10)]


@pytest.mark.parametrize(("role", "expected"), [("detections", [(0, 4)]), ("annotations", [(0, LENGTH)])])
def test_a_table_without_boxes_is_known_by_what_it_was_made_from(role: str, expected: list[tuple[int, int]]) -> None:
    truth = boxes_of([(0, 3, 1.0)], "truth", [(0, 4)], score=None)
    empty = boxes_of([])
    made = sample_provenance().model_copy(
        update={"parents": (Parent(role=role, name="db.json", digest=f"sha256:{'0' * 64}"),)}
    )
    empty = replace(empty, header=empty.header.model_copy(update={"provenance": made}))
    assert spans_of(merged_boxes([truth, empty])[0]) == expected


def test_one_file_named_twice_is_itself() -> None:
    boxes = sample_boxes()
    whole, notes = merged_boxes([boxes, boxes, boxes])
    assert plain(whole) == plain(boxes)
    assert [(note.code, note.message) for note in notes] == [
        ("boxes-twice", "8 boxes stand in several files, equal in every column: taken once")
    ]
    assert whole.header.policies["boxes_twice"] == 8
    assert merged_boxes([boxes]) == (boxes, ())


ROWS = st.lists(st.tuples(st.integers(0, 3), st.just(-1), st.sampled_from([1.0, 2.0])), max_size=6)


@given(st.lists(ROWS, min_size=2, max_size=3))
def test_a_box_stands_as_often_as_in_the_table_that_has_it_most_often(several: list[list[Row]]) -> None:
    whole, notes = merged_boxes([boxes_of(rows) for rows in several])
    expected: Counter[Row] = Counter()
    for rows in several:
        expected |= Counter(rows)
    assert Counter(plain(whole)) == expected
    told = [note for note in notes if note.code == "boxes-twice"]
    left = sum(map(len, several)) - expected.total()
    assert [int(note.message.split()[0]) for note in told] == ([left] if left else [])
    # Of what is left, frames that several tables have boxes in.
    before: Counter[Row] = Counter()
    tables: dict[int, int] = {}
    for rows in several:
        new = Counter(rows) - before
        before |= Counter(rows)
        for frame in {row[0] for row in new}:
            tables[frame] = tables.get(frame, 0) + 1
    shared = sum(count > 1 for count in tables.values())
    assert [int(note.message.split()[1]) for note in notes if note.code == "frames-of-several"] == [shared] * bool(
        shared
    )


def test_boxes_that_differ_in_one_column_are_two() -> None:
    one = boxes_of([(0, -1, 1.0)])
    for other in (
        boxes_of([(0, -1, 1.0)], score=0.25),
        boxes_of([(0, -1, 1.0)], score=None),
        replace(one, label=("ball",)),
        replace(one, w=np.array([1.5])),
        replace(one, ignored=np.array([True])),
        boxes_of([(0, -1, 1.0)], "ours"),
        boxes_of([(0, -1, 1.0)], name="b"),
    ):
        whole, notes = merged_boxes([one, other])
        assert len(whole) == 2
        assert "boxes-twice" not in [note.code for note in notes]
    # Ids may be longer than a float64 holds.
    far = [boxes_of([(0, 10**17 + last, 1.0)], "truth") for last in (0, 1)]
    assert merged_boxes(far)[0].id.tolist() == [10**17, 10**17 + 1]


def test_an_identity_at_two_places_is_named_by_sequence_and_frame() -> None:
    tables = [boxes_of([(4, 7, x), (5, 7, x)], "truth", score=None) for x in (1.0, 2.0)]
    with pytest.raises(SchemaError, match="got id 7 of truth at two places; 2 such boxes in all") as raised:
        merged_boxes(tables)
    (problem,) = raised.value.problems
    assert (problem.code, problem.where) == ("identity-twice", "a: frame 5")
    assert problem.fix == "leave one of the files out, or give ids of their own"


def test_what_headers_count_is_added_up() -> None:
    tables = []
    for at, counted in enumerate(({"left_out": 2, "frames_missing": 1}, {"left_out": 3})):
        boxes = boxes_of([(at, -1, 1.0)])
        tables.append(replace(boxes, header=boxes.header.model_copy(update={"policies": counted})))
    assert merged_boxes(tables)[0].header.policies == {"left_out": 5, "frames_missing": 1}


def test_halves_of_a_table_are_the_table() -> None:
    boxes = sample_boxes()
    halves = [taken_rows(boxes, np.array(rows)) for rows in ([0, 1], [2, 3])]
    whole, notes = merged_boxes(halves)
    assert whole.equals(boxes)
    assert notes == ()


def test_a_truth_of_a_third_of_the_frames_and_detections_of_all_are_converted_so(tmp_path: Path) -> None:
    value = {"x": 10, "y": 20, "width": 5, "height": 10, "rotation": 0, "rectanglelabels": ["player"]}
    region = {"id": "track_1", "type": "rectanglelabels", "value": value}
    region |= {"original_width": 200, "original_height": 100}
    tasks = [
        {
            "id": number,
            "data": {"image": f"/data/local-files/?d=train/A/img1/{number:06d}.jpg"},
            "annotations": [{"result": [region]}] if number <= 10 else [],
        }
        for number in range(1, LENGTH + 1)
    ]
    found = {f"train/A/img1/{number:06d}": ["20,20,10,10,0.9\n"] for number in range(1, LENGTH + 1)}
    (tmp_path / "tasks.json").write_text(json.dumps(tasks))
    (tmp_path / "db.json").write_text(json.dumps(found))
    report = convert(
        [tmp_path / "tasks.json", tmp_path / "db.json", tmp_path / "db.json"], tmp_path / "both.parquet", workers=1
    )
    boxes = lapsdata.read(tmp_path / "both.parquet", Boxes)
    assert spans_of(boxes) == [(0, 10)]
    assert Counter(boxes.source) == {"truth": 10, "detector": 30}
    codes = [note.code for note in report.problems]
    assert codes.count("ranges-of-truth") == codes.count("boxes-twice") == 1
