"""Errors of poses and of depth, beside SciPy's rotations and loops over single numbers."""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from lapsdata.errors import SchemaError
from lapsdata.metrics.view_errors import aligned_poses, depth_match, joined_depth, pose_errors, root_mean_square

if TYPE_CHECKING:
    from numpy.typing import NDArray

SEEDS = st.integers(0, 2**32 - 1)


def drawn_poses(random: np.random.Generator, count: int) -> NDArray[np.float64]:
    poses = np.tile(np.eye(4), (count, 1, 1))
    poses[:, :3, :3] = Rotation.random(count, random_state=random).as_matrix()
    poses[:, :3, 3] = random.normal(0, 30, (count, 3))
    return poses


def plain_depth(true: NDArray[Any], found: NDArray[Any], far_m: float = math.inf) -> tuple[int, float, float, float]:
    pairs = [
        (float(want), float(have))
        for want, have in zip(true.ravel(), found.ravel(), strict=True)
        if 0 < want <= far_m and math.isfinite(want) and math.isfinite(have) and have > 0
    ]
    scale = statistics.median(have / want for want, have in pairs)
    plain = sum((have - want) ** 2 for want, have in pairs) / len(pairs)
    scaled = sum((have / scale - want) ** 2 for want, have in pairs) / len(pairs)
    return len(pairs), math.sqrt(plain), math.sqrt(scaled), scale


@given(SEEDS)
def test_distances_and_angles_are_those_of_scipy(seed: int) -> None:
    random = np.random.default_rng(seed)
    true, found = drawn_poses(random, 5), drawn_poses(random, 5)
    errors = pose_errors(true, found)
    for view in range(5):
        both = [Rotation.from_matrix(poses[view, :3, :3]) for poses in (true, found)]
        assert errors.angle_deg[view] == pytest.approx(np.degrees((both[0].inv() * both[1]).magnitude()), abs=1e-5)
        assert errors.distance_m[view] == pytest.approx(math.dist(true[view, :3, 3], found[view, :3, 3]))


@pytest.mark.parametrize("turned_deg", [0.0, 1e-6, 0.01, 90.0, 179.9, 180.0])
def test_angles_are_exact_where_they_are_small_and_where_they_are_large(turned_deg: float) -> None:
    true, found = np.eye(4)[None], np.eye(4)[None].copy()
    found[0, :3, :3] = Rotation.from_euler("y", turned_deg, degrees=True).as_matrix()
    assert pose_errors(true, found).angle_deg[0] == pytest.approx(turned_deg, rel=1e-6, abs=1e-12)


@given(SEEDS)
def test_a_world_of_its_own_for_each_set_costs_nothing_once_first_views_are_aligned(seed: int) -> None:
    random = np.random.default_rng(seed)
    true, worlds = drawn_poses(random, 7), drawn_poses(random, 2)
    sets = np.array([0, 0, 0, 4, 4, 4, 4])
    found = np.where((sets == 0)[:, None, None], worlds[0] @ true, worlds[1] @ true)
    moved, free = aligned_poses(true, found, sets, "first_view")
    np.testing.assert_allclose(moved, true, atol=1e-9)
    assert free.tolist() == [False, True, True, False, True, True, True]


def test_a_first_view_that_is_off_puts_its_whole_set_off_where_all_are_compared() -> None:
    true = np.tile(np.eye(4), (2, 1, 1))
    true[1, 0, 3] = 10
    found = true.copy()
    found[0, :3, :3] = Rotation.from_euler("y", 90, degrees=True).as_matrix()
    moved, _ = aligned_poses(true, found, np.zeros(2, np.int64), "first_view")
    # The second camera was 10 m to the right; seen from a first one that looks to the right, it is 10 m ahead.
    np.testing.assert_allclose(moved[1, :3, 3], [0, 0, 10], atol=1e-12)
    assert pose_errors(true, moved).distance_m.tolist() == pytest.approx([0, 10 * math.sqrt(2)])


