"""JSON lines whose keys hold what does not belong there: told by file, line and key, in words of ours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.adapters.lerobot._line_kinds import JsonLines, expect_alike, in_words
from lapsdata.adapters.lerobot.reading import read_set
from lapsdata.adapters.lerobot.stats import read_stats
from lapsdata.adapters.lerobot.tables import find_table, json_lines
from lapsdata.errors import SchemaError
from lapsdata.testing.episode_sets import write_lerobot

if TYPE_CHECKING:
    from collections.abc import Callable


def told(path: Path, change: Callable[[list[dict[str, Any]]], object]) -> None:
    """Change lines of a file, behind a blank one."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    change(rows)
    path.write_text("\n" + "".join(json.dumps(row) + "\n" for row in rows))


def each(**values: Any) -> Callable[[list[dict[str, Any]]], object]:
    return lambda rows: [row.update(values) for row in rows]


def second(**values: Any) -> Callable[[list[dict[str, Any]]], object]:
    return lambda rows: rows[1].update(values)


@pytest.mark.parametrize(
    ("table", "change", "message"),
    [
        ("episodes", second(length="6"), "line 3: length: expected a whole number, got the text '6'; correct the line"),
        ("episodes", each(length="6"), "line 2: length: .* the text '6'; alike in 3 lines: 2-4; correct the lines"),
        ("episodes", second(length=6.5), "line 3: length: expected a whole number, got 6.5"),
        ("episodes", second(length=None), "line 3: length: expected a whole number, got null"),
        ("episodes", second(length=True), "line 3: length: expected a whole number, got true"),
        ("episodes", second(length=10**30), r"line 3: length: .*, got 10+, which is beyond 64 bits"),
        ("episodes", lambda rows: rows[1].pop("length"), "line 3: length: expected a whole number, got none"),
        ("episodes", second(episode_index=[1]), r"line 3: episode_index: expected a whole number, got the list \[1\]"),
        ("episodes", second(tasks=["a", 1]), r"line 3: tasks: expected a list of texts, got the list \['a', 1\]"),
        ("episodes", second(tasks=[1]), r"line 3: tasks: expected a list of texts, got the list \[1\]"),
        ("episodes", each(tasks=7), "line 2: tasks: expected a list of texts, got 7; alike in 3 lines: 2-4"),
        ("episodes", second(tasks={"a": 1}), "line 3: tasks: expected a list of texts, got the object {'a': 1}"),
        ("tasks", second(task=5), "line 3: task: expected a text, got 5"),
        ("tasks", second(task=None), "line 3: task: expected a text, got null"),
        ("tasks", second(task=["a"]), r"line 3: task: expected a text, got the list \['a'\]"),
        ("tasks", each(task_index="1"), "line 2: task_index: expected a whole number, got the text '1'; alike in 2"),
        ("tasks", second(task_index="y" * 99), f"line 3: task_index: .*, got the text '{'y' * 59}\\.\\.\\.;"),
    ],
)  # fmt: skip
def test_what_does_not_belong_under_a_key_of_lerobot(tmp_path: Path, table: str, change: Any, message: str) -> None:
    root = write_lerobot(tmp_path / "set")
    told(root / f"meta/{table}.jsonl", change)
    with pytest.raises(SchemaError, match=f"meta/{table}.jsonl: {message}") as caught:
        read_set(root)
    assert [problem.code for problem in caught.value.problems] == ["wrong-type"]


