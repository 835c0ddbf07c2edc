"""Windows of tracks as the model takes them, against a loop over points."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lapsdata.errors import SchemaError
from lapsdata.geometry import FrameSize, pixel_to_amplify
from lapsdata.testing.samples import sample_tracks
from lapsmodels.training.windows import MotionWindows, motion_windows


def held_by_hand(path: Any, seen: Any) -> list[Any]:
    """A point that is not seen stays where it was last seen; before that, where it will be seen first."""
    if not any(seen):
        return [[0.0, 0.0]] * len(seen)
    places, at = [], path[list(seen).index(True)]
    for position, there in zip(path, seen, strict=True):
        at = position if there else at
        places.append(at)
    return places


def test_what_is_not_seen_does_not_move() -> None:
    tracks = sample_tracks(windows=6, horizon=5, points=20, seed=3)
    windows = motion_windows([tracks], ["default"])
    size = FrameSize(width=64, height=48)
    xy, vis = tracks.tracks["default"], tracks.vis["default"]
    for w in range(6):
        for n in range(20):
            held = np.array(held_by_hand(xy[w, :, n], vis[w, :, n]), np.float32)
            expected = pixel_to_amplify(held, size, outside="clip").row_col
            np.testing.assert_allclose(windows.positions[w, 0, :, n], expected, atol=1e-6)
    np.testing.assert_array_equal(windows.seen[:, 0], vis)
    assert windows.filled_share == pytest.approx(1 - vis.mean())
    assert np.isfinite(windows.positions).all()


def test_a_point_that_is_never_seen_stays_in_the_corner() -> None:
    tracks = sample_tracks(windows=40, horizon=2, points=30, seed=0)
    never = ~tracks.vis["default"].any(axis=1)
    assert never.any()
    positions = motion_windows([tracks], ["default"]).positions[:, 0]
    assert (positions.transpose(0, 2, 1, 3)[never] == -1).all()


def test_positions_beyond_the_frame_are_counted() -> None:
    from dataclasses import replace

    tracks = sample_tracks(windows=3)
    xy = np.where(tracks.vis["default"][..., None], tracks.tracks["default"] + np.float32([40, 0]), np.nan)
    beyond = replace(tracks, tracks={"default": xy.astype(np.float32)})
    windows = motion_windows([beyond], ["default"])
    assert windows.clipped > 0
    assert np.abs(windows.positions).max() == 1
    assert motion_windows([tracks], ["default"]).clipped == 0


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
