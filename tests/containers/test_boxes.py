"""What is read off boxes: their places in one array, and which frames were looked at."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.containers.boxes import annotated_frames
from lapsdata.schema import BoxSequence, FrameRange
from lapsdata.schema.boxes import frames_in
from lapsdata.testing.samples import sample_boxes


def sequence(marks: list[bool]) -> BoxSequence:
    edges = np.flatnonzero(np.diff([0, *map(int, marks), 0])).reshape(-1, 2).tolist()
    spans = tuple(FrameRange(start=start, stop=stop) for start, stop in edges)
    return BoxSequence(name="s", length=len(marks), annotated=spans)


@given(st.lists(st.booleans(), min_size=1, max_size=20))
def test_annotated_frames_are_those_of_the_spans(marks: list[bool]) -> None:
    said = sequence(marks)
    assert annotated_frames(said).tolist() == marks
    assert frames_in(said.annotated) == sum(marks)


def test_places_are_one_array_that_nobody_changes() -> None:
    boxes = sample_boxes()
    assert boxes.xywh.shape == (len(boxes), 4)
    assert boxes.xywh.dtype == np.float64
    for column, name in enumerate("xywh"):
        assert np.array_equal(boxes.xywh[:, column], getattr(boxes, name))
    with pytest.raises(ValueError, match="read-only"):
        boxes.xywh[0, 0] = 1.0
