"""Videos with fewer or more frames than rows: no row is shown with the frame of another episode, and it is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lapsdata.adapters import EpisodesEdit
from lapsdata.adapters.lerobot._video_spans import unlike_spans
from lapsdata.adapters.lerobot.converting import convert_set
from lapsdata.adapters.lerobot.editing import edit_sets
from lapsdata.adapters.lerobot.info import read_info
from lapsdata.adapters.lerobot.reading import read_set
from lapsdata.checks.episodes import check_episodes, episodes_adapter
from lapsdata.errors import SchemaError
from lapsdata.testing.episode_sets import CAMERA, drawn_frame, write_lerobot
from lapsdata.video.probe import probe
from lapsdata.video.stream_copy import StreamJoin
from lapsdata.video.writer import write_video
from tests.adapters.by_hand_lerobot import frame_at

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lapsdata.formats import WriteReport

LENGTHS = (5, 8, 6)
ALL = EpisodesEdit()


def with_frames(root: Path, frames: int, episode: int = 1, fps: float = 10.0) -> Path:
    """Write a set of version 2.1 of which the video of an episode has other frames than rows."""
    write_lerobot(root, lengths=LENGTHS, videos=True)
    images = [drawn_frame(episode, row) for row in range(frames)]
    write_video(video_v2(root, episode), images, np.arange(frames) / fps, overwrite=True)
    return root


def video_v2(root: Path, episode: int) -> Path:
    return root / f"videos/chunk-000/{CAMERA}/episode_{episode:06d}.mp4"


def listed(root: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(root / "meta/episodes/chunk-000/file-000.parquet").to_pylist()
    return found


def spans(root: Path) -> list[tuple[float, float]]:
    names = (f"videos/{CAMERA}/from_timestamp", f"videos/{CAMERA}/to_timestamp")
    return [(round(one[names[0]], 6), round(one[names[1]], 6)) for one in listed(root)]


def told(report: WriteReport) -> dict[str, str]:
    return {note.code: note.message for note in report.notes}


def checked(root: Path) -> dict[str, tuple[str, str]]:
    adapter = episodes_adapter(root)
    assert adapter is not None
    item = check_episodes(root, adapter, lambda *_: None)
    return {problem.code: (problem.severity, problem.message) for problem in item.problems}


def shown(root: Path, row: int, episode: int) -> np.ndarray[Any, Any] | None:
    """Return the frame that LeRobot takes for a row, None where it finds none at its time."""
    one = listed(root)[episode]
    place = {key: one[f"videos/{CAMERA}/{key}"] for key in ("chunk_index", "file_index")}
    path = root / f"videos/{CAMERA}/chunk-{place['chunk_index']:03d}/file-{place['file_index']:03d}.mp4"
    try:
        return frame_at(path, one[f"videos/{CAMERA}/from_timestamp"] + row / 10)
    except AssertionError:
        return None


def expect_own_frames(root: Path, frames: Sequence[int]) -> None:
    """Hold every row against the frame that LeRobot would show: its own, or none."""
    for episode, (rows, there) in enumerate(zip(LENGTHS, frames, strict=True)):
        for row in range(rows):
            image = shown(root, row, episode)
            assert (image is None) == (row >= there), (episode, row)
            if image is not None:
                assert np.abs(image.astype(int) - drawn_frame(episode, row)).max() <= 3


def test_no_row_is_shown_with_the_frame_of_the_next_episode(tmp_path: Path) -> None:
    root = with_frames(tmp_path / "a", 5)
    notes = told(convert_set(root, tmp_path / "b", "lerobot-3.0"))
    assert notes["frames-unlike-rows"] == "1 episodes have another number of frames than of rows: 1"
    assert "videos-end-early" not in notes
    # Its span is that of its frames; the next one begins behind its rows.
    assert spans(tmp_path / "b") == [(0.0, 0.5), (0.5, 1.0), (1.3, 1.9)]
    expect_own_frames(tmp_path / "b", (5, 5, 6))
    found = checked(tmp_path / "b")
    assert found["fewer-frames"] == ("error", "episode 1: expected a frame for each of 8 rows, got 5")
    assert found["span-unlike-rows"] == (
        "warning",
        "expected to_timestamp - from_timestamp of 0.8 s, the length of its 8 rows, got 0.5 s in episode 1",
    )


def test_the_way_there_and_back_loses_no_frame_and_makes_none(tmp_path: Path) -> None:
    root = with_frames(tmp_path / "a", 5)
    convert_set(root, tmp_path / "b", "lerobot-3.0")
    notes = told(convert_set(tmp_path / "b", tmp_path / "c", "lerobot-2.1"))
    assert notes["frames-unlike-rows"].endswith("of rows: 1")
    assert [probe(video_v2(tmp_path / "c", episode)).frames for episode in range(3)] == [5, 5, 6]
    assert probe(video_v2(tmp_path / "c", 2)).frame_s[0] == 0


def test_frames_behind_the_rows_are_told_and_shown_by_none(tmp_path: Path) -> None:
    root = with_frames(tmp_path / "a", 11)
    notes = told(convert_set(root, tmp_path / "b", "lerobot-3.0"))
    assert notes["frames-unlike-rows"].endswith("of rows: 1")
    assert spans(tmp_path / "b") == [(0.0, 0.5), (0.5, 1.6), (1.6, 2.2)]
    expect_own_frames(tmp_path / "b", (5, 11, 6))
    assert checked(tmp_path / "b")["span-unlike-rows"][1].endswith("of its 8 rows, got 1.1 s in episode 1")


@pytest.mark.parametrize("to", ["lerobot-2.0", "gr00t", "shards"])
@pytest.mark.parametrize("frames", [5, 11])
def test_files_that_are_copied_are_counted_too(to: Any, frames: int, tmp_path: Path) -> None:
    root = with_frames(tmp_path / "a", frames)
    report = convert_set(root, tmp_path / "b", to)
    (note,) = [note for note in report.notes if note.code == "frames-unlike-rows"]
    assert (note.severity, note.message) == ("warning", "1 episodes have another number of frames than of rows: 1")
    assert note.fix is not None
    if to != "shards":
        assert video_v2(tmp_path / "b", 1).read_bytes() == video_v2(root, 1).read_bytes()


def test_videos_that_do_not_open_are_copied_and_told(tmp_path: Path) -> None:
    root = with_frames(tmp_path / "a", 8)
    whole = video_v2(root, 1).read_bytes()
    video_v2(root, 1).write_bytes(whole[: len(whole) // 2])
    notes = told(convert_set(root, tmp_path / "b", "lerobot-2.0"))
    assert notes["videos-unread"] == "those of 1 episodes cannot be opened, and were copied as they are: 1"
    assert "frames-unlike-rows" not in notes
    assert video_v2(tmp_path / "b", 1).read_bytes() == whole[: len(whole) // 2]


def test_a_video_that_is_too_fast_ends_before_its_rows(tmp_path: Path) -> None:
    root = with_frames(tmp_path / "a", 8, fps=20.0)
    notes = told(convert_set(root, tmp_path / "b", "lerobot-3.0"))
    assert notes["videos-end-early"] == "those of 1 episodes end before their rows do: 1"
    assert "frames-unlike-rows" not in notes
    begins = [begin for begin, _ in spans(tmp_path / "b")]
    # Another clock makes it stand in a file of its own, and what follows in the next.
    assert begins == [0.0, 0.0, 0.0]
    assert checked(tmp_path / "b")["span-unlike-rows"][1].endswith("of its 8 rows, got 0.4 s in episode 1")


def test_as_many_frames_as_rows_leave_no_gap_and_no_note(tmp_path: Path) -> None:
    for to in ("lerobot-3.0", "lerobot-2.0", "shards"):
        notes = told(convert_set(with_frames(tmp_path / f"a-{to}", 8), tmp_path / to, to))  # type: ignore[arg-type]
        assert not {"frames-unlike-rows", "videos-end-early", "videos-unread"} & notes.keys()
    assert spans(tmp_path / "lerobot-3.0") == [(0.0, 0.5), (0.5, 1.3), (1.3, 1.9)]
    assert checked(tmp_path / "lerobot-3.0").keys().isdisjoint({"span-unlike-rows", "fewer-frames", "rate-differs"})


@pytest.mark.parametrize("version", ["v2.1", "v3.0"])
def test_what_is_edited_is_told_by_the_new_numbers(version: str, tmp_path: Path) -> None:
    root = with_frames(tmp_path / "a", 5)
    if version == "v3.0":
        convert_set(root, tmp_path / "v3", "lerobot-3.0")
        root = tmp_path / "v3"
    report = edit_sets([root], tmp_path / "b", "lerobot-3.0", EpisodesEdit(without_episodes="0"))
    assert told(report)["frames-unlike-rows"].endswith("of rows: 0 (by their new numbers)")
    (_, one), (two, _) = spans(tmp_path / "b")
    assert (one, two) == (0.5, 0.8)


def without_gap(root: Path, gop: int) -> Path:
    """Write a set of version 3.0 whose episode 1 has 4 frames of its 8 rows, with the next one right behind them."""
    write_lerobot(root, version="v3.0", lengths=LENGTHS, videos=True, per_file=3)
    images = [drawn_frame(episode, row) for episode, frames in enumerate((5, 4, 6)) for row in range(frames)]
    video = next(root.rglob("*.mp4"))
    write_video(video, images, np.arange(15) / 10, gop=gop, overwrite=True)
    path = root / "meta/episodes/chunk-000/file-000.parquet"
    table = pq.read_table(path)
    for name, values in (("from", [0.0, 0.5, 0.9]), ("to", [0.5, 0.9, 1.5]), ("file", [0, 0, 0])):
        key = f"videos/{CAMERA}/file_index" if name == "file" else f"videos/{CAMERA}/{name}_timestamp"
        at = table.schema.get_field_index(key)
        table = table.set_column(at, table.schema.field(at), pa.array(values, table.schema.field(at).type))
    pq.write_table(table, path)
    return root


def test_a_check_counts_no_frame_of_the_next_episode(tmp_path: Path) -> None:
    found = checked(without_gap(tmp_path / "a", 1))
    assert found["fewer-frames"] == ("error", "episode 1: expected a frame for each of 8 rows, got 4")
    assert found["span-unlike-rows"][1].endswith("got 0.4 s in episode 1")


@pytest.mark.parametrize(("gop", "begins"), [(1, [0.0, 0.5, 1.3]), (100, [0.0, 0.5, 0.9])])
def test_a_gap_is_put_in_where_that_takes_no_encoding(gop: int, begins: list[float], tmp_path: Path) -> None:
    root = without_gap(tmp_path / "a", gop)
    notes = told(edit_sets([root], tmp_path / "b", "lerobot-3.0", EpisodesEdit(drop=("next.reward",))))
    assert notes["frames-unlike-rows"].endswith("of rows: 1 (by their new numbers)")
    assert "videos-encoded" not in notes
    assert [begin for begin, _ in spans(tmp_path / "b")] == begins


def test_spans_of_several_episodes_are_one_note_and_an_error_if_strict(tmp_path: Path) -> None:
    root = without_gap(tmp_path / "a", 1)
    path = root / "meta/episodes/chunk-000/file-000.parquet"
    table, name = pq.read_table(path), f"videos/{CAMERA}/to_timestamp"
    at = table.schema.get_field_index(name)
    for values, told_of in (
        ([0.54, 1.26, 1.5], None),
        ([0.56, 0.9, None], "0.5 s, the length of its 5 rows, got 0.56 s in episode 0; in 2 episodes: 0-1"),
    ):
        pq.write_table(table.set_column(at, table.schema.field(at), pa.array(values, pa.float64())), path)
        found = list(unlike_spans(root, read_info(root), pq.read_table(path)))
        assert [note.message.partition("_timestamp of ")[2] for note in found] == ([told_of] if told_of else [])
    with pytest.raises(SchemaError, match="span-unlike-rows"):
        read_set(root, strict=True)
    assert list(unlike_spans(root, read_info(root), table.drop_columns([name]))) == []


def test_a_join_begins_no_earlier_than_it_is_told(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    write_video(clip, [drawn_frame(0, row) for row in range(3)], np.arange(3) / 10)
    with StreamJoin(tmp_path / "joined.mp4") as join:
        # Nothing is before the first one, and what is over already does not pull one back.
        found = [join.append(clip, earliest_s) for earliest_s in (9.0, 0.1, 0.8)]
    assert found == [(0.0, 0.3), (0.3, 0.6), (0.8, 1.1)]
    times = probe(tmp_path / "joined.mp4").frame_s
    assert np.allclose(times, [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.8, 0.9, 1.0])
