"""LZF, the quick codec that h5py brings: runs of literals and copies of what was decoded before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lapsdata.compiling import compile_loop

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["expand", "expand_plain"]


def expand_plain(stored: NDArray[np.uint8], out: NDArray[np.uint8]) -> int:
    """Decode into `out`; return the number of bytes made, or -1 where the stream breaks.

    A control byte below 32 begins a run of literals, one longer than it says. Others hold three bits of length and
    five of distance; a length of 7 goes on in the next byte, the rest of the distance follows (LibLZF, `lzf_d.c`).
    """
    read = made = 0
    while read < len(stored):
        control = int(stored[read])
        read += 1
        if control < 32:
            length = control + 1
            if read + length > len(stored) or made + length > len(out):
                return -1
            for _ in range(length):
                out[made] = stored[read]
                made += 1
                read += 1
            continue
        length = control >> 5
        if length == 7:
            if read >= len(stored):
                return -1
            length += int(stored[read])
            read += 1
        if read >= len(stored):
            return -1
        back = made - ((control & 31) << 8) - int(stored[read]) - 1
        read += 1
        length += 2
        if back < 0 or made + length > len(out):
            return -1
        # One by one: what is copied may be what is being made.
        for _ in range(length):
            out[made] = out[back]
            made += 1
            back += 1
    return made


expand = compile_loop(expand_plain, nogil=True)
