"""The arrays of one episode in a group of an HDF5 file, read as rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.errors import CorruptDataError, Problem, SchemaError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from lapsdata.storage.hdf5_file import Hdf5File

__all__ = ["Hdf5Rows"]

# The widest column is read this many bytes at a time, so that one row of it does not take all of the others.
_SLAB_BYTES = 1 << 24


class Hdf5Rows:
    """Rows of one group; each of its arrays is a column, by its path in the group.

    Parameters
    ----------
    opened : callable
        Returns the open file, each time it is needed: whoever holds it may have closed the last one.
    group : str
        Path of the group, `/` for the whole file.
    rows : int
        Rows that every column has.
    row_bytes : int, optional
        Bytes of one row of the widest column of numbers.
    texts : collection of str, optional
        Columns of text; other strings are taken for bytes, which images are stored as.

    Examples
    --------
    >>> import h5py, pathlib, tempfile
    >>> from lapsdata.storage.hdf5_file import Hdf5File
    >>> place = pathlib.Path(tempfile.mkdtemp()) / "demo.hdf5"
    >>> with h5py.File(place, "w") as file:
    ...     file["data/demo_0/obs/eef_pos"] = np.arange(12.0).reshape(4, 3)
    >>> with Hdf5File(place) as file:
    ...     rows = Hdf5Rows(lambda: file, "data/demo_0", 4)
    ...     rows.read(0, ["obs/eef_pos"])["obs/eef_pos"][3], rows.values(0, "obs/eef_pos", 1, 2)
    (array([ 9., 10., 11.]), [array([3., 4., 5.])])
    """

    def __init__(
        self,
        opened: Callable[[], Hdf5File],
        group: str,
        rows: int,
        *,
        row_bytes: int = 1,
        texts: frozenset[str] = frozenset(),
    ) -> None:
        self._opened, self._group, self._rows, self._texts = opened, group.strip("/"), rows, texts
        step = max(1, min(rows, _SLAB_BYTES // max(1, row_bytes)))
        self.bounds: NDArray[np.int64] = np.append(np.arange(0, rows, step, dtype=np.int64), rows)
        self._checked: set[str] = set()

    def __len__(self) -> int:
        """Return the number of rows."""
        return self._rows

    def read(self, group: int, names: Sequence[str]) -> dict[str, NDArray[Any]]:
        """Return columns of a group of rows: each (R, ...), in the type that the file has.

        Raises
        ------
        SchemaError
            A column that is not there, or is one of texts.
        CorruptDataError
            It has another number of rows than the episode, or cannot be decoded.
        StorageError
            It cannot be read.
        """
        first, stop = int(self.bounds[group]), int(self.bounds[group + 1])
        return {name: self._numbers(name, first, stop) for name in names}

    def values(self, group: int, name: str, first: int = 0, stop: int | None = None) -> list[Any]:
        """Return rows of a column of a group as values of Python: texts, images as pixels, or their bytes.

        Only these rows are read. Zeros behind the bytes of an image are what fills them up to one length: no file of
        JPEG or PNG ends with one.
        """
        start, end = int(self.bounds[group]), int(self.bounds[group + 1])
        until = end if stop is None else min(end, start + stop)
        array = self._read(name, min(start + first, until), until)
        if name in self._texts:
            return [self._text(name, one) for one in array.tolist()]
        if array.dtype.kind in "SO":
            return [one if isinstance(one, bytes) else np.asarray(one).tobytes() for one in array.tolist()]
        if array.dtype == np.uint8 and array.ndim == 2:
            return [row.tobytes().rstrip(b"\0") for row in array]
        return list(array)

    def _numbers(self, name: str, first: int, stop: int) -> NDArray[Any]:
        array = self._read(name, first, stop)
        if array.dtype.kind not in "biuf":
            kind = "texts" if name in self._texts else str(array.dtype)
            raise SchemaError(Problem("wrong-type", self._where(name), f"expected numbers, got {kind}"))
        return array

    def _text(self, name: str, value: bytes) -> str:
        try:
            return value.decode()
        except UnicodeDecodeError as error:
            message = f"expected text in UTF-8, got {value[:40]!r}: {error.reason}"
            raise CorruptDataError(Problem("wrong-text", self._where(name), message)) from None

    def _read(self, name: str, first: int, stop: int) -> NDArray[Any]:
        file, path = self._opened(), f"{self._group}/{name}"
        if name not in self._checked:
            shape = file.source(path).shape
            if not shape or shape[0] != self._rows:
                got = f"{shape[0]} rows" if shape else "a single value"
                fix = "the file was changed since it was opened: open it again"
                message = f"expected {self._rows} rows, got {got}"
                raise CorruptDataError(Problem("unlike-length", self._where(name), message, fix))
            self._checked.add(name)
        return file.read(path, slice(first, stop))

    def _where(self, name: str) -> str:
        return f"{self._opened().path}: {self._group}/{name}"
