"""The search on GTEA's true labels: what energies that have seen nothing can score, and what that is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lapsdata import formats
from lapsdata.adapters import mstcn
from lapsdata.containers import Energies, Segments
from lapsdata.metrics import evaluate_boundaries
from lapsdata.schema import EnergiesHeader
from lapsdata.segmenters import segment
from lapsdata.segmenters.state_machine import StateMachine
from lapsdata.stages.threshold_search import SearchOptions, search_threshold
from lapsdata.testing.samples import sample_provenance

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

RATE, SPLIT = 15, "train.split1"
# The state machine as LAPS's log has it, of windows every 0.4 s.
LAPS: dict[str, Any] = {"up_s": 0.8, "down_s": 0.8, "cooldown_s": 0.4, "max_duration_s": 2.0}


@pytest.fixture(scope="module")
def truth(real_data: Path) -> Segments:
    found: Any = mstcn.read(real_data / "gtea", rate=RATE).container
    assert isinstance(found, Segments)
    return found


def energies(truth: Segments, values: dict[str, NDArray[np.float64]]) -> Energies:
    """Return one value per frame of every video of GTEA, test videos included."""
    names = tuple(video.name for video in truth.header.videos)
    header = EnergiesHeader(
        provenance=sample_provenance(), per="step", source="velocity", mode="velocity_step", support_s=1 / RATE,
        hop_s=1 / RATE, videos=names,
    )  # fmt: skip
    counts = [len(values[name]) for name in names]
    index = np.concatenate([np.arange(count) for count in counts])
    video = np.repeat(np.arange(len(names)), counts)
    every = np.concatenate([values[name] for name in names])
    return Energies(header, video, index, index / RATE, (index + 1) / RATE, every, np.zeros(len(every), np.uint8))


def noise(truth: Segments) -> dict[str, NDArray[np.float64]]:
    random = np.random.default_rng(0)
    frames = {video.name: round(video.end_s * RATE) for video in truth.header.videos}
    return {
        name: np.exp(np.convolve(random.normal(0, 1, count + 14), np.ones(15) / 4, "valid"))
        for name, count in frames.items()
    }


def seen(truth: Segments) -> dict[str, NDArray[np.float64]]:
    """Return energies that are low at each true boundary, whatever they are else."""
    random = np.random.default_rng(1)
    found = {}
    for video in truth.header.videos:
        rows = truth.of_video(video.name)
        count = round(video.end_s * RATE)
        values = np.exp(random.normal(0, 0.2, count))
        at = np.rint(truth.start_s[rows] * RATE).astype(np.int64)
        values[at] = 0.01 * values[at]
        found[video.name] = values
    return found


def test_noise_is_not_above_the_metronome_and_is_told(truth: Segments, real_data: Path, tmp_path: Path) -> None:
    formats.write(tmp_path / "e.jsonl", energies(truth, noise(truth)))
    options = SearchOptions(tolerance_s=2.0, segmenter=LAPS)
    output, problems = search_threshold(
        tmp_path / "e.jsonl", real_data / "gtea", tmp_path / "t.json", options, rate=RATE, split=SPLIT
    )
    found = output.content.boundary_search
    assert found is not None
    assert (found.videos, output.content.policies) == (21, {"without_truth_left_out": 7})
    assert (found.search, found.tried) == ("exact", found.candidates)
    assert found.candidates > 40_000
    assert 0.4 < found.score < found.chance.uniform_best_period
    assert found.chance.uniform_best_period == pytest.approx(0.8074, abs=1e-4)
    assert "not-above-chance" in [problem.code for problem in problems]


def test_energies_that_tell_the_boundaries_are_above_chance_on_videos_left_out(
    truth: Segments, real_data: Path, tmp_path: Path
) -> None:
    made = energies(truth, seen(truth))
    formats.write(tmp_path / "e.jsonl", made)
    machine: dict[str, Any] = {"up_s": 0.0, "down_s": 0.0}
    options = SearchOptions(tolerance_s=0.25, segmenter=machine, leave_one_out=True)
    output, problems = search_threshold(
        tmp_path / "e.jsonl", real_data / "gtea", tmp_path / "t.json", options, rate=RATE, split=SPLIT
    )
    found = output.content.boundary_search
    assert found is not None
    assert found.leave_one_out is not None
    assert problems == ()
    assert found.score > found.chance.uniform_best_period + 0.2
    assert found.leave_one_out.score == pytest.approx(found.score, abs=0.01)
    assert found.leave_one_out.highest < 2 * found.leave_one_out.lowest
    # What was searched for on train is what everyone scores there, and no less on the videos of the test.
    cut = segment(made, StateMachine(threshold=output.content.value, **machine))
    score = evaluate_boundaries(truth, cut, tolerances_s=(0.25,), draws=1).rows[0].scores[0].macro.f
    assert score == pytest.approx(found.score, abs=0.02)
