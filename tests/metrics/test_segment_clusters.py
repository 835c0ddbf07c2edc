"""Clusters of time, frame by frame: scikit-learn and a plain matching, within videos, activities and all."""

from __future__ import annotations

import json
import statistics
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from lapsdata.errors import LengthMismatchError, SchemaError
from lapsdata.metrics import CLUSTER_CHANCE_ROWS, evaluate_clusters, matched_share
from lapsdata.metrics._draws import orders
from lapsdata.testing.samples import labelled_segments
from lapsdata.timebase import FrameRate

if TYPE_CHECKING:
    from lapsdata.containers import Segments
    from lapsdata.schema import SegmentClusterRow, SegmentClusterScores

    Frames = dict[str, list[str]]

RATE = FrameRate(1)
TRUTH: Frames = {
    "a": ["background"] * 2 + ["pour"] * 5 + ["stir"] * 3,
    "b": ["stir"] * 6 + ["background"] * 2 + ["pour"] * 3,
    "c": ["shake"] * 4 + ["pour"] * 4,
}
FOUND: Frames = {
    "a": ["0"] * 3 + ["1"] * 4 + ["2"] * 2 + ["0"],
    "b": ["2"] * 5 + ["0"] * 3 + ["1"] * 3,
    "c": ["1"] * 8,
}
ACTIVITY = {"a": "tea", "b": "tea", "c": "juice"}
GROUPS = {
    "video": [["a"], ["b"], ["c"]],
    "activity": [["c"], ["a", "b"]],
    "all": [["a", "b", "c"]],
}


def segments(videos: Frames) -> Segments:
    runs = {name: [(word, float(len(list(same)))) for word, same in groupby(words)] for name, words in videos.items()}
    return labelled_segments(runs)


def evaluate(**changes: Any) -> SegmentClusterScores:
    kwargs: dict[str, Any] = {"rate": RATE, "draws": 5, "scope": "all"} | changes
    if kwargs["scope"] == "activity":
        kwargs.setdefault("activity", ACTIVITY)
    return evaluate_clusters(kwargs.pop("truth", segments(TRUTH)), kwargs.pop("found", segments(FOUND)), **kwargs)


def row(scores: SegmentClusterScores, name: str) -> SegmentClusterRow:
    return next(one for one in scores.rows if one.name == name)


def plain(truth: Frames, found: Frames, groups: list[list[str]], left_out: tuple[str, ...] = ()) -> dict[str, float]:
    each, hits, counted = [], 0.0, 0
    for group in groups:
        true = np.array([word for name in group for word in truth[name]])
        ours = np.array([word for name in group for word in found[name]])
        kept = ~np.isin(true, left_out)
        true, ours = np.unique(true[kept], return_inverse=True)[1], np.unique(ours[kept], return_inverse=True)[1]
        if not len(true):
            continue
        share = matched_share(true, ours, np.zeros(len(true), np.int64))
        hits, counted = hits + share * len(true), counted + len(true)
        h, c, v = sk.homogeneity_completeness_v_measure(true, ours)
        each.append(
            {
                "accuracy_macro": share,
                "ari": sk.adjusted_rand_score(true, ours),
                "ami": sk.adjusted_mutual_info_score(true, ours),
                "nmi": sk.normalized_mutual_info_score(true, ours),
                "homogeneity": h,
                "completeness": c,
                "v_measure": v,
            }
        )
    means = {name: statistics.fmean(one[name] for one in each) for name in each[0]}
    return {"accuracy_micro": hits / counted} | means


def check(row: SegmentClusterRow, wanted: dict[str, float]) -> None:
    got = {name: None if getattr(row, name) is None else getattr(row, name).mean for name in wanted}
    assert got == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize("scope", ["video", "activity", "all"])
@pytest.mark.parametrize("left_out", [(), ("background",)])
def test_the_prediction_is_that_of_frames(scope: str, left_out: tuple[str, ...]) -> None:
    scores = evaluate(scope=scope, background_time="left_out" if left_out else "as_any_label")
    check(scores.rows[0], plain(TRUTH, FOUND, GROUPS[scope], left_out))


