"""Identities are numbered through all sequences, and found again by sequence and id."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.errors import SchemaError
from lapsdata.loading._frame_boxes import FrameBoxes
from lapsdata.loading._mot_identities import Identity, numbered

rows = st.lists(st.tuples(st.integers(0, 2), st.integers(-1, 5) | st.just(2**60), st.booleans()), max_size=20)


@given(rows=rows)
def test_numbers_are_those_of_a_plain_count(rows: list[tuple[int, int, bool]]) -> None:
    sequence, id, counted = (np.array([row[at] for row in rows], kind) for at, kind in enumerate((int, int, bool)))
    spelled = [f"{row[0]}/{row[1]}" for row in rows]
    who, number = numbered(["a", "b", "c"], sequence, id, counted, spelled)
    pairs = sorted({(at, one) for at, one, good in rows if good and one >= 0})
    wanted = {pair: place for place, pair in enumerate(pairs)}
    assert number.tolist() == [wanted.get((at, one), -1) for at, one, _ in rows]
    assert len(who) == len(pairs)
    for (at, one), place in wanted.items():
        assert who[place] == Identity("abc"[at], one, f"{at}/{one}")
        assert who.number("abc"[at], one) == place
    for at in range(3):
        inside = [place for (of, _), place in wanted.items() if of == at]
        assert inside == list(range(int(who.offset[at]), int(who.offset[at + 1])))


def test_who_is_not_there_is_refused() -> None:
    who, _ = numbered(["a"], np.array([0]), np.array([4]), np.array([True]), None)
    assert who[0] == Identity("a", 4, None)
    with pytest.raises(IndexError, match="expected 0 to 0, got 1"):
        who[1]
    with pytest.raises(IndexError, match="got -1"):
        who[-1]
    with pytest.raises(SchemaError, match="expected one of 'a', got 'b'"):
        who.number("b", 4)
    with pytest.raises(SchemaError, match="expected an identity of 'a', got 5"):
        who.number("a", 5)


class TestFrameBoxes:
    @given(frames=st.lists(st.integers(0, 5), max_size=15), asked=st.lists(st.integers(0, 5), max_size=6))
    def test_boxes_of_a_frame_stand_side_by_side(self, frames: list[int], asked: list[int]) -> None:
        frame = np.sort(np.array(frames, np.int64))
        columns = {
            "number": np.arange(len(frame)),
            "place": np.arange(len(frame) * 2, dtype=np.float32).reshape(-1, 2),
            "flag": np.ones(len(frame), bool),
        }
        boxes = FrameBoxes(frame, columns, 6)
        most = max(int(boxes.counts.max()), 1)
        out = {name: np.full((len(asked), most, *array.shape[1:]), 9, array.dtype) for name, array in columns.items()}
        count = boxes.put(np.array(asked, np.int64), out)
        assert len(boxes) == len(frame)
        for at, one in enumerate(asked):
            here = np.flatnonzero(frame == one).tolist()
            rest = most - len(here)
            assert count[at] == len(here)
            assert out["number"][at].tolist() == here + [-1] * rest
            assert out["place"][at].tolist() == [[2.0 * row, 2.0 * row + 1] for row in here] + [[0, 0]] * rest
            assert out["flag"][at].tolist() == [True] * len(here) + [False] * rest
