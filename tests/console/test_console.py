"""What is written, to which stream, drawn or plain."""

from __future__ import annotations

import io
import json
import math
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata import console
from lapsdata.errors import Problem, SchemaError

if TYPE_CHECKING:
    from collections.abc import Callable

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=12)


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def switch_on(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Terminal]:
    """Join both standard streams in one terminal of 80 columns; in the test itself, for pytest sets its own before."""

    def joined() -> Terminal:
        screen = Terminal()
        monkeypatch.setattr(sys, "stdout", screen)
        monkeypatch.setattr(sys, "stderr", screen)
        return screen

    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return joined


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(console, "monotonic", clock)
    return clock


def problems(count: int) -> list[Problem]:
    return [Problem("empty", f"item {index:03d}", "expected one, got none") for index in range(count)]


def test_exit_codes_are_fixed() -> None:
    assert {code.name: int(code) for code in console.ExitCode} == {"OK": 0, "PROBLEMS": 1, "USAGE": 2}


def test_results_and_notes_go_to_their_own_streams(capsys: pytest.CaptureFixture[str]) -> None:
    console.write("result")
    console.write()
    console.note("about the work")
    out, err = capsys.readouterr()
    assert out == "result\n\n"
    assert err == "about the work\n"


def test_problems_are_sorted_by_severity_place_and_code(capsys: pytest.CaptureFixture[str]) -> None:
    console.report(
        [
            Problem("b", "z", "warned", severity="warning"),
            Problem("b", "x", "second"),
            Problem("a", "y", "third"),
            Problem("a", "x", "first", fix="mend it"),
            Problem("a", "a", "told", severity="info"),
        ]
    )
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "error: x: first; mend it [a]",
        "error: x: second [b]",
        "error: y: third [a]",
        "warning: z: warned [b]",
        "info: a: told [a]",
    ]


@pytest.mark.parametrize(("count", "last"), [(20, None), (21, 1), (1000, 980)])
def test_twenty_problems_are_shown_and_the_rest_counted(
    capsys: pytest.CaptureFixture[str], count: int, last: int | None
) -> None:
    console.report(problems(count))
    lines = capsys.readouterr().err.splitlines()
    shown = [line for line in lines if line.startswith("error: ")]
    assert shown == [f"error: {problem}" for problem in problems(20)]
    assert lines[20:] == ([] if last is None else [f"... and {last} more problems"])


def test_results_stand_before_the_problems_that_follow_them_in_one_file(monkeypatch: pytest.MonkeyPatch) -> None:
    # Python keeps what is written to a file for later, unless this says otherwise.
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    script = (
        "from lapsdata import console; from lapsdata.errors import Problem;"
        "console.write('the result'); console.report([Problem('c', 'w', 'm')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True
    )
    assert done.stdout.splitlines() == ["the result", "error: w: m [c]"]


def test_no_problem_writes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    console.report([])
    assert capsys.readouterr() == ("", "")


def test_problems_are_coloured_on_a_terminal_only(switch_on: Callable[[], Terminal]) -> None:
    terminal = switch_on()
    console.report([Problem("empty", "clip [1].h5", "expected [a], got [/b]")])
    shown = terminal.getvalue()
    assert "\x1b[1;31merror: \x1b[0m" in shown
    assert "clip [1].h5: expected [a], got [/b] [empty]" in shown


