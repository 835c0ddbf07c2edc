"""What a score can be told: the stage `evaluate` names it as one of its kinds."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from lapsdata.schema.ap_scores import ApClasses
from lapsdata.schema.base import Count, Name, Positive, Rate, Record, Text
from lapsdata.schema.segment_clusters import ClusterScope
from lapsdata.schema.segmentation import RulesProfile

__all__ = ["EvaluateOptions"]


class EvaluateOptions(Record):
    """The rules of a score.

    Examples
    --------
    >>> EvaluateOptions(tolerances_s=(0.25,)).draws
    100
    """

    rules: RulesProfile = "default"
    """One word for all rules; see `RulesProfile`."""
    tolerances_s: Annotated[tuple[Annotated[float, Field(ge=0)], ...], Field(min_length=1)] | None = None
    """Seconds within which a boundary is found, rising; null for those of the rules."""
    split: Name | None = None
    """The part of the truth that is scored, as `test.split1`; what is found in other videos is left out, counted."""
    train_split: Name | None = None
    """The part of the truth whose events the rows of a train split know, where `train` is not a truth of its own; null
    for the one that belongs to `split`, as `train.split1`, if there is one."""
    rate: Rate | None = None
    """Frames per second of labels, where the truth has no times of its own."""
    background: tuple[Text, ...] | None = None
    """Labels that are no action, in place of those of the rules; see `evaluate_labels`."""
    classes: ApClasses | None = None
    """Of average precision, in place of the rules'."""
    clusters: ClusterScope | None = None
    """Score labels as the names of clusters too, matched within a video, an activity or all videos; a video's activity
    is the dish of GTEA's names (`S1_Cheese_C1`), else what follows the last `_`, as in `P03_cam01_P03_cereals`."""
    confidence_block: Count | None = None
    """Which block of classes of the confidences counts, from 0, where they have several."""
    missing: Literal["raise", "empty"] = "raise"
    """A video of the truth without segments: an error, or an empty answer."""
    extra: Literal["raise", "leave_out"] = "raise"
    """A video without a truth: an error, or left out and counted."""
    end_slack_s: Annotated[float, Field(ge=0)] | None = None
    """Seconds by which a video may differ in length between both; times that lie so far beyond the end are taken for
    the end, and counted. Null is 1 for segments made of energies, as no window covers a video's last frames, else 0."""
    draws: Positive = 100
    """How often chance is drawn."""
    shift_draws: Positive = 1000
    """How often the found boundaries are shifted."""
    seed: Count = 0
    """Of chance, and of a named prediction that is drawn."""
