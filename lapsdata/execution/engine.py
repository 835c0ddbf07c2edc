"""What an engine is: it lets a task do many items, and tells of each item how it ended.

A stage writes a task and hands it to an engine; whether processes of this machine or of a cluster do the work is
the engine's affair. Task, items and results travel between processes, so each of them can be pickled, and what they
are made of stands in modules that can be imported.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeAlias, TypeVar

from lapsdata.errors import LapsError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Engine", "ExecutionError", "Outcome", "PerItem", "Task", "Tell", "Terminated", "unheard"]

Item = TypeVar("Item")
Result = TypeVar("Result")

Tell: TypeAlias = Callable[[int], None]
"""What a task calls with the number of units (frames, say) that it has done since the last call."""

Task: TypeAlias = Callable[[Item, Tell], Result]
"""Does one item.

A task object is loaded once per worker, so what it imports, and what it keeps on itself (an opened model, say), is
there for all items of that worker. Its module must not be the script that is run: workers import, they do not run.
"""


class ExecutionError(LapsError):
    """Work cannot be handed to other processes: it cannot be pickled or loaded there, or no process can be started."""


class Terminated(KeyboardInterrupt):
    """SIGTERM reached the program while an engine worked; told like Ctrl-C, so that both end in the same way."""


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Item, Result]):
    """How one item ended.

    Parameters
    ----------
    index : int
        Number of the item, from 0, in the order in which the items were given.
    item : object
        The item itself.
    result : object or None
        What the task gave back; None for an item that failed.
    problems : tuple of Problem
        Why it failed; empty if it did not.
    traceback : str or None
        Where in the code it failed; None where a process died.

    Examples
    --------
    >>> Outcome(0, "clip_1", result=317).failed
    False
    >>> Outcome(1, "clip_2", problems=(Problem("too-short", "clip_2", "expected 16 frames, got 5"),)).failed
    True
    """

    index: int
    item: Item
    result: Result | None = None
    problems: tuple[Problem, ...] = ()
    traceback: str | None = None

    @property
    def failed(self) -> bool:
        """Whether the item has no result."""
        return bool(self.problems)


def unheard(units: int) -> None:
    """Take a number of units and do nothing: for callers that show no progress.

    Examples
    --------
    >>> unheard(3)
    """


class Engine(Protocol):
    """Runs a task for many items.

    Examples
    --------
    >>> from lapsdata.execution.local import LocalEngine
    >>> engine: Engine = LocalEngine(workers=1)
    """

    def run(
        self,
        task: Task[Item, Result],
        items: Iterable[Item],
        *,
        finished: Callable[[Outcome[Item, Result]], None],
        told: Tell = unheard,
    ) -> None:
        """Do every item, and return when all have ended, well or not.

        Parameters
        ----------
        task : callable
            See `Task`.
        items : iterable
            May be a generator: an item is taken when a worker is free for it, so a million items cost no memory.
        finished : callable
            Called with the outcome of each item when it ends, in the order in which they end, in the caller's thread.
        told : callable
            Called with numbers of units that tasks have told, in the caller's thread.

        A `LapsError` of the task fails its item with its problems; any other exception, `sys.exit` among them, fails
        its item with one problem that names it; a worker that dies fails the item that it was doing. The other items
        go on in each case. A `LapsWarning` is shown here, once. What a task prints goes to standard error.

        Raises
        ------
        ExecutionError
            The task cannot be pickled, or not be loaded by a worker, or workers cannot be started.
        KeyboardInterrupt
            Ctrl-C, or `Terminated` for SIGTERM: all workers have ended, each after it has removed what it had not
            finished writing.
        """


@dataclass(frozen=True, slots=True)
class PerItem(Generic[Item, Result]):
    """Make a task of a function of one argument; each item counts as one unit.

    Parameters
    ----------
    function : callable
        Gets the item, gives back the result.

    Examples
    --------
    >>> import math
    >>> PerItem(math.sqrt)(9.0, unheard)
    3.0
    """

    function: Callable[[Item], Result]

    def __call__(self, item: Item, tell: Tell) -> Result:
        """Do one item."""
        result = self.function(item)
        tell(1)
        return result
