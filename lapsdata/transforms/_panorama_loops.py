"""Depth of several cameras as one panorama sees it, and colours blended: the rules of `views_to_panorama`, compiled.

The surface that a depth picture stands for: between four pixels that agree inverse depth is bilinear, which for a plane
is exact; between four that do not, it is as far as the nearest of them. A ray of the panorama meets it by Newton's
method, from pixel to pixel: each step meets the plane that touches the surface where the last one arrived.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import numpy as np

from lapsdata.compiling import compile_loop

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Singles = NDArray[np.float32]
    Doubles = NDArray[np.float64]
    Integers = NDArray[np.int32]
    Bytes = NDArray[np.uint8]

    Hit = tuple[float, float, float, int]
    """Length of the ray, pixel x and y in the camera, and what the surface is there."""

    Ray = tuple[float, float, float]
    """A direction in a camera's axes."""

    Surface = tuple[int, float, float, float]
    """What it is (`NOTHING`, `SMOOTH`, `EDGE`), inverse depth, and its slope along x and y."""

    Around = tuple[bool, bool, float, float, float]
    """Cylinder, all around, field of view (radian), and upper and lower edge: radian, or the tangents of a cylinder."""

    Samples = tuple[Singles, Singles, Singles, Integers, NDArray[np.int64]]
    """Pixel x, pixel y, weight and flat place in the panorama (V, H W), and how many of them each camera has (V,)."""

P = ParamSpec("P")
R = TypeVar("R")

__all__ = ["blend", "find", "finish", "gather", "gather_at_infinity", "invert", "look", "scatter"]

NOTHING, SMOOTH, EDGE = 0, 1, 2
UNSEEN, THERE, BEYOND = 0, 1, 2
# Columns of a camera's numbers: focal lengths, centre, rotation of the panorama's axes into its own, row by row, and
# where the panorama stands in them.
FX, FY, CX, CY, TURN, PLACE = 0, 1, 2, 3, 4, 13
# Bits of what is told of a pixel.
FLAG_EDGE, FLAG_DISAGREE, FLAG_SKY, FLAG_INFINITY, FLAG_ELSEWHERE = 1, 2, 4, 8, 16
# Planes are met in two steps, the spheres of the tests in four; who needs more goes to and fro across an edge.
STEPS = 8
# A ray is tried from a neighbour that is so much nearer, since an edge may be between them.
NEARER = 0.9


def _invert(depth: Singles, inverse: Singles) -> tuple[int, int]:
    """Put in inverse depth, 0 where there is none; return how many numbers are below 0, and how many are not finite."""
    below, lost = 0, 0
    for y in range(depth.shape[0]):
        for x in range(depth.shape[1]):
            z = depth[y, x]
            finite = abs(z) < np.inf
            below += z < 0
            lost += not finite
            inverse[y, x] = np.float32(1) / z if finite and z > 0 else np.float32(0)
    return below, lost


def _angle(x: float, z: float) -> float:
    """Return atan2(x, z) within 2e-4: enough to find the pixel where a search begins."""
    a, b = abs(x), abs(z)
    ratio = min(a, b) / max(max(a, b), 1e-30)
    square = ratio * ratio
    angle = ((-0.0464964749 * square + 0.15931422) * square - 0.327622764) * square * ratio + ratio
    if a > b:
        angle = 0.5 * math.pi - angle
    if z < 0:
        angle = math.pi - angle
    return -angle if x < 0 else angle


def _nearest_of_blocks(inverse: Singles, first: int, stride: int, most: Singles) -> None:
    """Put the largest inverse depth of each `stride` x `stride` pixels from row `first` on into `most`."""
    for block in range(len(most)):
        held = np.float32(0)
        for y in range(first, min(first + stride, inverse.shape[0])):
            for x in range(block * stride, min(block * stride + stride, inverse.shape[1])):
                held = max(held, inverse[y, x])
        most[block] = held


