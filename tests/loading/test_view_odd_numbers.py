"""Trainings of odd numbers: one set, fewer sets than ranks, more than there are, a budget below one set."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lapsdata.errors import LapsError, SchemaError
from lapsdata.formats import write
from lapsdata.loading import open_view_sets
from lapsdata.loading._view_draws import Group, ViewDraws
from lapsdata.loading.view_plan import plan_rates, plan_split
from lapsdata.loading.view_training import epoch_steps, open_split, source_split, split_loader
from lapsdata.schema import Recipe, ViewSplit, ViewTraining
from lapsdata.stages.recipe import plan_recipe
from tests.loading.views_by_hand import make_views

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata.loading import ViewBatches


def training_of(ranks: int = 1, epochs: int = 2, **splits: dict[str, Any]) -> ViewTraining:
    usual = {"source": "a.h5", "views": 1, "max_images": 4}
    made = {name: ViewSplit(**(usual | told)) for name, told in splits.items()}
    return ViewTraining(splits=made, epochs=epochs, rate=1e-3, ranks=ranks)


def problems_of(folder: Path, training: ViewTraining, *ranks: int) -> dict[str, tuple[str, str]]:
    """Return severity and message of what a plan tells, by the name of the split and the code."""
    found = plan_recipe(Recipe(training=training), folder, ranks=ranks).problems
    return {f"{one.where.rpartition('.')[2]} {one.code}": (one.severity, one.message) for one in found}


def rounds(batches: ViewBatches, training: ViewTraining, name: str, ranks: int, many: int) -> list[list[list[int]]]:
    """Return the sets of each round, of all ranks together."""
    found: list[list[list[int]]] = [[] for _ in range(many)]
    for rank in range(ranks):
        loader = split_loader(batches, training, name, rank=rank, world_size=ranks, workers=0, fields=["set"])
        for number in range(many):
            found[number] += [batch["set"][0].tolist() for batch in loader if batch["valid"][0]]
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with `a.h5`, of 6 sets for training and 4 for validation."""
    write(tmp_path / "a.h5", make_views([4] * 10, split=["train"] * 6 + ["validate"] * 4))
    return tmp_path


@pytest.mark.parametrize("ranks", [1, 2, 5])
@pytest.mark.parametrize("steps", [None, 1, 7])
def test_one_set_is_shown_to_each_rank_or_to_one_and_the_plan_says_so(ranks: int, steps: int | None) -> None:
    training = training_of(train={"views": 2, "steps_per_epoch": steps})
    batches = open_view_sets(make_views([2]), views=2).batches(4)
    (told,) = plan_split(batches, training, "train", (ranks,)).by_rank
    shown, masked = 0, 0
    for rank in range(ranks):
        loader = split_loader(batches, training, "train", rank=rank, world_size=ranks, workers=0, fields=["set"])
        assert len(loader) == 2 * told.steps
        valid = [bool(batch["valid"][0]) for batch in loader]
        shown, masked = shown + sum(valid), masked + valid.count(False)
    assert (told.visited, told.all_after, told.steps) == (1, 1, steps or 1)
    # Two epochs of the training.
    assert (2 * told.shown, 2 * told.masked) == (shown, masked)
    assert shown == 2 * (steps * ranks if steps else 1)


def test_fewer_sets_than_numbers_of_views_never_have_the_last_of_them() -> None:
    for many, never in ((1, (3, 4)), (2, (4,)), (3, ())):
        batches = open_view_sets(make_views([4] * many), views=[2, 3, 4]).batches(4)
        assert batches.draws.never == never
        seen = {batches.draws.rows(batch, epoch).views for epoch in range(20) for batch in range(len(batches))}
        assert seen == {2, 3, 4} - set(never)
        told = [note for note in batches.notes if "no set ever has" in note]
        words = " or ".join(map(str, never))
        wanted = [f"no set ever has {words} views: an epoch has fewer sets than numbers of views"] if never else []
        assert told == wanted
    # As many epochs in one, and all of them come.
    longer = (3 @ open_view_sets(make_views([4]), views=[2, 3, 4])).batches(4)
    assert longer.draws.never == ()
    assert {longer.draws.rows(batch, 0).views for batch in range(len(longer))} == {2, 3, 4}


