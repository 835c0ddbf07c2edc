"""Windows of shards read as streams: along the archives, each span of neighbours once in an epoch.

From a server a span comes by one request, and is held until each of its samples was handed over. On a disk the system
is told that a span will be needed, reads it ahead, and rows are copied from where it holds them.
"""

from __future__ import annotations

import functools
import hashlib
import os
import threading
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.errors import Problem, SchemaError, whole_number
from lapsdata.formats.shards_webdataset import RemoteShards, ShardsFolder
from lapsdata.loading._selection import check_ids
from lapsdata.loading._stream_order import Spans
from lapsdata.loading._window_options import fitting_buffers, tensors
from lapsdata.loading.items import content_digest
from lapsdata.loading.shards import folder_file
from lapsdata.schema.base import canonical_json
from lapsdata.storage.atomic import existing
from lapsdata.storage.gather import RowReader
from lapsdata.storage.ids import checked_ids
from lapsdata.storage.remote import RemoteReader, Transfers, is_url
from lapsdata.storage.seal import check_verify

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray
    from pydantic import JsonValue

    from lapsdata.loading.items import WindowFile
    from lapsdata.loading.source import Batch, BatchSpec, To
    from lapsdata.schema.tracks import TracksHeader
    from lapsdata.storage.seal import Verify

__all__ = ["StreamDataset", "open_stream"]

_SPAN_ROWS, _CACHE = 64, 1 << 30

_MOST_SPANS = 1 << 14
"""Spans that are remembered at most: where ranks share one, none of them ever hands over all of it."""

_Key = tuple[int, tuple[str, ...]]
"""Number of a span, and the fields that were read of it."""


@dataclass(eq=False)
class _Span:
    """Samples that are read at once, until all of them have been handed over."""

    first: int
    left: NDArray[np.bool_]
    """Which of them nobody has had."""
    nbytes: int
    data: Future[dict[str, NDArray[Any]]] = field(default_factory=Future)


@dataclass
class _Here:
    """What belongs to one process."""

    spans: OrderedDict[_Key, _Span] = field(default_factory=OrderedDict)
    """The ones used last are last."""
    lock: Any = field(default_factory=threading.Lock)
    read: int = 0
    held: int = 0


