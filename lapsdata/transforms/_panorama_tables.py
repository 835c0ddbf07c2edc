"""What of a panorama depends on its cameras alone: which way it looks, and where cameras look the same way."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lapsdata.geometry import CylinderCamera, inside_frame, pixel_rays

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lapsdata.geometry import EquirectangularCamera, PinholeCamera

__all__ = ["PACKED", "PanoramaTables", "Samples", "tables_of"]

PACKED = 1024
"""Samples are packed in rows of a picture that are as wide as this."""

# Some 16 MB each for four cameras and 1008 x 252 pixels.
_KEPT = 8


class Samples(NamedTuple):
    """Pixels of cameras that give colours: x, y, weight and place in the panorama (V, K), how many of each (V,)."""

    across: NDArray[np.float32]
    down: NDArray[np.float32]
    weight: NDArray[np.float32]
    place: NDArray[np.int32]
    taken: NDArray[np.int64]

    @classmethod
    def empty(cls, views: int, most: int) -> Samples:
        """Return room for so many samples, in whole rows of a packed picture."""
        room = (views, -(-most // PACKED) * PACKED)
        across, down, weight = (np.empty(room, np.float32) for _ in range(3))
        return cls(across, down, weight, np.empty(room, np.int32), np.zeros(views, np.int64))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PanoramaTables:
    """What is computed once per calibration.

    Parameters
    ----------
    rays : NDArray, shape (H, W, 3), float32
        Which way the pixels of the panorama look, in its own axes.
    first : NDArray, shape (V, H, W, 2), float32
        The pixel of each camera that looks the same way, NaN where none does: where it sees what is infinitely far.
    numbers : NDArray, shape (V, 16), float64
        What the loops know of each camera.
    around : tuple
        What they know of the panorama.
    strides : tuple of int
        How many pixels of each camera are one step of the panorama, where it has most of them.
    at_infinity : Samples
        What gives the panorama its colours if everything is infinitely far.
    """

    rays: NDArray[np.float32]
    first: NDArray[np.float32]
    numbers: NDArray[np.float64]
    around: tuple[bool, bool, float, float, float]
    strides: tuple[int, ...]
    at_infinity: Samples


@dataclass(frozen=True, slots=True)
class _Calibration:
    key: tuple[Any, ...]
    cameras: tuple[PinholeCamera, ...] = field(compare=False)
    panorama: CylinderCamera | EquirectangularCamera = field(compare=False)


def tables_of(cameras: Sequence[PinholeCamera], panorama: CylinderCamera | EquirectangularCamera) -> PanoramaTables:
    """Return the tables of a calibration; those of the last few are kept."""
    angles = (panorama.h_fov_deg, panorama.v_fov_deg, panorama.elevation_deg)
    models = ((one.size, one.focal_px, one.centre_px, one.cam2world.tobytes()) for one in cameras)
    key = (type(panorama).__name__, panorama.size, *angles, panorama.cam2world.tobytes(), *models)
    return _tables(_Calibration(key, tuple(cameras), panorama))


@lru_cache(maxsize=_KEPT)
def _tables(calibration: _Calibration) -> PanoramaTables:
    panorama, rays = calibration.panorama, pixel_rays(calibration.panorama)
    numbers, first, strides = [], [], []
    edges = np.radians([panorama.high_deg, panorama.low_deg])
    cylinder = isinstance(panorama, CylinderCamera)
    high, low = np.tan(edges) if cylinder else edges
    fov = float(np.radians(panorama.h_fov_deg))
    for camera in calibration.cameras:
        turn = camera.cam2world[:3, :3].T @ panorama.cam2world[:3, :3]
        place = camera.cam2world[:3, :3].T @ (panorama.cam2world[:3, 3] - camera.cam2world[:3, 3])
        numbers.append(np.concatenate([camera.focal_px, camera.centre_px, turn.ravel(), place]))
        pixels = camera.pixels(rays @ turn.T, np.dtype(np.float32))
        first.append(np.where(inside_frame(pixels, camera.size)[..., np.newaxis], pixels, np.float32(np.nan)))
        # In its middle a picture has the fewest pixels per angle.
        steps = (fov / panorama.size.width, float(high - low) / panorama.size.height)
        strides.append(max(1, int(min(step * focal for step, focal in zip(steps, camera.focal_px, strict=True)))))
    return PanoramaTables(
        rays=rays.astype(np.float32),
        first=np.stack(first),
        numbers=np.stack(numbers),
        at_infinity=_at_infinity(first, calibration.cameras),
        around=(cylinder, panorama.h_fov_deg == 360, fov, float(high), float(low)),
        strides=tuple(strides),
    )


def _at_infinity(first: Sequence[NDArray[np.float32]], cameras: Sequence[PinholeCamera]) -> Samples:
    """List, for each camera, its pixels that look along rays of the panorama."""
    places = [np.flatnonzero(~np.isnan(pixels[..., 0])) for pixels in first]
    samples = Samples.empty(len(cameras), max(map(len, places)))
    for number, (place, pixels, camera) in enumerate(zip(places, first, cameras, strict=True)):
        pixel, taken = pixels.reshape(-1, 2)[place], len(place)
        aside = (pixel - camera.centre_px) / camera.focal_px
        samples.across[number, :taken], samples.down[number, :taken] = pixel.T
        # The cosine of the angle between the ray and the camera's axis.
        samples.weight[number, :taken] = 1 / np.sqrt(1 + (aside**2).sum(axis=-1))
        samples.place[number, :taken], samples.taken[number] = place, taken
    return samples
