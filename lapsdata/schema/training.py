"""What a training on sets of views is fed with: which sets, in which batches, for how many steps, at which rate."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from lapsdata.schema.base import Count, Name, Positive, Record, Text

__all__ = ["TRAIN", "RateSchedule", "ViewSplit", "ViewTraining"]

TRAIN = "train"
"""The split that a model learns from."""

RateSchedule = Literal["cosine", "constant"]
"""How a learning rate goes on after its rise: as a cosine to a least share of it, or as it is."""

_Said = Annotated[Text, Field(min_length=1)]
_Share = Annotated[float, Field(ge=0, le=1)]


class ViewSplit(Record):
    """Sets of views of one split, and how they are fed."""

    source: Text
    """File of views, or root of OPV2V; from the folder of the recipe on."""
    split: _Said | None = None
    """Which split of the source; null for the one of its own name. `val` and `validate` are one."""
    depth_root: _Said | None = None
    """Where the depth of a root of OPV2V lies; from the folder of the recipe on."""
    agents: Positive | _Said | None = None
    """How many agents, or by which rule, the sets of a root of OPV2V are made of; null for all."""
    cameras: Annotated[tuple[Text, ...], Field(min_length=1)] | None = None
    """Views of these cameras alone; null for all."""
    views: Positive | Annotated[tuple[Positive, ...], Field(min_length=1)]
    """Views of a set, or several such numbers."""
    pick: Literal["drawn", "first"] = "drawn"
    """Which views are taken where a set has more: the first and drawn ones, or the first ones."""
    too_few: Literal["error", "leave_out", "fewer"] = "error"
    """What becomes of sets that cannot give the most views."""
    missing_depth: Literal["error", "leave_out", "empty"] = "error"
    """What becomes of sets with views without depth."""
    max_images: Positive
    """Images of a batch of one rank."""
    max_sets: Positive | None = None
    """Sets of an epoch of the data; null for all there are. Epochs go on where the one before has ended."""
    steps_per_epoch: Positive | None = None
    """Steps of an epoch of the training, on any number of ranks; null for as many as show each set once."""


class ViewTraining(Record):
    """A training on sets of views."""

    splits: Annotated[dict[Name, ViewSplit], Field(min_length=1, json_schema_extra={"additionalProperties": False})]
    """By name; a model learns from `train`."""
    ranks: Positive = 1
    """Processes that share the sets, one for each GPU."""
    epochs: Positive
    """Epochs of the training."""
    rate: Annotated[float, Field(gt=0, le=1e30)]
    """Highest learning rate."""
    schedule: RateSchedule = "cosine"
    """How it goes on after its rise."""
    warm_share: _Share = 0.05
    """Share of all steps over which it rises."""
    least_share: _Share = 0.01
    """Share of the highest rate at which a cosine ends."""
    seed: Count = 0
    """Of order, numbers of views and views."""

    @model_validator(mode="after")
    def _learns(self) -> Self:
        if TRAIN not in self.splits:
            raise ValueError(f"expected a split '{TRAIN}', got {', '.join(sorted(self.splits))}")
        return self
