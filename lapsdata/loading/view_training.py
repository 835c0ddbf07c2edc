"""A training on sets of views as a recipe says it: the batches, the loader and the learning rates of each split."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lapsdata.errors import Problem, SchemaError
from lapsdata.loading.learning_rate import share_of_rate
from lapsdata.loading.loader import Loader
from lapsdata.loading.views import open_view_sets
from lapsdata.schema.training import TRAIN

if TYPE_CHECKING:
    from os import PathLike

    from lapsdata.loading.view_batches import ViewBatches
    from lapsdata.schema.training import ViewTraining

__all__ = ["epoch_steps", "learning_rate", "open_split", "split_loader"]


def open_split(training: ViewTraining, name: str, folder: str | PathLike[str] = ".") -> ViewBatches:
    """Return the batches of a split: shuffled for `train`, as they lie and alike in each epoch for any other.

    Parameters
    ----------
    training : ViewTraining
    name : str
    folder : path
        Where the paths of its sources begin: the folder of the recipe.

    Raises
    ------
    SchemaError
        There is no such split, or no set for it.
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
    >>> split = ViewSplit(source="scene.views.h5", views=2, split="train", max_images=4, steps_per_epoch=3)
    >>> training = ViewTraining(splits={"train": split}, epochs=2, rate=1e-4)
    >>> batches = open_split(training, "train", folder)
    >>> len(batches), len(split_loader(batches, training, "train", rank=0, world_size=5))
    (1, 6)
    """
    split = training.splits.get(name)
    if split is None:
        message = f"expected one of {', '.join(sorted(training.splits))}, got {name!r}"
        raise SchemaError(Problem("unknown-split", "training: splits", message))
    sets = open_view_sets(
        Path(folder) / split.source,
        views=split.views,
        split=split.split,
        cameras=split.cameras,
        pick=split.pick,
        too_few=split.too_few,
        missing_depth=split.missing_depth,
        seed=training.seed,
    )
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
