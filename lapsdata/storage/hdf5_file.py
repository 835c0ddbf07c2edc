"""HDF5 files read so that the numbers are right or the fault has a name, also where h5py's own reading fails.

Every dataset is read by the first rung of a ladder that serves (`hdf5_ladder`); which one did is in
`DatasetInfo.rung` and counted in `Hdf5File.rungs`. Files are only ever opened for reading.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np

from lapsdata.errors import CorruptDataError, LapsError, Problem, SchemaError, UnknownFormatError
from lapsdata.storage.hdf5_columns import Column, group_columns
from lapsdata.storage.hdf5_decode import Filter
from lapsdata.storage.hdf5_ladder import RUNGS, Layout, Rung, Selection, Source, read_rung, source_of
from lapsdata.storage.hdf5_open import open_hdf5
from lapsdata.storage.hdf5_refusal import numpy_cause, refusal, require_plausible, require_readable
from lapsdata.storage.hdf5_sources import require_sources
from lapsdata.storage.hdf5_text import hdf5_text
from lapsdata.storage.hdf5_types import ByteOrder, TypeClass, memory_type, stored_type
from lapsdata.storage.hdf5_walk import dataset_paths

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike
    from types import TracebackType

    from lapsdata.errors import Severity

__all__ = ["DatasetInfo", "Filter", "Hdf5File", "Rung"]

Array = np.ndarray[Any, np.dtype[Any]]

# What h5py and libhdf5 raise for content that they cannot read; anything else is a fault of ours and passes
# through.
_READ_ERRORS: Final = (OSError, ValueError, TypeError, RuntimeError, KeyError, MemoryError)


@dataclass(frozen=True, slots=True)
class DatasetInfo:
    """One dataset, or one entry that should have been one.

    Parameters
    ----------
    path : str
        From the root group, with a leading slash.
    shape : tuple of int or None
        None for an entry without a data space (`problem` says why).
    type_class : str or None
    size : int
        Bytes per element in the file.
    byte_order : str or None
    filters : tuple of Filter
        In the order in which the writer applied them.
    layout : str or None
        contiguous, chunked, compact, virtual or external.
    chunk_shape : tuple of int or None
    offset : int or None
        Byte of the file at which contiguous data start; None where nothing was written or the layout is
        another.
    chunks : int
        Chunks that the shape asks for; contiguous data are one.
    unwritten_chunks : int
        Those of them that were never written: they read as the fill value.
    rung : str or None
        The first rung of the ladder that reads this dataset's first element; None if none does.
    problem : Problem or None
        Why it cannot be read; of severity "info" where there is nothing to read.
    """

    path: str
    shape: tuple[int, ...] | None = None
    type_class: TypeClass | None = None
    size: int = 0
    byte_order: ByteOrder | None = None
    filters: tuple[Filter, ...] = ()
    layout: Layout | None = None
    chunk_shape: tuple[int, ...] | None = None
    offset: int | None = None
    chunks: int = 0
    unwritten_chunks: int = 0
    rung: Rung | None = None
    problem: Problem | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the fields as a JSON-ready dictionary."""
        return asdict(self)


