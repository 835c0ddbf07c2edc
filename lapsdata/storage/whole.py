"""A whole array, read by the engine that fills batches: every row once, in its order, straight into its place."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.storage.gather import RowReader

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from lapsdata.storage.pieces import Source

__all__ = ["read_whole"]

_ROWS = "rows"

_AT_ONCE = 256
"""Rows of a call: after the first ones it is known whether they come from a disk, which is then told of the next."""


@dataclass(frozen=True, eq=False)
class _Alone:
    """The one array of a reader."""

    where: str
    rows: int
    source: Source

    def sources(self) -> Mapping[str, Source]:
        return {_ROWS: self.source}


def read_whole(source: Source, where: str, *, verify: bool) -> NDArray[Any]:
    """Return all rows of an array, in the byte order of this machine.

    Parameters
    ----------
    source : ChunkIndex or other source
    where : str
        File and array, for messages.
    verify : bool
        Whether each row is compared with its checksum.

    Raises
    ------
    CorruptDataError
        A row is missing, cut short, or not what was written.
    StorageError
        A file is gone, was replaced, or may not be read.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from lapsdata.storage.index import ChunkIndex, file_key
    >>> place = pathlib.Path(tempfile.mkdtemp()) / "n.bin"
    >>> _ = place.write_bytes(np.arange(6, dtype="<f4").tobytes())
    >>> index = ChunkIndex.rows("n", (3, 2), np.dtype("<f4"), (place,), (file_key(place),), offset=0)
    >>> read_whole(index, "n", verify=False).tolist()
    [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]
    """
    shape = source.shape
    row = np.dtype((source.dtype.newbyteorder("="), tuple(shape[1:])))
    values = np.empty(shape, row.base)
    # Each row is read once: a map would cost more, and so would slabs that are kept.
    options: dict[str, Any] = {"verify": "always" if verify else "never", "io": "pread", "slab_bytes": 0}
    reader = RowReader([_Alone(where, shape[0], source)], {_ROWS: row}, **options)
    step = max(_AT_ONCE, getattr(source, "slab_rows", 1))
    step -= step % getattr(source, "slab_rows", 1)
    try:
        for first in range(0, shape[0], step):
            ids = np.arange(first, min(first + step, shape[0]))
            reader.gather(ids, out={_ROWS: values[first : first + len(ids)]}, threads=os.cpu_count() or 1)
    finally:
        reader.close()
    return values
