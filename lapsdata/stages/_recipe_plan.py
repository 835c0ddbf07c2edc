"""What the training of a recipe is going to do: its splits are opened, and no picture is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lapsdata.errors import LapsError, Problem, Problems, SchemaError
from lapsdata.loading.view_plan import RatePlan, SplitPlan, plan_rates, plan_split
from lapsdata.loading.view_training import open_split
from lapsdata.schema.training import TRAIN

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lapsdata.schema.recipe import Recipe

__all__ = ["RecipePlan", "plan"]

_FIX = "write one: training: {splits: {train: {source: ..., views: 2, max_images: 4}}, epochs: 10, rate: 1e-4}"


@dataclass(frozen=True, slots=True)
class RecipePlan:
    """What a training has of its splits, and at which learning rates.

    Parameters
    ----------
    splits : tuple of SplitPlan
        `train` first.
    rates : tuple of RatePlan
        At the first step of each epoch, on as many ranks as the recipe says.
    problems : tuple of Problem
        What should be looked at before it is begun.

    Examples
    --------
    >>> RecipePlan((), (), ()).as_json()
    {'splits': [], 'rates': []}
    """

    splits: tuple[SplitPlan, ...]
    rates: tuple[RatePlan, ...]
    problems: tuple[Problem, ...]

    def as_json(self) -> dict[str, Any]:
        """Return splits and rates as JSON-ready values."""
        return {"splits": [one.as_json() for one in self.splits], "rates": [one.as_json() for one in self.rates]}


def plan(recipe: Recipe, folder: Path, ranks: Sequence[int]) -> RecipePlan:
    """Open the splits of a recipe, and say what its training will do; see `lapsdata.stages.recipe.plan_recipe`."""
    training = recipe.training
    if training is None:
        raise SchemaError(Problem("no-training", "recipe: training", "expected a training to plan, got none", _FIX))
    found = Problems("training")
    names = sorted(training.splits, key=lambda name: (name != TRAIN, name))
    opened = {}
    for name in names:
        try:
            opened[name] = open_split(training, name, folder)
        except LapsError as error:
            if len(names) == 1:
                raise
            found.extend(problem.within(name) for problem in error.problems)
    found.raise_as(LapsError)
    many = tuple(dict.fromkeys([training.ranks, *ranks]))
    splits = tuple(plan_split(opened[name], training, name, many) for name in names)
    return RecipePlan(splits, plan_rates(opened[TRAIN], training, training.ranks), tuple(_problems(splits)))


def _problems(splits: Sequence[SplitPlan]) -> list[Problem]:
    found = []
    for split in splits:
        where = f"training: splits.{split.name}"
        steps = {one.steps for one in split.by_rank}
        if split.name == TRAIN and split.steps_per_epoch is None:
            message = "an epoch of the training has other steps on another number of ranks, and the learning rate too"
            fix = f"fix them: steps_per_epoch: {max(steps)}"
            found.append(Problem("steps-by-ranks", where, message, fix, "warning"))
        for one in split.by_rank:
            if one.visited < min(split.sets, split.max_sets):
                message = f"the first epoch visits {one.visited} of {split.sets} sets on {one.ranks} ranks"
                told = "they come in later epochs" if one.all_after is not None else "the others never come"
                found.append(Problem("sets-to-come", where, message, told, "info"))
    return found
