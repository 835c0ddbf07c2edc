"""The record of a threshold: from where on an energy is loud, and what that was told from."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lapsdata.schema.base import Count, Digest, Header, Name, Text
from lapsdata.schema.tokens import CameraMotion

__all__ = ["ThresholdRecord"]


class ThresholdRecord(Header):
    """A threshold beside the energies that it is for; the whole of its file."""

    RECORD: ClassVar[str] = "threshold"

    format: Literal["lapsdata.threshold"] = "lapsdata.threshold"
    """Which format this record belongs to."""
    value: float
    """From here on an energy is loud, in the unit of the energies."""
    method: Literal["otsu_log", "otsu_linear", "given"]
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
    above: Annotated[float, Field(ge=0, le=1)]
    """Share of the measured energies that are not below the value."""
    counts: dict[str, Count]
    """Rows by state, and `not_positive`: measured ones without a logarithm."""

    @model_validator(mode="after")
    def _lowest_is_lowest(self) -> Self:
        if self.lowest > self.highest:
            raise ValueError(f"expected a lowest energy up to the highest {self.highest:g}, got {self.lowest:g}")
        return self
