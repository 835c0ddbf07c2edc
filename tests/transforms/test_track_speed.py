"""Speeds of points: only of those that are seen on both sides, with and without the camera's own motion."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsdata.errors import SchemaError
from lapsdata.transforms.track_speed import Motion, window_speed


def windows(seed: int, count: int = 3, frames: int = 5, points: int = 8) -> tuple[Any, Any, Any]:
    random = np.random.default_rng(seed)
    vis = random.random((count, frames, points)) < 0.8
    tracks = random.normal(100, 5, (count, frames, points, 2)).astype(np.float32)
    tracks[~vis & (random.random(vis.shape) < 0.5)] = np.nan
    seconds = np.cumsum(random.uniform(0.02, 0.2, (count, frames)), axis=1)
    return tracks, vis, seconds


@settings(max_examples=40)
@given(st.integers(0, 10**6))
def test_speeds_are_means_over_points_seen_on_both_sides(seed: int) -> None:
    tracks, vis, seconds = windows(seed)
    got, points, *unfitted = window_speed(tracks, vis, seconds)
    assert unfitted == [0, 0, 0, 0]
    for w in range(3):
        for t in range(4):
            seen = [n for n in range(8) if vis[w, t, n] and vis[w, t + 1, n]]
            if len(seen) < 4:
                assert np.isnan(got[w, t])
                assert points[w, t] == 0
                continue
            assert points[w, t] == len(seen)
            moved = np.array([tracks[w, t + 1, n].astype(float) - tracks[w, t, n] for n in seen])
            expected = np.linalg.norm(moved, axis=1).mean() / (seconds[w, t + 1] - seconds[w, t])
            assert got[w, t] == pytest.approx(expected, rel=1e-6)


@settings(max_examples=40)
@given(st.integers(0, 10**6))
def test_all_points_are_those_that_have_a_position(seed: int) -> None:
    tracks, vis, seconds = windows(seed)
    got = window_speed(tracks, vis, seconds, of="all")
    lengths = np.linalg.norm(np.diff(tracks.astype(float), axis=1), axis=-1)
    counted = np.isfinite(lengths)
    assert got.unseen == int((counted & ~(vis[:, 1:] & vis[:, :-1])).sum())
    enough = counted.sum(axis=2) >= 4
    np.testing.assert_array_equal(got.points, np.where(enough, counted.sum(axis=2), 0))
    expected = np.nanmean(np.where(enough[..., None], lengths, np.nan)[enough], axis=-1) / np.diff(seconds)[enough]
    np.testing.assert_allclose(got.value[enough], expected, rtol=1e-6)
    assert np.isnan(got.value[~enough]).all()


def test_a_shaking_camera_is_taken_off_and_an_object_is_not() -> None:
    random = np.random.default_rng(0)
    shake = np.cumsum(random.normal(0, 3, (1, 10, 1, 2)), axis=1)
    own = np.zeros((1, 10, 50, 2))
    own[:, 5:, :10, 0] += np.arange(1, 6)[:, None] * 2.0
    tracks = (200 + shake + own).astype(np.float32)
    vis, seconds = np.ones((1, 10, 50), bool), np.arange(10)[None] / 10
    tracks += random.uniform(-100, 100, (1, 1, 50, 2)).astype(np.float32)
    speed, points, followed, *unfitted = window_speed(tracks, vis, seconds, motion="residual")
    np.testing.assert_allclose(speed[0], [0] * 4 + [4] * 5, atol=1e-3)
    assert (points == 50).all()
    assert unfitted == [0, 0, 0]
    # Of numbers of which most are equal but for their last bits, the least are not told from the others.
    assert 0.9 * 400 < followed <= 400
    noise = random.normal(0, 0.1, tracks.shape).astype(np.float32)
    noisy = window_speed(tracks + noise, vis, seconds, motion="residual")
    np.testing.assert_allclose(noisy.value[0], [0] * 4 + [4] * 5, atol=0.1)
    assert noisy.followed == 400
    assert window_speed(tracks, vis, seconds).value[0].min() > 5


def test_pairs_without_a_residual_are_counted_and_have_no_value() -> None:
    """Three points that are seen are fitted exactly, and say nothing of what moves by itself."""
    tracks, vis, seconds = windows(3, count=2, frames=3, points=9)
    tracks, vis[:] = np.nan_to_num(tracks), True
    vis[0, 0, 2:] = False
    tracks[1, 1:, :, 1] = tracks[1, 1:, :, 0] = np.arange(9)
    got = window_speed(tracks, vis, seconds, motion="residual")
    assert (got.few_points, got.collinear) == (1, 1)
    assert np.isnan(got.value).tolist() == [[True, False], [False, True]]
    assert (got.points == [[0, 9], [9, 0]]).all()


def test_many_windows_are_as_few_at_a_time() -> None:
    tracks, vis, seconds = windows(4, count=150)
    for motion in get_args(Motion):
        whole = window_speed(tracks, vis, seconds, motion=motion)
        parts = [window_speed(tracks[k : k + 1], vis[k : k + 1], seconds[k : k + 1], motion=motion) for k in range(150)]
        np.testing.assert_array_equal(whole.value, np.concatenate([part.value for part in parts]))
        assert whole.few_points == sum(part.few_points for part in parts)


def test_another_word_is_refused() -> None:
    with pytest.raises(SchemaError, match=r"motion: expected 'raw' or 'residual', got 'mean'"):
        window_speed(*windows(0), motion="mean")  # type: ignore[arg-type]
