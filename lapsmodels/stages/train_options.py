"""What the stage `train` can be told."""

from __future__ import annotations

from typing import Literal

from lapsdata.schema.base import Positive, Record
from lapsdata.stages import Stage
from lapsmodels.training.options import TrainOptions

__all__ = ["PLUGIN", "NoTraining", "TrainStageOptions"]


class TrainStageOptions(TrainOptions):
    """Which tokenizer is trained, and how.

    Examples
    --------
    >>> TrainStageOptions(steps=50).preset
    'small'
    """

    preset: Literal["small", "amplify"] = "small"
    """Shapes of the model; see `lapsmodels.tokenizer.config.PRESETS`."""
    fitted: bool = True
    """Scale velocities to those of the data, and take pixels of the frame for the classes of displacement. Without
    it, as published: no scale, classes on a grid of 128 x 128."""
    threads: Positive | None = None
    """Processor threads; null takes all. Sums over other numbers of threads differ in their last bits."""


class NoTraining(Record):
    """No tokenizer is trained: `run` makes no tokens, unless one is given.

    Examples
    --------
    >>> NoTraining().as_json()
    {}
    """


PLUGIN = Stage(
    "train",
    "A motion tokenizer, from the tracks themselves.",
    "small",
    lambda: {"small": TrainStageOptions, "amplify": TrainStageOptions, "none": NoTraining},
    lambda kind: {} if kind == "none" else {"preset": kind},
)
