"""The record of an invariance card: what changes of a video that change nothing that happens do to its tokens."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lapsdata.schema.base import Count, Digest, Header, Name, Parameters, Positive, Rate, Record

__all__ = [
    "BoundaryShift",
    "ChangeKind",
    "CodeAgreement",
    "Equal",
    "InvarianceResult",
    "InvarianceRow",
    "InvarianceRules",
    "InvarianceVideo",
    "ShownFrames",
    "VideoChange",
]

_Share = Annotated[float, Field(ge=0, le=1)]
_NotNegative = Annotated[float, Field(ge=0)]

ChangeKind = Literal["none", "rate", "half_size", "mirrored", "letterboxed", "noisy", "reversed"]
"""What is changed of a video."""

_NEEDS: dict[str, set[str]] = {"rate": {"rate"}, "letterboxed": {"bar_share"}, "noisy": {"sigma", "seed"}}


class VideoChange(Record):
    """A change of a video, with what it needs and nothing else."""

    kind: ChangeKind
    """Which change."""
    rate: Rate | None = None
    """Of `rate`: frames per second; each shows the frame of the video that is nearest in time."""
    bar_share: Annotated[float, Field(gt=0, le=2)] | None = None
    """Of `letterboxed`: height of each of the two black bars, as a share of the picture's."""
    sigma: Annotated[float, Field(ge=0, le=255)] | None = None
    """Of `noisy`: standard deviation of what is added to each pixel and channel, in levels of 255."""
    seed: Count | None = None
    """Of `noisy`."""

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> Self:
        given = {name for name in ("rate", "bar_share", "sigma", "seed") if getattr(self, name) is not None}
        needed = _NEEDS.get(self.kind, set())
        if given != needed:
            words = ", ".join(sorted(needed)) or "nothing"
            raise ValueError(
                f"expected with a change '{self.kind}' {words}, got {', '.join(sorted(given)) or 'nothing'}"
            )
        return self


class InvarianceRules(Record):
    """What the numbers of a card leave open where only their names are told."""

    tolerance_s: _NotNegative
    """Seconds that matched boundaries are apart at most."""
    matching: Literal["maximum"] = "maximum"
    """One to one, as many pairs as any pairing has."""
    boundaries: Literal["starts_and_ends_once"] = "starts_and_ends_once"
    """Starts and ends of segments, each instant once, without start and end of the time that was looked at."""
    window: Literal["common"] = "common"
    """Boundaries are matched within the time that was looked at of both videos; those beyond it are counted."""
    reversed_about: Literal["middle_of_first_and_last_frame"] = "middle_of_first_and_last_frame"
    """A boundary of the reversed video is that of the time which its frames have in the unchanged one."""
    windows_paired: Literal["start_within_quarter_frame"] = "start_within_quarter_frame"
    """Windows are a pair where their starts are no farther apart than a quarter of the shorter frame interval."""
    chance_of_codes: Literal["marginal_frequencies"] = "marginal_frequencies"
    """What would be equal if the codes of both videos were dealt out anew among their paired windows."""
    chance_of_boundaries: Literal["uniform_same_number"] = "uniform_same_number"
    """What would be matched if as many boundaries lay anywhere in the common time."""
    draws: Positive
    """How often that was tried."""
    seed: Count
    """Of these draws."""
    source: Literal["velocity", "quantized", "prequant"]
    """What was measured for the segments."""
    mode: Name
    """How it was measured."""
    motion: Literal["raw", "residual"] = "raw"
    """`residual`: without the motion of the camera."""
    segmenter: Name
    """What made segments of it."""
    segmenter_parameters: Parameters = Field(default_factory=dict)
    """What it was told, the threshold with it."""
    threshold_method: Literal["otsu_log", "otsu_linear", "given"]
    """How the threshold was found."""
    threshold_of: Literal["unchanged_videos", "given"]
    """Of what: once, for all rows."""

    @model_validator(mode="after")
    def _given_is_given(self) -> Self:
        if (self.threshold_method == "given") != (self.threshold_of == "given"):
            raise ValueError("expected threshold_of 'given' exactly where threshold_method is")
        return self


class ShownFrames(Record):
    """What became of frames, over the videos of a row."""

    frames: Positive
    """Frames of the changed videos."""
    repeated: Count = 0
    """Those that show a frame of the unchanged video once more."""
    left_out: Count = 0
    """Frames of the unchanged videos that none of them shows."""
    of_windows: Positive
    """Frames that the windows are cut from."""
    of_windows_repeated: Count = 0
    """Those that show a frame of the changed video once more."""
    of_windows_left_out: Count = 0
    """Frames of the changed videos that none of them shows."""


class BoundaryShift(Record):
    """Boundaries of changed videos against those of the unchanged ones."""

    unchanged: Count
    """Boundaries of the unchanged videos, in the common time."""
    found: Count
    """Boundaries of the changed ones, in the common time."""
    unchanged_beyond: Count = 0
    """Boundaries of the unchanged videos of times that were not looked at in the changed ones."""
    found_beyond: Count = 0
    """The other way round."""
    matched: Count
    """Pairs of both within the tolerance."""
    matched_by_chance: _NotNegative
    """The same, of as many boundaries anywhere; mean over the draws."""
    f_by_chance: _Share
    """Boundary F of these; mean over the draws."""
    median_shift_s: _NotNegative | None
    """Median distance of a pair, seconds; null without any."""
    median_signed_s: float | None
    """Median of changed minus unchanged, seconds: above 0, boundaries come later. Null without any."""

    @model_validator(mode="after")
    def _pairs_have_partners(self) -> Self:
        most = min(self.unchanged, self.found)
        if self.matched > most:
            raise ValueError(f"expected up to {most} matched boundaries, the fewer of both")
        if (self.matched == 0) != (self.median_shift_s is None) or (self.matched == 0) != (
            self.median_signed_s is None
        ):
            raise ValueError("expected medians exactly where boundaries are matched")
        return self

    @property
    def share(self) -> float | None:
        """Share of the unchanged boundaries that are matched; None where there is none."""
        return self.matched / self.unchanged if self.unchanged else None

    @property
    def share_by_chance(self) -> float | None:
        """The same by chance."""
        return self.matched_by_chance / self.unchanged if self.unchanged else None

    @property
    def f(self) -> float:
        """Boundary F; 1 where both have none."""
        both = self.unchanged + self.found
        return 2 * self.matched / both if both else 1.0


