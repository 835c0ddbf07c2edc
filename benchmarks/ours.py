"""Our reader, measured in a process of its own: orders on standard input, a line of JSON for each.

    python benchmarks/ours.py KIND [--data FOLDER]

KIND is one of `datagen.KINDS`, `shards`, or `take`: `np.take` of the same arrays in memory, which all others are
compared with. An order is JSON: {"verify", "io", "threads", "batch", "epochs": [first, last]}; it opens the data anew
and counts the windows of those epochs, each of which is a global permutation. Epoch 0 is the first one: with
`verify="first"` each of its windows is verified, and whatever opening put off is paid in it.

Two more orders: {"cold": SECONDS, "verify", "io", "threads", "batch"} asks the system to forget the files, and counts
the windows of the seconds after opening; {"shuffle", "threads", "batch", "seconds"} counts those that a `Loader` hands
over, and says among how many windows it shuffles and how many were decoded for each.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import resource
import sys
import threading
import time
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from datagen import KINDS, Data, data_root, drop_cache, ensure, read_all, write_ours

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    Gather = Callable[[NDArray[np.int64]], dict[str, NDArray[Any]]]

FIELDS = ("tracks", "vis")


def shards(root: Path, data: Data) -> Path:
    """Write the windows as WebDataset shards, from the raw Zarr files, unless they are there."""
    import lapsdata

    def make(folder: Path) -> None:
        from lapsdata.formats import read
        from lapsdata.formats.shards_webdataset import ShardsWriter
        from lapsdata.provenance import provenance

        with ShardsWriter(folder / "all.shards") as out:
            for path in sorted(write_ours(root, "zarr_raw", data).glob("*.zarr")):
                out.add(read(path, lapsdata.Tracks))
            out.finish(provenance(parameters={}))

    described = data.description() | {"kind": "shards", "lapsdata": lapsdata.__version__}
    return ensure(root / data.name / "shards", described, make) / "all.shards"


def opened(kind: str, folder: Path | None, order: dict[str, Any], data: Data) -> Gather:
    if folder is None:
        arrays = _arrays(data)
        return lambda ids: {name: np.take(array, ids, axis=0) for name, array in arrays.items()}
    import lapsdata

    windows = lapsdata.open_windows(_files(kind, folder), verify=order["verify"], io=order["io"])
    return lambda ids: windows.gather(ids, fields=FIELDS)


def _files(kind: str, folder: Path) -> Path | list[Path]:
    return folder if kind == "shards" else sorted(path for path in folder.iterdir() if path.suffix in (".h5", ".zarr"))


_held: dict[str, NDArray[Any]] = {}


def _arrays(data: Data) -> dict[str, NDArray[Any]]:
    if not _held:
        parts = list(data.each_file())
        _held.update({name: np.concatenate([part[name] for part in parts]) for name in FIELDS})
    return _held


def measure(kind: str, folder: Path | None, order: dict[str, Any], data: Data) -> dict[str, Any]:
    """Open, pass over the epochs before those that count, and time these.

    Before that the files are read once: where a machine forgets files that nobody has read for a while, those of
    whoever waits longest for its turn would be measured from the disk.
    """
    if folder is not None:
        read_all(folder)
    start = time.perf_counter()
    gather = opened(kind, folder, order, data)
    open_s = time.perf_counter() - start
    first, last = order["epochs"]
    batch, threads = order["batch"], order["threads"]
    for epoch in range(first):
        _epoch(gather, data, 64, threads, epoch, [])
    waits: list[float] = []
    cpu, since = time.process_time(), time.perf_counter()
    windows = sum(_epoch(gather, data, batch, threads, epoch, waits) for epoch in range(first, last))
    seconds = time.perf_counter() - since
    return order | {
        "windows_per_s": round(windows / seconds),
        "open_s": round(open_s, 3),
        "cpu_s_per_1000": round((time.process_time() - cpu) / windows * 1000, 5),
        "peak_rss_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def measure_cold(kind: str, folder: Path, order: dict[str, Any], data: Data) -> dict[str, Any]:
    """Time global order from files that are not in memory."""
    gc.collect()  # what is mapped cannot be forgotten
    drop_cache(folder)
    start = time.perf_counter()
    gather = opened(kind, folder, order, data)
    ids = np.random.default_rng(5).permutation(len(data))
    rows = ids[: len(ids) // order["batch"] * order["batch"]].reshape(-1, order["batch"])
    asked, lock, seen = iter(rows), threading.Lock(), [0]

    def take() -> None:
        while time.perf_counter() - start < order["cold"]:
            with lock:
                row = next(asked, None)
            if row is None:
                return
            gather(row)
            with lock:
                seen[0] += len(row)

    parts = [threading.Thread(target=take) for _ in range(order["threads"])]
    for part in parts:
        part.start()
    for part in parts:
        part.join()
    return order | {"windows_per_s": round(seen[0] / (time.perf_counter() - start)), "windows": seen[0]}


def measure_loader(kind: str, folder: Path, order: dict[str, Any]) -> dict[str, Any]:
    """Time a `Loader`, whose threads prefetch; rows that share chunks are read together by `shuffle="block"`."""
    import lapsdata

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lapsdata.errors.LapsWarning)  # files of others carry no checksums
        windows = lapsdata.open_windows(_files(kind, folder))
    options: dict[str, Any] = {"batch_size": order["batch"], "shuffle": order["shuffle"], "workers": order["threads"]}
    with lapsdata.Loader(windows, epochs=None, **options) as loader:
        batches = iter(loader)
        seen, start = len(next(batches)["tracks"]), time.perf_counter()
        decoded, first = windows.decoded_rows, seen
        while time.perf_counter() - start < order["seconds"]:
            seen += len(next(batches)["tracks"])
        seconds = time.perf_counter() - start
        decoded = windows.decoded_rows - decoded
        return order | {
            "windows_per_s": round((seen - first) / seconds, 1),
            "shuffle_window": loader.plan().shuffle_window,
            "decoded_per_window": round(decoded / 2 / (seen - first), 2),
        }


def _epoch(gather: Gather, data: Data, batch: int, threads: int, epoch: int, waits: list[float]) -> int:
    ids = np.random.default_rng((epoch, 1)).permutation(len(data))
    rows = ids[: len(ids) // batch * batch].reshape(-1, batch)
    if threads == 1:
        _take(gather, rows)
    else:
        parts = [threading.Thread(target=_take, args=(gather, rows[n::threads])) for n in range(threads)]
        for part in parts:
            part.start()
        for part in parts:
            part.join()
    return int(rows.size)


def _take(gather: Gather, rows: NDArray[np.int64]) -> None:
    held = None
    for row in rows:
        held = gather(row)  # let go when the next one has come, as a training loop does
    del held


def check(kind: str, folder: Path | None, data: Data) -> None:
    """Compare some windows of every file with what was written."""
    ids = np.random.default_rng(9).integers(0, len(data), 200)
    found = opened(kind, folder, {"verify": "first", "io": "auto"}, data)(ids)
    for name, values in data.expected(ids).items():
        if not np.array_equal(found[name], values) and not kind.endswith("compact"):
            raise SystemExit(f"{kind}: {name} are not as they were written")


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure our reader.")
    parser.add_argument("kind", metavar="KIND", choices=(*KINDS, "shards", "take"))
    parser.add_argument("--data")
    parser.add_argument("--files", type=int, default=Data.files)
    parser.add_argument("--windows", type=int, default=Data.windows)
    asked = parser.parse_args()
    data, root = Data(files=asked.files, windows=asked.windows), data_root(asked.data)
    folder = None
    if asked.kind == "shards":
        folder = shards(root, data)
    elif asked.kind != "take":
        folder = write_ours(root, asked.kind, data)
    check(asked.kind, folder, data)
    print(json.dumps({"ready": asked.kind, "cores": os.cpu_count()}), flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        if folder is not None and "cold" in order:
            told = measure_cold(asked.kind, folder, order, data)
        elif folder is not None and "shuffle" in order:
            told = measure_loader(asked.kind, folder, order)
        else:
            told = measure(asked.kind, folder, order, data)
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
