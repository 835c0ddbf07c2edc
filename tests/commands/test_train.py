"""`lapsdata train`: what is corrected is the preset's, unless the call says so."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

import lapsdata
from lapsdata import formats
from lapsdata.schema import SourceVideo
from lapsdata.testing.samples import sample_tracks
from lapsdata.timebase import FrameRate
from lapsmodels.tokenizer.checkpoint import read_tokenizer_header
from lapsmodels.tokenizer.config import PRESETS
from lapsmodels.tokenizer.corrections import AS_PUBLISHED, Corrections
from lapsmodels.training import run as run_module

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


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_asked_to_stop_it_ends_with_the_code_of_the_signal(
    inside: Callable[..., Any],
    clips: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
    code: int,
) -> None:
    true = run_module.train

    def asked(*arguments: Any) -> Any:
        for facts in true(*arguments):
            os.kill(os.getpid(), number)
            yield facts

    monkeypatch.setattr(run_module, "train", asked)
    done = inside("train", clips, "--out", tmp_path / "t", "--val", "none", *QUICK)
    assert done.returncode == code
    assert "train: run it again: it goes on from step 1\n" in done.stderr
    monkeypatch.setattr(run_module, "train", true)
    assert inside("train", clips, "--out", tmp_path / "t", "--val", "none", *QUICK).returncode == 0


def test_quick_takes_epochs_where_they_are_given(inside: Callable[..., Any], clips: Path, tmp_path: Path) -> None:
    done = inside("train", clips, "--out", tmp_path / "t", "--quick", "--epochs", 1, "--threads", 1)
    assert done.returncode == 0, done.stderr
    assert "quick: 1 epoch, to see whether all of it works" in done.stderr
    trained = read_tokenizer_header(tmp_path / "t").trained
    assert trained is not None
    # 12 windows that are learned from, 4 of them a step.
    assert (trained.epochs, trained.steps) == (1, 3)


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("--steps", 2, "--epochs", 1), 2, "--steps, --epochs: expected one of them, got both"),
        (("--quick", "--steps", 2, "--epochs", 1), 2, "--steps, --epochs: expected one of them, got both"),
        (("--rate", "-1"), 1, "error: --rate: expected greater than 0, got -1.0 [wrong-value]"),
        (("--rate", "nan"), 1, "error: --rate: expected a finite number, got nan [wrong-value]"),
        (("--average", "2"), 1, "error: --average: expected less than 1, got 2.0 [wrong-value]"),
    ],
)
def test_options_are_named_as_they_are_typed(
    inside: Callable[..., Any], clips: Path, tmp_path: Path, words: tuple[Any, ...], code: int, told: str
) -> None:
    done = inside("train", clips, "--out", tmp_path / "t", *words)
    assert done.returncode == code
    assert told in " ".join(done.stderr.split())
    assert "TrainStageOptions" not in done.stderr
    assert not (tmp_path / "t").exists()


def test_a_file_is_learned_from_once(inside: Callable[..., Any], clips: Path, tmp_path: Path) -> None:
    """However it is named; as the energies of a video that is there twice, it is an error."""
    (tmp_path / "link.h5").symlink_to(clips / "clip_1.h5")
    for again in (clips / "clip_1.h5", clips / ".." / clips.name / "clip_1.h5", tmp_path / "link.h5"):
        done = inside("train", clips, again, "--out", tmp_path / "t", *QUICK)
        assert done.returncode == 1
        assert f"tracks: expected each file once, got 1 of them again: '{again}'" in done.stderr
        assert "[file-twice]" in done.stderr
        judged = inside("train", clips / "clip_0.h5", "--out", tmp_path / "t", "--val", clips, "--val", again, *QUICK)
        assert f"val: expected each file once, got 1 of them again: '{again}'" in judged.stderr
        assert not (tmp_path / "t").exists()


def test_tracks_of_unlike_rates_are_told_what_helps(inside: Callable[..., Any], clips: Path, tmp_path: Path) -> None:
    clip = sample_tracks(windows=6, horizon=6, points=9, video=SourceVideo(name="fast"))
    header = clip.header.model_copy(update={"rate": FrameRate(20)})
    formats.write(clips / "fast.h5", replace(clip, header=header, frame_s=clip.frame_s / 2))
    words = ("train", clips, "--out", tmp_path / "t", "--val", "none", *QUICK)
    refused = inside(*words)
    assert refused.returncode == 1
    assert "10 Hz of clip_0 and 20 Hz of fast; track all videos alike (lapsdata track --fps)" in refused.stderr
    assert "--as-published" in refused.stderr
    assert "[unlike-rates]" in refused.stderr
    done = inside(*words, "--as-published")
    assert done.returncode == 0, done.stderr


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
