"""One account of a run: every item once, in order, with what became of it, and an exit code that does not lie."""

from __future__ import annotations

import json
import signal
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.errors import Problem
from lapsdata.execution.engine import ExecutionError, Outcome, Terminated, unheard
from lapsdata.execution.local import LocalEngine
from lapsdata.execution.manifest import STATES, Found, WorkItem, judge, plan
from lapsdata.execution.report import (
    FATES,
    Entry,
    Interrupted,
    Report,
    carry_out,
    carry_out_shown,
    leftovers,
    show,
)
from lapsdata.storage.atomic import atomic_file, atomic_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import ModuleType

    from lapsdata.execution.engine import Engine, Task, Tell
    from lapsdata.execution.manifest import Job, Plan


class Backwards:
    """An engine without processes: does the items from last to first, and may be stopped on the way."""

    def __init__(self, stop_after: int | None = None, stop: type[KeyboardInterrupt] = KeyboardInterrupt) -> None:
        self.stop_after, self.stop = stop_after, stop
        self.ran = 0

    def run(
        self,
        task: Task[Any, Any],
        items: Iterable[Any],
        *,
        finished: Callable[[Outcome[Any, Any]], None],
        told: Tell = unheard,
    ) -> None:
        self.ran += 1
        for done, (index, item) in enumerate(reversed(list(enumerate(items)))):
            if done == self.stop_after:
                raise self.stop
            try:
                result = task(item, told)
            except ValueError as error:
                problem = Problem("task-failed", "", str(error))
                finished(Outcome(index, item, problems=(problem,), traceback=f"Traceback\n  {error}"))
            else:
                finished(Outcome(index, item, result=result))


def fake(job: Job[Any], tell: Tell) -> str:
    tell(2)
    if "fail" in job.item.payload:
        raise ValueError(f"{job.item.name} broke")
    return job.item.name.upper()


def planned(*payloads: str, force: bool = False) -> Plan[str]:
    """Plan an item for each `<state>` or `<state> fail`."""
    items = [WorkItem(f"clip_{n}", Path(f"out/{n}.h5"), "key", payload, 2) for n, payload in enumerate(payloads)]
    return plan(items, lambda item: Found(item.payload.split()[0], f"was {item.payload}"), force=force)  # type: ignore[arg-type]


payloads = st.lists(st.tuples(st.sampled_from(STATES), st.sampled_from(["", " fail"])).map("".join))


@given(payloads=payloads, force=st.booleans(), stop_after=st.none() | st.integers(0, 10))
def test_every_item_has_one_fate_in_the_order_of_the_items(
    payloads: list[str], force: bool, stop_after: int | None
) -> None:
    todo = planned(*payloads, force=force)
    try:
        report = carry_out(todo, fake, Backwards(stop_after))
    except Interrupted as stop:
        report = stop.report
        assert stop_after is not None
        assert report.counts["left"] == len(todo.to_do) - stop_after > 0
    assert [entry.name for entry in report.entries] == [f"clip_{number}" for number in range(len(payloads))]
    assert sum(report.counts.values()) == len(payloads)
    assert tuple(report.counts) == FATES
    begun = {job.item.name for job in todo.to_do[::-1][:stop_after]}
    for entry, payload in zip(report.entries, payloads, strict=True):
        state, _, fails = payload.partition(" ")
        expected = {"missing": "made", "done": "forced" if force else "kept"}.get(state, state)
        if state == "foreign":
            expected = "failed"
        elif expected != "kept":
            expected = "left" if entry.name not in begun else "failed" if fails else expected
        assert entry.fate == expected
        assert (entry.result is not None) == (expected in {"made", "changed", "damaged", "forced"})
        assert bool(entry.problems) == (expected == "failed")
    wrong = report.counts["failed"] + report.counts["left"]
    assert report.exit_code == (1 if wrong else 0)
    assert json.loads(json.dumps(report.as_json()))["counts"] == report.counts


def test_a_report_names_each_failure_with_its_item() -> None:
    report = carry_out(planned("missing", "changed fail", "foreign", "done"), fake, Backwards())
    assert [str(problem) for problem in report.problems] == [
        "clip_1: clip_1 broke [task-failed]",
        "clip_2: out/2.h5: expected nothing, or an output of this command, got something else (was foreign): "
        "it is left as it is; move it away, or choose another folder [foreign-output]",
    ]
    assert report.entries[1].traceback == "Traceback\n  clip_1 broke"
    assert report.entries[0].result == "CLIP_0"


