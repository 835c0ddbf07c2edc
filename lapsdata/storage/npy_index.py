"""Where the rows of an array lie in an npy file: one behind the other, after the header."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lapsdata.errors import CorruptDataError, Problem, SchemaError
from lapsdata.storage.atomic import storage_errors
from lapsdata.storage.index import ChunkIndex, key_of_status
from lapsdata.storage.seal import REPAIR
from lapsdata.storage.tar_arrays import parse_npy_header

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["npy_index"]

_MOST_HEADER = 1 << 16
"""Bytes in which the header of plain numbers ends, however it is filled up."""


def npy_index(path: Path, where: str) -> ChunkIndex:
    """Find the rows of an array in an npy file of anybody, and read none of them.

    Parameters
    ----------
    path : Path
    where : str
        The file, for messages.

    Raises
    ------
    CorruptDataError
        The header is damaged, or the file is not as long as it says.
    SchemaError
        No rows of plain numbers in C order.
    StorageError
        The file may not be read.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> place = pathlib.Path(tempfile.mkdtemp()) / "vis.npy"
    >>> np.save(place, np.zeros((3, 2), np.float32))
    >>> npy_index(place, "vis.npy").offset.tolist()
    [128, 136, 144]
    """
    with storage_errors(path, "open"), path.open("rb") as file:
        key = key_of_status(os.fstat(file.fileno()))
        begin = file.read(_MOST_HEADER)
    shape, dtype, offset = parse_npy_header(begin, where)
    if not shape:
        raise SchemaError(Problem("wrong-shape", where, "expected rows, got a single number"))
    found = ChunkIndex.rows(where, shape, dtype, (path,), (key,), offset=offset)
    expected = offset + int(found.length.sum())
    if key.size != expected:
        message = f"expected {expected} bytes for {shape} of {dtype}, got {key.size}"
        raise CorruptDataError(Problem("truncated-data", where, message, REPAIR))
    return found
