"""Writing so that a killed program leaves the old item or the whole new one, and never a part.

A file is written under a temporary name in the same folder, flushed to the disk, and renamed; a folder (Zarr) is
written beside its final name and renamed. Both flush the parent folder, since a rename lives there.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import secrets
import shutil
import stat
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from lapsdata.errors import Problem, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["atomic_file", "atomic_folder", "existing", "restore_folder", "storage_errors"]

TEMPORARY = ".lapsdata-tmp-"
"""Prefix of unfinished names: hidden, and never mistaken for an item."""

_FLUSHES = 8
"""Files of a folder that are flushed side by side: 33 files of 16 MB in all took 200 ms one by one, and 20 ms so."""

_READ_ADVICE = "ask for the right to read it"

_ADVICE = {
    errno.ENOSPC: ("disk-full", "no space left on the device", "free space, then run it again"),
    errno.EFBIG: (
        "disk-full",
        "the file size limit is reached",
        "raise the limit (ulimit -f), then run it again",
    ),
    errno.EDQUOT: ("disk-full", "the disk quota is used up", "free space, then run it again"),
    errno.EACCES: ("no-permission", "no permission", "choose a folder you may write to"),
    errno.EPERM: ("no-permission", "the operation is not permitted", "choose a folder you may write to"),
    errno.EROFS: ("no-permission", "the file system is read-only", "choose a folder you may write to"),
    errno.EMFILE: ("too-many-files", "too many files are open", "close some, or raise the limit (ulimit -n)"),
    errno.ENFILE: ("too-many-files", "too many files are open on this machine", "close some"),
    errno.ENAMETOOLONG: ("wrong-name", "the name is too long", "shorten it"),
    errno.ELOOP: ("wrong-name", "its links lead in a circle", "remove the circle"),
    errno.ENOENT: ("not-found", "no such file or folder", "check the path"),
    errno.ENOTDIR: ("not-found", "a part of the path is not a folder", "check the path"),
    errno.EISDIR: ("wrong-kind", "it is a folder", "name a file"),
    errno.EIO: ("input-output", "the device reported an error", "check the disk"),
}


@contextlib.contextmanager
def storage_errors(path: Path, action: str) -> Iterator[None]:
    """Turn what the operating system refuses into `StorageError`, naming the path and what was tried.

    Parameters
    ----------
    path : Path
        What is being worked on.
    action : str
        Verb for the message: "write", "open".

    Raises
    ------
    StorageError
        In place of any `OSError`, whose text stays in the message.

    Examples
    --------
    >>> import pathlib
    >>> with storage_errors(pathlib.Path("clip.h5"), "open"):
    ...     open("/nowhere/clip.h5")
    Traceback (most recent call last):
    lapsdata.errors.StorageError: clip.h5: cannot open: no such file or folder; check the path [not-found]
    """
    try:
        yield
    except OSError as error:
        text = error.strerror or str(error)
        code, message, fix = _ADVICE.get(error.errno or 0, ("storage", text, None))
        if code == "no-permission" and action == "open":
            fix = _READ_ADVICE
        raise StorageError(Problem(code, str(path), f"cannot {action}: {message}", fix)) from error


def existing(path: Path) -> Path:
    """Return a path that is there and is a file or a folder, so that reading it can end.

    Raises
    ------
    StorageError
        Nothing is there, it may not be looked at, or it is a pipe, socket or device.

    Examples
    --------
    >>> import pathlib
    >>> existing(pathlib.Path("nothing.h5"))
    Traceback (most recent call last):
    lapsdata.errors.StorageError: nothing.h5: cannot open: no such file or folder; check the path [not-found]
    """
    refuse_name(path)
    with storage_errors(path, "open"):
        mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        message = "expected a file or folder, got a pipe, socket or device"
        raise StorageError(Problem("wrong-kind", str(path), message, "write it to a file first"))
    return path


def refuse_name(path: Path) -> None:
    if not path.name or "\0" in str(path):
        message = f"expected a name, got {str(path)!r}"
        raise StorageError(Problem("wrong-name", repr(str(path)), message, "name a file or folder"))


@contextlib.contextmanager
def atomic_file(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Give a temporary path to write to; on success it becomes `path`, on any error it is removed.

    A symbolic link is replaced; what it points to is not touched.

    Parameters
    ----------
    path : Path
        The final name; its folder must exist.
    overwrite : bool
        Whether an existing file may be replaced.

    Yields
    ------
    Path
        An empty file in the same folder.

    Raises
    ------
    StorageError
        The target exists, or the file system refused (permission, space).

    Examples
    --------
    >>> import pathlib, tempfile
    >>> target = pathlib.Path(tempfile.mkdtemp()) / "note.txt"
    >>> with atomic_file(target) as temporary:
    ...     _ = temporary.write_text("whole")
    >>> target.read_text()
    'whole'
    """
    with storage_errors(path, "write"):
        refuse_existing(path, overwrite)
        temporary = _temporary_name(path)
        temporary.touch(exist_ok=False)
        try:
            yield temporary
            flush(temporary)
            refuse_existing(path, overwrite)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        flush(path.parent)


