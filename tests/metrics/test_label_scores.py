"""Labelled segments scored at once, beside the same rules frame by frame and video by video."""

from __future__ import annotations

import json
import statistics
from dataclasses import replace
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.errors import LengthMismatchError, SchemaError
from lapsdata.metrics import (
    LABEL_CHANCE_ROWS,
    LABEL_TRAIN_ROWS,
    SegmentCounts,
    edit_score,
    evaluate_labels,
    frame_counts,
    overlap_counts,
    runs_of,
    without,
)
from lapsdata.metrics._draws import orders
from lapsdata.testing.samples import labelled_segments, sample_segments
from lapsdata.timebase import FrameRate

if TYPE_CHECKING:
    from lapsdata.containers import Segments
    from lapsdata.schema import LabelRow, LabelScores

    Frames = dict[str, list[str]]

RATE = FrameRate(10)
WORDS = ("background", "pour", "shake", "stir")
OVERLAPS = (0.1, 0.25, 0.5, 1.0)


def segments(videos: Frames, rate: int = 10) -> Segments:
    """Return the runs of equal labels of the frames of each video."""
    runs = {name: [(word, len(list(same))) for word, same in groupby(words)] for name, words in videos.items()}
    made = labelled_segments({name: [(word, float(count)) for word, count in rows] for name, rows in runs.items()})
    videos_s = tuple(video.model_copy(update={"end_s": video.end_s / rate}) for video in made.header.videos)
    header = made.header.model_copy(update={"videos": videos_s})
    return replace(made, header=header, start_s=made.start_s / rate, end_s=made.end_s / rate)


class Plain(NamedTuple):
    """What the functions of one video make of all."""

    accuracy_micro: float
    accuracy_macro: float
    edit: float
    f: list[float]


def plain(truth: Frames, found: Frames, background: tuple[str, ...] = ("background",)) -> Plain:
    number = {
        word: at for at, word in enumerate(sorted({w for one in (truth, found) for v in one.values() for w in v}))
    }
    frames, edits, counts = [], [], []
    for name, words in truth.items():
        sides = [np.array([number[word] for word in side], np.int64) for side in (words, found[name])]
        left_out = [number[word] for word in background if word in number]
        true, ours = (without(runs_of(side), left_out) for side in sides)
        frames.append(frame_counts(*sides))
        edits.append(edit_score(true.label, ours.label))
        counts.append(overlap_counts(true, ours, OVERLAPS))
    return Plain(
        sum(one.correct for one in frames) / sum(one.frames for one in frames),
        statistics.fmean(one.accuracy for one in frames),
        statistics.fmean(edits),
        [SegmentCounts.pooled(each).f for each in zip(*counts, strict=True)],
    )


def of(row: LabelRow) -> Plain:
    return Plain(row.accuracy_micro.mean, row.accuracy_macro.mean, row.edit.mean, [one.f.mean for one in row.f])


def check(row: LabelRow, wanted: Plain) -> None:
    got = of(row)
    assert [*got[:3], *got.f] == pytest.approx([*wanted[:3], *wanted.f], abs=1e-12)


def row(scores: LabelScores, name: str) -> LabelRow:
    return next(one for one in scores.rows if one.name == name)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Frames, Frames]:
    """Draw the frames of one to three videos on both sides, in runs long enough to overlap."""
    word = st.sampled_from(WORDS)
    truth, found = {}, {}
    for name in "abc"[: draw(st.integers(1, 3))]:
        runs = [draw(st.lists(st.tuples(word, st.integers(1, 6)), min_size=1, max_size=8)) for _ in range(2)]
        true, ours = ([one for one, count in side for _ in range(count)] for side in runs)
        length = min(len(true), len(ours))
        truth[name], found[name] = true[:length], ours[:length]
    return truth, found


@given(pairs())
def test_the_prediction_scores_what_the_rules_of_one_video_say(both: tuple[Frames, Frames]) -> None:
    truth, found = both
    for rate in (RATE, None):
        scores = evaluate_labels(segments(truth), segments(found), rate=rate, overlaps=OVERLAPS, draws=2)
        check(scores.rows[0], plain(truth, found))
        assert scores.policies == {}


