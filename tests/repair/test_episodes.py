"""Data sets of LeRobot: what is verified is saved, up to the first episode that is not whole."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lapsdata._repair import repair
from lapsdata.adapters.lerobot.reading import read_set
from lapsdata.adapters.lerobot.recorder import EpisodeWriter
from lapsdata.checks.integrity import check_integrity
from lapsdata.errors import SchemaError
from lapsdata.storage.episode_rows import EpisodeRows
from lapsdata.testing.episode_sets import CAMERA, drawn_frame, episode_rows, write_lerobot
from lapsdata.video.writer import write_video

if TYPE_CHECKING:
    from pathlib import Path

LENGTHS = (4, 6, 5)


def flipped(path: Path, at: float, count: int = 40) -> None:
    data = bytearray(path.read_bytes())
    begin = int(at * len(data))
    for place in range(begin, begin + count):
        data[place] ^= 0xFF
    path.write_bytes(bytes(data))


def expect_rows(root: Path, numbers: list[int]) -> None:
    found = read_set(root).episodes
    assert found.number.tolist() == numbers
    rows = EpisodeRows(root, found)
    for place, number in enumerate(numbers):
        wanted = episode_rows(LENGTHS)[number].columns["observation.state"]
        np.testing.assert_array_equal(rows.read(place, ["observation.state"])["observation.state"], wanted)


@pytest.mark.parametrize("version", ["v2.0", "v2.1", "v3.0"])
def test_a_set_that_is_whole_is_told_as_such(tmp_path: Path, version: str) -> None:
    root = write_lerobot(tmp_path / "a", version=version, lengths=LENGTHS, videos=True)
    [found] = repair(root, tmp_path / "b").items
    assert (found.state, found.format, found.kept, found.unit) == ("whole", "lerobot", 3, "episodes")
    assert not (tmp_path / "b").exists()


def test_rows_that_are_damaged_end_the_prefix(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "a", version="v2.1", lengths=LENGTHS, videos=True)
    path = root / "data/chunk-000/episode_000001.parquet"
    path.write_bytes(path.read_bytes()[:-30])
    [told] = repair(root).items
    assert (told.state, told.kept, told.lost, told.good_after) == ("damaged", 1, 2, 1)
    assert "episode_000001.parquet" in told.first_bad
    [saved] = repair(root, tmp_path / "b").items
    assert saved.state == "repaired"
    expect_rows(tmp_path / "b", [0])
    assert read_set(tmp_path / "b", strict=True).version == "v2.1"
    [every] = repair(root, tmp_path / "c", keep="all").items
    assert (every.kept, every.lost) == (2, 1)
    expect_rows(tmp_path / "c", [0, 2])


def test_a_video_that_is_damaged_or_short_ends_it_too(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "a", version="v2.0", lengths=LENGTHS, videos=True)
    path = root / f"videos/chunk-000/{CAMERA}/episode_000002.mp4"
    whole = path.read_bytes()
    flipped(path, 0.02)
    assert repair(root).items[0].kept == 2
    path.unlink()
    write_video(path, [drawn_frame(2, row) for row in range(4)], np.arange(4) / 10)
    [short] = repair(root).items
    assert (short.kept, "expected 5 frames, one for each row, got 4" in short.first_bad) == (2, True)
    path.unlink()
    [absent] = repair(root).items
    assert (absent.kept, "expected a video, got none" in absent.first_bad) == (2, True)
    path.write_bytes(whole)
    assert repair(root).items[0].state == "whole"


def test_files_of_version_3_are_taken_apart_and_put_together(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "a", version="v3.0", lengths=LENGTHS, videos=True)
    (root / "data/chunk-000/file-001.parquet").write_bytes(b"PAR1")
    [saved] = repair(root, tmp_path / "b").items
    assert (saved.state, saved.kept, saved.lost) == ("repaired", 2, 1)
    expect_rows(tmp_path / "b", [0, 1])
    assert read_set(tmp_path / "b", strict=True).version == "v3.0"
    assert [path.name for path in tmp_path.iterdir() if "tmp" in path.name] == []


def test_rows_of_another_episode_are_none_of_its_own(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "a", version="v2.1", lengths=(4, 4))
    files = [root / f"data/chunk-000/episode_{number:06d}.parquet" for number in range(2)]
    files[1].write_bytes(files[0].read_bytes())
    assert "expected episode_index 1, got others" in repair(root).items[0].first_bad


def test_an_episode_without_files_ends_the_prefix(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "a", version="v2.1", lengths=LENGTHS)
    (root / "data/chunk-000/episode_000001.parquet").unlink()
    [found] = repair(root, tmp_path / "b").items
    assert (found.kept, found.lost, found.good_after) == (1, 2, 1)
    assert found.first_bad == "episode 1: expected a file of rows, got none"
    expect_rows(tmp_path / "b", [0])


@pytest.mark.parametrize(("to", "version"), [("lerobot-3.0", "v3.0"), ("lerobot-2.1", "v2.1"), ("gr00t", "v2.0")])
def test_a_recording_that_was_killed_becomes_what_it_was_to_be(tmp_path: Path, to: str, version: str) -> None:
    root = tmp_path / "a"
    writer = EpisodeWriter(root, fps=10, to=to)  # type: ignore[arg-type]  # its words
    for episode in range(2):
        columns = episode_rows(LENGTHS)[episode].columns
        state = {name: columns[name] for name in ("observation.state", "action")}
        frames = [drawn_frame(episode, row) for row in range(LENGTHS[episode])]
        writer.add_episode(state, task="pick", videos={CAMERA: frames})
    # What lies there when it is killed before the tables of `meta/` are written, and between two of them.
    left = root / "data/chunk-000/episode_000002.parquet"
    left.write_bytes((root / "data/chunk-000/episode_000001.parquet").read_bytes())
    info = json.loads((root / "meta/info.json").read_text())
    (root / "meta/info.json").write_text(json.dumps(info | {"total_episodes": 1, "total_frames": 4}))
    [saved] = repair(root, tmp_path / "b").items
    assert (saved.state, saved.kept, saved.lost) == ("repaired", 2, 0)
    assert {"not-finished", "unlisted-files"} <= {note.code for note in saved.notes}
    expect_rows(tmp_path / "b", [0, 1])
    assert read_set(tmp_path / "b", strict=True).version == version
    assert repair(tmp_path / "b").items[0].state == "whole"


def test_a_list_whose_last_line_is_cut_loses_that_episode_alone(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "a", version="v2.1", lengths=LENGTHS, videos=True)
    path = root / "meta/episodes.jsonl"
    path.write_bytes(path.read_bytes()[:-9])
    assert "cut-line" in [note.code for note in read_set(root).notes]
    with pytest.raises(SchemaError, match="got a line that is cut"):
        read_set(root, strict=True)
    [saved] = repair(root, tmp_path / "b").items
    assert "cut-line" in [note.code for note in saved.notes]
    expect_rows(tmp_path / "b", [0, 1])


def test_a_line_that_is_cut_before_others_is_no_end_of_a_list(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "a", version="v2.1", lengths=LENGTHS)
    path = root / "meta/episodes.jsonl"
    first, *rest = path.read_text().splitlines(keepends=True)
    path.write_text("".join([first[:-9] + "\n", *rest]))
    with pytest.raises(SchemaError, match="line 1: expected a JSON object"):
        read_set(root)


def test_an_episode_without_a_row_costs_itself_alone(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "a", version="v2.1", lengths=LENGTHS, videos=True)
    path = root / "meta/episodes.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[1]["length"] = 0
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = read_set(root)
    assert found.episodes.number.tolist() == [0, 2]
    [note] = [note for note in found.notes if note.code == "empty-episodes"]
    assert note.message == "expected a row at least in each episode, got none in 1: left out"
    [saved] = repair(root, tmp_path / "b", keep="all").items
    assert (saved.kept, saved.lost) == (2, 1)
    assert read_set(tmp_path / "b", strict=True).episodes.rows.tolist() == [LENGTHS[0], LENGTHS[2]]
    for line in lines:
        line["length"] = 0
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(SchemaError, match="got none in 0-2"):
        read_set(root)


def test_statistics_that_cannot_be_read_are_made_anew(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "a", version="v2.1", lengths=LENGTHS)
    path = root / "meta/episodes_stats.jsonl"
    path.write_text(path.read_text()[:-30] + "\n")
    assert repair(root).items[0].state == "damaged"
    [saved] = repair(root, tmp_path / "b").items
    assert (saved.state, saved.kept, saved.lost) == ("repaired", 3, 0)
    assert check_integrity([tmp_path / "b"]).items[0].status == "ok"


def test_a_recording_without_an_episode_is_beyond_repair(tmp_path: Path) -> None:
    EpisodeWriter(tmp_path / "a", fps=10)
    [found] = repair(tmp_path / "a").items
    assert found.state == "beyond-repair"
    assert "ended in its first one" in found.notes[0].message