def test_what_one_kind_of_sets_never_has_another_may_have() -> None:
    draws = ViewDraws([Group(0, (2, 3), np.arange(1), 1), Group(0, (2, 3, 4), np.arange(1, 9), 8)], max_images=8,
                      seed=0, shuffle=True)  # fmt: skip
    assert (draws.counts, draws.never) == ((2, 3, 4), ())
    alone = ViewDraws([Group(0, (2, 3), np.arange(1), 1)], max_images=8, seed=0, shuffle=True)
    assert (alone.counts, alone.never) == ((2,), (3,))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 12), st.integers(1, 3), st.integers(1, 9))
def test_with_sets_enough_every_number_of_views_comes_in_every_epoch(sets: int, numbers: int, images: int) -> None:
    views = list(range(1, numbers + 1))
    batches = open_view_sets(make_views([3] * sets), views=views).batches(images)
    for epoch in (0, 1, 17):
        rows = [batches.draws.rows(batch, epoch) for batch in range(len(batches))]
        assert {one.views for one in rows} == set(views[:sets])
        assert sorted(one for each in rows for one in each.set_id.tolist()) == list(range(sets))
    assert batches.draws.never == tuple(views[sets:])


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 5), st.integers(1, 6))
def test_a_budget_below_one_set_is_exceeded_by_one_set_alone_and_told(views: int, images: int) -> None:
    batches = open_view_sets(make_views([5] * 3), views=views).batches(images)
    batch = batches.gather(range(len(batches)))
    assert batches.max_images == images
    if views > images:
        assert (batch["sets"] == 1).all()
        assert f"batches of one set have up to {views} images, more than the {images} asked for" in batches.notes
    else:
        assert (batch["sets"] * batch["views"] <= images).all()
        assert not any("more than" in note for note in batches.notes)


def test_more_sets_than_there_are_are_told(folder: Path) -> None:
    training = training_of(train={"max_sets": 7, "steps_per_epoch": 2}, val={"max_sets": 4})
    found = plan_recipe(Recipe(training=training), folder)
    assert [split.max_sets for split in found.splits] == [6, 4]
    (problem,) = found.problems
    assert (problem.code, problem.severity) == ("few-sets", "warning")
    assert problem.message == "expected at most the 6 sets that there are, got max_sets 7"
    assert problem.fix == "an epoch has 6: leave max_sets out"


@pytest.mark.parametrize("wrong", [{"max_sets": 0}, {"steps_per_epoch": 0}, {"max_images": 0}, {"views": 0}])
def test_nothing_is_no_number_of_sets_steps_or_images(wrong: dict[str, Any]) -> None:
    with pytest.raises(SchemaError, match=next(iter(wrong))):
        training_of(train=wrong)


def test_more_ranks_than_batches_are_told(folder: Path) -> None:
    loose = problems_of(folder, training_of(train={}, val={}, ranks=3))
    assert loose["train more-ranks"] == (
        "warning", "an epoch of the data has 2 batches on 3 ranks: some have nothing to do")  # fmt: skip
    # A validation that is over in one step is none that anybody waits for.
    assert loose["val more-ranks"][0] == "info"
    fixed = problems_of(folder, training_of(train={"steps_per_epoch": 5}, ranks=2), 3)
    assert fixed["train more-ranks"][1].endswith("on 3 ranks: some show sets again in each step")
    assert problems_of(folder, training_of(train={"steps_per_epoch": 5}), 2) == {}


