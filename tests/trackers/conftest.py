"""Pictures and scenes whose motion is known."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
import pytest

from lapsdata.geometry import FrameSize, uniform_grid
from lapsdata.testing.scenes import SceneConfig, render_scene
from lapsdata.timebase import FrameRate
from lapsmodels.trackers import WindowPlan, textured
from lapsmodels.trackers.dense_flow import PLUGIN as DENSE_FLOW
from lapsmodels.trackers.lucas_kanade import PLUGIN as LUCAS_KANADE

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from numpy.typing import NDArray

    from lapsdata.testing.scenes import Scene
    from lapsmodels.trackers import Tracker

    Image = NDArray[np.uint8]
    Draw = Callable[..., Image]

HORIZON = 16
FRAMES = 80


class Followed(NamedTuple):
    """Windows of a scene beside the truth; everything is (W, T, N), or (W, T, N, 2)."""

    tracks: NDArray[np.float32]
    vis: NDArray[np.bool_]
    confidence: NDArray[np.float32]
    back_error_px: NDArray[np.float32]
    truth: NDArray[np.float32]
    seen: NDArray[np.bool_]
    textured: NDArray[np.bool_]

    @property
    def error(self) -> NDArray[np.float32]:
        """Distance to the truth, pixel; NaN where no position is known."""
        return np.asarray(np.linalg.norm(self.tracks - self.truth, axis=-1))

    @property
    def moved(self) -> NDArray[np.float32]:
        """How far the true point is from where it began, pixel."""
        return np.asarray(np.linalg.norm(self.truth - self.truth[:, :1], axis=-1))


def gray_frames(scene: Scene, count: int) -> list[Image]:
    return [np.asarray(cv2.cvtColor(scene.frame(index), cv2.COLOR_RGB2GRAY)) for index in range(count)]


def follow(tracker: Tracker, scene: Scene, frames: list[Image]) -> Followed:
    """Follow a grid of 300 points through windows that overlap by half."""
    size = FrameSize.from_shape(frames[0].shape)
    points = uniform_grid(size, count=300).points
    starts = np.arange(0, len(frames) - HORIZON + 1, HORIZON // 2)
    plan = WindowPlan(size=size, starts=starts, horizon=HORIZON, queries=lambda _: points)
    rows = []
    for window in tracker.windows(frames, plan):
        truth, seen = scene.tracks(points, window.start, range(window.start, window.start + HORIZON))
        held = np.broadcast_to(textured(frames[window.start], points), seen.shape)
        rows.append((*window[2:], truth, seen, held))
    return Followed(*(np.stack(row) for row in zip(*rows, strict=True)))


CONFIGS = {
    "still": SceneConfig(actions=6, rate=FrameRate(15)),
    "shaken": SceneConfig(actions=6, rate=FrameRate(15), shake_px=1.5, noise=4),
}
SEEDS = (0, 1, 3)


@pytest.fixture(scope="session")
def followed() -> Callable[[str, str], Followed]:
    """Return what a tracker, by name, makes of three scenes of a kind, one after another along W."""
    trackers: dict[str, Tracker] = {"dense_flow": DENSE_FLOW, "lucas_kanade": LUCAS_KANADE}
    made: dict[tuple[str, str], Followed] = {}

    def of(tracker: str, kind: str) -> Followed:
        if (tracker, kind) not in made:
            scenes = [render_scene(seed, CONFIGS[kind]) for seed in SEEDS]
            each = [follow(trackers[tracker], scene, gray_frames(scene, FRAMES)) for scene in scenes]
            made[tracker, kind] = Followed(*(np.concatenate(parts) for parts in zip(*each, strict=True)))
        return made[tracker, kind]

    return of


@pytest.fixture(scope="session")
def smooth() -> Draw:
    """Return a maker of smooth noise: uint8 (height, width), mean 128, with detail of some pixels."""

    def draw(height: int, width: int, *, seed: int = 0, detail: float = 2.0, contrast: float = 40.0) -> Image:
        noise = np.random.default_rng(seed).normal(size=(height, width))
        blurred = cv2.GaussianBlur(noise, (0, 0), detail, borderType=cv2.BORDER_REFLECT)
        return np.asarray(128 + contrast * blurred / blurred.std()).clip(0, 255).astype(np.uint8)

    return draw


@pytest.fixture(scope="session")
def plain() -> ModuleType:
    """Return `plain_patches`: what the hot loops of dense_flow mean, in plain NumPy."""
    name = "plain_patches_of_trackers"
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("plain_patches.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up by its name.
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