def _scatter(inverse: Singles, camera: Doubles, around: Around, stride: int, row: Singles, near: Singles) -> None:
    """Note for each pixel of the panorama (H, W) how near the nearest is of all that a camera sees about there.

    Of `stride` x `stride` pixels the nearest counts, as if it were in their middle. `near` is the length of the ray,
    infinite where there is none; `row` (4, blocks) is room to work in.
    """
    cylinder, _, fov, high, low = around
    height, width = near.shape
    across, down = width / fov, height / (high - low)
    r, p = camera[TURN:PLACE], camera[PLACE:]
    # The camera's own place in the panorama's axes.
    tx = -(r[0] * p[0] + r[3] * p[1] + r[6] * p[2])
    ty = -(r[1] * p[0] + r[4] * p[1] + r[7] * p[2])
    tz = -(r[2] * p[0] + r[5] * p[1] + r[8] * p[2])
    middle = 0.5 * (stride - 1)
    for first in range(0, inverse.shape[0], stride):
        nearest_of_blocks(inverse, first, stride, row[0])
        cy = (first + middle - camera[CY]) / camera[FY]
        # Steps without a branch, so that several are done at once.
        for block in range(row.shape[1]):
            z = 1 / max(row[0, block], np.float32(1e-9))
            cx = (block * stride + middle - camera[CX]) / camera[FX]
            px = (r[0] * cx + r[3] * cy + r[6]) * z + tx
            py = (r[1] * cx + r[4] * cy + r[7]) * z + ty
            pz = (r[2] * cx + r[5] * cy + r[8]) * z + tz
            level = math.sqrt(px * px + pz * pz)
            slope = -py / max(level, 1e-30) if cylinder else angle(-py, level)
            row[1, block] = (angle(px, pz) + 0.5 * fov) * across
            row[2, block] = (high - slope) * down
            row[3, block] = math.sqrt(level * level + py * py)
        for block in range(row.shape[1]):
            if row[0, block] > 0 and 0 <= row[1, block] < width and 0 <= row[2, block] < height:
                v, u = int(row[2, block]), int(row[1, block])
                near[v, u] = min(near[v, u], row[3, block])


def _linked(
    inverse: Singles, at: tuple[int, int], step: tuple[int, int], one: float, other: float, slack: float
) -> bool:
    """Tell whether two neighbours are on one surface: as far, or on the slope that goes on at one of their sides.

    `at` is the row and column of the first, `step` leads to the other, `one` and `other` are their inverse depths.
    """
    rise = other - one
    if abs(rise) <= slack:
        return True
    y, x = at[0] - step[0], at[1] - step[1]
    if y >= 0 and x >= 0 and inverse[y, x] > 0 and abs(rise - (one - inverse[y, x])) <= slack:
        return True
    y, x = at[0] + 2 * step[0], at[1] + 2 * step[1]
    inside = y < inverse.shape[0] and x < inverse.shape[1]
    return inside and inverse[y, x] > 0 and bool(abs(rise - (inverse[y, x] - other)) <= slack)


def _surface(inverse: Singles, x0: int, y0: int, u: float, v: float, agreement: float) -> Surface:
    """Return the surface between four pixels, the first of which is at (x0, y0), at a place between them."""
    s00, s01 = float(inverse[y0, x0]), float(inverse[y0, x0 + 1])
    s10, s11 = float(inverse[y0 + 1, x0]), float(inverse[y0 + 1, x0 + 1])
    front = max(max(s00, s01), max(s10, s11))
    back = min(min(s00, s01), min(s10, s11))
    if front == 0:
        return NOTHING, 0.0, 0.0, 0.0
    slack = agreement * front
    if back == 0:
        # The nearest of those that are known, and whether they are alike.
        known = front
        for one in (s00, s01, s10, s11):
            if one > 0:
                known = min(known, one)
        return (SMOOTH if front - known <= slack else EDGE), front, 0.0, 0.0
    if front - back > slack and not (
        linked(inverse, (y0, x0), (0, 1), s00, s01, slack)
        and linked(inverse, (y0 + 1, x0), (0, 1), s10, s11, slack)
        and linked(inverse, (y0, x0), (1, 0), s00, s10, slack)
        and linked(inverse, (y0, x0 + 1), (1, 0), s01, s11, slack)
    ):
        return EDGE, front, 0.0, 0.0
    fx, fy, twist = u - x0, v - y0, s00 - s01 - s10 + s11
    slope_x, slope_y = s01 - s00 + twist * fy, s10 - s00 + twist * fx
    return SMOOTH, s00 + (s01 - s00) * fx + slope_y * fy, slope_x, slope_y


def _corner(u: float, v: float, inverse: Singles) -> tuple[int, int]:
    """Return the first of the four pixels around a place; beyond the outermost centres, of those at the border."""
    x0 = min(max(math.floor(u), 0), inverse.shape[1] - 2)
    return x0, min(max(math.floor(v), 0), inverse.shape[0] - 2)


