"""threshold, segment and check as a user types them: searches, reports by key, energies of another camera."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lapsdata import formats
from lapsdata.containers import Energies
from lapsdata.schema import EnergiesHeader
from lapsdata.segmenters import segment
from lapsdata.segmenters.state_machine import StateMachine
from lapsdata.testing.samples import sample_provenance

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., Any]

HOP_S = 0.1


def measured(source: str, seed: int) -> Energies:
    """Return energies of two videos of 12 s that are high for 1 s out of 3."""
    random = np.random.default_rng(seed)
    rows = 120
    active = (np.arange(2 * rows) // 10) % 3 == 1
    values = np.where(active, 4.0, 0.1) * np.exp(random.normal(0, 0.3, 2 * rows))
    header = EnergiesHeader(
        provenance=sample_provenance(), per="step", source=source, mode=f"{source}_step", support_s=HOP_S, hop_s=HOP_S,
        videos=("one", "two"),
    )  # fmt: skip
    index = np.tile(np.arange(rows), 2)
    video = np.repeat([0, 1], rows)
    state = np.zeros(2 * rows, np.uint8)
    return Energies(header, video, index, index * HOP_S, (index + 1) * HOP_S, values, state)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    velocity = measured("velocity", 0)
    formats.write(tmp_path / "velocity.jsonl", velocity)
    formats.write(tmp_path / "quantized.jsonl", measured("quantized", 1))
    formats.write(tmp_path / "other.jsonl", replace(velocity, energy=velocity.energy * 50))
    formats.write(tmp_path / "truth.parquet", segment(velocity, StateMachine(threshold=1.0)))
    return tmp_path


def well(done: Any) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


def searched(inside: Run, *words: str) -> str:
    return well(inside("threshold", "velocity.jsonl", "truth.parquet", "--out", "t.json", *words))


@pytest.mark.usefixtures("folder")
def test_a_threshold_is_searched_for_and_used(inside: Run) -> None:
    told = searched(inside, "--leave-one-out", "--tolerance", "0.25")
    for line in (
        "(boundary_search)",
        "(exact)",
        "f_macro 1.0000 at 0.25 s, as found",
        "a metronome of",
        "one energy all the time",
        "on videos that were left out",
        "threshold: 8",
        "by others  thresholds ",
    ):
        assert line in told
    assert max(map(len, told.splitlines())) <= 80
    assert searched(inside, "--leave-one-out", "--tolerance", "0.25").split()[-1] == "kept"
    done = inside("segment", "velocity.jsonl", "--threshold", "t.json", "--out", "s.parquet")
    assert "8, median" in well(done)
    # These actions are all of one length, as a clock would cut them, which is told whatever cuts.
    assert [line.split("[")[-1] for line in done.stderr.splitlines()] == ["equal-lengths]"]
    assert inside("check", "velocity.jsonl", "--against", "t.json:value").stderr == ""


@pytest.mark.usefixtures("folder")
def test_a_threshold_is_told_as_json(inside: Run) -> None:
    told = json.loads(searched(inside, "--json"))
    assert told["value"] == told["record"]["value"]
    assert told["record"]["boundary_search"]["objective"] == "f_macro"


@pytest.mark.usefixtures("folder")
def test_energies_of_another_camera_are_told(inside: Run) -> None:
    searched(inside)
    for words in (
        ("segment", "other.jsonl", "--threshold", "t.json", "--out", "s.parquet"),
        ("check", "other.jsonl", "--against", "t.json"),
    ):
        done = inside(*words)
        assert "[energies-shifted]" in done.stderr
        assert "[threshold-outside]" in done.stderr
        well(done)


@pytest.mark.usefixtures("folder")
def test_other_rules_than_those_of_the_search_are_told(inside: Run) -> None:
    searched(inside)
    done = inside("segment", "velocity.jsonl", "--report", "t.json", "--out", "s.parquet", "--set", "up_s=0.5")
    assert "searched for with, up_s=0.2, got up_s=0.5" in done.stderr
    well(done)


@pytest.mark.usefixtures("folder")
def test_another_energy_may_say_what_is_active(inside: Run) -> None:
    told = well(inside("threshold", "quantized.jsonl", "--pseudo-labels", "velocity.jsonl", "--out", "q.json"))
    assert "f1 1.0000 against labels, not a truth" in told
    assert "80 of 240 rows are active" in told
    assert max(map(len, told.splitlines())) <= 80
    assert "(pseudo_labels)" in told


def test_a_report_is_read_by_key(inside: Run, folder: Path) -> None:
    report = {"velocity_best": {"best_f1": {"F1": 1.0, "thr": 1.5}, "best_j": {"J": 1.0, "thr": 2.0}}}
    (folder / "best_threshold.json").write_text(json.dumps(report))
    key = "best_threshold.json:velocity_best.best_j"
    assert "2 (given)" in well(inside("segment", "velocity.jsonl", "--report", key, "--out", "s.parquet"))
    done = inside("segment", "velocity.jsonl", "--report", "best_threshold.json:flow_best", "--out", "s.parquet")
    assert done.returncode == 1
    assert "got 'flow_best'; there are velocity_best.best_f1.thr, velocity_best.best_j.thr" in done.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("threshold", "velocity.jsonl", "--tolerance", "1"), "--tolerance: not without a truth"),
        (("threshold", "velocity.jsonl", "--align", "rows"), "--align: not without --pseudo-labels"),
        (("threshold", "velocity.jsonl", "--objective", "f1"), "--objective: not without a truth"),
        (("threshold", "velocity.jsonl", "truth.parquet", "--method", "otsu"), "--method: not beside a truth"),
        (("threshold", "velocity.jsonl", "truth.parquet", "--labels", "otsu"), "--labels: not beside a truth"),
        (
            ("threshold", "velocity.jsonl", "truth.parquet", "--pseudo-labels", "x"),
            "--pseudo-labels: not beside a truth",
        ),
        (("threshold", "velocity.jsonl", "--pseudo-labels", "x", "--most", "3"), "--most: not beside --pseudo-labels"),
        (("segment", "velocity.jsonl", "--threshold", "1", "--report", "t.json"), "--report: not beside --threshold"),
        (("segment", "velocity.jsonl", "--report", "otsu"), "expected FILE.json or FILE.json:KEY, got 'otsu'"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_options_that_mean_nothing_together_are_refused(inside: Run, words: tuple[str, ...], told: str) -> None:
    done = inside(*words, "--out", "x.json")
    assert done.returncode == 2
    assert told in " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("threshold", "velocity.jsonl", "truth.parquet", "--objective", "f1"), "--objective: expected 'f_macro' or"),
        (("threshold", "velocity.jsonl", "truth.parquet", "--set", "up=1"), "--set up: expected a known key"),
        (("threshold", "velocity.jsonl", "truth.parquet", "--set", "threshold=1"), "--set: expected no threshold"),
        (("threshold", "velocity.jsonl", "truth.parquet", "--beyond", "stop"), "--beyond: expected 'raise' or"),
        (("threshold", "velocity.jsonl", "truth.parquet", "--most", "9"), "ask for --most"),
        (("threshold", "quantized.jsonl", "--pseudo-labels", "velocity.jsonl", "--align", "x"), "--align: expected"),
        (("segment", "velocity.jsonl", "--segmenter", "uniform"), "got {}; name each by --set KEY=VALUE"),
        (("segment", "velocity.jsonl", "--threshold", "nowhere.json:x"), "nowhere.json: cannot read"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_wrong_values_are_told_by_their_option(inside: Run, words: tuple[str, ...], told: str) -> None:
    done = inside(*words, "--out", "x.json")
    assert done.returncode == 1
    assert told in done.stderr


@pytest.mark.usefixtures("folder")
def test_what_is_compared_are_energies_and_a_record(inside: Run) -> None:
    searched(inside)
    done = inside("check", "quantized.jsonl", "truth.parquet", "--against", "t.json")
    assert done.returncode == 1
    assert "[wrong-measure]" in done.stderr
    assert "[wrong-record]" in done.stderr
    assert inside("check", "nowhere.jsonl", "--against", "t.json").stderr.count("[not-found]") == 1
    assert inside("check", "velocity.jsonl", "--against", "otsu").returncode == 2
