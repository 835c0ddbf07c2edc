"""What each refinement of the segmentation gains: fusion of supports, a cap from train durations, steepest boundaries.

    python benchmarks/bench_refinements.py [FOLDER]

Twelve scenes to choose settings on and the 24 scenes of `MEASURE_SEEDS` to score, six actions each, 10 frames per
second, as h264 files; once plain and once hard, with a noisy sensor and a shaking camera, whose motion is taken off.
Tracked by `lapsdata track` with windows of 16 and of 4 frames, measured by `lapsdata energies`. The baseline is the
state machine on means over windows of 1.5 s, as LAPS had them; the fused energies add windows of 0.3 s and steps of
0.1 s, which stand as rows of their own: a gain of fusion is one over the best of its parts, and not over the longest.

What a row has to choose, it chooses by mean F at 0.5 s on the train scenes: thresholds among quantiles of the train
energies, penalties, windows, periods. The cap is the 0.95 quantile of the true train durations and `refine_s` half the
support, both as `lapsdata segment` sets them. `abd` and `peaks` are told how much the energy changes, too, as a speed
is high while an action goes on and not between two. With FOLDER, tracks are kept there for the next run.
"""

from __future__ import annotations

import itertools
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from bench_segments import ACTIONS, RATE, call
from machine import hardware, versions

from lapsdata import formats
from lapsdata.containers import Energies, Segments
from lapsdata.metrics.boundary import inner_boundaries, match_boundaries
from lapsdata.segmenters import Segmenter, segment
from lapsdata.segmenters.abd import Abd
from lapsdata.segmenters.kernel_cpd import KernelCpd
from lapsdata.segmenters.peaks import Peaks
from lapsdata.segmenters.random_cuts import RandomCuts
from lapsdata.segmenters.state_machine import StateMachine
from lapsdata.segmenters.uniform import Uniform
from lapsdata.stages.durations import Durations, train_durations
from lapsdata.testing.scene_truth import scene_name, true_segments
from lapsdata.testing.scenes import MEASURE_SEEDS, SceneConfig, render_scene
from lapsdata.transforms.fusion import FuseOptions, fuse_energies, told_scales

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

RESULT = Path(__file__).with_name("results") / "refinements.json"
TRAIN_SEEDS = tuple(range(5000, 5012))
# The scenes, and whether the motion of the camera is taken off before anything is measured.
KINDS: dict[str, tuple[dict[str, Any], str]] = {
    "plain": ({}, "raw"),
    "hard": ({"shake_px": 1.0, "noise": 4.0}, "residual"),
}
TOLERANCES_S, CHOSEN_AT_S = (0.25, 0.5, 1.0), 0.5
DRAWS = 20


class Split(NamedTuple):
    """Energies of one set of scenes by support, and the truth of it."""

    energies: dict[str, Energies]
    truth: Segments
    truth_file: Path


class Row(NamedTuple):
    """Which energies, and what may be made of them."""

    measure: str
    makers: Sequence[Segmenter]


def rendered(folder: Path, seeds: Sequence[int], options: dict[str, Any], motion: str) -> Split:
    videos = folder / "videos"
    if not (folder / "truth.parquet").exists():
        videos.mkdir(parents=True, exist_ok=True)
        scenes = [render_scene(seed, SceneConfig(rate=RATE, actions=ACTIONS, **options)) for seed in seeds]
        for scene in scenes:
            scene.write_video(videos / f"{scene_name(scene)}.mp4")
        formats.write(folder / "truth.parquet", true_segments(*scenes))
    energies: dict[str, Energies] = {}
    for name, horizon, mode in (
        ("1.5 s", 16, "velocity_mean"),
        ("0.3 s", 4, "velocity_mean"),
        ("0.1 s", 4, "velocity_step"),
    ):
        tracks, out = folder / f"tracks_{horizon}", folder / f"{mode}_{horizon}.jsonl"
        call("track", videos, "--out", tracks, "--horizon", str(horizon), "--stride", "1")
        call("energies", tracks, "--out", out, "--mode", mode, "--motion", motion)
        energies[name] = formats.read(out, Energies)
    return Split(energies, formats.read(folder / "truth.parquet", Segments), folder / "truth.parquet")


