"""Batches of as many images as fit: every set comes, in every epoch alike, and order depends on no rank."""

from __future__ import annotations

import json
import pickle
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsdata.errors import SchemaError
from lapsdata.loading import Loader, open_view_sets
from lapsdata.loading._view_draws import Group, ViewDraws, shared_out
from tests.loading.views_by_hand import make_views

if TYPE_CHECKING:
    from lapsdata.loading import ViewBatches


def rows_of(draws: ViewDraws, epoch: int) -> list[Any]:
    return [draws.rows(batch, epoch) for batch in range(len(draws))]


def positions(batches: ViewBatches, epoch: int) -> Counter[tuple[int, int]]:
    """Count the data set and number of each set of an epoch."""
    found: Counter[tuple[int, int]] = Counter()
    for rows in rows_of(batches.draws, epoch):
        found.update(zip(rows.part.tolist(), rows.set_id.tolist(), strict=True))
    return found


counts = st.lists(st.integers(1, 6), min_size=1, max_size=3, unique=True).map(sorted).map(tuple)


@st.composite
def groups(draw: st.DrawFn) -> list[Group]:
    made, first = [], 0
    for _ in range(draw(st.integers(1, 3))):
        members = draw(st.integers(1, 40))
        times = draw(st.sampled_from([1, 1, 2, 3]))
        made.append(Group(0, draw(counts), np.arange(first, first + members), members * times))
        first += members
    return made


