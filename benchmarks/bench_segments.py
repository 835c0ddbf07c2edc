"""How well actions are cut out of scenes whose truth is exact, beside rows that have seen no video.

    python benchmarks/bench_segments.py

The 24 scenes of `MEASURE_SEEDS`, on which nothing was tuned, six actions each, 10 frames per second, as h264 files:
tracked by `lapsdata track`, measured by `lapsdata energies`, cut by `lapsdata segment` as they are when nothing is said
(Otsu's threshold over all videos, no longest duration), scored by `lapsdata evaluate`. Rows: one value per step; one
per window of 16 frames, every 0.1 s and every 0.4 s, as LAPS had it. Means over windows rise before and fall after what
they measure, and are best cut half way up: theirs is Otsu's threshold without logarithms.

Promises: F at 0.25 s at least 0.9 with values per step, and 0.3 above the best row of chance.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from machine import hardware, versions

from lapsdata import formats
from lapsdata.testing.scene_truth import scene_name, true_segments
from lapsdata.testing.scenes import MEASURE_SEEDS, SceneConfig, render_scene
from lapsdata.timebase import FrameRate

RESULT = Path(__file__).with_name("results") / "segments.json"
COMMAND = [sys.executable, "-c", "from lapsdata.cli.main import main; main()"]
ACTIONS, RATE = 6, FrameRate(10)
ROWS = {
    "per step": ("4", "velocity_step", "otsu"),
    "per window, hop 0.1 s": ("1", "velocity_mean", "otsu-linear"),
    "per window, hop 0.4 s": ("4", "velocity_mean", "otsu-linear"),
}


def call(*words: str | Path) -> None:
    subprocess.run([*COMMAND, *map(str, words)], check=True, stdout=subprocess.DEVNULL)


def scored(segments: Path, truth: Path, energies: Path, out: Path) -> dict[str, dict[str, float]]:
    """Return the macro F of each row at each tolerance, but for oracles."""
    call("evaluate", segments, truth, "--energies", energies, "--out", out)
    return {
        row["name"]: {str(at["tolerance_s"]): round(at["macro"]["f"], 4) for at in row["scores"]}
        for row in json.loads(out.read_text())["boundaries"]["rows"]
        if row["kind"] != "oracle"
    }


def row(folder: Path, stride: str, mode: str, threshold: str) -> dict[str, Any]:
    tracks = folder / f"tracks_{stride}"
    call("track", folder / "videos", "--out", tracks, "--stride", stride)
    energies, segments, result = (folder / f"{mode}_{stride}{end}" for end in (".jsonl", ".parquet", ".json"))
    call("energies", tracks, "--out", energies, "--mode", mode)
    call("segment", energies, "--out", segments, "--threshold", threshold)
    scores = scored(segments, folder / "truth.parquet", energies, result)
    found = scores.pop("prediction")
    chance = {at: max(scores, key=lambda name: scores[name][at]) for at in found}
    return {
        "f": found,
        "best_chance": {at: {"row": name, "f": scores[name][at]} for at, name in chance.items()},
    }


def measure() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "videos").mkdir()
        scenes = [render_scene(seed, SceneConfig(rate=RATE, actions=ACTIONS)) for seed in MEASURE_SEEDS]
        for scene in scenes:
            print(f"scene {scene.seed}", file=sys.stderr, flush=True)
            scene.write_video(folder / "videos" / f"{scene_name(scene)}.mp4")
        formats.write(folder / "truth.parquet", true_segments(*scenes))
        return {
            "what": "boundary F, mean over videos, maximum matching; seconds of tolerance",
            "scenes": len(scenes),
            "actions": ACTIONS,
            "video_s": round(sum(float(scene.frame_s[-1]) for scene in scenes)),
            "rows": {title: row(folder, *setting) for title, setting in ROWS.items()},
            "promise": {"f_at_0.25_s": 0.9, "above_best_chance": 0.3},
            "versions": versions("av", "numpy", "numba", "opencv-python-headless", "pyarrow"),
            "hardware": hardware(),
        }


def main() -> None:
    result = measure()
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result["rows"], indent=2))


if __name__ == "__main__":
    main()
