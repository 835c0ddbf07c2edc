"""Version 3.0: many episodes in a file of rows and in a video, as the columns of `meta/episodes/` tell of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lapsdata.adapters.lerobot.info import INFO
from lapsdata.adapters.lerobot.layout import Places, formatted, numbers_of
from lapsdata.errors import Problem, SchemaError

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa
    from numpy.typing import NDArray

    from lapsdata.adapters.lerobot.info import Info

__all__ = ["places"]


def places(root: Path, info: Info, episodes: pa.Table) -> Places:
    """Return where episodes lie: rows and every camera by columns of their own, which need not be the same."""
    where = str(root / "meta/episodes")
    chunk, file = (numbers_of(episodes, f"data/{name}_index", where) for name in ("chunk", "file"))
    pairs, file_index = _distinct(chunk, file)
    told = f"{root / INFO}: data_path"
    files = tuple(formatted(info.data_path, told, chunk_index=c, file_index=f) for c, f in pairs)
    videos: list[str] = []
    index, start_s = {}, {}
    for camera in (camera.name for camera in info.cameras if camera.stored == "video"):
        index[camera], start_s[camera], found = _videos(root, info, episodes, camera)
        index[camera] = np.where(index[camera] < 0, -1, index[camera] + len(videos))
        videos += found
    return Places(files, file_index, _first_rows(episodes, file_index, where), tuple(videos), index, start_s)


def _first_rows(episodes: pa.Table, file_index: NDArray[np.int64], where: str) -> NDArray[np.int64]:
    """Return the first row of each episode in its file, which holds episodes in order of `dataset_from_index`."""
    begin = numbers_of(episodes, "dataset_from_index", where)
    length = numbers_of(episodes, "length", where)
    stop = numbers_of(episodes, "dataset_to_index", where)
    wrong = np.flatnonzero(stop - begin != length)
    if len(wrong):
        at = int(wrong[0])
        number = numbers_of(episodes, "episode_index", where)[at]
        message = (
            f"expected dataset_to_index - dataset_from_index = {length[at]}, the length, got {stop[at] - begin[at]}"
        )
        more = f" ({len(wrong)} such episodes)" if len(wrong) > 1 else ""
        raise SchemaError(Problem("wrong-length", f"{where}: episode {number}", message + more))
    order = np.lexsort((begin, file_index))
    running = np.cumsum(length[order]) - length[order]
    new_file = np.concatenate([[True], np.diff(file_index[order]) > 0])
    base = running[new_file][np.cumsum(new_file) - 1]
    first = np.empty(len(order), np.int64)
    first[order] = running - base
    return first


def _videos(
    root: Path, info: Info, episodes: pa.Table, camera: str
) -> tuple[NDArray[np.int64], NDArray[np.float64], list[str]]:
    """Return which video shows each episode, where its time 0 lies in it, and the videos of a camera."""
    names = [f"videos/{camera}/{name}" for name in ("chunk_index", "file_index", "from_timestamp")]
    if not set(names) <= set(episodes.schema.names):
        return np.full(len(episodes), -1), np.full(len(episodes), np.nan), []
    chunk, file, begin = (_or_missing(episodes, name) for name in names)
    there = ~(np.isnan(chunk) | np.isnan(file) | np.isnan(begin))
    pairs, index = _distinct(chunk[there].astype(np.int64), file[there].astype(np.int64))
    every = np.full(len(episodes), -1)
    every[there] = index
    told = f"{root / INFO}: video_path"
    files = [formatted(info.video_path, told, video_key=camera, chunk_index=c, file_index=f) for c, f in pairs]
    return every, np.where(there, begin, np.nan), files


def _or_missing(episodes: pa.Table, name: str) -> NDArray[np.float64]:
    import pyarrow as pa

    found: NDArray[np.float64] = episodes.column(name).cast(pa.float64()).to_numpy()
    return found


def _distinct(chunk: NDArray[np.int64], file: NDArray[np.int64]) -> tuple[list[list[int]], NDArray[np.int64]]:
    """Return each pair of numbers once, rising, and which of them every row has."""
    pairs, index = np.unique(np.stack([chunk, file], axis=1), axis=0, return_inverse=True)
    return pairs.tolist(), index.reshape(-1).astype(np.int64)
