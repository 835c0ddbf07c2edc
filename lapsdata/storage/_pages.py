"""Pages of mapped files: whether they lie in memory, and bringing all of them into a map at once."""

from __future__ import annotations

import ctypes
import functools
import mmap
from typing import Any

import numpy as np

__all__ = ["populate", "resident"]

_POPULATE_READ = 22
"""Linux 5.14, `MADV_POPULATE_READ`."""


@functools.cache
def _libc() -> Any:  # noqa: ANN401 - ctypes
    library = ctypes.CDLL(None, use_errno=True)
    library.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    library.mincore.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)
    return library


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
