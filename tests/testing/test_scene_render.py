"""The picture shows what the truth says: measured in the picture by methods that know nothing of the truth."""

from __future__ import annotations

import hashlib
import itertools
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest

from lapsdata.testing import scene_bodies
from lapsdata.testing.scene_bodies import RoundedBox
from lapsdata.testing.scene_motion import SceneMotion
from lapsdata.testing.scenes import Scene, SceneConfig, render_scene

BARS = (20, 30, 10, 0)


def _grey(scene: Scene, index: int) -> np.ndarray:
    return cv2.cvtColor(scene.frame(index), cv2.COLOR_RGB2GRAY)


def _grid(scene: Scene, step: int = 5) -> np.ndarray:
    width, height = scene.config.size
    xs, ys = np.meshgrid(np.arange(10, width - 10, step), np.arange(10, height - 10, step))
    return np.stack([xs, ys], -1).reshape(-1, 2).astype(np.float64)


def _inner(scene: Scene, points: np.ndarray, frame: int, radius: float) -> np.ndarray:
    """Return which points are surrounded by their own body."""
    body = scene.body_at(points, frame)
    steps = radius * np.array([[1, 0], [-1, 0], [0, 1], [0, -1], [0.7, 0.7], [-0.7, 0.7], [0.7, -0.7], [-0.7, -0.7]])
    kept = [scene.body_at(points + step, frame) == body for step in steps]
    return np.logical_and.reduce(kept)


def _measured(scene: Scene, points: np.ndarray, start: int, end: int) -> tuple[np.ndarray, np.ndarray]:
    """Return where Lucas-Kanade (OpenCV) finds the points again, and whether it comes back to them."""
    first, second = _grey(scene, start), _grey(scene, end)
    options = {
        "winSize": (9, 9),
        "maxLevel": 3,
        "criteria": (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 50, 1e-4),
    }
    asked = points.astype(np.float32)[:, None]
    there, ok, _ = cv2.calcOpticalFlowPyrLK(first, second, asked, None, **options)
    back, ok_back, _ = cv2.calcOpticalFlowPyrLK(second, first, there, None, **options)
    good = (ok & ok_back).astype(bool)[:, 0] & (np.abs(back - asked).max(axis=(1, 2)) < 0.1)
    return there[:, 0], good


@pytest.mark.parametrize(
    "config",
    [
        SceneConfig(actions=30),
        SceneConfig(actions=30, size=(240, 320), shake_px=2.0),
        SceneConfig(actions=30, letterbox=BARS, shake_px=1.0, vfr=True),
    ],
    ids=["still", "shaken portrait", "letterboxed vfr"],
)
def test_optical_flow_finds_every_body_where_the_truth_says(config: SceneConfig) -> None:
    errors: dict[str, list[np.ndarray]] = {name: [] for name in ("block", "forearm", "palm", "finger", "table")}
    for seed in (6, 7):
        scene = render_scene(seed, config)
        for start in range(4, len(scene) - 2, 67):
            points = _grid(scene)
            points = points[_inner(scene, points, start, 5.0) | (scene.body_at(points, start) >= 5)]
            tracks, vis = scene.tracks(points, start, [start, start + 1])
            way = np.hypot(*(tracks[1] - tracks[0]).T)
            there, good = _measured(scene, points, start, start + 1)
            kept = good & vis[1] & (way > 0.3) & (way < 8.0)
            body = scene.body_at(points, start)
            for name, found in errors.items():
                own = kept & np.array([scene.bodies[b].startswith(name) for b in body])
                found.append((there - tracks[1])[own])
    for name, found in errors.items():
        error = np.concatenate(found)
        if name == "table" and config.shake_px == 0.0:
            assert len(error) == 0
            continue
        assert len(error) > 30, name
        # No common shift (a half-pixel slip in either direction would show), and little scatter.
        assert np.abs(np.median(error, axis=0)).max() < 0.02, name
        assert np.median(np.hypot(*error.T)) < 0.1, name


def test_phase_correlation_measures_the_shake() -> None:
    scene = render_scene(8, SceneConfig(shake_px=3.0))
    window = cv2.createHanningWindow((128, 96), cv2.CV_64F)
    corner = np.array([[60.0 + 63.5, 140.0 + 47.5]])
    errors = []
    for index in range(1, 120):
        tracks, vis = scene.tracks(corner, index - 1, [index - 1, index])
        if not vis.all():
            continue
        patches = [_grey(scene, i)[140:236, 60:188].astype(np.float64) for i in (index - 1, index)]
        shift, _ = cv2.phaseCorrelate(*patches, window)
        errors.append(shift - (tracks[1, 0] - tracks[0, 0]))
    assert len(errors) > 60
    # The method takes one shift for the whole patch, which rolls a little.
    assert np.abs(np.mean(errors, axis=0)).max() < 0.03
    assert np.median(np.abs(errors)) < 0.1