@given(pairs(), st.sampled_from([(), ("background", "stir"), ("nothing",)]))
def test_the_background_is_what_is_said(both: tuple[Frames, Frames], background: tuple[str, ...]) -> None:
    truth, found = both
    kwargs: dict[str, Any] = {"rate": RATE, "overlaps": OVERLAPS, "draws": 1, "background": background}
    check(evaluate_labels(segments(truth), segments(found), **kwargs).rows[0], plain(truth, found, background))


@given(pairs())
def test_counts_of_videos_make_the_row(both: tuple[Frames, Frames]) -> None:
    scores = evaluate_labels(*map(segments, both), rate=RATE, draws=1)
    first = scores.rows[0]
    videos = scores.videos
    assert [video.name for video in videos] == sorted(both[0])
    micro = sum(video.correct for video in videos) / sum(video.counted for video in videos)
    assert first.accuracy_micro.mean == pytest.approx(micro)
    edits = [1 - video.edits / video.longest if video.longest else 1.0 for video in videos]
    assert first.edit.mean == pytest.approx(statistics.fmean(edits))
    for k, score in enumerate(first.f):
        pooled = [sum(getattr(video, name)[k] for video in videos) for name in ("tp", "fp", "fn")]
        assert [score.tp, score.fp, score.fn] == pooled
        counts = SegmentCounts(*pooled)
        assert (score.precision.mean, score.recall.mean) == pytest.approx((counts.precision, counts.recall))


TRUTH: Frames = {"a": ["background"] * 3 + ["pour"] * 6 + ["stir"] * 5, "b": ["stir"] * 8 + ["background"] * 4}
FOUND: Frames = {"a": ["pour"] * 7 + ["background"] + ["stir"] * 6, "b": ["stir"] * 5 + ["pour"] * 7}
TRAIN: Frames = {
    "t": ["pour"] * 10 + ["background"] * 2,
    "u": ["pour"] * 6 + ["stir"] * 8,
    "v": ["shake"] * 4 + ["background"] * 36,
}


def evaluate(**changes: Any) -> LabelScores:
    kwargs: dict[str, Any] = {"rate": RATE, "overlaps": OVERLAPS, "draws": 5} | changes
    return evaluate_labels(kwargs.pop("truth", segments(TRUTH)), kwargs.pop("found", segments(FOUND)), **kwargs)


def test_the_rows_are_those_that_are_known() -> None:
    assert tuple(one.name for one in evaluate().rows) == ("prediction", *LABEL_CHANCE_ROWS)
    assert [one.kind for one in evaluate().rows] == ["prediction", "chance", "oracle"]
    trained = evaluate(train=segments(TRAIN))
    assert tuple(one.name for one in trained.rows) == ("prediction", LABEL_CHANCE_ROWS[0], *LABEL_TRAIN_ROWS)
    assert [one.kind for one in trained.rows] == ["prediction", *["chance"] * 4]


@pytest.mark.parametrize(
    ("name", "train", "label"), [("oracle_majority_label", None, "stir"), ("train_majority_label", TRAIN, "background")]
)
def test_the_commonest_label_for_all_time(name: str, train: Frames | None, label: str) -> None:
    scores = evaluate(train=None if train is None else segments(train))
    only = {video: [label] * len(words) for video, words in TRUTH.items()}
    check(row(scores, name), plain(TRUTH, only))
    assert row(scores, name).parameters["label"] == label


def test_a_copy_of_the_train_video_nearest_in_length() -> None:
    # a has 14 frames as u has, b 12 as t has.
    check(row(evaluate(train=segments(TRAIN)), "train_copy"), plain(TRUTH, {"a": TRAIN["u"], "b": TRAIN["t"]}))
    stretched = {"t": [word for word in TRAIN["u"] for _ in range(2)]}
    wanted = {"a": TRAIN["u"], "b": ["pour"] * 5 + ["stir"] * 7}
    check(row(evaluate(train=segments(stretched)), "train_copy"), plain(TRUTH, wanted))


