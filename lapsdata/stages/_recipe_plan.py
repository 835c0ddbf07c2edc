"""What the training of a recipe is going to do: its splits are opened, and no picture is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lapsdata.errors import Problem, SchemaError, Severity
from lapsdata.loading.view_plan import RatePlan, SplitPlan, plan_rates, plan_split
from lapsdata.loading.view_training import open_splits
from lapsdata.schema.training import TRAIN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from lapsdata.loading.view_batches import ViewBatches
    from lapsdata.loading.view_plan import RankPlan
    from lapsdata.schema.recipe import Recipe
    from lapsdata.schema.training import ViewTraining

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
    opened = open_splits(training, folder)
    many = tuple(dict.fromkeys([training.ranks, *ranks]))
    splits = tuple(plan_split(batches, training, name, many) for name, batches in opened.items())
    problems = [problem for split in splits for problem in _problems(split, opened[split.name], training)]
    return RecipePlan(splits, plan_rates(opened[TRAIN], training, training.ranks), tuple(problems))


def _problems(split: SplitPlan, batches: ViewBatches, training: ViewTraining) -> Iterator[Problem]:
    where, asked = f"training: splits.{split.name}", training.splits[split.name].max_sets
    if asked is not None and asked > split.sets:
        message = f"expected at most the {split.sets} sets that there are, got max_sets {asked}"
        yield Problem("few-sets", where, message, f"an epoch has {split.sets}: leave max_sets out", "warning")
    if batches.draws.never:
        views = " or ".join(map(str, batches.draws.never))
        message = f"no set ever has {views} views: an epoch of {split.max_sets} has fewer sets than numbers of views"
        yield Problem("views-never", where, message, "take more sets, or fewer numbers of views", "warning")
    if batches.draws.counts[-1] > batches.max_images:
        message = f"a set of {batches.draws.counts[-1]} views has more images than max_images {batches.max_images}"
        yield Problem(
            "over-budget", where, message, "it is a batch of its own: see whether memory is enough", "warning"
        )
    if split.name == TRAIN and split.steps_per_epoch is None:
        message = "an epoch of the training has other steps on another number of ranks, and the learning rate too"
        own = next(one.steps for one in split.by_rank if one.ranks == training.ranks)
        fix = f"fix them: steps_per_epoch: {own}, as on {training.ranks}"
        yield Problem("steps-by-ranks", where, message, fix, "warning")
    for one in split.by_rank:
        yield from _of_ranks(split, one, where, training.epochs)


def _of_ranks(split: SplitPlan, one: RankPlan, where: str, epochs: int) -> Iterator[Problem]:
    on = f"on {one.ranks} ranks" if one.ranks > 1 else "on one rank"
    total = epochs * one.steps
    if split.batches < one.ranks:
        what = "some show sets again in each step" if split.steps_per_epoch else "some have nothing to do"
        message = f"an epoch of the data has {split.batches} batches {on}: {what}"
        severity: Severity = "warning" if split.name == TRAIN else "info"
        yield Problem("more-ranks", where, message, "take fewer ranks, or a smaller max_images", severity)
    if split.name != TRAIN and split.steps_per_epoch and one.steps * one.ranks % split.batches:
        message = (
            f"{one.steps} steps {on} are no whole number of its {split.batches} batches: sets are others each time"
        )
        fix = "leave steps_per_epoch out; max_sets: N takes the same N sets each time"
        yield Problem("unlike-rounds", where, message, fix, "warning")
    elif split.name == TRAIN and one.all_after is not None and one.all_after > total:
        message = f"the training ends after {total} steps {on}, and it takes {one.all_after} until every set has come"
        yield Problem("sets-never", where, message, "take more epochs or steps", "warning")
    elif one.visited < min(split.sets, split.max_sets):
        message = f"the first epoch visits {one.visited} of {split.sets} sets {on}"
        told = "they come in later epochs" if one.all_after is not None else "the others never come"
        yield Problem("sets-to-come", where, message, told, "info")
