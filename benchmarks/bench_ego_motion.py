"""What a shaking camera costs, with its motion measured along and with it taken off first.

    python benchmarks/bench_ego_motion.py

The 24 scenes of `MEASURE_SEEDS`, six actions each, 10 frames per second, as h264 files: on a tripod, and the same with
a camera that shakes by 1 and by 4 pixels (root mean square along each axis, and a roll that moves the corners half as
far). Tracked by `lapsdata track`, measured by `lapsdata energies` with `--motion raw` and `--motion residual`, cut by
`lapsdata segment` with nothing said, scored by `lapsdata evaluate`. Beside it, how long the fits take against the
tracking.

Promise: residual energies of shaken scenes lose at most 0.05 of F at 0.25 s against the same scenes on a tripod, as raw
energies have them there.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, get_args

from bench_segments import ACTIONS, RATE, call, scored
from machine import hardware, versions

from lapsdata import formats
from lapsdata.containers import Tracks
from lapsdata.testing.scene_truth import scene_name, true_segments
from lapsdata.testing.scenes import MEASURE_SEEDS, SceneConfig, render_scene
from lapsdata.transforms.ego_motion import ego_motion
from lapsdata.transforms.track_speed import Motion

RESULT = Path(__file__).with_name("results") / "ego_motion.json"
SHAKES = (0.0, 1.0, 4.0)
TOLERANCE = "0.25"


def scores(folder: Path, tracks: Path, truth: Path, motion: str) -> dict[str, Any]:
    energies, segments, result = (folder / f"{motion}{end}" for end in (".jsonl", ".parquet", ".json"))
    call("energies", tracks, "--out", energies, "--motion", motion)
    call("segment", energies, "--out", segments, "--threshold", "otsu")
    rows = scored(segments, truth, energies, result)
    found = rows.pop("prediction")
    policies = formats.read(energies).header.policies
    return {"f": found, "best_chance_f": max(row[TOLERANCE] for row in rows.values()), "policies": dict(policies)}


def fits(tracks: Path) -> dict[str, float]:
    """Return how long the maps of all frame pairs take, on one thread."""
    found = [formats.read(path, Tracks) for path in sorted(tracks.glob("*.h5"))]
    begun = time.perf_counter()
    for one in found:
        ego_motion(one.tracks["default"], one.vis["default"])
    return {"windows": sum(map(len, found)), "fit_s": round(time.perf_counter() - begun, 2)}


def shaken(folder: Path, shake_px: float) -> dict[str, Any]:
    (folder / "videos").mkdir(parents=True)
    scenes = [render_scene(seed, SceneConfig(rate=RATE, actions=ACTIONS, shake_px=shake_px)) for seed in MEASURE_SEEDS]
    for scene in scenes:
        print(f"shake {shake_px} px, scene {scene.seed}", file=sys.stderr, flush=True)
        scene.write_video(folder / "videos" / f"{scene_name(scene)}.mp4")
    formats.write(folder / "truth.parquet", true_segments(*scenes))
    begun = time.perf_counter()
    call("track", folder / "videos", "--out", folder / "tracks")
    took = {"track_s": round(time.perf_counter() - begun, 1)}
    by_motion = {
        motion: scores(folder, folder / "tracks", folder / "truth.parquet", motion) for motion in get_args(Motion)
    }
    return {**by_motion, "time": {**took, **fits(folder / "tracks")}}


def measure() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        rows = {f"{shake:g}": shaken(Path(name) / f"{shake:g}", shake) for shake in SHAKES}
    tripod = rows["0"]["raw"]["f"][TOLERANCE]
    return {
        "what": "boundary F, mean over videos, by pixels of shake; seconds of tolerance",
        "scenes": len(MEASURE_SEEDS),
        "actions": ACTIONS,
        "by_shake_px": rows,
        "lost_f_at_0.25_s": {
            shake: {motion: round(tripod - row[motion]["f"][TOLERANCE], 4) for motion in get_args(Motion)}
            for shake, row in rows.items()
        },
        "promise": {"residual_loses_at_most": 0.05},
        "versions": versions("av", "numpy", "numba", "opencv-python-headless", "pyarrow"),
        "hardware": hardware(),
    }


def main() -> None:
    result = measure()
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps({"by_shake_px": result["by_shake_px"], "lost": result["lost_f_at_0.25_s"]}, indent=2))


if __name__ == "__main__":
    main()
