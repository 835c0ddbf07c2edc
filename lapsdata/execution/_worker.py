"""The program that a worker process runs: loads the task once, then does item after item.

It is started as an interpreter of its own, never as a copy of the caller: see `lapsdata.execution.local`.
"""

from __future__ import annotations

import faulthandler
import os
import pickle
import signal
import sys
import threading
import time
import warnings
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import TYPE_CHECKING, TextIO

from lapsdata.errors import LapsWarning, Problem, SchemaError, whole_number
from lapsdata.execution._messages import Done, Failed, Message, Ready, Unfit, Units, Warned, failure, pack
from lapsdata.execution.engine import ExecutionError

if TYPE_CHECKING:
    from types import FrameType

    from lapsdata.execution.engine import Task

__all__ = ["GRACE_S", "STOPPED", "main"]

GRACE_S = 2.0
"""How long a process that was told to stop may take to remove what it has not finished."""

STOPPED = 128 + signal.SIGTERM
"""Exit code of a worker that was told to stop and did; what shells say for a process that SIGTERM ended."""

# What a task is in the middle of may take so long: a stop that falls between two units leaves nothing unfinished.
_PATIENCE_S = 1.0

_STANDARD_ERROR = 2

# Units are told at most so often: a task may call for every frame.
_TELL_S = 0.1


class _Stop(BaseException):
    """Unwinds a task, so that what it has not finished is removed on the way out."""

    def __init__(self, code: int = STOPPED) -> None:
        super().__init__()
        self.code = code


def main(handle: int) -> None:
    """Work until the engine says that there is no more, or is gone.

    Parameters
    ----------
    handle : int
        File descriptor of the worker's end of the channel.
    """
    os.set_inheritable(handle, False)
    faulthandler.enable(_STANDARD_ERROR)
    try:
        # Ctrl-C reaches every process of the terminal; the engine alone decides what follows. Not SIG_IGN, which
        # programs that a task starts would inherit.
        signal.signal(signal.SIGINT, _go_on)
        signal.signal(signal.SIGTERM, _stopping.ask)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
        _Worker(Connection(handle)).run()
    except _Stop as stop:
        sys.exit(stop.code)


def _go_on(number: int, frame: FrameType | None) -> None:
    pass


class _Stopping:
    """A request to stop: granted at once where no task is at work, at its next unit, or when patience ends.

    At once too where the engine is gone: what a task would finish then, nobody hears of.
    """

    def __init__(self) -> None:
        self.at_work = self.engine_gone = self._asked = False

    def ask(self, number: int, frame: FrameType | None) -> None:
        # Once: a second signal must not cut off the cleaning up after the first.
        signal.signal(signal.SIGTERM, _go_on)
        self._asked = True
        if self.engine_gone or not self.at_work:
            raise _Stop
        signal.signal(signal.SIGALRM, self._insist)
        signal.setitimer(signal.ITIMER_REAL, _PATIENCE_S)

    def grant(self) -> None:
        """Raise what was asked for: at a unit, even if Python has swallowed what was raised before, in a callback."""
        if self._asked:
            signal.setitimer(signal.ITIMER_REAL, 0)
            raise _Stop

    def _insist(self, number: int, frame: FrameType | None) -> None:
        raise _Stop


_stopping = _Stopping()


class _Worker:
    def __init__(self, channel: Connection) -> None:
        self._channel = channel
        self._inbox: SimpleQueue[bytes] = SimpleQueue()
        self._sending = threading.Lock()
        self._counting = threading.Lock()
        self._units, self._told_at = 0, 0.0

    def run(self) -> None:
        # A thread of its own listens, so that an engine that is gone is noticed in the middle of an item.
        threading.Thread(target=self._listen, daemon=True).start()
        self._catch_warnings()
        try:
            task: Task[object, object] = pickle.loads(self._inbox.get())
        except _Stop:
            raise
        except BaseException as error:  # noqa: BLE001 - importing a module may raise anything
            problems, traceback = failure(error)
            self._send(Unfit(tuple(problem.within("loading the task") for problem in problems), traceback))
            return
        self._send(Ready())
        while parcel := self._inbox.get():
            message = self._do(task, parcel)
            self._send_units()
            self._send(message)
            # Asked for behind the last unit: what is done is told first.
            _stopping.grant()

    def _do(self, task: Task[object, object], parcel: bytes) -> Done | Failed:
        _stopping.at_work = True
        try:
            item = self._opened(parcel)
            return Done(pack(task(item, self._tell), "result"))
        except _Stop:
            raise
        except BaseException as error:  # noqa: BLE001 - nothing that a task raises may end the other items
            return Failed(*failure(error))
        finally:
            _stopping.at_work = False

    def _opened(self, parcel: bytes) -> object:
        try:
            return pickle.loads(parcel)
        except Exception as error:
            message = f"expected an item that a worker can load, got {type(error).__name__}: {error}"
            raise ExecutionError(Problem("not-loadable", "item", message, "make its module importable")) from error

    def _tell(self, units: int) -> None:
        if threading.current_thread() is threading.main_thread():
            _stopping.grant()
        count = whole_number(units)
        if count is None or count < 0:
            message = f"expected a number of units, 0 or more, got {units!r}"
            raise SchemaError(Problem("wrong-value", "tell", message))
        with self._counting:
            self._units += count
        if self._units and time.monotonic() - self._told_at >= _TELL_S:
            self._send_units()

    def _send_units(self) -> None:
        with self._counting:
            units, self._units, self._told_at = self._units, 0, time.monotonic()
        if units:
            self._send(Units(units))

    def _send(self, message: Message) -> None:
        try:
            with self._sending:
                self._channel.send(message)
        except OSError:  # nobody is left to hear it, or the task has closed what it did not open
            raise _Stop(os.EX_IOERR) from None

    def _listen(self) -> None:
        try:
            while parcel := self._channel.recv_bytes():
                self._inbox.put(parcel)
        except (EOFError, OSError):
            _stopping.engine_gone = True
            # The engine is gone without a word. Sent to the main thread itself, it also ends a wait there.
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
            time.sleep(GRACE_S)
            os._exit(STOPPED)
        self._inbox.put(b"")

    def _catch_warnings(self) -> None:
        """Send warnings of ours to the engine at once; the caller's filters decide there."""
        plain = warnings.showwarning

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if issubclass(category, LapsWarning):
                self._send(Warned(str(message), _parcel(category)))
            else:
                plain(message, category, filename, lineno, file, line)

        warnings.showwarning = show
        warnings.simplefilter("always", LapsWarning)


def _parcel(category: type[LapsWarning]) -> bytes:
    """Pickle a class of warnings; one that is defined inside a function is told as what it is a kind of."""
    try:
        return pack(category, "category")
    except ExecutionError:
        return _parcel(category.__base__ or LapsWarning)
