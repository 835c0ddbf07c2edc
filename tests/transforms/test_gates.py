"""Gates leave out what stands still, and only where both of their limits say so."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from lapsdata.transforms.gates import PixelChange, gated_by_motion, gated_by_pixels, pixel_change


def test_changes_are_those_of_gray_frames_of_128_pixels() -> None:
    random = np.random.default_rng(0)
    images = [random.integers(0, 256, (200, 300, 3), dtype=np.uint8) for _ in range(3)]
    change = pixel_change(images, limit=0.05)
    small = [
        cv2.resize(cv2.cvtColor(one, cv2.COLOR_RGB2GRAY), (192, 128), interpolation=cv2.INTER_AREA) for one in images
    ]
    for k in range(2):
        difference = [abs(int(a) - int(b)) / 255 for a, b in zip(small[k].flat, small[k + 1].flat, strict=True)]
        assert change.mean[k] == pytest.approx(sum(difference) / len(difference))
        assert change.active[k] == pytest.approx(sum(one > 0.05 for one in difference) / len(difference))


def test_small_frames_are_not_enlarged_and_one_frame_has_no_change() -> None:
    random = np.random.default_rng(1)
    first, second = (random.integers(0, 256, (40, 60), dtype=np.uint8) for _ in range(2))
    change = pixel_change([first, second])
    assert change.mean[0] == pytest.approx(np.abs(first.astype(float) - second).mean() / 255)
    assert len(pixel_change([first]).mean) == 0


@pytest.mark.parametrize(
    ("mean", "active", "gated"), [(0.004, 0.04, True), (0.006, 0.04, False), (0.004, 0.06, False), (0.006, 0.06, False)]
)
def test_both_limits_count_over_the_window(mean: float, active: float, gated: bool) -> None:
    """One quick frame pair does not keep a window by itself; the mean over its pairs does."""
    uneven = np.array([0.0, 2.0, 1.0, 0.0, 2.0])
    change = PixelChange(mean * uneven, active * uneven)
    starts = np.array([0, 2])
    assert gated_by_pixels(change, starts, 4).tolist() == [gated, gated]


@pytest.mark.parametrize(("still", "quick", "gated"), [(0.005, 0, True), (0.03, 0, False), (0.005, 6, False)])
def test_points_stand_still_where_few_are_quick_and_the_mean_is_slow(still: float, quick: int, gated: bool) -> None:
    velocities = np.zeros((1, 2, 5, 20, 2), np.float32)
    velocities[..., 0] = still * 0.6
    velocities[..., 1] = still * 0.8
    velocities[0, 0, 0, :quick] = 0.1  # of 200 points of all steps
    assert gated_by_motion(velocities).tolist() == [gated]
