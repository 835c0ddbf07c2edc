"""What a data set of windows is made of: files, the videos in them with headers and times, and pieces to read from."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.containers.window_times import step_times
from lapsdata.errors import Problem, SchemaError, UnknownFormatError
from lapsdata.loading.source import BatchSpec, FieldSpec
from lapsdata.storage.index import ChunkIndex
from lapsdata.storage.remote_index import RemoteIndex
from lapsdata.timebase import window_time_s

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.formats._format import Format
    from lapsdata.formats._tracks_index import TracksIndex
    from lapsdata.schema.tracks import TracksHeader
    from lapsdata.storage.pieces import Source

__all__ = [
    "IndexedPiece", "WindowFile", "WindowItem", "content_digest", "tracks_file", "window_file", "window_times",
]  # fmt: skip

_UNITS = {"tracks": "pixel xy", "start_s": "seconds", "end_s": "seconds", "step_s": "seconds"}
_DTYPES = {"tracks": np.dtype(np.float32), "vis": np.dtype(np.bool_), "confidence": np.dtype(np.float32)}

_PIECE_FILES = 64
"""Files that one piece may need: a large array that lies in more is opened in parts."""


@dataclass(frozen=True, eq=False)
class IndexedPiece:
    """Rows whose place is known already."""

    where: str
    rows: int
    found: Mapping[str, Source]

    def sources(self) -> Mapping[str, Source]:
        """Return where each field lies."""
        return self.found


@dataclass(frozen=True, eq=False)
class WindowItem:
    """The windows of one video in one file.

    Parameters
    ----------
    path : Path, or str for a URL
    video : str
    header : TracksHeader or None
        None for a file that carries none.
    rows : int
        Number of windows W.
    start_s, end_s : float64 (W,), seconds, or None
        None where the file carries no time; the end also where a single frame has no interval.
    start_index : int64 (W,) or None
    source_index : int64 (F,) or None
        Both where the times are a grid laid over the frames of the video: which frame stands for each time.
    """

    path: Path | str
    video: str
    header: TracksHeader | None
    rows: int
    start_s: NDArray[np.float64] | None
    end_s: NDArray[np.float64] | None
    start_index: NDArray[np.int64] | None = None
    source_index: NDArray[np.int64] | None = None


@dataclass(frozen=True, eq=False)
class WindowFile:
    """One file or folder: its videos, and where their windows lie.

    Parameters
    ----------
    path : Path, or str for a URL
    items : tuple of WindowItem
        By video, in the order of the windows.
    pieces : tuple of IndexedPiece
        The same windows in the same order, by the files that they lie in.
    spec : BatchSpec
        Every field that the windows have.
    usual : tuple of str
        The fields that a batch holds by default.
    summed : bool
        Whether each window has a checksum.
    found : mapping of Source
        Where each field of all its windows lies.
    left_out : tuple of str
        What else lies in it and is not read, each with the reason.
    """

    path: Path | str
    items: tuple[WindowItem, ...]
    pieces: tuple[IndexedPiece, ...]
    spec: BatchSpec
    usual: tuple[str, ...]
    summed: bool
    found: Mapping[str, Source]
    left_out: tuple[str, ...] = ()


def window_file(
    path: Path | str,
    items: Sequence[WindowItem],
    found: Mapping[str, Source],
    cuts: Sequence[int] | None = None,
    left_out: Sequence[str] = (),
) -> WindowFile:
    """Put together a file whose arrays have been found.

    Parameters
    ----------
    path : Path or str
    items : sequence of WindowItem
    found : mapping of Source
        By field; arrays in memory are times, of which `start_s` is in every batch.
    cuts : sequence of int, optional
        First row of each piece, where the arrays say where they are best parted.
    left_out : sequence of str
        See `WindowFile`.
    """
    stored = [name for name, source in found.items() if not isinstance(source, np.ndarray)]
    spec = window_spec(found)
    usual = (*sorted(stored, key=_order), *(["start_s"] if "start_s" in found else []))
    summed = all(getattr(found[name], "row_crc32c", None) is not None for name in stored)
    rows = sum(item.rows for item in items)
    pieces = tuple(_pieces(str(path), rows, found, cuts))
    return WindowFile(path, tuple(items), pieces, spec, usual, summed, found, tuple(left_out))


def window_spec(found: Mapping[str, Source]) -> BatchSpec:
    """Return what a window holds: stored fields in their usual order, then times."""
    stored = [name for name, source in found.items() if not isinstance(source, np.ndarray)]
    names = dict.fromkeys([*sorted(stored, key=_order), *(["start_s"] if "start_s" in found else []), *found])
    return BatchSpec({name: _field(name, found[name]) for name in names})


def content_digest(found: Mapping[str, Source]) -> str:
    """Return the digest of what opening has told of the values of windows: times, and the checksum of each window.

    None of the windows is read. Of an array without checksums nothing is known: it is told by its name alone.
    """
    digest = hashlib.sha256()
    for name in sorted(found):
        source = found[name]
        values = source if isinstance(source, np.ndarray) else source.row_crc32c
        known = b"" if values is None else values.astype(values.dtype.newbyteorder("<")).tobytes()
        digest.update(f"{name}\0{len(known)}\0".encode())
        digest.update(known)
    return f"sha256:{digest.hexdigest()}"


def tracks_file(path: Path, plugin: Format[Any], views: Sequence[str] | None) -> WindowFile:
    """Open a tracks file of ours, and read none of its windows.

    Parameters
    ----------
    path : Path
    plugin : Format
        The one that recognises it.
    views : sequence of str or None
        Which cameras; None for all.

    Raises
    ------
    UnknownFormatError
        Not a tracks file, or one of a format whose windows cannot be read one by one.
    SchemaError
        A view that it does not have.
    CorruptDataError, StorageError, FormatTooNewError
        See `lapsdata.read`.
    """
    index = getattr(plugin, "index", None)
    if index is None:
        message = f"expected tracks whose windows can be read one by one, got {plugin.name}"
        fix = "convert it: lapsdata convert SRC DST --to zarr"
        raise UnknownFormatError(Problem("not-by-windows", str(path), message, fix))
    return indexed_file(path, index(path), views)


def indexed_file(path: Path, index: TracksIndex, views: Sequence[str] | None) -> WindowFile:
    """Put together a file from its index; see `tracks_file`."""
    header = index.header
    chosen = sorted(header.views) if views is None else list(views)
    strangers = [view for view in chosen if view not in header.views]
    if strangers or not chosen:
        message = f"expected some of the views {sorted(header.views)}, got {strangers or 'none'}"
        raise SchemaError(Problem("wrong-views", str(path), message))
    found: dict[str, Source] = {}
    for view in chosen:
        for name, source in index.sources[view].items():
            found[name if len(chosen) == 1 else f"{name}/{view}"] = source
    times = window_times(index.frame_s, index.start_index, header.horizon)
    grid = (None, None) if index.source_index is None else (index.start_index, index.source_index)
    rows, name = len(index.start_index), header.video.name
    item = WindowItem(path, name, header, rows, times["start_s"], times.get("end_s"), *grid)
    return window_file(path, [item], found | times)


def window_times(
    frame_s: NDArray[np.float64], start_index: NDArray[np.int64], horizon: int
) -> dict[str, NDArray[np.float64]]:
    """Return start, end (where the frames have an interval) and the time of each step of windows, in seconds."""
    step_s = step_times(frame_s, start_index, horizon)
    times = {"start_s": np.ascontiguousarray(step_s[:, 0]), "step_s": step_s}
    if len(frame_s) > 1:
        times["end_s"] = window_time_s(frame_s, start_index, horizon)[1]
    return times


def _order(name: str) -> tuple[str, int, str]:
    field, _, view = name.partition("/")
    known = list(_DTYPES)
    return view, known.index(field) if field in known else len(known), field


def _field(name: str, source: Any) -> FieldSpec:  # noqa: ANN401 - any kind of source
    kind = name.partition("/")[0]
    # What no record of ours speaks of (an array in a tar of others) stays what it is.
    dtype = _DTYPES.get(kind, source.dtype.newbyteorder("="))
    return FieldSpec(tuple(source.shape[1:]), dtype, _UNITS.get(kind))


def _pieces(where: str, rows: int, found: Mapping[str, Source], cuts: Sequence[int] | None) -> list[IndexedPiece]:
    """Part a file whose arrays lie in many, so that few of these are open for a few windows."""
    arrays = [source for source in found.values() if not isinstance(source, np.ndarray)]
    if cuts is None:
        files = max((len(source.files) for source in arrays if isinstance(source, ChunkIndex)), default=1)
        apart = files > _PIECE_FILES and all(isinstance(source, ChunkIndex) and source.by_row for source in arrays)
        cuts = range(0, rows, max(1, rows * _PIECE_FILES // files)) if apart else [0]
    if len(cuts) == 1:
        return [IndexedPiece(where, rows, found)]
    return [
        IndexedPiece(where, stop - first, {name: rows_of(source, first, stop) for name, source in found.items()})
        for first, stop in itertools.pairwise([*cuts, rows])
    ]


def rows_of(source: Source, first: int, stop: int) -> Source:
    """Return a run of the rows of an array; where rows share chunks, only all of them can be had."""
    if (first, stop) == (0, source.shape[0]):
        return source
    if isinstance(source, np.ndarray):
        return source[first:stop]
    if isinstance(source, ChunkIndex | RemoteIndex):
        return source.part(first, stop)
    raise TypeError(type(source).__name__)