def test_a_report_as_json() -> None:
    report = carry_out(planned("damaged", "missing fail"), fake, Backwards())
    assert report.as_json() == {
        "counts": {"made": 0, "kept": 0, "changed": 0, "damaged": 1, "forced": 0, "failed": 1, "left": 0},
        "items": [
            {
                "name": "clip_0",
                "output": "out/0.h5",
                "fate": "damaged",
                "why": "was damaged",
                "problems": [],
                "traceback": None,
            },
            {
                "name": "clip_1",
                "output": "out/1.h5",
                "fate": "failed",
                "why": "was missing fail",
                "problems": [
                    {"code": "task-failed", "where": "", "message": "clip_1 broke", "fix": None, "severity": "error"}
                ],
                "traceback": "Traceback\n  clip_1 broke",
            },
        ],
        "leftovers": [],
    }


def test_nothing_to_do_starts_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    engine = Backwards()
    report = carry_out_shown(planned("done", "done"), fake, engine, title="track", unit="frames")
    assert engine.ran == 0
    assert report.facts == {"items": "2", "kept": "2"}
    assert capsys.readouterr() == ("", "")


def test_progress_is_shown_in_units(capsys: pytest.CaptureFixture[str]) -> None:
    carry_out_shown(planned("missing", "done", "missing"), fake, Backwards(), title="track", unit="frames")
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("track: done: 4/4 frames in 0 s")


def test_progress_of_a_run_that_is_stopped(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Interrupted, match="SIGINT: 1 of 2 items were not done"):
        carry_out_shown(planned("missing", "missing"), fake, Backwards(1), title="track", unit="frames")
    assert capsys.readouterr().err.startswith("track: stopped at 2/4 frames")


@pytest.mark.parametrize(("kind", "number"), [(KeyboardInterrupt, signal.SIGINT), (Terminated, signal.SIGTERM)])
def test_an_interrupt_goes_on_and_carries_the_report(kind: type[KeyboardInterrupt], number: signal.Signals) -> None:
    with pytest.raises(KeyboardInterrupt, match=f"{number.name}: 2 of 3 items were not done") as raised:
        carry_out(planned("missing", "missing", "missing"), fake, Backwards(1, kind))
    stop = raised.value
    assert isinstance(stop, Interrupted)
    assert stop.number == number
    assert [entry.fate for entry in stop.report.entries] == ["left", "left", "made"]
    assert stop.report.exit_code == 1
    (problem,) = stop.report.problems
    assert (problem.code, problem.severity) == ("interrupted", "warning")


def test_an_error_of_the_engine_goes_on() -> None:
    with pytest.raises(ExecutionError, match="expected a task that can be sent to another process"):
        carry_out(planned("missing"), lambda job, tell: None, LocalEngine(1))


def test_the_report_is_shown_counts_to_one_side_problems_to_the_other(capsys: pytest.CaptureFixture[str]) -> None:
    todo = planned("missing", "done", "changed", "damaged", "changed", "missing fail")
    show(carry_out(todo, fake, Backwards()))
    out, err = capsys.readouterr()
    assert out == "items       6\nmade        1\nkept        1\nmade again  3 (2 changed, 1 damaged)\nfailed      1\n"
    assert err == "error: clip_5: clip_5 broke [task-failed]\n"


def test_tracebacks_are_shown_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    show(carry_out(planned("missing fail", "missing"), fake, Backwards()), tracebacks=True)
    assert capsys.readouterr().err == "error: clip_0: clip_0 broke [task-failed]\nTraceback\n  clip_0 broke\n"


def test_what_was_forced_is_told() -> None:
    report = carry_out(planned("done", "done", force=True), fake, Backwards())
    assert report.facts == {"items": "2", "made again": "2 (2 asked for)"}


# What killed writers leave


def test_unfinished_files_and_folders_are_found(tmp_path: Path) -> None:
    """By the names that the writers of this library really use."""
    with atomic_file(tmp_path / "clip.h5") as file, atomic_folder(tmp_path / "clip.zarr") as folder:
        assert leftovers([tmp_path, tmp_path, tmp_path / "none"]) == tuple(sorted([file, folder]))
    assert leftovers([tmp_path]) == ()