WORDS = st.lists(st.tuples(st.sampled_from(["background", "pour", "stir"]), st.integers(1, 4)), min_size=1, max_size=6)


@given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=3), st.sampled_from(["video", "all"]))
def test_drawn_clusters_are_those_of_frames(drawn: list[Any], scope: str) -> None:
    truth: Frames = {}
    found: Frames = {}
    for name, sides in zip("abc", drawn, strict=False):
        true, ours = ([word for word, count in side for _ in range(count)] for side in sides)
        truth[name], found[name] = true[: len(ours)], ours[: len(true)]
    groups = [[name] for name in truth] if scope == "video" else [list(truth)]
    scores = evaluate(truth=segments(truth), found=segments(found), scope=scope, draws=1)
    check(scores.rows[0], plain(truth, found, groups))


def test_the_rows_are_those_that_are_known() -> None:
    scores = evaluate()
    assert tuple(one.name for one in scores.rows) == ("prediction", *CLUSTER_CHANCE_ROWS)
    assert [one.kind for one in scores.rows] == ["prediction", *["chance"] * 4]
    assert [one.kind for one in evaluate(scope="video").rows][2] == "control"
    assert scores == evaluate()
    assert evaluate(seed=1).rows[1] != scores.rows[1]


def test_one_cluster_and_equal_parts() -> None:
    scores = evaluate()
    check(
        row(scores, "one_cluster"),
        plain(TRUTH, {name: ["0"] * len(words) for name, words in TRUTH.items()}, GROUPS["all"]),
    )
    # Three clusters were found in a and b, one in c; thirds of 10 and 11 frames.
    parts = {"a": ["0"] * 3 + ["1"] * 4 + ["2"] * 3, "b": ["0"] * 4 + ["1"] * 3 + ["2"] * 4, "c": ["0"] * 8}
    check(row(scores, "uniform_clusters"), plain(TRUTH, parts, GROUPS["all"]))


@pytest.mark.parametrize("scope", ["video", "activity", "all"])
@pytest.mark.parametrize(("name", "use"), [("labels_permuted", "labels"), ("segments_shuffled", "segments")])
def test_drawn_rows_are_the_means_of_their_draws(scope: str, name: str, use: str) -> None:
    scores = evaluate(scope=scope, seed=2)
    each = []
    for draw in range(5):
        frames = {}
        for video, words in FOUND.items():
            runs = [(word, len(list(same))) for word, same in groupby(words)]
            order = orders(use, 2, video, 5, len(runs))[draw]
            lasts = [runs[at][1] for at in (order if use == "segments" else range(len(runs)))]
            frames[video] = [runs[at][0] for at, count in zip(order, lasts, strict=True) for _ in range(count)]
        each.append(plain(TRUTH, frames, GROUPS[scope]))
    chance = row(scores, name)
    check(chance, {key: statistics.fmean(one[key] for one in each) for key in each[0]})
    reached = sum(one["accuracy_micro"] >= scores.rows[0].accuracy_micro.mean - 1e-12 for one in each)
    assert chance.accuracy_micro.p == (1 + reached) / 6
    assert chance.ari.sd == pytest.approx(statistics.stdev([one["ari"] for one in each]))


