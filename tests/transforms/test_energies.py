"""Energies of tracks and tokens: at their own time, with a state, and with what they were made from."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from lapsdata.containers.energies import ENERGY_STATES
from lapsdata.errors import SchemaError
from lapsdata.schema.base import Parent
from lapsdata.testing.samples import sample_tokens, sample_tracks
from lapsdata.transforms.energies import EnergyOptions, token_energies, track_energies
from lapsdata.transforms.latent_energy import latent_change, latent_size
from lapsdata.transforms.track_speed import window_speed


def named(container: Any, name: str) -> Any:
    video = container.header.video.model_copy(update={"name": name})
    return dataclasses.replace(container, header=container.header.model_copy(update={"video": video}))


def test_steps_have_the_time_between_their_frames() -> None:
    tracks = sample_tracks(windows=4, points=30)
    energies = track_energies([tracks])
    steps = len(tracks.frame_s) - 1
    assert energies.header.per == "step"
    assert energies.index.tolist() == list(range(steps))
    np.testing.assert_array_equal(energies.start_s, tracks.frame_s[:-1])
    np.testing.assert_array_equal(energies.end_s, tracks.frame_s[1:])
    assert energies.header.support_s == pytest.approx(energies.header.hop_s)
    speed = window_speed(tracks.tracks["default"], tracks.vis["default"], tracks.step_s).value
    for step in range(steps):
        seen = [
            speed[w, step - start]
            for w, start in enumerate(tracks.start_index)
            if 0 <= step - start < speed.shape[1] and not np.isnan(speed[w, step - start])
        ]
        assert (energies.state[step] == 0) == bool(seen)
        if seen:
            assert energies.energy[step] == pytest.approx(np.mean(seen))


def test_window_means_speak_of_whole_windows() -> None:
    tracks = sample_tracks(windows=4, points=30)
    energies = track_energies([tracks], EnergyOptions(mode="velocity_mean"))
    assert energies.header.per == "window"
    np.testing.assert_array_equal(energies.start_s, tracks.step_s[:, 0])
    np.testing.assert_array_equal(energies.end_s, tracks.step_s[:, -1])
    assert energies.header.support_s == pytest.approx(0.3)


def test_steps_that_no_window_covers_are_no_rows() -> None:
    tracks = sample_tracks(windows=2, points=30)
    longer = dataclasses.replace(
        tracks,
        header=tracks.header.model_copy(update={"uncovered_frames": 5}),
        frame_s=np.arange(len(tracks.frame_s) + 5) / 10,
        source_index=None if tracks.source_index is None else np.arange(len(tracks.frame_s) + 5),
    )
    assert len(track_energies([longer])) == len(track_energies([tracks]))


def test_a_change_of_latents_stands_around_the_frame_between_its_steps() -> None:
    tokens = sample_tokens(latent=3)
    energies = token_energies([tokens], EnergyOptions(mode="token_diff_step"))
    middles = (tokens.frame_s[1:] + tokens.frame_s[:-1]) / 2
    np.testing.assert_allclose(energies.start_s, middles[:-1])
    np.testing.assert_allclose(energies.end_s, middles[1:])
    assert (energies.start_s < tokens.frame_s[1:-1]).all()
    assert (energies.end_s > tokens.frame_s[1:-1]).all()
    assert energies.header.support_s == pytest.approx(0.3)
    assert tokens.quantized is not None
    change = latent_change(tokens.quantized, 1)
    assert energies.energy[0] == pytest.approx(change[0, 0])


@pytest.mark.parametrize("latents", ["prequant", "quantized"])
def test_modes_of_tokens(latents: Any) -> None:
    tokens = sample_tokens(latent=3)
    stored = getattr(tokens, latents)
    by_mode = {
        mode: token_energies([tokens], EnergyOptions(mode=mode, source=latents))
        for mode in ("token_size_step", "l2_mean", "token_diff_l2_mean")
    }
    assert {one.header.source for one in by_mode.values()} == {latents}
    np.testing.assert_allclose(by_mode["l2_mean"].energy, latent_size(stored, 1).mean(axis=1))
    np.testing.assert_allclose(by_mode["token_diff_l2_mean"].energy, latent_change(stored, 1).mean(axis=1))
    assert by_mode["token_size_step"].energy[0] == pytest.approx(latent_size(stored, 1)[0, 0])


def test_gated_values_are_gated_and_never_zero() -> None:
    """Regression: energies of 0.0 for windows that a gate had left out, of which the best threshold 0.0 came."""
    tracks = sample_tracks(windows=6, points=30)
    plain = track_energies([tracks])
    limit = float(np.nanmedian(plain.energy))
    gated = track_energies([tracks], EnergyOptions(gate=limit))
    below = plain.energy < limit
    assert 0 < below.sum() < len(below)
    assert (gated.state == np.where(below, ENERGY_STATES.index("gated"), plain.state)).all()
    assert np.isnan(gated.energy[below]).all()
    np.testing.assert_array_equal(gated.energy[~below], plain.energy[~below])
    assert gated.header.provenance.parameters["gate"] == limit


def test_videos_stand_one_after_another() -> None:
    both = [named(sample_tracks(windows=n, seed=n), f"clip_{n}") for n in (3, 5)]
    parents = [Parent(role="tracks", name=f"clip_{n}.h5", digest="sha256:" + 64 * str(n)) for n in (3, 5)]
    energies = track_energies(both, parents=parents)
    assert energies.header.videos == ("clip_3", "clip_5")
    assert energies.header.provenance.parents == tuple(parents)
    for number, tracks in enumerate(both):
        alone = track_energies([tracks])
        np.testing.assert_array_equal(energies.energy[energies.video_index == number], alone.energy)
        np.testing.assert_array_equal(energies.index[energies.video_index == number], alone.index)


def test_what_cannot_be_measured_together_is_refused() -> None:
    tracks, tokens = sample_tracks(windows=3), sample_tokens(latent=3)
    slower = dataclasses.replace(
        named(tracks, "slower"), header=named(tracks, "slower").header.model_copy(update={"rate": None}),
        frame_s=tracks.frame_s * 2,
    )  # fmt: skip
    with pytest.raises(SchemaError, match=r"equally long times, got 0.1 to 0.2 s; track the videos at one --fps"):
        track_energies([tracks, slower])
    with pytest.raises(SchemaError, match=r"expected each video once, got '.*' 2 times"):
        track_energies([tracks, tracks])
    with pytest.raises(SchemaError, match=r"expected at least one video, got none"):
        track_energies([])
    with pytest.raises(SchemaError, match=r"velocity_step or velocity_mean for tracks, got 'l2_mean'"):
        track_energies([tracks], EnergyOptions(mode="l2_mean"))
    with pytest.raises(SchemaError, match=r"a mode for tokens, got 'velocity_step'"):
        token_energies([tokens], EnergyOptions())
    bare = dataclasses.replace(
        tokens, header=tokens.header.model_copy(update={"latent": None}), prequant=None, quantized=None
    )
    with pytest.raises(SchemaError, match=r"expected quantized latents, got codes alone; encode again"):
        token_energies([bare], EnergyOptions(mode="l2_mean"))


def test_one_of_several_views_is_named() -> None:
    tracks = sample_tracks(windows=3, views=("left", "right"))
    with pytest.raises(SchemaError, match=r"expected one of the views left, right, got none named"):
        track_energies([tracks])
    with pytest.raises(SchemaError, match=r"expected one of the views left, right, got 'top'"):
        track_energies([tracks], EnergyOptions(view="top"))
    left, right = (track_energies([tracks], EnergyOptions(view=view)) for view in ("left", "right"))
    assert not np.array_equal(left.energy, right.energy, equal_nan=True)
