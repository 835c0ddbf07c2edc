"""The compiled loops beside the plain functions that they are made of, and beside the rules of one video."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.metrics import Detections, average_precision, edit_score, frame_counts, overlap_counts, runs_of, without
from lapsdata.metrics._ap_loop import _area, _hit, _wrong_first, area, average_precisions, hit, wrong_first
from lapsdata.metrics._label_loop import (
    _add_overlaps,
    _count_runs,
    _nearest,
    _next_row,
    add_overlaps,
    count_runs,
    nearest,
    next_row,
)
from lapsdata.metrics._run_table import Pieces, RunTable, merged

if TYPE_CHECKING:
    from numpy.typing import NDArray

LABELS = st.lists(st.integers(0, 3), min_size=12, max_size=12).map(lambda drawn: np.array(drawn, np.int64))
SHARES = np.array([[1, 1, 1, 1], [10, 4, 2, 1]])
OVERLAPS = (0.1, 0.25, 0.5, 1.0)
ACTION = np.array([False, True, True, True])


def table(videos: list[NDArray[np.int64]]) -> RunTable:
    item = np.repeat(np.arange(len(videos)), [len(one) for one in videos])
    start = np.concatenate([np.arange(len(one)) for one in videos])
    return merged(Pieces(item, np.concatenate(videos), start, start + 1), len(videos))


@given(st.lists(LABELS, min_size=1, max_size=2), st.lists(st.tuples(LABELS, st.integers(0, 1)), min_size=1, max_size=4))
def test_counts_are_those_of_one_video(truth: list[Any], found: list[tuple[Any, int]]) -> None:
    of_item = np.array([min(at, len(truth) - 1) for _, at in found])
    counts = np.zeros((2, len(found), 9), np.int64)
    for loop, out in zip((count_runs, _count_runs), counts, strict=True):
        loop(table(truth), table([one for one, _ in found]), of_item, ACTION, SHARES, 0, out)
    assert counts[0].tolist() == counts[1].tolist()
    for row, (ours, _), at in zip(counts[0].tolist(), found, of_item.tolist(), strict=True):
        both = [without(runs_of(side), [0]) for side in (truth[at], ours)]
        lengths = [len(side.label) for side in both]
        assert row[0] == frame_counts(truth[at], ours).correct
        assert (row[3], row[4], row[2]) == (lengths[1], lengths[0], max(lengths))
        assert 1 - row[1] / max(1, row[2]) == pytest.approx(edit_score(both[0].label, both[1].label))
        assert row[5:] == [one.tp for one in overlap_counts(both[0], both[1], OVERLAPS)]


@given(LABELS, LABELS)
def test_slack_only_ever_finds_more(truth: NDArray[np.int64], found: NDArray[np.int64]) -> None:
    counts = np.zeros((3, 1, 9), np.int64)
    for slack, out in enumerate(counts):
        count_runs(table([truth]), table([found]), np.zeros(1, np.int64), ACTION, SHARES, slack, out)
    assert (np.diff(counts[:, 0, 5:], axis=0) >= 0).all()
    assert (counts[:, 0, :5] == counts[0, 0, :5]).all()


@given(st.lists(st.tuples(LABELS, LABELS), min_size=1, max_size=3), st.booleans())
def test_overlaps_are_those_of_frames(pairs: list[tuple[Any, Any]], one_table: bool) -> None:
    truth, found = ([pair[side] for pair in pairs] for side in (0, 1))
    into = np.zeros(len(pairs), np.int64) if one_table else np.arange(len(pairs))
    known = table(truth)
    # Label 3 is not counted.
    known = known._replace(label=np.where(known.label == 3, -1, known.label))
    tables = np.zeros((2, len(pairs), 4, 4), np.int64)
    for loop, out in zip((add_overlaps, _add_overlaps), tables, strict=True):
        loop(known, table(found), np.arange(len(pairs)), into, out)
    wanted = np.zeros((len(pairs), 4, 4), np.int64)
    for at, true, ours in zip(into, truth, found, strict=True):
        np.add.at(wanted[at], (true, ours), 1)
    wanted[:, 3] = 0
    assert tables[0].tolist() == tables[1].tolist() == wanted.tolist()


def test_the_nearest_is_of_the_label_and_of_equals_the_first() -> None:
    truth = table([np.array([1, 1, 2, 2, 1, 1, 1, 1])])
    runs = np.arange(3)
    for function in (nearest, _nearest):
        # Both runs of label 1 share a frame: one of 2 + 5 - 1, the other of 4 + 5 - 1.
        assert function(truth, runs, 1, 1, 6) == (2, 2, 7)
        assert function(truth, runs, 1, 1, 5) == (0, 1, 5)
        assert function(truth, runs, 2, 4, 8) == (-1, 0, 1)
        assert function(truth, runs, 3, 0, 8) == (-1, 0, 1)


@given(LABELS, LABELS)
def test_rows_of_distances_end_in_the_distance(true: NDArray[np.int64], ours: NDArray[np.int64]) -> None:
    rows = [np.arange(len(true) + 1) for _ in range(2)]
    for function, row in zip((next_row, _next_row), rows, strict=True):
        for place, label in enumerate(ours.tolist(), 1):
            function(row, true, label, place)
    assert rows[0].tolist() == rows[1].tolist()
    assert 1 - rows[0][-1] / 12 == pytest.approx(edit_score(true, ours))


HITS = st.lists(st.tuples(st.booleans(), st.integers(0, 3)), max_size=12)


@given(HITS)
def test_wrong_ones_come_first_among_equals(rows: list[tuple[bool, int]]) -> None:
    falling = sorted(rows, key=lambda row: -row[1])
    wanted = [right for right, _ in sorted(falling, key=lambda row: (-row[1], row[0]))]
    score = np.array([score for _, score in falling], np.float64)
    for function in (wrong_first, _wrong_first):
        hits = np.array([right for right, _ in falling], bool)
        function(hits, score)
        assert hits.tolist() == wanted


@given(HITS, st.integers(0, 5))
def test_the_area_is_that_of_the_envelope(rows: list[tuple[bool, int]], missed: int) -> None:
    hits = np.array([right for right, _ in rows], bool)
    true = max(1, int(hits.sum()) + missed)
    right = np.cumsum(hits)
    # At each recall that is reached, the best precision from there on.
    best = [max(right[later] / (later + 1) for later in range(at, len(hits))) for at in np.flatnonzero(hits)]
    for function in (area, _area):
        assert function(hits, true) == pytest.approx(sum(best) / true)


def test_a_span_takes_the_free_one_that_it_overlaps_most() -> None:
    begin, end = np.array([0.0, 2.0, 2.5]), np.array([2.0, 4.0, 4.0])
    for function in (hit, _hit):
        free = np.ones(3, bool)
        assert function(begin, end, free, 0, 3, (2.0, 4.0, 0.75))
        assert free.tolist() == [True, False, True]
        # Its second best has 1.5 of 2 s.
        assert not function(begin, end, free, 0, 3, (2.0, 4.0, 0.8))
        assert function(begin, end, free, 0, 3, (2.0, 4.0, 0.75))
        assert not function(begin, end, free, 0, 3, (2.0, 4.0, 0.1))
        assert not function(begin, end, free, 0, 0, (0.0, 2.0, 0.1))


SPANS = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 20), st.integers(1, 8), st.integers(0, 2), st.integers(0, 4)),
    min_size=6,
    max_size=6,
)


@given(SPANS, st.lists(SPANS, min_size=1, max_size=3), st.booleans())
def test_draws_are_scored_at_once_as_one_by_one(true: list[Any], draws: list[list[Any]], worst: bool) -> None:
    def columns(rows: list[Any]) -> Detections:
        video, start, lasts, label, score = np.array(rows).T
        return Detections(video, start / 4, (start + lasts) / 4, label, score / 4)

    truth = columns(true)
    classes = np.unique(truth.label)
    order = np.lexsort((truth.video, truth.label))
    cells = (np.searchsorted(classes, truth.label) * 2 + truth.video)[order]
    places = np.array([[np.searchsorted(cells, 2 * at + video) for video in range(3)] for at in range(len(classes))])
    each = [columns(rows) for rows in draws]
    stacked = []
    for one in each:
        assert one.score is not None
        known = np.where(np.isin(one.label, classes), np.searchsorted(classes, one.label), -1)
        rank = np.lexsort((-one.score, known))
        stacked.append([side[rank] for side in (one.video, known, one.start_s, one.end_s, one.score)])
    found: Any = tuple(np.stack(side) for side in zip(*stacked, strict=True))
    ap = np.zeros((len(draws), 2, len(classes)))
    least = np.array([0.5, 0.75]) - 1e-9
    average_precisions((places, truth.start_s[order], truth.end_s[order]), found, least, worst, ap)
    for one, got in zip(each, ap, strict=True):
        wanted = average_precision(truth._replace(score=None), one, (0.5, 0.75), ties="worst" if worst else "given")
        np.testing.assert_allclose(got, wanted.ap, atol=1e-12)
