"""What tells a folder from what it was, where it is too large to be read: names, sizes and times of its files."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from lapsdata.storage.atomic import existing, storage_errors
from lapsdata.storage.run_file import RUN_FILE

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["listing_digest", "size_and_time"]


def size_and_time(path: Path) -> tuple[int, int]:
    """Return what tells a file from what it was before it was written again: bytes, and nanoseconds of modification.

    Parameters
    ----------
    path : Path

    Examples
    --------
    >>> import os, pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "a.npy"
    >>> _ = path.write_bytes(b"0")
    >>> os.utime(path, ns=(5, 7))
    >>> size_and_time(path)
    (1, 7)
    """
    found = path.stat()
    return found.st_size, found.st_mtime_ns


def listing_digest(folder: Path) -> str:
    """Return the digest of the names, sizes and times of modification of all files in a folder.

    A file that was written again has another digest, even where its content or its size is the same; so has a copy of
    the folder that does not keep the times, and what is made of it. `run.json` does not count: each run writes it anew,
    one that keeps everything too.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    str
        `sha256:<64 hex digits>`.

    Raises
    ------
    StorageError
        Nothing is there, or it may not be read.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> before = listing_digest(folder)
    >>> _ = (folder / "a.npy").write_bytes(b"0")
    >>> listing_digest(folder) == before
    False
    """
    with storage_errors(existing(folder), "list"):
        files = [path for path in folder.rglob("*") if path.is_file() and path.name != RUN_FILE]
        told = sorted((path.relative_to(folder).as_posix(), *size_and_time(path)) for path in files)
    return "sha256:" + hashlib.sha256(repr(told).encode("utf-8", "surrogateescape")).hexdigest()
