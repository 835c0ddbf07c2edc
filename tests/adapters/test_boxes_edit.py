"""What is kept of boxes, and several tables as one: against plain loops over rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.adapters import BoxesEdit, edited_boxes, merged_boxes
from lapsdata.adapters._boxes_edit import taken_rows
from lapsdata.containers import Boxes
from lapsdata.errors import SchemaError
from lapsdata.schema import BoxesHeader, BoxSequence, FrameRange
from lapsdata.schema.base import Size
from lapsdata.testing.samples import sample_boxes, sample_provenance
from lapsdata.timebase import FrameRate

LENGTH = 12


def sequence(name: str = "a", *, first: int = 0, **more: Any) -> BoxSequence:
    given: dict[str, Any] = {"length": LENGTH, "annotated": (FrameRange(start=0, stop=LENGTH),), "first_number": first}
    return BoxSequence(name=name, **(given | more))


def table(rows: list[tuple[int, float | None, str]], *sequences: BoxSequence, source: str = "detector") -> Boxes:
    """Return boxes of the first sequence, each of a frame, a score and a label; the order of rows is in `x`."""
    rows = sorted(rows, key=lambda row: row[0])
    scores = np.array([np.nan if score is None else score for _, score, _ in rows])
    size = len(rows)
    return Boxes(
        BoxesHeader(provenance=sample_provenance(), sequences=sequences or (sequence(),)),
        np.zeros(size, np.int64),
        np.array([frame for frame, _, _ in rows], np.int64),
        np.full(size, -1, np.int64),
        np.arange(size, dtype=float),
        np.zeros(size),
        np.ones(size),
        np.ones(size),
        tuple(label for _, _, label in rows),
        (source,) * size,
        np.zeros(size, bool),
        score=None if not size or all(score is None for _, score, _ in rows) else scores,
    )


def plain(boxes: Boxes) -> list[tuple[str, int, float, str, str]]:
    """Return rows of a table: sequence, frame, x, label and source."""
    names = [one.name for one in boxes.header.sequences]
    return [
        (names[at], frame, x, label, source)
        for at, frame, x, label, source in zip(
            boxes.sequence_index.tolist(),
            boxes.frame.tolist(),
            boxes.x.tolist(),
            boxes.label,
            boxes.source,
            strict=True,
        )
    ]


ROWS = st.lists(
    st.tuples(
        st.integers(0, LENGTH - 1), st.none() | st.sampled_from([0.25, 0.5, 0.75]), st.sampled_from(["player", "ball"])
    ),
    max_size=10,
)


@given(
    rows=ROWS,
    low=st.none() | st.sampled_from([0.3, 0.5]),
    span=st.none() | st.tuples(st.integers(0, 8), st.integers(0, 8)),
    first=st.integers(0, 1),
    balls=st.booleans(),
)
def test_what_is_kept_is_what_a_loop_keeps(
    rows: list[Any], low: float | None, span: tuple[int, int] | None, first: int, balls: bool
) -> None:
    boxes = table(rows, sequence(first=first))
    frames = None if span is None else (span[0], span[0] + span[1])
    labels = ("ball",) if balls and "ball" in boxes.label else None
    edit = BoxesEdit(min_score=low if boxes.score is not None else None, labels=labels, frames=frames)
    kept, notes = edited_boxes(boxes, edit)
    inside = range(0, 99) if frames is None else range(frames[0], frames[1] + 1)
    wanted = [
        float(at)
        for at, (frame, score, label) in enumerate(sorted(rows, key=lambda row: row[0]))
        if frame + first in inside
        and (edit.min_score is None or score is None or score >= edit.min_score)
        and (labels is None or label in labels)
    ]
    assert kept.x.tolist() == wanted
    assert sum(int(note.message.split()[0]) for note in notes) == len(rows) - len(wanted)
    assert all(note.severity == "info" for note in notes)
    # Frames that were not chosen say nothing any more; the sequence is as long as before.
    (left,) = kept.header.sequences
    told = {frame for one in left.annotated for frame in range(one.start, one.stop)}
    assert told == {frame for frame in range(LENGTH) if frame + first in inside}
    assert left.length == LENGTH


def test_ranges_that_were_annotated_stay_apart() -> None:
    spans = (FrameRange(start=0, stop=3), FrameRange(start=5, stop=12))
    kept, _ = edited_boxes(table([], sequence(first=1, annotated=spans)), BoxesEdit(frames=(3, 8)))
    assert [(one.start, one.stop) for one in kept.header.sequences[0].annotated] == [(2, 3), (5, 8)]


def test_nothing_is_told_where_nothing_is_left_out() -> None:
    boxes = table([(0, 0.5, "ball")])
    kept, notes = edited_boxes(boxes, BoxesEdit(min_score=0.1, labels=("ball",), frames=(0, 99)))
    assert kept.equals(boxes)
    assert notes == ()


def test_what_is_left_out_is_counted_once() -> None:
    boxes = table([(0, 0.25, "ball"), (9, 0.25, "player"), (9, 0.5, "ball")])
    _, notes = edited_boxes(boxes, BoxesEdit(min_score=0.3, labels=("ball",), frames=(0, 5)))
    assert [(note.code, note.message) for note in notes] == [
        ("other-labels", "1 of 3 boxes have another label than 'ball': left out"),
        ("low-scores", "1 of 3 boxes have a score below 0.3: left out"),
        ("other-frames", "1 of 3 boxes lie outside of frames 0 to 5, both included: left out"),
    ]


def test_what_no_box_has_is_refused() -> None:
    boxes = table([(0, None, "ball")])
    with pytest.raises(SchemaError, match="2 problems") as raised:
        edited_boxes(boxes, BoxesEdit(min_score=0.5, labels=("ball", "net")))
    assert {problem.message for problem in raised.value.problems} == {
        "expected labels of 'ball', got 'net'",
        "expected boxes with scores, got none",
    }
    for wrong in ({"frames": (5, 4)}, {"min_score": float("nan")}, {"frames": (-1, 4)}):
        with pytest.raises(SchemaError, match="expected"):
            BoxesEdit(**wrong)


def test_rows_are_taken_with_all_their_columns() -> None:
    boxes = sample_boxes()
    some = taken_rows(boxes, np.array([1, 3]), labels=("player", "stand"))
    assert some.header.labels == ("player", "stand")
    for name in ("sequence_index", "frame", "id", "x", "y", "w", "h", "ignored", "visibility"):
        whole, part = getattr(boxes, name), getattr(some, name)
        assert np.array_equal(part, whole[[1, 3]], equal_nan=whole.dtype == np.float64), name
    assert (some.label, some.source, some.source_id) == (("player", "stand"), ("truth", "truth"), ("12", None))


@given(one=ROWS, other=ROWS, names=st.sampled_from([("a", "a"), ("a", "b"), ("b", "a")]))
def test_tables_become_one_in_the_order_of_sequences_and_frames(
    one: list[Any], other: list[Any], names: tuple[str, str]
) -> None:
    tables = [
        table(rows, sequence(name), source=f"from {at}")
        for at, (rows, name) in enumerate(zip((one, other), names, strict=True))
    ]
    whole, _ = merged_boxes(tables)
    order = list(dict.fromkeys(names))
    assert [item.name for item in whole.header.sequences] == order
    rows = [row for item in tables for row in plain(item)]
    assert plain(whole) == sorted(rows, key=lambda row: (order.index(row[0]), row[1]))  # of one frame, the first first
    scores = [value for item in tables for value in (np.full(len(item), np.nan) if item.score is None else item.score)]
    if all(item.score is None for item in tables):
        assert whole.score is None
    else:
        assert whole.score is not None
        assert np.array_equal(np.sort(whole.score), np.sort(scores), equal_nan=True)


def test_what_only_one_table_says_of_a_sequence_is_taken() -> None:
    known = {"rate": FrameRate(25), "size": Size(width=64, height=48), "images": "img1/{frame:06d}.jpg"}
    bare = sequence(length=4, annotated=(FrameRange(start=0, stop=2), FrameRange(start=3, stop=4)))
    more = sequence(length=9, annotated=(FrameRange(start=2, stop=3), FrameRange(start=6, stop=8)), **known)
    for tables in ((bare, more), (more, bare)):
        (found,) = merged_boxes([table([], one) for one in tables])[0].header.sequences
        assert found.length == 9
        assert {name: getattr(found, name) for name in known} == known
        assert [(one.start, one.stop) for one in found.annotated] == [(0, 4), (6, 8)]


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("rate", FrameRate(25), FrameRate(30)),
        ("size", Size(width=64, height=48), Size(width=48, height=64)),
        ("first_number", 0, 1),
    ],
)
def test_one_sequence_said_in_two_ways_is_refused(name: str, one: Any, other: Any) -> None:
    tables = [table([], sequence(**{name: value})) for value in (one, other)]
    with pytest.raises(SchemaError, match=f"expected one {name.replace('_', '.')}") as raised:
        merged_boxes(tables)
    (problem,) = raised.value.problems
    assert problem.fix == "give one of them another name"


def test_lists_of_labels_are_joined_where_all_have_one() -> None:
    boxes = sample_boxes()
    some = [taken_rows(boxes, np.array(rows), labels=labels)
            for rows, labels in (([0], ("player", "net")), ([3], ("stand", "player")))]  # fmt: skip
    assert merged_boxes(some)[0].header.labels == ("player", "net", "stand")
    assert merged_boxes([*some, taken_rows(boxes, np.array([1]))])[0].header.labels is None
