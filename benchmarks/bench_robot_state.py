"""What energies and tokens say of a robot's own state: GR00T's five episodes.

    python benchmarks/bench_robot_state.py [STEPS]

Real inputs: `gr00t_pick_n_place_v20` in the folder that LAPSDATA_REAL_DATA names, 20 frames per second. Row i of an
episode's table is frame i of its video; its timestamps lie 0.05 s later, all of them, and are put back. Which numbers
are the right arm and the right hand is read from `meta/modality.json`. Episodes 1 and 2 share one schedule of the hand:
they are one group.

The videos are tracked by `lapsdata track` with nothing said. The tokenizer is the small preset, trained on twelve
rendered scenes at 20 frames per second: it has seen no frame of any episode. For each energy, per episode: Spearman's
correlation with the speed of the right arm (length of the 7 joint velocities, mean rate of change over the energy's own
time), and the lag within 1 s at which it is highest (above 0: the energy is later). Beside them the mean length of
plain dense flow (DIS, medium) over the whole picture, with no tracker and no points.

Hand events are flips of the commanded hand; both ends of a pulse shorter than 0.5 s, and flips less than 0.5 s from an
end of the episode, are dropped. Of ten events nothing is claimed: what is told is how many have a boundary of `lapsdata
segment` with nothing said within 0.25 and 0.5 s, and the p-value of that under circular shifts, episodes 1 and 2 turned
together.

The probe is `lapsdata evaluate --task probe` of tokens, tracks and energies, to the 7 joint velocities.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from bench_segments import ACTIONS, call
from machine import hardware, versions

from lapsdata import formats
from lapsdata.containers import Energies, Segments
from lapsdata.metrics import inner_boundaries
from lapsdata.metrics.circular_shift import circular_shift_test
from lapsdata.metrics.probe_table import probe_table
from lapsdata.metrics.rank_correlation import best_lag, spearman
from lapsdata.stages.probe import ProbeOptions, probe_features, probe_files
from lapsdata.testing.scene_truth import scene_name
from lapsdata.testing.scenes import SceneConfig, render_scene
from lapsdata.timebase import FrameRate
from lapsdata.transforms.over_spans import over_spans

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

RESULT = Path(__file__).with_name("results") / "robot_state.json"
TRAIN_SEEDS = tuple(range(5000, 5012))
RATE = 20
GROUPS = {"same schedule": ("episode_000001", "episode_000002")}
SHORTEST_S, TOLERANCES_S, MOST_LAG_S, DRAWS = 0.5, (0.25, 0.5), 1.0, 1000
OF_TRACKS = {
    "velocity_step": ("--mode", "velocity_step"),
    "velocity_step residual": ("--mode", "velocity_step", "--motion", "residual"),
    "velocity_mean": ("--mode", "velocity_mean"),
    "velocity_mean residual": ("--mode", "velocity_mean", "--motion", "residual"),
}
OF_TOKENS = {
    f"{mode} {source}": ("--mode", mode, "--source", source)
    for mode in ("token_diff_step", "token_size_step", "token_diff_l2_mean", "l2_mean")
    for source in ("quantized", "prequant")
}


class Episode(NamedTuple):
    """The state and the commands of one episode, by frame."""

    name: str
    video: Path
    frame_s: Floats
    arm: Floats
    hand: Floats

    @property
    def span_s(self) -> tuple[float, float]:
        return 0.0, len(self.frame_s) / RATE


def data_set() -> Path:
    named = os.environ.get("LAPSDATA_REAL_DATA")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "data"
    if not (folder / "gr00t_pick_n_place_v20").is_dir():
        raise SystemExit("set LAPSDATA_REAL_DATA to the folder of real inputs")
    return folder / "gr00t_pick_n_place_v20"


def read_episodes(folder: Path) -> list[Episode]:
    """Return all episodes, with time as their videos have it."""
    import pyarrow.parquet as pq

    parts = json.loads((folder / "meta" / "modality.json").read_text())
    arm, hand = parts["state"]["right_arm"], parts["action"]["right_hand"]
    found = []
    for path in sorted((folder / "data").glob("chunk-*/*.parquet")):
        table = pq.read_table(path, columns=["observation.state", "action", "timestamp"])
        state, action = (np.array(table[name].to_pylist()) for name in ("observation.state", "action"))
        stamps = table["timestamp"].to_numpy()
        # All stamps are one period late: row i is frame i.
        np.testing.assert_allclose(stamps, (np.arange(len(stamps)) + 1) / RATE, atol=1e-3)
        rows = np.arange(len(stamps)) / RATE
        (video,) = (folder / "videos").glob(f"chunk-*/*ego_view/{path.stem}.mp4")
        joints, command = state[:, arm["start"] : arm["end"]], action[:, hand["start"] : hand["end"]]
        found.append(Episode(path.stem, video, rows, joints, command))
    return found


def hand_flips(episode: Episode) -> Floats:
    """Return when the command of the hand changes: the time of the first frame with the new one."""
    change = np.flatnonzero((np.diff(np.sign(episode.hand), axis=0) != 0).any(axis=1)) + 1
    return episode.frame_s[change]


def hand_events(flips_s: Floats, span_s: tuple[float, float]) -> Floats:
    """Return the flips that are neither of a pulse shorter than 0.5 s nor as near to an end."""
    # A last bit of a time does not decide.
    short = np.diff(flips_s) < SHORTEST_S - 1e-9
    pulse = np.concatenate([short, [False]]) | np.concatenate([[False], short])
    inside = (flips_s - span_s[0] >= SHORTEST_S - 1e-9) & (span_s[1] - flips_s >= SHORTEST_S - 1e-9)
    return flips_s[~pulse & inside]


def arm_speed(episode: Episode, span_s: Floats) -> Floats:
    """Return the length of the joint velocities over spans of time, radian per second."""
    return np.linalg.norm(over_spans(episode.frame_s, episode.arm, span_s, "velocity").value, axis=1)


def correlations(energies: Energies, episodes: list[Episode]) -> dict[str, dict[str, float]]:
    """Return, by episode, the rank correlation with the speed of the arm, and the lag at which it is highest."""
    found = {}
    for episode in episodes:
        rows = energies.video_index == energies.header.videos.index(episode.name)
        spans = np.stack([energies.start_s[rows], energies.end_s[rows]], axis=1)
        hop_s = float(np.median(np.diff(spans[:, 0])))
        found[episode.name] = agreement(arm_speed(episode, spans), energies.energy[rows], hop_s)
    return found


def whole_picture(episode: Episode) -> dict[str, float]:
    """Return what `correlations` does of the mean length of plain dense flow, over every pixel of two frames."""
    import av
    import cv2

    with av.open(str(episode.video)) as file:
        frames = [frame.to_ndarray(format="gray") for frame in file.decode(video=0)]
    if len(frames) != len(episode.frame_s):
        raise SystemExit(f"{episode.name}: {len(frames)} frames, {len(episode.frame_s)} rows")
    flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    energy = np.array(
        [np.hypot(*np.moveaxis(flow.calc(*pair, None), -1, 0)).mean() for pair in itertools.pairwise(frames)]
    )
    speed = arm_speed(episode, np.stack([episode.frame_s[:-1], episode.frame_s[1:]], axis=1))
    return agreement(speed, energy, 1 / RATE)


def agreement(speed: Floats, energy: Floats, hop_s: float) -> dict[str, float]:
    lag = best_lag(speed, energy, round(MOST_LAG_S / hop_s))
    return {
        "spearman": round(spearman(speed, energy), 4),
        "lag_s": round(lag.steps * hop_s, 4),
        "spearman_there": round(lag.correlation, 4),
    }


def near_events(segments: Segments, episodes: list[Episode]) -> dict[str, Any]:
    """Return how many hand events have a boundary near, beside the same boundaries turned."""
    events = {one.name: hand_events(hand_flips(one), one.span_s) for one in episodes}
    spans = {one.name: one.span_s for one in episodes}
    cuts = {}
    for number, video in enumerate(segments.header.videos):
        rows = segments.video_index == number
        both = np.concatenate([segments.start_s[rows], segments.end_s[rows]])
        cuts[video.name] = inner_boundaries(both, (video.start_s, video.end_s))
    groups = {video: group for group, videos in GROUPS.items() for video in videos}
    found: dict[str, Any] = {"boundaries": sum(map(len, cuts.values()))}
    for tolerance in TOLERANCES_S:
        made = circular_shift_test(events, cuts, spans, tolerance_s=tolerance, groups=groups, draws=DRAWS)
        found[str(tolerance)] = {
            "near": made.near, "near_by_chance": round(made.near_by_chance, 3), "p": round(made.p_value, 4),
        }  # fmt: skip
    return found


def measured(folder: Path, name: str, source: Path, words: tuple[str, ...], episodes: list[Episode]) -> dict[str, Any]:
    stem = name.replace(" ", "_")
    path, cut = folder / f"{stem}.jsonl", folder / f"{stem}.parquet"
    call("energies", source, "--out", path, *words)
    call("segment", path, "--out", cut)
    energies = formats.read(path, Energies)
    by_episode = correlations(energies, episodes)
    each = [one["spearman"] for one in by_episode.values()]
    return {
        "per": energies.header.per,
        "support_s": round(energies.header.support_s, 4),
        "spearman": {"least": min(each), "most": max(each)},
        "episodes": by_episode,
        "hand_events": near_events(formats.read(cut, Segments), episodes),
    }


def trained(folder: Path, steps: int) -> Path:
    """Return a tokenizer that has seen rendered scenes alone."""
    (folder / "videos").mkdir(parents=True)
    for seed in TRAIN_SEEDS:
        scene = render_scene(seed, SceneConfig(rate=FrameRate(RATE), actions=ACTIONS))
        scene.write_video(folder / "videos" / f"{scene_name(scene)}.mp4")
    call("track", folder / "videos", "--out", folder / "tracks")
    call("train", folder / "tracks", "--out", folder / "tokenizer", "--steps", str(steps), "--picture-every", "0")
    return folder / "tokenizer"


def motion_table(path: Path, episodes: list[Episode]) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    tables = [
        pa.table({"video": [one.name] * len(one.arm), "time_s": one.frame_s, "right_arm": one.arm.tolist()})
        for one in episodes
    ]
    pq.write_table(pa.concat_tables(tables), path)
    return path


def probed(files: list[Path], truth: Path, per: str) -> dict[str, Any]:
    result = probe_features(files, truth, ProbeOptions.parse(json.dumps({"groups": GROUPS, "per": per})))
    print(probe_table(result), file=sys.stderr, flush=True)
    return {
        "rules": result.rules.as_json(),
        "groups": {group.name: group.rows for group in result.groups},
        "policies": dict(result.policies),
        "rows": {
            row.name: {
                "r2": round(row.r2, 4),
                "r2_sd": None if row.r2_sd is None else round(row.r2_sd, 4),
                "columns": row.columns,
                "columns_left_out": row.columns_left_out,
                "groups": [None if value is None else round(value, 4) for value in row.groups],
                "joints": [None if value is None else round(value, 4) for value in row.quantities],
            }
            for row in result.rows
        },
    }


def measure(steps: int) -> dict[str, Any]:
    source = data_set()
    episodes = read_episodes(source)
    flips = {one.name: hand_flips(one) for one in episodes}
    kept = {one.name: hand_events(flips[one.name], one.span_s) for one in episodes}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tracks, tokens = folder / "tracks", folder / "tokens"
        call("track", *sorted((source / "videos").glob("chunk-*/*ego_view")), "--out", tracks)
        call("encode", tracks, "--tokenizer", trained(folder / "scenes", steps), "--out", tokens, "--latents", "both")
        rows = {name: measured(folder, name, tracks, words, episodes) for name, words in OF_TRACKS.items()}
        rows |= {name: measured(folder, name, tokens, words, episodes) for name, words in OF_TOKENS.items()}
        truth = motion_table(folder / "motion.parquet", episodes)
        both = [*probe_files([tokens]), *probe_files([tracks])]
        of_steps = [folder / f"{name}.jsonl" for name in ("velocity_step", "token_diff_step_prequant")]
        of_windows = [folder / f"{name}.jsonl" for name in ("velocity_mean", "token_diff_l2_mean_prequant")]
        probes = {
            "step": probed([*both, *of_steps], truth, "step"),
            "window": probed([*both, *of_windows], truth, "window"),
        }
    return {
        "what": "energies beside the speed of the right arm and flips of the hand, and R² to 7 joint velocities",
        "episodes": len(episodes),
        "frames": sum(len(one.frame_s) for one in episodes),
        "groups": {group: list(videos) for group, videos in GROUPS.items()},
        "tokenizer": {"trained on": f"{len(TRAIN_SEEDS)} rendered scenes, {RATE} frames per second", "steps": steps},
        "hand_flips": {"all": sum(map(len, flips.values())), "kept": sum(map(len, kept.values()))},
        "hand_event_s": {name: np.round(times, 3).tolist() for name, times in kept.items()},
        "draws": DRAWS,
        "plain_dense_flow": {one.name: whole_picture(one) for one in episodes},
        "energies": rows,
        "probe": probes,
        "versions": versions("av", "numpy", "pyarrow", "torch", "opencv-python-headless"),
        "hardware": hardware(),
    }


if __name__ == "__main__":
    result = measure(int(sys.argv[1]) if len(sys.argv) > 1 else 400)
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps({name: one["spearman"] for name, one in result["energies"].items()}, indent=1))
