"""Two processes learn what one does: the same losses, step by step, and the same weights."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lapsdata import formats
from lapsdata.schema import SourceVideo
from lapsdata.testing.samples import sample_tracks
from lapsmodels.tokenizer.checkpoint import load_tokenizer
from lapsmodels.tokenizer.model import MotionTokenizer

SCRIPT = Path(__file__).with_name("two_processes.py")

USUAL = {"steps": 7, "batch": 4, "points": 5, "threads": 1, "log_every": 1, "save_every": 3, "picture_every": 0,
         "device": "cpu"}  # fmt: skip
TRAININGS: dict[str, dict[str, Any]] = {
    # 18 windows: the last step of an epoch has repeats that do not count, in one process more than in the other.
    "usual": {**USUAL, "val": 0.34},
    "published": {**USUAL, "window_per_s": None, "rounding": "positions", "seen_only": False, "inside_only": False,
                  "focal_gamma": 0.0, "radial_strength": 0.0, "diversity": 0.0, "accumulate": 2},
    "frozen": {**USUAL, "train_only": ["decoder_blocks.*", "classify.*"], "average": 0.9},
}  # fmt: skip


def logged(folder: Path, kind: str) -> list[dict[str, Any]]:
    return [
        told for line in (folder / "log.jsonl").read_text().splitlines() if (told := json.loads(line))["kind"] == kind
    ]


def trained(place: Path) -> None:
    """Train with one process, and with two."""
    (place / "tracks").mkdir()
    for number in range(3):
        video = SourceVideo(name=f"clip_{number}")
        clip = sample_tracks(windows=6 + number, horizon=5, points=9, seed=number, video=video)
        formats.write(place / "tracks" / f"clip_{number}.h5", clip)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    for start, out in (([sys.executable], "one"), (launch, "two")):
        command = [*start, SCRIPT, place, json.dumps(TRAININGS), out]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_two_processes_learn_what_one_does(tmp_path: Path) -> None:
    trained(tmp_path)
    for name in TRAININGS:
        same_losses(tmp_path, name)
        counts_of_all(tmp_path, name)
        same_weights(tmp_path, name)
    frozen_as_it_began(tmp_path / "two" / "frozen")


def same_losses(folder: Path, name: str) -> None:
    one, two = ([step["loss"] for step in logged(folder / count / name, "step")] for count in ("one", "two"))
    assert len(one) == len(two) == len(set(one)) == 7
    np.testing.assert_allclose(two, one, rtol=1e-5)


def counts_of_all(folder: Path, name: str) -> None:
    for one, two in zip(*(logged(folder / count / name, "epoch") for count in ("one", "two")), strict=True):
        for place in (["windows"], ["classes", "displacements"], ["codebook", "seen"]):
            first, second = one["train"], two["train"]
            for key in place:
                first, second = first[key], second[key]
            assert first == second
        assert one["train"]["loss"] == pytest.approx(two["train"]["loss"], rel=1e-5)
        assert ("val" in one) == ("val" in two) == (name == "usual")
        if "val" in one:
            assert one["val"]["loss"] == pytest.approx(two["val"]["loss"], rel=1e-4)
            assert one["val"]["unseen_share"] == two["val"]["unseen_share"]


def same_weights(folder: Path, name: str) -> None:
    """To the precision of sums in another order, over seven steps."""
    one, two = (load_tokenizer(folder / count / name).model.state_dict() for count in ("one", "two"))
    for key, value in one.items():
        np.testing.assert_allclose(two[key].numpy(), value.numpy(), atol=2e-4, err_msg=f"{name}: {key}")


def frozen_as_it_began(folder: Path) -> None:
    made = load_tokenizer(folder)
    torch.manual_seed(0)
    began = MotionTokenizer(made.header.config).state_dict()
    changed = {name for name, value in made.model.state_dict().items() if not torch.equal(value, began[name])}
    assert changed
    assert all(name.startswith(("decoder_blocks.", "classify.")) for name in changed)
    assert made.header.trained is not None
    assert 0 < made.header.trained.share.trained < made.header.trained.share.parameters
