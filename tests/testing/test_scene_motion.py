"""Motion is a formula: checked against numerical integration, rigid bodies, and the arm's own geometry."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate

from lapsdata.testing.scene_motion import RAMP_S, SceneMotion, rotate, travelled
from lapsdata.testing.scenes import SceneConfig

NAMES = SceneMotion(0, SceneConfig()).names


def _body(poses: np.ndarray, name: str) -> np.ndarray:
    return poses[NAMES.index(name)]


def _times(motion: SceneMotion, count: int = 4000) -> np.ndarray:
    return np.linspace(0.0, motion.plan.segments[-1].end_s, count)


@settings(max_examples=40)
@given(st.floats(0.4, 8.0), st.floats(0.0, 1.0))
def test_the_way_is_the_integral_of_the_speed(duration: float, share: float) -> None:
    ramp = min(RAMP_S, duration / 2)

    def speed(time: float) -> float:
        edge = min(time, duration - time) / ramp
        return 3 * edge**2 - 2 * edge**3 if edge < 1 else 1.0

    marks = (ramp, duration - ramp)
    whole = integrate.quad(speed, 0, duration, points=marks)[0]
    part = integrate.quad(speed, 0, share * duration, points=[m for m in marks if m < share * duration] or None)[0]
    assert travelled(np.array(share * duration), np.array(duration)) == pytest.approx(part / whole, abs=1e-7)


@given(st.floats(0.4, 8.0))
def test_the_way_begins_at_0_ends_at_1_and_never_turns(duration: float) -> None:
    time = np.linspace(-1.0, duration + 1.0, 500)
    way = travelled(time, np.array(duration))
    assert (way[time <= 0.0] == 0.0).all()
    assert (way[time >= duration] == 1.0).all()
    assert (np.diff(way) >= 0.0).all()


def test_an_action_of_any_length_is_under_way_within_a_tenth_of_a_second() -> None:
    # Speed over top speed, just after the start and just before the end: what a boundary looks like.
    for duration in (0.6, 1.2, 4.0, 8.0):
        step = 1e-4
        time = np.array([0.1, duration / 2, duration - 0.1])
        speed = travelled(time + step, np.array(duration)) - travelled(time - step, np.array(duration))
        assert speed[[0, 2]] == pytest.approx(speed[1] * (3 / 9 - 2 / 27), rel=1e-3)


def test_rotation_agrees_with_complex_numbers() -> None:
    angle, xy = np.linspace(-4.0, 4.0, 9), np.arange(18.0).reshape(9, 2)
    expected = (xy[:, 0] + 1j * xy[:, 1]) * np.exp(1j * angle)
    np.testing.assert_allclose(rotate(angle, xy), np.stack([expected.real, expected.imag], -1), atol=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_all_bodies_move_without_a_jump(seed: int) -> None:
    motion = SceneMotion(seed, SceneConfig(shake_px=2.0))
    plan = motion.plan
    edges = np.concatenate([plan.start_s, plan.end_s])
    before, _ = motion.poses(edges - 1e-6)
    after, _ = motion.poses(edges + 1e-6)
    np.testing.assert_allclose(before, after, atol=2e-3)


@pytest.mark.parametrize("seed", range(4))
def test_in_a_pause_nothing_moves_and_in_an_action_the_arm_does(seed: int) -> None:
    motion = SceneMotion(seed, SceneConfig())
    for segment in motion.plan.segments:
        time = np.linspace(segment.start_s, segment.end_s, 20)[1:-1]
        poses, _ = motion.poses(time)
        moved = np.ptp(poses, axis=1).max(axis=1)
        if segment.label == "pause":
            np.testing.assert_array_equal(moved, 0.0)
        else:
            assert moved[NAMES.index("palm")] > 10.0
            assert moved[NAMES.index("forearm")] > 1.0


def test_only_a_carried_block_moves_and_then_rigidly_with_the_hand() -> None:
    motion = SceneMotion(2, SceneConfig(actions=30))
    carried = 0
    for segment in motion.plan.segments:
        time = np.linspace(segment.start_s, segment.end_s, 20)[:-1]
        poses, depth = motion.poses(time)
        for block in (f"block{index}" for index in range(3)):
            pose, palm = _body(poses, block), _body(poses, "palm")
            if np.ptp(pose, axis=0).max() == 0.0:
                continue
            carried += 1
            assert segment.label == "move"
            apart = rotate(-palm[:, 2], pose[:, :2] - palm[:, :2])
            np.testing.assert_allclose(apart, np.broadcast_to([0.0, 30.0], apart.shape), atol=1e-9)
            np.testing.assert_allclose(pose[:, 2], palm[:, 2], atol=1e-12)
            others = [d for name, d in zip(NAMES, depth, strict=True) if name.startswith("block") and name != block]
            assert (np.array(others) < depth[NAMES.index(block)]).all()
            assert (depth[NAMES.index("upper_arm")] > depth[NAMES.index(block)]).all()
    assert carried == sum(segment.label == "move" for segment in motion.plan.segments) > 3


@pytest.mark.parametrize("size", [(320, 240), (64, 64), (771, 480), (96, 640), (640, 96)], ids=str)
def test_the_elbow_stays_bent_wherever_the_hand_goes(size: tuple[int, int]) -> None:
    for seed in range(8):
        motion = SceneMotion(seed, SceneConfig(size=size, blocks=4, actions=40))
        poses, _ = motion.poses(_times(motion, 2000))
        upper, fore = poses[-5, :, 2], poses[-4, :, 2]
        bend = np.abs(np.angle(np.exp(1j * (fore - upper))))
        # A straight arm would have to move its elbow infinitely fast.
        assert bend.min() > 0.15
        assert bend.max() < np.pi - 0.15


@pytest.mark.parametrize("size", [(320, 240), (240, 320), (640, 96)], ids=str)
def test_the_arm_hangs_together(size: tuple[int, int]) -> None:
    motion = SceneMotion(1, SceneConfig(size=size))
    layout = motion.layout
    poses, _ = motion.poses(_times(motion))
    half = np.array([0.5 * layout.link, 0.0])

    def end(name: str, sign: float) -> np.ndarray:
        pose = _body(poses, name)
        return pose[:, :2] + rotate(pose[:, 2], np.broadcast_to(sign * half, (len(pose), 2)))

    palm = _body(poses, "palm")
    wrist = palm[:, :2] + rotate(palm[:, 2], np.broadcast_to([0.0, -8.0 * layout.unit], (len(palm), 2)))
    np.testing.assert_allclose(end("upper_arm", -1), np.broadcast_to(layout.shoulder, wrist.shape), atol=1e-9)
    np.testing.assert_allclose(end("upper_arm", 1), end("forearm", -1), atol=1e-9)
    np.testing.assert_allclose(end("forearm", 1), wrist, atol=1e-9)


def test_closed_fingers_touch_the_block_and_open_ones_do_not() -> None:
    motion = SceneMotion(2, SceneConfig())
    poses, _ = motion.poses(_times(motion))
    left, right = _body(poses, "finger_left"), _body(poses, "finger_right")
    apart = np.hypot(*(left - right)[:, :2].T)
    layout = motion.layout
    # The middles of two fingers of 10 units around a block of 30 units.
    assert apart.min() == pytest.approx(40.0 * layout.unit)
    assert apart.max() == pytest.approx(40.0 * layout.unit + 2 * layout.gap_open)


@pytest.mark.parametrize("shake", [0.0, 0.5, 3.0, 12.0])
def test_the_camera_shakes_as_much_as_asked(shake: float) -> None:
    motions = [SceneMotion(seed, SceneConfig(shake_px=shake)) for seed in range(8)]
    camera = np.concatenate([motion.camera(np.linspace(0.0, 500.0, 20_001)) for motion in motions])
    assert np.sqrt(np.mean(camera[:, :2] ** 2, axis=0)) == pytest.approx([shake, shake], rel=0.03)
    roll_at_corner = np.sqrt(np.mean(camera[:, 2] ** 2)) * np.hypot(160.0, 120.0)
    assert roll_at_corner == pytest.approx(0.5 * shake, rel=0.03)


@pytest.mark.parametrize("size", [(320, 240), (96, 640)], ids=str)
def test_the_margin_bounds_every_shift_of_the_picture(size: tuple[int, int]) -> None:
    config = SceneConfig(size=size, shake_px=4.0)
    corners = np.array(list(itertools.product((0.0, size[0] - 1.0), (0.0, size[1] - 1.0))))
    for seed in range(6):
        motion = SceneMotion(seed, config)
        poses, _ = motion.poses(np.linspace(0.0, 100.0, 5001))
        table = poses[0][:, None]
        seen = rotate(-table[..., 2], corners - table[..., :2])
        assert np.abs(seen - corners).max() < motion.margin_px - 1
        assert np.abs(seen - corners).max() > 0.25 * motion.margin_px


def test_shake_moves_all_bodies_alike() -> None:
    still, shaken = (SceneMotion(5, SceneConfig(shake_px=shake)) for shake in (0.0, 3.0))
    time = _times(still, 200)
    (calm, _), (moved, _) = still.poses(time), shaken.poses(time)
    table = moved[0]
    expected = table[:, :2] + rotate(table[:, 2], calm[..., :2])
    np.testing.assert_allclose(moved[..., :2], expected, atol=1e-9)
    np.testing.assert_allclose(moved[..., 2], calm[..., 2] + table[:, 2], atol=1e-12)
