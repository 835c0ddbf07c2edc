"""Patches of a picture, found again in another: the hot loops of dense_flow, point by point.

A patch is 11 x 11 pixels around a point, weighted by a Gaussian. Templates are one pixel larger on each side, for
slopes. Pictures are float32 with `MARGIN` pixels of their border repeated around them; positions are those of the
picture without. Everything is float32, and what leaves the picture is an answer, not an error.

Alignment is inverse compositional (Baker and Matthews 2004, "Lucas-Kanade 20 years on"), without mean: a change of
brightness is no motion. `noise` is the variance of the noise of one picture, in squared levels; `gain` and `light` are
what exposure has made of the first picture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from lapsmodels.trackers._beliefs import BACK, CORRELATION, MISFIT, RESIDUAL
from lapsmodels.trackers._compiled import compiled, inlined
from lapsmodels.trackers._points import Anchors, Held

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float32]

    # A float32 scalar, whose arithmetic NumPy's types widen.
    Real: TypeAlias = Any

__all__ = ["MARGIN", "MEASURES", "SIDE", "advance", "take_anchors"]

F = np.float32
RADIUS = 5
SIDE = 2 * RADIUS + 1
EDGED = SIDE + 2
MARGIN = 16
CORE = 2
"""Radius of the middle of a patch, which belongs to the point even where the rest covers something else."""

ZERO, HALF, ONE, TWO = F(0), F(0.5), F(1), F(2)
STEPS_AGAIN, STEPS_ON, STEPS_BESIDE = 4, 6, 4
CONVERGED = F(4e-4)
"""A step this short, squared pixels, is the last."""

WITHIN = F(2)
"""An alignment that goes further than this, in pixels, from where it began has found something else."""

SURE, LIKELY, FOLLOWED = F(0.95), F(0.75), F(0.85)
"""Shares of the correlation that noise allows: from the flow at once, after a detour, from the frame before."""

FITS, BETTER = F(0.6), F(0.7)
"""Largest misfit of the middle of a patch, and how much smaller it must be to change a point that is held."""

BESIDE, INLIERS = F(4), F(0.4)
"""How far a neighbour's motion may be corrected, and which share of the patch must take part in that."""

STIFF = F(0.2)
"""How strongly a patch without texture stays where it was expected, in units of the noise."""

TOLERANCE_NOISE, TOLERANCE_TEXTURE = F(4), F(0.1)
"""A squared difference beyond so much noise, plus this share of the texture, counts as another thing."""

SHADE = F(10)
"""How far, in levels, a point may be brighter or darker than exposure has made it."""

LEAST_LIT, MOST_LIT = F(0.25), F(4)
"""No gain is believed beyond these; what has more is another picture."""

WITNESSES = 8
"""So many points tell what exposure did; fewer leave it as it was."""

WORTH = F(0.3)
"""A step that explains less than this much noise is none."""

SLOWER = F(0.8)
"""A lost point goes on as it moved, less and less."""

MEASURES = 4
"""Columns of what `advance` measures: share of the possible correlation with the first patch, misfit of the middle,
distance in pixels to where the backward flow leads, variance that the patch leaves unexplained."""