def test_a_budget_and_numbers_of_views_that_cannot_be_kept_are_told(folder: Path) -> None:
    split = {"views": (2, 3, 4), "max_images": 3, "steps_per_epoch": 9}
    found = problems_of(folder, training_of(train=split))
    assert found == {"train over-budget": ("warning", "a set of 4 views has more images than max_images 3")}
    few = problems_of(folder, training_of(train=split | {"max_sets": 2, "max_images": 8}))
    assert few == {"train views-never": (
        "warning", "no set ever has 4 views: an epoch of 2 has fewer sets than numbers of views")}  # fmt: skip


def test_fewer_sets_than_kinds_of_them_are_refused_under_the_name_of_the_split(tmp_path: Path) -> None:
    write(tmp_path / "a.h5", make_views([4, 4, 2, 3, 3], split=["train"] * 4 + ["validate"]))
    split = {"views": (2, 3, 4), "too_few": "fewer", "max_sets": 2}
    with pytest.raises(
        SchemaError, match=r"expected at least 3 sets of an epoch, one of each kind, got 2; take more, or"
    ):
        plan_recipe(Recipe(training=training_of(train=split)), tmp_path)
    with pytest.raises(LapsError, match="training: train: views: expected at least 3 sets"):
        plan_recipe(Recipe(training=training_of(train=split, val={})), tmp_path)
    assert open_split(training_of(train=split | {"max_sets": 3}), "train", tmp_path).epoch_sets == 3


def test_a_validation_of_steps_that_do_not_divide_sees_other_sets_each_time_and_is_told(folder: Path) -> None:
    val = {"max_images": 1, "steps_per_epoch": 3}
    training = training_of(train={"steps_per_epoch": 2}, val=val)
    batches = open_split(training, "val", folder)
    first, second = rounds(batches, training, "val", 1, 2)
    assert first != second
    told = problems_of(folder, training, 2)
    assert told == {"val unlike-rounds": (
        "warning", "3 steps on 2 ranks are no whole number of its 4 batches: sets are others each time")}  # fmt: skip
    # Four ranks see all in each step: nothing is said of them. Nor where steps are left out.
    assert "val unlike-rounds" not in problems_of(folder, training_of(ranks=4, train={}, val=val))
    short = training_of(train={"steps_per_epoch": 2}, val={"max_images": 1, "max_sets": 3})
    batches = open_split(short, "val", folder)
    first, second = rounds(batches, short, "val", 1, 2)
    assert first == second
    assert len(first) == 3
    assert problems_of(folder, short) == {}


def test_a_training_that_ends_before_all_sets_have_come_is_told(folder: Path) -> None:
    train = {"max_images": 1, "steps_per_epoch": 2}
    assert problems_of(folder, training_of(train=train, epochs=2)) == {"train sets-never": (
        "warning", "the training ends after 4 steps on one rank, and it takes 6 until every set has come")}  # fmt: skip
    assert problems_of(folder, training_of(train=train, epochs=3)) == {"train sets-to-come": (
        "info", "the first epoch visits 2 of 6 sets on one rank")}  # fmt: skip
    # So it is: after two epochs some never came, after three all have.
    for epochs, all_came in ((2, False), (3, True)):
        training = training_of(train=train, epochs=epochs)
        seen = {
            one for each in rounds(open_split(training, "train", folder), training, "train", 1, 1)[0] for one in each
        }
        assert (seen == set(range(6))) == all_came


def test_an_epoch_that_ends_with_an_empty_place_keeps_the_next_one_waiting() -> None:
    """Regression: two epochs of one set were said to fit into one step of two ranks, which shows one of them."""
    training = training_of(train={"views": 2, "max_images": 1}, epochs=2)
    batches = (1 @ open_view_sets(make_views([2, 2]), views=2)).batches(1)
    (told,) = plan_split(batches, training, "train", (2,)).by_rank
    assert (told.steps, told.masked, told.visited, told.all_after) == (1, 1, 1, 2)
    shown = [one for each in rounds(batches, training, "train", 2, 2) for rank in each for one in rank]
    assert set(shown) - {-1} == {0, 1}


