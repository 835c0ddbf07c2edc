"""The main job from end to end: how long, in how much memory, again, and after being killed.

    python benchmarks/bench_run.py [RUNS]

Promises: the five GR00T videos (104 s of 256 x 256 pixel at 20 per second; read from the folder that
LAPSDATA_REAL_DATA names), their tokenizer trained before, in at most 20 s and 1.5 GB on two cores; the same call again,
with nothing to do, in at most 2 s; after ten `kill -9` at random moments the bytes of an undisturbed run; the demo in
at most 5 minutes. The command is timed whole, start of the interpreter included; memory is that of all its processes
together, pages that they share counted once.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from machine import hardware, versions

RESULT = Path(__file__).with_name("results") / "run.json"
PICTURE = RESULT.with_name("timeline_gr00t.png")
COMMAND = [sys.executable, "-c", "from lapsdata.cli.main import main; main()"]
KILLS = 10


def call(*words: str | Path) -> float:
    """Run the command; return wall seconds."""
    start = time.perf_counter()
    subprocess.run([*COMMAND, *map(str, words)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def watched(*words: str | Path) -> tuple[float, float]:
    """Run the command; return wall seconds, and the most MiB that all its processes held at once."""
    start, peak = time.perf_counter(), 0.0
    child = subprocess.Popen([*COMMAND, *map(str, words)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while child.poll() is None:
        peak = max(peak, sum(map(held_mib, family(child.pid))))
        time.sleep(0.05)
    if child.returncode:
        raise RuntimeError(f"exit code {child.returncode}")
    return time.perf_counter() - start, peak


def family(process: int) -> list[int]:
    """Return a process and all that it has started."""
    try:
        own = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except OSError:
        return []
    return [process, *(one for child in own for one in family(int(child)))]


def held_mib(process: int) -> float:
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def gr00t(folder: Path, runs: int) -> dict[str, Any] | None:
    named = os.environ.get("LAPSDATA_REAL_DATA")
    videos = Path(named) / "gr00t_pick_n_place_v20" / "videos" if named else None
    if videos is None or not videos.is_dir():
        return None
    words = ["run", videos, "--recursive", "--out"]
    whole = call(*words, folder / "first")
    told = json.loads((folder / "first" / "tokenizer" / "tokenizer.json").read_text())
    taken = []
    for _ in range(runs):
        shutil.rmtree(folder / "again", ignore_errors=True)
        taken.append(watched(*words, folder / "again", "--tokenizer", folder / "first" / "tokenizer"))
    nothing = [call(*words, folder / "first") for _ in range(2 * runs + 1)]
    picture = next((folder / "first" / "report" / "timelines").glob("*episode_000002.png"))
    shutil.copyfile(picture, PICTURE)
    return {
        "median_s": round(statistics.median(wall for wall, _ in taken), 1),
        "slowest_s": round(max(wall for wall, _ in taken), 1),
        "peak_mib": round(max(peak for _, peak in taken)),
        "promise_s": 20,
        "promise_mib": 1500,
        "with_training_s": round(whole),
        "training_steps": told["trained"]["steps"],
        "codebook": told["trained"]["codebook"],
        "nothing_to_do_s": round(statistics.median(nothing), 2),
        "nothing_to_do_slowest_s": round(max(nothing), 2),
        "promise_nothing_to_do_s": 2,
    }


def content(out: Path) -> dict[str, bytes]:
    """Return all outputs; clock times stand in `run.json` alone, and killed writers leave files of another name."""
    files = (path for path in out.rglob("*") if path.is_file() and path.name != "run.json")
    kept = (path for path in files if not any(part.startswith(".lapsdata-tmp-") for part in path.parts))
    return {str(path.relative_to(out)): path.read_bytes() for path in kept}


def kills(folder: Path) -> dict[str, Any]:
    """Kill a run ten times, each time after a random share of what an undisturbed one takes, and let it end."""
    words = ["run", folder / "demo" / "videos", "--truth", folder / "demo" / "truth.parquet"]
    words += ["--set", "train.steps=60", "--set", "train.save_every=10", "--out"]
    undisturbed = call(*words, folder / "undisturbed")
    moments = random.Random(4)
    after = []
    while len(after) < KILLS:
        wait = moments.uniform(0.3, undisturbed)
        child = subprocess.Popen(
            [*COMMAND, *map(str, words), str(folder / "killed")],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        try:
            child.wait(timeout=wait)
            shutil.rmtree(folder / "killed")  # it came to its end before its moment
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            after.append(round(wait, 2))
    call(*words, folder / "killed")
    same = content(folder / "killed") == content(folder / "undisturbed")
    return {"killed_after_s": after, "files": len(content(folder / "undisturbed")), "equal_bytes": same}


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        demo_s = call("demo", "--out", folder / "demo")
        result = {
            "what": "lapsdata run from end to end",
            "demo": {"s": round(demo_s), "promise_s": 300},
            "gr00t": gr00t(folder, runs),
            "kills": kills(folder),
            "versions": versions("av", "matplotlib", "numpy", "numba", "torch", "vector-quantize-pytorch"),
            "hardware": hardware(),
        }
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