def test_labels_of_the_train_split_at_their_place() -> None:
    """By shares of duration: a is cut in three as its prediction is, b in two."""
    wanted = {}
    for name, parts in (("a", 3), ("b", 2)):
        frames = len(TRUTH[name])
        edges = np.rint(np.arange(parts + 1) * frames / parts).astype(int)
        words: list[str] = []
        for part, (low, high) in enumerate(pairwise(edges)):
            held = dict.fromkeys(WORDS, 0.0)
            for train in TRAIN.values():
                fine = np.repeat(train, 600)  # 600 is a multiple of both counts: every frame is cut alike.
                here = fine[part * len(fine) // parts : (part + 1) * len(fine) // parts]
                for word in held:
                    held[word] += float((here == word).mean())
            words += [max(held, key=lambda word: held[word])] * (high - low)
        wanted[name] = words
    check(row(evaluate(train=segments(TRAIN)), "train_position_labels"), plain(TRUTH, wanted))


def test_permuted_labels_are_the_means_of_their_draws() -> None:
    scores = evaluate(draws=7, seed=3)
    each = []
    for draw in range(7):
        frames = {}
        for name, words in FOUND.items():
            runs = [(word, len(list(same))) for word, same in groupby(words)]
            order = orders("labels", 3, name, 7, len(runs))[draw]
            frames[name] = [runs[at][0] for at, (_, count) in zip(order, runs, strict=True) for _ in range(count)]
        each.append(plain(TRUTH, frames))
    chance = row(scores, "labels_permuted")
    assert chance.draws == 7
    assert chance.parameters == {"draws": 7, "seed": 3}
    for name in ("accuracy_micro", "accuracy_macro", "edit"):
        values, score = [getattr(one, name) for one in each], getattr(chance, name)
        assert score.mean == pytest.approx(statistics.fmean(values))
        assert score.sd == pytest.approx(statistics.stdev(values))
        assert score.band == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])))
        best = getattr(scores.rows[0], name).mean
        assert score.p == (1 + sum(value >= best for value in values)) / 8
    assert [one.f.mean for one in chance.f] == pytest.approx(np.mean([one.f for one in each], axis=0))


def test_draws_are_repeated_and_depend_on_the_seed_and_not_on_other_videos() -> None:
    assert evaluate() == evaluate()
    assert row(evaluate(seed=1), "labels_permuted") != row(evaluate(), "labels_permuted")
    alone = evaluate(truth=segments({"b": TRUTH["b"]}), found=segments({"b": FOUND["b"]}))
    assert (alone.videos[0].tp, alone.videos[0].correct) == (evaluate().videos[1].tp, evaluate().videos[1].correct)


def test_one_draw_does_not_scatter() -> None:
    one = row(evaluate(draws=1), "labels_permuted").edit
    assert (one.sd, one.band, one.p) == (None, None, None)


NOTHING: Frames = {"a": ["background"] * 9}
SOME: Frames = {"a": ["background"] * 4 + ["pour"] * 5}


@pytest.mark.parametrize(
    ("truth", "found", "edit", "f"),
    [(NOTHING, NOTHING, 1.0, 1.0), (NOTHING, SOME, 0.0, 0.0), (SOME, NOTHING, 0.0, 0.0)],
)
def test_without_an_action_on_a_side(truth: Frames, found: Frames, edit: float, f: float) -> None:
    first = evaluate(truth=segments(truth), found=segments(found)).rows[0]
    assert first.edit.mean == edit
    assert {(one.precision.mean, one.recall.mean, one.f.mean) for one in first.f} == {(f, f, f)}


