"""Average precision of spans, beside plain loops that rank, lock and integrate one step at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.errors import LengthMismatchError, SchemaError
from lapsdata.metrics.temporal_ap import ACTIVITYNET_OVERLAPS, Detections, average_precision

Row = tuple[int, int, int, int, int]
ROWS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 12), st.integers(1, 8), st.integers(0, 1), st.integers(0, 4)),
    max_size=10,
)
"""Video, start and length in quarters of a second, label, score."""


def spans(rows: list[Row], *, scored: bool = True) -> Detections:
    video, start, length, label, score = np.array(rows, np.int64).reshape(-1, 5).T
    return Detections(video, start / 4, (start + length) / 4, label, score.astype(np.float64) if scored else None)


def plain(truth: list[Row], found: list[Row], label: int, quarters: int) -> float:
    """Return the average precision at an overlap in quarters: walk down the scores, then sum up the best precisions."""
    wanted = [row for row in truth if row[3] == label]
    ranked = sorted((row for row in found if row[3] == label), key=lambda row: -row[4])
    locked: set[int] = set()
    hits = []
    for video, start, length, _, _ in ranked:
        cells = set(range(start, start + length))
        overlaps = []
        for number, (other, low, many, _, _) in enumerate(wanted):
            there = set(range(low, low + many))
            if other == video:
                overlaps.append((len(cells & there) / len(cells | there), -number))
        best = [(share, -number) for share, number in sorted(overlaps, reverse=True) if 4 * share >= quarters]
        free = [number for _, number in best if number not in locked]
        hits.append(bool(free))
        locked.update(free[:1])
    area, right = 0.0, 0
    for at, hit in enumerate(hits):
        if hit:
            right += 1
            later = [sum(hits[: k + 1]) / (k + 1) for k in range(at, len(hits))]
            area += max(later) / len(wanted)
    return area


@given(ROWS.filter(bool), ROWS)
def test_it_is_that_of_plain_loops(truth: list[Row], found: list[Row]) -> None:
    got = average_precision(spans(truth, scored=False), spans(found), (0.25, 0.5, 0.75, 1.0))
    labels = sorted({row[3] for row in truth})
    assert got.labels == tuple(labels)
    wanted = [[plain(truth, found, label, quarters) for label in labels] for quarters in (1, 2, 3, 4)]
    np.testing.assert_allclose(got.ap, wanted, atol=1e-12)
    assert got.unknown == sum(row[3] not in labels for row in found)


@given(ROWS.filter(bool), ROWS)
def test_the_worst_order_of_equals_is_no_better_than_the_given_one(truth: list[Row], found: list[Row]) -> None:
    given_order = average_precision(spans(truth, scored=False), spans(found), (0.5,))
    worst = average_precision(spans(truth, scored=False), spans(found), (0.5,), ties="worst")
    assert (worst.ap <= given_order.ap + 1e-12).all()
    apart = [(*row[:4], number) for number, row in enumerate(found)]
    np.testing.assert_array_equal(
        average_precision(spans(truth, scored=False), spans(apart), (0.5,)).ap,
        average_precision(spans(truth, scored=False), spans(apart), (0.5,), ties="worst").ap,
    )


def test_an_order_of_equals_is_seen_by_one_rule_and_not_by_the_other() -> None:
    truth = spans([(0, 0, 4, 0, 0)], scored=False)
    hit, miss = (0, 0, 4, 0, 1), (0, 8, 4, 0, 1)
    for rows, as_given in (([hit, miss], 1.0), ([miss, hit], 0.5)):
        assert average_precision(truth, spans(rows), (0.5,)).mean == as_given
        assert average_precision(truth, spans(rows), (0.5,), ties="worst").mean == 0.5


def test_the_overlaps_of_activitynet_are_ten() -> None:
    assert ACTIVITYNET_OVERLAPS == (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)


@given(st.integers(1, 1500), st.integers(1, 60))
def test_an_overlap_of_just_so_much_is_enough_at_any_frame_rate(first: int, quarter: int) -> None:
    start, end = first / 15, (first + 4 * quarter) / 15
    truth = Detections(np.zeros(1, np.int64), np.array([start]), np.array([end]), np.zeros(1, np.int64))
    found = truth._replace(end_s=np.array([(first + 3 * quarter) / 15]), score=np.ones(1))
    assert average_precision(truth, found, (0.75, 0.7501)).mean.tolist() == [1.0, 0.0]


def test_nothing_found_is_nothing_right() -> None:
    found = average_precision(spans([(0, 0, 4, 0, 0)], scored=False), spans([]), (0.5,))
    assert found.ap.tolist() == [[0.0]]


def test_what_does_not_fit_is_refused() -> None:
    one = spans([(0, 0, 4, 0, 1)])
    bad: list[tuple[Any, Any, str]] = [
        (one, one._replace(score=None), "expected a finite score of each span, got none"),
        (one, one._replace(score=np.array([np.nan])), "expected a finite score of each span, got others"),
        (spans([]), one, "expected at least one true span, got none"),
        (one, one._replace(end_s=np.array([0.0])), r"found: expected ends after starts, got 0.0 s to 0.0 s in place 0"),
    ]
    for truth, found, message in bad:
        with pytest.raises(SchemaError, match=message):
            average_precision(truth, found)
    with pytest.raises(SchemaError, match=r"expected a share above 0, up to 1, got 1\.5"):
        average_precision(one, one, (1.5,))
    with pytest.raises(SchemaError, match="ties: expected one of 'given', 'worst', got 'best'"):
        average_precision(one, one, ties="best")  # type: ignore[arg-type]
    with pytest.raises(
        LengthMismatchError, match="found: expected columns of one length, got video 1, start_s 1, end_s 1"
    ):
        average_precision(one, one._replace(label=np.array([1, 2])))
