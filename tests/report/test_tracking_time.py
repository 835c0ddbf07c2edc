"""Matches over time: columns and rows hold the numbers that loops over frames find, and nothing where nothing is."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsdata.metrics.tracking.frame_series import FrameSeries
from lapsdata.metrics.tracking.matches import SequenceMatches
from lapsdata.report import _tracking_time as timed
from lapsdata.report._tracking_time import columns_told, frame_columns, frames_per_column, longest_ids, track_rows


@st.composite
def sequences(draw: st.DrawFn) -> tuple[int, SequenceMatches]:
    """A length, and matches of frames of which some are not scored."""
    length = draw(st.integers(1, 24))
    frames = sorted(draw(st.sets(st.integers(0, length - 1))))
    count = st.integers(0, 3)
    rows, false = [], []
    for frame in frames:
        for number in sorted(draw(st.sets(st.integers(0, 4), max_size=4))):
            rows.append((frame, number, draw(st.integers(-1, 3))))
        false += [(frame, 50 + k) for k in range(draw(count))]
    true = np.array(rows, np.int64).reshape(-1, 3)
    extra = np.array(false, np.int64).reshape(-1, 2)
    whole = np.array(frames, np.int64)
    hits = np.array([sum(r[0] == f and r[2] >= 0 for r in rows) for f in frames], np.int64)
    truths = np.array([sum(r[0] == f for r in rows) for f in frames], np.int64)
    lost = np.array([sum(one[0] == f for one in false) for f in frames], np.int64)
    series = FrameSeries(whole, truths, hits + lost, hits, hits // 2, 0.7 * hits)
    return length, SequenceMatches(series, true[:, 0], true[:, 1], true[:, 2], extra[:, 0], extra[:, 1])


@settings(max_examples=60)
@given(sequences(), st.sampled_from([3, 7, 100]))
def test_columns_hold_means_sums_and_gaps_as_loops_find_them(given_: tuple[int, SequenceMatches], most: int) -> None:
    length, matches = given_
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timed, "MOST_COLUMNS", most)
        columns, per = frame_columns(matches.series, length), frames_per_column(length)
    series = matches.series
    assert len(columns.tp) <= most
    assert (columns.edges[0], columns.edges[-1]) == (0, length)
    for place, (begin, end) in enumerate(zip(columns.edges[:-1], columns.edges[1:], strict=True)):
        rows = [i for i, frame in enumerate(series.frame.tolist()) if begin <= frame < end]
        assert end - begin <= per
        assert columns.scored[place] == bool(rows)
        told = (columns.tp[place], columns.fn[place], columns.fp[place], columns.idsw[place], columns.iou[place])
        if not rows:
            # What nobody annotated is no number, and above all not 0.
            assert all(map(math.isnan, told))
            continue
        tp, fn, fp, idsw = (sum(getattr(series, name)[i] for i in rows) for name in ("tp", "fn", "fp", "idsw"))
        assert told[:4] == pytest.approx((tp / len(rows), fn / len(rows), fp / len(rows), idsw))
        overlap = sum(series.iou_sum[i] for i in rows)
        assert math.isnan(told[4]) if not tp else told[4] == pytest.approx(overlap / tp)


@settings(max_examples=60)
@given(sequences(), st.sampled_from([3, 7, 100]), st.integers(1, 4))
def test_rows_hold_what_covers_most_of_a_column(given_: tuple[int, SequenceMatches], most: int, kept: int) -> None:
    length, matches = given_
    ids, left = longest_ids(matches, kept)
    boxes = Counter(matches.id.tolist())
    assert len(ids) + left == len(boxes)
    assert sorted(ids.tolist()) == sorted(sorted(boxes, key=lambda one: (-boxes[one], one))[:kept])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timed, "MOST_COLUMNS", most)
        rows = track_rows(matches, ids, length)
    told = list(zip(matches.frame.tolist(), matches.id.tolist(), matches.found.tolist(), strict=True))
    for row, number in enumerate(ids.tolist()):
        mine = [(frame, found) for frame, true, found in told if true == number]
        assert (rows.boxes[row], rows.covered[row]) == (len(mine), sum(found >= 0 for _, found in mine))
        for column, (begin, end) in enumerate(zip(rows.edges[:-1], rows.edges[1:], strict=True)):
            inside = [found for frame, found in mine if begin <= frame < end]
            often = Counter(found for found in inside if found >= 0)
            assert rows.there[row, column] == bool(inside)
            assert rows.found[row, column] == (min(often, key=lambda one: (-often[one], one)) if often else -1)
    marked = [(ids.tolist().index(true), frame) for (frame, true, _), here in zip(told, matches.switched, strict=True)
              if here and true in ids.tolist()]  # fmt: skip
    assert sorted(map(tuple, rows.switched.tolist())) == sorted(marked)
    assert rows.switches.sum() == len(marked)


def test_a_column_is_a_frame_until_there_are_too_many() -> None:
    assert [frames_per_column(length) for length in (1, timed.MOST_COLUMNS, timed.MOST_COLUMNS + 1, 18_948)] == [
        1, 1, 2, 18
    ]  # fmt: skip
    assert columns_told(timed.MOST_COLUMNS, "means") == ""
    assert columns_told(18_948, "means") == "A column is 18 frames: means."
