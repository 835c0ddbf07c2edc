"""Shards: of each video, the samples from the first on whose arrays fit their checksums."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from lapsdata._repair._choice import Keep, chosen, lost_s
from lapsdata._repair._marks import saved_header
from lapsdata._repair._report import Repaired
from lapsdata._repair._shards_index import UNKNOWN, found_samples
from lapsdata.errors import CorruptDataError, LapsError, Problem
from lapsdata.formats._shards_files import digest_of
from lapsdata.formats._shards_tables import FrameTable, SampleTable
from lapsdata.formats._shards_writer import FRAMES, INDEX, MANIFEST
from lapsdata.formats.shards_webdataset import ShardsWriter
from lapsdata.schema.shards import ShardsManifest
from lapsdata.storage.atomic import storage_errors
from lapsdata.storage.seal import crc32c
from lapsdata.storage.sealed_json import read_sealed_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.schema.shards import ShardFile
    from lapsdata.schema.tracks import TracksHeader

__all__ = ["repair_shards"]

_REMAKE = "make them anew from their tracks"
_BARE = (
    f"{_REMAKE}: lapsdata convert TRACKS DST --to shards; the arrays alone, without times and unverified, can be read "
    "from each shard-*.tar by the webdataset library"
)
_BLOCK = 256


@dataclass(frozen=True, eq=False)
class _Opened:
    """What stands beside the archives; all of it fits its seal, but for an index that was found anew."""

    path: Path
    manifest: ShardsManifest
    samples: SampleTable
    frames: FrameTable
    notes: tuple[Problem, ...] = ()

    def rows(self, video: int) -> range:
        """Return the numbers of the samples of a video."""
        first = sum(self.manifest.windows[:video])
        return range(first, first + self.manifest.windows[video])

    def times(self, video: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any] | None]:
        """Return `start_index`, `frame_s` and `source_index` of a video."""
        of, rows = self.frames.video == video, self.rows(video)
        source = self.frames.source_index[of] if self.manifest.videos[video].resampled else None
        return self.samples.start_index[rows.start : rows.stop], self.frames.frame_s[of], source


def repair_shards(path: Path, format: str, out: Path | None, keep: Keep) -> Repaired:
    """Save the samples of damaged shards; see `lapsdata._repair.repair`.

    Raises
    ------
    CorruptDataError
        Nothing can be saved; says why.
    """
    opened = _open(path)
    good, first, notes = _scan(opened)
    rows = [opened.rows(video) for video in range(len(opened.manifest.videos))]
    kept_of = [chosen(good[own.start : own.stop], keep) for own in rows]
    counts = [len(own) for own in kept_of]
    kept, total = sum(counts), len(good)
    notes = [*opened.notes, *notes, *_of_files(opened)]
    if kept == total and not notes:
        return Repaired(path, format, "whole", "windows", kept=kept)
    if kept == 0:
        message = f"no video has a sound first window ({int(good.sum())} windows are sound): {first}"
        raise CorruptDataError(Problem("nothing-left", str(path), message, _REMAKE))
    notes += _of_videos(opened, counts)
    found = Repaired(
        path,
        format,
        "damaged",
        "windows",
        kept=kept,
        lost=total - kept,
        good_after=int(good.sum()) - kept,
        lost_s=_lost_s(opened, kept_of),
        lost_bytes=_lost_bytes(opened, kept_of),
        first_bad=first,
        notes=tuple(notes),
    )
    if out is None:
        return found
    _write(opened, kept_of, out, total - kept)
    return replace(found, state="repaired", output=out)


def _open(path: Path) -> _Opened:
    """Open what stands beside the archives; videos and the times of frames can be found nowhere else."""
    try:
        manifest = read_sealed_json(path / MANIFEST, ShardsManifest)
        _expect_digest(path, manifest.frames)
        frames = FrameTable.read(path / FRAMES)
    except LapsError as error:
        message = f"{MANIFEST} and {FRAMES} say what the samples are and when, and one is damaged: {error.problems[0]}"
        raise CorruptDataError(Problem("tables-damaged", str(path), message, _BARE)) from error
    try:
        _expect_digest(path, manifest.index)
        return _Opened(path, manifest, SampleTable.read(path / INDEX, list(manifest.fields)), frames)
    except LapsError as error:
        message = (
            f"it is missing or damaged, and was found anew by the JSON of each sample: {error.problems[0].message}"
        )
        note = Problem("index-damaged", INDEX, message, severity="warning")
        return _Opened(path, manifest, found_samples(path, manifest, frames), frames, (note,))


def _expect_digest(path: Path, file: ShardFile) -> None:
    with storage_errors(path / file.name, "open"):
        found = digest_of(path / file.name)
    if found != file.digest:
        raise CorruptDataError(Problem("shard-digest", file.name, f"expected {file.digest}, got {found}"))


def _scan(opened: _Opened) -> tuple[NDArray[np.bool_], str, list[Problem]]:
    """Compare every array of every sample with its checksum; say where the first damage lies."""
    samples, good, first, notes = opened.samples, np.zeros(len(opened.samples.shard), bool), "", list[Problem]()
    for number, shard in enumerate(opened.manifest.shards):
        rows = np.flatnonzero(samples.shard == number)
        try:
            with storage_errors(opened.path / shard.name, "open"), (opened.path / shard.name).open("rb") as file:
                for row in rows.tolist():
                    bad = _bad_field(opened, file, row)
                    good[row] = bad is None
                    if bad is not None and not first:
                        first = f"{shard.name}: sample {row}, {bad}"
        except LapsError as error:
            notes.append(replace(error.problems[0], where=shard.name, severity="warning", fix=None))
            first = first or f"{shard.name}: {error.problems[0].message}"
    return good, first, notes


def _bad_field(opened: _Opened, file: BinaryIO, row: int) -> str | None:
    """Return the first array of a sample that is not as it was written, and its bytes."""
    for name, lies in opened.samples.fields.items():
        offset, length = int(lies.offset[row]), int(lies.length[row])
        if length == 0:
            return "no sample whose JSON fits its checksum"
        file.seek(offset)
        if crc32c(file.read(length)) != int(lies.crc32c[row]):
            return f"{name}, bytes {offset} to {offset + length}"
    return None


def _of_files(opened: _Opened) -> list[Problem]:
    """Say which archives are not, to the byte, what they were: also where every array in them is."""
    notes = []
    for shard in opened.manifest.shards:
        place = opened.path / shard.name
        if not place.is_file():
            continue  # told when it was looked for
        with storage_errors(place, "open"):
            size, found = place.stat().st_size, digest_of(place)
        if found != shard.digest:
            message = f"expected {shard.size} bytes with {shard.digest}, got {size} with {found}"
            notes.append(Problem("shard-digest", shard.name, message, severity="warning"))
    return notes


def _of_videos(opened: _Opened, counts: list[int]) -> list[Problem]:
    """Name the videos that have lost windows."""
    notes = []
    for header, kept, whole in zip(opened.manifest.videos, counts, opened.manifest.windows, strict=True):
        if kept == 0:
            notes.append(Problem("video-lost", header.video.name, f"all of its {whole} windows", severity="warning"))
        elif kept < whole:
            message = f"{whole - kept} of its {whole} windows are lost"
            notes.append(Problem("video-shortened", header.video.name, message, severity="warning"))
    return notes


def _lost_s(opened: _Opened, kept_of: list[NDArray[np.int64]]) -> float | None:
    if (opened.samples.start_index == UNKNOWN).any():
        return None  # a window that was not found does not say when it was
    total = 0.0
    for video, kept in enumerate(kept_of):
        starts, frame_s, _ = opened.times(video)
        total += lost_s(frame_s, starts, opened.manifest.videos[video].horizon, kept) or 0.0
    return total


def _lost_bytes(opened: _Opened, kept_of: list[NDArray[np.int64]]) -> int:
    lost = np.ones(len(opened.samples.length), bool)
    for video, kept in enumerate(kept_of):
        lost[opened.rows(video).start + kept] = False
    return int(opened.samples.length[lost].sum())


def _write(opened: _Opened, kept_of: list[NDArray[np.int64]], out: Path, lost: int) -> None:
    manifest = opened.manifest
    with ShardsWriter(out, samples_per_shard=manifest.samples_per_shard) as writer:
        for video, kept in enumerate(kept_of):
            if len(kept):
                starts, frame_s, source_index = opened.times(video)
                writer.begin(_shortened(opened, video, kept), starts[kept], frame_s, source_index)
                for arrays in _blocks(opened, opened.rows(video).start + kept):
                    by = {kind: arrays[kind] for kind in ("tracks", "vis", "confidence")}
                    writer.append(by["tracks"], by["vis"], by["confidence"] or None)
        own = saved_header(manifest.header, opened.path / MANIFEST, lost)
        extra = {name: value for name, value in (manifest.model_extra or {}).items() if name != "x-seal"}
        writer.finish(own["provenance"], own["policies"], **extra)


def _shortened(opened: _Opened, video: int, kept: NDArray[np.int64]) -> TracksHeader:
    """Return the header of some windows of a video; a quality is over all windows."""
    header, (starts, frame_s, _) = opened.manifest.videos[video], opened.times(video)
    if len(kept) == len(starts):
        return header
    views = {view: facts.model_copy(update={"quality": None}) for view, facts in header.views.items()}
    uncovered = len(frame_s) - int(starts[kept[-1]]) - header.horizon
    return header.model_copy(update={"views": views, "uncovered_frames": uncovered})


def _blocks(opened: _Opened, samples: NDArray[np.int64]) -> Iterator[dict[str, dict[str, NDArray[Any]]]]:
    """Yield arrays by kind and view, each compared with its checksum once more."""
    for begin in range(0, len(samples), _BLOCK):
        rows = samples[begin : begin + _BLOCK].tolist()
        found: dict[str, dict[str, NDArray[Any]]] = {"tracks": {}, "vis": {}, "confidence": {}}
        for name, field in opened.manifest.fields.items():
            windows = [np.frombuffer(_payload(opened, row, name), field.dtype).reshape(field.shape) for row in rows]
            found[field.array][field.view] = np.stack(windows)
        yield found


def _payload(opened: _Opened, row: int, name: str) -> bytes:
    place = opened.path / opened.manifest.shards[int(opened.samples.shard[row])].name
    lies = opened.samples.fields[name]
    with storage_errors(place, "open"), place.open("rb") as file:
        file.seek(int(lies.offset[row]))
        data = file.read(int(lies.length[row]))
    if crc32c(data) != int(lies.crc32c[row]):
        message = "expected the bytes that were there a moment ago, got others"
        raise CorruptDataError(Problem("payload-checksum", f"{place}: sample {row}", message, "run it again"))
    return data
