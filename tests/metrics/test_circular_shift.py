"""Boundaries near events, against the same boundaries turned: exact where all turns can be listed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import kstest

from lapsdata.errors import SchemaError
from lapsdata.metrics.circular_shift import circular_shift_test


def test_a_single_event_and_boundary_have_the_share_of_the_time_that_is_near() -> None:
    """Within 0.5 s of an event lie 1 s of 10: a tenth of all turns."""
    events, span = {"a": np.array([5.0])}, {"a": (0.0, 10.0)}
    found = circular_shift_test(events, {"a": np.array([5.2])}, span, tolerance_s=0.5, draws=1000)
    assert found.near == found.events == 1
    assert found.near_by_chance == pytest.approx(0.1, abs=0.002)
    assert found.p_value == pytest.approx(101 / 1001, abs=0.002)


def test_turns_wrap_and_are_those_that_can_be_listed() -> None:
    random = np.random.default_rng(0)
    events, cuts = np.sort(random.uniform(0, 8, 5)), np.sort(random.uniform(0, 8, 7))
    found = circular_shift_test({"a": events}, {"a": cuts}, {"a": (0.0, 8.0)}, tolerance_s=0.3, draws=400)
    counts = []
    for draw in range(400):
        turned = (cuts + (draw + 0.5) / 400 * 8) % 8
        counts.append(int((np.abs(events[:, None] - turned).min(axis=1) <= 0.3).sum()))
    near = int((np.abs(events[:, None] - cuts).min(axis=1) <= 0.3).sum())
    assert found == (5, near, np.mean(counts), (1 + sum(count >= near for count in counts)) / 401)


def test_boundaries_that_know_nothing_have_p_values_that_are_spread_evenly() -> None:
    random = np.random.default_rng(3)
    found = []
    for number in range(150):
        times = {"a": np.sort(random.uniform(0, 200, 40))}
        cuts = {"a": np.sort(random.uniform(0, 200, 60))}
        found.append(
            circular_shift_test(times, cuts, {"a": (0, 200.0)}, tolerance_s=0.8, draws=99, seed=number).p_value
        )
    # Counts are whole numbers, so that p-values are a little high: never too many small ones.
    assert kstest(found, "uniform", alternative="greater").pvalue > 0.01
    assert np.mean(found) == pytest.approx(0.5, abs=0.1)


def test_boundaries_that_know_the_events_are_told_from_chance() -> None:
    random = np.random.default_rng(4)
    events = {name: np.sort(random.uniform(0, 60, 8)) for name in "ab"}
    cuts = {name: np.sort(np.concatenate([at + 0.05, random.uniform(0, 60, 4)])) for name, at in events.items()}
    spans = dict.fromkeys("ab", (0.0, 60.0))
    found = circular_shift_test(events, cuts, spans, tolerance_s=0.25, draws=199)
    assert found.near == 16
    assert found.p_value == 1 / 200


def test_videos_of_one_schedule_are_turned_together() -> None:
    """Twice the same video is no more evidence than once: chance finds both or none."""
    one = np.array([5.0])
    spans = dict.fromkeys("ab", (0.0, 10.0))
    twice: dict[str, Any] = {"events_s": dict.fromkeys("ab", one), "boundaries_s": dict.fromkeys("ab", one)}
    alone = circular_shift_test({"a": one}, {"a": one}, {"a": (0.0, 10.0)}, tolerance_s=0.5, draws=500)
    apart = circular_shift_test(**twice, spans_s=spans, tolerance_s=0.5, draws=500)
    together = circular_shift_test(**twice, spans_s=spans, tolerance_s=0.5, draws=500, groups={"a": "x", "b": "x"})
    assert apart.p_value < 0.03 < alone.p_value
    assert together.p_value == pytest.approx(alone.p_value, abs=0.005)


def test_the_tolerance_is_inclusive_and_no_boundary_is_near_nothing() -> None:
    span = {"a": (0.0, 10.0)}
    edge = circular_shift_test({"a": np.array([1.0])}, {"a": np.array([1.25])}, span, tolerance_s=0.25, draws=9)
    assert edge.near == 1
    none = circular_shift_test({"a": np.array([1.0])}, {"a": np.empty(0)}, span, tolerance_s=0.25, draws=9)
    assert none == (1, 0, 0.0, 1.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"events_s": {"a": np.empty(0)}}, "expected at least one event, got none"),
        ({"boundaries_s": {"b": np.empty(0)}}, "got only some of 'a', 'b'"),
        ({"events_s": {"a": np.array([np.nan])}}, "expected finite seconds"),
        ({"tolerance_s": -1.0}, "tolerance_s"),
        ({"draws": 0}, "draws"),
    ],
)
def test_what_cannot_be_tested_is_refused(change: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {
        "events_s": {"a": np.array([1.0])},
        "boundaries_s": {"a": np.array([1.0])},
        "spans_s": {"a": (0.0, 9.0)},
        "tolerance_s": 0.5,
    }
    with pytest.raises(SchemaError, match=message):
        circular_shift_test(**given | change)


def test_the_same_seed_gives_the_same_turns_and_all_of_them_are_spread_alike() -> None:
    random = np.random.default_rng(6)
    events = {name: np.sort(random.uniform(0, 30, 6)) for name in "ab"}
    cuts = {name: np.sort(random.uniform(0, 30, 9)) for name in "ab"}
    spans = dict.fromkeys("ab", (0.0, 30.0))
    one, same, other = (
        circular_shift_test(events, cuts, spans, tolerance_s=0.5, draws=200, seed=seed) for seed in (0, 0, 1)
    )
    assert one == same
    # Which turns of both videos meet is seeded; that each video has all of them is not.
    assert other.near_by_chance == pytest.approx(one.near_by_chance)
    assert other.p_value == pytest.approx(one.p_value, abs=0.15)
