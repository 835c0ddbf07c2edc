"""How well segments are found by the codes of a trained tokenizer, beside the speed of points over the same time.

    python benchmarks/bench_tokens.py [STEPS]

Twelve scenes to train the small preset on, none of which is among the 24 of `MEASURE_SEEDS` that it is measured on; six
actions each, 10 frames per second, as h264 files. Tracked by `lapsdata track`, trained by `lapsdata train` with nothing
said but the steps, encoded, measured per step as `token_diff_step` (of quantised latents and of those before) and as
`velocity_step` smoothed over the token energies' own support, cut by `lapsdata segment` with nothing said, scored by
`lapsdata evaluate`.

Promise: token step energies reach the F at 0.25 s of velocity step energies of equal support.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench_segments import ACTIONS, RATE, call, scored
from machine import hardware, versions

from lapsdata import formats
from lapsdata.testing.scene_truth import scene_name, true_segments
from lapsdata.testing.scenes import MEASURE_SEEDS, SceneConfig, render_scene
from lapsmodels.tokenizer.checkpoint import read_tokenizer_header

RESULT = Path(__file__).with_name("results") / "tokens.json"
TRAIN_SEEDS = tuple(range(5000, 5012))
TOLERANCE = "0.25"


def rendered(folder: Path, seeds: tuple[int, ...]) -> Path:
    """Return a folder of tracks of scenes, with their truth beside it."""
    (folder / "videos").mkdir(parents=True)
    scenes = [render_scene(seed, SceneConfig(rate=RATE, actions=ACTIONS)) for seed in seeds]
    for scene in scenes:
        scene.write_video(folder / "videos" / f"{scene_name(scene)}.mp4")
    formats.write(folder / "truth.parquet", true_segments(*scenes))
    call("track", folder / "videos", "--out", folder / "tracks")
    return folder / "tracks"


def trained(folder: Path, steps: int) -> Path:
    """Return the small preset, trained on the scenes of `TRAIN_SEEDS`."""
    learned, tokenizer = rendered(folder / "train", TRAIN_SEEDS), folder / "tokenizer"
    call("train", learned, "--out", tokenizer, "--steps", str(steps), "--picture-every", "0")
    return tokenizer


def score(folder: Path, name: str, measured: Path, truth: Path, *words: str) -> dict[str, Any]:
    energies, segments, result = (folder / f"{name}{end}" for end in (".jsonl", ".parquet", ".json"))
    call("energies", measured, "--out", energies, *words)
    call("segment", energies, "--out", segments, "--threshold", "otsu")
    rows = scored(segments, truth, energies, result)
    found = rows.pop("prediction")
    header = formats.read(energies).header
    return {
        "f": found,
        "best_chance_f": {at: max(row[at] for row in rows.values()) for at in found},
        "support_s": header.support_s,
    }


def measure(steps: int) -> dict[str, Any]:
    if set(TRAIN_SEEDS) & set(MEASURE_SEEDS):
        raise SystemExit("scenes that are measured on must not be trained on")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tokenizer, measured = trained(folder, steps), rendered(folder / "test", tuple(MEASURE_SEEDS))
        truth, tokens = folder / "test" / "truth.parquet", folder / "tokens"
        call("encode", measured, "--tokenizer", tokenizer, "--out", tokens, "--latents", "both")
        rows = {
            source: score(folder, source, tokens, truth, "--mode", "token_diff_step", "--source", source)
            for source in ("quantized", "prequant")
        }
        support = str(rows["quantized"]["support_s"])
        smooth = ("--smooth", f"moving_average:{support}")
        rows["velocity, equal support"] = score(folder, "velocity", measured, truth, *smooth)
        rows["velocity"] = score(folder, "velocity_raw", measured, truth)
        told = read_tokenizer_header(tokenizer).trained
    best = max(rows[source]["f"][TOLERANCE] for source in ("quantized", "prequant"))
    return {
        "what": "boundary F, mean over videos; seconds of tolerance",
        "scenes": {"trained on": len(TRAIN_SEEDS), "measured on": len(MEASURE_SEEDS)},
        "steps": steps,
        "rows": rows,
        "trained": None if told is None else told.as_json(),
        "promise": {"tokens_reach_velocity_of_equal_support": best >= rows["velocity, equal support"]["f"][TOLERANCE]},
        "versions": versions("av", "numpy", "torch", "opencv-python-headless"),
        "hardware": hardware(),
    }


if __name__ == "__main__":
    result = measure(int(sys.argv[1]) if len(sys.argv) > 1 else 400)
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result["rows"], indent=1))
