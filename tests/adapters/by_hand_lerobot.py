"""How LeRobot itself finds what belongs to a row, written by hand from its sources: nothing of our reader is used.

Version 3.0 goes by place: the row of an episode in the table of episodes, rows of all files one behind the other, the
word of a task in the index of a table of pandas, a frame at `from_timestamp + timestamp` within 0.1 ms.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from pathlib import Path

TOLERANCE_S = 1e-4


class Row(NamedTuple):
    """What LeRobot gives for a row."""

    values: dict[str, Any]
    task: str
    images: dict[str, np.ndarray]


def info_of(root: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((root / "meta/info.json").read_text())
    return told


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def cameras_of(root: Path) -> list[str]:
    return [name for name, one in info_of(root)["features"].items() if one["dtype"] == "video"]


def frame_at(path: Path, time_s: float) -> np.ndarray:
    with av.open(str(path)) as video:
        frames = {float(frame.pts * frame.time_base): frame for frame in video.decode(video=0)}
        nearest = min(frames, key=lambda t: abs(t - time_s))
        assert abs(nearest - time_s) < TOLERANCE_S, (path, time_s, nearest)
        return frames[nearest].to_ndarray(format="rgb24")


def words_of(root: Path) -> list[str]:
    """Return tasks as `tasks.iloc[task_index].name` finds them."""
    table = pq.read_table(root / "meta/tasks.parquet")
    (index,) = json.loads(table.schema.metadata[b"pandas"])["index_columns"]
    found: list[str] = table.column(index).to_pylist()
    return found


def rows_v3(root: Path) -> list[Row]:
    """Return every row of a set of version 3.0."""
    told = info_of(root)
    assert told["codebase_version"] == "v3.0"
    tables = [pq.read_table(path) for path in sorted((root / "data").glob("*/*.parquet"))]
    every = pa.concat_tables(tables).to_pylist()
    episodes = pa.concat_tables([pq.read_table(path) for path in sorted((root / "meta/episodes").glob("*/*"))])
    listed, words, found = episodes.to_pylist(), words_of(root), []
    assert len(every) == told["total_frames"] == listed[-1]["dataset_to_index"]
    assert len(listed) == told["total_episodes"]
    for number, row in enumerate(every):
        episode = listed[row["episode_index"]]
        assert episode["dataset_from_index"] <= number < episode["dataset_to_index"]
        images = {}
        for camera in cameras_of(root):
            place = {name: episode[f"videos/{camera}/{name}"] for name in ("chunk_index", "file_index")}
            path = root / told["video_path"].format(video_key=camera, **place)
            images[camera] = frame_at(path, episode[f"videos/{camera}/from_timestamp"] + row["timestamp"])
        assert words[row["task_index"]] in episode["tasks"]
        found.append(Row(row, words[row["task_index"]], images))
    return found


def rows_v2(root: Path) -> list[Row]:
    """Return every row of a set of versions 2."""
    told = info_of(root)
    assert told["codebase_version"] in ("v2.0", "v2.1")
    words = {one["task_index"]: one["task"] for one in lines(root / "meta/tasks.jsonl")}
    listed, found = lines(root / "meta/episodes.jsonl"), []
    assert len(listed) == told["total_episodes"]
    assert told["total_videos"] == len(listed) * len(cameras_of(root))
    for episode in listed:
        number = episode["episode_index"]
        place = {"episode_chunk": number // told["chunks_size"], "episode_index": number}
        rows = pq.read_table(root / told["data_path"].format(**place)).to_pylist()
        assert len(rows) == episode["length"]
        for row in rows:
            images = {
                camera: frame_at(root / told["video_path"].format(video_key=camera, **place), row["timestamp"])
                for camera in cameras_of(root)
            }
            assert words[row["task_index"]] in episode["tasks"]
            found.append(Row(row, words[row["task_index"]], images))
    assert len(found) == told["total_frames"]
    return found


def rows_by_hand(root: Path) -> list[Row]:
    return rows_v3(root) if info_of(root)["codebase_version"] == "v3.0" else rows_v2(root)


def expect_equal_rows(one: Path, other: Path) -> None:
    for left, right in zip(rows_by_hand(one), rows_by_hand(other), strict=True):
        assert left.values == right.values
        assert left.task == right.task
        assert left.images.keys() == right.images.keys()
        for camera, image in left.images.items():
            np.testing.assert_array_equal(image, right.images[camera])
