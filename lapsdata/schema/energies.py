"""The lines of an energies file: header, rows, seal."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from lapsdata.schema.base import Count, Digest, Header, Name, Record, _close_to_extras
from lapsdata.schema.tokens import CameraMotion

__all__ = ["EnergiesHeader", "EnergiesSeal", "EnergyRow", "EnergyState"]

EnergyState = Literal["measured", "gated", "missing"]
"""`measured`: has a value; `gated`: a gate found no motion and skipped the work; `missing`: could not be had."""


class EnergiesHeader(Header):
    """First line: what the energies measure, over which support."""

    RECORD: ClassVar[str] = "energies"

    format: Literal["lapsdata.energies"] = "lapsdata.energies"
    """Which format this header belongs to."""
    per: Literal["step", "window"]
    """Whether a row is one time step (default for segmentation) or one whole window."""
    source: Name
    """What was measured: `velocity`, `prequant`, `quantized` or a plug-in's word."""
    mode: Name
    """How it was measured: `velocity_step`, `token_diff_step`, `l2_mean`, `token_diff_l2_mean` ..."""
    support_s: Annotated[float, Field(gt=0)]
    """Seconds of video that one value depends on."""
    hop_s: Annotated[float, Field(gt=0)] | None
    """Seconds from one row to the next; null for a variable rate."""
    smoothing: Name | None = None
    """Smoothing that the values went through; null for raw values."""
    tokenizer: Digest | None = None
    """SHA-256 of the weights whose latents were measured; null for energies of tracks, and where it is not known."""
    motion: CameraMotion | None = None
    """Whether the motion of the camera was measured too; null where it is not known."""
    videos: Annotated[tuple[Name, ...], Field(min_length=1, json_schema_extra={"uniqueItems": True})]
    """The videos that the rows speak of, in their order."""

    @model_validator(mode="after")
    def _videos_once(self) -> Self:
        if len(set(self.videos)) != len(self.videos):
            raise ValueError("expected each video once")
        return self


def _say_relations(schema: dict[str, Any]) -> None:
    """Say what `EnergyRow._consistent` checks, as far as JSON Schema has words; it cannot compare two numbers."""
    _close_to_extras(schema)
    schema["oneOf"] = [
        {"required": [key], "properties": {key: {"type": "integer"}}, "title": f"Per {key}"}
        for key in ("step", "window")
    ]
    schema["if"] = {"properties": {"state": {"const": "measured"}}}
    schema["then"] = {"properties": {"energy": {"type": "number"}}}
    schema["else"] = {"properties": {"energy": {"type": "null"}}}


class EnergyRow(Record):
    """One line: the energy of one step or window of one video."""

    model_config = ConfigDict(json_schema_extra=_say_relations)

    video: Name
    """Which video."""
    step: Count | None = None
    """Number of the time step within the video, from 0; present where the header says `per: step`."""
    window: Count | None = None
    """Number of the window within the video, from 0; present where the header says `per: window`."""
    start_s: float
    """Start of the time it speaks of, in seconds."""
    end_s: float
    """End of that time (not included), in seconds."""
    energy: float | None
    """The value; null unless measured, never 0.0 in its place."""
    state: EnergyState
    """Whether there is a value, and why not."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.step is None) == (self.window is None):
            raise ValueError("expected exactly one of 'step' and 'window'")
        if (self.energy is None) != (self.state != "measured"):
            raise ValueError("expected an energy exactly where state is 'measured'")
        if not self.start_s < self.end_s:
            raise ValueError("expected start_s < end_s")
        return self


class EnergiesSeal(Record):
    """Last line: how many rows there are, and the checksum of everything before it."""

    rows: Count
    """Number of rows between header and seal."""
    crc32c: Annotated[str, Field(pattern=r"^[0-9a-f]{8}$")]
    """CRC-32C of all bytes before this line, in hex."""
