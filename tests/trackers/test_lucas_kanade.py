"""lucas_kanade against OpenCV itself, step by step; what is lost stays lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from lapsdata.geometry import FrameSize, inside_frame, uniform_grid
from lapsmodels.trackers import TrackedWindow, WindowPlan
from lapsmodels.trackers.lucas_kanade import PLUGIN, LucasKanade

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Image = NDArray[np.uint8]
    Draw = Callable[..., Image]

SIZE = FrameSize(width=160, height=120)
GRID = uniform_grid(SIZE, count=108).points


def moving(smooth: Draw, steps: Sequence[tuple[int, int]]) -> list[Image]:
    whole = smooth(300, 400)
    return [np.ascontiguousarray(whole[90 - y : 210 - y, 120 - x : 280 - x]) for x, y in steps]


def track(frames: Sequence[Image], points: NDArray[np.float32] = GRID, **options: Any) -> TrackedWindow:
    plan = WindowPlan(size=SIZE, starts=np.array([0]), horizon=len(frames), queries=lambda _: points)
    return next(LucasKanade(**options).windows(frames, plan))


@pytest.mark.parametrize(("window_px", "levels"), [(21, 3), (11, 0), (15, 2)])
def test_each_step_is_that_of_opencv(smooth: Draw, window_px: int, levels: int) -> None:
    frames = moving(smooth, [(0, 0), (2, -1), (5, -1), (9, 2)])
    window = track(frames, window_px=window_px, levels=levels)
    opencv: Any = cv2.calcOpticalFlowPyrLK
    options: Any = {"winSize": (window_px, window_px), "maxLevel": levels}
    for k in range(1, len(frames)):
        known = inside_frame(window.tracks[k - 1], SIZE)
        start = window.tracks[k - 1][known][:, None]
        there, found, _ = opencv(frames[k - 1], frames[k], start, start.copy(), **options)
        back, returned, _ = opencv(frames[k], frames[k - 1], there, there.copy(), **options)
        np.testing.assert_array_equal(window.tracks[k][known], there[:, 0])
        assert np.isnan(window.tracks[k][~known]).all()
        error = np.linalg.norm(back - start, axis=-1)[:, 0]
        good = (found & returned)[:, 0] == 1
        np.testing.assert_array_equal(window.back_error_px[k][known], np.where(good, error, np.float32(np.nan)))
        expected = window.vis[k - 1][known] & good & (error <= 1) & inside_frame(there[:, 0], SIZE)
        np.testing.assert_array_equal(window.vis[k][known], expected)
        confidence = window.confidence[k - 1][known] * np.exp(-np.nan_to_num(error) / 8)
        np.testing.assert_allclose(window.confidence[k][known], np.where(expected, confidence, 0), rtol=1e-6)
        assert not window.vis[k][~known].any()
    assert window.vis.mean() > 0.5


def test_what_left_the_frame_is_nowhere_and_stays_lost(smooth: Draw) -> None:
    away = [(8 * min(k, 12 - k), 0) for k in range(13)]
    window = track(moving(smooth, away))
    truth = GRID + np.array(away)[:, None]
    gone = np.maximum.accumulate(truth[..., 0] > 162, axis=0)
    assert gone[-1].sum() > 20
    assert not window.vis[gone].any()
    assert (window.confidence[gone] == 0).all()
    # One position outside is the last that was measured.
    later = np.zeros_like(gone)
    later[2:] = gone[:-2]
    assert np.isnan(window.tracks[later]).all()
    assert np.isnan(window.back_error_px[later]).all()
    lost = np.maximum.accumulate(~window.vis, axis=0)
    assert not (window.vis & lost).any()


def test_where_all_points_left_nothing_is_measured(smooth: Draw) -> None:
    frames = moving(smooth, [(12 * k, 0) for k in range(5)])
    gone = np.isnan(track(frames).tracks[-2]).any(axis=-1)
    assert gone.sum() > 5
    window = track(frames, GRID[gone])
    np.testing.assert_array_equal(window.tracks, track(frames).tracks[:, gone])
    assert np.isnan(window.tracks[-2:]).all()
    assert np.isnan(window.back_error_px[-2:]).all()
    assert not window.vis[-2:].any()


def test_confidence_falls_and_never_rises(smooth: Draw) -> None:
    window = track(moving(smooth, [(3 * k, k) for k in range(8)]))
    assert (np.diff(window.confidence, axis=0) <= 0).all()
    assert window.confidence[0].min() == 1


def test_a_wider_limit_on_the_way_back_shows_more(smooth: Draw) -> None:
    random = np.random.default_rng(0)
    noisy = [
        (frame + random.normal(0, 25, frame.shape)).clip(0, 255).astype(np.uint8)
        for frame in moving(smooth, [(k, 0) for k in range(6)])
    ]
    seen = [track(noisy, back_error_px=limit).vis[-1].mean() for limit in (0.02, 0.2, 5.0)]
    assert seen[0] < seen[1] < seen[2]


def test_it_says_what_it_depends_on() -> None:
    assert PLUGIN.parameters == {"back_error_px": 1.0, "window_px": 21, "levels": 3}
    assert LucasKanade(levels=1).parameters["levels"] == 1
    assert (PLUGIN.name, PLUGIN.version, PLUGIN.pixels) == ("lucas_kanade", "1", "gray")
