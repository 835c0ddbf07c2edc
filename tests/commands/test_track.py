"""The verb `lapsdata track`, as a person or a script calls it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lapsdata.testing.scenes import SceneConfig, render_scene
from lapsdata.video.writer import write_video

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., subprocess.CompletedProcess[str]]

COMMAND = [sys.executable, "-c", "from lapsdata.cli.main import main; main()", "track"]
QUICK = ["--points", "24", "--horizon", "8", "--stride", "4"]


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a rendered clip and a file that is no video."""
    folder = tmp_path_factory.mktemp("clips")
    render_scene(5, SceneConfig(actions=1)).write_video(folder / "S1_good.mp4")
    (folder / "S2_text.mp4").write_text("no video at all")
    return folder


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=120)


def test_it_tracks_what_it_can_names_what_it_cannot_and_ends_with_1(clips: Path, tmp_path: Path) -> None:
    done = run(clips, "--out", tmp_path / "out", *QUICK)
    assert done.returncode == 1
    assert "made    1" in " ".join(done.stdout.split("\n")) or "made" in done.stdout
    assert "S2_text" in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "out" / "S1_good.h5").is_file()


def test_a_pattern_leaves_the_others_out_and_it_ends_with_0(clips: Path, tmp_path: Path) -> None:
    done = run(clips, "--out", tmp_path, "--match", "S1_*", *QUICK)
    assert done.returncode == 0, done.stderr
    again = run(clips, "--out", tmp_path, "--match", "S1_*", *QUICK)
    assert again.returncode == 0
    assert "kept" in again.stdout


def test_json_is_one_document_on_standard_output(clips: Path, tmp_path: Path) -> None:
    done = run(clips, "--out", tmp_path, "--json", *QUICK)
    assert done.returncode == 1
    document = json.loads(done.stdout)
    assert document["counts"]["made"] == 1
    assert document["counts"]["failed"] == 1
    assert [problem["where"].split(":")[0] for problem in document["problems"]] == ["S2_text"]


def test_progress_is_plain_lines_where_there_is_no_terminal(clips: Path, tmp_path: Path) -> None:
    done = run(clips, "--out", tmp_path, "--match", "S1_*", *QUICK)
    assert "track: done: " in done.stderr
    assert "frames/s" in done.stderr
    assert "\x1b" not in done.stderr


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--fps", "ten"], "ten"),
        (["--resize-shorter", "big"], "--resize-shorter"),
        (["--tracker", "dense_flo"], "did you mean 'dense_flow'"),
        (["--to", "parquet"], "tracks_hdf5 (hdf5)"),
        (["--query", "no-such-file.csv"], "no-such-file.csv"),
        (["--profile", "raw", "--round-px", "0.5"], "round_px"),
        (["--horizon", "1"], "horizon"),
        (["--view", "a/b"], "view"),
    ],
)
def test_wrong_options_are_told_before_any_work(clips: Path, tmp_path: Path, options: list[str], told: str) -> None:
    done = run(clips, "--out", tmp_path / "out", "--match", "S1_*", *options)
    assert done.returncode in (1, 2)
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("out/*.h5"))


def test_ctrl_c_leaves_nothing_unfinished_and_the_next_call_goes_on(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (16, 240, 320, 3), dtype=np.uint8)
    for name in ("a", "b"):
        write_video(tmp_path / "clips" / f"{name}.mp4", (noise[i % 16] for i in range(600)), np.arange(600) / 20)
    arguments = [*COMMAND, str(tmp_path / "clips"), "--out", str(tmp_path / "out"), *QUICK, "--workers", "1"]
    process = subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    until = time.monotonic() + 60
    while not list(tmp_path.glob("out/.lapsdata-tmp-*")) and time.monotonic() < until:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, told = process.communicate(timeout=30)
    assert process.returncode == 130, told
    assert "Traceback" not in told
    assert not list(tmp_path.glob("out/.lapsdata-tmp-*"))
    again = subprocess.run(arguments, capture_output=True, text=True, timeout=120)
    assert again.returncode == 0, again.stderr
    assert sorted(path.name for path in tmp_path.glob("out/*.h5")) == ["a.h5", "b.h5"]
