"""Writing the windows of many videos as WebDataset shards, in memory that does not grow with their length."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, NoReturn, Self

from lapsdata.containers.base import ArrayCheck, checked_header
from lapsdata.containers.track_windows import check_beside_windows
from lapsdata.errors import LengthMismatchError, Problem, SchemaError, StorageError, warn, whole_number
from lapsdata.formats._format import WriteReport, size_on_disk
from lapsdata.formats._shards_files import digest_of, shard_name
from lapsdata.formats._shards_parts import drop_parts
from lapsdata.formats._shards_tars import SampleTars
from lapsdata.formats._shards_video import ShardedVideo, frame_table
from lapsdata.schema.shards import ShardFile, ShardsHeader, ShardsManifest, fields_of
from lapsdata.schema.tracks import TracksHeader
from lapsdata.storage.atomic import atomic_folder, storage_errors
from lapsdata.storage.resumable import resumable_folder
from lapsdata.storage.sealed_json import write_sealed_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path
    from types import TracebackType

    import numpy as np
    from numpy.typing import NDArray
    from pydantic import JsonValue

    from lapsdata.containers.tracks import Tracks
    from lapsdata.schema.base import Provenance

__all__ = ["FRAMES", "INDEX", "MANIFEST", "SAMPLES_PER_SHARD", "ShardsWriter"]

MANIFEST, INDEX, FRAMES = "shards.json", "index.parquet", "frames.parquet"

SAMPLES_PER_SHARD = 1024
"""Windows in a shard, unless told otherwise: some 70 MB of 16 frames of 400 points."""

NAME = "shards_webdataset"

_NEW = "not entered by `with`"


class ShardsWriter:
    """Takes videos one after the other, and the windows of each in blocks.

    A context manager: the folder is there, whole, when `finish` returns; leaving without it leaves nothing behind.
    What it holds in memory is the times of frames, and the place of each window.

    Parameters
    ----------
    path : Path
        The folder; its parent must exist.
    samples_per_shard : int
        Windows in every archive but the last.
    overwrite : bool
        Whether an existing folder of shards may be replaced.
    resume : str, optional
        In one word, all that the shards follow from. With it, a writer that is stopped leaves its whole archives in a
        hidden folder; the next one of the same word takes over those that are as they were written (see `begin`), and
        the shards are to the byte those of a writer that was not stopped.

    Raises
    ------
    SchemaError
        `samples_per_shard` is no integer of at least 1.
    StorageError
        When entered: the target exists, or the file system refused.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from lapsdata.formats.shards_webdataset import ShardsFolder
    >>> from lapsdata.testing.samples import sample_provenance, sample_tracks
    >>> target, clip = pathlib.Path(tempfile.mkdtemp()) / "clips", sample_tracks(windows=3)
    >>> with ShardsWriter(target, samples_per_shard=4) as out:
    ...     out.add(clip)
    ...     there = out.begin(clip.header, clip.start_index, clip.frame_s)
    ...     for w in range(there, 3):
    ...         out.append({"default": clip.tracks["default"][w : w + 1]}, {"default": clip.vis["default"][w : w + 1]})
    ...     report = out.finish(sample_provenance())
    >>> sorted(item.name for item in target.iterdir())
    ['frames.parquet', 'index.parquet', 'shard-000000.tar', 'shard-000001.tar', 'shards.json']
    >>> ShardsFolder(target).tracks(1).equals(clip)
    True
    """

    def __init__(
        self,
        path: Path,
        *,
        samples_per_shard: int = SAMPLES_PER_SHARD,
        overwrite: bool = False,
        resume: str | None = None,
    ) -> None:
        count = whole_number(samples_per_shard)
        if count is None or count < 1:
            message = f"expected an integer of at least 1, got {samples_per_shard!r}"
            raise SchemaError(Problem("wrong-option", f"{path}: samples_per_shard", message))
        self._path, self._per_shard, self._overwrite, self._resume = path, count, overwrite, resume
        self._opened: AbstractContextManager[Path] | None = None
        self._folder = path
        self._state = _NEW
        self._videos: list[ShardedVideo] = []
        self._tars: SampleTars | None = None

    def __enter__(self) -> Self:
        if self._state is not _NEW:
            self._refuse()
        if self._overwrite:
            _refuse_foreign(self._path)
        opened = (
            atomic_folder(self._path, overwrite=self._overwrite)
            if self._resume is None
            else resumable_folder(self._path, self._resume, overwrite=self._overwrite)
        )
        self._folder, self._opened = opened.__enter__(), opened
        self._state = "open"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        opened, self._opened = self._opened, None
        if opened is None:
            return
        self._state = "left"
        if self._tars is not None:
            self._tars.abandon()
        if error is None:
            appended = ", ".join(video.progress for video in self._videos) or "no video"
            warn(f"{self._path}: nothing was written: the writer was not finished after {appended}")
            kind, error = _Unfinished, _Unfinished()
        opened.__exit__(kind, error, trace)

    def begin(
        self,
        header: TracksHeader,
        start_index: NDArray[np.int64],
        frame_s: NDArray[np.float64],
        source_index: NDArray[np.int64] | None = None,
    ) -> int:
        """Say whose windows come next: all of the video before must be there.

        Parameters
        ----------
        header : TracksHeader
        start_index : int64 (W,)
        frame_s : float64 (F,), seconds
        source_index : int64 (F,) or None
            As in `lapsdata.containers.Tracks`.

        Returns
        -------
        int
            How many of its windows an earlier writer has left, which are not appended again.

        Raises
        ------
        SchemaError
            Everything of these that `Tracks` refuses; a video with other views, points or horizon than the first.
        LengthMismatchError
            The video before has fewer windows than it said.
        CorruptDataError
            The windows that an earlier writer has left are not those of this video.
        """
        self._check_complete()
        header = checked_header(header, TracksHeader)
        check = ArrayCheck(f"{self._path}: video {len(self._videos)}")
        check_beside_windows(check, header, start_index, frame_s, source_index)
        check.finish()
        return self._begin(ShardedVideo(header, start_index, frame_s, source_index))

    def _begin(self, video: ShardedVideo) -> int:
        if self._state != "open":
            self._refuse()
        first = self._videos[0].header if self._videos else video.header
        # Refuses views and points that do not fit, with both descriptions.
        ShardsHeader(provenance=video.header.provenance, videos=(first, video.header))
        self._videos.append(video)
        if self._tars is None:
            with storage_errors(self._path, "write"):
                resumable = self._resume is not None
                self._tars = SampleTars(self._folder, fields_of(video.header), self._per_shard, resumable=resumable)
        number = len(self._videos) - 1
        self._tars.next_video(video.facts(number, 1)[0])
        video.written = video.left_of(self._tars.kept, number, self._path)
        return video.written

    def append(
        self,
        tracks: Mapping[str, NDArray[np.float32]],
        vis: Mapping[str, NDArray[np.bool_]],
        confidence: Mapping[str, NDArray[np.float32]] | None = None,
        *,
        largest_error_px: float = 0.0,
    ) -> None:
        """Write the next windows of the video that was begun: of all its views, at least one window.

        Parameters
        ----------
        tracks : dict of float32 (n, T, N, 2), pixel xy
            By view; NaN only where `vis` is False, never infinite.
        vis : dict of bool (n, T, N)
        confidence : dict of float32 (n, T, N) or None, 0 to 1
            Given exactly where the header says so.
        largest_error_px : float
            By how much a position differs from its source at most; for the report.

        Raises
        ------
        SchemaError
            Arrays that are not of this kind, or of other views; no video was begun.
        LengthMismatchError
            More windows than the video has, or not as many in one array as in the other.
        StorageError
            The file system refused.
        """
        if self._state != "open":
            self._refuse()
        if not self._videos:
            message = "expected windows of a video, got them before any was begun"
            raise SchemaError(Problem("no-video", str(self._path), message, "call begin first"))
        video = self._videos[-1]
        check = ArrayCheck(f"{self._path}: video {len(self._videos) - 1}: windows from {video.written}")
        video.check(check, tracks, vis, confidence)
        check.finish()
        if self._tars is not None:
            self._tars.largest_error_px = max(self._tars.largest_error_px, largest_error_px)
        self._put(tracks, vis, confidence)

    def add(self, tracks: Tracks) -> None:
        """Write a whole video.

        Raises
        ------
        SchemaError
            Other views, points or horizon than those of the first video.
        LengthMismatchError
            The video before has fewer windows than it said.
        StorageError
            The file system refused.
        """
        self._check_complete()
        begin = self._begin(ShardedVideo(tracks.header, tracks.start_index, tracks.frame_s, tracks.source_index))
        self._put(tracks.tracks, tracks.vis, tracks.confidence, begin)

    def _put(
        self,
        tracks: Mapping[str, NDArray[np.float32]],
        vis: Mapping[str, NDArray[np.bool_]],
        confidence: Mapping[str, NDArray[np.float32]] | None,
        begin: int = 0,
    ) -> None:
        number, video, tars = len(self._videos) - 1, self._videos[-1], self._tars
        given: dict[str, Mapping[str, NDArray[Any]]] = {"tracks": tracks, "vis": vis, "confidence": confidence or {}}
        fields = fields_of(video.header)
        arrays = {name: given[field.array][field.view][begin:] for name, field in fields.items()}
        count = len(next(iter(arrays.values())))
        facts = video.facts(number, count)
        with storage_errors(self._path, "write"):
            for n, told in enumerate(facts):
                if tars is not None:
                    tars.add(told, {name: windows[n] for name, windows in arrays.items()})
        video.written += count

    def _check_complete(self) -> None:
        if self._state != "open":
            self._refuse()
        if self._videos and self._videos[-1].written != len(self._videos[-1].start_index):
            place = f"{self._path}: video {len(self._videos) - 1}"
            message = f"expected all of its windows before the next step, got {self._videos[-1].progress}"
            raise LengthMismatchError(Problem("length-mismatch", place, message))

    def finish(
        self, provenance: Provenance, policies: Mapping[str, int] | None = None, **own: JsonValue
    ) -> WriteReport:
        """Write the tables and `shards.json`, and give the folder its name.

        Parameters
        ----------
        provenance : Provenance
            Of the shards; that of each video stays in its own header.
        policies : dict of int, optional
            How many items each named policy has touched.
        **own
            Keys that begin with `x-`.

        Raises
        ------
        SchemaError
            No video.
        LengthMismatchError
            The last video has fewer windows than it said.
        StorageError
            The target exists by now, or the file system refused.
        """
        self._check_complete()
        if self._tars is None:
            message = "expected at least one video, got none"
            raise SchemaError(Problem("no-video", str(self._path), message, "leave the folder out"))
        opened, self._opened, self._state = self._opened, None, "broken"
        if opened is not None:
            with contextlib.ExitStack() as stack:
                stack.push(opened)
                stack.callback(self._tars.abandon)
                self._write_rest(self._tars, provenance, policies, own)
        self._state = "finished"
        return WriteReport(self._path, NAME, size_on_disk(self._path), self._tars.largest_error_px, self._notes())

    def _notes(self) -> tuple[Problem, ...]:
        if self._tars is None:
            return ()
        kept, refused, notes = self._tars.kept.shard, self._tars.refused, []
        whole = int(kept[-1]) + 1 if len(kept) else 0
        if whole:
            message = (
                f"{len(kept):,} of {sum(video.written for video in self._videos):,} windows, in {whole} whole "
                "archives, are those that a writer which was stopped had left"
            )
            notes.append(Problem("went-on", "shards", message, severity="info"))
        if refused:
            message = (
                f"{refused} more archives that a writer which was stopped had left were written again: "
                f"{shard_name(whole)} or its rows are not what had been written"
            )
            fix = "nothing is lost; but a disk that changes files is worth a look"
            notes.append(Problem("went-on-anew", "shards", message, fix, severity="warning"))
        return tuple(notes)

    def _write_rest(
        self, tars: SampleTars, provenance: Provenance, policies: Mapping[str, int] | None, own: dict[str, JsonValue]
    ) -> None:
        samples, frames = tars.finish(), frame_table(self._videos)
        samples.write(self._folder / INDEX)
        frames.write(self._folder / FRAMES)
        manifest: dict[str, Any] = {
            "provenance": provenance,
            "policies": dict(policies or {}),
            "videos": tuple(video.header for video in self._videos),
            "fields": fields_of(self._videos[0].header),
            "windows": tuple(video.written for video in self._videos),
            "samples_per_shard": self._per_shard,
            "shards": tuple(tars.shards),
            "index": _table_file(self._folder / INDEX, len(samples.shard)),
            "frames": _table_file(self._folder / FRAMES, len(frames.video)),
        }
        write_sealed_json(self._folder / MANIFEST, ShardsManifest(**(own | manifest)))
        drop_parts(self._folder)

    def _refuse(self) -> NoReturn:
        message = f"expected a writer that is open, and opened once, got one that is {self._state}"
        raise SchemaError(Problem("writer-closed", str(self._path), message, "open another one"))


class _Unfinished(Exception):  # noqa: N818 - never leaves this module
    """Makes the folder be removed, as after any error."""


def _table_file(path: Path, rows: int) -> ShardFile:
    return ShardFile(name=path.name, size=path.stat().st_size, digest=digest_of(path), rows=rows)


def _refuse_foreign(path: Path) -> None:
    """Refuse to replace a folder that holds no shards: a slip of the path must not cost somebody's files."""
    with storage_errors(path, "open"):
        foreign = path.is_dir() and not (path / MANIFEST).exists() and any(path.iterdir())
    if foreign:
        message = f"expected a free name or a folder with {MANIFEST}, got a folder of other files"
        raise StorageError(Problem("not-ours", str(path), message, "name another folder, or remove this one yourself"))
