"""Shape and surface of the bodies of a rendered scene.

The picture of a body (its sprite) and the test whether a point lies on it come from one signed distance, so
that what is seen and what the truth says is seen cannot differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lapsdata.testing.scene_plan import random_stream

if TYPE_CHECKING:
    import numpy.typing as npt

    from lapsdata.testing.scene_motion import SceneMotion
    from lapsdata.testing.scene_plan import Layout

    FloatArray = npt.NDArray[np.float64]

__all__ = ["RoundedBox", "Sprite", "body_shapes", "paint_bodies"]

# Mean colour (RGB) and contrast (standard deviation, levels of 255) of each surface. The mat is all but
# plain: every tracker drifts on it, and a good one says so.
TABLE = ((150, 124, 94), 18.0)
MAT = ((78, 92, 96), 0.6)
BLOCKS = (
    ((196, 66, 54), 26.0),
    ((58, 98, 186), 26.0),
    ((212, 172, 58), 26.0),
    ((66, 148, 88), 26.0),
    ((142, 78, 160), 26.0),
)
ARM = (
    ((96, 120, 140), 18.0),
    ((206, 122, 52), 18.0),
    ((70, 70, 80), 18.0),
    ((148, 156, 172), 22.0),
    ((172, 156, 148), 22.0),
)


@dataclass(frozen=True, slots=True)
class RoundedBox:
    """A rectangle with round corners, about the origin of its body.

    Parameters
    ----------
    half_width, half_height : float
        Half of its sides in pixel.
    radius : float
        Radius of the corners in pixel.

    Examples
    --------
    >>> RoundedBox(4.0, 2.0, 0.0).distance(np.array([[0.0, 0.0], [6.0, 0.0]])).tolist()
    [-2.0, 2.0]
    """

    half_width: float
    half_height: float
    radius: float

    def distance(self, xy: FloatArray) -> FloatArray:
        """Return the signed distance (pixel, below 0 inside), shape (...), of points of shape (..., 2)."""
        corner = np.array([self.half_width, self.half_height]) - self.radius
        q = np.abs(xy) - corner
        outside = np.maximum(q, 0.0)
        # Quicker than `max` over an axis of two, which NumPy reduces pair by pair.
        largest = np.maximum(q[..., 0], q[..., 1])
        signed = np.hypot(outside[..., 0], outside[..., 1]) + np.minimum(largest, 0.0) - self.radius
        return np.asarray(signed)


@dataclass(frozen=True, slots=True)
class Sprite:
    """The picture of a body.

    Parameters
    ----------
    image : numpy.ndarray, shape (h, w, 4), uint8
        RGB multiplied by the coverage, and the coverage.
    origin : numpy.ndarray, shape (2,), float64, xy, pixel
        Where in the image the origin of the body is.
    """

    image: npt.NDArray[np.uint8]
    origin: FloatArray


def body_shapes(layout: Layout, blocks: int) -> tuple[RoundedBox, ...]:
    """Return the outline of every body but the endless table, in the order of `SceneMotion.names[1:]`."""
    u = layout.unit
    block = RoundedBox(layout.block_half, layout.block_half, 4.0 * u)
    finger = RoundedBox(5.0 * u, 17.0 * u, 3.0 * u)
    return (
        RoundedBox(44.0 * u, 27.0 * u, 5.0 * u),
        *(block for _ in range(blocks)),
        RoundedBox(0.5 * layout.link + 15.0 * u, 15.0 * u, 15.0 * u),
        RoundedBox(0.5 * layout.link + 12.0 * u, 12.0 * u, 12.0 * u),
        RoundedBox(layout.block_half + layout.gap_open + 11.0 * u, 9.0 * u, 5.0 * u),
        finger,
        finger,
    )


def _grain(rng: np.random.Generator, height: int, width: int, unit: float) -> npt.NDArray[np.float32]:
    """Return colour noise of several scales, shape (height, width, 3), standard deviation 1 in grey.

    The finest scale is 0.9 pixel: finer detail would change its look with the sub-pixel place of its body.
    """
    import cv2

    total = np.zeros((height, width, 3), np.float32)
    for sigma, weight in ((0.9, 0.7), (1.8 * unit, 0.9), (5.0 * unit, 0.8), (14.0 * unit, 0.4)):
        sigma = max(sigma, 0.9)
        grey = rng.standard_normal((height, width, 1), dtype=np.float32)
        tint = 0.2 * rng.standard_normal((height, width, 3), dtype=np.float32)
        # Blurred white noise has a standard deviation of 1 / (2 sqrt(pi) sigma).
        soft = cv2.GaussianBlur(grey + tint, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)
        total += weight * 2.0 * np.sqrt(np.pi) * sigma * soft
    return total / np.float32(np.sqrt(0.7**2 + 0.9**2 + 0.8**2 + 0.4**2))


def _local_grid(height: int, width: int, origin: FloatArray) -> FloatArray:
    ys, xs = np.mgrid[:height, :width].astype(np.float64)
    return np.stack([xs, ys], axis=-1) - origin


def _paint_box(
    shape: RoundedBox, colour: tuple[int, int, int], contrast: float, unit: float, rng: np.random.Generator
) -> Sprite:
    """Return a body with a textured face, a darker rim, and a bolt at either end (a square has one)."""
    pad = 2
    width = int(np.ceil(2 * shape.half_width)) + 2 * pad
    height = int(np.ceil(2 * shape.half_height)) + 2 * pad
    origin = 0.5 * np.array([width - 1.0, height - 1.0])
    grid = _local_grid(height, width, origin)
    depth = -shape.distance(grid)
    face = np.array(colour, np.float32) + contrast * _grain(rng, height, width, unit)
    if contrast > 0.0:
        rim = -40.0 * np.exp(-np.maximum(depth, 0.0) / (2.0 * unit))
        half = np.array([shape.half_width, shape.half_height])
        ends = np.abs(grid) - (half - half.min())
        bolt = -36.0 * np.clip((0.45 * half.min() - np.hypot(ends[..., 0], ends[..., 1])) / unit, 0.0, 1.0)
        face += (rim + bolt)[..., None]
    alpha = np.clip(0.5 + depth, 0.0, 1.0)[..., None]
    image = np.concatenate([np.clip(face, 0.0, 255.0) * alpha, 255.0 * alpha], axis=-1)
    return Sprite(np.rint(image).astype(np.uint8), origin)


def _paint_table(motion: SceneMotion, seed: int, texture: float, mat: RoundedBox) -> Sprite:
    """Return table and mat, with a margin for the camera's shake."""
    import cv2

    layout, margin = motion.layout, motion.margin_px
    height, width = layout.height + 2 * margin, layout.width + 2 * margin
    rng = random_stream(seed, "surface", 0)
    face = np.array(TABLE[0], np.float32) + TABLE[1] * texture * _grain(rng, height, width, layout.unit)
    white = rng.standard_normal((height, width, 1), dtype=np.float32)
    streaks = cv2.GaussianBlur(white, (0, 0), 14.0 * layout.unit, sigmaY=max(1.2 * layout.unit, 0.9))
    face += 10.0 * texture * (streaks / np.std(streaks, dtype=np.float32))[..., None]
    origin = np.array([margin, margin], dtype=np.float64)
    depth = -mat.distance(_local_grid(height, width, origin) - motion.mat_xy)
    alpha = np.clip(0.5 + depth, 0.0, 1.0)[..., None].astype(np.float32)
    cloth = np.array(MAT[0], np.float32) + MAT[1] * texture * _grain(rng, height, width, layout.unit)
    shown = np.clip(face * (1.0 - alpha) + cloth * alpha, 0.0, 255.0)
    image = np.concatenate([shown, np.full((height, width, 1), 255.0, np.float32)], axis=-1)
    return Sprite(np.rint(image).astype(np.uint8), origin)


def paint_bodies(motion: SceneMotion, seed: int, texture: float) -> tuple[Sprite, ...]:
    """Return the pictures of the table (with its mat) and of all bodies from the blocks on."""
    blocks = motion.first_arm - 2
    mat, *boxes = body_shapes(motion.layout, blocks)
    sprites = [_paint_table(motion, seed, texture, mat)]
    for index, (shape, (colour, contrast)) in enumerate(zip(boxes, (*BLOCKS[:blocks], *ARM), strict=True), start=1):
        rng = random_stream(seed, "surface", index)
        sprites.append(_paint_box(shape, colour, contrast * texture, motion.layout.unit, rng))
    return tuple(sprites)