def test_within_videos_other_names_are_as_good() -> None:
    """Each cluster is one segment: whatever the labels are called, the matching finds them."""
    found = segments({name: [str(at * 3 // len(words)) for at in range(len(words))] for name, words in TRUTH.items()})
    scores = evaluate(found=found, scope="video")
    assert row(scores, "labels_permuted").accuracy_micro.mean == pytest.approx(scores.rows[0].accuracy_micro.mean)
    assert row(scores, "labels_permuted").accuracy_micro.sd == 0


def test_clusters_of_other_groups_are_others() -> None:
    """A name for each video's own clusters changes nothing within videos."""
    own = segments({name: [f"{name} {word}" for word in words] for name, words in FOUND.items()})
    assert evaluate(found=own, scope="video").rows[0] == evaluate(scope="video").rows[0]
    assert evaluate(found=own).rows[0] != evaluate().rows[0]


def test_groups_hold_what_was_counted() -> None:
    juice, tea = evaluate(scope="activity").groups
    assert (juice.name, juice.videos, juice.counted, juice.correct, juice.labels, juice.clusters) == (
        "juice",
        1,
        8,
        4,
        2,
        1,
    )
    assert (tea.name, tea.videos, tea.counted, tea.labels, tea.clusters) == ("tea", 2, 21, 3, 3)
    scores = evaluate(scope="activity")
    assert scores.rows[0].accuracy_micro.mean == pytest.approx((juice.correct + tea.correct) / 29)


def test_time_counts_as_frames_do_and_has_no_ami() -> None:
    frames, time = evaluate().rows[0], evaluate(rate=None).rows[0]
    assert time.ami is None
    for name in ("accuracy_micro", "accuracy_macro", "nmi", "v_measure"):
        assert getattr(time, name).mean == pytest.approx(getattr(frames, name).mean)
    # Of frames as many as microseconds, the Rand index is another, and nearly the same.
    assert time.ari.mean == pytest.approx(evaluate(rate=FrameRate(1000)).rows[0].ari.mean, abs=1e-3)


def test_a_group_of_background_alone_is_left_out_and_counted() -> None:
    truth = segments(TRUTH | {"c": ["background"] * 8})
    scores = evaluate(truth=truth, scope="video", background_time="left_out")
    assert [group.name for group in scores.groups] == ["a", "b"]
    assert scores.policies == {"groups_of_background_left_out": 1}
    check(scores.rows[0], plain(TRUTH | {"c": ["background"] * 8}, FOUND, GROUPS["video"], ("background",)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scope": "each"}, "scope: expected one of 'video', 'activity', 'all', got 'each'"),
        ({"activity": ACTIVITY}, "for scope 'activity' and no other, got some for scope 'all'"),
        ({"scope": "activity", "activity": None}, "for scope 'activity' and no other, got none"),
        ({"scope": "activity", "activity": {"a": "tea"}}, "activity: expected one of each video, got none of 'b', 'c'"),
        ({"truth": segments({name: ["background"] * len(words) for name, words in TRUTH.items()}),
          "background_time": "left_out"}, "expected time that is no background, got none"),
        ({"background_time": "ignored"}, "background_time: "),
        ({"draws": 0}, "draws: expected an integer of at least 1"),
    ],
)  # fmt: skip
def test_what_cannot_be_scored_is_told(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        evaluate(**changes)


def test_a_length_that_differs_is_an_error() -> None:
    with pytest.raises(LengthMismatchError, match="found: c: expected 8 frames as in the truth, got 7"):
        evaluate(found=segments(FOUND | {"c": ["1"] * 7}))
    assert evaluate(found=segments(FOUND | {"c": ["1"] * 7}), length="pad").rows[0] == evaluate().rows[0]


def test_the_record_is_read_as_it_was_written() -> None:
    for scores in (evaluate(), evaluate(rate=None)):
        assert type(scores).parse(scores.to_bytes()) == scores
    document: Any = scores.as_json()
    document["rows"][0]["ami"] = {"mean": 0.5}
    with pytest.raises(SchemaError, match="expected AMI exactly where frames are counted"):
        type(scores).parse(json.dumps(document))
    document = scores.as_json()
    document["groups"][0]["correct"] = 10**9
    with pytest.raises(SchemaError, match="expected up to 29000000 correct"):
        type(scores).parse(json.dumps(document))
    document = scores.as_json()
    document["groups"] *= 2
    with pytest.raises(SchemaError, match="expected each group once"):
        type(scores).parse(json.dumps(document))
