"""A second call: what is done and unchanged is kept, everything else is made again, and the report says which."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest

import lapsdata
from lapsdata import CorruptDataError, Tracks, provenance
from lapsdata.video.writer import write_video

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Verb = Callable[..., Any]
    Fates = Callable[..., dict[str, str]]


@pytest.fixture
def fates(track_here: Verb, quick: tuple[str, ...], tmp_path: Path) -> Fates:
    """Track `videos` and return what became of each."""

    def call(*options: str | int | Path) -> dict[str, str]:
        document = json.loads(track_here("videos", "--out", "out", "--json", *quick, *options).out)
        for item in document["items"]:
            assert (tmp_path / item["output"]).exists()
        return {item["name"]: item["fate"] for item in document["items"]}

    return call


@pytest.fixture
def done(folder: Path, fates: Fates, tmp_path: Path) -> Path:
    """Return the folder of tracks after a first call."""
    assert fates() == {"S1_a": "made", "S2_b": "made"}
    return tmp_path / "out"


def snapshot(out: Path) -> dict[str, tuple[int, int]]:
    """Tell the files apart from others of the same content: replaced is not kept."""
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in out.glob("*.h5")}


def test_what_is_done_is_kept(done: Path, fates: Fates) -> None:
    before = snapshot(done)
    assert fates() == {"S1_a": "kept", "S2_b": "kept"}
    assert snapshot(done) == before


def test_what_is_missing_is_made(done: Path, fates: Fates, folder: Path, clip: Path) -> None:
    before = snapshot(done)
    (done / "S1_a.h5").unlink()
    shutil.copy(clip, folder / "S3_new.mp4")
    assert fates() == {"S1_a": "made", "S2_b": "kept", "S3_new": "made"}
    assert snapshot(done)["S2_b.h5"] == before["S2_b.h5"]


def test_a_changed_video_is_tracked_again(done: Path, fates: Fates, folder: Path) -> None:
    before = lapsdata.read(done / "S2_b.h5", Tracks).header
    pictures = np.random.default_rng(1).integers(0, 256, (16, 64, 96, 3), dtype=np.uint8)
    write_video(folder / "S2_b.mp4", pictures, np.arange(16) / 10, overwrite=True)
    assert fates() == {"S1_a": "kept", "S2_b": "changed"}
    after = lapsdata.read(done / "S2_b.h5", Tracks).header
    assert (before.video.frames, after.video.frames) == (24, 16)
    assert before.video.digest != after.video.digest
    assert fates() == {"S1_a": "kept", "S2_b": "kept"}


def test_a_touched_or_renamed_video_is_not_a_changed_one(done: Path, fates: Fates, folder: Path) -> None:
    (folder / "S1_a.mp4").touch()
    (folder / "S2_b.mp4").rename(folder / "S2_b.m4v")
    assert fates() == {"S1_a": "kept", "S2_b": "kept"}


@pytest.mark.parametrize(
    "options",
    [
        ("--points", 12),
        ("--horizon", 6),
        ("--stride", 2),
        ("--fps", 5),
        ("--continuous",),
        ("--query", "random"),
        ("--query", "random", "--seed", 1),
        ("--tracker", "lucas_kanade"),
        ("--resize-shorter", 32),
        ("--active-area", "full"),
        ("--view", "wrist"),
        ("--confidence",),
        ("--profile", "compact"),
    ],
    ids=lambda options: " ".join(map(str, options)),
)
def test_a_changed_option_is_a_change_and_back_again(fates: Fates, folder: Path, options: tuple[Any, ...]) -> None:
    (folder / "S1_a.mp4").unlink()
    assert fates() == {"S2_b": "made"}
    assert fates(*options) == {"S2_b": "changed"}
    assert fates(*options) == {"S2_b": "kept"}
    assert fates() == {"S2_b": "changed"}


@pytest.mark.parametrize("options", [("--workers", 1), ("--reinit",), ("--to", "tracks_hdf5"), ("--limit", 5)])
def test_an_option_that_changes_no_tracks_is_no_change(done: Path, fates: Fates, options: tuple[Any, ...]) -> None:
    assert fates(*options) == {"S1_a": "kept", "S2_b": "kept"}


def test_another_format_stands_beside_the_first(done: Path, fates: Fates) -> None:
    assert fates("--to", "zarr") == {"S1_a": "made", "S2_b": "made"}
    assert fates("--to", "zarr") == {"S1_a": "kept", "S2_b": "kept"}
    assert fates() == {"S1_a": "kept", "S2_b": "kept"}


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("spoil", [cut, empty])
def test_an_unfinished_file_is_made_again(done: Path, fates: Fates, spoil: Callable[[Path], None]) -> None:
    whole = (done / "S2_b.h5").read_bytes()
    spoil(done / "S2_b.h5")
    assert fates() == {"S1_a": "kept", "S2_b": "damaged"}
    assert (done / "S2_b.h5").read_bytes() == whole


def test_what_is_kept_is_known_by_seal_and_header_and_force_mends_the_rest(
    done: Path, fates: Fates, track_here: Verb, tmp_path: Path
) -> None:
    whole = (done / "S2_b.h5").read_bytes()
    with h5py.File(done / "S2_b.h5") as file:
        offset = file["root/default/tracks"].id.get_offset()
    (done / "S2_b.h5").write_bytes(whole[:offset] + bytes([whole[offset] ^ 1]) + whole[offset + 1 :])
    assert fates() == {"S1_a": "kept", "S2_b": "kept"}
    with pytest.raises(CorruptDataError, match=r"S2_b\.h5: root/default.*expected CRC-32C"):
        lapsdata.read(done / "S2_b.h5", Tracks, verify="always")
    told = " ".join(track_here("--help").out.split())
    assert "a file is kept if its seal and its header say that it is whole and made of this video" in told
    assert "Its positions are not read for that: inspect reads them, and --force makes them again." in told
    assert fates("--force") == {"S1_a": "forced", "S2_b": "forced"}
    assert (done / "S2_b.h5").read_bytes() == whole


def test_force_makes_everything_again_and_the_same(done: Path, fates: Fates) -> None:
    before, content = snapshot(done), {path.name: path.read_bytes() for path in done.glob("*.h5")}
    assert fates("--force") == {"S1_a": "forced", "S2_b": "forced"}
    after = snapshot(done)
    assert all(after[name] != before[name] for name in before)
    assert {path.name: path.read_bytes() for path in done.glob("*.h5")} == content


def test_in_words_the_report_tells_each_fate(
    done: Path, track_here: Verb, folder: Path, clip: Path, quick: tuple[str, ...]
) -> None:
    cut(done / "S1_a.h5")
    (folder / "text.mp4").write_text("no video")
    shutil.copy(clip, folder / "new.mp4")
    done = track_here("videos", "--out", "out", *quick)
    assert (done.code, done.fates) == (1, "items 4, made 1, kept 1, made again 1 (1 damaged), failed 1")


def test_that_other_code_made_what_is_kept_is_told_once(
    done: Path, fates: Fates, track_here: Verb, monkeypatch: pytest.MonkeyPatch, quick: tuple[str, ...]
) -> None:
    monkeypatch.setattr(provenance, "code_digest", lambda package="lapsdata": "sha256:" + 64 * "0")
    again = track_here("videos", "--out", "out", *quick)
    assert (again.code, again.fates) == (0, "items 2, kept 2")
    warnings = [line for line in again.err.splitlines() if line.startswith("warning: ")]
    assert warnings == [
        "warning: 2 of the tracks that are kept were made by another state of the code; --force makes them again"
    ]
    assert fates("--force") == {"S1_a": "forced", "S2_b": "forced"}
    assert "warning" not in track_here("videos", "--out", "out", *quick).err


def test_what_a_killed_run_left_is_told_and_not_taken_for_a_result(
    done: Path, track_here: Verb, quick: tuple[str, ...]
) -> None:
    left = done / ".lapsdata-tmp-0123456789abcdef"
    left.write_bytes(b"half of a file")
    code, _, err = track_here("videos", "--out", "out", *quick)
    assert code == 0
    assert "1 unfinished files of runs that were killed, or of one that still runs" in err
    assert left.read_bytes() == b"half of a file"
