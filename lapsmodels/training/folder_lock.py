"""One training at a time in a folder: by a lock on it, which the system takes back however a process ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING

from lapsdata.errors import Problem, StorageError, warn
from lapsdata.storage.atomic import storage_errors

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["alone_in"]


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep other trainings out of a folder that is there; nothing is written for it.

    Raises
    ------
    StorageError
        Another training is in it, or it cannot be opened.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> with alone_in(folder), contextlib.suppress(StorageError), alone_in(folder):
    ...     print("never here")
    """
    with storage_errors(folder, "open"):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            message = "expected a folder in which nobody else trains, got one in which another process does"
            fix = "wait until it has ended, or choose another folder"
            raise StorageError(Problem("in-use", str(folder), message, fix)) from error
        except OSError as error:
            warn(f"{folder}: the file system has no locks ({error.strerror}): let no other process train there")
        yield
    finally:
        os.close(handle)
