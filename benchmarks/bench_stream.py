"""Windows per second of tars read along, from their beginning to their end: ours beside the usual webdataset pipeline.

    python benchmarks/bench_stream.py [REPEATS] [--data FOLDER]

The same 40 x 317 windows of (16, 400, 2) float32 positions and bool visibility as in `bench_windows.py`, in tars, in
the page cache. Ours verifies every array. Each reader is a process of its own that waits for its turn; turns are
interleaved, and medians are told. Rows of ours: archives one after the other (`ShardsFolder.stream`), the same
through a `Loader`, 64 shuffled streams through a `Loader`, and these from a web server on the same machine, which
takes its share of the two cores.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import ours
from bench_windows import Child
from datagen import Data, data_root, read_all
from machine import hardware, versions
from peer_env import interpreter
from peers import load
from peers._timing import timed

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
RESULT = HERE / "results" / "stream.json"
RIVAL, PROMISE_TIMES = "webdataset_decode", 10
BATCH, SECONDS, WARM_SECONDS = 64, 2.0, 0.5
WAYS = ("archives", "loader in order", "loader, 64 streams", "loader, 64 streams, by http")


def archives(folder: Path) -> Iterator[dict[str, Any]]:
    """Every archive in order, again and again, in batches."""
    from lapsdata.formats.shards_webdataset import ShardsFolder

    shards = ShardsFolder(folder)
    for shard in itertools.cycle(range(len(shards.shards))):
        yield from shards.stream(shard, batch=BATCH)


def loaded(place: Path | str, **options: str | int) -> Iterator[dict[str, Any]]:
    from lapsdata.loading import Loader, open_stream

    windows = open_stream(place)
    with Loader(windows, batch_size=BATCH, epochs=None, workers=2, **options) as loader:
        yield from loader
    windows.close()


def reads(way: str, folder: Path) -> Iterator[dict[str, Any]]:
    if way == "archives":
        yield from archives(folder)
    elif way == "loader in order":
        yield from loaded(folder)
    elif way == "loader, 64 streams":
        yield from loaded(folder, shuffle="stream", seed=0)
    else:
        server = Child([sys.executable, __file__, "--http", str(folder.parent)])
        try:
            yield from loaded(f"{server.said['url']}/{folder.name}", shuffle="stream", seed=0)
        finally:
            server.end()


def check(way: str, folder: Path, data: Data) -> None:
    """Compare an epoch with what was written."""
    seen = 0
    for batch in reads(way, folder):
        ids = np.asarray(batch["id"]) if "id" in batch else np.arange(seen, seen + len(batch["tracks"]))
        places = slice(None, None, 16)
        expected = data.expected(ids[places])
        if not all(np.array_equal(batch[name][places], values) for name, values in expected.items()):
            raise SystemExit(f"{way}: windows are not as they were written")
        seen += len(ids)
        if seen >= len(data):
            return


def serve_http(folder: Path) -> None:
    """Be a web server until standard input ends."""
    from lapsdata.testing.file_server import serve_folder

    with serve_folder(folder) as server:
        print(json.dumps({"url": server.url}), flush=True)
        sys.stdin.read()


def serve(root: Path, data: Data) -> None:
    """Answer orders: a way to read."""
    folder = ours.shards(root, data)
    for way in WAYS:
        check(way, folder, data)
    print(json.dumps({"ready": WAYS}), flush=True)
    for line in sys.stdin:
        way = json.loads(line)
        read_all(folder)
        time.sleep(0.1)
        print(json.dumps(timed(reads(way, folder), seconds=SECONDS, warm=1, warm_seconds=WARM_SECONDS)), flush=True)


def measure(repeats: int, root: Path, data: Data) -> dict[str, Any]:
    us = Child([sys.executable, __file__, "--serve", "--data", str(root), *_sizes(data)])
    script = [str(interpreter(load(RIVAL))), str(HERE / "peers" / "run_peer.py"), RIVAL, "--data", str(root)]
    rivals = {n: Child([*script, "--workers", str(n), "--serve", *_sizes(data)]) for n in load(RIVAL).workers}
    taken: dict[str, list[dict[str, Any]]] = {}
    for number in range(repeats):
        for way in WAYS:
            taken.setdefault(way, []).append(us.ask(json.dumps(way)))
        for workers, rival in rivals.items():
            taken.setdefault(f"webdataset, {workers} workers", []).append(
                rival.ask(f"go {BATCH} {SECONDS} {WARM_SECONDS}")
            )
        print(f"{number + 1} of {repeats}", file=sys.stderr, flush=True)
    told = rivals[0].said["versions"]
    for child in (us, *rivals.values()):
        child.end()
    return report(taken, told, repeats, data)


def _sizes(data: Data) -> list[str]:
    return ["--files", str(data.files), "--windows", str(data.windows)]


def report(taken: dict[str, list[dict[str, Any]]], told: dict[str, str], repeats: int, data: Data) -> dict[str, Any]:
    speeds = {way: [answer["windows_per_s"] for answer in answers] for way, answers in taken.items()}
    median = {way: statistics.median(values) for way, values in speeds.items()}
    best = max(value for way, value in median.items() if way not in WAYS)
    rows = {
        way: {
            "windows_per_s": round(value),
            "quartiles": [round(x) for x in statistics.quantiles(speeds[way], n=4)] if repeats > 1 else [],
            "verifies": way in WAYS,
            "times_webdataset": round(value / best, 1),
            "wait_ms": {
                key: statistics.median(answer["wait_ms"][key] for answer in taken[way]) for key in ("p50", "p95", "max")
            },
            "cpu_s_per_1000": statistics.median(answer["cpu_s_per_1000"] for answer in taken[way]),
        }
        for way, value in median.items()
    }
    return {
        "what": "windows per second of tars read along, batches of 64; `times_webdataset`: beside its better row",
        "repeats": repeats,
        "data": data.description(),
        "rows": rows,
        "promise_times_webdataset": PROMISE_TIMES,
        "versions": versions("numpy", "numba", "fsspec", "aiohttp") | {"rival": told},
        "hardware": hardware(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Windows per second of tars read along.")
    parser.add_argument("repeats", type=int, nargs="?", default=7)
    parser.add_argument("--data")
    parser.add_argument("--files", type=int, default=Data.files)
    parser.add_argument("--windows", type=int, default=Data.windows)
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--serve", action="store_true")
    parser.add_argument("--http", type=Path, metavar="FOLDER")
    asked = parser.parse_args()
    if asked.http:
        serve_http(asked.http)
        return
    root, data = data_root(asked.data).resolve(), Data(files=asked.files, windows=asked.windows)
    if asked.serve:
        serve(root, data)
        return
    result = measure(asked.repeats, root, data)
    asked.out.write_text(json.dumps(result, indent=2) + "\n")
    for way, row in result["rows"].items():
        print(way, row["windows_per_s"], row["times_webdataset"])


if __name__ == "__main__":
    main()