def _named_as_shown(scene: Scene, index: int) -> np.ndarray:
    """Check the named body of each pixel by its flat colour, off all outlines; return the named bodies."""
    blocks = [colour for colour, _ in scene_bodies.BLOCKS[: scene.config.blocks]]
    arm = [colour for colour, _ in scene_bodies.ARM]
    colours = np.array([scene_bodies.TABLE[0], scene_bodies.MAT[0], *blocks, *arm])
    width, height = scene.config.size
    everywhere = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1).reshape(-1, 2)
    named = scene.body_at(everywhere, index).reshape(height, width)
    frame = scene.frame(index).astype(int)
    distance = np.abs(frame[..., None, :] - colours).sum(axis=-1)
    shown = np.where(distance.min(axis=-1) <= 3, distance.argmin(axis=-1), -2)
    shown[~frame.any(axis=-1)] = -1
    # Pixels on an outline mix two colours.
    outline = cv2.morphologyEx(named, cv2.MORPH_GRADIENT, np.ones((3, 3))) > 0
    sure = cv2.dilate(outline.astype(np.uint8), None) == 0
    wrong = sure & (shown != named)
    # A sliver thinner than a pixel mixes colours too, without an outline between pixel centres.
    assert (shown[wrong] == -2).all()
    assert wrong.sum() <= 5
    assert sure.mean() > 0.8
    return named[sure]


def test_flat_colours_show_the_body_that_the_truth_names() -> None:
    seen = set()
    for seed in (0, 1):
        scene = render_scene(seed, SceneConfig(texture=0.0, shake_px=1.5, letterbox=BARS, actions=24))
        for index in range(0, len(scene), 53):
            seen |= set(np.unique(_named_as_shown(scene, index)))
    assert seen == set(range(-1, 10))


def test_a_block_is_drawn_to_a_fiftieth_of_a_pixel_where_the_truth_says() -> None:
    table, half = np.array(scene_bodies.TABLE[0]), 15.0
    area = 4 * half**2 - (4 - np.pi) * 4.0**2
    errors = []
    for seed in range(6):
        config = SceneConfig(texture=0.0, shake_px=2.0, letterbox=BARS, size=(350, 270))
        scene, motion = render_scene(seed, config), SceneMotion(seed, config)
        poses, _ = motion.poses(scene.frame_s)
        for index in range(0, len(scene), 40):
            frame = scene.frame(index)
            for block, (colour, _) in enumerate(scene_bodies.BLOCKS[:3]):
                x, y = np.rint(poses[2 + block, index, :2]).astype(int)
                window = frame[y - 26 : y + 27, x - 26 : x + 27].astype(float)
                # How much of each pixel the block covers, from the mixture of two known colours.
                mixture = (window - table) @ (colour - table) / ((colour - table) @ (colour - table))
                alone = np.abs(table + mixture[..., None] * (colour - table) - window).max() < 2.0
                if window.shape != (53, 53, 3) or not alone or abs(mixture.sum() / area - 1.0) > 0.01:
                    continue
                ys, xs = np.mgrid[-26:27, -26:27]
                centre = np.array([(xs * mixture).sum(), (ys * mixture).sum()]) / mixture.sum()
                errors.append(centre - (poses[2 + block, index, :2] - [x, y]))
    assert len(errors) > 50
    assert np.abs(np.mean(errors, axis=0)).max() < 0.005
    assert np.abs(errors).max() < 0.02


def test_a_carried_block_passes_before_the_others() -> None:
    passed = set()
    for seed in range(8):
        config = SceneConfig(texture=0.0, blocks=5, actions=40)
        scene, motion = render_scene(seed, config), SceneMotion(seed, config)
        poses, depth = motion.poses(scene.frame_s)
        for held, other in itertools.permutations(range(2, 7), 2):
            carried = depth[held] > 6.0
            near = np.hypot(*(poses[held] - poses[other])[:, :2].T) < 20.0
            for index in np.flatnonzero(carried & near)[:2]:
                if {held, other} <= set(np.unique(_named_as_shown(scene, int(index)))):
                    passed.add(held < other)
    assert passed == {True, False}


def test_a_visible_point_keeps_its_colour_and_a_hidden_one_shows_another() -> None:
    scene = render_scene(4, SceneConfig(texture=0.0, actions=24))
    points = _grid(scene, 5)
    hidden = 0
    for start in range(0, len(scene) - 40, 120):
        mine = points[_inner(scene, points, start, 2.5)]
        tracks, vis = scene.tracks(mine, start, np.arange(start, start + 40, 3))
        before = scene.frame(start)[mine[:, 1].astype(int), mine[:, 0].astype(int)].astype(int)
        for row, index in enumerate(range(start, start + 40, 3)):
            place = np.rint(tracks[row]).astype(int)
            inside = (place >= 3).all(axis=1) & (place < (317, 237)).all(axis=1)
            inside[inside] = _inner(scene, tracks[row][inside], index, 2.5)
            now = scene.frame(index)[place[inside, 1], place[inside, 0]].astype(int)
            same = np.abs(now - before[inside]).max(axis=1) <= 1
            np.testing.assert_array_equal(same, vis[row][inside])
            hidden += int((~same).sum())
    assert hidden > 100


