"""How well segments of scenes fall into their actions by their codes, beside controls that know next to nothing.

    python benchmarks/bench_clustering.py

The 24 scenes of `MEASURE_SEEDS`, six actions each, 10 frames per second, as h264 files, tracked by `lapsdata track`. A
small tokenizer is trained by `lapsdata train`, on 16 other scenes, and encodes them (`lapsdata encode --latents both`).
The sequences are the codes of the true segments, and their labels what the arm does there: pause, reach, grasp, move,
release, retreat. Each is made a vector in every way that `lapsdata cluster` knows; clusters are as many as labels, or
as the silhouette or the density says. Also without the pauses: still against moving is the easiest of all splits.

No promise: this is a measure. Every score stands beside durations alone, codes that were projected at random, and the
labels dealt out anew; what is not above them says nothing.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from bench_segments import ACTIONS, RATE, call
from machine import hardware, versions

from lapsdata import formats
from lapsdata.containers import Segments
from lapsdata.testing.scene_truth import scene_name, true_segments
from lapsdata.testing.scenes import MEASURE_SEEDS, Scene, SceneConfig, render_scene
from lapsmodels.clustering.embeddings import CONTROLS, EMBEDDINGS

RESULT = Path(__file__).with_name("results") / "clustering.json"
TRAIN_SEEDS = tuple(range(300, 316))
STEPS = 400
SCORES = ("v_measure", "ami", "ari", "accuracy_all", "accuracy_video", "silhouette")
WAYS = {
    "as many as labels": ("--clusters", "labels"),
    "by silhouette": (),
    "hdbscan": ("--clusterer", "hdbscan"),
}


def filmed(folder: Path, seeds: tuple[int, ...]) -> list[Scene]:
    """Write, and track, the videos of some scenes."""
    (folder / "videos").mkdir(parents=True)
    scenes = [render_scene(seed, SceneConfig(rate=RATE, actions=ACTIONS)) for seed in seeds]
    for scene in scenes:
        print(f"scene {scene.seed}", file=sys.stderr, flush=True)
        scene.write_video(folder / "videos" / f"{scene_name(scene)}.mp4")
    call("track", folder / "videos", "--out", folder / "tracks")
    return scenes


def without_pauses(segments: Segments) -> Segments:
    kept = np.flatnonzero([label != "pause" for label in segments.label])
    return replace(
        segments,
        video_index=segments.video_index[kept],
        start_s=segments.start_s[kept],
        end_s=segments.end_s[kept],
        end_reason=tuple(segments.end_reason[row] for row in kept),
        label=tuple(segments.label[row] for row in kept),
    )


def clustered(folder: Path, tokens: Path, segments: Path, words: tuple[str, ...]) -> dict[str, Any]:
    """Return every row of a result, scored with noise as one more cluster."""
    call("cluster", tokens, "--segments", segments, "--out", folder, *words)
    told = json.loads((folder / "result.json").read_text())
    rows = {row["name"]: scores(row) for row in told["rows"]}
    return rows | ({"training": told["training"]} if told.get("training") else {})


def scores(row: dict[str, Any]) -> dict[str, Any]:
    flattering = {"v_measure_noise_left_out": rounded(row["without_noise"].get("v_measure"))}
    return {
        "clusters": row["clusters"],
        "noise_share": round(row["noise_share"], 4),
        **{name: rounded(row["with_noise"].get(name)) for name in SCORES},
        **(flattering if row["noise_share"] else {}),
    }


def rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def measured(folder: Path, tokens: Path, segments: Path) -> dict[str, Any]:
    labels = len({label for label in formats.read(segments, Segments).label if label is not None})
    rows: dict[str, Any] = {}
    for way, words in WAYS.items():
        rows[way] = {}
        for model in EMBEDDINGS:
            if model in CONTROLS:
                continue
            print(f"{segments.stem}: {way}: {model}", file=sys.stderr, flush=True)
            chosen = tuple(str(labels) if word == "labels" else word for word in words)
            target = folder / f"{segments.stem}_{way.replace(' ', '_')}_{model}"
            rows[way][model] = clustered(target, tokens, segments, ("--model", model, *chosen))
    return rows


def measure(keep: Path | None = None) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) if keep is None else keep
        filmed(folder / "train", TRAIN_SEEDS)
        scenes = filmed(folder / "measure", MEASURE_SEEDS)
        tokenizer, tokens = folder / "tokenizer", folder / "tokens"
        call("train", folder / "train" / "tracks", "--out", tokenizer, "--steps", str(STEPS), "--picture-every", "0")
        call("encode", folder / "measure" / "tracks", "--tokenizer", tokenizer, "--out", tokens, "--latents", "both")
        truth = true_segments(*scenes)
        sets = {"all": truth, "without_pauses": without_pauses(truth)}
        found = {}
        for what, segments in sets.items():
            path = folder / f"{what}.parquet"
            formats.write(path, segments)
            found[what] = {
                "segments": {label: segments.label.count(label) for label in sorted(set(segments.label))},
                "rows": measured(folder, tokens, path),
            }
        used = json.loads((tokenizer / "tokenizer.json").read_text())["trained"]
    return {
        "what": "scores of clusters of true segments by their codes, by way of choosing their number and by embedding",
        "scenes": len(MEASURE_SEEDS),
        "tokenizer": {"scenes": len(TRAIN_SEEDS), "steps": STEPS, "loss": [used["first_loss"], used["last_loss"]]},
        "of": found,
        "versions": versions("av", "numpy", "scikit-learn", "torch", "opencv-python-headless"),
        "hardware": hardware(),
    }


def main() -> None:
    result = measure(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    for what, part in result["of"].items():
        for way, rows in part["rows"].items():
            for model, row in rows.items():
                print(what, way, model, {name: one["v_measure"] for name, one in row.items() if name != "training"})


if __name__ == "__main__":
    main()
