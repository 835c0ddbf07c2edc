"""The records of a catalog: the header of its table, and what stands beside it as an index."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lapsdata.schema.base import Count, Digest, FormatVersion, Header, Name, Positive, Record, Text

__all__ = ["CatalogField", "CatalogHeader", "CatalogIndex"]

FieldName = Annotated[str, Field(max_length=200, pattern=r"^[a-z_]+(/[A-Za-z0-9][A-Za-z0-9_.-]*)?$")]
"""`tracks`, or `tracks/<view>` where items have several views."""


class CatalogField(Record):
    """One field of every window of every item."""

    name: FieldName
    """Its name in a batch."""
    shape: tuple[Positive, ...]
    """Shape of one window."""
    dtype: Annotated[str, Field(pattern=r"^(bool|float32|float64)$")]
    """Type of its numbers in a batch."""
    unit: Text | None = None
    """`pixel xy`, `seconds` ...; null for what has no unit."""


class CatalogHeader(Header):
    """Header of `path, video, group?, split?, first, windows, duration_s?, rate?, digest?`: a row for each item."""

    RECORD: ClassVar[str] = "catalog"

    format: Literal["lapsdata.catalog"] = "lapsdata.catalog"
    """Which format this header belongs to."""
    fields: Annotated[tuple[CatalogField, ...], Field(min_length=1)]
    """What every window of every item holds."""
    usual: Annotated[tuple[FieldName, ...], Field(min_length=1, json_schema_extra={"uniqueItems": True})]
    """Fields that a batch holds by default, in this order."""
    splits: Annotated[tuple[Name, ...], Field(json_schema_extra={"uniqueItems": True})] = ()
    """Names of the splits; empty where items are not split."""
    items: Positive
    """Number of rows."""
    windows: Positive
    """Number of windows of all items together."""
    unsummed: Count = 0
    """Number of items whose windows have no checksums."""

    @model_validator(mode="after")
    def _known_fields(self) -> Self:
        names = [field.name for field in self.fields]
        if len(set(names)) < len(names):
            raise ValueError("expected each field once")
        strangers = [name for name in self.usual if name not in names]
        if strangers:
            raise ValueError(f"expected usual fields among the fields, got {', '.join(strangers)}")
        if len(set(self.usual)) < len(self.usual):
            raise ValueError("expected each usual field once")
        if len(set(self.splits)) < len(self.splits):
            raise ValueError("expected each split once")
        return self


class CatalogIndex(Record):
    """`index.json`, sealed: the tables beside it say where each window of a catalog lies."""

    format: Literal["lapsdata.catalog_index"] = "lapsdata.catalog_index"
    """Which record this is."""
    format_version: FormatVersion = "1.0"
    """Version of the record and of the tables."""
    catalog: Digest
    """Digest of the seal of the catalog that this index belongs to."""
    fields: Annotated[tuple[FieldName, ...], Field(min_length=1)]
    """Order of the fields in each item's entry."""
    items: Positive
    """Number of entries."""
    generation: Count
    """Number that every entry carries: entries of other items, or in another order, carry another one."""
    size_bytes: Count
    """Bytes of all entries together: the length of `entries.npy`."""
