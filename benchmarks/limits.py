"""What the system allows a reader of files in the page cache: the same windows, and nothing done with them.

    python benchmarks/limits.py KIND [--data FOLDER]

KIND is `zarr_raw`, `hdf5_contiguous` or `hdf5_windows`. Orders on standard input, a line of JSON for each: {"limit",
"threads"}. `pread` reads the bytes of each window in global random order into the same memory again and again; `map`
maps every file and brings its pages in; `copy` copies the windows out of such maps; `sum` takes the CRC-32C of as many
bytes as a window has, from memory that was just written. A first epoch that is verified pays `pread`, or `map` and
`copy`, and then `sum`; a later one pays `copy`.
"""

from __future__ import annotations

import argparse
import json
import mmap
import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import numba
import numpy as np
from datagen import Data, data_root, read_all, write_ours
from numba import types
from numba.core.types import ExternalFunction

from lapsdata.formats import recognise
from lapsdata.storage._copy_loop import sum_rows

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

KINDS = ("zarr_raw", "hdf5_contiguous", "hdf5_windows")
BATCH = 64
POPULATE_READ = 22  # Linux 5.14, MADV_POPULATE_READ

_pread: Any = ExternalFunction("pread", types.intp(types.int32, types.intp, types.intp, types.intp))


_memcpy: Any = ExternalFunction("memcpy", types.intp(types.intp, types.intp, types.intp))


@numba.njit(nogil=True)
def copy_rows(bases: Ints, offsets: Ints, lengths: Ints, target: int, size: int) -> int:
    """Do as `read_rows`, from maps that begin at `bases`."""
    for i in range(len(offsets)):
        _memcpy(target + (i % BATCH) * size, bases[i] + offsets[i], lengths[i])
    return int(lengths.sum())


@numba.njit(nogil=True)
def read_rows(descriptors: Ints, offsets: Ints, lengths: Ints, target: int, size: int) -> int:
    """Read rows into `BATCH` places of `size` bytes by turns; return the bytes that were read."""
    done = 0
    for i in range(len(offsets)):
        done += _pread(np.int32(descriptors[i]), target + (i % BATCH) * size, lengths[i], offsets[i])
    return done


class Stored:
    """Where the two fields of every window lie."""

    def __init__(self, folder: Path) -> None:
        self.files: list[Path] = []
        parts: list[list[Ints]] = []
        for path in sorted(item for item in folder.iterdir() if item.suffix in (".h5", ".zarr")):
            index: Any = recognise(path).index
            sources = index(path).sources["default"]
            rows = []
            for name in ("tracks", "vis"):
                source = sources[name]
                known = {file: len(self.files) + n for n, file in enumerate(dict.fromkeys(source.files))}
                self.files += known
                numbers = np.array([known[file] for file in source.files])
                rows.append(np.stack([numbers[source.file], source.offset, source.length]))
            parts.append(np.stack(rows))
        self.rows = np.concatenate(parts, axis=-1)  # (2 fields, 3, windows)
        self.descriptors = np.array([os.open(file, os.O_RDONLY) for file in self.files])
        self.bytes = int(self.rows[:, 2].sum(axis=0).max())

    def map(self) -> list[NDArray[np.uint8]]:
        """Map every file, with its pages: anew each time, since a machine takes pages from maps that nobody uses."""
        maps = []
        for descriptor, file in zip(self.descriptors.tolist(), self.files, strict=True):
            view = mmap.mmap(descriptor, file.stat().st_size, prot=mmap.PROT_READ)
            view.madvise(POPULATE_READ)
            maps.append(np.frombuffer(view, np.uint8))
        return maps


def pread(stored: Stored, threads: int) -> float:
    """Return windows per second."""
    return at_random(read_rows, stored, stored.descriptors, threads)


def copy(stored: Stored, threads: int) -> float:
    """Return windows per second, from maps whose pages are there."""
    maps = stored.map()
    return at_random(copy_rows, stored, np.array([view.ctypes.data for view in maps]), threads)


def at_random(loop: Any, stored: Stored, files: Ints, threads: int) -> float:  # noqa: ANN401 - compiled
    order = np.random.default_rng().permutation(stored.rows.shape[2])
    file, offset, length = stored.rows[:, :, order].transpose(1, 2, 0).reshape(3, -1)
    every = (files[file], np.ascontiguousarray(offset), np.ascontiguousarray(length))
    size = int(length.max())

    def work(number: int) -> None:
        own = np.ones(BATCH * size, np.uint8)
        part = [np.ascontiguousarray(array.reshape(-1, 2)[number::threads].reshape(-1)) for array in every]
        loop(*part, own.ctypes.data, size)

    return len(order) / seconds_of(work, threads)


def mapped(stored: Stored, threads: int) -> float:
    """Return windows per second, were each one used once."""
    sizes = [file.stat().st_size for file in stored.files]

    def work(number: int) -> None:
        for descriptor, size in list(zip(stored.descriptors.tolist(), sizes, strict=True))[number::threads]:
            with mmap.mmap(descriptor, size, prot=mmap.PROT_READ) as view:
                view.madvise(POPULATE_READ)

    return stored.rows.shape[2] / seconds_of(work, threads)


def summed(stored: Stored, threads: int) -> float:
    """Return windows per second."""
    count = stored.rows.shape[2] // threads

    def work(_: int) -> None:
        own, sums = np.ones(BATCH * stored.bytes, np.uint8), np.empty(BATCH, np.uint32)
        for _turn in range(count // BATCH):
            sum_rows(own.ctypes.data, stored.bytes, sums)

    return count // BATCH * BATCH * threads / seconds_of(work, threads)


def seconds_of(work: Any, threads: int) -> float:  # noqa: ANN401 - a function of a thread's number
    parts = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    start = time.perf_counter()
    for part in parts:
        part.start()
    for part in parts:
        part.join()
    return time.perf_counter() - start


LIMITS = {"pread": pread, "map": mapped, "copy": copy, "sum": summed}


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what the system allows.")
    parser.add_argument("kind", metavar="KIND", choices=KINDS)
    parser.add_argument("--data")
    asked = parser.parse_args()
    folder = write_ours(data_root(asked.data), asked.kind, Data())
    read_all(folder)
    stored = Stored(folder)
    for limit in LIMITS.values():
        limit(stored, 1)  # compiled before it is measured
    print(json.dumps({"ready": asked.kind}), flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        read_all(folder)
        speed = LIMITS[order["limit"]](stored, order["threads"])
        print(json.dumps(order | {"windows_per_s": round(speed)}), flush=True)


if __name__ == "__main__":
    main()
