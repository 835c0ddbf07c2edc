"""What a conversion is told."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from lapsdata.schema.base import Positive, Rate, Record, Size

__all__ = ["ConvertOptions"]


class ConvertOptions(Record):
    """How files are written, and what is said about foreign ones, which carry no times.

    Examples
    --------
    >>> ConvertOptions(to="tracks_zarr", profile="compact").round_px is None
    True
    """

    to: Annotated[str, Field(min_length=1)]
    """Registry name of the format that is written."""
    profile: Literal["raw", "compact"] = "raw"
    """`raw`: uncompressed; `compact`: rounded and compressed."""
    round_px: Annotated[float, Field(gt=0)] | Literal["none"] | None = None
    """For `compact`: what positions are rounded to, in pixels; null is the default of 1/64, "none" is lossless."""
    samples_per_shard: Positive | None = None
    """For shards: windows in every archive but the last; null is the default."""
    rate: Rate | None = None
    """Of foreign files: frames per second."""
    size: Size | None = None
    """Of foreign files: the frame that their positions refer to, where they do not say it themselves."""
    stride: Positive = 1
    """Of foreign files: frames from the start of a window to the start of the next."""
