"""The index of shards found anew: the JSON of each sample says which window it is, and what its arrays must be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.errors import LapsError
from lapsdata.formats._shards_sample import sample_key, sample_record
from lapsdata.formats._shards_tables import FieldRows, SampleTable
from lapsdata.storage.atomic import storage_errors
from lapsdata.storage.tar_arrays import npy_header
from lapsdata.storage.tarfiles import stream_members

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.formats._shards_tables import FrameTable
    from lapsdata.schema.shards import ShardSample, ShardsManifest
    from lapsdata.storage.tarfiles import TarMember

__all__ = ["UNKNOWN", "found_samples"]

UNKNOWN = -1
"""Start of a window whose sample was not found."""

_NO_SUM = 1
"""A checksum that no bytes do not have."""


@dataclass(frozen=True, slots=True)
class _Sample:
    record: ShardSample
    members: Mapping[str, TarMember]


def found_samples(path: Path, manifest: ShardsManifest, frames: FrameTable | None) -> SampleTable:
    """Return where every sample lies, by what the archives hold; its time is compared with `frames` where it is known.

    A sample whose JSON is damaged, or is not of these shards, has no bytes, and `UNKNOWN` as its start. An archive
    that is damaged is read up to there. Arrays are not compared here.
    """
    table = _empty(manifest)
    names = [header.video.name for header in manifest.videos]
    first = np.concatenate([[0], np.cumsum(manifest.windows)])
    times = [None if frames is None else frames.frame_s[frames.video == video] for video in range(len(names))]
    for number, shard in enumerate(manifest.shards):
        for sample in _samples(path / shard.name):
            told = sample.record
            video = told.video_number
            if video >= len(names) or told.video != names[video] or told.window >= manifest.windows[video]:
                continue
            row = int(first[video]) + told.window
            if table.shard[row] == number and _fits(told, manifest, times[video]):
                _enter(table, row, sample)
    return table


def _empty(manifest: ShardsManifest) -> SampleTable:
    count, videos = sum(manifest.windows), len(manifest.windows)
    fields = {
        name: FieldRows(np.zeros(count, np.int64), np.zeros(count, np.int64), np.full(count, _NO_SUM, np.uint32))
        for name in manifest.fields
    }
    return SampleTable(
        (np.arange(count) // manifest.samples_per_shard).astype(np.int32),
        np.zeros(count, np.int64),
        np.zeros(count, np.int64),
        np.repeat(np.arange(videos, dtype=np.int32), manifest.windows),
        np.concatenate([np.arange(windows, dtype=np.int64) for windows in manifest.windows]),
        np.full(count, UNKNOWN, np.int64),
        np.full(count, np.nan),
        fields,
    )


def _samples(path: Path) -> Iterator[_Sample]:
    """Yield the samples of an archive whose JSON is as it was sealed, up to where the archive is damaged."""
    members: dict[str, TarMember] = {}
    try:
        with storage_errors(path, "open"), path.open("rb") as file:
            for member, content in stream_members(file, str(path)):
                key, _, ending = member.name.partition(".")
                members[member.name] = member
                record = _record(content, key, str(path)) if ending == "json" else None
                if record is not None:
                    wanted = {name: members.get(f"{key}.{name}.npy") for name in record.arrays}
                    there = {name: one for name, one in wanted.items() if one is not None}
                    if len(there) == len(wanted):
                        yield _Sample(record, there | {"json": member})
                if ending == "json":  # it is the last member of a sample
                    members = {}
    except LapsError:
        return  # whoever compares the archive with its digest says what is wrong with it


def _record(content: bytes, key: str, where: str) -> ShardSample | None:
    try:
        record = sample_record(content, where)
    except LapsError:
        return None  # its window counts as lost, and is told so
    return record if record.key == key == sample_key(record.video_number, record.window) else None


def _fits(told: ShardSample, manifest: ShardsManifest, frame_s: NDArray[np.float64] | None) -> bool:
    """Say whether a sample has the arrays of these shards, and its time is that of its frame."""
    arrays = {name: (one.shape, one.dtype) for name, one in told.arrays.items()}
    own = {name: (one.shape, one.dtype) for name, one in manifest.fields.items()}
    if frame_s is not None and frame_s[told.start_index : told.start_index + 1].tolist() != [told.start_s]:
        return False
    return arrays == own


def _enter(table: SampleTable, row: int, sample: _Sample) -> None:
    for name, told in sample.record.arrays.items():
        dtype, rows = np.dtype(told.dtype), table.fields[name]
        header = len(npy_header(told.shape, dtype))
        rows.offset[row] = sample.members[name].offset + header
        rows.length[row] = int(np.prod(told.shape)) * dtype.itemsize
        rows.crc32c[row] = int(told.crc32c, 16)
    places: list[Any] = list(sample.members.values())
    table.offset[row] = min(place.offset for place in places)
    table.length[row] = max(place.end for place in places) - table.offset[row]
    table.start_index[row], table.start_s[row] = sample.record.start_index, sample.record.start_s
