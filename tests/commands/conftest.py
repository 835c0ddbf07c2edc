"""The verb as a person or a script calls it: in a process of its own, or in this one where only the outcome counts."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
import pytest

from lapsdata.video.writer import write_video

if TYPE_CHECKING:
    from collections.abc import Callable

FATES = {"items", "made", "kept", "made again", "failed", "not done"}
COMMAND = Path(sys.executable).with_name("lapsdata")


class Ran(NamedTuple):
    """What a call has left behind."""

    code: int | str | None
    out: str
    err: str

    @property
    def fates(self) -> str:
        """What the report says became of the videos: "items 3, made 2, failed 1"."""
        facts = (line.rsplit("  ", 1) for line in self.out.splitlines())
        return ", ".join(f"{name.strip()} {value}" for name, value in facts if name.strip() in FATES)


class Verb(Protocol):
    def __call__(self, *arguments: str | int | Path) -> Ran: ...


@pytest.fixture(scope="session")
def track_command() -> Callable[..., list[str]]:
    """Return the words of a call of the installed command."""
    return lambda *arguments: [str(COMMAND), "track", *map(str, arguments)]


@pytest.fixture
def track(track_command: Callable[..., list[str]], tmp_path: Path) -> Verb:
    """Run the installed command, as a user does, in a folder of its own."""

    def call(*arguments: str | int | Path) -> Ran:
        words = track_command(*arguments)
        done = subprocess.run(words, capture_output=True, text=True, timeout=120, cwd=tmp_path, check=False)
        return Ran(done.returncode, done.stdout, done.stderr)

    return call


@pytest.fixture
def track_here(one_process: list[int], inside: Callable[..., tuple[int | str | None, str, str]]) -> Verb:
    """Run the same command in this process, workers included."""
    return lambda *arguments: Ran(*inside("track", *arguments))


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return 24 frames of a noisy picture that moves right by one pixel a frame, at 10 frames per second."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    picture = np.random.default_rng(3).integers(0, 256, (8, 20), dtype=np.uint8).repeat(8, axis=0).repeat(8, axis=1)
    frames = [np.ascontiguousarray(np.repeat(picture[:, 40 - i : 136 - i, None], 3, axis=2)) for i in range(24)]
    write_video(path, frames, np.arange(24) / 10)
    return path


@pytest.fixture
def folder(clip: Path, tmp_path: Path) -> Path:
    """Return a folder with three copies of the clip, one of them in a folder below."""
    folder = tmp_path / "videos"
    (folder / "more").mkdir(parents=True)
    for name in ("S1_a.mp4", "S2_b.mp4", "more/S2_c.mp4"):
        shutil.copy(clip, folder / name)
    return folder


@pytest.fixture
def quick() -> tuple[str, ...]:
    """Return options that are quick to track."""
    return ("--points", "24", "--horizon", "8", "--stride", "4")
