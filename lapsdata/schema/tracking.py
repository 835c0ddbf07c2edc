"""The record of tracking scores: trackers beside rows that know less, with the rules and the digest of the truth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self, get_args

from pydantic import Field, JsonValue, model_validator

from lapsdata.schema.base import Count, Digest, Header, Name, Positive, Record
from lapsdata.schema.result import Bootstrap

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = [
    "AlphaName",
    "ScoreName",
    "TrackCountName",
    "TrackDifference",
    "TrackLeftOut",
    "TrackLossRecord",
    "TrackNumbers",
    "TrackRow",
    "TrackRules",
    "TrackSequence",
    "TrackSequenceScores",
    "TrackSweepRow",
    "TrackValues",
    "TrackingResult",
]

ScoreName = Literal[
    "HOTA", "DetA", "AssA", "DetRe", "DetPr", "AssRe", "AssPr", "LocA", "OWTA", "HOTA(0)", "LocA(0)", "HOTALocA(0)",
    "MOTA", "MOTP", "MODA", "CLR_Re", "CLR_Pr", "MTR", "PTR", "MLR", "sMOTA", "CLR_F1", "FP_per_frame", "MOTAL",
    "MOTP_sum", "IDF1", "IDR", "IDP",
]  # fmt: skip
"""What TrackEval calls its numbers; those of HOTA are means over the 19 thresholds."""

TrackCountName = Literal[
    "CLR_TP", "CLR_FN", "CLR_FP", "IDSW", "MT", "PT", "ML", "Frag", "CLR_Frames", "IDTP", "IDFN", "IDFP", "Dets",
    "GT_Dets", "IDs", "GT_IDs",
]  # fmt: skip
"""What TrackEval calls its counts."""

AlphaName = Literal[
    "HOTA", "DetA", "AssA", "DetRe", "DetPr", "AssRe", "AssPr", "LocA", "OWTA", "HOTA_TP", "HOTA_FN", "HOTA_FP",
]  # fmt: skip
"""What TrackEval has at each of the 19 thresholds of overlap."""

_Share = Annotated[float, Field(ge=0, le=1)]
_NotNegative = Annotated[float, Field(ge=0)]
_Threshold = Annotated[float, Field(gt=0, le=1)]
_ByAlpha = Annotated[tuple[_NotNegative, ...], Field(min_length=19, max_length=19)]


def _all(names: object) -> dict[str, JsonValue]:
    return {"required": sorted(get_args(names))}


def _refuse_missing(names: object, there: Collection[str], what: str) -> None:
    missing = [name for name in get_args(names) if name not in there]
    if missing:
        raise ValueError(f"expected {what} with each of TrackEval's names, got none of {', '.join(missing)}")


class TrackRules(Record):
    """Everything that decides a score and is not in the data; results of unlike rules are never compared."""

    profile: Literal["plain", "mot15", "mot16", "mot17", "mot20", "sportsmot", "dancetrack"]
    """What is left out first."""
    rules: Literal["trackeval", "py-motmetrics"]
    """Whose CLEAR it is."""
    frames: Literal["annotated", "all"]
    """Whether frames that nobody annotated are left out."""
    threshold: _Threshold
    """Least overlap of a match in CLEAR and Identity; HOTA has 19 thresholds of its own."""
    labels: Annotated[tuple[Name, ...], Field(min_length=1)] | Literal["any"] | None = None
    """Labels that are scored; `any`: they are not looked at; null: those of the truth, or of the profile."""
    classes: Annotated[tuple[Name, ...], Field(min_length=1)]
    """The classes that were scored."""


class TrackSequence(Record):
    """The truth of one sequence."""

    name: Name
    """Which sequence."""
    length: Positive
    """Its frames."""
    frames: Count
    """Those that are scored."""
    boxes: Count
    """All its true boxes, whether they are scored or not."""


class TrackLeftOut(Record):
    """What took no part in the scores of one tracker."""

    frames: Count = 0
    """Frames that no annotated range covers."""
    outside_truth: Count = 0
    """True boxes in such frames."""
    outside_predicted: Count = 0
    """Predicted boxes in such frames."""
    ignored_truth: Count = 0
    """True boxes that are to be ignored."""
    ignored_predicted: Count = 0
    """Predicted boxes that are to be ignored."""
    other_truth: Count = 0
    """True boxes of labels that are not scored."""
    other_predicted: Count = 0
    """Predicted boxes of labels that are not scored."""
    on_distractors: Count = 0
    """Predicted boxes that are matched with a distractor."""


class TrackLossRecord(Record):
    """Scores turned round, 0 is best: made of the standard ones, and never in their place."""

    detection: _NotNegative
    """1 - precision, and 1 - recall."""
    iou: _NotNegative
    """1 - mean overlap of the matches; 1 where nothing is matched."""
    tracking: _NotNegative
    """Switches of identity per true box."""
    mota: _NotNegative
    """1 - MOTA."""
    combined: _NotNegative
    """0.4 detection, 0.3 iou and 0.3 tracking."""


class TrackNumbers(Record):
    """Scores of one class, by TrackEval's names."""

    scores: Annotated[dict[ScoreName, float | None], Field(json_schema_extra=_all(ScoreName))]
    """Numbers; null is MOTP by the rules of py-motmetrics where nothing is matched, a mean of nothing."""
    counts: Annotated[dict[TrackCountName, Count], Field(json_schema_extra=_all(TrackCountName))]
    """Boxes, identities and switches."""
    mean_iou: _Share
    """Mean overlap of what CLEAR has matched, by any rules; 0 of nothing."""
    losses: TrackLossRecord
    """Made of the scores."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        _refuse_missing(ScoreName, self.scores, "scores")
        _refuse_missing(TrackCountName, self.counts, "counts")
        return self


class TrackValues(TrackNumbers):
    """Scores of one class, and those of HOTA at each threshold."""

    by_alpha: Annotated[dict[AlphaName, _ByAlpha], Field(json_schema_extra=_all(AlphaName))]
    """At overlaps from 0.05 to 0.95."""

    @model_validator(mode="after")
    def _complete_by_alpha(self) -> Self:
        _refuse_missing(AlphaName, self.by_alpha, "by_alpha")
        return self


class TrackSequenceScores(Record):
    """Scores of one sequence."""

    name: Name
    """Which sequence."""
    left_out: TrackLeftOut
    """What took no part."""
    classes: dict[Name, TrackValues]
    """By class."""


class TrackRow(Record):
    """A tracker, or what stands beside it."""

    name: Name
    """Which one."""
    kind: Literal["prediction", "chance", "oracle"]
    """What is judged; what has not seen when things happen; or what is made of the scored truth itself, and shows what
    a score rewards."""
    of: Name | None = None
    """Of a row of chance: the tracker that it is made of."""
    settings: dict[str, float | str] = Field(default_factory=dict)
    """What the name tells of how it was made: numbers by the words before them."""
    min_score: Annotated[float, Field(allow_inf_nan=False)] | None = None
    """Boxes with a lower score were left out first; null where none were."""
    left_out: TrackLeftOut
    """What took no part, over all sequences."""
    classes: dict[Name, TrackValues]
    """Each class over all sequences, every box of which counts once."""
    class_averaged: TrackValues | None = None
    """Mean over classes, each of the same weight; null of a single class."""
    detection_averaged: TrackValues | None = None
    """All classes together, each box of the same weight; null of a single class."""
    sequences: tuple[TrackSequenceScores, ...] = ()
    """In the order of the truth; none of rows beside the trackers."""


class TrackSweepRow(Record):
    """Scores of a tracker at one threshold of overlap and one least score."""

    tracker: Name
    """Which one."""
    threshold: _Threshold
    """Least overlap of a match in CLEAR and Identity."""
    min_score: Annotated[float, Field(allow_inf_nan=False)] | None = None
    """Boxes with a lower score are left out; null for none."""
    boxes_left_out: Count = 0
    """How many those are."""
    classes: dict[Name, TrackNumbers]
    """Each class over all sequences."""


class TrackDifference(Record):
    """How much higher a score of one tracker is than that of another, both on the same sequences."""

    tracker: Name
    """Which one."""
    than: Name
    """Which other one."""
    score: Literal["HOTA", "DetA", "AssA", "MOTA", "IDF1"]
    """Of all classes together."""
    difference: float
    """Above 0 where the first is higher."""
    interval: tuple[float, float] | None = None
    """The middle 95 % of the differences over draws of sequences; null of a single sequence."""
    p: _Share | None = None
    """Twice the smaller share of draws in which the difference is not above, or not below, 0; null as the interval."""
    higher: Count
    """Sequences in which the first is higher."""
    equal: Count
    """Sequences in which both are equal."""
    lower: Count
    """Sequences in which the first is lower."""


class TrackingResult(Header):
    """Scores of one or several trackers beside one truth."""

    RECORD: ClassVar[str] = "tracking_result"

    format: Literal["lapsdata.tracking_result"] = "lapsdata.tracking_result"
    """Which record this is."""
    rules: TrackRules
    """What decides a score."""
    truth_digest: Digest
    """Digest of the names, lengths, annotated ranges and true boxes of all scored sequences."""
    sequences: Annotated[tuple[TrackSequence, ...], Field(min_length=1)]
    """The scored sequences, in the order of the truth."""
    rows: Annotated[tuple[TrackRow, ...], Field(min_length=1)]
    """The trackers, then chance, then rows made of the truth."""
    differences: tuple[TrackDifference, ...] = ()
    """The first tracker held against each other one."""
    bootstrap: Bootstrap | None = None
    """How intervals were made; null where there are none."""
    sweep: tuple[TrackSweepRow, ...] = ()
    """Scores at other thresholds; the best of them is chosen on the truth that it is scored by."""

    @property
    def trackers(self) -> tuple[TrackRow, ...]:
        """The rows of trackers."""
        return tuple(row for row in self.rows if row.kind == "prediction")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        names = [sequence.name for sequence in self.sequences]
        if len(set(names)) < len(names):
            raise ValueError("expected each sequence once")
        order = [("prediction", "chance", "oracle").index(row.kind) for row in self.rows]
        if order[0] or order != sorted(order):
            raise ValueError("expected trackers first, at least one, then chance, then what is made of the truth")
        if len({(row.name, row.of) for row in self.rows}) < len(self.rows):
            raise ValueError("expected each row once")
        trackers = {row.name for row in self.trackers}
        if any((row.of in trackers) != (row.kind == "chance") for row in self.rows):
            raise ValueError("expected rows of chance, and no others, to be of a tracker")
        classes = set(self.rules.classes)
        for row in self.rows:
            told = [set(row.classes), *(set(one.classes) for one in row.sequences)]
            if any(one != classes for one in told):
                raise ValueError("expected scores of each class of the rules")
            if (row.class_averaged is None) != (len(classes) == 1) or (row.detection_averaged is None) != (
                len(classes) == 1
            ):
                raise ValueError("expected scores of all classes exactly where there are several")
            if row.kind == "prediction" and [one.name for one in row.sequences] != names:
                raise ValueError("expected scores of each sequence, in the order of the truth")
        for pair in self.differences:
            if not {pair.tracker, pair.than} <= trackers:
                raise ValueError("expected differences between trackers of the rows")
        if any(one.tracker not in trackers or set(one.classes) != classes for one in self.sweep):
            raise ValueError("expected a sweep of trackers of the rows, in each class of the rules")
        return self
