"""What is written, read by the rules of LeRobot's own loader and by nothing of ours."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lapsdata.adapters.lerobot.converting import convert_set
from lapsdata.adapters.lerobot.recorder import EpisodeWriter
from lapsdata.testing.episode_sets import CAMERA, drawn_frame, write_lerobot
from tests.adapters.by_hand_lerobot import expect_equal_rows, info_of, lines, rows_by_hand, words_of

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata.adapters.lerobot.converting import LeRobotTarget

SECOND = "observation.images.wrist"


def recorded(root: Path, lengths: list[int], to: LeRobotTarget, gop: int, codecs: list[str]) -> Path:
    """Record noise, so that a frame can be told from every other, by two cameras."""
    random = np.random.default_rng(sum(lengths))
    writer = EpisodeWriter(root, fps=20, to=to, gop=gop, codec=codecs[0])  # type: ignore[arg-type]  # one of the words
    for episode, length in enumerate(lengths):
        shape = (length, 32, 48, 3)
        frames = {name: random.integers(0, 256, shape).astype(np.uint8) for name in (CAMERA, SECOND)}
        state = random.normal(size=(length, 2)).astype(np.float32)
        writer.add_episode({"action": state}, task=f"task {episode % 3}", videos=frames)
    writer.close()
    return root


@given(
    lengths=st.lists(st.integers(2, 9), min_size=1, max_size=5),
    gop=st.integers(1, 12),
    video_mb=st.sampled_from([1e-6, 0.02, 0.05, 200.0]),
    data_mb=st.sampled_from([1e-6, 0.0005, 100.0]),
    codec=st.sampled_from(["h264", "h264", "av1"]),
)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_recording_is_the_same_rows_and_pixels_in_any_version(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[int], gop: int, video_mb: float, data_mb: float, codec: str
) -> None:
    folder = tmp_path_factory.mktemp("sets")
    root = recorded(folder / "a", lengths, "lerobot-2.1", gop, [codec])
    convert_set(root, folder / "b", "lerobot-3.0", video_mb=video_mb, data_mb=data_mb)
    notes = {note.code for note in convert_set(folder / "b", folder / "c", "lerobot-2.0").notes}
    # Every episode begins at a keyframe of the joined video, whatever the distance of keyframes.
    assert "videos-encoded" not in notes
    expect_equal_rows(root, folder / "b")
    expect_equal_rows(root, folder / "c")


def test_sets_of_another_program_are_the_same_by_hand(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "a", version="v2.0", lengths=(4, 6, 5), videos=True)
    convert_set(root, tmp_path / "b", "lerobot-3.0")
    convert_set(tmp_path / "b", tmp_path / "c", "lerobot-2.1")
    for name in ("b", "c"):
        expect_equal_rows(root, tmp_path / name)
    assert [row.values["next.reward"] for row in rows_by_hand(tmp_path / "c")].count(1.0) == 3


@pytest.mark.parametrize("to", ["lerobot-2.0", "lerobot-2.1", "lerobot-3.0"])
def test_a_recording_is_what_lerobot_reads(tmp_path: Path, to: LeRobotTarget) -> None:
    with EpisodeWriter(tmp_path / "a", fps=10, to=to) as writer:
        for episode in range(3):
            with writer.episode(task=("pick", "place")[episode % 2]) as running:
                for row in range(4):
                    running.add({"action": np.array([episode, row], np.float32)}, {CAMERA: drawn_frame(episode, row)})
    rows = rows_by_hand(tmp_path / "a")
    assert [row.task for row in rows] == ["pick"] * 4 + ["place"] * 4 + ["pick"] * 4
    for index, row in enumerate(rows):
        episode, inside = divmod(index, 4)
        assert row.values["action"] == [episode, inside]
        assert (row.values["index"], row.values["frame_index"], row.values["episode_index"]) == (index, inside, episode)
        assert row.values["timestamp"] == pytest.approx(inside / 10)
        assert np.abs(row.images[CAMERA].astype(int) - drawn_frame(episode, inside)).max() <= 3


def test_keys_of_info_are_those_of_each_version(tmp_path: Path) -> None:
    """As `lapsdata` knows them of LeRobot's own sets, and no others."""
    common = {
        "codebase_version", "robot_type", "total_episodes", "total_frames", "total_tasks", "chunks_size", "fps",
        "splits", "data_path", "video_path", "features",
    }  # fmt: skip
    root = write_lerobot(tmp_path / "a", version="v2.0", videos=True)
    for name, to, own in (
        ("b", "lerobot-3.0", {"data_files_size_in_mb", "video_files_size_in_mb"}),
        ("c", "lerobot-2.1", {"total_videos", "total_chunks"}),
    ):
        convert_set(root, tmp_path / name, to)  # type: ignore[arg-type]  # its words
        assert set(info_of(tmp_path / name)) == common | own
    files = {path.relative_to(tmp_path / "b").as_posix() for path in (tmp_path / "b").rglob("*") if path.is_file()}
    assert files == {
        "meta/info.json",
        "meta/stats.json",
        "meta/tasks.parquet",
        "meta/episodes/chunk-000/file-000.parquet",
        "data/chunk-000/file-000.parquet",
        f"videos/{CAMERA}/chunk-000/file-000.mp4",
    }
    files = {path.relative_to(tmp_path / "c").as_posix() for path in (tmp_path / "c").rglob("*") if path.is_file()}
    assert {file for file in files if file.startswith("meta")} == {
        "meta/info.json",
        "meta/tasks.jsonl",
        "meta/episodes.jsonl",
        "meta/episodes_stats.jsonl",
    }
    without = convert_set(write_lerobot(tmp_path / "d", version="v2.0"), tmp_path / "e", "lerobot-3.0").path
    assert info_of(without)["video_path"] is None


