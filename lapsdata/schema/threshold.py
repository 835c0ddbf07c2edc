"""The record of a threshold: from where on an energy is loud, and what that was told from."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import Field, model_validator

from lapsdata.schema.base import Count, Digest, FormatVersion, Header, Name, Positive, Record, Text, Tool
from lapsdata.schema.result import BoundaryRules
from lapsdata.schema.tokens import CameraMotion

__all__ = [
    "CURVE_POINTS",
    "QUANTILES",
    "BoundarySearch",
    "FrameObjective",
    "LabelSearch",
    "LeaveOneOut",
    "LeftOutThreshold",
    "TellingMethod",
    "ThresholdChance",
    "ThresholdRecord",
    "TriedThresholds",
]

QUANTILES: Final = (0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0)
"""The shares whose quantiles a record holds."""

CURVE_POINTS: Final = 200
"""Most points of the curve of a record."""

TellingMethod = Literal["otsu_log", "otsu_linear", "given", "boundary_search", "pseudo_labels"]
"""`boundary_search`: scores best on the true segments of a train split; `pseudo_labels`: agrees best with what another
energy takes for active."""

FrameObjective = Literal["f1", "youden"]
"""F1 of the active rows, or Youden's J, the share of active rows that are loud less the share of the others that
are."""

_Share = Annotated[float, Field(ge=0, le=1)]
_Seconds = Annotated[float, Field(ge=0)]


class TriedThresholds(Record):
    """Which thresholds there were, how the best of them scores, and which of those that score alike was taken."""

    score: float
    """The best score: that of the threshold."""
    candidates: Positive
    """Pieces that the energies part all thresholds into: thresholds that may score unlike one another."""
    tried: Positive
    """How many of them were tried."""
    not_positive: Count = 0
    """Pieces that were left out because none of their thresholds is above 0, of which a share is not lower."""
    search: Literal["exact", "coarse_to_fine"]
    """`exact`: all were tried; `coarse_to_fine`: some, evenly by their order, and then those around the best."""
    ties: Literal["middle_of_the_widest"] = "middle_of_the_widest"
    """Of thresholds that score alike, the middle of the widest stretch of them was taken: by ratio where all energies
    are above 0, else by difference; of equally wide ones the lowest."""
    plateau_low: float
    """From here on thresholds score as this one does (not included)."""
    plateau_high: float
    """Up to here."""
    other_plateaus: Count
    """Stretches that score as well and are no wider."""
    reaches: tuple[Literal["lowest", "highest"], ...] = ()
    """Ends of the energies that the stretch reaches: beyond the lowest everything is loud, beyond the highest nothing
    is."""
    curve: Annotated[tuple[tuple[float, float], ...], Field(min_length=1, max_length=CURVE_POINTS)]
    """Thresholds, rising, and their scores: of many some, evenly by their order, and always the best."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.tried > self.candidates:
            raise ValueError(f"expected up to {self.candidates} tried thresholds, got {self.tried}")
        if self.plateau_low > self.plateau_high:
            raise ValueError("expected plateau_low up to plateau_high")
        if any(low[0] >= high[0] for low, high in pairwise(self.curve)):
            raise ValueError("expected a curve of rising thresholds")
        return self


class ThresholdChance(Record):
    """What those score on the same videos who have not looked at them."""

    uniform_best_period: _Share
    """The metronome of the period whose macro F is highest there."""
    period_s: Annotated[float, Field(gt=0)]
    """That period, in seconds."""
    constant_energy: _Share
    """The same segmenter, with one energy that is loud all the time."""


class LeftOutThreshold(Record):
    """The threshold that all videos but one call for, and its score on that one."""

    video: Name
    """Which was left out."""
    threshold: float
    """Chosen without it."""
    score: _Share
    """F of the video at that threshold."""


class LeaveOneOut(Record):
    """How well a threshold does on a video that it was not chosen on, and how much it hangs on single videos."""

    videos: Annotated[tuple[LeftOutThreshold, ...], Field(min_length=2)]
    """One after the other, each left out once."""
    score: _Share
    """Mean of their scores."""
    lowest: float
    """Lowest of the thresholds."""
    median: float
    """Their median."""
    highest: float
    """Highest of them."""

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if not self.lowest <= self.median <= self.highest:
            raise ValueError("expected lowest, median and highest in this order")
        if len({one.video for one in self.videos}) != len(self.videos):
            raise ValueError("expected each left out video once")
        return self