@settings(max_examples=40, deadline=None)
@example(views=[2, 2], images=1, ranks=2, steps=None, most=1, name="train")
@given(
    st.lists(st.integers(2, 4), min_size=1, max_size=7),
    st.integers(1, 9),
    st.integers(1, 4),
    st.none() | st.integers(1, 9),
    st.integers(1, 9),
    st.sampled_from(["train", "val"]),
)
def test_a_plan_of_one_round_counts_what_loaders_show(
    views: list[int], images: int, ranks: int, steps: int | None, most: int, name: str
) -> None:
    split = {"views": (2, 3, 4), "max_images": images, "too_few": "fewer", "steps_per_epoch": steps}
    training = training_of(train=split, val=split, epochs=1)
    sets = open_view_sets(make_views(views), views=[2, 3, 4], too_few="fewer")
    kinds = len(sets.groups(0, len(sets)))
    whole = max(most, kinds) @ sets
    batches = whole.batches(images, shuffle=name == "train", epoch=None if name == "train" else 0)
    (told,) = plan_split(batches, training, name, (ranks,)).by_rank
    seen = Counter(one for each in rounds(batches, training, name, ranks, 1)[0] for one in set(each) - {-1})
    assert told.visited == len(seen)
    assert told.steps == epoch_steps(batches, training, name, ranks)
    if name == "train" and told.all_after is not None and told.all_after <= told.steps:
        assert set(seen) == set(range(len(views)))


def test_long_epochs_of_few_sets_are_planned_in_a_moment() -> None:
    training = training_of(train={"views": (2, 3), "steps_per_epoch": 50_000_000})
    batches = open_view_sets(make_views([3] * 5), views=[2, 3]).batches(6)
    (one,) = plan_split(batches, training, "train", (8,)).by_rank
    # Each epoch of the data: 3 sets of 2 views in one batch, 2 of 3 views in another.
    assert (len(batches), one.shown, one.images) == (2, 200_000_000 * 5, 200_000_000 * 12)
    assert (one.visited, one.masked) == (5, 0)
    assert [rate.step for rate in plan_rates(batches, training, 8)] == [0, 50_000_000]


def test_a_split_takes_that_of_its_own_name_or_the_one_it_says(folder: Path) -> None:
    training = training_of(train={}, val={}, test={"split": "validate"})
    assert {name: source_split(training, name) for name in training.splits} == {
        "train": "train", "val": "val", "test": "validate"}  # fmt: skip
    assert [open_split(training, name, folder).epoch_sets for name in ("train", "val", "test")] == [6, 4, 4]
    plans = [plan_split(open_split(training, name, folder), training, name, (1,)) for name in ("val", "test")]
    assert [(one.source, one.split, one.sets) for one in plans] == [("a.h5", "val", 4), ("a.h5", "validate", 4)]
    assert plans[0].as_json()["split"] == "val"


@pytest.mark.parametrize(("first", "second"), [(1, 5), (4, 5), (5, 4), (7, 2)])
def test_one_set_goes_on_under_other_ranks(first: int, second: int) -> None:
    training = training_of(train={"views": 2, "steps_per_epoch": 4})
    batches = open_view_sets(make_views([3]), views=2).batches(2)
    states, seen = [], []
    for rank in range(first):
        loader = split_loader(batches, training, "train", rank=rank, world_size=first, workers=0, fields=["view"])
        seen += [batch["view"][0].tolist() for _, batch in zip(range(3), loader, strict=False)]
        states.append(loader.state_dict())
    assert all(state == states[0] for state in states)
    left = []
    for rank in range(second):
        loader = split_loader(batches, training, "train", rank=rank, world_size=second, workers=0, fields=["view"])
        loader.load_state_dict(states[0])
        left.append(len(list(loader)))
    assert left == [5] * second
    # The ego's view always stays, the other one changes.
    assert {one[0] for one in seen} == {0}
