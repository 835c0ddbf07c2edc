"""Ctrl-C and SIGTERM as requests that are granted between two steps, and not in the middle of one."""

from __future__ import annotations

import signal
import threading
from time import monotonic
from typing import TYPE_CHECKING, Self

from lapsdata.execution.engine import Terminated

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

__all__ = ["StopRequests"]

# Two signals closer than this are one request: a terminal, a shell and `timeout` may each pass it on.
_ONE_REQUEST_S = 1.0


class StopRequests:
    """While this context is open, requests to stop are noted and raised by `check`.

    An exception that a signal handler raises falls between any two instructions: after a process was started and
    before it was noted, or amid a message. Only defaults are replaced, since a handler of the caller's own has its
    reasons; and only in the main thread, the only one that may. A request that is repeated is raised at once: what
    the main thread is doing takes too long.

    Examples
    --------
    >>> with StopRequests() as requests:
    ...     requests.check()
    >>> requests.asked is None
    True
    """

    def __init__(self) -> None:
        self.asked: int | None = None
        self._since = 0.0
        self._replaced: list[tuple[int, Callable[[int, FrameType | None], None] | signal.Handlers]] = []

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number, default in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL)):
                if signal.getsignal(number) == default:
                    signal.signal(number, self._note)
                    self._replaced.append((number, default))
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        for number, default in self._replaced:
            signal.signal(number, default)
        if kind is None:
            self.check()

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.asked is None:
            self.asked, self._since = number, monotonic()
        elif monotonic() - self._since > _ONE_REQUEST_S:
            raise _request(number)

    def check(self) -> None:
        """Raise what was asked for: KeyboardInterrupt, or Terminated."""
        if self.asked is not None:
            raise _request(self.asked)


def _request(number: int) -> KeyboardInterrupt:
    return Terminated() if number == signal.SIGTERM else KeyboardInterrupt()
