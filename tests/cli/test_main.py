"""The command itself: help in groups, one way to fail, nothing heavy on the way."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import typer

from lapsdata import __version__
from lapsdata.cli.main import GROUPS, application, main
from lapsdata.errors import PluginError, Problem
from lapsdata.plugins import registry

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[..., subprocess.CompletedProcess[str]]

HEAVY = ["torch", "h5py", "zarr", "pyarrow", "cv2", "av", "numba", "scipy", "numpy", "pydantic", "rich"]


def our_verbs() -> list[str]:
    return [entry.name for entry in registry("commands").entries() if entry.distribution == "lapsdata"]


def test_every_verb_of_ours_has_a_group() -> None:
    grouped = [name for names in GROUPS.values() for name in names]
    assert set(our_verbs()) <= set(grouped)
    assert len(set(grouped)) == len(grouped)


def test_help_lists_the_verbs_that_exist_in_their_groups(lapsdata: Run) -> None:
    done = lapsdata("--help")
    assert (done.returncode, done.stderr) == (0, "")
    shown: dict[str, list[str]] = {}
    for line in done.stdout.splitlines():
        if heading := re.fullmatch(r"(\w[\w -]*):", line):
            group = shown.setdefault(heading[1], [])
        elif verb := re.match(r"  ([a-z]+)  +\w", line):
            group.append(verb[1])
    expected = {group: [name for name in names if name in our_verbs()] for group, names in GROUPS.items()}
    assert {name: verbs for name, verbs in shown.items() if name in GROUPS} == {
        group: names for group, names in expected.items() if names
    }


def test_every_verb_has_a_summary_that_fits_its_line(lapsdata: Run) -> None:
    lines = lapsdata("--help").stdout.splitlines()
    assert max(map(len, lines)) <= 80
    for name in our_verbs():
        (line,) = [line for line in lines if line.startswith(f"  {name} ")]
        assert line.endswith(".")
        assert not line.endswith("...")


@pytest.mark.parametrize("name", our_verbs())
def test_every_verb_has_help_within_80_columns(inside: Run, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    done = inside(name, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"Usage: lapsdata {name} ")
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_help_imports_nothing_heavy() -> None:
    code = f"""
import sys
from lapsdata.cli.main import main
sys.argv = ["lapsdata", "--help"]
try:
    main()
except SystemExit:
    pass
