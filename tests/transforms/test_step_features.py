"""Vectors of steps and windows: what each container says, at its own time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lapsdata.errors import SchemaError
from lapsdata.schema.base import Size
from lapsdata.schema.tracks import Area
from lapsdata.testing.samples import sample_energies, sample_tokens, sample_tracks
from lapsdata.transforms.step_features import energy_features, flow_grid, token_features, track_features, view_of
from lapsdata.transforms.window_steps import step_means


def test_steps_of_tokens_are_means_over_the_windows_that_cover_them() -> None:
    tokens = sample_tokens(windows=5, latent=3)
    found = token_features(tokens, "quantized", "step")
    steps = len(tokens.frame_s) - 1
    for column in range(3):
        expected = step_means(tokens.quantized[..., column], tokens.start_index, steps).value
        np.testing.assert_allclose(found.value[:, column], expected[~np.isnan(expected)], rtol=1e-6)
    np.testing.assert_array_equal(found.span_s, np.stack([tokens.frame_s[:-1], tokens.frame_s[1:]], axis=1))


def test_windows_of_tokens_hold_all_of_their_steps() -> None:
    tokens = sample_tokens(windows=5, latent=3)
    found = token_features(tokens, "quantized", "window")
    np.testing.assert_array_equal(found.value, tokens.quantized.reshape(5, -1))
    np.testing.assert_array_equal(found.span_s[:, 0], tokens.frame_s[tokens.start_index])
    np.testing.assert_array_equal(found.span_s[:, 1], tokens.step_span_s[:, -1, 1])


def test_codes_are_shares_of_each_code() -> None:
    tokens = sample_tokens(windows=4)
    found = token_features(tokens, "codes", "step")
    assert found.value.shape[1] == tokens.header.tokenizer.codes
    np.testing.assert_allclose(found.value.sum(axis=1), 1)
    assert found.value[0].argmax() == tokens.codes[0, 0]


def test_streams_stand_side_by_side() -> None:
    one = sample_tokens(windows=2, latent=2)
    header = one.header.model_copy(update={"streams": 2})
    two = replace(one, header=header, codes=np.tile(one.codes, (1, 2)),
                  prequant=None, quantized=np.concatenate([one.quantized, one.quantized + 10], axis=1))  # fmt: skip
    found = token_features(two, "quantized", "step").value
    plain = token_features(one, "quantized", "step").value
    np.testing.assert_allclose(found, np.concatenate([plain, plain + 10], axis=1), rtol=1e-6)


def test_tokens_without_latents_are_refused() -> None:
    with pytest.raises(SchemaError, match="expected prequant latents, got codes alone"):
        token_features(sample_tokens(), "prequant", "step")


def moving(velocity: Any, *, windows: int = 6, stride: int = 1) -> Any:
    """Return tracks in which point n moves by `velocity[n]` pixel per second, all of them visible."""
    like = sample_tracks(windows=windows, horizon=4, points=len(velocity), stride=stride)
    area = like.header.views["default"].model_copy(
        update={"size": Size(width=200, height=100), "active_area": Area(x=0, y=0, width=200, height=100)}
    )
    header = like.header.model_copy(update={"views": {"default": area}})
    start = np.array([[10.0, 10.0], [150.0, 10.0], [10.0, 80.0], [150.0, 80.0]])[: len(velocity)]
    path = start + np.asarray(velocity) * like.step_s[..., None, None]
    return replace(like, header=header, tracks={"default": path.astype(np.float32)},
                   vis={"default": np.ones(path.shape[:-1], bool)})  # fmt: skip


VELOCITY = np.array([[1.0, 2.0], [-3.0, 0.5], [0.0, 4.0], [5.0, -5.0]])


@pytest.mark.parametrize("per", ["step", "window"])
def test_points_have_their_velocity(per: Any) -> None:
    found = track_features(moving(VELOCITY), per)
    expected = np.tile(VELOCITY.ravel(), found.value.shape[1] // 8)
    np.testing.assert_allclose(found.value, np.broadcast_to(expected, found.value.shape), atol=2e-3)


@pytest.mark.parametrize("per", ["step", "window"])
def test_cells_have_the_mean_velocity_of_their_points(per: Any) -> None:
    found = flow_grid(moving(VELOCITY), per, cells=2)
    np.testing.assert_allclose(found.value, np.broadcast_to(VELOCITY.ravel(), found.value.shape), atol=2e-3)
    assert len(found.value) == (8 if per == "step" else 6)
    whole = flow_grid(moving(VELOCITY), per, cells=1)
    np.testing.assert_allclose(whole.value, np.broadcast_to(VELOCITY.mean(axis=0), whole.value.shape), atol=2e-3)
    assert found.left_out == 0


def test_unseen_points_and_empty_cells_have_no_flow() -> None:
    tracks = moving(VELOCITY)
    vis = tracks.vis["default"].copy()
    vis[:, :, 3] = False
    found = flow_grid(replace(tracks, vis={"default": vis}), "step", cells=2)
    assert np.isnan(found.value[:, 6:]).all()
    assert not np.isnan(found.value[:, :6]).any()
    points = track_features(replace(tracks, vis={"default": vis}), "step")
    assert np.isnan(points.value[:, 6:]).all()


def test_points_beyond_the_picture_are_left_out_and_counted() -> None:
    tracks = moving(VELOCITY)
    away = tracks.tracks["default"].copy()
    away[:, :, 0] -= 60
    found = flow_grid(replace(tracks, tracks={"default": away}), "step", cells=2)
    assert found.left_out == 6 * 3
    assert np.isnan(found.value[:, :2]).all()


def test_steps_that_no_window_covers_are_no_rows() -> None:
    tracks = moving(VELOCITY, windows=3, stride=5)
    found = track_features(tracks, "step")
    assert len(found.value) == 9
    assert len(flow_grid(tracks, "step").value) == 9
    covered = [tracks.frame_s[start + step] for start in tracks.start_index for step in range(3)]
    np.testing.assert_allclose(found.span_s[:, 0], covered)


def test_energies_have_their_own_times_and_nothing_where_nothing_was_measured() -> None:
    energies = sample_energies()
    found = energy_features(energies, 0)
    rows = energies.video_index == 0
    np.testing.assert_array_equal(found.value[:, 0], energies.energy[rows])
    np.testing.assert_array_equal(found.span_s[:, 1], energies.end_s[rows])
    assert np.isnan(found.value).sum() == (energies.state[rows] != 0).sum() > 0


def test_a_view_is_named_where_there_are_several() -> None:
    tracks = sample_tracks(views=("left", "right"))
    assert view_of(tracks, "right") == "right"
    with pytest.raises(SchemaError, match="expected one of the views left, right, got none named"):
        track_features(tracks, "step")
