"""Windows of many videos as one data set: any order, any number of files, one batch at a time."""

from __future__ import annotations

import functools
import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.errors import Problem, SchemaError, listed, warn
from lapsdata.loading._by_number import ByNumber
from lapsdata.loading._item_table import ItemList, wanted_items
from lapsdata.loading._open_frames import ImageRequest, open_frames
from lapsdata.loading._selection import Selection, check_ids
from lapsdata.loading._window_options import (
    WindowOptions,
    check_buffers,
    check_opening,
    flat_buffers,
    listed_names,
    tensors,
    window_options,
)
from lapsdata.loading.catalog import catalog_parts, is_catalog
from lapsdata.loading.filling import fill_lost
from lapsdata.loading.finding import find_files, notes_on
from lapsdata.loading.location import Location
from lapsdata.loading.source import Batch, BatchSpec, FieldSpec, To, require_alike
from lapsdata.schema.base import canonical_json
from lapsdata.storage.gather import RowReader
from lapsdata.storage.ids import checked_id, checked_ids

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from os import PathLike
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.loading._item_table import ItemTable
    from lapsdata.loading._open_frames import Videos
    from lapsdata.loading._window_options import Transform
    from lapsdata.loading.catalog import Stale
    from lapsdata.loading.filling import Lost
    from lapsdata.loading.frames import FrameSource, ImageSteps
    from lapsdata.schema.tracks import TracksHeader
    from lapsdata.storage.open_files import Io
    from lapsdata.storage.remote import RemoteReader, Transfers
    from lapsdata.storage.seal import Verify
    from lapsdata.timebase import FrameRate

__all__ = ["WindowDataset", "open_windows"]


