"""The four ways to read one HDF5 dataset, from h5py's own to ours; each gives the same numbers or raises.

| rung | what it needs |
| --- | --- |
| `h5py` | h5py's high level `dataset[...]`: NumPy's dtype table must be right |
| `read_direct` | h5py's `read_direct` into a buffer whose dtype comes from the file's own type fields |
| `memory_type` | libhdf5's read with the memory type named outright, no dtype asked for |
| `chunks` | the positions of the bytes in the file; reading and decoding is ours |
"""

from __future__ import annotations

import itertools
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from lapsdata.errors import CorruptDataError, Problem
from lapsdata.storage.hdf5_decode import Filter, decode_elements
from lapsdata.storage.hdf5_sources import missing_sources
from lapsdata.storage.hdf5_types import StoredType, memory_type, stored_type

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["RUNGS", "Layout", "Rung", "Selection", "Source", "chunk_positions", "fill_value", "read_rung", "source_of"]

Rung = Literal["h5py", "read_direct", "memory_type", "chunks"]
Layout = Literal["contiguous", "chunked", "compact", "virtual", "external"]
Array = np.ndarray[Any, np.dtype[Any]]

_RESTORE: Final = "restore the file from a copy"

RUNGS: Final[tuple[Rung, ...]] = ("h5py", "read_direct", "memory_type", "chunks")


@dataclass(frozen=True, slots=True)
class Selection:
    """A box of elements: first index and count along each axis."""

    start: tuple[int, ...]
    count: tuple[int, ...]

    @property
    def slices(self) -> tuple[slice, ...]:
        """The same box as an index."""
        return tuple(slice(first, first + n) for first, n in zip(self.start, self.count, strict=True))


@dataclass(frozen=True, slots=True)
class Source:
    """What the rungs know of an open dataset."""

    dataset: Any
    path: Path
    where: str
    shape: tuple[int, ...]
    stored: StoredType
    filters: tuple[Filter, ...]
    layout: Layout
    chunk_shape: tuple[int, ...] | None
    user_block: int
    offset: int | None
    chunks: int
    unwritten_chunks: int
    missing: tuple[str, ...]


