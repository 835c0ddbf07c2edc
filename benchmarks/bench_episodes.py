"""Robot steps beside a plain reader, reading in order beside bare PyAV, and opening a data set of 100,000 episodes.

    LAPSDATA_REAL_DATA=... python benchmarks/bench_episodes.py [RUNS]

A sample is what a policy takes: two frames of one AV1 camera, one of another, the state, four actions; from the LeRobot
3.0 set of 316 rows among the real inputs, in one process, page cache warm, the cache of decoded frames 16 MiB. "global"
takes samples in random order, "grouped" episode after episode in random order, within each at random. "one by one" is
`steps[i]`, a batch is `gather` of 32. "a plain reader" holds all rows in memory, opens the video for each sample with
PyAV, seeks and decodes; its frames and ours are equal. lerobot 0.4.4 with PyAV gave 109 samples per second of these on
two cores of the same kind (recorded: its environment cannot be installed beside ours). The rows take turns, figures
are medians over the turns; the hit rate is the share of frames that were not decoded for the sample that asked.

Where torchcodec can be used the same steps are taken with either decoder, turn by turn, and only ratios are told: of
frames in order without a cache, and of batches with it. Elsewhere what was measured before stays.

The large set is generated: version 3.0, 100,000 episodes of 100 rows, 1,000 files of rows and 1,000 videos, whose
table of episodes has statistics as LeRobot writes them. It is opened in a process of its own.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from machine import hardware, versions

import lapsdata
from lapsdata.errors import MissingExtraError
from lapsdata.testing.episode_sets import CAMERA, write_lerobot
from lapsdata.video._torchcodec import require_torchcodec

if TYPE_CHECKING:
    from collections.abc import Callable

    from lapsdata.loading import StepDataset

    Take = Callable[[np.ndarray], None]

RESULT = Path(__file__).with_name("results") / "episodes.json"
EGO, CROP = "observation.images.ego", "observation.images.crop"
DELTAS = {EGO: [-0.1, 0.0], CROP: [0.0], "action": [0.0, 0.05, 0.1, 0.15]}
FIELDS = [EGO, CROP, "observation.state", "action"]
BATCH, EPISODES, ROWS, FILES = 32, 100_000, 100, 1_000
LEROBOT_PER_S = 109
PROMISE = {"global": 2.5, "grouped": 8.0, "in_order": 0.9, "open_s": 1.0, "open_mb": 300}

OPEN = r"""
import re, sys, time
import lapsdata
import pyarrow.parquet
start = time.perf_counter()
steps = lapsdata.open_steps(sys.argv[1])
taken = time.perf_counter() - start
assert len(steps) == int(sys.argv[2])
# What getrusage tells is that of the process which started this one, where it was larger.
print(taken, int(re.search(r"VmHWM:\s+(\d+)", open("/proc/self/status").read())[1]) / 1024)
"""


class Plain:
    """What one writes in ten minutes: rows in memory, a video opened for each frame that is asked for."""

    def __init__(self, root: Path) -> None:
        rows = pa.concat_tables([pq.read_table(file) for file in sorted((root / "data").rglob("*.parquet"))])
        self.columns = {
            name: np.array(rows.column(name).to_pylist(), np.float32)
            for name in ("action", "observation.state", "timestamp")
        }
        self.episode = rows.column("episode_index").to_numpy()
        told = pq.read_table(root / "meta/episodes/chunk-000/file-000.parquet").to_pylist()
        self.episodes = {one["episode_index"]: one for one in told}
        self.root = root

    def sample(self, index: int) -> dict[str, np.ndarray]:
        episode = self.episodes[int(self.episode[index])]
        first, last = episode["dataset_from_index"], episode["dataset_to_index"] - 1
        found = {"observation.state": self.columns["observation.state"][index]}
        found["action"] = self.columns["action"][np.clip(index + np.arange(4), first, last)]
        for camera, around in ((EGO, [-2, 0]), (CROP, [0])):
            at = [min(max(index + rows, first), last) for rows in around]
            found[camera] = self.frames(episode, camera, self.columns["timestamp"][at])
        return found

    def frames(self, episode: dict[str, Any], camera: str, times: np.ndarray) -> np.ndarray:
        chunk, file, begin = (
            episode[f"videos/{camera}/{name}"] for name in ("chunk_index", "file_index", "from_timestamp")
        )
        images = []
        with av.open(str(self.root / f"videos/{camera}/chunk-{chunk:03d}/file-{file:03d}.mp4")) as container:
            stream = container.streams.video[0]
            wanted = [begin + float(time_s) for time_s in times]
            container.seek(int(wanted[0] / stream.time_base), stream=stream)
            for frame in container.decode(stream):
                while len(images) < len(wanted) and frame.time >= wanted[len(images)] - 1e-3:
                    images.append(frame.to_ndarray(format="rgb24").transpose(2, 0, 1))
                if len(images) == len(wanted):
                    break
        return np.stack(images)


def orders(steps: StepDataset, random: np.random.Generator) -> dict[str, np.ndarray]:
    spans = [np.arange(span.start, span.stop) for span in steps.episodes]
    grouped = [random.permutation(spans[at]) for at in random.permutation(len(spans))]
    return {"global": random.permutation(len(steps)), "grouped": np.concatenate(grouped)}


def one_by_one(steps: StepDataset) -> Take:
    def take(ids: np.ndarray) -> None:
        for index in ids.tolist():
            steps[index]

    return take


def in_batches(steps: StepDataset) -> Take:
    def take(ids: np.ndarray) -> None:
        for first in range(0, len(ids), BATCH):
            steps.gather(ids[first : first + BATCH])

    return take


def plainly(plain: Plain) -> Take:
    def take(ids: np.ndarray) -> None:
        for index in ids.tolist():
            plain.sample(index)

    return take


def check(steps: StepDataset, plain: Plain) -> None:
    for index in range(0, len(steps), 29):
        mine, theirs = steps[index], plain.sample(index)
        for name, array in theirs.items():
            np.testing.assert_array_equal(mine[name].numpy(), array if name != CROP else array[0], err_msg=name)


def random_samples(root: Path, runs: int) -> dict[str, Any]:
    plain = Plain(root)
    check(lapsdata.open_steps(root, DELTAS, fields=FIELDS), plain)
    found: dict[str, dict[str, list[float]]] = {}
    hits: dict[str, list[float]] = {}
    random = np.random.default_rng(0)
    for _ in range(runs):
        for order, ids in orders(lapsdata.open_steps(root), random).items():
            for way in ("a plain reader", "one by one", "in batches", "in batches, two threads"):
                steps = lapsdata.open_steps(root, DELTAS, fields=FIELDS, threads=2 if "two" in way else 1)
                take = plainly(plain) if way == "a plain reader" else (
                    one_by_one(steps) if way == "one by one" else in_batches(steps)
                )  # fmt: skip
                few = ids[:40] if way == "a plain reader" else ids
                start = time.perf_counter()
                take(few)
                found.setdefault(order, {}).setdefault(way, []).append(len(few) / (time.perf_counter() - start))
                if steps.decoded:
                    hits.setdefault(f"{order}, {way}", []).append(steps.kept / (steps.kept + steps.decoded))
                steps.close()
    return {
        order: {
            way: {
                "samples_per_s": round(statistics.median(rates)),
                "times_lerobot": round(statistics.median(rates) / LEROBOT_PER_S, 1),
                "times_a_plain_reader": round(statistics.median(map(ratio, rates, ways["a plain reader"])), 1),
            }
            | ({"hit_rate": round(statistics.median(hits[f"{order}, {way}"]), 2)} if f"{order}, {way}" in hits else {})
            for way, rates in ways.items()
        }
        for order, ways in found.items()
    }


def ratio(one: float, other: float) -> float:
    return one / other


def in_order(root: Path, runs: int) -> dict[str, Any]:
    """Read the frames of the set's episodes in their order, and the same videos with bare PyAV."""
    files = sorted((root / "videos" / EGO).rglob("*.mp4"))
    mine, bare = [], []
    for _ in range(runs):
        start = time.perf_counter()
        count = 0
        for file in files:
            with av.open(str(file)) as container:
                for frame in container.decode(video=0):
                    frame.to_ndarray(format="rgb24")
                    count += 1
        bare.append(count / (time.perf_counter() - start))
        steps = lapsdata.open_steps(root, {EGO: [0.0]}, fields=[EGO], cache_bytes=0)
        start = time.perf_counter()
        in_batches(steps)(np.arange(len(steps)))
        mine.append(len(steps) / (time.perf_counter() - start))
        steps.close()
    return {
        "frames_per_s": round(statistics.median(mine)),
        "bare_pyav_per_s": round(statistics.median(bare)),
        "times_bare_pyav": round(statistics.median(map(ratio, mine, bare)), 2),
    }


