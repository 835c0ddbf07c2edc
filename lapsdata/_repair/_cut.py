"""HDF5 files that were cut short, as by a copy that broke off: a copy is filled up, so that what is left can be opened.

libhdf5 refuses a file that ends before the address that its superblock names, whatever is missing. Behind zeros in
its place all else can be read, and the checksums say which windows are whole.

References
----------
HDF5 File Format Specification 3.0, II.A: versions 0 to 3 of the superblock, and where each names the end of the file.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from lapsdata.storage.atomic import storage_errors

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["end_of_file", "filled_up"]

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_ADDRESS = 8
"""Bytes of an address in the files that we write."""

# By the version of the superblock: at which byte stand the size of addresses, and the end of the file.
_PLACES = {0: (13, 40), 1: (13, 44), 2: (9, 28), 3: (9, 28)}


def end_of_file(path: Path) -> int | None:
    """Return how many bytes an HDF5 file says that it has; None for what does not say so.

    Examples
    --------
    >>> import h5py
    >>> place = Path(tempfile.mkdtemp()) / "clip.h5"
    >>> h5py.File(place, "w").close()
    >>> end_of_file(place) == place.stat().st_size
    True
    """
    with storage_errors(path, "open"), path.open("rb") as file:
        begin = file.read(64)
    if len(begin) < 64 or not begin.startswith(_SIGNATURE) or begin[8] not in _PLACES:
        return None
    size_at, end_at = _PLACES[begin[8]]
    if begin[size_at] != _ADDRESS:
        return None
    return int.from_bytes(begin[end_at : end_at + _ADDRESS], "little")


@contextlib.contextmanager
def filled_up(path: Path, beside: Path | None) -> Iterator[Path]:
    """Give a path at which a file that was cut short can be opened: that of a copy, removed afterwards, or its own.

    Parameters
    ----------
    path : Path
        Never changed; a file or folder that is not cut is given as it is.
    beside : Path, optional
        In which folder the copy is made; that of temporary files if it is None.

    Raises
    ------
    StorageError
        It may not be read, or there is no place for the copy.
    """
    end = end_of_file(path) if path.is_file() else None
    if end is None or end <= path.stat().st_size:
        yield path
        return
    # By this name `repair --clean` knows what a killed run has left.
    prefix = f".lapsdata-tmp-{secrets.token_hex(8)}"
    with contextlib.ExitStack() as stack:
        with storage_errors(beside or path, "copy"):
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=prefix, dir=beside)))
            copy = folder / path.name
            if _can_have(copy, end):
                shutil.copyfile(path, copy)
                os.truncate(copy, end)
            else:  # the address is damaged itself: libhdf5 says so of the file
                copy = path
        yield copy


def _can_have(copy: Path, size: int) -> bool:
    """Say whether a file may be as long as this."""
    copy.touch()
    try:
        os.truncate(copy, size)
    except OverflowError:
        return False
    except OSError as error:
        if error.errno in (errno.EFBIG, errno.EINVAL, errno.EOVERFLOW):
            return False
        raise
    return True
