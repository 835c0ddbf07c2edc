"""How long the small tokenizer waits for its data when a `Loader` feeds it.

    python benchmarks/bench_feeding.py [STEPS]

The promise: less than 2 % of the training time. Steps are those of `lapsdata train` with the small preset, on one
core; the windows are 4 files of 317 windows of (16, 400, 2), verified.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from datagen import Data, write_ours
from machine import hardware, versions

import lapsdata
from lapsmodels.tokenizer.config import PRESETS
from lapsmodels.training.loop import begin, loader_of, train
from lapsmodels.training.options import TrainOptions
from lapsmodels.training.ranks import Ranks
from lapsmodels.training.source import MotionSource

RESULT = Path(__file__).with_name("results") / "feeding.json"
BATCH, PROMISE = 16, 0.02


def measure(steps: int) -> dict[str, Any]:
    data, alone = Data(files=4), Ranks(0, 1, torch.device("cpu"))
    options = TrainOptions(batch=BATCH, points=None)
    training = begin(PRESETS["small"], options, alone)
    with tempfile.TemporaryDirectory() as root:
        windows = lapsdata.open_windows(sorted(write_ours(Path(root), "zarr_raw", data).glob("*.zarr")))
        with loader_of(MotionSource(windows), options, alone) as loader:
            # What is compiled and started at first is no waiting of a training.
            _, *facts = train(training, loader, options, alone, steps + 1)
        windows.close()
    seconds, waited = (sum(getattr(one, name) for one in facts) for name in ("took_s", "waited_s"))
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


if __name__ == "__main__":
    torch.set_num_threads(1)
    result = measure(int(sys.argv[1]) if len(sys.argv) > 1 else 40)
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps({key: result[key] for key in ("seconds_per_step", "waited_share")}))
