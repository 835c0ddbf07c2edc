"""The six energies of LAPS, against loops over their definitions: mean lengths and mean changes within one window.

With Z of a window: `l2_mean` is the mean of ||z_i||, `token_diff_l2_mean` the mean of ||z_i - z_(i-1)||, of a single z
its length; velocities (T - 1, N, 2) have the mean of their lengths over steps and points, whichever mode is named.
"""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import numpy as np
import pytest

from lapsdata.containers.energies import ENERGY_STATES
from lapsdata.errors import SchemaError
from lapsdata.schema import TokensHeader
from lapsdata.stages.energies import energy_problems
from lapsdata.testing.samples import sample_tokens, sample_tracks
from lapsdata.transforms.energies import EnergyOptions, token_energies, track_energies

MODES = ("l2_mean", "token_diff_l2_mean")
MEASURED, GATED, MISSING = range(len(ENERGY_STATES))


def length(vector: Any) -> float:
    return math.sqrt(sum(float(part) ** 2 for part in vector))


def laps(latents: Any, mode: str) -> float:
    """Return the energy of one window of latents (L, D), as it is defined."""
    if mode == "l2_mean" or len(latents) == 1:
        return sum(length(one) for one in latents) / len(latents)
    changes = [length(latents[i].astype(float) - latents[i - 1]) for i in range(1, len(latents))]
    return sum(changes) / len(changes)


def edited(container: Any, **header: Any) -> Any:
    return dataclasses.replace(container, header=container.header.model_copy(update=header))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("source", ["prequant", "quantized"])
def test_energies_of_latents(source: Any, mode: Any) -> None:
    tokens = sample_tokens(windows=5, latent=3)
    energies = token_energies([tokens], EnergyOptions(mode=mode, source=source))
    header = energies.header
    assert (header.per, header.source, header.mode, header.policies) == ("window", source, mode, {})
    expected = [laps(window, mode) for window in getattr(tokens, source)]
    np.testing.assert_allclose(energies.energy, expected, rtol=1e-6)
    assert header.support_s == pytest.approx(tokens.frame_s[tokens.header.horizon - 1] - tokens.frame_s[0])


@pytest.mark.parametrize("mode", MODES)
def test_velocities_have_one_energy_and_say_that_the_mode_is_ignored(mode: Any) -> None:
    tracks = sample_tracks(windows=3, points=7)
    where, vis, seconds = tracks.tracks["default"], tracks.vis["default"], tracks.step_s
    expected = []
    for w in range(3):
        speeds = []
        for t in range(where.shape[1] - 1):
            seen = [n for n in range(7) if vis[w, t, n] and vis[w, t + 1, n]]
            if len(seen) >= 4:  # fewer say nothing of a frame
                per_s = seconds[w, t + 1] - seconds[w, t]
                speeds += [length(where[w, t + 1, n].astype(float) - where[w, t, n]) / per_s for n in seen]
        expected.append(sum(speeds) / len(speeds))
    energies = track_energies([tracks], EnergyOptions(mode=mode, source="velocity"))
    np.testing.assert_allclose(energies.energy, expected, rtol=1e-6)
    assert (energies.header.source, energies.header.mode) == ("velocity", "velocity_mean")
    assert energies.header.policies == {"mode_ignored": 3}
    told = [problem for problem in energy_problems(energies) if problem.code == "mode-ignored"]
    assert [problem.severity for problem in told] == ["info"]
    assert told[0].message.startswith("3 windows have the mean speed of their points")
    plain = track_energies([tracks], EnergyOptions(mode="velocity_mean"))
    np.testing.assert_array_equal(plain.energy, energies.energy)
    assert plain.header.policies == {}


@pytest.mark.parametrize("mode", MODES)
def test_of_all_points_it_is_the_mean_over_steps_and_points_as_laps_has_it(mode: Any) -> None:
    tracks = sample_tracks(windows=3, points=7)
    where = np.random.default_rng(0).normal(30, 4, tracks.tracks["default"].shape).astype(np.float32)
    tracks = dataclasses.replace(tracks, tracks={"default": where})
    energies = track_energies([tracks], EnergyOptions(mode=mode, source="velocity", points="all"))
    # A tenth of a second from frame to frame.
    expected = np.linalg.norm(np.diff(where.astype(float), axis=1), axis=-1).mean(axis=(1, 2)) * 10
    np.testing.assert_allclose(energies.energy, expected, rtol=1e-6)
    unseen = int((~(tracks.vis["default"][:, 1:] & tracks.vis["default"][:, :-1])).sum())
    assert energies.header.policies == {"mode_ignored": 3, "unseen_points_measured": unseen}
    assert any("guesses of the tracker" in problem.message for problem in energy_problems(energies))
    with pytest.raises(ValueError, match="expected points 'all' for tracks alone"):
        EnergyOptions(mode="token_diff_step", points="all")


def one_step(latent: int = 3) -> Any:
    """Return tokens of windows of two frames, which have one step."""
    tokens = sample_tokens(windows=4, horizon=2, latent=latent)
    assert tokens.codes.shape == (4, 1)
    return tokens


def test_of_a_single_step_the_length_is_taken_and_that_is_told() -> None:
    tokens = one_step()
    energies = token_energies([tokens], EnergyOptions(mode="token_diff_l2_mean"))
    np.testing.assert_allclose(energies.energy, [length(window[0]) for window in tokens.quantized], rtol=1e-6)
    assert energies.header.policies == {"l2_mean_of_single_steps": 4}
    codes = [problem.code for problem in energy_problems(energies)]
    assert codes == ["l2-mean-of-single-steps"]
    with pytest.raises(SchemaError, match=r"windows of two steps or more for token_diff_step, got one step"):
        token_energies([tokens], EnergyOptions(mode="token_diff_step"))
    assert len(token_energies([tokens], EnergyOptions(mode="token_size_step"))) > 0


