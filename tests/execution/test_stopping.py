"""Ctrl-C, SIGTERM and SIGKILL amid the work: processes end, nothing half-written stays, what was done is told.

The engine runs in a program of its own, started in a process group of its own, as a terminal does it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Until = Callable[[Callable[[], object]], None]
    Alive = Callable[[int], bool]

# Items that end at once are named "quick...", the others wait in the middle of their output for a minute.
PROGRAM = """
import json, signal, sys
# Whoever runs the tests in the background may have them ignore it, and children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
from pathlib import Path
from engine_tasks import WriteSlowly
from lapsdata.execution.local import LocalEngine
from lapsdata.execution.manifest import Found, WorkItem, judge, plan
from lapsdata.execution.report import Interrupted, carry_out_shown, show

folder, manner, *names = Path(sys.argv[1]), *sys.argv[2:]
items = [
    WorkItem(Path(name).stem, folder / "out" / name, key="key", payload=0.0 if name.startswith("quick") else 60.0)
    for name in names
]
todo = plan(items, lambda item: judge(item, Path.read_text))
try:
    report = carry_out_shown(todo, WriteSlowly(folder, manner), LocalEngine(2), title="write", unit="files")
except Interrupted as stop:
    told = {"number": stop.number, "code": stop.report.exit_code, "text": str(stop), **stop.report.as_json()}
    print(json.dumps(told), flush=True)
    show(stop.report)
    raise
print(json.dumps({"code": report.exit_code, **report.as_json()}))
"""


def environment_with(folder: Path) -> dict[str, str]:
    """Let a program import what lies in `folder` too."""
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path}


class Program:
    """The engine at work in a process of its own."""

    def __init__(self, folder: Path, importable: Path, *names: str, task: str = "gentle") -> None:
        self.folder = folder
        (folder / "out").mkdir(exist_ok=True)
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, folder, task, *names],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env=environment_with(importable),
        )

    @property
    def pids(self) -> dict[str, int]:
        """Processes that are, or were, in the middle of an item."""
        return {path.stem: int(text) for path in self.folder.glob("*.pid") if (text := path.read_text())}

    def outputs(self) -> dict[str, bool]:
        """Every name in the output folder, and whether it is finished."""
        return {path.name: not path.name.startswith(".") for path in (self.folder / "out").iterdir()}

    def end(self) -> tuple[dict[str, object], str]:
        out, err = self.process.communicate(timeout=60)
        return json.loads(out.splitlines()[0]) if out else {}, err


@pytest.fixture
def start(tmp_path: Path, importable: Path) -> Iterator[Callable[..., Program]]:
    programs: list[Program] = []

    def start(*names: str, task: str = "gentle") -> Program:
        programs.append(Program(tmp_path, importable, *names, task=task))
        return programs[-1]

    yield start
    for program in programs:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(program.process.pid, signal.SIGKILL)
        program.process.communicate()


def send_group(program: Program, number: int) -> None:
    os.killpg(program.process.pid, number)


def send_parent(program: Program, number: int) -> None:
    os.kill(program.process.pid, number)


def send_twice(program: Program, number: int) -> None:
    """As `timeout` does: to the program, and then to the whole group."""
    send_parent(program, number)
    send_group(program, number)


@pytest.mark.parametrize(
    ("send", "number"),
    [(send_group, signal.SIGINT), (send_parent, signal.SIGTERM), (send_twice, signal.SIGTERM)],
)
def test_a_run_that_is_stopped(
    send: Callable[[Program, int], None],
    number: signal.Signals,
    start: Callable[..., Program],
    until: Until,
    alive: Alive,
) -> None:
    program = start("quick1", "slow1.zarr", "quick2", "slow2", "never1", "never2")
    until(lambda: {"slow1", "slow2"} <= set(program.pids))
    until(lambda: {"quick1", "quick2"} <= set(program.outputs()))
    send(program, number)
    report, err = program.end()

    assert report["number"] == number
    assert report["text"] == f"{number.name}: 4 of 6 items were not done"
    assert report["code"] == 1
    items = report["items"]
    assert isinstance(items, list)
    assert {item["name"]: item["fate"] for item in items} == {
        "quick1": "made",
        "slow1": "left",
        "quick2": "made",
        "slow2": "left",
        "never1": "left",
        "never2": "left",
    }
    assert not any(map(alive, program.pids.values()))
    assert program.outputs() == {"quick1": True, "quick2": True}
    # KeyboardInterrupt went on: Python tells it, and ends by the signal.
    assert "lapsdata.execution.report.Interrupted" in err
    assert program.process.returncode != 0
    assert "write: stopped at 2 files in" in err
    assert "warning: 4 of 6 items were not done; run it again: what is done is kept [interrupted]" in err
    # No worker has anything to say.
    assert "_worker.py" not in err


def test_what_was_done_and_not_yet_heard_is_told(start: Callable[..., Program], until: Until) -> None:
    """The caller is stopped while a worker finishes; its outcome waits in the channel when Ctrl-C comes."""
    program = start("slow", "half")
    until(lambda: {"slow", "half"} <= set(program.pids))
    send_parent(program, signal.SIGSTOP)
    (program.folder / "half.go").touch()
    until(lambda: program.outputs().get("half"))
    # From there to the outcome is a short way for the worker.
    time.sleep(0.5)
    send_group(program, signal.SIGINT)
    send_parent(program, signal.SIGCONT)
    report, _ = program.end()
    items = report["items"]
    assert isinstance(items, list)
    assert {item["name"]: item["fate"] for item in items} == {"slow": "left", "half": "made"}


def test_workers_that_are_stopped_and_take_no_hint_are_killed_and_what_they_leave_is_counted(
    start: Callable[..., Program], until: Until, alive: Alive
) -> None:
    program = start("slow1", "slow2", task="stubborn")
    until(lambda: {"slow1", "slow2"} <= set(program.pids))
    send_group(program, signal.SIGINT)
    report, err = program.end()
    assert not any(map(alive, program.pids.values()))
    assert list(program.outputs().values()) == [False, False]
    assert report["leftovers"] == sorted(str(program.folder / "out" / name) for name in program.outputs())
    assert "2 unfinished files of runs that were killed, or of one that still runs" in err


def test_workers_end_when_the_program_is_killed(start: Callable[..., Program], until: Until, alive: Alive) -> None:
    program = start("slow1", "slow2.zarr")
    until(lambda: {"slow1", "slow2"} <= set(program.pids))
    send_parent(program, signal.SIGKILL)
    assert program.process.wait(60) == -signal.SIGKILL
    until(lambda: not any(map(alive, program.pids.values())))
    assert program.outputs() == {}


def test_nothing_is_finished_that_nobody_hears_of(start: Callable[..., Program], until: Until, alive: Alive) -> None:
    """An output that appears when the program is gone would be a stranger's to the next run."""
    program = start("slow1", "slow2.zarr", task="silent")
    until(lambda: {"slow1", "slow2"} <= set(program.pids))
    send_parent(program, signal.SIGKILL)
    program.process.wait(60)
    # Within the time that a task has to reach its next unit where somebody waits for it.
    time.sleep(0.3)
    for name in ("slow1", "slow2"):
        (program.folder / f"{name}.go").touch()
    until(lambda: not any(map(alive, program.pids.values())))
    assert program.outputs() == {}