def beside_torchcodec(root: Path, runs: int) -> dict[str, Any]:
    """Take the same steps with either decoder in turn."""
    random = np.random.default_rng(1)
    ratios: dict[str, list[float]] = {}
    hits: dict[str, dict[str, list[float]]] = {}
    for turn in range(runs):
        ways = {"in order": np.arange(len(lapsdata.open_steps(root)))} | orders(lapsdata.open_steps(root), random)
        for way, ids in ways.items():
            rates = {}
            for decoder in ("pyav", "torchcodec") if turn % 2 else ("torchcodec", "pyav"):
                in_turn = way == "in order"
                deltas, fields = ({EGO: [0.0]}, [EGO]) if in_turn else (DELTAS, FIELDS)
                cache = {"cache_bytes": 0} if in_turn else {}
                steps = lapsdata.open_steps(root, deltas, fields=fields, decoder=decoder, **cache)
                start = time.perf_counter()
                in_batches(steps)(ids)
                rates[decoder] = len(ids) / (time.perf_counter() - start)
                hits.setdefault(way, {}).setdefault(decoder, []).append(steps.kept / (steps.kept + steps.decoded))
                steps.close()
            ratios.setdefault(way, []).append(rates["torchcodec"] / rates["pyav"])
    told: dict[str, Any] = {}
    for way, found in ratios.items():
        told[way] = {"times_pyav": round(statistics.median(found), 2)}
        if way != "in order":
            told[way] |= {f"hit_rate_{name}": round(statistics.median(rates), 2) for name, rates in hits[way].items()}
    return told


