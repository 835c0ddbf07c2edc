"""How many sets of views are loaded per second from files of ours, and whether memory stays flat.

    python benchmarks/bench_views.py [SETS]

Sets of four panoramas of 1008 x 252 pixels (colours, depth, two masks: 9 MB) in one file, as `lapsdata convert` writes
it, which the system holds in memory after it was read once: what is measured is everything from there to batches of
checked arrays, each row compared with its checksum when it is first read. Batches of 8 images, two threads that load.
On a machine that others use as well threads wait for a processor: the processor's time of this process leaves the
waiting out. Then 10,000 samples of small pictures: the memory of the process after 1,000 and after all of them.

Promises: at least 100 sets per second on two cores, by the processor's time, and memory that grows by less than 2 %.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from machine import hardware, versions

from lapsdata.containers import LAYERS, HeldPixels, Views
from lapsdata.formats import write
from lapsdata.loading import Loader, ViewDataset, open_view_sets
from lapsdata.provenance import provenance
from lapsdata.schema import CameraModel, PanoramaAngles, Size, ViewsHeader

RESULT = Path(__file__).with_name("results") / "views.json"
PROMISE = {"sets_per_second": 100, "memory_growth": 0.02}
VIEWS, CORES = 4, 2
STORED = ("image", "depth", "valid", "non_ambiguous")


def written(folder: Path, sets: int, width: int, height: int) -> Path:
    """Write sets of panoramas; a few pictures serve for all of them."""
    random = np.random.default_rng(0)
    shape, total = (height, width), sets * VIEWS
    model = CameraModel(
        kind="equirectangular",
        size=Size(width=width, height=height),
        angles=PanoramaAngles(h_fov_deg=360.0, low_deg=-45.0, high_deg=45.0),
        depth="ray",
    )
    few: dict[str, list[Any]] = {
        "image": [random.integers(0, 256, (*shape, 3), np.uint8) for _ in range(VIEWS)],
        "depth": [random.random(shape, np.float32) * 80 for _ in range(VIEWS)],
        "valid": [random.random(shape) < 0.8 for _ in range(VIEWS)],
        "non_ambiguous": [random.random(shape) < 0.9 for _ in range(VIEWS)],
    }
    pixels: dict[Any, Any] = {layer: tuple(few[layer] * sets) if layer in few else (None,) * total for layer in LAYERS}
    path = folder / f"{width}x{height}.views.h5"
    write(
        path,
        Views(
            ViewsHeader(provenance=provenance(), cameras=(model,)),
            split=("train",) * sets,
            scenario=("scene",) * sets,
            frame=np.arange(sets),
            time_s=np.arange(sets) / 10,
            set_stop=np.arange(VIEWS, total + 1, VIEWS),
            agent=tuple(f"{number}" for number in range(VIEWS)) * sets,
            camera=("panorama",) * total,
            model=np.zeros(total, np.int64),
            cam2world=np.tile(np.eye(4), (total, 1, 1)),
            present={layer: np.full(total, layer in STORED) for layer in LAYERS},
            pixels=HeldPixels(pixels),
        ),
    )
    return path


def loaded(sets: ViewDataset, count: int, images: int) -> tuple[int, float, float]:
    """Return how many sets were loaded, and how long it took by the clock and by the processor."""
    batches = sets.batches(images)
    loader = Loader(batches, batch_size=1, shuffle="global", epochs=None, steps_per_epoch=1 << 30, workers=CORES)
    found, begun, busy = 0, time.perf_counter(), time.process_time()
    for batch in loader:
        found += int(batch["sets"][0])
        if found >= count:
            break
    took = time.perf_counter() - begun, time.process_time() - busy
    loader.close()
    return found, *took


def held_mb() -> float:
    """Return the memory that this process holds now, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def memory(sets: ViewDataset, samples: int) -> dict[str, float]:
    loader = Loader(sets.batches(VIEWS), batch_size=1, shuffle="global", epochs=None, steps_per_epoch=1 << 30)
    told: dict[str, float] = {}
    for number, _ in enumerate(loader, 1):
        if number in (samples // 10, samples):
            told["first_mb" if number < samples else "last_mb"] = round(held_mb(), 1)
        if number == samples:
            break
    loader.close()
    return told | {"growth": round(told["last_mb"] / told["first_mb"] - 1, 4)}


def measure(sets: int, samples: int, size: tuple[int, int], folder: Path) -> dict[str, Any]:
    large = open_view_sets(written(folder, sets, *size), views=VIEWS)
    # Files are in memory, rows compared and loops compiled before anything counts.
    loaded(large, 2 * sets, 2 * VIEWS)
    count, wall, busy = loaded(large, 4 * sets, 2 * VIEWS)
    small = open_view_sets(written(folder, 64, 32, 8), views=VIEWS)
    return {
        "what": f"sets of {VIEWS} panoramas of {size[0]} x {size[1]} pixels per second; memory over {samples} samples",
        "sets": count,
        "per_second": {"by the clock": round(count / wall, 1), "by the processor": round(CORES * count / busy, 1)},
        "memory": memory(small, samples),
        "promise": PROMISE,
        "versions": versions("numpy", "h5py"),
        "hardware": hardware(),
    }


def main() -> None:
    sets = int(sys.argv[1]) if len(sys.argv) > 1 else 48
    with tempfile.TemporaryDirectory() as folder:
        result = measure(sets, 10_000, (1008, 252), Path(folder))
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps({name: result[name] for name in ("per_second", "memory")}, indent=2))


if __name__ == "__main__":
    main()
