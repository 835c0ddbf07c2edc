"""What NumPy raises for damaged arrays, as one kind of error."""

from __future__ import annotations

import contextlib
import zipfile
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["npy_errors"]


@contextlib.contextmanager
def npy_errors() -> Iterator[None]:
    """Let `numpy.load` of a damaged file raise ValueError, where it is none of the errors that it documents.

    Raises
    ------
    ValueError
        With the name of what was raised; errors of files and archives, and those that are one already, stay.

    Examples
    --------
    >>> import io, numpy as np
    >>> file = io.BytesIO()
    >>> np.save(file, np.zeros(3))
    >>> damaged = bytearray(file.getvalue())
    >>> damaged[65] ^= 255
    >>> with npy_errors():
    ...     np.load(io.BytesIO(bytes(damaged)))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: ...
    """
    try:
        yield
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error):
        raise
    # NumPy evaluates the header as Python; what that raises for damaged text is up to Python.
    except Exception as error:
        raise ValueError(f"a damaged header ({type(error).__name__})") from error
