"""Average precision of segments and of many draws of chance, beside the plain loop of one set of spans."""

from __future__ import annotations

import json
import statistics
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.containers import Segments
from lapsdata.errors import SchemaError
from lapsdata.metrics import AP_CHANCE_ROWS, Detections, average_precision, evaluate_ap
from lapsdata.metrics._found_spans import ApChance, SpanDraws, spans_of
from lapsdata.testing.samples import labelled_segments

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lapsdata.schema import ApRow, ApScores, EndReason

    Rows = dict[str, list[tuple[float, float, str | None, float]]]

OVERLAPS = (0.25, 0.5, 0.75)
LENGTH_S = 8.0
RULES = [
    (classes, confidence, ties, edges)
    for classes in ("agnostic", "each")
    for confidence in ("score", "duration", "score_or_duration")
    for ties in ("given", "worst")
    for edges in ("exact", "last_bit")
]


def segments(videos: Rows) -> Segments:
    """Return segments (start, end, label, score) of videos of 8 s, in order of start; they may overlap."""
    rows = [(video, *row) for video, rows in enumerate(videos.values()) for row in sorted(rows, key=lambda one: one[0])]
    header = labelled_segments({name: [(None, LENGTH_S)] for name in videos}).header
    why: tuple[EndReason] = ("annotation",)
    return Segments(
        header.model_copy(update={"overlap": True}),
        np.array([row[0] for row in rows], np.int64),
        np.array([row[1] for row in rows], np.float64),
        np.array([row[2] for row in rows], np.float64),
        why * len(rows),
        tuple(row[3] for row in rows),
        score=np.array([row[4] for row in rows], np.float64),
    )


@st.composite
def spans(draw: st.DrawFn, *, least: int, scores: tuple[float, ...]) -> Rows:
    """Draw spans of two videos on a grid that meets the overlaps exactly, some of one score."""
    row = st.builds(
        lambda start, steps, label, score: (start / 4, min(LENGTH_S, (start + steps) / 4), label, score),
        st.integers(0, 31), st.integers(1, 12), st.sampled_from(("pour", "stir")), st.sampled_from(scores),
    )  # fmt: skip
    return {"a": draw(st.lists(row, min_size=least, max_size=8)), "b": draw(st.lists(row, max_size=8))}


def detections(given: Segments, confidence: str = "score", classes: str = "agnostic") -> Detections:
    known = ("pour", "stir")
    label = [known.index(str(word)) if classes == "each" else 0 for word in given.label]
    lasts = np.round(given.end_s - given.start_s, 6)
    assert given.score is not None
    score = lasts if confidence == "duration" else np.where(np.isnan(given.score), lasts, given.score)
    return Detections(given.video_index, given.start_s, given.end_s, np.array(label, np.int64), score)


@given(
    spans(least=1, scores=(np.nan,)), spans(least=0, scores=(0.25, 0.5, 2.0)), st.sampled_from(RULES), st.booleans()
)  # fmt: skip
def test_the_prediction_has_the_ap_of_the_plain_loop(
    truth: Rows, found: Rows, rules: tuple[Any, Any, Any, Any], unsure: bool
) -> None:
    classes, confidence, ties, edges = rules
    if unsure and confidence == "score_or_duration":
        found = {name: [(*row[:3], np.nan if at % 2 else row[3]) for at, row in enumerate(rows)]
                 for name, rows in found.items()}  # fmt: skip
    true, ours = segments(truth), segments(found)
    scores = evaluate_ap(
        true, ours, overlaps=OVERLAPS, classes=classes, confidence=confidence, ties=ties, edges=edges, draws=2
    )
    wanted = average_precision(
        detections(true, classes=classes), detections(ours, confidence, classes), OVERLAPS, ties=ties, edges=edges
    )
    assert [one.mean for one in scores.rows[0].ap] == pytest.approx(wanted.mean.tolist(), abs=1e-12)
    assert scores.rows[0].mean.mean == pytest.approx(float(wanted.mean.mean()))
    np.testing.assert_allclose([one.ap for one in scores.classes], wanted.ap.T, atol=1e-12)
    assert scores.unknown == wanted.unknown
    assert sum(one.found for one in scores.classes) == len(ours) - wanted.unknown


def chain(videos: dict[str, list[tuple[str | None, float]]], scores: list[float] | None = None) -> Segments:
    made = labelled_segments(videos)
    return made if scores is None else replace(made, score=np.array(scores))


TRUTH = chain({"a": [("pour", 2.0), ("stir", 3.0), ("pour", 1.0)], "b": [("stir", 4.0), (None, 1.0), ("pour", 2.0)]})
FOUND = chain(
    {
        "a": [("pour", 1.5), ("stir", 1.0), (None, 0.5), ("stir", 2.0), ("pour", 1.0)],
        "b": [("stir", 5.0), ("pour", 2.0)],
    },
    [0.5, 0.25, 2.0, 0.5, 1.0, 0.75],
)


