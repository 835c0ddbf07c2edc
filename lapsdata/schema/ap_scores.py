"""Average precision of found segments, beside rows of chance."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from lapsdata.schema.base import Count, Digest, Name, Parameters, Positive, Record, Text
from lapsdata.schema.drawn import DrawnScore, RowKind, one_prediction

__all__ = ["ApClass", "ApClasses", "ApConfidence", "ApRow", "ApRules", "ApScores", "EdgeRule", "TieRule"]

ApClasses = Literal["agnostic", "each"]
"""`agnostic`: no class is told from another, one AP of all segments; `each`: an AP of every class of the truth, and
their mean (the rule of ActivityNet)."""

ApConfidence = Literal["score", "duration", "score_or_duration"]
"""What puts found segments in order: their score, which all must have, their duration in whole microseconds, or their
score and where one has none its duration (the rule of LAPS, whose score is the mean energy)."""

TieRule = Literal["given", "worst"]
"""Found spans of equal score: `given` keeps their order, `worst` counts the false ones first, so that no order of the
rows of a file makes a score better than it is."""

EdgeRule = Literal["exact", "last_bit"]
"""An overlap of just the share that is asked for: `exact` counts it as enough, `last_bit` leaves it to the rounding of
the seconds, as the programs of ActivityNet and LAPS do: three quarters of 40 frames at 15 per second may be too few."""

_Overlap = Annotated[float, Field(gt=0, le=1)]
_Share = Annotated[float, Field(ge=0, le=1)]


class ApRules(Record):
    """Everything that published values of average precision leave open."""

    overlaps: Annotated[tuple[_Overlap, ...], Field(min_length=1)]
    """Intersections over union from which on a segment is right, rising."""
    classes: ApClasses
    """Whether classes are told apart."""
    confidence: ApConfidence
    """What puts found segments in order."""
    ties: TieRule
    """Segments of one confidence: `given` leaves them in order of the truth's videos, then of start; `worst` counts the
    wrong ones first."""
    edges: EdgeRule
    """An overlap of just what is asked for: enough, or left to the rounding of the seconds."""
    background: tuple[Text, ...]
    """Labels whose segments are left out of both sides."""
    matching: Literal["largest_free_overlap"] = "largest_free_overlap"
    """From the highest confidence down, each takes the free true segment of its video and class that it overlaps
    most."""
    area: Literal["all_points"] = "all_points"
    """That under the precision at each recall, made not to rise with recall (VOC 2010 and later)."""
    unknown_classes: Literal["in_no_class"] = "in_no_class"
    """Found segments of a class that the truth does not have take part in no AP; they are counted."""

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if any(low >= high for low, high in zip(self.overlaps, self.overlaps[1:], strict=False)):
            raise ValueError("expected rising overlaps")
        return self


class ApClass(Record):
    """One class of the truth."""

    label: Text | None
    """Which; null where classes are not told apart."""
    truth: Positive
    """True segments."""
    found: Count
    """Found segments."""
    ap: tuple[_Share, ...]
    """Average precision of the prediction, for each overlap of the rules."""


class ApRow(Record):
    """What one set of segments scores: the prediction, or one that did not look at the video."""

    name: Name
    """What the row is called in tables."""
    kind: RowKind
    """Whether it is what is judged, or what it is judged by."""
    parameters: Parameters = Field(default_factory=dict)
    """How its segments were made."""
    draws: Positive = 1
    """Sets of segments that the means go over."""
    ap: tuple[DrawnScore, ...]
    """Mean over the classes, for each overlap of the rules."""
    mean: DrawnScore
    """Mean over the overlaps."""


class ApScores(Record):
    """A prediction's average precision beside that of chance."""

    rules: ApRules
    """How segments were put in order and matched."""
    policies: dict[str, Count] = Field(default_factory=dict)
    """How many items each named policy has touched."""
    truth_digest: Digest
    """Digest of the names, times and true labelled segments of all videos."""
    videos: Positive
    """Videos that were scored."""
    classes: Annotated[tuple[ApClass, ...], Field(min_length=1)]
    """The classes of the truth, by label, with the AP of the prediction."""
    unknown: Count
    """Found segments of classes that the truth does not have."""
    rows: Annotated[tuple[ApRow, ...], Field(min_length=1)]
    """The prediction, then the rows of chance."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        one_prediction([(row.name, row.kind) for row in self.rows])
        lengths = {*(len(one.ap) for one in self.classes), *(len(row.ap) for row in self.rows)}
        if lengths != {len(self.rules.overlaps)}:
            raise ValueError("expected an average precision at each overlap")
        if (self.rules.classes == "agnostic") != any(one.label is None for one in self.classes):
            raise ValueError("expected labels exactly where classes are told apart")
        return self
