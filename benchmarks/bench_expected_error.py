"""How well the error of tracks is told without a truth, where the truth is exact.

    python benchmarks/bench_expected_error.py        # measures, on scenes that nothing was fitted to
    python benchmarks/bench_expected_error.py fit    # prints the calibrations, fitted to other scenes

Each scene is made hard by chance: texture 0.05 to 1, blur, noise, 4 to 30 frames per second, shaking, 1 to 5 blocks
that hide each other. Two actions, at most 96 frames of 320 x 240, 192 points, windows of 16 frames, every 8. Fitted to
90 scenes of seeds below 1000; measured on 72, three of each of `MEASURE_SEEDS`.

The true error of a video: the mean distance to the truth of the positions that the tracker calls visible, after the
first frame of their window, each counted as at most 8 px. Told without it: `expected_error_px`, of the tracker alone
and beside a second one. Promise: Spearman's rank correlation with the true error >= 0.8, for each tracker, alone and
compared. Rows for what else could be told: the median backward error, and the shares of points that are lost, static
and without texture.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np
from machine import hardware, versions
from scipy.stats import spearmanr

from lapsdata.geometry import FrameSize, uniform_grid
from lapsdata.testing.scenes import MEASURE_SEEDS, SceneConfig, render_scene
from lapsdata.timebase import FrameRate, window_starts
from lapsmodels.trackers import QualityMeter, WindowPlan, textured
from lapsmodels.trackers.dense_flow import PLUGIN as DENSE_FLOW
from lapsmodels.trackers.lucas_kanade import PLUGIN as LUCAS_KANADE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from lapsdata.schema import TrackQuality
    from lapsdata.testing.scenes import Scene

RESULT = Path(__file__).with_name("results") / "expected_error.json"
HORIZON, STRIDE, POINTS, FRAMES, COUNTED_PX = 16, 8, 192, 96, 8.0
TUNED_ON = [(seed, 0) for seed in range(100, 190)]
MEASURED_ON = [(seed, variant) for seed in MEASURE_SEEDS for variant in range(3)]
PAIRS = ((DENSE_FLOW, LUCAS_KANADE), (LUCAS_KANADE, DENSE_FLOW))
PROMISE = 0.8


class Told(NamedTuple):
    """One video and tracker: the true error, and what is told without it, alone and beside another tracker."""

    true_px: float
    back_px: float
    alone: TrackQuality
    beside: TrackQuality


def video(seed: int, variant: int) -> tuple[Scene, list[NDArray[np.uint8]]]:
    random = np.random.default_rng([77, seed, variant])
    config: dict[str, Any] = {"texture": float(random.uniform(0.05, 1))}
    noise = float(random.choice([0, random.uniform(0, 4), random.uniform(4, 16)]))
    config["rate"] = FrameRate(int(random.choice([4, 6, 10, 15, 20, 30])))
    config["shake_px"] = float(random.choice([0, random.uniform(0, 1), random.uniform(1, 4)]))
    config["blocks"] = int(random.integers(1, 6))
    blur = float(random.choice([0, random.uniform(0.5, 1.5), random.uniform(1.5, 3)]))
    # A lens blurs before the sensor adds its noise.
    scene = render_scene(seed, SceneConfig(actions=2, noise=0 if blur else noise, **config))
    grain = np.random.default_rng(seed)
    frames = []
    for index in range(min(len(scene), FRAMES)):
        image = cv2.cvtColor(scene.frame(index), cv2.COLOR_RGB2GRAY)
        if blur:
            image = cv2.GaussianBlur(image, (0, 0), blur)
            if noise:
                image = (image + grain.normal(0, noise, image.shape)).clip(0, 255).round().astype(np.uint8)
        frames.append(image)
    return scene, frames


def told_of(scene: Scene, frames: list[NDArray[np.uint8]]) -> list[Told]:
    size = FrameSize.from_shape(frames[0].shape)
    points = uniform_grid(size, count=POINTS).points
    starts = window_starts(len(frames), HORIZON, STRIDE)
    plan = WindowPlan(size=size, starts=starts, horizon=HORIZON, queries=lambda number: points)
    found = {tracker.name: list(tracker.windows(frames, plan)) for tracker, _ in PAIRS}
    truth = [scene.tracks(points, int(start), np.arange(start, start + HORIZON)).tracks for start in starts]
    rows = []
    for tracker, other in PAIRS:
        alone, beside = (QualityMeter(tracker.calibration) for _ in range(2))
        errors = []
        for window, second, true in zip(found[tracker.name], found[other.name], truth, strict=True):
            for meter in (alone, beside):
                meter.add(window)
                meter.look(textured(frames[window.start], points))
            beside.compare(window, second)
            away = np.linalg.norm(window.tracks - true, axis=-1)[1:][window.vis[1:]]
            errors.append(np.minimum(away, COUNTED_PX))
        said = alone.quality(), beside.quality(other)
        assert said[0] is not None
        assert said[1] is not None
        back = np.concatenate(
            [one.back_error_px[one.vis & ~np.isnan(one.back_error_px)] for one in found[tracker.name]]
        )
        rows.append(Told(float(np.concatenate(errors).mean()), float(np.minimum(back, 16).mean()), *said))
    return rows


def all_told(scenes: Iterable[tuple[int, int]]) -> list[list[Told]]:
    """For each of the pairs, what is told of all videos that hold a window."""
    videos = (video(*one) for one in scenes)
    rows = [told_of(scene, frames) for scene, frames in videos if len(frames) >= HORIZON]
    return [list(column) for column in zip(*rows, strict=True)]


def measured(rows: list[Told]) -> dict[str, Any]:
    true = np.array([row.true_px for row in rows])

    def rank(values: list[float | None]) -> float:
        return round(
            float(spearmanr([np.nan if one is None else one for one in values], true, nan_policy="omit")[0]), 3
        )

    alone, beside = ([getattr(row, name).expected_error_px for row in rows] for name in ("alone", "beside"))
    return {
        "videos": len(rows),
        "true_px": [round(float(one), 3) for one in np.quantile(true, [0.05, 0.5, 0.95])],
        "rank_correlation": {"alone": rank(alone), "beside_another": rank(beside)},
        "times_truth": {
            name: [
                round(float(one), 2) for one in np.quantile(np.array(said) / np.maximum(true, 0.01), [0.1, 0.5, 0.9])
            ]
            for name, said in (("alone", alone), ("beside_another", beside))
        },
        "rank_correlation_of": {
            "median_back_error": rank([row.alone.back_error_px and row.alone.back_error_px.median for row in rows]),
            "lost": rank([1 - (row.alone.survival or 0) for row in rows]),
            "static": rank([row.alone.static for row in rows]),
            "untextured": rank([row.alone.untextured for row in rows]),
            "distance_to_another": rank([row.beside.agreement and row.beside.agreement.mean_px for row in rows]),
        },
    }


def measure(scenes: Iterable[tuple[int, int]] = MEASURED_ON) -> dict[str, Any]:
    cv2.setNumThreads(1)
    told = all_told(scenes)
    return {
        "what": "error of tracks as told without a truth, against exact truth, video by video",
        "counted_px": COUNTED_PX,
        "horizon": HORIZON,
        "stride": STRIDE,
        "points": POINTS,
        "promise_rank_correlation": PROMISE,
        "trackers": {tracker.name: measured(rows) for (tracker, _), rows in zip(PAIRS, told, strict=True)},
        "versions": versions("numpy", "numba", "opencv-python-headless", "scipy"),
        "hardware": hardware(),
    }


def law(true: NDArray[np.float64], *measures: NDArray[np.float64]) -> list[float]:
    """Return scale and powers, by least squares of logarithms."""
    columns = np.column_stack([np.ones(len(true)), *(np.log(one + 0.01) for one in measures)])
    fitted = np.linalg.lstsq(columns, np.log(true + 0.01), rcond=None)[0]
    return [round(float(np.exp(fitted[0])), 2), *(round(float(one), 3) for one in fitted[1:])]


def fit() -> dict[str, list[float]]:
    """Return the constants of each calibration, and those of the distance to another tracker."""
    cv2.setNumThreads(1)
    told = all_told(TUNED_ON)
    laws, distances, errors = {}, [], []
    for (tracker, _), rows in zip(PAIRS, told, strict=True):
        true = np.array([row.true_px for row in rows])
        back = np.array([row.back_px for row in rows])
        laws[tracker.name] = law(true, back, np.array([1 - row.alone.visible for row in rows]))
        distances += [row.beside.agreement.mean_px for row in rows if row.beside.agreement]
        errors += [row.true_px for row in rows if row.beside.agreement]
    return {**laws, "beside another": law(np.array(errors), np.array(distances))}


if __name__ == "__main__":
    if sys.argv[1:] == ["fit"]:
        print(json.dumps(fit(), indent=2))
    else:
        result = measure()
        RESULT.write_text(json.dumps(result, indent=2) + "\n")
        print(json.dumps(result["trackers"], indent=2))
