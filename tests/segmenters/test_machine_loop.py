"""The compiled state machine rule by rule, with spans that were worked out by hand; one value a second."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lapsdata.segmenters import EnergySeries
from lapsdata.segmenters._machine_loop import REASONS
from lapsdata.segmenters.many_thresholds import ManyThresholds
from lapsdata.segmenters.state_machine import StateMachine

T, M, E = REASONS
GATED, MISSING = "g", "m"
Row = float | str


def series(rows: list[Row], starts: list[float] | None = None) -> EnergySeries:
    """Return values of a second each; letters have no energy."""
    start = np.arange(len(rows), dtype=np.float64) if starts is None else np.array(starts)
    energy = np.array([np.nan if isinstance(row, str) else row for row in rows], np.float64)
    state = np.array([{GATED: 1, MISSING: 2}.get(row, 0) if isinstance(row, str) else 0 for row in rows], np.uint8)
    return EnergySeries(start_s=start, end_s=start + 1, energy=energy, state=state)


def spans(given: EnergySeries, threshold: float, **rules: Any) -> list[tuple[float, float, str]]:
    machine = StateMachine(**({"threshold": 1.0, "up_s": 0.0, "down_s": 0.0} | rules))
    found = ManyThresholds(given, machine).segments(np.array([threshold]))
    assert found.offsets.tolist() == [0, len(found.spans_s)]
    return [(*span, REASONS[why]) for span, why in zip(found.spans_s.tolist(), found.reasons, strict=True)]


CASES: dict[str, tuple[list[Row], dict[str, Any], list[tuple[float, float, str]]]] = {
    "one value begins and one ends": (
        [0, 2, 0, 2, 2, 0],
        {},
        [(1, 2, T), (3, 5, T)],
    ),
    "from the threshold on a value is loud": (
        [0.5, 1.0, 0.5],
        {},
        [(1, 2, T)],
    ),
    "between is no begin": (
        [0, 0.96, 0.96, 0],
        {},
        [],
    ),
    "between is no end": (
        [0, 1, 0.96, 0.96, 1, 0],
        {},
        [(1, 5, T)],
    ),
    "without a ratio there is no between": (
        [0, 1, 0.96, 1, 0],
        {"off_ratio": 1.0},
        [(1, 2, T), (3, 4, T)],
    ),
    "a begin is confirmed": (
        [0, 2, 0, 2, 2, 0],
        {"up_s": 2.0},
        [(3, 5, T)],
    ),
    "a begin that is not confirmed until the end is none": (
        [0, 0, 2],
        {"up_s": 2.0},
        [],
    ),
    "an end is confirmed and back-dated": (
        [2, 0, 2, 0, 0, 0],
        {"down_s": 2.0},
        [(0, 3, T)],
    ),
    "an end that is not confirmed is the end of the video": (
        [2, 2, 0],
        {"down_s": 2.0},
        [(0, 3, E)],
    ),
    "no begin within the cooldown": (
        [2, 0, 2, 2, 2, 0],
        {"cooldown_s": 3.0},
        [(0, 1, T), (4, 5, T)],
    ),
    "short ones are left out, and cool down all the same": (
        [2, 0, 2, 2, 2, 0],
        {"cooldown_s": 2.0, "min_duration_s": 2.0},
        [(3, 5, T)],
    ),
    "too long is cut at the quietest of the second half": (
        [5, 3, 4, 2, 4, 5, 0],
        {"max_duration_s": 4.0},
        [(0, 3, M), (3, 6, T)],
    ),
    "of equally quiet ones the last": (
        [5, 3, 2, 2, 4, 5, 0],
        {"max_duration_s": 4.0},
        [(0, 3, M), (3, 6, T)],
    ),
    "the first half is no place for a cut": (
        [5, 1, 4, 3, 4, 5, 0],
        {"max_duration_s": 4.0},
        [(0, 3, M), (3, 6, T)],
    ),
    "nor is a part that is too short": (
        [5, 4, 1, 3, 4, 5, 0],
        {"max_duration_s": 4.0, "min_duration_s": 3.0},
        [(0, 3, M), (3, 6, T)],
    ),
    "a quiet that lasts is an end before it is a cut": (
        [5, 5, 5, 0, 0, 5],
        {"max_duration_s": 4.0, "down_s": 2.0},
        [(0, 3, T), (5, 6, E)],
    ),
    "a quiet that does not last is a place for a cut": (
        [5, 5, 5, 0, 5, 5, 0, 0],
        {"max_duration_s": 4.0, "down_s": 2.0},
        [(0, 3, M), (4, 6, T)],
    ),
    "after a cut a begin cools down": (
        [5, 4, 3, 2, 4, 5, 5, 0],
        {"max_duration_s": 4.0, "cooldown_s": 2.0},
        [(0, 3, M), (5, 7, T)],
    ),
    "what is open at the end is cut as well": (
        [5, 4, 3, 4, 5, 0],
        {"max_duration_s": 4.0, "down_s": 3.0},
        [(0, 2, M), (2, 6, E)],
    ),
    "gated is quiet": (
        [2, 2, GATED, 2],
        {},
        [(0, 2, T), (3, 4, E)],
    ),
    "gated is missing where that is asked for": (
        [2, 2, GATED, 2],
        {"gated": "missing"},
        [(0, 2, E), (3, 4, E)],
    ),
    "missing breaks": (
        [2, MISSING, 2, 0],
        {},
        [(0, 1, E), (2, 3, T)],
    ),
    "missing holds what was before it": (
        [2, MISSING, 2, 0, MISSING, 2],
        {"missing": "hold", "down_s": 2.0},
        [(0, 3, T), (5, 6, E)],
    ),
    "missing holds quiet before the first": (
        [MISSING, 2, 0],
        {"missing": "hold"},
        [(1, 2, T)],
    ),
    "after a break nothing cools down": (
        [2, 0, MISSING, 2],
        {"cooldown_s": 9.0},
        [(0, 1, T), (3, 4, E)],
    ),
    "a run does not go over a break": (
        [0, 2, MISSING, 2, 0],
        {"up_s": 2.0},
        [],
    ),
    "nothing": (
        [],
        {},
        [],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_each_rule(name: str) -> None:
    rows, rules, expected = CASES[name]
    assert spans(series(rows), 1.0, **rules) == expected


@pytest.mark.parametrize("name", CASES)
def test_the_machine_of_streams_says_the_same(name: str) -> None:
    rows, rules, expected = CASES[name]
    machine = StateMachine(**({"threshold": 1.0, "up_s": 0.0, "down_s": 0.0} | rules))
    assert [one[:3] for one in machine.segment(series(rows)).segments] == expected


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        ("break", [(0, 2, E), (5, 6, T)]),
        ("hold", [(0, 6, T)]),
    ],
)
def test_time_of_which_no_value_speaks_is_missing(missing: str, expected: list[tuple[float, float, str]]) -> None:
    given = series([2, 2, 2, 0], starts=[0.0, 1.0, 5.0, 6.0])
    assert spans(given, 1.0, missing=missing) == expected


def test_a_value_longer_than_the_longest_is_cut_at_the_limit() -> None:
    given = EnergySeries.measured([0.0, 5.0], [5.0, 6.0], [2.0, 0.0])
    assert spans(given, 1.0, max_duration_s=2.0) == [(0, 2, M), (2, 4, M), (4, 5, T)]


def test_the_other_end_of_a_threshold_follows_it() -> None:
    given = series([0, 4, 1.5, 4, 0])
    assert spans(given, 2.0, off_ratio=0.5) == [(1, 4, T)]
    assert spans(given, 4.0, off_ratio=0.5) == [(1, 2, T), (3, 4, T)]
    assert spans(given, 4.1, off_ratio=0.5) == []


def test_several_thresholds_do_not_know_of_one_another() -> None:
    given = series([0, 1, 2, 3, 2, 1, 0])
    many = ManyThresholds(given, StateMachine(threshold=1.0, up_s=0.0, down_s=0.0))
    found = many.segments(np.array([3.0, 1.0, 4.0, 2.0, 1.0]))
    assert found.offsets.tolist() == [0, 1, 2, 2, 3, 4]
    assert found.spans_s.tolist() == [[3, 4], [1, 6], [2, 5], [1, 6]]
