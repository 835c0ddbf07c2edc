"""Windows in WebDataset shards: of ours, verified and with their times; of others, as their members are named.

Shards of others are verified where `lapsdata check PATH --seal` has put a list of checksums beside them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lapsdata.errors import Problem, SchemaError
from lapsdata.formats.shards_webdataset import RemoteShards, ShardsFolder
from lapsdata.loading.items import WindowFile, WindowItem, window_file, window_times
from lapsdata.storage.seal_list import with_checksums
from lapsdata.storage.tar_samples import foreign_shards

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.storage.pieces import Source
    from lapsdata.storage.remote import RemoteReader

__all__ = ["folder_file", "foreign_tar", "remote_shards_file", "shards_file", "tar_arrays"]


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
    CorruptDataError, StorageError
        The archive is damaged or cut short, or may not be read; or its seal list is damaged, or tells of another one.
    """
    if views is not None:
        message = "expected no views for a tar of other makers, whose fields are named by its members"
        raise SchemaError(Problem("wrong-views", str(path), message, "leave `views` out"))
    found = with_checksums(path, "tar", tar_arrays(path))
    rows = next(iter(found.values())).shape[0]
    return window_file(path, [WindowItem(path, path.stem, None, rows, None, None)], found)


def tar_arrays(path: Path) -> dict[str, Source]:
    """Say where the arrays of all samples of a tar lie, by the endings of their members; without checksums.

    Raises
    ------
    SchemaError, CorruptDataError, StorageError
        See `lapsdata.storage.tar_samples.foreign_shards`.
    """
    shards = foreign_shards([path])
    return {name: shards.index(name) for name in shards.fields}


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
