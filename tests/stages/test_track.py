"""One video to one tracks file: what is in it, and that nothing is made up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

import lapsdata
from lapsdata import LengthMismatchError, Tracks
from lapsdata.errors import StorageError
from lapsdata.geometry import FrameSize
from lapsdata.provenance import path_digest
from lapsdata.testing.scenes import Scene, SceneConfig, render_scene
from lapsdata.timebase import FrameRate
from lapsdata.video.writer import write_video
from lapsmodels.stages.track import track_video, working_size
from lapsmodels.stages.track_options import TrackOptions

if TYPE_CHECKING:
    from pathlib import Path


def tracked(video: Path, target: Path, options: TrackOptions, **more: object) -> Tracks:
    track_video(video, target, options, **more)  # type: ignore[arg-type]  # each test names what it gives
    return lapsdata.read(target, Tracks, verify="always")


def test_the_header_tells_source_setting_and_tool(scene_video: Path, tmp_path: Path, few: TrackOptions) -> None:
    header = tracked(scene_video, tmp_path / "clip.h5", few).header
    assert header.video.name == "scene"
    assert header.video.digest == path_digest(scene_video)
    assert header.video.rate == FrameRate(15)
    assert header.video.frames is not None
    assert header.video.frames > 30
    assert header.tracker.name == "dense_flow"
    assert header.provenance.producer == "lapsmodels"
    assert header.provenance.parameters == few.as_json()
    assert [(parent.role, parent.digest) for parent in header.provenance.parents] == [
        ("video", path_digest(scene_video))
    ]
    assert header.views["default"].grid.kind == "uniform"
    assert header.views["default"].quality is not None


def test_tracks_follow_the_truth(scene: Scene, scene_video: Path, tmp_path: Path) -> None:
    tracks = tracked(scene_video, tmp_path / "clip.h5", TrackOptions(points=100, horizon=8, stride=8))
    for window, start in enumerate(tracks.start_index[:6]):
        got, vis = tracks.tracks["default"][window], tracks.vis["default"][window]
        true = scene.tracks(got[0].astype(np.float64), int(start), np.arange(start, start + 8)).tracks
        error = np.linalg.norm(got - true, axis=-1)[vis]
        assert np.median(error) < 1.0


@pytest.mark.parametrize("to", ["clip.h5", "clip.zarr"])
@pytest.mark.parametrize("profile", ["raw", "compact"])
def test_equal_videos_give_equal_files(scene_video: Path, tmp_path: Path, to: str, profile: str) -> None:
    store = {"clip.h5": "tracks_hdf5", "clip.zarr": "tracks_zarr"}[to]
    options = TrackOptions(points=48, horizon=8, stride=4, format=store, profile=profile)
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        track_video(scene_video, tmp_path / folder / to, options)
    assert path_digest(tmp_path / "one" / to) == path_digest(tmp_path / "two" / to)


def test_positions_are_source_pixels_whatever_the_working_size(scene_video: Path, tmp_path: Path) -> None:
    full = tracked(scene_video, tmp_path / "full.h5", TrackOptions(points=48, resize_shorter=None))
    half = tracked(scene_video, tmp_path / "half.h5", TrackOptions(points=48, resize_shorter=120))
    assert np.allclose(full.tracks["default"][:, 0], half.tracks["default"][:, 0], atol=1e-3)
    both = full.vis["default"] & half.vis["default"]
    apart = np.linalg.norm(full.tracks["default"] - half.tracks["default"], axis=-1)[both]
    assert np.median(apart) < 0.5
    assert half.header.views["default"].size.width == 320


@pytest.mark.parametrize(
    ("size", "shorter", "expected"),
    [
        ((1920, 1080), 480, (853, 480)),
        ((1080, 1920), 480, (480, 853)),
        ((771, 480), 480, (771, 480)),
        ((256, 256), 480, (256, 256)),
        ((1920, 1080), None, (1920, 1080)),
        ((4000, 100), 1, (40, 1)),
    ],
)
def test_working_sizes(size: tuple[int, int], shorter: int | None, expected: tuple[int, int]) -> None:
    found = working_size(FrameSize(width=size[0], height=size[1]), shorter)
    assert (found.width, found.height) == expected


def test_confidence_is_stored_where_asked(noise_video: Path, tmp_path: Path, few: TrackOptions) -> None:
    without = tracked(noise_video, tmp_path / "a.h5", few)
    with_it = tracked(noise_video, tmp_path / "b.h5", few.model_copy(update={"confidence": True}))
    assert without.confidence is None
    assert with_it.confidence is not None
    assert with_it.confidence["default"].shape == with_it.vis["default"].shape
    assert np.array_equal(with_it.tracks["default"], without.tracks["default"], equal_nan=True)


def test_continuous_windows_are_cut_from_one_path(noise_video: Path, tmp_path: Path, few: TrackOptions) -> None:
    tracks = tracked(noise_video, tmp_path / "clip.h5", few.model_copy(update={"continuous": True}))
    assert tracks.header.continuous
    one, two = tracks.tracks["default"][0], tracks.tracks["default"][1]
    assert np.array_equal(one[4:], two[:4], equal_nan=True)
    fresh = tracked(noise_video, tmp_path / "fresh.h5", few)
    assert np.array_equal(fresh.tracks["default"][0, 0], fresh.tracks["default"][1, 0])


def test_borders_are_left_out_of_the_grid(tmp_path: Path) -> None:
    scene = render_scene(4, SceneConfig(actions=1, size=(256, 256), letterbox=(0, 48, 0, 48)))
    scene.write_video(tmp_path / "boxed.mp4")
    options = TrackOptions(points=100, horizon=8, stride=8)
    view = tracked(tmp_path / "boxed.mp4", tmp_path / "auto.h5", options).header.views["default"]
    assert view.active_area.pixels == scene.active_area
    auto = lapsdata.read(tmp_path / "auto.h5", Tracks).tracks["default"][:, 0]
    assert auto[..., 1].min() >= 47.5
    assert auto[..., 1].max() <= 207.5
    full = tracked(tmp_path / "boxed.mp4", tmp_path / "full.h5", options.model_copy(update={"active_area": "full"}))
    assert full.tracks["default"][:, 0, :, 1].min() < 47
    assert full.header.views["default"].active_area.height == 256


def test_points_of_a_file(noise_video: Path, tmp_path: Path) -> None:
    points = tmp_path / "points.csv"
    points.write_text("x,y\n30.5,20\n64,48.25\n")
    options = TrackOptions(query="file", horizon=8, stride=8)
    tracks = tracked(noise_video, tmp_path / "clip.h5", options, query_file=points)
    assert tracks.tracks["default"][0, 0].tolist() == [[30.5, 20.0], [64.0, 48.25]]
    assert [parent.role for parent in tracks.header.provenance.parents] == ["video", "queries"]
    assert tracks.header.views["default"].grid.kind == "file"


def test_random_points_are_those_of_the_seed(noise_video: Path, tmp_path: Path) -> None:
    drawn = {}
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        options = TrackOptions(query="random", seed=seed, points=20, horizon=8, stride=4)
        drawn[name] = tracked(noise_video, tmp_path / f"{name}.h5", options).tracks["default"][:, 0]
    assert np.array_equal(drawn["a"], drawn["b"])
    assert not np.array_equal(drawn["a"], drawn["c"])
    assert not np.array_equal(drawn["a"][0], drawn["a"][1])


def test_five_frames_are_no_window_of_sixteen(tmp_path: Path) -> None:
    write_video(
        tmp_path / "short.mp4", [np.full((64, 96, 3), level, np.uint8) for level in range(5)], np.arange(5) / 10
    )
    with pytest.raises(LengthMismatchError, match=r"short\.mp4: expected at least one window of 16 frames, got 5"):
        track_video(tmp_path / "short.mp4", tmp_path / "short.h5")
    assert [item.name for item in tmp_path.iterdir()] == ["short.mp4"]


def test_an_existing_file_is_not_replaced_unasked(noise_video: Path, tmp_path: Path, few: TrackOptions) -> None:
    target = tmp_path / "clip.h5"
    target.write_text("mine")
    with pytest.raises(StorageError, match=r"expected a free name"):
        track_video(noise_video, target, few)
    assert target.read_text() == "mine"


def test_frames_are_told_as_they_are_done(noise_video: Path, tmp_path: Path, few: TrackOptions) -> None:
    told: list[int] = []
    tracks = tracked(noise_video, tmp_path / "clip.h5", few, tell=told.append)
    assert sum(told) == tracks.start_index[-1] + 8
    assert set(told) == {1}
