"""The parameters of the state machine; what they do stands in `state_machine`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from lapsdata.schema.base import Record

__all__ = ["Rules"]

Seconds = Annotated[float, Field(ge=0)]


class Rules(Record):
    """What the loop of the state machine decides by."""

    threshold: float
    """From here on a value is loud, in the unit of the energies."""
    # Rules look at the fields before them, defaults included: so a fault is told of the field that can mend it.
    off_ratio: Annotated[float, Field(gt=0, le=1, validate_default=True)] = 0.95
    """Below `threshold * off_ratio` a value is quiet."""
    max_duration_s: Annotated[float, Field(gt=0)] | None = None
    """Seconds of the longest segment; null for any."""
    up_s: Annotated[Seconds, Field(validate_default=True)] = 0.2
    """Seconds of loud values that begin a segment."""
    down_s: Seconds = 0.2
    """Seconds of quiet values that end it."""
    cooldown_s: Seconds = 0.0
    """Seconds after an end within which no segment starts."""
    min_duration_s: Seconds = 0.0
    """Seconds of the shortest segment."""
    refine_s: Seconds = 0.0
    """Seconds within which a boundary moves to the steepest change of the energy; 0 leaves it."""
    gated: Literal["quiet", "missing"] = "quiet"
    """What a gated value means."""
    missing: Literal["break", "hold"] = "break"
    """What a missing value means."""

    @field_validator("off_ratio")
    @classmethod
    def _of_a_threshold(cls, off_ratio: float, info: ValidationInfo) -> float:
        threshold = info.data.get("threshold")
        if threshold is not None and threshold <= 0 and off_ratio != 1:
            raise ValueError(f"expected off_ratio = 1 for a threshold of {threshold:g}")
        return off_ratio

    @field_validator("up_s", "min_duration_s")
    @classmethod
    def _within_the_longest(cls, seconds: float, info: ValidationInfo) -> float:
        longest = info.data.get("max_duration_s")
        if longest is not None and seconds > longest:
            raise ValueError(f"expected {info.field_name} of at most max_duration_s = {longest:g}")
        return seconds

    @property
    def off_threshold(self) -> float:
        """Below it a value is quiet."""
        return self.threshold * self.off_ratio
