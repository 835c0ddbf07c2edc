"""How far the work is: plain lines in a log, one rewritten line on a terminal, nothing of it in the results."""

from __future__ import annotations

import itertools
import os
import pty
import re
import subprocess
from typing import TYPE_CHECKING, Any

from lapsdata import console
from lapsmodels.stages import track

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    Verb = Callable[..., Any]


def test_in_a_log_lines_tell_count_rate_and_remaining_time(
    track_here: Verb, folder: Path, monkeypatch: pytest.MonkeyPatch, quick: tuple[str, ...]
) -> None:
    # Each look at the clock finds it half a second later, so that every twentieth frame is told. The pace is that of
    # what follows the first window: a process compiles, or loads, its loops amid that one.
    ticks = itertools.count()
    monkeypatch.setattr(console, "monotonic", lambda: next(ticks) / 2)
    done = track_here(folder, "--out", "out", *quick)
    assert (done.code, done.fates) == (0, "items 2, made 2")
    assert done.err.splitlines() == [
        "look at videos: done: 2/2 videos in 2 s, 1.3 videos/s",
        "track: 20/48 frames, 2.0 frames/s, 14 s left",
        "track: 40/48 frames, 2.0 frames/s, 4 s left",
        "track: done: 48/48 frames in 24 s, 2.0 frames/s",
    ]


def test_what_a_process_compiles_first_is_no_part_of_the_pace(
    track_here: Verb, folder: Path, monkeypatch: pytest.MonkeyPatch, quick: tuple[str, ...]
) -> None:
    ticks, pauses = itertools.count(), [60.0]
    waited = 0.0
    plain = track.textured

    def compiling(*arguments: Any) -> Any:
        nonlocal waited
        waited += pauses.pop() if pauses else 0.0
        return plain(*arguments)

    monkeypatch.setattr(track, "textured", compiling)
    monkeypatch.setattr(console, "monotonic", lambda: next(ticks) / 2 + waited)
    done = track_here(folder, "--out", "out", *quick)
    assert [line for line in done.err.splitlines() if line.startswith("track")] == [
        "track: 0/48 frames",
        "track: 22/48 frames, 2.0 frames/s, 13 s left",
        "track: 42/48 frames, 2.0 frames/s, 3 s left",
        "track: done: 48/48 frames in 1 min 24 s, 0.6 frames/s",
    ]


def test_a_second_call_with_nothing_to_do_tells_no_tracking(
    track_here: Verb, clip: Path, quick: tuple[str, ...]
) -> None:
    track_here(clip, "--out", "out", *quick)
    assert [line.partition(":")[0] for line in track_here(clip, "--out", "out", *quick).err.splitlines()] == [
        "look at videos"
    ]


def test_on_a_terminal_one_line_is_rewritten(
    track_command: Callable[..., list[str]], clip: Path, tmp_path: Path, quick: tuple[str, ...]
) -> None:
    (tmp_path / "zero.mp4").touch()
    ours, theirs = pty.openpty()
    words = track_command(clip, tmp_path / "zero.mp4", "--out", tmp_path / "out", *quick)
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=theirs, env=environment) as process:
        os.close(theirs)
        told = b""
        # The system ends a terminal that nobody writes to any more with an error.
        while block := read(ours):
            told += block
        assert process.stdout is not None
        assert process.stdout.read().startswith(b"items    2\nmade     1\nfailed   1\n")
    os.close(ours)
    assert process.returncode == 1
    looked, tracked, error, end = told.decode().split("\r\n")
    for line, last in ((looked, "2/2"), (tracked, "24/24")):
        drawn = [re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", state) for state in line.split("\r")[1:]]
        assert len(drawn) >= 2
        assert last in drawn[-1]
        assert re.search(r"[\d,.]+ (videos|frames)/s +\d+:\d\d$", drawn[-1])
    assert "24" in tracked
    assert "zero.mp4: expected a video, got 0 bytes" in error
    assert end == ""


def read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:
        return b""
