"""What the hot loops of dense_flow mean, in plain NumPy: float64, whole arrays, SciPy between pixels, matrix warps.

Numbers are stated again, not imported: a tracker's version rises with every change of what it computes, so a change
here is never by accident. A decision that is so close that float32 may take the other way is noted, see `Near`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.ndimage import map_coordinates

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

MARGIN = 16
OFFSETS = np.stack(np.meshgrid(np.arange(-5.0, 6), np.arange(-5.0, 6)), axis=-1)
"""(11, 11, 2): x to the right and y down of the pixels of a patch, from its middle."""


def gaussian(radius: int, width: float) -> Array:
    """Return weights (side, side) of sum 1, whose standard deviation is a share of the radius."""
    across = np.arange(-radius, radius + 1) / (width * radius)
    weights = np.exp(-0.5 * (across[:, None] ** 2 + across**2))
    return np.asarray(weights / weights.sum())


WEIGHT, CORE_WEIGHT = gaussian(5, 0.5), gaussian(2, 0.6)


@dataclass
class Near:
    """How close the closest decision was, as a share of what was compared."""

    closest: float = np.inf

    def above(self, value: Any, limit: Any) -> bool:
        away = abs(value - limit) / max(abs(value), abs(limit), 1e-6)
        self.closest = min(self.closest, away)
        return bool(value > limit)

    def within(self, warp: Array, at: Array, limit: float) -> bool:
        """Tell whether a warp leads nearer to a position than a limit."""
        return self.above(limit, np.linalg.norm(warp[:2, 2] - at))

    @property
    def clear(self) -> bool:
        return self.closest > 1e-4


def warp_matrix(at: Any, a: float = 1, b: float = 0) -> Array:
    """Return the homogeneous matrix that carries offsets of the first patch to positions."""
    return np.array([[a, -b, at[0]], [b, a, at[1]], [0, 0, 1]], np.float64)


def patch_at(image: Any, warp: Array, near: Near, radius: int = 5) -> tuple[Array, bool]:
    """Return a turned and scaled patch, and whether all of it lies on the picture and its margin.

    A patch that lies within three pixels of the edge of the margin may also be refused.
    """
    across = np.arange(-radius, radius + 1.0)
    offsets = np.stack(np.meshgrid(across, across), axis=-1)
    at = offsets @ warp[:2, :2].T + warp[:2, 2] + MARGIN
    slack = float(np.minimum(at, np.array(image.shape[::-1]) - 1 - at).min())
    if 0 <= slack < 3:
        near.closest = 0
    values = map_coordinates(np.asarray(image, np.float64), at.transpose(2, 0, 1)[::-1], order=1, mode="nearest")
    return values, slack >= 0


def moments(first: Any, second: Any) -> tuple[float, float, float]:
    """Return the weighted variances of two patches and their covariance."""
    stacked = np.stack([np.ravel(first), np.ravel(second)]).astype(np.float64)
    matrix = np.cov(stacked, aweights=WEIGHT.ravel(), ddof=0)
    return float(matrix[0, 0]), float(matrix[1, 1]), float(matrix[0, 1])


def correlation(first: Any, second: Any) -> tuple[float, float]:
    one, other, both = moments(first, second)
    return (0.0 if min(one, other) < 0.01 else both / np.sqrt(one * other)), one


def possible(variance: float, noise: float) -> float:
    return max(0.0, 1 - noise / max(variance, 1e-3))


def slopes(template: Any) -> Array:
    """Return the slopes (11, 11, 4) of a template (13, 13) along shift x, shift y, scale and turn."""
    down, across = np.gradient(np.asarray(template, np.float64))
    inner = np.stack([across, down], axis=-1)[1:-1, 1:-1]
    turned = np.stack([-OFFSETS[..., 1], OFFSETS[..., 0]], axis=-1)
    return np.concatenate([inner, *((inner * part).sum(axis=-1, keepdims=True) for part in (OFFSETS, turned))], axis=-1)


def normal(template: Any) -> Array:
    """Return the normal matrix (4, 4), with what keeps it from being singular."""
    along = slopes(template)
    matrix = np.einsum("ji,jim,jin->mn", WEIGHT, along, along)
    least = 0.01 * np.trace(matrix[:2, :2]) + 0.05
    return np.asarray(matrix + np.diag([least, least, 12.5 * least, 12.5 * least]))


@dataclass
class Light:
    """What exposure has made of the first frame: gain * first + offset."""

    gain: float = 1.0
    offset: float = 0.0


class Look:
    """What is remembered of a point: its template (13, 13), float64."""

    def __init__(self, template: Any) -> None:
        self.template = np.asarray(template, np.float64)
        self.patch = self.template[1:-1, 1:-1]
        self.slopes = slopes(template)
        self.normal = normal(template)
        self.texture = moments(self.patch, self.patch)[0]
        self.level = float((WEIGHT * self.patch).sum())

    def lit(self, light: Light) -> Look:
        """Return what it would look like in other light."""
        return Look(light.gain * self.template + light.offset)

    def towards(self, patch: Array, free: int) -> Array:
        """Return the right side of the normal equations: differences beside a change of brightness, on the slopes."""
        error = patch - self.patch
        error = error - (WEIGHT * error).sum()
        return np.asarray(np.einsum("ji,jim,ji->m", WEIGHT, self.slopes[..., :free], error))


def undone(warp: Array, step: Any) -> Array:
    """Return a warp after the inverse of a step (shift x, shift y, scale, turn) of the template."""
    x, y, grow, turn = np.pad(step, (0, 4 - len(step)))
    back: Any = np.linalg.inv(warp_matrix((x, y), 1 + grow, turn))
    return np.asarray(warp @ back)


def align(
    look: Look, gain: float, image: Any, warp: Array, noise: float, free: int, near: Near
) -> tuple[Array, bool, Array]:
    """Align a look by shift alone (free = 2) or by shift, scale and turn (4), four steps at most; the last sample.

    The gain scales the picture and its slopes, and not what keeps the normal matrix from being singular.
    """
    for _ in range(4):
        patch, whole = patch_at(image, warp, near)
        if not whole:
            return warp, False, patch
        error = patch - gain * look.patch
        side = np.einsum("ji,jim,ji->m", WEIGHT, look.slopes[..., :free], error - (WEIGHT * error).sum())
        explained = np.linalg.solve(look.normal[:free, :free], side)
        if not near.above(side @ explained, 0.3 * noise):
            return warp, True, patch
        step = explained / gain
        warp = undone(warp, step)
        if free == 4 and not 0.25 < np.linalg.det(warp[:2, :2]) < 4:
            return warp, False, patch
        if not near.above(step[0] ** 2 + step[1] ** 2, 4e-4):
            return warp, True, patch
    patch, whole = patch_at(image, warp, near)
    return warp, whole, patch


def align_shift(template: Any, image: Any, start: Array, noise: float, near: Near) -> Array:
    """Align a template by a shift that its texture supports, six steps at most."""
    look = Look(template)
    stiff = 0.05 + 0.2 * noise
    matrix = np.einsum("ji,jim,jin->mn", WEIGHT, look.slopes[..., :2], look.slopes[..., :2]) + stiff * np.eye(2)
    at = start.copy()
    for _ in range(6):
        patch, whole = patch_at(image, warp_matrix(at), near)
        if not whole:
            return at
        step = np.linalg.solve(matrix, look.towards(patch, 2) + stiff * (at - start))
        at = at - step
        if not near.above(step @ step, 4e-4):
            break
    return at


def align_partly(
    look: Look, light: Light, image: Any, warp: Array, tolerance: float, noise: float, near: Near
) -> tuple[Array, float]:
    """Align what is still seen of a look by a shift, four steps at most, with the weights of Geman and McClure."""
    stiff, start, share, look = 0.05 + 0.2 * noise, warp, 0.0, look.lit(light)
    for _ in range(4):
        patch, whole = patch_at(image, warp, near)
        if not whole:
            return warp, 0.0
        error = patch - look.patch
        part = WEIGHT / (1 + error**2 / tolerance) ** 2
        share = float(part.sum())
        along = look.slopes[..., :2]
        matrix = np.einsum("ji,jim,jin->mn", part, along, along) + stiff * np.eye(2)
        # The pull to the beginning, seen from the template: turned back, and scaled as the warp is.
        pull = stiff * warp[:2, :2].T @ (warp[:2, 2] - start[:2, 2])
        step = np.linalg.solve(matrix, np.einsum("ji,jim,ji->m", part, along, error) + pull)
        warp = undone(warp, step)
        if not near.above(step @ step, 4e-4):
            break
    return warp, share


def misfit(look: Look, light: Light, image: Any, warp: Array, tolerance: float, near: Near) -> float:
    """Return the weighted share of the middle (5, 5) that is another thing, beside a shade of up to ten levels."""
    core, whole = patch_at(image, warp, near, 2)
    if not whole:
        return 1.0
    error = core - look.lit(light).patch[3:8, 3:8]
    error -= np.clip((CORE_WEIGHT * error).sum(), -10, 10)
    return float((CORE_WEIGHT * np.minimum(error**2 / tolerance, 1)).sum())


def flow_at(flow: Any, scale: float, at: Array) -> Array:
    """Return the flow at a position, from the centres of larger pixels, as it is at the border beyond it."""
    where = ((at + 0.5) / scale - 0.5)[::-1]
    parts = [
        map_coordinates(np.asarray(flow[..., axis], np.float64), where[:, None], order=1, mode="nearest")[0]
        for axis in (0, 1)
    ]
    return scale * np.array(parts)


def inside(image: Any, at: Array) -> bool:
    size = np.array(image.shape[::-1]) - 2 * MARGIN
    return bool((at >= -0.5).all() and (at < size - 0.5).all())


@dataclass
class Point:
    """Where a point is, and how it moves and is turned; `alike` and `residual` are NaN where they are not known."""

    warp: Array
    velocity: Array
    found: bool
    alike: float = np.nan
    residual: float = np.nan
    patch: Array | None = None
    """What was seen of a point that looks as it did first."""

    @property
    def at(self) -> Array:
        return np.asarray(self.warp[:2, 2])

    def moved_to(self, at: Array) -> Array:
        warp = self.warp.copy()
        warp[:2, 2] = at
        return warp


def tolerance_of(look: Look, light: Light, noise: float) -> float:
    return 4 * noise + 0.1 * look.lit(light).texture


def light_of(looks: list[Look], carried: list[Point], before: Light) -> Light:
    """Return what exposure did, by those points that look as they did first; by few, it is as it was before."""
    pairs = [(look, point.patch) for look, point in zip(looks, carried, strict=True) if point.patch is not None]
    if len(pairs) < 8:
        return before
    gain = np.median([np.sqrt(moments(patch, patch)[0] / look.texture) for look, patch in pairs])
    gain = np.clip(gain, 0.25, 4)
    return Light(gain, float(np.median([(WEIGHT * patch).sum() - gain * look.level for look, patch in pairs])))


def carry(
    before: Any, now: Any, forward: Any, scale: float, noise: float, gain: float, look: Look, held: Point, near: Near
) -> Point:
    """Follow one point by itself."""
    on = Point(held.moved_to(held.at + held.velocity), held.velocity, found=False)
    if not held.found:
        return on
    led = held.at + flow_at(forward, scale, held.at)
    best = possible(gain * look.texture, noise)
    warp, whole, patch = align(look, gain, now, held.moved_to(led), noise, 2, near)
    if whole and not near.above(correlation(look.patch, patch)[0], 0.95 * best):
        warp, whole, patch = align(look, gain, now, warp, noise, 4, near)
    if whole and near.within(warp, led, 2) and inside(now, warp[:2, 2]):
        alike = correlation(look.patch, patch)[0]
        if near.above(alike, 0.95 * best):
            return Point(warp, held.velocity, True, alike, (1 - alike) * look.texture, patch)
    # Its look has changed: from the frame before, and from there once more to the first look.
    template, _ = patch_at(before, warp_matrix(held.at), near, 6)
    shifted = align_shift(template, now, led, noise, near)
    seen, whole = patch_at(now, warp_matrix(shifted), near)
    followed, variance = correlation(template[1:-1, 1:-1], seen) if whole else (-1.0, 0.0)
    warp, whole, patch = align(look, gain, now, held.moved_to(shifted), noise, 4, near)
    if whole and near.within(warp, shifted, 2) and near.above(correlation(look.patch, patch)[0], 0.75 * best):
        on.warp, on.found = warp, inside(now, warp[:2, 2])
    elif near.above(followed, 0.85 * possible(variance, noise)):
        on.warp, on.found = held.moved_to(shifted), inside(now, shifted)
    if on.found and near.above(followed, 0):
        on.residual = (1 - followed) * look.texture
    return on


@dataclass
class Around:
    """What points know of each other: where they began, who stands around them, and where they were held before."""

    looks: list[Look]
    first: Any
    neighbours: Any
    held: list[Point]
    light: Light


def ask_neighbours(now: Any, noise: float, around: Around, new: list[Point], near: list[Near]) -> list[Point]:
    """Let the neighbours of each point, in turn, and a lost point itself, say where it might be."""
    asked = list(new)
    for k in range(len(new)):
        for m in around.neighbours[k]:
            # What rests on an open question is one.
            near[k].closest = min(near[k].closest, near[m].closest)
        asked[k] = ask(now, noise, around, k, asked, near[k])
    return asked


def ask(now: Any, noise: float, around: Around, k: int, asked: list[Point], near: Near) -> Point:
    """Return where one point is, after its neighbours were asked."""
    own, look, light = asked[k], around.looks[k], around.light
    limit = tolerance_of(look, light, noise)
    others = [m for m in around.neighbours[k] if asked[m].found]
    tried = [asked[m].warp @ warp_matrix(around.first[k] - around.first[m]) for m in others]
    # Where it is believed to be, turned as it was.
    tried.append(around.held[k].moved_to(own.at))
    tried = [warp for warp in tried if inside(now, warp[:2, 2]) and not (own.found and near.within(warp, own.at, 1))]
    told = sorted(((misfit(look, light, now, warp, limit, near), i) for i, warp in enumerate(tried)))
    if len(told) > 1 and not np.allclose(tried[told[0][1]], tried[told[1][1]], atol=1e-4):
        near.above(told[1][0], told[0][0])
    if not told or not near.above(1, told[0][0]):
        return own
    fit, warp = told[0][0], tried[told[0][1]]
    before = misfit(look, light, now, own.warp, limit, near) if own.found else 1.0
    if own.found and not near.above(2 * before, fit):
        return own
    there, share = align_partly(look, light, now, warp, limit, noise, near)
    if near.above(share, 0.4) and near.within(there, warp[:2, 2], 4) and inside(now, there[:2, 2]):
        fit = misfit(look, light, now, there, limit, near)
        if near.above(0.6, fit) and near.above(0.7 * before, fit):
            return Point(there, own.velocity, True, residual=own.residual)
    return own


def measure(
    now: Any,
    backward: Any,
    scale: float,
    noise: float,
    light: Light,
    look: Look,
    held: Point,
    new: Point,
    near: Near,
) -> tuple[Array, tuple[float, float, float, float]]:
    """Return the velocity of a point, and how well it was followed: correlation, misfit, way back, residual."""
    if not new.found:
        return 0.8 * held.velocity, (0.0, 1.0, np.nan, new.residual)
    alike = new.alike
    if np.isnan(alike):
        patch, whole = patch_at(now, new.warp, near)
        alike = correlation(look.patch, patch)[0] if whole else 0.0
    share = float(np.clip(alike / max(possible(light.gain * look.texture, noise), 0.05), 0, 1))
    back = new.at + flow_at(backward, scale, new.at) - held.at
    fit = misfit(look, light, now, new.warp, tolerance_of(look, light, noise), near)
    return new.at - held.at, (share, fit, float(np.linalg.norm(back)), new.residual)
