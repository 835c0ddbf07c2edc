"""The record of a folder of shards of robot episodes: its archives, and the JSON that each sample carries."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lapsdata.schema.base import Count, Header, Positive, Rate, Record, Text
from lapsdata.schema.episodes import FeatureName
from lapsdata.schema.shards import ShardFile

__all__ = ["EpisodeSample", "EpisodeShards"]


class EpisodeShards(Header):
    """`meta/shards.json`, sealed: the archives of a data set of which every sample is an episode."""

    RECORD: ClassVar[str] = "episode_shards"

    format: Literal["lapsdata.episode_shards"] = "lapsdata.episode_shards"
    """Which format this record belongs to."""
    cameras: tuple[FeatureName, ...] = ()
    """Cameras whose videos are members `<key>.<camera>.mp4`."""
    episodes: Positive
    """Number of samples."""
    shards: Annotated[tuple[ShardFile, ...], Field(min_length=1)]
    """Tar archives, in order."""
    catalog: ShardFile
    """`meta/episodes.parquet`: a row for each episode, and where its sample lies."""

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
