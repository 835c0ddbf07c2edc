"""Rows of chance before they are scored: what they keep of the prediction, what of the train split, and what not."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.metrics._clock import Clock
from lapsdata.metrics._found_spans import ApChance, Spans
from lapsdata.metrics._label_chance import chance_labels, equal_parts, of_one_label, shuffled_labels, shuffled_segments
from lapsdata.metrics._labelled import Joining, Labelled, join
from lapsdata.testing.samples import labelled_segments
from lapsdata.timebase import FrameRate

if TYPE_CHECKING:
    from lapsdata.metrics._run_table import RunTable

    Rows = list[tuple[int, int, int]]

WORDS = ("background", "pour", "shake", "stir")
PIECES = st.lists(st.tuples(st.sampled_from(WORDS), st.integers(1, 9)), min_size=1, max_size=6)
VIDEOS = st.lists(PIECES, min_size=1, max_size=3)


def joined(videos: list[Any], train: list[Any] | None = None, rate: FrameRate | None = None) -> Labelled:
    """Return videos beside themselves, in seconds as long as the numbers say."""

    def made(given: list[Any], prefix: str) -> Any:
        rows = {f"{prefix}{at}": [(word, float(count)) for word, count in one] for at, one in enumerate(given)}
        return labelled_segments(rows)

    how = Joining(Clock(rate or FrameRate(1)), ("background",), "raise", "raise", "raise")
    return join(made(videos, "v"), made(videos, "v"), how, None if train is None else made(train, "t"))


def rows_of(table: RunTable, item: int) -> Rows:
    held = slice(table.offset[item], table.offset[item + 1])
    return list(zip(*(side[held].tolist() for side in (table.label, table.start, table.end)), strict=True))


def painted(rows: Rows) -> list[int]:
    return [label for label, start, end in rows for _ in range(start, end)]


@given(VIDEOS, st.integers(1, 4), st.integers(0, 3))
def test_permuted_labels_keep_segments_and_labels(videos: list[Any], draws: int, seed: int) -> None:
    given_ = joined(videos)
    drawn = shuffled_labels(given_.found, given_.names, draws, seed)
    for video in range(len(videos)):
        runs = rows_of(given_.found, video)
        edges = {start for _, start, _ in runs}
        for draw in range(draws):
            got = rows_of(drawn, video * draws + draw)
            # Touching segments that came to have one label are one: no edge is new.
            assert {start for _, start, _ in got} <= edges
            assert (got[0][1], got[-1][2]) == (runs[0][1], runs[-1][2])
            dealt = [painted(got)[start] for _, start, _ in runs]
            assert sorted(dealt) == sorted(label for label, _, _ in runs)
            assert all(one[0] != other[0] for one, other in itertools.pairwise(got))


@given(VIDEOS, st.integers(1, 4), st.integers(0, 3))
def test_shuffled_segments_keep_how_long_each_label_lasts(videos: list[Any], draws: int, seed: int) -> None:
    given_ = joined(videos)
    drawn = shuffled_segments(given_.found, given_.names, draws, seed)
    for video in range(len(videos)):
        ticks = painted(rows_of(given_.found, video))
        for draw in range(draws):
            assert sorted(painted(rows_of(drawn, video * draws + draw))) == sorted(ticks)


@given(VIDEOS, st.data())
def test_equal_parts_are_equal_to_a_frame(videos: list[Any], data: st.DataObject) -> None:
    given_ = joined(videos)
    counts = np.array([data.draw(st.integers(1, 6)) for _ in videos])
    parts = equal_parts(given_, counts)
    for video, count in enumerate(counts.tolist()):
        at = parts.item == video
        lasts = (parts.end - parts.start)[at]
        assert (len(lasts), lasts.sum()) == (count, given_.end[video] - given_.begin[video])
        assert lasts.max() - lasts.min() <= 1
        assert (parts.start[at][1:] == parts.end[at][:-1]).all()
    runs = parts.labelled(np.arange(len(parts.item)), len(videos))
    assert runs.lengths().tolist() == (given_.end - given_.begin).tolist()


@given(VIDEOS, VIDEOS)
def test_rows_of_the_train_split_cover_the_videos(videos: list[Any], train: list[Any]) -> None:
    given_ = joined(videos, train)
    assert given_.train is not None
    known = set(given_.train.label.tolist())
    for row in chance_labels(given_, draws=2, seed=0):
        assert row.runs.lengths().tolist() == np.repeat(given_.end - given_.begin, row.draws).tolist()
        if row.name.startswith("train"):
            assert set(row.runs.label.tolist()) <= known
            assert row.parameters["train_videos"] == len(train)


@given(PIECES)
def test_a_train_video_of_the_same_length_is_taken_over_as_it_is(pieces: list[Any]) -> None:
    given_ = joined([pieces], [pieces, [("stir", sum(count for _, count in pieces) + 1)]])
    copy = next(row for row in chance_labels(given_, draws=1, seed=0) if row.name == "train_copy")
    assert rows_of(copy.runs, 0) == rows_of(given_.found, 0)


@given(st.lists(PIECES, min_size=1, max_size=3))
def test_the_commonest_label_has_most_time(train: list[Any]) -> None:
    given_ = joined([[("pour", 5)]], train)
    row = next(row for row in chance_labels(given_, draws=1, seed=0) if row.name == "train_majority_label")
    held = dict.fromkeys(WORDS, 0)
    for pieces in train:
        for word, count in pieces:
            held[word] += count
    # Of equals the first by name.
    assert row.parameters["label"] == max(WORDS, key=lambda word: held[word])
    assert rows_of(row.runs, 0) == rows_of(of_one_label(given_, given_.labels.index(str(row.parameters["label"]))), 0)


SPANS = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 12)), min_size=1, max_size=6)


def spans_of(videos: list[list[tuple[int, int]]], *, apart: bool) -> Spans:
    rows = []
    for video, spans in enumerate(videos):
        last = 0
        for start, lasts in sorted(spans):
            low = max(start, last) if apart else start
            rows.append((video, low / 4, (low + lasts) / 4))
            last = low + lasts
    video_of, start_s, end_s = (np.array(side) for side in zip(*rows, strict=True))
    return Spans(video_of, start_s, end_s, np.array(["pour"] * len(rows), object), np.arange(float(len(rows))))


@given(st.lists(SPANS, min_size=1, max_size=3), st.booleans(), st.integers(1, 3))
def test_rows_of_average_precision_keep_what_they_say(videos: list[Any], apart: bool, draws: int) -> None:
    found = spans_of(videos, apart=apart)
    lasts = found.end_s - found.start_s
    span = (0.0, float(found.end_s.max()))
    names = [f"v{at}" for at in range(len(videos))]
    rows = {row.name: row for row in ApChance(found, names, [span] * len(names), draws, 0).rows()}
    placed = rows.get("durations_shuffled", rows.get("durations_placed"))
    assert placed is not None
    assert not apart or placed.name == "durations_shuffled"
    np.testing.assert_allclose(placed.end_s - placed.start_s, lasts[placed.source], atol=1e-9)
    for video in range(len(videos)):
        at = np.flatnonzero(found.video == video)
        # Whatever is moved stays in its video, and each segment is there once.
        assert np.sort(placed.source[:, at], axis=1).tolist() == [at.tolist()] * draws
        assert (placed.start_s[:, at] >= -1e-9).all()
        assert (placed.end_s[:, at] <= span[1] + 1e-9).all()
        for name in ("uniform_same_count", "random_same_count"):
            row = rows[name]
            assert (row.start_s[:, at[0]] == 0).all()
            assert (row.end_s[:, at[-1]] == span[1]).all()
            assert (row.start_s[:, at[1:]] == row.end_s[:, at[:-1]]).all()
    parts = rows["uniform_same_count"]
    counts = np.bincount(found.video)[found.video]
    np.testing.assert_allclose((parts.end_s - parts.start_s)[0], span[1] / counts)
    control = rows["confidence_permuted"]
    assert control.kind == "control"
    assert (control.start_s == found.start_s).all()
    assert control.confident is not None
    assert np.sort(control.confident, axis=1).tolist() == [list(range(len(lasts)))] * draws


@given(PIECES, st.integers(1, 5))
def test_what_lasts_longer_is_cut_or_filled(pieces: list[Any], more: int) -> None:
    """By the frames of both: cut is the shorter of them, filled the last label for the rest."""
    short = {"tea": [(word, float(count)) for word, count in pieces]}
    long = {"tea": [*short["tea"], ("shake", float(more))]}
    frames = [word for word, count in pieces for _ in range(count)]
    cases: tuple[tuple[Any, ...], ...] = (
        ("cut", long, short, frames),
        ("pad", long, short, frames + [frames[-1]] * more),
        ("cut", short, long, frames),
        ("pad", short, long, frames),
    )
    for length, truth, found, wanted in cases:
        how = Joining(Clock(FrameRate(1)), ("background",), length, "raise", "raise")
        given_ = join(labelled_segments(truth), labelled_segments(found), how)
        assert [given_.labels[label] for label in painted(rows_of(given_.found, 0))] == wanted
        assert given_.truth.lengths().tolist() == given_.found.lengths().tolist() == [len(wanted)]
        (count,) = {name: value for name, value in given_.policies.items() if "gaps" not in name}.values()
        assert count == more


def test_a_truth_is_known_by_its_digest() -> None:
    def digest(videos: dict[str, list[tuple[str, float]]], rate: FrameRate | None = None) -> str:
        how = Joining(Clock(rate), ("background",), "raise", "raise", "raise")
        made = labelled_segments(videos)
        return join(made, made, how).digest

    truth = {"tea": [("pour", 1.0), ("stir", 2.0)], "juice": [("stir", 1.0)]}
    same = digest(truth)
    # Whatever it is counted in, and in whatever order its videos stand.
    assert digest(truth, FrameRate(15)) == digest(dict(reversed(truth.items()))) == same
    others = [
        truth | {"juice": [("pour", 1.0)]},
        truth | {"juice": [("stir", 1.000001)]},
        truth | {"juice": [("stir", 0.5), ("stir", 0.5)]},
        truth | {"coffee": [("stir", 1.0)]},
        {"tea": truth["tea"]},
    ]
    assert len({same, *map(digest, others)}) == len(others) + 1


@pytest.mark.parametrize("rate", [FrameRate(15), FrameRate(30000, 1001), None])
def test_rows_cover_videos_whose_length_is_no_whole_number_of_frames(rate: FrameRate | None) -> None:
    how = Joining(Clock(rate), ("background",), "raise", "raise", "raise")
    made = labelled_segments({"tea": [("pour", 1.37), ("stir", 2.011)], "juice": [("stir", 0.7)]})
    train = labelled_segments({"coffee": [("stir", 1.013), ("pour", 0.29), ("shake", 0.031)]})
    given_ = join(made, made, how, train)
    for row in chance_labels(given_, draws=3, seed=1):
        assert row.runs.lengths().tolist() == np.repeat(given_.end - given_.begin, row.draws).tolist()
