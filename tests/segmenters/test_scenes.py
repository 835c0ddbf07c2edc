"""From exact tracks of rendered scenes to segments: they begin and end where the motion does, unlike a clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from lapsdata.segmenters import constant_energy_segments, metronome_problems, otsu_threshold, segment
from lapsdata.segmenters.peaks import Peaks
from lapsdata.segmenters.random_cuts import RandomCuts
from lapsdata.segmenters.state_machine import StateMachine
from lapsdata.segmenters.uniform import Uniform
from lapsdata.testing.scene_truth import true_segments, true_tracks
from lapsdata.testing.scenes import MEASURE_SEEDS, SceneConfig, render_scene
from lapsdata.transforms.energies import EnergyOptions, track_energies

if TYPE_CHECKING:
    from lapsdata.containers import Energies, Segments

SCENES = tuple(render_scene(seed, SceneConfig(actions=5)) for seed in MEASURE_SEEDS[:3])


@pytest.fixture(scope="module")
def energies() -> Energies:
    tracks = [true_tracks(scene, points=49, stride=8) for scene in SCENES]
    return track_energies(tracks, EnergyOptions())


def f1(found: Segments, *, tolerance_s: float = 0.25) -> float:
    """Return the mean F1 of inner boundaries, matched one to one in order of time."""
    truth, scores = true_segments(*SCENES), []
    for video in found.header.videos:
        told, true = (inner(segments, video.name, video.end_s) for segments in (found, truth))
        hits = i = k = 0
        while i < len(told) and k < len(true):
            near = abs(told[i] - true[k]) <= tolerance_s
            hits, i, k = hits + near, i + (near or told[i] < true[k]), k + (near or told[i] >= true[k])
        scores.append(2 * hits / (len(told) + len(true)))
    return float(np.mean(scores))


def inner(segments: Segments, name: str, end_s: float) -> list[float]:
    rows = segments.of_video(name)
    edges = np.unique(np.round(np.concatenate([segments.start_s[rows], segments.end_s[rows]]), 6))
    return [edge for edge in edges.tolist() if 1e-3 < edge < end_s - 1e-3]


def test_segments_are_those_of_the_scene(energies: Energies) -> None:
    threshold = otsu_threshold(energies)
    found = segment(energies, StateMachine(threshold=threshold.value))
    assert threshold.problems == metronome_problems(found) == ()
    assert f1(found) > 0.95
    assert f1(found, tolerance_s=0.1) > 0.9


def test_rows_that_look_at_nothing_are_far_below(energies: Energies) -> None:
    threshold = otsu_threshold(energies).value
    machine = StateMachine(threshold=threshold, max_duration_s=1.0)
    rows = [
        constant_energy_segments(energies, machine, level=threshold),
        *(segment(energies, Uniform(period_s=period_s)) for period_s in (0.5, 1.0, 2.0)),
        *(segment(energies, RandomCuts(mean_s=1.0, seed=seed)) for seed in range(5)),
    ]
    assert max(map(f1, rows)) < 0.65
    assert [problem.code for problem in metronome_problems(rows[0])] == ["metronome"]


def test_a_linear_threshold_misses_the_quiet_actions(energies: Energies) -> None:
    """On the logarithm, quiet actions are as far from rest as loud ones from them."""
    linear = otsu_threshold(energies, scale="linear")
    assert linear.value > 10 * otsu_threshold(energies).value
    assert f1(segment(energies, StateMachine(threshold=linear.value))) < 0.8


def test_peaks_of_speed_lie_within_actions(energies: Energies) -> None:
    """A speed is high while an action goes on: its peaks are no boundaries, which is why they are not the default."""
    assert f1(segment(energies, Peaks(prominence=1.0, distance_s=0.5))) < 0.5
