"""A training of views keeps its length, order and learning rate, whatever the number of ranks, and says so before."""

from __future__ import annotations

import json
import multiprocessing
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsdata.errors import LapsError, SchemaError
from lapsdata.formats import write
from lapsdata.loading import Loader, open_view_sets
from lapsdata.loading.view_plan import plan_rates, plan_split
from lapsdata.loading.view_training import epoch_steps, learning_rate, open_split, split_loader
from lapsdata.schema import ViewSplit, ViewTraining
from lapsdata.stages.recipe import load_recipe, plan_recipe
from tests.loading.view_ranks import run
from tests.loading.views_by_hand import make_views

if TYPE_CHECKING:
    from pathlib import Path

RECIPE = """\
training:
  epochs: 3
  rate: 1e-4
  warm_share: 0.2
  ranks: 4
  seed: 7
  splits:
    train: {source: train.views.h5, views: [2, 3, 4], max_images: 4, too_few: fewer, steps_per_epoch: 6}
    val: {source: train.views.h5, views: 2, max_images: 4}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    split = ["train"] * 14 + ["validate"] * 9
    write(tmp_path / "train.views.h5", make_views([4] * 12 + [2, 3] + [2] * 9, split=split))
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    return tmp_path


def training_of(**told: Any) -> ViewTraining:
    split = {"source": "train.views.h5", "views": (2, 3, 4), "max_images": 4, "too_few": "fewer", **told}
    return ViewTraining(splits={"train": ViewSplit(**split)}, epochs=4, rate=1e-3, warm_share=0.25, least_share=0.1)


def go(world: int, folder: Path, name: str, state: str | None, steps: int) -> dict[str, Any]:
    """Run a training in processes of their own, and return what its first rank wrote."""
    context = multiprocessing.get_context("fork")  # torch is here already
    ranks = [context.Process(target=run, args=(rank, world, str(folder), name, state, steps)) for rank in range(world)]
    for one in ranks:
        one.start()
    for one in ranks:
        one.join(60)
        if one.is_alive():
            one.kill()
    assert [one.exitcode for one in ranks] == [0] * world
    found: dict[str, Any] = json.loads((folder / f"{name}.json").read_text())
    return found


def test_five_processes_go_on_where_four_were_stopped(folder: Path) -> None:
    training = load_recipe(folder / "recipe.yaml").training
    assert training is not None
    # The whole training, in this process alone: as many batches as both runs have together.
    alone = split_loader(open_split(training, "train", folder), training, "train", rank=0, world_size=1, workers=0,
                         fields=["set", "view"])  # fmt: skip
    order = [[batch["set"][0].tolist(), batch["view"][0].tolist()] for batch in alone]
    four = go(4, folder, "four", None, 2)
    five = go(5, folder, "five", "four.state.json", 3)
    assert (four["told_by"], five["told_by"]) == ("torch.distributed",) * 2
    # The epoch is as long, on five as on four; two of its steps were done.
    assert (four["steps"], five["steps"]) == (6, 6)
    assert (four["left"], five["left"]) == (16, 13)
    seen = [own[:2] for part in (four, five) for step in part["seen"] for own in step["ranks"]]
    assert len(seen) == 2 * 4 + 3 * 5
    assert seen[: len(order)] == order[: len(seen)]
    assert all(own[2] > 0 for part in (four, five) for step in part["seen"] for own in step["ranks"])
    # The learning rate goes on by the number of the step.
    steps = four["seen"] + five["seen"]
    assert [step["step"] for step in steps] == [0, 1, 2, 3, 4]
    assert [step["rate"] for step in steps] == [learning_rate(training, step, 6) for step in range(5)]


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 6), st.integers(1, 20))
def test_steps_of_the_user_stay_and_order_goes_on(first: int, second: int, steps: int, stop: int) -> None:
    training = training_of(steps_per_epoch=steps)
    sets = open_view_sets(make_views([4] * 9 + [2]), views=[2, 3, 4], too_few="fewer")
    batches = sets.batches(4)

    def received(world: int, states: list[Any], most: int) -> tuple[list[Any], list[Any]]:
        each, after = [], []
        for rank in range(world):
            loader = split_loader(batches, training, "train", rank=rank, world_size=world, workers=0, fields=["set"])
            if states:
                loader.load_state_dict(states[0])
            assert loader.plan().steps == steps
            own: list[Any] = []
            while len(own) < most and len(loader):
                for batch in loader:
                    own.append(batch["set"][0].tolist())
                    if len(own) == most:
                        break
            each.append(own)
            after.append(loader.state_dict())
        assert all(one == after[0] for one in after)
        return [one for step in zip(*each, strict=True) for one in step], after

    before, states = received(first, [], min(stop, 4 * steps))
    after, _ = received(second, states, 4 * steps)
    whole = Loader(batches, batch_size=1, shuffle="global", steps_per_epoch=len(before) + len(after), rank=0,
                   world_size=1, workers=0, fields=["set"])  # fmt: skip
    assert before + after == [batch["set"][0].tolist() for batch in whole]
    assert len(after) == (4 * steps - min(stop, 4 * steps)) * second


def test_every_set_is_visited_with_mixed_view_counts_in_an_epoch_of_the_data() -> None:
    training = training_of()
    batches = open_view_sets(make_views([4] * 30), views=[2, 3, 4]).batches(4)
    for world in (1, 4, 5):
        seen = []
        for rank in range(world):
            loader = split_loader(batches, training, "train", rank=rank, world_size=world, workers=0, fields=["set"])
            for batch in loader:
                if batch["valid"][0]:
                    seen += sorted({one for one in batch["set"][0].tolist() if one >= 0})
                if loader.epoch > 0:
                    break
        assert sorted(seen) == list(range(30))
        assert epoch_steps(batches, training, "train", world) == -(-len(batches) // world)


def test_a_plan_counts_what_a_loader_gives(folder: Path) -> None:
    for told in ({"steps_per_epoch": 3}, {"steps_per_epoch": 40}, {}, {"max_sets": 5, "steps_per_epoch": 4}):
        training = training_of(**told)
        batches = open_split(training, "train", folder)
        plan = plan_split(batches, training, "train", (1, 4, 5))
        assert (plan.sets, plan.batches, plan.max_sets) == (14, len(batches), told.get("max_sets", 14))
        for one in plan.by_rank:
            shown, images, masked = [], 0, 0
            for rank in range(one.ranks):
                loader = split_loader(batches, training, "train", rank=rank, world_size=one.ranks, workers=0,
                                      fields=["set", "sets", "views"])  # fmt: skip
                assert loader.plan().steps == one.steps
                assert len(loader) == training.epochs * one.steps
                for _, batch in zip(range(one.steps), loader, strict=False):
                    if not batch["valid"][0]:
                        masked += 1
                        continue
                    images += int(batch["sets"][0] * batch["views"][0])
                    shown += batch["set"][0, : int(batch["sets"][0])].tolist()
            assert (one.shown, one.images, one.masked) == (len(shown), images, masked)
            assert one.visited == len(set(shown))


def test_all_sets_have_come_when_the_plan_says_so(folder: Path) -> None:
    training = training_of(max_sets=5, steps_per_epoch=1)
    batches = open_split(training, "train", folder)
    (one,) = plan_split(batches, training, "train", (3,)).by_rank
    assert one.all_after is not None
    seen: set[int] = set()
    for rank in range(3):
        loader = Loader(batches, batch_size=1, shuffle="global", epochs=None, rank=rank, world_size=3, workers=0,
                        steps_per_epoch=one.all_after, fields=["set"])  # fmt: skip
        for _, batch in zip(range(one.all_after), loader, strict=False):
            seen |= set(batch["set"][0].tolist())
    assert seen - {-1} == set(range(14))


def test_a_validation_that_is_cut_short_is_the_same_each_time_and_says_that_others_never_come(folder: Path) -> None:
    splits = {**training_of().splits, "val": ViewSplit(source="train.views.h5", views=2, max_images=4, max_sets=6)}
    training = training_of().model_copy(update={"splits": splits})
    batches = open_split(training, "val", folder)
    loader = split_loader(batches, training, "val", rank=0, world_size=1, workers=0)
    rounds = [[batch["set"].tolist() for batch in loader] for _ in range(2)]
    assert rounds[0] == rounds[1]
    (one,) = plan_split(batches, training, "val", (2,)).by_rank
    assert (one.visited, one.all_after) == (6, None)


def test_the_learning_rate_is_that_of_the_global_step(folder: Path) -> None:
    training = training_of(steps_per_epoch=50)
    batches = open_split(training, "train", folder)
    for ranks in (4, 5):
        rates = plan_rates(batches, training, ranks)
        assert [one.step for one in rates] == [0, 50, 100, 150]
        assert [one.epoch for one in rates] == [0, 1, 2, 3]
        assert rates[0].rate == pytest.approx(1e-3 / 50)  # the first of 50 steps that rise
        assert rates[1].rate == pytest.approx(1e-3)
        assert 1e-4 < rates[3].rate < rates[2].rate < rates[1].rate
    assert learning_rate(training, 200, 50) == pytest.approx(1e-4)
    # Where nobody fixes the steps, more ranks change the curve: the plan tells it.
    loose = training_of()
    assert plan_rates(batches, loose, 1)[1].step != plan_rates(batches, loose, 4)[1].step


def test_a_recipe_is_planned(folder: Path) -> None:
    found = plan_recipe(load_recipe(folder / "recipe.yaml"), folder, ranks=[5, 4])
    assert [(one.name, [each.ranks for each in one.by_rank]) for one in found.splits] == [
        ("train", [4, 5]), ("val", [4, 5])]  # fmt: skip
    assert [each.steps for each in found.splits[0].by_rank] == [6, 6]
    assert [problem.code for problem in found.problems] == []
    loose = RECIPE.replace(", steps_per_epoch: 6", "")
    (folder / "recipe.yaml").write_text(loose)
    (problem,) = plan_recipe(load_recipe(folder / "recipe.yaml"), folder, ranks=[5]).problems
    assert (problem.code, problem.severity) == ("steps-by-ranks", "warning")
    # Whatever other numbers are asked for, what is advised is the epoch that the recipe has.
    (asked,) = plan_recipe(load_recipe(folder / "recipe.yaml"), folder, ranks=[1, 5]).problems
    assert problem.fix == asked.fix == f"fix them: steps_per_epoch: {-(-found.splits[0].batches // 4)}, as on 4"
    (folder / "recipe.yaml").write_text(RECIPE.replace("steps_per_epoch: 6", "steps_per_epoch: 1"))
    (problem,) = plan_recipe(load_recipe(folder / "recipe.yaml"), folder).problems
    assert (problem.code, problem.severity) == ("sets-to-come", "info")


def test_all_splits_that_cannot_be_opened_are_told(folder: Path) -> None:
    (folder / "recipe.yaml").write_text(RECIPE.replace("too_few: fewer", "too_few: error").replace(
        "val: {source: train", "val: {source: other"))  # fmt: skip
    with pytest.raises(LapsError, match=r"(?s)train: train.views.h5: 2 of 14 sets have fewer than 4.*val: .*other"):
        plan_recipe(load_recipe(folder / "recipe.yaml"), folder)
    with pytest.raises(SchemaError, match="expected one of train, got 'test'"):
        open_split(training_of(), "test", folder)


@pytest.mark.parametrize(
    ("was", "wrong", "said"),
    [
        ("train: {", "learn: {", r"training: expected a split 'train', got learn, val"),
        (
            "max_images: 4, too_few",
            "max_imgs: 4, too_few",
            r"training.splits.train.max_imgs.*did you mean 'max_images'",
        ),
        ("too_few: fewer", "too_few: skip", r"training.splits.train.too_few.*'error', 'leave_out' or 'fewer'"),
        ("epochs: 3", "epochs: 0", r"training.epochs"),
        ("rate: 1e-4", "rate: 0", r"training.rate"),
    ],
)
def test_what_a_recipe_says_wrong_is_told_by_its_place(folder: Path, was: str, wrong: str, said: str) -> None:
    assert was in RECIPE
    (folder / "recipe.yaml").write_text(RECIPE.replace(was, wrong, 1))
    with pytest.raises(SchemaError, match=said):
        load_recipe(folder / "recipe.yaml")


@pytest.mark.parametrize("steps", [6, None])
@pytest.mark.parametrize("ranks", [1, 3, 5])
def test_the_global_step_counts_on_whatever_changes(folder: Path, steps: int | None, ranks: int) -> None:
    """Regression: from rounds and steps alone it jumped where ranks, or the steps of an epoch, were others."""
    training = training_of(steps_per_epoch=steps)
    batches = open_split(training, "train", folder)
    first = split_loader(batches, training, "train", rank=0, world_size=4, workers=0, fields=["set"])
    assert first.global_step == 0
    done = 0
    while done < 5:  # without fixed steps a loop ends with its epoch
        for _ in first:
            done += 1
            assert first.global_step == done
            if done == 5:
                break
    state = json.loads(json.dumps(first.state_dict()))
    assert state["global_step"] == 5
    for fixed in (steps, 9):
        again = split_loader(batches, training_of(steps_per_epoch=fixed), "train", rank=0, world_size=ranks, workers=0,
                             fields=["set"])  # fmt: skip
        again.load_state_dict(state)
        assert again.global_step == 5
        for number, _ in zip(range(6, 9), again, strict=False):
            assert again.global_step == number


def test_batches_that_fill_the_last_step_are_marked_in_their_views(folder: Path) -> None:
    training = training_of(views=2, split="validate")
    training = ViewTraining(splits=dict.fromkeys(("train", "val"), training.splits["train"]), epochs=1, rate=1e-3)
    batches = open_split(training, "val", folder)
    assert len(batches) % 4
    counted: list[int] = []
    for rank in range(4):
        loader = split_loader(batches, training, "val", rank=rank, world_size=4, workers=0, device=None)
        for batch in loader:
            for mark in (batches.views(batch)[0]["counted"], batches.views(batch)[1]["counted"]):
                assert len(mark) == int(batch["sets"][0])
            counted += batch["set"][0][: len(mark)][mark].tolist()
    assert sorted(counted) == list(range(9))
    # By number nothing stands in for another.
    assert "counted" not in batches.views(batches.gather([0]))[0]