def _meet(inverse: Singles, camera: Doubles, ray: Ray, u: float, v: float, agreement: float) -> Hit:
    """Return where a ray (camera's axes) meets the surface of a camera, searched from a pixel on; nowhere at -1."""
    px, py, pz = camera[PLACE], camera[PLACE + 1], camera[PLACE + 2]
    x0, y0 = corner(u, v, inverse)
    before_x, before_y, before = -1, -1, (-1.0, 0.0, 0.0, NOTHING)
    for _ in range(STEPS):
        kind, there, slope_x, slope_y = surface(inverse, x0, y0, u, v, agreement)
        if kind == NOTHING:
            break
        # The plane 1 = n . point, which has this inverse depth and this slope.
        nx, ny = slope_x * camera[FX], slope_y * camera[FY]
        nz = slope_x * (camera[CX] - u) + slope_y * (camera[CY] - v) + there
        towards = nx * ray[0] + ny * ray[1] + nz * ray[2]
        length = (1 - nx * px - ny * py - nz * pz) / towards
        z = pz + length * ray[2]
        # Also where the ray is beside the plane and the length not a number.
        if not (length > 0 and z > 0):
            break
        per_z = 1 / z
        then_u = camera[FX] * (px + length * ray[0]) * per_z + camera[CX]
        then_v = camera[FY] * (py + length * ray[1]) * per_z + camera[CY]
        if not (-0.5 <= then_u < inverse.shape[1] - 0.5 and -0.5 <= then_v < inverse.shape[0] - 0.5):
            break
        then_x, then_y = corner(then_u, then_v, inverse)
        found = (length, then_u, then_v, kind)
        if then_x == x0 and then_y == y0:
            return found
        if then_x == before_x and then_y == before_y:
            # To and fro between two surfaces, past the edge of one of them: a gap, through which something is seen
            # that this camera does not see, or less than a pixel, which belongs to the surface in front.
            if abs(then_u - u) <= 1 and abs(then_v - v) <= 1:
                return before if before[0] < length else found
            break
        before_x, before_y, before = x0, y0, found
        u, v, x0, y0 = then_u, then_v, then_x, then_y
    return -1.0, 0.0, 0.0, NOTHING


def _meet_near(inverse: Singles, camera: Doubles, ray: Ray, length: float, agreement: float) -> Hit:
    """Return where a ray meets the surface of a camera, searched from a length of the ray on."""
    z = camera[PLACE + 2] + length * ray[2]
    if z <= 0:
        return -1.0, 0.0, 0.0, NOTHING
    u = camera[FX] * (camera[PLACE] + length * ray[0]) / z + camera[CX]
    v = camera[FY] * (camera[PLACE + 1] + length * ray[1]) / z + camera[CY]
    # Beyond the border the search begins at it.
    u, v = min(max(u, -0.5), inverse.shape[1] - 0.5), min(max(v, -0.5), inverse.shape[0] - 0.5)
    return meet(inverse, camera, ray, u, v, agreement)


def _search(
    inverse: Singles,
    camera: Doubles,
    ray: Ray,
    noted: Singles,
    least: float,
    all_around: bool,
    place: tuple[int, int],
    first: tuple[float, float],
    agreement: float,
) -> Hit:
    """Return where a ray first meets the surface of a camera, from all lengths at which a search may begin.

    These are the one that `scatter` noted at the ray's place (row, column), that of the pixel `first`, if it is one,
    and those noted around it, of which the nearest is `least`.
    """
    best = (-1.0, 0.0, 0.0, NOTHING)
    if noted[place[0], place[1]] < np.inf:
        best = meet_near(inverse, camera, ray, float(noted[place[0], place[1]]), agreement)
    if best[0] < 0 and first[0] == first[0]:
        best = meet(inverse, camera, ray, first[0], first[1], agreement)
    if least >= (np.inf if best[0] < 0 else NEARER * best[0]):
        return best
    for y in range(max(place[0] - 1, 0), min(place[0] + 2, noted.shape[0])):
        for aside in range(-1, 2):
            x = place[1] + aside
            if x < 0 or x >= noted.shape[1]:
                if not all_around:
                    continue
                x %= noted.shape[1]
            if noted[y, x] < (np.inf if best[0] < 0 else NEARER * best[0]):
                found = meet_near(inverse, camera, ray, float(noted[y, x]), agreement)
                if found[0] > 0 and (best[0] < 0 or found[0] < best[0]):
                    best = found
    return best


