"""How fast tracks become tokens, beside the model alone: reading, verifying and writing are to cost next to nothing.

    python benchmarks/bench_encode.py [ROUNDS]

The promise: at least 0.9 of the windows per second of the model's own encoder on arrays in memory. Files of windows of
(16, 400, 2) in Zarr, in one process on one thread, rounds of both ways one after the other, medians; then two processes
on two files, with all that starting them takes.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import torch
from machine import hardware, versions

import lapsdata
from lapsdata.schema import SourceVideo
from lapsdata.testing.samples import sample_provenance, sample_tracks
from lapsmodels.stages.encode_many import encode_files
from lapsmodels.tokenizer.checkpoint import TokenizerHeader, save_tokenizer, weights_digest
from lapsmodels.tokenizer.config import PRESETS
from lapsmodels.tokenizer.model import MotionTokenizer
from lapsmodels.training.motion import motion

RESULT = Path(__file__).with_name("results") / "encode.json"
WINDOWS = {"small": 2048, "amplify": 192}
BATCH, PROMISE = 64, 0.9


def measure(preset: str, rounds: int, folder: Path) -> dict[str, Any]:
    model = MotionTokenizer(PRESETS[preset]).eval()
    header = TokenizerHeader(
        provenance=sample_provenance(), config=model.config, views=("default",), weights=weights_digest(b"")
    )
    save_tokenizer(folder / "tokenizer", model, header)
    clips = []
    for number in (0, 1):
        video = SourceVideo(name=f"clip_{number}")
        clip = sample_tracks(windows=WINDOWS[preset], horizon=16, points=400, seed=number, video=video)
        lapsdata.write(folder / f"clip_{number}.zarr", clip)
        clips.append(clip)
    files = sorted(folder.glob("*.zarr"))
    xy, vis = (torch.tensor(arrays["default"])[:, None] for arrays in (clips[0].tracks, clips[0].vis))
    size = torch.tensor([[64.0, 48.0]]).expand(len(xy), 1, 2)
    moved, _ = motion(xy, vis, size, model.config)
    velocities = [moved.velocities[first : first + BATCH] for first in range(0, len(xy), BATCH)]
    alone, whole, shared = [], [], []
    torch.set_num_threads(1)
    for number in range(rounds + 1):  # the first is for what is compiled and read into memory
        begun = time.perf_counter()
        with torch.no_grad():
            for batch in velocities:
                model.encode(batch)
        alone.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        encode_files(files[:1], folder / "tokenizer", folder / f"tokens-{number}")
        whole.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        encode_files(files, folder / "tokenizer", folder / f"shared-{number}", workers=2)
        shared.append(time.perf_counter() - begun)
        for made in (f"tokens-{number}", f"shared-{number}"):
            shutil.rmtree(folder / made)
    return {
        "windows": WINDOWS[preset],
        "model_windows_per_s": round(WINDOWS[preset] / median(alone[1:]), 1),
        "encode_windows_per_s": round(WINDOWS[preset] / median(whole[1:]), 1),
        "two_processes_windows_per_s": round(2 * WINDOWS[preset] / median(shared[1:]), 1),
        "share_of_model": round(median(a / w for a, w in zip(alone[1:], whole[1:], strict=True)), 3),
    }


if __name__ == "__main__":
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    found = {}
    for preset in PRESETS:
        with tempfile.TemporaryDirectory() as root:
            found[preset] = measure(preset, rounds, Path(root))
    result = {
        "what": "windows per second from files of tracks to files of tokens, beside the model's encoder alone",
        "batch": BATCH,
        "rounds": rounds,
        "promise": PROMISE,
        "presets": found,
        "versions": versions("torch", "numpy"),
        "hardware": hardware(),
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(found, indent=1))
