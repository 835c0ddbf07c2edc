"""`lapsdata report`: the folder is made, kept, and told; what cannot be shown is named."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import typer
import typer.main

from lapsdata import formats
from lapsdata.cli.report import report as verb
from lapsdata.errors import SchemaError
from lapsdata.metrics import evaluate_boundaries
from lapsdata.stages.evaluate import EvaluateOptions, ScoredFiles, score_segments
from lapsdata.storage.sealed_json import write_sealed_json
from lapsdata.testing.samples import sample_energies, sample_scores, sample_segments
from tests.cli.one_verb import runner

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Ran

    Run = Callable[..., Ran]


@pytest.fixture
def report(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Run the verb in this process, in a folder with the files of a job."""
    found = sample_segments()
    formats.write(tmp_path / "e.jsonl", sample_energies())
    formats.write(tmp_path / "s.parquet", found)
    write_sealed_json(tmp_path / "scores.json", sample_scores(evaluate_boundaries(found, found, draws=2)))
    app = typer.Typer(add_completion=False)
    app.command()(verb)
    monkeypatch.chdir(tmp_path)
    return runner(app, monkeypatch, capsys, prog_name="report")


GIVEN = ("s.parquet", "--energies", "e.jsonl", "--out", "out")


def facts(text: str) -> dict[str, str]:
    return {line.split()[0]: " ".join(line.split()[1:]) for line in text.splitlines()}


def test_a_report_is_made_and_then_kept(report: Run, tmp_path: Path) -> None:
    for fate in ("made", "kept"):
        done = report(*GIVEN, "--truth", "s.parquet", "--scores", "scores.json")
        assert done.returncode == 0, done.stderr
        assert facts(done.stdout) == {
            "out": "out", "videos": "2, 2 with a truth", "segments": "3", "files": "7", "page": "out/index.html",
            "done": fate,
        }  # fmt: skip
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "curve.png", "index.html", "report.json", "scores.json", "scores.txt", "timelines",
    ]  # fmt: skip
    done = report(*GIVEN, "--truth", "s.parquet", "--scores", "scores.json", "--force")
    assert facts(done.stdout)["done"] == "forced"


def test_a_document_tells_the_same(report: Run, tmp_path: Path) -> None:
    told = json.loads(report(*GIVEN, "--json").stdout)
    assert (told["done"], told["why"], told["problems"]) == ("made", "", [])
    page = tmp_path / "out" / "index.html"
    page.write_text(page.read_text() + " ")
    told = json.loads(report(*GIVEN, "--json").stdout)
    assert told["done"] == "damaged"
    assert "index.html: expected the bytes that were written" in told["why"]
    told = json.loads(report(*GIVEN, "--json", "--energies", "e.jsonl").stdout)
    assert (told["done"], told["why"][:8]) == ("changed", "made of ")


def test_the_average_is_that_of_the_table(report: Run, tmp_path: Path) -> None:
    tables = []
    for average in ("macro", "micro"):
        assert report(*GIVEN, "--scores", "scores.json", "--average", average).returncode == 0
        tables.append((tmp_path / "out" / "scores.txt").read_text().splitlines()[1])
        assert f"Boundary F ({average}: " in (tmp_path / "out" / "index.html").read_text()
    assert [table[:17] for table in tables] == ["boundary F, macro", "boundary F, micro"]


def test_a_curve_of_scores_of_a_train_split_wants_that_split(report: Run, tmp_path: Path) -> None:
    others = sample_segments()
    names = tuple(video.model_copy(update={"name": f"other_{video.name}"}) for video in others.header.videos)
    formats.write(
        tmp_path / "train.parquet", replace(others, header=others.header.model_copy(update={"videos": names}))
    )
    files = ScoredFiles(tmp_path / "s.parquet", tmp_path / "s.parquet", train=tmp_path / "train.parquet")
    score_segments(files, tmp_path / "scores.json", EvaluateOptions(draws=2, shift_draws=2), force=True)
    for more, many in (((), False), (("--train", "train.parquet"), True)):
        report(*GIVEN, "--truth", "s.parquet", "--scores", "scores.json", "--note", "SYNTHETIC: none", *more)
        assert (tmp_path / "out" / "curve.json").exists() == many
        assert '<p class="note">SYNTHETIC: none</p>' in (tmp_path / "out" / "index.html").read_text()


def test_a_metronome_is_a_warning_and_no_error(report: Run, tmp_path: Path) -> None:
    made: Any = sample_segments()
    object.__setattr__(made, "end_reason", ("max_duration",) * 3)
    formats.write(tmp_path / "s.parquet", made, overwrite=True)
    done = report(*GIVEN)
    assert done.returncode == 0
    assert "warning: segments: 3 of 3 segments (100 %) end by max_duration" in done.stderr


def test_what_is_missing_is_named(report: Run, tmp_path: Path) -> None:
    done = report("s.parquet", "--out", "out")
    assert done.returncode == 2
    assert "--energies" in done.stderr
    formats.write(tmp_path / "other.jsonl", sample_energies().__class__.of_rows(
        sample_energies().header.model_copy(update={"videos": ("clip_7",)}), []))  # fmt: skip
    with pytest.raises(SchemaError, match="without 'clip_0', 'clip_1', and also 'clip_7'"):
        report("s.parquet", "--energies", "other.jsonl", "--out", "out")
    assert not (tmp_path / "out").exists()