class Hdf5File:
    """A read-only HDF5 file.

    Parameters
    ----------
    path : path
    rungs : sequence of str
        Which rungs to try, in this order.

    Attributes
    ----------
    rungs : Counter of str
        How many reads each rung served.
    unwritten : Counter of str
        Of the datasets that were read: how many of their chunks were never written, by path.

    Raises
    ------
    StorageError
        No such file, no permission, locked by or flagged as open for a writer.
    UnknownFormatError
        Not an HDF5 file.
    CorruptDataError
        Truncated, or its structure cannot be read.

    Examples
    --------
    >>> import h5py, tempfile
    >>> place = Path(tempfile.mkdtemp()) / "clip.h5"
    >>> with h5py.File(place, "w") as file:
    ...     file["root/default/vis"] = np.ones((3, 2), "f4")
    >>> with Hdf5File(place) as file:
    ...     print(file.datasets(), file.read("root/default/vis", slice(0, 1)), dict(file.rungs))
    ('/root/default/vis',) [[1. 1.]] {'h5py': 1}
    """

    rungs: Counter[Rung]
    unwritten: Counter[str]

    def __init__(self, path: str | PathLike[str], *, rungs: Sequence[Rung] = RUNGS) -> None:
        self.path = Path(path)
        self.rungs = Counter()
        self.unwritten = Counter()
        self._order = tuple(rungs)
        self._file = open_hdf5(self.path)
        self._paths: dict[str, Problem | None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; closing twice is harmless."""
        self._file.close()

    def datasets(self) -> tuple[str, ...]:
        """Return the paths of all datasets, sorted, and of links to none (`describe` says which)."""
        if self._paths is None:
            self._paths = dataset_paths(self._file)
        return tuple(self._paths)

    def members(self, name: str = "/") -> tuple[str, ...]:
        """Return the names in a group, in the order of the file; none where there is no such group.

        Those that are no UTF-8 have surrogates in place of the bytes (PEP 383).
        """
        import h5py

        try:
            group = self._file[_linked(name)]
        except _READ_ERRORS:
            return ()
        if not isinstance(group, h5py.Group):
            return ()
        try:
            return tuple(_name(one) for one in group)
        except _READ_ERRORS as error:
            message = f"expected a group with members, got {hdf5_text(error)}"
            raise CorruptDataError(Problem("unreadable-group", f"{self.path}: {name}", message)) from error

    def attributes(self, name: str = "/") -> tuple[str, ...]:
        """Return the names of the attributes of a group or dataset; none where there is no such object."""
        try:
            return tuple(_name(one) for one in self._file[_linked(name)].attrs)
        except _READ_ERRORS:
            return ()

    def columns(self, group: str) -> dict[str, Column]:
        """Return the datasets below a group by their path in it, without a look at their values; see `Column`."""
        return group_columns(self._file[_linked(group)], f"{self.path}: {group.strip('/')}")

    def describe(self, name: str) -> DatasetInfo:
        """Tell how a dataset is stored, and which rung reads its first element; faults become `problem`."""
        path = _path(name)
        self.datasets()
        known = self._paths.get(path) if self._paths else None
        if known is not None:
            return DatasetInfo(path, problem=known.within(str(self.path)))
        try:
            source = self.source(name)
        except LapsError as error:
            problem = error.problems[0]
            # A dataset without a data space is whole: there is nothing to read in it.
            severity: Severity = "info" if problem.code == "null-dataspace" else "error"
            return DatasetInfo(path, problem=replace(problem, severity=severity))
        info = DatasetInfo(
            path=path,
            shape=source.shape,
            type_class=source.stored.type_class,
            size=source.stored.size,
            byte_order=source.stored.byte_order,
            filters=source.filters,
            layout=source.layout,
            chunk_shape=source.chunk_shape,
            offset=source.offset,
            chunks=source.chunks,
            unwritten_chunks=source.unwritten_chunks,
        )
        try:
            _, rung = self._climb(source, Selection((0,) * len(source.shape), _first(source.shape)))
        except LapsError as error:
            return replace(info, problem=error.problems[0])
        return replace(info, rung=rung)

    def read(self, name: str, rows: slice | None = None) -> Array:
        """Read a dataset, or some of its leading rows.

        Parameters
        ----------
        name : str
            Path of the dataset.
        rows : slice, optional
            Span of the first axis, `0 <= start <= stop <= length`, without a step.

        Returns
        -------
        np.ndarray
            In native byte order and C order. Variable-length strings are an object array of bytes; compound,
            array, opaque and variable-length elements are what h5py makes of them.

        Raises
        ------
        SchemaError
            No such dataset, or one that holds no array.
        CorruptDataError
            A checksum, length or stream does not fit.
        MissingExtraError
            A filter is needed that is not installed; the message names it.
        UnknownFormatError
            A type or filter that no rung can read.
        IndexError
            `rows` reaches past the dataset.
        """
        source = self.source(name)
        values, rung = self._climb(source, _box(source, rows))
        self.rungs[rung] += 1
        if source.unwritten_chunks:
            self.unwritten[_path(name)] = source.unwritten_chunks
        return values

    def attribute(self, name: str, key: str) -> Any:  # noqa: ANN401  the file decides what it is
        """Read an attribute of a group or dataset: a number, an array, bytes (fixed string) or a str.

        Raises
        ------
        SchemaError
            No such object or attribute.
        UnknownFormatError
            The attribute has a type that cannot be read here.
        """
        from h5py import h5a

        where = f"{self.path}: {name}: attribute {key!r}"
        try:
            owner = self._file[_linked(name)]
            handle = h5a.open(owner.id, key.encode())
        except KeyError as error:
            raise SchemaError(Problem("missing-attribute", where, "expected it, got none")) from error
        stored = stored_type(handle.get_type())
        require_readable(stored, where)
        if handle.shape is None:
            message = "expected a value, got a null data space, which holds none"
            raise SchemaError(Problem("null-dataspace", where, message))
        try:
            if stored.native is None:
                return owner.attrs[key]
            values = np.empty(handle.shape, stored.native)
            handle.read(values, mtype=memory_type(handle.get_type(), stored))
        except _READ_ERRORS as error:
            message = f"expected numbers or text, got a {stored.type_class}: {hdf5_text(error)}"
            raise UnknownFormatError(Problem("unreadable-attribute", where, message, numpy_cause())) from error
        return values if values.ndim else values[()]

    def source(self, name: str) -> Source:
        """Return what is known of a dataset while the file is open.

        Raises
        ------
        SchemaError
            No such dataset, or one that holds no array.
        CorruptDataError
            Its description cannot be read.
        """
        import h5py

        where = f"{self.path}: {name.strip('/')}"
        try:
            dataset = self._file[_linked(name)]
        except _READ_ERRORS as error:
            there = ", ".join(self.datasets()[:8]) or "no dataset at all"
            broken = (self._paths or {}).get(_path(name))
            if broken:
                raise SchemaError(broken.within(str(self.path))) from error
            message = f"expected a dataset, got none; the file holds {there}"
            raise SchemaError(Problem("missing-dataset", where, message)) from error
        if not isinstance(dataset, h5py.Dataset):
            kind = type(dataset).__name__.lower()
            raise SchemaError(Problem("not-a-dataset", where, f"expected a dataset, got a {kind}"))
        if dataset.shape is None:
            message = "expected an array, got a null data space, which holds no value"
            raise SchemaError(Problem("null-dataspace", where, message))
        try:
            return source_of(dataset, where)
        except _READ_ERRORS as error:
            message = f"expected a description of its type and layout, got {hdf5_text(error)}"
            raise CorruptDataError(Problem("unreadable-dataset", where, message)) from error

    def _climb(self, source: Source, box: Selection) -> tuple[Array, Rung]:
        require_readable(source.stored, source.where)
        require_sources(source.missing, source.where)
        require_plausible(source, box)
        refused: dict[Rung, Exception] = {}
        for rung in self._order:
            try:
                return read_rung(rung, source, box), rung
            except (*_READ_ERRORS, LapsError) as error:
                refused[rung] = error
        raise refusal(source, refused)


def _path(name: str) -> str:
    return f"/{name.strip('/')}"


def _name(link: str | bytes) -> str:
    return link.decode("utf-8", "surrogateescape") if isinstance(link, bytes) else link


def _linked(name: str) -> bytes:
    """Return the bytes of a link; those that are no UTF-8 stand in a path as surrogates (PEP 383)."""
    return name.encode("utf-8", "surrogateescape")


def _first(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(min(1, n) for n in shape)


def _box(source: Source, rows: slice | None) -> Selection:
    shape = source.shape
    if rows is None:
        return Selection((0,) * len(shape), shape)
    length = shape[0] if shape else 0
    first = 0 if rows.start is None else rows.start
    last = length if rows.stop is None else rows.stop
    if not shape or rows.step not in (None, 1) or not 0 <= first <= last <= length:
        raise IndexError(f"{source.where}: expected a span of rows within 0:{length}, got {rows}")
    return Selection((first, *(0,) * (len(shape) - 1)), (last - first, *shape[1:]))
