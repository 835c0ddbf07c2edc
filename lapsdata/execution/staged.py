"""Items in three steps: the first of the next item and the last of the one before are done beside the middle of one.

For tasks that read, compute and write: while one item computes, in the caller's thread, a thread reads ahead and
another one writes what is done. At any time at most three items are under way, one in each step.
"""

from __future__ import annotations

import contextlib
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from lapsdata.execution._messages import failure
from lapsdata.execution.engine import Outcome, Tell

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from lapsdata.execution.stop_requests import StopRequests

__all__ = ["Closeable", "Staged", "run_staged"]


class Closeable(Protocol):
    """What holds files or threads until it is closed."""

    def close(self) -> None:
        """Let go of them."""


Item = TypeVar("Item")
Begun = TypeVar("Begun", bound=Closeable)
Worked = TypeVar("Worked")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Staged(Generic[Item, Begun, Worked, Result]):
    """A task in three steps; as a plain task it does one after the other.

    Parameters
    ----------
    begin : callable
        `begin(item)`: open it and begin to read. May be called before the item in front of it has ended.
    work : callable
        `work(item, begun)`: compute. In the caller's thread; what was begun is closed behind it.
    end : callable
        `end(item, worked, tell)`: write, and give the result.

    Examples
    --------
    >>> import io
    >>> task = Staged(io.StringIO, lambda item, begun: begun.read(), lambda item, worked, tell: worked.upper())
    >>> task("abc", print)
    'ABC'
    """

    begin: Callable[[Item], Begun]
    work: Callable[[Item, Begun], Worked]
    end: Callable[[Item, Worked, Tell], Result]

    def __call__(self, item: Item, tell: Tell) -> Result:
        """Do one item."""
        with contextlib.closing(self.begin(item)) as begun:
            worked = self.work(item, begun)
        return self.end(item, worked, tell)


class _Ending(Generic[Item, Result]):
    """The item whose last step is being done, if there is one; outcomes are told in the order of the items."""

    def __init__(self, pool: ThreadPoolExecutor, finished: Callable[[Outcome[Item, Result]], None], told: Tell) -> None:
        self._pool, self._finished, self._told = pool, finished, told
        self._now: tuple[int, Item, Future[Result], list[int]] | None = None

    def put(self, index: int, item: Item, end: Callable[[Tell], Result]) -> None:
        """Let an item end, after the one before it has."""
        self.settle()
        units: list[int] = []
        self._now = (index, item, self._pool.submit(end, units.append), units)

    def fail(self, index: int, item: Item, error: BaseException) -> None:
        """Tell that an item has failed before its last step."""
        self.settle()
        self._tell_failure(index, item, error)

    def settle(self) -> None:
        """Wait for the item that is ending, and tell its outcome; what it told of units is told here."""
        if self._now is None:
            return
        index, item, future, units = self._now
        error = future.exception()
        self._now = None
        for count in units:
            self._told(count)
        if error is None:
            self._finished(Outcome(index, item, future.result()))
        else:
            self._tell_failure(index, item, error)

    def _tell_failure(self, index: int, item: Item, error: BaseException) -> None:
        problems, traceback = failure(error)
        self._finished(Outcome(index, item, problems=problems, traceback=traceback))


def run_staged(
    task: Staged[Item, Any, Any, Result],
    items: Iterable[Item],
    *,
    finished: Callable[[Outcome[Item, Result]], None],
    told: Tell,
    stop: StopRequests,
) -> None:
    """Do every item; see `lapsdata.execution.engine.Engine.run`.

    A request to stop is granted between the computations of two items: one that is being written is finished and told,
    one that was begun is closed and left.
    """
    with (
        ThreadPoolExecutor(1, "lapsdata-begin") as ahead,
        ThreadPoolExecutor(1, "lapsdata-end") as behind,
    ):
        ending: _Ending[Item, Result] = _Ending(behind, finished, told)
        try:
            with contextlib.closing(_begun_ahead(task, items, ahead, stop)) as begun_ahead:
                for index, item, begun in begun_ahead:
                    try:
                        with contextlib.closing(begun.result()) as opened:
                            end = _last_step(task, item, task.work(item, opened))
                    except KeyboardInterrupt:
                        raise
                    except BaseException as error:  # noqa: BLE001 - nothing that a task raises may end the others
                        ending.fail(index, item, error)
                    else:
                        ending.put(index, item, end)
        finally:
            ending.settle()


def _last_step(task: Staged[Item, Any, Any, Result], item: Item, worked: Any) -> Callable[[Tell], Result]:  # noqa: ANN401
    return lambda tell: task.end(item, worked, tell)


def _begun_ahead(
    task: Staged[Item, Any, Any, Result], items: Iterable[Item], pool: ThreadPoolExecutor, stop: StopRequests
) -> Generator[tuple[int, Item, Future[Any]]]:
    """Yield items whose first step is done, or has failed, and begin each while the one before it is in use."""
    source = enumerate(items)
    found = next(source, None)
    following = None if found is None else pool.submit(task.begin, found[1])
    try:
        while found is not None and following is not None:
            stop.check()
            (index, item), begun = found, following
            begun.exception()
            stop.check()
            found = next(source, None)
            following = None if found is None else pool.submit(task.begin, found[1])
            yield index, item, begun
    finally:
        if following is not None and not following.cancel() and following.exception() is None:
            following.result().close()