def with_derived(train: Split, test: Split) -> None:
    """Add fused energies, by the scales of the train scenes, and changes of the energies."""
    parts = ("1.5 s", "0.3 s", "0.1 s")
    for how in ("zmean", "zlogmean"):
        options = FuseOptions(how=how, times="interpolate")
        train.energies[how] = fuse_energies([train.energies[name] for name in parts], options)
        _, scales = told_scales(train.energies[how], how)
        test.energies[how] = fuse_energies([test.energies[name] for name in parts], options, scales=scales)
    for split, name in itertools.product((train, test), parts):
        split.energies[f"change of {name}"] = changes(split.energies[name])


def changes(energies: Energies) -> Energies:
    """Return by how much each energy differs from one neighbour to the other; the ends of a video have none."""
    value = np.full(len(energies), np.nan)
    value[1:-1] = np.abs(energies.energy[2:] - energies.energy[:-2])
    ends = np.append(np.diff(energies.video_index) != 0, True)
    value[ends | np.roll(ends, 1)] = np.nan
    return replace(energies, energy=value, state=np.where(np.isnan(value), 2, 0).astype(np.uint8))


def f_scores(found: Segments, truth: Segments) -> list[float]:
    """Return the mean F over videos at each tolerance."""
    each = []
    for video in found.header.videos:
        whole = next(one for one in truth.header.videos if one.name == video.name)
        told = [
            inner_boundaries(np.concatenate([segments.start_s[rows], segments.end_s[rows]]), (one.start_s, one.end_s))
            for segments, one in ((found, video), (truth, whole))
            for rows in [segments.of_video(video.name)]
        ]
        each.append([match_boundaries(told[1], told[0], at).counts.f for at in TOLERANCES_S])
    return [float(score) for score in np.mean(each, axis=0)]


def machines(energies: Energies, **rules: float) -> Iterator[StateMachine]:
    measured = energies.energy[energies.state == 0]
    for threshold in np.unique(np.quantile(measured, np.linspace(0.05, 0.95, 19))).tolist():
        for off_ratio in (0.95, 0.7) if threshold > 0 else (1.0,):
            yield StateMachine(threshold=threshold, off_ratio=off_ratio, **rules)


def rows(train: Split, told: Durations) -> dict[str, list[Row]]:
    """Return what each row may choose among."""
    of, cap = train.energies, {"max_duration_s": told.cap_s}
    refine = {name: {"refine_s": energies.header.support_s / 2} for name, energies in of.items()}
    base, fused = "1.5 s", ("zmean", "zlogmean")

    def machine(names: Sequence[str], rules: Callable[[str], dict[str, float]]) -> list[Row]:
        return [Row(name, list(machines(of[name], **rules(name)))) for name in names]

    found = {
        "baseline, 1.5 s": machine([base], lambda name: {}),
        "+ fusion": machine(fused, lambda name: {}),
        "+ cap": machine([base], lambda name: cap),
        "+ refinement": machine([base], lambda name: refine[name]),
        "+ all": machine(fused, lambda name: {**cap, **refine[name]}),
        "0.3 s alone": machine(["0.3 s"], lambda name: {}),
        "0.1 s alone": machine(["0.1 s"], lambda name: {}),
        "0.1 s + cap": machine(["0.1 s"], lambda name: cap),
        "0.3 s + refinement": machine(["0.3 s"], lambda name: refine[name]),
    }
    for name in (base, "0.1 s"):
        found[f"kernel_cpd, {name}"] = [Row(name, kernels(of[name]))]
        for kind, makers in (("abd", abds(told)), ("peaks", peaks(of[f"change of {name}"]))):
            found[f"{kind}, change of {name}"] = [Row(f"change of {name}", makers)]
    found["abd, 1.5 s"] = [Row(base, abds(told))]
    found["peaks, 1.5 s"] = [Row(base, peaks(of[base]))]
    found["uniform"] = [Row(base, [Uniform(period_s=tenths / 10) for tenths in range(5, 31)])]
    return found


