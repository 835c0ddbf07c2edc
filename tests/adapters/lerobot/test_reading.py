"""Data sets in each layout and form that programs write: read by what is on disk, and told what does not fit."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import lapsdata
from lapsdata.adapters import find_adapter
from lapsdata.adapters.lerobot.reading import LeRobotSet, read_set
from lapsdata.errors import FormatTooNewError, LapsError, SchemaError, UnknownFormatError
from lapsdata.storage.episode_rows import EpisodeRows
from lapsdata.testing.episode_sets import CAMERA, episode_rows, write_lerobot

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LENGTHS = (4, 6, 5, 3, 7)
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n"
VERSIONS = ("v2.0", "v2.1", "v3.0")


def made(path: Path, version: str = "v2.1", **options: Any) -> Path:
    return write_lerobot(path / "set", version=version, lengths=LENGTHS, **options)


def codes(found: LeRobotSet) -> list[str]:
    return [note.code for note in found.notes]


def expect_rows(found: LeRobotSet, numbers: tuple[int, ...] = (0, 1, 2, 3, 4)) -> None:
    """Expect the rows of each episode, by what they say of themselves."""
    assert found.episodes.number.tolist() == list(numbers)
    rows = EpisodeRows(found.root, found.episodes)
    for place, number in enumerate(numbers):
        state = rows.read(place, ["observation.state"])["observation.state"]
        np.testing.assert_array_equal(state, episode_rows(LENGTHS)[number].columns["observation.state"])


def rewritten(path: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    pq.write_table(change(pq.read_table(path)), path)


# --- versions ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_each_version_says_what_it_is(tmp_path: Path, version: str) -> None:
    found = read_set(made(tmp_path, version, videos=True), strict=True)
    expect_rows(found)
    assert (found.version, found.notes) == (version, ())
    header = found.episodes.header
    assert [task.words for task in header.tasks] == ["pick the cube", "place the cup"]
    assert [found.episodes.tasks_of(place).tolist() for place in range(5)] == [[0], [1], [0], [1], [0]]
    assert {feature.name: feature.shape for feature in header.features}["next.reward"] == ()
    (camera,) = header.cameras
    assert (camera.name, camera.size.width, camera.size.height) == (CAMERA, 64, 48)  # type: ignore[union-attr]
    assert {parent.name for parent in header.provenance.parents} >= {"info.json"}


@pytest.mark.parametrize(
    ("version", "stated", "words"),
    [
        ("v2.0", "v2.1", "it says v2.1, and has no meta/episodes_stats.jsonl: it is read as v2.0"),
        ("v2.1", "v2.0", "it says v2.0, and has meta/episodes_stats.jsonl: it is read as v2.1"),
        ("v2.1", "v3.0", "it says v3.0, and its files are laid out as v2.1: it is read as v2.1"),
        ("v3.0", "v2.1", "it says v2.1, and its files are laid out as v3.0: it is read as v3.0"),
        ("v3.0", "", "it says nothing, and its files are laid out as v3.0"),
        ("v2.1", "v1.6", "it says v1.6, and its files are laid out as v2.1"),
    ],
)
def test_a_contradiction_is_told_and_the_files_decide(
    tmp_path: Path, version: str, stated: str, words: str, changed_json: Any
) -> None:
    root = made(tmp_path, version)
    changed_json(root / "meta/info.json", lambda told: told.update(codebase_version=stated))
    found = read_set(root)
    expect_rows(found)
    (note,) = found.notes
    assert (found.version, note.code, note.severity) == (version, "version-contradiction", "warning")
    assert words in note.message
    with pytest.raises(SchemaError, match="codebase_version: it says"):
        read_set(root, strict=True)


@pytest.mark.parametrize(("stated", "version"), [("3.0", "v3.0"), ("V3", "v3.0"), ("v2.1.0", "v2.1"), ("2.0", "v2.0")])
def test_other_spellings_of_a_version_are_no_contradiction(
    tmp_path: Path, stated: str, version: str, changed_json: Any
) -> None:
    root = made(tmp_path, version)
    changed_json(root / "meta/info.json", lambda told: told.update(codebase_version=stated))
    assert read_set(root).notes == ()


@pytest.mark.parametrize("stated", ["v3.1", "v4.0", "5"])
def test_a_version_of_the_future_is_refused(tmp_path: Path, stated: str, changed_json: Any) -> None:
    root = made(tmp_path, "v3.0")
    changed_json(root / "meta/info.json", lambda told: told.update(codebase_version=stated))
    with pytest.raises(FormatTooNewError, match=f"expected a version up to v3.0, got '{stated}'; install a newer"):
        read_set(root)


@pytest.mark.parametrize("pattern", ["data/all.parquet", "data/{episode_index}-{file_index}.parquet"])
def test_a_pattern_of_no_version_is_refused(tmp_path: Path, pattern: str, changed_json: Any) -> None:
    root = made(tmp_path)
    changed_json(root / "meta/info.json", lambda told: told.update(data_path=pattern))
    with pytest.raises(SchemaError, match=r"data_path: expected a pattern with episode_index .* or file_index"):
        read_set(root)


# --- tables of meta ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("parts", [(), (slice(0, 2), slice(2, 3), slice(3, 5))], ids=["one", "chunks"])
@pytest.mark.parametrize("table", ["episodes", "tasks"])
def test_tables_of_lines_may_be_parquet(tmp_path: Path, table: str, parts: Any, as_parquet: Any) -> None:
    root = made(tmp_path)
    as_parquet(root / f"meta/{table}.jsonl", *(parts if table == "episodes" else parts[:1]))
    found = read_set(root, strict=True)
    expect_rows(found)
    assert [task.words for task in found.episodes.header.tasks] == ["pick the cube", "place the cup"]


def test_blank_lines_are_left_out_and_counted(tmp_path: Path) -> None:
    root = made(tmp_path)
    for table in ("episodes", "tasks"):
        path = root / f"meta/{table}.jsonl"
        path.write_text("\n" + path.read_text().replace("\n", "\n\n") + "  \n")
    found = read_set(root, strict=True)
    expect_rows(found)
    assert [(note.code, note.severity) for note in found.notes] == [("blank-lines", "info")] * 2
    assert "meta/episodes.jsonl: 7 blank of 12 lines are left out; delete them" in str(found.notes[0])


def test_a_table_that_is_there_twice_is_told(tmp_path: Path, as_parquet: Any) -> None:
    root = made(tmp_path)
    lines = (root / "meta/episodes.jsonl").read_text()
    as_parquet(root / "meta/episodes.jsonl")
    (root / "meta/episodes.jsonl").write_text(lines)
    found = read_set(root)
    expect_rows(found)
    assert codes(found) == ["table-twice"]


@pytest.mark.parametrize("column", ["task", "__index_level_0__", "instruction"])
def test_words_of_tasks_stand_in_a_column_or_in_the_index_of_whatever_name(tmp_path: Path, column: str) -> None:
    root = made(tmp_path, "v3.0")
    # As pandas writes a frame whose index is the words: the index is a column like any other.
    table = pa.table({"task_index": [1, 0], column: ["place the cup", "pick the cube"]})
    meta = {"pandas": json.dumps({"index_columns": [column], "columns": []})}
    pq.write_table(table.replace_schema_metadata(meta), root / "meta/tasks.parquet")
    found = read_set(root, strict=True)
    assert [(task.number, task.words) for task in found.episodes.header.tasks] == [
        (0, "pick the cube"),
        (1, "place the cup"),
    ]


def test_tasks_that_are_missing_or_twice_are_told(tmp_path: Path) -> None:
    root = made(tmp_path)
    path = root / "meta/tasks.jsonl"
    path.write_text(path.read_text() + json.dumps({"task_index": 0, "task": "something else"}))
    found = read_set(root)
    assert codes(found) == ["task-twice"]
    assert found.episodes.header.tasks[0].words == "pick the cube"
    path.unlink()
    found = read_set(root)
    assert codes(found) == ["no-tasks"]
    # The list of episodes has words too; they get numbers in their order, and it is not said that there are none.
    (note,) = found.notes
    assert note.message.endswith("got none: those of the list of episodes are numbered in its order")
    lines = (root / "meta/episodes.jsonl").read_text()
    (root / "meta/episodes.jsonl").write_text(re.sub(r'"tasks": \[[^\]]*\], ', "", lines))
    assert read_set(root).notes[0].message.endswith("got none: numbers of tasks have no words")
    assert read_set(root).episodes.header.tasks == ()
    assert [task.words for task in found.episodes.header.tasks] == ["pick the cube", "place the cup"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: lines + "[1]\nnot json\n", r"2 problems:.*line 6: expected a JSON object.*line 7"),
        (lambda lines: lines + lines.splitlines()[1] + "\n", r"expected each episode_index once, got \[1\] again"),
        (lambda lines: lines.replace("length", "rows"), "expected a column length, got episode_index, tasks, rows"),
        (lambda lines: lines.replace(": 4}", ": 4.5}"), "length: expected a whole number, got 4.5"),
        (lambda lines: lines.replace(": 4}", ': "4"}'), "line 1: length: expected a whole number, got the text '4'"),
        (
            lambda lines: lines.replace('["pick the cube"]', "[null]", 1),
            r"line 1: tasks: expected a list of texts, got the list \[None\]",
        ),
    ],
    ids=["no objects", "twice", "no length", "half a row", "text", "no words"],
)
def test_a_list_of_episodes_that_cannot_be_is_refused(
    tmp_path: Path, change: Callable[[str], str], message: str
) -> None:
    root = made(tmp_path)
    path = root / "meta/episodes.jsonl"
    path.write_text(change(path.read_text()))
    with pytest.raises(SchemaError, match=f"(?s){message}"):
        read_set(root)


def test_no_list_of_episodes_at_all(tmp_path: Path) -> None:
    root = made(tmp_path)
    (root / "meta/episodes.jsonl").unlink()
    with pytest.raises(SchemaError, match=r"expected episodes\.jsonl, episodes\.parquet or .*got none \[no-episodes\]"):
        read_set(root)


# --- files ------------------------------------------------------------------------------------------------------


def test_episodes_without_files_are_told_together(tmp_path: Path) -> None:
    root = made(tmp_path, videos=True)
    for number in (0, 2, 3):
        (root / f"data/chunk-000/episode_{number:06d}.parquet").unlink()
    (root / f"videos/chunk-000/{CAMERA}/episode_000004.mp4").unlink()
    found = read_set(root)
    expect_rows(found, (1, 4))
    assert [note.code for note in found.notes] == ["missing-episodes", "missing-videos"]
    assert "each of 5 episodes, got none for 3: 0, 2-3; bring the files" in str(found.notes[0])
    assert "each of 2 episodes, got none for 1: 4" in str(found.notes[1])
    assert found.episodes.video_index[CAMERA].tolist()[1] == -1
    with pytest.raises(SchemaError, match="2 problems"):
        read_set(root, strict=True)


def test_a_list_whose_numbers_have_gaps_finds_each_file_by_number(tmp_path: Path, changed_json: Any) -> None:
    root = made(tmp_path)
    path = root / "meta/episodes.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[4], lines[1], lines[2]]))
    changed_json(root / "meta/info.json", lambda told: told.update(total_episodes=3, total_frames=18))
    expect_rows(read_set(root, strict=True), (1, 2, 4))


def test_files_of_version_2_lie_in_the_folder_of_their_chunk(tmp_path: Path, changed_json: Any) -> None:
    root = made(tmp_path)
    changed_json(root / "meta/info.json", lambda told: told.update(chunks_size=2, total_chunks=3))
    for number in (2, 3, 4):
        path = root / f"data/chunk-{number // 2:03d}" / f"episode_{number:06d}.parquet"
        path.parent.mkdir(exist_ok=True)
        (root / "data/chunk-000" / path.name).rename(path)
    expect_rows(read_set(root, strict=True))


@pytest.mark.parametrize("chunks", [False, True])
def test_files_of_version_3_are_those_of_the_columns_in_whatever_order_episodes_are_listed(
    tmp_path: Path, chunks: bool
) -> None:
    root = made(tmp_path, "v3.0", videos=True)
    listed = root / "meta/episodes/chunk-000/file-000.parquet"
    table = pq.read_table(listed)
    if chunks:
        # The second file of rows, and the second video, move to other chunks; the list is in three files of two.
        (root / "data/chunk-007").mkdir()
        (root / "data/chunk-000/file-001.parquet").rename(root / "data/chunk-007/file-000.parquet")
        (root / f"videos/{CAMERA}/chunk-003").mkdir()
        (root / f"videos/{CAMERA}/chunk-000/file-001.mp4").rename(root / f"videos/{CAMERA}/chunk-003/file-009.mp4")
        rows = table.to_pylist()
        for row in rows:
            if row["data/file_index"] == 1:
                row |= {"data/chunk_index": 7, "data/file_index": 0}
            if row[f"videos/{CAMERA}/file_index"] == 1:
                row |= {f"videos/{CAMERA}/chunk_index": 3, f"videos/{CAMERA}/file_index": 9}
        table = pa.Table.from_pylist(rows)
    listed.unlink()
    for number, order in enumerate(([3, 0], [4], [1, 2])):
        path = root / f"meta/episodes/chunk-{number // 2:03d}/file-{number % 2:03d}.parquet"
        path.parent.mkdir(exist_ok=True)
        pq.write_table(table.take(order), path)
    found = read_set(root, strict=True)
    expect_rows(found)
    episodes = found.episodes
    assert episodes.first_row.tolist() == [0, 4, 0, 5, 0]
    np.testing.assert_allclose(episodes.video_start_s[CAMERA], [0, 0.4, 1.0, 0, 0.3])
    videos = [episodes.video_files[index] for index in episodes.video_index[CAMERA].tolist()]
    moved = "chunk-003/file-009.mp4" if chunks else "chunk-000/file-001.mp4"
    assert [video.split("/", 2)[2] for video in videos] == ["chunk-000/file-000.mp4"] * 3 + [moved] * 2


def test_a_length_that_is_none_of_its_rows_is_refused(tmp_path: Path) -> None:
    root = made(tmp_path, "v3.0")
    at = ("length", [4, 6, 6, 3, 8])
    rewritten(root / "meta/episodes/chunk-000/file-000.parquet", lambda t: t.set_column(2, at[0], pa.array(at[1])))
    with pytest.raises(SchemaError, match=r"episode 2: expected dataset_to_index .* = 6, .* got 5 \(2 such episodes\)"):
        read_set(root)


@pytest.mark.parametrize(
    ("file", "version"),
    [
        ("meta/info.json", "v2.1"),
        ("meta/episodes.jsonl", "v2.1"),
        ("meta/tasks.jsonl", "v2.1"),
        ("meta/modality.json", "v2.0"),
        ("meta/episodes/chunk-000/file-000.parquet", "v3.0"),
    ],
)
def test_a_pointer_of_git_lfs_is_named_as_such(tmp_path: Path, file: str, version: str) -> None:
    root = made(tmp_path, version)
    (root / file).write_text(POINTER)
    with pytest.raises(UnknownFormatError, match=f"{root / file}: .*a Git LFS pointer.*; run git lfs pull"):
        read_set(root)


# --- what info.json says ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (["a", "b", "c"], ("a", "b", "c")),
        ({"motors": ["a", "b", "c"]}, ("a", "b", "c")),
        ({"arm": ["a", "b"], "gripper": "c"}, ("a", "b", "c")),
        ([["a", "b", "c"]], ("a", "b", "c")),
        (["a", "b"], None),
        ([1, 2, 3], None),
        (None, None),
    ],
)
def test_names_of_numbers_in_every_form(tmp_path: Path, names: Any, wanted: Any, changed_json: Any) -> None:
    root = made(tmp_path)
    changed_json(root / "meta/info.json", lambda told: told["features"]["action"].update(names=names))
    features = {feature.name: feature for feature in read_set(root).episodes.header.features}
    assert features["action"].names == wanted


def test_images_in_the_rows_are_a_camera_without_a_video(tmp_path: Path, changed_json: Any) -> None:
    root = made(tmp_path)
    image = {"dtype": "image", "shape": [3, 48, 64], "names": ["channels", "height", "width"]}
    changed_json(root / "meta/info.json", lambda told: told["features"].update({"observation.image": image}))
    for path in (root / "data/chunk-000").iterdir():
        encoded = [{"bytes": b"png", "path": None}]
        rewritten(path, lambda t: t.append_column("observation.image", pa.array(encoded * len(t))))  # noqa: B023 - called at once
    found = read_set(root, strict=True)
    (camera,) = found.episodes.header.cameras
    assert (camera.stored, camera.size.width, camera.size.height) == ("encoded", 64, 48)  # type: ignore[union-attr]
    assert found.episodes.video_index == {}


def test_totals_and_splits_that_are_not_so_are_told_each_once(tmp_path: Path, changed_json: Any) -> None:
    root = made(tmp_path)
    wrong = {"total_episodes": 9, "total_frames": 1, "total_videos": 2, "total_chunks": 0, "splits": {"train": "0:100"}}
    changed_json(root / "meta/info.json", lambda told: told.update(wrong))
    found = read_set(root)
    told = {note.where.rpartition("info.json: ")[2]: note.fix for note in found.notes}
    assert told == {
        "total_episodes": "write 5",
        "total_frames": "write 25",
        "total_videos": "write 0",
        "total_chunks": "write 1",
        "splits: train": "write '0:5'",
    }


@pytest.mark.parametrize(
    ("got", "words"), [("5", "the text '5'"), (True, "true"), ([5], "the list [5]"), (6, "6"), (5.5, "5.5")]
)
def test_a_total_that_is_no_number_is_told_apart_from_one(
    tmp_path: Path, got: Any, words: str, changed_json: Any
) -> None:
    root = made(tmp_path)
    changed_json(root / "meta/info.json", lambda told: told.update(total_episodes=got))
    (note,) = read_set(root).notes
    assert (note.code, note.severity) == ("wrong-total", "warning")
    assert note.message == f"expected 5, as its episodes and cameras make, got {words}"


@pytest.mark.parametrize("videos", [False, True])
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("gone", [dict.pop, lambda told, name: told.update({name: None})], ids=["absent", "null"])
def test_patterns_that_are_not_said_are_those_of_the_version(
    tmp_path: Path, version: str, videos: bool, gone: Any, changed_json: Any
) -> None:
    root = made(tmp_path, version, videos=videos)
    whole = read_set(root)
    names = ["data_path", "video_path"]
    changed_json(root / "meta/info.json", lambda told: [gone(told, name) for name in names])
    found = read_set(root)
    assert (found.version, found.episodes.files, found.episodes.video_files) == (
        version,
        whole.episodes.files,
        whole.episodes.video_files,
    )
    wanted = {"data_path": whole.info.data_path, **({"video_path": whole.info.video_path} if videos else {})}
    assert [(note.code, note.severity) for note in found.notes] == [("no-pattern", "warning")] * len(wanted)
    for note, (name, pattern) in zip(found.notes, wanted.items(), strict=True):
        assert note.where.endswith(f"meta/info.json: {name}")
        assert note.message == f"expected a pattern of paths, got none: files are looked for as {pattern}"


def test_the_pattern_of_videos_is_that_of_the_rows_where_these_have_one(tmp_path: Path, changed_json: Any) -> None:
    root = made(tmp_path, "v3.0", videos=True)
    changed_json(root / "meta/info.json", lambda told: told.update(codebase_version="v2.1", video_path=None))
    found = read_set(root)
    assert codes(found) == ["version-contradiction", "no-pattern"]
    assert all((root / file).is_file() for file in found.episodes.video_files)


def test_files_that_are_not_there_are_told_with_the_pattern_that_nobody_said(tmp_path: Path, changed_json: Any) -> None:
    root = made(tmp_path, "v2.1")
    changed_json(root / "meta/info.json", lambda told: (told.pop("data_path"), told.update(codebase_version="v3.0")))
    listed = root / "meta/episodes.jsonl"
    rows = [
        json.loads(line) | {"data/chunk_index": 0, "data/file_index": 0} for line in listed.read_text().splitlines()
    ]
    stops = np.cumsum(LENGTHS).tolist()
    for row, stop in zip(rows, stops, strict=True):
        row |= {"dataset_from_index": stop - row["length"], "dataset_to_index": stop}
    listed.write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(SchemaError, match=r"bring the files \(data/chunk-000/file-000\.parquet \.\.\.\)") as caught:
        read_set(root)
    assert [problem.code for problem in caught.value.problems] == ["missing-episodes", "no-pattern"]


def test_columns_of_the_files_and_of_info_json_differ(tmp_path: Path, changed_json: Any) -> None:
    root = made(tmp_path)

    def change(told: Any) -> None:
        features = told["features"]
        del features["next.reward"]
        features["action"]["dtype"] = "float64"
        features["observation.effort"] = {"dtype": "float32", "shape": [3], "names": None}

    changed_json(root / "meta/info.json", change)
    found = read_set(root)
    assert sorted(codes(found)) == ["missing-column", "undeclared-column", "wrong-dtype"]
    features = {feature.name: feature.dtype for feature in found.episodes.header.features}
    assert (features["action"], features["next.reward"]) == ("float32", "float32")
    assert "observation.effort" not in features


@pytest.mark.parametrize("declared", [True, False])
def test_a_missing_frame_index_is_told_once_and_rows_are_numbered(
    tmp_path: Path, declared: bool, changed_json: Any
) -> None:
    root = made(tmp_path)
    for path in (root / "data/chunk-000").iterdir():
        rewritten(path, lambda table: table.drop_columns(["frame_index"]))
    if not declared:
        changed_json(root / "meta/info.json", lambda told: told["features"].pop("frame_index"))
    found = read_set(root)
    assert codes(found) == ["no-frame-index"]
    assert lapsdata.open_steps(root)[5]["frame_index"] == 1


def test_rows_that_begin_late_are_told_without_a_refusal(tmp_path: Path) -> None:
    found = read_set(made(tmp_path, start_s=0.1), strict=True)
    assert [(note.code, note.severity) for note in found.notes] == [("late-start", "info")]
    assert "rows that begin at 0 s, got 0.1 s" in found.notes[0].message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda told: told.update(fps=0), "fps: expected rows per second, got 0"),
        (
            lambda told: told.update(fps=None),
            'fps: expected rows per second, got null; write how many .*: "fps": 10 where',
        ),
        (lambda told: told.pop("fps"), "fps: expected rows per second, got none; write how many rows follow"),
        (
            lambda told: told.update(fps=[30]),
            r'fps: expected rows per second, got \[30\]; write "30000/1001", "29\.97"',
        ),
        (lambda told: told["features"]["action"].update(shape=[10**12]), "features: action: expected .* at most 6710"),
        (lambda told: told["features"]["action"].update(shape=[9999] * 3), "features: action: expected .* at most 671"),
        (lambda told: told["features"]["action"].update(shape=[True]), r"features: action: .* above 0, got \[True\]"),
        (lambda told: told.update(features={}), "features: expected an object with a description of every column"),
        (lambda told: told["features"].update(action=3), "features: action: expected an object with dtype, shape"),
        (lambda told: told["features"]["action"].update(shape=[0]), "features: action: expected a shape of numbers"),
        (lambda told: told["features"]["action"].update(dtype="complex64"), "features: action: .*dtype"),
        (lambda told: told.update(chunks_size=0), "chunks_size: expected a number of episodes or files"),
        (lambda told: told.update(chunks_size=10**12), "chunks_size: expected a number of episodes or files"),
        (lambda told: told.update(data_path=3), "data_path: expected a pattern of paths as text, got 3"),
        (lambda told: told.update(data_path="{episode_index}{x}"), "data_path: expected a pattern of episode_chunk"),
    ],
)
def test_an_info_json_that_cannot_be_is_refused(
    tmp_path: Path, change: Callable[[Any], None], message: str, changed_json: Any
) -> None:
    root = made(tmp_path)
    changed_json(root / "meta/info.json", change)
    with pytest.raises(SchemaError, match=rf"meta/info\.json: {message}"):
        read_set(root)


@pytest.mark.parametrize("data", [b"", b"[]", b'{"a": "\xff"}', b"{"])
def test_an_info_json_that_is_no_object_is_refused(tmp_path: Path, data: bytes) -> None:
    root = made(tmp_path)
    (root / "meta/info.json").write_bytes(data)
    with pytest.raises(SchemaError, match=r"meta/info\.json: expected (JSON|an object)"):
        read_set(root)


def test_the_adapter_takes_what_it_is_told(tmp_path: Path, changed_json: Any) -> None:
    root = made(tmp_path)
    adapter = find_adapter(root)
    assert adapter is not None
    assert adapter[0].recognises(root) == "episodes"
    assert adapter[0].recognises(root / "meta") is None
    changed_json(root / "meta/info.json", lambda told: told.update(total_frames=1))
    with pytest.raises(LapsError, match="total_frames: expected 25"):
        adapter[0].read(root, strict=True)
