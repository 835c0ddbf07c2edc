"""Both sides meet by the name of a sequence and the number of a frame, whatever either calls its first one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.containers import Boxes
from lapsdata.loading._mot_sides import covered_frames, given_boxes, side_boxes, source_of
from lapsdata.loading._mot_timeline import MotTimeline
from lapsdata.schema import BoxesHeader, BoxSequence, FrameRange
from lapsdata.testing.samples import sample_boxes, sample_provenance

Told = list[tuple[str, int, int, list[int]]]
"""Of each sequence its name, first number, length, and the numbers of frames with a box."""


def table(told: Told, source: str = "detector") -> Boxes:
    """Return boxes whose left edge is the number of their frame; of every frame without the last one is annotated."""
    rows = [
        (at, number - first, number)
        for at, (_, first, length, numbers) in enumerate(told)
        for number in sorted(numbers)
        if first <= number < first + length
    ]
    sequences = tuple(
        BoxSequence(name=name, length=length, first_number=first, annotated=(FrameRange(start=0, stop=length - 1),))
        for name, first, length, _ in told
    )
    columns = np.array(rows, np.int64).reshape(-1, 3)
    many = len(columns)
    return Boxes(
        BoxesHeader(provenance=sample_provenance(), sequences=sequences),
        columns[:, 0].copy(),
        columns[:, 1].copy(),
        np.full(many, -1),
        columns[:, 2].astype(np.float64),
        *(np.ones(many) for _ in range(3)),
        ("object",) * many,
        (source,) * many,
        np.zeros(many, bool),
    )


tolds = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.integers(0, 4),
        st.integers(2, 8),
        st.lists(st.integers(0, 10), max_size=6, unique=True),
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda one: one[0],
)


@given(ours=tolds, theirs=tolds)
def test_boxes_come_to_the_frame_of_their_number(ours: Told, theirs: Told) -> None:
    timeline = MotTimeline.of(table(ours).header.sequences)
    boxes = table(theirs)
    side = side_boxes(boxes, "detector", timeline, {})
    covered = covered_frames(boxes, timeline, {})
    wanted, looked = [], []
    known = {name: (first, length, numbers) for name, first, length, numbers in theirs}
    for name, first, length, _ in ours:
        their_first, their_length, numbers = known.get(name, (0, 1, []))
        for number in range(first, first + length):
            inside = their_first <= number < their_first + their_length
            wanted += [(len(looked), number)] * (number in numbers and inside)
            looked.append(name in known and their_first <= number < their_first + their_length - 1)
    assert list(zip(side.frame.tolist(), side.xywh[:, 0].tolist(), strict=True)) == wanted
    assert covered.tolist() == looked
    assert side.beyond == len(boxes) - len(wanted)
    assert np.isnan(side.score).all()


def test_sequences_may_be_called_otherwise() -> None:
    timeline = MotTimeline.of(table([("match", 1, 4, [])]).header.sequences)
    boxes = table([("det", 0, 5, [2, 3])])
    assert len(side_boxes(boxes, "detector", timeline, {})) == 0
    named = side_boxes(boxes, "detector", timeline, {"match": "det"})
    assert named.frame.tolist() == [1, 2]
    assert covered_frames(boxes, timeline, {"match": "det"}).tolist() == [True, True, True, False]


def test_sequences_in_another_order_are_sorted_by_the_frames_of_the_truth() -> None:
    timeline = MotTimeline.of(table([("a", 0, 3, []), ("b", 0, 3, [])]).header.sequences)
    side = side_boxes(table([("b", 0, 3, [0, 1]), ("a", 0, 3, [2])]), "detector", timeline, {})
    assert side.frame.tolist() == [2, 3, 4]
    assert side.row.tolist() == [2, 0, 1]


def test_labels_are_counted_behind_those_that_are_known() -> None:
    boxes = sample_boxes()
    timeline = MotTimeline.of(boxes.header.sequences)
    side = side_boxes(boxes, "truth", timeline, {}, ["stand"])
    assert side.labels == ("stand", "player")
    assert side.label.tolist() == [1, 1, 0]
    kept = side.only(side.label == 0)
    assert (len(kept), kept.labels, kept.ignored.tolist()) == (1, side.labels, [True])


def test_whose_boxes_count() -> None:
    boxes = sample_boxes()
    assert source_of(boxes, None, "truth") == "detector"
    assert source_of(boxes, "truth", "truth") == "truth"
    assert source_of(replace(boxes, source=("truth",) * 4), None, "truth") == "truth"
    assert source_of(table([("a", 0, 3, [])]), None, "truth") is None
    assert given_boxes(boxes, "truth").boxes is boxes
