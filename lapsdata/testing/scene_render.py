"""Draws a scene: every body's sprite is laid into the frame by the very pose that its tracks follow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lapsdata.testing.scene_bodies import paint_bodies
from lapsdata.testing.scene_plan import random_stream

if TYPE_CHECKING:
    import numpy.typing as npt

    from lapsdata.testing.scene_bodies import Sprite
    from lapsdata.testing.scene_config import SceneConfig
    from lapsdata.testing.scene_motion import SceneMotion

    FloatArray = npt.NDArray[np.float64]
    Image = npt.NDArray[np.uint8]

__all__ = ["Painter"]


def _placement(sprite: Sprite, pose: FloatArray) -> FloatArray:
    """Return the affine map, shape (2, 3), from the sprite's pixel to the picture's."""
    cos, sin = np.cos(pose[2]), np.sin(pose[2])
    turn = np.array([[cos, -sin], [sin, cos]])
    return np.column_stack([turn, pose[:2] - turn @ sprite.origin])


class Painter:
    """Draws the frames of one scene.

    Parameters
    ----------
    seed : int
        Seed of the scene.
    config : SceneConfig
        Its options.
    motion : SceneMotion
        Its bodies.
    """

    def __init__(self, seed: int, config: SceneConfig, motion: SceneMotion) -> None:
        self._seed, self._config = seed, config
        self._area = config.active_area
        self._table_sprite, *self._box_sprites = paint_bodies(motion, seed, config.texture)
        self._still = config.shake_px == 0.0

    def draw(self, index: int, poses: FloatArray, depth: FloatArray) -> Image:
        """Return frame `index`, shape (H, W, 3), uint8 RGB, of bodies with poses (K, 3) and depths (K,)."""
        area, (width, height) = self._area, self._config.size
        picture = self._table(poses[0])
        # The mat (body 1) is painted on the table.
        for box in np.argsort(depth[2:], kind="stable"):
            self._lay(picture, self._box_sprites[box], poses[2 + box])
        if self._config.noise > 0.0:
            noise = random_stream(self._seed, "noise", index).standard_normal(picture.shape, dtype=np.float32)
            noisy = np.rint(picture + np.float32(self._config.noise) * noise)
            picture = np.clip(noisy, 0.0, 255.0).astype(np.uint8)
        frame = np.zeros((height, width, 3), np.uint8)
        frame[area.y : area.bottom, area.x : area.right] = picture
        return frame

    def _table(self, pose: FloatArray) -> Image:
        import cv2

        sprite, area = self._table_sprite, self._area
        if self._still:
            x, y = sprite.origin.astype(int)
            return sprite.image[y : y + area.height, x : x + area.width, :3].copy()
        place = _placement(sprite, pose - np.array([area.x, area.y, 0.0]))
        layer = cv2.warpAffine(sprite.image[..., :3], place, (area.width, area.height), flags=cv2.INTER_LINEAR)
        return np.asarray(layer, np.uint8)

    def _lay(self, picture: Image, sprite: Sprite, pose: FloatArray) -> None:
        """Lay one body over the picture (in place), inside the smallest window that holds it."""
        import cv2

        area = self._area
        place = _placement(sprite, pose - np.array([area.x, area.y, 0.0]))
        height, width = sprite.image.shape[:2]
        corners = np.array([[0, 0, 1], [width - 1, 0, 1], [0, height - 1, 1], [width - 1, height - 1, 1]]) @ place.T
        x0, y0 = np.maximum(np.floor(corners.min(axis=0)).astype(int) - 1, 0)
        x1, y1 = np.minimum(np.ceil(corners.max(axis=0)).astype(int) + 2, (area.width, area.height))
        if x0 >= x1 or y0 >= y1:
            return
        place[:, 2] -= (x0, y0)
        layer = cv2.warpAffine(sprite.image, place, (int(x1 - x0), int(y1 - y0)), flags=cv2.INTER_LINEAR)
        under = picture[y0:y1, x0:x1]
        clear = 255 - layer[..., 3:].astype(np.uint16)
        # x * 257 >> 16 is division by 255, rounded once 128 is added first; exact for products of
        # two bytes.
        kept = (under * clear + 128).astype(np.uint32) * 257 >> 16
        picture[y0:y1, x0:x1] = layer[..., :3] + kept.astype(np.uint8)
