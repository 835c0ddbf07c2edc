"""Runs of many videos in flat arrays and the clocks that they are counted by, beside a label for every tick."""

from __future__ import annotations

from itertools import groupby

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.errors import SchemaError
from lapsdata.metrics._clock import Clock
from lapsdata.metrics._run_table import Pieces, RunTable, covered, merged
from lapsdata.timebase import FrameRate

GAP = 9


Cut = tuple[list[list[tuple[int, int, int]]], list[int], list[int]]


@st.composite
def cut_items(draw: st.DrawFn) -> Cut:
    """Draw the pieces (label, start, end) of up to four items, some empty, with gaps, some past the end of theirs."""
    items, begins, ends = [], [], []
    for _ in range(draw(st.integers(1, 4))):
        edges = sorted(draw(st.lists(st.integers(3, 20), max_size=8)))
        edges = edges[: len(edges) // 2 * 2]
        pieces = [(draw(st.integers(0, 2)), low, high) for low, high in zip(edges[::2], edges[1::2], strict=True)]
        items.append(pieces)
        begins.append(draw(st.integers(0, 3)))
        ends.append(draw(st.integers(begins[-1] + 1, 22)))
    return items, begins, ends


def painted(pieces: list[tuple[int, int, int]], begin: int, end: int) -> list[int]:
    """Return the label of each tick."""
    ticks = dict.fromkeys(range(begin, end), GAP)
    for label, low, high in pieces:
        ticks |= {tick: label for tick in range(low, high) if tick in ticks}
    return [ticks[tick] for tick in range(begin, end)]


def flat(items: list[list[tuple[int, int, int]]]) -> Pieces:
    rows = [(at, *piece) for at, pieces in enumerate(items) for piece in pieces]
    columns = np.array(rows, np.int64).reshape(-1, 4).T
    return Pieces(*columns)


def unpacked(table: RunTable, item: int) -> list[tuple[int, int, int]]:
    held = slice(table.offset[item], table.offset[item + 1])
    return list(zip(*(side[held].tolist() for side in (table.label, table.start, table.end)), strict=True))


@given(cut_items())
def test_items_are_covered_as_tick_by_tick(drawn: Cut) -> None:
    items, begins, ends = drawn
    table, gaps = covered(flat(items), np.array(begins), np.array(ends), GAP)
    every = [painted(pieces, begin, end) for pieces, begin, end in zip(items, begins, ends, strict=True)]
    assert gaps == sum(ticks.count(GAP) for ticks in every)
    for item, (ticks, begin) in enumerate(zip(every, begins, strict=True)):
        wanted, at = [], begin
        for label, same in groupby(ticks):
            count = len(list(same))
            wanted.append((label, at, at + count))
            at += count
        assert unpacked(table, item) == wanted
    assert table.lengths().tolist() == [end - begin for begin, end in zip(begins, ends, strict=True)]
    assert table.counts.tolist() == [len(unpacked(table, item)) for item in range(len(items))]
    assert table.item.tolist() == [item for item in range(len(items)) for _ in unpacked(table, item)]


@given(cut_items())
def test_what_covers_its_items_is_left_as_it_is(drawn: Cut) -> None:
    items, begins, ends = drawn
    table, _ = covered(flat(items), np.array(begins), np.array(ends), GAP)
    pieces = Pieces(table.item, table.label, table.start, table.end)
    again, gaps = covered(pieces, np.array(begins), np.array(ends), GAP)
    assert gaps == 0
    for once, twice, direct in zip(table, again, merged(pieces, len(items)), strict=True):
        assert once.tolist() == twice.tolist() == direct.tolist()


def test_runs_of_one_label_in_two_items_are_two() -> None:
    pieces = Pieces(*np.array([[0, 0, 1, 1], [5, 5, 5, 6], [0, 2, 0, 1], [2, 4, 1, 3]]))
    table = merged(pieces, 2)
    assert [unpacked(table, item) for item in range(2)] == [[(5, 0, 4)], [(5, 0, 1), (6, 1, 3)]]


@given(st.lists(st.integers(0, 10**6), max_size=5), st.sampled_from([None, "10", "15", "30000/1001"]))
def test_a_clock_goes_both_ways(ticks: list[int], rate: str | None) -> None:
    clock = Clock(None if rate is None else FrameRate.parse(rate))
    given = np.array(ticks, np.int64)
    times = clock.seconds(given)
    assert clock.ticks(times).tolist() == ticks
    # What a file rounds to six decimals is no time between frames.
    assert clock.rounded(np.round(times, 6)) == 0
    assert clock.ticks(np.round(times, 6)).tolist() == ticks


def test_times_between_frames_are_counted() -> None:
    clock = Clock(FrameRate(10))
    assert clock.rounded(np.array([0.0, 0.1, 0.13, 0.2000004, 0.2001])) == 2
    assert (clock.word, clock.unit, clock.slack) == ("frames", "frames", 0)
    assert Clock(None).rounded(np.array([0.13])) == 0
    assert (Clock(None).word, Clock(None).unit, Clock(None).slack) == ("time", "us", 1)


def test_frames_begin_at_0() -> None:
    assert Clock(None).ticks(np.array([-1.0])).tolist() == [-1_000_000]
    with pytest.raises(SchemaError, match="expected times of frames from 0, got frame -10"):
        Clock(FrameRate(10)).ticks(np.array([-1.0]))
