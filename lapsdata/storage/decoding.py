"""One place where the exceptions of other people's decoders become ours."""

from __future__ import annotations

import contextlib
import errno
from pathlib import Path
from typing import TYPE_CHECKING

from lapsdata.errors import CorruptDataError, LapsError, MissingExtraError, Problem, StorageError
from lapsdata.storage.atomic import storage_errors
from lapsdata.storage.numpy_install import numpy_problem
from lapsdata.storage.seal import REPAIR

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["decoding"]

_NOT_THE_BYTES = {errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.ESTALE}
"""Refusals of the system that say nothing about the bytes."""


@contextlib.contextmanager
def decoding(where: str, what: str) -> Iterator[None]:
    """Turn whatever a library raises on bytes that are not what they should be into `CorruptDataError`.

    Parameters
    ----------
    where : str
        File and place, for the message.
    what : str
        What was expected there: "a Zarr group".

    Raises
    ------
    CorruptDataError
        In place of any error that is not ours; its kind and text stay in the message.
    StorageError
        The system refused (permission, open files, memory): nothing is known about the bytes.
    MissingExtraError
        A package cannot be imported, or a mixed NumPy install keeps the decoder from working.

    Examples
    --------
    >>> with decoding("clip.zarr: zarr.json", "JSON"):
    ...     {}["codecs"]
    Traceback (most recent call last):
    lapsdata.errors.CorruptDataError: clip.zarr: zarr.json: expected JSON, got bytes that ... [undecodable]
    """
    try:
        yield
    except LapsError:
        raise
    except ImportError as error:
        message = f"expected a package that can be imported, got: {error}"
        raise MissingExtraError(Problem("cannot-import", where, message, "run: lapsdata doctor")) from error
    except MemoryError as error:
        message = f"expected memory for {what}, got none; damaged lengths can ask for more than there is"
        raise StorageError(Problem("out-of-memory", where, message, "free memory, then read it again")) from error
    # Decoders meet damaged bytes with any exception at all (KeyError, UnicodeError, zlib.error, ...): each of them
    # says the same about the file, so all become the one error that does.
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _NOT_THE_BYTES:
            with storage_errors(Path(where), "open"):
                raise
        cause = numpy_problem()
        if cause is not None and cause.severity == "error":
            raise MissingExtraError(cause.within(where)) from error
        text = f"{type(error).__name__}: {str(error)[:200]}"
        message = f"expected {what}, got bytes that cannot be decoded ({text})"
        raise CorruptDataError(Problem("undecodable", where, message, REPAIR)) from error
