"""What training can be told."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from lapsdata.schema.base import Count, Positive
from lapsmodels.tokenizer.corrections import LossOptions

__all__ = ["TrainOptions"]


class TrainOptions(LossOptions):
    """Everything that decides which weights come out, beside the model and the windows.

    Examples
    --------
    >>> TrainOptions(steps=50).batch
    32
    """

    steps: Positive = 400
    """Steps of the optimiser."""
    batch: Positive = 32
    """Windows per step."""
    points: Positive | None = 96
    """Points per window whose displacement is classified in a step, drawn anew each time; null takes all."""
    rate: Annotated[float, Field(gt=0)] = 1e-3
    """Highest learning rate; it rises over the first twentieth of the steps, and falls as a cosine to a hundredth."""
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (0.9, 0.95)
    """Decay rates of AdamW's moments."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """Of AdamW."""
    clip: Annotated[float, Field(gt=0)] | None = 1.0
    """Largest norm of the gradient; null for none."""
    seed: Count = 0
    """Of weights, order and points."""
    save_every: Positive = 100
    """Steps between two states that training can be resumed from."""
