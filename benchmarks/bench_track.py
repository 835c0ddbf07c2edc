"""How fast, and in how much memory, `lapsdata track` turns videos into tracks files.

    python benchmarks/bench_track.py [RUNS]

Promises: the five GR00T videos (104 s of 256 x 256 pixel at 20 per second; read from the folder that
LAPSDATA_REAL_DATA names) at 10 frames per second, 400 points, T 16, stride 4, in at most 15 s on two cores; two
processes at least 1.8 times as fast as one; at most 1 GB of memory per process, the same for ten minutes as for one.
The command is timed whole, start of the interpreter included; one and two processes take turns.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from machine import hardware, versions

from lapsdata.testing.scenes import SceneConfig, render_scene
from lapsdata.timebase import FrameRate
from lapsdata.video.probe import probe

RESULT = Path(__file__).with_name("results") / "track.json"
COMMAND = [sys.executable, "-c", "from lapsdata.cli.main import main; main()", "track"]
SETTING = ["--fps", "10", "--points", "400", "--horizon", "16", "--stride", "4", "--force"]
# A process of its own runs the command, so that "the largest of the children" is this run's.
MEASURED = """
import json, resource, subprocess, sys, time
start = time.perf_counter()
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([time.perf_counter() - start, used.ru_maxrss / 1024, used.ru_utime + used.ru_stime]))
"""


def run(videos: list[Path], out: Path, *options: str) -> tuple[float, float, float]:
    """Return wall seconds, the largest resident size of any process in MiB, and processor seconds."""
    command = [*COMMAND, *map(str, videos), "--out", str(out), *SETTING, *options]
    done = subprocess.run([sys.executable, "-c", MEASURED, *command], check=True, capture_output=True, text=True)
    wall, peak, processor = json.loads(done.stdout)
    return wall, peak, processor


def scene_video(path: Path, seconds: float, size: tuple[int, int], seed: int) -> Path:
    """Write a scene of about so many seconds, at 20 frames per second."""
    actions = max(1, round(seconds / 2.2))
    scene = render_scene(seed, SceneConfig(actions=actions, size=size, rate=FrameRate(20), noise=2.0))
    scene.write_video(path)
    return path


def gr00t(folder: Path, runs: int) -> dict[str, object] | None:
    named = os.environ.get("LAPSDATA_REAL_DATA")
    videos = sorted(Path(named).glob("gr00t_pick_n_place_v20/**/*.mp4")) if named else []
    if not videos:
        return None
    taken = [run(videos, folder / "gr00t", "--workers", "2") for _ in range(runs)]
    return {
        "videos": len(videos),
        "median_s": round(statistics.median(wall for wall, _, _ in taken), 2),
        "slowest_s": round(max(wall for wall, _, _ in taken), 2),
        "processor_s": round(statistics.median(cpu for _, _, cpu in taken), 2),
        "peak_mib": round(max(peak for _, peak, _ in taken)),
        "promise_s": 15,
    }


def processes(folder: Path, runs: int) -> dict[str, object]:
    """Time one and two processes on a short job, in which their start weighs, and on one four times as long."""
    scenes = [scene_video(folder / f"scene_{seed}.mp4", 25, (640, 480), seed) for seed in range(8)]
    copies = [scene.with_stem(f"{scene.stem}_{number}") for number in range(3) for scene in scenes]
    for number, copy in enumerate(copies):
        copy.write_bytes(scenes[number % len(scenes)].read_bytes())
    return {"short": speed_up(scenes, folder, runs), "long": speed_up([*scenes, *copies], folder, runs)}


def speed_up(videos: list[Path], folder: Path, runs: int) -> dict[str, object]:
    taken: dict[str, list[float]] = {"1": [], "2": []}
    for _ in range(runs):
        for workers, walls in taken.items():
            walls.append(run(videos, folder / "processes", "--workers", workers)[0])
    median = {workers: statistics.median(walls) for workers, walls in taken.items()}
    ratios = [one / two for one, two in zip(taken["1"], taken["2"], strict=True)]
    return {
        "videos": len(videos),
        "video_s": round(sum(probe(video).duration_s for video in videos)),
        "median_s": {workers: round(wall, 2) for workers, wall in median.items()},
        "speed_up": round(statistics.median(ratios), 2),
        "promise": 1.8,
    }


def memory(folder: Path) -> dict[str, object]:
    peaks = {}
    for minutes in (1, 10):
        video = scene_video(folder / f"minutes_{minutes}.mp4", 60 * minutes, (320, 240), minutes)
        peaks[str(minutes)] = round(run([video], folder / "memory", "--workers", "1")[1])
    return {"peak_mib_by_minutes": peaks, "promise_mib": 1024}


def measure(runs: int) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        return {
            "what": "`lapsdata track` as a whole command; peak_mib is the largest process",
            "runs": runs,
            "gr00t": gr00t(folder, runs),
            "processes": processes(folder, runs),
            "memory": memory(folder),
            "versions": versions("av", "numpy", "numba", "opencv-python-headless"),
            "hardware": hardware(),
        }


if __name__ == "__main__":
    result = measure(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps({name: result[name] for name in ("gr00t", "processes", "memory")}, indent=2))
