"""Smoothing by time: what it means at a regular hop, over gaps, and that it never looks ahead."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.errors import SchemaError
from lapsdata.segmenters import EnergySeries, ema, moving_average, smooth
from lapsdata.testing.contracts import sample_of
from lapsdata.testing.samples import sample_energies, sample_provenance
from lapsdata.testing.segmenter_contract import example_series

Way = Callable[[EnergySeries, float], EnergySeries]
WAYS: tuple[Way, ...] = (ema, moving_average)
SERIES = sorted(example_series())


def regular(values: list[float], hop_s: float = 0.5) -> EnergySeries:
    start = np.arange(len(values)) * hop_s
    return EnergySeries.measured(start, start + hop_s, values)


def test_ema_at_a_regular_hop_is_the_usual_one() -> None:
    """LAPS smoothed with a = 0.7 on a hop of 0.4 s."""
    values, share = [1.0, 4.0, 2.0, 8.0], 0.7
    expected = [values[0]]
    for value in values[1:]:
        expected.append(share * value + (1 - share) * expected[-1])
    found = ema(regular(values, 0.4), -0.4 / math.log(1 - share))
    assert found.energy == pytest.approx(expected)


def test_ema_does_not_depend_on_the_rate() -> None:
    """A step of the energy, seen at any rate, is smoothed to the same value at the same time."""
    for hop_s in (0.25, 0.125, 0.0625):
        values = [0.0] + [1.0] * round(2 / hop_s)
        found = ema(regular(values, hop_s), 0.75)
        assert found.energy[-1] == pytest.approx(1 - math.exp(-2 / 0.75))


def test_moving_average_at_a_regular_hop_is_the_usual_one() -> None:
    values = [3.0, 1.0, 2.0, 6.0, 4.0]
    found = moving_average(regular(values, 0.1), 0.3)
    assert found.energy == pytest.approx([3.0, 2.0, 2.0, 3.0, 4.0])


def test_moving_average_counts_seconds_and_not_values() -> None:
    series = EnergySeries.measured([0.0, 0.5, 3.0, 3.5], [0.5, 1.0, 3.5, 4.0], [1.0, 3.0, 5.0, 9.0])
    assert moving_average(series, 1.0).energy.tolist() == [1.0, 2.0, 5.0, 7.0]


@pytest.mark.parametrize("way", WAYS)
def test_a_shortest_time_changes_nothing(way: Way) -> None:
    series = example_series()["states"]
    assert np.allclose(way(series, 1e-9).energy, series.energy, rtol=1e-15, atol=0, equal_nan=True)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", SERIES)
def test_times_and_states_stay(way: Way, name: str) -> None:
    series = example_series()[name]
    found = way(series, 0.5)
    assert found.video == series.video
    for column in ("start_s", "end_s", "state"):
        assert np.array_equal(getattr(found, column), getattr(series, column))
    assert np.array_equal(np.isnan(found.energy), series.state != 0)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", SERIES)
def test_smoothing_is_causal(way: Way, name: str) -> None:
    """What comes later changes no value: the first half, alone, gives the first half of the whole."""
    series = example_series()[name]
    half = len(series) // 2
    columns = {column: getattr(series, column)[:half] for column in ("start_s", "end_s", "energy", "state")}
    alone = way(replace(series, **columns), 0.7)
    assert np.array_equal(alone.energy, way(series, 0.7).energy[:half], equal_nan=True)


@pytest.mark.parametrize("way", WAYS)
@given(st.lists(st.floats(-100, 100) | st.none(), min_size=1, max_size=20), st.floats(0.1, 9))
def test_values_stay_in_range_and_scale(way: Way, values: list[float | None], seconds: float) -> None:
    energy = np.array([np.nan if value is None else value for value in values])
    start = np.arange(len(values)) / 4
    series = EnergySeries(start_s=start, end_s=start + 0.25, energy=energy, state=np.isnan(energy).astype(np.uint8))
    found = way(series, seconds).energy
    known = ~np.isnan(energy)
    assert (found[known] >= energy[known].min(initial=np.inf) - 1e-9).all()
    assert (found[known] <= energy[known].max(initial=-np.inf) + 1e-9).all()
    double = way(replace(series, energy=energy * 2), seconds).energy
    assert np.allclose(double, found * 2, rtol=1e-12, atol=1e-300, equal_nan=True)


@pytest.mark.parametrize("way", WAYS)
def test_gated_values_are_not_averaged_in_as_0(way: Way) -> None:
    energy, state = np.array([2.0, np.nan, np.nan, 2.0]), np.array([0, 1, 2, 0], np.uint8)
    series = replace(regular([2.0, 0.0, 0.0, 2.0]), energy=energy, state=state)
    assert way(series, 5.0).energy[[0, 3]].tolist() == [2.0, 2.0]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("seconds", [0.0, -1.0, math.nan, math.inf])
def test_no_time_is_refused(way: Way, seconds: float) -> None:
    with pytest.raises(SchemaError, match=r"(tau_s|span_s): expected finite seconds above 0, got .* \[wrong-time\]"):
        way(regular([1.0]), seconds)


@pytest.mark.parametrize(("how", "way"), [("ema", ema), ("moving_average", moving_average)])
def test_each_video_of_a_container_is_smoothed_on_its_own(how: Any, way: Way) -> None:
    made = sample_energies(steps=20)
    found = smooth(made, how, 0.25)
    expected = np.concatenate([way(series, 0.25).energy for series in EnergySeries.each_of(made)])
    assert np.array_equal(found.energy, expected, equal_nan=True)
    assert np.array_equal(found.state, made.state)
    assert found.header.smoothing == f"{how} 0.25 s"
    told = found.header.provenance
    assert (told.producer, told.parameters) == ("lapsdata", {"smoothing": how, "seconds": 0.25})


def test_the_file_that_was_smoothed_is_a_parent() -> None:
    from lapsdata.schema import Parent

    parent = Parent(role="energies", name="clip.jsonl", digest="sha256:" + "0" * 64)
    assert smooth(sample_energies(), "ema", 1.0, parents=[parent]).header.provenance.parents == (parent,)


def test_smoothing_twice_is_refused() -> None:
    once = smooth(sample_energies(), "ema", 1.0)
    with pytest.raises(SchemaError, match=r"got some that went through 'ema 1.0 s'; smooth the raw ones \[smoothed-tw"):
        smooth(once, "moving_average", 1.0)


def test_an_unknown_way_is_refused() -> None:
    unknown: Any = "median"
    with pytest.raises(SchemaError, match=r"expected one of \('ema', 'moving_average'\), got 'median'"):
        smooth(sample_energies(), unknown, 1.0)


def test_the_given_energies_are_as_before() -> None:
    made = sample_energies()
    smooth(made, "ema", 1.0)
    assert made.equals(sample_of("energies"))
    assert made.header.provenance == sample_provenance()


@given(hop=st.integers(1, 20), values=st.integers(1, 40), extra=st.integers(0, 19))
def test_the_support_grows_by_the_time_that_is_averaged_over(hop: int, values: int, extra: int) -> None:
    hop_s, span_s = hop / 64, (values * hop + min(extra, hop - 1)) / 64
    energies = sample_energies()
    header = energies.header.model_copy(update={"hop_s": hop_s, "support_s": hop_s})
    found = smooth(replace(energies, header=header), "moving_average", span_s)
    # The first value that counts lies less than the span before the last one.
    reach = max(k * hop for k in range(64) if k * hop < values * hop + min(extra, hop - 1))
    assert found.header.support_s == pytest.approx(hop_s + reach / 64)


def test_of_a_variable_rate_and_of_exponential_means_it_is_said_too() -> None:
    energies = sample_energies()
    header = energies.header.model_copy(update={"hop_s": None, "support_s": 0.5})
    varying = replace(energies, header=header)
    assert smooth(varying, "moving_average", 0.7).header.support_s == pytest.approx(1.2)
    assert smooth(varying, "ema", 0.2).header.support_s == pytest.approx(1.1)