def test_all_keys_are_told_at_once(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set")
    told(root / "meta/episodes.jsonl", second(length="6", tasks=[1], episode_index=None))
    with pytest.raises(SchemaError, match="3 problems") as caught:
        read_set(root)
    assert {problem.where.rpartition(" ")[2] for problem in caught.value.problems} == {
        "length",
        "tasks",
        "episode_index",
    }


@pytest.mark.parametrize(("change", "lines"), [(second(tasks="place the cup"), "3"), (each(tasks="pick"), "2-4")])
def test_one_text_of_instructions_is_read_as_a_list_of_it_and_told(tmp_path: Path, change: Any, lines: str) -> None:
    root = write_lerobot(tmp_path / "set")
    told(root / "meta/episodes.jsonl", change)
    found = read_set(root)
    (note,) = (note for note in found.notes if note.code not in ("blank-lines", "unlisted-task"))
    assert (note.code, note.severity) == ("wrong-type", "warning")
    assert note.message.startswith("expected a list of texts, got the text 'p")
    assert ("it is read as a list of one; alike in 3 lines: 2-4" in note.message) == (lines == "2-4")
    words = {task.number: task.words for task in found.episodes.header.tasks}
    assert words[int(found.episodes.tasks_of(1)[0])] == ("place the cup" if lines == "3" else "pick")
    with pytest.raises(SchemaError, match="wrong-type"):
        read_set(root, strict=True)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((1, "a"), "line 2: note: expected a number, as in other lines, got the text 'a'"),
        ((None, 1.5, [1]), r"line 3: note: expected a number, as in other lines, got the list \[1\]"),
        (([], ["a"], [1]), r"line 3: note: expected a list, each a text, as in other lines, got the list \[1\]"),
        (([], 1), "line 2: note: expected a list, as in other lines, got 1"),
        ((["a", 1],), r"line 1: note: expected values that a table can hold, got the list \['a', 1\]"),
        ((1, 2**63), "line 2: note: expected values that a table can hold, got 9+.*, which is beyond 64 bits"),
        ((True, 1), "line 2: note: expected true or false, as in other lines, got 1"),
        (
            ({"a": {"b": 1}}, {"a": {"b": "x"}}),
            "line 2: note: a: b: expected a number, as in other lines, got the",
        ),
        ((1, {"a": 1}), "line 2: note: expected a number, as in other lines, got the object {'a': 1}"),
        ((1, "a", "b"), "line 2: note: .*, got the text 'a'; alike in 2 lines: 2-3; correct the lines"),
        # Objects in lists are not looked into: Arrow says what it has found there.
        (
            ([{"a": 1}], [{"a": "x"}]),
            "expected values of one kind under each key, also in lists of objects, got others",
        ),
    ],
)
def test_values_of_unlike_kinds_under_a_key_of_others(tmp_path: Path, values: tuple[Any, ...], message: str) -> None:
    lines = [json.dumps({"episode_index": at, "note": value}) for at, value in enumerate(values)]
    (tmp_path / "episodes.jsonl").write_text("\n".join(lines))
    with pytest.raises(SchemaError, match=f"episodes.jsonl: {message}"):
        find_table(tmp_path, "episodes")


SIMPLE = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.just(2**63), st.floats(-1, 1), st.text("ab", max_size=2)
)
VALUES = st.recursive(SIMPLE, lambda inner: st.lists(inner, max_size=3), max_leaves=5)
OBJECTS = st.one_of(VALUES, st.dictionaries(st.sampled_from("xy"), VALUES, max_size=2))


@given(st.lists(st.dictionaries(st.sampled_from("pq"), OBJECTS, max_size=2), min_size=1, max_size=4))
def test_whatever_arrow_refuses_is_told_by_its_line(rows: list[dict[str, Any]]) -> None:
    lines = JsonLines(rows, list(range(1, len(rows) + 1)), ())
    try:
        pa.Table.from_pylist(rows)
    except (pa.ArrowException, OverflowError):
        with pytest.raises(SchemaError, match=r"lines\.jsonl: line \d: [pq]"):
            expect_alike(lines, Path("lines.jsonl"))


def test_separators_of_lines_within_a_text_end_no_line(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set")
    words = ["pick\u2028the\x85cube", "place\x1cthe cup"]
    rows = [json.dumps({"task_index": n, "task": text}, ensure_ascii=False) for n, text in enumerate(words)]
    (root / "meta/tasks.jsonl").write_bytes("\r\n".join([*rows, ""]).replace("\x1c", "\\u001c").encode())
    found = read_set(root)
    assert [task.words for task in found.episodes.header.tasks][:2] == words
    assert "blank-lines" not in {note.code for note in found.notes}


def test_lines_that_are_none_are_told_with_the_others(tmp_path: Path) -> None:
    path = tmp_path / "tasks.jsonl"
    path.write_text("[1]\n" + "[" * 100_000 + '\n"a"\n{"task": 5}\n')
    with pytest.raises(SchemaError, match="3 problems") as caught:
        json_lines(path)
    messages = [problem.message for problem in caught.value.problems]
    assert messages[0] == "expected a JSON object, got the list [1]"
    assert messages[1].startswith("expected a JSON object, got: maximum recursion depth")
    assert messages[2] == "expected a JSON object, got the text 'a'"


def test_statistics_of_episodes_are_lines_too(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "set")
    told(root / "meta/episodes_stats.jsonl", second(episode_index="1"))
    with pytest.raises(
        SchemaError, match=r"episodes_stats\.jsonl: line 3: episode_index: expected a whole number, got"
    ):
        read_stats(read_set(root))


@pytest.mark.parametrize(
    ("value", "words"),
    [(6, "6"), ("6", "the text '6'"), (False, "false"), ({"a": "b"}, "the object {'a': 'b'}"), (1e400, "inf")],
)
def test_values_that_look_alike_are_told_apart(value: Any, words: str) -> None:
    assert in_words(value) == words
