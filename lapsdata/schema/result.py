"""The record of a boundary score: what was compared with what, by which rules, beside which rows of chance."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lapsdata.schema.base import Count, Digest, FormatVersion, Header, Name, Parameters, Positive, Record
from lapsdata.schema.segments import SegmentedVideo

__all__ = [
    "AboveChance",
    "Bootstrap",
    "BoundaryCounting",
    "BoundaryDeviation",
    "BoundaryEmpty",
    "BoundaryMatching",
    "BoundaryResult",
    "BoundaryRow",
    "BoundaryRules",
    "BoundaryScore",
    "ChanceCorrected",
    "NearestBoundary",
    "PrecisionRecall",
    "ScoredVideo",
]

BoundaryCounting = Literal["once", "each_end"]
"""`once`: each instant at which a segment starts or ends is one boundary; `each_end`: every start and every end is one,
so that an instant between two touching segments counts twice (the rule of LAPS)."""

BoundaryMatching = Literal["maximum", "greedy"]
"""`maximum`: as many pairs as one-to-one pairing within the tolerance allows; `greedy`: each true boundary, in order of
time, takes the nearest free one (the rule of LAPS and GEBD)."""

BoundaryEmpty = Literal["both_1_one_0", "no_truth_precision_1"]
"""Nothing true and nothing found: precision, recall and F are 1 by both. One of the two: by `both_1_one_0` all three
are 0; by `no_truth_precision_1` too, except that precision is 1 where nothing is true (the rule of LAPS)."""

_Share = Annotated[float, Field(ge=0, le=1)]
_NotNegative = Annotated[float, Field(ge=0)]


class BoundaryRules(Record):
    """Everything that published scores of boundaries leave open; results of unlike rules are never compared."""

    tolerances_s: Annotated[tuple[_NotNegative, ...], Field(min_length=1)]
    """Largest distances of a hit, in seconds, rising."""
    counting: BoundaryCounting
    """How starts and ends of segments become boundaries."""
    matching: BoundaryMatching
    """How found boundaries are paired with true ones."""
    resolution_s: Annotated[float, Field(gt=0)]
    """Times are compared as whole multiples of this, in seconds, so that no last bit decides."""
    window: Literal["inclusive"] = "inclusive"
    """A distance that equals the tolerance is a hit."""
    ends: Literal["left_out"] = "left_out"
    """Boundaries at the start and the end of the looked-at time are given to everyone, and not counted."""
    background: Literal["as_any_segment"] = "as_any_segment"
    """Labels play no part: a background segment has boundaries as any other has, and so has a gap."""
    empty: BoundaryEmpty = "both_1_one_0"
    """What scores are where nothing is true, or nothing was found."""
    profile: Name | None = None
    """Under which name these rules were asked for; null where they were chosen one by one, and where it is not known.
    It says nothing that the other rules do not."""

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if any(low >= high for low, high in zip(self.tolerances_s, self.tolerances_s[1:], strict=False)):
            raise ValueError("expected rising tolerances")
        return self


class ScoredVideo(SegmentedVideo):
    """One video: the time that was scored, and what was counted in it."""

    truth: Count
    """True boundaries."""
    found: Count
    """Found boundaries."""
    hits: tuple[Count, ...]
    """Pairs within each tolerance, in the order of the rules."""

    @model_validator(mode="after")
    def _hits_have_partners(self) -> Self:
        if any(hits > min(self.truth, self.found) for hits in self.hits):
            raise ValueError(f"expected hits up to {min(self.truth, self.found)}, the fewer of true and found")
        return self


class PrecisionRecall(Record):
    """Precision, recall, and their harmonic mean F = 2 hits / (true + found)."""

    precision: _Share
    """Share of the found boundaries that are hits."""
    recall: _Share
    """Share of the true boundaries that are hit."""
    f: _Share
    """2 hits / (true + found); as a macro mean it is the mean of each video's F."""