@pytest.mark.parametrize("name", [".lapsdata-tmp-aside-clip.zarr", ".lapsdata-tmp-notes", "lapsdata-tmp-", ".hidden"])
def test_other_names_are_no_leftovers(name: str, tmp_path: Path) -> None:
    (tmp_path / name).touch()
    assert leftovers([tmp_path]) == ()


def test_leftovers_are_counted_by_folder_told_and_not_removed(tmp_path: Path) -> None:
    left = []
    for number, folder in enumerate(["one", "one", "two"]):
        (tmp_path / folder).mkdir(exist_ok=True)
        left.append(tmp_path / folder / f".lapsdata-tmp-{number:016x}.h5")
        left[-1].touch()
    items = [WorkItem(name, tmp_path / name / "clip.h5", "key", "missing") for name in ("one", "two")]
    report = carry_out(plan(items, lambda item: Found("missing")), fake, Backwards())
    assert report.leftovers == tuple(left)
    assert report.exit_code == 0
    assert [(problem.where, problem.message.split()[0], problem.severity) for problem in report.problems] == [
        (str(tmp_path / "one"), "2", "info"),
        (str(tmp_path / "two"), "1", "info"),
    ]
    assert all(path.exists() for path in left)


# With processes


@pytest.fixture
def write_keys(make_engine: Callable[[int], Engine], tasks: ModuleType, tmp_path: Path) -> Callable[..., Report[None]]:
    """Make one output per payload with a real engine; the key of all is given."""

    def write_keys(*payloads: str, key: str = "one", force: bool = False, told: Tell = unheard) -> Report[None]:
        items = [WorkItem(f"clip_{n}", tmp_path / f"{n}.txt", key, payload) for n, payload in enumerate(payloads)]
        todo = plan(items, lambda item: judge(item, lambda path: path.read_text() or None), force=force)
        report: Report[None] = carry_out(todo, tasks.write_key, make_engine(2), told=told)
        return report

    return write_keys


def fates(report: Report[Any]) -> list[str]:
    return [entry.fate for entry in report.entries]


def test_a_second_run_does_only_what_is_missing_or_changed(
    write_keys: Callable[..., Report[None]], tmp_path: Path
) -> None:
    told: list[int] = []
    assert fates(write_keys("", "", "", told=told.append)) == ["made"] * 3
    assert sum(told) == 6
    assert fates(write_keys("", "", "")) == ["kept"] * 3
    (tmp_path / "1.txt").unlink()
    assert fates(write_keys("", "", "")) == ["kept", "made", "kept"]
    assert fates(write_keys("", "", "", key="two")) == ["changed"] * 3
    assert fates(write_keys("", "", "", key="two", force=True)) == ["forced"] * 3
    assert {path.read_text() for path in tmp_path.glob("*.txt")} == {"two"}


def test_failures_leave_the_other_outputs_and_the_old_one(
    write_keys: Callable[..., Report[None]], tmp_path: Path
) -> None:
    write_keys("", "", "", "")
    report = write_keys("", "fail", "die", "", key="two")
    assert fates(report) == ["changed", "failed", "failed", "changed"]
    assert [problem.code for problem in report.problems] == ["task-failed", "worker-died", "leftovers"]
    assert [(tmp_path / f"{number}.txt").read_text() for number in range(4)] == ["two", "one", "one", "two"]
    # Only the process that was killed could not remove what it had begun.
    assert len(report.leftovers) == 1
    assert report.problems[1].where == "clip_2"
    assert report.exit_code == 1
    assert fates(write_keys("", "", "", "", key="two")) == ["kept", "changed", "changed", "kept"]


def test_a_file_that_came_after_the_plan_is_not_replaced(
    make_engine: Callable[[int], Engine], tasks: ModuleType, tmp_path: Path
) -> None:
    item = WorkItem("clip", tmp_path / "clip.txt", "key", "")
    todo = plan([item], lambda item: judge(item, Path.read_text))
    item.output.write_text("somebody's")
    report: Report[None] = carry_out(todo, tasks.write_key, make_engine(1))
    assert [problem.code for problem in report.problems] == ["exists"]
    assert item.output.read_text() == "somebody's"


def test_counts_add_up() -> None:
    entries = tuple(Entry(str(n), Path(str(n)), fate) for n, fate in enumerate((*FATES, "made", "left")))
    assert Report(entries).counts == Counter(entry.fate for entry in entries)