def _weights(side: int, width: float) -> Array:
    across = np.exp(-0.5 * ((np.arange(side) - side // 2) / (width * (side // 2))) ** 2)
    weights = np.outer(across, across)
    shares: Array = (weights / weights.sum()).astype(np.float32)
    return shares


WEIGHT = _weights(SIDE, 0.5).ravel()
CORE_SIDE = 2 * CORE + 1
CORE_WEIGHT = _weights(CORE_SIDE, 0.6)


@inlined
def sample(image: Array, x: Real, y: Real, side: int, out: Array) -> bool:
    """Fill a square patch around a position, between pixels by bilinear weights; False where it leaves the picture.

    The side is given, and not read from `out`, since a number that is known beforehand makes twice as quick code.
    """
    reach = side // 2
    px, py = x + F(MARGIN), y + F(MARGIN)
    height, width = image.shape
    if not (px >= reach and py >= reach and px < width - reach - 2 and py < height - reach - 2):
        return False
    column, row = int(px), int(py)
    right, down = F(px - F(column)), F(py - F(row))
    top_left, top_right = (ONE - right) * (ONE - down), right * (ONE - down)
    low_left, low_right = (ONE - right) * down, right * down
    for j in range(side):
        upper = image[row - reach + j, column - reach : column + reach + 2]
        lower = image[row - reach + j + 1, column - reach : column + reach + 2]
        line = out[j]
        for i in range(side):
            line[i] = top_left * upper[i] + top_right * upper[i + 1] + low_left * lower[i] + low_right * lower[i + 1]
    return True


@inlined
def sample_turned(image: Array, x: Real, y: Real, a: Real, b: Real, side: int, out: Array) -> bool:
    """Fill a square patch around a position, scaled and turned by (a, b); False where it leaves the picture."""
    if a == ONE and b == ZERO:
        return sample(image, x, y, side, out)
    radius = side // 2
    height, width = image.shape
    px, py = x + F(MARGIN), y + F(MARGIN)
    reach = (abs(a) + abs(b)) * F(radius) + ONE
    if not (px >= reach and py >= reach and px < width - reach - 1 and py < height - reach - 1):
        return False
    for j in range(side):
        line, v = out[j], F(j - radius)
        for i in range(side):
            u = F(i - radius)
            at_x, at_y = px + a * u - b * v, py + b * u + a * v
            column, row = int(at_x), int(at_y)
            right, down = at_x - F(column), at_y - F(row)
            upper, lower = image[row], image[row + 1]
            above = upper[column] + right * (upper[column + 1] - upper[column])
            below = lower[column] + right * (lower[column + 1] - lower[column])
            line[i] = above + down * (below - above)
    return True


@inlined
def correlation(look: Array, patch: Array) -> tuple[Real, Real]:
    """Return the weighted correlation of two patches, -1 to 1, and the variance of the first."""
    a = b = aa = bb = ab = ZERO
    first, second = look.ravel(), patch.ravel()
    for i in range(SIDE * SIDE):
        wa, wb = WEIGHT[i] * first[i], WEIGHT[i] * second[i]
        a += wa
        b += wb
        aa += wa * first[i]
        bb += wb * second[i]
        ab += wa * second[i]
    of_first, of_second = aa - a * a, bb - b * b
    if of_first < F(0.01) or of_second < F(0.01):
        return ZERO, of_first
    return (ab - a * b) / np.sqrt(of_first * of_second), of_first


@inlined
def brightness(patch: Array) -> tuple[Real, Real]:
    """Return the weighted mean and variance of a patch."""
    mean = square = ZERO
    values = patch.ravel()
    for i in range(SIDE * SIDE):
        weighted = WEIGHT[i] * values[i]
        mean += weighted
        square += weighted * values[i]
    return mean, square - mean * mean


@inlined
def possible(variance: Real, noise: Real) -> Real:
    """Return the correlation that two noisy pictures of one thing can have."""
    return max(ZERO, ONE - noise / max(variance, F(1e-3)))


@inlined
def take_look(template: Array, look: Array, slopes: Array, sums: Array, inverse: Array, shift: Array) -> None:
    """Fill in what aligning a template (13, 13) again needs; its normal matrix is kept from being singular."""
    normal = np.zeros((4, 4))
    slope = np.empty(4)
    sums[:] = ZERO
    for j in range(SIDE):
        for i in range(SIDE):
            at, weight = j * SIDE + i, WEIGHT[j * SIDE + i]
            look[at] = template[j + 1, i + 1]
            slope[0] = 0.5 * (template[j + 1, i + 2] - template[j + 1, i])
            slope[1] = 0.5 * (template[j + 2, i + 1] - template[j, i + 1])
            slope[2] = slope[0] * (i - RADIUS) + slope[1] * (j - RADIUS)
            slope[3] = slope[1] * (i - RADIUS) - slope[0] * (j - RADIUS)
            for m in range(4):
                slopes[m, at] = F(weight * slope[m])
                sums[m] += slopes[m, at]
                for n in range(m + 1):
                    normal[m, n] += weight * slope[m] * slope[n]
    for m in range(4):
        for n in range(m):
            normal[n, m] = normal[m, n]
    least = 0.01 * (normal[0, 0] + normal[1, 1]) + 0.05
    for m in range(4):
        normal[m, m] += least if m < 2 else least * RADIUS * RADIUS * 0.5
    inverted = np.linalg.inv(normal)
    # Number by number: an array that is put into another may not fit, and to compile what is said then takes seconds.
    for m in range(4):
        for n in range(4):
            inverse[m, n] = F(inverted[m, n])
    determinant = normal[0, 0] * normal[1, 1] - normal[0, 1] * normal[0, 1]
    shift[0, 0], shift[1, 1] = F(normal[1, 1] / determinant), F(normal[0, 0] / determinant)
    shift[0, 1] = shift[1, 0] = F(-normal[0, 1] / determinant)


@inlined
def align_again(
    anchors: Anchors, k: int, gain: Real, image: Array, x: Real, y: Real, a: Real, b: Real, noise: Real, patch: Array
) -> tuple[Real, Real, Real, Real, bool]:
    """Align the look of point k by shift, turn and scale: x, y, a, b, inside.

    `patch` is left as the last sample, less than a pixel's fiftieth from there.
    """
    look, inverse, sums = anchors.looks[k], anchors.inverses[k], anchors.sums[k]
    along, down, growth, turn = anchors.slopes[k]
    seen = patch.ravel()
    for _ in range(STEPS_AGAIN):
        if not sample_turned(image, x, y, a, b, SIDE, patch):
            return x, y, a, b, False
        mean = b0 = b1 = b2 = b3 = ZERO
        for i in range(SIDE * SIDE):
            error = seen[i] - gain * look[i]
            mean += WEIGHT[i] * error
            b0 += along[i] * error
            b1 += down[i] * error
            b2 += growth[i] * error
            b3 += turn[i] * error
        b0, b1, b2, b3 = b0 - mean * sums[0], b1 - mean * sums[1], b2 - mean * sums[2], b3 - mean * sums[3]
        d0 = inverse[0, 0] * b0 + inverse[0, 1] * b1 + inverse[0, 2] * b2 + inverse[0, 3] * b3
        d1 = inverse[1, 0] * b0 + inverse[1, 1] * b1 + inverse[1, 2] * b2 + inverse[1, 3] * b3
        d2 = inverse[2, 0] * b0 + inverse[2, 1] * b1 + inverse[2, 2] * b2 + inverse[2, 3] * b3
        d3 = inverse[3, 0] * b0 + inverse[3, 1] * b1 + inverse[3, 2] * b2 + inverse[3, 3] * b3
        if b0 * d0 + b1 * d1 + b2 * d2 + b3 * d3 < WORTH * noise:
            return x, y, a, b, True
        d0, d1, d2, d3 = d0 / gain, d1 / gain, d2 / gain, d3 / gain
        # The template's own step is undone before the warp: warp <- warp o step^-1.
        squared = (ONE + d2) * (ONE + d2) + d3 * d3
        undo_a, undo_b = (ONE + d2) / squared, -d3 / squared
        a, b = a * undo_a - b * undo_b, b * undo_a + a * undo_b
        x, y = x - (a * d0 - b * d1), y - (b * d0 + a * d1)
        if not (F(0.25) < a * a + b * b < F(4)):
            return x, y, a, b, False
        if d0 * d0 + d1 * d1 < CONVERGED:
            return x, y, a, b, True
    return x, y, a, b, sample_turned(image, x, y, a, b, SIDE, patch)


@inlined
def align_still(
    anchors: Anchors, k: int, gain: Real, image: Array, x: Real, y: Real, a: Real, b: Real, noise: Real, patch: Array
) -> tuple[Real, Real, bool]:
    """Align the look of point k by a shift, turned as it is: x, y, inside; `patch` as by `align_again`."""
    look, inverse, sums = anchors.looks[k], anchors.shifts[k], anchors.sums[k]
    along, down = anchors.slopes[k, 0], anchors.slopes[k, 1]
    seen = patch.ravel()
    for _ in range(STEPS_AGAIN):
        if not sample_turned(image, x, y, a, b, SIDE, patch):
            return x, y, False
        mean = b0 = b1 = ZERO
        for i in range(SIDE * SIDE):
            error = seen[i] - gain * look[i]
            mean += WEIGHT[i] * error
            b0 += along[i] * error
            b1 += down[i] * error
        b0, b1 = b0 - mean * sums[0], b1 - mean * sums[1]
        d0, d1 = inverse[0, 0] * b0 + inverse[0, 1] * b1, inverse[1, 0] * b0 + inverse[1, 1] * b1
        if b0 * d0 + b1 * d1 < WORTH * noise:
            return x, y, True
        d0, d1 = d0 / gain, d1 / gain
        x, y = x - (a * d0 - b * d1), y - (b * d0 + a * d1)
        if d0 * d0 + d1 * d1 < CONVERGED:
            return x, y, True
    return x, y, sample_turned(image, x, y, a, b, SIDE, patch)


@inlined
def align_shift(template: Array, image: Array, x: Real, y: Real, noise: Real, patch: Array) -> tuple[Real, Real]:
    """Align a template by a shift that its texture supports; `patch` is overwritten."""
    from_x, from_y = x, y
    xx = xy = yy = gx = gy = ZERO
    for j in range(SIDE):
        for i in range(SIDE):
            along = HALF * (template[j + 1, i + 2] - template[j + 1, i])
            down = HALF * (template[j + 2, i + 1] - template[j, i + 1])
            weight = WEIGHT[j * SIDE + i]
            xx += weight * along * along
            xy += weight * along * down
            yy += weight * down * down
            gx += weight * along
            gy += weight * down
    stiff = F(0.05) + STIFF * noise
    xx, yy = xx + stiff, yy + stiff
    for _ in range(STEPS_ON):
        if not sample(image, x, y, SIDE, patch):
            return x, y
        mean = bx = by = ZERO
        for j in range(SIDE):
            left, middle, right = template[j + 1, 0:SIDE], template[j + 1, 1 : SIDE + 1], template[j + 1, 2 : SIDE + 2]
            above, below, line = template[j, 1 : SIDE + 1], template[j + 2, 1 : SIDE + 1], patch[j]
            weight = WEIGHT[j * SIDE : (j + 1) * SIDE]
            for i in range(SIDE):
                error = weight[i] * (line[i] - middle[i])
                mean += error
                bx += error * HALF * (right[i] - left[i])
                by += error * HALF * (below[i] - above[i])
        bx = bx - mean * gx + stiff * (x - from_x)
        by = by - mean * gy + stiff * (y - from_y)
        dx, dy = (yy * bx - xy * by) / (xx * yy - xy * xy), (xx * by - xy * bx) / (xx * yy - xy * xy)
        x, y = x - dx, y - dy
        if dx * dx + dy * dy < CONVERGED:
            break
    return x, y


@inlined
def align_partly(
    anchors: Anchors,
    k: int,
    light: Array,
    image: Array,
    x: Real,
    y: Real,
    a: Real,
    b: Real,
    tolerance: Real,
    noise: Real,
    patch: Array,
) -> tuple[Real, Real, Real]:
    """Align the part of the look of point k that is still seen (Geman-McClure weights): x, y, and that part's share."""
    look, along, down = anchors.looks[k], anchors.slopes[k, 0], anchors.slopes[k, 1]
    seen = patch.ravel()
    from_x, from_y, share = x, y, ZERO
    stiff, gain, offset = F(0.05) + STIFF * noise, light[0], light[1]
    for _ in range(STEPS_BESIDE):
        if not sample_turned(image, x, y, a, b, SIDE, patch):
            return x, y, ZERO
        xx = yy = stiff
        xy = bx = by = share = ZERO
        for i in range(SIDE * SIDE):
            error = seen[i] - gain * look[i] - offset
            part = ONE / (ONE + error * error / tolerance)
            part = part * part
            # The slopes carry the weight once.
            of_x, of_y, weight = part * gain * along[i], part * gain * down[i], WEIGHT[i]
            xx += of_x * gain * along[i] / weight
            xy += of_x * gain * down[i] / weight
            yy += of_y * gain * down[i] / weight
            bx += of_x * error
            by += of_y * error
            share += part * weight
        # Steps, and the pull to the beginning, are those of the template.
        bx += stiff * (a * (x - from_x) + b * (y - from_y))
        by += stiff * (a * (y - from_y) - b * (x - from_x))
        dx, dy = (yy * bx - xy * by) / (xx * yy - xy * xy), (xx * by - xy * bx) / (xx * yy - xy * xy)
        x, y = x - (a * dx - b * dy), y - (b * dx + a * dy)
        if dx * dx + dy * dy < CONVERGED:
            break
    return x, y, share


@inlined
def misfit(
    look: Array, light: Array, image: Array, x: Real, y: Real, a: Real, b: Real, tolerance: Real, core: Array
) -> Real:
    """Return how little the middle of a look is seen at a place, 0 (exactly) to 1; `core` is overwritten."""
    if not sample_turned(image, x, y, a, b, CORE_SIDE, core):
        return ONE
    gain, mean = light[0], ZERO
    for j in range(CORE_SIDE):
        for i in range(CORE_SIDE):
            core[j, i] -= gain * look[(j + RADIUS - CORE) * SIDE + i + RADIUS - CORE]
            mean += CORE_WEIGHT[j, i] * core[j, i]
    # Shade is forgiven, another colour is not.
    mean = min(max(mean, light[1] - SHADE), light[1] + SHADE)
    total = ZERO
    for j in range(CORE_SIDE):
        for i in range(CORE_SIDE):
            error = core[j, i] - mean
            total += CORE_WEIGHT[j, i] * min(error * error / tolerance, ONE)
    return total


@inlined
def flow_at(flow: Array, scale: Real, x: Real, y: Real) -> tuple[Real, Real]:
    """Return the flow (h, w, 2) of a picture `scale` times smaller, at a position of the picture, in its pixels."""
    height, width = flow.shape[:2]
    fx = min(max((x + HALF) / scale - HALF, ZERO), F(width - 1.001))
    fy = min(max((y + HALF) / scale - HALF, ZERO), F(height - 1.001))
    column, row = int(fx), int(fy)
    right, down = fx - F(column), fy - F(row)
    first = flow[row, column], flow[row, column + 1], flow[row + 1, column], flow[row + 1, column + 1]
    u = (ONE - down) * ((ONE - right) * first[0][0] + right * first[1][0])
    u += down * ((ONE - right) * first[2][0] + right * first[3][0])
    v = (ONE - down) * ((ONE - right) * first[0][1] + right * first[1][1])
    v += down * ((ONE - right) * first[2][1] + right * first[3][1])
    return F(u * scale), F(v * scale)


@inlined
def inside(image: Array, x: Real, y: Real) -> bool:
    """Tell whether a position lies on a pixel of the picture."""
    height, width = image.shape[0] - 2 * MARGIN, image.shape[1] - 2 * MARGIN
    return bool(x >= -HALF and y >= -HALF and x < F(width) - HALF and y < F(height) - HALF)


@inlined
def near(x: Real, y: Real, other_x: Real, other_y: Real, limit: Real) -> bool:
    """Tell whether two positions are nearer than a limit."""
    return bool((x - other_x) * (x - other_x) + (y - other_y) * (y - other_y) < limit * limit)


@compiled
def take_anchors(image: Array, empty: tuple[Any, ...]) -> None:
    """Fill in the `Anchors` of points that begin in a picture; their places and neighbours are there."""
    anchors = Anchors(*empty)
    template = np.empty((EDGED, EDGED), F)
    for k in range(len(anchors.xy)):
        sample(image, anchors.xy[k, 0], anchors.xy[k, 1], EDGED, template)
        take_look(
            template, anchors.looks[k], anchors.slopes[k], anchors.sums[k], anchors.inverses[k], anchors.shifts[k]
        )
        anchors.level[k], anchors.texture[k] = brightness(anchors.looks[k])


@inlined
def carry(
    before: Array,
    now: Array,
    forward: Array,
    scale: Real,
    noise: Real,
    anchors: Anchors,
    held: Held,
    new: Held,
    measures: Array,
) -> None:
    """Follow each point that is held by itself: from the flow to its first patch, or else from the frame before.

    Fills in the residuals, the light, and the correlations where they come of themselves: NaN is left to `measure`.
    """
    patch, template = np.empty((SIDE, SIDE), F), np.empty((EDGED, EDGED), F)
    gain, seen, levels, gains = held.light[0], 0, np.empty((len(held.xy), 2), F), np.empty(len(held.xy), F)
    for k in range(len(held.xy)):
        x, y, a, b = held.xy[k, 0], held.xy[k, 1], held.warp[k, 0], held.warp[k, 1]
        # Where nothing better is found, the point goes on as it did.
        new.xy[k, 0], new.xy[k, 1] = x + held.velocity[k, 0], y + held.velocity[k, 1]
        new.warp[k, 0], new.warp[k, 1] = a, b
        new.found[k], measures[k, RESIDUAL], measures[k, CORRELATION] = False, F(np.nan), F(np.nan)
        if not held.found[k]:
            continue
        u, v = flow_at(forward, scale, x, y)
        first = anchors.looks[k]
        best = possible(gain * anchors.texture[k], noise)
        ax, ay, whole = align_still(anchors, k, gain, now, x + u, y + v, a, b, noise, patch)
        aa, ab = a, b
        if whole and correlation(first, patch)[0] <= SURE * best:
            ax, ay, aa, ab, whole = align_again(anchors, k, gain, now, ax, ay, a, b, noise, patch)
        if whole and near(ax, ay, x + u, y + v, WITHIN) and inside(now, ax, ay):
            alike = correlation(first, patch)[0]
            if alike > SURE * best:
                new.xy[k, 0], new.xy[k, 1], new.warp[k, 0], new.warp[k, 1] = ax, ay, aa, ab
                new.found[k], measures[k, RESIDUAL] = True, (ONE - alike) * anchors.texture[k]
                measures[k, CORRELATION] = alike
                level, texture = brightness(patch)
                levels[seen, 0], levels[seen, 1] = anchors.level[k], level
                gains[seen] = np.sqrt(texture / anchors.texture[k])
                seen += 1
                continue
        sample(before, x, y, EDGED, template)
        sx, sy = align_shift(template, now, x + u, y + v, noise, patch)
        followed, variance = ZERO - ONE, ZERO
        if sample(now, sx, sy, SIDE, patch):
            followed, variance = correlation(template[1:-1, 1:-1], patch)
        ax, ay, aa, ab, whole = align_again(anchors, k, gain, now, sx, sy, a, b, noise, patch)
        if whole and near(ax, ay, sx, sy, WITHIN) and correlation(first, patch)[0] > LIKELY * best:
            new.xy[k, 0], new.xy[k, 1], new.warp[k, 0], new.warp[k, 1] = ax, ay, aa, ab
            new.found[k] = inside(now, ax, ay)
        elif followed > FOLLOWED * possible(variance, noise):
            new.xy[k, 0], new.xy[k, 1] = sx, sy
            new.found[k] = inside(now, sx, sy)
        if new.found[k] and followed > ZERO:
            measures[k, RESIDUAL] = (ONE - followed) * anchors.texture[k]
    new.light[0], new.light[1] = held.light[0], held.light[1]
    if seen >= WITNESSES:
        new.light[0] = min(max(F(np.median(gains[:seen])), LEAST_LIT), MOST_LIT)
        new.light[1] = F(np.median(levels[:seen, 1] - new.light[0] * levels[:seen, 0]))


@inlined
def ask_neighbours(now: Array, noise: Real, anchors: Anchors, held: Held, new: Held, measures: Array) -> None:
    """Try the motion of its neighbours on each point that is lost or that they explain better; `new` is changed."""
    patch, core = np.empty((SIDE, SIDE), F), np.empty((CORE_SIDE, CORE_SIDE), F)
    count, gain = anchors.neighbours.shape[1], new.light[0]
    for k in range(len(held.xy)):
        tolerance = TOLERANCE_NOISE * noise + TOLERANCE_TEXTURE * gain * gain * anchors.texture[k]
        first, x, y = anchors.looks[k], new.xy[k, 0], new.xy[k, 1]
        found, own = new.found[k], ONE
        least, at_x, at_y, at_a, at_b = TWO, ZERO, ZERO, ONE, ZERO
        for m in range(count + 1):
            if m < count:
                other = anchors.neighbours[k, m]
                if not new.found[other]:
                    continue
                a, b = new.warp[other, 0], new.warp[other, 1]
                u = anchors.xy[k, 0] - anchors.xy[other, 0]
                v = anchors.xy[k, 1] - anchors.xy[other, 1]
                to_x, to_y = new.xy[other, 0] + a * u - b * v, new.xy[other, 1] + b * u + a * v
            else:
                # A lost point may come out again where it is believed to be.
                a, b, to_x, to_y = held.warp[k, 0], held.warp[k, 1], x, y
            if (found and near(to_x, to_y, x, y, ONE)) or not inside(now, to_x, to_y):
                continue
            fit = misfit(first, new.light, now, to_x, to_y, a, b, tolerance, core)
            if fit < least:
                least, at_x, at_y, at_a, at_b = fit, to_x, to_y, a, b
        if least >= ONE:
            continue
        if found:
            own = misfit(first, new.light, now, x, y, new.warp[k, 0], new.warp[k, 1], tolerance, core)
            if least >= TWO * own:
                continue
        to_x, to_y, share = align_partly(anchors, k, new.light, now, at_x, at_y, at_a, at_b, tolerance, noise, patch)
        if share > INLIERS and near(to_x, to_y, at_x, at_y, BESIDE) and inside(now, to_x, to_y):
            fit = misfit(first, new.light, now, to_x, to_y, at_a, at_b, tolerance, core)
            if fit < FITS and fit < BETTER * own:
                new.xy[k, 0], new.xy[k, 1], new.warp[k, 0], new.warp[k, 1] = to_x, to_y, at_a, at_b
                new.found[k], measures[k, CORRELATION] = True, F(np.nan)


@inlined
def measure(
    now: Array, backward: Array, scale: Real, noise: Real, anchors: Anchors, held: Held, new: Held, measures: Array
) -> None:
    """Fill in the velocities, and what is known of how well each point was followed; see `MEASURES`."""
    patch, core, gain = np.empty((SIDE, SIDE), F), np.empty((CORE_SIDE, CORE_SIDE), F), new.light[0]
    for k in range(len(held.xy)):
        x, y, a, b = new.xy[k, 0], new.xy[k, 1], new.warp[k, 0], new.warp[k, 1]
        if not new.found[k]:
            new.velocity[k, 0], new.velocity[k, 1] = held.velocity[k, 0] * SLOWER, held.velocity[k, 1] * SLOWER
            measures[k, CORRELATION], measures[k, MISFIT], measures[k, BACK] = ZERO, ONE, F(np.nan)
            continue
        new.velocity[k, 0], new.velocity[k, 1] = x - held.xy[k, 0], y - held.xy[k, 1]
        tolerance = TOLERANCE_NOISE * noise + TOLERANCE_TEXTURE * gain * gain * anchors.texture[k]
        u, v = flow_at(backward, scale, x, y)
        off_x, off_y = x + u - held.xy[k, 0], y + v - held.xy[k, 1]
        alike = measures[k, CORRELATION]
        if np.isnan(alike):
            whole = sample_turned(now, x, y, a, b, SIDE, patch)
            alike = correlation(anchors.looks[k], patch)[0] if whole else ZERO
        alike /= max(possible(gain * anchors.texture[k], noise), F(0.05))
        measures[k, CORRELATION] = min(max(alike, ZERO), ONE)
        measures[k, MISFIT] = misfit(anchors.looks[k], new.light, now, x, y, a, b, tolerance, core)
        measures[k, BACK] = np.sqrt(off_x * off_x + off_y * off_y)


@compiled
def advance(
    before: Array,
    now: Array,
    forward: Array,
    backward: Array,
    scale: Real,
    noise: Real,
    known: tuple[Any, ...],
    earlier: tuple[Any, ...],
    later: tuple[Any, ...],
    measures: Array,
) -> None:
    """Follow points from a picture into the next.

    Records come as plain tuples: Numba asks Python about the types of others, and dies of a signal handler that raises
    meanwhile.

    Parameters
    ----------
    before, now : (H + 2 * MARGIN, W + 2 * MARGIN)
    forward, backward : (h, w, 2), flow between the pictures made `scale` times smaller, in its pixels
    scale, noise : float32
    known : Anchors
    earlier, later : Held
        Of the two pictures; the later one is filled in.
    measures : (N, MEASURES)
        Filled in.
    """
    anchors, held, new = Anchors(*known), Held(*earlier), Held(*later)
    carry(before, now, forward, scale, noise, anchors, held, new, measures)
    ask_neighbours(now, noise, anchors, held, new, measures)
    measure(now, backward, scale, noise, anchors, held, new, measures)
