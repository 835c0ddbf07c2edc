"""How fast boundaries are scored: one matching beside mir_eval's, and whole results with every row of chance.

    LAPSDATA_REAL_DATA=FOLDER python benchmarks/bench_scores.py

On one core, in seconds of the processor. `matching`: the boundaries of 28 videos like GTEA's, and of 28 that are ten
times as long, within 0.5 s and 5 s, by `mir_eval.segment.detection` beside `boundary_scores`, and by the matching
alone, `mir_eval.util.match_events`, beside the loop that rows of chance are matched with, over 100 draws of each video;
turn by turn, medians. `gtea`: the four splits of GTEA's own truth, true boundaries moved by up to a second as
prediction, train rows, 100 random draws, 1,000 turns and 1,000 resamples, at the five usual tolerances. `breakfast`:
the same for 1,712 generated videos of Breakfast's mean length and number of boundaries, as one split. Loops are
compiled before anything counts: machine code is kept between runs.

Promises: 50 times as many matchings per second as mir_eval, in draws; all four splits in 5 s.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mir_eval
import numpy as np
from machine import hardware, versions

from lapsdata.metrics import boundary_scores, evaluate_boundaries, random_boundaries
from lapsdata.metrics._alignment import Video
from lapsdata.metrics._boundary_sets import sets_of
from lapsdata.metrics._rows import Scorer

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Cuts = dict[str, NDArray[np.float64]]

RESULT = Path(__file__).with_name("results") / "scores.json"
ROUNDS, DRAWS = 9, 100
RATE = 15
GTEA_VIDEOS, GTEA_MEAN_S, GTEA_BOUNDARIES = 28, 74.3, 32
BREAKFAST_VIDEOS, BREAKFAST_MEAN_S, BREAKFAST_BOUNDARIES = 1712, 139.8, 6
PROMISE = {"matching_times_mir_eval": 50, "gtea_s": 5}


def generated(videos: int, mean_s: float, boundaries: float) -> tuple[dict[str, tuple[float, float]], Cuts]:
    random = np.random.default_rng(0)
    spans, truth = {}, {}
    for number in range(videos):
        frames = int(RATE * mean_s * random.lognormal(-0.125, 0.5)) + 2
        drawn = random.choice(np.arange(1, frames), min(frames - 1, random.poisson(boundaries)), replace=False)
        name = f"video_{number:04}"
        spans[name], truth[name] = (0.0, frames / RATE), np.sort(drawn) / RATE
    return spans, truth


def moved(spans: dict[str, tuple[float, float]], truth: Cuts) -> Cuts:
    random = np.random.default_rng(1)
    return {
        name: np.unique(np.clip(cuts + random.uniform(-1, 1, len(cuts)), 1 / RATE, spans[name][1] - 1 / RATE))
        for name, cuts in truth.items()
    }


def seconds(work: Callable[[], object]) -> float:
    """Return the time of the processor, which the work of others on the same machine changes little."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def matching(longer: int, within_s: float) -> dict[str, Any]:
    spans, truth = generated(GTEA_VIDEOS, longer * GTEA_MEAN_S, longer * GTEA_BOUNDARIES)
    found = moved(spans, truth)
    drawn = {
        name: random_boundaries(spans[name], len(cuts), draws=DRAWS, seed=0, video=name) for name, cuts in found.items()
    }
    scorer = Scorer([Video(name, spans[name], truth[name], found[name]) for name in spans], "maximum", "both_1_one_0")
    sets = sets_of(drawn.values())

    def parts(cuts: NDArray[np.float64], name: str) -> NDArray[np.float64]:
        edges = np.array([0.0, *cuts, spans[name][1]])
        return np.stack([edges[:-1], edges[1:]], axis=1)

    pairs = {name: (parts(truth[name], name), parts(found[name], name)) for name in spans}

    def by_mir_eval() -> list[float]:
        return [mir_eval.segment.detection(*both, window=within_s, trim=True)[2] for both in pairs.values()]

    def by_ours() -> list[float]:
        return [boundary_scores(*both, tolerance_s=within_s, span_s=spans[name]).f for name, both in pairs.items()]

    def by_mir_eval_matching() -> list[int]:
        return [len(mir_eval.util.match_events(truth[name], found[name], within_s)) for name in spans]

    ways: dict[str, tuple[Callable[[], object], int]] = {
        "mir_eval.segment.detection": (by_mir_eval, len(spans)),
        "boundary_scores": (by_ours, len(spans)),
        "mir_eval.util.match_events": (by_mir_eval_matching, len(spans)),
        "the loop over draws": (lambda: scorer.hits(sets, within_s), len(spans) * DRAWS),
    }
    if not np.allclose(by_mir_eval(), by_ours()):
        raise SystemExit("the scores differ from those of mir_eval")
    alone = scorer.hits(sets_of([cuts] for cuts in found.values()), within_s)
    if alone[:, 0].tolist() != by_mir_eval_matching():
        raise SystemExit("the pairs are not as many as those of mir_eval")
    took: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, (work, count) in ways.items():
            took[name].append(seconds(work) / count)
    medians = {name: statistics.median(each) for name, each in took.items()}
    return {
        "within_s": within_s,
        "boundaries": round(float(np.mean([len(cuts) for cuts in truth.values()])), 1),
        "us_per_matching": {name: round(1e6 * median, 2) for name, median in medians.items()},
        "times_mir_eval": {
            "boundary_scores": round(medians["mir_eval.segment.detection"] / medians["boundary_scores"], 1),
            "the loop over draws": round(medians["mir_eval.util.match_events"] / medians["the loop over draws"], 1),
        },
    }