def evaluate(**changes: Any) -> ApScores:
    kwargs: dict[str, Any] = {"overlaps": OVERLAPS, "draws": 6} | changes
    return evaluate_ap(kwargs.pop("truth", TRUTH), kwargs.pop("found", FOUND), **kwargs)


def row(scores: ApScores, name: str) -> ApRow:
    return next(one for one in scores.rows if one.name == name)


def drawn(given: Segments, draws: int = 6, seed: int = 0) -> dict[str, SpanDraws]:
    names = [video.name for video in given.header.videos]
    times_s = [(video.start_s, video.end_s) for video in given.header.videos]
    rows = ApChance(spans_of(given, names, ())[0], names, times_s, draws, seed).rows()
    return {one.name: one for one in rows}


def lasting(one: SpanDraws, at: NDArray[np.int64]) -> list[list[float]]:
    """Return the durations of each draw, sorted."""
    held: list[list[float]] = np.sort((one.end_s - one.start_s)[:, at].round(9), axis=1).tolist()
    return held


def test_the_rows_are_those_that_are_known() -> None:
    scores = evaluate()
    assert tuple(one.name for one in scores.rows) == ("prediction", *AP_CHANCE_ROWS)
    assert [one.kind for one in scores.rows] == ["prediction", "chance", "chance", "chance", "control"]
    assert [one.draws for one in scores.rows] == [1, 6, 1, 6, 6]
    assert scores == evaluate()
    assert evaluate(seed=1).rows[1] != scores.rows[1]


def test_shuffled_segments_keep_their_durations_and_the_gaps() -> None:
    one = drawn(FOUND)["durations_shuffled"]
    for name in ("a", "b"):
        at = FOUND.of_video(name)
        assert lasting(one, at) == [sorted((FOUND.end_s - FOUND.start_s)[at].tolist())] * 6
        assert (one.end_s[:, at[-1]].round(9) == FOUND.end_s[at[-1]]).all()
        gaps = (FOUND.start_s[at[1:]] - FOUND.end_s[at[:-1]]).tolist()
        assert (one.start_s[:, at[1:]] - one.end_s[:, at[:-1]]).round(9).tolist() == [gaps] * 6
        # A segment takes its label and score along.
        assert ((one.end_s - one.start_s)[:, at].round(9) == (FOUND.end_s - FOUND.start_s)[one.source[:, at]]).all()
    assert len(np.unique(one.start_s, axis=0)) > 1


def test_segments_that_overlap_are_put_anywhere() -> None:
    crossing = segments({"a": [(0.0, 3.0, "pour", 1.0), (1.0, 2.0, "stir", 0.5)], "b": [(1.0, 9.0 - 1.0, "pour", 0.1)]})
    rows = drawn(crossing)
    assert next(iter(rows)) == "durations_placed"
    one = rows["durations_placed"]
    assert (one.end_s - one.start_s).round(9).tolist() == [[3.0, 1.0, 7.0]] * 6
    assert (one.start_s >= 0).all()
    assert (one.end_s <= LENGTH_S).all()
    assert len(np.unique(one.start_s[:, 0])) == 6


def test_parts_are_as_many_as_were_found() -> None:
    rows = drawn(FOUND)
    at = FOUND.of_video("a")
    assert rows["uniform_same_count"].end_s[0, at].tolist() == pytest.approx([1.5, 3.0, 4.5, 6.0])
    cut = rows["random_same_count"]
    assert (cut.start_s[:, at[0]] == 0).all()
    assert (cut.end_s[:, at[-1]] == 6).all()
    assert (cut.start_s[:, at[1:]] == cut.end_s[:, at[:-1]]).all()


@pytest.mark.parametrize("confidence", ["score", "duration"])
@pytest.mark.parametrize("classes", ["agnostic", "each"])
def test_drawn_rows_are_the_means_of_their_draws(confidence: Any, classes: Any) -> None:
    scores = evaluate(confidence=confidence, classes=classes, ties="given")
    base = detections(FOUND, confidence, classes)
    assert base.score is not None
    for name, one in drawn(FOUND).items():
        each = []
        for draw in range(len(one.start_s)):
            lasts = np.round(one.end_s[draw] - one.start_s[draw], 6)
            score = lasts if confidence == "duration" else base.score[one.source[draw]]
            if one.confident is not None:
                score = base.score[one.confident[draw]]
            given = Detections(base.video, one.start_s[draw], one.end_s[draw], base.label[one.source[draw]], score)
            each.append(average_precision(detections(replace(TRUTH, score=np.zeros(len(TRUTH))), classes=classes),
                                          given, OVERLAPS).mean.tolist())  # fmt: skip
        got = row(scores, name)
        for at, score in enumerate(got.ap):
            values = [draw[at] for draw in each]
            assert score.mean == pytest.approx(statistics.fmean(values)), name
            if len(values) > 1:
                assert score.sd == pytest.approx(statistics.stdev(values), abs=1e-12)
                assert score.band == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])))
                best = scores.rows[0].ap[at].mean
                assert score.p == (1 + sum(value >= best - 1e-12 for value in values)) / 7


