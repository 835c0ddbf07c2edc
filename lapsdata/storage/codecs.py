"""The codecs of stored chunks, by name: those of the HDF5 and Zarr v3 cores, each checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import JsonValue

__all__ = ["Codec"]


@dataclass(frozen=True, slots=True)
class Codec:
    """One step between an array's bytes and those in the file.

    Parameters
    ----------
    name : str
        `deflate`, `shuffle`, `fletcher32`, `lzf` (HDF5); `blosc`, `zstd`, `gzip`, `crc32c`, `shuffle` (Zarr).
    settings : mapping
        What undoing it needs to know.
    """

    name: str
    settings: Mapping[str, JsonValue] = field(default_factory=dict)
