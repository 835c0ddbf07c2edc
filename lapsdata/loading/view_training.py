"""A training on sets of views as a recipe says it: the batches, the loader and the learning rates of each split."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lapsdata.errors import LapsError, Problem, Problems, SchemaError
from lapsdata.loading.learning_rate import share_of_rate
from lapsdata.loading.loader import Loader
from lapsdata.loading.views import open_view_sets
from lapsdata.schema.training import TRAIN

if TYPE_CHECKING:
    from os import PathLike

    from lapsdata.loading.view_batches import ViewBatches
    from lapsdata.loading.views import ViewDataset
    from lapsdata.schema.training import ViewTraining

__all__ = ["epoch_steps", "learning_rate", "open_split", "open_splits", "source_split", "split_loader"]


def open_split(training: ViewTraining, name: str, folder: str | PathLike[str] = ".") -> ViewBatches:
    """Return the batches of a split: shuffled for `train`, as they lie and alike in each epoch for any other.

    Nothing is known of other splits then; see `open_splits`.

    Parameters
    ----------
    training : ViewTraining
    name : str
    folder : path
        Where the paths of its sources begin: the folder of the recipe.

    Raises
    ------
    SchemaError
        There is no such split, here or in its source, or no set for it.
    LapsError
        Its source cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> from lapsdata.formats import write
    >>> from lapsdata.schema import ViewSplit, ViewTraining
    >>> from lapsdata.testing.samples import sample_views
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = write(folder / "scene.views.h5", sample_views())
    >>> split = ViewSplit(source="scene.views.h5", views=2, max_images=4, steps_per_epoch=3)
    >>> training = ViewTraining(splits={"train": split}, epochs=2, rate=1e-4)
    >>> batches = open_split(training, "train", folder)
    >>> len(batches), len(split_loader(batches, training, "train", rank=0, world_size=5))
    (1, 6)
    """
    return _batches(_sets(training, name, folder), training, name)


def open_splits(training: ViewTraining, folder: str | PathLike[str] = ".") -> dict[str, ViewBatches]:
    """Return the batches of all splits, `train` first; no other one has a set of it.

    Parameters
    ----------
    training : ViewTraining
    folder : path
        Where the paths of its sources begin: the folder of the recipe.

    Raises
    ------
    SchemaError
        Sets that `train` and another split have (`split-overlap`), whatever files and splits they are read from.
    LapsError
        All that is wrong with splits, each under its name; see `open_split`.

    Examples
    --------
    >>> import tempfile
    >>> from lapsdata.formats import write
    >>> from lapsdata.schema import ViewSplit, ViewTraining
    >>> from lapsdata.testing.samples import sample_views
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = write(folder / "scene.views.h5", sample_views())
    >>> split = ViewSplit(source="scene.views.h5", views=1, max_images=4, missing_depth="empty")
    >>> training = ViewTraining(splits={"train": split, "val": split}, epochs=2, rate=1e-4)
    >>> {name: batches.epoch_sets for name, batches in open_splits(training, folder).items()}
    {'train': 1, 'val': 1}
    """
    names = sorted(training.splits, key=lambda name: (name != TRAIN, name))
    found, sets, made = Problems("training"), {}, {}
    for name in names:
        try:
            sets[name] = _sets(training, name, folder)
            made[name] = _batches(sets[name], training, name)
        except LapsError as error:
            if len(names) == 1:
                raise
            found.extend(problem.within(name) for problem in error.problems)
    found.raise_as(LapsError)
    for name in names[1:] if TRAIN in names else ():
        if shared := sets[name].shared_with(sets[TRAIN]):
            place, both = sets[name].locate(shared[0][0]), f"{len(dict(shared))} of {len(sets[name])}"
            message = (
                f"expected sets that {TRAIN} has not, got {both} that it has, the first {place.scenario}, "
                f"frame {place.frame}"
            )
            fix = "name another split or source: what is learned from measures nothing"
            found.add("split-overlap", name, message, fix)
    found.raise_as(SchemaError)
    return made


def source_split(training: ViewTraining, name: str) -> str:
    """Return which split of its source a split takes: what it says, else the one of its own name."""
    split = training.splits[name].split
    return name if split is None else split


def _sets(training: ViewTraining, name: str, folder: str | PathLike[str]) -> ViewDataset:
    split = training.splits.get(name)
    if split is None:
        message = f"expected one of {', '.join(sorted(training.splits))}, got {name!r}"
        raise SchemaError(Problem("unknown-split", "training: splits", message))
    return open_view_sets(
        Path(folder) / split.source,
        views=split.views,
        split=source_split(training, name),
        depth_root=None if split.depth_root is None else Path(folder) / split.depth_root,
        agents=split.agents,
        cameras=split.cameras,
        pick=split.pick,
        too_few=split.too_few,
        missing_depth=split.missing_depth,
        seed=training.seed,
    )


def _batches(sets: ViewDataset, training: ViewTraining, name: str) -> ViewBatches:
    split = training.splits[name]
    whole = sets if split.max_sets is None or split.max_sets >= len(sets) else split.max_sets @ sets
    return whole.batches(split.max_images, shuffle=name == TRAIN, epoch=None if name == TRAIN else 0)


def split_loader(batches: ViewBatches, training: ViewTraining, name: str, **options: Any) -> Loader:  # noqa: ANN401 - as `Loader` takes it
    """Return the loader of a split.

    Parameters
    ----------
    batches : ViewBatches
        Of `open_split`.
    training : ViewTraining
    name : str
    **options
        Further ones of `Loader`: `workers`, `device`, `fields`, `rank` and `world_size` ...
    """
    learns = name == TRAIN
    return Loader(
        batches,
        batch_size=1,
        shuffle="global" if learns else None,
        seed=training.seed,
        epochs=training.epochs if learns else 1,
        steps_per_epoch=training.splits[name].steps_per_epoch,
        **options,
    )


def epoch_steps(batches: ViewBatches, training: ViewTraining, name: str, ranks: int) -> int:
    """Return how many steps an epoch of the training has: what the recipe says, else as many as show each set once."""
    return training.splits[name].steps_per_epoch or -(-len(batches) // ranks)


def learning_rate(training: ViewTraining, step: int, steps_per_epoch: int) -> float:
    """Return the learning rate of a step, from its number in the whole training.

    Parameters
    ----------
    training : ViewTraining
    step : int
        From 0, over all epochs and restarts.
    steps_per_epoch : int

    Examples
    --------
    >>> from lapsdata.schema import ViewSplit, ViewTraining
    >>> splits = {"train": ViewSplit(source="train.views.h5", views=2, max_images=4, steps_per_epoch=5000)}
    >>> training = ViewTraining(splits=splits, epochs=10, rate=1e-4, warm_share=0.1)
    >>> [f"{learning_rate(training, step, 5000):.2e}" for step in (0, 4999, 5000, 49_999)]
    ['2.00e-08', '1.00e-04', '1.00e-04', '1.00e-06']
    """
    return training.rate * share_of_rate(
        step,
        training.epochs * steps_per_epoch,
        training.schedule,
        training.warm_share,
        least_share=training.least_share,
    )
