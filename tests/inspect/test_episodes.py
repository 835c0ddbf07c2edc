"""What is told of robot episodes: each of those that are listed, its videos as they are, and what is said of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lapsdata._inspect import InspectedEpisodes, look_at
from lapsdata.containers import Episodes
from lapsdata.errors import LapsError, SchemaError
from lapsdata.testing.episode_sets import CAMERA, write_lerobot
from lapsdata.testing.samples import sample_episodes

if TYPE_CHECKING:
    from pathlib import Path


def seen(root: Path, most: int | None = None) -> InspectedEpisodes:
    found = look_at(root, most_episodes=most)
    assert isinstance(found, InspectedEpisodes)
    return found


@pytest.mark.parametrize("version", ["v2.0", "v2.1", "v3.0"])
def test_every_episode_with_its_rows_seconds_tasks_and_videos(tmp_path: Path, version: str) -> None:
    found = seen(write_lerobot(tmp_path / "set", version=version, videos=True, start_s=0.05))
    assert [(one.number, one.rows, one.seconds) for one in found.listed] == [(0, 4, 0.4), (1, 6, 0.6), (2, 5, 0.5)]
    assert [one.tasks for one in found.listed] == [("pick the cube",), ("place the cup",), ("pick the cube",)]
    videos = [one.videos[CAMERA] for one in found.listed]
    starts = [0.0, 0.4, 1.0] if version == "v3.0" else [0.0, 0.0, 0.0]
    assert [video.start_s for video in videos] == pytest.approx(starts)
    assert {video.text.partition(", GOP")[0] for video in videos} == {"h264 64x48, 10 fps"}
    assert found.remark is None


def test_facts_tables_and_json(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", videos=True)
    found = seen(root)
    facts = found.facts()
    assert facts["format"] == "lerobot v2.1, read as robot episodes"
    assert facts["cameras"] == f"{CAMERA} (video, stated: h264 64x48 10 fps)"
    (_, features), (columns, episodes) = found.tables()
    assert features[0] == ["observation.state", "float32", "(3,)", ""]
    assert columns == ["episode", "rows", "seconds", CAMERA, "tasks"]
    assert episodes[1][:3] == ["1", "6", "0.60"]
    told = json.loads(json.dumps(found.as_json()))
    assert (told["count"], told["rows"], told["header"]["robot"]) == (3, 15, "drawn")
    video = told["episodes"][2]["videos"][CAMERA]
    assert (video["codec"], video["frames"], video["rate"], video["refused"]) == ("h264", 5, "10", None)


@pytest.mark.parametrize(
    ("version", "wanted"),
    [
        ("v2.0", "of all rows in meta/stats.json"),
        ("v2.1", "of each episode in meta/episodes_stats.jsonl"),
        ("v3.0", "of all rows in meta/stats.json; of each episode in meta/episodes: stats/*"),
    ],
)
def test_where_statistics_stand(tmp_path: Path, version: str, wanted: str) -> None:
    root = write_lerobot(tmp_path / "set", version=version)
    if version == "v3.0":
        path = root / "meta/episodes/chunk-000/file-000.parquet"
        pq.write_table(pq.read_table(path).append_column("stats/action/min", pa.array([[0.0]] * 3)), path)
    assert seen(root).facts()["statistics"] == wanted


def test_no_statistics_and_such_that_cannot_be_read(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", version="v2.0")
    (root / "meta/stats.json").write_text("{")
    assert seen(root).facts()["statistics"] == "unreadable: not-json"
    (root / "meta/stats.json").unlink()
    assert seen(root).facts()["statistics"] == "none"


def test_what_cannot_be_read_is_told_of_its_episode(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", videos=True)
    (root / f"videos/chunk-000/{CAMERA}/episode_000000.mp4").write_bytes(b"")
    (root / f"videos/chunk-000/{CAMERA}/episode_000001.mp4").unlink()
    (root / "data/chunk-000/episode_000002.parquet").write_bytes(b"PAR1")
    found = seen(root)
    _, (_, rows) = found.tables()
    assert [row[2] for row in rows] == ["0.40", "0.60", "unreadable"]
    assert [row[3] for row in rows][:2] == ["unreadable: empty-file", "no video"]
    assert [note.code for note in found.notes] == ["missing-videos"]


def test_seconds_of_rows_whose_times_are_not_finite_are_not_known(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set")
    file = root / "data/chunk-000/episode_000001.parquet"
    table = pq.read_table(file)
    times = pa.array(np.append(table.column("timestamp").to_numpy()[:-1], np.nan), pa.float32())
    pq.write_table(table.set_column(table.schema.get_field_index("timestamp"), "timestamp", times), file)
    told = json.loads(json.dumps(seen(root).as_json(), allow_nan=False))
    assert [one["seconds"] for one in told["episodes"]] == [0.4, None, 0.5]


@pytest.mark.parametrize("version", ["v2.1", "v3.0"])
def test_json_is_what_was_written(tmp_path: Path, version: str) -> None:
    root = write_lerobot(tmp_path / "set", version=version, videos=True, lengths=(3, 8, 5, 4), fps=5.0)
    told = json.loads(json.dumps(seen(root).as_json()))
    assert (told["path"], told["format"], told["count"], told["rows"]) == (str(root), "lerobot", 4, 20)
    assert told["header"]["rate"] == "5"
    assert [one["rows"] for one in told["episodes"]] == [3, 8, 5, 4]
    assert [one["seconds"] for one in told["episodes"]] == pytest.approx([0.6, 1.6, 1.0, 0.8])
    assert [one["tasks"] for one in told["episodes"]] == [["pick the cube"], ["place the cup"]] * 2
    videos = [one["videos"][CAMERA] for one in told["episodes"]]
    assert all((one["width"], one["height"], one["rate"]) == (64, 48, "5") for one in videos)
    # Of version 3, three episodes share a video, and the fourth begins another.
    shared = version == "v3.0"
    assert [one["frames"] for one in videos] == ([16, 16, 16, 4] if shared else [3, 8, 5, 4])
    assert [one["start_s"] for one in videos] == pytest.approx([0, 0.6, 2.2, 0] if shared else [0] * 4)
    assert len({one["file"] for one in videos}) == (2 if shared else 4)
    assert all((root / one["file"]).is_file() for one in videos)


def test_groups_have_a_table(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set")
    modality = {"state": {"arm": {"start": 0, "end": 2}}, "action": {"arm": {"start": 0, "end": 2}}}
    (root / "meta/modality.json").write_text(json.dumps(modality))
    assert (["group", "of", "rotation", "steps"], ["state.arm", "observation.state[0:2]", "", ""]) in [
        (columns, rows[0]) for columns, rows in seen(root).tables()
    ]


def test_some_episodes_of_many_are_listed_and_the_others_counted(tmp_path: Path) -> None:
    found = seen(write_lerobot(tmp_path / "set", lengths=(4,) * 9), most=3)
    assert [one.number for one in found.listed] == [0, 4, 8]
    assert found.remark == "3 of 9 episodes are listed: --episodes N"


@pytest.mark.parametrize(("most", "places"), [(1, [0]), (2, [0, 2]), (3, [0, 1, 2]), (9, [0, 1, 2])])
def test_episodes_are_spread_over_all(most: int, places: list[int]) -> None:
    assert isinstance(episodes := sample_episodes(), Episodes)
    assert episodes.spread(most) == places


def test_a_rate_is_not_for_episodes_and_a_broken_set_is_refused(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set")
    with pytest.raises(SchemaError, match="expected no rate for what has times of its own"):
        look_at(root, rate=30)
    (root / "meta/episodes.jsonl").unlink()
    with pytest.raises(LapsError, match=r"expected episodes\.jsonl"):
        look_at(root)
