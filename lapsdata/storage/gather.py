"""Rows of many files, in any order, as one batch: copied or decoded straight into it, and verified there."""

from __future__ import annotations

import itertools
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from lapsdata.errors import (
    CorruptDataError,
    LapsError,
    Problem,
    Problems,
    SchemaError,
    StorageError,
)
from lapsdata.storage.ids import checked_ids
from lapsdata.storage.index import ChunkIndex
from lapsdata.storage.numpy_install import numpy_problem
from lapsdata.storage.open_files import check_io
from lapsdata.storage.pieces import ELSEWHERE, UNSUMMED, OpenPieces, outside
from lapsdata.storage.remote import Transfers
from lapsdata.storage.remote_index import RemoteIndex, fetch_slabs
from lapsdata.storage.seal import REPAIR, check_verify, row_checksums
from lapsdata.storage.slabs import SlabCache
from lapsdata.storage.waits import Waits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Future

    from numpy.typing import NDArray

    from lapsdata.storage.open_files import Io
    from lapsdata.storage.pieces import Fields, Piece
    from lapsdata.storage.seal import Verify

__all__ = ["RowReader"]

_after_fork = threading.Lock()
"""Held by the first thread of a forked process that uses a reader of its parent."""


def _free_lock() -> None:
    """Make the lock anew, which another thread of the parent may have held."""
    global _after_fork
    _after_fork = threading.Lock()


os.register_at_fork(after_in_child=_free_lock)

VERIFY: Final = {"never": 0, "first": 1, "always": 2}

Groups = dict[tuple[int, int], list[int]]
"""Positions in a batch, by piece and slab."""

_MAP_EVERY: Final = 32
"""Calls after which `auto` looks for files that are worth a map."""

_SLABS: Final = 1 << 28
"""Bytes of decoded slabs that are held by default: 256 MiB."""


