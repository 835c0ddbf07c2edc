"""How fast every threshold is tried: of frames against labels, and of segments against true boundaries.

    python benchmarks/bench_threshold.py

Energies are logarithms of smoothed noise, seeded; true boundaries lie anywhere, one per 2.26 s as in GTEA. No row says
how good a threshold is, only how long it takes to know.

- `frames`: 10 ** 6 energies with labels, F1 and Youden's J of every threshold, and the middle of the widest plateau.
- `boundaries, GTEA`: 21 videos of 1,100 values at 15 per second, about its first train split: F of every segmentation
  of the state machine, with maximum matching, and with each video left out.
- `boundaries, 10 ** 6`: 1,000 videos of 1,000 values.
- `one by one`: the same as `boundaries, GTEA` by the state machine of streams and the scores of `lapsdata evaluate`, on
  a few of its thresholds, and how long all of them would take.

Seconds of one processor, compiled before, the best of three. Promise: 10 ** 6 energies in 2 s, against labels.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from machine import hardware, versions

from lapsdata.metrics import match_boundaries, segment_boundaries
from lapsdata.metrics.sweeps import TrueVideo, frame_sweep, widest_plateau
from lapsdata.segmenters import EnergySeries
from lapsdata.segmenters.many_thresholds import pieces_of
from lapsdata.segmenters.state_machine import StateMachine
from lapsdata.stages._boundary_search import BoundaryTrain, TrainVideo

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from lapsdata.stages._boundary_search import Swept

RESULT = Path(__file__).with_name("results") / "threshold.json"
RATE, GAP_S, TOLERANCE_S = 15, 2.26, 0.5
MACHINE = StateMachine(threshold=1.0)
FRAMES = 1_000_000
FEW = 20


def noise(count: int, seed: int) -> NDArray[np.float64]:
    normal = np.random.default_rng(seed).normal(0, 1, count + 14)
    return np.exp(np.convolve(normal, np.ones(15) / 4, "valid"))


def video(count: int, seed: int) -> tuple[EnergySeries, TrueVideo]:
    start = np.arange(count) / RATE
    series = EnergySeries.measured(start, start + 1 / RATE, noise(count, seed), video=f"v{seed}")
    end_s = float(series.end_s[-1])
    truth = np.sort(np.random.default_rng([seed]).uniform(0, end_s, round(end_s / GAP_S)))
    return series, TrueVideo(f"v{seed}", (0.0, end_s), truth)


def best_of_three(call: Callable[[], Any]) -> tuple[float, Any]:
    seconds, found = [], None
    for _ in range(3):
        begin = time.process_time()
        found = call()
        seconds.append(time.process_time() - begin)
    return round(min(seconds), 4), found


def frames(count: int) -> dict[str, Any]:
    energy = noise(count, 0)
    active = energy * np.exp(np.random.default_rng(1).normal(0, 1, count)) > 2

    def sweep() -> None:
        found = frame_sweep(energy, active)
        for objective in ("f1", "youden"):
            widest_plateau(found.score(objective), found.low, found.high)

    return {"energies": count, "seconds": best_of_three(sweep)[0]}


def boundaries(videos: int, values: int, *, leave_one_out: bool) -> dict[str, Any]:
    given = [video(values, seed) for seed in range(videos)]

    def sweep(left: bool = False) -> Swept:
        train = [TrainVideo(series, true, MACHINE, TOLERANCE_S) for series, true in given]
        return BoundaryTrain(train, "f_macro", MACHINE.off_ratio).search(10**9, coarse=False, leave_one_out=left)

    seconds, found = best_of_three(sweep)
    told = {"videos": videos, "energies": videos * values, "thresholds": found.candidates, "seconds": seconds}
    if leave_one_out:
        told["seconds_with_each_left_out"] = best_of_three(lambda: sweep(True))[0]
    return told


def one_by_one(videos: int, values: int, few: int) -> dict[str, Any]:
    given = [video(values, seed) for seed in range(videos)]
    pieces = pieces_of([series.energy for series, _ in given], off_ratio=MACHINE.off_ratio)
    begin = time.process_time()
    for threshold in pieces.value[np.linspace(0, len(pieces) - 1, few).astype(int)].tolist():
        machine = MACHINE.model_copy(update={"threshold": threshold})
        for series, true in given:
            segments = machine.segment(series).segments
            start, end = np.array([one[:2] for one in segments], np.float64).reshape(-1, 2).T
            match_boundaries(true.truth_s, segment_boundaries(start, end, true.span_s), TOLERANCE_S)
    seconds = (time.process_time() - begin) / few
    return {"tried": few, "seconds_each": round(seconds, 4), "seconds_of_all": round(seconds * len(pieces))}


def measure(frame_count: int = FRAMES, train: tuple[int, int] = (21, 1100), many: tuple[int, int] = (1000, 1000),
            few: int = FEW) -> dict[str, Any]:  # fmt: skip
    boundaries(2, 50, leave_one_out=True)
    return {
        "what": "seconds of one processor to score every threshold there is",
        "rows": {
            "frames": frames(frame_count),
            "boundaries, GTEA": boundaries(*train, leave_one_out=True),
            "boundaries, 10 ** 6": boundaries(*many, leave_one_out=False),
            "one by one": one_by_one(*train, few),
        },
        "promise": {"frames": 2.0},
        "versions": versions("numpy", "numba"),
        "hardware": hardware(),
    }


def main() -> None:
    result = measure()
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result["rows"], indent=2))


if __name__ == "__main__":
    main()
