"""Windows of tracks as the model takes them, against a loop over points."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lapsdata.errors import SchemaError
from lapsdata.geometry import FrameSize, pixel_to_amplify
from lapsdata.testing.samples import sample_tracks
from lapsmodels.tokenizer.config import TokenizerConfig
from lapsmodels.training.windows import MotionWindows, motion_windows


def held_by_hand(path: Any) -> list[Any]:
    """A point without a position stays where it was last; before that, where it will be first."""
    given = [bool(np.isfinite(position).all()) for position in path]
    if not any(given):
        return [[0.0, 0.0]] * len(given)
    places, at = [], path[given.index(True)]
    for position, there in zip(path, given, strict=True):
        at = position if there else at
        places.append(at)
    return places


def test_what_was_not_given_does_not_move() -> None:
    tracks = sample_tracks(windows=6, horizon=5, points=20, seed=3)
    windows = motion_windows([tracks], ["default"])
    size = FrameSize(width=64, height=48)
    xy, vis = tracks.tracks["default"], tracks.vis["default"]
    for w in range(6):
        for n in range(20):
            held = np.array(held_by_hand(xy[w, :, n]), np.float32)
            expected = pixel_to_amplify(held, size, outside="keep").row_col
            np.testing.assert_allclose(windows.positions[w, 0, :, n], expected, atol=1e-6)
    np.testing.assert_array_equal(windows.seen[:, 0], vis)
    assert windows.filled_share == pytest.approx(1 - vis.mean())
    assert windows.lost == np.isnan(xy).any(axis=-1).sum() > 0
    assert np.isfinite(windows.positions).all()


def test_a_point_that_is_never_given_stays_in_the_corner() -> None:
    tracks = sample_tracks(windows=40, horizon=2, points=30, seed=0)
    never = ~np.isfinite(tracks.tracks["default"]).all(axis=-1).any(axis=1)
    assert never.any()
    positions = motion_windows([tracks], ["default"]).positions[:, 0]
    assert (positions.transpose(0, 2, 1, 3)[never] == -1).all()


def carried_out(by: float = 40) -> MotionWindows:
    tracks = sample_tracks(windows=3, horizon=5)
    xy = (tracks.tracks["default"] + np.float32([by, 0])).astype(np.float32)
    return motion_windows(
        [replace(tracks, tracks={"default": xy}, vis={"default": np.isfinite(xy[..., 0])})], ["default"]
    )


def test_positions_beyond_the_frame_are_kept_and_counted() -> None:
    windows = carried_out()
    beyond = (np.abs(windows.positions) > 1).any(axis=-1)
    assert windows.outside == beyond.sum() > 0
    assert carried_out(0).outside == 0


@pytest.mark.parametrize("seen_only", [False, True])
@pytest.mark.parametrize("inside_only", [False, True])
def test_steps_against_a_loop_over_points(seen_only: bool, inside_only: bool) -> None:
    windows = carried_out()
    config = TokenizerConfig(seen_only=seen_only, inside_only=inside_only)
    steps = windows.steps(slice(None), config)
    for w, t, n in np.ndindex(3, 4, 5):
        ends = [(windows.positions[w, 0, at, n], windows.seen[w, 0, at, n]) for at in (t, t + 1)]
        known = all((seen or not seen_only) and (max(map(abs, place)) <= 1 or not inside_only) for place, seen in ends)
        first, last = (place if inside_only else [min(max(part, -1), 1) for part in place] for place, _ in ends)
        expected = [b - a for a, b in zip(first, last, strict=True)] if known else [0, 0]
        assert steps.known[w, 0, t, n] == known
        np.testing.assert_allclose(steps.velocities[w, 0, t, n], expected, atol=1e-6)
    assert steps.known.all() == (not (seen_only or inside_only))
    some = windows.steps(np.array([2, 0]), config)
    np.testing.assert_array_equal(some.velocities, steps.velocities[[2, 0]])


def test_a_point_that_leaves_stops_at_the_border_as_published_and_is_masked_otherwise() -> None:
    path = np.array([[0.0, 0.6], [0.0, 0.9], [0.0, 1.2], [0.0, 1.5]], np.float32)[None, None, :, None]
    windows = MotionWindows(path, np.ones(path.shape[:-1], bool), np.zeros(1, np.int64), 0)
    published = windows.steps(slice(None), TokenizerConfig())
    np.testing.assert_allclose(published.velocities[0, 0, :, 0, 1], [0.3, 0.1, 0], atol=1e-6)
    assert published.known.all()
    masked = windows.steps(slice(None), TokenizerConfig(inside_only=True))
    np.testing.assert_allclose(masked.velocities[0, 0, :, 0, 1], [0.3, 0, 0], atol=1e-6)
    assert masked.known.ravel().tolist() == [True, False, False]


def test_the_scale_makes_velocities_one() -> None:
    tracks = sample_tracks(windows=6, horizon=5, points=20, seed=3)
    windows = motion_windows([tracks], ["default"])
    squares = []
    for w in range(6):
        for t in range(4):
            for n in range(20):
                if windows.seen[w, 0, t, n] and windows.seen[w, 0, t + 1, n]:
                    moved = windows.positions[w, 0, t + 1, n] - windows.positions[w, 0, t, n]
                    squares += [float(moved[0]) ** 2, float(moved[1]) ** 2]
    assert windows.scale == pytest.approx(1 / np.sqrt(np.mean(squares)), rel=1e-5)


def test_what_stands_still_or_is_not_seen_has_no_scale_of_its_own() -> None:
    still = motion_windows([sample_tracks(windows=3)], ["default"])
    positions = np.zeros_like(still.positions)
    assert MotionWindows(positions, still.seen, still.video, 0).scale == 1
    assert MotionWindows(still.positions, np.zeros_like(still.seen), still.video, 0).scale == 1


def test_views_and_videos_keep_their_order() -> None:
    both = [sample_tracks(windows=n, views=("left", "right"), seed=n) for n in (2, 3)]
    windows = motion_windows(both, ["right", "left"])
    assert windows.positions.shape == (5, 2, 4, 5, 2)
    assert windows.video.tolist() == [0, 0, 1, 1, 1]
    np.testing.assert_array_equal(windows.seen[2:, 0], both[1].vis["right"])
    np.testing.assert_array_equal(windows.seen[:2, 1], both[0].vis["left"])


def test_what_does_not_fit_together_is_refused() -> None:
    one = sample_tracks(windows=2)
    with pytest.raises(SchemaError, match=r"clip_0: expected windows of 4 frames and 5 points, got 6 and 5; track all"):
        motion_windows([one, sample_tracks(windows=2, horizon=6)], ["default"])
    with pytest.raises(SchemaError, match=r"windows of 4 frames and 5 points, got 4 and 7"):
        motion_windows([one, sample_tracks(windows=2, points=7)], ["default"])
    with pytest.raises(SchemaError, match=r"clip_0: expected the view 'top', got default"):
        motion_windows([one], ["top"])
    with pytest.raises(SchemaError, match=r"expected tracks and views, got none"):
        motion_windows([], ["default"])
