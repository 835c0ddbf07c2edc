"""What an invariance card is told, and the rows that come of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from lapsdata.schema.base import Count, Parameters, Positive, Rate, Record
from lapsdata.schema.invariance import VideoChange
from lapsdata.timebase import FrameRate
from lapsdata.transforms.energies import EnergyOptions
from lapsdata.transforms.track_speed import Motion
from lapsmodels.stages.track_options import TrackOptions

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["InvarianceOptions", "PlannedRow", "planned_rows"]


class InvarianceOptions(Record):
    """How videos are changed, and how what comes of it is compared.

    Examples
    --------
    >>> InvarianceOptions().energies.mode
    'token_diff_step'
    """

    track: TrackOptions = Field(default_factory=TrackOptions)
    """How points are followed; horizon, points, view and rate are those of the tokenizer, whatever is said here."""
    windows: Literal["trained", "own"] | Rate = "trained"
    """Frames per second of the windows: those that the tokenizer was trained with (the video's own where it does not
    say them), the video's own, or a number."""
    motion: Motion = "raw"
    """`residual` takes the motion of the camera off the tracks, which `train` never does."""
    energies: EnergyOptions = Field(default_factory=lambda: EnergyOptions(mode="token_diff_step"))
    """What is measured for the segments, per step."""
    threshold: Literal["otsu", "otsu-linear"] | float = "otsu"
    """From here on an energy is loud: found once, in the unchanged videos, or given."""
    segmenter: Parameters = Field(default_factory=dict)
    """Parameters of the state machine, but for the threshold."""
    rates: tuple[Rate, ...] = (FrameRate(10), FrameRate(15), FrameRate(20), FrameRate(30))
    """Frames per second that the videos are changed to."""
    bar_share: Annotated[float, Field(gt=0, le=2)] = 0.125
    """Height of each black bar, as a share of the picture's."""
    sigma: Annotated[float, Field(ge=0, le=255)] = 5.0
    """Standard deviation of the noise, in levels of 255."""
    tolerance_s: Annotated[float, Field(ge=0)] = 0.25
    """Seconds that matched boundaries are apart at most."""
    draws: Positive = 50
    """How often as many boundaries are laid anywhere."""
    seed: Count = 0
    """Of noise and draws."""

    @model_validator(mode="after")
    def _of_steps(self) -> Self:
        if self.energies.per != "step":
            raise ValueError(f"expected an energy of steps (token_diff_step, ...), got {self.energies.mode!r}")
        if "threshold" in self.segmenter:
            raise ValueError("expected the threshold as threshold, not among the parameters of the segmenter")
        if len(set(self.rates)) != len(self.rates):
            raise ValueError("expected each rate once")
        return self


class PlannedRow(NamedTuple):
    """A row of the card.

    Parameters
    ----------
    name : str
    change : VideoChange
        Of the videos.
    windows_rate : FrameRate or None
        Of the windows; None: each changed video's own.

    Examples
    --------
    >>> planned_rows(InvarianceOptions(rates=()), None)[0].name
    'same'
    """

    name: str
    change: VideoChange
    windows_rate: FrameRate | None


def planned_rows(options: InvarianceOptions, windows_rate: FrameRate | None) -> tuple[PlannedRow, ...]:
    """Return the rows of a card.

    Where the windows have a rate of their own, another rate of the video is one thing, which resampling takes off again
    as far as it can, and another rate of the windows is another: both have rows. Where they have that of the video,
    these are the same.

    Parameters
    ----------
    options : InvarianceOptions
    windows_rate : FrameRate or None
        Of the windows of the unchanged videos; None: their own.

    Examples
    --------
    >>> [row.name for row in planned_rows(InvarianceOptions(rates=(FrameRate(10), FrameRate(15))), FrameRate(10))]
    ['same', 'fps_10', 'fps_15', 'windows_15', 'half_size', 'mirrored', 'letterboxed', 'noisy', 'reversed']
    """
    return tuple(_rows(options, windows_rate))


def _rows(options: InvarianceOptions, windows_rate: FrameRate | None) -> Iterator[PlannedRow]:
    unchanged = VideoChange(kind="none")
    yield PlannedRow("same", unchanged, windows_rate)
    for rate in options.rates:
        yield PlannedRow(f"fps_{rate.hz:.5g}", VideoChange(kind="rate", rate=rate), windows_rate)
    if windows_rate is not None:
        for rate in options.rates:
            if rate != windows_rate:
                yield PlannedRow(f"windows_{rate.hz:.5g}", unchanged, rate)
    for change in (
        VideoChange(kind="half_size"),
        VideoChange(kind="mirrored"),
        VideoChange(kind="letterboxed", bar_share=options.bar_share),
        VideoChange(kind="noisy", sigma=options.sigma, seed=options.seed),
        VideoChange(kind="reversed"),
    ):
        yield PlannedRow(change.kind, change, windows_rate)
