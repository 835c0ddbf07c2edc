"""Scores of segments whose labels are not those of the truth: clusters, beside rows of chance."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from lapsdata.schema.base import Count, Digest, Name, Parameters, Positive, Rate, Record, Text
from lapsdata.schema.drawn import DrawnScore, RowKind, one_prediction
from lapsdata.schema.label_scores import LengthPolicy

__all__ = [
    "BackgroundTime",
    "ClusterScope",
    "ScopedGroup",
    "SegmentClusterRow",
    "SegmentClusterRules",
    "SegmentClusterScores",
]

ClusterScope = Literal["video", "activity", "all"]
"""What clusters are matched within. The smaller it is, the higher the scores: those of different scopes are never
compared."""

BackgroundTime = Literal["as_any_label", "left_out"]
"""Time that is background in the truth: scored, its label as any other, or left out of everything."""


class SegmentClusterRules(Record):
    """Everything that published scores of unsupervised segmentation leave open."""

    scope: ClusterScope
    """What clusters are matched within; a cluster of one group and that of the same name in another are two."""
    background: tuple[Text, ...]
    """Labels of the truth that are no action."""
    background_time: BackgroundTime
    """Whether time that is background in the truth is scored."""
    clock: Literal["frames", "time"]
    """What is counted: frames of the rate, or time in whole microseconds."""
    rate: Rate | None
    """Frames per second; null where time is counted."""
    length: LengthPolicy
    """What becomes of videos that last longer on one side."""
    gaps: Literal["first_background"] = "first_background"
    """Time without a segment has the first label of the background; without any a label of its own."""
    unmatched: Literal["wrong"] = "wrong"
    """Each cluster is matched with one label or none, so that most of the time fits; the rest is wrong."""
    agreement: Literal["mean_of_groups"] = "mean_of_groups"
    """ARI, AMI, NMI, homogeneity, completeness and V are means over the groups."""
    nmi: Literal["arithmetic"] = "arithmetic"
    """Mean of both entropies by which mutual information is divided, for NMI and AMI."""
    ami: Literal["of_frames_alone"] = "of_frames_alone"
    """Frames can be dealt out anew, which AMI is adjusted by; time that is not counted in frames has none."""

    @model_validator(mode="after")
    def _rate_of_frames(self) -> Self:
        if (self.clock == "frames") != (self.rate is not None):
            raise ValueError("expected a rate exactly where frames are counted")
        return self


class ScopedGroup(Record):
    """What clusters were matched within: a video, the videos of an activity, or all."""

    name: Text
    """Video or activity; `all` where it is all."""
    videos: Positive
    """Videos that it holds."""
    counted: Positive
    """Frames, or microseconds, that were scored."""
    correct: Count
    """Those whose cluster was matched with their label, for the prediction."""
    labels: Positive
    """Labels of the truth."""
    clusters: Positive
    """Labels of the prediction."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.correct > self.counted:
            raise ValueError(f"expected up to {self.counted} correct")
        return self


class SegmentClusterRow(Record):
    """What one clustering scores: the prediction, or one that did not look at the video."""

    name: Name
    """What the row is called in tables."""
    kind: RowKind
    """Whether it is what is judged, or what it is judged by."""
    parameters: Parameters = Field(default_factory=dict)
    """How its segments were made."""
    draws: Positive = 1
    """Clusterings that the means go over."""
    accuracy_micro: DrawnScore
    """Share of all frames, or of all time, whose cluster was matched with its label (MoF after matching)."""
    accuracy_macro: DrawnScore
    """Mean over the groups of that share."""
    ari: DrawnScore
    """Adjusted Rand index: 0 by chance."""
    ami: DrawnScore | None
    """Adjusted mutual information: 0 by chance; null where time is counted."""
    nmi: DrawnScore
    """Normalised mutual information: not 0 by chance, and higher for more clusters."""
    homogeneity: DrawnScore
    """1 where each cluster is of one label."""
    completeness: DrawnScore
    """1 where each label is in one cluster."""
    v_measure: DrawnScore
    """Harmonic mean of both."""


class SegmentClusterScores(Record):
    """A prediction's clusters beside those of chance."""

    rules: SegmentClusterRules
    """What was matched within what, and what was left out."""
    policies: dict[str, Count] = Field(default_factory=dict)
    """How many items each named policy has touched."""
    truth_digest: Digest
    """Digest of the names, scored times and true labelled segments of all videos."""
    groups: Annotated[tuple[ScopedGroup, ...], Field(min_length=1)]
    """What clusters were matched within, by name, with the counts of the prediction."""
    rows: Annotated[tuple[SegmentClusterRow, ...], Field(min_length=1)]
    """The prediction, then the rows of chance."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        one_prediction([(row.name, row.kind) for row in self.rows])
        if len({group.name for group in self.groups}) != len(self.groups):
            raise ValueError("expected each group once")
        if any((row.ami is None) != (self.rules.clock == "time") for row in self.rows):
            raise ValueError("expected AMI exactly where frames are counted")
        return self
