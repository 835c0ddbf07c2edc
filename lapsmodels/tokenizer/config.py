"""What makes one motion tokenizer differ from another; the published model is one of these."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from lapsdata.errors import Problem, SchemaError
from lapsdata.schema.base import Positive, Record

__all__ = ["FSQ_LEVELS", "PRESETS", "TokenizerConfig", "fsq_levels"]

FSQ_LEVELS: dict[int, tuple[int, ...]] = {
    16: (5, 3),
    64: (8, 8),
    256: (8, 6, 5),
    512: (8, 8, 8),
    1024: (8, 5, 5, 5),
    2048: (8, 8, 6, 5),
    4096: (7, 5, 5, 5, 5),
}
"""Levels by nominal codebook size (pairlab/AMPLIFY); the true size is their product: 1920 for 2048, 4375 for 4096."""


def fsq_levels(nominal_codes: int) -> tuple[int, ...]:
    """Return the levels of a codebook of some nominal size.

    Raises
    ------
    SchemaError
        No such size. (Upstream takes the next smaller one without a word.)

    Examples
    --------
    >>> fsq_levels(2048)
    (8, 8, 6, 5)
    """
    if nominal_codes not in FSQ_LEVELS:
        message = f"expected one of {sorted(FSQ_LEVELS)}, got {nominal_codes!r}"
        raise SchemaError(Problem("unknown-choice", "nominal_codes", message, "or give levels of your own"))
    return FSQ_LEVELS[nominal_codes]


class TokenizerConfig(Record):
    """Shapes and choices of a motion tokenizer; the default is the published model for one view.

    Examples
    --------
    >>> config = TokenizerConfig()
    >>> config.codes, config.length, config.classes
    (1920, 15, 225)
    >>> TokenizerConfig(views=2, per_view=True).length
    30
    """

    views: Positive = 1
    """Views V that are tokenized together."""
    points: Positive = 400
    """Points N per view."""
    horizon: Annotated[int, Field(ge=2, le=100_000)] = 16
    """Frames T per window; T - 1 steps."""
    width: Positive = 768
    """Width D of the latents."""
    heads: Positive = 8
    """Attention heads; they divide the width."""
    encoder_layers: Positive = 2
    """Blocks of the encoder."""
    decoder_layers: Positive = 1
    """Blocks of the decoder."""
    head_width: Positive = 256
    """Hidden width of the layers that turn a step and a point into classes."""
    levels: Annotated[tuple[Annotated[int, Field(ge=3, le=64)], ...], Field(min_length=1, max_length=16)] = (8, 8, 6, 5)
    """Levels of the finite scalar quantisation."""
    attention: Literal["causal", "full", "step"] = "causal"
    """What a step of the encoder sees: itself and earlier ones, all, or itself alone."""
    per_view: bool = False
    """One code per step and view, instead of one per step."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of what training drops, after attention and after each block's part."""
    scale: Annotated[float, Field(gt=0)] = 1.0
    """What velocities are multiplied by first. They are small beside 1, which all else is made for: unscaled, a short
    training gives every step one code."""
    reach: Positive = 7
    """Largest displacement, in pixels of the class grid, that has a class of its own."""
    class_size: tuple[Annotated[int, Field(ge=2)], Annotated[int, Field(ge=2)]] = (128, 128)
    """Height and width of the frame in pixels of the class grid."""
    rounding: Literal["displacements", "positions"] = "positions"
    """What is rounded to whole pixels of the class grid; see `Corrections.rounding`."""
    seen_only: bool = False
    """Whether a step with an end that was not seen is no motion: velocity 0, and no class."""
    inside_only: bool = False
    """The same for an end beyond the frame; where it is not so, such positions are moved to the border first."""

    @model_validator(mode="after")
    def _heads_divide_the_width(self) -> TokenizerConfig:
        if self.width % self.heads:
            raise ValueError(f"expected a width that {self.heads} heads divide, got {self.width}")
        return self

    @property
    def steps(self) -> int:
        """Motion steps per window."""
        return self.horizon - 1

    @property
    def length(self) -> int:
        """Codes per window L."""
        return self.steps * (self.views if self.per_view else 1)

    @property
    def codes(self) -> int:
        """True number of codes."""
        return math.prod(self.levels)

    @property
    def classes(self) -> int:
        """Displacements that are told apart."""
        return (2 * self.reach + 1) ** 2


PRESETS: dict[str, TokenizerConfig] = {
    "amplify": TokenizerConfig(),
    "small": TokenizerConfig(width=128, heads=4, encoder_layers=1, head_width=128, levels=(8, 6, 5), dropout=0.0),
}
"""`amplify`: as published, 30,232,805 parameters; `small`: a few minutes of training on two processor cores."""
