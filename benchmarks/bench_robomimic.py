"""How well the switches of a robot's gripper are found in the motion of known points, beside rows that saw no motion.

    python benchmarks/bench_robomimic.py [STEPS [FOLDER]]

FOLDER keeps tracks, tokenizers and tokens: what is there is not made again.

Twenty demonstrations of one task (shared/data/robomimic, or the folder that LAPSDATA_REAL_DATA names), 20 rows a second
by the user's word: the hand, the fingers and three cubes as two fixed cameras see them (`robomimic.CAMERAS`), windows
of 16 rows, one from each row on. The command of the gripper is the truth, and nothing's input; where the fingers are is
seen, so all of it is measured again without them.

Ten demonstrations are generated from the ten others, part by part, and all are linked by shared sources: no partition
leaves two groups. So each is tested beside one of its own sources, by what was fitted without any demonstration that
shares a source with one of the two: ten folds of two. Fitted are the tokenizer (`lapsdata train`, the small preset, as
it is when nothing is said but the steps) and what cuts the energies: the segmenter's parameters of highest F at 0.5 s
on the demonstrations that the tokenizer was trained on. Latents are measured as `token_diff_step`, points as
`velocity_step` in each view, smoothed over the latents' support and as they are.

No promise: F of each at 0.25, 0.5 and 1 s, means over the demonstrations, beside every row of chance.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
import tempfile
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from bench_segments import call
from machine import hardware, versions
from robomimic import CAMERAS, HORIZON, RATE, Demo, demo_tracks, points_of, read_demos, replayed, sources_of
from robomimic import switch_segments as truth_of
from scipy.optimize import linear_sum_assignment

from lapsdata import formats
from lapsdata.containers import Energies, Segments, Tokens
from lapsdata.metrics import TRAIN_ROWS, evaluate_boundaries, inner_boundaries, match_boundaries
from lapsdata.segmenters import constant_energy_segments, segment, smooth
from lapsdata.segmenters.peaks import Peaks
from lapsdata.segmenters.state_machine import StateMachine
from lapsdata.transforms.energies import EnergyOptions, token_energies, track_energies
from lapsmodels.tokenizer.checkpoint import read_tokenizer_header

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lapsdata.schema import BoundaryResult
    from lapsdata.segmenters import Segmenter

ROOT = Path(__file__).parents[1]
RESULT = Path(__file__).with_name("results") / "robomimic.json"
TOLERANCES_S = (0.25, 0.5, 1.0)
CHOSEN_AT_S = 0.5
DRAWS = 1000
# What the state machine and the peaks are chosen among, by quantiles of the train energies.
SHARES = np.linspace(0.02, 0.98, 25)
DISTANCES_S = (0.0, 0.5, 1.0)


class Fold(NamedTuple):
    """Demonstrations that are tested, and those that share no source with any of them."""

    test: tuple[Demo, ...]
    train: tuple[Demo, ...]


def data() -> Path:
    named = os.environ.get("LAPSDATA_REAL_DATA")
    return (Path(named) if named else ROOT.parent / "shared" / "data") / "robomimic"


def folds(demos: Sequence[Demo], sources: dict[str, frozenset[str]]) -> list[Fold]:
    """Return a fold for each generated demonstration, with one of its sources, so that all are tested once."""
    sharing = {one: {other for other in sources if sources[one] & sources[other]} for one in sources}  # itself included
    annotated, generated = ([demo for demo in demos if (demo.asked is None) is made] for made in (False, True))
    cost = np.array([[one.name not in sources[made.name] for one in annotated] for made in generated])
    rows, columns = linear_sum_assignment(cost)
    if cost[rows, columns].any():
        raise SystemExit("expected a source of its own for each generated demonstration")
    found = []
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        test = (generated[row], annotated[column])
        near = set().union(*(sharing[demo.name] for demo in test))
        found.append(Fold(test, tuple(demo for demo in demos if demo.name not in near)))
    return found


def linked(sources: dict[str, frozenset[str]]) -> int:
    """Return the number of groups if demonstrations that share a source are one."""
    groups: list[set[str]] = []
    for name, own in sources.items():
        touched = [group for group in groups if group & own]
        groups = [group for group in groups if not group & own] + [{name, *own}.union(*touched)]
    return len(groups)


# --- from tracks to boundaries ----------------------------------------------------------------------------------


def boundaries(found: Segments) -> dict[str, np.ndarray]:
    """Return where segments of each video begin and end."""
    rows = {video.name: found.of_video(video.name) for video in found.header.videos}
    return {name: np.concatenate([found.start_s[at], found.end_s[at]]) for name, at in rows.items()}


def macro_f(truth: Segments, found: Segments) -> float:
    """Return the mean F over the videos of `found`, at the tolerance by which parameters are chosen."""
    true, cuts = boundaries(truth), boundaries(found)
    spans = {video.name: (video.start_s, video.end_s) for video in found.header.videos}
    inner = {
        name: [inner_boundaries(np.clip(times, *span), span) for times in (true[name], cuts[name])]
        for name, span in spans.items()
    }
    return fmean(match_boundaries(*pair, CHOSEN_AT_S).counts.f for pair in inner.values())


def machines(values: np.ndarray) -> Iterator[Segmenter]:
    # Where nothing changes, latents of one code have an energy of 0: no threshold, for all would be loud.
    thresholds = np.unique(np.quantile(values, SHARES))
    for threshold in thresholds[thresholds > 0].tolist():
        yield StateMachine(threshold=threshold)


def peaks(values: np.ndarray) -> Iterator[Segmenter]:
    height = float(np.quantile(values, SHARES[-1]) - np.quantile(values, SHARES[0]))
    for share, distance in itertools.product(SHARES, DISTANCES_S):
        yield Peaks(prominence=height * float(share), distance_s=distance)


SEGMENTERS: dict[str, Callable[[np.ndarray], Iterator[Segmenter]]] = {"state_machine": machines, "peaks": peaks}


def chosen(energies: Energies, truth: Segments, kind: str) -> tuple[Segmenter, float]:
    """Return the segmenter that does best on demonstrations of the train split; of equals the first."""
    values = energies.energy[~np.isnan(energies.energy)]
    best: tuple[float, Segmenter] | None = None
    for tried in SEGMENTERS[kind](values):
        f = macro_f(truth, segment(energies, tried))
        if best is None or f > best[0]:
            best = f, tried
    if best is None:
        raise SystemExit(f"no parameters of {kind} to choose among")
    return best[1], best[0]


def energies_of(demos: Sequence[Demo], tracks: Path, tokens: Path) -> dict[str, Energies]:
    """Return all that is measured, by name."""
    encoded = [formats.read(tokens / f"{demo.name}.zarr", Tokens) for demo in demos]
    seen = [formats.read(tracks / f"{demo.name}.h5") for demo in demos]
    found = {
        source: token_energies(encoded, EnergyOptions(mode="token_diff_step", source=source))
        for source in ("quantized", "prequant")
    }
    support_s = found["quantized"].header.support_s
    for view in CAMERAS:
        raw = track_energies(seen, EnergyOptions(mode="velocity_step", view=view))
        found[f"velocity {view}, equal support"] = smooth(raw, "moving_average", support_s)
        found[f"velocity {view}"] = raw
    return found


# --- scores -----------------------------------------------------------------------------------------------------


class Cut(NamedTuple):
    """What one fold has found: segments, those of a constant energy, the fold's own result, F on its train split."""

    found: Segments
    constant: Segments
    result: BoundaryResult
    train_f: float
    parameters: dict[str, Any]


