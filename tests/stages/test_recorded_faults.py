"""Faults that real projects lost weeks to, each by its name: they must not come back."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pytest

import lapsdata
from lapsdata import SchemaError, Tracks
from lapsdata.geometry import FrameSize
from lapsdata.plugins import registry
from lapsdata.provenance import path_digest
from lapsdata.testing.scenes import Scene, SceneConfig, render_scene
from lapsdata.timebase import FrameRate
from lapsdata.video.sources import find_videos
from lapsdata.video.writer import write_video
from lapsmodels.stages.track import track_video
from lapsmodels.stages.track_many import track_videos
from lapsmodels.stages.track_options import TrackOptions
from lapsmodels.trackers import WindowPlan

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsmodels.trackers import TrackedWindow


def tracked(video: Path, target: Path, options: TrackOptions) -> Tracks:
    track_video(video, target, options)
    return lapsdata.read(target, Tracks)


def test_fifteen_frames_per_second_become_ten_and_not_seven_and_a_half(
    scene: Scene, scene_video: Path, tmp_path: Path
) -> None:
    tracks = tracked(scene_video, tmp_path / "clip.h5", TrackOptions(rate=FrameRate(10), points=24))
    end_s = scene.frame_s[-1] + 1 / 15
    assert tracks.header.rate == FrameRate(10)
    assert len(tracks.frame_s) in (int(end_s * 10), int(end_s * 10) + 1)
    assert np.allclose(np.diff(tracks.frame_s), 0.1)
    assert tracks.source_index is not None
    assert tracks.source_index[:10].tolist() == [0, 1, 3, 4, 6, 7, 9, 10, 12, 13]
    # A grid time shows the nearest frame: never off by more than half an interval of the source.
    assert np.abs(scene.frame_s[tracks.source_index] - tracks.frame_s).max() <= 0.5 / 15 + 1e-9
    assert tracks.header.dropped_frames == len(scene) - len(np.unique(tracks.source_index))


def test_windows_are_numbered_by_content_and_not_by_what_has_finished(
    scene: Scene, scene_video: Path, tmp_path: Path
) -> None:
    tracks = tracked(scene_video, tmp_path / "clip.h5", TrackOptions(points=100, horizon=8, stride=4))
    assert tracks.start_index.tolist() == list(range(0, len(scene) - 7, 4))
    # Motion of each window is that of its own time, and not that of the window before or after it.
    own, neighbour = [], []
    for window in range(len(tracks) - 1):
        got, vis = tracks.tracks["default"][window], tracks.vis["default"][window, -1]
        for shift, errors in ((0, own), (1, neighbour)):
            start = int(tracks.start_index[window + shift])
            true = scene.tracks(got[0].astype(np.float64), start, np.array([start, start + 7])).tracks
            errors.append(np.linalg.norm((got[-1] - got[0]) - (true[1] - true[0]), axis=-1)[vis].sum())
    assert sum(own) < 0.75 * sum(neighbour)


def test_the_grid_covers_the_whole_of_a_480_by_771_frame(tmp_path: Path) -> None:
    # 771 is odd: a lossless codec keeps it.
    picture = np.random.default_rng(0).integers(0, 256, (480, 771, 3), dtype=np.uint8)
    write_video(tmp_path / "wide.mkv", [picture] * 2, [0.0, 0.1], codec="ffv1")
    first = tracked(tmp_path / "wide.mkv", tmp_path / "wide.h5", TrackOptions(horizon=2, stride=1)).tracks["default"][
        0, 0
    ]
    assert (first[:, 0].max() - first[:, 0].min()) / 771 > 0.9
    assert (first[:, 1].max() - first[:, 1].min()) / 480 > 0.9


def test_x_is_the_column_and_y_the_row(tmp_path: Path) -> None:
    """A picture that moves right moves in x alone."""
    texture = np.random.default_rng(1).integers(0, 256, (15, 40, 1), dtype=np.uint8)
    texture = texture.repeat(8, 0).repeat(8, 1).repeat(3, 2)
    frames = [np.ascontiguousarray(texture[:, 60 - 3 * i : 260 - 3 * i]) for i in range(8)]
    write_video(tmp_path / "right.mp4", frames, np.arange(8) / 10)
    tracks = tracked(tmp_path / "right.mp4", tmp_path / "right.h5", TrackOptions(points=60, horizon=8))
    moved = (tracks.tracks["default"][0, -1] - tracks.tracks["default"][0, 0])[tracks.vis["default"][0, -1]]
    assert np.abs(np.median(moved, axis=0) - [21, 0]).max() < 0.3


class _Spy:
    """Remembers what it is shown, and leaves every point where it is."""

    name, version, pixels = "spy", "1", "rgb"
    parameters: dict[str, object] = {}  # noqa: RUF012 - the protocol's word

    def __init__(self, wait_s: float = 0.0) -> None:
        self.seen: list[NDArray[np.uint8]] = []
        self._wait_s = wait_s

    def windows(self, frames: Iterable[NDArray[np.uint8]], plan: WindowPlan) -> Iterator[TrackedWindow]:
        from lapsmodels.trackers import TrackedWindow

        for image in frames:
            time.sleep(self._wait_s)
            self.seen.append(image)
        for number, start in enumerate(plan.starts):
            tracks = np.repeat(plan.queries(number)[None], plan.horizon, axis=0)
            ones = np.ones(tracks.shape[:2], np.float32)
            back = np.zeros_like(ones)
            back[0] = np.nan
            yield TrackedWindow(number, int(start), tracks, ones > 0, ones, back)


@pytest.fixture
def as_tracker(monkeypatch: pytest.MonkeyPatch) -> object:
    def use(spy: _Spy) -> _Spy:
        monkeypatch.setitem(registry("trackers")._claims(), "spy", registry("trackers")._claims()["dense_flow"])
        monkeypatch.setitem(registry("trackers")._objects, "spy", spy)
        return spy

    return use


def test_a_tracker_gets_0_to_255_and_refuses_0_to_1(scene_video: Path, tmp_path: Path, as_tracker: object) -> None:
    spy = as_tracker(_Spy())  # type: ignore[operator]  # the fixture is a function
    track_video(scene_video, tmp_path / "clip.h5", TrackOptions(tracker="spy", points=12))
    assert {image.dtype for image in spy.seen} == {np.dtype(np.uint8)}
    assert max(image.max() for image in spy.seen) > 150
    size = FrameSize(width=64, height=48)
    plan = WindowPlan(size=size, starts=np.array([0]), horizon=2, queries=lambda _: np.full((1, 2), 9, np.float32))
    unit = [np.full((48, 64), 0.5, np.float32)] * 2
    for name in ("dense_flow", "lucas_kanade"):
        with pytest.raises(SchemaError, match=r"expected uint8 .* in 0 to 255, got float32"):
            list(registry("trackers").load(name).windows(unit, plan))


def test_last_frames_are_not_padded_with_stillness(noise_video: Path, tmp_path: Path) -> None:
    """24 frames that all move: 16-frame windows start at 0, 4 and 8, and every step of them moves."""
    tracks = tracked(noise_video, tmp_path / "clip.h5", TrackOptions(points=24, horizon=16, stride=4))
    assert tracks.start_index.tolist() == [0, 4, 8]
    assert tracks.header.uncovered_frames == 0
    steps = np.nanmedian(np.diff(tracks.tracks["default"], axis=1), axis=2)
    assert np.abs(steps - [1, 0]).max() < 0.3
    cut = tracked(noise_video, tmp_path / "cut.h5", TrackOptions(points=24, horizon=16, stride=5))
    assert cut.start_index.tolist() == [0, 5]
    assert cut.header.uncovered_frames == 3


def test_wall_clock_time_is_not_in_the_data(scene_video: Path, tmp_path: Path, as_tracker: object) -> None:
    for name, wait_s in (("fast", 0.0), ("slow", 0.01)):
        as_tracker(_Spy(wait_s))  # type: ignore[operator]  # the fixture is a function
        track_video(scene_video, tmp_path / f"{name}.h5", TrackOptions(tracker="spy", points=12, rate=FrameRate(10)))
    assert path_digest(tmp_path / "fast.h5") == path_digest(tmp_path / "slow.h5")


@pytest.mark.usefixtures("one_process")
def test_an_unfinished_file_is_not_skipped_because_it_exists(
    noise_video: Path, tmp_path: Path, few: TrackOptions
) -> None:
    target = tmp_path / "noise.h5"
    assert track_videos(find_videos(noise_video), tmp_path, few).counts["made"] == 1
    whole = target.read_bytes()
    assert track_videos(find_videos(noise_video), tmp_path, few).counts["kept"] == 1
    target.write_bytes(whole[: len(whole) // 2])
    assert track_videos(find_videos(noise_video), tmp_path, few).counts["damaged"] == 1
    assert target.read_bytes() == whole


@pytest.mark.usefixtures("one_process")
def test_a_group_that_exists_is_no_finished_file_and_is_not_ours_to_replace(
    noise_video: Path, tmp_path: Path, few: TrackOptions
) -> None:
    target = tmp_path / "noise.h5"
    with h5py.File(target, "w") as file:
        file.create_group("root/default")
    before = target.read_bytes()
    report = track_videos(find_videos(noise_video), tmp_path, few)
    assert report.counts["failed"] == 1
    assert "move it away" in str(report.problems[0])
    assert target.read_bytes() == before


def test_a_scene_of_portrait_frames_keeps_its_axes(tmp_path: Path) -> None:
    scene = render_scene(6, SceneConfig(actions=1, size=(180, 320)))
    scene.write_video(tmp_path / "portrait.mp4")
    tracks = tracked(tmp_path / "portrait.mp4", tmp_path / "portrait.h5", TrackOptions(points=60, horizon=8))
    got, vis = tracks.tracks["default"][0], tracks.vis["default"][0]
    true = scene.tracks(got[0].astype(np.float64), 0, np.arange(8)).tracks
    assert np.median(np.linalg.norm(got - true, axis=-1)[vis]) < 1.0
