"""The truth of a scene: tracks, visibility, times and segments, as the measures will ask for them."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsdata.errors import SchemaError, StorageError
from lapsdata.testing.scenes import Scene, SceneConfig, render_scene
from lapsdata.timebase import FrameRate

if TYPE_CHECKING:
    from pathlib import Path

SCENE = render_scene(2, SceneConfig(shake_px=2.0, letterbox=(8, 20, 0, 20), actions=24))
STILL = render_scene(2, SceneConfig(actions=24))


def _points(scene: Scene, count: int, seed: int = 0) -> np.ndarray:
    area = scene.active_area
    low, high = (area.x, area.y), (area.right - 1, area.bottom - 1)
    return np.random.default_rng(seed).uniform(low, high, (count, 2))


def test_tracks_have_their_declared_types_and_shapes() -> None:
    tracks, vis = SCENE.tracks(_points(SCENE, 7), 5)
    assert (tracks.shape, tracks.dtype) == ((len(SCENE), 7, 2), np.dtype(np.float32))
    assert (vis.shape, vis.dtype) == ((len(SCENE), 7), np.dtype(np.bool_))
    assert np.isfinite(tracks).all()
    empty = SCENE.tracks(np.empty((0, 2)), 5, [])
    assert (empty.tracks.shape, empty.vis.shape) == ((0, 0, 2), (0, 0))
    frame = SCENE.frame(0)
    assert (frame.shape, frame.dtype) == ((240, 320, 3), np.dtype(np.uint8))


@settings(max_examples=30)
@given(st.integers(0, len(SCENE) - 1), st.integers(0, 2**32 - 1))
def test_a_point_is_seen_where_it_is_asked_for(at_frame: int, seed: int) -> None:
    points = _points(SCENE, 50, seed)
    tracks, vis = SCENE.tracks(points, at_frame, [at_frame])
    np.testing.assert_allclose(tracks[0], points, atol=1e-4)
    assert vis.all()


@settings(max_examples=30)
@given(st.integers(0, len(SCENE) - 1), st.integers(0, len(SCENE) - 1), st.integers(0, 2**32 - 1))
def test_following_a_visible_point_there_and_back_returns_to_it(start: int, end: int, seed: int) -> None:
    points = _points(SCENE, 50, seed)
    there, vis = SCENE.tracks(points, start, [end])
    # Within rounding of an outline the point may fall to the neighbouring body.
    kept = vis[0] & np.array([len(set(SCENE.body_at(p + _AROUND, end))) == 1 for p in np.clip(there[0], 12, 210)])
    kept &= (there[0] > 12).all(axis=1) & (there[0] < 210).all(axis=1)
    back, _ = SCENE.tracks(there[0][kept], end, [start])
    np.testing.assert_allclose(back[0], points[kept], atol=1e-3)


_AROUND = 1e-3 * np.array([[0.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])


def test_bodies_are_rigid() -> None:
    points = _points(SCENE, 400)
    body = SCENE.body_at(points, 30)
    tracks, _ = SCENE.tracks(points, 30)
    for index in np.unique(body):
        own = tracks[:, body == index].astype(np.float64)
        apart = np.hypot(*(own[:, :1] - own).transpose(2, 0, 1))
        np.testing.assert_allclose(apart, np.broadcast_to(apart[30], apart.shape), atol=1e-3)
    assert len(np.unique(body)) >= 5


def test_frames_can_be_chosen_in_any_order() -> None:
    points = _points(SCENE, 20)
    whole = SCENE.tracks(points, 9)
    some = SCENE.tracks(points, 9, [40, 3, 3, len(SCENE) - 1])
    np.testing.assert_array_equal(some.tracks, whole.tracks[[40, 3, 3, -1]])
    np.testing.assert_array_equal(some.vis, whole.vis[[40, 3, 3, -1]])


def test_a_point_that_leaves_the_picture_is_invisible_and_not_clipped() -> None:
    left = 0
    for at_frame in range(0, len(SCENE), 250):
        tracks, vis = SCENE.tracks(_points(SCENE, 200), at_frame)
        area = SCENE.active_area
        low, high = np.array([area.x, area.y]) - 0.5, np.array([area.right, area.bottom]) - 0.5
        outside = ((tracks < low) | (tracks >= high)).any(axis=-1)
        assert not vis[outside].any()
        beyond = (tracks < low - 5) | (tracks > high + 5)
        left += int(beyond.any(axis=-1).sum())
        assert len(np.unique(tracks[beyond])) > 0.9 * beyond.sum() or not beyond.any()
    assert left > 100


def test_a_point_of_the_bars_belongs_to_nothing() -> None:
    points = np.array([[100.0, 5.0], [3.0, 120.0], [200.0, 230.0]])
    assert SCENE.body_at(points, 0).tolist() == [-1, -1, -1]
    tracks, vis = SCENE.tracks(points, 0)
    np.testing.assert_array_equal(tracks, np.broadcast_to(points.astype(np.float32), tracks.shape))
    assert not vis.any()


def test_the_active_area_ends_half_a_pixel_beyond_its_outer_pixel_centres() -> None:
    area = SCENE.active_area
    y = 100.0
    xs = [area.x - 0.51, area.x - 0.49, area.right - 0.51, area.right - 0.51]
    assert (SCENE.body_at([[x, y] for x in xs], 0) >= 0).tolist() == [False, True, True, True]
    xs = [-0.5, 319.49]
    assert (STILL.body_at([[x, 230.0] for x in xs], 0) >= 0).all()


def test_the_table_rests_unless_the_camera_shakes() -> None:
    points = _points(STILL, 300)
    table = STILL.body_at(points, 0) == 0
    tracks, vis = STILL.tracks(points[table], 0)
    np.testing.assert_array_equal(tracks, np.broadcast_to(tracks[0], tracks.shape))
    assert not vis.all()
    shaken = render_scene(2, SceneConfig(shake_px=2.0, actions=24))
    moved, _ = shaken.tracks(points[table], 0)
    assert (np.ptp(moved, axis=0) > 2.0).all()


@pytest.mark.parametrize("rate", [FrameRate(60, 1), FrameRate(100, 1)], ids=str)
def test_truth_does_not_depend_on_the_frame_rate(rate: FrameRate) -> None:
    fine = render_scene(2, SceneConfig(actions=24, rate=rate))
    step = int(rate.numerator // 20)
    np.testing.assert_allclose(fine.frame_s[::step][: len(STILL)], STILL.frame_s, atol=1e-12)
    points = _points(STILL, 100)
    coarse = STILL.tracks(points, 20)
    dense = fine.tracks(points, 20 * step, np.arange(len(STILL)) * step)
    np.testing.assert_allclose(dense.tracks, coarse.tracks, atol=1e-3)
    assert (dense.vis != coarse.vis).mean() < 1e-3


@pytest.mark.parametrize("rate", [FrameRate(20, 1), FrameRate(15, 1), FrameRate(30_000, 1001)], ids=str)
def test_frames_of_a_constant_rate_have_exact_times_and_cover_the_segments(rate: FrameRate) -> None:
    scene = render_scene(9, SceneConfig(rate=rate, actions=4))
    exact = [float(Fraction(i * rate.denominator, rate.numerator)) for i in range(len(scene))]
    assert scene.frame_s.tolist() == exact
    end_s = scene.segments[-1].end_s
    assert scene.frame_s[-1] < end_s <= scene.frame_s[-1] + rate.period_s
    assert not scene.frame_s.flags.writeable


@pytest.mark.parametrize("seed", range(4))
def test_variable_times_are_irregular_ticks_of_the_mpeg_clock(seed: int) -> None:
    rate = FrameRate(25, 1)
    scene = render_scene(seed, SceneConfig(vfr=True, rate=rate))
    ticks = scene.frame_s * 90_000
    np.testing.assert_allclose(ticks, np.rint(ticks), atol=1e-6)
    gaps = np.diff(scene.frame_s)
    assert scene.frame_s[0] == 0.0
    assert 0.5 * rate.period_s - 1e-4 <= gaps.min() < 0.55 * rate.period_s
    assert 1.45 * rate.period_s < gaps.max() <= 1.5 * rate.period_s + 1e-4
    assert gaps.mean() == pytest.approx(rate.period_s, rel=0.05)
    end_s = scene.segments[-1].end_s
    assert scene.frame_s[-1] < end_s <= scene.frame_s[-1] + 1.5 * rate.period_s + 1e-4


def test_truth_gives_the_segments_as_arrays() -> None:
    truth = STILL.truth()
    assert truth["start_s"].tolist() == [segment.start_s for segment in STILL.segments]
    assert truth["end_s"].tolist() == [segment.end_s for segment in STILL.segments]
    assert truth["label"].tolist() == [segment.label for segment in STILL.segments]
    np.testing.assert_array_equal(truth["start_s"][1:], truth["end_s"][:-1])


def test_bodies_are_listed_back_to_front() -> None:
    assert STILL.bodies[:2] == ("table", "mat")
    assert STILL.bodies[2:5] == ("block0", "block1", "block2")
    assert STILL.bodies[5:] == ("upper_arm", "forearm", "palm", "finger_left", "finger_right")


def test_the_front_most_body_is_the_last_drawn_of_those_that_cover_a_point() -> None:
    seen = {int(b) for i in range(0, len(STILL), 40) for b in STILL.body_at(_points(STILL, 3000, i), i)}
    assert seen == set(range(len(STILL.bodies)))


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ([1.0, 2.0], r"expected \(N, 2\) float xy pixel, got \(2,\)"),
        ([[1.0, 2.0, 3.0]], r"expected \(N, 2\) float xy pixel, got \(1, 3\)"),
        ([[1.0, 2.0], [320.0, 5.0]], r"got 1 outside, the first at row 1: \(320, 5\)"),
        ([[float("nan"), 2.0]], r"got 1 outside, the first at row 0: \(nan, 2\)"),
        ([[10.0, -0.6], [1.0, 239.5]], "expected points of the 320 x 240 frame, got 2 outside"),
    ],
)
def test_queries_that_cannot_be_answered_are_refused(points: list[list[float]], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        STILL.tracks(points, 0)
    with pytest.raises(SchemaError, match=message):
        STILL.body_at(points, 0)


def test_frames_that_do_not_exist_are_refused() -> None:
    last = len(STILL) - 1
    for index in (-1, last + 1):
        with pytest.raises(IndexError, match=rf"frame: expected 0 to {last}, got {index}"):
            STILL.frame(index)
        with pytest.raises(IndexError, match=rf"at_frame: expected 0 to {last}, got {index}"):
            STILL.tracks([[1.0, 1.0]], index)
        with pytest.raises(IndexError, match=rf"frames: expected 0 to {last}, got"):
            STILL.tracks([[1.0, 1.0]], 0, [0, index])
    with pytest.raises(SchemaError, match="render_scene: seed: expected an integer of at least 0, got -1"):
        render_scene(-1)


@pytest.mark.parametrize("vfr", [False, True], ids=["cfr", "vfr"])
def test_a_scene_comes_back_from_its_video(tmp_path: Path, vfr: bool) -> None:
    scene = render_scene(3, SceneConfig(actions=1, size=(160, 96), vfr=vfr, rate=FrameRate(15, 1)))
    path = tmp_path / "scene.mp4"
    scene.write_video(path, codec="ffv1")
    with pytest.raises(StorageError, match="overwrite"):
        scene.write_video(path, codec="ffv1")
    scene.write_video(path, codec="ffv1", overwrite=True)
    with av.open(str(path)) as container:
        decoded = list(container.decode(video=0))
    assert [frame.pts * frame.time_base for frame in decoded] == pytest.approx(scene.frame_s.tolist(), abs=1e-9)
    for index, frame in enumerate(decoded):
        np.testing.assert_array_equal(frame.to_ndarray(format="rgb24"), scene.frame(index))