@pytest.mark.parametrize(
    ("told", "message"),
    [
        (
            {"source": "velocity", "mode": "token_diff_step"},
            r"mode of velocities \(velocity_step, velocity_mean\), got",
        ),
        ({"source": "prequant", "mode": "velocity_mean"}, "expected a mode of latents, as token_diff_step, for 'preq"),
        ({"mode": "l2_mean", "motion": "residual"}, "'residual' for tracks alone; encode with it to have it in tokens"),
    ],
)
def test_words_that_do_not_go_together_are_refused(told: Any, message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        EnergyOptions(**told)


@pytest.mark.parametrize(("source", "mode"), [("velocity", "l2_mean"), (None, "l2_mean"), (None, "velocity_step")])
def test_the_source_follows_from_the_mode(source: Any, mode: Any) -> None:
    options = EnergyOptions(mode=mode, source=source)
    assert options.of_tracks == ("velocity" in (source, mode.split("_")[0]))
    assert options.measured == ("velocity_mean" if source else mode)


def without(container: Any, *windows: int) -> Any:
    """Return tracks or tokens of which a gate has left out some windows."""
    keep = np.setdiff1d(np.arange(len(container)), windows)
    arrays = {
        name: {view: array[keep] for view, array in getattr(container, name).items()}
        if name in ("tracks", "vis")
        else getattr(container, name)[keep]
        for name in ("tracks", "vis", "codes", "quantized", "prequant", "start_index")
        if getattr(container, name, None) is not None
    }
    starts = tuple(container.start_index[list(windows)].tolist())
    told = {"gated_starts": starts}
    if hasattr(container, "codes"):
        told["gated_windows"] = len(starts)
    else:
        told["uncovered_frames"] = len(container.frame_s) - int(keep[-1]) - container.header.horizon
    return dataclasses.replace(container, header=container.header.model_copy(update=told), **arrays)


def test_a_window_that_a_gate_left_out_is_gated_and_never_zero() -> None:
    tokens = sample_tokens(windows=6, latent=3)
    plain = token_energies([tokens], EnergyOptions(mode="l2_mean"))
    gated = token_energies([without(tokens, 0, 4)], EnergyOptions(mode="l2_mean"))
    np.testing.assert_array_equal(gated.start_s, plain.start_s)
    assert gated.state.tolist() == [GATED, MEASURED, MEASURED, MEASURED, GATED, MEASURED]
    np.testing.assert_array_equal(gated.energy[gated.state == MEASURED], plain.energy[[1, 2, 3, 5]])
    assert np.isnan(gated.energy[[0, 4]]).all()


@pytest.mark.parametrize("mode", ["velocity_step", "token_diff_step", "token_size_step"])
def test_a_step_is_gated_where_only_windows_that_were_left_out_lie(mode: Any) -> None:
    of_tracks = mode == "velocity_step"
    whole = sample_tracks(windows=9, points=30) if of_tracks else sample_tokens(windows=9, latent=3)
    measure: Any = track_energies if of_tracks else token_energies
    plain = measure([whole], EnergyOptions(mode=mode))
    some = without(whole, 3, 4, 5, 6, 7, 8)
    gated = measure([some], EnergyOptions(mode=mode))
    np.testing.assert_array_equal(gated.start_s, plain.start_s)
    length = whole.header.horizon - (2 if mode == "token_diff_step" else 1)
    reached = int(some.start_index[-1]) + length
    assert (gated.state[reached:] == GATED).all()
    assert len(gated.state) > reached
    assert (gated.state[:reached] == MEASURED).all()
    between = measure([without(whole, 4)], EnergyOptions(mode=mode))
    assert (between.state == MEASURED).all()


def test_gated_windows_lie_inside_and_apart() -> None:
    tracks, tokens = sample_tracks(windows=6, points=5), sample_tokens(windows=6)
    last = len(tracks.frame_s) - tracks.header.horizon
    for starts in ((last + 1,), (2, 1), (int(tracks.start_index[1]),)):
        with pytest.raises(SchemaError, match=r"expected windows inside of the frames, rising, and none that is there"):
            edited(without(tracks, 2, 5), gated_starts=starts)
    with pytest.raises(SchemaError, match="expected gated_windows = 1, the number of gated_starts"):
        TokensHeader.parse(json.dumps({**tokens.header.as_json(), "gated_windows": 2, "gated_starts": [3]}))
    assert without(tokens, 1).facts()["gated"] == "1 windows left out"
    assert without(tracks, 1).facts()["gated"] == "1 windows left out"
    assert "gated" not in tracks.facts() | tokens.facts()


def test_residual_energies_say_where_the_camera_is_not_known() -> None:
    tracks = sample_tracks(windows=4, points=30)
    vis = tracks.vis["default"].copy()
    vis[2, 1, 2:] = False
    hidden = dataclasses.replace(tracks, vis={"default": vis})
    energies = track_energies([hidden], EnergyOptions(motion="residual"))
    unfitted = {name: energies.header.policies[f"ego_motion_{name}"] for name in ("few_points", "collinear")}
    assert unfitted == {"few_points": 2, "collinear": 0}
    assert energies.header.policies["ego_motion_followed"] > 0
    assert [one.code for one in energy_problems(energies)] == ["ego-motion-few-points"]
    assert track_energies([hidden]).header.policies == {}
    raw = track_energies([tracks], EnergyOptions(motion="raw"))
    assert (energies.energy != raw.energy).any()
