"""What a set says of itself, in the words of each version: `meta/` written from what another says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lapsdata.adapters.lerobot._out_stats import QUANTILES
from lapsdata.adapters.lerobot.info import DATA_V2, DATA_V3, INFO, VIDEO_V2, VIDEO_V3, Version, read_json
from lapsdata.adapters.lerobot.layout import columns_beside, numbers_of
from lapsdata.adapters.lerobot.tables import find_table
from lapsdata.storage.atomic import atomic_file, storage_errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from lapsdata.adapters.lerobot._out_stats import SetStats
    from lapsdata.adapters.lerobot.info import Info
    from lapsdata.adapters.lerobot.reading import LeRobotSet
    from lapsdata.schema import Task

__all__ = ["CHUNK", "DATA_MB", "VIDEO_MB", "Told", "told_of", "write_info", "write_json", "write_lines", "write_meta"]

CHUNK, DATA_MB, VIDEO_MB = 1000, 100, 200
"""Episodes (versions 2) or files (version 3) in a folder; sizes of the files of version 3: what LeRobot writes."""

_OF_V2 = ("total_videos", "total_chunks")
_OF_V3 = ("data_files_size_in_mb", "video_files_size_in_mb")
_KINDS: dict[Version, tuple[str, ...]] = {
    "v2.0": ("min", "max", "mean", "std", "q01", "q99"),
    "v2.1": ("min", "max", "mean", "std", "count"),
    "v3.0": ("min", "max", "mean", "std", "count", *QUANTILES),
}


class Told(NamedTuple):
    """What is written of a set beside its rows and videos.

    Parameters
    ----------
    info : dict
        `info.json` without what depends on the version.
    tasks : tuple of Task
    episodes : list of dict
        Of each: `episode_index`, `tasks` in words, `length`, and what else was told of it.
    last : int
        The largest number of an episode.
    videos : int
        Files of videos, one for each camera of each episode.
    """

    info: dict[str, Any]
    tasks: tuple[Task, ...]
    episodes: list[dict[str, Any]]
    last: int
    videos: int


def told_of(found: LeRobotSet) -> tuple[Told, dict[int, dict[str, Any]], bool]:
    """Return what is to be told of a set, what it tells of episodes by number, and whether its splits were true."""
    episodes = found.episodes
    info = dict(read_json(found.root / INFO))
    info["features"] = _features(info["features"], found.info)
    words = {task.number: task.words for task in episodes.header.tasks}
    listed = find_table(found.root / "meta", "episodes", leave_out="stats/")
    table = listed.table if listed is not None else None
    raw: dict[int, dict[str, Any]] = {}
    if table is not None:
        numbers = numbers_of(table, "episode_index", "meta/episodes").tolist()
        raw = dict(zip(numbers, table.to_pylist(), strict=True))
    each = []
    for place, (number, rows) in enumerate(zip(episodes.number.tolist(), episodes.rows.tolist(), strict=True)):
        own = {"episode_index": number, "tasks": [words[task] for task in episodes.tasks_of(place).tolist()]}
        one = raw.get(number, {})
        each.append({**own, "length": rows, **{name: one[name] for name in columns_beside(one)}})
    last = int(episodes.number[-1])
    splits_true = _true_splits(info.get("splits"), last)
    if not splits_true:
        info["splits"] = {"train": f"0:{last + 1}"}
    info |= {"total_episodes": len(each), "total_frames": int(episodes.rows.sum()), "total_tasks": len(words)}
    videos = sum(int((index >= 0).sum()) for index in episodes.video_index.values())
    return Told(info, episodes.header.tasks, each, last, videos), raw, splits_true


def _features(told: dict[str, Any], info: Info) -> dict[str, Any]:
    """Return the description of the columns and cameras that are there, with the types that they have."""
    columns = {feature.name: feature for feature in info.features}
    cameras = {camera.name for camera in info.cameras}
    kept: dict[str, Any] = {}
    for name, one in told.items():
        if name in columns:
            own = columns[name]
            kept[name] = {**one, "dtype": "string" if own.dtype == "text" else own.dtype}
        elif name in cameras:
            kept[name] = one
    for name, own in columns.items():
        dtype = "string" if own.dtype == "text" else own.dtype
        kept.setdefault(name, {"dtype": dtype, "shape": list(own.shape or (1,)), "names": None})
    return kept


def _true_splits(splits: Any, last: int) -> bool:  # noqa: ANN401 - whatever JSON holds
    if not isinstance(splits, dict) or not splits:
        return False
    spans = [str(span).split(":") for span in splits.values()]
    return all(len(span) == 2 and span[1].isdigit() and int(span[1]) <= last + 1 for span in spans)


def write_info(root: Path, told: Told, version: Version, **others: Any) -> None:  # noqa: ANN401 - JSON
    """Write `info.json`, last of all files of a set."""
    others_of = _OF_V2 if version == "v3.0" else _OF_V3
    info = {name: value for name, value in told.info.items() if name not in (*others_of, *others)}
    cameras = any(one["dtype"] == "video" for one in info["features"].values())
    info |= {"codebase_version": version, "chunks_size": CHUNK, **others}
    if version == "v3.0":
        info |= {"data_path": DATA_V3, "video_path": VIDEO_V3 if cameras else None}
    else:
        info |= {"total_videos": told.videos, "total_chunks": _chunks(told)}
        info |= {"data_path": DATA_V2, "video_path": VIDEO_V2 if cameras else None}
    write_json(root / INFO, info)


def _chunks(told: Told) -> int:
    return len({one["episode_index"] // CHUNK for one in told.episodes})


def write_meta(
    root: Path, told: Told, version: Version, stats: SetStats, places: Sequence[Mapping[str, Any]] = ()
) -> None:
    """Write all of `meta/` but `info.json`.

    Parameters
    ----------
    root : Path
    told : Told
    version : {"v2.0", "v2.1", "v3.0"}
    stats : SetStats
    places : sequence of mapping
        Of version 3: where each episode lies.
    """
    meta = root / "meta"
    with storage_errors(meta, "write"):
        meta.mkdir(parents=True, exist_ok=True)
        kinds = _KINDS[version]
        if version == "v3.0":
            _write_tables(meta, told, stats, places)
        else:
            write_lines(meta / "episodes.jsonl", told.episodes)
            write_lines(meta / "tasks.jsonl", ({"task_index": one.number, "task": one.words} for one in told.tasks))
        if version == "v2.1":
            write_lines(meta / "episodes_stats.jsonl", _stats_lines(told, stats, kinds))
        else:
            total = {name: _plain(one, kinds) for name, one in stats.total.items()}
            write_json(meta / "stats.json", total)


def _stats_lines(told: Told, stats: SetStats, kinds: Sequence[str]) -> Iterable[dict[str, Any]]:
    for place, one in enumerate(told.episodes):
        own = {
            name: _plain({kind: each[place] for kind, each in column.items() if each[place] is not None}, kinds)
            for name, column in stats.episodes.items()
        }
        yield {"episode_index": one["episode_index"], "stats": {name: each for name, each in own.items() if each}}


def _plain(one: Mapping[str, Any], kinds: Sequence[str]) -> dict[str, Any]:
    return {kind: np.asarray(one[kind]).tolist() for kind in kinds if kind in one}


def _write_tables(meta: Path, told: Told, stats: SetStats, places: Sequence[Mapping[str, Any]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    own = {"meta/episodes/chunk_index": 0, "meta/episodes/file_index": 0}
    rows = [{**one, **place, **own} for one, place in zip(told.episodes, places, strict=True)]
    table = pa.Table.from_pylist(rows)
    for name, column in stats.episodes.items():
        for kind in _KINDS["v3.0"]:
            if kind in column:
                table = table.append_column(f"stats/{name}/{kind}", _lists(column[kind]))
    path = meta / "episodes/chunk-000/file-000.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(table, path)
    # LeRobot takes the words from the index of a table of pandas, which this says is the column `task`.
    numbers, words = [one.number for one in told.tasks], [one.words for one in told.tasks]
    tasks = pa.table({"task_index": pa.array(numbers, pa.int64()), "task": pa.array(words, pa.string())})
    pq.write_table(tasks.replace_schema_metadata({"pandas": json.dumps(_PANDAS)}), meta / "tasks.parquet")


_PANDAS = {
    "index_columns": ["task"],
    "column_indexes": [],
    "columns": [
        {
            "name": "task_index",
            "field_name": "task_index",
            "pandas_type": "int64",
            "numpy_type": "int64",
            "metadata": None,
        },
        {"name": "task", "field_name": "task", "pandas_type": "unicode", "numpy_type": "object", "metadata": None},
    ],
    "pandas_version": "2.0.0",
}


def _lists(values: Any) -> Any:  # noqa: ANN401 - pyarrow publishes no types
    """Return a column of lists: of vectors without an object per number."""
    import pyarrow as pa

    if not isinstance(values, np.ndarray) or values.ndim != 2:
        return pa.array([None if one is None else np.asarray(one).tolist() for one in values])
    offsets = np.arange(len(values) + 1, dtype=np.int32) * values.shape[1]
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values.reshape(-1)))


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write JSON lines, in place of what is there."""
    with atomic_file(path, overwrite=True) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def write_json(path: Path, told: object) -> None:
    """Write a file of JSON, in place of what is there."""
    with atomic_file(path, overwrite=True) as temporary:
        temporary.write_text(json.dumps(told, indent=4, ensure_ascii=False), encoding="utf-8")
