"""The camera's motion: found where most of the picture only follows it, and named where it cannot be known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsdata.testing.scene_truth import true_tracks
from lapsdata.testing.scenes import SceneConfig, render_scene
from lapsdata.transforms.ego_motion import ego_motion, residual_tracks

Array = np.ndarray[Any, Any]


def world(random: np.random.Generator, points: int = 60) -> Array:
    return random.uniform((0, 0), (640, 480), (points, 2))


def camera(random: np.random.Generator, frames: int) -> Array:
    """Return the maps (T, 2, 3) of a camera that shakes, turns and zooms, from the world to each frame."""
    angle, zoom = random.normal(0, 0.02, frames), random.normal(1, 0.02, frames)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]).transpose(2, 0, 1)
    return np.concatenate([turn * zoom[:, None, None], random.normal(0, 8, (frames, 2, 1))], axis=2)


def seen_by(maps: Array, places: Array) -> Array:
    """Return places (T, N, 2) of the world as a camera sees them, float32 (1, T, N, 2)."""
    return (np.einsum("tij,tnj->tni", maps[:, :, :2], places) + maps[:, None, :, 2])[None].astype(np.float32)


def between(before: Array, after: Array) -> Array:
    """Return the map from one frame to the next, of the maps from the world to each."""
    whole = [np.vstack([one, [0, 0, 1]]) for one in (before, after)]
    return (whole[1] @ np.linalg.inv(whole[0]))[:2]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.floats(0, 0.35))
def test_the_camera_is_found_whatever_a_third_of_the_points_does(seed: int, share: float) -> None:
    random = np.random.default_rng(seed)
    places = np.repeat(world(random)[None], 4, axis=0)
    movers = random.random(60) < share
    places[:, movers] += np.cumsum(random.normal(0, 15, (4, 1, 2)), axis=0) + np.arange(4)[:, None, None] * 12
    maps = camera(random, 4)
    found = ego_motion(seen_by(maps, places), np.ones((1, 4, 60), bool))
    assert (found.few_points, found.collinear) == (0, 0)
    corners = np.array([[0, 0, 1], [640, 0, 1], [0, 480, 1], [640, 480, 1]])
    for step in range(3):
        if movers.mean() > 0.4:
            continue  # more than a third by chance
        expected = between(maps[step], maps[step + 1])
        np.testing.assert_allclose(found.affine[0, step] @ corners.T, expected @ corners.T, atol=0.05)


def test_noise_is_fitted_as_well_as_by_least_squares() -> None:
    random = np.random.default_rng(0)
    maps, places = camera(random, 2), np.repeat(world(random, 200)[None], 2, axis=0)
    tracks = seen_by(maps, places)
    tracks += random.normal(0, 0.3, tracks.shape).astype(np.float32)
    ours = ego_motion(tracks, np.ones(tracks.shape[:3], bool)).affine[0, 0]
    design = np.column_stack([tracks[0, 0], np.ones(200)])
    least_squares = np.linalg.lstsq(design, tracks[0, 1], rcond=None)[0].T
    middle = np.array([320, 240, 1])
    assert np.abs((ours - least_squares) @ middle).max() < 0.02


def test_what_cannot_be_fitted_is_named() -> None:
    random = np.random.default_rng(1)
    tracks = np.repeat(world(random, 12)[None, None], 5, axis=1).astype(np.float32)
    vis = np.ones((1, 5, 12), bool)
    vis[0, 1, 2:] = False  # the pairs 0-1 and 1-2 have two points
    tracks[0, 3:, :, 1] = 2 * tracks[0, 3:, :, 0] + 7  # the pair 3-4 has all on one line
    tracks[0, 1, 5:] = np.nan
    found = ego_motion(tracks, vis)
    assert (found.few_points, found.collinear) == (2, 1)
    assert np.isnan(found.affine[0]).all(axis=(1, 2)).tolist() == [True, True, False, True]
    assert np.isfinite(found.affine[0, 2]).all()


@pytest.mark.parametrize("seen", [0, 3])
def test_the_fewest_points(seen: int) -> None:
    """Of three points there is one map, and of none there is none, without a warning."""
    tracks = np.zeros((1, 2, 5, 2), np.float32)
    tracks[0, :, :3] = [[10, 10], [200, 20], [30, 150]]
    tracks[0, 1] += 4
    vis = np.zeros((1, 2, 5), bool)
    vis[:, :, :seen] = True
    found = ego_motion(tracks, vis)
    assert (found.few_points, found.collinear) == (int(seen == 0), 0)
    if seen:
        np.testing.assert_allclose(found.affine[0, 0], [[1, 0, 4], [0, 1, 4]], atol=1e-5)


def test_points_at_one_place_are_collinear() -> None:
    found = ego_motion(np.full((2, 2, 6, 2), 50, np.float32), np.ones((2, 2, 6), bool))
    assert (found.few_points, found.collinear) == (0, 2)


def test_equal_tracks_give_equal_bits_in_any_company() -> None:
    random = np.random.default_rng(2)
    tracks = random.normal(200, 80, (70, 3, 20, 2)).astype(np.float32)
    vis = random.random((70, 3, 20)) < 0.8
    whole = ego_motion(tracks, vis)
    for one in (0, 33, 69):
        alone = ego_motion(tracks[one : one + 1], vis[one : one + 1])
        np.testing.assert_array_equal(alone.affine, whole.affine[one : one + 1])


def test_residual_tracks_are_those_of_a_camera_at_rest() -> None:
    random = np.random.default_rng(3)
    places = np.repeat(world(random, 100)[None], 6, axis=0)
    places[:, :20, 0] += np.arange(6)[:, None] * 7
    maps = camera(random, 6)
    maps[0] = [[1, 0, 0], [0, 1, 0]]
    tracks = seen_by(maps, places)
    vis = random.random((1, 6, 100)) < 0.9
    tracks[~vis] = np.nan
    still = residual_tracks(tracks, vis)
    assert (still.vis == vis).all()
    assert still.lost == 0
    np.testing.assert_allclose(still.tracks[vis], places[None][vis], atol=0.1)
    assert np.isnan(still.tracks[~vis]).all()


def test_a_pair_that_cannot_be_fitted_ends_its_window() -> None:
    """What lies behind it has no place in the first frame: it is not known, and is not called visible."""
    random = np.random.default_rng(4)
    tracks = np.repeat(world(random, 10)[None, None], 4, axis=1).repeat(2, axis=0).astype(np.float32)
    vis = np.ones((2, 4, 10), bool)
    vis[0, 2, 1:] = False
    still = residual_tracks(tracks, vis)
    assert still.motion.few_points == 2
    assert still.vis[0, :2].all()
    assert not still.vis[0, 2:].any()
    assert still.vis[1].all()
    assert still.lost == 11
    assert (np.isnan(still.tracks).any(axis=-1) == ~still.vis).all()


def test_a_scene_that_shakes_is_one_that_does_not() -> None:
    """The arm fills a part of the picture, and is not taken for the camera."""
    steady, shaken = (
        true_tracks(render_scene(11, SceneConfig(actions=2, shake_px=shake)), points=144) for shake in (0.0, 4.0)
    )
    found = ego_motion(shaken.tracks["default"], shaken.vis["default"]).affine
    alone = ego_motion(steady.tracks["default"], steady.vis["default"]).affine
    middle = np.array([160, 120, 1])
    assert np.abs(alone @ middle - middle[:2]).max() < 0.05
    assert np.sqrt(np.mean((found @ middle - middle[:2]) ** 2)) > 1
    places = shaken.tracks["default"]
    rest = residual_tracks(places, shaken.vis["default"])
    table = np.linalg.norm(np.diff(rest.tracks, axis=1), axis=-1)
    both = rest.vis[:, 1:] & rest.vis[:, :-1]
    assert np.median(table[both]) < 0.1
    assert np.median(np.linalg.norm(np.diff(places, axis=1), axis=-1)[both]) > 1