def test_equal_confidence_is_what_the_rule_of_ties_says() -> None:
    truth = chain({"a": [("pour", 2.0), ("stir", 2.0)]})
    found = chain({"a": [("pour", 2.0), (None, 1.0), ("stir", 1.0)]}, [1.0, 1.0])
    kwargs = {"truth": truth, "found": found, "overlaps": (0.75,)}
    assert evaluate(**kwargs, ties="given").rows[0].ap[0].mean == 0.5
    assert evaluate(**kwargs, ties="worst").rows[0].ap[0].mean == 0.25


def test_the_given_order_is_that_of_the_truth_whatever_the_prediction_lists_first() -> None:
    truth = chain({"b": [("pour", 2.0)], "a": [("pour", 2.0)]})
    found = chain({"a": [("pour", 1.0), (None, 1.0)], "b": [("pour", 2.0)]}, [1.0, 1.0])
    assert evaluate(truth=truth, found=found, overlaps=(0.75,), ties="given").rows[0].ap[0].mean == 0.5


def test_the_background_is_left_out_of_both_sides() -> None:
    scores = evaluate(background=("stir",), classes="each")
    assert [(one.label, one.truth, one.found) for one in scores.classes] == [("pour", 3, 3)]
    assert scores.policies == {"truth_background_left_out": 2, "found_background_left_out": 3}


def test_what_was_touched_is_counted() -> None:
    bare = replace(FOUND, score=None)
    assert evaluate(found=bare).policies == {"duration_as_score": 6}
    assert evaluate(found=bare).rows[:3] == evaluate(found=FOUND, confidence="duration").rows[:3]
    unknown = replace(FOUND, label=("cut", *FOUND.label[1:]))
    assert evaluate(found=unknown, classes="each").unknown == 1


def test_a_video_that_was_not_predicted() -> None:
    alone = chain({"a": [("pour", 2.0)]})
    with pytest.raises(SchemaError, match=r"found: b: expected the video, got none"):
        evaluate(found=alone)
    assert evaluate(found=alone, missing="empty").policies == {"missing_as_empty": 1, "duration_as_score": 1}
    with pytest.raises(SchemaError, match="expected videos of the truth, got another"):
        evaluate(truth=alone)
    assert evaluate(truth=alone, extra="leave_out").policies == {"without_truth_left_out": 1}


NOTHING = chain({"a": [(None, 6.0)], "b": [(None, 7.0)]})


def test_nothing_found_has_no_precision() -> None:
    scores = evaluate(found=NOTHING)
    assert {score.mean for one in scores.rows for score in one.ap} == {0.0}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"truth": chain({"a": [(None, 6.0)], "b": [(None, 6.0)]})},
            "truth: expected at least one true segment, got none",
        ),
        (
            {"found": replace(FOUND, score=None), "confidence": "score"},
            "expected a score of each segment, got 6 of 6",
        ),
        (
            {"found": replace(FOUND, label=(None,) * 6), "classes": "each"},
            "expected a label of each segment, got 6 of",
        ),
        ({"found": [1.0]}, "found: expected Segments, got list"),
        ({"overlaps": (0.75, 0.5)}, "expected rising overlaps"),
        ({"overlaps": (1.5,)}, "expected a share above 0, up to 1, got 1.5"),
        ({"classes": "some"}, "classes: "),
        ({"ties": "best"}, "ties: "),
        ({"missing": "skip"}, "missing: expected one of 'raise', 'empty'"),
        ({"seed": -1}, "seed: expected an integer of at least 0, got -1"),
    ],
)
def test_what_cannot_be_scored_is_told(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        evaluate(**changes)


def test_the_record_is_read_as_it_was_written() -> None:
    scores = evaluate(classes="each")
    assert type(scores).parse(scores.to_bytes()) == scores
    document: Any = scores.as_json()
    document["classes"][0]["label"] = None
    with pytest.raises(SchemaError, match="expected labels exactly where classes are told apart"):
        type(scores).parse(json.dumps(document))
    document = scores.as_json()
    document["rows"][1]["ap"] = []
    with pytest.raises(SchemaError, match="expected an average precision at each overlap"):
        type(scores).parse(json.dumps(document))