def test_a_terminal_that_wants_no_colour_gets_none(
    switch_on: Callable[[], Terminal], monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = switch_on()
    monkeypatch.setenv("NO_COLOR", "1")
    console.report([Problem("empty", "x", "expected one", severity="warning")])
    assert "warning: " in terminal.getvalue()
    assert "\x1b[33m" not in terminal.getvalue()


def test_a_long_problem_is_not_broken_into_lines_that_cannot_be_searched(switch_on: Callable[[], Terminal]) -> None:
    terminal = switch_on()
    console.report([Problem("empty", "x" * 200, "expected one")])
    assert "x" * 200 in terminal.getvalue()


@given(rows=st.lists(st.tuples(TEXT, TEXT), max_size=5))
def test_a_plain_table_is_one_aligned_row_a_line(rows: list[tuple[str, str]]) -> None:
    screen = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", screen)
        console.write_table(["name", "value"], rows)
    lines = screen.getvalue().split("\n")[:-1]
    assert len(lines) == len(rows) + 1
    start = max(len(name) for name in ["name", *(row[0] for row in rows)]) + 2
    assert [(line[:start].rstrip(), line[start:]) for line in lines] == [("name", "value"), *rows]


def test_a_row_of_another_length_is_an_error() -> None:
    with pytest.raises(ValueError, match="shorter"):
        console.write_table(["a", "b"], [["1"]])


def test_a_drawn_table_fits_80_columns_and_loses_nothing(switch_on: Callable[[], Terminal]) -> None:
    terminal = switch_on()
    console.write_table(["name", "found"], [["[bold]not markup", "word " * 60], ["state", "ok"]])
    shown = terminal.getvalue()
    plain = "".join(part.partition("m")[2] for part in ("m" + shown).split("\x1b["))
    assert "[bold]not markup" in plain
    assert plain.count("word") == 60
    assert max(map(len, plain.splitlines())) <= 80
    assert "\x1b[32mok" in shown


def test_facts_are_drawn_without_heading(switch_on: Callable[[], Terminal]) -> None:
    terminal = switch_on()
    console.write_facts({"format": "tracks_hdf5"})
    assert "format" in terminal.getvalue()
    assert "tracks_hdf5" in terminal.getvalue()
    assert "value" not in terminal.getvalue()


def test_json_is_one_document_with_problems_as_records(capsys: pytest.CaptureFixture[str]) -> None:
    found = [Problem("b", "y", "late", severity="warning"), Problem("a", "x", "ünïcode", fix="mend")]
    console.write_json({"file": "clip.h5", "windows": 3}, found)
    out, err = capsys.readouterr()
    assert err == ""
    assert "ünïcode" in out
    assert json.loads(out) == {
        "file": "clip.h5",
        "windows": 3,
        "problems": [
            {"code": "a", "where": "x", "message": "ünïcode", "fix": "mend", "severity": "error"},
            {"code": "b", "where": "y", "message": "late", "fix": None, "severity": "warning"},
        ],
    }


def test_json_does_not_cut_the_list_of_problems(capsys: pytest.CaptureFixture[str]) -> None:
    console.write_json({}, problems(50))
    assert len(json.loads(capsys.readouterr().out)["problems"]) == 50


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_json_refuses_what_json_cannot_spell(value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        console.write_json({"value": value})


def test_progress_is_told_at_the_pace_asked_for(capsys: pytest.CaptureFixture[str], clock: Clock) -> None:
    with console.progress("track", 100, unit="clips", every_s=10) as advance:
        for _ in range(25):
            clock.now += 1
            advance(2)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "track: 20/100 clips, 2.0 clips/s, 40 s left",
        "track: 40/100 clips, 2.0 clips/s, 30 s left",
        "track: done: 50/100 clips in 25 s, 2.0 clips/s",
    ]


def test_progress_without_a_total_does_not_guess_the_end(capsys: pytest.CaptureFixture[str], clock: Clock) -> None:
    with console.progress("read", unit="rows", every_s=1) as advance:
        clock.now += 2
        advance(3000)
        clock.now += 3
        advance(3000)
    assert capsys.readouterr().err.splitlines() == [
        "read: 3000 rows",
        "read: 6000 rows, 1,000 rows/s",
        "read: done: 6000 rows in 5 s, 1,200 rows/s",
    ]


def test_the_pace_is_that_of_what_followed_the_first_units(capsys: pytest.CaptureFixture[str], clock: Clock) -> None:
    with console.progress("track", 1000, unit="frames", every_s=10) as advance:
        for seconds, frames in ((5, 0), (55, 16), (2, 40), (8, 160), (10, 200)):
            clock.now += seconds
            advance(frames)
    assert capsys.readouterr().err.splitlines() == [
        "track: 16/1000 frames",
        "track: 216/1000 frames, 20.0 frames/s, 39 s left",
        "track: 416/1000 frames, 20.0 frames/s, 29 s left",
        "track: done: 416/1000 frames in 1 min 20 s, 5.2 frames/s",
    ]


def test_units_of_several_kinds_are_counted_apart(capsys: pytest.CaptureFixture[str], clock: Clock) -> None:
    with console.progress("check", unit="windows", every_s=1) as advance:
        for units, kind in ((4, "rows"), (6, "rows"), (3, None)):
            clock.now += 2
            advance(units, kind)
    assert capsys.readouterr().err.splitlines() == [
        "check: 4 rows",
        "check: 10 rows, 3.0 rows/s",
        "check: 10 rows and 3 windows",
        "check: done: 10 rows and 3 windows in 6 s",
    ]


def test_progress_in_no_time_has_no_rate(capsys: pytest.CaptureFixture[str], clock: Clock) -> None:
    with console.progress("read", 1, every_s=0) as advance:
        clock.now += 0.5
        advance(0)
        clock.now -= 0.5
    assert capsys.readouterr().err.splitlines() == ["read: 0/1 items", "read: done: 0/1 items in 0 s"]


@pytest.mark.parametrize(("none", "units", "lines"), [(False, 0, 0), (False, 2, 1), (True, 0, 1)])
def test_a_line_about_no_units_can_be_left_out(
    capsys: pytest.CaptureFixture[str], none: bool, units: int, lines: int
) -> None:
    with console.progress("check", unit="windows", none=none) as advance:
        advance(units)
    assert len(capsys.readouterr().err.splitlines()) == lines


def test_interrupted_work_does_not_claim_to_be_done(capsys: pytest.CaptureFixture[str], clock: Clock) -> None:
    def interrupted() -> None:
        with console.progress("track", 4) as advance:
            clock.now += 2
            advance(1)
            raise KeyboardInterrupt("by hand")

    with pytest.raises(KeyboardInterrupt, match="by hand"):
        interrupted()
    assert capsys.readouterr().err == "track: stopped at 1/4 items in 2 s, 0.5 items/s\n"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (125, "2 min 05 s"),
        (3600, "1 h 00 min"),
        (90061, "25 h 01 min"),
    ],
)
def test_durations_read_well(capsys: pytest.CaptureFixture[str], clock: Clock, seconds: float, text: str) -> None:
    with console.progress("x", every_s=math.inf):
        clock.now += seconds
    assert f" in {text}," in capsys.readouterr().err


