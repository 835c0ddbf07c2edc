"""Work done ahead by a few threads, and handed over in order.

The threads know a queue and the function, never the object that made them: dropping that object ends them.
"""

from __future__ import annotations

import os
import queue
import threading
import time
import weakref
from collections import deque
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from lapsdata.errors import LapsError, Problem, warn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Prefetch"]

Item = TypeVar("Item")
Result = TypeVar("Result")

# A read that takes longer than this is left to end by itself; its thread then ends with it.
_PATIENCE_S = 5.0


class _Task(Generic[Item, Result]):
    """One item, and what came of it."""

    __slots__ = ("_done", "error", "item", "result")

    def __init__(self, item: Item) -> None:
        self.item = item
        self.result: Result | None = None
        self.error: BaseException | None = None
        self._done = threading.Lock()
        self._done.acquire()

    def run(self, function: Callable[[Item], Result]) -> None:
        try:
            self.result = function(self.item)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the consumer gets it
            self.error = error
        self._done.release()

    def wait(self) -> None:
        # In the main thread, a signal interrupts this.
        self._done.acquire()


_Queue = queue.SimpleQueue[Any]


def _work(tasks: _Queue, function: Callable[[Any], Any]) -> None:
    """Do tasks until there is a None; hold nothing of a task while waiting for the next."""
    while True:
        task = tasks.get()
        if task is None:
            return
        task.run(function)
        del task


def _stop(tasks: _Queue, threads: list[threading.Thread], process: int) -> None:
    """End the threads: nothing that is waiting is begun any more."""
    if os.getpid() != process:
        return  # a forked child has the list, and not the threads
    while True:
        try:
            tasks.get_nowait()
        except queue.Empty:
            break
    for _ in threads:
        tasks.put(None)
    until = time.monotonic() + _PATIENCE_S
    for thread in threads:
        # The last reference may be dropped by one of the threads themselves.
        if thread is not threading.current_thread():
            thread.join(max(0.0, until - time.monotonic()))
    late = [thread.name for thread in threads if thread.is_alive() and thread is not threading.current_thread()]
    threads.clear()
    if late:
        warn(f"{', '.join(late)}: still reading after {_PATIENCE_S:g} s; each ends when its read does")


class Prefetch(Generic[Item, Result]):
    """An iterator over `function(item)` in the order of the items, with up to `depth` of them done ahead.

    Parameters
    ----------
    function : callable
        Called in the threads, several at once.
    items : iterator
        Drawn from in the thread of the consumer.
    threads : int
        0 calls the function when its result is asked for.
    depth : int
        Results that are ready or being made at any time, that which is asked for included.

    Raises
    ------
    LapsError
        It is used in another process than the one that made it.

    Examples
    --------
    >>> with Prefetch(abs, iter([-1, 2, -3]), threads=2, depth=2) as found:
    ...     print(list(found))
    [1, 2, 3]
    """

    def __init__(self, function: Callable[[Item], Result], items: Iterator[Item], *, threads: int, depth: int) -> None:
        self._function, self._items, self._depth = function, items, max(depth, 1)
        self._pending: deque[_Task[Item, Result]] = deque()
        self._tasks: _Queue = queue.SimpleQueue()
        self._process = os.getpid()
        self._threads = [
            threading.Thread(
                target=_work, args=(self._tasks, function), name=f"lapsdata-prefetch-{number}", daemon=True
            )
            for number in range(threads)
        ]
        self._inline = not threads
        self._stop = weakref.finalize(self, _stop, self._tasks, self._threads, self._process)
        for thread in self._threads:
            thread.start()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Result:
        """Return the next result; the error of its function is raised here, as it was."""
        if os.getpid() != self._process:
            message = "expected the process that began this iteration, got a fork of it, which has none of its threads"
            raise LapsError(Problem("forked", "Loader", message, "begin a new iteration in the child"))
        if not self._stop.alive:
            raise StopIteration
        try:
            return self._next()
        except BaseException:
            self.close()
            raise

    def _next(self) -> Result:
        if self._inline:
            return self._function(next(self._items))
        self._fill()
        if not self._pending:
            raise StopIteration
        self._pending[0].wait()
        task = self._pending.popleft()
        if task.error is not None:
            raise task.error
        self._fill()
        result: Result = task.result  # type: ignore[assignment]  # there is no error, so there is a result
        return result

    def _fill(self) -> None:
        while len(self._pending) < self._depth:
            try:
                item = next(self._items)
            except StopIteration:
                return
            task: _Task[Item, Result] = _Task(item)
            self._pending.append(task)
            self._tasks.put(task)

    def close(self) -> None:
        """End the threads; nothing more is returned."""
        self._stop()
        self._pending.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
