"""What the stage `train` can be told."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from lapsdata.schema.base import Positive, Record
from lapsdata.stages import Stage
from lapsmodels.tokenizer.corrections import AS_PUBLISHED, Corrections
from lapsmodels.training.options import TrainOptions

__all__ = ["PLUGIN", "NoTraining", "TrainStageOptions"]


class TrainStageOptions(TrainOptions, Corrections):
    """Which tokenizer is trained, and how.

    Examples
    --------
    >>> TrainStageOptions(steps=50).preset
    'small'
    >>> TrainStageOptions(preset="amplify", diversity=0.2).corrections.inside_only
    False
    """

    preset: Literal["small", "amplify"] = "small"
    """Shapes of the model; see `lapsmodels.tokenizer.config.PRESETS`. `amplify` corrects nothing, unless it is told
    to; see `lapsmodels.tokenizer.corrections`."""
    threads: Positive | None = None
    """Processor threads; null takes all. Sums over other numbers of threads differ in their last bits."""

    @model_validator(mode="before")
    @classmethod
    def _as_the_preset_has_it(cls, given: object) -> object:
        if isinstance(given, dict) and given.get("preset") == "amplify":
            return {**AS_PUBLISHED.model_dump(), **given}
        return given

    @property
    def corrections(self) -> Corrections:
        """What is done otherwise than as published."""
        return Corrections(**{name: getattr(self, name) for name in Corrections.model_fields})


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
