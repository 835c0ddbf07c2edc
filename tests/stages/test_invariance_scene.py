"""Cards of a rendered scene by a real tracker and a real model: repeatable, and worse where more is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch

from lapsdata.containers import Tracks
from lapsdata.formats import read
from lapsdata.segmenters import segment
from lapsdata.segmenters.state_machine import StateMachine
from lapsdata.stages.threshold import OtsuOptions, told_threshold
from lapsdata.testing.samples import sample_provenance
from lapsdata.timebase import FrameRate
from lapsdata.transforms.energies import EnergyOptions, track_energies
from lapsmodels.stages.invariance import invariance_card
from lapsmodels.stages.invariance_options import InvarianceOptions
from lapsmodels.stages.track import track_video
from lapsmodels.stages.track_options import TrackOptions
from lapsmodels.tokenizer.checkpoint import TokenizerHeader, save_tokenizer, weights_digest
from lapsmodels.tokenizer.config import TokenizerConfig
from lapsmodels.tokenizer.model import MotionTokenizer

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata.schema import InvarianceResult, InvarianceRow

CONFIG = TokenizerConfig(points=48, horizon=8, width=16, heads=2, head_width=8, levels=(5, 3), scale=50.0)
SPEED = EnergyOptions(mode="velocity_step")


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small tokenizer with the weights that it begins with."""
    torch.manual_seed(2)
    header = TokenizerHeader(
        provenance=sample_provenance(), config=CONFIG, views=("default",), weights=weights_digest(b"")
    )
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer"
    save_tokenizer(path, MotionTokenizer(CONFIG), header)
    return path


def options(**told: Any) -> InvarianceOptions:
    return InvarianceOptions(**{"rates": (), "windows": "own", "energies": SPEED, **told})


@pytest.fixture(scope="module")
def card(scene_video: Path, tokenizer: Path) -> InvarianceResult:
    return invariance_card([scene_video], tokenizer, options())


def row(card: InvarianceResult, name: str) -> InvarianceRow:
    (found,) = [one for one in card.rows if one.name == name]
    return found


def test_the_same_again_is_the_same(card: InvarianceResult, scene_video: Path, tokenizer: Path) -> None:
    same = row(card, "same")
    assert same.boundaries is not None
    assert same.codes is not None
    assert same.codes.whole is not None
    assert same.boundaries.matched == same.boundaries.unchanged == same.boundaries.found > 0
    assert same.boundaries.median_shift_s == 0.0
    assert same.codes.whole.share == 1.0
    assert same.codes.latent_rms == 0.0
    assert invariance_card([scene_video], tokenizer, options()).to_bytes() == card.to_bytes()


def test_the_unchanged_video_is_cut_as_the_stages_cut_it(
    card: InvarianceResult, scene_video: Path, tmp_path: Path
) -> None:
    track_video(scene_video, tmp_path / "scene.h5", TrackOptions(points=48, horizon=8))
    energies = track_energies([read(tmp_path / "scene.h5", Tracks)], SPEED)
    threshold = told_threshold(energies, OtsuOptions()).value
    segments = segment(energies, StateMachine(threshold=threshold))
    assert card.rules.segmenter_parameters["threshold"] == threshold
    (video,) = segments.header.videos
    inner = {*segments.start_s.tolist(), *segments.end_s.tolist()} - {video.start_s, video.end_s}
    (first,) = card.rows[0].videos
    assert first.found == len(inner)


def test_speeds_do_not_know_left_from_right(card: InvarianceResult) -> None:
    mirrored = row(card, "mirrored")
    assert mirrored.boundaries is not None
    assert mirrored.boundaries.share == 1.0
    assert mirrored.boundaries.median_shift_s == pytest.approx(0.0, abs=0.07)


def test_more_noise_changes_more_codes(card: InvarianceResult, scene_video: Path, tokenizer: Path) -> None:
    few, many = (
        row(one, "noisy").codes for one in (card, invariance_card([scene_video], tokenizer, options(sigma=40.0)))
    )
    assert few is not None
    assert many is not None
    assert few.codes is not None
    assert many.codes is not None
    assert few.latent_rms is not None
    assert many.latent_rms is not None
    assert 0 < few.latent_rms < many.latent_rms
    assert 1 > few.codes.share > many.codes.share
    assert few.codes.share > few.codes.by_chance


def test_windows_of_a_rate_are_tracked_at_it(scene_video: Path, tokenizer: Path) -> None:
    # The scene has 15 frames per second: windows at 5 leave two of three out, and at 30 each is seen twice.
    told = options(windows=FrameRate(5), rates=(FrameRate(15), FrameRate(30)))
    card = invariance_card([scene_video], tokenizer, told)
    assert card.windows_rate == FrameRate(5)
    frames = {one.name: one.frames for one in card.rows}
    assert list(frames)[:5] == ["same", "fps_15", "fps_30", "windows_15", "windows_30"]
    same, up, twice = frames["same"], frames["fps_30"], frames["windows_30"]
    assert same is not None
    assert up is not None
    assert twice is not None
    assert same.of_windows_left_out == same.frames - same.of_windows > same.of_windows
    assert up.repeated == up.frames - same.frames
    assert up.of_windows == same.of_windows
    assert twice.of_windows_repeated == twice.of_windows - same.frames
    codes = row(card, "fps_15").codes
    assert codes is not None
    assert codes.whole is not None
    assert codes.whole.share == 1.0


def test_the_motion_of_the_camera_can_be_taken_off(scene_video: Path, tokenizer: Path) -> None:
    energies = EnergyOptions(mode="velocity_step", motion="residual")
    card = invariance_card([scene_video], tokenizer, options(motion="residual", energies=energies))
    assert card.rules.motion == "residual"
    same = row(card, "same").codes
    assert same is not None
    assert same.whole is not None
    assert same.whole.share == 1.0
