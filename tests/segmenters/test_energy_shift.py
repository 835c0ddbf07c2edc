"""Energies of another device are told, and those of the same are not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.containers import Energies
from lapsdata.schema import EnergiesHeader
from lapsdata.schema.threshold import QUANTILES
from lapsdata.segmenters.energy_shift import energy_quantiles, shift_problems
from lapsdata.testing.samples import sample_provenance


def energies(values: list[float], gated: int = 0) -> Energies:
    rows = np.arange(len(values) + gated)
    header = EnergiesHeader(
        provenance=sample_provenance(), per="step", source="velocity", mode="velocity_step", support_s=0.1, hop_s=0.1,
        videos=("clip",),
    )  # fmt: skip
    state = np.array([0] * len(values) + [1] * gated, np.uint8)
    column = np.array([*values, *[np.nan] * gated])
    return Energies(header, np.zeros_like(rows), rows, rows * 0.1, (rows + 1) * 0.1, column, state)


def codes(values: list[float], told: list[float], threshold: float | None = None) -> list[str]:
    old = energies(told)
    value = float(np.median(told)) if threshold is None else threshold
    above = float((np.array(told) >= value).mean())
    found = shift_problems(energies(values), quantiles=energy_quantiles(old), value=value, above=above)
    assert all(problem.severity == "warning" for problem in found)
    return [problem.code for problem in found]


VALUES = st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0, 2.0, 7.0, 100.0]), min_size=1, max_size=40)


@given(VALUES, st.integers(1, 3))
def test_the_same_energies_are_not_told_however_many_times(values: list[float], times: int) -> None:
    assert codes(values * times, values) == []


@given(VALUES)
def test_quantiles_are_energies_and_hold_their_share(values: list[float]) -> None:
    found = energy_quantiles(energies(values, gated=3))
    for share, value in zip(QUANTILES, found, strict=True):
        assert value in values
        assert np.mean(np.array(values) <= value) >= share - 1e-12
        assert np.mean(np.array(values) < value) <= max(share, 0)


def test_draws_of_one_kind_of_video_are_not_told() -> None:
    random = np.random.default_rng(0)
    told = np.exp(random.normal(0, 1, 2000)).tolist()
    assert codes(np.exp(random.normal(0, 1, 300)).tolist(), told) == []


@pytest.mark.parametrize("times", [0.1, 10.0])
def test_another_scale_is_told(times: float) -> None:
    random = np.random.default_rng(0)
    told = np.exp(random.normal(0, 1, 2000))
    assert "energies-shifted" in codes((told * times).tolist(), told.tolist())


def test_the_message_says_both_shares_and_medians() -> None:
    told = [float(one) for one in range(1, 101)]
    (problem,) = shift_problems(
        energies([one + 40 for one in told]), quantiles=energy_quantiles(energies(told)), value=50.0, above=0.51
    )
    assert problem.message == (
        "expected energies as those that the threshold was told from, 50 % of them up to 50, got 10 %; the median is "
        "90.5, and was 50"
    )


def test_the_limit_is_a_quarter_of_the_values() -> None:
    told = [float(one) for one in range(100)]
    assert codes([*told[25:], *([99.5] * 25)], told) == []
    assert codes([*told[26:], *([99.5] * 26)], told) == ["energies-shifted"]


def test_many_times_as_many_loud_ones_are_told() -> None:
    told = [0.0] * 95 + [2.0] * 5
    assert codes([0.0] * 85 + [2.0] * 15, told, 1.0) == []
    assert codes([0.0] * 84 + [2.0] * 16, told, 1.0) == ["share-shifted"]
    assert codes([0.0] * 99 + [2.0] * 1, told, 1.0) == ["share-shifted"]
    assert codes([0.0] * 100, told, 1.0) == ["share-shifted"]


def test_without_quantiles_the_share_alone_speaks() -> None:
    found = shift_problems(energies([9.0] * 4), quantiles=None, value=1.0, above=0.1)
    assert [problem.code for problem in found] == ["share-shifted"]
    assert "expected about 0.1 of the energies from the threshold 1 on, as there, got 1" in found[0].message


def test_nothing_measured_says_nothing() -> None:
    assert shift_problems(energies([], gated=4), quantiles=(1.0,) * 11, value=1.0, above=0.5) == ()
