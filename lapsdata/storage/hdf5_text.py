"""What libhdf5 says about a fault, told the same way in every run.

Its messages hold the time of day, memory addresses and file descriptors, and break in the middle of a line.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["hdf5_text"]

# Fields of `H5FD__sec2_read` and its sisters that change from run to run.
_VOLATILE: Final = re.compile(r"\b(time = [^\n,]*\n?|file descriptor = \d+|(buf|addr) = 0x[0-9a-f]+)(, )?")


def hdf5_text(error: Exception) -> str:
    r"""Return the first line of a fault that says something, without what changes from run to run.

    Examples
    --------
    >>> hdf5_text(OSError("read failed: time = Mon Jan  5 10:00:00 2026\n, errno = 5, buf = 0x55d0, offset = 0"))
    'read failed: errno = 5, offset = 0'
    """
    # The text of a KeyError is the repr of its argument; an OSError with a number puts the number first.
    said = error.args[-1] if error.args and isinstance(error, (KeyError, OSError)) else error
    stable = _VOLATILE.sub("", str(said)).replace(": , ", ": ")
    lines = [line.strip(" ,") for line in stable.splitlines()]
    return next((line for line in lines if line), type(error).__name__)