class StreamDataset:
    """Windows of a folder of shards, read by spans of neighbours; made by `open_stream`.

    A `BatchSource`, for a `Loader` with `shuffle="stream"` or none. In any other order it gives the right samples too,
    and reads far too much.

    Attributes
    ----------
    block_rows : int
        Samples of every archive but the last.
    span_rows : int
        Samples of a span.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import lapsdata
    >>> from lapsdata.testing.samples import sample_shards
    >>> target = pathlib.Path(tempfile.mkdtemp()) / "clips.shards"
    >>> _ = lapsdata.write(target, sample_shards(), samples_per_shard=2)
    >>> windows = open_stream(target, span_rows=2)
    >>> len(windows), windows.block_rows
    (5, 2)
    >>> windows.close()
    """

    def __init__(
        self,
        folder: ShardsFolder,
        file: WindowFile,
        stored: Mapping[str, str],
        *,
        span_rows: int,
        cache_bytes: int,
        verify: Verify,
    ) -> None:
        self._folder, self._file, self._stored = folder, file, dict(stored)
        self._cache_bytes, self._verify = cache_bytes, verify
        fields = {name: np.dtype((one.dtype, one.shape)) for name, one in file.spec.items()}
        remote = isinstance(folder, RemoteShards)
        self._reader = None if remote else RowReader(file.pieces, fields, verify=verify)
        self.block_rows = folder.manifest.samples_per_shard
        self._grid = Spans(len(folder), self.block_rows, span_rows)
        self.span_rows = self._grid.rows
        self._processes: dict[int, _Here] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_processes"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _processes={})

    def __len__(self) -> int:
        """Return the number of windows."""
        return len(self._folder)

    def __repr__(self) -> str:
        return f"StreamDataset({len(self)} windows of {len(self.headers)} videos; {self.spec!r})"

    @property
    def _here(self) -> _Here:
        # Without a lock, which a parent's thread may have held when this process was forked.
        number = os.getpid()
        return self._processes.get(number) or self._processes.setdefault(number, _Here())

    @property
    def spec(self) -> BatchSpec:
        """What a batch holds by default."""
        return self._file.spec.only(self._file.usual)

    @property
    def fields(self) -> tuple[str, ...]:
        """Every field that can be asked for, `spec` and more."""
        return tuple(self._file.spec)

    def spec_of(self, fields: Sequence[str]) -> BatchSpec:
        """Return what a batch holds when some of `fields` are asked for."""
        return self._file.spec.only(fields)

    @property
    def headers(self) -> tuple[TracksHeader, ...]:
        """The header of each video's tracks."""
        return self._folder.headers

    @functools.cached_property
    def fingerprint(self) -> str:
        """What tells these windows from others: 16 hex digits of headers, counts, spec, times and checksums."""
        facts: list[JsonValue] = [header.as_json() for header in self.headers]
        told: dict[str, JsonValue] = {"videos": facts, "spec": repr(self.spec)}
        told["windows"] = list(self._folder.manifest.windows)
        told["content"] = content_digest(self._file.found)
        return hashlib.sha256(canonical_json(told)).hexdigest()[:16]

    @property
    def transfers(self) -> Transfers:
        """What was asked of a server in this process."""
        return self._folder.transfers if isinstance(self._folder, RemoteShards) else Transfers()

    @property
    def spans_read(self) -> int:
        """How many spans were begun in this process: beside those of an epoch, by how much reads are amplified."""
        return self._here.read

    @property
    def spans(self) -> int:
        """How many spans there are."""
        return len(np.unique(self._grid.of(np.arange(len(self)))))

    def gather(
        self,
        ids: Any,  # noqa: ANN401 - whatever NumPy makes whole numbers of
        *,
        fields: Sequence[str] | None = None,
        out: Mapping[str, NDArray[Any]] | None = None,
        to: To = "numpy",
    ) -> Batch:
        """Return windows as a batch; see `WindowDataset.gather`.

        Raises
        ------
        IndexError
            An id outside of `0 .. len - 1`.
        CorruptDataError
            A window is not what was written.
        StorageError
            An archive is gone, was replaced, or cannot be read.
        SchemaError
            A field, a buffer or `to` at fault.
        """
        numbers = checked_ids(ids)
        check_ids(numbers, len(self))
        spec = self._file.spec.only(self._file.usual if fields is None else fields)
        given = out or {}
        fitting_buffers(given, spec, len(numbers))
        batch: Batch = {name: given.get(name) for name in spec}
        batch = {name: spec[name].empty(len(numbers)) if array is None else array for name, array in batch.items()}
        stored = tuple(name for name in spec if name in self._stored)
        if self._reader is None:
            for name in set(spec) - set(stored):
                np.take(self._file.found[name], numbers, axis=0, out=batch[name])  # type: ignore[arg-type]
        if stored and len(numbers):
            self._fill(numbers, stored, batch)
        elif self._reader is not None:
            self._reader.gather(numbers, fields=list(spec), out=batch)
        return batch if to == "numpy" else tensors(batch, to)

    def _fill(self, ids: NDArray[np.int64], stored: tuple[str, ...], batch: Batch) -> None:
        numbers, inverse = np.unique(self._grid.of(ids), return_inverse=True)
        order = np.argsort(inverse, kind="stable")
        cuts = np.searchsorted(inverse[order], np.arange(1, len(numbers)))
        groups = np.split(order, cuts)
        spans = self._spans([(number, stored) for number in numbers.tolist()])
        if self._reader is not None:
            self._reader.gather(ids, fields=list(batch), out=batch)
        else:
            for (_, span), positions in zip(spans, groups, strict=True):
                data = span.data.result()
                for name in stored:
                    _copy(batch[name], positions, data[name], ids[positions] - span.first)
        here = self._here
        with here.lock:
            for (key, span), positions in zip(spans, groups, strict=True):
                span.left[ids[positions] - span.first] = False
                if not span.left.any() and here.spans.get(key) is span:
                    self._drop(here, key)

    def _spans(self, keys: Sequence[_Key]) -> list[tuple[_Key, _Span]]:
        """Return spans; those that nobody reads yet are read here, at once."""
        here, own, found = self._here, [], []
        with here.lock:
            for key in keys:
                if key not in here.spans:
                    own.append(key)
                    here.spans[key] = self._announced(key)
                    here.held += here.spans[key].nbytes
                here.spans.move_to_end(key)
                found.append((key, here.spans[key]))
            here.read += len(own)
            self._make_room(here, len(keys))
        if own:
            spans = dict(found)
            self._read(here, {key: spans[key] for key in own})
        return found

    def _announced(self, key: _Key) -> _Span:
        number, stored = key
        block, first, stop = self._grid.bounds(number)
        size = sum(self._file.spec[name].nbytes for name in stored) if self._reader is None else 0
        return _Span(block * self.block_rows + first, np.ones(stop - first, bool), (stop - first) * size)

    def _read(self, here: _Here, spans: Mapping[_Key, _Span]) -> None:
        stored = next(iter(spans))[1]
        places = [self._grid.bounds(number) for number, _ in spans]
        if self._reader is not None:
            self._folder.read_ahead(places)
            return
        try:
            names = [self._stored[name] for name in stored]
            read = self._folder.read_spans(places, fields=names, verify=self._verify != "never")
        except BaseException as error:
            with here.lock:
                for key, span in spans.items():
                    if here.spans.get(key) is span:
                        self._drop(here, key)
            for span in spans.values():
                span.data.set_exception(error)  # others may wait for it
            raise
        for span, arrays in zip(spans.values(), read, strict=True):
            span.data.set_result({name: arrays[self._stored[name]] for name in stored})

    def _make_room(self, here: _Here, wanted: int) -> None:
        """Let go of spans used longest ago, which are read again if somebody asks; the last so many stay."""
        most = max(wanted, _MOST_SPANS)
        while here.spans and (len(here.spans) > most or (here.held > self._cache_bytes and len(here.spans) > wanted)):
            self._drop(here, next(iter(here.spans)))

    def _drop(self, here: _Here, key: _Key) -> None:
        here.held -= here.spans.pop(key).nbytes

    def close(self) -> None:
        """Let go of spans, connections and threads; a later `gather` opens what it needs."""
        here = self._here
        with here.lock:
            here.spans.clear()
            here.held = 0
        if self._reader is not None:
            self._reader.close()
        if isinstance(self._folder, RemoteShards):
            self._folder.close()


