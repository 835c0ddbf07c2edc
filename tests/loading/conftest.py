"""A look at what a test leaves behind: threads, file handles, shared memory."""

from __future__ import annotations

import gc
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


GRACE_S = 5.0


@pytest.fixture(autouse=True, scope="module")
def _quick_searches_for_garbage() -> None:
    """Leave what other tests have imported out of the searches around each test of this folder."""
    gc.collect()
    gc.freeze()


def handles() -> set[str]:
    """What this process has open, where the system tells."""
    folder = Path("/proc/self/fd")
    if not folder.is_dir():
        return set()
    found = set()
    for path in folder.iterdir():
        try:
            target = str(path.readlink())
        except OSError:  # the handle of the listing itself
            continue
        if target.startswith("/"):  # zarr-python, which writes, keeps sockets and an event poll
            found.add(f"{path.name}: {target}")
    return found


def shared_memory() -> set[str]:
    """What this process has mapped of it, where the system tells; the folder itself is everybody's."""
    maps = Path("/proc/self/maps")
    lines = maps.read_text().splitlines() if maps.is_file() else []
    # The lock of numcodecs is a semaphore there, which it keeps for the whole process.
    found = (line.partition("/dev/shm/")[2] for line in lines)  # noqa: S108 - looked at, not written to
    return {name for name in found if name and not name.startswith("sem.")}


@pytest.fixture(autouse=True)
def _leaves_nothing_behind() -> Iterator[None]:
    """Fail a test that leaves a thread, a file handle or shared memory behind."""
    gc.collect()
    before = {thread.ident for thread in threading.enumerate()}, handles(), shared_memory()
    yield
    gc.collect()
    # zarr-python, which writes, and fsspec keep an event loop and its threads for the whole process.
    kept = ("zarr_io", "asyncio_", "fsspecIO")
    new = [one for one in threading.enumerate() if one.ident not in before[0] and not one.name.startswith(kept)]
    for thread in new:
        thread.join(GRACE_S)  # those of a pool that was collected have been told to end, and need a turn for that
    assert [thread.name for thread in new if thread.is_alive()] == []
    assert handles() - before[1] == set()
    assert shared_memory() - before[2] == set()
