"""What a training on sets of views is going to see, in numbers, before it begins."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.loading.map_anything import sampled_batches, sampled_steps
from lapsdata.loading.orders import make_order
from lapsdata.loading.view_training import epoch_steps, learning_rate, source_split
from lapsdata.schema.loader import EpochOrder, OrderedSource
from lapsdata.schema.training import TRAIN

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lapsdata.loading.view_batches import ViewBatches
    from lapsdata.schema.training import ViewTraining

__all__ = ["RankPlan", "RatePlan", "SplitPlan", "plan_rates", "plan_split"]


@dataclass(frozen=True, slots=True)
class RankPlan:
    """What an epoch of a training has of a split, on some ranks.

    Parameters
    ----------
    ranks : int
    steps : int
        Of each rank.
    shown, images : int
        Sets and images that all ranks together are shown in the first epoch.
    visited : int
        Different ones of these sets.
    masked : int
        Batches that fill the last step and count for nothing.
    all_after : int or None
        Steps after which every set has been shown; None where that never comes.
    their_steps, their_visited : int
        What MapAnything's own sampler would do, and visit.

    Examples
    --------
    >>> RankPlan(4, 10, 40, 80, 40, 0, 12, their_steps=10, their_visited=30).steps
    10
    """

    ranks: int
    steps: int
    shown: int
    images: int
    visited: int
    masked: int
    all_after: int | None
    their_steps: int
    their_visited: int


@dataclass(frozen=True, slots=True)
class SplitPlan:
    """What a training has of a split.

    Parameters
    ----------
    name : str
    source, split : str
        File or root, and which split of it, as the recipe says them.
    sets : int
        There, as far as they can be used.
    max_sets : int
        Sets of an epoch of the data.
    batches : int
        In which they come.
    steps_per_epoch : int or None
        As the recipe fixes it; None where it follows the number of ranks.
    by_rank : tuple of RankPlan
    notes : tuple of str
        What was left out, and how batches are made.

    Examples
    --------
    >>> SplitPlan("val", "scene.views.h5", "validate", 8, 8, 4, 100, (), ()).batches
    4
    """

    name: str
    source: str
    split: str
    sets: int
    max_sets: int
    batches: int
    steps_per_epoch: int | None
    by_rank: tuple[RankPlan, ...]
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the numbers as JSON-ready values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class RatePlan:
    """The learning rate at the first step of an epoch.

    Parameters
    ----------
    epoch : int
        From 0.
    step : int
        From 0, of the whole training.
    rate : float

    Examples
    --------
    >>> RatePlan(1, 5000, 1e-4).step
    5000
    """

    epoch: int
    step: int
    rate: float

    def as_json(self) -> dict[str, Any]:
        """Return the numbers as JSON-ready values."""
        return asdict(self)


def plan_rates(batches: ViewBatches, training: ViewTraining, ranks: int) -> tuple[RatePlan, ...]:
    """Return the learning rate at the beginning of each epoch.

    Parameters
    ----------
    batches : ViewBatches
        Of the split `train`.
    training : ViewTraining
    ranks : int
    """
    steps = epoch_steps(batches, training, TRAIN, ranks)
    return tuple(
        RatePlan(epoch, epoch * steps, learning_rate(training, epoch * steps, steps))
        for epoch in range(training.epochs)
    )


def plan_split(batches: ViewBatches, training: ViewTraining, name: str, ranks: tuple[int, ...]) -> SplitPlan:
    """Return what a training has of a split.

    Parameters
    ----------
    batches : ViewBatches
        See `lapsdata.loading.view_training.open_split`.
    training : ViewTraining
    name : str
    ranks : tuple of int
        Numbers of processes to plan for.

    Examples
    --------
    >>> from lapsdata.loading import open_view_sets
    >>> from lapsdata.schema import ViewSplit, ViewTraining
    >>> from lapsdata.testing.samples import sample_views
    >>> split = ViewSplit(source="here", views=1, max_images=1, steps_per_epoch=5)
    >>> training = ViewTraining(splits={"train": split}, epochs=2, rate=1e-4)
    >>> batches = open_view_sets(sample_views(), views=1, missing_depth="leave_out").batches(1)
    >>> [(one.steps, one.shown, one.visited) for one in plan_split(batches, training, "train", (4, 5)).by_rank]
    [(5, 20, 1), (5, 25, 1)]
    """
    split = training.splits[name]
    sets = sum(len(group.members) for group in batches.draws.groups)
    return SplitPlan(
        name,
        split.source,
        source_split(training, name),
        sets,
        batches.epoch_sets,
        len(batches),
        split.steps_per_epoch,
        tuple(_of_ranks(batches, training, name, one, sets) for one in ranks),
        batches.notes,
    )


def _of_ranks(batches: ViewBatches, training: ViewTraining, name: str, ranks: int, sets: int) -> RankPlan:
    split, steps, epoch_batches = training.splits[name], epoch_steps(batches, training, name, ranks), len(batches)
    total = steps * ranks if split.steps_per_epoch else epoch_batches
    whole, rest = divmod(total, epoch_batches)
    turns = max(-(-len(group.members) // group.size) for group in batches.draws.groups)
    seen = set[tuple[int, int]]()
    order = make_order(
        EpochOrder(
            seed=training.seed,
            shuffle="global" if name == TRAIN else "none",
            samples=epoch_batches,
            sources=(OrderedSource(name="source", samples=epoch_batches),),
        )
    )
    # All sets come within some epochs of the data, and what is not trained on is the same in each.
    for epoch in range(min(whole, turns if name == TRAIN else 1)):
        seen |= batches.draws.visited(np.arange(epoch_batches), epoch if name == TRAIN else 0)
    last = order.ids(whole, np.arange(rest))
    if whole < turns:
        seen |= batches.draws.visited(last, whole if name == TRAIN else 0)
    every, few = (_counted(batches, ids) for ids in (np.arange(epoch_batches), last))
    shown, images = whole * every + few
    all_come = name == TRAIN or turns == 1
    counts = (split.views,) if isinstance(split.views, int) else split.views
    theirs = sampled_batches(batches.epoch_sets, counts, split.max_images, epoch=0, world_size=ranks)
    return RankPlan(
        ranks,
        steps,
        int(shown),
        int(images),
        len(seen),
        steps * ranks - total,
        # Where steps are fixed, batches go on through them; else each epoch ends with its own.
        (-(-turns * epoch_batches // ranks) if split.steps_per_epoch else turns * steps) if all_come else None,
        sampled_steps(batches.epoch_sets, counts, split.max_images, ranks),
        sum(len(batch.set_id) for batch in theirs),
    )


def _counted(batches: ViewBatches, ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many sets and images batches have: int64 (2,)."""
    sets = batches.draws.sets_of(ids)
    return np.array([sets.sum(), (sets * batches.draws.views_of(ids)).sum()], np.int64)
