"""Chosen windows, as runs or one by one: always the same as a list of numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.loading._selection import Selection, check_ids

LISTS = st.lists(st.integers(0, 30), max_size=20)
COUNTS = st.lists(st.integers(1, 6), min_size=1, max_size=8)


@given(LISTS)
def test_a_list_is_what_it_lists(own: list[int]) -> None:
    chosen = Selection.of(np.array(own, np.int64))
    assert len(chosen) == len(own)
    assert chosen.all().tolist() == own
    assert chosen.own(np.arange(len(own))[::-1]).tolist() == own[::-1]
    for window in range(31):
        assert chosen.position(window) == (own.index(window) if window in own else None)


@given(COUNTS, st.data())
def test_items_are_all_their_windows(counts: list[int], data: st.DataObject) -> None:
    wanted = np.array(data.draw(st.lists(st.booleans(), min_size=len(counts), max_size=len(counts))))
    starts = np.concatenate([[0], np.cumsum(counts)])
    expected = [n for i, good in enumerate(wanted) if good for n in range(starts[i], starts[i + 1])]
    chosen = Selection.of_items(starts, wanted)
    assert chosen.all().tolist() == expected
    assert chosen.to_bytes() == Selection.of(np.array(expected, np.int64)).to_bytes()
    own = np.array(data.draw(st.lists(st.integers(0, int(starts[-1]) - 1), max_size=10)), np.int64)
    rest = Selection.of(own).only(starts, wanted)
    assert rest.all().tolist() == [n for n in own.tolist() if n in expected]


@given(LISTS, LISTS)
def test_bytes_are_equal_exactly_where_choices_are(one: list[int], other: list[int]) -> None:
    first, second = (Selection.of(np.array(own, np.int64)).to_bytes() for own in (one, other))
    assert (first == second) == (one == other)


def test_many_windows_take_no_memory() -> None:
    items = 1_000_000
    starts = np.arange(items + 1, dtype=np.int64) * 300
    chosen = Selection.of_items(starts, np.arange(items) % 2 == 0)
    assert len(chosen) == 150 * items
    assert chosen.own(np.array([300, 150 * items - 1])).tolist() == [600, 300 * (items - 1) - 1]


def test_ids_outside_are_named() -> None:
    check_ids(np.array([0, 2]), 3)
    with pytest.raises(IndexError, match=r"expected 0 to 2, got -1 \(2 such ids\)"):
        check_ids(np.array([-1, 0, 3]), 3)
