"""The truth of a scene as containers: the same numbers as the scene's own, window by window."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

import lapsdata
import lapsdata.schema
from lapsdata.errors import SchemaError
from lapsdata.testing.scene_truth import scene_name, true_boxes, true_segments, true_tracks
from lapsdata.testing.scenes import Scene, SceneConfig, render_scene
from lapsdata.timebase import FrameRate

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def scene() -> Scene:
    return render_scene(7, SceneConfig(actions=3, size=(200, 120), letterbox=(0, 12, 0, 8)))


def test_each_window_is_the_truth_of_points_laid_at_its_own_start(scene: Scene) -> None:
    tracks = true_tracks(scene, points=60, horizon=8, stride=5)
    grid = tracks.tracks["default"][0, 0]
    for window in (0, 1, len(tracks) - 1):
        start = int(tracks.start_index[window])
        assert start == 5 * window
        expected = scene.tracks(grid, start, range(start, start + 8))
        np.testing.assert_array_equal(tracks.tracks["default"][window], expected.tracks)
        np.testing.assert_array_equal(tracks.vis["default"][window], expected.vis)


def test_points_are_laid_over_the_active_area_only(scene: Scene) -> None:
    view = true_tracks(scene, points=60).header.views["default"]
    assert (view.active_area.x, view.active_area.y, view.active_area.width, view.active_area.height) == (
        0,
        12,
        200,
        100,
    )
    first = true_tracks(scene, points=60).tracks["default"][:, 0]
    assert first[..., 1].min() > 12
    assert first[..., 1].max() < 112


def test_every_frame_is_covered_or_counted(scene: Scene) -> None:
    tracks = true_tracks(scene, points=60, horizon=16, stride=7)
    covered = int(tracks.start_index[-1]) + 16
    assert covered + tracks.header.uncovered_frames == len(scene)
    assert tracks.header.video.frames == len(scene)


def test_times_are_the_scenes_own_also_under_vfr() -> None:
    scene = render_scene(7, SceneConfig(actions=2, vfr=True, rate=FrameRate(15)))
    tracks = true_tracks(scene, points=48)
    assert tracks.header.rate is None
    np.testing.assert_array_equal(tracks.frame_s, scene.frame_s)
    np.testing.assert_array_equal(tracks.step_s[0], scene.frame_s[:16])
    np.testing.assert_array_equal(tracks.span_s[0], [scene.frame_s[0], scene.frame_s[16]])
    assert len(np.unique(np.diff(tracks.frame_s).round(4))) > 3


def test_a_constant_rate_stands_in_the_header(scene: Scene) -> None:
    assert true_tracks(scene, points=60).header.rate == scene.config.rate


def test_a_scene_shorter_than_a_window_is_refused(scene: Scene) -> None:
    with pytest.raises(SchemaError, match=r"scene_7: expected at least 100000 frames, got \d+"):
        true_tracks(scene, horizon=100_000)


def test_segments_of_several_scenes_keep_order_and_time(scene: Scene) -> None:
    other = render_scene(8, SceneConfig(actions=2))
    segments = true_segments(scene, other)
    assert (
        [video.name for video in segments.header.videos]
        == [scene_name(scene), scene_name(other)]
        == ["scene_7", "scene_8"]
    )
    for one in (scene, other):
        rows = segments.of_video(scene_name(one))
        assert [segments.label[i] for i in rows] == [segment.label for segment in one.segments]
        np.testing.assert_array_equal(segments.start_s[rows], [segment.start_s for segment in one.segments])
        np.testing.assert_array_equal(segments.end_s[rows], [segment.end_s for segment in one.segments])


@pytest.mark.parametrize("name", ["clip.h5", "clip.zarr"])
def test_truth_survives_the_disk(scene: Scene, tmp_path: Path, name: str) -> None:
    tracks = true_tracks(scene, points=60)
    lapsdata.write(tmp_path / name, tracks)
    assert lapsdata.read(tmp_path / name).equals(tracks)
    lapsdata.write(tmp_path / "truth.parquet", true_segments(scene))
    assert lapsdata.read(tmp_path / "truth.parquet").equals(true_segments(scene))


def test_the_seed_stands_in_the_provenance(scene: Scene) -> None:
    assert true_tracks(scene, points=60).header.provenance.parameters == {"seed": 7, "points": 60}


def test_integers_of_numpy_are_integers() -> None:
    small = SceneConfig(actions=1)
    made = true_tracks(
        render_scene(np.int64(5), small),  # type: ignore[arg-type]  # as loops over arrays give
        points=np.int64(12),  # type: ignore[arg-type]
        horizon=np.uint8(16),  # type: ignore[arg-type]
        stride=np.int32(8),  # type: ignore[arg-type]
    )
    plain = true_tracks(render_scene(5, small), points=12, horizon=16, stride=8)
    assert made.equals(plain)
    assert made.header.to_bytes() == plain.header.to_bytes()


def test_a_number_of_points_is_an_integer(scene: Scene) -> None:
    with pytest.raises(TypeError, match="'float' object cannot be interpreted as an integer"):
        true_tracks(scene, points=12.0)  # type: ignore[arg-type]  # the refusal is the test


def test_two_scenes_of_one_seed_have_one_name(scene: Scene) -> None:
    twin = render_scene(scene.seed, SceneConfig(noise=3.0))
    with pytest.raises(SchemaError, match=r"^SegmentsHeader: expected each video once"):
        true_segments(scene, twin)


def test_boxes_hold_every_pixel_of_their_body_and_touch_those_of_a_body_that_nothing_hides(scene: Scene) -> None:
    boxes = true_boxes(scene)
    width, height = scene.config.size
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    tight = 0
    for frame in (0, len(scene) // 2, len(scene) - 1):
        seen = scene.body_at(np.stack([x.ravel(), y.ravel()], axis=-1), frame).reshape(height, width)
        for row in np.flatnonzero(boxes.frame == frame):
            body = seen == boxes.id[row]
            left, top = boxes.x[row], boxes.y[row]
            right, bottom = left + boxes.w[row], top + boxes.h[row]
            inside = (x >= left) & (x <= right) & (y >= top) & (y <= bottom)
            assert not (body & ~inside).any()
            reach = [
                body[:, x[0] < left + 1],
                body[:, x[0] > right - 1],
                body[y[:, 0] < top + 1],
                body[y[:, 0] > bottom - 1],
            ]
            tight += all(edge.any() for edge in reach)
    assert tight >= 3


def test_boxes_name_bodies_and_their_video(scene: Scene) -> None:
    boxes = true_boxes(scene)
    assert {scene.bodies[int(number)].rstrip("0123456789") for number in boxes.id} == set(boxes.label)
    (sequence,) = boxes.header.sequences
    assert (sequence.name, sequence.length, sequence.images) == ("scene_7", len(scene), "scene_7.mp4")
    assert (sequence.size, sequence.rate) == (lapsdata.schema.Size(width=200, height=120), scene.config.rate)
    assert "table" not in boxes.label
    assert true_boxes(render_scene(7, SceneConfig(actions=1, vfr=True))).header.sequences[0].rate is None


def test_bodies_beyond_the_picture_have_no_box(scene: Scene) -> None:
    boxes, every = true_boxes(scene), scene.boxes()
    assert every.shape == (len(scene.bodies) - 1, len(scene), 4)
    listed = set(zip(boxes.id.tolist(), boxes.frame.tolist(), strict=True))
    for body, frame in np.ndindex(every.shape[:2]):
        x, y, w, h = every[body, frame]
        seen = x < 199.5 and y < 119.5 and x + w > -0.5 and y + h > -0.5
        assert ((body + 1, frame) in listed) == seen
