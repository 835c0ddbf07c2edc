"""How fast tracks are scored, beside TrackEval, on the same files.

    python benchmarks/bench_mot.py [large|seven|fresh ...]

`large`: one generated sequence of 18,948 frames, 340,075 true boxes and 7,862 identities. `seven`: seven sequences with
37,500 true boxes. Boxes are players of short clips; predictions miss a tenth, jitter, swap identities, and invent some.
Files are those of MOTChallenge. Each side has a process of its own, on one core, in seconds of the processor: HOTA,
CLEAR and Identity, medians; ours with overlaps, order and checks, TrackEval's without (what it needs for overlaps and
files stands beside). Compiled loops and TrackEval's modules are there before anything counts. The values are held
against one another. `parse`: from files to checked boxes, beside TrackEval's reading of the same texts. `fresh`: a
whole new process, of `seven`: import, parse, score; between its rounds stands `floor`, a new process that imports NumPy
and Numba and calls one loop of a line that was compiled before.

TrackEval needs 13 GB for `large`; where the machine lacks them its row says so.

Promises: 5 times TrackEval on both and 10 times in reading, 500 MB for `large`, 0.5 s for `fresh`.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from machine import hardware, versions

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from lapsdata.containers import Boxes

    Rows = NDArray[np.float64]

RESULT = Path(__file__).with_name("results") / "mot.json"
LARGE = {"large": (18_948, 7_862, 340_075, 438)}
SEVEN = {f"seven_{i}": (frames, ids, boxes, 4) for i, (frames, ids, boxes) in enumerate(
    [(525, 40, 5_250), (450, 40, 4_500), (600, 44, 6_000), (500, 40, 5_000), (575, 40, 5_750), (550, 40, 5_500),
     (550, 40, 5_500)])}  # fmt: skip
SIZES = {"large": LARGE, "seven": SEVEN}
ROUNDS = {"large": 3, "seven": 9}
PROMISE = {"times_trackeval": 5, "parse_times_trackeval": 10, "large_mb": 500, "fresh_s": 0.5}
NEEDED_GB = {"large": 16, "seven": 1}
FIELDS = ("HOTA", "DetA", "AssA", "LocA", "MOTA", "MOTP", "IDSW", "Frag", "IDF1", "CLR_TP", "IDTP")


def truth_of(frames: int, identities: int, boxes: int, clips: int, seed: int) -> Rows:
    """Return frame, id, x, y, w, h of identities that each live in one clip."""
    random = np.random.default_rng(seed)
    edges = np.linspace(0, frames, clips + 1).astype(int)
    firsts = np.linspace(0, identities, clips + 1).astype(int)
    parts = []
    for clip in range(clips):
        steps, ids = np.arange(edges[clip], edges[clip + 1]), np.arange(firsts[clip], firsts[clip + 1])
        place = random.random((len(ids), 2)) * (1200, 600) + np.cumsum(
            random.normal(0, 2, (len(steps), len(ids), 2)), axis=0
        )
        size = np.broadcast_to(40 + random.random((len(ids), 2)) * (40, 80), place.shape)
        numbers = np.stack(np.meshgrid(steps + 1, ids + 1, indexing="ij"), axis=-1)
        parts.append(np.concatenate([numbers, place, size], axis=-1).reshape(-1, 6))
    rows = np.concatenate(parts)
    kept = np.sort(random.permutation(len(rows))[:boxes])
    if len(kept) < boxes:
        raise SystemExit(f"expected room for {boxes} boxes, got {len(rows)}")
    return rows[kept].round(2)


def tracked(truth: Rows, seed: int) -> Rows:
    """Return what a tracker may have made of it."""
    random = np.random.default_rng(seed)
    rows = truth[random.random(len(truth)) > 0.1].copy()
    rows[:, 2:] += random.normal(0, 3, (len(rows), 4))
    # In every other stretch of 20 frames neighbours have changed their identities.
    swapped = (rows[:, 0] // 20 % 2 == 1) & (rows[:, 1] % 5 == 0)
    swapped |= (rows[:, 0] // 20 % 2 == 1) & (rows[:, 1] % 5 == 1)
    rows[swapped, 1] += np.where(rows[swapped, 1] % 5 == 0, 1, -1)
    false = rows[random.random(len(rows)) < 0.05].copy()
    false[:, 2:4] += random.normal(0, 100, (len(false), 2))
    false[:, 1] = rows[:, 1].max() + 1 + false[:, 0] // 60
    every = np.concatenate([rows, false])
    _, first = np.unique(every[:, :2], axis=0, return_index=True)
    return every[first].round(2)


def write(folder: Path, name: str, size: tuple[int, int, int, int], seed: int) -> None:
    truth = truth_of(*size, seed)
    gt, result = folder / "gt" / name / "gt" / "gt.txt", folder / "trackers" / "ours" / "data" / f"{name}.txt"
    gt.parent.mkdir(parents=True)
    result.parent.mkdir(parents=True, exist_ok=True)
    form = "%d,%d,%.2f,%.2f,%.2f,%.2f"
    np.savetxt(gt, truth, form + ",1,1,1")
    np.savetxt(result, tracked(truth, seed + 100), form + ",1,-1,-1,-1")


def seconds(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def peak_mb() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


def boxes_of(folder: Path, side: str) -> Boxes:
    """Return the checked boxes of all sequences of a side."""
    from lapsdata.adapters.motchallenge import read

    boxes: Boxes = read(folder / {"truth": "gt", "predictions": "trackers/ours/data"}[side]).container
    return boxes


def ours(folder: Path, which: str) -> dict[str, Any]:
    from lapsdata.metrics import tracking_scores

    sides = [boxes_of(folder, side) for side in ("truth", "predictions")]
    parse = [seconds(lambda: [boxes_of(folder, side) for side in ("truth", "predictions")]) for _ in range(3)]
    scores = tracking_scores(*sides)
    took = [seconds(lambda: tracking_scores(*sides)) for _ in range(ROUNDS[which])]
    summary = scores.classes["pedestrian"].summary()
    return {
        "s": statistics.median(took),
        "parse_s": statistics.median(parse),
        "peak_mb": peak_mb(),
        "counts": {name: summary[name] for name in ("GT_Dets", "GT_IDs", "Dets", "IDs")},
        "values": {name: summary[name] for name in FIELDS},
    }


def by_trackeval(folder: Path, which: str) -> dict[str, Any]:
    from trackeval.datasets import MotChallenge2DBox
    from trackeval.metrics import CLEAR, HOTA, Identity

    config = {
        "GT_FOLDER": str(folder / "gt"),
        "TRACKERS_FOLDER": str(folder / "trackers"),
        "SKIP_SPLIT_FOL": True,
        "DO_PREPROC": False,
        "PRINT_CONFIG": False,
        "SEQ_INFO": {name: frames for name, (frames, *_) in SIZES[which].items()},
    }
    data = MotChallenge2DBox(config)
    metrics = [HOTA(), CLEAR({"PRINT_CONFIG": False}), Identity({"PRINT_CONFIG": False})]
    # Its own reading of the texts: what `get_raw_seq_data` begins with, before overlaps.
    parse = [
        seconds(lambda: [data._load_raw_file("ours", name, gt) for name in SIZES[which] for gt in (True, False)])
        for _ in range(3)
    ]
    begun = time.process_time()
    raw = {name: data.get_raw_seq_data("ours", name) for name in SIZES[which]}
    sequences = {name: data.get_preprocessed_seq_data(each, "pedestrian") for name, each in raw.items()}
    prepare = time.process_time() - begun
    found: dict[str, Any] = {}

    def score() -> None:
        for metric in metrics:
            each = {name: metric.eval_sequence(sequence) for name, sequence in sequences.items()}
            found.update(metric.combine_sequences(each))

    # Once is enough where it takes minutes.
    took = [seconds(score) for _ in range(1 if which == "large" else ROUNDS[which])]
    return {
        "s": statistics.median(took),
        "parse_s": statistics.median(parse),
        "parse_and_overlaps_s": prepare,
        "peak_mb": peak_mb(),
        "values": {name: float(np.mean(found[name])) for name in FIELDS},
    }


SIDES = {"ours": ours, "trackeval": by_trackeval}


def child(side: str, folder: Path, which: str) -> dict[str, Any]:
    # Bytecode is kept, as it is where a package is installed.
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": ""}
    command = [sys.executable, __file__, "--child", side, folder, which]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        return {"failed": done.stderr.strip().rpartition("\n")[2] or f"exit status {done.returncode}"}
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def free_gb() -> float:
    lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    return int(lines["MemAvailable"].split()[0]) / 2**20


def compared(folder: Path, which: str) -> dict[str, Any]:
    for seed, (name, size) in enumerate(SIZES[which].items()):
        write(folder, name, size, seed)
    mine = child("ours", folder, which)
    enough = free_gb() >= NEEDED_GB[which]
    theirs = child("trackeval", folder, which) if enough else {"failed": f"not tried: {free_gb():.0f} GB are free"}
    found = {"ours": mine, "trackeval": theirs}
    if "values" in mine and "values" in theirs:
        apart = {name: abs(mine["values"][name] - theirs["values"][name]) for name in FIELDS}
        if max(apart.values()) > 1e-9:
            raise SystemExit(f"the scores differ from those of TrackEval: {apart}")
        found["times_trackeval"] = round(theirs["s"] / mine["s"], 1)
        found["parse_times_trackeval"] = round(theirs["parse_s"] / mine["parse_s"], 1)
    return found


def fresh(folder: Path) -> dict[str, Any]:
    """Return the time of a whole process, and of its parts."""
    if not (folder / "gt" / next(iter(SEVEN))).exists():
        for seed, (name, size) in enumerate(SEVEN.items()):
            write(folder, name, size, seed)
    took: list[tuple[float, dict[str, float]]] = []
    floor: list[tuple[float, dict[str, float]]] = []
    (folder / "floor_loop.py").write_text("import numba\n\n@numba.njit(cache=True)\ndef first(n):\n    return n[0]\n")
    for which, each in (("floor", []), *[("fresh", took), ("floor", floor)] * 9):
        begun = time.perf_counter()
        parts = child(which, folder, "seven")
        each.append((time.perf_counter() - begun, parts))
    return {**middle(took), "floor": middle(floor)}


def middle(took: list[tuple[float, dict[str, float]]]) -> dict[str, Any]:
    wall, parts = sorted(took, key=lambda each: each[0])[len(took) // 2]
    return {"wall_s": round(wall, 3), "processor_s": {name: round(each, 3) for name, each in parts.items()}}


def least_process(folder: Path, _which: str) -> dict[str, float]:
    sys.path.insert(0, str(folder))
    from floor_loop import first

    first(np.zeros(1))
    return {"all": time.process_time()}


def one_process(folder: Path, _which: str) -> dict[str, float]:
    begun = time.process_time()
    import lapsdata.adapters.motchallenge  # noqa: F401 - its import is what is measured
    from lapsdata.metrics import tracking_scores

    imported = time.process_time()
    sides = [boxes_of(folder, side) for side in ("truth", "predictions")]
    read = time.process_time()
    tracking_scores(*sides)
    scored = time.process_time()
    return {"start": begun, "import": imported - begun, "parse": read - imported, "score": scored - read, "all": scored}


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        side, folder, which = sys.argv[2:]
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        with contextlib.redirect_stdout(io.StringIO()):
            answer = (SIDES | {"fresh": one_process, "floor": least_process})[side](Path(folder), which)
        print(json.dumps(answer))
        return
    asked = sys.argv[1:] or ["large", "seven", "fresh"]
    load = round(os.getloadavg()[0], 1)
    result = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    with tempfile.TemporaryDirectory() as name:
        for which in asked:
            folder = Path(name) / which
            folder.mkdir()
            result[which] = fresh(folder) if which == "fresh" else compared(folder, which)
            print(json.dumps({which: result[which]}, indent=2), flush=True)
    result |= {
        "what": "seconds of the processor, one core: HOTA, CLEAR and Identity of the same files",
        "promise": PROMISE,
        "load_before": load,
        "versions": versions("trackeval", "numpy", "numba", "scipy"),
        "hardware": hardware(),
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