def test_progress_is_a_bar_on_a_terminal(switch_on: Callable[[], Terminal]) -> None:
    terminal = switch_on()
    with console.progress("track", 3, unit="clips") as advance:
        for _ in range(3):
            advance(1)
    assert "track" in terminal.getvalue()
    assert "3/3" in terminal.getvalue()


@pytest.mark.parametrize(("counted", "told"), [(["rows", "rows"], "rows"), (["rows", None], "4 rows and 4 windows")])
def test_a_bar_names_what_it_counts(switch_on: Callable[[], Terminal], counted: list[str | None], told: str) -> None:
    terminal = switch_on()
    with console.progress("check", unit="windows") as advance:
        for kind in counted:
            advance(4, kind)
    last = terminal.getvalue().rpartition("8/?")[2]
    assert told in last
    assert ("windows" in last) == (None in counted)


WARNINGS = """
import warnings
from lapsdata import console
from lapsdata.errors import LapsWarning
console.prepare()
warnings.warn("clip.h5: written by other code", LapsWarning)
warnings.warn("something else", UserWarning)
"""


def test_our_warnings_read_as_problems_and_others_stay() -> None:
    done = subprocess.run([sys.executable, "-c", WARNINGS], capture_output=True, text=True, check=True)
    assert done.stderr.startswith("warning: clip.h5: written by other code\n")
    assert "UserWarning: something else" in done.stderr


def test_no_character_breaks_the_output() -> None:
    code = "from lapsdata import console; console.prepare(); console.write('clip_\\udcff_\\u2192.h5')"
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONIOENCODING": "ascii"}, capture_output=True, text=True, check=True
    )
    assert done.stdout == "clip_\\xff_\\u2192.h5\n"


