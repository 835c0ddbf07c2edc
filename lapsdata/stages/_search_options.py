"""What a search for a threshold can be told: the stage `threshold` names it as one of its kinds."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, JsonValue, field_validator

from lapsdata.schema.base import Parameters, Positive, Record

__all__ = ["SearchOptions"]


class SearchOptions(Record):
    """How the threshold with the best boundaries is searched for.

    Examples
    --------
    >>> SearchOptions(tolerance_s=2.0).objective
    'f_macro'
    """

    objective: Literal["f_macro", "f_micro"] = "f_macro"
    """What is made as high as possible: the mean of the videos' F, or F of the counts of all videos together."""
    tolerance_s: Annotated[float, Field(ge=0)] = 0.5
    """Seconds within which a boundary is found."""
    segmenter: Parameters = Field(default_factory=dict)
    """Parameters of the state machine, but for the threshold."""
    leave_one_out: bool = False
    """Whether it is searched for without each video too, and scored on that."""
    most: Positive = 200_000
    """Most thresholds that are tried in a video: each is a pass over it."""
    beyond: Literal["raise", "coarse_to_fine"] = "raise"
    """What becomes of more: an error, or half as many tried evenly by their order and then those around the best."""
    extra: Literal["raise", "leave_out"] = "raise"
    """A video without a truth: an error, or left out and counted."""
    end_slack_s: Annotated[float, Field(ge=0)] = 1.0
    """Seconds by which a video may differ in length between both; see `lapsdata.stages.evaluate.EvaluateOptions`."""

    @field_validator("segmenter")
    @classmethod
    def _no_threshold(cls, segmenter: dict[str, JsonValue]) -> dict[str, JsonValue]:
        if "threshold" in segmenter:
            raise ValueError("expected no threshold among the parameters of the segmenter: it is what is searched for")
        return segmenter
