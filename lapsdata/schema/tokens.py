"""The header of a tokens file: one code per motion step, with true times."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lapsdata.schema.base import LARGEST_WHOLE, Count, Digest, FormatVersion, Header, Positive, Rate, Tool
from lapsdata.schema.video import SourceVideo

__all__ = ["CameraMotion", "Tokenizer", "TokensHeader"]

CameraMotion = Literal["raw", "residual"]
"""`raw`: the motion of the camera is in the motion of the points; `residual`: it was taken off."""


class Tokenizer(Tool):
    """The model that made the codes, and its codebook."""

    levels: Annotated[tuple[Annotated[int, Field(ge=2, le=LARGEST_WHOLE)], ...], Field(min_length=1)]
    """FSQ levels; their product is the number of codes that can occur."""
    codes: Annotated[int, Field(ge=2, le=LARGEST_WHOLE)]
    """The true number of codes, the product of the levels (1920 where the nominal size says 2048)."""
    nominal_codes: Annotated[int, Field(ge=2, le=LARGEST_WHOLE)] | None = None
    """The size that was asked for."""
    checkpoint: Digest | None = None
    """Digest of the weights."""

    @model_validator(mode="after")
    def _codes_are_the_product(self) -> Self:
        if self.codes != math.prod(self.levels):
            raise ValueError(f"expected codes = product of levels {self.levels} = {math.prod(self.levels)}")
        return self


class TokensHeader(Header):
    """Header of `codes (W, L)` int32 and optional `prequant`, `quantized (W, L, D)` float32."""

    RECORD: ClassVar[str] = "tokens"
    MINOR: ClassVar[int] = 1

    format: Literal["lapsdata.tokens"] = "lapsdata.tokens"
    """Which format this header belongs to."""
    format_version: FormatVersion = "1.1"
    """Major and minor version of the format; readers refuse a newer major version."""
    video: SourceVideo
    """The source."""
    horizon: Annotated[int, Field(ge=2, le=LARGEST_WHOLE)]
    """Frames per window T; a window has T - 1 motion steps."""
    stride: Positive
    """Frames from the start of a window to the start of the next."""
    rate: Rate | None
    """Rate of `frame_s`; null for a variable rate."""
    streams: Positive = 1
    """Codes per motion step (one, or one per view); L = streams * (T - 1), stream by stream."""
    latent: Positive | None = None
    """Width D of `prequant` and `quantized`; null where neither is stored."""
    tokenizer: Tokenizer
    """What made the codes."""
    motion: CameraMotion | None = None
    """Whether the motion of the camera was encoded too; null where it is not known."""
    gated_windows: Count = 0
    """Windows that a gate left out before encoding."""
    gated_starts: tuple[Count, ...] = ()
    """Their first frames, rising; none where a file of version 1.0 tells their number alone."""

    @model_validator(mode="after")
    def _gated_counted(self) -> Self:
        if self.gated_starts and len(self.gated_starts) != self.gated_windows:
            raise ValueError(f"expected gated_windows = {len(self.gated_starts)}, the number of gated_starts")
        return self

    @property
    def length(self) -> int:
        """Codes per window L."""
        return self.streams * (self.horizon - 1)
