"""The record of a folder of shards of robot episodes: its archives, and the JSON that each sample carries."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lapsdata.schema.base import Count, Digest, FormatVersion, Header, Positive, Rate, Record, Text
from lapsdata.schema.episodes import FeatureName
from lapsdata.schema.shards import ShardFile

__all__ = ["EpisodeSample", "EpisodeShards", "FileBeside"]


class FileBeside(Record):
    """A file of `meta/` that describes the episodes."""

    name: Annotated[Text, Field(min_length=1)]
    """Its path, seen from `meta`."""
    size: Count
    """Bytes."""
    digest: Digest
    """Of its bytes."""


class EpisodeShards(Header):
    """`meta/shards.json`, sealed: the archives of a data set of which every sample is an episode."""

    RECORD: ClassVar[str] = "episode_shards"
    MINOR: ClassVar[int] = 1

    format: Literal["lapsdata.episode_shards"] = "lapsdata.episode_shards"
    """Which format this record belongs to."""
    format_version: FormatVersion = "1.1"
    """1.1: the files beside the archives have digests too."""
    cameras: tuple[FeatureName, ...] = ()
    """Cameras whose videos are members `<key>.<camera>.mp4`."""
    episodes: Positive
    """Number of samples."""
    shards: Annotated[tuple[ShardFile, ...], Field(min_length=1)]
    """Tar archives, in order."""
    catalog: ShardFile
    """`meta/episodes.parquet`: a row for each episode, and where its sample lies."""
    beside: tuple[FileBeside, ...] = ()
    """All other files of `meta/`, in order of their names; none are told by version 1.0."""

    @model_validator(mode="after")
    def _counts(self) -> Self:
        found = sum(shard.rows for shard in self.shards)
        if found != self.episodes or self.catalog.rows != self.episodes:
            raise ValueError(f"expected {self.episodes} samples in the shards and the catalog, got {found}")
        return self


class EpisodeSample(Record):
    """The JSON member of a sample."""

    episode_index: Count
    """Number of the episode."""
    length: Positive
    """Its rows."""
    rate: Rate
    """Rows per second."""
    tasks: tuple[Text, ...]
    """What was to be done, in words."""
