"""What many files cost: opening a catalog of a million, and reading 10,000 in a global order.

    python benchmarks/bench_catalog.py [FILES [ITEMS]]

Opening: a catalog of ITEMS items and 300 windows each is generated, with an index of as many entries (whose content is
holes of a sparse file: opening reads none of it), and opened in processes of its own, again and again; time from
before the import of `lapsdata`, and the largest memory of the process, are told. Promise: <= 2 s, <= 300 MB.

Reading: FILES raw HDF5 files of 6 windows (16, 400, 2) float32 and visibility are read in a global order, batches of
64, two prefetching threads of a `Loader`, page cache warm, every window compared with its checksum (the first epoch of
a process): by a catalog with its index, by one without (40 steps), and as a folder (40 steps, once: opening it opens
every file). Promise with an index: >= 20,000 windows/s.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from machine import hardware, versions

import lapsdata
from lapsdata.containers import Catalog
from lapsdata.loading._catalog_index import EntryWriter, generation_of, index_place
from lapsdata.provenance import provenance
from lapsdata.schema import CatalogField, CatalogHeader, SourceVideo
from lapsdata.storage.sealed_groups import GroupedTable
from lapsdata.testing.samples import sample_tracks

if TYPE_CHECKING:
    from collections.abc import Callable

RESULT = Path(__file__).with_name("results") / "catalog.json"
PROMISE = {"open_s": 2.0, "open_mb": 300.0, "windows_per_s": 20_000}
WINDOWS, ENTRY_BYTES = 300, 5_200
HORIZON, POINTS, WINDOWS_PER_FILE, BATCH = 16, 400, 6, 64
EPOCHS, SLOW_STEPS, OPENINGS = 5, 40, 5

OPEN = """
import json, pathlib, re, sys, time
began = time.perf_counter()
import lapsdata
windows = lapsdata.open_windows(sys.argv[1])
count, opened = len(windows), time.perf_counter()
train = windows.subset(split="train")
chosen = time.perf_counter()
# Not ru_maxrss, which begins with what the process had before it became this program: its parent's memory.
peak = int(re.search(r"VmHWM:\\s+(\\d+) kB", pathlib.Path("/proc/self/status").read_text())[1]) * 1024 / 1e6
print(json.dumps({"windows": count, "open_s": opened - began, "split_s": chosen - opened, "peak_mb": peak}))
"""

READ = """
import json, sys, time
import numpy as np
import lapsdata
from lapsdata.loading import Loader
opening = time.perf_counter()
windows = lapsdata.open_windows(sys.argv[1])
opened = time.perf_counter()
for _ in range(2):
    windows.gather(np.arange(2))
