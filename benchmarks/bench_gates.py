"""How much time gates save: the pixel gate before tracking, the motion gate before encoding.

    python benchmarks/bench_gates.py

Four scenes of `MEASURE_SEEDS`, six actions each, 20 frames per second, as h264 files, each once as it is, where
something moves nearly all the time, and once followed by its last picture for as long as it lasts: half of that stands
still. Tracked by `lapsmodels.stages.track` and encoded by `lapsmodels.stages.encode` with a tokenizer of the preset
`small`, in this process and on one thread, without a gate and with LAPS's constants. The pixel gate decodes every frame
once more, which is counted. An arm fills a small part of these pictures: what the constants leave out of scenes in
which something moves nearly all the time is motion.
"""

from __future__ import annotations

import itertools
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from machine import hardware, versions

from lapsdata import formats
from lapsdata.containers import Tracks
from lapsdata.testing.scene_truth import scene_name
from lapsdata.testing.scenes import MEASURE_SEEDS, SceneConfig, render_scene
from lapsdata.video.writer import write_video
from lapsmodels.stages._threads import threads
from lapsmodels.stages.encode import encode_tracks
from lapsmodels.stages.track import track_video
from lapsmodels.stages.track_options import TrackOptions
from lapsmodels.stages.train import train_tokenizer
from lapsmodels.stages.train_options import TrainStageOptions
from lapsmodels.tokenizer.checkpoint import load_tokenizer

RESULT = Path(__file__).with_name("results") / "gates.json"
SCENES, PIXEL_GATE, MOTION_GATE = 4, 0.005, 0.02


def videos(folder: Path, *, still: bool) -> list[Path]:
    made = []
    for seed in MEASURE_SEEDS[:SCENES]:
        scene = render_scene(seed, SceneConfig(actions=6))
        rest = itertools.repeat(scene.frame(len(scene) - 1), len(scene) if still else 0)
        path = folder / f"{scene_name(scene)}{'_still' if still else ''}.mp4"
        frame_s = np.arange(len(scene) * (2 if still else 1)) / scene.config.rate.hz
        write_video(path, itertools.chain(scene.frames(), rest), frame_s)
        made.append(path)
    return made


def tracked(paths: list[Path], gate_mad: float | None) -> dict[str, Any]:
    begun = time.perf_counter()
    options = TrackOptions(gate_mad=gate_mad)
    done = [track_video(path, path.with_suffix(".h5"), options, overwrite=True) for path in paths]
    seconds = time.perf_counter() - begun
    return {
        "windows": sum(one.windows for one in done),
        "gated_windows": sum(one.gated for one in done),
        "frames_not_tracked": sum(one.untracked for one in done),
        "s": round(seconds, 2),
    }


def encoded(paths: list[Path], tokenizer: Path, gate_speed: float | None) -> dict[str, Any]:
    checkpoint = load_tokenizer(tokenizer)
    tracks = [formats.read(path.with_suffix(".h5"), Tracks) for path in paths]
    begun = time.perf_counter()
    with threads(1):
        done = [encode_tracks(one, checkpoint, gate_speed=gate_speed) for one in tracks]
    seconds = time.perf_counter() - begun
    return {
        "windows": sum(map(len, done)),
        "gated_windows": sum(one.header.gated_windows for one in done),
        "s": round(seconds, 2),
    }


def measure() -> dict[str, Any]:
    rows: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for title, still in (("moving", False), ("half still", True)):
            paths = videos(folder, still=still)
            if not rows:
                # Loops are compiled, and pages read, before anything counts.
                tracked(paths[:1], None)
            gate = tracked(paths, PIXEL_GATE)
            rows[title] = {"track": {"pixel_gate": gate, "no_gate": tracked(paths, None)}}
            tokenizer = folder / "tokenizer"
            train_tokenizer([paths[0].with_suffix(".h5")], tokenizer, TrainStageOptions(steps=2), force=True)
            encoded(paths[:1], tokenizer, None)
            rows[title]["encode"] = {
                "motion_gate": encoded(paths, tokenizer, MOTION_GATE),
                "no_gate": encoded(paths, tokenizer, None),
            }
            print(title, json.dumps(rows[title]), file=sys.stderr, flush=True)
    return {
        "what": "windows that a gate leaves out, and seconds of the work with and without it",
        "constants": {"pixel_gate": [PIXEL_GATE, 0.05, 0.02], "motion_gate": [MOTION_GATE, 0.025]},
        "rows": rows,
        "versions": versions("av", "numpy", "numba", "opencv-python-headless", "torch"),
        "hardware": hardware(),
    }


def main() -> None:
    result = measure()
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result["rows"], indent=2))


if __name__ == "__main__":
    main()
