"""The record of a seal list: checksums that stand beside a file of other makers, which carries none of its own."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lapsdata.schema.base import Count, Header, Positive, Record, Text

__all__ = ["SealList", "SealedArray"]


class SealedArray(Record):
    """One array of the file."""

    name: Annotated[Text, Field(min_length=1)]
    """Its path in the file; in a tar, the ending of its members without `.npy`."""
    shape: Annotated[tuple[Count, ...], Field(min_length=1)]
    """Rows, then the shape of a row."""
    dtype: Annotated[str, Field(pattern=r"^[<|][biuf][1248]$")]
    """Type of an element as NumPy spells it, little-endian."""
    row_crc32c: Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]*={0,2}$")]
    """CRC-32C of the decoded little-endian bytes of each row: little-endian uint32, in base64."""

    @model_validator(mode="after")
    def _one_checksum_a_row(self) -> Self:
        try:
            found = len(base64.b64decode(self.row_crc32c, validate=True))
        except binascii.Error:
            raise ValueError("expected row_crc32c in base64") from None
        if found != 4 * self.shape[0]:
            raise ValueError(f"expected {4 * self.shape[0]} bytes of row_crc32c, 4 for each row, got {found}")
        return self


class SealList(Header):
    """What a file or folder of other makers held when it was sealed; the whole of a file beside it."""

    RECORD: ClassVar[str] = "seal_list"

    format: Literal["lapsdata.seal_list"] = "lapsdata.seal_list"
    """Which format this record belongs to."""
    name: Text
    """What the file was called; the pair of both may be renamed."""
    store: Literal["hdf5", "zarr", "tar", "npy"]
    """What kind of file it is."""
    files: Positive
    """Number of files that the arrays lie in."""
    size_bytes: Count
    """Bytes of these files together."""
    arrays: Annotated[tuple[SealedArray, ...], Field(min_length=1)]
    """The arrays whose rows are windows; nothing is said about others."""

    @model_validator(mode="after")
    def _every_array_once(self) -> Self:
        names = [array.name for array in self.arrays]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"expected every array once, got {', '.join(twice)} twice")
        return self
