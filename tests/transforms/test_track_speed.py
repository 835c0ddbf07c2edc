"""Speeds of points: only of those that are seen on both sides, with and without the camera's own motion."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsdata.errors import SchemaError
from lapsdata.transforms.track_speed import window_speed


def windows(seed: int, count: int = 3, frames: int = 5, points: int = 8) -> tuple[Any, Any, Any]:
    random = np.random.default_rng(seed)
    vis = random.random((count, frames, points)) < 0.8
    tracks = random.normal(100, 5, (count, frames, points, 2)).astype(np.float32)
    tracks[~vis & (random.random(vis.shape) < 0.5)] = np.nan
    seconds = np.cumsum(random.uniform(0.02, 0.2, (count, frames)), axis=1)
    return tracks, vis, seconds


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.sampled_from(["keep", "median"]))
def test_speeds_are_means_over_points_seen_on_both_sides(seed: int, camera: Any) -> None:
    tracks, vis, seconds = windows(seed)
    got = window_speed(tracks, vis, seconds, camera=camera)
    for w in range(3):
        for t in range(4):
            seen = [n for n in range(8) if vis[w, t, n] and vis[w, t + 1, n]]
            if len(seen) < 4:
                assert np.isnan(got[w, t])
                continue
            moved = np.array([tracks[w, t + 1, n].astype(float) - tracks[w, t, n] for n in seen])
            if camera == "median":
                moved = moved - np.median(moved, axis=0)
            expected = np.linalg.norm(moved, axis=1).mean() / (seconds[w, t + 1] - seconds[w, t])
            assert got[w, t] == pytest.approx(expected, rel=1e-6)


def test_a_shaking_camera_is_taken_off_and_an_object_is_not() -> None:
    random = np.random.default_rng(0)
    shake = np.cumsum(random.normal(0, 3, (1, 10, 1, 2)), axis=1)
    own = np.zeros((1, 10, 50, 2))
    own[:, 5:, :10, 0] += np.arange(1, 6)[:, None] * 2.0
    tracks = (200 + shake + own).astype(np.float32)
    vis, seconds = np.ones((1, 10, 50), bool), np.arange(10)[None] / 10
    speed = window_speed(tracks, vis, seconds, camera="median")[0]
    np.testing.assert_allclose(speed, [0] * 4 + [4] * 5, atol=1e-3)
    assert window_speed(tracks, vis, seconds)[0].min() > 5


def test_many_windows_are_as_few_at_a_time() -> None:
    tracks, vis, seconds = windows(4, count=150)
    whole = window_speed(tracks, vis, seconds)
    parts = [window_speed(tracks[k : k + 1], vis[k : k + 1], seconds[k : k + 1]) for k in range(150)]
    np.testing.assert_array_equal(whole, np.concatenate(parts))


def test_another_word_is_refused() -> None:
    with pytest.raises(SchemaError, match=r"camera: expected 'keep' or 'median', got 'mean'"):
        window_speed(*windows(0), camera="mean")  # type: ignore[arg-type]
