"""The task `invariance` as a person or a script calls it: a table, a record, a file that is kept, refusals."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from lapsdata import console
from lapsdata.errors import LapsError
from lapsdata.schema import InvarianceResult
from lapsdata.storage.sealed_json import read_sealed_json
from lapsdata.video.writer import write_video
from lapsmodels.commands.invariance import PLUGIN
from lapsmodels.stages.track import track_video
from lapsmodels.stages.track_options import TrackOptions

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ROWS = ["same", "fps_5", "half_size", "mirrored", "letterboxed", "noisy", "reversed"]


@pytest.fixture(scope="module")
def moving(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return 40 frames at 10 per second: a noisy picture that moves, stands still, and moves again."""
    path = tmp_path_factory.mktemp("moving") / "moving.mp4"
    picture = np.random.default_rng(3).integers(0, 256, (12, 36), dtype=np.uint8).repeat(8, axis=0).repeat(8, axis=1)
    moves = np.cumsum([2] * 14 + [0] * 12 + [3] * 14)
    write_video(
        path, [np.repeat(picture[:, 120 - at : 248 - at, None], 3, axis=2).copy() for at in moves], np.arange(40) / 10
    )
    return path


@pytest.fixture
def task(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Run the task as an application of its own."""
    application = typer.Typer()
    application.command()(PLUGIN)
    monkeypatch.setattr(console, "_kept", None)
    return lambda *words: CliRunner().invoke(application, list(map(str, words)))


def test_a_table_with_a_row_for_each_change(task: Callable[..., Any], moving: Path, untrained: Path) -> None:
    done = task(moving, "--tokenizer", untrained, "--rate", "5", "--threshold", "otsu-linear", "--set", "up_s=0.0")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    at = next(number for number, line in enumerate(lines) if line.startswith("change"))
    assert [line.split()[0] for line in lines[at + 1 : at + 1 + len(ROWS)]] == ROWS
    same = lines[at + 1].split()
    assert same[same.index("0.000") + 1] == "1.00"
    assert same[-2] == "1.00"
    assert "otsu_linear of the unchanged" in " ".join(done.stdout.split())


def test_the_record_is_written_kept_and_printed(
    task: Callable[..., Any], moving: Path, untrained: Path, tmp_path: Path
) -> None:
    words = (moving, "--tokenizer", untrained, "--rate", "5", "--out", tmp_path / "card.json", "--json")
    done = task(*words)
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert document.pop("problems") == []
    told = InvarianceResult.parse(json.dumps(document))
    assert [row.name for row in told.rows] == ROWS
    first = told.rows[0]
    assert first.codes is not None
    assert first.codes.whole is not None
    assert first.codes.whole.share == 1.0
    assert first.codes.latent_rms == 0.0
    assert read_sealed_json(tmp_path / "card.json", InvarianceResult).rows == told.rows
    before = (tmp_path / "card.json").stat().st_mtime_ns
    assert json.loads(task(*words).stdout)["rows"] == document["rows"]
    assert (tmp_path / "card.json").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--fps", "fast"), r"expected frames per second above zero, got 'fast'"),
        (("--threshold", "high"), r"expected otsu, otsu-linear, a number or a file, got 'high'"),
        (("--energy", "l2_mean"), r"expected an energy of steps"),
        (("--tracker", "nobody"), r"got 'nobody'"),
        (("--set", "up=1"), r"up"),
        (("--fps", "1"), r"moving\.mp4 \(same\): expected at least one window of 6 frames, got 4 frames at 1"),
    ],
)
def test_what_does_not_fit_is_named(
    task: Callable[..., Any], moving: Path, untrained: Path, words: tuple[str, ...], message: str
) -> None:
    done = task(moving, "--tokenizer", untrained, *words)
    assert done.exit_code != 0
    with pytest.raises(LapsError, match=message):
        raise done.exception


def test_a_threshold_of_these_energies_is_taken_and_one_of_others_is_not(
    task: Callable[..., Any], moving: Path, untrained: Path, tmp_path: Path, inside: Callable[..., Any]
) -> None:
    # What the stages of the main job say of the same video is what the card takes.
    tracks, tokens = tmp_path / "moving.h5", tmp_path / "tokens"
    track_video(moving, tracks, TrackOptions(points=16, horizon=6))
    assert inside("encode", tracks, "--tokenizer", untrained, "--out", tokens)[0] == 0
    for mode, given in (("token_diff_step", tokens / "moving.zarr"), ("velocity_step", tracks)):
        energies = tmp_path / f"{mode}.jsonl"
        assert inside("energies", given, "--mode", mode, "--out", energies)[0] == 0
        assert inside("threshold", energies, "--out", tmp_path / f"{mode}.json")[0] == 0
    words = (moving, "--tokenizer", untrained, "--rate", "5", "--json", "--threshold")
    own = json.loads(task(*words, tmp_path / "token_diff_step.json").stdout)
    found = json.loads(task(*words, "otsu").stdout)
    assert own["rules"]["threshold_of"] == "given"
    assert found["rules"]["threshold_of"] == "unchanged_videos"
    assert own["rules"]["segmenter_parameters"] == found["rules"]["segmenter_parameters"]
    assert own["rows"] == found["rows"]
    done = task(*words, tmp_path / "velocity_step.json")
    with pytest.raises(LapsError, match=r"expected a threshold of quantized, token_diff_step.*got one of velocity"):
        raise done.exception


def test_the_plug_in_says_what_it_is() -> None:
    assert PLUGIN.__doc__ is not None
    assert PLUGIN.__doc__.splitlines()[0] == "Tell what changes that change nothing do to tokens."
