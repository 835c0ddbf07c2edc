"""Pieces of all thresholds: together all there are, and one segmentation in each."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.errors import SchemaError
from lapsdata.metrics.sweeps import frame_sweep
from lapsdata.segmenters import EnergySeries
from lapsdata.segmenters.many_thresholds import ManyThresholds, pieces_of
from lapsdata.segmenters.state_machine import StateMachine

VALUES = st.sampled_from([0.0, 0.25, 0.5, 0.95, 1.0, 1.0 / 0.95, 1.25, 3.0])
RATIOS = st.sampled_from([1.0, 0.95, 0.5])
INSTANT = {"up_s": 0.0, "down_s": 0.0}


def video(values: list[float], **options: Any) -> ManyThresholds:
    starts = np.arange(len(values), dtype=np.float64)
    machine = StateMachine(threshold=1.0, **(INSTANT | options))
    return ManyThresholds(EnergySeries.measured(starts, starts + 1, values), machine)


def cut(many: ManyThresholds, threshold: float) -> list[list[float]]:
    return many.segments(np.array([threshold])).spans_s.tolist()


@given(values=st.lists(VALUES, min_size=1, max_size=12), ratio=RATIOS)
def test_pieces_adjoin_and_hold_their_value(values: list[float], ratio: float) -> None:
    if ratio < 1 and max(values) <= 0:
        with pytest.raises(SchemaError, match=r"expected energies above 0 for an off_ratio .*\[no-threshold\]"):
            pieces_of([np.array(values)], off_ratio=ratio)
        return
    pieces = pieces_of([np.array(values)], off_ratio=ratio)
    assert (pieces.low[1:] == pieces.high[:-1]).all()
    assert ((pieces.low < pieces.value) & (pieces.value <= pieces.high)).all()
    assert pieces.high[-1] == math.inf
    assert pieces.low[0] == -math.inf if ratio == 1 or min(values) > 0 else pieces.value[0] > 0
    whole = len(np.unique([*values, *(np.array(values) / ratio)])) + 1
    assert len(pieces) + pieces.not_positive == whole


@given(values=st.lists(VALUES, min_size=1, max_size=12), ratio=RATIOS, threshold=st.floats(0.01, 4.0))
def test_any_threshold_cuts_as_the_value_of_its_piece(values: list[float], ratio: float, threshold: float) -> None:
    values = [*values, 1.0]
    many, pieces = video(values, off_ratio=ratio), pieces_of([np.array(values)], off_ratio=ratio)
    (at,) = np.flatnonzero((pieces.low < threshold) & (threshold <= pieces.high))
    assert cut(many, threshold) == cut(many, float(pieces.value[at]))


def test_hysteresis_parts_thresholds_between_the_energies_too() -> None:
    """Energies and the middles between them are not all: 0.9 is no end while its share of a threshold is below it."""
    many = video([2.0, 0.9, 2.0, 0.0], off_ratio=0.5)
    assert cut(many, 1.7) == [[0.0, 3.0]]
    assert cut(many, 1.9) == [[0.0, 1.0], [2.0, 3.0]]
    found = {str(cut(many, one)) for one in pieces_of([np.array([2.0, 0.9, 0.0])], off_ratio=0.5).value.tolist()}
    assert {"[[0.0, 3.0]]", "[[0.0, 1.0], [2.0, 3.0]]", "[]"} <= found


@given(values=st.lists(VALUES, min_size=1, max_size=8), others=st.lists(VALUES, min_size=1, max_size=8), ratio=RATIOS)
def test_what_is_not_distinct_is_the_same(values: list[float], others: list[float], ratio: float) -> None:
    many = video(values, off_ratio=ratio)
    thresholds = pieces_of([np.array(values), np.array([*others, 1.0])], off_ratio=ratio).value
    at = many.distinct(thresholds)
    assert at[0] == 0
    of = np.searchsorted(at, np.arange(len(thresholds)), side="right") - 1
    for threshold, first in zip(thresholds.tolist(), thresholds[at[of]].tolist(), strict=True):
        assert cut(many, threshold) == cut(many, first)


def test_neighbours_in_float64_are_parted() -> None:
    low = 1.0
    high = float(np.nextafter(low, 2))
    pieces = pieces_of([np.array([low, high])], off_ratio=1.0)
    assert pieces.value.tolist()[:2] == [low, high]


@given(values=st.lists(VALUES, min_size=2, max_size=12))
def test_without_another_side_they_are_the_pieces_of_frames(values: list[float]) -> None:
    pieces = pieces_of([np.array(values)], off_ratio=1.0)
    sweep = frame_sweep(np.array(values), np.arange(len(values)) == 0)
    np.testing.assert_array_equal((pieces.low, pieces.high), (sweep.low, sweep.high))


def test_no_energy_has_no_threshold() -> None:
    with pytest.raises(SchemaError, match=r"expected measured energies, got none \[no-energy\]"):
        pieces_of([np.empty(0)], off_ratio=1.0)


def test_more_segments_than_cells_are_kept() -> None:
    """One loud cell of 200 s under a longest duration of 1 s is 200 segments."""
    series = EnergySeries.measured([0.0], [200.0], [1.0])
    many = ManyThresholds(series, StateMachine(threshold=1.0, max_duration_s=1.0))
    assert many.segments(np.array([0.5])).spans_s.tolist() == [[at, at + 1] for at in range(200)]
    assert many.cells == 1