def source_of(dataset: Any, where: str) -> Source:  # noqa: ANN401  h5py publishes no types
    """Gather shape, type, filters and layout of an `h5py.Dataset` through its low-level handle alone."""
    plist = dataset.id.get_create_plist()
    pipeline = [plist.get_filter(index) for index in range(plist.get_nfilters())]
    layout = _layout(plist)
    chunk_shape = plist.get_chunk() if layout == "chunked" else None
    offset = dataset.id.get_offset() if layout == "contiguous" else None
    chunks = unwritten = 0
    if chunk_shape is not None:
        chunks = math.prod(-(-n // c) for n, c in zip(dataset.shape, chunk_shape, strict=True))
        unwritten = chunks - dataset.id.get_num_chunks()
    elif layout == "contiguous":
        chunks = min(1, math.prod(dataset.shape))
        unwritten = chunks if offset is None else 0
    return Source(
        dataset=dataset,
        # Behind an external link this is another file than the one that was opened.
        path=Path(dataset.file.filename),
        where=where,
        shape=dataset.shape,
        stored=stored_type(dataset.id.get_type()),
        filters=tuple(Filter(int(f[0]), f[3].decode("utf-8", "replace")) for f in pipeline),
        layout=layout,
        chunk_shape=chunk_shape,
        user_block=dataset.file.userblock_size,
        offset=offset,
        chunks=chunks,
        unwritten_chunks=unwritten,
        missing=missing_sources(dataset, layout),
    )


def _layout(plist: Any) -> Layout:  # noqa: ANN401
    from h5py import h5d

    if plist.get_external_count():
        return "external"
    names: dict[int, Layout] = {
        h5d.COMPACT: "compact",
        h5d.CONTIGUOUS: "contiguous",
        h5d.CHUNKED: "chunked",
        h5d.VIRTUAL: "virtual",
    }
    return names[plist.get_layout()]


def read_rung(rung: Rung, source: Source, box: Selection) -> Array:
    """Read a box of elements in one way.

    Returns
    -------
    np.ndarray, shape=box.count
        Of dtype `stored.native`, or what h5py chose where there is none.

    Raises
    ------
    CorruptDataError
        The bytes are provably not those that were written.
    ValueError
        This rung cannot read such a dataset; the message says why.
    OSError, TypeError, RuntimeError, KeyError
        Whatever h5py says.
    """
    if source.stored.native is None and rung != "h5py":
        raise ValueError(f"a {source.stored.type_class} of {source.stored.size} bytes has no fixed-size dtype")
    values = _READERS[rung](source, box)
    if source.stored.type_class == "boolean" and np.any(values.view(np.uint8) > 1):
        message = "expected FALSE = 0 or TRUE = 1, got another byte"
        raise CorruptDataError(Problem("wrong-boolean", source.where, message, _RESTORE))
    return values


def _h5py(source: Source, box: Selection) -> Array:
    values: Array = source.dataset[box.slices] if box.count else source.dataset[...]
    native = source.stored.native
    # Both types hold every value that the file's type can, so this changes no number.
    return values if native is None else values.astype(native, copy=False)


def _read_direct(source: Source, box: Selection) -> Array:
    buffer = np.empty(box.count, source.stored.native)
    if buffer.size:  # h5py 3.11 divides by the number of elements
        source.dataset.read_direct(buffer, box.slices or None)
    return buffer


def _memory_type(source: Source, box: Selection) -> Array:
    from h5py import h5s

    buffer = np.empty(box.count, source.stored.native)
    whole = file_space = h5s.ALL
    if box.count:
        whole = h5s.create_simple(box.count)
        file_space = source.dataset.id.get_space()
        file_space.select_hyperslab(box.start, box.count)
    source.dataset.id.read(whole, file_space, buffer, mtype=memory_type(source.dataset.id.get_type(), source.stored))
    return buffer


def _chunks(source: Source, box: Selection) -> Array:
    if source.layout not in ("contiguous", "chunked"):
        raise ValueError(f"the place of {source.layout} data in the file is known to libhdf5 alone")
    out = np.empty(box.count, source.stored.native)
    if out.size == 0:
        return out
    with source.path.open("rb", buffering=0) as file:
        if source.layout == "contiguous":
            return _contiguous(source, box, file.fileno())
        if source.user_block:
            # HDF5 1.14 counts chunk positions from the end of the user block, HDF5 2.0 from the start of the
            # file.
            raise ValueError("chunk positions behind a user block differ between releases of libhdf5")
        _fill_from_chunks(source, box, file.fileno(), out)
    return out


def _contiguous(source: Source, box: Selection, file: int) -> Array:
    """Read the leading rows that hold the box, then cut the box out of them."""
    if source.offset is None:
        return np.full(box.count, fill_value(source))
    shape = source.shape or (1,)
    first, rows = (box.start[0], box.count[0]) if box.count else (0, 1)
    row = math.prod(shape[1:])
    raw = _pread(file, row * rows * source.stored.size, source.offset + row * first * source.stored.size, source.where)
    values = decode_elements(raw, source.stored).reshape((rows, *shape[1:]))
    return np.ascontiguousarray(values[:, *box.slices[1:]]).reshape(box.count)


def _fill_from_chunks(source: Source, box: Selection, file: int, out: Array) -> None:
    chunk_shape = source.chunk_shape or ()
    positions = chunk_positions(source)
    for origin in _origins(box, chunk_shape):
        ends = zip(origin, chunk_shape, box.start, box.count, strict=True)
        low, high = zip(*((max(o, s), min(o + c, s + n)) for o, c, s, n in ends), strict=True)
        target = tuple(slice(a - first, b - first) for a, b, first in zip(low, high, box.start, strict=True))
        info = positions.get(origin)
        if info is None:
            out[target] = fill_value(source)
            continue
        inside = tuple(slice(a - o, b - o) for a, b, o in zip(low, high, origin, strict=True))
        out[target] = _chunk(source, info, file)[inside]


def chunk_positions(source: Source) -> dict[tuple[int, ...], Any]:
    """Return what libhdf5 knows of each written chunk, by its first element.

    Raises
    ------
    CorruptDataError
        A chunk that lies outside of the dataset, or beside its grid.
    """
    positions: dict[tuple[int, ...], Any] = {}
    source.dataset.id.chunk_iter(lambda info: positions.update({info.chunk_offset: info}))
    for origin in positions:
        if any(
            at % step or at >= n for at, step, n in zip(origin, source.chunk_shape or (), source.shape, strict=True)
        ):
            message = f"expected chunks of {source.chunk_shape} within {source.shape}, got one at {origin}"
            raise CorruptDataError(Problem("wrong-chunk-index", source.where, message, _RESTORE))
    return positions


def _origins(box: Selection, chunk_shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    axes = (
        range(first // step * step, first + n, step)
        for first, n, step in zip(box.start, box.count, chunk_shape, strict=True)
    )
    return itertools.product(*axes)


def _chunk(source: Source, info: Any, file: int) -> Array:  # noqa: ANN401
    # At its first use: the doctor reads HDF5 where pydantic, which checksums are sealed with, may not be imported.
    from lapsdata.storage.codecs import decode, hdf5_codecs

    chunk_shape = source.chunk_shape or ()
    where = f"{source.where}: chunk at {info.chunk_offset}, byte {info.byte_offset}"
    stored = _pread(file, info.size, info.byte_offset, where)
    element = source.stored.size
    raw = decode(
        stored,
        hdf5_codecs(source.filters),
        size=math.prod(chunk_shape) * element,
        itemsize=element,
        mask=info.filter_mask,
        where=where,
    )
    return decode_elements(raw, source.stored).reshape(chunk_shape)


def fill_value(source: Source) -> Array:
    """Return the value that stands for storage never written, as a scalar array of the native dtype."""
    plist = source.dataset.id.get_create_plist()
    value = np.zeros((), source.stored.native)
    plist.get_fill_value(value)
    return value


def _pread(file: int, size: int, offset: int, where: str) -> bytes:
    """Read exactly `size` bytes; the system may hand them over in parts."""
    parts, missing = [], size
    while missing:
        part = os.pread(file, missing, offset + size - missing)
        if not part:
            message = f"expected {size} bytes from byte {offset}, got {size - missing}: the file is cut short"
            raise CorruptDataError(Problem("truncated-data", where, message, _RESTORE))
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


_READERS: Final[dict[Rung, Callable[[Source, Selection], Array]]] = {
    "h5py": _h5py,
    "read_direct": _read_direct,
    "memory_type": _memory_type,
    "chunks": _chunks,
}
