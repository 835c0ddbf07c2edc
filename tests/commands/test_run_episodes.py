"""`lapsdata run DATASET --camera KEY`: one command from a data set to labels, and options that do not fit together."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lapsdata.testing import episode_sets
from lapsdata.testing.episode_sets import CAMERA, write_lerobot
from lapsmodels.stages.run_episodes import COLUMN

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., Any]

SETTINGS = ("track.points=16", "track.horizon=4", "train.steps=2", "train.batch=4", "train.threads=1")


def moving_frame(episode: int, row: int) -> np.ndarray[Any, Any]:
    """Return a pattern that moves ever faster."""
    y, x = np.mgrid[0:48, 0:64]
    wave = np.sin((x - row * (row + episode)) / 5) * np.cos(y / 5)
    return np.repeat((128 + 90 * wave).astype(np.uint8)[..., None], 3, axis=2)


@pytest.mark.usefixtures("one_process")
def test_one_command_makes_labels_for_every_row(inside: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(episode_sets, "drawn_frame", moving_frame)
    root = write_lerobot(tmp_path / "cups", lengths=(7, 6), videos=True)
    settings = [word for setting in SETTINGS for word in ("--set", setting)]
    options = ("--out", tmp_path / "out", "--export-labels", tmp_path / "copy", "--hold", "--json")
    done = inside("run", root, "--camera", CAMERA, *options, *settings)
    assert done.returncode == 0, done.stderr
    stages = {one["stage"]: one for one in json.loads(done.stdout)["stages"]}
    assert stages["episodes"]["what"].startswith("2 of 2 episodes, 0 cut out by packets, 0 encoded again")
    assert stages["labels"]["what"].startswith("13 of 13 rows have a label, 6 of them held over the end")
    assert COLUMN in json.loads((tmp_path / "copy/meta/info.json").read_text())["features"]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--export-labels", "copy"], "only with --camera"),
        (["--camera", CAMERA, "--hold"], "only with --export-labels"),
        (["--camera", CAMERA, "--recursive"], "not with --camera"),
        (["--camera", CAMERA, "other"], "expected one data set with --camera"),
    ],
)
def test_options_that_do_not_fit_are_refused(more: list[str], told: str, inside: Run, tmp_path: Path) -> None:
    done = inside("run", tmp_path, "--out", tmp_path / "out", *more)
    assert done.returncode == 2
    assert told in " ".join(done.stderr.split())
