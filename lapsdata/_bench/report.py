"""`bench`: the rows, in which order they are measured, and what stands in the report."""

from __future__ import annotations

import os
import resource
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata._bench.advice import advice
from lapsdata._bench.cache import drop_cached, files_below, warm_up
from lapsdata._bench.plain import plain_reader
from lapsdata._bench.timing import Timed, random_batches, timed
from lapsdata.errors import Problem, SchemaError
from lapsdata.loading import Loader, open_windows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    from lapsdata.loading import WindowDataset

__all__ = ["BenchReport", "bench"]

_COPY_BYTES = 1 << 28
"""Bytes of windows that the memory copy takes from: more than the caches of a processor."""

_OPEN_FILES = 512


@dataclass(frozen=True)
class BenchReport:
    """What was measured.

    Parameters
    ----------
    paths : tuple of Path
    windows, files : int
    window_bytes : int
        Bytes of one window as it is handed over.
    open_s : float
        What `open_windows` took.
    rows : dict of Timed
        By name, in the order in which they were measured.
    left_out : dict of str
        Rows that could not be measured, and why.
    step_ms, starved : float or None
        A training step, and the share of its time for which a training with such steps waits for data.
    amplification : float
        Windows decoded per window delivered, in global order.
    peak_mib : float
        Largest memory of this process after any row, without the pages of mapped files.
    problems : tuple of Problem
        What to change.

    Examples
    --------
    >>> BenchReport((), 0, 0, 0, 0.0).facts()["windows"]
    '0 of 0 bytes in 0 files, opened in 0.000 s'
    """

    paths: tuple[Path, ...]
    windows: int
    files: int
    window_bytes: int
    open_s: float
    rows: dict[str, Timed] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    step_ms: float | None = None
    starved: float | None = None
    amplification: float = 1.0
    peak_mib: float = 0.0
    problems: tuple[Problem, ...] = ()

    def facts(self) -> dict[str, str]:
        """Return what is not in the table, in lines."""
        size = f"{self.windows} of {self.window_bytes} bytes in {self.files} files"
        facts = {
            "windows": f"{size}, opened in {self.open_s:.3f} s",
            "memory": f"{self.peak_mib:.0f} MiB at most, pages of mapped files left out",
        }
        if self.starved is not None:
            facts["starvation"] = f"{self.starved:.1%} of a training with steps of {self.step_ms:g} ms"
        return facts | {f"left out: {name}": reason for name, reason in self.left_out.items()}

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Return columns and rows as text."""
        columns = ["", "windows/s", "GB/s", "first batch", "wait p50", "p95", "max", "CPU s/1000"]
        return columns, [
            [
                name,
                f"{row.windows_per_s:,.0f}",
                f"{row.gb_per_s:.2f}",
                f"{row.first_batch_s * 1e3:.1f} ms",
                f"{row.wait_p50_ms:.2f}",
                f"{row.wait_p95_ms:.2f}",
                f"{row.wait_max_ms:.2f}",
                f"{row.cpu_s_per_1000:.3f}",
            ]
            for name, row in self.rows.items()
        ]

    def as_json(self) -> dict[str, Any]:
        """Return everything as a JSON-ready dictionary; the problems are reported beside it."""
        return {
            "windows": self.windows,
            "files": self.files,
            "window_bytes": self.window_bytes,
            "open_s": round(self.open_s, 4),
            "rows": {name: row.as_json() for name, row in self.rows.items()},
            "left_out": self.left_out,
            "step_ms": self.step_ms,
            "starved": None if self.starved is None else round(self.starved, 4),
            "amplification": round(self.amplification, 2),
            "peak_mib": round(self.peak_mib, 1),
        }


def bench(
    path: str | PathLike[str] | Sequence[str | PathLike[str]],
    *,
    batch: int = 64,
    seconds: float = 1.0,
    step_ms: float | None = None,
    seed: int = 0,
) -> BenchReport:
    """Measure how fast the windows of some files can be read, in global random order.

    Each row opens the files anew. "cold" comes first, after the system was asked to forget the files; then everything
    is warm. Nothing is written.

    Parameters
    ----------
    path : path, or sequence of paths
        See `lapsdata.open_windows`.
    batch : int
        Windows per batch.
    seconds : float
        How long each row is measured.
    step_ms : float, optional
        What a training step takes: for the share of time that such a training would wait for a `Loader`.
    seed : int
        Of the order.

    Raises
    ------
    SchemaError
        A number at fault.
    LapsError
        See `lapsdata.open_windows`.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import lapsdata
    >>> from lapsdata.testing.samples import sample_tracks
    >>> target = pathlib.Path(tempfile.mkdtemp()) / "clip.zarr"
    >>> _ = lapsdata.write(target, sample_tracks(windows=50))
    >>> "memory copy" in bench(target, seconds=0.01).rows
    True
    """
    _refuse(batch, seconds, step_ms)
    return _Bench(path, batch, seconds, step_ms, seed).run()


class _Bench:
    """The rows of one report, measured one after the other."""

    def __init__(self, path: Any, batch: int, seconds: float, step_ms: float | None, seed: int) -> None:  # noqa: ANN401
        self._path, self._batch, self._seconds, self._step_ms, self._seed = path, batch, seconds, step_ms, seed
        self._rows: dict[str, Timed] = {}
        self._left_out: dict[str, str] = {}
        self._unverified, self._peak_mib = 0, 0.0

    def run(self) -> BenchReport:
        begun = time.perf_counter()
        windows = open_windows(self._path)
        open_s = time.perf_counter() - begun
        paths = windows.paths
        files = files_below(paths)
        windows.close()
        self._cold(files)
        if not warm_up(files, most_bytes=_free_memory() // 2):
            self._left_out["warm rows in memory"] = "the files are larger than half of the free memory"
        self._ours("verified, 1 thread", verify="first")
        self._ours("verified at each read, 1 thread", verify="always")
        self._ours("not verified, 1 thread", verify="never")
        self._ours("not verified, mapped", verify="never", io="mmap")
        self._ours("not verified, by pread", verify="never", io="pread")
        self._ours("verified, 2 threads", verify="first", threads=2)
        amplification = self._amplification()
        self._loader("Loader, 2 threads", windows)
        self._plain(windows)
        self._copy(windows)
        starved = self._starved(windows) if self._step_ms is not None else None
        found = advice(
            self._rows,
            encoded=windows.encoded,
            block_rows=windows.block_rows,
            amplification=amplification,
            summed=self._unverified == 0,
            files=len(files),
            open_files=_OPEN_FILES,
            step_ms=self._step_ms,
            starved=starved,
        )
        windows.close()
        facts = (len(windows), len(files), windows.spec.nbytes, open_s, self._rows, self._left_out)
        return BenchReport(paths, *facts, self._step_ms, starved, amplification, self._peak_mib, tuple(found))

    def _order(self, windows: WindowDataset) -> Any:  # noqa: ANN401
        return random_batches(len(windows), self._batch, self._seed)

    def _ours(self, name: str, **options: Any) -> None:  # noqa: ANN401 - of open_windows
        begun = time.perf_counter()
        windows = open_windows(self._path, **options)
        opened = time.perf_counter() - begun
        most = 4 * len(windows) + self._batch
        self._rows[name] = timed(
            windows.gather, self._order(windows), seconds=self._seconds, most=most, opened_s=opened
        )
        self._unverified = max(self._unverified, windows.unverified)
        self._peak_mib = max(self._peak_mib, _own_mib())
        windows.close()

    def _cold(self, files: list[Path]) -> None:
        if not files:
            self._left_out["cold"] = "nothing of it lies on this machine"
            return
        if not drop_cached(files):
            self._left_out["cold"] = "this system cannot be asked to forget files"
            return
        self._ours("cold, verified, 1 thread", verify="first")

    def _amplification(self) -> float:
        windows = open_windows(self._path)
        if windows.block_rows == 1:
            return 1.0
        row = timed(windows.gather, self._order(windows), seconds=self._seconds, most=len(windows))
        fields = [name for name in windows.spec if not name.endswith("_s")]
        decoded = windows.decoded_rows / len(fields)
        windows.close()
        order = np.arange(len(windows))
        block = windows.block_rows * max(1, self._batch // windows.block_rows)
        rows = iter(order[first : first + block] for first in range(0, len(order), block))
        self._rows["verified, by blocks"] = timed(
            windows.gather, rows, seconds=self._seconds, most=len(windows) - block
        )
        windows.close()
        return decoded / row.windows

    def _loader(self, name: str, windows: WindowDataset) -> None:
        with Loader(windows, batch_size=self._batch, shuffle="global", seed=self._seed, epochs=None) as loader:
            batches = iter(loader)
            self._rows[name] = timed(
                lambda _: next(batches), self._order(windows), seconds=self._seconds, most=4 * len(windows)
            )

    def _plain(self, windows: WindowDataset) -> None:
        plain = plain_reader(windows)
        if plain is None:
            self._left_out["plain reader"] = "not all are HDF5 or Zarr files that h5py or zarr-python reads by window"
            return
        name, gather = plain
        self._rows[name] = timed(gather, self._order(windows), seconds=self._seconds, most=len(windows))

    def _copy(self, windows: WindowDataset) -> None:
        """Take windows from arrays in memory: what nothing can be faster than."""
        count = int(min(len(windows), max(self._batch, _COPY_BYTES // max(1, windows.spec.nbytes))))
        held = windows.gather(np.arange(count))
        self._rows["memory copy"] = timed(
            lambda ids: {name: np.take(array, ids, axis=0) for name, array in held.items()},
            random_batches(count, self._batch, self._seed),
            seconds=self._seconds,
            most=20 * count,
        )

    def _starved(self, windows: WindowDataset) -> float:
        """Train for a while with steps that only wait, and say for which share of the time data were waited for."""
        step_s = (self._step_ms or 0.0) / 1e3
        with Loader(windows, batch_size=self._batch, shuffle="global", seed=self._seed, epochs=None) as loader:
            batches = iter(loader)
            next(batches)
            waited, begun = 0.0, time.perf_counter()
            while time.perf_counter() - begun < max(self._seconds, 5 * step_s):
                since = time.perf_counter()
                next(batches)
                waited += time.perf_counter() - since
                time.sleep(step_s)
            return waited / (time.perf_counter() - begun)


def _own_mib() -> float:
    """Return the memory of this process without the pages of mapped files; all of it where the system does not tell."""
    status = Path("/proc/self/status")
    for line in status.read_text().splitlines() if status.is_file() else ():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1 << 20)


def _free_memory() -> int:
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return 1 << 30  # the system does not tell: assume little


def _refuse(batch: int, seconds: float, step_ms: float | None) -> None:
    for name, value in (("batch", batch), ("seconds", seconds), ("step_ms", step_ms)):
        if value is not None and not value > 0:
            raise SchemaError(Problem("wrong-value", name, f"expected a number above 0, got {value}"))
