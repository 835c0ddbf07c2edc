"""Maps of files: made without a second descriptor, whether their pages lie in memory, bringing all of them in."""

from __future__ import annotations

import ctypes
import functools
import mmap
import os
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["map_file", "populate", "resident"]

_POPULATE_READ = 22
"""Linux 5.14, `MADV_POPULATE_READ`."""


@functools.cache
def _libc() -> Any:  # noqa: ANN401 - ctypes
    library = ctypes.CDLL(None, use_errno=True)
    library.mmap.restype = ctypes.c_void_p
    library.mmap.argtypes = (
        ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_ssize_t
    )  # fmt: skip
    library.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
    library.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    library.mincore.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)
    return library


class _Map:
    """Bytes of a file, as NumPy takes them; unmapped when no array refers to them."""

    def __init__(self, address: int, size: int) -> None:
        self.__array_interface__ = {"data": (address, True), "shape": (size,), "typestr": "|u1", "version": 3}
        weakref.finalize(self, _libc().munmap, address, size).atexit = False


def map_file(descriptor: int, size: int) -> NDArray[np.uint8]:
    """Map the first bytes of an open file for reading; `mmap.mmap` would keep a second descriptor for it.

    Raises
    ------
    OSError
        The system refused.
    """
    address = _libc().mmap(None, size, mmap.PROT_READ, mmap.MAP_SHARED, descriptor, 0)
    if address == ctypes.c_void_p(-1).value:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return np.asarray(_Map(address, size))


def resident(address: int, size: int) -> bool:
    """Say whether every page of a map lies in memory; False where the system cannot tell."""
    pages = np.zeros(-(-size // mmap.PAGESIZE), np.uint8)
    try:
        refused = _libc().mincore(address, size, pages.__array_interface__["data"][0])
    except AttributeError:
        return False  # no such call here
    return refused == 0 and bool((pages & 1).all())


def populate(address: int, size: int) -> bool:
    """Bring all pages of a map into it, from memory; False where the system cannot."""
    return bool(_libc().madvise(address, size, _POPULATE_READ) == 0)
