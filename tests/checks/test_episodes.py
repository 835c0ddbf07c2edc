"""What is found of data sets of robot episodes whose files are damaged one at a time, and of those that are not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.checks.episode_videos import frames_of
from lapsdata.checks.episodes import check_episodes, episodes_adapter
from lapsdata.checks.integrity import check_integrity
from lapsdata.checks.shared_faults import SharedFaults
from lapsdata.errors import CorruptDataError, Problem
from lapsdata.testing.episode_sets import CAMERA, drawn_frame, write_lerobot
from lapsdata.video.probe import probe
from lapsdata.video.writer import write_video

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lapsdata.checks.outcome import CheckedItem

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"


def checked(root: Path, *, decode: bool = False) -> CheckedItem:
    adapter = episodes_adapter(root)
    assert adapter is not None
    return check_episodes(root, adapter, lambda *_: None, decode=decode)


def of_files(item: CheckedItem) -> list[Problem]:
    """Return what is not about statistics, which are not those of rows any more that were changed behind them."""
    return [one for one in item.problems if "statistics" not in one.code and one.code != "constant-numbers"]


def codes(root: Path) -> list[str]:
    return [problem.code for problem in of_files(checked(root))]


def only(root: Path) -> Problem:
    (problem,) = of_files(checked(root))
    return problem


def rows_of(root: Path, episode: int) -> Path:
    return root / f"data/chunk-000/episode_{episode:06d}.parquet"


def video_of(root: Path, episode: int) -> Path:
    return root / f"videos/chunk-000/{CAMERA}/episode_{episode:06d}.mp4"


def rewrite(path: Path, **columns: Callable[[np.ndarray], Any]) -> None:
    """Replace columns of a file of rows by what becomes of them."""
    table = pq.read_table(path)
    for name, change in columns.items():
        at = table.schema.get_field_index(name)
        field = table.schema.field(at)
        table = table.set_column(at, field, pa.array(change(table.column(name).to_numpy().copy()), field.type))
    pq.write_table(table, path)


def retell(root: Path, change: Callable[[dict[str, Any]], None]) -> None:
    told = json.loads((root / "meta/info.json").read_text())
    change(told)
    (root / "meta/info.json").write_text(json.dumps(told))


def with_value(row: int, value: float) -> Callable[[np.ndarray], np.ndarray]:
    def changed(values: np.ndarray) -> np.ndarray:
        values[row] = value
        return values

    return changed


@pytest.mark.parametrize("videos", [False, True])
@pytest.mark.parametrize("version", ["v2.0", "v2.1", "v3.0"])
def test_a_set_without_faults(tmp_path: Path, version: str, videos: bool) -> None:
    item = checked(write_lerobot(tmp_path / "set", version=version, videos=videos))
    count = "2 of 2" if version == "v3.0" else "3 of 3"
    assert item.problems == ()
    assert (item.status, item.windows) == ("ok", None)
    of_videos = f", {count if version != 'v3.0' else '1 of 1'} videos opened, no frame decoded" * videos
    of_cameras = ", of 1 camera not" * videos
    assert item.found == (
        f"lerobot: 3 episodes, 15 of 15 rows read{of_videos}, statistics of 3 features compared{of_cameras}"
    )


def test_a_set_is_one_item_of_a_folder_and_its_rows_are_counted(tmp_path: Path) -> None:
    write_lerobot(tmp_path / "sets/first")
    write_lerobot(tmp_path / "sets/second", version="v3.0")
    seen: list[tuple[int, str]] = []
    report = check_integrity([tmp_path / "sets"], advance=lambda *told: seen.append(told))
    assert [(item.path.name, item.status) for item in report.items] == [("first", "ok"), ("second", "ok")]
    assert (sum(rows for rows, _ in seen), {unit for _, unit in seen}) == (30, {"rows"})


def test_a_set_that_cannot_be_read_is_an_item_with_an_error(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set")
    (root / "meta/info.json").write_text("{")
    item = checked(root)
    assert (item.status, [problem.code for problem in item.problems]) == ("error", ["not-json"])


def test_notes_of_the_reader_are_problems_of_the_set(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set")
    retell(root, lambda told: told.update(total_frames=7))
    found = only(root)
    assert (found.code, found.severity, found.fix) == ("wrong-total", "warning", "write 15")


@pytest.mark.parametrize(
    ("column", "change", "code", "severity", "message"),
    [
        ("episode_index", with_value(2, 7), "wrong-episode-index", "error", "expected 1 in row 2, got 7 (1 of 6 rows)"),
        ("frame_index", with_value(3, 0), "wrong-frame-index", "error", "expected 3 in row 3, got 0 (1 of 6 rows)"),
        ("index", with_value(0, 3), "index-not-rising", "error", "got 3 and 5 in rows 0 and 1"),
        ("index", lambda values: values - 1, "index-overlaps", "warning", "expected it to begin above 3"),
        ("timestamp", with_value(2, 0.1), "times-not-rising", "error", "rising seconds, got 0.1 in row 2 after 0.1"),
        ("timestamp", with_value(2, np.nan), "times-not-rising", "error", "got nan in row 2 after 0.1"),
        ("timestamp", with_value(0, np.inf), "times-not-rising", "error", "got inf in row 0"),
        ("timestamp", lambda values: values * 2, "uneven-times", "warning", "expected rows 0.1 s apart, as 10 per"),
        ("timestamp", with_value(5, 0.6), "uneven-times", "warning", "got 0.1 to 0.2 s"),
        ("task_index", with_value(0, 9), "unknown-task", "warning", "expected numbers of the 2 tasks, got 9"),
        (
            "task_index",
            with_value(0, 0),
            "task-unlike-rows",
            "warning",
            "expected rows of 'place the cup', as the list",
        ),
        ("next.reward", with_value(1, np.nan), "not-finite", "warning", "got others in 1 of 6 rows"),
    ],
)
def test_one_wrong_column(
    tmp_path: Path, column: str, change: Callable[[np.ndarray], Any], code: str, severity: str, message: str
) -> None:
    root = write_lerobot(tmp_path / "set")
    rewrite(rows_of(root, 1), **{column: change})
    found = only(root)
    assert (found.code, found.severity, found.where) == (code, severity, f"{root}: {column}")
    assert found.message.startswith("episode 1: ")
    assert message in found.message


def test_times_that_a_float_cannot_tell_better_are_even(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set")
    # Seconds since some day: float32 counts them in steps of 0.0078 s there.
    rewrite(rows_of(root, 1), timestamp=lambda values: values + np.float32(1e5))
    assert codes(root) == []


def test_a_fault_that_episodes_share_is_told_once(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", lengths=(4,) * 6)
    for episode in (0, 2, 3, 4):
        rewrite(rows_of(root, episode), frame_index=lambda values: values + 1)
    assert only(root).message == "episode 0: expected 0 in row 0, got 1 (4 of 4 rows); alike in 4 episodes: 0, 2-4"


def test_rows_that_the_list_does_not_know_of(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", version="v3.0")
    path = root / "data/chunk-000/file-001.parquet"
    table = pq.read_table(path)
    pq.write_table(pa.concat_tables([table, table]), path)
    found = only(root)
    assert (found.code, found.severity) == ("unlisted-rows", "warning")
    assert "episode 2: its file holds 10 rows, and the list of episodes knows of 5" in found.message


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (lambda data: data[:-9], "truncated-data"),
        (lambda _: POINTER, "git-lfs-pointer"),
        (lambda _: b"", "not-parquet"),
    ],
)
def test_files_of_rows_that_do_not_open(tmp_path: Path, damage: Callable[[bytes], bytes], code: str) -> None:
    root = write_lerobot(tmp_path / "set", lengths=(4,) * 5)
    for episode in (1, 3, 4):
        rows_of(root, episode).write_bytes(damage(rows_of(root, episode).read_bytes()))
    item = checked(root)
    (found,) = item.problems
    assert (item.status, found.code, found.where) == ("error", code, str(rows_of(root, 1)))
    assert found.message.startswith("episode 1: ")
    assert found.message.endswith("alike in 3 episodes: 1, 3-4")
    assert item.found == "lerobot: 5 episodes, 8 of 20 rows read, statistics of 3 features compared"


def test_a_file_with_too_few_rows_and_one_with_other_columns(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set")
    pq.write_table(pq.read_table(rows_of(root, 1)).slice(0, 4), rows_of(root, 1))
    pq.write_table(pq.read_table(rows_of(root, 2)).drop_columns(["action"]), rows_of(root, 2))
    assert codes(root) == ["too-few-rows", "missing-column"]


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (lambda _: POINTER, "git-lfs-pointer"),
        (lambda data: data[:-40], "cut-off"),
        (lambda data: data.replace(b"moov", b"free"), "no-index"),
        (lambda _: b"", "empty-file"),
    ],
)
def test_videos_that_do_not_open(tmp_path: Path, damage: Callable[[bytes], bytes], code: str) -> None:
    root = write_lerobot(tmp_path / "set", videos=True)
    for episode in (0, 2):
        video_of(root, episode).write_bytes(damage(video_of(root, episode).read_bytes()))
    item = checked(root)
    (found,) = item.problems
    assert (found.code, found.severity, found.where) == (code, "error", str(video_of(root, 0)))
    assert "alike in 2 episodes: 0, 2" in found.message
    assert "1 of 3 videos opened" in item.note


def shorten(root: Path, episode: int, frames: int, *, start_s: float = 0.0, step_s: float = 0.1) -> None:
    images = [drawn_frame(episode, row) for row in range(frames)]
    write_video(video_of(root, episode), images, start_s + np.arange(frames) * step_s, overwrite=True)


def test_fewer_and_more_frames_than_rows(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", videos=True)
    shorten(root, 0, 3)
    shorten(root, 2, 7)
    fewer, more = checked(root).problems
    assert (fewer.code, fewer.severity) == ("fewer-frames", "error")
    assert "episode 0: expected a frame for each of 4 rows, got 3" in fewer.message
    assert (more.code, more.severity) == ("more-frames", "warning")
    assert "episode 2: expected a frame for each of 5 rows, got 7" in more.message


def test_a_video_of_many_episodes_that_ends_too_early(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", version="v3.0", videos=True)
    path = root / f"videos/{CAMERA}/chunk-000/file-000.mp4"
    write_video(path, [drawn_frame(0, 0)] * 12, np.arange(12) / 10, overwrite=True)
    found = only(root)
    assert found.code == "fewer-frames"
    assert found.message == "episode 2: expected a frame for each of 5 rows, got 2"


@pytest.mark.parametrize(
    ("code", "change", "message"),
    [
        ("codec-differs", {"info": {"video.fps": 10.0, "video.codec": "av1"}}, "the codec av1, and the video is h264"),
        ("rate-differs", {"info": {"video.fps": 30.0}}, "30 frames per second, and the video has 10"),
        ("size-differs", {"shape": [48, 60, 3]}, "60 x 48 pixel, and the video has 64 x 48"),
    ],
)
def test_videos_that_are_not_what_is_said(tmp_path: Path, code: str, change: dict[str, Any], message: str) -> None:
    root = write_lerobot(tmp_path / "set", videos=True)
    retell(root, lambda told: told["features"][CAMERA].update(change))
    found = only(root)
    assert (found.code, found.severity, found.where) == (code, "warning", f"{root}: {CAMERA}")
    assert message in found.message
    assert found.message.endswith("alike in 3 episodes: 0-2")


def test_the_name_of_an_encoder_is_that_of_its_codec(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", videos=True)
    retell(root, lambda told: told["features"][CAMERA]["info"].update({"video.codec": "libx264"}))
    assert codes(root) == []


@pytest.mark.parametrize("version", ["v2.1", "v3.0"])
def test_rows_that_begin_later_than_their_frames_are_told_once(tmp_path: Path, version: str) -> None:
    root = write_lerobot(tmp_path / "set", version=version, videos=True, start_s=0.05)
    found = only(root)
    assert (found.code, found.severity) == ("time-offset", "info")
    assert "rows are +0.05 s behind their frames in every episode" in found.message


def test_offsets_that_differ_from_episode_to_episode(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", videos=True)
    rewrite(rows_of(root, 1), timestamp=lambda values: values + np.float32(0.2))
    found = only(root)
    assert (found.code, found.severity) == ("time-offset-varies", "warning")
    assert "+0.000 to +0.200 s behind their frames; in 1 episodes: 1" in found.message


def test_frames_that_run_at_another_rate_than_rows(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", videos=True)
    shorten(root, 1, 6, step_s=0.05)
    assert codes(root) == ["rate-differs", "rows-without-frame"]
    found = checked(root).problems[1]
    assert found.severity == "error"
    assert "expected a frame at the time of each of 6 rows, got none for 3, first of row 3 at 0.3 s" in found.message


def test_frames_of_one_episode_among_others(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    write_video(clip, [drawn_frame(0, 0)] * 20, np.arange(20) / 10)
    facts = probe(clip)
    assert frames_of(facts, 0.5, 0.9, 0.1, following_s=np.inf, alone=False) == (5, 10)
    assert frames_of(facts, 0.0, 0.9, 0.1, following_s=np.inf, alone=True) == (0, 20)
    assert frames_of(facts, 0.5, 0.9, 0.1, following_s=np.inf, alone=True) == (5, 10)
    assert frames_of(facts, 1.5, 0.9, 0.1, following_s=np.inf, alone=False) == (15, 5)
    # What the next episode begins with is not its own.
    assert frames_of(facts, 0.5, 0.9, 0.1, following_s=0.8, alone=False) == (5, 3)
    assert frames_of(facts, 0.5, 0.9, 0.1, following_s=0.5, alone=False) == (5, 0)


def test_decoding_finds_a_damaged_picture(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", videos=True, lengths=(40,))
    data = bytearray(video_of(root, 0).read_bytes())
    begin = data.index(b"mdat") + 4
    size = int.from_bytes(data[begin - 8 : begin - 4])
    data[begin + size // 2 : begin + size - 8] = b"\xff" * (size - 8 - size // 2)
    video_of(root, 0).write_bytes(bytes(data))
    assert codes(root) == []
    assert "error" in {problem.severity for problem in checked(root, decode=True).problems}


def test_errors_of_one_kind_are_one_and_those_of_another_part_another() -> None:
    faults = SharedFaults()
    for number in (5, 6):
        faults.refused([number], "top", CorruptDataError(Problem("no-index", f"{number}.mp4", "expected an index")))
    faults.refused([6], "side", CorruptDataError(Problem("no-index", "side.mp4", "expected an index", "copy it")))
    first, second = faults
    assert (first.where, first.message) == ("5.mp4", "episode 5: expected an index; alike in 2 episodes: 5-6")
    assert (second.where, second.message, second.fix) == ("side.mp4", "episode 6: expected an index", "copy it")


@pytest.mark.parametrize(
    ("column", "value", "code", "message"),
    [
        ("episode_index", 0, "wrong-episode-index", "expected 1 in row 2, got 0 (1 of 6 rows)"),
        ("frame_index", 6, "wrong-frame-index", "expected 2 in row 2, got 6 (1 of 6 rows)"),
        ("index", 0, "index-not-rising", "got 5 and 0 in rows 1 and 2"),
        ("timestamp", 0.0, "times-not-rising", "got 0.0 in row 2 after 0.1"),
        ("timestamp", 0.25, "uneven-times", "got 0.05 to 0.15 s"),
        ("task_index", 2, "unknown-task", "got 2"),
        ("next.reward", np.inf, "not-finite", "got others in 1 of 6 rows"),
    ],
)
def test_rows_of_a_file_of_many_episodes_are_told_by_their_own_episode(
    tmp_path: Path, column: str, value: float, code: str, message: str
) -> None:
    root = write_lerobot(tmp_path / "set", version="v3.0")
    # Episode 1 begins behind the 4 rows of episode 0, in the same file.
    rewrite(root / "data/chunk-000/file-000.parquet", **{column: with_value(4 + 2, value)})
    found = only(root)
    assert (found.code, found.where) == (code, f"{root}: {column}")
    assert found.message.startswith("episode 1: ")
    assert message in found.message


@pytest.mark.parametrize(
    ("column", "change", "code"),
    [
        ("episode_index", lambda values: values + 1, "wrong-episode-index"),
        ("index", lambda values: values[::-1], "index-not-rising"),
        ("index", lambda values: values - values[0], "index-overlaps"),
        ("timestamp", lambda values: values[::-1], "times-not-rising"),
        ("timestamp", lambda values: values / 3, "uneven-times"),
        ("task_index", lambda values: values + 5, "unknown-task"),
        ("next.reward", lambda values: values * np.nan, "not-finite"),
    ],
)
def test_each_fault_of_rows_is_one_problem_of_all_that_have_it(
    tmp_path: Path, column: str, change: Callable[[np.ndarray], Any], code: str
) -> None:
    root = write_lerobot(tmp_path / "set", lengths=(4,) * 7)
    for episode in (1, 2, 3, 6):
        rewrite(rows_of(root, episode), **{column: change})
    found = only(root)
    assert found.code == code
    assert found.message.startswith("episode 1: ")
    assert found.message.endswith("; alike in 4 episodes: 1-3, 6")


def test_faults_of_one_code_in_two_columns_are_two(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set")
    rewrite(rows_of(root, 0), **{"next.reward": with_value(0, np.nan)})
    stored = pq.read_table(rows_of(root, 2))
    flat = pa.array(np.where(np.arange(15) == 7, np.inf, 1).astype(np.float32))
    at = stored.schema.get_field_index("action")
    vectors = pa.FixedSizeListArray.from_arrays(flat, 3)
    pq.write_table(stored.set_column(at, "action", vectors), rows_of(root, 2))
    rewrite(rows_of(root, 2), **{"next.reward": with_value(0, np.inf)})
    assert {(one.code, one.where.rpartition(" ")[2]) for one in of_files(checked(root))} == {
        ("not-finite", "next.reward"),
        ("not-finite", "action"),
    }


def test_index_may_leave_out_numbers_but_not_use_them_again(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set")
    rewrite(rows_of(root, 1), index=lambda values: values + 100)
    rewrite(rows_of(root, 2), index=lambda values: values + 100)
    assert codes(root) == []
    rewrite(rows_of(root, 2), index=lambda values: values - 1)
    assert only(root).message == "episode 2: expected it to begin above 109, where the episode before ends, got 109"


def test_a_task_column_that_is_an_annotation_too_is_told_once(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set")
    told = {"state": {}, "action": {}, "annotation": {"human.task": {"original_key": "task_index"}}}
    (root / "meta/modality.json").write_text(json.dumps(told))
    assert codes(root) == []
    rewrite(rows_of(root, 2), task_index=with_value(4, 3))
    assert only(root).message == "episode 2: expected numbers of the 2 tasks, got 3"


@pytest.mark.parametrize("decode", [False, True])
@pytest.mark.parametrize("version", ["v2.1", "v3.0"])
@pytest.mark.parametrize("change", [with_value(2, np.nan), with_value(2, 0.0), lambda values: values * 0])
def test_times_that_do_not_rise_are_told_with_the_rows_alone(
    tmp_path: Path, change: Callable[[np.ndarray], Any], version: str, decode: bool
) -> None:
    root = write_lerobot(tmp_path / "set", version=version, videos=True, per_file=1)
    rewrite(sorted((root / "data").rglob("*.parquet"))[1], timestamp=change)
    found = [problem for problem in checked(root, decode=decode).problems if problem.code != "lag-unknown"]
    told = [(problem.code, problem.severity, problem.where) for problem in found]
    assert told == [("times-not-rising", "error", f"{root}: timestamp")]
    assert found[0].message.startswith("episode 1: expected rising seconds, got ")


def test_an_episode_of_one_row_has_one_frame_which_has_no_rate(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", videos=True, lengths=(1, 4, 1))
    assert codes(root) == []
    assert [problem.code for problem in checked(root, decode=True).problems] == ["lag-unknown"]


@pytest.mark.parametrize("frames", [2, 9])
def test_frames_too_few_or_too_many_everywhere_are_one_problem(tmp_path: Path, frames: int) -> None:
    root = write_lerobot(tmp_path / "set", videos=True, lengths=(4,) * 4)
    for episode in (0, 1, 3):
        shorten(root, episode, frames)
    found = only(root)
    assert found.code == ("fewer-frames" if frames < 4 else "more-frames")
    assert f"for each of 4 rows, got {frames}" in found.message
    assert found.message.endswith("; alike in 3 episodes: 0-1, 3")


@pytest.mark.parametrize(("moved_s", "word"), [(0.01, "before"), (-0.01, "behind")])
def test_one_frame_that_is_not_where_its_row_is(tmp_path: Path, moved_s: float, word: str) -> None:
    root = write_lerobot(tmp_path / "set", videos=True)
    retell(root, lambda told: told["features"][CAMERA]["info"].pop("video.fps"))
    times = np.arange(6) / 10
    write_video(video_of(root, 1), [drawn_frame(1, row) for row in range(6)], times, overwrite=True)
    assert codes(root) == []
    times[3] += moved_s
    write_video(video_of(root, 1), [drawn_frame(1, row) for row in range(6)], times, overwrite=True)
    found = next(problem for problem in checked(root).problems if problem.code == "frames-off-rows")
    assert found.severity == "warning"
    assert found.message.startswith("episode 1: expected rows and frames to go on together, got row 3 0.01 s " + word)


def test_a_video_whose_other_episodes_are_not_listed_is_cut_by_time(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", version="v3.0", videos=True)
    listed = root / "meta/episodes/chunk-000/file-000.parquet"
    pq.write_table(pq.read_table(listed).slice(2, 1), listed)
    retell(root, lambda told: told.update(total_episodes=1, total_frames=5, splits={"train": "0:1"}))
    item = checked(root)
    assert [one.code for one in of_files(item)] == ["unlisted-files"]
    assert item.found.startswith("lerobot: 1 episodes, 5 of 5 rows read, 1 of 1 videos opened, no frame decoded, ")


def test_a_video_that_ends_before_its_last_episodes_begin_is_decoded_to_its_end(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set", version="v3.0", videos=True, lengths=(30, 30, 30))
    for file in sorted((root / "data").rglob("*.parquet")):
        table = pq.read_table(file)
        state = np.random.default_rng(0).random((table.num_rows, 3)).astype(np.float32)
        cells = pa.FixedSizeListArray.from_arrays(pa.array(state.reshape(-1)), 3)
        pq.write_table(
            table.set_column(table.schema.get_field_index("observation.state"), "observation.state", cells), file
        )
    path = root / f"videos/{CAMERA}/chunk-000/file-000.mp4"
    write_video(path, [drawn_frame(0, row) for row in range(45)], np.arange(45) / 10, overwrite=True)
    item = checked(root, decode=True)
    fewer = item.problems[0]
    assert fewer.code == "fewer-frames"
    assert fewer.message == "episode 1: expected a frame for each of 30 rows, got 15; alike in 2 episodes: 1-2"
    assert "45 frames decoded" in item.note


@given(found=st.lists(st.tuples(st.integers(0, 22), st.sampled_from("ab"), st.sampled_from("xy")), min_size=1))
def test_shared_faults_name_every_episode_once(found: list[tuple[int, str, str]]) -> None:
    faults = SharedFaults()
    for number, code, where in found:
        faults.add(number, code, where, f"message of {number}")
    told = {(problem.code, problem.where): problem.message for problem in faults}
    assert set(told) == {(code, where) for _, code, where in found}
    for (code, where), message in told.items():
        numbers = [number for number, one, place in found if (one, place) == (code, where)]
        assert message.startswith(f"episode {numbers[0]}: message of {numbers[0]}")
        _, alike, spans = message.partition("; alike in ")
        named = spans.partition(": ")[2].split(", ") if alike else [str(numbers[0])]
        ends = [span.split("-") for span in named]
        assert [n for span in ends for n in range(int(span[0]), int(span[-1]) + 1)] == sorted(set(numbers))