@contextlib.contextmanager
def atomic_folder(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Give a temporary folder to fill; on success it becomes `path`, on any error it is removed.

    An existing folder changes places with the new one in a single step where the file system can (Linux), and is
    then removed. A symbolic link is replaced; what it points to is not touched.

    Parameters
    ----------
    path : Path
        The final name; its parent must exist.
    overwrite : bool
        Whether an existing folder may be replaced.

    Yields
    ------
    Path
        An empty folder beside the final name.

    Raises
    ------
    StorageError
        The target exists, or the file system refused (permission, space).

    Examples
    --------
    >>> import pathlib, tempfile
    >>> target = pathlib.Path(tempfile.mkdtemp()) / "clip.zarr"
    >>> with atomic_folder(target) as temporary:
    ...     _ = (temporary / "zarr.json").write_text("{}")
    >>> [item.name for item in target.iterdir()]
    ['zarr.json']
    """
    refuse_name(path)
    with storage_errors(path, "write"):
        restore_folder(path)
        refuse_existing(path, overwrite)
        temporary = _temporary_name(path)
        temporary.mkdir()
        try:
            yield temporary
            commit_folder(temporary, path, overwrite=overwrite)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise


def commit_folder(temporary: Path, path: Path, *, overwrite: bool) -> None:
    """Flush a folder with all that is in it, and give it its final name.

    Raises
    ------
    StorageError
        The name is taken by now.
    OSError
        The file system refused.
    """
    items = sorted(temporary.rglob("*"))
    # Side by side: a disk that is asked for many things at once writes them down together.
    with ThreadPoolExecutor(min(_FLUSHES, len(items) + 1), "lapsdata-flush") as pool:
        for done in [pool.submit(flush, item) for item in items]:
            done.result()
    flush(temporary)
    refuse_existing(path, overwrite)
    _swap(temporary, path)


def restore_folder(path: Path) -> bool:
    """Put back a folder that a killed writer had moved aside; return whether there was one to put back.

    One that was moved aside and has a successor in its place is removed: it must not come back later.

    Examples
    --------
    >>> import pathlib
    >>> restore_folder(pathlib.Path("nothing-here.zarr"))
    False
    """
    aside = _aside_name(path)
    if _taken(path) or not _taken(aside):
        remove(aside)
        return False
    aside.rename(path)
    flush(path.parent)
    return True


def _swap(temporary: Path, path: Path) -> None:
    """Let `temporary` take the name of `path`, and remove what had it before."""
    if not _taken(path):
        temporary.rename(path)
        flush(path.parent)
        return
    if _exchange(temporary, path):
        before = temporary
    else:
        # No atomic exchange on this file system: a crash between the two renames leaves the old folder, whole,
        # under the aside name, where `restore_folder` finds it.
        before = _aside_name(path)
        remove(before)
        path.rename(before)
        temporary.rename(path)
    flush(path.parent)
    remove(before)


def remove(path: Path) -> None:
    """Remove a folder with its content, or a file or link; nothing there is fine."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _taken(path: Path) -> bool:
    """Say whether a name is in use, also by a link to nothing."""
    return path.exists() or path.is_symlink()


def _exchange(one: Path, other: Path) -> bool:
    """Let two names change places in one step (Linux, `renameat2(2)`); return whether that could be done."""
    function = getattr(ctypes.CDLL(None), "renameat2", None)
    if function is None:
        return False
    at_fdcwd, rename_exchange = -100, 2
    done: int = function(at_fdcwd, os.fsencode(one), at_fdcwd, os.fsencode(other), rename_exchange)
    return done == 0


def _temporary_name(path: Path) -> Path:
    return path.with_name(f"{TEMPORARY}{secrets.token_hex(8)}{path.suffix}")


def _aside_name(path: Path) -> Path:
    return path.with_name(f"{TEMPORARY}aside-{path.name}")


def refuse_existing(path: Path, overwrite: bool, *, fix: str = "pass overwrite=True to replace it") -> None:
    """Refuse a name that is taken, unless what has it may be replaced; `fix` is what to do about it."""
    refuse_name(path)
    if not overwrite and _taken(path):
        raise StorageError(Problem("exists", str(path), "expected a free name, got an existing one", fix))


def flush(path: Path) -> None:
    """Wait until the content (of a file) or the names (of a folder) are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
