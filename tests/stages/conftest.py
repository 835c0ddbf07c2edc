"""Videos whose content is known, short enough to be tracked in a test."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from lapsdata.testing.scenes import Scene, SceneConfig, render_scene
from lapsdata.timebase import FrameRate
from lapsdata.video.writer import write_video
from lapsmodels.stages.track_options import TrackOptions

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata.containers import Segments
    from lapsdata.schema.result import BoundaryResult


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
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write a dot and what it is of for each picture of a report: drawing is half of a short run.

    Whether pictures show what is there is asked in `test_report_stage` and in `tests/report`.
    """
    from lapsdata.stages import report

    plain = cv2.imencode(".png", np.zeros((4, 6, 3), np.uint8))[1].tobytes()

    def timeline(video: str, segments: Segments, energies: Any, truth: Segments | None, **look: Any) -> bytes:
        return plain + json.dumps([video, segments.start_s.tolist(), len(energies), truth is None, look]).encode()

    def curve(scores: BoundaryResult, **look: Any) -> bytes:
        return plain + json.dumps([scores.truth_digest, look]).encode()

    monkeypatch.setattr(report, "timeline_png", timeline)
    monkeypatch.setattr(report, "tolerance_curve_png", curve)


@pytest.fixture
def few() -> TrackOptions:
    """Return options that are quick to track."""
    return TrackOptions(points=48, horizon=8, stride=4)
