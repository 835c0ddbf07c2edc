"""Windows per second in global random order: ours in every layout, beside every rival, on the same data.

    python benchmarks/bench_windows.py [REPEATS] [--data FOLDER] [--without NAME ...]

40 files of 317 windows of (16, 400, 2) float32 positions and bool visibility, in the page cache: whoever has its turn
reads its files once before the clock starts, and rivals read batches for a second that do not count. Each reader is a
process of its own that waits for its turn; turns are interleaved, so that whatever else the machine does falls on all
alike, and medians are told. The reference is `np.take` of the same arrays in memory into fresh buffers, on one
thread; ours hands over the same arrays in fresh buffers. Our `Loader` reads what others write without a plan, gzip
HDF5 whose chunks windows share, in blocks and in global order. Then all of them once more, in fresh processes, after
the system was asked to forget the files.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import peer_env
from datagen import FOREIGN, Data, data_root, drop_cache
from machine import hardware, versions
from peers import load, names

HERE = Path(__file__).parent
RESULT = HERE / "results" / "windows.json"

LIMITED = ("zarr_raw", "hdf5_contiguous")
RAW = ("zarr_raw", "hdf5_contiguous", "hdf5_windows", "shards")
COMPACT = ("zarr_compact", "hdf5_compact")
BATCHES = (64, 8)
SECONDS, WARM_SECONDS = 1.5, 1.0

# Verification, first and last epoch that count, and what the promise is for one thread and for two.
WAYS: dict[str, dict[str, Any]] = {
    "never": {"verify": "never", "epochs": [3, 5], "promise": {1: 0.9, 2: 1.2}},
    "always": {"verify": "always", "epochs": [3, 5], "promise": {1: 0.5, 2: 0.95}},
    "first epoch": {"verify": "first", "epochs": [0, 1], "promise": {1: 0.5, 2: 0.95}},
    "later epochs": {"verify": "first", "epochs": [3, 5], "promise": {}},
}

PROMISES_TIMES_RIVAL = {
    "zarr_python": 100,
    "h5py_low_level": 4,
    "tensorstore_zarr": 9,
    "webdataset_decode": 40,
    "mosaicml_mds": 18,
    "litdata_arrays": 3.5,
}
PROMISE_COMPACT = 20_000
PROMISE_BLOCKS_TIMES_LOOP = 20
LOOP = "hdf5_gzip_per_sample"
COLD_SECONDS = 4.0


class Child:
    """A reader in a process of its own, which answers one order at a time."""

    def __init__(self, command: list[str]) -> None:
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.said = self._answer()

    def ask(self, order: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(order + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self._process.args}: ended before it had answered")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def measure(repeats: int, root: Path, without: list[str]) -> dict[str, Any]:
    ours = {
        kind: Child([sys.executable, str(HERE / "ours.py"), kind, "--data", str(root)])
        for kind in ("take", *RAW, *COMPACT, FOREIGN)
    }
    limits = {kind: Child([sys.executable, str(HERE / "limits.py"), kind, "--data", str(root)]) for kind in LIMITED}
    rivals = _rivals(root, [name for name in names() if name not in without])
    taken: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for number in range(repeats):
        for key, child, order in (*_turns(ours, rivals), *_limits(limits)):
            taken.setdefault(key, []).append(child.ask(order))
        print(f"{number + 1} of {repeats}", file=sys.stderr, flush=True)
    told = {name: child.said["versions"] for (name, _), child in rivals.items()}
    for child in (*ours.values(), *limits.values(), *rivals.values()):
        child.end()
    return report(taken, told, repeats) | {"cold": cold(root, [name for name, _ in rivals], repeats)}


def cold(root: Path, chosen: list[str], repeats: int) -> dict[str, Any]:
    """Read from files that are not in memory, in processes that have just begun and have nothing mapped."""
    folder, found = root / Data().name, {}
    for _ in range(min(2, repeats)):
        for kind in (*RAW, *COMPACT):
            child = Child([sys.executable, str(HERE / "ours.py"), kind, "--data", str(root)])
            for threads in (1, 2):
                order = {"cold": COLD_SECONDS, "verify": "first", "io": "auto", "threads": threads, "batch": 64}
                answer = child.ask(json.dumps(order))
                found.setdefault(f"{kind}, {threads} threads", []).append(answer["windows_per_s"])
            child.end()
        for name in dict.fromkeys(chosen):
            drop_cache(folder)
            command = [str(peer_env.interpreter(load(name))), str(HERE / "peers" / "run_peer.py"), name]
            command += ["--data", str(root), "--seconds", str(COLD_SECONDS), "--warm", "0", "--once"]
            command += ["--workers", str(max(load(name).workers))]
            answer = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            found.setdefault(name, []).append(answer["windows_per_s"])
    rows = {name: round(statistics.median(values), 1) for name, values in found.items()}
    return {"what": "windows/s, batch 64, files out of memory at the start", "seconds": COLD_SECONDS, "rows": rows}


def _rivals(root: Path, chosen: list[str]) -> dict[tuple[str, int], Child]:
    script = str(HERE / "peers" / "run_peer.py")
    found = {}
    for name in chosen:
        for workers in load(name).workers:
            command = [str(peer_env.interpreter(load(name))), script, name, "--data", str(root)]
            found[name, workers] = Child([*command, "--workers", str(workers), "--serve"])
    return found


def _turns(ours: dict[str, Child], rivals: dict[tuple[str, int], Child]) -> list[tuple[tuple[Any, ...], Child, str]]:
    """One round: everything once, the reference before each of ours."""
    turns: list[tuple[tuple[Any, ...], Child, str]] = []
    for batch in BATCHES:
        common = {"io": "auto", "batch": batch}
        for kind in (*RAW, *COMPACT):
            reference = common | {"verify": "never", "threads": 1, "epochs": [1, 2]}
            turns.append((("take", batch), ours["take"], json.dumps(reference)))
            for way, asked in WAYS.items():
                if kind in COMPACT and way != "first epoch":
                    continue
                for threads in (1, 2):
                    order = common | {"verify": asked["verify"], "epochs": asked["epochs"], "threads": threads}
                    turns.append(((kind, batch, way, threads), ours[kind], json.dumps(order)))
        if batch == BATCHES[0]:
            for shuffle in ("block", "global"):
                wanted = common | {"shuffle": shuffle, "threads": 2, "seconds": 3 * SECONDS}
                turns.append((("loader", batch, shuffle), ours[FOREIGN], json.dumps(wanted)))
        for (name, workers), child in rivals.items():
            turns.append((("rival", batch, name, workers), child, f"go {batch} {SECONDS} {WARM_SECONDS}"))
    return turns


def _limits(children: dict[str, Child]) -> list[tuple[tuple[Any, ...], Child, str]]:
    """What the system takes for the same bytes; see `limits.py`."""
    return [
        (("limit", kind, limit, threads), child, json.dumps({"limit": limit, "threads": threads}))
        for kind, child in children.items()
        for limit in ("pread", "map", "copy", "sum")
        for threads in (1, 2)
    ]


def report(taken: dict[tuple[Any, ...], list[dict[str, Any]]], told: dict[str, Any], repeats: int) -> dict[str, Any]:
    speeds = {key: [answer["windows_per_s"] for answer in answers] for key, answers in taken.items()}
    median = {key: statistics.median(values) for key, values in speeds.items()}
    take = {batch: median["take", batch] for batch in BATCHES}
    rows = []
    for key, value in median.items():
        if key[0] in ("take", "rival", "loader", "limit"):
            continue
        kind, batch, way, threads = key
        rows.append({
            "kind": kind, "batch": batch, "verification": way, "threads": threads,
            "windows_per_s": round(value), "times_take": round(value / take[batch], 3),
            "promise_times_take": WAYS[way]["promise"].get(threads) if kind in RAW else None,
            "quartiles": _quartiles(speeds[key]),
            "cpu_s_per_1000": statistics.median(answer["cpu_s_per_1000"] for answer in taken[key]),
            "open_s": statistics.median(answer["open_s"] for answer in taken[key]),
        })  # fmt: skip
    return {
        "what": "windows per second, medians of interleaved repeats; `times_take`: beside np.take of arrays in memory",
        "repeats": repeats,
        "data": Data().description(),
        "take_windows_per_s": {str(batch): round(value) for batch, value in take.items()},
        "ours": rows,
        "rivals": _beside(median, speeds),
        "limits": _allowed(median, take[BATCHES[0]]),
        "promise_compact_windows_per_s": PROMISE_COMPACT,
        "shared_chunks": _shared_chunks(median, taken),
        "versions": versions("numpy", "numba", "h5py", "zarr") | {"rivals": told},
        "hardware": hardware(),
    }


def _allowed(median: dict[tuple[Any, ...], float], take: float) -> list[dict[str, Any]]:
    """What the system allows, were nothing done but reading, copying and comparing the bytes of each window."""
    rows = []
    for kind in LIMITED:
        for threads in (1, 2):
            found = {limit: median["limit", kind, limit, threads] for limit in ("pread", "map", "copy", "sum")}
            reading = max(found["pread"], 1 / (1 / found["map"] + 1 / found["copy"]))
            first = 1 / (1 / reading + 1 / found["sum"])
            rows.append({
                "kind": kind, "threads": threads,
                "windows_per_s": {name: round(value) for name, value in found.items()},
                "times_take": {
                    "never": round(found["copy"] / take, 3),
                    "always": round(1 / (1 / found["copy"] + 1 / found["sum"]) / take, 3),
                    "first epoch": round(first / take, 3),
                },
            })  # fmt: skip
    return rows


def _shared_chunks(median: dict[tuple[Any, ...], float], taken: dict[tuple[Any, ...], Any]) -> dict[str, Any]:
    """Say what a `Loader` makes of gzip HDF5 with automatic chunks, beside a loop that opens a file for each sample."""
    loop = max((value for key, value in median.items() if key[0] == "rival" and key[2] == LOOP), default=None)
    rows = {}
    for shuffle in ("block", "global"):
        key = ("loader", BATCHES[0], shuffle)
        rows[shuffle] = {
            "windows_per_s": median[key],
            "times_loop": None if loop is None else round(median[key] / loop, 1),
            "shuffle_window": taken[key][0]["shuffle_window"],
            "decoded_per_window": statistics.median(answer["decoded_per_window"] for answer in taken[key]),
        }
    return {"promise_times_loop": PROMISE_BLOCKS_TIMES_LOOP, "loop_windows_per_s": loop, "rows": rows}


def _quartiles(values: list[float]) -> list[int]:
    return [round(value) for value in statistics.quantiles(values, n=4)] if len(values) > 1 else []


def _beside(median: dict[tuple[Any, ...], float], speeds: dict[tuple[Any, ...], list[float]]) -> list[dict[str, Any]]:
    """Each rival at its better number of workers, and how much faster ours is: verified, two threads."""
    rows = []
    for batch in BATCHES:
        best_of_ours = max(
            value for key, value in median.items() if key[1:] == (batch, "later epochs", 2) and key[0] in RAW
        )
        worst_of_ours = min(
            value for key, value in median.items() if key[1:] == (batch, "first epoch", 2) and key[0] in RAW
        )
        for name in dict.fromkeys(key[2] for key in median if key[0] == "rival"):
            found = {key[3]: value for key, value in median.items() if key[:3] == ("rival", batch, name)}
            workers = max(found, key=lambda count: found[count])
            rows.append({
                "name": name, "title": load(name).title, "batch": batch, "workers": workers,
                "verifies": load(name).verifies, "random_access": load(name).random_access,
                "windows_per_s": round(found[workers]),
                "quartiles": _quartiles(speeds["rival", batch, name, workers]),
                "ours_times_this": {
                    "slowest raw layout, first epoch": round(worst_of_ours / found[workers], 1),
                    "fastest raw layout, later epochs": round(best_of_ours / found[workers], 1),
                },
                "promise": PROMISES_TIMES_RIVAL.get(name),
            })  # fmt: skip
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description="Windows per second, ours and rivals.")
    parser.add_argument("repeats", type=int, nargs="?", default=5)
    parser.add_argument("--data")
    parser.add_argument("--without", nargs="*", default=[], metavar="NAME")
    parser.add_argument("--out", type=Path, default=RESULT)
    asked = parser.parse_args()
    result = measure(asked.repeats, data_root(asked.data).resolve(), asked.without)
    asked.out.write_text(json.dumps(result, indent=2) + "\n")
    for row in result["ours"]:
        print(row["kind"], row["batch"], row["verification"], row["threads"], row["windows_per_s"], row["times_take"])
    for row in result["rivals"]:
        print(row["name"], row["batch"], row["workers"], row["windows_per_s"], row["ours_times_this"])
    print(json.dumps({name: result[name] for name in ("shared_chunks", "cold")}, indent=2))


if __name__ == "__main__":
    main()
