"""Engines that every promise is tested with, and tasks that workers can import."""

from __future__ import annotations

import contextlib
import importlib
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lapsdata.execution.local import LocalEngine

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from lapsdata.execution.engine import Engine, Outcome, Task

# An engine of another kind is added here and then keeps what test_engine.py says, or fails.
ENGINES: dict[str, Callable[[int], Engine]] = {"local": LocalEngine}

IMPORTABLE = Path(__file__).parent / "importable"


@pytest.fixture
def importable(monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder of modules that workers find, because it is in the caller's module search path."""
    monkeypatch.syspath_prepend(IMPORTABLE)
    return IMPORTABLE


@pytest.fixture
def tasks(importable: Path) -> ModuleType:
    return importlib.import_module("engine_tasks")


@pytest.fixture(params=ENGINES)
def make_engine(request: pytest.FixtureRequest) -> Callable[[int], Engine]:
    """Make an engine with so many workers."""
    return ENGINES[request.param]


@pytest.fixture(params=[1, 3], ids="workers={}".format)
def engine(request: pytest.FixtureRequest, make_engine: Callable[[int], Engine]) -> Engine:
    return make_engine(request.param)


@pytest.fixture
def run() -> Callable[[Engine, Task[Any, Any], Any], list[Outcome[Any, Any]]]:
    """Run a task and return the outcomes in the order of the items."""

    def run(engine: Engine, task: Task[Any, Any], items: Any) -> list[Outcome[Any, Any]]:
        outcomes: list[Outcome[Any, Any]] = []
        engine.run(task, items, finished=outcomes.append)
        return sorted(outcomes, key=lambda outcome: outcome.index)

    return run


@pytest.fixture
def until() -> Callable[[Callable[[], object]], None]:
    """Wait for something that another process does; give up after half a minute."""

    def until(condition: Callable[[], object]) -> None:
        end = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < end, "it did not happen"
            time.sleep(0.01)

    return until


@pytest.fixture
def alive() -> Callable[[int], bool]:
    """Say whether a process runs; one that nobody has waited for yet has ended all the same."""

    def alive(number: int) -> bool:
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            os.kill(number, 0)
            process = Path(f"/proc/{number}")
            ended = (process / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
            # Its first thread may have ended before the others, which still hold its files open.
            return not ended or len(list((process / "task").iterdir())) > 1
        return False

    return alive
