"""The task `probe`, as the verb hands over to it: a table, JSON, a file, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

import lapsdata
from lapsdata.cli.tasks.probe import PLUGIN
from lapsdata.errors import SchemaError, StorageError
from lapsdata.schema import ProbeResult
from lapsdata.storage.sealed_json import read_sealed_json
from lapsdata.testing.samples import sample_tokens

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Task = Callable[..., Any]

QUICK = ("--draws", "3", "--random-draws", "2")


@pytest.fixture
def task() -> Task:
    """Run the task as a command of its own."""
    app = typer.Typer()
    app.command()(PLUGIN)

    def run(*words: str | Path) -> Any:
        return CliRunner().invoke(app, [str(word) for word in words])

    return run


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    """Return a folder of tokens of three videos, with motion that is linear in their latents beside it."""
    folder = tmp_path / "tokens"
    folder.mkdir()
    rows = ["video,time_s,arm,hand"]
    for number in range(3):
        made = sample_tokens(windows=60, latent=3, seed=number)
        video = made.header.video.model_copy(update={"name": f"clip_{number}"})
        made = replace(made, header=made.header.model_copy(update={"video": video}))
        lapsdata.write(folder / f"clip_{number}.zarr", made)
        place = np.cumsum(np.random.default_rng(number).standard_normal(len(made.frame_s)))
        rows += [f"clip_{number},{time},{value},{-value}" for time, value in zip(made.frame_s, place, strict=True)]
    (tmp_path / "motion.csv").write_text("\n".join(rows))
    return folder


def test_a_table_beside_controls_and_a_file(task: Task, tokens: Path, tmp_path: Path) -> None:
    words = (tokens, "--truth", tmp_path / "motion.csv", "--columns", "arm", *QUICK, "--out", tmp_path / "p.json")
    done = task(*words)
    assert done.exit_code == 0, done.output
    head, _, columns, first, *rest = done.output.splitlines()
    assert head == "action probe: velocity of 1 quantity, 186 rows of 3 videos, 3 groups held out as a whole"
    assert columns.split() == ["row", "columns", "R²", "lowest", "highest"]
    assert first.startswith("tokens")
    for row in ("shuffled_tokens", "time", "random_features"):
        assert any(line.startswith(row) for line in rest)
    result = read_sealed_json(tmp_path / "p.json", ProbeResult)
    assert result.quantities == ("arm",)
    assert f"{result.rows[0].r2:.3f}" in first
    assert task(*words).output == done.output


def test_the_same_as_json(task: Task, tokens: Path, tmp_path: Path) -> None:
    words = ("--truth", tmp_path / "motion.csv", "--target", "value", "--groups", "x=clip_0,clip_1", "--strength", "1")
    done = task(tokens, *words, *QUICK, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.output)
    assert told["rules"]["target"] == "value"
    assert [group["name"] for group in told["groups"]] == ["clip_2", "x"]
    assert told["rows"][0]["strengths"] == [1.0, 1.0]
    assert told["rules"]["r2"] == "pooled_against_train_mean"


def test_what_is_left_out_is_told(task: Task, tokens: Path, tmp_path: Path) -> None:
    lines = (tmp_path / "motion.csv").read_text().splitlines()
    (tmp_path / "motion.csv").write_text(
        "\n".join(line for line in lines if not line.startswith(("clip_2", "clip_0,0.0,")))
    )
    done = task(tokens, "--truth", tmp_path / "motion.csv", "--strength", "1", *QUICK)
    assert done.exit_code == 0, done.output
    assert "rows outside the truth: 1" in done.output
    assert "videos without a truth: 1 ('clip_2')" in done.output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--columns", "leg"), "expected one of .*got 'leg'"),
        (("--groups", "all=clip_0,clip_1,clip_2"), "expected at least two groups"),
        (("--max-gap", "-1"), "max_gap_s"),
        (("--strength", "-1"), "strengths"),
    ],
)
def test_what_does_not_fit_is_told(
    task: Task, tokens: Path, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    done = task(tokens, "--truth", tmp_path / "motion.csv", *words)
    assert isinstance(done.exception, SchemaError)
    with pytest.raises(SchemaError, match=message):
        raise done.exception


def test_a_file_of_others_is_never_replaced(task: Task, tokens: Path, tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text("my notes")
    done = task(tokens, "--truth", tmp_path / "motion.csv", "--out", tmp_path / "p.json", "--force", *QUICK)
    assert isinstance(done.exception, StorageError)
    assert "it is left as it is" in str(done.exception)
    assert (tmp_path / "p.json").read_text() == "my notes"


def test_groups_from_a_table_and_windows_of_codes(task: Task, tokens: Path, tmp_path: Path) -> None:
    (tmp_path / "groups.csv").write_text("video,group\nclip_0,x\nclip_1,y\nclip_9,x\n")
    words = ("--groups", tmp_path / "groups.csv", "--per", "window", "--latents", "codes", "--columns", "arm")
    done = task(tokens, "--truth", tmp_path / "motion.csv", *words, *QUICK, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.output)
    assert [group["name"] for group in told["groups"]] == ["clip_2", "x", "y"]
    assert told["policies"]["grouped_videos_not_there"] == 1
    assert told["rules"]["per"] == "window"
    assert told["rows"][0]["parameters"]["of"] == "codes"
    assert sum(group["rows"] for group in told["groups"]) == 3 * 60


@pytest.mark.parametrize("words", [(), ("--seed", "7")])
def test_what_is_drawn_is_drawn_again_alike(task: Task, tokens: Path, tmp_path: Path, words: tuple[str, ...]) -> None:
    given = (tokens, "--truth", tmp_path / "motion.csv", *words, *QUICK, "--json")
    one, two = (json.loads(task(*given).output) for _ in range(2))
    assert one == two
    assert one["provenance"]["parameters"]["seed"] == (7 if words else 0)


@pytest.mark.parametrize("words", [("--draws", "0"), ("--folds", "1"), ("--per", "frame"), ("--seed", "-1"), ()])
def test_wrong_usage(task: Task, tokens: Path, tmp_path: Path, words: tuple[str, ...]) -> None:
    truth = ("--truth", tmp_path / "motion.csv") if words else ()
    assert task(tokens, *truth, *words).exit_code == 2