class BoundaryScore(Record):
    """The score of one row at one tolerance; of a drawn row the mean over its draws."""

    tolerance_s: _NotNegative
    """Largest distance of a hit, in seconds."""
    found: _NotNegative
    """Number of boundaries that the row sets in all videos together."""
    hits: _NotNegative
    """How many of them are hits."""
    macro: PrecisionRecall
    """Mean over the videos."""
    micro: PrecisionRecall
    """Of the counts of all videos together."""
    macro_f_sd: _NotNegative | None = None
    """Standard deviation of the macro F over the draws (n - 1); null for a single draw."""
    micro_f_sd: _NotNegative | None = None
    """Standard deviation of the micro F over the draws (n - 1); null for a single draw."""
    macro_f_band: tuple[_Share, _Share] | None = None
    """Between these lie 95 % of the draws' macro F: their quantiles 0.025 and 0.975, interpolated; null for a single
    draw, and where it is not known."""
    micro_f_band: tuple[_Share, _Share] | None = None
    """Between these lie 95 % of the draws' micro F; as `macro_f_band`."""
    macro_f_p: _Share | None = None
    """Share of the draws whose macro F reaches that of the prediction, which counts as one more draw that does:
    (1 + such draws) / (1 + draws); null for a single draw, and where it is not known."""
    micro_f_p: _Share | None = None
    """Share of the draws whose micro F reaches that of the prediction; as `macro_f_p`."""
    macro_f_interval: tuple[_Share, _Share] | None = None
    """Between these lies the macro F of 95 % of the resamples of videos (see `bootstrap`); of the prediction alone,
    null for a single video, and where it is not known."""
    micro_f_interval: tuple[_Share, _Share] | None = None
    """Between these lies the micro F of 95 % of the resamples; as `macro_f_interval`."""
    micro_r_value: Annotated[float, Field(le=1)] | None = None
    """R-value of the counts of all videos together (Räsänen 2009): 1 is right, and boundaries beyond the true ones
    lower it without end; of a drawn row the mean over its draws. Null without true boundaries, and where it is not
    known."""

    @model_validator(mode="after")
    def _bands_rise(self) -> Self:
        bands = (self.macro_f_band, self.micro_f_band, self.macro_f_interval, self.micro_f_interval)
        if any(band is not None and band[0] > band[1] for band in bands):
            raise ValueError("expected a band from its lower to its upper end")
        return self


class NearestBoundary(Record):
    """Median distances to the nearest boundary of the other side; null where no video has both sides."""

    truth_to_found_s: _NotNegative | None
    """From each true boundary to the nearest found one, in seconds."""
    found_to_truth_s: _NotNegative | None
    """From each found boundary to the nearest true one, in seconds."""


class BoundaryDeviation(Record):
    """How far boundaries lie from one another, whatever the tolerance; of a drawn row the mean over its draws."""

    macro: NearestBoundary
    """Mean over the videos of each video's medians."""
    micro: NearestBoundary
    """Medians over the boundaries of all videos together."""
    videos: Count
    """Videos with boundaries on both sides; the others have no distance and are not in it."""


class BoundaryRow(Record):
    """What one set of boundaries scores: the prediction, or one that did not look at the video."""

    name: Name
    """What the row is called in tables."""
    kind: Literal["prediction", "chance", "oracle"]
    """Whether it is what is judged, what it is judged by, or what knows something of the scored truth itself: an oracle
    is shown, and is no chance."""
    parameters: Parameters = Field(default_factory=dict)
    """How its boundaries were made."""
    draws: Positive = 1
    """Sets of boundaries that the means go over."""
    scores: tuple[BoundaryScore, ...]
    """One per tolerance, in the order of the rules."""
    deviation: BoundaryDeviation | None = None
    """Distances; null where the row sets other boundaries at each tolerance, or another number of them in each draw."""
    covering: _Share | None = None
    """How well its parts of each video cover the true ones, mean over the videos, of a drawn row over its draws as
    well; null where the row sets other boundaries at each tolerance, and where it is not known."""


