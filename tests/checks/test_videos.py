"""Videos: every frame is decoded, and those that cannot be read go where nobody trains on them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lapsdata.checks.integrity import check_integrity
from lapsdata.checks.outcome import CheckedItem
from lapsdata.checks.videos import QUARANTINE_LIST, UNREADABLE, check_video, quarantine
from lapsdata.errors import MissingExtraError, Problem
from lapsdata.video.writer import write_video

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Inside = Callable[..., Any]


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    """Return a folder of a video that is whole, one that was cut off, one that is none, and one with a torn frame."""
    folder = tmp_path / "videos"
    folder.mkdir()
    frames = [np.random.default_rng(n).integers(0, 256, (48, 64, 3), dtype=np.uint8) for n in range(20)]
    for name in ("whole.mp4", "cut.mp4", "torn.mp4"):
        write_video(folder / name, frames, np.arange(20) / 10, gop=5)
    content = bytearray((folder / "torn.mp4").read_bytes())
    (folder / "cut.mp4").write_bytes(content[: len(content) // 2])
    content[len(content) // 2 : len(content) // 2 + 12_000] = b"\xff" * 12_000
    (folder / "torn.mp4").write_bytes(content)
    (folder / "page.mp4").write_text("<html>not found</html>")
    (folder / "notes.txt").touch()
    return folder


def test_every_frame_is_decoded(videos: Path) -> None:
    report = check_integrity([videos])
    found = {item.path.name: (item.status, item.found) for item in report.items}
    assert found["whole.mp4"] == ("ok", "video: 20 frames decoded")
    assert found["cut.mp4"] == ("error", f"{UNREADABLE}: no frame decoded")
    assert found["page.mp4"] == ("error", f"{UNREADABLE}: no frame decoded")
    status, told = found["torn.mp4"]
    assert status == "error"
    assert told.startswith(f"{UNREADABLE}: ")
    assert told.endswith("frames decoded, then none")
    assert dict(report.passed_over) == {".txt": 1}


def test_real_videos_are_read_and_the_broken_one_is_found(real_data: Path) -> None:
    report = check_integrity([real_data / "videos" / "decord"])
    assert [(item.path.name, item.status) for item in report.items if item.status != "ok"] == [
        ("corrupted.mp4", "error")
    ]
    assert len(report.items) == 7


def test_the_unreadable_and_no_others_are_moved(inside: Inside, videos: Path, tmp_path: Path) -> None:
    before = (videos / "whole.mp4").read_bytes()
    done = inside("check", videos, "--quarantine", "away")
    assert done.returncode == 1
    away = tmp_path / "away"
    assert {path.name for path in videos.iterdir()} == {"whole.mp4", "notes.txt"}
    assert {path.name for path in away.iterdir()} == {"cut.mp4", "page.mp4", "torn.mp4", QUARANTINE_LIST}
    assert (videos / "whole.mp4").read_bytes() == before
    lines = [json.loads(line) for line in (away / QUARANTINE_LIST).read_text().splitlines()]
    assert {line["was"] for line in lines} == {str(videos / name) for name in ("cut.mp4", "page.mp4", "torn.mp4")}
    assert all("expected" in line["why"][0] or "cannot be decoded" in line["why"][0] for line in lines)
    assert done.stderr.count("[quarantined]") == 3
    assert inside("check", videos, "--quarantine", "away").returncode == 0


def test_nothing_in_the_quarantine_is_replaced(videos: Path, tmp_path: Path) -> None:
    (tmp_path / "away").mkdir()
    (tmp_path / "away" / "cut.mp4").write_bytes(b"earlier")
    items = [check_video(videos / name) for name in ("cut.mp4", "page.mp4")]
    assert [problem.code for problem in quarantine(items, tmp_path / "away")] == ["exists", "quarantined"]
    assert (tmp_path / "away" / "cut.mp4").read_bytes() == b"earlier"
    assert (videos / "cut.mp4").exists()


def test_a_video_that_only_this_installation_cannot_read_stays(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_decoder(*_: object, **__: object) -> None:
        raise MissingExtraError(Problem("no-decoder", "whole.mp4", "no decoder for vvc in this FFmpeg"))

    monkeypatch.setattr("lapsdata.checks.videos.open_video", no_decoder)
    item = check_video(videos / "whole.mp4")
    assert (item.status, item.kind) == ("error", "video")
    assert quarantine([item], tmp_path / "away") == ()
    assert not (tmp_path / "away").exists()


def test_only_videos_are_moved(tmp_path: Path) -> None:
    (tmp_path / "clip.h5").touch()
    problem = Problem("damaged", "clip.h5", "expected another checksum")
    item = CheckedItem(tmp_path / "clip.h5", "tracks_hdf5", 3, 2, "2 of 3 windows verified", (problem,))
    assert quarantine([item], tmp_path / "away") == ()
    assert (tmp_path / "clip.h5").exists()
