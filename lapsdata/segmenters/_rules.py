"""The parameters of the state machine; what they do stands in `state_machine`."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from lapsdata.schema.base import Record

__all__ = ["Rules"]

Seconds = Annotated[float, Field(ge=0)]


class Rules(Record):
    """What the loop of the state machine decides by."""

    threshold: float
    """From here on a value is loud, in the unit of the energies."""
    off_ratio: Annotated[float, Field(gt=0, le=1)] = 0.95
    """Below `threshold * off_ratio` a value is quiet."""
    up_s: Seconds = 0.2
    """Seconds of loud values that begin a segment."""
    down_s: Seconds = 0.2
    """Seconds of quiet values that end it."""
    cooldown_s: Seconds = 0.0
    """Seconds after an end within which no segment starts."""
    max_duration_s: Annotated[float, Field(gt=0)] | None = None
    """Seconds of the longest segment; null for any."""
    min_duration_s: Seconds = 0.0
    """Seconds of the shortest segment."""
    gated: Literal["quiet", "missing"] = "quiet"
    """What a gated value means."""
    missing: Literal["break", "hold"] = "break"
    """What a missing value means."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.threshold <= 0 and self.off_ratio != 1:
            raise ValueError(f"expected off_ratio = 1 for a threshold of {self.threshold:g}")
        longest = self.max_duration_s
        for key in ("up_s", "min_duration_s"):
            if longest is not None and getattr(self, key) > longest:
                raise ValueError(f"expected {key} of at most max_duration_s = {longest:g}")
        return self

    @property
    def off_threshold(self) -> float:
        """Below it a value is quiet."""
        return self.threshold * self.off_ratio
