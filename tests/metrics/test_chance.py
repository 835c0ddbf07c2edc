"""Boundaries that look at no video: how many, where, and the same each time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.errors import SchemaError
from lapsdata.metrics import (
    candidate_periods,
    periodic_boundaries,
    random_boundaries,
    shifted_boundaries,
    uniform_boundaries,
)

SPANS = st.tuples(st.integers(-20, 20), st.integers(1, 400)).map(lambda drawn: (drawn[0] / 4, sum(drawn) / 4))


# --- uniform ----------------------------------------------------------------------------------------------------


@given(SPANS, st.integers(0, 50))
def test_uniform_parts_are_equal(span: tuple[float, float], count: int) -> None:
    cuts = uniform_boundaries(span, count)
    assert cuts.shape == (count,)
    np.testing.assert_allclose(np.diff([span[0], *cuts, span[1]]), (span[1] - span[0]) / (count + 1), rtol=1e-9)


@given(SPANS, st.sampled_from([0.1, 0.25, 1.0, 1.5, 2.0, 500.0]))
def test_a_metronome_beats_until_the_end_and_not_at_it(span: tuple[float, float], period: float) -> None:
    beats = periodic_boundaries(span, period)
    np.testing.assert_allclose(np.diff([span[0], *beats]), period, rtol=1e-6)
    if len(beats):
        assert beats[-1] < span[1]
    assert span[0] + (len(beats) + 1) * period >= span[1] - 1e-6


def test_a_last_beat_at_the_end_is_none_whatever_its_last_bit() -> None:
    assert 3 * 0.1 > 0.3
    assert periodic_boundaries((0.0, 0.3), 0.1).tolist() == pytest.approx([0.1, 0.2])
    assert periodic_boundaries((0.0, 3 * 0.1), 0.1).tolist() == pytest.approx([0.1, 0.2])


@given(st.floats(0.001, 100), st.floats(0.001, 1e5))
def test_candidate_periods_reach_from_one_to_the_other(shortest: float, longest: float) -> None:
    periods = np.array(candidate_periods(shortest, longest))
    np.testing.assert_allclose(periods[1:] / periods[:-1], 2**0.25)
    assert shortest <= periods[0] * (1 + 1e-9) < shortest * 2**0.25 * (1 + 1e-6)
    assert periods[-1] * (1 + 1e-9) >= longest
    assert len(periods) == 1 or periods[-2] < longest
    np.testing.assert_allclose(4 * np.log2(periods), np.round(4 * np.log2(periods)), atol=1e-9)


# --- drawn ------------------------------------------------------------------------------------------------------


@given(SPANS, st.integers(0, 20), st.integers(1, 5), st.integers(0, 9))
def test_random_instants_lie_inside(span: tuple[float, float], count: int, draws: int, seed: int) -> None:
    drawn = random_boundaries(span, count, draws=draws, seed=seed, video="a")
    assert drawn.shape == (draws, count)
    assert ((drawn > span[0]) & (drawn < span[1])).all()
    assert (np.diff(drawn, axis=1) >= 0).all()
    assert np.array_equal(drawn, random_boundaries(span, count, draws=draws, seed=seed, video="a"))


def test_draws_seeds_and_videos_are_unlike_and_more_draws_keep_the_first() -> None:
    def of(draws: int = 2, seed: int = 0, video: str = "a") -> np.ndarray:
        return random_boundaries((0.0, 10.0), 3, draws=draws, seed=seed, video=video)

    rows = {tuple(row) for sets in (of(), of(seed=1), of(video="b")) for row in sets.tolist()}
    assert len(rows) == 6
    assert np.array_equal(of(draws=5)[:2], of())


def test_the_numbers_are_these_on_every_machine_and_in_every_release() -> None:
    drawn = random_boundaries((0.0, 1.0), 3, draws=1, seed=0, video="clip_0")
    assert drawn.tolist() == [[0.1648638931776668, 0.5969115322207904, 0.6215364534526352]]
    turned = shifted_boundaries(np.array([0.0]), (0.0, 8.0), draws=4, seed=0, video="clip_0")
    assert turned.ravel().tolist() == [7.0, 1.0, 5.0, 3.0]


def test_random_instants_are_as_likely_anywhere() -> None:
    drawn = random_boundaries((2.0, 12.0), 100, draws=100, seed=3, video="a")
    shares, _ = np.histogram(drawn, bins=10, range=(2.0, 12.0))
    # 10,000 draws in ten bins: a standard deviation of 30.
    assert np.abs(shares - 1000).max() < 130


@given(st.lists(st.integers(0, 39), max_size=8, unique=True), st.integers(1, 30), st.integers(0, 3))
def test_turning_keeps_count_and_order_around_the_circle(steps: list[int], draws: int, seed: int) -> None:
    found, span = np.sort(np.array(steps, np.float64)) / 4 + 5, (5.0, 15.0)
    turned = shifted_boundaries(found, span, draws=draws, seed=seed, video="a")
    assert turned.shape == (draws, len(found))
    assert ((turned >= span[0]) & (turned <= span[1])).all()
    if len(found) > 1:
        gaps = np.sort(np.diff([*found, found[0] + 10]))
        for row in turned:
            np.testing.assert_allclose(np.sort(np.diff([*row, row[0] + 10])), gaps, atol=1e-9)


@given(st.integers(1, 30), st.integers(0, 5))
def test_offsets_lie_evenly_in_the_video(draws: int, seed: int) -> None:
    turned = shifted_boundaries(np.array([0.0]), (0.0, 10.0), draws=draws, seed=seed, video="a").ravel()
    np.testing.assert_allclose(np.sort(turned), (np.arange(draws) + 0.5) * 10 / draws)


def test_no_draw_turns_all_videos_alike() -> None:
    one, other = (
        shifted_boundaries(np.array([0.0]), (0.0, 10.0), draws=50, seed=0, video=video).ravel() for video in "ab"
    )
    assert np.mean(one == other) < 0.2
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.5


# --- bad input --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [-1, 1.0, True, "3", None])
def test_a_count_that_is_none_is_refused(count: Any) -> None:
    with pytest.raises(SchemaError, match="count: expected an integer of at least 0, got"):
        uniform_boundaries((0.0, 1.0), count)
    with pytest.raises(SchemaError, match="count: expected an integer of at least 0, got"):
        random_boundaries((0.0, 1.0), count, draws=1, seed=0, video="a")


@pytest.mark.parametrize("period", [0.0, 1e-4, -1.0, np.nan, "1"])
def test_a_period_that_is_none_is_refused(period: Any) -> None:
    with pytest.raises(SchemaError, match=r"period_s: expected finite seconds of at least 0\.001, got"):
        periodic_boundaries((0.0, 1.0), period)
    with pytest.raises(SchemaError, match=r"shortest_s: expected finite seconds of at least 0\.001, got"):
        candidate_periods(period, 10.0)


@pytest.mark.parametrize(("name", "value", "least"), [("draws", 0, 1), ("seed", -1, 0), ("seed", 0.5, 0)])
def test_draws_and_seeds_that_are_none_are_refused(name: str, value: Any, least: int) -> None:
    options: dict[str, Any] = {"draws": 1, "seed": 0, "video": "a", name: value}
    with pytest.raises(SchemaError, match=f"{name}: expected an integer of at least {least}, got {value}"):
        random_boundaries((0.0, 1.0), 1, **options)
    with pytest.raises(SchemaError, match=f"{name}: expected an integer of at least {least}, got {value}"):
        shifted_boundaries(np.array([0.5]), (0.0, 1.0), **options)


def test_wrong_spans_are_refused_everywhere() -> None:
    makers: tuple[Any, ...] = (
        lambda span: uniform_boundaries(span, 1),
        lambda span: periodic_boundaries(span, 1.0),
        lambda span: random_boundaries(span, 1, draws=1, seed=0, video="a"),
        lambda span: shifted_boundaries(np.empty(0), span, draws=1, seed=0, video="a"),
    )
    for make in makers:
        with pytest.raises(SchemaError, match=r"span_s: expected an end after the start, got 2\.0 s to 1\.0 s"):
            make((2.0, 1.0))