class Equal(Record):
    """How much is equal, beside what would be."""

    share: _Share
    """Share that is equal."""
    by_chance: _Share
    """Share that would be by chance: near 1 where all windows have the same codes anyway."""


class CodeAgreement(Record):
    """Codes of changed videos against those of the unchanged ones, at the same time."""

    unchanged_windows: Positive
    """Windows of the unchanged videos."""
    windows: Positive
    """Windows of the changed ones."""
    paired: Count
    """Pairs of both; all that follows is of these."""
    whole: Equal | None
    """Windows all of whose codes are equal; null without pairs."""
    positions: tuple[Equal, ...]
    """Each code of a window by its place; none without pairs."""
    latent_rms: _NotNegative | None
    """Distance of the latents of a pair before quantisation, root mean square over pairs and positions; null without
    pairs."""
    latent_rms_by_chance: _NotNegative | None
    """The same of any two windows of a video and its changed twin."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.paired > min(self.windows, self.unchanged_windows):
            raise ValueError(f"expected up to {min(self.windows, self.unchanged_windows)} pairs, the fewer of both")
        known = self.paired > 0
        others = (self.whole is not None, bool(self.positions), self.latent_rms is not None)
        if any(one != known for one in (*others, self.latent_rms_by_chance is not None)):
            raise ValueError("expected agreement exactly where there are pairs")
        return self

    @property
    def codes(self) -> Equal | None:
        """Single codes: means over the positions; None without pairs."""
        if not self.positions:
            return None
        count = len(self.positions)
        share, chance = (sum(getattr(one, name) for one in self.positions) / count for name in ("share", "by_chance"))
        return Equal(share=min(share, 1.0), by_chance=min(chance, 1.0))


class InvarianceVideo(Record):
    """What one video has in a row."""

    name: Name
    """Its name."""
    found: Count
    """Boundaries."""
    matched: Count
    """Those that are matched."""
    median_shift_s: _NotNegative | None
    """Median distance of a pair, seconds; null without any."""
    paired: Count | None
    """Pairs of windows; null where codes are not compared."""
    whole: _Share | None
    """Share of them all of whose codes are equal; null without any."""


class InvarianceRow(Record):
    """What a change does."""

    name: Name
    """What the row is called in tables."""
    change: VideoChange
    """What was changed of the videos."""
    windows_rate: Rate | None
    """Frames per second of the windows; null: each video's own."""
    videos: tuple[InvarianceVideo, ...]
    """The videos that the row is of."""
    too_short: tuple[Name, ...] = ()
    """Those that are shorter than one window once they are changed, and are not in the row."""
    frames: ShownFrames | None
    """Null where all are too short."""
    boundaries: BoundaryShift | None
    """The same."""
    codes: CodeAgreement | None
    """The same; also where codes speak of other motions, as in a video that runs backwards."""

    @model_validator(mode="after")
    def _of_videos(self) -> Self:
        names = [*(video.name for video in self.videos), *self.too_short]
        if len(set(names)) != len(names):
            raise ValueError("expected each video once")
        known = bool(self.videos)
        if (self.boundaries is not None) != known or (self.frames is not None) != known:
            raise ValueError("expected frames and boundaries exactly where there are videos")
        if self.codes is not None and (not known or self.change.kind == "reversed"):
            raise ValueError("expected no codes without videos, or of reversed ones")
        return self


class InvarianceResult(Header):
    """What changes of videos do to the tokens and boundaries of a tokenizer: one card."""

    RECORD: ClassVar[str] = "invariance_result"

    format: Literal["lapsdata.invariance_result"] = "lapsdata.invariance_result"
    """Which format this header belongs to."""
    rules: InvarianceRules
    """How both were compared."""
    tokenizer: Digest
    """Digest of the weights."""
    codes: Annotated[int, Field(ge=2)]
    """How many codes there can be."""
    used_codes: Positive
    """How many of them the unchanged videos have."""
    horizon: Annotated[int, Field(ge=2)]
    """Frames per window."""
    stride: Positive
    """Frames from the start of a window to the start of the next."""
    windows_rate: Rate | None
    """Frames per second of the windows of the unchanged videos; null: each video's own."""
    rows: Annotated[tuple[InvarianceRow, ...], Field(min_length=1)]
    """The unchanged videos once more, then each change."""

    @model_validator(mode="after")
    def _rows_of_the_videos(self) -> Self:
        names = [row.name for row in self.rows]
        if len(set(names)) != len(names):
            raise ValueError("expected each row once")
        first = self.rows[0]
        if first.change.kind != "none" or first.windows_rate != self.windows_rate or not first.videos:
            raise ValueError("expected the unchanged videos as first row")
        wanted = {video.name for video in first.videos}
        if any({*(video.name for video in row.videos), *row.too_short} != wanted for row in self.rows):
            raise ValueError("expected the same videos in each row")
        if self.used_codes > self.codes:
            raise ValueError(f"expected up to {self.codes} used codes")
        return self
