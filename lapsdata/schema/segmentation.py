"""The record of a scored segmentation: one truth, one set of rules, and every score that was taken by them."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lapsdata.schema.ap_scores import ApScores
from lapsdata.schema.base import Digest, FormatVersion, Header, Name, Rate, Record, Text
from lapsdata.schema.label_scores import LabelScores
from lapsdata.schema.result import BoundaryResult
from lapsdata.schema.segment_clusters import SegmentClusterScores

__all__ = ["RulesProfile", "SegmentationResult", "TruthClock"]

RulesProfile = Literal["default", "laps-2025", "ms-tcn"]
"""One word for all rules; each result spells them out. `default`: boundaries once, as many pairs as there can be, which
are the numbers of mir_eval; `laps-2025`: the rules of the numbers that LAPS published, every inner boundary of touching
segments twice and greedy; `ms-tcn`: the boundaries of `default`, beside scores of the labels of frames."""


class TruthClock(Record):
    """How frames of the truth became seconds."""

    rate: Rate | None = None
    """Frames per second of its labels; null where the truth is told in seconds."""
    origin: Text
    """Who says so: `seconds` where the truth has no frames, `asked` where the caller did, else what was looked at."""


class SegmentationResult(Header):
    """Scores of segments beside those of chance; results of unlike rules, clocks or truths are never compared."""

    RECORD: ClassVar[str] = "segmentation_result"

    format: Literal["lapsdata.segmentation_result"] = "lapsdata.segmentation_result"
    """Which format this header belongs to."""
    format_version: FormatVersion = "1.0"
    """Major and minor version of the format; readers refuse a newer major version."""
    profile: RulesProfile
    """The word for the rules, which stand in each part."""
    clock: TruthClock
    """Frames per second of the truth, and who says so."""
    split: Name | None = None
    """Which part of the truth was scored, by its name there; null for all of it."""
    truth_digest: Digest
    """Digest of the names, times, segments and labels of the scored videos."""
    boundaries: BoundaryResult
    """How well starts and ends are met."""
    labels: LabelScores | None = None
    """Frame accuracy, edit and F at an overlap; null where not all segments of both sides have a label, some overlap,
    or the rules have no such scores."""
    labels_left_out: Text | None = None
    """Why labels were not scored though the rules have them; null where they were, or the rules have none."""
    detections: ApScores | None = None
    """Average precision of whole segments; null where the rules have none."""
    clusters: SegmentClusterScores | None = None
    """Of labels whose names say nothing; null where nobody asked for them."""
    old_keys: dict[Name, Annotated[float, Field(ge=0, le=1)]] | None = None
    """The summary as LAPS's own evaluation spells it; under its rules only."""

    @model_validator(mode="after")
    def _old_keys_are_of_old_rules(self) -> Self:
        if (self.old_keys is None) == (self.profile == "laps-2025"):
            raise ValueError("expected old keys under the rules laps-2025, and under no other")
        return self