steps = int(sys.argv[2]) or len(windows) // 64
loader = Loader(windows, batch_size=64, shuffle="global", workers=2, steps_per_epoch=steps)
began = time.perf_counter()
seen = sum(len(batch["start_s"]) for batch in loader)
print(json.dumps({"open_s": opened - opening, "windows_per_s": seen / (time.perf_counter() - began), "windows": seen}))
"""


def generated(folder: Path, items: int) -> Path:
    """Write a catalog of items that are nowhere, with an index whose entries are holes."""
    fields = (
        CatalogField(name="tracks", shape=(16, 400, 2), dtype="float32", unit="pixel xy"),
        CatalogField(name="vis", shape=(16, 400), dtype="bool"),
        *(CatalogField(name=name, shape=shape, dtype="float64", unit="seconds") for name, shape in TIMES.items()),
    )
    header = CatalogHeader(
        provenance=provenance(), fields=fields, usual=("tracks", "vis", "start_s"), splits=("train", "test"),
        items=items, windows=items * WINDOWS,
    )  # fmt: skip
    catalog = Catalog(
        header,
        path=tuple(f"part_{i // 1000:04d}/video_{i:07d}.h5" for i in range(items)),
        video=tuple(f"video_{i:07d}" for i in range(items)),
        group=tuple(f"subject_{i // 10:06d}" for i in range(items)),
        split=tuple("test" if i // 10 % 10 == 0 else "train" for i in range(items)),
        first=np.zeros(items, np.int64),
        windows=np.full(items, WINDOWS, np.int64),
        duration_s=np.full(items, (WINDOWS + HORIZON) / 10),
        rate=("10",) * items,
        digest=tuple(f"sha256:{hash(('item', i)) & (1 << 256) - 1:064x}" for i in range(items)),
    )
    place = folder / "generated.catalog.parquet"
    lapsdata.write(place, catalog)
    home = index_place(place)
    home.mkdir()
    with (home / "entries.npy").open("wb") as file:
        out = EntryWriter(file, home, generation_of(catalog.path))
        out.places = list(range(0, (items + 1) * ENTRY_BYTES, ENTRY_BYTES))
        file.truncate(file.tell() + items * ENTRY_BYTES)
        out.finish(header, GroupedTable(place).seal)
    return place


TIMES: dict[str, tuple[int, ...]] = {"start_s": (), "step_s": (HORIZON,), "end_s": ()}


def files(folder: Path, count: int) -> Path:
    """Write raw HDF5 files, and return their folder."""
    home = folder / "files"
    home.mkdir()
    random = np.random.default_rng(0)
    tracks = sample_tracks(windows=WINDOWS_PER_FILE, horizon=HORIZON, points=POINTS)
    for number in range(count):
        positions = random.random((WINDOWS_PER_FILE, HORIZON, POINTS, 2), np.float32) * 256
        header = tracks.header.model_copy(update={"video": SourceVideo(name=f"video_{number:05d}")})
        made = type(tracks)(header, {"default": positions}, tracks.vis, tracks.start_index, tracks.frame_s)
        lapsdata.write(home / f"video_{number:05d}.h5", made)
    return home


def child(program: str, *arguments: object) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)], capture_output=True, text=True, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def medians(measure: Callable[[], dict[str, Any]], times: int) -> dict[str, Any]:
    found = [measure() for _ in range(times)]
    return {name: statistics.median(one[name] for one in found) for name in found[0]}


def opening(folder: Path, items: int) -> dict[str, Any]:
    place = generated(folder, items)
    child(OPEN, place)
    return {"items": items, **medians(lambda: child(OPEN, place), OPENINGS)}


def reading(folder: Path, count: int) -> dict[str, Any]:
    home = files(folder, count)
    with_index, without = home / "with.catalog.parquet", home / "without.catalog.parquet"
    began = time.perf_counter()
    lapsdata.write_catalog(with_index, home)
    written = time.perf_counter() - began
    shutil.copy(with_index, without)
    child(READ, with_index, 0)
    rows = {
        "catalog with index": medians(lambda: child(READ, with_index, 0), EPOCHS),
        "catalog without index": medians(lambda: child(READ, without, SLOW_STEPS), 3),
        "folder": child(READ, home, SLOW_STEPS),
    }
    return {
        "files": count,
        "windows_per_file": WINDOWS_PER_FILE,
        "gigabytes": sum(path.stat().st_size for path in home.glob("*.h5")) / 1e9,
        "write_catalog_files_per_s": count / written,
        "rows": rows,
    }


def main() -> None:
    count, items = [int(word) for word in [*sys.argv[1:], *("10000", "1000000")[len(sys.argv) - 1 :]]]
    with tempfile.TemporaryDirectory(dir=os.environ.get("LAPSDATA_BENCH_DIR")) as folder:
        told = {"opening": opening(Path(folder), items), "reading": reading(Path(folder), count)}
    result = {"promise": PROMISE, **told, "versions": versions("numpy", "pyarrow", "h5py"), "hardware": hardware()}
    if (count, items) == (10_000, 1_000_000):
        RESULT.write_text(json.dumps(result, indent=2) + "\n")
    sys.stdout.write(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    main()
