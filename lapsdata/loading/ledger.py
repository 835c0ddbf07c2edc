"""A rank's ledger: which samples it has received, line by line, each with its own checksum.

`ledger-rank0003.jsonl` holds lines of JSON: one that opens a run (`LedgerRun`), then one for each stretch of steps
within an epoch (`LedgerSpan`). The last of these grows in its place with every step, in one write: a process that is
killed leaves what it had received, and the file stays small. `lapsdata.loading.ledger_check` reads what it says.
"""

from __future__ import annotations

import fcntl
import os
import weakref
from typing import TYPE_CHECKING

from lapsdata.errors import LapsError, Problem, StorageError, warn
from lapsdata.loading._hashing import EVERY_BIT, extended_crc32c, keys_of, sum_of_hashes
from lapsdata.storage.atomic import storage_errors
from lapsdata.storage.seal import crc32c
from lapsdata.storage.sealed_json import sealed_json

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from lapsdata.loading.sampler import Span
    from lapsdata.schema.ledger import LedgerRun

__all__ = ["Ledger", "ledger_name", "run_name"]

# A line is begun anew after so many steps: more than that is never lost with one damaged line.
_STEPS = 4096


def ledger_name(rank: int) -> str:
    """Return the name of a rank's file.

    Examples
    --------
    >>> ledger_name(3)
    'ledger-rank0003.jsonl'
    """
    return f"ledger-rank{rank:04d}.jsonl"


def run_name(
    parent: str | None,
    *,
    epoch: int,
    position: int,
    world_size: int,
    global_batch_size: int,
    last: str,
    steps_per_epoch: int | None,
) -> str:
    """Return the name of a run, by what the line that opens it says: the same for all ranks, and again when checked.

    Examples
    --------
    >>> where = {"epoch": 0, "position": 0, "world_size": 1, "global_batch_size": 4}
    >>> run_name(None, **where, last="mask", steps_per_epoch=None)
    'f7c2331172c55e76'
    """
    words = (parent or "", epoch, position, world_size, global_batch_size, last, steps_per_epoch or 0)
    return f"{keys_of(('run', *words), 1)[0]:016x}"


_OPEN: weakref.WeakSet[Ledger] = weakref.WeakSet()
"""The ledgers of this process, to tell whose lock it is that stands in the way."""


