"""The record of an action probe: how well motion of a robot can be told linearly from features, beside controls."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lapsdata.schema.base import Count, Digest, Header, Name, Parameters, Positive, Record

__all__ = ["LeftOutVideo", "ProbeResult", "ProbeRow", "ProbeRules", "ProbedGroup"]

_AtMostOne = Annotated[float, Field(le=1)]
_NotNegative = Annotated[float, Field(ge=0)]
_Above = Annotated[float, Field(gt=0)]


class ProbeRules(Record):
    """Everything that decides an R² and is not in the data; results of unlike rules are never compared."""

    target: Literal["value", "velocity"]
    """What is told: the mean of each quantity over the time of a row, or its mean rate of change there, per second."""
    per: Literal["step", "window"]
    """Whether a row is a motion step or a whole window; rows of energies are those of their file."""
    r2: Literal["pooled_against_train_mean"] = "pooled_against_train_mean"
    """1 - (squared errors) / (squared errors of the mean of the groups that were learned from), each summed over all
    held-out rows: 0 is knowing that mean, and nothing is gained by telling groups apart."""
    averaged: Literal["quantities_alike"] = "quantities_alike"
    """The R² of a row is the plain mean of those of its quantities."""
    standardised: Literal["train_only"] = "train_only"
    """Columns are centred and scaled by mean and standard deviation of the groups that are learned from."""
    missing: Literal["train_mean"] = "train_mean"
    """A value that a row lacks stands at the mean of the groups that are learned from, and is counted."""
    least_spread: _Above
    """Columns whose standard deviation is below this share of that of the columns of their unit are left out."""
    strengths: Annotated[tuple[_Above, ...], Field(min_length=1)]
    """Strengths of the ridge that are tried, per row that is learned from, rising."""
    folds: Annotated[int, Field(ge=2)]
    """Parts that the groups are dealt into; each is held out once."""
    inner_folds: Annotated[int, Field(ge=2)]
    """Parts, at most, that the groups learned from are dealt into once more, to choose the strength."""
    time_degree: Positive
    """Of the row `time`: powers of the seconds of the video, and of the place between its first and last row."""
    shuffle: Literal["circular_within_video"] = "circular_within_video"
    """Shuffled targets are shifted within each video, its end joined to its start, by a tenth of it or more."""
    flow_cells: Positive
    """Of the row `raw_flow`: cells along each side of the picture."""
    max_gap_s: _Above | None = None
    """Longest time between two samples of a truth that is bridged; null takes 1.5 times the median one."""

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if any(low >= high for low, high in zip(self.strengths, self.strengths[1:], strict=False)):
            raise ValueError("expected rising strengths")
        return self


class ProbedGroup(Record):
    """Videos that are held out together."""

    name: Name
    """What the group is called."""
    videos: Annotated[tuple[Name, ...], Field(min_length=1)]
    """Its videos."""
    rows: Positive
    """Rows of all of them."""


class LeftOutVideo(Record):
    """A video that has no row."""

    name: Name
    """Which one."""
    why: Literal["no_truth", "no_features", "no_rows"]
    """There is no truth of it; one of the features lacks it; or no row of it has a partner in time."""


class ProbeRow(Record):
    """R² of one set of features; of a drawn row the mean over its draws."""

    name: Name
    """What the row is called in tables."""
    kind: Literal["prediction", "control"]
    """Whether it is of the features that were given, or what they are held against."""
    parameters: Parameters = Field(default_factory=dict)
    """What made the features."""
    draws: Positive = 1
    """Draws that the means go over."""
    columns: Positive
    """Features per row."""
    columns_left_out: Count
    """Of them, those that did not vary enough; the most that any fold left out."""
    missing_values: Count = 0
    """Values that stand at a mean, since the row has none."""
    r2: _AtMostOne
    """Mean over the quantities."""
    r2_sd: _NotNegative | None = None
    """Standard deviation over the draws (n - 1); null for a single draw."""
    quantities: Annotated[tuple[_AtMostOne | None, ...], Field(min_length=1)]
    """R² of each quantity; null for one that does not vary."""
    groups: Annotated[tuple[_AtMostOne | None, ...], Field(min_length=2)]
    """R² within each group, mean over the quantities; null where none of them varies there."""
    strengths: tuple[_Above, ...] = ()
    """The strength that each fold chose; none for drawn rows."""


class ProbeResult(Header):
    """R² of features beside those of controls, with the rules and the digest of the truth."""

    RECORD: ClassVar[str] = "probe_result"

    format: Literal["lapsdata.probe_result"] = "lapsdata.probe_result"
    """Which format this header belongs to."""
    rules: ProbeRules
    """How features and truth were joined, learned from and judged."""
    truth_digest: Digest
    """Digest of videos, times and chosen quantities of the truth."""
    quantities: Annotated[tuple[Name, ...], Field(min_length=1)]
    """What is told, as the table of the truth calls it."""
    groups: Annotated[tuple[ProbedGroup, ...], Field(min_length=2)]
    """Groups that were held out as a whole, by name."""
    left_out: tuple[LeftOutVideo, ...] = ()
    """Videos without a row."""
    rows: Annotated[tuple[ProbeRow, ...], Field(min_length=1)]
    """Predictions, then controls."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        rows = [row.name for row in self.rows]
        if len(set(rows)) != len(rows):
            raise ValueError("expected each row once")
        kinds = [row.kind for row in self.rows]
        if kinds != sorted(kinds, reverse=True) or kinds[0] != "prediction":
            raise ValueError("expected predictions first, and at least one")
        if len({group.name for group in self.groups}) != len(self.groups):
            raise ValueError("expected each group once")
        videos = [video for group in self.groups for video in group.videos]
        if len(set(videos)) != len(videos):
            raise ValueError("expected each video in one group")
        if len(set(self.quantities)) != len(self.quantities):
            raise ValueError("expected each quantity once")
        if any(len(row.quantities) != len(self.quantities) for row in self.rows):
            raise ValueError("expected an R² of each quantity")
        if any(len(row.groups) != len(self.groups) for row in self.rows):
            raise ValueError("expected an R² of each group")
        return self
