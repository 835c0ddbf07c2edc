"""The words of tasks stand in two tables: where they contradict each other, it is said which count."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lapsdata.adapters.lerobot.converting import convert_set
from lapsdata.adapters.lerobot.reading import read_set
from lapsdata.checks.episodes import check_episodes, episodes_adapter
from lapsdata.errors import SchemaError
from lapsdata.loading.steps import open_steps
from lapsdata.testing.episode_sets import write_lerobot

if TYPE_CHECKING:
    from pathlib import Path

PICK, CUP = {"task_index": 0, "task": "pick the cube"}, {"task_index": 1, "task": "place the cup"}


def with_tasks(root: Path, *lines: dict[str, Any], version: str = "v2.1") -> Path:
    write_lerobot(root, version=version, lengths=(4, 6, 5))
    if version == "v3.0":
        table = pa.Table.from_pylist([dict(line) for line in lines]).rename_columns(["task_index", "__index_level_0__"])
        pq.write_table(table, root / "meta/tasks.parquet")
    else:
        (root / "meta/tasks.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return root


def words_of(root: Path) -> dict[int, str]:
    return {task.number: task.words for task in read_set(root).episodes.header.tasks}


def checked(root: Path) -> dict[str, str]:
    adapter = episodes_adapter(root)
    assert adapter is not None
    return {problem.code: problem.message for problem in check_episodes(root, adapter, lambda *_: None).problems}


@pytest.mark.parametrize("version", ["v2.0", "v2.1", "v3.0"])
def test_words_that_the_list_of_episodes_alone_has_are_told(version: str, tmp_path: Path) -> None:
    root = with_tasks(tmp_path / "a", PICK, {**CUP, "task": "OTHER"}, version=version)
    (note,) = [one for one in read_set(root).notes if one.code == "unlisted-task"]
    assert (note.severity, note.where, note.fix) == (
        "warning",
        f"{root / 'meta'}: tasks",
        "make the two agree",
    )
    assert note.message == (
        "the list of episodes says 'place the cup' in episode 1, and the table of tasks does not: episodes keep these "
        "words, numbered 2 here; rows have those of the table for their numbers"
    )
    # What it says is what is taken.
    assert words_of(root) == {0: "pick the cube", 1: "OTHER", 2: "place the cup"}
    assert open_steps(root)[5]["task"] == "OTHER"
    with pytest.raises(SchemaError, match="unlisted-task"):
        read_set(root, strict=True)
    found = checked(root)
    assert "unlisted-task" in found
    assert found["task-unlike-rows"] == (
        "episode 1: expected rows of 'place the cup', as the list of episodes says, got 'OTHER': rows count for samples"
    )
    convert_set(root, tmp_path / "b", "lerobot-2.1" if version != "v2.1" else "lerobot-3.0")
    # The contradiction goes along, and so does a check of it; no table lacks a word any more.
    assert set(checked(tmp_path / "b")) & {"task-unlike-rows", "unlisted-task"} == {"task-unlike-rows"}


def test_a_line_that_is_missing_is_told_and_its_words_are_those_of_the_list(tmp_path: Path) -> None:
    root = with_tasks(tmp_path / "a", PICK)
    assert [note.code for note in read_set(root).notes] == ["unlisted-task"]
    assert words_of(root) == {0: "pick the cube", 1: "place the cup"}
    assert open_steps(root)[5]["task"] == "place the cup"
    assert checked(root).keys().isdisjoint({"task-unlike-rows", "unknown-task"})


def test_a_number_that_was_guessed_wrong_is_seen_in_the_rows(tmp_path: Path) -> None:
    root = with_tasks(tmp_path / "a", CUP)
    # The cube is numbered 2 here, and is 0 in the rows: no words are made up for these.
    assert words_of(root) == {1: "place the cup", 2: "pick the cube"}
    assert checked(root)["unknown-task"].endswith("expected numbers of the 2 tasks, got 0; alike in 2 episodes: 0, 2")
    (note,) = [one for one in read_set(root).notes if one.code == "unlisted-task"]
    assert "says 'pick the cube' in episodes 0, 2, and" in note.message


def test_words_that_changed_places_are_seen_in_the_rows(tmp_path: Path) -> None:
    root = with_tasks(tmp_path / "a", {**PICK, "task": CUP["task"]}, {**CUP, "task": PICK["task"]})
    assert [note.code for note in read_set(root).notes] == []
    assert checked(root)["task-unlike-rows"].startswith(
        "episode 0: expected rows of 'pick the cube', as the list of episodes says, got 'place the cup'"
    )


@pytest.mark.parametrize("lines", [(), ({}, {})])
def test_an_empty_table_has_no_words(lines: tuple[dict[str, Any], ...], tmp_path: Path) -> None:
    root = with_tasks(tmp_path / "a")
    (root / "meta/tasks.jsonl").write_text("\n" * len(lines))
    assert "unlisted-task" in [note.code for note in read_set(root).notes]
    assert words_of(root) == {0: "pick the cube", 1: "place the cup"}


def test_tasks_that_no_episode_has_are_no_contradiction(tmp_path: Path) -> None:
    root = with_tasks(tmp_path / "a", PICK, CUP, {"task_index": 7, "task": "rest"})
    assert read_set(root, strict=True).notes == ()
    assert checked(root).keys().isdisjoint({"task-unlike-rows", "unlisted-task", "unknown-task"})


def test_an_episode_may_have_several_tasks(tmp_path: Path) -> None:
    root = with_tasks(tmp_path / "a", PICK, CUP)
    path = root / "meta/episodes.jsonl"
    path.write_text(path.read_text().replace('["place the cup"]', '["pick the cube", "place the cup"]'))
    rows = root / "data/chunk-000/episode_000001.parquet"
    table = pq.read_table(rows)
    at = table.schema.get_field_index("task_index")
    pq.write_table(table.set_column(at, "task_index", pa.array(np.array([0, 0, 1, 1, 0, 1]))), rows)
    assert "task-unlike-rows" not in checked(root)


@pytest.mark.parametrize("version", ["v2.1", "v3.0"])
def test_a_set_without_episodes_is_told_as_that(version: str, tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "a", version=version)
    if version == "v2.1":
        path = root / "meta/episodes.jsonl"
        path.write_text("")
    else:
        path = root / "meta/episodes/chunk-000/file-000.parquet"
        pq.write_table(pq.read_table(path).slice(0, 0), path)
    with pytest.raises(SchemaError, match=r"expected a line or row for each episode, got none: the set is empty") as no:
        read_set(root)
    assert no.value.problems[0].where == str(path)
    assert path.exists()


def test_a_list_without_numbers_names_its_file(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "a")
    path = root / "meta/episodes.jsonl"
    path.write_text('{"length": 4}\n')
    with pytest.raises(SchemaError, match=rf"{path}: expected a column episode_index, got length"):
        read_set(root)