class Ledger:
    """The file of one rank, open for writing; nobody else writes to it meanwhile.

    Parameters
    ----------
    folder : Path
        Made if it does not exist. The file goes on where an earlier run has left it.
    run : LedgerRun
        What is about to be received, from where on.

    Raises
    ------
    StorageError
        The file system refuses, or another process or another Loader of this one writes to the file.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import numpy as np
    >>> from lapsdata.loading.sampler import Span
    >>> from lapsdata.schema.ledger import LedgerRun
    >>> from lapsdata.schema.loader import EpochOrder, OrderedSource
    >>> order = EpochOrder(seed=0, shuffle="none", samples=3, sources=(OrderedSource(name="source", samples=3),))
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> run = LedgerRun(
    ...     order=order, run="0" * 16, rank=0, world_size=1, global_batch_size=3, last="mask", epoch=0, position=0
    ... )
    >>> ledger = Ledger(folder, run)
    >>> ledger.note((Span(0, 0, 3, 0, slice(0, 3)),), np.arange(3))
    >>> ledger.close()
    >>> len((folder / "ledger-rank0000.jsonl").read_text().splitlines())
    2
    """

    def __init__(self, folder: Path, run: LedgerRun) -> None:
        self.path = folder / ledger_name(run.rank)
        self._process = os.getpid()
        self._span: Span | None = None
        self._length = self._end = self._steps = self._count = self._sum = self._crc = 0
        with storage_errors(self.path, "write"):
            folder.mkdir(parents=True, exist_ok=True)
            self._handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        self._close = weakref.finalize(self, os.close, self._handle)
        try:
            self._take_over()
            self.begin(run)
        except BaseException:
            self._close()
            raise
        _OPEN.add(self)

    def _take_over(self) -> None:
        """Lock the file and go to its end; a line that a crash has torn is ended, and told."""
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            who, end = "another process", "end that process"
            if self._is_ours():
                who, end = "another Loader of this process", "close() that Loader"
            message = f"expected a ledger of its own for each Loader, got one that {who} writes to"
            fix = f"{end}, give each its rank, or name another folder"
            raise StorageError(Problem("in-use", str(self.path), message, fix)) from error
        except OSError as error:
            warn(f"{self.path}: the file system has no locks ({error.strerror}): let no other process write to it")
        with storage_errors(self.path, "write"):
            self._end = os.fstat(self._handle).st_size
            if self._end and os.pread(self._handle, 1, self._end - 1) != b"\n":
                warn(f"{self.path}: its last line was torn by a crash; it is kept, and counts as damaged")
                self._write(b"\n")
                self._end += 1

    def _is_ours(self) -> bool:
        """Say whether this process has the file open for writing already."""
        return any(
            other._close.alive and other._process == self._process and os.path.sameopenfile(other._handle, self._handle)
            for other in list(_OPEN)
        )

    def begin(self, run: LedgerRun) -> None:
        """Open a run: what comes next begins at its position."""
        self._end += self._length
        self._span, self._length = None, 0
        line = sealed_json(run)
        self._write(line)
        self._end += len(line)

    def note(self, spans: tuple[Span, ...], ids: NDArray[np.int64]) -> None:
        """Note one step.

        Parameters
        ----------
        spans : tuple of Span
            The epochs that it has a part in, in order; also if this rank has no sample of them.
        ids : int64 (B,)
            Of the batch; `Span.rows` says which of them count.

        Raises
        ------
        StorageError
            The file system refuses.
        LapsError
            This process is a fork of the one that opened the ledger.
        """
        if os.getpid() != self._process:
            message = "expected the process that opened it, got a fork of it"
            raise LapsError(Problem("forked", str(self.path), message, "make a Loader in the child, of its own rank"))
        for span in spans:
            self._extend(span, ids[span.rows])

    def _extend(self, span: Span, ids: NDArray[np.int64]) -> None:
        line = self._span
        grows = line is not None and (line.epoch, line.stop) == (span.epoch, span.start) and self._steps < _STEPS
        if line is None or not grows:
            if line is not None:
                self._end += self._length
            line = span
            self._count = self._steps = self._sum = self._crc = 0
        self._count += len(ids)
        self._steps += 1
        self._sum = (self._sum + sum_of_hashes(ids)) & EVERY_BIT
        self._crc = extended_crc32c(self._crc, ids)
        body = (
            f'{{"count":{self._count},"epoch":{line.epoch},"first":{line.first},'
            f'"ids_crc32c":"{self._crc:08x}","ids_sum":"{self._sum:016x}","start":{line.start},"stop":{span.stop}'
        )
        text = f'{body},"x-seal":"crc32c:{crc32c((body + "}").encode()):08x}"}}\n'.encode()
        self._write(text)
        self._length = len(text)
        self._span = type(span)(line.epoch, line.start, span.stop, line.first, span.rows)

    def _write(self, data: bytes) -> None:
        with storage_errors(self.path, "write"):
            written = os.pwrite(self._handle, data, self._end)
            # Only a full disk makes it shorter; the next try says so.
            if written < len(data):
                os.pwrite(self._handle, data[written:], self._end + written)

    def flush(self) -> None:
        """Wait until everything noted is on the disk."""
        if self._close.alive and os.getpid() == self._process:
            with storage_errors(self.path, "write"):
                os.fsync(self._handle)

    def close(self) -> None:
        """Flush and close the file; nothing can be noted any more."""
        try:
            self.flush()
        finally:
            self._close()
