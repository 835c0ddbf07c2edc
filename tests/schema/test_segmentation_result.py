"""Results of segmentations: what is scored is what is read back, versions of parts, and every fault at its place."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsdata.errors import FormatTooNewError, LapsWarning, SchemaError
from lapsdata.metrics import evaluate_segments
from lapsdata.schema import ApRules, BoundaryResult, LabelledVideo, LabelRules, SegmentationResult, TruthClock
from lapsdata.schema.drawn import one_prediction
from lapsdata.testing.samples import labelled_segments
from lapsdata.timebase import FrameRate

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

NAME = "segmentation_result.v1"
RATE = FrameRate(30_000, 1001)
LABELS = st.sampled_from(["pour", "stir", "background"])
PIECES = st.lists(st.tuples(LABELS, st.integers(1, 8).map(lambda count: count * RATE.period_s)), min_size=1, max_size=5)


@pytest.fixture
def full(valid: dict[str, dict[str, str]]) -> dict[str, Any]:
    """Return the example with all parts, to be changed."""
    document: dict[str, Any] = json.loads(valid[NAME]["full"])
    return document


@pytest.mark.parametrize("rules", ["default", "laps-2025", "ms-tcn"])
@given(PIECES, PIECES, st.sampled_from([None, "video", "all"]), st.sampled_from([None, "test.split1"]))
@settings(max_examples=6)
def test_what_was_scored_is_what_is_read_and_what_other_languages_accept(
    judges: dict[str, Draft202012Validator], rules: Any, truth: Any, found: Any, clusters: Any, split: str | None
) -> None:
    """Whatever the scores are, and whichever parts there are."""
    sides = [labelled_segments({"tea": pieces}) for pieces in (truth, found)]
    rate = RATE if rules == "ms-tcn" else None
    more: dict[str, Any] = {"rate": rate, "rate_origin": "asked", "split": split, "clusters": clusters}
    result = evaluate_segments(*sides, rules=rules, draws=2, shift_draws=2, end_slack_s=9.0, **more)
    assert SegmentationResult.parse(result.to_bytes()) == result
    assert list(judges[NAME].iter_errors(result.as_json())) == []
    assert (result.profile, result.split, result.clusters is None) == (rules, split, clusters is None)
    assert (result.old_keys is not None) == (rules == "laps-2025")
    assert result.clock == TruthClock(rate=rate, origin="seconds" if rate is None else "asked")


def test_old_keys_are_those_of_the_parts(valid: dict[str, dict[str, str]]) -> None:
    pieces = {"tea": [("pour", 3.0), ("stir", 4.0)]}
    sides = labelled_segments(pieces), labelled_segments({"tea": [("pour", 6.0), ("stir", 1.0)]})
    result = evaluate_segments(*sides, rules="laps-2025", draws=2, shift_draws=2)
    assert result.old_keys is not None
    assert result.detections is not None
    example = SegmentationResult.parse(valid[NAME]["laps_2025"])
    assert example.old_keys is not None
    assert set(example.old_keys) <= set(result.old_keys)
    for score in result.boundaries.rows[0].scores:
        assert result.old_keys[f"F1@{float(score.tolerance_s)}s_mean"] == score.macro.f
    for overlap, ap in zip(result.detections.rules.overlaps, result.detections.rows[0].ap, strict=True):
        assert result.old_keys[f"mAP@{overlap:g}"] == ap.mean


def test_boundaries_of_an_older_release_are_of_this_one_once_they_are_read(full: dict[str, Any]) -> None:
    for version in ("1.0", "1.1", "1.2"):
        full["boundaries"]["format_version"] = version
        read = SegmentationResult.parse(json.dumps(full))
        assert read.boundaries.format_version == f"1.{BoundaryResult.MINOR}"
        assert BoundaryResult.parse(read.boundaries.to_bytes()) == read.boundaries


def test_keys_of_a_newer_release_are_kept_where_they_stand_and_told(full: dict[str, Any]) -> None:
    full["format_version"] = "1.7"
    full["mood"] = "good"
    full["labels"]["rules"]["smoothed"] = True
    full["clusters"]["rows"][0]["purity"] = 0.5
    with pytest.warns(LapsWarning, match=r"1\.7 has keys .*: clusters\.rows\.0\.purity, labels\.rules\.smoothed, mood"):
        read = SegmentationResult.parse(json.dumps(full)).as_json()
    assert read["format_version"] == "1.0"
    assert read["x-newer-mood"] == "good"
    again: Any = read
    assert again["labels"]["rules"]["x-newer-smoothed"] is True
    assert again["clusters"]["rows"][0]["x-newer-purity"] == 0.5
    # What was kept is an own key from now on: read again, it is told no more.
    assert SegmentationResult.parse(json.dumps(read)).as_json() == read


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"format_version": "2.0"}, FormatTooNewError, r"format 2\.0, this release reads up to 1\.0"),
        ({"format": "lapsdata.boundary_result"}, SchemaError, "boundary_result'; open it with the reader"),
        ({"format_version": "1"}, SchemaError, "format_version: expected text of the form"),
        ({"split": ".hidden"}, SchemaError, "split: expected a name without slashes"),
        ({"split": ""}, SchemaError, "split: expected"),
        ({"policies": {"cut": -1}}, SchemaError, r"policies\.cut: expected greater than or equal to 0, got -1"),
        ({"clock": None}, SchemaError, "clock: "),
        ({"clock": {"origin": "asked", "rate": "0"}}, SchemaError, "expected a fraction as text like '30000/1001'"),
        ({"clock": {"origin": "asked", "rate": 15}}, SchemaError, "expected a fraction as text .*, got 15"),
        ({"old_keys": {"a/b": 0.5}}, SchemaError, "old_keys"),
        ({"old_keys": {"a": 0.5}}, SchemaError, "expected old keys under the rules laps-2025, and under no other"),
        ({"truth_digest": "sha256:" + "B" * 64}, SchemaError, "truth_digest: expected text of the form"),
    ],
)  # fmt: skip
def test_a_fault_of_the_whole_is_told(
    full: dict[str, Any], changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        SegmentationResult.parse(json.dumps(full | changes), "scores.json")


def test_faults_of_all_parts_are_told_at_once_each_at_its_place(full: dict[str, Any]) -> None:
    full["labels"]["rows"][1]["edit"]["mean"] = 1.5
    full["labels"]["rules"]["colck"] = full["labels"]["rules"].pop("clock")
    full["detections"]["classes"][1]["found"] = -1
    full["clusters"]["groups"][0]["videos"] = "one"
    full["boundaries"]["rows"][0]["kind"] = "guess"
    with pytest.raises(SchemaError, match="6 problems") as caught:
        SegmentationResult.parse(json.dumps(full), "scores.json")
    told = {problem.where: problem for problem in caught.value.problems}
    assert set(told) == {
        f"scores.json: {place}"
        for place in (
            "labels.rows.1.edit.mean", "labels.rules.clock", "labels.rules.colck", "detections.classes.1.found",
            "clusters.groups.0.videos", "boundaries.rows.0.kind",
        )
    }  # fmt: skip
    assert told["scores.json: labels.rules.colck"].fix == "did you mean 'clock'?"
    assert told["scores.json: labels.rules.clock"].fix == "add the key 'clock'"


@pytest.mark.parametrize(
    ("band", "message"),
    [
        ([0.25], "band: expected 2 items, got [0.25]"),
        ([], "band: expected 2 items, got []"),
        ([0.1, 0.2, 0.3], "band: expected at most 2 items, got [0.1, 0.2, 0.3]"),
    ],
)
def test_a_pair_has_two_items(full: dict[str, Any], band: list[float], message: str) -> None:
    full["labels"]["rows"][1]["edit"]["band"] = band
    with pytest.raises(SchemaError, match=re.escape(message)) as caught:
        SegmentationResult.parse(json.dumps(full))
    assert len(caught.value.problems) == 1
    assert caught.value.problems[0].fix is None


def test_a_result_is_a_value(full: dict[str, Any]) -> None:
    read = SegmentationResult.parse(json.dumps(full))
    frozen: Any = read
    with pytest.raises(Exception, match="frozen"):
        frozen.profile = "ms-tcn"
    changed = read.model_copy(update={"profile": "laps-2025"})
    with pytest.raises(SchemaError, match="expected old keys under the rules laps-2025"):
        changed.checked()
    assert read.checked() == read


@given(st.lists(st.sampled_from([0.1, 0.25, 0.5, 0.75, 1.0]), min_size=1, max_size=4))
def test_overlaps_rise(overlaps: list[float]) -> None:
    """By the same rule where labels and where whole segments are scored."""
    labels: dict[str, Any] = {"background": (), "clock": "time", "rate": None, "length": "pad"}
    whole: dict[str, Any] = {
        "classes": "each", "confidence": "duration", "ties": "worst", "edges": "exact", "background": ()
    }  # fmt: skip
    for rules, others in ((LabelRules, labels), (ApRules, whole)):
        if all(low < high for low, high in pairwise(overlaps)):
            assert rules(overlaps=tuple(overlaps), **others).overlaps == tuple(overlaps)
        else:
            with pytest.raises(SchemaError, match="expected rising overlaps"):
                rules(overlaps=tuple(overlaps), **others)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["prediction", "chance", "oracle"])), max_size=3))
def test_rows_are_a_prediction_and_what_it_is_judged_by(rows: list[tuple[str, str]]) -> None:
    names, kinds = [name for name, _ in rows], [kind for _, kind in rows]
    if len(names) > len(set(names)):
        with pytest.raises(ValueError, match="expected each row once"):
            one_prediction(rows)
    elif kinds.count("prediction") != 1 or kinds[0] != "prediction":
        with pytest.raises(ValueError, match="expected the prediction as first row, and as no other"):
            one_prediction(rows)
    else:
        one_prediction(rows)


@given(st.integers(0, 4), st.integers(0, 4), st.lists(st.integers(0, 4), min_size=1, max_size=3), st.data())
def test_counts_of_a_video_are_of_the_same_segments_at_each_overlap(
    true: int, found: int, hits: list[int], data: st.DataObject
) -> None:
    right = [min(one, true, found) for one in hits]
    counts: dict[str, Any] = {
        "tp": tuple(right), "fp": tuple(found - one for one in right), "fn": tuple(true - one for one in right)
    }  # fmt: skip
    facts: dict[str, Any] = {
        "name": "tea", "end_s": 1.0, "counted": 9, "correct": 9, "edits": 0, "longest": max(true, found)
    }  # fmt: skip
    assert LabelledVideo(**facts, **counts).tp == tuple(right)
    which = data.draw(st.sampled_from(["fp", "fn"]))
    at = data.draw(st.integers(0, len(right) - 1))
    counts[which] = (*counts[which][:at], counts[which][at] + 1, *counts[which][at + 1 :])
    if len(right) == 1:
        assert LabelledVideo(**facts, **counts).tp == tuple(right)
    else:
        with pytest.raises(SchemaError, match="expected as many segments at each overlap"):
            LabelledVideo(**facts, **counts)
