"""Tables of labels, average precision and clusters: what stands in them, how wide they are, and the verdict."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from lapsdata.metrics import (
    PROFILES,
    ap_table,
    cluster_table,
    evaluate_ap,
    evaluate_clusters,
    evaluate_labels,
    label_table,
    lost_to_chance,
)
from lapsdata.testing.samples import labelled_segments
from lapsdata.timebase import FrameRate

if TYPE_CHECKING:
    from collections.abc import Callable

TRUTH = labelled_segments({"tea": [("pour", 2.0), ("background", 1.0), ("stir", 3.0), ("pour", 2.0)]})
FOUND = labelled_segments({"tea": [("pour", 2.0), (None, 1.0), ("stir", 5.0)]})
BLIND = labelled_segments({"tea": [("cut", 8.0)]})
TRAIN = labelled_segments({"juice": [("stir", 4.0), ("pour", 4.0)]})


def labels(**changes: Any) -> str:
    kwargs: dict[str, Any] = {"truth": TRUTH, "found": FOUND, "draws": 10} | changes
    return label_table(evaluate_labels(kwargs.pop("truth"), kwargs.pop("found"), **kwargs))


def precision(**changes: Any) -> str:
    kwargs: dict[str, Any] = {"truth": TRUTH, "found": FOUND, "draws": 10} | changes
    return ap_table(evaluate_ap(kwargs.pop("truth"), kwargs.pop("found"), **kwargs))


def clusters(**changes: Any) -> str:
    kwargs: dict[str, Any] = {"truth": TRUTH, "found": FOUND, "draws": 10} | changes
    return cluster_table(evaluate_clusters(kwargs.pop("truth"), kwargs.pop("found"), **kwargs))


def cells(table: str, row: str) -> list[str]:
    return next(line for line in table.splitlines() if line.startswith(row)).split()


def test_every_row_says_what_it_is() -> None:
    trained = labels(train=TRAIN)
    assert cells(trained, "prediction")[1] == "prediction"
    for row in ("labels_permuted", "train_majority_label", "train_position_labels", "train_copy"):
        assert cells(trained, row)[1] == "chance"
    assert cells(labels(), "oracle_majority_label")[1] == "oracle"
    assert cells(precision(), "confidence_permuted")[1] == "control"
    assert cells(clusters(), "labels_permuted")[1] == "control"
    assert cells(clusters(scope="all"), "labels_permuted")[1] == "chance"


def test_heads_say_what_was_counted_and_how() -> None:
    table = labels(rate=FrameRate(30000, 1001), length="cut")
    assert table.startswith(
        "labels: 1 video, 3 true segments, 2 found\ncounted in frames at 30000/1001 per second, backg"
    )
    assert "length cut\ntruth sha256:" in table
    assert "found_gaps_frames: 30\n" in table
    each = precision(classes="each", background=("background",), found=TRUTH)
    assert "average precision: 1 video, 3 true segments, 3 found\nclasses each (2), confidence" in each
    unknown = labelled_segments({"tea": [("cut", 3.0), ("stir", 5.0)]})
    assert "2 found, 1 of classes that the\ntruth does not have\n" in precision(classes="each", found=unknown)
    assert clusters().startswith("clusters: 1 video in 1 group, scope video\n")


def test_numbers_are_those_of_the_record() -> None:
    scores = evaluate_labels(TRUTH, FOUND, draws=10)
    table = label_table(scores)
    first, drawn = scores.rows[:2]
    wanted = [first.accuracy_micro, first.accuracy_macro, first.edit, *(one.f for one in first.f)]
    assert cells(table, "prediction")[2:] == [f"{one.mean:.3f}" for one in wanted]
    assert cells(table, "  sd")[1:4] == [
        f"{one.sd:.3f}" for one in (drawn.accuracy_micro, drawn.accuracy_macro, drawn.edit)
    ]
    assert cells(table, "  p")[3] == f"{drawn.edit.p:.3f}"
    edit = (first.edit.mean - drawn.edit.mean) / (1 - drawn.edit.mean)
    assert cells(table, "above chance ")[4] == f"{edit:.3f}"


def test_what_is_not_defined_is_a_dash() -> None:
    assert cells(clusters(), "prediction")[5] == "-"
    # Where chance is perfect nothing is above it.
    alone = labelled_segments({"tea": [("pour", 2.0)]})
    table = labels(truth=alone, found=alone, train=labelled_segments({"juice": [("pour", 3.0)]}))
    assert cells(table, "above chance ")[2:] == ["-"] * 6


@pytest.mark.parametrize(
    ("evaluate", "lost"),
    [
        (lambda: evaluate_labels(TRUTH, TRUTH, draws=50), None),
        (
            lambda: evaluate_labels(TRUTH, BLIND),
            r"acc \(0\.000, labels_permuted has",
        ),
        (lambda: evaluate_ap(TRUTH, TRUTH, overlaps=(0.75,), draws=50), None),
        (
            lambda: evaluate_ap(TRUTH, BLIND),
            r"AP@0\.5 \(0\.000, durations_shuffled",
        ),
        (lambda: evaluate_clusters(TRUTH, TRUTH, draws=50), None),
        (
            lambda: evaluate_clusters(TRUTH, BLIND),
            r"ARI \(0\.000, segments_shuffled",
        ),
    ],
)
def test_a_prediction_that_is_not_above_chance_is_told(evaluate: Callable[[], Any], lost: str | None) -> None:
    sentence = lost_to_chance(evaluate())
    if lost is None:
        assert sentence is None
    else:
        assert sentence is not None
        assert re.search(f"The prediction is not above chance in .*{lost}", sentence)


def test_oracles_and_controls_judge_nothing() -> None:
    """The commonest label of the truth does better, and is named nowhere."""
    poor = labelled_segments({"tea": [("pour", 1.0), ("background", 3.0), ("stir", 4.0)]})
    scores = evaluate_labels(TRUTH, poor, draws=20)
    oracle = next(row for row in scores.rows if row.kind == "oracle")
    assert oracle.accuracy_micro.mean > next(row for row in scores.rows if row.kind == "chance").accuracy_micro.mean
    assert "oracle" not in (lost_to_chance(scores) or "")


def test_many_overlaps_stand_below_one_another() -> None:
    table = precision(overlaps=[round(0.5 + 0.05 * step, 2) for step in range(10)])
    heads = [line for line in table.splitlines() if line.startswith("row ")]
    assert [len(head.split()) for head in heads] == [7, 7, 3]
    assert heads[-1].split()[2:] == ["mean"]
    long = labels(found=BLIND, background=tuple(f"a long label {n}" for n in range(9)))
    for text in (table, long, clusters()):
        assert max(map(len, text.splitlines())) <= 80


def test_no_line_ends_within_a_label() -> None:
    words = tuple(f"cut-the-tomato-{n}" for n in range(9))
    lines = labels(background=words).splitlines()
    assert all(any(f"'{word}'" in line for line in lines) for word in words)


def test_profiles_are_what_the_functions_take() -> None:
    assert list(PROFILES) == ["default", "laps-2025", "ms-tcn"]
    default, laps, tcn = PROFILES.values()
    assert default.labels is not None
    assert default.ap is not None
    assert evaluate_labels(TRUTH, FOUND, draws=3, **default.labels) == evaluate_labels(TRUTH, FOUND, draws=3)
    assert evaluate_ap(TRUTH, FOUND, draws=3, **default.ap) == evaluate_ap(TRUTH, FOUND, draws=3)
    assert laps.labels is None
    assert laps.ap is not None
    assert (laps.ap["ties"], laps.ap["edges"], laps.ap["background"]) == ("given", "last_bit", ())
    assert (tcn.ap, tcn.counts_frames, tcn.labels) == (None, True, default.labels)
