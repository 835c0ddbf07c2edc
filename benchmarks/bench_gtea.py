"""GTEA's truth beside a model's labels, rows of chance and published numbers; and how long all of a score takes.

    LAPSDATA_REAL_DATA=FOLDER python benchmarks/bench_gtea.py

Split 1 of GTEA, its 7 test videos, by the rules of LAPS (2 s and 5 s, every inner boundary twice, greedy) and by ours
(once, most pairs). `model`: labels of frames that another project's network has predicted. `chance`: cuts that look at
no video, and what is known of the 21 train videos. `published`: numbers of LAPS's own documents (arXiv 2511.21428 and
the experiment log), which nobody can take again, for no energies or segments are public; ABD was told the mean number
of segments of the test truth.

`seconds`: all four splits with every metric (boundaries with 100 random draws, 1,000 turns and 1,000 resamples, labels
in frames, whole segments, clusters), on one core, once compiled; true labels moved by half a second as prediction.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from machine import hardware, versions

from lapsdata.metrics import evaluate_segments
from lapsdata.schema import SegmentsHeader
from lapsdata.stages._named_prediction import NamedPrediction
from lapsdata.stages.segments_source import read_segments
from lapsdata.timebase import FrameRate

if TYPE_CHECKING:
    from lapsdata.containers import Segments
    from lapsdata.schema import SegmentationResult

RESULT = Path(__file__).with_name("results") / "gtea.json"
OURS_S, LAPS_S, SEEDS = (0.5, 1.0, 2.0, 5.0), (2.0, 5.0), 50
PROMISE_S = 5
PUBLISHED = {
    "LAPS": {"F1@2s": 0.6008, "F1@5s": 0.7173, "AP@0.5": 0.0920, "AP@0.75": 0.0041},
    "OTAS": {"F1@2s": 0.3690, "F1@5s": 0.3768, "AP@0.5": 0.0866, "AP@0.75": 0.0175},
    "ABD, told the test truth's mean count": {"F1@2s": 0.7423, "F1@5s": 0.8192, "AP@0.5": 0.2068, "AP@0.75": 0.0322},
}
TRAIN_ROWS = ("uniform_train_period", "train_durations", "train_position", "train_copy")


def scored(truth: Segments, found: Segments, train: Segments | None) -> tuple[SegmentationResult, SegmentationResult]:
    """Return scores by our rules and by those of LAPS."""
    return (
        evaluate_segments(truth, found, tolerances_s=OURS_S, rate=FrameRate(15), train=train),
        evaluate_segments(truth, found, rules="laps-2025", tolerances_s=LAPS_S, rate=FrameRate(15), train=train),
    )


def figures(ours: SegmentationResult, laps: SegmentationResult, row: str = "prediction") -> dict[str, float]:
    """Return the numbers of one row."""
    told = {}
    for title, result in (("F1@{:g}s", laps), ("F@{:g}s", ours)):
        by_name = {one.name: one for one in result.boundaries.rows}
        told |= {title.format(score.tolerance_s): score.macro.f for score in by_name[row].scores}
    if row == "prediction" and laps.detections is not None:
        pairs = zip(laps.detections.rules.overlaps, laps.detections.rows[0].ap, strict=True)
        told |= {f"AP@{overlap:g}": ap.mean for overlap, ap in pairs}
    labels = next((one for one in (ours.labels.rows if ours.labels else ()) if one.name == row), None)
    if labels is not None:
        told |= {"accuracy": labels.accuracy_micro.mean, "edit": labels.edit.mean}
        told |= {f"F@{100 * score.overlap:g}": score.f.mean for score in labels.f}
    return {name: round(value, 4) for name, value in told.items()}


def split(root: Path, number: int) -> tuple[Segments, Segments]:
    """Return the truth of a split's test and train videos."""
    return tuple(read_segments(root, split=f"{part}.split{number}").segments for part in ("test", "train"))


def moved(truth: Segments, by_s: float) -> Segments:
    """Return the labels of a truth with every inner boundary later."""
    last = np.append(truth.video_index[1:] != truth.video_index[:-1], True)
    first = np.append(True, last[:-1])
    lasts = truth.end_s - truth.start_s
    late = np.minimum(by_s, np.append(lasts[1:], 0.0) / 2)
    ends = np.where(last, truth.end_s, truth.end_s + late)
    header = SegmentsHeader(provenance=truth.header.provenance, videos=truth.header.videos)
    starts = np.where(first, truth.start_s, np.append(0.0, ends[:-1]))
    return type(truth)(header, truth.video_index, starts, ends, truth.end_reason, truth.label)


def main() -> None:
    data = Path(os.environ["LAPSDATA_REAL_DATA"])
    root = data / "gtea"
    truth, train = split(root, 1)
    model = scored(truth, read_segments(data / "gtea_predictions" / "split_1", rate=15).segments, train)
    rows: dict[str, Any] = {"labels of a network": {"kind": "model", **figures(*model)}}
    for every_s in (1.5, 2.0, 2.4):
        found = NamedPrediction("uniform", every_s).segments(truth)
        rows[f"a cut every {every_s:g} s"] = {"kind": "chance", **figures(*scored(truth, found, None))}
    draws = (NamedPrediction("random", 32, seed).segments(truth) for seed in range(SEEDS))
    drawn = [figures(*scored(truth, found, None)) for found in draws]
    means = {name: round(statistics.fmean(one[name] for one in drawn), 4) for name in drawn[0]}
    rows[f"32 random cuts, mean of {SEEDS}"] = {"kind": "chance", **means}
    for row in TRAIN_ROWS:
        rows[row.replace("_", " ")] = {"kind": "chance, train known", **figures(*model, row=row)}
    rows |= {name: {"kind": "published", **told} for name, told in PUBLISHED.items()}
    splits = [split(root, number) for number in (1, 2, 3, 4)]
    work = [(test, moved(test, 0.5), known) for test, known in splits]

    def everything() -> float:
        begun = time.process_time()
        for test, found, known in work:
            evaluate_segments(test, found, rate=FrameRate(15), train=known, clusters="video")
        return time.process_time() - begun

    everything()
    took = [everything() for _ in range(3)]
    result = {
        "what": "GTEA, split 1 test: a model, chance and published numbers; seconds for all four splits",
        "videos": len(truth.header.videos),
        "segments": len(truth),
        "truth_digest": model[0].truth_digest,
        "rows": rows,
        "seconds": round(statistics.median(took), 2),
        "promise_s": PROMISE_S,
        "versions": versions("numpy", "numba"),
        "hardware": hardware(),
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
