"""The cache of the file system: taking files out of it, and saying whether that worked."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lapsdata.storage.atomic import storage_errors

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["drop_cached", "files_below", "warm_up"]


def files_below(paths: Iterable[Path]) -> list[Path]:
    """Return the files among some paths, and those in the folders among them."""
    found: list[Path] = []
    for path in paths:
        found += sorted(inside for inside in path.rglob("*") if inside.is_file()) if path.is_dir() else [path]
    return found


def drop_cached(files: Iterable[Path]) -> bool:
    """Ask the system to forget the pages of files; False where it knows no such request.

    Pages that a process has mapped stay: whoever measures must have closed them.
    """
    if not hasattr(os, "posix_fadvise"):
        return False
    for file in files:
        with storage_errors(file, "open"):
            descriptor = os.open(file, os.O_RDONLY)
            try:
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(descriptor)
    return True


def warm_up(files: Iterable[Path], most_bytes: int) -> bool:
    """Read files once, so that the system has them in memory; False where they are more than `most_bytes`."""
    every = list(files)
    if sum(file.stat().st_size for file in every) > most_bytes:
        return False
    for file in every:
        with storage_errors(file, "open"), file.open("rb", buffering=0) as raw:
            while raw.read(1 << 24):
                pass
    return True