def test_files_of_version_3_are_numbered_within_folders_and_versions_2_by_a_thousand(tmp_path: Path) -> None:
    from lapsdata.adapters.lerobot._out_rows import FileNumber

    numbers = FileNumber(2)
    assert [next(numbers) for _ in range(5)] == [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0)]
    root = write_lerobot(tmp_path / "a", version="v3.0", lengths=(4, 6), videos=True)
    for name, at in (("data/chunk-000/file-000.parquet", 5), ("meta/episodes/chunk-000/file-000.parquet", 0)):
        table = pq.read_table(root / name)
        assert table.schema.names[at] == "episode_index"
        moved = table.column(at).to_numpy() + 1999
        pq.write_table(table.set_column(at, "episode_index", [moved]), root / name)
    convert_set(root, tmp_path / "b", "lerobot-2.1")
    assert [one["episode_index"] for one in lines(tmp_path / "b/meta/episodes.jsonl")] == [1999, 2000]
    assert sorted(path.name for path in (tmp_path / "b/data").glob("*/*")) == [
        "episode_001999.parquet",
        "episode_002000.parquet",
    ]
    assert (tmp_path / f"b/videos/chunk-002/{CAMERA}/episode_002000.mp4").is_file()
    assert info_of(tmp_path / "b")["total_chunks"] == 2


def test_words_of_tasks_keep_their_numbers_whatever_language_they_are_in(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "a", version="v2.1", lengths=(4, 6))
    for name in ("tasks", "episodes"):
        path = root / f"meta/{name}.jsonl"
        path.write_text(path.read_text().replace("pick the cube", "Würfel nehmen 方块"))
    convert_set(root, tmp_path / "b", "lerobot-3.0")
    assert words_of(tmp_path / "b") == ["Würfel nehmen 方块", "place the cup"]
    convert_set(tmp_path / "b", tmp_path / "c", "lerobot-2.0")
    assert (tmp_path / "c/meta/tasks.jsonl").read_text(encoding="utf-8").count("方块") == 1
    assert json.loads((tmp_path / "c/meta/episodes.jsonl").read_text().splitlines()[0])["tasks"] == [
        "Würfel nehmen 方块"
    ]
