"""The engine of this very process: as the others, but for what takes the process down."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import pytest

from lapsdata.errors import CorruptDataError, Problem
from lapsdata.execution.engine import Outcome, PerItem, Terminated
from lapsdata.execution.here import HereEngine

if TYPE_CHECKING:
    from collections.abc import Callable


def run(task: Callable[..., Any], items: Any) -> tuple[list[Outcome[Any, Any]], list[int]]:
    outcomes: list[Outcome[Any, Any]] = []
    units: list[int] = []
    HereEngine().run(task, items, finished=outcomes.append, told=units.append)
    return outcomes, units


def test_items_are_done_in_order_in_this_process() -> None:
    outcomes, units = run(PerItem(lambda item: (item, os.getpid())), iter("abc"))
    assert [outcome.result for outcome in outcomes] == [(name, os.getpid()) for name in "abc"]
    assert [outcome.index for outcome in outcomes] == [0, 1, 2]
    assert units == [1, 1, 1]


def fail(item: str) -> str:
    if item == "bad":
        raise CorruptDataError(Problem("checksum", "clip.h5", "expected what was written"))
    if item == "odd":
        raise RuntimeError("no luck")
    if item == "exit":
        sys.exit(3)
    return item


def test_what_fails_leaves_the_others() -> None:
    outcomes, _ = run(PerItem(fail), ["bad", "odd", "exit", "good"])
    assert [[problem.code for problem in outcome.problems] for outcome in outcomes] == [
        ["checksum"], ["task-failed"], ["task-exited"], [],
    ]  # fmt: skip
    assert "RuntimeError: no luck" in str(outcomes[1].problems[0])
    assert "in fail" in (outcomes[1].traceback or "")
    assert outcomes[3].result == "good"


@pytest.mark.parametrize(("number", "kind"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)])
def test_a_signal_is_granted_between_two_items(number: signal.Signals, kind: type[BaseException]) -> None:
    done: list[int] = []

    def stop_at_one(item: int) -> None:
        if item == 1:
            os.kill(os.getpid(), number)
        done.append(item)

    before = signal.getsignal(number)
    with pytest.raises(kind, match=r"^$"):
        run(PerItem(stop_at_one), range(5))
    assert done == [0, 1]
    assert signal.getsignal(number) is before


def test_an_interrupt_of_the_task_itself_ends_the_run() -> None:
    def interrupted(item: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        run(PerItem(interrupted), [0, 1])
