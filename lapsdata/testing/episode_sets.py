"""Small data sets of LeRobot, written by hand in each layout: rows, videos and descriptions whose values are known.

They are what other programs write, and not what `lapsdata` writes: nothing of its reader or writer is used.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    from numpy.typing import NDArray

__all__ = ["CAMERA", "EpisodeRow", "drawn_frame", "episode_rows", "write_lerobot"]

CAMERA = "observation.images.top"
"""The camera of the sets."""

_TASKS = ("pick the cube", "place the cup")
_STATE, _HEIGHT, _WIDTH = 3, 48, 64


class EpisodeRow(NamedTuple):
    """Columns of one episode.

    Parameters
    ----------
    columns : dict of np.ndarray (R, ...)
    task : int
    """

    columns: dict[str, NDArray[Any]]
    task: int


def episode_rows(lengths: Sequence[int], fps: float = 10.0, start_s: float = 0.0) -> list[EpisodeRow]:
    """Return the rows of a set: each state is its episode, its row, and the sum of both.

    Parameters
    ----------
    lengths : sequence of int
        Rows of each episode.
    fps : float, rows per second
    start_s : float, seconds
        Time of the first row of each episode.

    Examples
    --------
    >>> episode_rows((2, 3))[1].columns["observation.state"].tolist()
    [[1.0, 0.0, 1.0], [1.0, 1.0, 2.0], [1.0, 2.0, 3.0]]
    """
    found, index = [], 0
    for episode, rows in enumerate(lengths):
        row = np.arange(rows)
        state = np.stack([np.full(rows, episode), row, episode + row], axis=1).astype(np.float32)
        columns = {
            "observation.state": state,
            "action": state + np.float32(0.5),
            "next.reward": (row == rows - 1).astype(np.float32),
            "timestamp": (start_s + row / fps).astype(np.float32),
            "frame_index": row.astype(np.int64),
            "episode_index": np.full(rows, episode, np.int64),
            "index": index + row.astype(np.int64),
            "task_index": np.full(rows, episode % 2, np.int64),
        }
        found.append(EpisodeRow(columns, episode % 2))
        index += rows
    return found


def drawn_frame(episode: int, row: int) -> NDArray[np.uint8]:
    """Return the frame of a row: gray, as bright as its episode and row make it, uint8 (48, 64, 3)."""
    return np.full((_HEIGHT, _WIDTH, 3), 20 + (40 * episode + 7 * row) % 216, np.uint8)


def write_lerobot(
    root: str | PathLike[str],
    *,
    version: str = "v2.1",
    lengths: Sequence[int] = (4, 6, 5),
    fps: float = 10.0,
    videos: bool = False,
    start_s: float = 0.0,
    per_file: int = 2,
) -> Path:
    """Write a data set and return its folder.

    Parameters
    ----------
    root : path
        A folder that is not there yet.
    version : {"v2.0", "v2.1", "v3.0"}
    lengths : sequence of int
        Rows of each episode.
    fps : float, rows per second
    videos : bool
        Whether there is a camera: `CAMERA`, each frame `drawn_frame`.
    start_s : float, seconds
        Time of the first row of each episode; its frames begin at 0.
    per_file : int
        Episodes in a file, of version 3.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> root = write_lerobot(pathlib.Path(tempfile.mkdtemp()) / "set", version="v3.0")
    >>> sorted(path.name for path in (root / "meta").iterdir())
    ['episodes', 'info.json', 'stats.json', 'tasks.parquet']
    """
    root = Path(root)
    rows = episode_rows(lengths, fps, start_s)
    (root / "meta").mkdir(parents=True)
    writer = _write_v3 if version == "v3.0" else _write_v2
    writer(root, rows, version, fps, videos, per_file)
    info = _info(rows, version, fps, videos)
    (root / "meta" / "info.json").write_text(json.dumps(info, indent=2))
    return root


def _info(rows: list[EpisodeRow], version: str, fps: float, videos: bool) -> dict[str, Any]:
    features: dict[str, Any] = {
        name: {"dtype": str(array.dtype), "shape": list(array.shape[1:]) or [1], "names": None}
        for name, array in rows[0].columns.items()
    }
    if videos:
        features[CAMERA] = {
            "dtype": "video",
            "shape": [_HEIGHT, _WIDTH, 3],
            "names": ["height", "width", "channels"],
            "info": {"video.fps": fps, "video.codec": "h264"},
        }
    common = {
        "codebase_version": version,
        "robot_type": "drawn",
        "total_episodes": len(rows),
        "total_frames": sum(len(row.columns["index"]) for row in rows),
        "total_tasks": len(_TASKS),
        "fps": fps,
        "splits": {"train": f"0:{len(rows)}"},
        "features": features,
        "chunks_size": 1000,
    }
    if version == "v3.0":
        return {
            **common,
            "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
            "video_path": "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4" if videos else None,
        }
    return {
        **common,
        "total_videos": len(rows) * videos,
        "total_chunks": 1,
        "data_path": "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet",
        "video_path": "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4",
    }


def _write_v2(root: Path, rows: list[EpisodeRow], version: str, fps: float, videos: bool, per_file: int) -> None:
    meta = root / "meta"
    _lines(meta / "tasks.jsonl", [{"task_index": n, "task": words} for n, words in enumerate(_TASKS)])
    told, stats = [], []
    for number, row in enumerate(rows):
        length = len(row.columns["index"])
        _table(root / f"data/chunk-000/episode_{number:06d}.parquet", [row])
        told.append({"episode_index": number, "tasks": [_TASKS[row.task]], "length": length})
        stats.append({"episode_index": number, "stats": _stats([row], ("min", "max", "mean", "std", "count"))})
        if videos:
            _video(root / f"videos/chunk-000/{CAMERA}/episode_{number:06d}.mp4", [number], rows, fps)
    _lines(meta / "episodes.jsonl", told)
    if version == "v2.1":
        _lines(meta / "episodes_stats.jsonl", stats)
    else:
        (meta / "stats.json").write_text(json.dumps(_stats(rows, ("min", "max", "mean", "std", "q01", "q99"))))


def _write_v3(root: Path, rows: list[EpisodeRow], version: str, fps: float, videos: bool, per_file: int) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    meta = root / "meta"
    told: list[dict[str, Any]] = []
    begin = 0
    for number, row in enumerate(rows):
        length = len(row.columns["index"])
        one = {
            "episode_index": number,
            "tasks": [_TASKS[row.task]],
            "length": length,
            "data/chunk_index": 0,
            "data/file_index": number // per_file,
            "dataset_from_index": begin,
            "dataset_to_index": begin + length,
        }
        if videos:
            # The files of videos are others than those of rows: what holds for one does not for the other.
            file, inside = divmod(number, per_file + 1)
            earlier = sum(len(rows[other].columns["index"]) for other in range(number - inside, number))
            one |= {
                f"videos/{CAMERA}/chunk_index": 0,
                f"videos/{CAMERA}/file_index": file,
                f"videos/{CAMERA}/from_timestamp": earlier / fps,
                f"videos/{CAMERA}/to_timestamp": (earlier + length) / fps,
            }
        told.append(one)
        begin += length
    for file in range(-(-len(rows) // per_file)):
        _table(root / f"data/chunk-000/file-{file:03d}.parquet", rows[file * per_file : (file + 1) * per_file])
    if videos:
        for file in range(-(-len(rows) // (per_file + 1))):
            shown = range(file * (per_file + 1), min(len(rows), (file + 1) * (per_file + 1)))
            _video(root / f"videos/{CAMERA}/chunk-000/file-{file:03d}.mp4", shown, rows, fps)
    folder = meta / "episodes" / "chunk-000"
    folder.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(told), folder / "file-000.parquet")
    numbers = list(range(len(_TASKS)))
    pq.write_table(pa.table({"task_index": numbers, "__index_level_0__": list(_TASKS)}), meta / "tasks.parquet")
    told_stats = _stats(rows, ("min", "max", "mean", "std", "count", "q01", "q10", "q50", "q90", "q99"))
    (meta / "stats.json").write_text(json.dumps(told_stats))


def _table(path: Path, rows: Sequence[EpisodeRow]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    tables = []
    for row in rows:
        columns = {}
        for name, array in row.columns.items():
            flat = pa.array(array.reshape(-1))
            columns[name] = flat if array.ndim == 1 else pa.FixedSizeListArray.from_arrays(flat, array.shape[1])
        tables.append(pa.table(columns))
    with pq.ParquetWriter(path, tables[0].schema) as writer:
        for table in tables:
            writer.write_table(table)


def _video(path: Path, episodes: Sequence[int], rows: list[EpisodeRow], fps: float) -> None:
    from lapsdata.video.writer import write_video

    path.parent.mkdir(parents=True, exist_ok=True)
    frames = [drawn_frame(number, row) for number in episodes for row in rows[number].columns["frame_index"].tolist()]
    write_video(path, frames, np.arange(len(frames)) / fps)


def _stats(rows: Sequence[EpisodeRow], kinds: Sequence[str]) -> dict[str, dict[str, list[Any]]]:
    """Return numbers of each column in plain NumPy, as lists; `std` is that of all values, not of a sample."""
    found = {}
    for name in rows[0].columns:
        values = np.concatenate([row.columns[name] for row in rows]).astype(np.float64)
        values = values.reshape(len(values), -1)
        numbers = {"min": values.min(0), "max": values.max(0), "mean": values.mean(0), "std": values.std(0)}
        numbers |= {f"q{q:02d}": np.quantile(values, q / 100, axis=0) for q in (1, 10, 50, 90, 99)}
        told = {kind: numbers[kind].tolist() for kind in kinds if kind != "count"}
        found[name] = told | ({"count": [len(values)]} if "count" in kinds else {})
    return found


def _lines(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
