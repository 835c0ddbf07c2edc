"""Items in three steps: what is told of them is what one after the other would tell, and steps really overlap."""

from __future__ import annotations

import os
import signal
import threading
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lapsdata.errors import CorruptDataError, Problem
from lapsdata.execution.engine import Outcome, Terminated
from lapsdata.execution.here import HereEngine
from lapsdata.execution.staged import Staged

_PATIENCE_S = 20


@dataclass
class Opened:
    """Something that is begun, and notes when it is closed."""

    item: Any
    closed: list[Any]

    def close(self) -> None:
        self.closed.append(self.item)


@dataclass
class Steps:
    """Three steps that note what they do, and fail where they are told to."""

    failing: set[tuple[str, int]] = field(default_factory=set)
    begun: list[int] = field(default_factory=list)
    closed: list[Any] = field(default_factory=list)
    threads: dict[str, set[int]] = field(default_factory=dict)

    def _note(self, step: str, item: int) -> None:
        self.threads.setdefault(step, set()).add(threading.get_ident())
        if (step, item) in self.failing:
            raise CorruptDataError(Problem(f"no-{step}", str(item), "expected luck, got none"))

    def begin(self, item: int) -> Opened:
        self.begun.append(item)
        self._note("begin", item)
        return Opened(item, self.closed)

    def work(self, item: int, begun: Opened) -> int:
        assert begun.item == item
        assert item not in self.closed
        self._note("work", item)
        return 10 * item

    def end(self, item: int, worked: int, tell: Any) -> int:
        assert item in self.closed
        self._note("end", item)
        tell(item)
        return worked + 1

    @property
    def task(self) -> Staged[int, Opened, int, int]:
        return Staged(self.begin, self.work, self.end)


def run(task: Any, items: Any) -> tuple[list[Outcome[Any, Any]], list[int]]:
    outcomes: list[Outcome[Any, Any]] = []
    units: list[int] = []
    HereEngine().run(task, items, finished=outcomes.append, told=units.append)
    return outcomes, units


@given(
    count=st.integers(0, 6),
    failing=st.sets(st.tuples(st.sampled_from(["begin", "work", "end"]), st.integers(0, 5)), max_size=5),
)
def test_what_is_told_is_what_one_after_the_other_tells(count: int, failing: set[tuple[str, int]]) -> None:
    side_by_side, after_another = Steps(failing), Steps(failing)
    found, units = run(side_by_side.task, range(count))
    plain = after_another.task
    expected, told = run(lambda item, tell: plain(item, tell), range(count))
    assert [(one.index, one.item, one.result, one.problems) for one in found] == [
        (one.index, one.item, one.result, one.problems) for one in expected
    ]
    assert units == told
    # What was begun without an error is closed, in both ways.
    assert side_by_side.closed == after_another.closed


def test_the_middle_step_is_done_here_and_the_others_beside_it() -> None:
    steps = Steps()
    run(steps.task, range(4))
    here = threading.get_ident()
    assert steps.threads["work"] == {here}
    assert here not in steps.threads["begin"] | steps.threads["end"]


def test_the_next_one_is_begun_and_the_last_one_ended_meanwhile() -> None:
    begun, worked = threading.Event(), threading.Event()
    steps = Steps()

    def begin(item: int) -> Opened:
        if item == 1:
            begun.set()
        return steps.begin(item)

    def work(item: int, opened: Opened) -> int:
        if item == 0:
            assert begun.wait(_PATIENCE_S)
        else:
            worked.set()
        return steps.work(item, opened)

    def end(item: int, result: int, tell: Any) -> int:
        if item == 0:
            assert worked.wait(_PATIENCE_S)
        return steps.end(item, result, tell)

    outcomes, _ = run(Staged(begin, work, end), range(2))
    assert [outcome.result for outcome in outcomes] == [1, 11]


def test_one_is_begun_ahead_and_no_more() -> None:
    steps, seen = Steps(), []
    first = threading.Event()

    def work(item: int, opened: Opened) -> int:
        if item == 0:
            first.wait(0.2)  # time enough to begin too many
        seen.append(len(steps.begun) - item)
        return steps.work(item, opened)

    run(Staged(steps.begin, work, steps.end), range(5))
    assert max(seen) <= 2


@pytest.mark.parametrize(("number", "kind"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)])
def test_a_signal_leaves_what_was_begun_and_tells_what_was_worked_on(
    number: signal.Signals, kind: type[BaseException]
) -> None:
    steps, outcomes = Steps(), list[Outcome[int, int]]()

    def work(item: int, opened: Opened) -> int:
        if item == 1:
            os.kill(os.getpid(), number)
        return steps.work(item, opened)

    with pytest.raises(kind, match=r"^$"):
        HereEngine().run(Staged(steps.begin, work, steps.end), range(5), finished=outcomes.append)
    assert [outcome.result for outcome in outcomes] == [1, 11]
    assert sorted(steps.closed) == steps.begun


def test_an_interrupt_of_the_work_itself_ends_the_run() -> None:
    steps, outcomes = Steps(), list[Outcome[int, int]]()

    def work(item: int, opened: Opened) -> int:
        if item == 1:
            raise KeyboardInterrupt
        return steps.work(item, opened)

    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        HereEngine().run(Staged(steps.begin, work, steps.end), range(5), finished=outcomes.append)
    assert [outcome.result for outcome in outcomes] == [1]
    assert sorted(steps.closed) == steps.begun
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("lapsdata-")] == []