class BoundarySearch(TriedThresholds):
    """The search for the threshold whose segments have the best boundaries, on the videos of a train split."""

    objective: Literal["f_macro", "f_micro"]
    """What was made as high as possible: the mean of the videos' F, or F of the counts of all videos together."""
    rules: BoundaryRules
    """How boundaries were counted and paired; of one tolerance."""
    segmenter: Tool
    """What cut the videos, with the threshold that was found."""
    videos: Positive
    """How many videos."""
    truth_digest: Digest
    """Digest of their names, times and true boundaries."""
    ended_by: dict[Name, Count]
    """How many segments end for which reason, at the threshold."""
    chance: ThresholdChance
    """Scores of the same objective by chance."""
    leave_one_out: LeaveOneOut | None = None
    """Scores on videos that the threshold was not chosen on; null where it was not asked for."""

    @model_validator(mode="after")
    def _one_tolerance(self) -> Self:
        if len(self.rules.tolerances_s) != 1:
            raise ValueError(f"expected rules of one tolerance, got {len(self.rules.tolerances_s)}")
        return self


class LabelSearch(TriedThresholds):
    """The search for the threshold that agrees best with what another energy of the same videos takes for active."""

    objective: FrameObjective
    """What was made as high as possible: F1 of the active rows, or Youden's J, the share of active rows that are loud
    less the share of the others that are."""
    alignment: Literal["rows", "middles"]
    """`rows`: both energies have the same rows; `middles`: a row has the label of the nearest one around its middle."""
    labels_source: Name
    """What the other energy measured."""
    labels_mode: Name
    """How it was measured."""
    labels_method: TellingMethod
    """How its own threshold was told."""
    labels_threshold: float
    """From here on it is active."""
    rows: Positive
    """Rows with an energy and a label."""
    active: Positive
    """How many of them are active."""

    @model_validator(mode="after")
    def _both_kinds(self) -> Self:
        if self.active >= self.rows:
            raise ValueError(f"expected fewer active rows than the {self.rows} rows, got {self.active}")
        return self


class ThresholdRecord(Header):
    """A threshold beside the energies that it is for; the whole of its file."""

    RECORD: ClassVar[str] = "threshold"
    MINOR: ClassVar[int] = 1

    format: Literal["lapsdata.threshold"] = "lapsdata.threshold"
    """Which format this record belongs to."""
    format_version: FormatVersion = "1.1"
    """Major and minor version of the format; readers refuse a newer major version."""
    value: float
    """From here on an energy is loud, in the unit of the energies."""
    method: TellingMethod
    """Who says so."""
    source: Name
    """What was measured: `velocity`, `quantized` ..."""
    mode: Name
    """How it was measured."""
    smoothing: Text | None = None
    """Smoothing that the energies went through."""
    tokenizer: Digest | None = None
    """SHA-256 of the weights whose latents were measured; null for energies of tracks."""
    motion: CameraMotion | None = None
    """Whether the motion of the camera was measured too; null where it is not known."""
    lowest: float
    """Lowest measured energy."""
    highest: float
    """Highest measured energy."""
    above: _Share
    """Share of the measured energies that are not below the value."""
    counts: dict[str, Count]
    """Rows by state, and `not_positive`: measured ones without a logarithm."""
    quantiles: Annotated[tuple[float, ...], Field(min_length=len(QUANTILES), max_length=len(QUANTILES))] | None = None
    """The measured energies that 0, 1, 5, 10, 25, 50, 75, 90, 95, 99 and 100 % of them do not exceed, each one of them;
    null where it is not known. They tell whether other energies are like these."""
    boundary_search: BoundarySearch | None = None
    """How it was searched for, exactly where the method is `boundary_search`."""
    label_search: LabelSearch | None = None
    """How it was searched for, exactly where the method is `pseudo_labels`."""

    @model_validator(mode="after")
    def _lowest_is_lowest(self) -> Self:
        if self.lowest > self.highest:
            raise ValueError(f"expected a lowest energy up to the highest {self.highest:g}, got {self.lowest:g}")
        if self.quantiles is not None and any(low > high for low, high in pairwise(self.quantiles)):
            raise ValueError("expected quantiles that do not fall")
        for method, field in {"boundary_search": "boundary_search", "pseudo_labels": "label_search"}.items():
            if (self.method == method) != (getattr(self, field) is not None):
                raise ValueError(f"expected {field} exactly where the method is {method!r}")
        return self

    @property
    def tried(self) -> BoundarySearch | LabelSearch | None:
        """What was searched among; None where nothing was."""
        return self.boundary_search or self.label_search
