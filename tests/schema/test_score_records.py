"""Records of scores of labels, of average precision and of clusters: what contradicts itself is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.errors import SchemaError
from lapsdata.schema import (
    ApClass,
    ApRow,
    ApRules,
    ApScores,
    DrawnScore,
    LabelledVideo,
    LabelRules,
    OverlapScore,
    Record,
    ScopedGroup,
    SegmentClusterRow,
    SegmentClusterRules,
    SegmentClusterScores,
)
from lapsdata.timebase import FrameRate

DIGEST = "sha256:" + "0" * 64
HALF = DrawnScore(mean=0.5)
AP_RULES = ApRules(
    overlaps=(0.5,), classes="agnostic", confidence="score", ties="worst", edges="exact", background=()
)  # fmt: skip
CLUSTER_RULES = SegmentClusterRules(
    scope="all", background=(), background_time="left_out", clock="frames", rate=FrameRate(15), length="raise"
)
AP_CLASS = ApClass(label=None, truth=3, found=2, ap=(0.5,))
GROUP = ScopedGroup(name="all", videos=1, counted=10, correct=5, labels=2, clusters=2)


def ap_row(name: str, kind: Any, **changes: Any) -> ApRow:
    return ApRow(**({"name": name, "kind": kind, "ap": (HALF,), "mean": HALF} | changes))


def cluster_row(name: str, kind: Any, **changes: Any) -> SegmentClusterRow:
    numbers = ("accuracy_micro", "accuracy_macro", "ari", "ami", "nmi", "homogeneity", "completeness", "v_measure")
    return SegmentClusterRow(**({"name": name, "kind": kind} | dict.fromkeys(numbers, HALF) | changes))


def ap_scores(**changes: Any) -> ApScores:
    rows = (ap_row("prediction", "prediction"), ap_row("uniform_same_count", "chance"))
    kwargs: dict[str, Any] = {
        "rules": AP_RULES, "truth_digest": DIGEST, "videos": 1, "classes": (AP_CLASS,), "unknown": 0, "rows": rows
    }  # fmt: skip
    return ApScores(**(kwargs | changes))


def cluster_scores(**changes: Any) -> SegmentClusterScores:
    rows = (cluster_row("prediction", "prediction"), cluster_row("one_cluster", "chance"))
    kwargs: dict[str, Any] = {"rules": CLUSTER_RULES, "truth_digest": DIGEST, "groups": (GROUP,), "rows": rows}
    return SegmentClusterScores(**(kwargs | changes))


@pytest.mark.parametrize("record", [HALF, AP_RULES, CLUSTER_RULES, ap_scores(), cluster_scores(), GROUP])
def test_a_record_is_read_as_it_was_written(record: Record) -> None:
    assert type(record).parse(record.to_bytes()) == record
    document = json.loads(record.to_bytes())
    with pytest.raises(SchemaError, match="surprise"):
        type(record).parse(json.dumps(document | {"surprise": 1}))
    assert type(record).parse(json.dumps(document | {"x-note": 1})).as_json() == document | {"x-note": 1}


@given(st.floats(-1, 1), st.floats(-1, 1))
def test_a_band_rises(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert DrawnScore(mean=0.0, sd=0.5, band=(low, high)).band == (low, high)
    if low < high:
        with pytest.raises(SchemaError, match="expected a band from its lower to its upper end"):
            DrawnScore(mean=0.0, sd=0.5, band=(high, low))


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"mean": 1.5}, "mean"), ({"sd": -0.1}, "sd"), ({"p": 1.5}, "p: "), ({"mean": float("nan")}, "mean")],
)
def test_a_score_is_in_its_range(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        DrawnScore(**({"mean": 0.5} | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"overlaps": (0.5, 0.5)}, "expected rising overlaps"),
        ({"overlaps": ()}, "overlaps"),
        ({"overlaps": (0.0,)}, "overlaps"),
        ({"background": ("a", "a")}, "expected each label of the background once"),
        ({"clock": "time"}, "expected a rate exactly where frames are counted"),
        ({"rate": None}, "expected a rate exactly where frames are counted"),
        ({"length": "shortest"}, "length"),
        ({"edit": "pooled"}, "edit"),
    ],
)
def test_rules_of_labels(changes: dict[str, Any], message: str) -> None:
    kwargs: dict[str, Any] = {
        "overlaps": (0.1, 0.5), "background": (), "clock": "frames", "rate": FrameRate(15), "length": "cut"
    }  # fmt: skip
    assert LabelRules(**kwargs).as_json()["rate"] == "15"
    with pytest.raises(SchemaError, match=message):
        LabelRules(**(kwargs | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"correct": 11}, "expected up to 10 correct"),
        ({"edits": 4}, "expected up to 3 edits"),
        ({"fp": (1,)}, "expected tp, fp and fn at each overlap"),
        ({"fp": (1, 3)}, "expected as many segments at each overlap"),
        ({"fn": (0, 0)}, "expected as many segments at each overlap"),
        ({"counted": 0}, "counted"),
        ({"end_s": 0.0}, "expected start_s < end_s"),
    ],
)
def test_counts_of_a_video(changes: dict[str, Any], message: str) -> None:
    kwargs: dict[str, Any] = {
        "name": "tea", "end_s": 1.0, "counted": 10, "correct": 5, "edits": 2, "longest": 3,
        "tp": (2, 1), "fp": (1, 2), "fn": (0, 1),
    }  # fmt: skip
    assert LabelledVideo(**kwargs).tp == (2, 1)
    with pytest.raises(SchemaError, match=message):
        LabelledVideo(**(kwargs | changes))


def test_counts_of_draws_are_not_negative() -> None:
    with pytest.raises(SchemaError, match="tp"):
        OverlapScore(overlap=0.5, tp=-1.0, fp=0.0, fn=0.0, precision=HALF, recall=HALF, f=HALF)


PREDICTION = ap_row("prediction", "prediction")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rows": (PREDICTION, PREDICTION)}, "expected each row once"),
        ({"rows": (ap_row("uniform_same_count", "chance"), PREDICTION)}, "expected the prediction as first row"),
        ({"rows": (ap_row("prediction", "chance"),)}, "expected the prediction as first row"),
        ({"rows": ()}, "rows"),
        ({"rows": (ap_row("prediction", "prediction", ap=(HALF, HALF)),)}, "expected an average precision at each"),
        ({"classes": (ApClass(label=None, truth=1, found=0, ap=()),)}, "expected an average precision at each"),
        ({"classes": (ApClass(label="pour", truth=1, found=0, ap=(0.5,)),)}, "expected labels exactly where"),
        ({"videos": 0}, "videos"),
        ({"unknown": -1}, "unknown"),
        ({"truth_digest": "sha256:0"}, "truth_digest"),
    ],
)
def test_scores_of_average_precision(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        ap_scores(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"groups": ()}, "groups"),
        ({"groups": (GROUP, GROUP)}, "expected each group once"),
        ({"rows": (cluster_row("prediction", "prediction", ami=None),)}, "expected AMI exactly where frames are"),
        ({"rows": (cluster_row("one_cluster", "chance"),)}, "expected the prediction as first row"),
        ({"policies": {"a": -1}}, "policies"),
    ],
)
def test_scores_of_clusters(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        cluster_scores(**changes)


@pytest.mark.parametrize("kind", ["guess", "Chance", ""])
def test_kinds_of_rows_are_few(kind: str) -> None:
    for row in (ap_row, cluster_row):
        with pytest.raises(SchemaError, match="kind"):
            row("prediction", kind)


def test_a_group_has_no_more_right_than_it_has() -> None:
    with pytest.raises(SchemaError, match="expected up to 10 correct"):
        ScopedGroup(**(GROUP.as_json() | {"correct": 11}))  # type: ignore[arg-type]
    with pytest.raises(SchemaError, match="expected a rate exactly where frames are counted"):
        SegmentClusterRules(**(CLUSTER_RULES.as_json() | {"background": (), "clock": "time"}))  # type: ignore[arg-type]
