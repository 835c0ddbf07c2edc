"""Agreement of two readings against counts by hand, by brute force, and by dealing codes out anew."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as of_numpy

from lapsdata.errors import LengthMismatchError, SchemaError
from lapsdata.metrics.agreement import (
    BoundariesOfTwo,
    LatentDistance,
    boundary_shift,
    equal_codes,
    latent_distance,
    matched_shifts,
    paired_windows,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHAPES = st.tuples(st.integers(1, 6), st.integers(1, 4))
CODES = SHAPES.flatmap(lambda shape: st.tuples(*[of_numpy.arrays(np.int32, shape, elements=st.integers(0, 3))] * 2))


def seconds(*times: float) -> NDArray[np.float64]:
    return np.array(times, np.float64)


@given(CODES)
def test_chance_is_the_mean_over_all_ways_to_pair(both: tuple[NDArray[np.int32], NDArray[np.int32]]) -> None:
    codes, other = both
    whole, positions = equal_codes(codes, other)
    every = codes[:, None] == other[None, :]
    np.testing.assert_allclose([one.by_chance for one in positions], every.mean(axis=(0, 1)))
    assert whole.by_chance == pytest.approx(every.all(axis=-1).mean())
    same = np.array([a == b for a, b in zip(codes.tolist(), other.tolist(), strict=True)])
    assert whole.share == pytest.approx(same.mean())
    np.testing.assert_allclose([one.share for one in positions], (codes == other).mean(axis=0))


def test_one_code_for_all_is_chance() -> None:
    whole, positions = equal_codes(np.full((7, 3), 4, np.int32), np.full((7, 3), 4, np.int32))
    assert (whole.share, whole.by_chance) == (1.0, 1.0)
    assert {(one.share, one.by_chance) for one in positions} == {(1.0, 1.0)}


def test_codes_of_other_shapes_or_none_are_refused() -> None:
    with pytest.raises(SchemaError, match="codes: other: expected P = 2 as in codes, got 3"):
        equal_codes(np.zeros((2, 3), np.int32), np.zeros((3, 3), np.int32))
    with pytest.raises(LengthMismatchError, match="expected codes of at least one pair, got none"):
        equal_codes(np.zeros((0, 3), np.int32), np.zeros((0, 3), np.int32))


@given(
    st.integers(1, 5).flatmap(
        lambda rows: st.tuples(*[of_numpy.arrays(np.float32, (rows, 2, 3), elements=st.floats(-8, 8, width=16))] * 2)
    )
)
def test_latents_of_any_two_are_the_mean_over_all(both: tuple[NDArray[np.float32], NDArray[np.float32]]) -> None:
    latents, other = (one.astype(np.float64) for one in both)
    found = latent_distance(*both)
    every = ((latents[:, None] - other[None, :]) ** 2).sum(axis=-1)
    assert found.pairs == len(latents)
    assert found.any_two == pytest.approx(every.mean(), abs=1e-9)
    assert found.paired == pytest.approx(every[np.arange(len(latents)), np.arange(len(latents))].mean(), abs=1e-9)


def test_latents_of_videos_are_pooled_by_their_pairs() -> None:
    assert LatentDistance.pooled([LatentDistance(1, 9.0, 1.0), LatentDistance(2, 0.0, 4.0)]) == LatentDistance(
        3, 3.0, 3.0
    )


@given(st.integers(1, 20), st.integers(1, 20), st.sampled_from([(10, 10), (10, 15), (20, 30), (7, 11)]))
def test_windows_are_pairs_where_they_start_together(count: int, others: int, rates: tuple[int, int]) -> None:
    starts, other = np.arange(count) * 4 / rates[0], np.arange(others) * 4 / rates[1]
    within = 0.25 / max(rates)
    pairs = paired_windows(starts, other, within)
    # Of whole numbers: k * 4 / a and m * 4 / b are the same where k * b == m * a, else at least 4 / (a b) apart.
    near = {
        (k, m)
        for k in range(count)
        for m in range(others)
        if 4 * abs(4 * k * rates[1] - 4 * m * rates[0]) * max(rates) <= rates[0] * rates[1]
    }
    assert {tuple(pair) for pair in pairs.tolist()} == near
    assert all(after > before for before, after in pairwise(pairs[:, 0].tolist()))


def test_boundaries_beyond_the_common_time_are_counted_and_not_missed() -> None:
    two = BoundariesOfTwo.common("clip", (seconds(0.5, 2.0, 5.0), (0.0, 6.0)), (seconds(2.1, 3.0, 7.0), (1.0, 8.0)))
    assert two.span_s == (1.0, 6.0)
    assert (two.unchanged_beyond, two.found_beyond) == (1, 1)
    found = boundary_shift([two], 0.25, draws=20, seed=0)
    assert (found.unchanged, found.found, found.matched) == (2, 2, 1)
    assert (found.unchanged_beyond, found.found_beyond) == (1, 1)
    assert found.median_shift_s == pytest.approx(0.1)
    assert found.f == 0.5
    with pytest.raises(SchemaError, match=r"clip: the time that both were looked at: expected an end after the start"):
        BoundariesOfTwo.common("clip", (seconds(), (0.0, 1.0)), (seconds(), (2.0, 3.0)))


def test_shifts_are_signed_and_pooled() -> None:
    early = BoundariesOfTwo("a", seconds(1, 2, 3), seconds(0.9, 1.9, 2.9), (0.0, 4.0))
    late = BoundariesOfTwo("b", seconds(1, 2), seconds(1.2, 2.2), (0.0, 4.0))
    np.testing.assert_allclose(matched_shifts(late, 0.25), [0.2, 0.2])
    found = boundary_shift([early, late], 0.25, draws=20, seed=0)
    assert (found.unchanged, found.found, found.matched, found.share, found.f) == (5, 5, 5, 1.0, 1.0)
    assert found.median_shift_s == pytest.approx(0.1)
    assert found.median_signed_s == pytest.approx(-0.1)


def test_no_boundary_is_no_number() -> None:
    found = boundary_shift([BoundariesOfTwo("a", seconds(1, 2), seconds(), (0.0, 4.0))], 0.25, draws=5, seed=0)
    assert (found.found, found.matched, found.share, found.f) == (0, 0, 0.0, 0.0)
    assert found.median_shift_s is None
    assert found.median_signed_s is None
    none = boundary_shift([BoundariesOfTwo("a", seconds(), seconds(), (0.0, 4.0))], 0.25, draws=5, seed=0)
    assert (none.share, none.share_by_chance, none.f) == (None, None, 1.0)


def test_chance_is_what_a_single_boundary_anywhere_meets() -> None:
    # One boundary in the middle of 10 s, one drawn: within 0.5 s with probability 0.1; 2,000 draws know it to 0.007.
    found = boundary_shift([BoundariesOfTwo("a", seconds(5), seconds(5), (0.0, 10.0))], 0.5, draws=2000, seed=3)
    assert found.share_by_chance == pytest.approx(0.1, abs=0.03)
    assert found.f_by_chance == found.share_by_chance
    assert found.share == 1.0


TIMES = st.lists(st.integers(1, 99), unique=True, max_size=8).map(lambda ticks: np.array(sorted(ticks), float) / 10)


def most_pairs(times: list[float], others: list[float], tolerance: float) -> int:
    """Return how many pairs there can be at most, by trying every partner of the first time."""
    if not times:
        return 0
    first, *rest = times
    without = most_pairs(rest, others, tolerance)
    partners = [other for other in others if abs(other - first) <= tolerance + 1e-9]
    return max([without, *(1 + most_pairs(rest, [o for o in others if o != one], tolerance) for one in partners)])


@given(TIMES, TIMES, st.sampled_from([0.1, 0.25, 1.0]))
def test_as_many_boundaries_are_matched_as_can_be(
    times: NDArray[np.float64], others: NDArray[np.float64], tolerance: float
) -> None:
    two = BoundariesOfTwo("clip", times, others, (0.0, 10.0))
    found = boundary_shift([two], tolerance, draws=3, seed=0)
    assert found.matched == most_pairs(times.tolist(), others.tolist(), tolerance)
    back = boundary_shift([BoundariesOfTwo("clip", others, times, (0.0, 10.0))], tolerance, draws=3, seed=0)
    assert (back.matched, back.f) == (found.matched, found.f)
    assert back.median_shift_s == found.median_shift_s
    assert found.median_shift_s is None or found.median_shift_s <= tolerance + 1e-9


@given(TIMES, st.integers(-3, 3))
def test_boundaries_that_all_shift_alike_shift_by_so_much(times: NDArray[np.float64], shift: int) -> None:
    # Apart by 1 s at least, so that no boundary is nearer to another's place than to its own.
    apart = 10 * times
    two = BoundariesOfTwo("clip", apart, apart + shift / 10, (-1.0, 101.0))
    found = boundary_shift([two], 0.3, draws=3, seed=0)
    assert found.matched == len(times)
    assert found.f == 1.0
    if len(times):
        assert found.median_signed_s == pytest.approx(shift / 10)
        assert found.median_shift_s == pytest.approx(abs(shift) / 10)


@given(TIMES, TIMES, st.integers(0, 9), st.integers(0, 9))
def test_each_boundary_is_compared_or_counted(
    times: NDArray[np.float64], others: NDArray[np.float64], start: int, end: int
) -> None:
    first, second = (0.0, 10.0 - end / 10), (start / 10, 10.0)
    kept = times[times < first[1]], others[others > second[0]]
    two = BoundariesOfTwo.common("clip", (kept[0], first), (kept[1], second))
    assert len(two.unchanged_s) + two.unchanged_beyond == len(kept[0])
    assert len(two.found_s) + two.found_beyond == len(kept[1])
    for inside in (two.unchanged_s, two.found_s):
        assert ((inside > second[0]) & (inside < first[1])).all()


def test_draws_of_chance_depend_on_seed_and_video_alone() -> None:
    def drawn(video: str, seed: int) -> float:
        two = BoundariesOfTwo(video, seconds(1, 3, 5, 8), seconds(2, 4), (0.0, 10.0))
        return boundary_shift([two], 0.5, draws=7, seed=seed).matched_by_chance

    assert drawn("a", 0) == drawn("a", 0)
    assert len({drawn(video, seed) for video in "abc" for seed in range(3)}) > 1
