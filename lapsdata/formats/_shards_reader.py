"""Reading a folder of shards: at random through chunk indexes, in order by large reads, or a whole video at once."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from lapsdata.containers.tracks import Tracks
from lapsdata.errors import CorruptDataError, Problem, Problems, SchemaError
from lapsdata.formats._shards_check import check_shard
from lapsdata.formats._shards_files import digest_of, shard_name
from lapsdata.formats._shards_tables import FrameTable, SampleTable
from lapsdata.formats._shards_writer import FRAMES, INDEX, MANIFEST
from lapsdata.schema.shards import ShardedArray, ShardsHeader, ShardsManifest
from lapsdata.storage.atomic import existing, storage_errors
from lapsdata.storage.index import ChunkIndex, file_key
from lapsdata.storage.seal import REPAIR, check_rows, sealed_by
from lapsdata.storage.sealed_json import parse_sealed_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.schema.tracks import TracksHeader
    from lapsdata.storage.index import FileKey

__all__ = ["ShardsFolder", "is_shards_folder", "parse_manifest"]

_BLOCK = 256
"""Windows that are read at once where a whole video is asked for."""


class ShardsFolder:
    """A folder of shards of ours, opened: seals, digests of the tables and sizes of the archives are checked.

    Parameters
    ----------
    path : Path

    Raises
    ------
    StorageError
        Nothing is there, or it may not be read.
    SchemaError
        It is no folder of shards.
    CorruptDataError
        A file is missing, too many, of another size, or is not as it was written.
    FormatTooNewError
        Written by a newer major version.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from lapsdata.formats import write
    >>> from lapsdata.testing.samples import sample_shards
    >>> target = pathlib.Path(tempfile.mkdtemp()) / "clips.shards"
    >>> report = write(target, sample_shards(), samples_per_shard=2)
    >>> folder = ShardsFolder(target)
    >>> len(folder), folder.video.tolist(), list(folder.fields)
    (5, [0, 0, 0, 1, 1], ['tracks', 'vis'])
    >>> folder.index("tracks").shape
    (5, 4, 5, 2)
    >>> folder.read_span(1, 0, 2)["vis"].shape
    (2, 4, 5)
    """

    def __init__(self, path: Path) -> None:
        self.path, self.where = path, str(path)
        manifest = _read_manifest(path)
        keys = _check_files(path, manifest)
        samples = SampleTable.read(path / INDEX, list(manifest.fields))
        self._set_up(manifest, keys, samples, FrameTable.read(path / FRAMES))

    def _set_up(
        self, manifest: ShardsManifest, keys: tuple[FileKey, ...], samples: SampleTable, frames: FrameTable
    ) -> None:
        self.manifest, self._keys, self._samples, self._frames = manifest, keys, samples, frames
        counts = np.bincount(self._frames.video, minlength=len(self.manifest.videos))
        self._frame_ends = np.cumsum(counts)
        self._frame_base = self._frame_ends - counts
        self._ends = np.cumsum(self.manifest.windows)

    def __len__(self) -> int:
        """Return the number of samples W."""
        return int(self._ends[-1])

    @property
    def header(self) -> ShardsHeader:
        """What the shards hold, however they are cut into files."""
        return self.manifest.header

    @property
    def headers(self) -> tuple[TracksHeader, ...]:
        """The header of each video's tracks."""
        return self.manifest.videos

    @property
    def fields(self) -> dict[str, ShardedArray]:
        """Arrays of every sample, by field: `tracks`, or `<view>.tracks` where views are named."""
        return self.manifest.fields

    @property
    def shards(self) -> tuple[Path, ...]:
        """The archives, in order."""
        return tuple(self.path / shard.name for shard in self.manifest.shards)

    @property
    def video(self) -> NDArray[np.int32]:
        """Number of the video of each sample: int32 (W,)."""
        return self._samples.video

    @property
    def window(self) -> NDArray[np.int64]:
        """Number of each sample in its video: int64 (W,)."""
        return self._samples.window

    @property
    def start_s(self) -> NDArray[np.float64]:
        """Time of the first frame of each sample: float64 (W,), seconds."""
        return self._samples.start_s

    @property
    def step_s(self) -> NDArray[np.float64]:
        """Time of every frame of every sample: float64 (W, T), seconds; made anew at each call."""
        return self.step_s_of(np.arange(len(self)))

    def step_s_of(self, samples: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the time of every frame of some samples: float64 (B, T), seconds."""
        first = self._frame_base[self._samples.video[samples]] + self._samples.start_index[samples]
        times: NDArray[np.float64] = self._frames.frame_s[first[:, None] + np.arange(self.headers[0].horizon)]
        return times

    def index(self, field: str) -> ChunkIndex:
        """Return where every sample's array lies, as a list of chunks with their checksums.

        Raises
        ------
        SchemaError
            No such field.
        """
        known, rows = self._field(field), self._samples.fields[field]
        index = ChunkIndex(
            f"{self.where}: {field}",
            (len(self), *known.shape),
            _dtype(known),
            (1, *known.shape),
            self.shards,
            self._keys,
            file=self._samples.shard,
            offset=rows.offset,
            length=rows.length,
            row_crc32c=rows.crc32c,
        )
        index.check_extent()
        return index

    def read_span(
        self,
        shard: int,
        first: int,
        stop: int,
        *,
        fields: Sequence[str] | None = None,
        verify: bool = True,
        out: Mapping[str, NDArray[Any]] | None = None,
    ) -> dict[str, NDArray[Any]]:
        """Read samples that follow each other in one archive: one read, and one strided copy for each array.

        Parameters
        ----------
        shard : int
            Number of the archive.
        first, stop : int
            Samples of this archive, half-open, from 0.
        fields : sequence of str, optional
            By default all.
        verify : bool
            Whether each array is compared with its checksum.
        out : dict of array, optional
            Buffers (B, ...) by field.

        Returns
        -------
        dict of array (B, ...)

        Raises
        ------
        SchemaError
            No such field.
        IndexError
            No such samples.
        StorageError
            The file system refused.
        CorruptDataError
            Fewer bytes than there should be, or others; names archive, field, sample and byte.
        """
        rows = self._rows(shard, first, stop)
        begin, end = self._extent(rows)
        (data,) = self._bytes([(shard, begin, end)])
        return self._take(rows, data, begin, fields, verify, out)

    def read_spans(
        self, spans: Sequence[tuple[int, int, int]], *, fields: Sequence[str] | None = None, verify: bool = True
    ) -> list[dict[str, NDArray[Any]]]:
        """Read several spans, `(shard, first, stop)` each; from afar, at once. See `read_span`."""
        rows = [self._rows(*span) for span in spans]
        extents = [(shard, *self._extent(one)) for (shard, _, _), one in zip(spans, rows, strict=True)]
        return [
            self._take(one, data, begin, fields, verify, None)
            for one, data, (_, begin, _) in zip(rows, self._bytes(extents), extents, strict=True)
        ]

    def read_ahead(self, spans: Sequence[tuple[int, int, int]]) -> None:
        """Tell the system which spans, `(shard, first, stop)` each, are going to be read, where it can be told."""
        if not hasattr(os, "posix_fadvise"):
            return
        for shard, first, stop in spans:
            path, (begin, end) = self.shards[shard], self._extent(self._rows(shard, first, stop))
            with storage_errors(path, "open"), path.open("rb", buffering=0) as file:
                os.posix_fadvise(file.fileno(), begin, end - begin, os.POSIX_FADV_WILLNEED)

    def _bytes(self, extents: Sequence[tuple[int, int, int]]) -> Iterator[NDArray[np.uint8]]:
        """Yield bytes `begin` to `end` of archives."""
        for shard, begin, end in extents:
            path = self.shards[shard]
            with storage_errors(path, "open"), path.open("rb", buffering=0) as file:
                file.seek(begin)
                data = _read(file, end - begin, begin, str(path))
            yield data

    def stream(
        self,
        shard: int,
        *,
        batch: int = 64,
        fields: Sequence[str] | None = None,
        verify: bool = True,
        file: BinaryIO | None = None,
    ) -> Iterator[dict[str, NDArray[Any]]]:
        """Yield the samples of one archive in order, in batches.

        Parameters
        ----------
        shard : int
        batch : int
            Samples at once; the last batch may have fewer.
        fields, verify
            See `read_span`.
        file : binary file, optional
            The same archive from elsewhere (a URL), at its beginning; only `read` is called.

        Yields
        ------
        dict of array (B, ...)

        Raises
        ------
        SchemaError, IndexError, StorageError, CorruptDataError
            See `read_span`; what was yielded before was sound.
        """
        whole = self._rows(shard, 0, None)
        count, end = whole.stop - whole.start, 0
        for first in range(0, count, batch):
            stop = min(first + batch, count)
            if file is None:
                yield self.read_span(shard, first, stop, fields=fields, verify=verify)
                continue
            rows = self._rows(shard, first, stop)
            begin, end = self._extent(rows)
            data = _read(file, end - begin, begin, str(self.shards[shard]))
            yield self._take(rows, data, begin, fields, verify, None)
        if file is not None:
            _check_tail(file, self.manifest.shards[shard].size - end, end, str(self.shards[shard]))

    def times(self, video: int) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64] | None]:
        """Return `start_index`, `frame_s` and `source_index` of a video, as `Tracks` holds them.

        Raises
        ------
        IndexError
            No such video.
        """
        if not 0 <= video < len(self.headers):
            raise IndexError(f"expected a video from 0 to {len(self.headers) - 1}, got {video}")
        frames = slice(int(self._frame_base[video]), int(self._frame_ends[video]))
        stop = int(self._ends[video])
        source = self._frames.source_index[frames] if self.headers[video].resampled else None
        starts = self._samples.start_index[stop - self.manifest.windows[video] : stop]
        return starts, self._frames.frame_s[frames], source

    def tracks(self, video: int, *, verify: bool = True) -> Tracks:
        """Read all windows of a video, as they were before they went into shards.

        Parameters
        ----------
        video : int
            Its number, from 0.
        verify : bool
            Whether each array is compared with its checksum.

        Raises
        ------
        IndexError
            No such video.
        StorageError, CorruptDataError
            See `read_span`.
        """
        start_index, frame_s, source_index = self.times(video)
        stop = int(self._ends[video])
        first = stop - self.manifest.windows[video]
        arrays = {name: np.empty((stop - first, *field.shape), field.dtype) for name, field in self.fields.items()}
        for shard, part in self._parts(first, stop):
            at = part.start + shard * self.manifest.samples_per_shard - first
            out = {name: values[at : at + part.stop - part.start] for name, values in arrays.items()}
            self.read_span(shard, part.start, part.stop, verify=verify, out=out)
        by_array: dict[str, dict[str, NDArray[Any]]] = {"tracks": {}, "vis": {}, "confidence": {}}
        for name, field in self.fields.items():
            by_array[field.array][field.view] = arrays[name]
        beside = (start_index, frame_s, source_index, by_array["confidence"] or None)
        return Tracks(self.headers[video], by_array["tracks"], by_array["vis"], *beside)

    def check(self, shard: int) -> None:
        """Compare a whole archive with its digest; where it differs, find out where.

        Raises
        ------
        StorageError
            The file system refused.
        CorruptDataError
            Names the member that differs.
        """
        path, told = self.shards[shard], self.manifest.shards[shard]
        with storage_errors(path, "open"):
            found = digest_of(path)
        if found != told.digest:
            check_shard(path, self._samples, shard)
            message = f"expected {told.digest}, got {found}; every array is as it was written"
            raise CorruptDataError(Problem("shard-digest", str(path), message, REPAIR))

    def _field(self, name: str) -> ShardedArray:
        if name not in self.fields:
            message = f"expected one of {list(self.fields)}, got {name!r}"
            raise SchemaError(Problem("unknown-field", self.where, message))
        return self.fields[name]

    def _rows(self, shard: int, first: int, stop: int | None) -> slice:
        """Return the numbers of samples of an archive among all."""
        if not 0 <= shard < len(self.manifest.shards):
            raise IndexError(f"expected a shard from 0 to {len(self.manifest.shards) - 1}, got {shard}")
        count = self.manifest.shards[shard].rows
        stop = count if stop is None else stop
        if not 0 <= first < stop <= count:
            raise IndexError(f"expected samples within 0 and {count} of shard {shard}, got {first} to {stop}")
        base = shard * self.manifest.samples_per_shard
        return slice(base + first, base + stop)

    def _parts(self, first: int, stop: int) -> Iterator[tuple[int, slice]]:
        """Cut samples into pieces of one archive each, and of no more than a block."""
        per_shard = self.manifest.samples_per_shard
        while first < stop:
            shard, at = divmod(first, per_shard)
            count = min(stop - first, per_shard - at, _BLOCK)
            yield shard, slice(at, at + count)
            first += count

    def _extent(self, rows: slice) -> tuple[int, int]:
        offset, length = self._samples.offset, self._samples.length
        return int(offset[rows.start]), int(offset[rows.stop - 1] + length[rows.stop - 1])

    def _take(
        self,
        rows: slice,
        data: NDArray[np.uint8],
        begin: int,
        fields: Sequence[str] | None,
        verify: bool,
        out: Mapping[str, NDArray[Any]] | None,
    ) -> dict[str, NDArray[Any]]:
        """Copy the arrays of some samples out of the bytes that hold them."""
        taken = {}
        for name in self.fields if fields is None else fields:
            field, lies = self._field(name), self._samples.fields[name]
            dtype = _dtype(field)
            values = (
                np.empty((rows.stop - rows.start, *field.shape), dtype.newbyteorder("=")) if out is None else out[name]
            )
            offsets = lies.offset[rows] - begin
            for run, step in _runs(offsets):
                count = run.stop - run.start
                strides, at = (step, *values.strides[1:]), int(offsets[run.start])
                values[run] = np.ndarray((count, *field.shape), dtype, data, at, strides)
            if verify:
                where = f"{self.where}/{shard_name(int(self._samples.shard[rows.start]))}: {name}"
                places = [f"sample {rows.start + n}, byte {at + begin}" for n, at in enumerate(offsets.tolist())]
                check_rows(values, lies.crc32c[rows], where, places.__getitem__)
            taken[name] = values
        return taken


def _runs(offsets: NDArray[np.int64]) -> Iterator[tuple[slice, int]]:
    """Cut offsets into runs of equal distance, with that distance."""
    steps = np.diff(offsets)
    first = 0
    while first < len(offsets):
        if first == len(steps):
            yield slice(first, first + 1), 0
            return
        other = np.flatnonzero(steps[first:] != steps[first])
        stop = first + int(other[0]) + 1 if len(other) else len(offsets)
        yield slice(first, stop), int(steps[first])
        first = stop


def _dtype(field: ShardedArray) -> np.dtype[Any]:
    return np.dtype(field.dtype).newbyteorder("<")


def _read(file: Any, count: int, begin: int, where: str) -> NDArray[np.uint8]:  # noqa: ANN401 - raw or buffered
    """Read exactly so many bytes."""
    parts = []
    have = 0
    while have < count and (part := file.read(count - have)):
        parts.append(part)
        have += len(part)
    if have < count:
        message = f"expected bytes {begin} to {begin + count}, got an end at {begin + have}"
        raise CorruptDataError(Problem("tar-cut", where, message, REPAIR))
    data = parts[0] if len(parts) == 1 else b"".join(parts)
    return np.frombuffer(data, np.uint8)


def _check_tail(file: Any, count: int, begin: int, where: str) -> None:  # noqa: ANN401 - raw or buffered
    """Refuse an archive whose end is cut, is not zeros, or is not the end."""
    if _read(file, count, begin, where).any() or file.read(1):
        message = f"expected {count} zeros and no more from byte {begin}, got other bytes"
        raise CorruptDataError(Problem("tar-damaged", where, message, REPAIR))


def is_shards_folder(path: Path) -> bool:
    """Say whether a path is a folder with a `shards.json` of this library."""
    place = path / MANIFEST
    with storage_errors(path, "open"):
        if not path.is_dir() or not place.is_file():
            return False
        data = place.read_bytes()
    return _document(data).get("format") == f"lapsdata.{ShardsHeader.RECORD}"


def _document(data: bytes) -> dict[str, Any]:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _read_manifest(path: Path) -> ShardsManifest:
    place = existing(path) / MANIFEST
    with storage_errors(path, "open"):
        if not path.is_dir() or not place.is_file():
            message = f"expected a folder with {MANIFEST}, got {'another one' if path.is_dir() else 'a file'}"
            raise SchemaError(Problem("not-shards", str(path), message, "name the folder of shards"))
        return parse_manifest(place.read_bytes(), str(place))


def parse_manifest(data: bytes, where: str) -> ShardsManifest:
    """Return the manifest that `shards.json` holds, compared with its seal."""
    document = _document(data)
    if not document:
        message = "expected a sealed JSON object, got damaged bytes"
        raise CorruptDataError(Problem("seal-damaged", where, message, REPAIR))
    with sealed_by(document, where):
        return parse_sealed_json(data, ShardsManifest, where)


def _check_files(path: Path, manifest: ShardsManifest) -> tuple[FileKey, ...]:
    """Compare the files of the folder with the list of them; return the keys of the archives."""
    problems = Problems(str(path))
    files = [*manifest.shards, manifest.index, manifest.frames]
    names = [*(shard_name(number) for number in range(len(manifest.shards))), INDEX, FRAMES]
    for file, name in zip(files, names, strict=True):
        if file.name != name:
            problems.add("wrong-name", file.name, f"expected {name}")
        elif not (path / name).is_file():
            problems.add("missing-file", name, f"expected {file.size} bytes, got no file", REPAIR)
        elif (size := file_key(path / name).size) != file.size:
            problems.add("wrong-size", name, f"expected {file.size} bytes, got {size}", REPAIR)
        elif file in (manifest.index, manifest.frames) and (found := digest_of(path / name)) != file.digest:
            problems.add("shard-digest", name, f"expected {file.digest}, got {found}", REPAIR)
    for other in sorted(path.glob("*.tar")):
        if other.name not in names:
            message = f"expected {len(manifest.shards)} shards, got another one"
            problems.add("unknown-shard", other.name, message, "take it away: readers by pattern would read it as well")
    problems.raise_as(CorruptDataError)
    return tuple(file_key(path / shard.name) for shard in manifest.shards)
