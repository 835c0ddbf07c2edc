"""What is said of tracks without a truth, against plain NumPy over all windows at once; and what has texture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from lapsmodels.trackers import QualityMeter, TrackedWindow, textured
from lapsmodels.trackers._quality import STATIC_BELOW_PX

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from lapsdata.schema.tracks import TrackQuality

    Image = NDArray[np.uint8]
    Draw = Callable[..., Image]


def windows_of(seed: int, count: int, horizon: int = 6, points: int = 9) -> list[TrackedWindow]:
    """Return windows of random walks, some of them hidden, lost or still, with errors of several magnitudes."""
    random = np.random.default_rng(seed)
    windows = []
    for number in range(count):
        shape = (horizon, points)
        steps = random.normal(0, random.choice([0.01, 0.1, 2.0], points)[:, None], (*shape, 2))
        tracks = (100 + steps.cumsum(axis=0)).astype(np.float32)
        vis = random.random(shape) < random.choice([0.5, 1.0], points)
        tracks[~vis & (random.random(shape) < 0.5)] = np.nan
        errors = np.exp(random.normal(-1, 2, shape)).astype(np.float32)
        errors[random.random(shape) < 0.3] = np.nan
        windows.append(TrackedWindow(number, 4 * number, tracks, vis, np.ones(shape, np.float32), errors))
    return windows


def meter_of(windows: Sequence[TrackedWindow], has_texture: Sequence[NDArray[np.bool_]] = ()) -> TrackQuality:
    meter = QualityMeter()
    for window in windows:
        meter.add(window)
    for one in has_texture:
        meter.look(one)
    found = meter.quality()
    assert found is not None
    return found


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6), count=st.integers(1, 12), horizon=st.integers(1, 8), points=st.integers(1, 12))
def test_every_number_is_that_of_all_windows_at_once(seed: int, count: int, horizon: int, points: int) -> None:
    windows = windows_of(seed, count, horizon, points)
    has_texture = np.random.default_rng(seed).random((count, points)) < 0.7
    found = meter_of(windows, list(has_texture))
    vis, tracks, errors = (
        np.stack([getattr(window, name) for window in windows]) for name in ("vis", "tracks", "back_error_px")
    )
    assert found.visible == vis.mean()
    assert (found.measured.windows, found.measured.points) == (count, count * points)
    assert found.measured.steps == np.count_nonzero(~np.isnan(errors))
    begun = vis[:, 0].sum()
    assert found.survival == ((vis[:, 0] & vis[:, -1]).sum() / begun if begun else None)
    whole = vis.all(axis=1)
    away = np.sqrt(((tracks - tracks[:, :1]).astype(np.float64) ** 2).sum(axis=-1)).max(axis=1)
    # No distance of these is within rounding of the threshold.
    assert found.static == (pytest.approx((away[whole] < 0.5).mean()) if whole.any() else None)
    assert found.static_below_px == (STATIC_BELOW_PX if whole.any() else None)
    assert found.untextured == pytest.approx((~has_texture).mean())


@pytest.mark.parametrize("kind", ["one", "few", "lognormal", "uniform", "equal", "two"])
def test_quantiles_are_right_to_a_hundredth(kind: str) -> None:
    random = np.random.default_rng(0)
    errors = {
        "one": np.array([0.777]),
        "few": np.array([0.1, 0.2, 0.4, 3.0]),
        "lognormal": np.exp(random.normal(-2, 2, 6000)),
        "uniform": random.uniform(0.01, 5, 6000),
        "equal": np.full(50, 0.1234),
        "two": np.repeat([0.05, 7.5], [94, 6]),
    }[kind].astype(np.float32)
    meter = QualityMeter()
    for part in np.array_split(errors, min(len(errors), 7)):
        shape = (1, len(part))
        flat = TrackedWindow(
            0, 0, np.zeros((*shape, 2), np.float32), np.ones(shape, bool), np.ones(shape, np.float32), part[None]
        )
        meter.add(flat)
    found = meter.quality()
    assert found is not None
    assert found.back_error_px is not None
    got = found.back_error_px.median, found.back_error_px.p95
    expected = np.quantile(errors.astype(np.float64), [0.5, 0.95], method="inverted_cdf")
    np.testing.assert_allclose(got, expected, rtol=0.01)


@settings(max_examples=100)
@given(error=st.floats(2**-12, 9e4, width=32))
def test_any_error_is_told_to_a_hundredth(error: float) -> None:
    window = windows_of(0, 1)[0]
    found = meter_of([window._replace(back_error_px=np.full_like(window.back_error_px, error))])
    assert found.back_error_px is not None
    assert found.back_error_px.median == found.back_error_px.p95 == pytest.approx(error, rel=0.01)


@pytest.mark.parametrize(("error", "told"), [(0.0, 0.0), (5e-5, 0.0), (1.5e-4, 1.5e-4), (9e4, 9e4)])
def test_the_smallest_and_the_largest_errors(error: float, told: float) -> None:
    window = windows_of(0, 1)[0]
    found = meter_of([window._replace(back_error_px=np.full_like(window.back_error_px, error))])
    assert found.back_error_px is not None
    assert found.back_error_px.median == pytest.approx(told, rel=0.01)


def test_order_of_windows_does_not_matter() -> None:
    windows = windows_of(3, 8)
    assert meter_of(windows) == meter_of(windows[::-1])


def test_a_point_is_static_below_half_a_pixel_for_its_whole_window() -> None:
    tracks = np.zeros((4, 5, 2), np.float32)
    tracks[1, 0] = 0.49, 0
    tracks[1, 1] = 0.5, 0
    tracks[2, 2] = 0.4, 0.4
    tracks[3, 3] = 9, 9
    tracks[:, 4] = 55
    vis = np.ones((4, 5), bool)
    # Its motion is not known.
    vis[3, 3] = False
    shape = vis.shape
    window = TrackedWindow(0, 0, tracks, vis, np.ones(shape, np.float32), np.full(shape, np.nan, np.float32))
    found = meter_of([window])
    assert found.static == 2 / 4
    assert found.survival == 4 / 5
    assert found.visible == 19 / 20
    assert found.back_error_px is None
    assert found.untextured is None


def test_where_nothing_is_visible_nothing_is_said() -> None:
    window = windows_of(1, 1)[0]
    found = meter_of([window._replace(vis=np.zeros_like(window.vis), tracks=np.full_like(window.tracks, np.nan))])
    assert (found.visible, found.survival, found.static, found.static_below_px) == (0, None, None, None)


def test_without_windows_there_is_no_quality() -> None:
    meter = QualityMeter()
    meter.look(np.ones(3, bool))
    assert meter.quality() is None


def test_asking_changes_nothing() -> None:
    meter = QualityMeter()
    for window in windows_of(2, 3):
        meter.add(window)
        meter.quality()
    assert meter.quality() == meter_of(windows_of(2, 3))


# Texture.


def everywhere(image: Image, edge: int = 12) -> NDArray[np.float32]:
    rows, columns = np.mgrid[edge : image.shape[0] - edge : 3, edge : image.shape[1] - edge : 3]
    return np.stack([columns.ravel(), rows.ravel()], axis=-1).astype(np.float32)


def half(height: int = 90, width: int = 120, *, at: float = 60.0, slope: float = 0.0) -> Image:
    """Return a dark and a bright half, with a straight edge between them, soft as a lens makes it."""
    rows, columns = np.mgrid[:height, :width]
    away = (columns - at - slope * (rows - height / 2)) / np.hypot(1, slope)
    return np.asarray(128 + 90 * np.tanh(away / 1.2), np.uint8)


@pytest.mark.parametrize("level", [0, 77, 255])
def test_one_colour_has_no_texture(level: int) -> None:
    image = np.full((90, 120), level, np.uint8)
    assert not textured(image, everywhere(image, 0)).any()


def test_a_slow_gradient_has_no_texture() -> None:
    rows, columns = np.mgrid[:90, :120]
    image = (20 + rows // 2 + columns).astype(np.uint8)
    assert not textured(image, everywhere(image)).any()


@pytest.mark.parametrize("slope", [0.0, 0.3, -1.0, 2.0])
def test_a_straight_edge_can_slip_along_itself(slope: float) -> None:
    """The aperture problem: what shows contrast in one direction only is no texture."""
    image = half(slope=slope)
    for turned in (image, np.ascontiguousarray(image.T)):
        assert not textured(turned, everywhere(turned)).any()


def test_a_corner_holds() -> None:
    image = np.where((np.arange(90)[:, None] > 45) & (np.arange(120) > 60), 200, 50).astype(np.uint8)
    points = everywhere(image)
    found = textured(image, points)
    near = np.abs(points - [60.5, 45.5]).max(axis=1)
    assert found[near < 3].all()
    assert not found[near > 9].any()


def test_texture_holds(smooth: Draw) -> None:
    image = smooth(90, 120, contrast=40)
    assert textured(image, everywhere(image, 0)).all()
    assert textured(smooth(90, 120, contrast=8), everywhere(image)).mean() > 0.95


def test_which_side_has_texture_and_not_its_mirror(smooth: Draw) -> None:
    """x is not y: on a frame that is wider than high, the left part is textured."""
    image = np.full((60, 200), 90, np.uint8)
    image[:, :100] = smooth(60, 100)
    points = everywhere(image)
    found = textured(image, points)
    assert found[points[:, 0] < 92].mean() > 0.99
    assert not found[points[:, 0] > 108].any()


@pytest.mark.parametrize("level", [1.0, 2.0, 4.0, 8.0])
def test_noise_is_no_texture(level: float) -> None:
    random = np.random.default_rng(1)
    image = (120 + random.normal(0, level, (240, 320))).clip(0, 255).astype(np.uint8)
    assert textured(image, everywhere(image)).mean() < 0.03


@pytest.mark.parametrize("level", [2.0, 5.0])
def test_texture_shows_through_noise(smooth: Draw, level: float) -> None:
    random = np.random.default_rng(2)
    image = (smooth(240, 320) + random.normal(0, level, (240, 320))).clip(0, 255).astype(np.uint8)
    assert textured(image, everywhere(image)).mean() > 0.99


def test_a_fine_pattern_is_more_than_any_noise() -> None:
    """Black and white pixels at random: what they would be as noise, no camera has."""
    for low, high in ((0, 255), (70, 130)):
        image = np.where(np.random.default_rng(3).random((90, 120)) < 0.5, low, high).astype(np.uint8)
        assert textured(image, everywhere(image)).all()


def test_colours_are_judged_by_their_brightness(smooth: Draw) -> None:
    image = np.stack([smooth(90, 120, seed=seed, contrast=6 * seed) for seed in (1, 2, 3)], axis=-1)
    image[:, 60:] = 90
    points = everywhere(image, 0)
    gray = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)
    np.testing.assert_array_equal(textured(image, points), textured(gray, points))
    assert 0.3 < textured(image, points).mean() < 0.7


def least_contrast(image: Image) -> tuple[NDArray[np.float64], float]:
    """Return the smaller eigenvalue of the mean structure tensor, and what it must exceed, by SciPy in float64."""
    gray = image.astype(np.float64)
    across, down = (ndimage.sobel(gray, axis=axis, mode="nearest") / 8 for axis in (1, 0))
    mean: Any = [ndimage.uniform_filter(part, 11) for part in (across**2, across * down, down**2)]
    tensor = np.stack([np.stack([mean[0], mean[1]], -1), np.stack([mean[1], mean[2]], -1)], -1)
    blind = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]])
    noise = min(np.median(np.abs(ndimage.convolve(gray, blind, mode="mirror"))) / 0.6745 / 6, 8.0)
    return np.linalg.eigvalsh(tensor)[..., 0], 0.7**2 + 12 / 64 * 4 / 3 * noise**2


@pytest.mark.parametrize("kind", ["weak", "noisy", "edges", "mixed"])
def test_the_contrast_is_that_of_the_mean_structure_tensor(kind: str, smooth: Draw) -> None:
    random = np.random.default_rng(5)
    image = {
        "weak": smooth(200, 260, contrast=7, detail=4.0),
        "noisy": (smooth(200, 260, contrast=12, detail=4.0) + random.normal(0, 3, (200, 260))).astype(np.uint8),
        "edges": half(200, 260, at=130) // 3
        + half(260, 200, at=90).T // 3
        + smooth(200, 260, contrast=18, detail=3.0) // 3,
        "mixed": np.hstack([smooth(200, 130, contrast=4), np.full((200, 130), 99, np.uint8)]),
    }[kind]
    points = everywhere(image)
    least, limit = least_contrast(image)
    value = least[points[:, 1].astype(int), points[:, 0].astype(int)]
    # The noise may be told from a part of the picture: what is near the limit may fall on either side.
    clear = np.abs(value / limit - 1) > 0.1
    assert clear.mean() > 0.7
    found = textured(image, points)
    assert 0.03 < found.mean() < 0.97
    np.testing.assert_array_equal(found[clear], (value > limit)[clear])


def test_points_between_pixels_are_judged_at_the_nearest(smooth: Draw) -> None:
    image = np.full((90, 120), 100, np.uint8)
    image[30:60, 40:80] = smooth(30, 40)
    whole = everywhere(image, 1)
    expected = textured(image, whole)
    for off in ((0.4, -0.4), (-0.45, 0.3)):
        np.testing.assert_array_equal(textured(image, whole + np.array(off, np.float32)), expected)
    assert 0.1 < expected.mean() < 0.9


def test_the_corners_of_the_frame_can_be_asked(smooth: Draw) -> None:
    image = smooth(40, 70)
    corners = np.array([[-0.5, -0.5], [69.49, -0.5], [-0.5, 39.49], [69.49, 39.49]], np.float32)
    assert textured(image, corners).shape == (4,)
    assert textured(image, corners).all()