class Bootstrap(Record):
    """How intervals were made: as many videos as there are, drawn with replacement, again and again."""

    resamples: Positive
    """Sets of videos that were drawn; nothing is matched again in them."""
    seed: Count
    """Of the drawing: results of one number of videos with one seed were drawn alike."""
    level: Annotated[float, Field(gt=0, lt=1)] = 0.95
    """Share of the resamples that lie in an interval, whose ends are quantiles of theirs, interpolated: for 0.95 those
    of 0.025 and 0.975."""


class ChanceCorrected(Record):
    """What a prediction has above the best row of chance, as a share of what there was to be had."""

    best_chance_row: Name
    """The row of chance with the highest F: of equals the first."""
    best_chance_f: _Share
    """Its F."""
    chance_corrected_f: Annotated[float, Field(le=1)] | None
    """(F - best_chance_f) / (1 - best_chance_f): 1 is right, 0 is what chance has, below 0 is less; null where
    best_chance_f is 1."""
    interval: tuple[Annotated[float, Field(le=1)], Annotated[float, Field(le=1)]] | None = None
    """Between these lie 95 % of the resamples of videos, in which the row stays the same and its draws as well. Null
    for a single video, and where the row is right in any of them."""

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if self.interval is not None and self.interval[0] > self.interval[1]:
            raise ValueError("expected a band from its lower to its upper end")
        if (self.chance_corrected_f is None) != (self.best_chance_f == 1):
            raise ValueError("expected chance_corrected_f exactly where best_chance_f is below 1")
        return self


class AboveChance(Record):
    """The chance-corrected score of the prediction at one tolerance: (F - F_best_chance) / (1 - F_best_chance)."""

    tolerance_s: _NotNegative
    """Largest distance of a hit, in seconds."""
    macro: ChanceCorrected
    """Of the mean over the videos."""
    micro: ChanceCorrected
    """Of the counts of all videos together."""


class BoundaryResult(Header):
    """A prediction's boundary scores beside those of chance, with the rules and the digest of the truth."""

    RECORD: ClassVar[str] = "boundary_result"
    MINOR: ClassVar[int] = 2

    format: Literal["lapsdata.boundary_result"] = "lapsdata.boundary_result"
    """Which format this header belongs to."""
    format_version: FormatVersion = "1.2"
    """Major and minor version of the format; readers refuse a newer major version."""
    rules: BoundaryRules
    """How boundaries were counted, paired and averaged."""
    truth_digest: Digest
    """Digest of the names, scored times and true boundaries of all videos."""
    videos: Annotated[tuple[ScoredVideo, ...], Field(min_length=1)]
    """The scored videos and the counts of the prediction, by name."""
    rows: Annotated[tuple[BoundaryRow, ...], Field(min_length=1)]
    """The prediction, then the rows of chance, then those of oracles."""
    above_chance: tuple[AboveChance, ...] | None = None
    """What the prediction has above chance, one per tolerance, in the order of the rules; null where it is not
    known."""
    bootstrap: Bootstrap | None = None
    """How intervals were made; null where there are none."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [video.name for video in self.videos]
        if len(set(names)) != len(names):
            raise ValueError("expected each video once")
        rows = [row.name for row in self.rows]
        if len(set(rows)) != len(rows):
            raise ValueError("expected each row once")
        if [row.kind == "prediction" for row in self.rows] != [True, *[False] * (len(rows) - 1)]:
            raise ValueError("expected the prediction as first row, and as no other")
        tolerances = self.rules.tolerances_s
        if any(len(video.hits) != len(tolerances) for video in self.videos):
            raise ValueError("expected hits for each tolerance")
        if any(tuple(score.tolerance_s for score in row.scores) != tolerances for row in self.rows):
            raise ValueError("expected scores at the tolerances of the rules")
        if self.above_chance is not None:
            if tuple(one.tolerance_s for one in self.above_chance) != tolerances:
                raise ValueError("expected above_chance at the tolerances of the rules")
            chance = {row.name for row in self.rows if row.kind == "chance"}
            if any({one.macro.best_chance_row, one.micro.best_chance_row} - chance for one in self.above_chance):
                raise ValueError("expected best_chance_row among the rows of chance")
        return self