def open_stream(
    path: str | os.PathLike[str],
    *,
    views: Sequence[str] | None = None,
    span_rows: int = _SPAN_ROWS,
    cache_bytes: int = _CACHE,
    verify: Verify = "first",
    remote: RemoteReader | None = None,
) -> StreamDataset:
    """Open shards of ours for reading them along their archives, from a disk or a server that wants large reads.

    A `Loader` with `shuffle="stream"` goes through them so: the archives of an epoch are shuffled and cut into
    `streams` streams of equal length, by default 64, which are read in turns; within a stream, samples change places
    inside spans of `span_rows`. Which sample comes when depends on seed, epoch, streams and position alone; a state
    is one number, and going on from it reads the spans again that are under way. Where the number of ranks divides
    that of the streams, each rank reads whole streams. Memory of a rank that reads from a server: its streams, times
    the bytes of a span.

    Parameters
    ----------
    path : path or URL
        One folder of shards of ours; several are mixed with `Mixture`.
    views : sequence of str, optional
        Which cameras; with one, fields have bare names (`tracks`), else `tracks/<view>`.
    span_rows : int
        Windows that are read at once, and shuffled.
    cache_bytes : int
        Bytes of spans of a server that are held at most; spans that had to go are read again, and counted in
        `spans_read`.
    verify : {"first", "always", "never"}
        When windows are compared with their checksums; those of a server whenever they are read, unless never.
    remote : RemoteReader, optional
        How files behind URLs are read.

    Raises
    ------
    SchemaError
        No folder of shards of ours; a view that the shards do not have; an option at fault.
    StorageError, CorruptDataError, FormatTooNewError, MissingExtraError
        See `lapsdata.open_windows`.

    Examples
    --------
    >>> import tempfile
    >>> import lapsdata
    >>> from lapsdata.loading import Loader
    >>> from lapsdata.testing.samples import sample_shards
    >>> target = Path(tempfile.mkdtemp()) / "clips.shards"
    >>> _ = lapsdata.write(target, sample_shards(), samples_per_shard=2)
    >>> windows = open_stream(target, span_rows=2)
    >>> loader = Loader(windows, batch_size=5, shuffle="stream", streams=2, seed=0)
    >>> [sorted(batch["id"].tolist()) for batch in loader]
    [[0, 1, 2, 3, 4]]
    >>> loader.close()
    """
    check_verify(verify)
    for name, value in (("span_rows", span_rows), ("cache_bytes", cache_bytes)):
        if (whole_number(value) or 0) < 1:
            raise SchemaError(Problem("wrong-value", name, f"expected a whole number from 1 on, got {value!r}"))
    folder = _opened(path, remote)
    chosen = sorted({one.view for one in folder.fields.values()}) if views is None else list(views)
    cuts = range(0, len(folder), folder.manifest.samples_per_shard)
    file = folder_file(folder, str(path) if is_url(path) else Path(path), views, folder.index, cuts)
    stored = dict(_names(folder, chosen))
    options: dict[str, Any] = {"span_rows": span_rows, "cache_bytes": cache_bytes, "verify": verify}
    return StreamDataset(folder, file, stored, **options)


def _opened(path: str | os.PathLike[str], remote: RemoteReader | None) -> ShardsFolder:
    if not is_url(path):
        return ShardsFolder(existing(Path(path)))
    reader = remote or RemoteReader()
    try:
        return RemoteShards(str(path), reader)
    except BaseException:
        reader.close()
        raise


def _names(folder: ShardsFolder, chosen: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the name of each stored field in a batch, and in the shards."""
    for name, one in folder.fields.items():
        if one.view in chosen:
            yield one.array if len(chosen) == 1 else f"{one.array}/{one.view}", name


def _copy(target: NDArray[Any], positions: NDArray[np.int64], source: NDArray[Any], rows: NDArray[np.int64]) -> None:
    """Copy rows to positions; a run of both at once."""
    run = len(rows) > 1 and bool((np.diff(rows) == 1).all() and (np.diff(positions) == 1).all())
    if run:
        target[positions[0] : positions[-1] + 1] = source[rows[0] : rows[-1] + 1]
        return
    for position, row in zip(positions.tolist(), rows.tolist(), strict=True):
        target[position] = source[row]