def gtea(folder: Path) -> dict[str, Any]:
    spans: dict[str, tuple[float, float]] = {}
    truth: Cuts = {}
    for path in sorted((folder / "gtea" / "groundTruth").glob("*.txt")):
        labels = np.array(path.read_text().split())
        spans[path.stem] = (0.0, len(labels) / RATE)
        truth[path.stem] = (1 + np.flatnonzero(labels[1:] != labels[:-1])) / RATE
    found, took = moved(spans, truth), []
    for split in range(1, 5):
        bundles = [folder / "gtea" / "splits" / f"{side}.split{split}.bundle" for side in ("test", "train")]
        test, train = ([line.removesuffix(".txt") for line in path.read_text().split()] for path in bundles)
        sides = [{name: cuts[name] for name in test} for cuts in (truth, found)]
        others = {name: truth[name] for name in train}

        def score(sides: list[Cuts] = sides, others: Cuts = others) -> None:
            evaluate_boundaries(*sides, spans_s=spans, train=others)

        took.append(statistics.median(seconds(score) for _ in range(3)))
    return {"videos": len(spans), "s_per_split": [round(each, 2) for each in took], "s": round(sum(took), 2)}


def breakfast() -> dict[str, Any]:
    spans, truth = generated(BREAKFAST_VIDEOS, BREAKFAST_MEAN_S, BREAKFAST_BOUNDARIES)
    found, names = moved(spans, truth), list(spans)
    train = {f"train_{name}": truth[name] for name in names[::2]}
    every = spans | {f"train_{name}": spans[name] for name in names}
    took = [seconds(lambda: evaluate_boundaries(truth, found, spans_s=every, train=train)) for _ in range(3)]
    return {
        "videos": len(spans),
        "boundaries": sum(map(len, truth.values())),
        "s": round(statistics.median(took), 1),
    }


def main() -> None:
    folder = os.environ.get("LAPSDATA_REAL_DATA")
    if folder is None:
        raise SystemExit("LAPSDATA_REAL_DATA: expected the folder of real inputs, got nothing")
    load = round(os.getloadavg()[0], 1)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    matched = [matching(longer, within_s) for longer in (1, 10) for within_s in (0.5, 5.0)]
    result = {
        "what": "seconds on one core to score boundaries, beside chance",
        "matching": matched,
        "gtea": gtea(Path(folder)),
        "breakfast": breakfast(),
        "promise": PROMISE,
        "load_before": load,
        "versions": versions("mir_eval", "numpy", "numba"),
        "hardware": hardware(),
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps({name: result[name] for name in ("matching", "gtea", "breakfast", "load_before")}, indent=2))


if __name__ == "__main__":
    main()
