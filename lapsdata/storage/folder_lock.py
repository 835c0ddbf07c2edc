"""A folder that one process writes to: a second one is refused at once, and not when its work is done."""

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

__all__ = ["locked_folder"]


@contextlib.contextmanager
def locked_folder(
    folder: Path, *, by: str = "a run", fix: str = "name another folder, or wait for that run to end"
) -> Iterator[None]:
    """Hold a folder for oneself; made if it is not there.

    The lock is on the folder itself (`flock(2)`), so that there is no file to be left behind: it ends with the block,
    and with the process, however that ends. Where the file system has no such locks, that is told.

    Parameters
    ----------
    folder : Path
    by, fix : str
        Who writes to such a folder, and what to do where somebody does, for the message.

    Raises
    ------
    StorageError
        Somebody else holds it (`in-use`); it cannot be made or opened.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> with locked_folder(folder), locked_folder(folder):
    ...     pass
    Traceback (most recent call last):
    lapsdata.errors.StorageError: /...: expected a folder that nobody else writes to, ... [in-use]
    """
    with storage_errors(folder, "make the folder"):
        folder.mkdir(parents=True, exist_ok=True)
    with storage_errors(folder, "open"):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            message = f"expected a folder that nobody else writes to, got one that {by} is writing to now"
            raise StorageError(Problem("in-use", str(folder), message, fix)) from error
        except OSError as error:
            warn(f"{folder}: the file system has no locks ({error.strerror}): let no other run write to it")
        yield
    finally:
        os.close(handle)
