"""MapAnything's own order, held against numbers that its code gave, and what it loses beside what ours visits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsdata.errors import SchemaError
from lapsdata.loading import open_view_sets
from lapsdata.loading.map_anything import TheirSet, TheirSets, sampled_batches, sampled_steps
from tests.loading.views_by_hand import make_views

# What its sampler yields: rank, number of the count of views, sets; by sets, counts, images, epoch and ranks.
SAMPLED: dict[tuple[int, tuple[int, ...], int, int, int], list[tuple[int, int, list[int]]]] = {
    (12, (2, 3, 4), 4, 0, 2): [(0, 1, [1]), (1, 1, [3]), (0, 1, [5]), (1, 1, [6]), (0, 2, [7]), (1, 0, [9, 8])],
    (9, (2, 3, 4), 8, 2, 1): [(0, 1, [8, 4]), (0, 2, [1, 7])],
}


@pytest.mark.parametrize("asked", SAMPLED)
def test_batches_are_those_of_their_sampler(asked: tuple[int, tuple[int, ...], int, int, int]) -> None:
    sets, views, images, epoch, ranks = asked
    found = sampled_batches(sets, views, images, epoch=epoch, world_size=ranks)
    assert [(one.rank, one.which, one.set_id.tolist()) for one in found] == SAMPLED[asked]


def test_their_sampler_visits_two_thirds_of_mixed_view_counts_and_ours_all() -> None:
    shares = []
    for epoch in range(3):
        batches = sampled_batches(3000, [2, 3, 4], 4, epoch=epoch, world_size=4)
        seen = [one for batch in batches for one in batch.set_id.tolist()]
        assert len(set(seen)) == len(seen)
        shares.append(len(seen) / 3000)
    assert shares == pytest.approx([0.664, 0.663, 0.657], abs=0.001)
    ours = open_view_sets(make_views([4] * 300), views=[2, 3, 4]).batches(4)
    for epoch in range(3):
        seen = [one for batch in range(len(ours)) for one in ours.draws.rows(batch, epoch).set_id.tolist()]
        assert sorted(seen) == list(range(300))


def test_their_epoch_is_shorter_on_more_ranks() -> None:
    # 40 000 pairs of views with 4 images for each rank: the run that went on with 5 ranks in place of 4.
    assert [sampled_steps(40_000, [2], 4, ranks) for ranks in (1, 4, 5)] == [20_000, 5000, 4000]
    assert sampled_steps(50_000, [2], 4, 5) == 5000


@settings(max_examples=40)
@given(
    st.integers(1, 300),
    st.lists(st.integers(1, 6), min_size=1, max_size=3, unique=True),
    st.integers(1, 12),
    st.integers(1, 5),
    st.integers(0, 9),
)
def test_ranks_get_batches_in_turns_as_many_as_are_promised(
    sets: int, views: list[int], images: int, ranks: int, epoch: int
) -> None:
    found = list(sampled_batches(sets, views, images, epoch=epoch, world_size=ranks))
    assert [one.rank for one in found] == [number % ranks for number in range(len(found))]
    assert len(found) <= sampled_steps(sets, views, images, ranks) * ranks
    for one in found:
        assert len(one.set_id) == max(1, images // views[one.which])
    seen = [one for batch in found for one in batch.set_id.tolist()]
    assert len(set(seen)) == len(seen)
    assert set(seen) <= set(range(sets))


def test_a_resized_data_set_is_permuted_by_its_epoch_and_repeated_with_another_seed() -> None:
    sets = 12 @ TheirSets("a", 5)
    # What NumPy's generator of seed 777 and 778 permutes 5 numbers to.
    orders = {0: [1, 2, 4, 0, 3], 1: np.random.default_rng(778).permutation(5).tolist()}
    for epoch, order in orders.items():
        assert [sets[index, epoch] for index in range(12)] == [
            TheirSet("a", order[index % 5], index // 5) for index in range(12)
        ]
    short = 3 @ TheirSets("a", 5)
    assert [short[index, 0].set_id for index in range(3)] == [1, 2, 4]


def test_two_data_sets_of_one_length_are_permuted_alike_there_and_apart_here() -> None:
    both = 50 @ TheirSets("a", 50) + 50 @ TheirSets("b", 50)
    order = [both[index, 3].set_id for index in range(100)]
    assert order[:50] == order[50:]
    a, b = (open_view_sets(make_views([1] * 50, first_frame=frame), views=1) for frame in (60, 900))
    rows = (a + b).batches(1000).draws.rows(0, 3)
    first, second = (rows.set_id[rows.part == part].tolist() for part in (0, 1))
    assert sorted(first) == sorted(second) == list(range(50))
    assert first != second


def test_a_repeat_has_the_seed_of_its_neighbour_there_and_views_of_its_own_here() -> None:
    doubled = 10 @ TheirSets("a", 5)
    # They seed by `seed + offset + set`.
    seeds = [doubled[index, 0].set_id + doubled[index, 0].seed_offset for index in range(10)]
    assert len(set(seeds)) < 10
    ours = open_view_sets(make_views([40] * 5), views=20)
    drawn = {tuple(ours.drawn(one, 20, turn)[1:3]) for one in range(5) for turn in range(2)}
    assert len(drawn) > 5


def test_sums_and_multiples_stand_where_theirs_do() -> None:
    both = 2 * (TheirSets("a", 2) + TheirSets("b", 1)) + 2 @ TheirSets("c", 2)
    assert [both[index, 0] for index in range(6)] == [
        TheirSet("a", 0, 0), TheirSet("a", 0, 0), TheirSet("a", 1, 0), TheirSet("a", 1, 0), TheirSet("b", 0, 0),
        TheirSet("b", 0, 0),
    ]  # fmt: skip
    assert len(both) == 8
    assert {both[index, 0].name for index in (6, 7)} == {"c"}
    with pytest.raises(IndexError, match="expected an index from 0 to 7, got 8"):
        both[8, 0]


def test_what_fails_there_is_told_and_done_here() -> None:
    a, b = TheirSets("a", 4), TheirSets("b", 2)
    with pytest.raises(SchemaError, match=r"n @ \(...\): only a plain data set takes a seed offset.*n @ a \+ m @ b"):
        10 @ (a + b)
    with pytest.raises(SchemaError, match=r"k \* \(n @ a\): it does not hand the epoch on; write \(k \* n\) @ a"):
        2 * (10 @ a)
    ours = [open_view_sets(make_views([1] * many), views=1) for many in (4, 2)]
    assert len(10 @ (ours[0] + ours[1])) == 10
    assert len(2 * (10 @ ours[0])) == 20


@pytest.mark.parametrize("wrong", [0, -3, 1.5, None, True])
def test_lengths_are_whole_numbers(wrong: Any) -> None:
    a = TheirSets("a", 4)
    with pytest.raises(SchemaError, match="size: expected a whole number from 1 on"):
        wrong @ a
    with pytest.raises(SchemaError, match="factor: expected a whole number from 1 on"):
        wrong * a
    with pytest.raises(SchemaError, match="sets: expected a whole number from 1 on"):
        TheirSets("a", wrong)
    with pytest.raises(TypeError, match="unsupported operand"):
        a + wrong
