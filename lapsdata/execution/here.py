"""Work in this very process, one item after the other: for tasks that hold a model, or use all cores by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from lapsdata.execution._messages import failure
from lapsdata.execution.engine import Outcome, unheard
from lapsdata.execution.staged import Staged, run_staged
from lapsdata.execution.stop_requests import StopRequests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lapsdata.execution.engine import Task, Tell

__all__ = ["HereEngine"]

Item = TypeVar("Item")
Result = TypeVar("Result")


class HereEngine:
    """Runs tasks in the caller's process and thread; see `lapsdata.execution.engine.Engine`.

    A task that takes the process down takes the caller with it. Ctrl-C and SIGTERM are granted between two items.

    Examples
    --------
    >>> import math
    >>> from lapsdata.execution.engine import PerItem
    >>> outcomes = []
    >>> HereEngine().run(PerItem(math.sqrt), [4.0, -1.0], finished=outcomes.append)
    >>> outcomes[0].result, outcomes[1].failed
    (2.0, True)
    """

    def run(
        self,
        task: Task[Item, Result],
        items: Iterable[Item],
        *,
        finished: Callable[[Outcome[Item, Result]], None],
        told: Tell = unheard,
    ) -> None:
        """Do every item; see `lapsdata.execution.engine.Engine.run`. Steps of a `Staged` task are done side by side."""
        with StopRequests() as stop:
            if isinstance(task, Staged):
                run_staged(task, items, finished=finished, told=told, stop=stop)
                return
            for index, item in enumerate(items):
                stop.check()
                finished(_outcome(task, index, item, told))


def _outcome(task: Task[Item, Result], index: int, item: Item, told: Tell) -> Outcome[Item, Result]:
    try:
        return Outcome(index, item, task(item, told))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - nothing that a task raises may end the other items
        problems, traceback = failure(error)
        return Outcome(index, item, problems=problems, traceback=traceback)
