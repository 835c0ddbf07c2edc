"""Overlays: what is drawn, and where."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lapsdata.report.overlays import OverlayData, overlay_frames
from lapsdata.segmenters import segment
from lapsdata.segmenters.state_machine import StateMachine
from lapsdata.transforms.energies import EnergyOptions, StepLayout, StepRows, step_energies

if TYPE_CHECKING:
    from lapsdata.containers import Energies, Segments

RED, SEGMENT, GATED = (196, 60, 40), (250, 221, 180), (222, 222, 222)


@pytest.fixture
def data() -> OverlayData:
    """Return 10 s of energies at 10 per second: quiet, from 4 to 6 s loud, and from 8 s on gated."""
    value = np.where((np.arange(100) >= 40) & (np.arange(100) < 60), 4.0, 1.0)
    gated = np.arange(100) >= 80
    rows = StepRows(np.where(gated, np.nan, value), gated)
    energies: Energies = step_energies(
        "clip", np.arange(101) / 10, rows, StepLayout(1, 1, between=False), EnergyOptions()
    )
    found: Segments = segment(energies, StateMachine(threshold=2.0))
    return OverlayData(
        energies=energies, segments=found, threshold=2.0, ready_s=[1.5, 1.9, 2.3], latency_s=[0.1, 0.2, 0.3]
    )


def columns(strip: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """Return which columns of the top of a strip have a colour as their ground."""
    return np.flatnonzero((strip[1] == colour).all(axis=-1))


def test_states_and_latencies_are_those_of_the_moment(data: OverlayData) -> None:
    told = [data.state(time_s) for time_s in (1.0, 4.5, 6.5, 9.0, 12.0)]
    assert told == ["quiet", "inside", "quiet", "gated", "-"]
    assert [data.latency(time_s) for time_s in (1.0, 1.5, 2.2, 9.0)] == [None, 0.1, 0.2, 0.3]


def test_the_strip_has_segments_gates_and_the_threshold_in_their_place(data: OverlayData) -> None:
    pictures = [np.full((48, 64, 3), 90, np.uint8)] * 2
    first, second = overlay_frames(pictures, [5.0, 6.0], data)
    assert first.shape == (630, 640, 3)
    assert (first[:480] == 90).all()
    # 10 s on 640 columns: 0 s is the left border when it is 5 s.
    inside = columns(first[510:], SEGMENT)
    assert (inside.min(), inside.max()) == (256, 383)
    assert columns(first[510:], GATED).min() == 512
    assert columns(second[510:], SEGMENT).min() == 256 - 64
    assert (np.abs(first[510:, 20].astype(int) - RED).max(axis=-1) < 90).any()


def test_the_picture_keeps_its_shape_and_gets_even_sides(data: OverlayData) -> None:
    wide = next(overlay_frames([np.zeros((101, 1281, 3), np.uint8)], [1.0], data))
    assert wide.shape[1] == 640
    assert wide.shape[0] == 50 + 150


def test_energies_of_zero_and_no_threshold_can_be_drawn(data: OverlayData) -> None:
    energies = replace(data.energies, energy=data.energies.energy - 1)
    plain = replace(data, energies=energies, threshold=None)
    drawn = next(overlay_frames([np.zeros((48, 64, 3), np.uint8)], [5.0], plain))
    assert not (np.abs(drawn[510:, 20].astype(int) - RED).max(axis=-1) < 90).any()
