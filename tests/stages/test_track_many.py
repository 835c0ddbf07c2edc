"""Many videos to a folder: what is kept, what is made again, and how one failure leaves the others alone."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

import lapsdata
from lapsdata import SchemaError, Tracks
from lapsdata.errors import UnknownFormatError
from lapsdata.video.sources import find_videos
from lapsmodels.stages.track_many import track_videos, tracks_format
from lapsmodels.stages.track_options import TrackOptions

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("one_process")


@pytest.fixture
def clips(noise_video: Path, scene_video: Path, tmp_path: Path) -> Path:
    """Return a folder of two videos."""
    folder = tmp_path / "clips"
    folder.mkdir()
    shutil.copy(noise_video, folder / "noise.mp4")
    shutil.copy(scene_video, folder / "scene.mp4")
    return folder


def fates(report: object) -> dict[str, str]:
    return {entry.name: entry.fate for entry in report.entries}  # type: ignore[attr-defined]  # any report


def test_every_video_of_a_folder_gets_its_file(clips: Path, tmp_path: Path, few: TrackOptions) -> None:
    out = tmp_path / "out"
    assert fates(track_videos(find_videos(clips), out, few)) == {"noise": "made", "scene": "made"}
    assert sorted(item.name for item in out.iterdir()) == ["noise.h5", "run.json", "scene.h5"]
    assert lapsdata.read(out / "scene.h5", Tracks).header.video.name == "scene"
    assert json.loads((out / "run.json").read_text())["outcome"] == "finished"


def test_changed_points_of_a_file_are_a_change(noise_video: Path, tmp_path: Path) -> None:
    points = tmp_path / "points.csv"
    points.write_text("x,y\n30,20\n")
    options = TrackOptions(query="file", horizon=8)
    for expected in ("made", "kept"):
        assert fates(track_videos(find_videos(noise_video), tmp_path, options, query_file=points)) == {
            "noise": expected
        }
    points.write_text("x,y\n31,20\n")
    assert fates(track_videos(find_videos(noise_video), tmp_path, options, query_file=points)) == {"noise": "changed"}


def test_videos_that_cannot_be_tracked_are_named_and_the_others_are_done(
    clips: Path, tmp_path: Path, few: TrackOptions
) -> None:
    (clips / "empty.mp4").write_bytes(b"")
    (clips / "text.mp4").write_text("this is no video\n" * 100)
    whole = (clips / "scene.mp4").read_bytes()
    (clips / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    long = few.model_copy(update={"horizon": 20})
    report = track_videos(find_videos(clips), tmp_path / "out", long)
    assert fates(report) == {
        "cut": "failed",
        "empty": "failed",
        "noise": "made",
        "scene": "made",
        "text": "failed",
    }
    assert sorted(item.name for item in (tmp_path / "out").iterdir()) == ["noise.h5", "run.json", "scene.h5"]
    told = " ".join(map(str, report.problems))
    for name in ("cut", "empty", "text"):
        assert name in told


def test_a_video_shorter_than_a_window_fails_alone(clips: Path, tmp_path: Path) -> None:
    report = track_videos(find_videos(clips), tmp_path / "out", TrackOptions(horizon=30, points=20))
    assert fates(report) == {"noise": "failed", "scene": "made"}
    assert "noise.mp4: expected at least one window of 30 frames, got 24 frames; use" in str(report.problems[0])


def test_below_folders_names_tell_the_folder(clips: Path, tmp_path: Path, few: TrackOptions) -> None:
    (clips / "more").mkdir()
    shutil.copy(clips / "noise.mp4", clips / "more" / "noise.mp4")
    report = track_videos(find_videos(clips, recursive=True, match="*noise*"), tmp_path / "out", few)
    assert fates(report) == {"more__noise": "made", "noise": "made"}


@pytest.mark.parametrize("name", ["hdf5", "tracks_hdf5", "zarr", "tracks_zarr"])
def test_a_format_is_named_in_full_or_by_its_store(name: str) -> None:
    assert tracks_format(name).name.endswith(name.removeprefix("tracks_"))


@pytest.mark.parametrize("name", ["tokens_zarr", "parquet", "h5", ""])
def test_a_format_of_other_records_is_refused(name: str) -> None:
    with pytest.raises(UnknownFormatError, match=r"expected one of tracks_hdf5 \(hdf5\), tracks_zarr \(zarr\)"):
        tracks_format(name)


def test_options_of_wrong_range_are_named() -> None:
    with pytest.raises(SchemaError, match=r"points[\s\S]*horizon|horizon[\s\S]*points"):
        TrackOptions(points=0, horizon=1)
