"""Files of JSON lines: each line an object, told by its number where it is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lapsdata.adapters.lerobot.reading import read_set
from lapsdata.adapters.lerobot.tables import each_line
from lapsdata.errors import Problem
from lapsdata.testing.episode_sets import write_lerobot

if TYPE_CHECKING:
    from pathlib import Path


def test_lines_are_given_one_after_the_other(tmp_path: Path) -> None:
    path = tmp_path / "tasks.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}\r\n  \n{"a":\n[1]\n\xff\n{"a": 2}')
    first, blank, broken, other, bytes_, last = each_line(path)
    assert (first, blank, last) == ({"a": 1}, None, {"a": 2})
    for problem, code, number in ((broken, "not-json", 3), (other, "wrong-type", 4), (bytes_, "not-json", 5)):
        assert isinstance(problem, Problem)
        assert (problem.code, problem.where) == (code, f"{path}: line {number}")
    lines = each_line(path)
    assert next(lines) == {"a": 1}
    path.write_bytes(b"")
    assert list(each_line(path)) == []


def test_a_line_ends_where_it_ends_and_not_within_its_words(tmp_path: Path) -> None:
    """JSON may hold separators of lines that are none of a file, as U+2028 in an instruction from a web page."""
    root = write_lerobot(tmp_path / "set", lengths=(4, 6, 5))
    words = "pick\u2028the\x85cube"
    tasks, listed = root / "meta/tasks.jsonl", root / "meta/episodes.jsonl"
    for path in (tasks, listed):
        path.write_text(path.read_text().replace("pick the cube", words), encoding="utf-8")
    assert read_set(root).episodes.header.tasks[0].words == words
