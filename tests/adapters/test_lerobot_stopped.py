"""Stopped at any file that is written, or killed while a set is finished, nothing that was recorded is lost."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lapsdata._repair import repair
from lapsdata.adapters.lerobot.converting import convert_set
from lapsdata.adapters.lerobot.reading import read_set
from lapsdata.adapters.lerobot.recorder import RECORDING, EpisodeWriter, finish_recording
from lapsdata.errors import StorageError
from lapsdata.storage import atomic
from lapsdata.storage.episode_rows import EpisodeRows
from lapsdata.testing.episode_sets import CAMERA, drawn_frame, write_lerobot
from tests.adapters.by_hand_lerobot import expect_equal_rows, rows_by_hand
from tests.adapters.full_disk import Full

if TYPE_CHECKING:
    from pathlib import Path


def add(writer: EpisodeWriter, episode: int) -> None:
    frames = [drawn_frame(episode, row) for row in range(4)]
    columns = {"action": np.full((4, 2), episode, np.float32)}
    writer.add_episode(columns, task=f"task {episode}", videos={CAMERA: frames})


def expect_whole(root: Path, count: int) -> None:
    found = read_set(root).episodes
    assert found.number.tolist() == list(range(count))
    rows = EpisodeRows(root, found)
    for place in range(count):
        assert rows.read(place, ["action"])["action"].tolist() == [[place, place]] * 4
        assert (root / found.video_files[int(found.video_index[CAMERA][place])]).is_file()


# Rows, video, tasks, episodes and info: a file and its folder each.
FLUSHES = 10


@pytest.mark.parametrize("room", range(FLUSHES))
def test_a_disk_that_is_full_at_any_file_keeps_the_episodes_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    root = tmp_path / "a"
    writer = EpisodeWriter(root, fps=10, to="lerobot-2.1")
    add(writer, 0)
    with monkeypatch.context() as patch:
        patch.setattr(atomic, "flush", Full(room, atomic.flush))
        with pytest.raises(StorageError, match="no space left on the device"):
            add(writer, 1)
        assert len(writer) == 1
    writer.close(finish=False)
    # The table of episodes may name it already: then all of it is there.
    count = len(read_set(root).episodes)
    assert count == (2 if room >= 7 else 1)
    expect_whole(root, count)
    [found] = repair(root).items
    assert (found.kept, found.lost) == (count, 0)
    shutil.copytree(root, tmp_path / "b")
    finish_recording(tmp_path / "b")
    expect_whole(tmp_path / "b", count)
    with EpisodeWriter(root, resume=True) as again:
        assert len(again) == count
        for episode in range(count, 3):
            add(again, episode)
    assert len(rows_by_hand(root)) == 12
    assert read_set(root, strict=True).version == "v2.1"
    assert [path.name for path in root.rglob(f"{atomic.TEMPORARY}*")] == []


@pytest.mark.parametrize("room", range(0, FLUSHES, 2))
def test_who_records_an_episode_again_for_which_there_was_no_room_has_it_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    root = tmp_path / "a"
    with EpisodeWriter(root, fps=10, to="lerobot-2.1") as writer:
        with monkeypatch.context() as patch:
            patch.setattr(atomic, "flush", Full(room, atomic.flush))
            with pytest.raises(StorageError, match="no space left on the device"):
                add(writer, 0)
        # Whatever comes next is the first one: its columns and its task are not those of the one that was lost.
        writer.add_episode({"action": np.zeros((4, 2), np.float32), "more": np.ones(4)}, task="task of its own")
    found = read_set(root, strict=True)
    assert found.episodes.number.tolist() == [0]
    assert [task.words for task in found.episodes.header.tasks] == ["task of its own"]
    assert len(rows_by_hand(root)) == 4


def test_an_episode_takes_as_many_flushes_as_are_tried_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = EpisodeWriter(tmp_path / "a", fps=10)
    counter = Full(1000, atomic.flush)
    monkeypatch.setattr(atomic, "flush", counter)
    add(writer, 0)
    assert 1000 - counter.left == FLUSHES


@pytest.mark.parametrize("to", ["lerobot-2.0", "lerobot-2.1", "lerobot-3.0", "gr00t"])
@pytest.mark.parametrize("room", [0, 1, 3])
def test_a_set_that_could_not_be_finished_can_be_finished_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to: str, room: int
) -> None:
    root = tmp_path / "a"
    writer = EpisodeWriter(root, fps=10, to=to)  # type: ignore[arg-type]  # its words
    for episode in range(2):
        add(writer, episode)
    with monkeypatch.context() as patch:
        patch.setattr(atomic, "flush", Full(room, atomic.flush))
        with pytest.raises(StorageError, match="no space left on the device"):
            writer.close()
    assert (root / RECORDING).is_file()
    expect_whole(root, 2)
    finish_recording(root)
    expect_whole(root, 2)
    assert not (root / RECORDING).exists()
    assert len(rows_by_hand(root)) == 8


def test_a_conversion_that_found_no_room_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_lerobot(tmp_path / "a", videos=True)
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    for room in range(6):
        with monkeypatch.context() as patch:
            patch.setattr(atomic, "flush", Full(room, atomic.flush))
            with pytest.raises(StorageError, match="no space left on the device"):
                convert_set(root, tmp_path / "b", "lerobot-3.0")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before


_FINISHED = """
import sys
from pathlib import Path
from lapsdata.adapters.lerobot.recorder import finish_recording
from lapsdata.adapters.lerobot import _out_stats, _out_videos, converting
import lapsdata.video.reader, pyarrow.parquet

print("begin", flush=True)
finish_recording(Path(sys.argv[1]))
"""


@pytest.mark.parametrize("pause_s", [0.0, 0.02, 0.05, 0.1])
def test_killed_while_it_is_finished_it_is_the_recording_or_the_whole_set(tmp_path: Path, pause_s: float) -> None:
    root = tmp_path / "a"
    writer = EpisodeWriter(root, fps=10)
    for episode in range(6):
        add(writer, episode)
    writer.close(finish=False)
    shutil.copytree(root, tmp_path / "copy")
    with subprocess.Popen([sys.executable, "-c", _FINISHED, str(root)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "begin\n"
        time.sleep(pause_s)
        child.send_signal(signal.SIGKILL)
    finished = not (root / RECORDING).exists()
    assert read_set(root, strict=True).version == ("v3.0" if finished else "v2.0")
    expect_equal_rows(root, tmp_path / "copy")
    if not finished:
        finish_recording(root)
        expect_equal_rows(root, tmp_path / "copy")
    assert read_set(root, strict=True).version == "v3.0"
