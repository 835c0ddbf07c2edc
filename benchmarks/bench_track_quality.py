"""How well points are followed where the truth is exact, and how fast, beside plain flow and Lucas-Kanade.

    python benchmarks/bench_track_quality.py

The 24 scenes of `MEASURE_SEEDS`, on which nothing was tuned, six actions each: once as they are ("plain"), and once
made hard in turn by size, noise, shaking, bars, uneven times and little texture ("hard"). Windows of 16 frames, one
every 4 frames, at 10 frames per second, 400 points of a uniform grid; every tracker is given the same frames, points
and windows.

Rows: a tracker that never moves; OpenCV's DIS flow (preset medium), summed up from frame to frame; pyramidal
Lucas-Kanade, forward; the same forward and back (`lucas_kanade`); `dense_flow`. Scores are those of `tap_vid`, means
over scenes, for points that truly move by more than 2 px and for those that do not.

Promises for moving points: median end-point error <= 1.5 px and <= 1.1 x Lucas-Kanade's; delta_avg and average
Jaccard >= those of DIS and Lucas-Kanade. Speed: >= 5 x `lucas_kanade`, window by window, on frames of 480 lines;
processor seconds in one thread, taking turns.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np
from machine import hardware, versions
from tap_vid import MOVED_PX, THRESHOLDS_PX, Paths, Scores, moved, score

from lapsdata.geometry import FrameSize, uniform_grid
from lapsdata.testing.scenes import MEASURE_SEEDS, SceneConfig, render_scene
from lapsdata.timebase import FrameRate, window_starts
from lapsmodels.trackers import Tracker, WindowPlan
from lapsmodels.trackers.dense_flow import PLUGIN as DENSE_FLOW
from lapsmodels.trackers.lucas_kanade import PLUGIN as LUCAS_KANADE

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

RESULT = Path(__file__).with_name("results") / "track_quality.json"
HORIZON, STRIDE, POINTS, ACTIONS, RATE = 16, 4, 400, 6, FrameRate(10)
HARD: tuple[dict[str, Any], ...] = (
    {},
    {"size": (640, 480), "noise": 3.0},
    {"shake_px": 1.5},
    {"size": (480, 270), "letterbox": (0, 30, 0, 30)},
    {"size": (240, 320), "noise": 6.0},
    {"rate": FrameRate(15), "vfr": True, "size": (256, 256)},
    {"texture": 0.25, "noise": 2.0, "blocks": 5},
    {"size": (768, 480), "noise": 4.0, "shake_px": 2.0, "blocks": 5},
)


class Case(NamedTuple):
    """A scene in memory: frames gray (F, H, W), points (N, 2), starts (W,), and their true paths."""

    frames: NDArray[np.uint8]
    points: NDArray[np.float32]
    starts: NDArray[np.int64]
    truth: Paths


def case(seed: int, options: dict[str, Any]) -> Case:
    scene = render_scene(seed, SceneConfig(**{"rate": RATE, "actions": ACTIONS, **options}))
    frames = np.stack([cv2.cvtColor(scene.frame(index), cv2.COLOR_RGB2GRAY) for index in range(len(scene))])
    size = FrameSize.from_shape(frames[0].shape)
    points = uniform_grid(size, count=POINTS, area=scene.active_area).points
    starts = window_starts(len(scene), HORIZON, STRIDE)
    true = [scene.tracks(points, int(start), np.arange(start, start + HORIZON)) for start in starts]
    truth = Paths(np.stack([window.tracks for window in true]), np.stack([window.vis for window in true]))
    return Case(frames, points, starts, truth)


def never_moves(given: Case) -> Paths:
    shape = given.truth.tracks.shape
    return Paths(np.broadcast_to(given.points, shape), np.ones(shape[:-1], bool))


def plain_flow(given: Case) -> Paths:
    dis = cv2.DISOpticalFlow.create(cv2.DISOpticalFlow_PRESET_MEDIUM)
    flows = [dis.calc(before, after, None) for before, after in zip(given.frames, given.frames[1:], strict=False)]
    tracks = np.empty_like(given.truth.tracks)
    for window, start in enumerate(given.starts):
        xy = tracks[window, 0] = given.points
        for step in range(1, HORIZON):
            at = np.ascontiguousarray(xy[:, None], np.float32)
            flow = cv2.remap(flows[start + step - 1], at, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            xy = tracks[window, step] = xy + flow[:, 0]
    return Paths(tracks, np.ones(tracks.shape[:-1], bool))


def forward_lucas_kanade(given: Case) -> Paths:
    options = LUCAS_KANADE.parameters
    side = options["window_px"]
    tracks, vis = np.empty_like(given.truth.tracks), np.ones(given.truth.vis.shape, bool)
    for window, start in enumerate(given.starts):
        xy = tracks[window, 0] = given.points
        for step in range(1, HORIZON):
            pair = given.frames[start + step - 1], given.frames[start + step]
            found, status, _ = cv2.calcOpticalFlowPyrLK(
                *pair, np.ascontiguousarray(xy[:, None]), None, winSize=(side, side), maxLevel=options["levels"]
            )
            xy = tracks[window, step] = found[:, 0]
            vis[window, step] = vis[window, step - 1] & (status[:, 0] == 1)
    return Paths(tracks, vis)


def by(tracker: Tracker) -> Callable[[Case], Paths]:
    def follow(given: Case) -> Paths:
        size = FrameSize.from_shape(given.frames[0].shape)
        plan = WindowPlan(size=size, starts=given.starts, horizon=HORIZON, queries=lambda number: given.points)
        windows = list(tracker.windows(given.frames, plan))
        return Paths(np.stack([one.tracks for one in windows]), np.stack([one.vis for one in windows]))

    return follow


ROWS: dict[str, Callable[[Case], Paths]] = {
    "never moves": never_moves,
    "DIS medium": plain_flow,
    "Lucas-Kanade": forward_lucas_kanade,
    "lucas_kanade": by(LUCAS_KANADE),
    "dense_flow": by(DENSE_FLOW),
}


def mean(scores: list[Scores]) -> dict[str, float | None]:
    """Mean over the scenes that have such points; null where none has."""
    table = [one.as_json() for one in scores if one.points]
    known = {name: [row[name] for row in table if row[name] is not None] for name in table[0]}
    return {name: round(statistics.mean(values), 4) if values else None for name, values in known.items()}


def quality(options: tuple[dict[str, Any], ...]) -> dict[str, Any]:
    scores: dict[str, dict[str, list[Scores]]] = {name: {"moving": [], "static": []} for name in ROWS}
    for place, seed in enumerate(MEASURE_SEEDS):
        print(f"scene {seed}", file=sys.stderr, flush=True)
        given = case(seed, options[place % len(options)])
        moves = moved(given.truth)
        for name, follow in ROWS.items():
            found = follow(given)
            scores[name]["moving"].append(score(given.truth, found, moves))
            scores[name]["static"].append(score(given.truth, found, ~moves))
    best = scores["dense_flow"]["moving"]
    wins = {
        name: sum(
            ours.delta_avg >= other.delta_avg and ours.average_jaccard >= other.average_jaccard
            for ours, other in zip(best, scores[name]["moving"], strict=True)
        )
        for name in ROWS
        if name != "dense_flow"
    }
    return {
        "scenes": len(MEASURE_SEEDS),
        "rows": {name: {kind: mean(found) for kind, found in kinds.items()} for name, kinds in scores.items()},
        "scenes_where_dense_flow_is_not_worse": wins,
    }


def speed(runs: int) -> dict[str, Any]:
    given = case(MEASURE_SEEDS[0], {"size": (640, 480)})
    timed = ("dense_flow", "lucas_kanade", "Lucas-Kanade", "DIS medium")
    spent: dict[str, list[float]] = {name: [] for name in timed}
    for name in timed:
        ROWS[name](given)
    for _ in range(runs):
        for name, seconds in spent.items():
            start = time.process_time()
            ROWS[name](given)
            seconds.append(time.process_time() - start)
    frames = len(given.frames)
    ratios = {
        name: round(statistics.median(b / a for a, b in zip(spent["dense_flow"], seconds, strict=True)), 2)
        for name, seconds in spent.items()
    }
    return {
        "size": [640, 480],
        "frames": frames,
        "runs": runs,
        "ms_per_frame": {name: round(statistics.median(seconds) / frames * 1e3, 2) for name, seconds in spent.items()},
        "times_dense_flow": ratios,
        "promise_times_lucas_kanade": 5,
    }


def measure() -> dict[str, Any]:
    cv2.setNumThreads(1)
    return {
        "what": "point tracks against exact truth; moving: points whose true displacement is ever more than moved_px",
        "moved_px": MOVED_PX,
        "thresholds_px": THRESHOLDS_PX,
        "actions": ACTIONS,
        "horizon": HORIZON,
        "stride": STRIDE,
        "points": POINTS,
        "speed": speed(7),
        "plain": quality(({},)),
        "hard": quality(HARD),
        "versions": versions("numpy", "numba", "opencv-python-headless"),
        "hardware": hardware(),
    }


if __name__ == "__main__":
    result = measure()
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    for kind in ("plain", "hard"):
        for name, row in result[kind]["rows"].items():
            print(f"{kind:6}{name:14}", *(f"{key} {value}" for key, value in row["moving"].items()))
    print(json.dumps(result["speed"], indent=2))