def _find(
    inverse: Singles,
    camera: Doubles,
    number: int,
    rays: Singles,
    near: tuple[Singles, Singles, bool],
    first: Singles,
    agreement: float,
    nearest: tuple[Singles, NDArray[np.int16], Singles, Bytes],
) -> None:
    """Put in what a camera sees wherever that is nearer than what others see.

    `first` (H, W, 2) is the camera's pixel that looks along each ray (H, W, 3), NaN outside of its picture; `nearest`
    the length of each ray (0 where nothing is met), the number of the camera that sees it, its pixel, and flags.
    """
    length, seer, pixel, flags = nearest
    noted, least, all_around = near
    r = camera[TURN:PLACE]
    for y in range(length.shape[0]):
        before_u, before_v = np.nan, np.nan
        for x in range(length.shape[1]):
            looks = first[y, x, 0] == first[y, x, 0]
            if not looks and least[y, x] == np.inf:
                before_u, before_v = np.nan, np.nan
                continue
            a, b, c = float(rays[y, x, 0]), float(rays[y, x, 1]), float(rays[y, x, 2])
            ray = (r[0] * a + r[1] * b + r[2] * c, r[3] * a + r[4] * b + r[5] * c, r[6] * a + r[7] * b + r[8] * c)
            if before_u != before_u and looks:
                before_u, before_v = float(first[y, x, 0]), float(first[y, x, 1])
            start = (before_u, before_v)
            found = search(inverse, camera, ray, noted, least[y, x], all_around, (y, x), start, agreement)
            before_u, before_v = np.nan, np.nan
            if found[0] > 0:
                before_u, before_v = found[1], found[2]
                if length[y, x] == 0 or found[0] < length[y, x]:
                    length[y, x], seer[y, x] = found[0], number
                    pixel[y, x, 0], pixel[y, x, 1] = found[1], found[2]
                    flags[y, x] = FLAG_EDGE if found[3] == EDGE else 0


def _seen(
    inverse: Singles, camera: Doubles, point: tuple[float, float, float], agreement: float
) -> tuple[int, float, float]:
    """Return how a camera sees a point (its axes), and at which pixel: there, beyond it, or in no way it could tell."""
    x, y, z = point
    if z <= 0:
        return UNSEEN, 0.0, 0.0
    u, v = x / z * camera[FX] + camera[CX], y / z * camera[FY] + camera[CY]
    if not (-0.5 <= u < inverse.shape[1] - 0.5 and -0.5 <= v < inverse.shape[0] - 0.5):
        return UNSEEN, 0.0, 0.0
    x0, y0 = corner(u, v, inverse)
    kind, there, _, _ = surface(inverse, x0, y0, u, v, agreement)
    # Above 1 the point is behind what the camera sees.
    share = z * there
    if kind != SMOOTH or share > 1 + agreement:
        return UNSEEN, 0.0, 0.0
    return (BEYOND if share < 1 - agreement else THERE), u, v


def _look(rays: Singles, camera: Doubles, size: tuple[int, int], first: Singles) -> None:
    """Put in which pixel (H, W, 2) of a camera, of a height and width, looks along each ray; NaN where none does."""
    r = camera[TURN:PLACE]
    for y in range(first.shape[0]):
        for x in range(first.shape[1]):
            a, b, c = float(rays[y, x, 0]), float(rays[y, x, 1]), float(rays[y, x, 2])
            first[y, x, 0], first[y, x, 1] = np.nan, np.nan
            z = r[6] * a + r[7] * b + r[8] * c
            if z > 0:
                u = np.float32((r[0] * a + r[1] * b + r[2] * c) / z * camera[FX] + camera[CX])
                v = np.float32((r[3] * a + r[4] * b + r[5] * c) / z * camera[FY] + camera[CY])
                if -0.5 <= u < size[1] - 0.5 and -0.5 <= v < size[0] - 0.5:
                    first[y, x, 0], first[y, x, 1] = u, v


def _sample(samples: Samples, camera: Doubles, number: int, at: int, pixel: tuple[float, float], flat: int) -> None:
    """Put in a pixel of a camera that gives a colour, weighted by the cosine of the angle to the camera's axis."""
    across, down, weight, place, _ = samples
    aside_x, aside_y = (pixel[0] - camera[CX]) / camera[FX], (pixel[1] - camera[CY]) / camera[FY]
    across[number, at], down[number, at] = pixel
    weight[number, at] = 1 / math.sqrt(1 + aside_x * aside_x + aside_y * aside_y)
    place[number, at] = flat


