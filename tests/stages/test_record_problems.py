"""What looks wrong about a threshold is told by its record alone, whoever reads it."""

from __future__ import annotations

from typing import Any

import pytest

from lapsdata.schema.base import Tool
from lapsdata.schema.result import BoundaryRules
from lapsdata.schema.threshold import BoundarySearch, LabelSearch, ThresholdChance, ThresholdRecord
from lapsdata.segmenters.thresholds import clock_problems, outside_problems
from lapsdata.stages.threshold import record_problems
from lapsdata.testing.samples import sample_provenance

TRIED: dict[str, Any] = {
    "score": 0.75,
    "candidates": 9,
    "tried": 9,
    "search": "exact",
    "plateau_low": 0.5,
    "plateau_high": 2.0,
    "other_plateaus": 0,
    "curve": ((0.5, 0.25), (1.0, 0.75)),
}


def record(**changes: Any) -> ThresholdRecord:
    """Return a record in which nothing looks wrong, but for what is changed."""
    told: dict[str, Any] = {
        "provenance": sample_provenance(),
        "value": 1.0,
        "method": "given",
        "source": "velocity",
        "mode": "velocity_step",
        "lowest": 0.25,
        "highest": 4.0,
        "above": 0.5,
        "counts": {"measured": 8},
    }
    return ThresholdRecord(**(told | changes))


def by_truth(value: float = 1.0, chance: tuple[float, float] = (0.5, 0.0), **changes: Any) -> ThresholdRecord:
    told: dict[str, Any] = {
        "objective": "f_macro",
        "rules": BoundaryRules(tolerances_s=(0.5,), counting="once", matching="maximum", resolution_s=1e-6),
        "segmenter": Tool(name="state_machine", version="1"),
        "videos": 2,
        "truth_digest": "sha256:" + "0" * 64,
        "ended_by": {"threshold": 5},
        "chance": ThresholdChance(uniform_best_period=chance[0], period_s=2.0, constant_energy=chance[1]),
    }
    search = BoundarySearch(**(TRIED | told | changes))
    return record(value=value, method="boundary_search", boundary_search=search)


def by_labels(**changes: Any) -> ThresholdRecord:
    told: dict[str, Any] = {
        "objective": "f1",
        "alignment": "rows",
        "labels_source": "velocity",
        "labels_mode": "velocity_step",
        "labels_method": "otsu_log",
        "labels_threshold": 1.5,
        "rows": 8,
        "active": 3,
    }
    return record(method="pseudo_labels", label_search=LabelSearch(**(TRIED | told | changes)))


def codes(made: ThresholdRecord) -> list[str]:
    problems = record_problems(made)
    assert all(problem.severity == "warning" for problem in problems)
    return [problem.code for problem in problems]


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (record(), []),
        (record(value=0.25), ["threshold-outside"]),
        (record(value=4.0), []),
        (record(value=4.5), ["threshold-outside"]),
        (by_truth(), []),
        (by_truth(value=0.0), ["threshold-outside"]),
        (by_truth(reaches=("lowest",)), ["search-at-the-end"]),
        (by_truth(reaches=("lowest", "highest")), ["search-at-the-end", "search-at-the-end"]),
        (by_truth(value=0.25, reaches=("lowest",)), ["threshold-outside"]),
        (by_truth(ended_by={"threshold": 2, "max_duration": 2}), []),
        (by_truth(ended_by={"threshold": 2, "max_duration": 3}), ["metronome"]),
        (by_truth(ended_by={}), []),
        (by_truth(chance=(0.7499, 0.0)), []),
        (by_truth(chance=(0.75, 0.0)), ["not-above-chance"]),
        (by_truth(chance=(0.0, 0.75)), ["not-above-chance"]),
        (by_truth(chance=(0.9, 0.8), ended_by={"max_duration": 1}), ["metronome", "not-above-chance"]),
        (by_labels(), []),
        (by_labels(reaches=("highest",)), ["search-at-the-end"]),
    ],
)
def test_what_is_told(made: ThresholdRecord, expected: list[str]) -> None:
    assert codes(made) == expected


def test_chance_is_told_by_the_better_of_both() -> None:
    (metronome,) = record_problems(by_truth(chance=(0.9, 0.8)))
    assert "got 0.7500, and 0.9000 by a metronome of 2 s" in metronome.message
    (constant,) = record_problems(by_truth(chance=(0.8, 0.9)))
    assert "0.9000 by the same segmenter with one energy all the time" in constant.message


def test_what_was_tried_is_of_either_search() -> None:
    assert record().tried is None
    assert by_truth().tried == by_truth().boundary_search
    assert by_labels().tried == by_labels().label_search


@pytest.mark.parametrize(
    ("ended_by", "share", "told"),
    [
        ({}, 0.0, None),
        ({"threshold": 3}, 0.0, None),
        ({"max_duration": 1, "threshold": 1}, 0.5, None),
        ({"max_duration": 1, "threshold": 1}, 0.4, "1 of 2 segments (50 %) end by max_duration, 1 by threshold"),
        ({"max_duration": 3, "end_of_stream": 1}, 0.5, "3 of 4 segments (75 %) end by max_duration, 0 by threshold"),
    ],
)
def test_a_clock_is_told_from_counts(ended_by: dict[str, int], share: float, told: str | None) -> None:
    assert [one.message for one in clock_problems(ended_by, share=share)] == ([] if told is None else [told])


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0.5, "every measured value is loud"),
        (0.25, "every measured value is loud"),
        (0.75, None),
        (2.0, None),
        (2.5, "no value is loud"),
    ],
)
def test_a_threshold_outside_is_told_from_the_range(value: float, told: str | None) -> None:
    found = [one.message for one in outside_problems(value, 0.5, 2.0)]
    assert len(found) == (0 if told is None else 1)
    assert all(told is not None and told in message for message in found)