@settings(max_examples=60, deadline=None)
@given(groups(), st.integers(1, 12), st.booleans(), st.integers(0, 5))
def test_every_epoch_has_each_set_as_often_as_its_group_says(
    made: list[Group], images: int, shuffle: bool, epoch: int
) -> None:
    draws = ViewDraws(made, max_images=images, seed=3, shuffle=shuffle)
    rows = rows_of(draws, epoch)
    seen = Counter(one for each in rows for one in each.set_id.tolist())
    assert seen == {one: group.size // len(group.members) for group in made for one in group.members.tolist()}
    assert [len(each.set_id) for each in rows] == draws.sets_of(np.arange(len(draws))).tolist()
    for each in rows:
        assert len(each.set_id) == 1 or len(each.set_id) * each.views <= images
        assert len(each.set_id) * each.views <= draws.rows_of_batch
    # As many sets of each number of views as can be, and each only what it is able to give.
    for group in made:
        members = set(group.members.tolist())
        given_views = Counter(each.views for each in rows for one in each.set_id.tolist() if one in members)
        assert set(given_views) <= set(group.counts)
        assert max(given_views.values()) - min(given_views.get(count, 0) for count in group.counts) <= 1


@settings(max_examples=30, deadline=None)
@given(groups(), st.integers(0, 3))
def test_what_a_set_gives_depends_on_no_shuffle_and_no_batch(made: list[Group], epoch: int) -> None:
    contents = []
    for images, shuffle in ((1, False), (7, True), (12, False)):
        draws = ViewDraws(made, max_images=images, seed=3, shuffle=shuffle)
        rows = rows_of(draws, epoch)
        contents.append(sorted((each.views, *one) for each in rows for one in zip(each.set_id, each.turn, strict=True)))
    assert contents[0] == contents[1] == contents[2]


def test_epochs_are_of_other_sets_in_other_batches() -> None:
    draws = ViewDraws([Group(0, (2, 3, 4), np.arange(60), 60)], max_images=8, seed=0, shuffle=True)
    orders = [[each.set_id.tolist() for each in rows_of(draws, epoch)] for epoch in range(3)]
    assert orders[0] != orders[1] != orders[2]
    assert len({len(order) for order in orders}) == 1
    plain = ViewDraws([Group(0, (2,), np.arange(5), 5)], max_images=4, seed=0, shuffle=False)
    assert [each.set_id.tolist() for each in rows_of(plain, 9)] == [[0, 1], [2, 3], [4]]


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=6), st.integers(1, 5000))
def test_what_is_shared_out_is_all_and_each_gets_its_share(sizes: list[int], total: int) -> None:
    if total < len(sizes):
        with pytest.raises(SchemaError, match="at least"):
            shared_out(total, sizes)
        return
    found = shared_out(total, sizes)
    assert sum(found) == total
    assert min(found) >= 1
    if total % sum(sizes) == 0:
        assert found == [size * total // sum(sizes) for size in sizes]


def test_longer_shorter_and_joined_data_sets() -> None:
    a = open_view_sets(make_views([2] * 6), views=2)
    b = open_view_sets(make_views([2] * 4, first_frame=90), views=2)
    assert [len(term) for term in (a + b, 3 * a, 40_000 @ a, 2 * (3 @ a + b), np.int64(5) @ a)] == [
        10, 18, 40_000, 14, 5]  # fmt: skip
    both = (2 * a + b).batches(8)
    assert positions(both, 0) == Counter({(0, n): 2 for n in range(6)} | {(1, n): 1 for n in range(4)})
    # A shorter epoch goes on where the one before ended: all come before any comes again.
    short = (2 @ a).batches(2)
    seen = [positions(short, epoch) for epoch in range(6)]
    assert sum(seen[:3], Counter()) == sum(seen[3:], Counter()) == Counter({(0, n): 1 for n in range(6)})
    # A longer one has sets again with other views.
    long = open_view_sets(make_views([4] * 3), views=2)
    batches = (12 @ long).batches(24)
    (rows,) = rows_of(batches.draws, 0)
    assert Counter(rows.turn.tolist()) == {0: 3, 1: 3, 2: 3, 3: 3}
    views = batches.views(batches.gather([0]))
    pairs = list(zip(views[0]["instance"], views[1]["label"], strict=True))
    assert len(set(pairs)) > 3


def test_joining_keeps_what_each_data_set_can_give() -> None:
    a = open_view_sets(make_views([2, 3, 3]), views=[2, 3], too_few="fewer")
    b = open_view_sets(make_views([4, 4], first_frame=90), views=4)
    batches = (10 @ (a + b)).batches(12)
    assert sum(positions(batches, 0).values()) == 10
    assert {part for part, _ in positions(batches, 0)} == {0, 1}
    for epoch in range(3):
        for rows in rows_of(batches.draws, epoch):
            assert all((rows.views == 4) == (part == 1) for part in rows.part.tolist())


@pytest.mark.parametrize("wrong", [0, -1, 2.5, True, "3"])
def test_only_positive_whole_numbers_make_a_data_set_longer(wrong: Any) -> None:
    sets = open_view_sets(make_views([2]), views=2)
    with pytest.raises(SchemaError, match="expected a whole number from 1 on before @"):
        wrong @ sets
    with pytest.raises(SchemaError, match=r"expected a whole number from 1 on before \*"):
        wrong * sets


def test_a_data_set_is_joined_with_data_sets_of_the_same_arrays_alone() -> None:
    sets = open_view_sets(make_views([2]), views=2)
    with pytest.raises(TypeError, match="unsupported operand"):
        sets + 3
    predicted = open_view_sets(make_views([2]), make_views([2]), views=2)
    with pytest.raises(SchemaError, match=r"pred_depthmap: expected no such field as in data set 0"):
        (sets + predicted).batches(4)
    with pytest.raises(SchemaError, match="at least 2 sets of an epoch, one of each kind, got 1"):
        1 @ (sets + sets)


def test_a_batch_holds_views_of_all_its_sets_one_after_the_other() -> None:
    sets = open_view_sets(make_views([3] * 5), views=3, dataset="made")
    batches = sets.batches(7, shuffle=False)
    batch = batches.gather([1, 2])
    assert batch["img"].shape == (2, 6, 3, 4, 3)
    assert (batch["views"].tolist(), batch["sets"].tolist()) == ([3, 3], [2, 1])
    # View v of set b is image v * S + b.
    assert batch["set"].tolist() == [[2, 3, 2, 3, 2, 3], [4, 4, 4, -1, -1, -1]]
    assert batch["img"][0, :, 0, 0, 0].tolist() == [6, 9, 7, 10, 8, 11]
    assert not batch["depthmap"][1, 3:].any()
    views = batches.views(batch, 1)
    assert [view["instance"] for view in views] == [["68_camera0"], ["68_camera1"], ["68_camera2"]]
    assert np.shares_memory(views[0]["img"], batch["img"])
    assert all(view["img"].flags.c_contiguous for view in views)
    assert set(views[0]) == {*sets.spec, "dataset", "label", "instance", "camera_model", "depth_kind"}


def test_only_what_is_asked_for_is_read_and_buffers_are_filled() -> None:
    made = make_views([2] * 3)
    sets = open_view_sets(made, views=2)
    batches = sets.batches(4)
    some = batches.gather([0], fields=["camera_pose", "views", "sets"])
    assert set(some) == {"camera_pose", "views", "sets"}
    assert set(batches.views(some)[0]) == {"camera_pose"}
    out = {"img": np.full((1, 4, 3, 4, 3), 9, np.uint8)}
    assert batches.gather([1], out=out)["img"] is out["img"]
    assert not out["img"][0, 2:].any()  # one set is left for the last batch
    with pytest.raises(SchemaError, match=r"expected \(1, 4, 3, 4, 3\) uint8 in C order"):
        batches.gather([0], out={"img": np.zeros((1, 2, 3, 4, 3), np.uint8)})
    with pytest.raises(SchemaError, match="expected the fields views and sets"):
        batches.views({"img": out["img"]})
    with pytest.raises(IndexError, match="2"):
        batches.gather([2])
    for wrong in ({"max_images": 0}, {"max_images": 4, "epoch": -1}):
        with pytest.raises(SchemaError, match="expected a whole number"):
            sets.batches(**wrong)


def test_a_validation_sees_the_same_in_each_epoch() -> None:
    sets = open_view_sets(make_views([4] * 4), views=2)
    batches = sets.batches(4, shuffle=False, epoch=0)
    loader = Loader(batches, batch_size=1, workers=0, reuse=False)
    first, second = ([batch["view"].tolist() for batch in loader] for _ in range(2))
    assert first == second
    moving = Loader(sets.batches(4, shuffle=False), batch_size=1, workers=0, reuse=False)
    first, second = ([batch["view"].tolist() for batch in moving] for _ in range(2))
    assert first != second


def load(world: int, rank: int, state: dict[str, Any] | None, steps: int) -> tuple[list[Any], dict[str, Any]]:
    """Return what a rank receives in some steps, and its state then."""
    sets = open_view_sets(make_views([4] * 11 + [2, 3]), views=[2, 3, 4], too_few="fewer")
    loader = Loader(sets.batches(4), batch_size=1, shuffle="global", seed=5, epochs=None, steps_per_epoch=6, rank=rank,
                    world_size=world, workers=0, fields=["set", "view", "views", "sets"])  # fmt: skip
    if state is not None:
        loader.load_state_dict(state)
    found = []
    for batch in loader:
        found.append((batch["set"][0].tolist(), batch["view"][0].tolist(), loader.epoch))
        if len(found) == steps:
            break
    return found, json.loads(json.dumps(loader.state_dict()))


def together(ranks: list[list[Any]]) -> list[Any]:
    return [one for step in zip(*ranks, strict=True) for one in step]


def test_five_ranks_go_on_where_four_were_in_the_same_order() -> None:
    alone, _ = load(1, 0, None, 40)
    four = [load(4, rank, None, 5) for rank in range(4)]
    states = [state for _, state in four]
    assert all(state == states[0] for state in states)
    five = [load(5, rank, states[0], 4) for rank in range(5)]
    assert [one[:2] for one in together([seen for seen, _ in four]) + together([seen for seen, _ in five])] == [
        one[:2] for one in alone
    ]
    assert (states[0]["round"], states[0]["step"]) == (0, 5)
    # Step 6 ends the round that four ranks had begun: it has as many steps.
    assert (five[0][1]["round"], five[0][1]["step"]) == (1, 3)


def test_plan_and_notes_say_what_an_epoch_holds() -> None:
    sets = open_view_sets(make_views([4] * 6), views=[2, 4])
    loader = Loader(sets.batches(4), batch_size=1, shuffle="global", steps_per_epoch=3, epochs=2, rank=0, world_size=2)
    text = loader.plan().text
    assert "an epoch of 6 sets has 2 of up to 2 x 2 views (3 in all), 3 of up to 1 x 4 views (3 in all)" in text
    assert "a round is 3 steps" in text


def test_batches_go_to_other_processes() -> None:
    batches = open_view_sets(make_views([3] * 4), views=2).batches(4)
    other = pickle.loads(pickle.dumps(batches))
    one, two = (source.gather([0, 1], epochs=np.array([1, 2])) for source in (batches, other))
    assert all(np.array_equal(one[name], two[name]) for name in one)
    assert batches.fingerprint == other.fingerprint


def equal_samples(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> bool:
    return len(one) == len(other) and all(
        a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)
        for a, b in zip(one, other, strict=True)
    )


def test_once_a_data_set_is_that_data_set_by_number_too() -> None:
    sets = open_view_sets(make_views([2, 3, 2]), views=2)
    for number in range(3):
        assert equal_samples((1 * sets)[number], sets[number])
        assert equal_samples((3 @ sets).sample(number, epoch=4), sets.sample(number, epoch=4))


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=4),
    st.lists(st.integers(1, 4), min_size=1, max_size=4),
    st.integers(8, 20),
    st.integers(0, 3),
)
def test_samples_by_number_are_those_that_batches_of_one_set_hold(
    first: list[int], second: list[int], length: int, epoch: int
) -> None:
    parts = [
        open_view_sets(make_views(views), views=[1, 2, 4], too_few="fewer", seed=seed)
        for seed, views in enumerate((first, second))
    ]
    whole = length @ (parts[0] + 2 * parts[1])
    batches = whole.batches(1, shuffle=False, epoch=epoch)
    assert len(batches) == len(whole) == length
    for number in range(length):
        batch = batches.gather([number])
        sample = whole.sample(number, epoch=epoch)
        assert len(sample) == int(batch["views"][0])
        for view, (told, held) in enumerate(zip(sample, batches.views(batch), strict=True)):
            assert held["label"] == [told["label"]]
            assert np.array_equal(held["img"][0], told["img"])
            assert np.array_equal(held["camera_pose"][0], told["camera_pose"])
            assert told["idx"] == (int(batch["set"][0, view]), 0, view)


def test_numbers_that_are_none_are_refused() -> None:
    whole = 5 @ open_view_sets(make_views([2, 2]), views=2)
    for wrong in (-1, 5):
        with pytest.raises(IndexError, match=f"0 to 4|{wrong}"):
            whole[wrong]
    with pytest.raises(SchemaError, match="expected a whole number from 0 on, got -1"):
        whole.sample(0, epoch=-1)
    assert len([whole[number] for number in range(len(whole))]) == 5
