"""Shards: of each video, the samples from the first on whose arrays fit their checksums."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

import numpy as np

from lapsdata._repair._choice import Keep, chosen, lost_s
from lapsdata._repair._marks import saved_header
from lapsdata._repair._report import Repaired
from lapsdata._repair._shards_frames import FROM_A_COPY, found_frames, notes_on_frames
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
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.schema.shards import ShardFile
    from lapsdata.schema.tracks import TracksHeader

__all__ = ["repair_shards"]

T = TypeVar("T")

_REMAKE = "make them anew from their tracks"
_BARE = (
    f"{_REMAKE}: lapsdata convert TRACKS DST --to shards; until then each shard-*.tar can be read by itself, verified "
    "and with its times: lapsdata.formats.shards_webdataset.stream_shard"
)
_BLOCK = 256

_TIMES = "lost_frame_times"
"""Policy: frames whose times no sample says are left out, with the windows behind them."""


@dataclass(frozen=True, eq=False)
class _Opened:
    """What stands beside the archives; all of it fits its seal, but for tables that were found anew."""

    path: Path
    manifest: ShardsManifest
    samples: SampleTable
    frames: FrameTable
    notes: tuple[Problem, ...] = ()
    lost_times: int | None = None
    """Frames whose times are not known any more; None where the table of times is as it was."""

    def rows(self, video: int) -> range:
        """Return the numbers of the samples of a video."""
        first = sum(self.manifest.windows[:video])
        return range(first, first + self.manifest.windows[video])

    def placed(self) -> NDArray[np.bool_]:
        """Say of each sample whether the times of all its frames are known: bool (W,)."""
        frames = np.bincount(self.frames.video, minlength=len(self.manifest.videos))
        placed: NDArray[np.bool_] = (
            self.samples.start_index + self.manifest.videos[0].horizon <= frames[self.samples.video]
        )
        return placed

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
    usable = good & opened.placed()
    kept_of = [chosen(usable[own.start : own.stop], keep) for own in rows]
    counts = [len(own) for own in kept_of]
    kept, total = sum(counts), len(good)
    notes = [*opened.notes, *notes, *_of_files(opened)]
    if kept == total and not notes:
        return Repaired(path, format, "whole", "windows", kept=kept)
    if kept == 0:
        message = f"no video has a sound first window with its times ({int(good.sum())} windows are sound)"
        fix = _REMAKE if opened.lost_times is None else FROM_A_COPY
        raise CorruptDataError(Problem("nothing-left", str(path), f"{message}: {first or FRAMES}", fix), *opened.notes)
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
        first_bad=first or (FRAMES if kept < total else ""),
        notes=tuple(notes),
    )
    if out is None:
        return found
    _write(opened, kept_of, out, total - kept)
    return replace(found, state="repaired", output=out)


def _open(path: Path) -> _Opened:
    """Open what stands beside the archives; what the samples are is said in `shards.json` alone."""
    try:
        manifest = read_sealed_json(path / MANIFEST, ShardsManifest)
    except LapsError as error:
        message = f"{MANIFEST} alone says what the samples are, and is missing or damaged: {error.problems[0].message}"
        raise CorruptDataError(Problem("tables-damaged", str(path), message, _BARE)) from error
    frames, no_frames = _table(path, manifest.frames, FrameTable.read)
    samples, no_index = _table(path, manifest.index, lambda place: SampleTable.read(place, list(manifest.fields)))
    notes = []
    if samples is None:
        samples = found_samples(path, manifest, frames)
        message = f"it is missing or damaged ({no_index}), and was found anew by the JSON of each sample"
        notes.append(Problem("index-damaged", INDEX, message, severity="warning"))
    if frames is not None:
        return _Opened(path, manifest, samples, frames, tuple(notes))
    opened = _Opened(path, manifest, samples, found_frames(path, manifest, samples))
    unplaced = np.bincount(samples.video[~opened.placed()], minlength=len(manifest.videos)).tolist()
    notes += notes_on_frames(manifest, opened.frames, unplaced, str(no_frames))
    return replace(opened, notes=tuple(notes), lost_times=manifest.frames.rows - len(opened.frames.video))


def _table(path: Path, file: ShardFile, read: Callable[[Path], T]) -> tuple[T | None, str | None]:
    """Return a table that is to the byte what it was; or None, and what is wrong with it."""
    try:
        _expect_digest(path, file)
        return read(path / file.name), None
    except LapsError as error:
        return None, error.problems[0].message


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
    if (opened.samples.start_index == UNKNOWN).any() or not opened.placed().all():
        return None  # a window that was not found, or whose times were lost, does not say when it was
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
        if opened.lost_times:
            own["policies"][_TIMES] = own["policies"].get(_TIMES, 0) + opened.lost_times
        extra = {name: value for name, value in (manifest.model_extra or {}).items() if name != "x-seal"}
        writer.finish(own["provenance"], own["policies"], **extra)


def _shortened(opened: _Opened, video: int, kept: NDArray[np.int64]) -> TracksHeader:
    """Return the header of some windows of a video; a quality is over all windows."""
    header, (starts, frame_s, _) = opened.manifest.videos[video], opened.times(video)
    uncovered = len(frame_s) - int(starts[kept[-1]]) - header.horizon
    changed: dict[str, Any] = {"uncovered_frames": uncovered}
    if len(kept) < len(starts):
        changed["views"] = {view: facts.model_copy(update={"quality": None}) for view, facts in header.views.items()}
    return header.model_copy(update=changed)


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