@pytest.mark.parametrize("seed", range(3))
def test_pictures_change_in_actions_and_rest_in_pauses(seed: int) -> None:
    scene = render_scene(seed)
    starts, labels = scene.truth()["start_s"], scene.truth()["label"]
    segment = np.searchsorted(starts, scene.frame_s, side="right") - 1
    frames = (frame.astype(int) for frame in scene.frames())
    change = [np.abs(after - before).sum() for before, after in itertools.pairwise(frames)]
    changes = np.array(change)
    same = segment[1:] == segment[:-1]
    pause = labels[segment[:-1]] == "pause"
    assert (changes[same & pause] == 0).all()
    assert (changes[same & ~pause] > 0).mean() > 0.99


def test_noise_has_the_asked_strength_and_is_new_in_every_frame() -> None:
    clean, noisy = render_scene(1), render_scene(1, SceneConfig(noise=6.0))
    unsaturated = (clean.frame(0) > 40) & (clean.frame(0) < 215)
    noise = [(noisy.frame(i).astype(float) - clean.frame(i))[unsaturated] for i in (0, 1)]
    assert noise[0].mean() == pytest.approx(0.0, abs=0.05)
    assert noise[0].std() == pytest.approx(6.0, rel=0.02)
    assert abs(np.corrcoef(noise)[0, 1]) < 0.01


def test_letterbox_bars_are_black_whatever_happens_inside() -> None:
    scene = render_scene(1, SceneConfig(letterbox=BARS, noise=20.0, shake_px=3.0))
    area = scene.active_area
    bars = np.ones((240, 320), bool)
    bars[area.y : area.bottom, area.x : area.right] = False
    for index in (0, len(scene) // 2, len(scene) - 1):
        frame = scene.frame(index)
        assert (frame[bars] == 0).all()
        assert (frame[~bars].max(axis=-1) > 0).mean() > 0.99


def test_the_mat_is_plain_and_everything_else_is_textured() -> None:
    scene = render_scene(2)
    frame = _grey(scene, 0).astype(np.float32)
    points = _grid(scene, 2)
    points = points[_inner(scene, points, 0, 4.0)]
    body = scene.body_at(points, 0)
    spread = cv2.blur(frame**2, (7, 7)) - cv2.blur(frame, (7, 7)) ** 2
    local = np.sqrt(np.maximum(spread, 0.0))[points[:, 1].astype(int), points[:, 0].astype(int)]
    assert np.median(local[body == 1]) < 1.0
    for name in ("table", "block0", "block1", "block2", "forearm"):
        assert np.median(local[body == scene.bodies.index(name)]) > 5.0, name


def test_the_rounded_box_measures_like_a_fine_polygon() -> None:
    box = RoundedBox(9.0, 5.0, 2.0)
    # The outline as 4 arcs; cv2 computes the distance to the polygon in its own way.
    turn = np.linspace(0.0, np.pi / 2, 400)
    arcs = [
        np.stack([cx + 2 * np.cos(turn + q), cy + 2 * np.sin(turn + q)], -1)
        for (cx, cy), q in zip(((7, 3), (-7, 3), (-7, -3), (7, -3)), np.arange(4) * np.pi / 2, strict=True)
    ]
    outline = np.concatenate(arcs).astype(np.float32)[:, None]
    points = np.random.default_rng(0).uniform(-14, 14, (500, 2))
    expected = [-cv2.pointPolygonTest(outline, (float(x), float(y)), True) for x, y in points]
    np.testing.assert_allclose(box.distance(points), expected, atol=1e-3)


_DIGEST = """
import hashlib, sys
import cv2
cv2.setNumThreads(int(sys.argv[1]))
from lapsdata.testing.scenes import SceneConfig, render_scene
scene = render_scene(12, SceneConfig(size=(480, 272), shake_px=2.0, noise=5.0, letterbox=(0, 20, 0, 20), vfr=True))
digest = hashlib.sha256(scene.frame_s.tobytes())
for index in range(0, len(scene), 97):
    digest.update(scene.frame(index).tobytes())
tracks, vis = scene.tracks([[200.0, 100.0], [240.0, 60.0]], 0)
digest.update(tracks.tobytes() + vis.tobytes())
print(digest.hexdigest())
"""


def test_equal_seeds_give_equal_bytes_in_any_process_with_any_number_of_threads() -> None:
    digests = [
        subprocess.run(
            [sys.executable, "-c", _DIGEST, str(threads)],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONHASHSEED": hashes},
        ).stdout
        for threads, hashes in ((1, "1"), (2, "2"), (8, "3"))
    ]
    assert len(digests[0]) == 65
    assert len(set(digests)) == 1


def test_frames_do_not_depend_on_the_order_in_which_they_are_drawn() -> None:
    config = SceneConfig(noise=3.0, shake_px=1.0, actions=2)
    forwards = [hashlib.sha256(frame).digest() for frame in render_scene(3, config).frames()]
    scene = render_scene(3, config)
    backwards = [hashlib.sha256(scene.frame(index)).digest() for index in reversed(range(len(scene)))]
    assert forwards == backwards[::-1]
    assert len(set(forwards)) == len(scene)
