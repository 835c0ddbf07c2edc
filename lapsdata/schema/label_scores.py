"""Scores of labelled segments: frame accuracy, edit and F at an overlap, beside rows of chance."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from lapsdata.schema.base import Count, Digest, Name, Parameters, Positive, Rate, Record, Text
from lapsdata.schema.drawn import DrawnScore, RowKind, one_prediction
from lapsdata.schema.segments import SegmentedVideo

__all__ = ["LabelRow", "LabelRules", "LabelScores", "LabelledVideo", "LengthPolicy", "OverlapScore"]

LengthPolicy = Literal["raise", "cut", "pad"]
"""A video that lasts longer on one side: `raise` refuses it, `cut` scores what both have, `pad` scores the time of the
truth, whatever lies past it left out and the last found label lasting to its end."""

_Overlap = Annotated[float, Field(gt=0, le=1)]
_NotNegative = Annotated[float, Field(ge=0)]


class LabelRules(Record):
    """Everything that published scores of labelled segments leave open."""

    overlaps: Annotated[tuple[_Overlap, ...], Field(min_length=1)]
    """Intersections over union from which on a segment is right, rising."""
    background: tuple[Text, ...]
    """Labels that are no action: left out of edit and F, and labels as any other for accuracy."""
    clock: Literal["frames", "time"]
    """What is counted: frames of the rate, as MS-TCN does, or time in whole microseconds, of which one more or less
    decides no overlap."""
    rate: Rate | None
    """Frames per second; null where time is counted."""
    length: LengthPolicy
    """What becomes of videos that last longer on one side."""
    gaps: Literal["first_background"] = "first_background"
    """Time without a segment has the first label of the background; without any a label of its own, which is no
    action."""
    segments: Literal["runs_of_equal_labels"] = "runs_of_equal_labels"
    """Touching segments of one label are one."""
    matching: Literal["largest_overlap_if_free"] = "largest_overlap_if_free"
    """Each found segment, in order of time, is held against the true one of its label that it overlaps most, of equals
    the first, and is wrong where another has taken that before (the rule of MS-TCN)."""
    accuracy: Literal["background_as_any_label"] = "background_as_any_label"
    """Micro: of all videos together; macro: mean over the videos."""
    edit: Literal["mean_of_videos"] = "mean_of_videos"
    """1 - d / max(S, R) of the orders of labels without background, d being Levenshtein's distance."""
    f: Literal["pooled_counts"] = "pooled_counts"
    """2 tp / (2 tp + fp + fn) of the counts of all videos together."""
    empty: Literal["both_1_one_0"] = "both_1_one_0"
    """No true action and none found: edit, precision, recall and F are 1; one of the two: they are 0."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if any(low >= high for low, high in zip(self.overlaps, self.overlaps[1:], strict=False)):
            raise ValueError("expected rising overlaps")
        if len(set(self.background)) != len(self.background):
            raise ValueError("expected each label of the background once")
        if (self.clock == "frames") != (self.rate is not None):
            raise ValueError("expected a rate exactly where frames are counted")
        return self


class LabelledVideo(SegmentedVideo):
    """One video: the time that was scored, and what was counted of the prediction in it."""

    counted: Positive
    """Frames, or microseconds, that were scored."""
    correct: Count
    """Those with the right label."""
    edits: Count
    """Levenshtein's distance of the orders of labels."""
    longest: Count
    """Segments of the side that has more, by which it is divided."""
    tp: tuple[Count, ...]
    """Found segments that are right, for each overlap of the rules."""
    fp: tuple[Count, ...]
    """Found segments that are wrong."""
    fn: tuple[Count, ...]
    """True segments that were missed."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.correct > self.counted:
            raise ValueError(f"expected up to {self.counted} correct")
        if self.edits > self.longest:
            raise ValueError(f"expected up to {self.longest} edits, the longer order")
        if not len(self.tp) == len(self.fp) == len(self.fn):
            raise ValueError("expected tp, fp and fn at each overlap")
        for wrong in (self.fp, self.fn):
            if len({right + other for right, other in zip(self.tp, wrong, strict=True)}) > 1:
                raise ValueError("expected as many segments at each overlap")
        return self


class OverlapScore(Record):
    """F of one row at one overlap; of a drawn row the means over its draws."""

    overlap: _Overlap
    """Intersection over union from which on a segment is right."""
    tp: _NotNegative
    """Found segments that are right."""
    fp: _NotNegative
    """Found segments that are wrong."""
    fn: _NotNegative
    """True segments that were missed."""
    precision: DrawnScore
    """tp / (tp + fp)."""
    recall: DrawnScore
    """tp / (tp + fn)."""
    f: DrawnScore
    """2 tp / (2 tp + fp + fn)."""


class LabelRow(Record):
    """What one labelling scores: the prediction, or one that did not look at the video."""

    name: Name
    """What the row is called in tables."""
    kind: RowKind
    """Whether it is what is judged, or what it is judged by."""
    parameters: Parameters = Field(default_factory=dict)
    """How its segments were made."""
    draws: Positive = 1
    """Labellings that the means go over."""
    accuracy_micro: DrawnScore
    """Share of all frames, or of all time, with the right label."""
    accuracy_macro: DrawnScore
    """Mean over the videos of that share."""
    edit: DrawnScore
    """Mean over the videos of the edit score, 0 to 1."""
    f: tuple[OverlapScore, ...]
    """One per overlap, in the order of the rules."""


class LabelScores(Record):
    """A prediction's labels beside those of chance."""

    rules: LabelRules
    """How segments were counted and matched."""
    policies: dict[str, Count] = Field(default_factory=dict)
    """How many items each named policy has touched."""
    truth_digest: Digest
    """Digest of the names, scored times and true labelled segments of all videos."""
    videos: Annotated[tuple[LabelledVideo, ...], Field(min_length=1)]
    """The scored videos and the counts of the prediction, by name."""
    rows: Annotated[tuple[LabelRow, ...], Field(min_length=1)]
    """The prediction, then the rows of chance."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        one_prediction([(row.name, row.kind) for row in self.rows])
        if len({video.name for video in self.videos}) != len(self.videos):
            raise ValueError("expected each video once")
        if any(len(video.tp) != len(self.rules.overlaps) for video in self.videos):
            raise ValueError("expected counts at each overlap")
        if any(tuple(score.overlap for score in row.f) != self.rules.overlaps for row in self.rows):
            raise ValueError("expected scores at the overlaps of the rules")
        return self
