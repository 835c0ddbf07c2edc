"""Videos whose content is known, short enough to be tracked in a test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from lapsdata.testing.scenes import Scene, SceneConfig, render_scene
from lapsdata.timebase import FrameRate
from lapsdata.video.writer import write_video
from lapsmodels.stages.track_options import TrackOptions

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def scene() -> Scene:
    """Return a scene on frames that are wider than high, at 15 frames per second."""
    return render_scene(3, SceneConfig(actions=2, rate=FrameRate(15), size=(320, 240)))


@pytest.fixture(scope="session")
def scene_video(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the scene as a file."""
    path = tmp_path_factory.mktemp("scene") / "scene.mp4"
    scene.write_video(path)
    return path


@pytest.fixture(scope="session")
def noise_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return 24 frames of one noisy picture that moves right by one pixel a frame, at 10 frames per second."""
    path = tmp_path_factory.mktemp("noise") / "noise.mp4"
    picture = np.random.default_rng(7).integers(0, 256, (12, 32), dtype=np.uint8).repeat(8, axis=0).repeat(8, axis=1)
    frames = [np.ascontiguousarray(np.repeat(picture[:, 40 - i : 168 - i, None], 3, axis=2)) for i in range(24)]
    write_video(path, frames, np.arange(24) / 10)
    return path


@pytest.fixture
def few() -> TrackOptions:
    """Return options that are quick to track."""
    return TrackOptions(points=48, horizon=8, stride=4)