def kernels(energies: Energies) -> list[Segmenter]:
    variance = float(energies.energy[energies.state == 0].var())
    return [
        *(KernelCpd(kernel="linear", pen=variance * share) for share in (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)),
        *(KernelCpd(kernel="rbf", pen=pen) for pen in (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)),
        *(KernelCpd(kernel="rbf", pen=pen, min_size=5) for pen in (0.1, 0.3, 1.0, 3.0)),
    ]


def abds(told: Durations) -> list[Segmenter]:
    pairs = itertools.product((0.0, 0.2, 0.4), (0.2, 0.4, 0.6))
    return [Abd(mean_s=told.mean_s, smooth_s=smooth_s, window_s=window_s) for smooth_s, window_s in pairs]


def peaks(energies: Energies) -> list[Segmenter]:
    measured = energies.energy[energies.state == 0]
    levels = np.quantile(measured, (0.0, 0.25, 0.5, 0.75, 0.9)).tolist()
    return [Peaks(prominence=level, distance_s=apart) for level in levels for apart in (0.0, 0.3, 0.6)]


def scored(row: list[Row], train: Split, test: Split) -> dict[str, Any]:
    """Choose on the train scenes, score on the test scenes."""
    at = TOLERANCES_S.index(CHOSEN_AT_S)
    best: tuple[float, str, Segmenter] | None = None
    for one in row:
        for maker in one.makers:
            score = f_scores(segment(train.energies[one.measure], maker), train.truth)[at]
            if best is None or score > best[0]:
                best = score, one.measure, maker
    assert best is not None
    score, measure, maker = best
    found = f_scores(segment(test.energies[measure], maker), test.truth)
    return {
        "f": {str(tolerance): round(f, 4) for tolerance, f in zip(TOLERANCES_S, found, strict=True)},
        "train_f_at_0.5_s": round(score, 4),
        "energies": measure,
        "segmenter": maker.name,
        "parameters": {
            key: round(value, 4) if isinstance(value, float) else value for key, value in maker.parameters.items()
        },
    }


def at_random(test: Split, told: Durations) -> dict[str, Any]:
    made = [RandomCuts(mean_s=told.mean_s, seed=seed) for seed in range(DRAWS)]
    mean = np.mean([f_scores(segment(test.energies["1.5 s"], one), test.truth) for one in made], axis=0)
    return {"f": {str(at): round(float(f), 4) for at, f in zip(TOLERANCES_S, mean, strict=True)}, "draws": DRAWS}


def measure_kind(folder: Path, options: dict[str, Any], motion: str) -> dict[str, Any]:
    train = rendered(folder / "train", TRAIN_SEEDS, options, motion)
    test = rendered(folder / "test", MEASURE_SEEDS, options, motion)
    with_derived(train, test)
    told = train_durations(train.truth_file)
    found: dict[str, Any] = {}
    for name, row in rows(train, told).items():
        found[name] = scored(row, train, test)
        print(name, found[name]["f"], file=sys.stderr, flush=True)
    found["random"] = at_random(test, told)
    return {
        "cap_s": round(told.cap_s, 3),
        "mean_s": round(told.mean_s, 3),
        "options": options,
        "motion": motion,
        "rows": found,
    }


def measure(folder: Path) -> dict[str, Any]:
    if set(TRAIN_SEEDS) & set(MEASURE_SEEDS):
        raise SystemExit("scenes that are scored must not be chosen on")
    return {
        "what": "boundary F, mean over videos, maximum matching; seconds of tolerance; SYNTHETIC scenes",
        "scenes": {"chosen on": len(TRAIN_SEEDS), "scored": len(MEASURE_SEEDS)},
        "actions": ACTIONS,
        "kinds": {kind: measure_kind(folder / kind, *told) for kind, told in KINDS.items()},
        "versions": versions("av", "numpy", "opencv-python-headless", "ruptures"),
        "hardware": hardware(),
    }


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        result = measure(Path(sys.argv[1] if len(sys.argv) > 1 else name))
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    for kind, told in result["kinds"].items():
        for name, row in told["rows"].items():
            print(kind, name, *row["f"].values())


if __name__ == "__main__":
    main()
