"""A folder that is written in steps: what a writer that was stopped has left of it is not made again.

It stands beside its final name, under a hidden one that follows from it, with a file beside it that holds the key of
the work. A writer locks that file: two never write the same folder, and the lock of a killed one is gone with it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from typing import TYPE_CHECKING

from lapsdata import console
from lapsdata.errors import StorageError
from lapsdata.storage.atomic import (
    TEMPORARY,
    commit_folder,
    refuse_existing,
    refuse_name,
    remove,
    restore_folder,
    storage_errors,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["resumable_folder"]


@contextlib.contextmanager
def resumable_folder(path: Path, key: str, *, overwrite: bool = False) -> Iterator[Path]:
    """Give a hidden folder, with what an earlier writer of the same key has left in it; on success it becomes `path`.

    When the file system refuses, or the program is interrupted or killed, what is in the folder stays for the next
    writer; after any other error it is removed, since that would meet the same. Where another writer is at it, it is
    waited for.

    Parameters
    ----------
    path : Path
        The final name; its parent must exist.
    key : str
        What the content follows from: what a writer of another key has left is removed.
    overwrite : bool
        Whether an existing folder may be replaced.

    Yields
    ------
    Path
        Who fills it looks at what is there: a step may have been cut short, or its bytes damaged since.

    Raises
    ------
    StorageError
        The target exists, or the file system refused (permission, space).

    Examples
    --------
    >>> import pathlib, tempfile
    >>> target = pathlib.Path(tempfile.mkdtemp()) / "clips.shards"
    >>> with contextlib.suppress(KeyboardInterrupt), resumable_folder(target, "of these clips") as folder:
    ...     _ = (folder / "first").write_text("whole")
    ...     raise KeyboardInterrupt
    >>> with resumable_folder(target, "of these clips") as folder:
    ...     [item.name for item in folder.iterdir()], target.exists()
    (['first'], False)
    >>> [item.name for item in target.iterdir()]
    ['first']
    """
    refuse_name(path)
    folder = _hidden(path)
    with storage_errors(path, "write"):
        restore_folder(path)
        with _locked(path, overwrite) as mark:
            if _read(mark) != key:
                remove(folder)
                _write(mark, key)
            folder.mkdir(exist_ok=True)
            try:
                yield folder
                commit_folder(folder, path, overwrite=overwrite)
            except BaseException as error:
                if not (_goes_on(error) and any(folder.iterdir())):
                    remove(folder)
                raise
            finally:
                if not folder.exists():
                    _mark(path).unlink(missing_ok=True)


def _hidden(path: Path) -> Path:
    return path.with_name(f"{TEMPORARY}{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]}{path.suffix}")


def _mark(path: Path) -> Path:
    return _hidden(path).with_suffix(".key")


@contextlib.contextmanager
def _locked(path: Path, overwrite: bool) -> Iterator[int]:
    """Open the file with the key, and keep other writers waiting."""
    mark = _mark(path)
    while True:
        refuse_existing(path, overwrite)
        handle = os.open(mark, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(handle, path)
            # Whoever had the lock has removed the file when the folder was there: then this one locks nothing.
            if mark.exists() and os.path.samestat(os.fstat(handle), mark.stat()):
                yield handle
                return
        finally:
            os.close(handle)


def _lock(handle: int, path: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        console.note(f"{path}: another process is writing it: waiting until that has ended")
        fcntl.flock(handle, fcntl.LOCK_EX)


def _read(mark: int) -> str:
    return os.pread(mark, os.fstat(mark).st_size, 0).decode(errors="replace")


def _write(mark: int, key: str) -> None:
    os.ftruncate(mark, 0)
    os.pwrite(mark, key.encode(), 0)
    os.fsync(mark)


def _goes_on(error: BaseException) -> bool:
    """Say whether a later writer may get further: nobody else has made it, and the data are not at fault."""
    if isinstance(error, StorageError):
        return all(problem.code != "exists" for problem in error.problems)
    return isinstance(error, OSError) or not isinstance(error, Exception)