def torchcodec_told(root: Path, runs: int) -> dict[str, Any]:
    """Measure torchcodec, or return what is known of it."""
    try:
        ffmpeg = require_torchcodec()
    except MissingExtraError as error:
        sys.stderr.write(f"torchcodec is not measured: {error}\n")
        known: dict[str, Any] = json.loads(RESULT.read_text())["torchcodec"]
        return known
    told = {"version": ffmpeg.torchcodec, "ffmpeg": ffmpeg.major, "runs": runs}
    return told | {"beside": beside_torchcodec(root, runs)}


def large(folder: Path) -> Path:
    """Write what a data set of 100,000 episodes says of itself, and files that are links to two small ones."""
    root = write_lerobot(folder / "large", version="v3.0", lengths=(4,), videos=True)
    random = np.random.default_rng(0)
    number = np.arange(EPISODES)
    file = number // (EPISODES // FILES)
    inside = number % (EPISODES // FILES)
    words = ["pick the cube"] * EPISODES
    columns: dict[str, Any] = {
        "episode_index": number,
        "tasks": pa.ListArray.from_arrays(np.arange(EPISODES + 1, dtype=np.int32), pa.array(words)),
        "length": np.full(EPISODES, ROWS),
        "data/chunk_index": np.zeros(EPISODES, np.int64),
        "data/file_index": file,
        "dataset_from_index": number * ROWS,
        "dataset_to_index": (number + 1) * ROWS,
        f"videos/{CAMERA}/chunk_index": np.zeros(EPISODES, np.int64),
        f"videos/{CAMERA}/file_index": file,
        f"videos/{CAMERA}/from_timestamp": inside * ROWS / 10.0,
        f"videos/{CAMERA}/to_timestamp": (inside + 1) * ROWS / 10.0,
    }
    for feature, width in (("observation.state", 7), ("action", 7), ("timestamp", 1)):
        for kind in ("min", "max", "mean", "std", "q01", "q10", "q50", "q90", "q99"):
            values = pa.array(random.normal(size=EPISODES * width))
            columns[f"stats/{feature}/{kind}"] = pa.FixedSizeListArray.from_arrays(values, width)
    table = pa.table(columns)
    target = root / "meta/episodes/chunk-000"
    for at in range(10):
        pq.write_table(table.slice(at * EPISODES // 10, EPISODES // 10), target / f"file-{at:03d}.parquet")
    for kind in ("data", f"videos/{CAMERA}"):
        (first,) = (root / kind / "chunk-000").iterdir()
        for at in range(1, FILES):
            os.link(first, first.with_name(f"file-{at:03d}{first.suffix}"))
    info = json.loads((root / "meta/info.json").read_text())
    info |= {"total_episodes": EPISODES, "total_frames": EPISODES * ROWS, "splits": {"train": f"0:{EPISODES}"}}
    (root / "meta/info.json").write_text(json.dumps(info))
    return root


def opening(runs: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        root = large(Path(name))
        taken = []
        for _ in range(runs):
            words = [sys.executable, "-c", OPEN, str(root), str(EPISODES * ROWS)]
            told = subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()
            taken.append((float(told[0]), float(told[1])))
    seconds, megabytes = (statistics.median(column) for column in zip(*taken, strict=True))
    return {"episodes": EPISODES, "open_s": round(seconds, 2), "process_mb": round(megabytes)}


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    root = Path(os.environ["LAPSDATA_REAL_DATA"]) / "lerobot_pick_v30"
    told = {
        "promise": PROMISE,
        "lerobot_per_s": LEROBOT_PER_S,
        "batch": BATCH,
        "cache_mib": 16,
        "runs": runs,
        "random": random_samples(root, runs),
        "in_order": in_order(root, runs),
        "torchcodec": torchcodec_told(root, runs),
        "opening": opening(runs),
        "hardware": hardware(),
        "versions": versions("av", "pyarrow", "numpy", "torch"),
    }
    RESULT.write_text(json.dumps(told, indent=2) + "\n")
    sys.stdout.write(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    main()
