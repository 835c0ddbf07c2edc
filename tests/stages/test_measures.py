"""What energies are of: numbers of another tokenizer, source or mode mean nothing beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import lapsdata
from lapsdata.containers import Energies
from lapsdata.errors import SchemaError
from lapsdata.formats import read
from lapsdata.schema import SourceVideo
from lapsdata.stages.threshold import GivenOptions, Measure, expect_same_measure, find_threshold, read_threshold
from lapsdata.testing.samples import sample_energies, sample_tokens, sample_tracks
from lapsdata.transforms.energies import EnergyOptions, token_energies, track_energies

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lapsdata.containers.tokens import Tokens

ONE, OTHER = ("sha256:" + 64 * digit for digit in "12")
STEPS = EnergyOptions(mode="token_diff_step")


def tokens_of(checkpoint: str | None, name: str = "clip_0", seed: int = 0) -> Tokens:
    """Return the tokens of a video by a tokenizer of some weights."""
    from dataclasses import replace

    made = sample_tokens(windows=6, latent=3, seed=seed)
    tokenizer = made.header.tokenizer.model_copy(update={"checkpoint": checkpoint})
    changes: dict[str, Any] = {"tokenizer": tokenizer, "video": SourceVideo(name=name)}
    return replace(made, header=made.header.model_copy(update=changes))


@pytest.mark.parametrize("mode", ["token_diff_step", "token_size_step", "l2_mean"])
@pytest.mark.parametrize("weights", [ONE, None])
def test_energies_of_latents_say_whose_they_are(mode: Any, weights: str | None) -> None:
    made = token_energies([tokens_of(weights), tokens_of(weights, "clip_1", 1)], EnergyOptions(mode=mode))
    assert made.header.tokenizer == weights
    assert made.header.videos == ("clip_0", "clip_1")


def test_energies_of_tracks_are_of_no_tokenizer() -> None:
    assert track_energies([sample_tracks(windows=6)]).header.tokenizer is None


def test_latents_of_two_tokenizers_are_never_put_together() -> None:
    given = [tokens_of(ONE), tokens_of(OTHER, "clip_1", 1), tokens_of(ONE, "clip_2", 2)]
    told = (
        r"videos: expected tokens of one tokenizer, got 2: another than that of clip_0 made clip_1; encode all videos"
    )
    with pytest.raises(SchemaError, match=told):
        token_energies(given, STEPS)
    with pytest.raises(SchemaError, match=r"got 2: another than that of clip_0 made clip_1;"):
        token_energies([tokens_of(ONE), tokens_of(None, "clip_1", 1)], STEPS)


def stored(folder: Path, name: str, energies: Energies) -> Path:
    path = folder / f"{name}.jsonl"
    lapsdata.write(path, energies)
    assert read(path, Energies).header == energies.header
    return path


def test_a_threshold_carries_what_its_energies_are_of(tmp_path: Path) -> None:
    energies = stored(tmp_path, "one", token_energies([tokens_of(ONE)], STEPS))
    output, _ = find_threshold(energies, tmp_path / "threshold.json", GivenOptions(value=0.5))
    record = read_threshold(tmp_path / "threshold.json")
    assert record == output.content
    assert Measure.of(record) == Measure("quantized", "token_diff_step", None, ONE)


OTHERS: dict[str, tuple[Callable[[], Energies], str]] = {
    "of another tokenizer": (
        lambda: token_energies([tokens_of(OTHER)], STEPS),
        r"expected a threshold of quantized, token_diff_step, no smoothing, of the tokenizer sha256:22222222, as the "
        r"energies are, got one of quantized, token_diff_step, no smoothing, of the tokenizer sha256:11111111",
    ),
    "of one that nobody knows": (
        lambda: token_energies([tokens_of(None)], STEPS),
        r"expected a threshold of quantized, token_diff_step, no smoothing, as the energies are, got one of quantized",
    ),
    "of tracks": (lambda: sample_energies(), r"expected a threshold of velocity, velocity_step, no smoothing"),
    "of another mode": (
        lambda: token_energies([tokens_of(ONE)], EnergyOptions(mode="token_size_step")),
        r"expected a threshold of quantized, token_size_step",
    ),
}


@pytest.mark.parametrize("what", OTHERS)
def test_a_threshold_of_others_is_refused(what: str, tmp_path: Path) -> None:
    energies = stored(tmp_path, "one", token_energies([tokens_of(ONE)], STEPS))
    find_threshold(energies, tmp_path / "threshold.json", GivenOptions(value=0.5))
    record = read_threshold(tmp_path / "threshold.json")
    expect_same_measure(record, Measure.of(read(energies, Energies).header), "threshold.json")
    make, told = OTHERS[what]
    with pytest.raises(SchemaError, match=rf"threshold.json: {told}"):
        expect_same_measure(record, Measure.of(make().header), "threshold.json")


def test_the_command_refuses_it_too(tmp_path: Path, inside: Any) -> None:
    one = stored(tmp_path, "one", token_energies([tokens_of(ONE)], STEPS))
    other = stored(tmp_path, "other", token_energies([tokens_of(OTHER)], STEPS))
    assert inside("threshold", one, "--out", "threshold.json", "--method", "0.5").returncode == 0
    words = ("--threshold", "threshold.json", "--set", "max_duration_s=30")
    assert inside("segment", one, "--out", "one.parquet", *words).returncode == 0
    done = inside("segment", other, "--out", "other.parquet", *words)
    assert done.returncode == 1
    assert "of the tokenizer sha256:22222222, as the energies are" in done.stderr
    assert not (tmp_path / "other.parquet").exists()


def moved(motion: Any, name: str = "clip_0", seed: int = 0) -> Tokens:
    """Return tokens with or without the motion of the camera."""
    from dataclasses import replace

    made = tokens_of(ONE, name, seed)
    return replace(made, header=made.header.model_copy(update={"motion": motion}))


@pytest.mark.parametrize("motion", ["raw", "residual", None])
def test_energies_say_whether_the_camera_is_in_them(motion: Any, tmp_path: Path) -> None:
    energies = token_energies([moved(motion)], STEPS)
    assert energies.header.motion == motion
    output, _ = find_threshold(stored(tmp_path, "one", energies), tmp_path / "t.json", GivenOptions(value=0.5))
    assert output.content.motion == motion


def test_energies_of_tracks_say_it_too() -> None:
    for motion in ("raw", "residual"):
        options = EnergyOptions(motion=motion)
        assert track_energies([sample_tracks(windows=6, points=30)], options).header.motion == motion


def test_raw_and_residual_are_never_put_together_or_taken_for_each_other(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=r"expected raw motion of all videos, as of clip_0, got other of 'clip_1'"):
        token_energies([moved("raw"), moved("residual", "clip_1", 1)], STEPS)
    path = stored(tmp_path, "one", token_energies([moved("raw")], STEPS))
    record = find_threshold(path, tmp_path / "t.json", GivenOptions(value=0.5))[0].content
    told = r"expected a threshold of .*, residual motion, as the energies are, got one of .*, raw motion"
    with pytest.raises(SchemaError, match=told):
        expect_same_measure(record, Measure.of(token_energies([moved("residual")], STEPS).header), "t.json")