def test_time_without_a_segment_is_background() -> None:
    gaps = labelled_segments({"tea": [(None, 1.0), ("pour", 2.0), (None, 1.0)]})
    filled = labelled_segments({"tea": [("background", 1.0), ("pour", 2.0), ("background", 1.0)]})
    scores = evaluate(truth=filled, found=gaps)
    assert scores.rows[0].accuracy_micro.mean == 1.0
    assert scores.policies == {"found_gaps_frames": 20}
    assert evaluate(truth=gaps, found=gaps, rate=None).policies == {
        "found_gaps_us": 2_000_000, "truth_gaps_us": 2_000_000
    }  # fmt: skip
    # Without a background it has a label of its own, which is no action.
    bare = evaluate(truth=filled, found=gaps, background=()).rows[0]
    assert (bare.accuracy_micro.mean, bare.f[0].tp, bare.f[0].fn) == (0.5, 1.0, 2.0)


def test_nothing_found_is_background_everywhere() -> None:
    nothing = labelled_segments({"a": [(None, 1.4)], "b": [(None, 1.2)]})
    wanted = plain(TRUTH, {name: ["background"] * len(words) for name, words in TRUTH.items()})
    for rate in (RATE, None):
        scores = evaluate(found=nothing, rate=rate, train=segments(TRAIN))
        check(scores.rows[0], wanted)
        check(row(scores, "labels_permuted"), wanted)


def test_touching_segments_of_one_label_are_one() -> None:
    twice = labelled_segments({"tea": [("pour", 1.0), ("pour", 2.0)]})
    once = labelled_segments({"tea": [("pour", 3.0)]})
    assert evaluate(truth=once, found=twice).rows[0].f[-1].f.mean == 1.0


def test_a_length_that_differs_is_an_error_with_both_numbers() -> None:
    short = segments({"a": TRUTH["a"][:12], "b": TRUTH["b"]})
    with pytest.raises(LengthMismatchError, match=r"found: a: expected 14 frames as in the truth, got 12; .*'cut'"):
        evaluate(found=short)
    with pytest.raises(LengthMismatchError, match=r"expected 1\.2 s as in the truth, got 1\.4"):
        evaluate(truth=short, rate=None)


def test_a_length_that_differs_is_cut_or_padded_where_that_is_said() -> None:
    short = segments({"a": TRUTH["a"][:12], "b": TRUTH["b"]})
    cut = evaluate(found=short, length="cut")
    assert ([video.counted for video in cut.videos], cut.policies) == ([12, 12], {"truth_cut_frames": 2})
    assert (cut.rows[0].accuracy_micro.mean, cut.rules.length) == (1.0, "cut")
    padded = evaluate(found=short, length="pad")
    assert ([video.counted for video in padded.videos], padded.policies) == ([14, 12], {"found_padded_frames": 2})
    assert padded.rows[0].accuracy_micro.mean == 1.0
    longer = evaluate(truth=short, found=segments(TRUTH), length="pad")
    assert ([video.counted for video in longer.videos], longer.policies) == ([12, 12], {"found_cut_frames": 2})
    assert evaluate(truth=short, found=segments(TRUTH), length="cut").videos == longer.videos
    # The truth is the same truth whatever it was held against.
    assert cut.truth_digest == padded.truth_digest == evaluate().truth_digest != longer.truth_digest


def test_what_is_padded_goes_on_as_it_ended() -> None:
    truth = labelled_segments({"tea": [("pour", 2.0), ("background", 2.0)]})
    found = labelled_segments({"tea": [("pour", 2.0), (None, 0.5)]})
    assert evaluate(truth=truth, found=found, length="pad").rows[0].accuracy_micro.mean == 1.0


def test_a_video_that_was_not_predicted() -> None:
    alone = segments({"a": FOUND["a"]})
    with pytest.raises(SchemaError, match=r"found: b: expected the video, got none"):
        evaluate(found=alone)
    scores = evaluate(found=alone, missing="empty")
    check(scores.rows[0], plain(TRUTH, FOUND | {"b": ["background"] * 12}))
    assert scores.policies == {"missing_as_empty": 1, "found_gaps_frames": 12}
    with pytest.raises(SchemaError, match="expected videos of the truth, got another"):
        evaluate(truth=alone)
    assert evaluate(truth=segments({"a": TRUTH["a"]}), extra="leave_out").policies == {"without_truth_left_out": 1}