def test_stubborn_workers_end_when_the_program_is_killed(
    start: Callable[..., Program], until: Until, alive: Alive
) -> None:
    program = start("slow1", "slow2", task="stubborn")
    until(lambda: {"slow1", "slow2"} <= set(program.pids))
    send_parent(program, signal.SIGKILL)
    until(lambda: not any(map(alive, program.pids.values())))
    assert list(program.outputs().values()) == [False, False]


def test_a_stop_that_python_swallows_is_granted_at_the_next_unit(start: Callable[..., Program], until: Until) -> None:
    """What a handler raises within a callback, of a weak reference say, goes nowhere."""
    program = start("slow1", "slow2", task="swallows")
    until(lambda: {"slow1", "slow2"} <= set(program.pids))
    send_parent(program, signal.SIGTERM)
    told, _ = program.end()
    assert told["number"] == signal.SIGTERM
    # A worker that had to be killed would have left its temporary files.
    assert program.outputs() == {}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_was_stopped_is_resumed(number: int, start: Callable[..., Program], until: Until) -> None:
    """Regression: skip-if-exists on an unfinished file. Only what is whole is kept, and the end is the same."""
    program = start("quick1", "slow1", "slow2")
    until(lambda: {"slow1", "slow2"} <= set(program.pids) and "quick1" in program.outputs())
    send_group(program, number)
    program.process.wait(60)
    until(lambda: program.outputs() == {"quick1": True} or number == signal.SIGKILL)
    (program.folder / "out" / "slow2").write_text("half of a k")
    for name in ("slow1", "slow2"):
        (program.folder / f"{name}.go").touch()

    again, err = start("quick1", "slow1", "slow2").end()
    items = again["items"]
    assert isinstance(items, list)
    assert {item["name"]: item["fate"] for item in items} == {"quick1": "kept", "slow1": "made", "slow2": "changed"}
    assert again["code"] == 0
    assert [(program.folder / "out" / name).read_text() for name in ("quick1", "slow1", "slow2")] == ["key"] * 3
    assert "write: done: 2 files in" in err


def test_a_caller_that_is_stuck_is_interrupted_by_a_second_request(tmp_path: Path, importable: Path) -> None:
    """The first Ctrl-C waits for a safe moment; a generator of items that never returns gives none."""
    code = f"""
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
from pathlib import Path
from engine_tasks import process_id
from lapsdata.execution.local import LocalEngine

def items():
    yield 1
    yield 2
    Path({str(tmp_path / "stuck")!r}).touch()
    time.sleep(60)

try:
    LocalEngine(2).run(process_id, items(), finished=lambda outcome: print(outcome.result, flush=True))
except KeyboardInterrupt:
    print("interrupted")
"""
    environment = environment_with(importable)
    program = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment)
    while not (tmp_path / "stuck").exists():
        time.sleep(0.01)
    # One request: a terminal and a shell may each pass it on.
    program.send_signal(signal.SIGINT)
    program.send_signal(signal.SIGINT)
    time.sleep(1.2)
    assert program.poll() is None
    program.send_signal(signal.SIGINT)
    out, _ = program.communicate(timeout=60)
    assert out.splitlines()[-1] == "interrupted"
    assert program.returncode == 0


def test_a_program_that_ignores_interrupts_goes_on(tmp_path: Path, importable: Path, until: Until) -> None:
    """As `nohup` and `command &` in a script do: who starts it so wants no Ctrl-C to reach it."""
    code = f"""
import signal
from pathlib import Path
signal.signal(signal.SIGINT, signal.SIG_IGN)
from engine_tasks import wait_for
from lapsdata.execution.local import LocalEngine
items = [None, Path({str(tmp_path / "go")!r})]
LocalEngine(1).run(wait_for, items, finished=lambda outcome: print(outcome.index, flush=True))
"""
    environment = environment_with(importable)
    program = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True
    )
    assert program.stdout is not None
    assert program.stdout.readline() == "0\n"
    os.killpg(program.pid, signal.SIGINT)
    time.sleep(0.3)
    (tmp_path / "go").touch()
    out, _ = program.communicate(timeout=60)
    assert (out, program.returncode) == ("1\n", 0)
