"""What the stage `train` can be told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import model_validator

from lapsdata.schema.base import Positive, Record
from lapsdata.stages import Stage
from lapsmodels.tokenizer.corrections import AS_PUBLISHED, Corrections
from lapsmodels.training.options import TrainOptions, TrainReports

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import JsonValue

__all__ = ["PLUGIN", "NoTraining", "TrainStageOptions", "deciding"]


class TrainStageOptions(TrainOptions, TrainReports, Corrections):
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

    @model_validator(mode="after")
    def _as_the_preset_has_it(self) -> Self:
        if self.preset == "amplify":
            # Before it is frozen for its user; a validator that ran first would see a list of JSON in place of a tuple.
            for name in Corrections.model_fields.keys() - self.model_fields_set:
                object.__setattr__(self, name, getattr(AS_PUBLISHED, name))
        return self

    @property
    def corrections(self) -> Corrections:
        """What is done otherwise than as published."""
        return Corrections(**{name: getattr(self, name) for name in Corrections.model_fields})


def deciding(parameters: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Return those options on which the weights depend: not what is left and told on the way.

    Examples
    --------
    >>> sorted(deciding({"steps": 4, "log_every": 10}))
    ['steps']
    """
    return {name: value for name, value in parameters.items() if name not in TrainReports.model_fields}


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
