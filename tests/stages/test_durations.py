"""Durations of train videos as parameters of segmenters, and boundaries refined by the support, by the verb."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata import formats
from lapsdata.containers import Segments
from lapsdata.errors import SchemaError
from lapsdata.stages.durations import Durations, train_durations
from lapsdata.stages.segment import parameters_of
from lapsdata.testing.samples import sample_energies, sample_segments

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., Any]


def truth(path: Path, lasting: list[float], video: str = "train_0") -> Path:
    ends = np.cumsum(lasting).tolist()
    rows = [f"{video},{end - one},{end}" for one, end in zip(lasting, ends, strict=True)]
    path.write_text("\n".join(["video,start_s,end_s", *rows]) + "\n")
    return path


@given(st.lists(st.integers(1, 64), min_size=1, max_size=20), st.floats(0.01, 1))
def test_the_cap_is_the_shortest_duration_that_holds_the_share(
    tmp_path_factory: pytest.TempPathFactory, ticks: list[int], quantile: float
) -> None:
    lasting = [tick / 8 for tick in ticks]
    found = train_durations(truth(tmp_path_factory.getbasetemp() / "truth.csv", lasting), quantile)
    shares = {one: sum(other <= one for other in lasting) / len(lasting) for one in lasting}
    assert found.cap_s == min(one for one, share in shares.items() if share >= quantile - 1e-12)
    assert found.mean_s == pytest.approx(sum(lasting) / len(lasting))
    assert found.segments == len(lasting)


def test_a_quantile_is_a_share(tmp_path: Path) -> None:
    path = truth(tmp_path / "t.csv", [1.0])
    for quantile in (0.0, 1.5, float("nan")):
        with pytest.raises(SchemaError, match=r"expected a share above 0, up to 1, got .* \[wrong-quantile\]"):
            train_durations(path, quantile)


def test_no_segment_tells_no_duration(tmp_path: Path) -> None:
    made = sample_segments()
    none = replace(
        made, header=made.header.model_copy(update={"embedding": None}),
        video_index=made.video_index[:0], start_s=made.start_s[:0], end_s=made.end_s[:0], end_reason=(),
        label=(), score=None, codes=None, embedding=None,
    )  # fmt: skip
    formats.write(tmp_path / "t.parquet", none)
    with pytest.raises(SchemaError, match=r"t\.parquet: expected true segments, got none \[no-segments\]"):
        train_durations(tmp_path / "t.parquet")


def test_each_segmenter_is_told_what_it_knows() -> None:
    told = Durations(9, 4.0, 1.5, ("a",))
    expected = {
        "state_machine": {"max_duration_s": 4.0},
        "random_cuts": {"mean_s": 1.5},
        "abd": {"mean_s": 1.5},
        "uniform": {},
        "kernel_cpd": {},
    }
    assert {name: told.parameters(parameters_of(name)) for name in expected} == expected


def test_durations_of_the_same_videos_are_told() -> None:
    told = Durations(9, 4.0, 1.5, ("a", "b"))
    assert told.problems(["c"], "t.csv") == ()
    (problem,) = told.problems(["b", "c"], "t.csv")
    assert (problem.code, problem.severity) == ("own-truth", "warning")
    assert "got those of 1 that are cut here: 'b'" in problem.message


@pytest.fixture
def energies(tmp_path: Path) -> Path:
    formats.write(tmp_path / "e.jsonl", sample_energies(steps=60))
    return tmp_path / "e.jsonl"


def test_the_verb_caps_by_train_durations(energies: Path, tmp_path: Path, inside: Run) -> None:
    truth(tmp_path / "t.csv", [0.2] * 9 + [2.0])
    words = ("segment", energies.name, "--out", "s.parquet", "--threshold", "0.1", "--set", "up_s=0")
    done = inside(*words, "--durations-from", "t.csv", "--cap-quantile", "0.9", "--set", "missing=hold")
    assert done.returncode == 0, done.stderr
    assert "10 true segments, cap 0.2 s, mean 0.38 s" in done.stdout
    header = formats.read(tmp_path / "s.parquet", Segments).header
    assert header.segmenter is not None
    assert header.segmenter.parameters["max_duration_s"] == pytest.approx(0.2)
    assert [(one.role, one.name) for one in header.provenance.parents] == [
        ("energies", "e.jsonl"), ("durations", "t.csv"),
    ]  # fmt: skip
    assert "own-truth" not in done.stderr


def test_the_verb_tells_a_truth_of_its_own_videos(energies: Path, tmp_path: Path, inside: Run) -> None:
    truth(tmp_path / "t.csv", [0.5, 1.0], video="clip_0")
    done = inside("segment", energies.name, "--out", "s.parquet", "--segmenter", "abd", "--durations-from", "t.csv")
    assert done.returncode == 0, done.stderr
    assert "[own-truth]" in done.stderr


def test_the_verb_refines_by_half_the_support(energies: Path, tmp_path: Path, inside: Run) -> None:
    words = ("segment", energies.name, "--out", "s.parquet", "--threshold", "0.1", "--refine", "steepest")
    assert inside(*words).returncode == 0
    header = formats.read(tmp_path / "s.parquet", Segments).header
    assert header.segmenter is not None
    assert header.segmenter.parameters["refine_s"] == pytest.approx(0.1)


def test_the_verb_tells_pieces_that_it_could_not_make(energies: Path, tmp_path: Path, inside: Run) -> None:
    words = ("segment", energies.name, "--segmenter", "kernel_cpd", "--out", "s.parquet")
    done = inside(*words, "--set", "count=50")
    assert done.returncode == 0, done.stderr
    short = formats.read(tmp_path / "s.parquet", Segments).header.policies["fewer-than-asked"]
    assert f"{short} pieces fewer than were asked for, over all videos" in done.stderr
    assert "[fewer-than-asked]" in done.stderr


WRONG: dict[str, tuple[tuple[str, ...], str]] = {
    "quantile alone": (("--cap-quantile", "0.9"), "goes with --durations-from"),
    "a cap beside": (("--durations-from", "t.csv", "--set", "max_duration_s=1"), "not beside --set max_duration_s"),
    "a reach beside": (("--refine", "steepest", "--set", "refine_s=1"), "not beside --set refine_s"),
    "nothing to tell": (
        ("--segmenter", "uniform", "--set", "count=2", "--durations-from", "t.csv"),
        "uniform has no parameter that it tells",
    ),
    "nothing to refine": (("--segmenter", "peaks", "--refine", "steepest"), "peaks has no parameter that it tells"),
    "another way": (("--refine", "steep"), "'none', 'steepest'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_words_are_refused(case: str, energies: Path, tmp_path: Path, inside: Run) -> None:
    truth(tmp_path / "t.csv", [0.5, 1.0])
    words, message = WRONG[case]
    done = inside("segment", energies.name, "--out", "s.parquet", *words)
    assert done.returncode != 0
    assert message in " ".join(done.stderr.replace("│", " ").split())
