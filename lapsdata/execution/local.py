"""The engine of one machine: worker processes, each doing one item at a time.

Why the workers are started as interpreters of their own, and neither forked nor spawned by `multiprocessing`:

- a forked process inherits locks of threads that it does not have; PyAV, OpenCV, zarr and torch start threads, and
  what they started does not survive a fork;
- spawned processes, and those of a fork server, run the caller's script once more. A script without
  `if __name__ == "__main__":` then starts processes that start processes; a script that came through a pipe cannot
  be run again at all.

So a worker runs `lapsdata.execution._worker`, gets task and items through a private socket, and imports what they name.
One worker is a process of its own as well: it can crash, be stopped, and uses one thread like any other, so that
results and failures do not depend on the number of workers.
"""

from __future__ import annotations

import os
import pickle
import sys
from collections import deque
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Generic, TypeVar

from lapsdata.errors import LapsWarning, Problem, SchemaError, warn, whole_number
from lapsdata.execution._crew import Parcel, Worker, dismiss
from lapsdata.execution._messages import Done, Failed, Message, Ready, Unfit, Units, Warned, failure, pack
from lapsdata.execution._worker import GRACE_S
from lapsdata.execution.engine import ExecutionError, Outcome, unheard
from lapsdata.execution.stop_requests import StopRequests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from lapsdata.execution.engine import Task, Tell

__all__ = ["LocalEngine", "usable_cores"]

Item = TypeVar("Item")
Result = TypeVar("Result")

# How long a request to stop, or a death that nobody tells of, may go unnoticed.
_BEAT_S = 0.1

# So many workers in a row may die before they have loaded the task; then the task is at fault, or the machine.
_LOST_STARTS = 3


def usable_cores() -> int:
    """Return the number of cores that this process may use.

    Examples
    --------
    >>> usable_cores() >= 1
    True
    """
    if sys.version_info >= (3, 13):
        return os.process_cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class LocalEngine:
    """Runs tasks in processes of this machine; see `lapsdata.execution.engine.Engine`.

    Parameters
    ----------
    workers : int, optional
        Number of processes; by default one for each core that may be used. Fewer are started for fewer items.

    Raises
    ------
    SchemaError
        Not a number of processes.

    Examples
    --------
    >>> import math
    >>> from lapsdata.execution.engine import PerItem
    >>> outcomes = []
    >>> LocalEngine(workers=1).run(PerItem(math.sqrt), [4.0, -1.0], finished=outcomes.append)
    >>> outcomes[0].result
    2.0
    >>> print(outcomes[1].problems[0])
    expected a result, got ValueError: math domain error; its traceback is in the report [task-failed]
    """

    def __init__(self, workers: int | None = None) -> None:
        count = usable_cores() if workers is None else whole_number(workers)
        if count is None or count < 1:
            message = f"expected a number of processes, 1 or more, got {workers!r}"
            raise SchemaError(Problem("wrong-value", "workers", message))
        self.workers = count

    def run(
        self,
        task: Task[Item, Result],
        items: Iterable[Item],
        *,
        finished: Callable[[Outcome[Item, Result]], None],
        told: Tell = unheard,
    ) -> None:
        """Do every item; see `lapsdata.execution.engine.Engine.run`."""
        data = pack(task, "task")
        with StopRequests() as stop:
            _Run(data, items, self.workers, finished, told, stop).go()


