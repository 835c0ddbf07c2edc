"""Rows that are collected: their order, the time of their videos, and what is counted, beside plain loops."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.adapters._pieces import Pieces, seconds_of
from lapsdata.errors import SchemaError

HERE = Path("rows.txt")
ROWS = st.lists(
    st.tuples(st.sampled_from(["b", "a", "c"]), st.integers(-4, 40), st.integers(0, 12), st.sampled_from(["x", None])),
    min_size=1,
    max_size=14,
)
"""Video, start and length in quarters of a second, label."""


@given(rows=ROWS, lengths=st.dictionaries(st.sampled_from(["a", "b", "d"]), st.integers(1, 30), max_size=3))
def test_rows_are_sorted_and_their_videos_hold_them(
    rows: list[tuple[str, int, int, str | None]], lengths: dict[str, int]
) -> None:
    pieces = Pieces(HERE)
    for name, length in lengths.items():
        pieces.video(name, length / 4)
    for number, (video, start, length, label) in enumerate(rows):
        pieces.add(f"row {number}", video, start / 4, (start + length) / 4, label)
    kept = [row for row in rows if row[2]]
    if not kept:
        with pytest.raises(SchemaError, match="expected a segment, got none"):
            pieces.adapted([])
        return
    found = pieces.adapted([])
    segments: Any = found.container
    names = [video.name for video in segments.header.videos]
    order = list(dict.fromkeys([*lengths, *(row[0] for row in rows)]))
    assert names == [name for name in order if name in lengths or any(row[0] == name for row in kept)]
    wanted = sorted(kept, key=lambda row: (order.index(row[0]), row[1]))
    times = zip(segments.video_index.tolist(), segments.start_s.tolist(), segments.end_s.tolist(), strict=True)
    assert [(names[at], start, end) for at, start, end in times] == [
        (video, start / 4, (start + length) / 4) for video, start, length, _ in wanted
    ]
    assert segments.label == tuple(row[3] for row in wanted)
    for video in segments.header.videos:
        own = [row for row in kept if row[0] == video.name]
        assert video.start_s == min([0, *(row[1] for row in own)]) / 4
        ends = [row[1] + row[2] for row in own]
        assert video.end_s == max([lengths.get(video.name, 0), *ends]) / 4
    crossing = any(
        one[0] == other[0] and one[1] < other[1] + other[2] and other[1] < one[1] + one[2]
        for at, one in enumerate(kept)
        for other in kept[:at]
    )
    assert segments.header.overlap == crossing
    assert set(found.unmeasured) == set(names) - set(lengths)


@given(rows=ROWS, lengths=st.dictionaries(st.sampled_from(["a", "b"]), st.integers(1, 30), max_size=2))
def test_what_is_touched_is_counted_and_told(
    rows: list[tuple[str, int, int, str | None]], lengths: dict[str, int]
) -> None:
    pieces = Pieces(HERE)
    for name, length in lengths.items():
        pieces.video(name, length / 4)
    for video, start, length, label in [*rows, ("a", 0, 1, None)]:
        pieces.add("row", video, start / 4, (start + length) / 4, label)
    kept = [row for row in [*rows, ("a", 0, 1, None)] if row[2]]
    beyond = sum(start < 0 or start + length > lengths.get(video, math.inf) for video, start, length, _ in kept)
    bare = {row[0] for row in rows} - {row[0] for row in kept} - set(lengths)
    counts = {
        "empty_segments": sum(not row[2] for row in rows),
        "beyond_video": beyond,
        "videos_without_time": len(bare),
    }
    found = pieces.adapted([])
    assert found.container.header.policies == {name: count for name, count in counts.items() if count}
    assert [note.code for note in found.notes] == [name.replace("_", "-") for name, count in counts.items() if count]
    assert all(note.severity == "warning" and note.where == str(HERE) for note in found.notes)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (3, 3.0),
        ("1e1", 10.0),
        (" 2.5 ", 2.5),
        (True, None),
        ("nan", None),
        ("inf", None),
        (10**400, None),
        ("", None),
        ("1:30", None),
        ("1_0", None),
        ([1], None),
    ],
)
def test_only_finite_numbers_are_seconds(value: object, seconds: float | None) -> None:
    assert seconds_of(value) == seconds


def test_scores_are_kept_where_there_are_some() -> None:
    pieces = Pieces(HERE)
    pieces.add("row 1", "a", 1, 2, score="0.5")
    pieces.add("row 2", "a", 2, 3)
    score: Any = pieces.adapted([]).container.score
    assert score[0] == 0.5
    assert math.isnan(score[1])
    bare = Pieces(HERE)
    bare.add("row 1", "a", 1, 2)
    assert bare.adapted([]).container.score is None


def test_all_that_is_wrong_is_raised_at_once() -> None:
    pieces = Pieces(HERE)
    pieces.add("row 1", "a", 2, 1)
    pieces.add("row 2", "a", 1, 2, score="high")
    pieces.add("row 3", "a", None, 2)
    assert pieces.length("row 4", 0) == 0
    assert pieces.length("row 5", None) is None
    with pytest.raises(SchemaError, match="4 problems") as raised:
        pieces.adapted([])
    assert {problem.where for problem in raised.value.problems} == {"row 1", "row 2", "row 3", "row 4"}
