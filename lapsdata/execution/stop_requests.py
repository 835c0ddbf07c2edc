"""Ctrl-C and SIGTERM as requests that are granted between two steps, and not in the middle of one."""

from __future__ import annotations

import contextlib
import signal
import threading
from time import monotonic
from typing import TYPE_CHECKING, Any, Self

from lapsdata.execution.engine import Terminated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

__all__ = ["StopRequests", "interrupts_between_imports"]

# Two signals closer than this are one request: a terminal, a shell and `timeout` may each pass it on.
_ONE_REQUEST_S = 1.0
# How long Ctrl-C waits before it looks again whether a module is still being imported.
_LOOK_AGAIN_S = 0.05


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
        self._replaced: list[tuple[int, Callable[[int, FrameType | None], Any] | int]] = []

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number, default in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL)):
                before = signal.getsignal(number)
                if before == default or isinstance(before, _BetweenImports):
                    signal.signal(number, self._note)
                    self._replaced.append((number, before))
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        for number, before in self._replaced:
            signal.signal(number, before)
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


@contextlib.contextmanager
def interrupts_between_imports() -> Iterator[None]:
    """While this context is open, Ctrl-C waits for the end of an import.

    Large packages, and the machinery of imports itself, look for what a machine lacks by trying, and whatever is
    raised then is taken for its answer: about one Ctrl-C of 300 in the first seconds of a run was lost so, and the
    run went on to its end.

    Examples
    --------
    >>> with interrupts_between_imports():
    ...     import lapsdata
    """
    default = signal.getsignal(signal.SIGINT) == signal.default_int_handler
    if not default or threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return
    handler = _BetweenImports()
    signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        handler.forget()


class _BetweenImports:
    """The handler of that context; a request that is repeated is raised at once."""

    def __init__(self) -> None:
        self._since: float | None = None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        now = monotonic()
        if not _importing(frame) or (self._since is not None and now - self._since > _ONE_REQUEST_S):
            signal.default_int_handler(number, frame)
        if self._since is None:
            self._since = now
            signal.signal(signal.SIGALRM, self._look_again)
            signal.setitimer(signal.ITIMER_REAL, _LOOK_AGAIN_S, _LOOK_AGAIN_S)

    def forget(self) -> None:
        """Look no longer."""
        if self._since is not None:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            self._since = None

    def _look_again(self, number: int, frame: FrameType | None) -> None:
        if not _importing(frame):
            self.forget()
            signal.raise_signal(signal.SIGINT)  # to whoever hears it by now


def _importing(frame: FrameType | None) -> bool:
    """Tell whether some module is being imported on the way to this frame."""
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False
