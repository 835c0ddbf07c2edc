"""What training can be told."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from lapsdata.schema.base import Count, Positive, Record
from lapsdata.schema.training import RateSchedule
from lapsmodels.tokenizer.corrections import LossOptions
from lapsmodels.training.journal import Logger

__all__ = ["Device", "TrainOptions", "TrainReports"]

Device = Literal["auto", "cpu", "cuda"]
"""Where a model is trained; `auto` takes a GPU if there is one."""


class TrainOptions(LossOptions):
    """Everything that decides which weights come out, beside the model and the windows.

    Examples
    --------
    >>> TrainOptions(steps=50).batch
    32
    >>> TrainOptions(epochs=3).steps is None
    True
    """

    steps: Positive | None = 400
    """Steps of the optimiser; null where epochs are given."""
    epochs: Positive | None = None
    """In place of steps: how often each window is met."""
    batch: Positive = 32
    """Windows per step, of all processes together."""
    accumulate: Positive = 1
    """Parts into which each process cuts its windows of a step, one after the other: less memory, equal gradients.
    (But for `diversity`, which then holds codes apart within each part.)"""
    shuffle: Literal["global", "block"] = "global"
    """Order of the windows: any at any place, or blocks that are decoded together; see `lapsdata.Loader`."""
    points: Positive | None = 96
    """Points per window whose displacement is classified in a step, drawn anew each time; null takes all."""
    rate: Annotated[float, Field(gt=0, le=1e30)] = 1e-3
    """Highest learning rate; float32 has no room for much more than the highest."""
    schedule: RateSchedule = "cosine"
    """How it goes on after its rise: as a cosine to a hundredth of it, or as it is."""
    warm_share: Annotated[float, Field(ge=0, le=1)] = 0.05
    """Share of the steps over which it rises."""
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (0.9, 0.95)
    """Decay rates of AdamW's moments."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """Of AdamW."""
    clip: Annotated[float, Field(gt=0)] | None = 1.0
    """Largest norm of the gradient; null for none."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Of the products of matrices; weights, quantiser and loss are float32 in any case."""
    average: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Share of the moving average of the weights that a step leaves (0.999, say); the averages are then judged and
    used. null keeps none."""
    train_only: tuple[str, ...] = ()
    """Patterns of the names of those parameters that are trained (`decoder_blocks.*`); all, where there are none."""
    val: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Share of the videos that are not learned from: the training is judged by them, and the state that does best on
    them is taken. null judges by none, and takes the last state."""
    judge_every: Positive = 1
    """Epochs between two judgements; the last state is always judged."""
    device: Device = "auto"
    """Where it is trained; `auto` takes a GPU if there is one."""
    seed: Count = 0
    """Of weights, order, points, dropout and the choice of videos."""

    @model_validator(mode="after")
    def _steps_or_epochs(self) -> Self:
        if self.epochs is not None and "steps" not in self.model_fields_set:
            # Before it is frozen for its user; a validator that ran first would see a list of JSON in place of a tuple.
            object.__setattr__(self, "steps", None)
        if (self.steps is None) == (self.epochs is None):
            raise ValueError(f"expected either steps or epochs, got steps {self.steps} and epochs {self.epochs}")
        return self


class TrainReports(Record):
    """What training leaves and tells on its way; the weights do not depend on it.

    Examples
    --------
    >>> TrainReports().keep
    2
    """

    save_every: Positive = 100
    """Steps between two states that training can be resumed from."""
    keep: Positive = 2
    """How many of the newest states stay, beside the one that was judged best."""
    log_every: Positive = 10
    """Steps between two lines of `log.jsonl`."""
    picture_every: Count = 200
    """Steps between two pictures of true and reconstructed tracks, the last step included; 0 draws none."""
    log: tuple[Logger, ...] = ()
    """Loggers beside `log.jsonl`: `tensorboard`, `wandb`; both need `lapsdata[log]`."""