def test_plain_output_never_imports_rich() -> None:
    code = """
import sys
from lapsdata import console
from lapsdata.errors import Problem
console.prepare()
console.write_table(["a"], [["b"]])
console.write_facts({"a": "b"})
console.write_json({})
console.report([Problem("empty", "x", "expected one")])
with console.progress("work", 1) as advance:
    advance(1)
assert "rich" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)


def test_an_error_shows_what_report_shows(capsys: pytest.CaptureFixture[str]) -> None:
    error = SchemaError(*reversed(problems(25)))
    console.report(error.problems)
    assert [line.removeprefix("error: ") for line in capsys.readouterr().err.splitlines()[:20]] == [
        line.strip() for line in str(error).splitlines()[1:21]
    ]


HOSTILE = "clip\n\x1b[31m\x9b2J\x07\u202e\u2028\udcff\r\t"
SAFE = r"clip\n\x1b[31m\x9b2J\x07\u202e\u2028\xff\r\t"


def test_no_name_breaks_a_line_or_steers_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    console.write(HOSTILE)
    console.note(HOSTILE)
    console.write_table(["name"], [[HOSTILE]])
    console.write_facts({HOSTILE: HOSTILE})
    console.report([Problem("empty", HOSTILE, HOSTILE, fix=HOSTILE)])
    out, err = capsys.readouterr()
    assert out.splitlines() == [SAFE, "name", SAFE, f"{SAFE}  {SAFE}"]
    assert err.splitlines() == [SAFE, f"error: {SAFE}: {SAFE}; {SAFE} [empty]"]


def test_nor_does_one_on_a_terminal(switch_on: Callable[[], Terminal]) -> None:
    terminal = switch_on()
    console.write_table(["name"], [[HOSTILE]])
    console.report([Problem("empty", HOSTILE, "expected one")])
    with console.progress(HOSTILE, 1) as advance:
        advance(1)
    assert terminal.getvalue().count(SAFE) >= 3
    assert "\x1b[31mclip" not in terminal.getvalue()
    assert not {"\x9b", "\x07", "\u202e", "\u2028", "\udcff"} & set(terminal.getvalue())


def test_json_keeps_every_character_and_is_safe_to_print(capsys: pytest.CaptureFixture[str]) -> None:
    console.write_json({HOSTILE: [HOSTILE, "Käse"]})
    out = capsys.readouterr().out
    assert json.loads(out) == {HOSTILE: [HOSTILE, "Käse"], "problems": []}
    assert not {"\x1b", "\x9b", "\x07", "\u202e", "\u2028", "\udcff", "\r", "\t"} & set(out)
    assert "Käse" in out


KEPT = """
import warnings
from lapsdata import console
from lapsdata.errors import LapsWarning, Problem
console.prepare()
console.keep_warnings()
warnings.warn("clip.h5: written by other code", LapsWarning)
warnings.warn("something else", UserWarning)
console.write_json({}, [Problem("empty", "x", "expected one")])
"""


def test_kept_warnings_are_records_of_the_json_document() -> None:
    done = subprocess.run([sys.executable, "-c", KEPT], capture_output=True, text=True, check=True)
    assert "written by other code" not in done.stderr
    assert "UserWarning: something else" in done.stderr
    problems = json.loads(done.stdout)["problems"]
    assert [(problem["severity"], problem["code"]) for problem in problems] == [
        ("error", "empty"),
        ("warning", "warned"),
    ]
    assert problems[1]["message"] == "clip.h5: written by other code"


def test_a_closed_stream_is_replaced_by_one_to_nowhere() -> None:
    code = """
import os, sys
from lapsdata import console
assert sys.stdout is None and sys.stdin is None
console.prepare()
console.write("lost")
console.flush()
file = os.open("/dev/null", os.O_RDONLY)
assert file > 2, "a file that is opened later would get what is printed"
"""
    done = subprocess.run(
        ["bash", "-c", 'exec "$0" -c "$1" <&- >&-', sys.executable, code],
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_full_disk_behind_standard_output_has_a_name_and_is_told_once() -> None:
    code = """
from lapsdata import console
console.prepare()
for _ in range(3):
    try:
        console.write("some text")
        console.flush()
    except console.OutputRefusedError as error:
        console.note(str(error))
"""
    done = subprocess.run(
        ["bash", "-c", 'exec "$0" -c "$1" >/dev/full', sys.executable, code],
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert done.stderr == ("standard output: cannot write: No space left on device; send it elsewhere [disk-full]\n")
