"""The records of a folder of shards: `shards.json`, and the JSON member that each sample carries."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lapsdata.schema.base import Count, Digest, FormatVersion, Header, Name, Positive, Record, Size, ViewName
from lapsdata.schema.tracks import TracksHeader

__all__ = ["SampleArray", "ShardFile", "ShardSample", "ShardedArray", "ShardsHeader", "ShardsManifest", "field_names"]

ArrayName = Literal["tracks", "vis", "confidence"]
ArrayType = Literal["float32", "bool"]
Crc32c = Annotated[str, Field(pattern=r"^[0-9a-f]{8}$")]
FieldName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]*$")]
Key = Annotated[str, Field(pattern=r"^[0-9]{6,}_[0-9]{9,}$")]


class ShardsHeader(Header):
    """What shards hold, however they are cut into files: the windows of many videos, all of one shape."""

    RECORD: ClassVar[str] = "shards"
    MINOR: ClassVar[int] = 1

    format: Literal["lapsdata.shards"] = "lapsdata.shards"
    """Which format this header belongs to."""
    format_version: FormatVersion = "1.1"
    """Major and minor version of the format; readers refuse a newer major version."""
    videos: Annotated[tuple[TracksHeader, ...], Field(min_length=1)]
    """The header of each video's tracks, whole: video number v is the v-th, from 0."""

    @model_validator(mode="after")
    def _alike(self) -> Self:
        shapes = [shape_of(header) for header in self.videos]
        for number, shape in enumerate(shapes):
            if shape != shapes[0]:
                raise ValueError(f"expected videos alike, {shapes[0]} as video 0, got {shape} in video {number}")
        lower = [view.lower() for view in self.videos[0].views]
        if len(set(lower)) < len(lower):
            raise ValueError(f"expected views that differ by more than capitals, got {sorted(self.videos[0].views)}")
        return self


class ShardedArray(Record):
    """An array that every sample has."""

    view: ViewName
    """View that it belongs to."""
    array: ArrayName
    """Which array of that view."""
    shape: Annotated[tuple[Positive, ...], Field(min_length=2, max_length=3)]
    """Shape of one sample."""
    dtype: ArrayType
    """Type of its numbers; positions are pixel xy."""


class ShardFile(Record):
    """A file of the folder."""

    name: Name
    """Its name."""
    size: Positive
    """Its bytes."""
    digest: Digest
    """Digest of its bytes."""
    rows: Positive
    """Samples of a shard, rows of a table."""


class ShardsManifest(ShardsHeader):
    """`shards.json`: what the shards hold, and every file of the folder."""

    fields: Annotated[
        dict[FieldName, ShardedArray], Field(min_length=1, json_schema_extra={"additionalProperties": False})
    ]
    """Arrays by field: the member `<key>.<field>.npy` of each sample."""
    windows: Annotated[tuple[Positive, ...], Field(min_length=1)]
    """Number of windows of each video; samples are all windows of video 0 in order, then those of video 1 ..."""
    samples_per_shard: Positive
    """Samples of every shard but the last."""
    shards: Annotated[tuple[ShardFile, ...], Field(min_length=1)]
    """Tar archives, in order."""
    index: ShardFile
    """Parquet table with a row per sample: where each array lies, and its CRC-32C."""
    frames: ShardFile
    """Parquet table with a row per frame of each video: its time."""

    @model_validator(mode="after")
    def _counts(self) -> Self:
        samples = sum(self.windows)
        if len(self.windows) != len(self.videos):
            raise ValueError(f"expected windows of each video, {len(self.videos)} numbers, got {len(self.windows)}")
        cut = -(-samples // self.samples_per_shard)
        rows = [min(self.samples_per_shard, samples - n * self.samples_per_shard) for n in range(cut)]
        if [shard.rows for shard in self.shards] != rows or self.index.rows != samples:
            raise ValueError(f"expected an index and shards of {self.samples_per_shard} that hold {samples} samples")
        if self.fields != fields_of(self.videos[0]):
            raise ValueError("expected the fields that the headers of the videos say")
        return self

    @property
    def header(self) -> ShardsHeader:
        """What does not depend on how the samples were cut into files."""
        own = {name: getattr(self, name) for name in ShardsHeader.model_fields}
        return ShardsHeader(**own, **(self.model_extra or {}))


class SampleArray(Record):
    """An array of one sample, as its JSON member tells it."""

    shape: tuple[Positive, ...]
    """Its shape."""
    dtype: ArrayType
    """Type of its numbers."""
    crc32c: Crc32c
    """CRC-32C of its bytes behind the npy header."""


class ShardSample(Record):
    """The JSON member of a sample, sealed by `x-seal`: which window it is, its times, and what its arrays must be."""

    key: Key
    """Key of the sample: number of the video and of the window."""
    video: Name
    """Name of the video."""
    video_number: Count
    """Number of the video in `shards.json`."""
    window: Count
    """Number of the window in the video."""
    start_index: Count
    """Frame of the video at which the window starts."""
    start_s: float
    """Time of that frame, in seconds."""
    step_s: Annotated[tuple[float, ...], Field(min_length=1)]
    """Time of each frame of the window, in seconds."""
    sizes: Annotated[dict[ViewName, Size], Field(min_length=1, json_schema_extra={"additionalProperties": False})]
    """Frame that the positions refer to, by view."""
    arrays: Annotated[
        dict[FieldName, SampleArray], Field(min_length=1, json_schema_extra={"additionalProperties": False})
    ]
    """Arrays of the sample, by field."""


def field_names(views: tuple[str, ...], arrays: tuple[str, ...]) -> dict[tuple[str, str], str]:
    """Return the field of each array of each view, in the order in which a sample holds them.

    A single view called `default` is not named. WebDataset spells endings in small letters, and so does this.

    Examples
    --------
    >>> field_names(("default",), ("tracks", "vis"))
    {('default', 'tracks'): 'tracks', ('default', 'vis'): 'vis'}
    >>> list(field_names(("Left", "right"), ("vis",)).values())
    ['left.vis', 'right.vis']
    """
    bare = views == ("default",)
    return {(view, array): array if bare else f"{view.lower()}.{array}" for view in sorted(views) for array in arrays}


def fields_of(header: TracksHeader) -> dict[str, ShardedArray]:
    """Return the arrays of every sample of tracks."""
    arrays: tuple[ArrayName, ...] = ("tracks", "vis", "confidence") if header.confidence else ("tracks", "vis")
    fields = {}
    for (view, array), name in field_names(tuple(header.views), arrays).items():
        shape: tuple[int, ...] = (header.horizon, header.views[view].points)
        fields[name] = ShardedArray.model_validate(
            {
                "view": view,
                "array": array,
                "shape": (*shape, 2) if array == "tracks" else shape,
                "dtype": "bool" if array == "vis" else "float32",
            }
        )
    return fields


def shape_of(header: TracksHeader) -> str:
    """Spell what videos must have in common to be in the same shards."""
    points = ", ".join(f"{view}: {header.views[view].points} points" for view in sorted(header.views))
    return f"{header.horizon} frames ({points})" + (" with confidence" if header.confidence else "")