class _Run(Generic[Item, Result]):
    """One call of `LocalEngine.run`."""

    def __init__(
        self,
        task: bytes,
        items: Iterable[Item],
        size: int,
        finished: Callable[[Outcome[Item, Result]], None],
        told: Tell,
        stop: StopRequests,
    ) -> None:
        self._task, self._size, self._finished, self._told, self._stop = task, size, finished, told, stop
        self._parcels = self._packed(items)
        # Items whose worker died before it had begun them.
        self._returned: deque[Parcel[Item]] = deque()
        self._crew: list[Worker[Item]] = []
        self._lost_starts = 0
        self._shown: set[tuple[str, type[LapsWarning]]] = set()

    def go(self) -> None:
        try:
            while self._hand_out():
                self._listen()
        except BaseException:
            dismiss(self._crew)
            if self._stop.asked is not None:
                self._hear_the_rest()
            raise
        else:
            for worker in self._crew:
                worker.dismissed()
            dismiss(self._crew, GRACE_S)
        finally:
            for worker in self._crew:
                worker.channel.close()

    def _packed(self, items: Iterable[Item]) -> Iterator[Parcel[Item]]:
        for index, item in enumerate(items):
            self._stop.check()
            try:
                data = pack(item, "item")
            except ExecutionError as error:
                self._finished(Outcome(index, item, problems=error.problems))
                continue
            yield Parcel(index, item, data)

    def _hand_out(self) -> bool:
        """Give an item to every worker that is free; return whether any is at work."""
        while sum(worker.parcel is not None for worker in self._crew) < self._size:
            self._stop.check()
            parcel = self._returned.popleft() if self._returned else next(self._parcels, None)
            if parcel is None:
                break
            worker = next((worker for worker in self._crew if worker.parcel is None), None)
            if worker is None:
                worker = Worker(self._task)
                self._crew.append(worker)
            worker.take(parcel)
        return any(worker.parcel is not None for worker in self._crew)

    def _listen(self) -> None:
        speaking = wait([worker.channel for worker in self._crew], _BEAT_S)
        self._stop.check()
        for worker in tuple(self._crew):
            if worker.channel in speaking:
                message = worker.hear()
                if message is None:
                    self._bury(worker)
                else:
                    self._take_in(worker, message)
            # A process that was started by a task may hold the channel open beyond the worker's end.
            elif not speaking and worker.silent():
                self._bury(worker)

    def _take_in(self, worker: Worker[Item], message: Message) -> None:
        match message:
            case Ready():
                worker.ready, self._lost_starts = True, 0
            case Units(count):
                self._told(count)
            case Warned(text, category):
                self._warn(text, category)
            case Unfit(problems):
                raise ExecutionError(*problems)
            case Done() | Failed():
                self._conclude(worker, message)

    def _conclude(self, worker: Worker[Item], message: Done | Failed) -> None:
        parcel, worker.parcel = worker.parcel, None
        if parcel is None:
            return
        if isinstance(message, Failed):
            self._finished(Outcome(parcel.index, parcel.item, problems=message.problems, traceback=message.traceback))
            return
        try:
            result: Result = pickle.loads(message.result)
        except Exception as error:  # noqa: BLE001 - loading a result may import anything
            problems, traceback = failure(error)
            placed = tuple(problem.within("loading the result") for problem in problems)
            self._finished(Outcome(parcel.index, parcel.item, problems=placed, traceback=traceback))
        else:
            self._finished(Outcome(parcel.index, parcel.item, result=result))

    def _warn(self, text: str, category: bytes) -> None:
        try:
            kind: type[LapsWarning] = pickle.loads(category)
        except Exception:  # noqa: BLE001 - a class that only the worker knows is still a warning of ours
            kind = LapsWarning
        if (text, kind) not in self._shown:
            self._shown.add((text, kind))
            warn(text, kind)

    def _bury(self, worker: Worker[Item]) -> None:
        """Take a dead worker out; its item fails if it was begun, and goes to another worker if it was not."""
        self._crew.remove(worker)
        cause, advice = worker.cause_of_death()
        worker.channel.close()
        parcel = worker.parcel
        if parcel is not None and worker.ready and worker.began:
            message = f"expected a result, but the worker process {cause}"
            self._finished(Outcome(parcel.index, parcel.item, problems=(Problem("worker-died", "", message, advice),)))
            return
        if parcel is not None:
            self._returned.append(parcel)
        if not worker.ready:
            self._lost_starts += 1
        if self._lost_starts == _LOST_STARTS:
            message = f"expected a worker that loads the task, got {_LOST_STARTS} in a row that died; the last {cause}"
            raise ExecutionError(Problem("worker-died", "loading the task", message, advice))
        when = "while it waited for work" if worker.ready else "before it had loaded the task"
        warn(f"a worker process {cause} {when}; another takes its place")

    def _hear_the_rest(self) -> None:
        """Note what was done but not yet heard when the workers were stopped."""
        for worker in self._crew:
            while worker.channel.poll() and (message := worker.hear()) is not None:
                # What fails now failed because it was stopped.
                if not isinstance(message, (Failed, Unfit)):
                    self._take_in(worker, message)
