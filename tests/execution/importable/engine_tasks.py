"""Tasks that workers import: each does one thing that a task may do, or should not."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lapsdata.errors import CorruptDataError, LapsWarning, Problem, warn
from lapsdata.storage.atomic import atomic_file, atomic_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lapsdata.execution.manifest import Job

    Tell = Callable[[int], None]


def square(item: int, tell: Tell) -> int:
    tell(1)
    return item * item


def late(item: tuple[int, float], tell: Tell) -> int:
    """Take a while, so that items end in another order than they begin."""
    number, seconds = item
    time.sleep(seconds)
    return number


def wait_for(item: Path | None, tell: Tell) -> None:
    while item is not None and not item.exists():
        time.sleep(0.01)


def even_only(item: int, tell: Tell) -> int:
    if item % 2:
        raise ValueError(f"{item} is odd")
    return item


def corrupt(item: str, tell: Tell) -> None:
    raise CorruptDataError(
        Problem("bad-frame", f"{item}: frame 7", "expected a frame, got noise", "record it again"),
        Problem("late", item, "expected 3 frames, got 2", severity="warning"),
    )


class DumbError(Exception):
    """An exception that cannot be told, pickled or rebuilt."""

    def __init__(self, one: object, two: object) -> None:
        super().__init__()
        self.held = threading.Lock()

    def __str__(self) -> str:
        raise RuntimeError("no text")


def dumb(item: object, tell: Tell) -> None:
    raise DumbError(1, 2)


def leave(item: object, tell: Tell) -> None:
    sys.exit(item)  # type: ignore[arg-type]


def interrupt_itself(item: object, tell: Tell) -> None:
    raise KeyboardInterrupt("from inside")


def die_by(item: int | None, tell: Tell) -> str:
    """End this process by a signal, by its exit code (negative), or not at all."""
    if item is None:
        return "well"
    if item == signal.SIGSEGV:
        ctypes.string_at(0)
    if item < 0:
        os._exit(-item)
    os.kill(os.getpid(), item)
    time.sleep(60)
    return "survived"


def orphan_then_die(item: Path, tell: Tell) -> None:
    """Leave a child behind that holds every open file of the worker, its channel too."""
    child = os.fork()
    if child == 0:
        time.sleep(20)
        os._exit(0)
    item.write_text(str(child))
    os.kill(os.getpid(), signal.SIGKILL)


def close_everything(item: object, tell: Tell) -> None:
    os.closerange(3, 1000)


def unpicklable_result(item: str, tell: Tell) -> dict[str, Any]:
    return {"fine": 1, "rows": [1, threading.Lock()]} if item == "bad" else {"fine": 1}


class Closed:
    """Loads in no process."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (_refuse, ())


def _refuse() -> None:
    raise RuntimeError("cannot be put together again")


def closed_result(item: object, tell: Tell) -> Closed:
    return Closed()


def says(item: str, tell: Tell) -> None:
    """Write to standard output in each way there is."""
    print(f"print {item}")  # noqa: T201 - the point
    sys.stdout.buffer.write(b"\x80\x04buffer\n")
    sys.stdout.flush()
    os.write(1, b"\x00\x00\x00\x05descriptor\n")
    subprocess.run([sys.executable, "-c", "print('child', flush=True)"], check=True)


def reads_input(item: object, tell: Tell) -> str:
    return sys.stdin.read()


class OwnWarning(LapsWarning):
    """A kind of its own."""


def warns(item: str, tell: Tell) -> None:
    warn(f"{item}: a border was found", OwnWarning)
    warn("the same for all")
    warnings.warn("of another library", stacklevel=1)


def warns_of_local_kind(item: str, tell: Tell) -> None:
    class InnerWarning(OwnWarning):
        """Nobody else knows it."""

    warnings.warn(item, InnerWarning, stacklevel=1)


def tells(item: object, tell: Tell) -> None:
    tell(item)  # type: ignore[arg-type]


def tells_often(item: int, tell: Tell) -> None:
    for _ in range(item):
        tell(1)


def tells_from_threads(item: int, tell: Tell) -> None:
    threads = [threading.Thread(target=tells_often, args=(item, tell)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@dataclass
class CountsLoads:
    """Notes each time that it is loaded, and how many items it has done since."""

    folder: Path
    done: int = 0

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        (self.folder / f"{os.getpid()}.loaded").open("a").write("x")

    def __call__(self, item: object, tell: Tell) -> tuple[int, int]:
        time.sleep(0.01)
        self.done += 1
        return os.getpid(), self.done


def thread_counts(item: object, tell: Tell) -> dict[str, int]:
    import cv2
    import numba
    import torch

    return {"cv2": cv2.getNumThreads(), "numba": numba.config.NUMBA_NUM_THREADS, "torch": torch.get_num_threads()}


def process_id(item: object, tell: Tell) -> int:
    return os.getpid()


@dataclass
class WriteSlowly:
    """Write one file or folder all or nothing, and wait in the middle of it.

    `folder` gets `<name>.pid` when an item is in the middle of its work; `<name>.go` lets it go on.
    """

    folder: Path
    manner: str = "gentle"

    def __call__(self, job: Job[float], tell: Tell) -> int:
        if self.manner == "stubborn":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        name, output = job.item.name, job.item.output
        opened = atomic_folder if output.suffix == ".zarr" else atomic_file
        with opened(output, overwrite=job.overwrite) as temporary:
            inner = temporary / "part" if temporary.is_dir() else temporary
            inner.write_text(job.item.key)
            (self.folder / f"{name}.pid").write_text(str(os.getpid()))
            until = time.monotonic() + job.item.payload
            while time.monotonic() < until and not (self.folder / f"{name}.go").exists():
                # As Python itself does where a signal falls into a callback of a weak reference.
                with contextlib.suppress(BaseException if self.manner == "swallows" else ()):
                    time.sleep(0.01)
                if self.manner != "silent":
                    tell(0)
        tell(1)
        return os.getpid()


def write_key(job: Job[Any], tell: Tell) -> None:
    """Write the key of an item as its output; payload 'fail' fails amid the writing, 'die' dies there."""
    with atomic_file(job.item.output, overwrite=job.overwrite) as temporary:
        temporary.write_text(job.item.key)
        if job.item.payload == "fail":
            raise ValueError("half way")
        if job.item.payload == "die":
            os.kill(os.getpid(), signal.SIGKILL)
    tell(2)


def deaf(item: Path, tell: Tell) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    item.with_suffix(".new").write_text(str(os.getpid()))
    item.with_suffix(".new").rename(item)
    time.sleep(60)
