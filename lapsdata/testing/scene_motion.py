"""Where every body of a rendered scene is at any time: analytic, so that any frame rate is exact.

All bodies are rigid: a pose is (x, y, angle), and carries a point of the body to the picture by
``R(angle) @ point + (x, y)``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lapsdata.testing.scene_plan import Layout, draw_plan, random_stream

if TYPE_CHECKING:
    import numpy.typing as npt

    from lapsdata.testing.scene_config import SceneConfig

    FloatArray = npt.NDArray[np.float64]

__all__ = ["SceneMotion", "rotate", "travelled"]

# Each action starts from rest and stops within this time, as a driven arm does; between it cruises. With one
# minimum-jerk sweep over the whole action, a 4 s action would pass its first 0.8 s below a tenth of its top
# speed, and no boundary could be seen to 0.25 s.
RAMP_S = 0.3
# Hand-held cameras sway and tremble in this range (Hz).
SHAKE_BAND_HZ = (0.3, 3.0)
SHAKE_WAVES = 4


def rotate(angle: FloatArray, xy: FloatArray) -> FloatArray:
    """Turn vectors, shape (..., 2), by angles of shape (...,), radian, x towards y."""
    cos, sin = np.cos(angle), np.sin(angle)
    return np.stack([cos * xy[..., 0] - sin * xy[..., 1], sin * xy[..., 0] + cos * xy[..., 1]], axis=-1)


def travelled(elapsed_s: FloatArray, duration_s: FloatArray) -> FloatArray:
    """Return the share of the way, 0 to 1, that is done `elapsed_s` after the start of an action.

    The speed rises by ``3 u**2 - 2 u**3`` over the ramp, stays, and falls alike: of all ways from rest to a
    given speed in a given time the one of least squared jerk (Flash & Hogan 1985, with a free end point).

    Parameters
    ----------
    elapsed_s, duration_s : numpy.ndarray, shape (...,), float64, seconds
        Before 0 nothing is travelled; after the duration everything.

    Returns
    -------
    numpy.ndarray, shape (...,), float64

    Examples
    --------
    >>> travelled(np.array([0.0, 0.15, 1.0, 2.0]), np.array(2.0)).round(4).tolist()
    [0.0, 0.0165, 0.5, 1.0]
    """
    ramp = np.minimum(RAMP_S, 0.5 * duration_s)
    speed = 1.0 / (duration_s - ramp)

    def rising(since: FloatArray) -> FloatArray:
        u = np.clip(since / ramp, 0.0, 1.0)
        return speed * (ramp * (u**3 - 0.5 * u**4) + np.maximum(since - ramp, 0.0))

    first_half = elapsed_s <= 0.5 * duration_s
    return np.where(first_half, rising(elapsed_s), 1.0 - rising(duration_s - elapsed_s))


class SceneMotion:
    """Poses of all bodies and of the camera over time.

    Bodies, back to front: table, mat, blocks, upper arm, forearm, palm, left finger, right finger. Table and
    mat are still in the world; a carried block comes before the other blocks.

    Parameters
    ----------
    seed : int
        Seed of the scene.
    config : SceneConfig
        Its options.
    """

    def __init__(self, seed: int, config: SceneConfig) -> None:
        area = config.active_area
        self.layout = Layout(area.width, area.height, min(area.width, area.height) / 240.0)
        self.plan = draw_plan(seed, config, self.layout)
        self.offset = np.array([area.x, area.y], dtype=np.float64)
        self.first_arm = 2 + config.blocks
        self.names = (
            "table",
            "mat",
            *(f"block{index}" for index in range(config.blocks)),
            "upper_arm",
            "forearm",
            "palm",
            "finger_left",
            "finger_right",
        )
        rng = random_stream(seed, "shake")
        self._wave_hz = rng.uniform(*SHAKE_BAND_HZ, (SHAKE_WAVES, 3))
        self._wave_phase = rng.uniform(0.0, 2.0 * np.pi, (SHAKE_WAVES, 3))
        # Equal waves of amplitude a have a root mean square of a * sqrt(n / 2). The roll moves the corners of
        # the picture half as far as the shift does.
        corner = 0.5 * float(np.hypot(area.width, area.height))
        self._wave_size = config.shake_px * np.sqrt(2.0 / SHAKE_WAVES) * np.array([1.0, 1.0, 0.5 / corner])
        mat_x, mat_y = random_stream(seed, "mat").uniform((0.25, 0.62), (0.75, 0.80))
        self.mat_xy = np.array([mat_x * area.width, mat_y * area.height])

    @property
    def margin_px(self) -> int:
        """Upper bound (int, pixel) of the camera's shift anywhere in the picture."""
        return int(np.ceil(1.5 * SHAKE_WAVES * self._wave_size[0])) + 2

    def camera(self, time_s: FloatArray) -> FloatArray:
        """Return shift (pixel) and roll (radian) of the picture, shape (..., 3)."""
        phase = 2.0 * np.pi * self._wave_hz * time_s[..., None, None] + self._wave_phase
        return np.asarray(np.sin(phase).sum(axis=-2) * self._wave_size)

    def hand(self, time_s: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the hand's pose in the world, shape (..., 3), and the fingers' gap, shape (...,), pixel."""
        plan = self.plan
        action = np.maximum(np.searchsorted(plan.start_s, time_s, side="right") - 1, 0)
        share = travelled(time_s - plan.start_s[action], (plan.end_s - plan.start_s)[action])
        gap = plan.gap_from[action] + share * (plan.gap_to - plan.gap_from)[action]
        s = share[..., None]
        start, end, control = plan.pose_from[action], plan.pose_to[action], plan.control[action]
        xy = (1 - s) ** 2 * start[..., :2] + 2 * s * (1 - s) * control + s**2 * end[..., :2]
        angle = start[..., 2:] + s * (end - start)[..., 2:]
        return np.concatenate([xy, angle], axis=-1), gap

    def _block(self, index: int, time_s: FloatArray, hand: FloatArray) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
        spans, rests = self.plan.carried[index], self.plan.rests[index]
        done = np.searchsorted(spans[:, 1], time_s, side="right")
        begun = np.searchsorted(spans[:, 0], time_s, side="right")
        held = begun > done
        return np.where(held[..., None], hand, rests[done]), held

    def _arm(self, hand: FloatArray, gap: FloatArray) -> list[FloatArray]:
        """Return the poses of both links (their middles), palm and fingers, each of shape (..., 3)."""
        layout, angle = self.layout, hand[..., 2]
        zero = np.zeros_like(angle)

        def on_hand(x: FloatArray, y: float) -> FloatArray:
            return np.concatenate([hand[..., :2] + rotate(angle, np.stack([x, zero + y], -1)), hand[..., 2:]], -1)

        wrist = on_hand(zero, -layout.wrist)[..., :2]
        span = wrist - layout.shoulder
        length = np.hypot(span[..., 0], span[..., 1])[..., None]
        # Two equal links: the elbow stands on the perpendicular bisector of shoulder and wrist.
        normal = np.stack([-span[..., 1], span[..., 0]], -1) / length
        elbow = layout.shoulder + 0.5 * span + normal * np.sqrt(layout.link**2 - 0.25 * length**2)
        links = []
        for near, far in ((layout.shoulder, elbow), (elbow, wrist)):
            along = far - near
            links.append(np.concatenate([0.5 * (near + far), np.arctan2(along[..., 1:], along[..., :1])], -1))
        side = layout.block_half + gap + 5.0 * layout.unit
        back = -8.0 * layout.unit
        return [*links, on_hand(zero, -30.0 * layout.unit), on_hand(-side, back), on_hand(side, back)]

    def poses(self, time_s: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return where each body is in the picture, and which one is in front.

        Parameters
        ----------
        time_s : numpy.ndarray, shape (F,), float64, seconds

        Returns
        -------
        poses : numpy.ndarray, shape (K, F, 3), float64
            x, y (pixel of the whole frame) and angle (radian) of the K bodies.
        depth : numpy.ndarray, shape (K, F), float64
            Of two bodies at one pixel the one with the larger number is seen.
        """
        hand, gap = self.hand(time_s)
        still = np.zeros((*time_s.shape, 3))
        world = [still, still + np.append(self.mat_xy, 0.0)]
        depth = np.broadcast_to(np.arange(len(self.names), dtype=np.float64)[:, None], (len(self.names), time_s.size))
        depth = depth.copy()
        for index in range(self.first_arm - 2):
            pose, held = self._block(index, time_s, hand)
            world.append(pose)
            depth[2 + index, held] = self.first_arm - 0.5
        world.extend(self._arm(hand, gap))
        return self._seen(np.stack(world), self.camera(time_s)), depth

    def _seen(self, world: FloatArray, camera: FloatArray) -> FloatArray:
        """Carry poses from the world to the frame: the camera rolls about the middle of the active area."""
        middle = 0.5 * np.array([self.layout.width - 1.0, self.layout.height - 1.0])
        roll = np.broadcast_to(camera[..., 2], world.shape[:-1])
        xy = rotate(roll, world[..., :2] - middle) + middle + camera[..., :2] + self.offset
        return np.concatenate([xy, (world[..., 2] + roll)[..., None]], axis=-1)
