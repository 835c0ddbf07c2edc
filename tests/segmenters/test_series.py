"""What an energy series refuses, and which time each of its values stands for."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.errors import LengthMismatchError, SchemaError
from lapsdata.segmenters import EnergySeries, EnergyStep, Segmenter, SegmentStream
from lapsdata.segmenters._cells import CellCutter, cells_of, mean_energy
from lapsdata.segmenters.state_machine import StateMachine
from lapsdata.testing.samples import sample_energies
from lapsdata.testing.segmenter_contract import example_series

GOOD = EnergySeries(
    start_s=np.array([0.0, 1.0, 2.0]),
    end_s=np.array([1.0, 2.0, 3.0]),
    energy=np.array([0.5, np.nan, np.nan]),
    state=np.array([0, 1, 2], np.uint8),
    video="clip_0",
)

WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "ints": ({"start_s": np.array([0, 1, 2])}, r"'clip_0': start_s: expected float64, got int64"),
    "list": ({"energy": [0.5]}, r"energy: expected float64 \(R,\) array, got list"),
    "two dimensions": ({"state": np.zeros((3, 1), np.uint8)}, r"state: expected shape \(R,\), got \(3, 1\)"),
    "infinite": ({"end_s": np.array([1.0, 2.0, math.inf])}, r"start_s: expected finite seconds; first at 2, 1 in all"),
    "no time": ({"end_s": np.array([0.0, 2.0, 3.0])}, r"end_s: expected start_s < end_s; first at 0, 1 in all"),
    "starts": ({"start_s": np.array([0.0, 0.0, 2.0])}, r"start_s: expected rising seconds; first at 1, 1 in all"),
    "ends": ({"end_s": np.array([2.5, 2.5, 3.0])}, r"end_s: expected rising seconds; first at 1, 1 in all"),
    "state": ({"state": np.array([0, 1, 3], np.uint8)}, r"state: expected one of \('measured', 'gated', 'missing'\)"),
    "gated as 0": ({"energy": np.array([0.5, 0.0, np.nan])}, r"energy: .*first at 1.*a gated value is never 0\.0"),
    "measured NaN": ({"energy": np.full(3, np.nan)}, r"energy: expected a finite value where measured"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_series_are_refused(case: str) -> None:
    changed, match = WRONG[case]
    with pytest.raises(SchemaError, match=match):
        replace(GOOD, **changed)


def test_another_length_is_a_length_mismatch() -> None:
    with pytest.raises(LengthMismatchError, match=r"energy: expected R = 3 as in start_s, got 2"):
        replace(GOOD, energy=np.zeros(2))


def test_a_series_cannot_be_written_to_and_does_not_freeze_its_source() -> None:
    source = np.array([0.0])
    series = EnergySeries(start_s=source, end_s=source + 1, energy=source + 2, state=np.zeros(1, np.uint8))
    with pytest.raises(ValueError, match="read-only"):
        series.energy[0] = 1.0
    assert source.flags.writeable


def test_steps_say_what_the_rows_say() -> None:
    assert [(step.start_s, step.end_s, step.state) for step in GOOD.steps()] == [
        (0.0, 1.0, "measured"),
        (1.0, 2.0, "gated"),
        (2.0, 3.0, "missing"),
    ]
    assert [repr(step.energy) for step in GOOD.steps()] == ["0.5", "nan", "nan"]
    assert len(GOOD) == 3
    assert GOOD.at_s.tolist() == [0.5, 1.5, 2.5]


def test_each_video_of_a_container_is_a_series() -> None:
    energies = sample_energies(steps=4)
    found = list(EnergySeries.each_of(energies))
    assert [one.video for one in found] == ["clip_0", "clip_1"]
    assert np.array_equal(np.concatenate([one.energy for one in found]), energies.energy, equal_nan=True)
    assert [len(one) for one in found] == [4, 4]


def test_ends_that_do_not_rise_name_the_video() -> None:
    energies = sample_energies(steps=3)
    longer = replace(energies, end_s=energies.end_s + np.array([0, 0, 0, 9, 0, 0]))
    with pytest.raises(SchemaError, match=r"energies of 'clip_1': end_s: expected rising seconds"):
        list(EnergySeries.each_of(longer))


def spans(series: EnergySeries) -> list[tuple[float, float, bool]]:
    return [(cell.start_s, cell.end_s, cell.gap) for cell in cells_of(series)]


def test_steps_are_their_own_cells_also_of_a_variable_rate() -> None:
    series = EnergySeries.measured([0.0, 0.5, 2.0], [0.5, 2.0, 2.25], [1, 2, 3])
    assert spans(series) == [(0.0, 0.5, False), (0.5, 2.0, False), (2.0, 2.25, False)]


def test_cells_of_windows_lie_around_their_middles() -> None:
    start = np.arange(5) * 0.5
    series = EnergySeries.measured(start, start + 1.5, np.ones(5))
    inner = [(series.at_s[i] - 0.25, series.at_s[i] + 0.25, False) for i in range(1, 4)]
    assert spans(series) == [(0.0, 1.0, False), *inner, (2.5, 3.5, False)]


def test_noise_of_time_is_no_hole() -> None:
    series = EnergySeries.measured([0.0, 0.3], [0.1 + 0.2 - 1e-9, 0.6], [1, 2])
    assert [gap for _, _, gap in spans(series)] == [False, False]
    hole = EnergySeries.measured([0.0, 0.3 + 1e-5], [0.3, 0.6], [1, 2])
    assert [gap for _, _, gap in spans(hole)] == [False, True, False]


@given(st.sampled_from(sorted(example_series())))
def test_cells_fill_the_time_of_a_series(name: str) -> None:
    series = example_series()[name]
    cells = cells_of(series)
    assert sum(not cell.gap for cell in cells) == len(series)
    edges = [cell.start_s for cell in cells] + [cell.end_s for cell in cells[-1:]]
    assert [cell.end_s for cell in cells] == edges[1:]
    assert edges[:1] + edges[-1:] == series.start_s[:1].tolist() + series.end_s[-1:].tolist()


def test_a_mean_weighs_by_time_inside() -> None:
    cells = cells_of(EnergySeries.measured([0.0, 1.0, 2.0], [1.0, 2.0, 3.0], [1.0, 2.0, 4.0]))
    assert mean_energy(cells, 0.5, 2.25) == (0.5 * 1 + 2 + 0.25 * 4) / 1.75
    assert math.isnan(mean_energy(cells, 3.0, 4.0))


WRONG_STEPS: dict[str, tuple[EnergyStep, str]] = {
    "again": (EnergyStep(1, 2, 0.5), r"expected times after 1\.0 s to 2\.0 s, got 1 s to 2 s"),
    "end goes back": (EnergyStep(1.5, 2, 0.5), r"expected times after"),
    "no time": (EnergyStep(3, 3, 0.5), r"expected finite start_s < end_s, got 3 s to 3 s"),
    "not a time": (EnergyStep(math.nan, 3, 0.5), r"expected finite start_s < end_s"),
    "infinite": (EnergyStep(2, 3, math.inf), r"expected a finite energy where measured, got inf"),
    "gated as 0": (EnergyStep(2, 3, 0.0, "gated"), r"expected NaN where gated, got 0\.0"),
}


@pytest.mark.parametrize("case", WRONG_STEPS)
def test_wrong_steps_are_refused(case: str) -> None:
    step, match = WRONG_STEPS[case]
    cutter = CellCutter()
    cutter.push(EnergyStep(1.0, 2.0, 0.5))
    with pytest.raises(SchemaError, match=rf"stream: {match}.*\[wrong-step\]"):
        cutter.push(step)
    assert [cell.end_s for cell in cutter.push(EnergyStep(2.0, 3.0, 0.5))] == [2.0]


@pytest.mark.parametrize("wrong", [{"energy": None}, {"start_s": "2"}, {"energy": None, "state": "gated"}])
def test_what_is_no_number_is_refused(wrong: dict[str, Any]) -> None:
    """A row of a file says null where a series says NaN."""
    with pytest.raises(SchemaError, match=r"stream: expected numbers, got EnergyStep\(.*\[wrong-step\]"):
        CellCutter().push(EnergyStep(2.0, 3.0, 0.5)._replace(**wrong))


def test_an_unknown_state_is_refused() -> None:
    unknown: Any = "asleep"
    with pytest.raises(SchemaError, match=r"expected a state of .*, got 'asleep' \[wrong-step\]"):
        CellCutter().push(EnergyStep(0.0, 1.0, 0.5, unknown))


def test_protocols_know_their_kind() -> None:
    machine = StateMachine(threshold=1.0)
    assert isinstance(machine, Segmenter)
    assert isinstance(machine.stream(), SegmentStream)
    assert not isinstance(machine, SegmentStream)
