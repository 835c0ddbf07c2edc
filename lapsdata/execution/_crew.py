"""Worker processes as the engine sees them: started, given work, heard, ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from multiprocessing import Pipe
from typing import TYPE_CHECKING, Generic, TypeVar

from lapsdata.errors import Problem
from lapsdata.execution._worker import GRACE_S, STOPPED
from lapsdata.execution.engine import ExecutionError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lapsdata.execution._messages import Message

__all__ = ["Parcel", "Worker", "dismiss"]

Item = TypeVar("Item")

# Set before a worker starts, since the pools are sized when their libraries are loaded. One thread each, because the
# workers together already use every core; and because the order of a sum over several threads, and so the last bits
# of a result, would depend on the machine.
_ONE_THREAD = dict.fromkeys(
    (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "BLIS_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
        "NUMEXPR_NUM_THREADS",
        "NUMBA_NUM_THREADS",
        "OPENCV_FOR_THREADS_NUM",
    ),
    "1",
)

# The caller's own module search path is the worker's; its script is not run.
_PROGRAM = (
    "import sys; handle, *sys.path[:] = sys.argv[1:]; del sys.argv[1:]; "
    "from lapsdata.execution._worker import main; main(int(handle))"
)

_ADVICE: dict[int, str] = {
    signal.SIGKILL: "the system ends processes so when memory runs out: use fewer workers",
    signal.SIGSEGV: "a compiled library is at fault: its last calls stand in standard error",
    signal.SIGABRT: "a compiled library gave up: its last calls stand in standard error",
}


@dataclass(frozen=True, slots=True)
class Parcel(Generic[Item]):
    """An item on its way to a worker."""

    index: int
    item: Item
    data: bytes


class Worker(Generic[Item]):
    """One worker process.

    Parameters
    ----------
    task : bytes
        The pickled task.

    Raises
    ------
    ExecutionError
        The system starts no process.
    """

    def __init__(self, task: bytes) -> None:
        self.parcel: Parcel[Item] | None = None
        self.ready = False
        self.began = False
        self.channel, theirs = Pipe()
        with theirs:
            try:
                self.process = _start(theirs.fileno())
            except OSError as error:
                self.channel.close()
                message = f"expected one more process, got: {error.strerror}"
                raise ExecutionError(Problem("no-process", "worker", message, "use fewer workers")) from error
        self._send(task)

    def take(self, parcel: Parcel[Item]) -> None:
        """Begin an item; a process that has died meanwhile is noticed when it is next listened to."""
        self.parcel = parcel
        self.began = self._send(parcel.data)

    def _send(self, data: bytes) -> bool:
        try:
            self.channel.send_bytes(data)
        except OSError:
            return False
        return True

    def hear(self) -> Message | None:
        """Return the next message, waiting for it; None if the process has closed its end."""
        try:
            message: Message = self.channel.recv()
        except (EOFError, OSError):
            return None
        return message

    def silent(self) -> bool:
        """Say whether the process has ended and everything it said was heard."""
        return self.process.poll() is not None and not self.channel.poll()

    def dismissed(self) -> None:
        """Tell the process that there is no more."""
        self._send(b"")

    def cause_of_death(self) -> tuple[str, str | None]:
        """Return how the process ended, and what to do about it."""
        dismiss([self], GRACE_S)
        code = self.process.returncode
        if code >= 0 and code != STOPPED:
            return f"left with exit code {code}", None
        number = signal.SIGTERM if code == STOPPED else -code
        name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
        return f"was ended by {name}", _ADVICE.get(number)


def dismiss(workers: Sequence[Worker[Item]], patience_s: float = 0.0) -> None:
    """End processes: after `patience_s` they are told to stop, and killed if that takes longer than `GRACE_S`."""
    processes = [worker.process for worker in workers]
    try:
        if not _ended(processes, patience_s):
            for process in processes:
                process.terminate()
            _ended(processes, GRACE_S)
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
            process.wait()


def _ended(processes: Sequence[subprocess.Popen[bytes]], patience_s: float) -> bool:
    until = time.monotonic() + patience_s
    try:
        for process in processes:
            process.wait(max(0.0, until - time.monotonic()))
    except subprocess.TimeoutExpired:
        return False
    return True


def _start(handle: int) -> subprocess.Popen[bytes]:
    if not sys.executable:
        raise OSError(0, "a program that says where its interpreter is (sys.executable)")
    # Held back until the worker has its own handler: a Ctrl-C amid its start would only print a traceback.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    # What a task prints is about the work, and no part of the caller's own output.
    told_to = _standard_error()
    try:
        return subprocess.Popen(
            (sys.executable, "-u", "-c", _PROGRAM, str(handle), *sys.path),
            stdin=subprocess.DEVNULL,
            stdout=told_to,
            stderr=told_to,
            pass_fds=(handle,),
            env={**os.environ, **_ONE_THREAD},
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _standard_error() -> int:
    """Return the descriptor of standard error, or nowhere if the caller has closed it."""
    try:
        os.fstat(2)
    except OSError:
        return subprocess.DEVNULL
    return 2