class WindowDataset(ByNumber):
    """Windows of tracks, by number; made by `open_windows`.

    A `BatchSource`: `len`, `spec`, `gather`. Safe to use from threads, after a fork, and to send to other processes.

    In a torch `DataLoader`, gather once per batch:
    `DataLoader(windows, sampler=BatchSampler(RandomSampler(windows), 64, drop_last=False), batch_size=None)`.
    One by one (`DataLoader(windows, batch_size=64)`) is correct too, and slower.

    Attributes
    ----------
    filled : int
        Positions that `lost` has replaced so far.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import lapsdata
    >>> from lapsdata.testing.samples import sample_tracks
    >>> target = pathlib.Path(tempfile.mkdtemp()) / "clip.zarr"
    >>> _ = lapsdata.write(target, sample_tracks(windows=5))
    >>> windows = open_windows(target, lost="last")
    >>> late = windows.subset(ids=[3, 4])
    >>> len(late), late.gather([0, 1])["start_s"].tolist()
    (2, [0.3, 0.4])
    """

    def __init__(
        self,
        items: ItemTable,
        reader: RowReader,
        spec: BatchSpec,
        usual: Sequence[str],
        options: WindowOptions,
        frames: FrameSource | None = None,
    ) -> None:
        self._items, self._reader, self._options, self._frames = items, reader, options, frames
        self._all, self._usual = spec, tuple(usual)
        self._chosen: Selection | None = None
        self._starts = items.starts
        self.filled = 0
        self._checked: dict[tuple[str, ...] | None, list[str]] = {}

    def __len__(self) -> int:
        """Return the number of windows."""
        return int(self._starts[-1]) if self._chosen is None else len(self._chosen)

    def __repr__(self) -> str:
        frames = "" if self._frames is None else f"; {self._frames!r}"
        return f"WindowDataset({len(self)} windows of {len(self.videos)} videos; {self.spec!r}{frames})"

    @property
    def spec(self) -> BatchSpec:
        """What a batch holds by default."""
        return self._spec(self._usual)

    @property
    def fields(self) -> tuple[str, ...]:
        """Every field that can be asked for, `spec` and more."""
        return tuple(self._all)

    def spec_of(self, fields: Sequence[str]) -> BatchSpec:
        """Return what a batch holds when some of `fields` are asked for."""
        return self._spec(fields)

    @property
    def videos(self) -> tuple[str, ...]:
        """Names of the videos that windows come from, in order."""
        return self._items.videos

    @property
    def headers(self) -> tuple[TracksHeader | None, ...]:
        """Header of each file, in order; None for one that carries none. Of a catalog, every file is opened for it."""
        return tuple(item.header for item in self._items)

    @property
    def paths(self) -> tuple[Path, ...]:
        """Files and folders on this machine that windows come from, in order."""
        return self._items.paths

    @property
    def views(self) -> tuple[str, ...]:
        """Names of the cameras, where there are several to choose from."""
        return tuple(dict.fromkeys(name.partition("/")[2] for name in self._all if "/" in name)) or ("default",)

    @property
    def encoded(self) -> bool:
        """Whether windows have to be decoded, as those of a compressed file."""
        return self._reader.encoded

    @property
    def decoded_rows(self) -> int:
        """How many windows that share chunks were decoded in this process, fields counted one by one."""
        return self._reader.decoded_rows

    @property
    def unverified(self) -> int:
        """How many windows were delivered in this process that carry no checksum."""
        return self._reader.unverified

    @property
    def reopened(self) -> int:
        """How many files of a catalog were opened themselves in this process, since its index was made of others."""
        return int(getattr(self._items, "reopened", 0))

    @property
    def transfers(self) -> Transfers:
        """What was asked of servers in this process, for windows behind URLs: requests, retries, bytes."""
        return self._reader.transfers

    @functools.cached_property
    def fingerprint(self) -> str:
        """What tells these windows from others: 16 hex digits of videos, headers, counts, content, choice of windows.

        A `Loader` keeps it in its state, and refuses the state of other windows. The content is told by times and by
        the checksums of windows, which opening has read: those of files of ours, and those of the list that `lapsdata
        check PATH --seal` puts beside files of others. Of files of others without such a list nothing but names and
        shapes is known: other values in them are not noticed. Neither path nor date nor machine has a part in it.
        """
        digest = hashlib.sha256(canonical_json({"items": self._items.facts(), "spec": repr(self.spec)}))
        if self._chosen is not None:
            digest.update(self._chosen.to_bytes())
        return digest.hexdigest()[:16]

    @property
    def block_rows(self) -> int:
        """Windows that share chunks, and should be read together; 1 where each has its own."""
        return self._reader.block_rows

    @property
    def part_rows(self) -> NDArray[np.int64] | None:
        """Windows of each file, where blocks of `block_rows` end early: int64; None where no windows share chunks."""
        if self.block_rows == 1:
            return None
        starts = self._reader.starts
        return np.diff(starts) if self._chosen is None else self._chosen.parts(starts)

    def gather(
        self,
        ids: Any,  # noqa: ANN401 - whatever NumPy makes whole numbers of
        *,
        fields: Sequence[str] | None = None,
        out: Mapping[str, NDArray[Any]] | None = None,
        to: To = "numpy",
    ) -> Batch:
        """Return windows as a batch.

        Parameters
        ----------
        ids : int64 (B,)
            Numbers of windows, in any order, with repeats.
        fields : sequence of str, optional
            Some of `fields`; those of `spec` by default.
        out : mapping of np.ndarray, optional
            Buffers to fill, by field; each must be one that is asked for.
        to : {"numpy", "torch"}

        Returns
        -------
        dict
            By field, `(B, ...)`: `tracks` (B, T, N, 2) float32 pixel xy, `vis` (B, T, N) bool, `start_s` (B,) float64
            seconds ... With `offsets`, (B, O, ...) and `pad` (B, O) bool. `images` (B, T', H, W, 3) uint8 RGB.

        Raises
        ------
        IndexError
            An id outside of `0 .. len - 1`.
        CorruptDataError
            A window is not what was written, or a frame cannot be decoded.
        StorageError
            A file is gone, was replaced, or may not be read.
        SchemaError
            A field, a buffer or `to` at fault; a video that is not the one of the tracks; a step without a frame.
        """
        names = self._names(None if fields is None else listed_names("fields", fields))
        if out is not None:
            check_buffers(out, names)
        wanted = checked_ids(ids)
        pad = None
        if self._options.offsets is not None:
            wanted, pad = self._sequence(wanted)
        elif self._chosen is not None:
            wanted = self._own(wanted)
        read = [name for name in names if name != "pad"]
        buffers = out
        if pad is not None and out is not None:
            buffers = flat_buffers(out, self._spec(names), len(pad))
            if "pad" in buffers:
                np.copyto(out["pad"], pad)
                pad = out["pad"]
        batch = self._read(wanted, read, buffers)
        if self._options.lost != "nan":
            self.filled += fill_lost(batch, self._options.lost)
        if pad is not None:
            batch = {name: array.reshape(*pad.shape, *array.shape[1:]) for name, array in batch.items()}
            if "pad" in names:
                batch["pad"] = pad
        batch = {name: batch[name] for name in names}
        if self._options.transform is not None:
            batch = self._options.transform(batch)
        return batch if to == "numpy" else tensors(batch, to)

    def _read(self, ids: NDArray[np.int64], fields: Sequence[str], out: Mapping[str, NDArray[Any]] | None) -> Batch:
        """Return windows, and the frames of those fields that are images."""
        frames, threads = self._frames, self._options.threads
        stored = [name for name in fields if frames is None or name not in frames.spec]
        buffers = out if out is None else {name: out[name] for name in stored if name in out}
        batch: Batch = dict(self._reader.gather(ids, fields=stored, out=buffers, threads=threads))
        if frames is None or len(stored) == len(fields):
            return batch
        images = [name for name in fields if name in frames.spec]
        step_s = self._reader.gather(ids, fields=["step_s"])["step_s"]
        return batch | frames.gather(ids, step_s, images, out=out, threads=threads)

    def _own(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Translate numbers of a subset."""
        check_ids(ids, len(self))
        return self._chosen.own(ids) if self._chosen is not None else ids

    def _sequence(self, ids: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return the windows around each, and which of them lie outside of its video: the nearest stands for these."""
        own = self._own(ids)
        check_ids(own, int(self._starts[-1]))
        item = np.searchsorted(self._starts, own, "right") - 1
        wanted = own[:, None] + np.array(self._options.offsets)
        first, last = self._starts[item][:, None], self._starts[item + 1][:, None] - 1
        inside = np.clip(wanted, first, last)
        return inside.reshape(-1), inside != wanted

    def _names(self, fields: tuple[str, ...] | None) -> list[str]:
        """Return the names of the fields that a batch holds, checked once."""
        if fields not in self._checked:
            self._checked[fields] = list(self._spec(self._usual if fields is None else fields))
        return self._checked[fields]

    def _spec(self, fields: Sequence[str]) -> BatchSpec:
        offsets = self._options.offsets
        if offsets is None:
            return self._all.only(fields)
        longer = {
            name: FieldSpec((len(offsets), *field.shape), field.dtype, field.unit) for name, field in self._all.items()
        }
        longer["pad"] = FieldSpec((len(offsets),), np.dtype(bool))
        return BatchSpec(longer).only([*fields, *(["pad"] if tuple(fields) == self._usual else [])])

    def subset(
        self,
        *,
        ids: Any = None,  # noqa: ANN401 - whatever NumPy makes whole numbers of
        videos: Iterable[str] | None = None,
        where: Callable[[TracksHeader], bool] | None = None,
        split: str | Iterable[str] | None = None,
    ) -> WindowDataset:
        """Return some of the windows, in the order of this data set or of `ids`; nothing is read.

        Parameters
        ----------
        ids : sequence of int, optional
            Numbers; for a mask: `numpy.flatnonzero(mask)`.
        videos : iterable of str, optional
            Names; each must be there.
        where : callable, optional
            Says of a header whether its windows are wanted; of a catalog, every file is opened for that.
        split : str or iterable of str, optional
            Names of splits; only a catalog knows them (`lapsdata.write_catalog`).

        Raises
        ------
        SchemaError
            A video or split that is not there, or nothing was given.
        IndexError
            An id outside of this data set.
        """
        if ids is None and videos is None and where is None and split is None:
            message = "expected ids, videos, where or split, got none of them"
            raise SchemaError(Problem("wrong-value", "subset", message))
        chosen = self._chosen
        if ids is not None:
            numbers = checked_ids(ids)
            check_ids(numbers, len(self))
            chosen = Selection.of(self._own(numbers))
        if videos is not None or where is not None or split is not None:
            good = wanted_items(self._items, self._known(videos), where, split)
            chosen = Selection.of_items(self._starts, good) if chosen is None else chosen.only(self._starts, good)
        part = WindowDataset(self._items, self._reader, self._all, self._usual, self._options, self._frames)
        part._chosen = chosen
        return part

    def _known(self, videos: Iterable[str] | None) -> set[str] | None:
        if videos is None:
            return None
        names = {videos} if isinstance(videos, str) else set(videos)
        strangers = sorted(names - set(self.videos))
        if strangers:
            message = f"expected some of {listed(self.videos)}, got {listed(strangers)}"
            raise SchemaError(Problem("unknown-video", "videos", message))
        return names

    def locate(self, id: int) -> Location:
        """Say where a window comes from.

        Raises
        ------
        IndexError
            No such window.
        """
        number = checked_id(id)
        own = int(self._own(np.array([number]))[0])
        item = int(self.files_of([number])[0])
        video, path = self._items.place(item)
        window = own - int(self._starts[item])
        start_s, end_s = (None if times is None else float(times[window]) for times in self._items.times(item))
        return Location(number, video, path, window, start_s, end_s)

    def files_of(self, ids: Any) -> NDArray[np.int64]:  # noqa: ANN401 - whatever NumPy makes whole numbers of
        """Return the number of the file of each window, as in `headers`: int64 (B,).

        Raises
        ------
        IndexError
            No such window.
        """
        return np.searchsorted(self._starts, self._own(checked_ids(ids)), "right") - 1

    def at(self, video: str, s: float) -> int:
        """Return the window of a video that started last among those that cover a time.

        Parameters
        ----------
        video : str
        s : float, seconds

        Raises
        ------
        SchemaError
            No such video, no times, or no window covers `s`.
        """
        self._known([video])
        best: tuple[float, int] | None = None
        for number in np.flatnonzero(self._items.of_videos({video})).tolist():
            start_s, end_s = self._items.times(number)
            if start_s is None or end_s is None:
                continue
            covers = np.flatnonzero((start_s <= s) & (s < end_s))
            if len(covers) and (best is None or start_s[covers[-1]] > best[0]):
                best = (float(start_s[covers[-1]]), int(self._starts[number] + covers[-1]))
        found = None if best is None else self._position(best[1])
        if found is None:
            message = f"expected a time that a window of {video!r} covers, got {s} s"
            raise SchemaError(Problem("no-window", "at", message))
        return found

    def _position(self, own: int) -> int | None:
        return own if self._chosen is None else self._chosen.position(own)

    @property
    def notes(self) -> tuple[str, ...]:
        """What whoever plans to load the windows should know; `Loader.plan` shows it."""
        return self._items.notes()

    def close(self) -> None:
        """Close files, videos and threads; a later `gather` opens what it needs."""
        self._reader.close()
        if self._frames is not None:
            self._frames.close()


def open_windows(
    path: str | PathLike[str] | Sequence[str | PathLike[str]],
    *,
    keys: Sequence[str] = ("tracks",),
    videos: Videos | None = None,
    image_size: tuple[int, int] | None = None,
    image_steps: ImageSteps = "all",
    image_cache_bytes: int = 1 << 28,
    open_videos: int = 8,
    views: Sequence[str] | None = None,
    verify: Verify = "first",
    io: Io = "auto",
    open_files: int = 512,
    threads: int = 1,
    offsets: Sequence[int] | None = None,
    lost: Lost = "nan",
    transform: Transform | None = None,
    rate: FrameRate | float | None = None,
    stale: Stale = "raise",
    remote: RemoteReader | None = None,
) -> WindowDataset:
    """Open windows of tracks for loading; headers and times are read, windows are not, and no video is opened.

    Parameters
    ----------
    path : path or URL, or sequence of them
        A tracks file, a folder of them (in the order of their names; what else lies there is passed over, and told in
        `notes`), shards, shards behind a URL, or a list of these; or one catalog (`lapsdata.write_catalog`).
    keys : sequence of {"tracks", "images"}
        What a batch holds by default: the stored fields (`tracks`, `vis` ...), video frames, or both; and `start_s`.
    videos : path, or mapping of path
        For images: a folder, searched recursively for the videos' names (and for their digests where names do not
        tell); one video; or a path or URL for each name. Where windows have several views, one of these for each:
        `{view: folder}`.
    image_size : (int, int), optional
        Height and width to resize frames to (cv2.INTER_AREA), counted in the representation; positions of tracks stay
        in pixels of the source. By default frames must have the size that the tracks name.
    image_steps : {"all", "first", "middle"} or sequence of int
        Which steps of a window have a frame: all T, the first, step T // 2, or those numbered; -1 is the last.
    image_cache_bytes : int
        Bytes of delivered frames that are kept, 256 MiB by default; 0 for none.
    open_videos : int
        How many decoders stay open.
    views : sequence of str, optional
        Which cameras; with one, fields have bare names (`tracks`), else `tracks/<view>`.
    verify : {"first", "always", "never"}
        When windows are compared with their checksums: once per process, at each read, or not at all. A video is
        compared with the digest in the tracks' header when a process first uses it, which reads it whole; never with
        "never".
    io : {"auto", "mmap", "pread"}
        How bytes are read; `auto` maps files of local disks.
    open_files : int
        How many files may be open at once.
    threads : int
        How many threads fill one batch; a `Loader` brings its own.
    offsets : sequence of int, optional
        Give each window together with those so many windows further in its video: fields become (B, O, ...), and
        `pad` (B, O) says where the video has no such window and the nearest stands for it.
    lost : {"nan", "last", "zero"}
        What stands where a position is NaN: that; the last position known of the point in its window (the first one
        known before that, 0 where there is none); or 0. Counted in `filled`.
    transform : callable, optional
        Called with each batch, before it is made tensors; returns the batch.
    rate : FrameRate or float, optional
        For files that carry no time: frames per second; row w is then taken to start at frame w. Files that do carry
        time refuse it.
    stale : {"raise", "reopen"}
        What is done about a file that is not the one that the index of a catalog was made of: refuse it; or open it
        itself, compare it with its digest in the catalog, and count it in `reopened`.
    remote : RemoteReader, optional
        How files behind URLs are read: what may lie between two ranges of one request, how many requests at once, and
        when they are made again.

    Raises
    ------
    StorageError, UnknownFormatError, CorruptDataError, FormatTooNewError
        See `lapsdata.read`.
    SchemaError
        Files whose windows are unlike each other, field by field; videos that are missing or ambiguous, all of them;
        or an option at fault.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import lapsdata
    >>> from lapsdata.testing.samples import sample_tracks
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for name in ("a.h5", "b.zarr"):
    ...     _ = lapsdata.write(folder / name, sample_tracks(windows=3))
    >>> windows = open_windows(folder)
    >>> len(windows), windows.gather([5, 0])["tracks"].shape
    (6, (2, 4, 5, 2))
    >>> windows.locate(5).path.name
    'b.zarr'
    """
    options = window_options(offsets, lost, transform, threads)
    catalog = is_catalog(path)
    check_opening(open_files, views=views, remote=remote, stale=stale, catalog=catalog)
    images = ImageRequest(videos, image_size, image_steps, open_videos, image_cache_bytes, verify != "never", rate)
    images.check(keys)
    settings: dict[str, Any] = {"verify": verify, "io": io, "open_files": open_files}
    if catalog:
        items, reader, spec, usual = catalog_parts(path, views=views, rate=rate, stale=stale, **settings)
    else:
        items, reader, spec, usual = _parts(path, views=views, rate=rate, remote=remote, **settings)
    frames = None
    if "images" in keys:
        frames = open_frames(list(items), spec, views, images)
        stored = [name for name in usual if name != "start_s"] if "tracks" in keys else []
        spec, usual = BatchSpec(dict(spec) | frames.spec), (*stored, *frames.spec, "start_s")
    return WindowDataset(items, reader, spec, usual, options, frames)


def _parts(
    path: str | PathLike[str] | Sequence[str | PathLike[str]],
    *,
    views: Sequence[str] | None,
    rate: FrameRate | float | None,
    remote: RemoteReader | None,
    verify: Verify,
    io: Io,
    open_files: int,
) -> tuple[ItemTable, RowReader, BatchSpec, Sequence[str]]:
    """Open files: their items, what reads their windows, and what these hold."""
    files = find_files(path, views=views, rate=rate, reader=remote)
    require_alike({str(file.path): file.spec for file in files})
    spec, usual = files[0].spec, files[0].usual
    bare = [str(file.path) for file in files if not file.summed]
    if bare and verify != "never":
        message = f"{listed(bare)} hold no checksums: their windows are delivered unverified, and counted"
        warn(f"{message}; `lapsdata check PATH --seal` makes a list of checksums beside each")
    fields = {name: np.dtype((field.dtype, field.shape)) for name, field in spec.items()}
    pieces = [piece for file in files for piece in file.pieces]
    notes = notes_on(path, files, open_files)
    items = ItemList([item for file in files for item in file.items], notes, [file.found for file in files])
    return items, RowReader(pieces, fields, verify=verify, io=io, open_files=open_files), spec, usual
