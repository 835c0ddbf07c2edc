"""One place where the exceptions of other people's decoders become ours."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from lapsdata.errors import CorruptDataError, LapsError, Problem
from lapsdata.storage.atomic import storage_errors
from lapsdata.storage.seal import REPAIR

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["decoding"]


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
        There is no permission to read the bytes.

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
    except PermissionError:
        # The one refusal of the system that says nothing about the bytes.
        with storage_errors(Path(where), "open"):
            raise
    # Decoders meet damaged bytes with any exception at all (KeyError, UnicodeError, zlib.error, ...): each of them
    # says the same about the file, so all become the one error that does.
    except Exception as error:
        text = f"{type(error).__name__}: {str(error)[:200]}"
        message = f"expected {what}, got bytes that cannot be decoded ({text})"
        raise CorruptDataError(Problem("undecodable", where, message, REPAIR)) from error