class RowReader:
    """Reads rows of many pieces as one array, from any thread, and in any process that it is sent to.

    Parameters
    ----------
    pieces : sequence of Piece
    fields : mapping of np.dtype
        By name, the dtype of one row with its shape; every piece has all of them.
    verify : {"first", "always", "never"}
        When rows are compared with their checksums: once per process, at each read, or not at all.
    io : {"auto", "mmap", "pread"}
    open_files : int
        How many files may be open at once.
    slab_bytes : int
        Bytes of decoded slabs that are held, where rows share compressed chunks.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from lapsdata.storage.index import ChunkIndex, file_key
    >>> place = pathlib.Path(tempfile.mkdtemp()) / "n.bin"
    >>> _ = place.write_bytes(np.arange(6, dtype="<f4").tobytes())
    >>> class One:
    ...     where, rows = "n.bin", 3
    ...     def sources(self):
    ...         return {"n": ChunkIndex.rows("n", (3, 2), np.dtype("<f4"), (place,), (file_key(place),), offset=0)}
    >>> reader = RowReader([One()], {"n": np.dtype((np.float32, 2))})
    >>> reader.gather(np.array([2, 0, 2]))["n"].tolist()
    [[4.0, 5.0], [0.0, 1.0], [4.0, 5.0]]
    >>> reader.close()
    """

    def __init__(
        self,
        pieces: Sequence[Piece],
        fields: Fields,
        *,
        verify: Verify = "first",
        io: Io = "auto",
        open_files: int = 512,
        slab_bytes: int = _SLABS,
    ) -> None:
        check_verify(verify)
        check_io(io)
        self._pieces, self._fields = pieces, dict(fields)
        self._settings: dict[str, Any] = {"io": io, "most_files": open_files}
        self.verify: Verify = verify
        self._slab_bytes = slab_bytes
        self._start()

    def _start(self) -> None:
        """Begin with nothing open, as in a process of its own."""
        self._numbers = {name: number for number, name in enumerate(self._fields)}
        self._open = OpenPieces(self._pieces, self._fields, **self._settings)
        self._cache: SlabCache[NDArray[Any]] = SlabCache(self._slab_bytes)
        self._pool: ThreadPoolExecutor | None = None
        self._pool_lock = threading.Lock()
        self._calls = 0
        self.waits = Waits()
        self._plans: dict[tuple[str, ...], tuple[NDArray[np.int64], NDArray[np.int64]]] = {}
        problem = numpy_problem()
        self._by_address = problem is not None and problem.severity == "error"
        self._process = os.getpid()  # last: other threads go on when they see it

    def __getstate__(self) -> dict[str, Any]:
        names = ("_pieces", "_fields", "_settings", "verify", "_slab_bytes")
        return {name: self.__dict__[name] for name in names}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._start()

    def __len__(self) -> int:
        """Return the number of rows."""
        return int(self._open.starts[-1])

    @property
    def starts(self) -> NDArray[np.int64]:
        """First row of each piece, and the number of rows: int64 (pieces + 1,)."""
        return self._open.starts

    @property
    def block_rows(self) -> int:
        """Rows that share chunks, and should be read together, by the first piece; 1 where each has its own."""
        sources = self._pieces[0].sources().values()
        return max((getattr(source, "slab_rows", 1) for source in sources), default=1)

    @property
    def encoded(self) -> bool:
        """Whether rows have to be decoded, by the first piece."""
        for source in self._pieces[0].sources().values():
            if isinstance(source, np.ndarray):
                continue
            if not isinstance(source, ChunkIndex) or any(codec.name != "crc32c" for codec in source.codecs):
                return True
        return False

    @property
    def unverified(self) -> int:
        """How many rows were delivered in this process that carry no checksum."""
        return self._open.unverified()

    @property
    def decoded_rows(self) -> int:
        """How many rows of slabs were decoded in this process, fields counted one by one.

        Beside the rows delivered, this is by how much reads are amplified.
        """
        return self._cache.decoded_rows

    @property
    def transfers(self) -> Transfers:
        """What was asked of servers in this process, for rows behind URLs."""
        return sum((reader.transfers for reader in self._open.remotes), Transfers())

    def close(self) -> None:
        """Close files and threads; a later `gather` opens what it needs."""
        self._open.close()
        self._cache.clear()
        with self._pool_lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown()
        for reader in self._open.remotes:
            reader.close()

    def gather(
        self,
        ids: NDArray[np.int64],
        *,
        fields: Sequence[str] | None = None,
        out: Mapping[str, NDArray[Any]] | None = None,
        threads: int = 1,
    ) -> dict[str, NDArray[Any]]:
        """Return rows as a batch.

        Parameters
        ----------
        ids : int64 (B,)
            In any order, with repeats.
        fields : sequence of str, optional
            All of them by default.
        out : mapping of np.ndarray, optional
            Buffers (B, ...) to fill, by field; others are made.
        threads : int
            How many threads fill the batch.

        Returns
        -------
        dict of np.ndarray (B, ...)

        Raises
        ------
        IndexError
            An id outside of all rows.
        CorruptDataError
            A row is not what was written; says file, row and byte.
        StorageError
            A file is gone, was replaced, or may not be read.
        SchemaError
            Ids, fields or buffers of another kind.
        """
        if self._process != os.getpid():
            with _after_fork:
                if self._process != os.getpid():
                    self._start()  # files, marks and threads are the parent's
        ids = checked_ids(ids)
        names = list(self._fields) if fields is None else list(fields)
        self._require_known([*names, *(out or ())])
        batch = {name: self._buffer(name, len(ids), None if out is None else out.get(name)) for name in names}
        if len(ids) and names:
            most: int = self._settings["most_files"]
            if len(ids) <= most or len(self._open.numbers(ids)) <= most:
                self._serve(ids, names, batch, threads)
            else:
                # A batch of more pieces than may be open at once is filled part by part.
                for first in range(0, len(ids), most):
                    part = slice(first, first + most)
                    self._serve(ids[part], names, {name: batch[name][part] for name in names}, threads)
        return batch

    def _serve(self, ids: NDArray[np.int64], names: list[str], batch: dict[str, NDArray[Any]], threads: int) -> None:
        """Fill a batch, with the pieces open that it needs."""
        held = self._open.hold(ids)
        try:
            self._fill(ids, names, batch, threads)
        finally:
            self._open.release(held)
        self._calls += 1
        if self._calls % _MAP_EVERY == 0:
            self._open.map_the_wanted()

    def _require_known(self, names: Sequence[str]) -> None:
        for name in names:
            if name not in self._fields:
                message = f"expected some of {list(self._fields)}, got {name!r}"
                raise SchemaError(Problem("unknown-field", "fields", message))

    def _buffer(self, name: str, length: int, given: Any) -> NDArray[Any]:  # noqa: ANN401 - what a user gives
        dtype = self._fields[name]
        if given is None:
            return np.empty((length, *dtype.shape), dtype.base)
        problems = Problems(f"out: {name}")
        if not isinstance(given, np.ndarray):
            problems.add("wrong-buffer", "", f"expected a NumPy array, got {type(given).__name__}")
            problems.raise_as(SchemaError)
        if given.shape != (length, *dtype.shape):
            problems.add("wrong-shape", "", f"expected {(length, *dtype.shape)}, got {given.shape}")
        if given.dtype != dtype.base:
            problems.add("wrong-dtype", "", f"expected {dtype.base}, got {given.dtype}")
        if not (given.flags.c_contiguous and given.flags.writeable):
            problems.add("wrong-buffer", "", "expected a contiguous array that may be written, got another")
        problems.raise_as(SchemaError)
        buffer: NDArray[Any] = given
        return buffer

    def _fill(self, ids: NDArray[np.int64], names: list[str], batch: dict[str, NDArray[Any]], threads: int) -> None:
        threads = min(threads, len(ids))
        if threads <= 1:
            self._copy(ids, names, batch, slice(None))
        else:
            edges = [len(ids) * n // threads for n in range(threads + 1)]
            own, *others = [slice(a, b) for a, b in itertools.pairwise(edges)]
            tasks = [self._submit(threads, self._copy, ids, names, batch, span) for span in others]
            try:
                self._copy(ids, names, batch, own)
            finally:
                wait_for(tasks)
        if self._open.elsewhere:
            groups = {name: self._groups(ids, name) for name in names}
            fetched = self._fetch(groups) if self._open.remotes else {}
            for name in names:
                self._decode(ids, name, batch[name], threads, groups[name], fetched)

    def _submit(self, threads: int, work: Callable[..., None], *arguments: Any) -> Future[None]:  # noqa: ANN401
        with self._pool_lock:  # held while submitting: what was submitted before a shutdown is done
            if self._pool is None:
                self._pool = ThreadPoolExecutor(max(threads - 1, os.cpu_count() or 1), "lapsdata-gather")
            return self._pool.submit(work, *arguments)

    def _copy(self, ids: NDArray[np.int64], names: list[str], batch: dict[str, NDArray[Any]], span: slice) -> None:
        from lapsdata.storage._copy_loop import announce_rows, copy_rows

        part, opened = ids[span], self._open
        numbers, sizes = self._plan(tuple(names))
        outs = np.array([batch[name].__array_interface__["data"][0] for name in names])
        if span.start:
            outs += span.start * sizes
        tables = (opened.starts, opened.slots, opened.tables, numbers, opened.parts)
        if self.waits.on:
            announce_rows(part, *tables)
        start = time.perf_counter()
        if self._by_address:
            code, at, field = _copy_by_address(part, *tables, outs, sizes, VERIFY[self.verify], opened)
        else:
            code, at, field = copy_rows(part, *tables, outs, sizes, VERIFY[self.verify], opened.room, opened.reads)
            self.waits.note(len(part) * int(sizes.sum()), time.perf_counter() - start)
        if code:
            raise self._fault(code, ids, int(part[at]), names[field])

    def _plan(self, names: tuple[str, ...]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the numbers of fields, and the bytes of one row of each."""
        if names not in self._plans:
            numbers = np.array([self._numbers[name] for name in names])
            self._plans[names] = numbers, np.array([self._fields[name].itemsize for name in names])
        return self._plans[names]

    def _fault(self, code: int, ids: NDArray[np.int64], row: int, name: str) -> Exception:
        if code == 1:
            return outside(ids, len(self))
        number = int(np.searchsorted(self.starts, row, "right")) - 1
        within = row - int(self.starts[number])
        source = self._open.opened(number).stored(name)
        where = f"{source.where}: row {within}" + _place(source, within)
        kind, key, message, fix = FAULTS[code]
        return kind(Problem(key, where, message, fix))

    def _groups(self, ids: NDArray[np.int64], name: str) -> Groups:
        """Return the rows of a field that lie in slabs: positions in the batch, by piece and slab."""
        numbers = np.searchsorted(self.starts, ids, "right") - 1
        elsewhere = self._open.tables[self._open.slots[numbers], self._numbers[name], 0] == ELSEWHERE
        groups: Groups = {}
        for position in np.flatnonzero(elsewhere).tolist():
            piece = int(numbers[position])
            source = self._open.opened(piece).stored(name)
            per = source.slab_rows
            groups.setdefault((piece, int(ids[position] - self.starts[piece]) // per), []).append(position)
        return groups

    def _fetch(self, groups: Mapping[str, Groups]) -> dict[tuple[str, int, int], NDArray[Any]]:
        """Read what of a batch lies behind URLs and is not held, all of it at once."""
        wanted = {}
        for name, own in groups.items():
            for piece, number in own:
                source = self._open.opened(piece).stored(name)
                if isinstance(source, RemoteIndex) and self._cache.get((name, piece, number)) is None:
                    wanted[name, piece, number] = (source, number)
        return dict(zip(wanted, fetch_slabs(list(wanted.values())), strict=True))

    def _decode(
        self,
        ids: NDArray[np.int64],
        name: str,
        out: NDArray[Any],
        threads: int,
        groups: Groups,
        fetched: Mapping[tuple[str, int, int], NDArray[Any]],
    ) -> None:
        """Fill in the rows that lie in slabs; each slab that is not held is decoded once for the batch."""

        def fill(key: tuple[int, int]) -> None:
            self._fill_from_slab(ids, name, out, key, groups[key], fetched.get((name, *key)))

        if threads <= 1 or len(groups) <= 1:
            for key in groups:
                fill(key)
        else:
            wait_for([self._submit(threads, fill, key) for key in groups])

    def _fill_from_slab(
        self,
        ids: NDArray[np.int64],
        name: str,
        out: NDArray[Any],
        key: tuple[int, int],
        positions: list[int],
        fetched: NDArray[Any] | None,
    ) -> None:
        piece, number = key
        opened, place = self._open.opened(piece), (name, *key)
        source = opened.stored(name)
        if fetched is None:
            slab = self._cache.get_or_make(place, lambda: opened.slab(name, number))
        else:
            slab = fetched
            self._cache.put(place, slab)
        rows = ids[positions] - self.starts[piece]
        values = slab[rows - number * source.slab_rows]
        try:
            self._verify(source, self._open.seen(piece, name), rows, values)
        except CorruptDataError:
            self._cache.forget(place)  # the next attempt reads anew
            raise
        out[positions] = _converted(values, out.dtype, source.where, rows)

    def _verify(self, source: Any, seen: NDArray[np.uint8], rows: NDArray[np.int64], values: NDArray[Any]) -> None:  # noqa: ANN401
        if self.verify == "never":
            return
        if source.row_crc32c is None:
            seen[rows] = UNSUMMED
            return
        new = slice(None) if self.verify == "always" else np.flatnonzero(seen[rows] == 0)
        found, expected = row_checksums(values[new]), source.row_crc32c[rows[new]]
        wrong = np.flatnonzero(found != expected)
        if len(wrong):
            row = int(rows[new][wrong[0]])
            message = f"expected CRC-32C {expected[wrong[0]]:08x}, got {found[wrong[0]]:08x}"
            raise CorruptDataError(Problem("payload-checksum", f"{source.where}: row {row}", message, REPAIR))
        seen[rows[new]] = 1


FAULTS: dict[int, tuple[type[LapsError], str, str, str]] = {
    2: (StorageError, "closed", "expected an open file, got one that another thread has closed", "read it again"),
    3: (
        CorruptDataError,
        "resized-file",
        "expected the size that the file had before, got another",
        REPAIR,
    ),
    4: (CorruptDataError, "truncated-data", "expected all bytes of the row, got fewer: the file is cut", REPAIR),
    5: (CorruptDataError, "payload-checksum", "expected bytes that fit their CRC-32C, got others", REPAIR),
    6: (CorruptDataError, "undecodable", "expected a Blosc chunk of the row's size, got something else", REPAIR),
    7: (CorruptDataError, "wrong-visibility", "expected 0 or 1 everywhere, got other values", REPAIR),
}


def wait_for(tasks: Sequence[Future[None]]) -> None:
    """Wait for all: until then they write into the batch, and read from files that may not be closed."""
    failures = [failure for task in tasks if (failure := task.exception()) is not None]
    if failures:
        raise failures[0]


def _place(source: Any, row: int) -> str:  # noqa: ANN401 - an index or slabs
    return f" ({source.place(row)})" if isinstance(source, ChunkIndex) else ""


def _converted(values: NDArray[Any], dtype: np.dtype[Any], where: str, rows: NDArray[np.int64]) -> NDArray[Any]:
    """Return rows in the dtype of a batch; refuse those that it cannot hold."""
    if dtype != np.dtype(bool) or values.dtype == dtype:
        return _narrowed(values, dtype, where, rows) if values.dtype != dtype else values
    flags = values.astype(bool)
    if not np.array_equal(values, flags):
        raise CorruptDataError(Problem("wrong-visibility", where, "expected 0 or 1 everywhere, got other values"))
    return flags


def _narrowed(values: NDArray[Any], dtype: np.dtype[Any], where: str, rows: NDArray[np.int64]) -> NDArray[Any]:
    """Return numbers in another dtype; an infinity may only stand where the file has one."""
    with np.errstate(over="ignore"):  # what overflows is refused below
        narrow = values.astype(dtype)
    # Whole numbers of 64 bits, and floats as short as float32, are never too large for it.
    if dtype.kind != "f" or values.dtype.kind != "f" or values.dtype.itemsize <= dtype.itemsize:
        return narrow
    grown = np.isinf(narrow)
    if grown.any() and (grown := grown & np.isfinite(values)).any():
        row = int(rows[np.argmax(grown.reshape(len(rows), -1).any(axis=1))])
        message = f"expected numbers that {dtype} can hold, got larger ones"
        raise CorruptDataError(Problem("not-finite", f"{where}: row {row}", message, "give positions in pixels"))
    return narrow


def _copy_by_address(
    ids: NDArray[np.int64],
    starts: NDArray[np.int64],
    slots: NDArray[np.int64],
    tables: NDArray[np.int64],
    fields: NDArray[np.int64],
    parts: NDArray[np.int64],
    outs: NDArray[np.int64],
    sizes: NDArray[np.int64],
    verify: int,
    opened: OpenPieces,
) -> tuple[int, int, int]:
    """Call the compiled loop without handing it an array."""
    from lapsdata.storage._copy_loop import copy_rows_at

    ids, outs, sizes, fields = (np.ascontiguousarray(array, np.int64) for array in (ids, outs, sizes, fields))
    at = [array.__array_interface__["data"][0] for array in (ids, starts, slots, tables, fields, outs, sizes, parts)]
    reads = opened.reads.__array_interface__["data"][0]
    shape = (len(ids), len(slots), len(tables), tables.shape[1], len(fields), len(parts))
    return copy_rows_at(
        at[0], shape[0], at[1], at[2], shape[1], at[3], shape[2], shape[3], at[4], at[5], at[6], shape[4], at[7],
        shape[5], verify, opened.room, reads,
    )  # fmt: skip
