"""The verb `lapsdata track`, as a person or a script calls it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any

import numpy as np

import lapsdata
from lapsdata import Tracks
from lapsdata.schema.run import Run
from lapsdata.video.writer import write_video

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Verb = Callable[..., Any]


def test_each_video_gets_a_file_and_the_run_a_record(
    track: Verb, folder: Path, tmp_path: Path, quick: tuple[str, ...]
) -> None:
    done = track("videos", "--out", "new/out", *quick)
    assert (done.code, done.fates) == (0, "items 2, made 2")
    # Without a terminal, progress is whole lines of plain text.
    assert not re.search(r"[\r\x1b]", done.out + done.err)
    looked, tracked = done.err.splitlines()
    assert re.fullmatch(r"look at videos: done: 2/2 videos in \d+ s, [\d,.]+ videos/s", looked)
    assert re.fullmatch(r"track: done: 48/48 frames in \d+ s, [\d,.]+ frames/s", tracked)
    assert sorted(path.name for path in (tmp_path / "new" / "out").iterdir()) == ["S1_a.h5", "S2_b.h5", "run.json"]
    for name in ("S1_a", "S2_b"):
        tracks = lapsdata.read(tmp_path / "new" / "out" / f"{name}.h5", Tracks, verify="always")
        assert tracks.header.video.name == name
        # The picture moves right by one pixel a frame.
        step = np.diff(tracks.tracks["default"], axis=1)[tracks.vis["default"][:, 1:]]
        assert np.abs(np.median(step, axis=0) - [1, 0]).max() < 0.05
    record = Run.parse((tmp_path / "new" / "out" / "run.json").read_bytes())
    assert record.outcome == "finished"
    assert record.command[1:] == ("track", "videos", "--out", "new/out", *quick)


def test_json_is_one_document_on_standard_output(
    track_here: Verb, folder: Path, tmp_path: Path, quick: tuple[str, ...]
) -> None:
    (folder / "S3_text.mp4").write_text("no video at all")
    code, out, _ = track_here(folder, "--out", "out", "--json", *quick)
    assert code == 1
    document = json.loads(out)
    assert list(document) == ["counts", "items", "leftovers", "left_out", "problems"]
    made = {"windows": 5, "frames": 24, "duplicated": 0, "dropped": 0, "uncovered": 0, "gated": 0, "untracked": 0}
    for item in document["items"][:2]:
        assert item["made"].pop("expected_error_px") < 0.1
        assert item["made"] == {"nbytes": (tmp_path / item["output"]).stat().st_size, **made}
    assert document["items"][2]["made"] is None
    assert (document["counts"]["made"], document["counts"]["failed"]) == (2, 1)
    assert [item["output"] for item in document["items"]] == ["out/S1_a.h5", "out/S2_b.h5", "out/S3_text.h5"]
    assert [(problem["code"], problem["where"]) for problem in document["problems"]] == [
        ("not-a-video", f"S3_text: {folder}/S3_text.mp4")
    ]


def test_ctrl_c_leaves_nothing_unfinished_and_the_next_call_goes_on(
    track_command: Callable[..., list[str]], folder: Path, tmp_path: Path, quick: tuple[str, ...]
) -> None:
    """The second of three is long: it is interrupted, the first is kept, the third was not begun."""
    noise = np.random.default_rng(0).integers(0, 256, (16, 64, 96, 3), dtype=np.uint8)
    write_video(folder / "S1_b.mp4", (noise[i % 16] for i in range(600)), np.arange(600) / 20)
    out = tmp_path / "out"
    words = track_command(folder, "--out", out, "--workers", 1, *quick)
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    until = time.monotonic() + 60
    while not ((out / "S1_a.h5").exists() and list(out.glob(".lapsdata-tmp-*"))) and time.monotonic() < until:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    told_out, told = process.communicate(timeout=30)
    assert process.returncode == 130, told
    assert told_out.startswith("items     3\nmade      1\nnot done  2\n")
    assert "Traceback" not in told
    assert "2 of 3 items were not done; run it again: what is done is kept [interrupted]" in told
    assert sorted(path.name for path in out.iterdir()) == ["S1_a.h5", "run.json"]
    assert Run.parse((out / "run.json").read_bytes()).outcome == "failed"
    again = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert again.returncode == 0, again.stderr
    assert again.stdout.startswith("items    3\nmade     2\nkept     1\n")
