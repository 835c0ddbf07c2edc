"""The engine of one machine: who starts its processes, what they inherit, and what becomes of them when they die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lapsdata.errors import LapsWarning, SchemaError
from lapsdata.execution import _crew
from lapsdata.execution.engine import ExecutionError, Outcome, PerItem
from lapsdata.execution.local import LocalEngine, usable_cores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    Run = Callable[[LocalEngine, Any, Any], list[Outcome[Any, Any]]]


# How many


def test_by_default_there_is_a_worker_for_each_core_that_may_be_used() -> None:
    assert LocalEngine().workers == usable_cores() == len(os.sched_getaffinity(0))


def test_a_process_that_is_bound_to_one_core_uses_one() -> None:
    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); " + (
        "from lapsdata.execution.local import LocalEngine; print(LocalEngine().workers)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"


@pytest.mark.parametrize("workers", [0, -1, 1.0, True, "2"])
def test_what_is_no_number_of_workers_is_refused(workers: Any) -> None:
    with pytest.raises(SchemaError, match=r"workers: expected a number of processes, 1 or more, got .*\[wrong-value\]"):
        LocalEngine(workers)


@pytest.mark.slow
def test_libraries_of_a_worker_use_one_thread_whatever_the_caller_uses(
    run: Run, tasks: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sums over several threads depend on how many there are; results must not depend on the machine."""
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.delenv("OPENCV_FOR_THREADS_NUM", raising=False)
    (outcome,) = run(LocalEngine(1), tasks.thread_counts, [0])
    assert outcome.result == {"cv2": 1, "numba": 1, "torch": 1}


# Scripts: a worker imports modules and never runs what the caller runs

SCRIPT = """
import math
from lapsdata.execution.engine import PerItem
from lapsdata.execution.local import LocalEngine
print("the script runs")
results = []
LocalEngine(2).run(PerItem(math.sqrt), [1.0, 4.0, 9.0], finished=lambda end: results.append((end.index, end.result)))
results.sort()
print(results)
"""

SAID = "the script runs\n[(0, 1.0), (1, 2.0), (2, 3.0)]\n"


def test_a_script_without_a_main_guard_runs_once(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run([sys.executable, tmp_path / "script.py"], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr, done.returncode) == (SAID, "", 0)


def test_a_program_that_comes_through_a_pipe_runs_once() -> None:
    """As a notebook: there is no file that could be run again."""
    done = subprocess.run([sys.executable, "-"], input=SCRIPT, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr, done.returncode) == (SAID, "", 0)


def test_a_program_on_the_command_line_runs_once() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr, done.returncode) == (SAID, "", 0)


@pytest.mark.parametrize("how", ["script", "pipe"])
def test_a_function_of_the_script_is_named_and_nothing_hangs(how: str, tmp_path: Path) -> None:
    code = f"{SCRIPT}\ndef work(item, tell): return item\nLocalEngine(2).run(work, [1], finished=print)\n"
    (tmp_path / "script.py").write_text(code)
    program = [sys.executable, tmp_path / "script.py"] if how == "script" else [sys.executable, "-"]
    done = subprocess.run(program, input=code, capture_output=True, text=True, timeout=60)
    assert done.stdout == SAID
    assert done.returncode == 1
    assert (
        "ExecutionError: task: expected a task that can be sent to another process, got: PicklingError: " in done.stderr
    )
    assert "work is defined in the script that runs, and workers import modules only" in done.stderr


def test_workers_find_what_the_caller_found(tmp_path: Path) -> None:
    """The folder of the script, one that it added, and one of a name that is no text."""
    odd = os.fsdecode(bytes(tmp_path) + b"/odd \xff")
    for folder, name in ((str(tmp_path), "beside"), (f"{tmp_path}/added", "added"), (odd, "oddly")):
        Path(folder).mkdir(exist_ok=True)
        Path(folder, f"{name}.py").write_text(f"def work(item, tell): return '{name}'\n")
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\n"
        f"sys.path += [{str(tmp_path / 'added')!r}, {odd!r}]\n"
        "import added, beside, oddly\n"
        "from lapsdata.execution.local import LocalEngine\n"
        "for module in (added, beside, oddly):\n"
        "    LocalEngine(1).run(module.work, [0], finished=lambda outcome: print(outcome.result, *outcome.problems))\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60, cwd="/")
    assert (done.stdout, done.stderr) == ("added\nbeside\noddly\n", "")


def test_what_lies_in_the_working_folder_is_not_imported(tmp_path: Path) -> None:
    (tmp_path / "pickle.py").write_text("raise SystemExit('the wrong pickle')")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, tmp_path / "elsewhere" / "script.py"], capture_output=True, text=True, timeout=60, cwd=tmp_path
    )
    assert (done.stdout, done.stderr) == (SAID, "")


@pytest.mark.parametrize("closed", ["0", "1", "2", "0 1 2"])
def test_a_caller_without_standard_streams(closed: str, tmp_path: Path) -> None:
    """A service has none, and the numbers of their descriptors then go to other files."""
    result = tmp_path / "result"
    code = f"{SCRIPT.replace('print', 'str')}\nopen({str(result)!r}, 'w').write(repr(results))"
    closing = " ".join(f"{number}>&-" for number in closed.split())
    script = tmp_path / "script.py"
    script.write_text(code)
    subprocess.run(f"exec {sys.executable} {script} {closing}", shell=True, check=True, timeout=60)  # noqa: S602
    assert result.read_text() == "[(0, 1.0), (1, 2.0), (2, 3.0)]"