assert "lapsdata.cli.doctor" in sys.modules
print(*set({HEAVY!r}) & set(sys.modules), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.split() == []


def test_help_on_a_terminal_is_drawn_in_the_same_groups() -> None:
    reader, writer = pty.openpty()
    command = [Path(sys.executable).with_name("lapsdata"), "--help"]
    environment = {**os.environ, "COLUMNS": "80", "TERM": "xterm"}
    with subprocess.Popen(command, stdout=writer, stderr=writer, stdin=writer, env=environment) as process:
        os.close(writer)
        shown = b""
        try:
            while part := os.read(reader, 65536):
                shown += part
        except OSError:  # Linux says so when the other end of the terminal is closed
            pass
        assert process.wait() == 0
    os.close(reader)
    assert "Set-up" in shown.decode()
    assert "╭" in shown.decode()
    assert shown.index(b"inspect") < shown.index(b"doctor") < shown.index(b"schema") < shown.index(b"plugins")


def test_version(lapsdata: Run) -> None:
    done = lapsdata("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"lapsdata {__version__}\n", "")


def test_no_verb_shows_the_help_and_is_wrong_usage(lapsdata: Run) -> None:
    done = lapsdata()
    assert done.returncode == 2
    assert "Set-up:" in done.stdout + done.stderr


@pytest.mark.parametrize(
    "arguments", [("frobnicate",), ("plugins", "--frobnicate"), ("inspect",), ("inspect", "x", "--pick", "1")]
)
def test_wrong_usage_is_exit_code_2_and_nothing_on_standard_output(lapsdata: Run, arguments: tuple[str, ...]) -> None:
    done = lapsdata(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Usage: lapsdata")
    assert "Traceback" not in done.stderr


def test_an_error_is_told_without_traceback(lapsdata: Run) -> None:
    done = lapsdata("inspect", "no_such_file.h5")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: no_such_file.h5: cannot open: no such file or folder; check the path [not-found]\n"


@pytest.mark.parametrize(
    ("arguments", "environment"), [(["--traceback"], {}), ([], {"LAPSDATA_TRACEBACK": "1"})], ids=["option", "variable"]
)
def test_the_traceback_is_shown_on_request(lapsdata: Run, arguments: list[str], environment: dict[str, str]) -> None:
    done = lapsdata(*arguments, "inspect", "no_such_file.h5", **environment)
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback (most recent call last):")
    assert done.stderr.rstrip().endswith("[not-found]")


def test_a_reader_that_stops_reading_is_no_error_of_ours() -> None:
    command = f"{Path(sys.executable).with_name('lapsdata')} plugins --json | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert "Traceback" not in done.stderr


class FakeVerbs:
    """Stands for the registry: one verb of ours that is broken."""

    def entries(self) -> tuple[object, ...]:
        raise PluginError(Problem("broken-plugin", "lapsdata.commands: x", "cannot be imported"))


def test_a_broken_verb_of_ours_is_told_as_a_problem(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("lapsdata.cli.main.registry", lambda kind: FakeVerbs())
    monkeypatch.setattr("lapsdata.cli.main.console.prepare", lambda: None)
    monkeypatch.setattr(sys, "argv", ["lapsdata", "plugins"])
    with pytest.raises(SystemExit, match="1"):
        main()
    assert capsys.readouterr().err == "error: lapsdata.commands: x: cannot be imported [broken-plugin]\n"


def test_the_application_holds_each_verb_once() -> None:
    app = application()
    names = [command.name for command in app.registered_commands] + [group.name for group in app.registered_groups]
    assert sorted(names) == sorted(registry("commands").names())
    assert isinstance(app, typer.Typer)


@pytest.mark.parametrize(
    "arguments", [("inspect", "."), ("schema", "export", "--out", "."), ("schema", "check", "--dir", ".")]
)
def test_a_path_that_may_not_be_read_is_no_wrong_usage(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    """Root may read everything, so that the answer of the system is played: the verb itself must ask."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.access", lambda *_, **__: False)
    monkeypatch.setattr("lapsdata.cli.main.console.prepare", lambda: None)
    monkeypatch.setattr(sys, "argv", ["lapsdata", *arguments])
    with pytest.raises(SystemExit, match=r"^(0|1)$"):
        main()


ENDS = {"--help": 0, "--version": 0, "plugins": 0, "inspect absent.h5": 1, "inspect absent.h5 --json": 1, "nonsense": 2}


def shell(script: str) -> subprocess.CompletedProcess[str]:
    command = Path(sys.executable).with_name("lapsdata")
    return subprocess.run(
        ["bash", "-c", script.replace("lapsdata", str(command))], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("arguments", ENDS)
def test_a_closed_output_changes_no_exit_code(arguments: str) -> None:
    done = shell(f"lapsdata {arguments} >&-")
    assert done.returncode == ENDS[arguments]
    assert "Traceback" not in done.stderr
    assert shell(f"lapsdata {arguments} >/dev/null 2>&-").returncode == ENDS[arguments]


@pytest.mark.parametrize("buffered", [True, False], ids=["buffered", "unbuffered"])
@pytest.mark.parametrize("arguments", ["--help", "--version", "plugins", "plugins --json", "inspect absent.h5 --json"])
def test_an_output_that_takes_no_more_is_told_in_one_line(
    arguments: str, buffered: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", "" if buffered else "1")
    done = shell(f"lapsdata {arguments} >/dev/full")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert re.fullmatch(r"error: .*[Nn]o space left on.*device; .* \[disk-full\]", line)


def test_an_error_of_the_system_in_a_verb_of_others_is_a_problem(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise FileNotFoundError(2, "No such file or directory", "clip.h5")

    monkeypatch.setattr("lapsdata.cli.main.application", refuse)
    monkeypatch.setattr("lapsdata.cli.main.console.prepare", lambda: None)
    with pytest.raises(SystemExit, match="1"):
        main()
    assert capsys.readouterr().err.startswith("error: clip.h5: cannot go on: no such file or folder")
