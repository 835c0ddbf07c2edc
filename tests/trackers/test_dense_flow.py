"""dense_flow on rendered scenes with exact truth, and on pictures that show one thing each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from lapsdata.errors import SchemaError
from lapsdata.geometry import FrameSize, inside_frame, uniform_grid
from lapsmodels.trackers import TrackedWindow, WindowPlan
from lapsmodels.trackers._points import begin
from lapsmodels.trackers.dense_flow import PLUGIN, DenseFlow

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Image = NDArray[np.uint8]
    Draw = Callable[..., Image]
    Followed = Callable[[str, str], Any]

KINDS = ("still", "shaken")


def track(frames: Sequence[Image], points: Any, **options: Any) -> TrackedWindow:
    """Follow points through all frames, in one window."""
    given = np.asarray(points, np.float32)
    size = FrameSize.from_shape(frames[0].shape)
    plan = WindowPlan(size=size, starts=np.array([0]), horizon=len(frames), queries=lambda _: given)
    return next(DenseFlow(**options).windows(frames, plan))


def grid(frame: Image, count: int = 48, edge: float = 0) -> NDArray[np.float32]:
    points = uniform_grid(FrameSize.from_shape(frame.shape), count=count).points
    far = np.array([frame.shape[1] - 1, frame.shape[0] - 1]) - edge
    return points[((points >= edge) & (points <= far)).all(axis=1)]


# Scenes: what follows holds for a whole population of points.


@pytest.mark.parametrize("kind", KINDS)
def test_points_do_not_drift_within_a_window(followed: Followed, kind: str) -> None:
    found = followed("dense_flow", kind)
    judged = (found.vis & found.seen & found.textured)[:, -1]
    assert judged.sum() > 5000
    assert np.median(found.error[:, -1][judged]) < 0.5
    assert np.quantile(found.error[:, -1][judged], 0.95) < 0.5


@pytest.mark.parametrize("kind", KINDS)
def test_points_that_move_are_followed_and_not_left_behind(followed: Followed, kind: str) -> None:
    found = followed("dense_flow", kind)
    judged = found.vis & found.seen & found.textured & (found.moved > 2)
    assert judged.sum() > 3000
    assert np.median(found.moved[judged]) > 2.5
    assert np.median(found.error[judged]) < 0.3
    assert (found.error[judged] < found.moved[judged]).mean() > 0.97
    assert (found.error[judged] < 2).mean() > 0.97


def test_it_follows_better_than_lucas_kanade(followed: Followed) -> None:
    ours, field = followed("dense_flow", "still"), followed("lucas_kanade", "still")
    moving = ours.seen & ours.textured & (ours.moved > 2)
    near = [(found.vis & (found.error < 2))[moving].mean() for found in (ours, field)]
    assert near[0] > near[1] + 0.1


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_seen_is_visible(followed: Followed, kind: str) -> None:
    found = followed("dense_flow", kind)
    assert found.vis[found.seen & found.textured].mean() > 0.97


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_hidden_is_invisible(followed: Followed, kind: str) -> None:
    found = followed("dense_flow", kind)
    hidden = found.textured & ~found.seen
    # An edge crosses a patch of 11 pixels in some frames; what stays hidden must be told.
    lasting = hidden.copy()
    for back in (1, 2):
        lasting[:, back:] &= hidden[:, :-back]
    lasting[:, :2] = False
    assert lasting.sum() > 1000
    assert found.vis[lasting].mean() < 0.15
    assert found.vis[hidden].mean() < 0.3


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_hidden_is_found_again(followed: Followed, kind: str) -> None:
    found = followed("dense_flow", kind)
    was_hidden = np.maximum.accumulate(~found.seen, axis=1)
    again = was_hidden & found.seen & found.textured
    # Out for three frames at least.
    out = again.copy()
    for back in (1, 2):
        out[:, back:] &= again[:, :-back]
    out[:, :2] = False
    assert out.sum() > 100
    assert (found.vis & (found.error < 2))[out].mean() > 0.7


@pytest.mark.parametrize("kind", KINDS)
def test_more_confidence_is_less_error(followed: Followed, kind: str) -> None:
    found = followed("dense_flow", kind)
    judged = found.seen & found.textured
    judged[:, 0] = False
    means = []
    for low, high in ((0, 0.5), (0.5, 0.9), (0.9, 1.01)):
        among = judged & (found.confidence >= low) & (found.confidence < high)
        assert among.sum() > 300
        means.append(np.minimum(found.error[among], 20).mean())
    assert means[0] > 3 * means[1] > 6 * means[2]


@pytest.mark.parametrize("kind", KINDS)
def test_without_texture_nothing_is_visible_after_the_first_frame(followed: Followed, kind: str) -> None:
    found = followed("dense_flow", kind)
    assert (~found.textured).sum() > 100
    assert found.confidence[~found.textured].max() <= 0.1 + 1e-6
    assert not found.vis[:, 1:][~found.textured[:, 1:]].any()
    assert found.vis[:, 0].all()


# Pictures that show one thing each.


def shifted(whole: Image, size: tuple[int, int], offsets: Any, at: tuple[int, int]) -> list[Image]:
    """Cut frames (H, W) out of a picture whose content moves by whole pixels (x, y) in all."""
    (height, width), (column, row) = size, at
    return [np.ascontiguousarray(whole[row - y :, column - x :][:height, :width]) for x, y in offsets]


@pytest.fixture(scope="module")
def card(smooth: Draw) -> tuple[list[Image], NDArray[np.float64]]:
    """Return 20 frames of a card of 50 x 120 pixels that crosses a still background, and its left edge in each."""
    behind, front = smooth(160, 240), smooth(120, 50, seed=1)
    edges = np.arange(-50.0, 250.0, 15)[:20]
    frames = []
    for edge in edges.astype(int):
        image = behind.copy()
        left, right = max(edge, 0), min(edge + 50, 240)
        if left < right:
            image[20:140, left:right] = front[:, left - edge : right - edge]
        frames.append(image)
    return frames, edges


def test_what_a_card_covers_is_hidden_and_comes_out_again(card: tuple[list[Image], NDArray[np.float64]]) -> None:
    frames, edges = card
    points = np.array([[x, y] for x in range(70, 200, 13) for y in range(40, 121, 20)], np.float32)
    window = track(frames, points)
    inside = points[None, :, 0] - edges[:, None]
    covered = (inside > 8) & (inside < 41)
    clear = (inside < -8) | (inside > 58)
    before, after = clear & (inside < 0), clear & (inside > 0)
    assert covered.sum() > 100
    assert before.sum() > 100
    assert after.sum() > 100
    assert window.vis[covered].mean() < 0.1
    assert window.confidence[covered].mean() < 0.1
    assert window.vis[before].mean() > 0.95
    assert window.vis[after].mean() > 0.95
    error = np.linalg.norm(window.tracks - points, axis=-1)
    assert error[before & window.vis].max() < 0.5
    assert np.quantile(error[after & window.vis], 0.99) < 0.5


def test_points_of_the_card_go_with_it_and_not_with_the_background(
    card: tuple[list[Image], NDArray[np.float64]],
) -> None:
    frames, edges = card
    points = np.array([[x, y] for x in (60, 70, 80) for y in range(35, 130, 10)], np.float32) + np.array(
        [0, 0.25], np.float32
    )
    window = track(frames[7:17], points)
    truth = points + np.stack([edges[7:17] - edges[7], np.zeros(10)], axis=-1)[:, None]
    assert window.vis.mean() > 0.9
    assert np.quantile(np.linalg.norm(window.tracks - truth, axis=-1)[window.vis], 0.9) < 0.5


def test_what_leaves_the_frame_is_invisible_and_is_found_when_it_comes_back(smooth: Draw) -> None:
    away = [(4 * min(k, 20 - k), -2 * min(k, 20 - k)) for k in range(21)]
    frames = shifted(smooth(300, 400), (120, 160), away, (150, 60))
    points = grid(frames[0], 108)
    window = track(frames, points)
    truth = points + np.array(away)[:, None]
    inside = inside_frame(truth, FrameSize(width=160, height=120))
    far_out = (truth[..., 0] > 162) | (truth[..., 1] < -3)
    assert far_out.sum() > 100
    assert not window.vis[far_out].any()
    returned = inside[-1] & far_out.any(axis=0)
    assert returned.sum() > 20
    error = np.linalg.norm(window.tracks[-1] - truth[-1], axis=-1)
    assert window.vis[-1][returned].mean() > 0.8
    assert error[returned & window.vis[-1]].max() < 0.5
    assert not np.isnan(window.tracks).any()


@pytest.mark.parametrize(("degrees", "growth"), [(2.0, 1.0), (-3.0, 1.0), (0.0, 1.015), (1.5, 0.985)])
def test_turns_and_scales_are_followed(smooth: Draw, degrees: float, growth: float) -> None:
    whole = smooth(240, 320)
    frames, maps = [], []
    for k in range(16):
        turn = cv2.getRotationMatrix2D((159.5, 119.5), degrees * k, growth**k)
        frames.append(np.asarray(cv2.warpAffine(whole, turn, (320, 240), flags=cv2.INTER_CUBIC), np.uint8))
        maps.append(turn)
    near = grid(frames[0], 300, edge=70)
    truth = np.stack([near @ turn[:, :2].T + turn[:, 2] for turn in maps])
    window = track(frames, near)
    assert window.vis.mean() > 0.99
    error = np.linalg.norm(window.tracks - truth, axis=-1)
    assert np.median(error) < 0.5
    assert np.quantile(error, 0.95) < 1.0


@pytest.mark.parametrize(("gain", "step"), [(1.0, 0.5), (1.0, 2.0), (1.0, -4.0), (0.95, 0.0), (1.03, 0.0), (0.97, 3.0)])
def test_exposure_is_no_motion(smooth: Draw, gain: float, step: float) -> None:
    """A camera that opens or closes its iris, frame after frame, while it moves."""
    picture = smooth(140, 190, contrast=25)
    frames = shifted(picture, (120, 160), [(k, k // 2) for k in range(16)], (18, 12))
    lit = [
        ((0.7 * f) * gain**k + (10 if step >= 0 else 75) + step * k).clip(0, 255).astype(np.uint8)
        for k, f in enumerate(frames)
    ]
    points = grid(picture[:120, :160], edge=26)
    window = track(lit, points)
    moves = np.array([[k, k // 2] for k in range(16)])
    assert window.vis.mean() > 0.99
    assert np.linalg.norm(window.tracks - points - moves[:, None], axis=-1).max() < 0.5


def test_a_flash_hides_nothing_for_long(smooth: Draw) -> None:
    picture = smooth(120, 160, contrast=25)
    frames = [np.asarray(picture // 2 + (90 if k == 5 else 0), np.uint8) for k in range(10)]
    window = track(frames, grid(picture, edge=8))
    assert window.vis.mean() > 0.99


@pytest.mark.parametrize(("count", "light"), [(7, False), (8, True)])
def test_exposure_is_told_by_eight_points(smooth: Draw, count: int, light: bool) -> None:
    """Of fewer, each might as well have another colour: nothing beyond a shade of ten levels is forgiven."""
    picture = smooth(120, 160, contrast=25)
    frames = [picture // 2, picture // 2 + 25]
    window = track(frames, grid(picture, edge=20)[:count])
    assert len(window.vis[1]) == count
    assert window.vis[1].all() == light
    assert window.vis[1].any() == light


@pytest.mark.parametrize("noise", [0.0, 4.0])
def test_after_a_cut_nothing_is_believed_to_be_there(smooth: Draw, noise: float) -> None:
    """What little looks alike by chance must not make the noise seem large, which would forgive everything."""
    random = np.random.default_rng(0)
    shots = [smooth(120, 160, seed=seed, detail=1.2) for seed in (1, 2)]
    frames = [(shots[k // 8] + random.normal(0, noise, (120, 160))).clip(0, 255).astype(np.uint8) for k in range(16)]
    window = track(frames, grid(frames[0], 300))
    assert window.vis[:8].mean() > 0.97
    assert window.vis[8:].mean() < 0.05


def test_what_was_before_a_cut_is_found_again(smooth: Draw) -> None:
    shots = [smooth(120, 160, seed=seed, detail=1.2) for seed in (1, 2)]
    frames = [shots[0]] * 4 + [shots[1]] * 2 + [shots[0]] * 4
    window = track(frames, grid(frames[0], edge=8))
    assert window.vis[4:6].mean() < 0.05
    assert window.vis[7:].mean() > 0.9


@pytest.mark.parametrize("level", [2.0, 5.0, 10.0])
def test_noise_neither_moves_nor_hides_points(smooth: Draw, level: float) -> None:
    picture, random = smooth(120, 160), np.random.default_rng(0)
    frames = [(picture + random.normal(0, level, picture.shape)).clip(0, 255).astype(np.uint8) for _ in range(16)]
    points = grid(picture, edge=8)
    window = track(frames, points)
    assert window.vis.mean() > 0.97
    assert np.quantile(np.linalg.norm(window.tracks - points, axis=-1), 0.95) < 0.1 + 0.05 * level


@pytest.mark.parametrize("contrast", [12, 20])
def test_noise_is_known_from_the_first_step_on(smooth: Draw, contrast: float) -> None:
    """Texture that is hardly more than the noise: what correlation can be hoped for has to be learned at once."""
    picture, random = smooth(120, 160, contrast=contrast), np.random.default_rng(1)
    frames = [(picture + random.normal(0, 9, picture.shape)).clip(0, 255).astype(np.uint8) for _ in range(6)]
    points = grid(picture, 108, edge=8)
    window = track(frames, points)
    judged = window.confidence[0] == 1
    assert judged.sum() > 50
    assert window.vis[1][judged].mean() > 0.9
    assert window.vis[:, judged].mean() > 0.9


def test_noise_that_sets_in_later_is_learned(smooth: Draw) -> None:
    picture, random = smooth(120, 160, contrast=15), np.random.default_rng(2)
    levels = [0.0] * 4 + [3.0, 6.0] + [9.0] * 10
    frames = [(picture + random.normal(0, level, picture.shape)).clip(0, 255).astype(np.uint8) for level in levels]
    window = track(frames, grid(picture, edge=8))
    assert window.vis[:4].mean() > 0.99
    assert window.vis[8:].mean() > 0.8


def test_parts_of_a_pixel_are_followed(smooth: Draw) -> None:
    """A picture that moves by a quarter pixel a frame, drawn by areas of four times finer pixels."""
    fine = smooth(4 * 160, 4 * 200, detail=8.0)
    frames = []
    for k in range(16):
        part = fine[200 - k : 200 - k + 4 * 96, 200 - 2 * k : 200 - 2 * k + 4 * 128]
        frames.append(np.asarray(cv2.resize(part, (128, 96), interpolation=cv2.INTER_AREA), np.uint8))
    points = grid(frames[0], edge=12)
    window = track(frames, points)
    truth = points + np.arange(16)[:, None, None] * np.array([0.5, 0.25])
    assert window.vis.mean() > 0.99
    assert np.quantile(np.linalg.norm(window.tracks - truth, axis=-1), 0.95) < 0.15


def test_long_steps_on_large_frames_are_followed(smooth: Draw) -> None:
    """Flow is computed on a picture half or a quarter as large, and told in pixels of the frame."""
    for height, width, step in ((480, 771, (22, -13)), (720, 1301, (-40, 24))):
        whole = smooth(height + 300, width + 400)
        offsets = [(step[0] * k, step[1] * k) for k in range(4)]
        frames = shifted(whole, (height, width), offsets, (200, 150))
        points = grid(frames[0], 160, edge=140)
        window = track(frames, points)
        assert window.vis.mean() > 0.99
        error = np.linalg.norm(window.tracks - (points + np.array(offsets)[:, None]), axis=-1)
        assert np.quantile(error, 0.95) < 0.2
        assert error.max() < 1.0


# How it works, where that is a promise.


class CountedFlow:
    """DIS, and what it was asked; `off` is added to every second flow, which is the backward one."""

    def __init__(self, real: Any, off: tuple[float, float]) -> None:
        self.real, self.off = real, off
        self.pairs: list[tuple[Image, Image]] = []

    def calc(self, first: Image, second: Image, flow: Any) -> Any:
        self.pairs.append((first.copy(), second.copy()))
        backward = len(self.pairs) % 2 == 0
        return self.real.calc(first, second, flow) + np.array(self.off if backward else (0, 0), np.float32)


@pytest.fixture
def spied(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[CountedFlow]]:
    """Return a function that puts itself between the tracker and DIS, and the list of all that are then made."""
    create = cv2.DISOpticalFlow.create

    def spy(off: tuple[float, float] = (0, 0)) -> list[CountedFlow]:
        flows: list[CountedFlow] = []

        class Spy:
            @staticmethod
            def create(preset: int) -> CountedFlow:
                flows.append(CountedFlow(create(preset), off))
                return flows[-1]

        monkeypatch.setattr(cv2, "DISOpticalFlow", Spy)
        return flows

    return spy


@pytest.mark.parametrize(("stride", "continuous"), [(1, False), (4, False), (1, True)])
def test_flow_is_computed_once_per_pair_of_frames(
    smooth: Draw, spied: Callable[..., list[CountedFlow]], stride: int, continuous: bool
) -> None:
    flows = spied()
    frames = shifted(smooth(120, 160), (96, 128), [(k, 0) for k in range(14)], (20, 10))
    points = grid(frames[0])
    plan = WindowPlan(
        size=FrameSize(width=128, height=96),
        starts=np.arange(0, 7, stride),
        horizon=8,
        queries=lambda _: points,
        continuous=continuous,
    )
    windows = list(PLUGIN.windows(frames, plan))
    assert len(windows) == len(plan)
    (flow,) = flows
    both_ways = 2 * (plan.frames - 1)
    assert len(flow.pairs) == both_ways
    assert len({(one.tobytes(), other.tobytes()) for one, other in flow.pairs}) == both_ways
    np.testing.assert_array_equal(flow.pairs[0][0], frames[0])


@pytest.mark.parametrize(("height", "width", "scale"), [(320, 400, 1), (321, 700, 2), (640, 640, 2), (641, 700, 4)])
def test_flow_is_computed_on_means_of_pixels(
    smooth: Draw, spied: Callable[..., list[CountedFlow]], height: int, width: int, scale: int
) -> None:
    """The shorter side is halved until it is at most 320; a pixel is then the mean of those that it stands for."""
    flows = spied()
    frames = shifted(smooth(height + 4, width + 4), (height, width), [(0, 0), (2, 1)], (4, 4))
    track(frames, [[9, 9]])
    first, second = flows[0].pairs[0]
    small = height // scale, width // scale
    assert first.shape == second.shape == small
    # What does not fill a pixel is left out.
    whole = frames[0][: small[0] * scale, : small[1] * scale]
    blocks = whole.reshape(small[0], scale, small[1], scale).mean(axis=(1, 3))
    assert np.abs(first - blocks).max() <= 0.5


@pytest.mark.parametrize("off", [(0.0, 0.0), (0.6, -0.8), (3.0, 4.0), (-30.0, 40.0)])
def test_a_way_back_that_leads_elsewhere_costs_confidence(
    smooth: Draw, spied: Callable[..., list[CountedFlow]], off: tuple[float, float]
) -> None:
    """A still picture looks as it did: its points stay visible, and are trusted by how far they come back."""
    spied(off)
    picture = smooth(96, 128)
    window = track([picture] * 3, grid(picture, edge=6))
    away = np.hypot(*off)
    assert window.vis.all()
    np.testing.assert_allclose(window.back_error_px[1:], away, atol=1e-2)
    np.testing.assert_allclose(window.confidence[1:], np.exp(-away / 8), rtol=5e-3)


def test_the_backward_error_is_where_the_backward_flow_leads(smooth: Draw) -> None:
    """Against DIS as OpenCV gives it, read between pixels by SciPy."""
    from scipy.ndimage import map_coordinates

    frames = shifted(smooth(140, 180), (96, 128), [(0, 0), (3, -1)], (20, 20))
    points = grid(frames[0], 108, edge=10)
    window = track(frames, points)
    flow: Any = cv2.DISOpticalFlow.create(cv2.DISOpticalFlow_PRESET_ULTRAFAST)
    back = flow.calc(frames[1], frames[0], None)
    now = window.tracks[1]
    led = np.stack([map_coordinates(back[..., axis], now.T[::-1], order=1, mode="nearest") for axis in (0, 1)], axis=-1)
    expected = np.linalg.norm(now + led - points, axis=1)
    assert window.vis[1].all()
    np.testing.assert_allclose(window.back_error_px[1], expected, atol=1e-3)


def test_a_shorter_way_back_is_asked_for(smooth: Draw) -> None:
    """Where the backward flow leads elsewhere, only what looks nearly as it did first is believed."""
    picture, random = smooth(120, 160, contrast=12), np.random.default_rng(0)
    frames = [(picture + random.normal(0, 9, picture.shape)).clip(0, 255).astype(np.uint8) for _ in range(8)]
    points = grid(picture, 108)
    seen = [track(frames, points, back_error_px=limit).vis.mean() for limit in (0.0, 0.5, 3.0)]
    assert seen[0] < seen[1] < seen[2]
    assert DenseFlow(back_error_px=0.5).parameters == {"back_error_px": 0.5}
    assert PLUGIN.parameters == {"back_error_px": 3.0}


@pytest.mark.parametrize(("width", "height"), [(31, 200), (200, 31), (12, 12), (1, 1)])
def test_frames_that_are_too_small_for_dis_are_refused(width: int, height: int) -> None:
    frame = np.zeros((height, width), np.uint8)
    with pytest.raises(SchemaError, match=rf"at least 32 pixels on each side, got {width}x{height}.*frame-too-small"):
        track([frame, frame], [[0, 0]])


@pytest.mark.parametrize(("width", "height"), [(32, 32), (33, 400), (4000, 32)])
def test_frames_that_are_just_large_enough_are_followed(smooth: Draw, width: int, height: int) -> None:
    frames = shifted(smooth(height + 10, width + 10), (height, width), [(0, 0), (1, 0), (2, 0)], (5, 5))
    corners = [[0, 0], [width - 1, 0], [0, height - 1], [width / 2, height / 2], [-0.5, height - 0.51]]
    window = track(frames, corners)
    np.testing.assert_allclose(window.tracks[:, 3, 0] - width / 2, [0, 1, 2], atol=0.2)
    assert window.vis[:, 3].all()


@pytest.mark.parametrize("count", [1, 2, 9, 20])
def test_points_at_one_place_go_together(smooth: Draw, count: int) -> None:
    """A point without neighbours, and more points at one place than a point asks, which are then no neighbours."""
    frames = shifted(smooth(120, 160), (96, 128), [(2 * k, k) for k in range(6)], (16, 10))
    window = track(frames, np.full((count, 2), 40.25))
    assert window.vis.all()
    np.testing.assert_allclose(window.tracks[-1], [[50.25, 45.25]] * count, atol=0.2)
    assert (window.tracks == window.tracks[:, :1]).all()


@pytest.mark.parametrize(("count", "copies"), [(1, 1), (2, 1), (5, 1), (9, 1), (60, 1), (12, 3), (3, 12), (1, 20)])
def test_neighbours_are_the_nearest_other_points(count: int, copies: int) -> None:
    """As told by all distances; of several points at one place any will do, but a point is never its own neighbour."""
    points = np.repeat(np.random.default_rng(count).uniform(0, 99, (count, 2)).astype(np.float32), copies, axis=0)
    found = begin(points, 121)[0].neighbours
    total = count * copies
    away = np.linalg.norm(points[:, None].astype(float) - points[None], axis=-1)
    np.fill_diagonal(away, np.inf)
    assert found.shape == (total, min(8, total - 1))
    assert found.dtype == np.int64
    for k, near in enumerate(found):
        assert k not in near
        assert len(set(near.tolist())) == len(near)
        np.testing.assert_allclose(np.sort(away[k, near]), np.sort(away[k])[: len(near)], atol=1e-5)


def test_still_pictures_are_certain(smooth: Draw) -> None:
    picture = smooth(96, 128)
    points = grid(picture, edge=6)
    window = track([picture] * 4, points)
    np.testing.assert_array_equal(window.tracks, np.broadcast_to(points, window.tracks.shape))
    assert window.vis.all()
    assert window.confidence.min() > 0.999
    np.testing.assert_allclose(window.back_error_px[1:], 0, atol=1e-3)
