"""How long the small tokenizer waits for its data when a `Loader` feeds it.

    python benchmarks/bench_feeding.py [STEPS]

The promise: less than 2 % of the training time. Steps are those of `lapsdata train` with the small preset, on one
core; the windows are 4 files of 317 windows of (16, 400, 2), verified, made model coordinates in the prefetch threads.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datagen import HEIGHT, WIDTH, Data, write_ours
from machine import hardware, versions

import lapsdata
from lapsdata.geometry import FrameSize, pixel_to_amplify
from lapsmodels.tokenizer.config import PRESETS
from lapsmodels.training.loop import Training, _loss, begin
from lapsmodels.training.options import TrainOptions
from lapsmodels.training.windows import MotionWindows

RESULT = Path(__file__).with_name("results") / "feeding.json"
BATCH, PROMISE = 16, 0.02


def placed(batch: dict[str, Any]) -> dict[str, Any]:
    """Make positions what the model takes, in the thread that has read them."""
    frame = FrameSize(width=WIDTH, height=HEIGHT)
    return batch | {"tracks": pixel_to_amplify(batch["tracks"], frame, outside="clip", lost="raise").row_col}


def measure(steps: int) -> dict[str, Any]:
    data = Data(files=4)
    training = begin(PRESETS["small"], TrainOptions(batch=BATCH))
    with tempfile.TemporaryDirectory() as root:
        windows = lapsdata.open_windows(
            sorted(write_ours(Path(root), "zarr_raw", data).glob("*.zarr")), lost="last", transform=placed
        )
        with lapsdata.Loader(windows, batch_size=BATCH, shuffle="global", seed=0, epochs=None) as loader:
            batches = iter(loader)
            step(training, next(batches))  # what is compiled and started at first is no waiting of a training
            begun, before = time.perf_counter(), loader.waited_s
            for _ in range(steps):
                step(training, next(batches))
            seconds, waited = time.perf_counter() - begun, loader.waited_s - before
        windows.close()
    return {
        "what": "share of the training time for which the small tokenizer waits for a Loader",
        "steps": steps,
        "batch": BATCH,
        "seconds_per_step": round(seconds / steps, 4),
        "waited_share": round(waited / seconds, 5),
        "promise": PROMISE,
        "versions": versions("torch", "numpy"),
        "hardware": hardware(),
    }


def step(training: Training, batch: dict[str, Any]) -> None:
    count = len(batch["tracks"])
    windows = MotionWindows(batch["tracks"][:, None], batch["vis"][:, None], np.zeros(count, np.int64), 0)
    loss = _loss(training.model, windows, np.arange(count), None, TrainOptions(batch=BATCH))
    training.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    training.optimizer.step()


if __name__ == "__main__":
    torch.set_num_threads(1)
    result = measure(int(sys.argv[1]) if len(sys.argv) > 1 else 40)
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps({key: result[key] for key in ("seconds_per_step", "waited_share")}))
