"""A scene of planes, boxes and spheres whose pictures are cast ray by ray: a renderer that shares no code with ours.

The world has OpenCV's axes: y points down, the ground is y = 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata.geometry import CylinderCamera, EquirectangularCamera, FrameSize, PinholeCamera, carla_poses

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Model = PinholeCamera | CylinderCamera | EquirectangularCamera

# x, y, z and yaw of the mounts of OPV2V's four cameras, relative to the car, and their pinhole.
MOUNTS = ((2.5, 0.0, 1.0, 0.0), (0.0, 0.3, 1.8, 100.0), (0.0, -0.3, 1.8, -100.0), (-2.0, 0.0, 1.5, 180.0))
FOCAL_PX = 335.6399
CENTRE = carla_poses(np.array([0.0, 0.0, 1.5, 0.0, 0.0, 0.0]))


def cameras(shrunk: int = 1) -> list[PinholeCamera]:
    """Return the four cameras of OPV2V, 800 x 600, or so many times smaller."""
    width, height = 800 // shrunk, 600 // shrunk
    return [
        PinholeCamera(
            size=FrameSize(width=width, height=height),
            focal_px=(FOCAL_PX / shrunk, FOCAL_PX / shrunk),
            centre_px=((width - 1) / 2, (height - 1) / 2),
            cam2world=carla_poses(np.array([x, y, z, 0.0, yaw, 0.0])),
        )
        for x, y, z, yaw in MOUNTS
    ]


class Picture(NamedTuple):
    """What a camera sees: colours, depth of its kind (-1: sky), what it is (-1: sky), and points of the world."""

    image: NDArray[np.uint8]
    depth: NDArray[np.float32]
    seen: NDArray[np.int64]
    points: NDArray[np.float64]


@dataclass(frozen=True)
class Scene:
    """Ground (number 0), boxes of a centre and half a size (from 1 on), then spheres of a centre and a radius."""

    boxes: tuple[tuple[tuple[float, float, float], tuple[float, float, float]], ...] = ()
    spheres: tuple[tuple[tuple[float, float, float], float], ...] = ()
    ground: bool = True

    def cast(
        self, origin: NDArray[np.float64], rays: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return how many times a ray (..., 3) fits until it meets something (infinite: never), and what that is."""
        lengths = []
        with np.errstate(divide="ignore", invalid="ignore"):
            below = -origin[1] / rays[..., 1]
            lengths.append(np.where((below > 0) & (below < 150) & self.ground, below, np.inf))
            for centre, half in self.boxes:
                one, other = ((np.array(centre) + sign * np.array(half) - origin) / rays for sign in (-1, 1))
                enters, leaves = np.minimum(one, other).max(axis=-1), np.maximum(one, other).min(axis=-1)
                lengths.append(np.where((enters < leaves) & (enters > 0), enters, np.inf))
            for centre_, radius in self.spheres:
                apart = origin - np.array(centre_)
                a, b = (rays**2).sum(axis=-1), rays @ apart
                meets = (-b - np.sqrt(b * b - a * (apart @ apart - radius**2))) / a
                lengths.append(np.where(meets > 0, meets, np.inf))
        every = np.stack(lengths)
        length, seen = every.min(axis=0), every.argmin(axis=0)
        return length, np.where(np.isfinite(length), seen, -1)

    def picture(self, camera: Model, car2world: NDArray[np.float64]) -> Picture:
        """Return what a camera on a car sees; depth is z of a pinhole, the length of the ray of a panorama."""
        pose = car2world @ camera.cam2world
        rays = looks(camera)
        length, seen = self.cast(pose[:3, 3], rays @ pose[:3, :3].T)
        known = np.isfinite(length)
        points = pose[:3, 3] + (np.where(known, length, np.nan)[..., np.newaxis] * rays) @ pose[:3, :3].T
        return Picture(colours(seen), np.where(known, length, -1).astype(np.float32), seen, points)


def colours(seen: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return one flat colour for each thing, so that the colour says what a pixel shows."""
    number = seen + 1
    return np.stack([40 + 60 * (number % 4), 30 + 50 * (number // 4), 250 - 25 * number], axis=-1).astype(np.uint8)


def looks(camera: Model) -> NDArray[np.float64]:
    """Return the rays (H, W, 3) of a camera by the formulas of its kind: z = 1 for a pinhole, length 1 otherwise."""
    across, down = np.meshgrid(np.arange(camera.size.width), np.arange(camera.size.height))
    if isinstance(camera, PinholeCamera):
        (fx, fy), (cx, cy) = camera.focal_px, camera.centre_px
        return np.stack([(across - cx) / fx, (down - cy) / fy, np.ones(across.shape)], axis=-1)
    azimuth = ((across + 0.5) / camera.size.width - 0.5) * np.radians(camera.h_fov_deg)
    share = (down + 0.5) / camera.size.height
    top, bottom = np.radians(camera.elevation_deg + np.array([0.5, -0.5]) * camera.v_fov_deg)
    if isinstance(camera, CylinderCamera):
        elevation = np.arctan(np.tan(top) + share * (np.tan(bottom) - np.tan(top)))
    else:
        elevation = top + share * (bottom - top)
    level = np.cos(elevation)
    return np.stack([level * np.sin(azimuth), -np.sin(elevation), level * np.cos(azimuth)], axis=-1)