def test_an_interpreter_that_does_not_know_where_it_is(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "")
    with pytest.raises(ExecutionError, match=r"worker: expected one more process, got: .*sys\.executable"):
        run(LocalEngine(1), PerItem(str), [1])


def test_a_system_that_starts_no_process(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(_crew.subprocess, "Popen", refuse)
    with pytest.raises(ExecutionError, match="got: Resource temporarily unavailable; use fewer workers"):
        run(LocalEngine(1), PerItem(str), [1])


def test_no_file_stays_open(run: Run, tasks: ModuleType) -> None:
    run(LocalEngine(1), tasks.square, range(3))
    before = len(list(Path("/proc/self/fd").iterdir()))
    run(LocalEngine(3), tasks.die_by, [None, signal.SIGKILL, None, signal.SIGKILL])
    assert len(list(Path("/proc/self/fd").iterdir())) == before


# Deaths that are nobody's item's fault


def test_a_worker_that_dies_while_it_waits_takes_no_item_along(
    run: Run, tasks: ModuleType, alive: Callable[[int], bool], until: Callable[[Callable[[], object]], None]
) -> None:
    results: list[int] = []

    def finished(outcome: Outcome[int, int]) -> None:
        assert outcome.result is not None
        results.append(outcome.result)
        if len(results) < 3:
            os.kill(outcome.result, signal.SIGKILL)
            until(lambda: not alive(results[-1]))

    with pytest.warns(LapsWarning, match="was ended by SIGKILL while it waited for work; another takes its place"):
        LocalEngine(1).run(tasks.process_id, range(4), finished=finished)
    assert len(results) == 4
    assert len(set(results)) == 3


def test_a_worker_that_dies_before_it_has_begun_takes_no_item_along(
    run: Run, importable: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import dies_on_import

    for life in range(2):
        (tmp_path / str(life)).touch()
    monkeypatch.setenv("DIES_ON_IMPORT", str(tmp_path))
    with pytest.warns(LapsWarning, match="was ended by SIGKILL before it had loaded the task; another takes its place"):
        outcomes = run(LocalEngine(2), dies_on_import.same, range(10))
    assert [outcome.result for outcome in outcomes] == list(range(10))
    assert list(tmp_path.iterdir()) == []


def test_a_task_that_no_worker_survives_loading_ends_the_run(
    run: Run, importable: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    import dies_on_import

    monkeypatch.setenv("DIES_ON_IMPORT", "always")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LapsWarning)
        told = "expected a worker that loads the task, got 3 in a row that died; the last was ended by SIGSEGV"
        with pytest.raises(ExecutionError, match=f"loading the task: {told}"):
            run(LocalEngine(2), dies_on_import.same, range(1000))
    # Where it happened is told by the interpreter itself.
    assert "dies_on_import.py" in capfd.readouterr().err


def test_a_death_is_noticed_though_a_child_of_the_task_holds_the_channel(
    tasks: ModuleType, tmp_path: Path, alive: Callable[[int], bool]
) -> None:
    file = tmp_path / "pid"
    told: list[tuple[str, bool]] = []

    def finished(outcome: Outcome[Path, None]) -> None:
        child = int(file.read_text())
        told.append((outcome.problems[0].code, alive(child)))
        os.kill(child, signal.SIGKILL)

    LocalEngine(1).run(tasks.orphan_then_die, [file], finished=finished)
    assert told == [("worker-died", True)]


# Signals and threads of the caller


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let Ctrl-C be what it is by default: tests that run in the background may have been told to ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_handlers_of_the_caller_are_back_after_a_run(run: Run, tasks: ModuleType) -> None:
    def own(number: int, frame: object) -> None: ...

    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    run(LocalEngine(1), tasks.square, [1])
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
    try:
        signal.signal(signal.SIGTERM, own)
        during: list[object] = []
        LocalEngine(1).run(tasks.square, [1], finished=lambda outcome: during.append(signal.getsignal(signal.SIGTERM)))
        assert during == [own]
        assert signal.getsignal(signal.SIGTERM) is own
    finally:
        signal.signal(signal.SIGTERM, before[1])


def test_an_engine_runs_in_any_thread(run: Run, tasks: ModuleType) -> None:
    outcomes: list[Outcome[Any, Any]] = []
    thread = threading.Thread(target=lambda: outcomes.extend(run(LocalEngine(2), tasks.square, range(5))))
    thread.start()
    thread.join()
    assert [outcome.result for outcome in outcomes] == [0, 1, 4, 9, 16]


@pytest.mark.usefixtures("interruptible")
def test_a_request_that_comes_with_the_last_item_is_not_lost(tasks: ModuleType) -> None:
    outcomes: list[Outcome[Any, Any]] = []

    def finished(outcome: Outcome[Any, Any]) -> None:
        outcomes.append(outcome)
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        LocalEngine(1).run(tasks.square, [3], finished=finished)
    assert [outcome.result for outcome in outcomes] == [9]


@pytest.mark.usefixtures("interruptible")
def test_a_request_ends_a_worker_that_takes_no_hint(
    tasks: ModuleType, alive: Callable[[int], bool], tmp_path: Path
) -> None:
    """Work in compiled code, or a task that has taken SIGTERM for itself, does not stop when it is told to."""
    pids: list[int] = []

    def watch() -> None:
        while not (tmp_path / "deaf").exists():
            time.sleep(0.01)
        pids.append(int((tmp_path / "deaf").read_text()))
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=watch).start()
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        LocalEngine(1).run(tasks.deaf, [tmp_path / "deaf"], finished=lambda outcome: None)
    assert pids
    assert not alive(pids[0])