def cut(fold: Fold, learned: Energies, measured: Energies, kind: str) -> Cut:
    segmenter, train_f = chosen(learned, truth_of(fold.train), kind)
    level = dict(segmenter.parameters).get("threshold")
    found = segment(measured, segmenter)
    constant = constant_energy_segments(measured, segmenter, level=1.0 if level is None else level)
    result = evaluate_boundaries(
        truth_of(fold.test), found, train=truth_of(fold.train), **scoring(), chance={"constant_energy": constant}
    )
    return Cut(found, constant, result, train_f, dict(segmenter.parameters))


def scoring() -> dict[str, Any]:
    return {"tolerances_s": TOLERANCES_S, "end_slack_s": 1.0, "draws": DRAWS, "shift_draws": DRAWS, "seed": 0}


def of_rows(result: BoundaryResult, names: Sequence[str] | None = None) -> dict[str, dict[str, float]]:
    """Return the macro F of rows at each tolerance, but for oracles."""
    return {
        row.name: {str(at.tolerance_s): at.macro.f for at in row.scores}
        for row in result.rows if row.kind != "oracle" and (names is None or row.name in names)
    }  # fmt: skip


def mean_of(results: Sequence[BoundaryResult], names: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return the macro F of rows over the videos of several results."""
    each = [(len(result.videos), of_rows(result, names)) for result in results]
    videos = sum(count for count, _ in each)
    return {
        name: {str(at): sum(count * rows[name][str(at)] for count, rows in each) / videos for at in TOLERANCES_S}
        for name in names
    }


def joined(cuts: Sequence[Cut], demos: Sequence[Demo]) -> dict[str, Any]:
    """Return the scores of all folds as one: rows of a train split are means over the folds, each by its own."""
    found = {name: times for one in cuts for name, times in boundaries(one.found).items()}
    constant = {name: times for one in cuts for name, times in boundaries(one.constant).items()}
    spans = {
        video.name: (video.start_s, video.end_s) for one in cuts for video in one.found.header.videos
    }  # what was looked at
    result = evaluate_boundaries(
        boundaries(truth_of(demos)), found, spans_s=spans, **scoring(), chance={"constant_energy": constant}
    )
    rows = of_rows(result) | mean_of([one.result for one in cuts], TRAIN_ROWS)
    prediction = rows.pop("prediction")
    again = mean_of([one.result for one in cuts], ("prediction",))["prediction"]
    if any(abs(prediction[at] - again[at]) > 1e-9 for at in again):
        raise SystemExit("folds and all of them together do not score alike")
    shifted = next(row for row in result.rows if row.name == "circular_shift")
    best = {at: max(rows, key=lambda name: rows[name][at]) for at in prediction}
    return {
        "f": rounded(prediction),
        "found": sum(video.found for video in result.videos),
        "best_chance": {at: {"row": name, "f": round(rows[name][at], 4)} for at, name in best.items()},
        "above_best_chance": {at: bool(prediction[at] > rows[name][at]) for at, name in best.items()},
        "circular_shift": {
            str(at.tolerance_s): {"band": [round(end, 4) for end in at.macro_f_band or ()], "p": at.macro_f_p}
            for at in shifted.scores
        },
        "chance": {name: rounded(row) for name, row in rows.items()},
        "f_on_train_at_0.5_s": round(fmean(one.train_f for one in cuts), 4),
        "parameters": [varying(one.parameters) for one in cuts],
    }


def rounded(row: dict[str, float]) -> dict[str, float]:
    return {at: round(f, 4) for at, f in row.items()}


def varying(parameters: dict[str, Any]) -> dict[str, float]:
    """Return what is chosen; the rest is the segmenter's own."""
    return {
        name: float(f"{parameters[name]:.4g}")
        for name in ("threshold", "prominence", "distance_s")
        if name in parameters
    }


# --- the whole of it --------------------------------------------------------------------------------------------


def measured(
    folder: Path, parts: Sequence[Fold], demos: Sequence[Demo], steps: int, *, fingers: bool
) -> dict[str, Any]:
    """Return the scores of all energies, by the folds' own tokenizers."""
    tracks = folder / "tracks"
    tracks.mkdir(parents=True, exist_ok=True)
    for demo in demos:
        formats.write(tracks / f"{demo.name}.h5", demo_tracks(demo, fingers=fingers), overwrite=True)
    cuts: dict[str, list[Cut]] = {}
    trained, supports = [], set()
    for number, fold in enumerate(parts):
        print(f"fold {number + 1} of {len(parts)}, fingers {fingers}", file=sys.stderr, flush=True)
        tokenizer, tokens = folder / f"tokenizer_{number}", folder / f"tokens_{number}"
        files = [[tracks / f"{demo.name}.h5" for demo in side] for side in (fold.train, fold.test)]
        told = ("--steps", str(steps), "--val", "none", "--picture-every", "0", "--threads", "1")
        call("train", *files[0], "--out", tokenizer, *told)
        call("encode", *files[0], *files[1], "--tokenizer", tokenizer, "--out", tokens, "--latents", "both")
        learned, tested = (energies_of(side, tracks, tokens) for side in (fold.train, fold.test))
        for name, kind in itertools.product(tested, SEGMENTERS):
            cuts.setdefault(f"{name}, {kind}", []).append(cut(fold, learned[name], tested[name], kind))
        supports.add(round(tested["quantized"].header.support_s, 6))
        use = read_tokenizer_header(tokenizer).trained
        if use is not None:
            trained.append(use.train)
    return {
        "points": points_of(demos[0], fingers=fingers).shape[1],
        "support_s": sorted(supports),
        "codes": {
            "perplexity": [round(use.codebook.perplexity, 1) for use in trained],
            "accuracy": [round(use.accuracy, 4) for use in trained],
            "majority_share": [round(use.majority_share, 4) for use in trained],
        },
        "rows": {name: joined(found, [demo for fold in parts for demo in fold.test]) for name, found in cuts.items()},
    }


def known_of_others(parts: Sequence[Fold], demos: Sequence[Demo]) -> dict[str, Any]:
    """Return what rows of a train split score over whole demonstrations, and with the near ones left in."""

    def rows(tested: Sequence[Demo], known: Sequence[Demo]) -> BoundaryResult:
        truth = truth_of(tested)
        return evaluate_boundaries(truth, truth, train=truth_of(known), **scoring())

    apart = [rows(fold.test, fold.train) for fold in parts]
    alone = [rows([demo], [other for other in demos if other is not demo]) for demo in demos]
    return {
        "nothing shared": {name: rounded(row) for name, row in mean_of(apart, TRAIN_ROWS).items()},
        "all others": {name: rounded(row) for name, row in mean_of(alone, TRAIN_ROWS).items()},
    }


def measure(steps: int, kept: Path | None) -> dict[str, Any]:
    demos = read_demos(data())
    switches = sum(len(demo.switches) for demo in demos)
    if (len(demos), switches) != (20, 80):
        raise SystemExit(f"expected 80 switches in 20 demonstrations, got {switches} in {len(demos)}")
    annotated = [demo for demo in demos if demo.asked is not None]
    parts = [replayed(demo, part, annotated) for demo in demos if demo.asked is None for part in range(4)]
    sources = sources_of(demos)
    chosen_folds = folds(demos, sources)
    # One thread each: two trainings of two threads wait for one another on two cores.
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as name, ProcessPoolExecutor(2) as pool:
        at_once = {
            title: pool.submit(
                measured, (kept or Path(name)) / title.replace(" ", "_"), chosen_folds, demos, steps, fingers=fingers
            )
            for title, fingers in (("with fingers", True), ("without fingers", False))
        }
        by_points = {title: future.result() for title, future in at_once.items()}
    return {
        "what": "boundary F of gripper switches, mean over demonstrations; seconds of tolerance",
        "demonstrations": len(demos),
        "robot_rows": sum(map(len, demos)),
        "switches": switches,
        "rate": str(RATE),
        "horizon": HORIZON,
        "steps": steps,
        "sources": {
            "of_generated": {name: sorted(own) for name, own in sources.items() if name.startswith("generated")},
            "largest_noise": round(max(part.noise for part in parts), 4),
            "next_source_has_times_the_noise": round(min(part.next_noise / part.noise for part in parts), 3),
            "groups_if_a_shared_source_is_one": linked(sources),
        },
        "folds": [
            {"test": [demo.name for demo in fold.test], "train": [demo.name for demo in fold.train]}
            for fold in chosen_folds
        ],
        "switches_per_demonstration": dict(Counter(str(len(demo.switches)) for demo in demos)),
        "train_rows_over_whole_demonstrations": known_of_others(chosen_folds, demos),
        **by_points,
        "versions": versions("numpy", "torch", "scipy", "h5py"),
        "hardware": hardware(),
    }


if __name__ == "__main__":
    steps, folder = (*sys.argv[1:], *("200", "")[len(sys.argv) - 1 :])
    result = measure(int(steps), Path(folder) if folder else None)
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    shown = {
        title: {name: row["f"] | {"best chance": row["best_chance"]} for name, row in result[title]["rows"].items()}
        for title in ("with fingers", "without fingers")
    }
    print(json.dumps(shown | {"train rows": result["train_rows_over_whole_demonstrations"]}, indent=1))
