"""Edit score, F at an overlap and frame accuracy, beside plain loops of the published rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.errors import LengthMismatchError, SchemaError
from lapsdata.metrics.segmental import (
    FrameCounts,
    Runs,
    SegmentCounts,
    edit_score,
    frame_counts,
    overlap_counts,
    runs_of,
    without,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

LABELS = st.lists(st.integers(0, 3), max_size=25).map(lambda drawn: np.array(drawn, np.int64))
OVERLAPS = (0.1, 0.25, 0.5, 1.0)
NONE = np.empty(0, np.int64)


def rows_of(labels: NDArray[np.int64], background: int) -> list[tuple[int, int, int]]:
    """Return (label, start, end) of each run, found frame by frame."""
    rows: list[tuple[int, int, int]] = []
    for at, label in enumerate(labels.tolist()):
        if rows and rows[-1][0] == label and rows[-1][2] == at:
            rows[-1] = (label, rows[-1][1], at + 1)
        else:
            rows.append((label, at, at + 1))
    return [row for row in rows if row[0] != background]


def plain_counts(true: list[tuple[int, int, int]], found: list[tuple[int, int, int]], tenths: int) -> SegmentCounts:
    """Return what the rule says, with sets of frames in place of arithmetic; the overlap in twentieths."""
    taken: set[int] = set()
    hits = 0
    for label, start, end in found:
        frames = set(range(start, end))
        best, most = None, (0, 1)
        for number, (other, low, high) in enumerate(true):
            there = set(range(low, high))
            shared, union = len(frames & there), len(frames | there)
            if other == label and shared * most[1] > most[0] * union:
                best, most = number, (shared, union)
        if best is not None and best not in taken and 20 * most[0] >= tenths * most[1]:
            taken.add(best)
            hits += 1
    return SegmentCounts(hits, len(found) - hits, len(true) - hits)


@given(LABELS, LABELS)
def test_the_counts_are_those_of_plain_loops(truth: NDArray[np.int64], found: NDArray[np.int64]) -> None:
    counts = overlap_counts(without(runs_of(truth), [0]), without(runs_of(found), [0]), OVERLAPS)
    wanted = [plain_counts(rows_of(truth, 0), rows_of(found, 0), twentieths) for twentieths in (2, 5, 10, 20)]
    assert list(counts) == wanted


@given(LABELS)
def test_runs_hold_each_frame_once(labels: NDArray[np.int64]) -> None:
    runs = runs_of(labels)
    assert list(zip(*(part.tolist() for part in runs), strict=True)) == rows_of(labels, -1)
    np.testing.assert_array_equal(np.repeat(runs.label, runs.end - runs.start), labels)


def plain_distance(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    """Return Levenshtein's distance by its definition."""
    table = {(i, 0): i for i in range(len(one) + 1)} | {(0, j): j for j in range(len(other) + 1)}
    for i, a in enumerate(one, 1):
        for j, b in enumerate(other, 1):
            table[i, j] = min(table[i - 1, j] + 1, table[i, j - 1] + 1, table[i - 1, j - 1] + (a != b))
    return table[len(one), len(other)]


@given(LABELS, LABELS)
def test_the_edit_score_is_that_of_the_definition(one: NDArray[np.int64], other: NDArray[np.int64]) -> None:
    longest = max(len(one), len(other))
    wanted = 1 - plain_distance(tuple(one.tolist()), tuple(other.tolist())) / longest if longest else 1.0
    assert edit_score(one, other) == pytest.approx(wanted, abs=1e-12)
    assert edit_score(one, other) == edit_score(other, one)


def test_empty_sides_are_defined() -> None:
    none, some = runs_of(NONE), runs_of(np.array([1, 1, 2]))
    assert (edit_score(NONE, NONE), edit_score(some.label, NONE)) == (1.0, 0.0)
    assert overlap_counts(none, none, (0.5,))[0].f == 1.0
    assert overlap_counts(none, some, (0.5,))[0] == SegmentCounts(0, 2, 0)
    assert overlap_counts(some, none, (0.5,))[0] == SegmentCounts(0, 0, 2)
    assert [SegmentCounts(0, 2, 0).f, SegmentCounts(0, 2, 0).recall, SegmentCounts(0, 0, 2).precision] == [0, 0, 0]
    assert frame_counts(NONE, NONE).accuracy == 1.0


def test_a_tenth_is_a_tenth() -> None:
    # Intersection over union is 1/10 exactly: inclusive, whatever 0.1 is in binary.
    truth, found = Runs(*np.array([[1], [0], [10]])), Runs(*np.array([[1], [9], [10]]))
    assert overlap_counts(truth, found, (0.1,))[0].tp == 1
    assert overlap_counts(truth, found, (0.1000001,))[0].tp == 0


def test_the_second_best_is_not_asked() -> None:
    truth = Runs(np.array([1, 1]), np.array([0, 10]), np.array([10, 14]))
    found = Runs(np.array([1, 1]), np.array([0, 6]), np.array([6, 14]))
    # The second one overlaps the second true segment by 4/8 and the first by 4/14.
    assert overlap_counts(truth, found, (0.5,))[0] == SegmentCounts(2, 0, 0)
    late = Runs(np.array([1, 1]), np.array([0, 5]), np.array([5, 12]))
    # It overlaps the first by 5/12, the second by 2/9: the first is taken, and it asks for no other.
    assert overlap_counts(truth, late, (0.2,))[0] == SegmentCounts(1, 1, 1)


def test_means_are_micro_where_counts_are_pooled() -> None:
    counts = [SegmentCounts(1, 0, 0), SegmentCounts(0, 3, 1)]
    assert SegmentCounts.pooled(counts) == SegmentCounts(1, 3, 1)
    assert FrameCounts.pooled([FrameCounts(1, 1), FrameCounts(0, 3)]).accuracy == 0.25


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(LengthMismatchError, match="expected labels of 3 frames as in the truth, got 2"):
        frame_counts(np.array([1, 1, 2]), np.array([1, 2]))
    with pytest.raises(SchemaError, match=r"labels: expected integers \(S,\), got float64 \(1,\)"):
        runs_of(np.array([1.0]))  # type: ignore[arg-type]
    some = runs_of(np.array([1, 2]))
    with pytest.raises(SchemaError, match="overlaps: expected a share above 0, up to 1, got 0"):
        overlap_counts(some, some, (0,))
    with pytest.raises(
        SchemaError, match=r"found: expected ends after starts, in order of time, got 4 to 4 in place 0"
    ):
        overlap_counts(some, Runs(*np.array([[1], [4], [4]])), (0.5,))
    with pytest.raises(
        SchemaError, match=r"found: expected ends after starts, in order of time, got 0 to 2 in place 1"
    ):
        overlap_counts(some, Runs(*np.array([[1, 1], [4, 0], [6, 2]])), (0.5,))
    with pytest.raises(LengthMismatchError, match="expected as many labels, starts and ends, got 2, 1 and 1"):
        overlap_counts(Runs(np.array([1, 2]), np.array([0]), np.array([1])), some, (0.5,))