def _gather_at_infinity(camera: Doubles, number: int, first: Singles, samples: Samples) -> None:
    """List the pixels of a camera that look along rays of the panorama."""
    taken = 0
    for y in range(first.shape[0]):
        for x in range(first.shape[1]):
            if first[y, x, 0] == first[y, x, 0]:
                pixel = (float(first[y, x, 0]), float(first[y, x, 1]))
                sample(samples, camera, number, taken, pixel, y * first.shape[1] + x)
                taken += 1
    samples[4][number] = taken


def _gather(
    depth: Singles,
    inverse: Singles,
    camera: Doubles,
    number: int,
    rays: Singles,
    first: Singles,
    policy: tuple[float, bool, bool],
    nearest: tuple[Singles, NDArray[np.int16], Singles, Bytes],
    samples: Samples,
) -> None:
    """List the pixels of a camera that give the panorama its colours, and flag what this camera sees otherwise.

    `policy` is the agreement, whether colours come from where depth says, and whether depth below 0 marks the sky
    (otherwise depth that is not finite does).
    """
    agreement, by_depth, below_is_sky = policy
    length, seer, pixel, flags = nearest
    r, p, taken = camera[TURN:PLACE], camera[PLACE:], 0
    for y in range(length.shape[0]):
        for x in range(length.shape[1]):
            u, v = float(first[y, x, 0]), float(first[y, x, 1])
            takes = u == u
            if length[y, x] > 0:
                if seer[y, x] == number:
                    how, seen_u, seen_v = THERE, float(pixel[y, x, 0]), float(pixel[y, x, 1])
                else:
                    a, b, c = rays[y, x, 0] * length[y, x], rays[y, x, 1] * length[y, x], rays[y, x, 2] * length[y, x]
                    point = (
                        r[0] * a + r[1] * b + r[2] * c + p[0],
                        r[3] * a + r[4] * b + r[5] * c + p[1],
                        r[6] * a + r[7] * b + r[8] * c + p[2],
                    )
                    how, seen_u, seen_v = seen(inverse, camera, point, agreement)
                if how == BEYOND:
                    flags[y, x] |= FLAG_DISAGREE
                if by_depth:
                    takes, u, v = how == THERE, seen_u, seen_v
            elif takes:
                flags[y, x] |= FLAG_INFINITY
                z = depth[round(v), round(u)]
                if 0 < z < np.inf:
                    flags[y, x] |= FLAG_ELSEWHERE
                elif (z < 0) if below_is_sky else not abs(z) < np.inf:
                    flags[y, x] |= FLAG_SKY
            if takes:
                sample(samples, camera, number, taken, (u, v), y * length.shape[1] + x)
                taken += 1
    samples[4][number] = taken


def _blend(colours: Bytes, weight: Singles, place: Integers, count: int, held: Singles) -> None:
    """Add the colours (K, 3) of one camera to what is held of each pixel: three colours and their weight (H W, 4)."""
    for k in range(count):
        at, share = place[k], weight[k]
        for channel in range(3):
            held[at, channel] += share * colours[k, channel]
        held[at, 3] += share


def _finish(held: Singles, image: Bytes) -> None:
    """Divide what was blended by its weight, rounded; black where nothing was."""
    for at in range(len(held)):
        if held[at, 3] > 0:
            for channel in range(3):
                image[at, channel] = int(held[at, channel] / held[at, 3] + np.float32(0.5))
        else:
            image[at, 0], image[at, 1], image[at, 2] = 0, 0, 0


# Arrays are borrowed and never kept: counting who holds them, at each call, would double the time. Division by zero
# gives infinity, as in NumPy.
_OPTIONS: dict[str, Any] = {"_nrt": False, "error_model": "numpy"}


def _inlined(function: Callable[P, R]) -> Callable[P, R]:
    return compile_loop(function, forceinline=True, **_OPTIONS)


def _compiled(function: Callable[P, R]) -> Callable[P, R]:
    return compile_loop(function, nogil=True, **_OPTIONS)


angle = _inlined(_angle)
linked = _inlined(_linked)
surface = _inlined(_surface)
corner = _inlined(_corner)
meet = _inlined(_meet)
meet_near = _inlined(_meet_near)
search = _inlined(_search)
seen = _inlined(_seen)
sample = _inlined(_sample)
look = _compiled(_look)
gather_at_infinity = _compiled(_gather_at_infinity)
invert = _compiled(_invert)
nearest_of_blocks = _inlined(_nearest_of_blocks)
scatter = _compiled(_scatter)
find = _compiled(_find)
gather = _compiled(_gather)
blend = _compiled(_blend)
finish = _compiled(_finish)
