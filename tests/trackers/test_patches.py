"""Every compiled loop of dense_flow against what it means in plain NumPy (`plain_patches`), float64.

Tolerances are those of float32: positions of some hundred pixels are known to 3e-5, grey levels to 3e-5, and sums of
121 products to about 1e-5 of their size; alignments repeat this some times. Where a decision is within 1e-4 of
its threshold, float32 may decide otherwise; such points are left out, and shown to be few.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lapsmodels.trackers import _beliefs as beliefs
from lapsmodels.trackers import _patches as hot
from lapsmodels.trackers._points import Anchors, Held
from lapsmodels.trackers._slopes import EDGE, least_slopes

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Image = NDArray[np.uint8]
    Array = NDArray[np.float32]
    Draw = Callable[..., Image]

F = np.float32
HEIGHT, WIDTH = 70, 110


def padded(image: Any) -> Array:
    return np.pad(np.asarray(image, F), 16, mode="edge")


def noisy(seed: int, height: int = HEIGHT, width: int = WIDTH) -> Array:
    """Return a padded picture in which every pixel is its own, for what only reads pixels."""
    return padded(np.random.default_rng(seed).integers(0, 256, (height, width)))


def sampled(image: Array, x: float, y: float, a: float, b: float, side: int) -> tuple[Array, bool]:
    out = np.full((side, side), -1, F)
    if (a, b) == (1, 0):
        return out, hot.sample(image, F(x), F(y), side, out)
    return out, hot.sample_turned(image, F(x), F(y), F(a), F(b), side, out)


PLACE_X, PLACE_Y = (
    st.floats(-30, side + 30, width=32)
    | st.floats(-18, -8, width=32)
    | st.floats(side + 6, side + 18, width=32)
    | st.sampled_from([-0.5, -0.501, 0.0, side - 0.5, side - 0.501, side - 1.0])
    for side in (WIDTH, HEIGHT)
)
WARP = st.floats(-1.5, 1.5, width=32)


@settings(max_examples=150)
@given(x=PLACE_X, y=PLACE_Y, a=WARP, b=WARP, upright=st.booleans(), side=st.sampled_from([5, 11, 13]))
def test_samples_are_those_of_scipy(
    plain: Any, x: float, y: float, a: float, b: float, upright: bool, side: int
) -> None:
    image, near = noisy(1), plain.Near()
    a, b = (1.0, 0.0) if upright else (a, b)
    out, whole = sampled(image, x, y, a, b, side)
    expected, inside = plain.patch_at(image, plain.warp_matrix((x, y), a, b), near, side // 2)
    if near.clear:
        assert whole == inside
    if whole:
        # Slopes are up to 255 levels a pixel, and places are known to some 1e-5 pixel.
        np.testing.assert_allclose(out, expected, atol=0.02)
        assert inside


@pytest.mark.parametrize("side", [5, 11, 13])
def test_points_of_the_frame_have_whole_patches(side: int) -> None:
    """The margin is there so that a point at the border, however little turned, has one."""
    image = noisy(2)
    for x in (-0.5, 0.0, WIDTH / 2, WIDTH - 0.51):
        for y in (-0.5, 0.0, HEIGHT / 2, HEIGHT - 0.51):
            assert sampled(image, x, y, 1, 0, side)[1]
            assert sampled(image, x, y, 1.2, -0.3, side)[1]


@pytest.mark.parametrize("place", [np.nan, np.inf, -np.inf, 1e9, -1e9, 3e38])
@pytest.mark.parametrize("turned", [False, True])
def test_places_that_are_none_are_outside(place: float, turned: bool) -> None:
    image, a = noisy(3), 1.1 if turned else 1.0
    for x, y in ((place, 20.0), (20.0, place), (place, place)):
        out, whole = sampled(image, x, y, a, 0, 11)
        assert not whole
        assert (out == -1).all()
    assert not hot.inside(image, F(place), F(20))
    assert not hot.inside(image, F(20), F(place))


@settings(max_examples=100)
@given(x=PLACE_X, y=PLACE_Y)
def test_inside_is_on_a_pixel_of_the_frame(plain: Any, x: float, y: float) -> None:
    image = noisy(1)
    # Half a pixel and whole ones are exact in float32.
    for at in ((x, y), (np.round(x) - 0.5, np.round(y) - 0.5)):
        assert hot.inside(image, F(at[0]), F(at[1])) == plain.inside(image, np.array(at))


@settings(max_examples=100)
@given(st.tuples(*[st.floats(-50, 50, width=32)] * 4), st.floats(0.125, 20, width=32))
def test_near_is_a_distance_below_the_limit(places: tuple[float, ...], limit: float) -> None:
    x, y, u, v = places
    away = np.hypot(x - u, y - v)
    if abs(away - limit) > 1e-3 * limit:
        assert hot.near(F(x), F(y), F(u), F(v), F(limit)) == (away < limit)
    assert not hot.near(F(1), F(2), F(4), F(2), F(3))


def test_correlations_are_those_of_weighted_covariances(plain: Any) -> None:
    random = np.random.default_rng(0)
    for scale in (0.5, 5, 60):
        for share in (0.0, 0.3, 0.9, 1.0, -1.0):
            one = (128 + scale * random.normal(size=(11, 11))).astype(F)
            other = (100 + share * (one - 128) + (1 - abs(share)) * scale * random.normal(size=(11, 11))).astype(F)
            got, expected = hot.correlation(one, other), plain.correlation(one, other)
            # Variances are differences of squares of 128 levels: 2e4 in float32.
            assert got[1] == pytest.approx(expected[1], abs=0.01, rel=1e-3)
            assert got[0] == pytest.approx(expected[0], abs=0.01 / scale**2 + 1e-4)


def test_patches_of_one_colour_have_no_correlation() -> None:
    flat, other = np.full((11, 11), 200, F), np.random.default_rng(0).normal(100, 9, (11, 11)).astype(F)
    for first, second in ((flat, flat), (flat, other), (other, flat)):
        assert hot.correlation(first, second)[0] == 0


@settings(max_examples=60)
@given(variance=st.floats(0, 5000, width=32), noise=st.floats(0.125, 300, width=32))
def test_possible_is_what_noise_leaves(plain: Any, variance: float, noise: float) -> None:
    got = hot.possible(F(variance), F(noise))
    assert got == pytest.approx(plain.possible(variance, noise), abs=1e-6)
    assert 0 <= got <= 1


def test_two_noisy_pictures_of_one_thing_correlate_as_is_possible() -> None:
    """The formula against what it is about: 4000 pictures of one patch, each with noise of its own."""
    random = np.random.default_rng(0)
    thing, deviation = random.normal(128, 12, (11, 11)), 6.0
    pairs = thing + random.normal(0, deviation, (4000, 2, 11, 11))
    found = [hot.correlation(one, other) for one, other in pairs.astype(F)]
    correlations, variances = np.array(found).T
    assert np.mean(correlations) == pytest.approx(hot.possible(F(variances.mean()), F(deviation**2)), abs=0.01)


# What is remembered of points.


def anchors_of(image: Array, xy: Any, neighbours: Any = None) -> Anchors:
    points = np.asarray(xy, F)
    count = len(points)
    shapes = (121,), (4, 121), (4,), (4, 4), (2, 2), (), ()
    parts = [np.full((count, *shape), np.nan, F) for shape in shapes]
    around = np.empty((count, 0), np.int64) if neighbours is None else neighbours
    anchors = Anchors._make((points, *parts, around))
    hot.take_anchors(image, tuple(anchors))
    return anchors


def looks_of(plain: Any, image: Array, xy: Any) -> list[Any]:
    return [plain.Look(plain.patch_at(image, plain.warp_matrix(at), plain.Near(), 6)[0]) for at in np.asarray(xy, F)]


def places(count: int, seed: int, edge: float = 0) -> Array:
    random = np.random.default_rng(seed)
    low, high = np.array([edge, edge]) - 0.5, np.array([WIDTH, HEIGHT]) - 0.51 - edge
    return random.uniform(low, high, (count, 2)).astype(F)


def test_anchors_are_slopes_and_normal_matrices_of_the_templates(plain: Any, smooth: Draw) -> None:
    image = padded(smooth(HEIGHT, WIDTH))
    xy = np.concatenate([places(40, 0), [[-0.5, -0.5], [WIDTH - 0.51, HEIGHT - 0.51], [0, HEIGHT - 1], [7, 9]]])
    anchors, looks = anchors_of(image, xy), looks_of(plain, image, xy)
    for k, look in enumerate(looks):
        weighted = (plain.WEIGHT[..., None] * look.slopes).reshape(121, 4).T
        np.testing.assert_allclose(anchors.looks[k], look.patch.ravel(), atol=2e-3)
        np.testing.assert_allclose(anchors.slopes[k], weighted, atol=1e-4)
        np.testing.assert_allclose(anchors.sums[k], weighted.sum(axis=1), atol=2e-3)
        np.testing.assert_allclose(anchors.texture[k], look.texture, rtol=1e-3, atol=0.05)
        np.testing.assert_allclose(anchors.level[k], look.level, atol=2e-3)
        # The inverse of what was inverted is the identity, as far as float32 can hold it.
        np.testing.assert_allclose(anchors.inverses[k] @ look.normal, np.eye(4), atol=0.02)
        np.testing.assert_allclose(anchors.shifts[k] @ look.normal[:2, :2], np.eye(2), atol=2e-3)


def test_points_on_one_colour_have_anchors_too(plain: Any) -> None:
    image = padded(np.full((HEIGHT, WIDTH), 90))
    anchors = anchors_of(image, places(5, 0))
    assert anchors.texture.max() < 0.01
    np.testing.assert_allclose(anchors.slopes, 0, atol=1e-5)
    np.testing.assert_allclose(anchors.inverses, np.tile(np.diag([20, 20, 1.6, 1.6]), (5, 1, 1)), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(anchors.shifts, np.tile(np.diag([20, 20]), (5, 1, 1)), rtol=1e-4, atol=1e-4)


# Alignment.


class Pair(NamedTuple):
    """Two padded pictures, and what carries the first into the second: q = turn @ p + shift."""

    before: Array
    now: Array
    turn: NDArray[np.float64]
    shift: NDArray[np.float64]

    def there(self, at: Any) -> NDArray[np.float64]:
        return np.asarray(at, np.float64) @ self.turn.T + self.shift


def pair(
    smooth: Draw,
    degrees: float = 0.0,
    growth: float = 1.0,
    shift: Any = (0.0, 0.0),
    noise: float = 0.0,
    light: tuple[float, float] = (1.0, 0.0),
) -> Pair:
    middle = np.array([WIDTH - 1, HEIGHT - 1]) / 2
    first = smooth(HEIGHT, WIDTH, seed=7)
    map_: Any = cv2.getRotationMatrix2D(tuple(middle), degrees, growth)
    map_[:, 2] += shift
    second: Any = cv2.warpAffine(first, map_, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    random = np.random.default_rng(3)
    second = light[0] * second + light[1]
    frames = [(frame + random.normal(0, noise, frame.shape)).clip(0, 255).round() for frame in (first, second)]
    return Pair(padded(frames[0]), padded(frames[1]), map_[:, :2], map_[:, 2])


MOTIONS: dict[str, dict[str, Any]] = {
    "shift": {"shift": (1.3, -0.8)},
    "turn": {"degrees": 5.0, "shift": (0.4, 0.6)},
    "growth": {"growth": 1.06},
    "noise": {"degrees": -3.0, "growth": 0.97, "shift": (-0.7, 0.2), "noise": 4.0},
    "light": {"degrees": 2.0, "shift": (0.7, 0.2), "light": (0.6, 25.0)},
}


def light_in(plain: Any, kind: dict[str, Any]) -> tuple[Array, Any]:
    """Return the light of a motion for the loops and for the reference."""
    gain, offset = kind.get("light", (1.0, 0.0))
    return np.array([gain, offset], F), plain.Light(gain, offset)


@pytest.mark.parametrize("kind", MOTIONS)
@pytest.mark.parametrize("free", [2, 4])
def test_alignments_to_the_first_look(plain: Any, smooth: Draw, kind: str, free: int) -> None:
    two = pair(smooth, **MOTIONS[kind])
    noise = F(2 * MOTIONS[kind].get("noise", 0.0) ** 2 + 1)
    xy = places(60, 1, edge=8)
    anchors, looks = anchors_of(two.before, xy), looks_of(plain, two.before, xy)
    random, gain = np.random.default_rng(0), light_in(plain, MOTIONS[kind])[0][0]
    judged, aligned = 0, []
    for k, look in enumerate(looks):
        start = (two.there(xy[k]) + random.normal(0, 0.6, 2)).astype(F)
        a, b = F(1 + random.normal(0, 0.02)), F(random.normal(0, 0.02))
        patch, near = np.empty((11, 11), F), plain.Near()
        arguments = (anchors, k, gain, two.now, start[0], start[1], a, b, noise, patch)
        if free == 4:
            x, y, got_a, got_b, whole = hot.align_again(*arguments)
        else:
            (x, y, whole), got_a, got_b = hot.align_still(*arguments), a, b
        warp, expected_whole, last = plain.align(
            look, float(gain), two.now, plain.warp_matrix(start, a, b), noise, free, near
        )
        if near.clear:
            judged += 1
            np.testing.assert_allclose([x, y], warp[:2, 2], atol=2e-4)
            np.testing.assert_allclose([got_a, got_b], warp[:2, 0], atol=2e-5)
            np.testing.assert_allclose(patch, last, atol=0.01)
            assert whole == expected_whole
        aligned.append(np.linalg.norm(np.array([x, y]) - two.there(xy[k])))
    assert judged >= 50
    if free == 4 or kind == "shift":
        # It also arrives: at the place, within what it takes for noise.
        assert np.median(aligned) < 0.25


@pytest.mark.parametrize("kind", MOTIONS)
def test_alignments_to_the_frame_before(plain: Any, smooth: Draw, kind: str) -> None:
    two = pair(smooth, **MOTIONS[kind])
    noise = F(2 * MOTIONS[kind].get("noise", 0.0) ** 2 + 1)
    random = np.random.default_rng(0)
    judged = 0
    for at in places(60, 2, edge=8):
        template, patch, near = np.empty((13, 13), F), np.empty((11, 11), F), plain.Near()
        assert hot.sample(two.before, at[0], at[1], 13, template)
        start = (two.there(at) + random.normal(0, 0.8, 2)).astype(F)
        got = hot.align_shift(template, two.now, start[0], start[1], noise, patch)
        expected = plain.align_shift(template, two.now, start.astype(float), noise, near)
        if near.clear:
            judged += 1
            np.testing.assert_allclose(got, expected, atol=2e-4)
    assert judged >= 55


@pytest.mark.parametrize("kind", MOTIONS)
def test_alignments_of_what_is_still_seen(plain: Any, smooth: Draw, kind: str) -> None:
    """A card covers up to half of each patch; the rest is aligned, and its share told."""
    two = pair(smooth, **MOTIONS[kind])
    noise = F(2 * MOTIONS[kind].get("noise", 0.0) ** 2 + 1)
    xy = places(60, 3, edge=12)
    anchors, looks = anchors_of(two.before, xy), looks_of(plain, two.before, xy)
    random, (light, plain_light) = np.random.default_rng(0), light_in(plain, MOTIONS[kind])
    judged, shares = 0, []
    for k, look in enumerate(looks):
        covered = two.now.copy()
        column = int(two.there(xy[k])[0]) + 16
        covered[:, column - int(random.integers(0, 12)) - 30 : column - 2] = 20
        start = (two.there(xy[k]) + random.normal(0, 0.6, 2)).astype(F)
        a, b = F(1 + random.normal(0, 0.02)), F(random.normal(0, 0.02))
        patch, near, limit = np.empty((11, 11), F), plain.Near(), F(4 * noise + 0.1 * look.lit(plain_light).texture)
        x, y, share = hot.align_partly(anchors, k, light, covered, start[0], start[1], a, b, limit, noise, patch)
        warp, expected = plain.align_partly(
            look, plain_light, covered, plain.warp_matrix(start, a, b), limit, noise, near
        )
        if near.clear:
            judged += 1
            np.testing.assert_allclose([x, y], warp[:2, 2], atol=2e-4)
            assert share == pytest.approx(expected, abs=1e-4)
        shares.append(share)
    assert judged >= 50
    assert min(shares) < 0.75 < max(shares) <= 1 + 1e-5


def test_alignments_give_up_where_the_patch_leaves_the_margin(plain: Any, smooth: Draw) -> None:
    two = pair(smooth)
    xy = places(4, 4)
    anchors, patch = anchors_of(two.before, xy), np.empty((11, 11), F)
    for x, y in ((-20.0, 10.0), (10.0, -20.0), (WIDTH + 20.0, 10.0), (10.0, HEIGHT + 20.0)):
        place, one, light = (F(x), F(y)), F(1), np.array([1, 0], F)
        assert hot.align_again(anchors, 0, one, two.now, *place, F(1.1), F(0), F(1), patch) == (
            *place,
            F(1.1),
            0,
            False,
        )
        assert hot.align_still(anchors, 0, one, two.now, *place, F(1.1), F(0), F(1), patch) == (*place, False)
        assert hot.align_shift(np.ones((13, 13), F), two.now, *place, F(1), patch) == place
        assert hot.align_partly(anchors, 0, light, two.now, *place, F(1.1), F(0), F(9), F(1), patch) == (*place, 0)
        assert hot.misfit(anchors.looks[0], light, two.now, *place, F(1.1), F(0), F(9), np.empty((5, 5), F)) == 1


def test_an_alignment_that_halves_or_doubles_is_none(smooth: Draw) -> None:
    two = pair(smooth)
    xy = places(30, 5, edge=20)
    anchors, patch = anchors_of(two.before, xy), np.empty((11, 11), F)
    for a in (0.35, 2.4):
        refused = 0
        for k in range(30):
            *_, got_a, got_b, whole = hot.align_again(
                anchors, k, F(1), two.now, xy[k, 0], xy[k, 1], F(a), F(0), F(0.01), patch
            )
            assert not whole or 0.5 < np.hypot(got_a, got_b) < 2 or (got_a, got_b) == (F(a), 0)
            refused += not whole
        assert refused > 10


# What is told of a place.


@settings(max_examples=60)
@given(
    seed=st.integers(0, 10**6),
    change=st.floats(-40, 40),
    limit=st.floats(1, 2000, width=32),
    gain=st.floats(0.25, 4, width=32),
    offset=st.floats(-50, 50, width=32),
)
def test_misfits_are_shares_of_the_middle(
    plain: Any, smooth: Draw, seed: int, change: float, limit: float, gain: float, offset: float
) -> None:
    random = np.random.default_rng(seed)
    before = padded(smooth(HEIGHT, WIDTH))
    now = (gain * before + offset + change + random.normal(0, 12, before.shape)).astype(F)
    (at,) = places(1, seed)
    a, b = random.normal((1, 0), 0.2)
    anchors, (look,) = anchors_of(before, [at]), looks_of(plain, before, [at])
    light, plain_light = light_in(plain, {"light": (gain, offset)})
    for warp in ((1.0, 0.0), (a, b)):
        there = at[0], at[1], F(warp[0]), F(warp[1])
        got = hot.misfit(anchors.looks[0], light, now, *there, F(limit), np.empty((5, 5), F))
        expected = plain.misfit(look, plain_light, now, plain.warp_matrix(at, *there[2:]), limit, plain.Near())
        assert got == pytest.approx(expected, abs=4e-3)
        assert 0 <= got <= 1 + 1e-5


@pytest.mark.parametrize(("gain", "offset"), [(1.0, 0.0), (0.5, 40.0)])
def test_shade_is_forgiven_up_to_ten_levels_and_another_colour_is_not(smooth: Draw, gain: float, offset: float) -> None:
    image = padded(smooth(HEIGHT, WIDTH) // 2)
    anchors, core, light = anchors_of(image, [[40, 30]]), np.empty((5, 5), F), np.array([gain, offset], F)

    def fit(change: float) -> float:
        now = F(gain) * image + F(offset + change)
        return float(hot.misfit(anchors.looks[0], light, now, F(40), F(30), F(1), F(0), F(100), core))

    assert [fit(change) for change in (0, 9.5, -9.5)] == pytest.approx([0, 0, 0], abs=1e-4)
    assert [fit(change) for change in (15, -15)] == pytest.approx([0.25, 0.25], abs=1e-3)
    assert [fit(change) for change in (30, -30)] == pytest.approx([1, 1], abs=1e-4)


@settings(max_examples=100)
@given(x=PLACE_X, y=PLACE_Y, scale=st.sampled_from([1, 2, 4]))
def test_flow_is_read_in_pixels_of_the_frame(plain: Any, x: float, y: float, scale: int) -> None:
    shape = (HEIGHT // scale, WIDTH // scale)
    flow = np.random.default_rng(scale).normal(0, 3, (*shape, 2)).astype(F)
    got = hot.flow_at(flow, F(scale), F(x), F(y))
    # The last thousandth of a pixel at the far border is not read: by that much of what neighbours can differ.
    atol = 0.001 * scale * float(np.ptp(flow))
    np.testing.assert_allclose(got, plain.flow_at(flow, scale, np.array([x, y])), atol=atol)


def test_flow_of_a_reduced_picture_is_where_its_pixels_are() -> None:
    """A flow that is a formula of the position in the frame comes back at that position."""
    for scale in (1, 2, 4):
        height, width = 40, 60
        rows, columns = ((np.mgrid[:height, :width] + 0.5) * scale - 0.5).astype(F)
        flow = np.stack([0.1 * columns - 0.2 * rows, 3 + 0.05 * rows], axis=-1) / F(scale)
        for x, y in ((10.25, 7.5), (33.0, 30.125)):
            got = hot.flow_at(flow.astype(F), F(scale), F(x), F(y))
            np.testing.assert_allclose(got, [0.1 * x - 0.2 * y, 3 + 0.05 * y], atol=1e-3)


def test_the_smallest_slopes_are_eigenvalues(smooth: Draw) -> None:
    """Of the mean over 11 x 11 pixels of outer products of Sobel slopes; by OpenCV inside of the frame."""
    image = smooth(HEIGHT, WIDTH, contrast=20)
    edged = np.pad(image, EDGE, mode="edge")
    across, down = (cv2.Sobel(np.asarray(edged, np.float64), -1, *way) / 8 for way in ((1, 0), (0, 1)))
    xy = np.concatenate([places(50, 6), [[-0.5, -0.5], [WIDTH - 0.51, HEIGHT - 0.51]]]).astype(F)
    got = np.empty(len(xy), F)
    least_slopes(edged, xy, got)
    for k, (column, row) in enumerate(np.rint(xy).astype(int)):
        around = np.s_[row + 1 : row + 12, column + 1 : column + 12]
        slopes = np.stack([across[around].ravel(), down[around].ravel()])
        assert got[k] == pytest.approx(np.linalg.eigvalsh(slopes @ slopes.T / 121)[0], rel=1e-3, abs=1e-3)


# One step of many points.


class Step(NamedTuple):
    """Two pictures with flows, and points that are held, lost, turned, well and badly known."""

    asked: int
    origin: Array
    pair: Pair
    forward: Array
    backward: Array
    scale: int
    noise: float
    anchors: Anchors
    held: Held


COUNT = 200
STEPS: dict[str, dict[str, Any]] = {
    "shift": {"shift": (3.2, -1.6)},
    "turn": {"degrees": 4.0, "shift": (1.0, 1.0), "noise": 1.0},
    "coarse": {"shift": (-2.5, 2.5), "scale": 2, "noise": 2.0},
    "noise": {"shift": (2.0, 0.5), "growth": 0.97, "noise": 6.0},
    "card": {"shift": (1.5, 0.5), "card": True, "noise": 1.0},
    # The looks have changed since they were taken: a little, and beyond recognition.
    "faded": {"shift": (1.5, -0.5), "faded": 0.35, "noise": 1.0},
    "changed": {"shift": (1.5, -0.5), "faded": 0.55, "degrees": 1.0},
    # And do so from one frame to the next.
    "flicker": {"shift": (1.5, -0.5), "faded": 0.4, "flicker": 0.35},
    "sudden": {"shift": (1.0, 0.5), "flicker": 0.4, "noise": 3.0},
    # Exposure: less light than in the first frame, and again less than in the frame before.
    "dim": {"shift": (1.5, -0.5), "card": True, "noise": 1.0, "light": (0.4, 40.0)},
}


def step_of(
    smooth: Draw, card: bool = False, scale: int = 1, faded: float = 0.0, flicker: float = 0.0, **motion: Any
) -> Step:
    two = pair(smooth, **motion)
    two = two._replace(now=((1 - flicker) * two.now + flicker * padded(smooth(HEIGHT, WIDTH, seed=22))).astype(F))
    random = np.random.default_rng(11)
    other = padded(smooth(HEIGHT, WIDTH, seed=21))
    origin = ((two.before - faded * other) / (1 - faded)).astype(F)
    if card:
        now = two.now.copy()
        now[16 + 15 : 16 + 55, 16 + 40 : 16 + 75] = smooth(40, 35, seed=5, contrast=60)
        two = two._replace(now=now)
    rows, columns = (np.mgrid[: HEIGHT // scale, : WIDTH // scale] + 0.5) * scale - 0.5
    at = np.stack([columns, rows], axis=-1)
    away = two.there(at) - at
    back = (at - two.shift) @ np.linalg.inv(two.turn).T - at
    # As good as flow is, and as smooth.
    off = [cv2.GaussianBlur(random.normal(0, 2.5, at.shape), (0, 0), 4 / scale) for _ in range(2)]
    forward, backward = (((flow + error) / scale).astype(F) for flow, error in zip((away, back), off, strict=True))
    xy = places(COUNT, 9)
    nearest = np.argsort(np.linalg.norm(xy[:, None] - xy[None], axis=-1), axis=1, kind="stable")[:, 1:9]
    anchors = anchors_of(origin, xy, nearest.astype(np.int64))
    found = random.random(COUNT) < 0.8
    held = Held(
        np.where(found[:, None], xy + random.normal(0, 0.1, (COUNT, 2)), xy + random.normal(0, 4, (COUNT, 2))).astype(
            F
        ),
        random.normal(0, 1.5, (COUNT, 2)).astype(F),
        np.where(random.random((COUNT, 1)) < 0.5, [1, 0], random.normal((1, 0), 0.02, (COUNT, 2))).astype(F),
        found,
        np.array([0.5, 30], F) if "light" in motion else np.array([1, 0], F),
    )
    noise = 2 * motion.get("noise", 0.0) ** 2 + 1
    # Where looks have changed beyond recognition, neighbours cannot help.
    return Step(0 if max(faded, flicker) > 0.3 else 5, origin, two, forward, backward, scale, noise, anchors, held)


def points_of(plain: Any, held: Held) -> list[Any]:
    return [
        plain.Point(plain.warp_matrix(at, *warp), velocity.astype(float), bool(found))
        for at, velocity, warp, found in zip(*held[:4], strict=True)
    ]


class Expected(NamedTuple):
    """The points after they were carried and after their neighbours were asked, what was measured, doubts, light."""

    carried: list[Any]
    asked: list[Any]
    measured: list[Any]
    near: list[Any]
    light: Any


def expected_of(plain: Any, step: Step) -> Expected:
    before, now = step.pair.before, step.pair.now
    looks, held = looks_of(plain, step.origin, step.anchors.xy), points_of(plain, step.held)
    near = [plain.Near() for _ in held]
    earlier = plain.Light(*step.held.light.astype(float))
    flows = step.forward, step.scale, step.noise, earlier.gain
    carried = [
        plain.carry(before, now, *flows, look, point, doubt)
        for look, point, doubt in zip(looks, held, near, strict=True)
    ]
    light = plain.light_of(looks, carried, earlier)
    around = plain.Around(looks, step.anchors.xy.astype(float), step.anchors.neighbours, held, light)
    asked = plain.ask_neighbours(now, step.noise, around, carried, near)
    measured = [
        plain.measure(now, step.backward, step.scale, step.noise, light, *parts)
        for parts in zip(looks, held, asked, near, strict=True)
    ]
    return Expected(carried, asked, measured, near, light)


def empty_like(held: Held) -> Held:
    return Held._make(np.zeros_like(part) for part in held)


@pytest.fixture(scope="module", params=STEPS)
def step(request: pytest.FixtureRequest, smooth: Draw, plain: Any) -> tuple[Step, Expected]:
    made = step_of(smooth, **STEPS[request.param])
    return made, expected_of(plain, made)


def assert_same_points(new: Held, expected: list[Any], clear: Any) -> None:
    for k in np.flatnonzero(clear):
        assert new.found[k] == expected[k].found, k
        np.testing.assert_allclose(new.xy[k], expected[k].at, atol=5e-4, err_msg=str(k))
        np.testing.assert_allclose(new.warp[k], expected[k].warp[:2, 0], atol=5e-5, err_msg=str(k))


def test_points_are_carried_by_themselves(step: tuple[Step, Expected], plain: Any) -> None:
    made, told = step
    looks, held = looks_of(plain, made.origin, made.anchors.xy), points_of(plain, made.held)
    near = [plain.Near() for _ in held]
    new, measures = empty_like(made.held), np.zeros((COUNT, hot.MEASURES), F)
    pictures = made.pair.before, made.pair.now
    hot.carry(*pictures, made.forward, F(made.scale), F(made.noise), made.anchors, made.held, new, measures)
    expected = [
        plain.carry(*pictures, made.forward, made.scale, made.noise, float(made.held.light[0]), *parts)
        for parts in zip(looks, held, near, strict=True)
    ]
    clear = np.array([doubt.clear for doubt in near])
    assert clear.mean() > 0.9
    assert_same_points(new, expected, clear)
    assert new.light[0] == pytest.approx(told.light.gain, abs=2e-3)
    assert new.light[1] == pytest.approx(told.light.offset, abs=0.2)
    alike, residual = ([getattr(point, name) for point in expected] for name in ("alike", "residual"))
    np.testing.assert_allclose(measures[clear, beliefs.CORRELATION], np.array(alike)[clear], atol=2e-4)
    np.testing.assert_allclose(measures[clear, beliefs.RESIDUAL], np.array(residual)[clear], rtol=2e-3, atol=0.3)


@pytest.mark.parametrize(
    ("true_gain", "before", "told"), [(0.22, 0.25, 0.25), (0.3, 0.31, 0.3), (3.0, 2.9, 3.0), (4.2, 4.0, 4.0)]
)
def test_gains_are_believed_from_a_quarter_to_four(smooth: Draw, true_gain: float, before: float, told: float) -> None:
    image = padded(smooth(HEIGHT, WIDTH))
    light = told_light(image, (F(true_gain) * image).astype(F), 30, (before, 0.0))
    assert light[0] == pytest.approx(told, rel=0.01)


@pytest.mark.parametrize(("count", "told"), [(7, [0.99, 5.0]), (8, [1.0, 3.0])])
def test_few_points_leave_the_light_as_it_was(smooth: Draw, count: int, told: list[float]) -> None:
    image = padded(smooth(HEIGHT, WIDTH))
    gain, offset = told_light(image, image + F(3), count, (0.99, 5.0))
    assert gain == pytest.approx(told[0], abs=5e-3)
    assert offset == pytest.approx(told[1], abs=0.6)


def told_light(before: Array, now: Array, count: int, light: tuple[float, float]) -> Array:
    """Return the light that points tell which stand still, each on its own patch."""
    xy = places(count, 3, edge=12)
    anchors, still, upright = anchors_of(before, xy), np.zeros((count, 2), F), np.tile(F([1, 0]), (count, 1))
    held = Held(xy, still, upright, np.ones(count, bool), np.array(light, F))
    new, flow = empty_like(held), np.zeros((HEIGHT, WIDTH, 2), F)
    hot.carry(before, now, flow, F(1), F(0.01), anchors, held, new, np.zeros((count, hot.MEASURES), F))
    return new.light


def test_neighbours_are_asked(step: tuple[Step, Expected], plain: Any) -> None:
    made, (carried, asked, _, near, light) = step
    new = Held(
        np.array([point.at for point in carried], F),
        np.zeros((COUNT, 2), F),
        np.array([point.warp[:2, 0] for point in carried], F),
        np.array([point.found for point in carried]),
        np.array([light.gain, light.offset], F),
    )
    measures = np.zeros((COUNT, hot.MEASURES), F)
    hot.ask_neighbours(made.pair.now, F(made.noise), made.anchors, made.held, new, measures)
    clear = np.array([doubt.clear for doubt in near])
    assert clear.mean() > 0.4
    assert_same_points(new, asked, clear)
    changed = np.array([one is not other for one, other in zip(carried, asked, strict=True)])
    assert (changed & clear).sum() >= made.asked
    np.testing.assert_array_equal(np.isnan(measures[clear, beliefs.CORRELATION]), changed[clear])


@pytest.mark.parametrize(("off", "found"), [(2.5, True), (3.5, True), (4.5, False)])
def test_what_a_neighbour_says_is_corrected_by_up_to_four_pixels(smooth: Draw, off: float, found: bool) -> None:
    """A lost point beside one that is held some pixels beside its place, on a picture coarse enough to slide back."""
    image = padded(smooth(HEIGHT, WIDTH, detail=7.0, contrast=50))
    again = 0
    for at in places(40, 13, edge=20):
        xy = np.array([at, at + np.array([6, 4], F)])
        anchors = anchors_of(image, xy, np.array([[1], [0]]))
        still, upright, light = np.zeros((2, 2), F), np.array([[1, 0]] * 2, F), np.array([1, 0], F)
        held = Held(xy, still, upright, np.array([True, False]), light)
        believed = np.array([xy[0] + np.array([off, 0], F), [-40, -40]], F)
        new = Held(believed, still.copy(), upright.copy(), np.array([True, False]), light)
        measures = np.zeros((2, hot.MEASURES), F)
        hot.ask_neighbours(image, F(1), anchors, held, new, measures)
        back = bool(new.found[1]) and np.linalg.norm(new.xy[1] - xy[1]) < 0.3
        corrected = np.linalg.norm(new.xy[1] - (believed[0] + xy[1] - xy[0]))
        assert not new.found[1] or corrected < 4
        again += back
    assert (again >= 5) == found


def test_points_are_advanced(step: tuple[Step, Expected]) -> None:
    made, (_, asked, measured, near, _) = step
    pictures, flows = (made.pair.before, made.pair.now), (made.forward, made.backward)
    kept = [part.copy() for part in (*made.anchors, *made.held, *pictures, *flows)]
    new, measures = empty_like(made.held), np.zeros((COUNT, hot.MEASURES), F)
    given = F(made.scale), F(made.noise), tuple(made.anchors), tuple(made.held), tuple(new)
    hot.advance(*pictures, *flows, *given, measures)
    for part, copy in zip((*made.anchors, *made.held, *pictures, *flows), kept, strict=True):
        np.testing.assert_array_equal(part, copy)
    clear = np.array([doubt.clear for doubt in near])
    assert_same_points(new, asked, clear)
    velocities, numbers = np.array([one[0] for one in measured]), np.array([one[1] for one in measured])
    np.testing.assert_allclose(new.velocity[clear], velocities[clear], atol=5e-4)
    for column, (relative, absolute) in enumerate(((0, 5e-4), (0, 1e-3), (0, 2e-3), (2e-3, 0.3))):
        np.testing.assert_allclose(measures[clear, column], numbers[clear, column], rtol=relative, atol=absolute)
    assert new.found.mean() > 0.3
