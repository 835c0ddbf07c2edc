"""Windows in WebDataset shards: of ours, verified and with their times; of others, as their members are named.

Shards of others are verified where `lapsdata check PATH --seal` has put a list of checksums beside them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from lapsdata.errors import CorruptDataError, LapsError, Problem, SchemaError, UnknownFormatError
from lapsdata.formats._shards_writer import MANIFEST
from lapsdata.formats.shards_webdataset import RemoteShards, ShardsFolder
from lapsdata.loading.items import WindowFile, WindowItem, window_file, window_times
from lapsdata.storage.seal_list import with_checksums
from lapsdata.storage.tar_samples import first_json, foreign_shards

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.storage.pieces import Source
    from lapsdata.storage.remote import RemoteReader

__all__ = [
    "PART_OF_SHARDS",
    "folder_file",
    "foreign_tar",
    "remote_shards_file",
    "shards_file",
    "tar_arrays",
]

PART_OF_SHARDS = "part-of-shards"
"""Code of the problem of an archive of ours that is named alone."""

_OUR_JSON = re.compile(rb'"x-seal":"crc32c:|"video_number":\d+,"window":\d')
"""Either of the marks of a sample of ours: where one is damaged, there is the other."""


def shards_file(path: Path, views: Sequence[str] | None) -> WindowFile:
    """Open a folder of shards of ours, and read none of its windows.

    Raises
    ------
    SchemaError
        A view that the shards do not have.
    CorruptDataError, StorageError, FormatTooNewError
        See `lapsdata.formats.shards_webdataset.ShardsFolder`.
    """
    folder = ShardsFolder(path)
    return folder_file(folder, path, views, folder.index, range(0, len(folder), folder.manifest.samples_per_shard))


def remote_shards_file(url: str, views: Sequence[str] | None, reader: RemoteReader) -> WindowFile:
    """Open a folder of shards of ours behind a URL, and read none of its windows.

    Raises
    ------
    SchemaError
        A view that the shards do not have.
    CorruptDataError, StorageError, FormatTooNewError, MissingExtraError
        See `lapsdata.formats.shards_webdataset.RemoteShards`.
    """
    folder = RemoteShards(url, reader)
    return folder_file(folder, url, views, folder.remote_index, None)


def folder_file(
    folder: ShardsFolder,
    path: Path | str,
    views: Sequence[str] | None,
    index: Callable[[str], Source],
    cuts: Sequence[int] | None,
) -> WindowFile:
    """Put together what an opened folder holds; `index` says where a field lies."""
    items: list[WindowItem] = []
    parts: list[dict[str, NDArray[np.float64]]] = []
    for video, header in enumerate(folder.headers):
        start_index, frame_s, source_index = folder.times(video)
        times = window_times(frame_s, start_index, header.horizon)
        grid = (None, None) if source_index is None else (start_index, source_index)
        rows, name = len(start_index), header.video.name
        items.append(WindowItem(path, name, header, rows, times["start_s"], times.get("end_s"), *grid))
        parts.append(times)
    found: dict[str, Source] = {}
    there = sorted({field.view for field in folder.fields.values()})
    chosen = _chosen(path, there, views)
    for name, field in folder.fields.items():
        if field.view in chosen:
            found[field.array if len(chosen) == 1 else f"{field.array}/{field.view}"] = index(name)
    found |= _joined(parts)
    return window_file(path, items, found, cuts)


def foreign_tar(path: Path, views: Sequence[str] | None) -> WindowFile:
    """Open a tar of WebDataset samples of other makers: every `*.npy` member is a field.

    Raises
    ------
    SchemaError
        Samples that are unlike each other, or `views` are named.
    UnknownFormatError
        An archive of shards of ours.
    CorruptDataError, StorageError
        The archive is damaged or cut short, or may not be read; or its seal list is damaged, or tells of another one.
    """
    if views is not None:
        message = "expected no views for a tar of other makers, whose fields are named by its members"
        raise SchemaError(Problem("wrong-views", str(path), message, "leave `views` out"))
    arrays, left_out = tar_arrays(path)
    found = with_checksums(path, "tar", arrays)
    rows = next(iter(found.values())).shape[0]
    return window_file(path, [WindowItem(path, path.stem, None, rows, None, None)], found, left_out=left_out)


def tar_arrays(path: Path) -> tuple[dict[str, Source], tuple[str, ...]]:
    """Say where the arrays of all samples of a tar lie, without checksums, and which other members these have.

    Raises
    ------
    UnknownFormatError, CorruptDataError
        An archive of shards of ours, whose checksums and times only the whole folder tells.
    SchemaError, CorruptDataError, StorageError
        See `lapsdata.storage.tar_samples.foreign_shards`.
    """
    if _OUR_JSON.search(first_json(path)):
        raise _part_of_ours(path)
    shards = foreign_shards([path])
    left_out = tuple(f"*.{ending} (no npy, {count} times)" for ending, count in sorted(shards.ignored.items()))
    return {name: shards.index(name) for name in shards.fields}, left_out


def _part_of_ours(path: Path) -> LapsError:
    """Say what to do about an archive of ours that is named alone, or whose folder has lost its list."""
    folders = [path.parent, path.resolve().parent]
    whole = next((folder for folder in folders if (folder / MANIFEST).is_file()), None)
    if whole is None:
        message = f"expected {MANIFEST} beside archives of shards of ours, got none: checksums and times are told there"
        fix = (
            "take it from a copy, or make the shards anew from their tracks; what can be saved: lapsdata repair FOLDER"
        )
        return CorruptDataError(Problem("header-gone", str(path.parent), message, fix))
    message = "expected a whole folder of shards of ours, got one archive of it, which alone has no checksums and times"
    fix = f"name the folder, {whole}; for some of its windows, `subset` of that; for those of a rank, a `Loader`"
    return UnknownFormatError(Problem(PART_OF_SHARDS, str(path), message, fix))


def _chosen(path: Path | str, there: list[str], views: Sequence[str] | None) -> list[str]:
    chosen = there if views is None else list(views)
    strangers = [view for view in chosen if view not in there]
    if strangers or not chosen:
        message = f"expected some of the views {there}, got {strangers or 'none'}"
        raise SchemaError(Problem("wrong-views", str(path), message))
    return chosen


def _joined(parts: list[dict[str, NDArray[np.float64]]]) -> dict[str, NDArray[np.float64]]:
    """Put the times of videos one after the other; a time that one of them lacks is that of none."""
    common = [name for name in parts[0] if all(name in times for times in parts)]
    return {name: np.concatenate([times[name] for times in parts]) for name in common}
