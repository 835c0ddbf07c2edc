"""From segments to boundaries: what is counted, once or twice, and what is not."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.errors import LengthMismatchError, SchemaError
from lapsdata.metrics import inner_boundaries, segment_boundaries

SPAN = (0.0, 10.0)


@st.composite
def segmentations(draw: st.DrawFn) -> tuple[list[float], list[float]]:
    """Draw segments without overlap, some of them touching, over 0 to 10 s."""
    edges = sorted(draw(st.sets(st.integers(0, 40), min_size=2, max_size=9)))
    pieces = [(a / 4, b / 4) for a, b in pairwise(edges)]
    kept = [piece for piece in pieces if draw(st.booleans())]
    return [a for a, _ in kept], [b for _, b in kept]


def test_touching_segments_by_hand() -> None:
    start, end = np.array([0.0, 2.0, 7.0]), np.array([2.0, 7.0, 10.0])
    assert segment_boundaries(start, end, SPAN).tolist() == [2.0, 7.0]
    assert segment_boundaries(start, end, SPAN, counting="each_end").tolist() == [2.0, 2.0, 7.0, 7.0]


def test_gaps_and_overlaps_by_hand() -> None:
    start, end = np.array([1.0, 6.0, 5.0]), np.array([3.0, 8.0, 7.0])
    assert segment_boundaries(start, end, SPAN).tolist() == [1.0, 3.0, 5.0, 6.0, 7.0, 8.0]


def test_a_gap_and_a_background_segment_in_it_are_the_same() -> None:
    with_gap = segment_boundaries(np.array([0.0, 6.0]), np.array([4.0, 10.0]), SPAN)
    filled = segment_boundaries(np.array([0.0, 4.0, 6.0]), np.array([4.0, 6.0, 10.0]), SPAN)
    assert with_gap.tolist() == filled.tolist() == [4.0, 6.0]


def test_the_looked_at_time_need_not_begin_at_zero() -> None:
    start, end = np.array([-1.5, 0.0]), np.array([0.0, 3.0])
    assert segment_boundaries(start, end, (-1.5, 3.0)).tolist() == [0.0]


@pytest.mark.parametrize("empty", [np.empty(0), np.array([0.0, 10.0])])
def test_a_video_of_no_segment_or_one_has_no_boundary(empty: np.ndarray) -> None:
    assert inner_boundaries(empty, SPAN).shape == (0,)
    assert inner_boundaries(empty, SPAN).dtype == np.float64


@given(segmentations())
def test_once_is_the_set_of_each_end(segments: tuple[list[float], list[float]]) -> None:
    start, end = map(np.array, segments)
    start, end = start.astype(np.float64), end.astype(np.float64)
    each = segment_boundaries(start, end, SPAN, counting="each_end").tolist()
    assert each == sorted(time for time in [*start, *end] if 0 < time < 10)
    assert segment_boundaries(start, end, SPAN).tolist() == sorted(set(each))


@given(segmentations(), st.randoms())
def test_the_order_of_segments_does_not_matter(segments: tuple[list[float], list[float]], random: Any) -> None:
    pairs = list(zip(*segments, strict=True))
    random.shuffle(pairs)
    shuffled = np.array(pairs, np.float64).reshape(-1, 2)
    start, end = (np.array(column, np.float64) for column in segments)
    again = segment_boundaries(shuffled[:, 0].copy(), shuffled[:, 1].copy(), SPAN)
    assert again.tolist() == segment_boundaries(start, end, SPAN).tolist()


def test_the_last_bit_makes_no_second_boundary_and_no_inner_one() -> None:
    times = np.array([0.1 + 0.2, 0.3, np.nextafter(10.0, 0), np.nextafter(0.0, 1)])
    assert inner_boundaries(times, SPAN).tolist() == [0.3]


def test_a_microsecond_makes_a_second_boundary() -> None:
    assert inner_boundaries(np.array([0.3, 0.300001]), SPAN).tolist() == [0.3, 0.300001]


def test_what_is_given_is_neither_changed_nor_kept() -> None:
    times = np.array([3.0, 1.0])
    made = inner_boundaries(times, SPAN)
    made[0] = 9.0
    assert times.tolist() == [3.0, 1.0]


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (np.array([1, 2]), r"instants_s: expected float64, got int64"),
        (np.array([1.0, 2.0], np.float32), r"instants_s: expected float64, got float32"),
        (np.array([[1.0]]), r"instants_s: expected shape \(B,\), got \(1, 1\)"),
        ([1.0, 2.0], r"instants_s: expected float64 \(B,\) array, got list"),
        (np.ma.masked_array([1.0]), r"instants_s: expected a plain ndarray, got MaskedArray"),
        (np.array([1.0, np.nan]), r"instants_s: expected finite seconds within .*; first at 1, 1 in all"),
        (np.array([np.inf]), r"instants_s: expected finite seconds"),
        (np.array([1e10]), r"instants_s: expected finite seconds within 9007199255 s"),
        (np.array([1.0, 10.5, -0.5]), r"expected times from 0\.0 s to 10\.0 s, got -0\.5 s \(2 such times\)"),
    ],
)
def test_wrong_times_are_refused(times: Any, message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        inner_boundaries(times, SPAN)


@pytest.mark.parametrize("span", [(3.0, 3.0), (4.0, 3.0), (0.0, np.inf), (np.nan, 1.0), (1.0,), "ab", None, 3.0])
def test_wrong_spans_are_refused(span: Any) -> None:
    with pytest.raises(SchemaError, match=r"span_s: expected (start and end in finite seconds|an end after the start)"):
        inner_boundaries(np.empty(0), span)


def test_starts_without_ends_are_refused() -> None:
    with pytest.raises(LengthMismatchError, match="end_s: expected S = 2 as in start_s, got 1"):
        segment_boundaries(np.array([1.0, 2.0]), np.array([2.0]), SPAN)


def test_an_unknown_rule_is_refused() -> None:
    with pytest.raises(SchemaError, match="counting: expected one of 'once', 'each_end', got 'twice'"):
        inner_boundaries(np.empty(0), SPAN, counting="twice")  # type: ignore[arg-type]
