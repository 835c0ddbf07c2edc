"""What tells a folder from what it was, where it is too large to be read: the names and sizes of its files."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from lapsdata.storage.atomic import existing, storage_errors

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["listing_digest"]


def listing_digest(folder: Path) -> str:
    """Return the digest of the names and sizes of all files in a folder, `sha256:<64 hex digits>`.

    Parameters
    ----------
    folder : Path

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
        files = [path for path in folder.rglob("*") if path.is_file()]
        told = sorted((path.relative_to(folder).as_posix(), path.stat().st_size) for path in files)
    return "sha256:" + hashlib.sha256(repr(told).encode("utf-8", "surrogateescape")).hexdigest()