def test_times_between_frames_go_to_the_nearer_one_and_are_counted() -> None:
    found = labelled_segments({"a": [("pour", 0.73), ("background", 0.1), ("stir", 0.57)], "b": [("stir", 1.2)]})
    scores = evaluate(found=found)
    assert scores.policies == {"found_times_to_frames": 4}
    check(scores.rows[0], plain(TRUTH, FOUND | {"b": ["stir"] * 12}))
    sliver = labelled_segments({"a": [("pour", 0.03), ("background", 1.37)], "b": [("stir", 1.2)]})
    assert evaluate(found=sliver).policies == {"found_times_to_frames": 2, "found_without_a_frame": 1}


def test_an_overlap_of_just_what_is_asked_for_is_enough_by_either_clock() -> None:
    """Half of 2 of 15 frames per second: 1/15 s and 2/15 s are no whole microseconds."""
    truth = segments({"tea": ["pour"] * 2 + ["background"] * 5}, rate=15)
    found = segments({"tea": ["pour"] + ["background"] * 6}, rate=15)
    for rate in (FrameRate(15), None):
        assert evaluate_labels(truth, found, rate=rate, overlaps=(0.5,), draws=1).rows[0].f[0].f.mean == 1.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"found": sample_segments()}, r"found: expected a label of each segment, got 1 of 3 without"),
        ({"found": {"a": np.array([1.0])}}, r"found: expected Segments, got dict"),
        ({"truth": labelled_segments({})}, r"truth: expected at least one video, got none"),
        ({"overlaps": (0.5, 0.1)}, "expected rising overlaps"),
        ({"overlaps": (0.1234567,)}, "expected up to six decimals"),
        ({"overlaps": (0.0,)}, "expected a share above 0, up to 1, got 0.0"),
        ({"background": ("a", "a")}, "expected each label of the background once"),
        ({"length": "min"}, "length: expected one of 'raise', 'cut', 'pad', got 'min'"),
        ({"missing": "skip"}, "missing: expected one of 'raise', 'empty'"),
        ({"draws": 0}, "draws: expected an integer of at least 1, got 0"),
        ({"train": segments({"b": TRUTH["b"]})}, r"train: expected other videos than those that are scored, got 'b'"),
        ({"rate": FrameRate(1, 10)}, r"expected at least one frame at 1/10, got none"),
    ],
)
def test_what_cannot_be_scored_is_told(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        evaluate(**changes)


def test_segments_that_overlap_have_no_label_of_an_instant() -> None:
    made = segments({"a": TRUTH["a"]})
    header = made.header.model_copy(update={"overlap": True})
    crossing = replace(made, header=header, end_s=np.minimum(made.end_s + 0.2, 1.4))
    with pytest.raises(SchemaError, match="found: a: expected segments that do not overlap, got 2 that begin"):
        evaluate(truth=made, found=crossing)


def test_a_video_that_starts_elsewhere() -> None:
    made = segments({"a": TRUTH["a"]})
    moved = replace(
        made,
        header=made.header.model_copy(update={"videos": (made.header.videos[0].model_copy(update={"start_s": -1.0}),)}),
    )
    with pytest.raises(SchemaError, match=r"found: a: expected a start at 0\.0 s, got -1\.0 s"):
        evaluate(truth=made, found=moved, rate=None)


def test_the_record_is_read_as_it_was_written() -> None:
    scores = evaluate(train=segments(TRAIN))
    assert type(scores).parse(scores.to_bytes()) == scores
    assert scores.rules.as_json() == {
        "overlaps": [0.1, 0.25, 0.5, 1.0],
        "background": ["background"],
        "clock": "frames",
        "rate": "10",
        "length": "raise",
        "gaps": "first_background",
        "segments": "runs_of_equal_labels",
        "matching": "largest_overlap_if_free",
        "accuracy": "background_as_any_label",
        "edit": "mean_of_videos",
        "f": "pooled_counts",
        "empty": "both_1_one_0",
    }


@pytest.mark.parametrize(
    ("place", "change", "message"),
    [
        (("rules",), {"rate": None}, "expected a rate exactly where frames are counted"),
        (("videos", 0), {"correct": 99}, "expected up to 14 correct"),
        (("videos", 0), {"edits": 9}, "expected up to 2 edits"),
        (("videos", 0), {"tp": [1, 1]}, "expected tp, fp and fn at each overlap"),
        (("videos", 0), {"tp": [0, 0, 0, 9]}, "expected as many segments at each overlap"),
        (("rows", 1), {"kind": "prediction"}, "expected the prediction as first row"),
        (("rows", 1), {"name": "prediction"}, "expected each row once"),
        (("rows", 1), {"f": []}, "expected scores at the overlaps of the rules"),
        (("rows", 1, "edit"), {"band": [0.5, 0.25]}, "expected a band from its lower"),
    ],
)
def test_a_record_that_contradicts_itself_is_refused(
    place: tuple[Any, ...], change: dict[str, Any], message: str
) -> None:
    scores = evaluate()
    document: Any = scores.as_json()
    inner = document
    for key in place:
        inner = inner[key]
    inner |= change
    with pytest.raises(SchemaError, match=message):
        type(scores).parse(json.dumps(document))


def shifted(made: Segments, by_s: float) -> Segments:
    videos = tuple(
        video.model_copy(update={"start_s": video.start_s + by_s, "end_s": video.end_s + by_s})
        for video in made.header.videos
    )
    header = made.header.model_copy(update={"videos": videos})
    return replace(made, header=header, start_s=made.start_s + by_s, end_s=made.end_s + by_s)


@pytest.mark.parametrize("by_s", [-100.0, -1.0, 0.7, 3600.0])
def test_where_the_clock_of_a_video_begins_does_not_matter(by_s: float) -> None:
    kept = evaluate(rate=None)
    moved = evaluate(truth=shifted(segments(TRUTH), by_s), found=shifted(segments(FOUND), by_s), rate=None)
    assert [of(row) for row in moved.rows] == [of(row) for row in kept.rows]
    assert [video.start_s for video in moved.videos] == pytest.approx([by_s] * 2)
    assert moved.truth_digest != kept.truth_digest


def test_frames_are_counted_from_where_a_video_begins() -> None:
    kept, moved = evaluate(), evaluate(truth=shifted(segments(TRUTH), 2.0), found=shifted(segments(FOUND), 2.0))
    assert [of(row) for row in moved.rows] == [of(row) for row in kept.rows]
    assert [video.counted for video in moved.videos] == [14, 12]


@pytest.mark.parametrize("length", ["raise", "cut", "pad"])
@pytest.mark.parametrize("side", ["truth", "found"])
def test_a_video_without_a_frame_is_told_whatever_the_policy(length: str, side: str) -> None:
    videos = {"a": [("pour", 0.03)], "b": [("stir", 1.2)]}
    with pytest.raises(SchemaError, match=f"{side}: a: expected at least one frame at 10, got none"):
        evaluate(**{side: labelled_segments(videos)}, length=length)


def test_all_problems_are_told_at_once() -> None:
    short = segments({"a": TRUTH["a"][:12], "b": TRUTH["b"][:5]})
    with pytest.raises(LengthMismatchError, match="found: a: expected 14 frames") as raised:
        evaluate(found=short)
    assert [problem.where for problem in raised.value.problems] == ["found: a", "found: b"]
    assert {problem.code for problem in raised.value.problems} == {"length-mismatch"}


def test_labels_that_only_one_side_has_are_wrong() -> None:
    found = {name: ["cut" if word == "pour" else word for word in words] for name, words in TRUTH.items()}
    scores = evaluate(found=segments(found))
    check(scores.rows[0], plain(TRUTH, found))
    assert scores.rows[0].f[0].fp == scores.rows[0].f[0].fn == 1