def test_poses_stay_as_they_are_without_alignment() -> None:
    poses = drawn_poses(np.random.default_rng(0), 3)
    moved, free = aligned_poses(poses[::-1], poses, np.zeros(3, np.int64), "none")
    np.testing.assert_array_equal(moved, poses)
    assert free.all()


def test_no_view_is_no_error() -> None:
    nothing = np.zeros((0, 4, 4))
    moved, free = aligned_poses(nothing, nothing, np.zeros(0, np.int64), "first_view")
    assert (len(moved), len(free)) == (0, 0)
    assert len(pose_errors(nothing, moved).distance_m) == 0


def test_poses_of_other_numbers_are_refused() -> None:
    with pytest.raises(SchemaError, match=r"expected as many poses and sets, got 2, 3 and 2"):
        aligned_poses(np.zeros((2, 4, 4)), np.zeros((3, 4, 4)), np.zeros(2, np.int64), "none")


@given(SEEDS, st.sampled_from([20.0, 60.0, math.inf]))
def test_depth_is_compared_as_single_numbers_are(seed: int, far_m: float) -> None:
    random = np.random.default_rng(seed)
    true, found = random.uniform(-10, 90, (2, 6, 7)).astype(np.float32)
    true[0, 0], found[0, 0] = 15, 16
    true[1, :3], found[2, :3] = (np.nan, np.inf, 0), (np.nan, np.inf, 0)
    match = depth_match(true, found, far_m)
    assert match is not None
    assert (match.pixels, match.rmse_m, match.scaled_rmse_m, match.scale) == pytest.approx(
        plain_depth(true, found, far_m)
    )


@given(SEEDS, st.floats(0.1, 9))
def test_a_factor_is_found_and_taken_off(seed: int, factor: float) -> None:
    true = np.random.default_rng(seed).uniform(1, 50, (4, 4)).astype(np.float32)
    match = depth_match(true, true * np.float32(factor))
    assert match is not None
    assert match.scale == pytest.approx(factor, rel=1e-6)
    assert match.scaled_rmse_m == pytest.approx(0, abs=1e-4)
    assert match.rmse_m == pytest.approx(
        abs(factor - 1) * np.sqrt(np.mean(true.astype(float) ** 2)), rel=1e-3, abs=1e-4
    )


@pytest.mark.parametrize(
    ("true", "found", "far_m"),
    [
        ([0.0, 5.0], [5.0, 0.0], math.inf),
        ([5.0, 5.0], [np.nan, -1.0], math.inf),
        ([90.0, 81.0], [1.0, 1.0], 80.0),
        ([np.inf, np.nan], [1.0, 1.0], math.inf),
    ],
)
def test_where_no_pixel_has_both_nothing_is_compared(true: list[float], found: list[float], far_m: float) -> None:
    assert depth_match(np.array([true], np.float32), np.array([found], np.float32), far_m) is None


def test_views_together_are_all_their_pixels_together() -> None:
    random = np.random.default_rng(3)
    views = [(random.uniform(1, 30, (2, n)), random.uniform(1, 30, (2, n))) for n in (1, 4, 30)]
    matches = [depth_match(true.astype(np.float32), found.astype(np.float32)) for true, found in views]
    together = joined_depth([one for one in matches if one is not None])
    assert together is not None
    off = np.concatenate([(found - true).ravel() for true, found in views])
    assert together.pixels == len(off)
    assert together.rmse_m == pytest.approx(math.sqrt(np.mean(off**2)), rel=1e-5)
    assert together.scale == statistics.median(one.scale for one in matches if one is not None)


def test_no_views_together_are_none() -> None:
    assert joined_depth([]) is None


def test_the_root_of_the_mean_of_squares_is_none_of_the_mean() -> None:
    assert root_mean_square(np.array([1.0, -7.0])) == pytest.approx(5.0)
