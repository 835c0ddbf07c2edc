"""Files held open for reading: by a map of their bytes where that is safe, else by descriptor alone."""

from __future__ import annotations

import contextlib
import functools
import os
import weakref
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from lapsdata.errors import Problem, SchemaError, StorageError
from lapsdata.storage.atomic import existing, storage_errors
from lapsdata.storage.index import key_of_status

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from lapsdata.storage.index import FileKey

__all__ = ["Io", "OpenFile", "check_io", "open_file", "require_same"]

Io = Literal["auto", "mmap", "pread"]
"""How bytes are read.

`pread` asks the system for each row, `mmap` maps files when they are opened. `auto` reads each row once and then maps
the files of local disks that lie in memory whole: the first use of a page of a map costs more than reading it.
"""

# A map of a file that another machine cuts short kills the process that reads it; kinds as Linux names them.
_REMOTE = ("nfs", "cifs", "smb", "fuse", "9p", "afs", "ceph", "lustre", "gpfs", "glusterfs", "virtiofs")


@dataclass(slots=True, weakref_slot=True, eq=False)
class OpenFile:
    """An open file; `base` is the address of its map, 0 where there is none.

    Parameters
    ----------
    path : Path
    descriptor : int
    size : int
        Bytes, when it was opened.
    base : int
    view : np.ndarray or None
        Keeps the map alive.
    """

    path: Path
    descriptor: int
    size: int
    base: int = 0
    view: NDArray[np.uint8] | None = None

    _closing: Callable[[], object] = field(init=False)

    def __post_init__(self) -> None:
        # Who forgets to close a data set leaves no descriptor behind.
        self._closing = weakref.finalize(self, os.close, self.descriptor)

    def map(self) -> None:
        """Map the file; it is read through the map from now on."""
        from lapsdata.storage._pages import map_file

        if self.view is None and self.size:
            self.view = map_file(self.descriptor, self.size)
            self.base = int(self.view.__array_interface__["data"][0])

    def populate(self) -> bool:
        """Map the file with all its pages, if the system has them in memory; say whether that was done."""
        from lapsdata.storage._pages import populate, resident

        with contextlib.suppress(OSError):  # a file that cannot be mapped is read as before
            self.map()
        if self.view is not None and resident(self.base, self.size) and populate(self.base, self.size):
            return True
        self.view, self.base = None, 0
        return False

    def close(self) -> None:
        """Give the descriptor back; the map goes when nobody refers to it any more."""
        self._closing()


def check_io(io: str) -> None:
    """Refuse a word that is no way to read.

    Raises
    ------
    SchemaError
        `io` is not "auto", "mmap" or "pread".

    Examples
    --------
    >>> check_io("threads")
    Traceback (most recent call last):
    lapsdata.errors.SchemaError: io: expected one of ('auto', 'mmap', 'pread'), got 'threads' [wrong-value]
    """
    if io not in get_args(Io):
        raise SchemaError(Problem("wrong-value", "io", f"expected one of {get_args(Io)}, got {io!r}"))


def open_file(path: Path, key: FileKey, io: Io) -> OpenFile:
    """Open a file that an index was made of, and no other one of its name.

    Raises
    ------
    StorageError
        It is gone, may not be read, too many files are open, or it is another one than `key` says.

    Examples
    --------
    >>> import tempfile
    >>> from lapsdata.storage.index import file_key
    >>> place = Path(tempfile.mkdtemp()) / "bytes"
    >>> _ = place.write_bytes(b"1234")
    >>> file = open_file(place, file_key(place), "mmap")
    >>> file.view.tolist()
    [49, 50, 51, 52]
    >>> file.close()
    """
    with storage_errors(existing(path), "open"):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            require_same(path, key_of_status(os.fstat(descriptor)), key)
        except BaseException:
            os.close(descriptor)
            raise
        file = OpenFile(path, descriptor, key.size)
        if io == "mmap":
            file.map()
    return file


def require_same(path: Path, found: FileKey, key: FileKey) -> None:
    """Refuse a file that is another one than was indexed.

    Raises
    ------
    StorageError
        It was replaced or changed.
    """
    if found != key:
        message = f"expected the file that was indexed ({key}), got another one of its name ({found})"
        raise StorageError(Problem("replaced", str(path), message, "open the data set again"))


@functools.lru_cache(maxsize=1024)
def is_local(folder: Path) -> bool:
    """Say whether a folder lies on a disk of this machine, as far as the system tells.

    Examples
    --------
    >>> is_local(Path("/proc"))
    True
    """
    try:
        mounts = Path("/proc/self/mountinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        return True  # not Linux: nothing is said of mounts
    real, best, kind = os.path.realpath(folder), -1, ""
    for line in mounts:
        before, _, after = line.partition(" - ")
        point = before.split(" ")[4].replace("\\040", " ")
        inside = real == point or real.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= best:
            best, kind = len(point), after.split(" ")[0]
    return not kind.startswith(_REMOTE)
