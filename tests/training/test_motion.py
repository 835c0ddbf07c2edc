"""Windows of tracks as the model takes them, against a loop over points and against the NumPy geometry."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsdata.geometry import FrameSize, pixel_to_amplify
from lapsdata.testing.samples import sample_tracks
from lapsmodels.tokenizer.config import TokenizerConfig
from lapsmodels.training.motion import Motion, MotionCounts, motion, reference_motion

SIZE = FrameSize(width=64, height=48)


def held_by_hand(path: Any) -> list[Any]:
    """A position that is not given is where the point was last; before that, where it will be first."""
    given = np.isfinite(path).all(axis=-1)
    if not given.any():
        return [[0.0, 0.0]] * len(path)
    places, at = [], path[list(given).index(True)]
    for position, there in zip(path, given, strict=True):
        at = position if there else at
        places.append(at)
    return places


def made(xy: Any, vis: Any, **options: Any) -> tuple[Motion, MotionCounts]:
    """Return the motion of windows (B, T, N, 2) of one view."""
    size = torch.tensor([[SIZE.width, SIZE.height]] * len(xy), dtype=torch.float32)[:, None]
    tracks, seen = torch.tensor(xy)[:, None], torch.tensor(vis)[:, None]
    return motion(tracks, seen, size, TokenizerConfig(**options))


@pytest.fixture(scope="module")
def clip() -> tuple[Any, Any]:
    tracks = sample_tracks(windows=6, horizon=5, points=20, seed=3)
    return tracks.tracks["default"], tracks.vis["default"]


def test_what_is_not_given_does_not_move(clip: tuple[Any, Any]) -> None:
    xy, vis = clip
    found, counts = made(xy, vis)
    for w in range(6):
        for n in range(20):
            held = np.array(held_by_hand(xy[w, :, n]), np.float32)
            expected = pixel_to_amplify(held, SIZE, outside="clip").row_col
            np.testing.assert_allclose(found.positions[w, 0, :, n], expected, atol=1e-6)
    assert int(counts.positions) == vis.size
    assert int(counts.unseen) == int((~vis).sum())
    assert int(counts.lost) == int((~np.isfinite(xy).all(axis=-1)).sum()) > 0


def test_a_point_that_is_never_given_stays_in_the_corner() -> None:
    found, _ = made(np.full((1, 3, 2, 2), np.nan, np.float32), np.zeros((1, 3, 2), bool))
    assert (found.positions == -1).all()
    assert (found.velocities == 0).all()


@pytest.mark.parametrize("seen_only", [True, False])
@pytest.mark.parametrize("inside_only", [True, False])
def test_steps_that_do_not_count_are_no_motion(clip: tuple[Any, Any], seen_only: bool, inside_only: bool) -> None:
    xy, vis = clip
    xy = xy + np.float32([30, 0])  # some points lie beyond the right edge
    found, counts = made(xy, vis, seen_only=seen_only, inside_only=inside_only)
    given = np.isfinite(xy).all(axis=-1)
    held = np.array([[held_by_hand(xy[w, :, n]) for n in range(20)] for w in range(6)], np.float32).swapaxes(1, 2)
    inside = (np.abs(pixel_to_amplify(held, SIZE, outside="keep").row_col) <= 1).all(axis=-1)
    good = np.ones_like(vis)
    if seen_only:
        good &= vis & given
    if inside_only:
        good &= inside
    known = good[:, 1:] & good[:, :-1]
    np.testing.assert_array_equal(found.known[:, 0], known)
    policy: Any = "keep" if inside_only else "clip"
    steps = np.diff(pixel_to_amplify(held, SIZE, outside=policy).row_col, axis=1)
    np.testing.assert_allclose(found.velocities[:, 0], np.where(known[..., None], steps, 0), atol=1e-6)
    assert int(counts.outside) == int((~inside).sum()) > 0
    assert int(counts.still) == int((~known).sum())
    assert bool((found.positions.abs() <= 1).all()) != inside_only


def test_every_window_has_the_size_of_its_own_frame() -> None:
    xy = np.full((2, 2, 1, 2), 24, np.float32)
    size = torch.tensor([[[48.0, 48.0]], [[96.0, 24.0]]])
    tracks, seen = torch.from_numpy(xy)[:, None], torch.ones(2, 1, 2, 1, dtype=torch.bool)
    found, _ = motion(tracks, seen, size, TokenizerConfig())
    assert found.positions[:, 0, 0, 0].tolist() == [[0.0, 0.0], [1.0, -0.5]]


@settings(max_examples=40)
@given(
    shape=st.tuples(*(st.integers(1, high) for high in (3, 2, 5, 4))),
    seed=st.integers(0, 999),
    seen_only=st.booleans(),
    inside_only=st.booleans(),
)
def test_the_compiled_loop_gives_the_bits_of_the_reference(
    shape: tuple[int, ...], seed: int, seen_only: bool, inside_only: bool
) -> None:
    random = np.random.default_rng(seed)
    tracks = random.uniform(-20, 90, (*shape, 2)).astype(np.float32)
    tracks[random.random(shape) < 0.3] = np.nan
    tracks[..., 0][random.random(shape) < 0.05] = np.inf
    vis = random.random(shape) < 0.7
    size = torch.from_numpy(random.uniform(20, 90, (*shape[:2], 2)).astype(np.float32))
    config = TokenizerConfig(seen_only=seen_only, inside_only=inside_only)
    found, expected = (make(torch.from_numpy(tracks), torch.from_numpy(vis), size, config)
                       for make in (motion, reference_motion))  # fmt: skip
    for one, other in zip((*found[0], *found[1]), (*expected[0], *expected[1]), strict=True):
        assert one.dtype == other.dtype
        assert torch.equal(one, other)
