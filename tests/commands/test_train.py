"""`lapsdata train`: what is corrected is the preset's, unless the call says so."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

import lapsdata
from lapsdata import formats
from lapsdata.schema import SourceVideo
from lapsdata.testing.samples import sample_tracks
from lapsmodels.tokenizer.checkpoint import read_tokenizer_header
from lapsmodels.tokenizer.config import PRESETS
from lapsmodels.tokenizer.corrections import AS_PUBLISHED, Corrections

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

QUICK = ("--steps", 2, "--batch", 4, "--threads", 1, "--picture-every", 0)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), Corrections()),
        (("--as-published",), AS_PUBLISHED),
        (("--preset", "amplify"), AS_PUBLISHED),
        (("--preset", "amplify", "--corrected"), Corrections()),
    ],
)
def test_corrections_are_those_of_the_preset_or_of_the_call(
    inside: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    expected: Corrections,
) -> None:
    # Of the preset's choices, not of its size.
    tiny = {"width": 16, "heads": 2, "head_width": 8, "levels": (5, 3)}
    monkeypatch.setitem(PRESETS, "amplify", PRESETS["amplify"].model_copy(update=tiny))
    formats.write(tmp_path / "clip.h5", sample_tracks(windows=8, horizon=6, points=9))
    done = inside("train", tmp_path / "clip.h5", "--out", tmp_path / "t", "--val", "none", *QUICK, "--json", *words)
    assert done.returncode == 0, done.stderr
    trained = read_tokenizer_header(tmp_path / "t").trained
    assert trained is not None
    assert trained.corrections == expected
    assert json.loads(done.stdout)["classes"] == str(trained.train.classes)
    assert "displacements are none" in str(trained.train.classes)


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    (tmp_path / "tracks").mkdir()
    for number in range(3):
        clip = sample_tracks(windows=6, horizon=6, points=9, seed=number, video=SourceVideo(name=f"clip_{number}"))
        formats.write(tmp_path / "tracks" / f"clip_{number}.h5", clip)
    return tmp_path / "tracks"


@pytest.mark.parametrize(
    ("words", "judging"),
    [((), 1), (("--val", "0.6"), 2), (("--val", "none"), 0)],
    ids=["by default", "a share", "none"],
)
def test_some_of_the_videos_judge(
    inside: Callable[..., Any], clips: Path, tmp_path: Path, words: tuple[str, ...], judging: int
) -> None:
    done = inside("train", clips, "--out", tmp_path / "t", *QUICK, *words)
    assert done.returncode == 0, done.stderr
    told = json.loads((tmp_path / "t" / "training.json").read_text())
    assert (len(told["train"]), len(told["val"])) == (3 - judging, judging)
    assert ("judged by none" in " ".join(done.stdout.split())) == (judging == 0)
    assert ("no video judges it" in done.stderr) == (judging == 0)


def test_tracks_of_others_judge_unless_they_are_learned_from(
    inside: Callable[..., Any], clips: Path, tmp_path: Path
) -> None:
    words = ("train", clips / "clip_0.h5", clips / "clip_1.h5", "--out", tmp_path / "t", *QUICK)
    done = inside(*words, "--val", clips / "clip_2.h5")
    assert done.returncode == 0, done.stderr
    assert "6 windows of other videos" in done.stdout
    shared = inside(*words, "--val", clips)
    assert shared.returncode == 1
    assert "expected other videos than those that are learned from, got 2 of them" in shared.stderr


@pytest.mark.parametrize("share", ["0", "1", "-0.5"])
def test_a_share_is_between_none_and_all(inside: Callable[..., Any], clips: Path, tmp_path: Path, share: str) -> None:
    done = inside("train", clips, "--out", tmp_path / "t", *QUICK, f"--val={share}")
    assert done.returncode == 2
    assert "expected a share above 0 and below 1" in done.stderr


def test_quick_does_all_of_it_and_says_so(inside: Callable[..., Any], clips: Path, tmp_path: Path) -> None:
    done = inside("train", clips, "--out", tmp_path / "t", "--quick", "--threads", 1)
    assert done.returncode == 0, done.stderr
    assert "quick: 4 steps, to see whether all of it works: the weights are of no use" in done.stderr
    for name in ("finished.json", "log.jsonl", "pictures/step-00000004.png", "checkpoints/checkpoints.json"):
        assert (tmp_path / "t" / name).exists()


def test_what_is_trained_alone_is_said(inside: Callable[..., Any], clips: Path, tmp_path: Path) -> None:
    words = ("train", clips, "--out", tmp_path / "t", *QUICK, "--train-only")
    done = inside(*words, "classify.*")
    assert done.returncode == 0, done.stderr
    assert "29,025 of" in done.stderr
    refused = inside("train", clips, "--out", tmp_path / "u", *QUICK, "--train-only", "head.*")
    assert refused.returncode == 1
    assert "'head.*', which none has" in refused.stderr
    assert not (tmp_path / "u").exists()


def test_shards_and_catalogs_are_learned_from_as_files_are(
    inside: Callable[..., Any], clips: Path, tmp_path: Path
) -> None:
    assert inside("convert", clips, tmp_path / "all.shards").returncode == 0
    lapsdata.write_catalog(tmp_path / "all.catalog.parquet", clips)
    losses = []
    for number, given in enumerate((clips, tmp_path / "all.shards", tmp_path / "all.catalog.parquet")):
        out = tmp_path / str(number)
        done = inside("train", given, "--out", out, *QUICK, "--val", "0.4")
        assert done.returncode == 0, done.stderr
        lines = map(json.loads, (out / "log.jsonl").read_text().splitlines())
        losses.append([told["loss"] for told in lines if told["kind"] == "step"])
    assert losses[0] == losses[1] == losses[2]
    assert len(losses[0]) == 1
