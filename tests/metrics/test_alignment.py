"""Truth and prediction that do not fit: named, all at once, or counted where that was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lapsdata.containers import Segments
from lapsdata.errors import SchemaError
from lapsdata.schema import BoundaryResult, SegmentedVideo, SegmentsHeader
from lapsdata.testing.samples import sample_provenance, sample_segments

if TYPE_CHECKING:
    from collections.abc import Callable

ONE = np.array([1.0])


def one_segment(start: float, end: float, span: tuple[float, float], name: str = "a") -> Segments:
    header = SegmentsHeader(
        provenance=sample_provenance(), videos=(SegmentedVideo(name=name, start_s=span[0], end_s=span[1]),)
    )
    return Segments(
        header, np.array([0]), np.array([start], np.float64), np.array([end], np.float64), ("threshold",), (None,)
    )


def codes(error: SchemaError) -> list[tuple[str, str]]:
    return [(problem.code, problem.where) for problem in error.problems]


def test_a_truth_of_other_videos_is_an_error_under_any_policy(evaluate: Callable[..., BoundaryResult]) -> None:
    message = "found: expected a video that is in both, got 'a', 'b' in truth and 'x', 'y', 'z' and 1 more in found"
    found = dict.fromkeys("xyzw", ONE)
    with pytest.raises(SchemaError, match=message.replace("'x', 'y', 'z'", "'w', 'x', 'y'")):
        evaluate(found=found, missing="empty", extra="leave_out")


def test_videos_on_one_side_only_are_all_named_with_their_like(evaluate: Callable[..., BoundaryResult]) -> None:
    with pytest.raises(SchemaError, match="3 problems") as caught:
        evaluate(truth={"a": ONE, "clip_1": ONE, "other": ONE}, found={"a": ONE, "clip_1.mp4": ONE})
    assert codes(caught.value) == [
        ("no-prediction", "found: clip_1"),
        ("no-truth", "found: clip_1.mp4"),
        ("no-prediction", "found: other"),
    ]
    lines = [str(problem) for problem in caught.value.problems]
    assert "expected the video, got none (is it 'clip_1.mp4'?); predict it, or score it as empty: missing=" in lines[0]
    assert "expected videos of the truth, got another (is it 'clip_1'?); give its truth, or leave it out" in lines[1]
    assert "expected the video, got none; predict" in lines[2]


def test_each_policy_speaks_of_one_side(evaluate: Callable[..., BoundaryResult]) -> None:
    found = {"a": ONE, "c": ONE}
    with pytest.raises(SchemaError, match="found: c: expected videos of the truth, got another"):
        evaluate(found=found, missing="empty")
    with pytest.raises(SchemaError, match="found: b: expected the video, got none"):
        evaluate(found=found, extra="leave_out")


def test_a_video_without_segments_is_not_missing(evaluate: Callable[..., BoundaryResult]) -> None:
    result = evaluate(truth={"clip_0": ONE, "clip_1": ONE}, found=sample_segments(), spans_s=None)
    assert [video.found for video in result.videos] == [3, 1]
    empty = Segments(sample_segments().header.model_copy(update={"embedding": None}), np.array([], np.int64),
                     np.empty(0), np.empty(0), (), ())  # fmt: skip
    result = evaluate(truth={"clip_0": ONE, "clip_1": ONE}, found=empty, spans_s=None)
    assert [video.found for video in result.videos] == [0, 0]
    assert result.policies == {}


def test_no_video_at_all_is_an_error(evaluate: Callable[..., BoundaryResult]) -> None:
    with pytest.raises(SchemaError, match="truth: expected at least one video, got none"):
        evaluate(truth={}, found={})


def test_a_header_with_a_video_twice_is_refused_before_anything_is_scored() -> None:
    twice = (SegmentedVideo(name="a", end_s=1.0), SegmentedVideo(name="a", end_s=2.0))
    with pytest.raises(SchemaError, match="expected each video once"):
        SegmentsHeader(provenance=sample_provenance(), videos=twice)


# --- the time of a video ----------------------------------------------------------------------------------------


def test_a_truth_longer_than_the_video_is_an_error(evaluate: Callable[..., BoundaryResult]) -> None:
    message = r"truth: a: expected times from 0\.0 s to 9\.0 s, got 12\.5 s \(2 such times\); give the video's own time"
    with pytest.raises(SchemaError, match=message):
        evaluate(truth={"a": np.array([1.0, 12.5, 11.0]), "b": ONE})


def test_a_prediction_outside_of_the_video_is_an_error(evaluate: Callable[..., BoundaryResult]) -> None:
    with pytest.raises(SchemaError, match=r"found: b: expected times from 0\.0 s to 6\.0 s, got -0\.5 s"):
        evaluate(found={"a": ONE, "b": np.array([-0.5])})


def test_every_video_that_does_not_fit_is_named(evaluate: Callable[..., BoundaryResult]) -> None:
    with pytest.raises(SchemaError, match="2 problems") as caught:
        evaluate(truth={"a": np.array([9.5]), "b": np.array([6.5])})
    assert codes(caught.value) == [("outside-video", "truth: a"), ("outside-video", "truth: b")]


def test_what_is_past_the_end_by_no_more_than_the_slack_is_its_end_and_counted(
    evaluate: Callable[..., BoundaryResult],
) -> None:
    truth = {"a": np.array([2.0, 9.04]), "b": np.array([-0.04, 3.0])}
    result = evaluate(truth=truth, found={"a": np.array([9.02]), "b": ONE}, end_slack_s=0.04)
    assert [video.truth for video in result.videos] == [1, 1]
    assert [video.found for video in result.videos] == [0, 1]
    assert result.policies == {"truth_past_the_end": 2, "found_past_the_end": 1}
    with pytest.raises(SchemaError, match=r"2 problems(.|\n)*got 9\.04 s(.|\n)*got -0\.04 s"):
        evaluate(truth=truth, end_slack_s=0.039)


def test_times_at_the_very_ends_are_no_boundaries_and_touch_no_policy(evaluate: Callable[..., BoundaryResult]) -> None:
    result = evaluate(truth={"a": np.array([0.0, 9.0, 4.0]), "b": np.array([6.0])})
    assert [video.truth for video in result.videos] == [1, 0]
    assert result.policies == {}


def test_headers_that_disagree_are_an_error_unless_the_time_is_given(evaluate: Callable[..., BoundaryResult]) -> None:
    truth, found = one_segment(1, 2, (0.0, 10.0)), one_segment(1, 2, (0.0, 9.5))
    message = r"truth: a: expected one time of the video, got 0\.0 s to 9\.5 s in found and 0\.0 s to 10\.0 s in truth"
    with pytest.raises(SchemaError, match=message):
        evaluate(truth=truth, found=found, spans_s=None)
    within = evaluate(truth=truth, found=found, spans_s=None, end_slack_s=0.5)
    # The time of the truth is the same for every prediction.
    assert (within.videos[0].start_s, within.videos[0].end_s) == (0.0, 10.0)
    given = evaluate(truth=truth, found=found, spans_s={"a": (0.5, 8.0)})
    assert (given.videos[0].start_s, given.videos[0].end_s) == (0.5, 8.0)


def test_instants_without_a_time_to_lie_in_are_an_error(evaluate: Callable[..., BoundaryResult]) -> None:
    with pytest.raises(SchemaError, match=r"2 problems(.|\n)*truth: a: expected the time that was looked at, got inst"):
        evaluate(spans_s=None)
    with pytest.raises(SchemaError, match="truth: b: expected the video in spans_s, got no such key"):
        evaluate(spans_s={"a": (0.0, 9.0)})


def test_more_times_than_videos_are_welcome(evaluate: Callable[..., BoundaryResult]) -> None:
    spans = {"a": (0.0, 9.0), "b": (0.0, 6.0), "c": (0.0, 1.0)}
    assert evaluate(spans_s=spans) == evaluate()


# --- rows of chance that are given ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["prediction", "circular_shift"])
def test_a_row_that_is_there_already_is_refused(evaluate: Callable[..., BoundaryResult], name: str) -> None:
    with pytest.raises(SchemaError, match=f"chance: {name}: expected a name of its own, got one that is taken"):
        evaluate(chance={name: {"a": ONE, "b": ONE}})


def test_a_row_of_chance_holds_every_video_whatever_the_policy(evaluate: Callable[..., BoundaryResult]) -> None:
    with pytest.raises(SchemaError, match="chance: constant: found: b: expected the video, got none"):
        evaluate(chance={"constant": {"a": ONE}}, missing="empty")
    with pytest.raises(SchemaError, match="chance: constant: found: c: expected videos of the truth, got another"):
        evaluate(chance={"constant": {"a": ONE, "b": ONE, "c": ONE}})


def test_what_a_row_of_chance_leaves_out_is_counted_under_its_name(evaluate: Callable[..., BoundaryResult]) -> None:
    result = evaluate(chance={"constant": {"a": ONE, "b": ONE, "c": ONE}}, extra="leave_out")
    assert result.policies == {"constant_without_truth_left_out": 1}


def test_a_row_of_chance_lies_in_the_same_time(evaluate: Callable[..., BoundaryResult]) -> None:
    with pytest.raises(SchemaError, match=r"chance: constant: found: a: expected times from 0\.0 s to 9\.0 s, got 10"):
        evaluate(chance={"constant": {"a": np.array([10.0]), "b": ONE}})


# --- parameters -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"truth": [ONE]}, "truth: expected Segments or a mapping of videos to arrays of seconds, got list"),
        ({"found": ONE}, "found: expected Segments or a mapping of videos to arrays of seconds, got ndarray"),
        ({"found": {1: ONE}}, "found: expected names of videos as keys, got 1"),
        ({"found": {"a": [1.0], "b": ONE}}, r"found: a: expected float64 \(B,\) array, got list"),
        ({"truth": {"a": ONE, "b": np.array([np.nan])}}, "truth: b: expected finite seconds"),
        ({"tolerances_s": ()}, "tolerances_s: expected at least 1 item"),
        ({"tolerances_s": (1.0, 0.5)}, "rising tolerances"),
        ({"tolerances_s": (1.0, 1.0)}, "rising tolerances"),
        ({"tolerances_s": (0.5, -1.0)}, r"tolerances_s\[1\]: expected finite seconds of at least 0, got -1\.0"),
        ({"matching": "hungarian"}, "matching: expected 'maximum' or 'greedy', got 'hungarian'"),
        ({"counting": "twice"}, "counting: expected 'once' or 'each_end', got 'twice'"),
        ({"missing": "skip"}, "missing: expected one of 'raise', 'empty', got 'skip'"),
        ({"extra": "skip"}, "extra: expected one of 'raise', 'leave_out', got 'skip'"),
        ({"end_slack_s": -0.1}, r"end_slack_s: expected finite seconds of at least 0, got -0\.1"),
        ({"draws": 0}, "draws: expected an integer of at least 1, got 0"),
        ({"seed": 0.0}, r"seed: expected an integer of at least 0, got 0\.0"),
        ({"spans_s": {"a": (0.0, 0.0), "b": (0.0, 6.0)}}, "truth: a: spans_s: expected an end after the start"),
        ({"chance": {"a/b": {"a": ONE, "b": ONE}}}, "name: expected a name without slashes"),
    ],
)
def test_parameters_that_are_none_are_refused(
    evaluate: Callable[..., BoundaryResult], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(SchemaError, match=message):
        evaluate(**changes)


def test_where_a_prediction_stopped_looking_is_no_boundary_and_what_is_true_behind_it_is_missed(
    evaluate: Callable[..., BoundaryResult],
) -> None:
    """Regression: two predictions of one truth that looked at it for unlike times had unlike digests of the truth."""
    truth = one_segment(9.6, 9.8, (0.0, 10.0))
    short, whole = one_segment(2, 9.5, (0.0, 9.5)), one_segment(2, 10.0, (0.0, 10.0))
    ours, theirs = (evaluate(truth=truth, found=one, spans_s=None, end_slack_s=0.5) for one in (short, whole))
    assert ours.truth_digest == theirs.truth_digest
    assert [(one.videos[0].truth, one.videos[0].found) for one in (ours, theirs)] == [(2, 1), (2, 1)]
    assert ours.rows[0].scores == theirs.rows[0].scores
