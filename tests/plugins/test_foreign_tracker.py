"""A tracker of another distribution that looks at no picture: nothing in `track` and `run` depends on one of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

import lapsdata
from lapsdata import Tracks
from lapsdata.testing.scenes import SceneConfig, render_scene
from lapsdata.timebase import FrameRate

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., subprocess.CompletedProcess[str]]

# No class of ours, no dataclass, and no more attributes than the protocol names.
DRIFT = """
import itertools
import numpy as np
from lapsmodels.trackers import TrackedWindow

class Drift:
    name, version, pixels, parameters = "laps_drift", "7", "rgb", {"px": 0.5}

    def windows(self, frames, plan):
        frames, taken = iter(frames), 0
        for number, start in enumerate(plan.starts):
            for image in itertools.islice(frames, int(start) + plan.horizon - taken):
                taken += 1
                assert image.shape == (*plan.size.shape, 3)
            points = plan.queries(number)
            shape = plan.horizon, len(points)
            # It is seen where the window begins, and believed everywhere.
            steps = 0.5 * np.arange(plan.horizon, dtype=np.float32)[:, None, None] * np.float32([1, 0])
            sure, back = np.ones(shape, np.float32), np.full(shape, np.nan, np.float32)
            yield TrackedWindow(number, int(start), points + steps, np.ones(shape, bool), sure, back)

PLUGIN = Drift()
"""
ENTRY = "[lapsdata.trackers]\nlaps_drift = laps_drift:PLUGIN\n"
FEW = ("points=24", "horizon=8", "resize_shorter=120")


@pytest.fixture
def site(lay: Callable[..., Path]) -> Path:
    """Folder in which the distribution is installed."""
    return lay("laps-drift", "1", ENTRY, laps_drift=DRIFT)


def expect_drift(path: Path) -> Tracks:
    tracks = lapsdata.read(path, Tracks)
    assert (tracks.header.tracker.name, tracks.header.tracker.version) == ("laps_drift", "7")
    assert tracks.header.tracker.parameters == {"px": 0.5}
    step = np.diff(tracks.tracks["default"], axis=1)
    np.testing.assert_allclose(step, np.broadcast_to([1.0, 0.0], step.shape), atol=1e-4)
    return tracks


def test_track_takes_it_and_tells_how_far_another_is_off(site: Path, run: Run, tmp_path: Path) -> None:
    render_scene(5, SceneConfig(actions=1, rate=FrameRate(10), size=(320, 240))).write_video(tmp_path / "clip.mp4")
    words = "--tracker", "laps_drift", "--points", "24", "--horizon", "8", "--resize-shorter", "120"
    out = str(tmp_path / "out")
    done = run("track", str(tmp_path / "clip.mp4"), "--out", out, *words, "--compare-with", "dense_flow", site=site)
    assert done.returncode == 0, done.stderr
    quality = expect_drift(tmp_path / "out" / "clip.h5").header.views["default"].quality
    assert quality is not None
    # It measures no way back, and most of the picture stands still: who is far off is said by the other alone.
    assert quality.back_error_px is None
    assert quality.agreement is not None
    assert quality.expected_error_px is not None
    assert 2 < quality.agreement.mean_px < 6
    assert 2 < quality.expected_error_px < 6
    assert "px from the truth, as estimated" in done.stdout


def test_the_whole_job_takes_it(site: Path, run: Run, tmp_path: Path) -> None:
    """`demo` is `run` on scenes that it renders."""
    settings = "track.kind=laps_drift", "train.kind=none", *(f"track.{one}" for one in FEW)
    told = [word for one in settings for word in ("--set", one)]
    done = run("demo", "--scenes", "1", "--out", str(tmp_path / "out"), *told, site=site)
    assert done.returncode == 0, done.stderr
    (path,) = (tmp_path / "out").rglob("tracks/*.h5")
    expect_drift(path)
