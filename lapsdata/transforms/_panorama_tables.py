"""What of a panorama depends on its cameras alone: which way it looks, and where cameras look the same way."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.geometry import CylinderCamera, pixel_rays

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lapsdata.geometry import EquirectangularCamera, FrameSize, PinholeCamera

__all__ = ["PanoramaTables", "tables_of"]

# Some 8 MB each for four cameras and 1008 x 252 pixels.
_KEPT = 8


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
    """

    rays: NDArray[np.float32]
    first: NDArray[np.float32]
    numbers: NDArray[np.float64]
    around: tuple[bool, bool, float, float, float]
    strides: tuple[int, ...]


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
    from lapsdata.transforms import _panorama_loops as loops

    panorama, cameras = calibration.panorama, calibration.cameras
    rays = _rays(type(panorama), panorama.size, panorama.h_fov_deg, panorama.v_fov_deg, panorama.elevation_deg)
    edges = np.radians([panorama.high_deg, panorama.low_deg])
    cylinder = isinstance(panorama, CylinderCamera)
    high, low = np.tan(edges) if cylinder else edges
    fov = float(np.radians(panorama.h_fov_deg))
    steps = (fov / panorama.size.width, float(high - low) / panorama.size.height)
    first, numbers, strides = np.empty((len(cameras), *rays.shape[:2], 2), np.float32), [], []
    for camera, pixels in zip(cameras, first, strict=True):
        turn = camera.cam2world[:3, :3].T @ panorama.cam2world[:3, :3]
        place = camera.cam2world[:3, :3].T @ (panorama.cam2world[:3, 3] - camera.cam2world[:3, 3])
        numbers.append(np.concatenate([camera.focal_px, camera.centre_px, turn.ravel(), place]))
        loops.look(rays, numbers[-1], camera.size.shape, pixels)
        # In its middle a picture has the fewest pixels per angle.
        strides.append(max(1, int(min(step * focal for step, focal in zip(steps, camera.focal_px, strict=True)))))
    return PanoramaTables(
        rays=rays,
        first=first,
        numbers=np.stack(numbers),
        around=(cylinder, panorama.h_fov_deg == 360, fov, float(high), float(low)),
        strides=tuple(strides),
    )


# Apart from the rest: poses of one rig that are computed anew for each frame differ in their last digits, the panorama
# stays as it is.
@lru_cache(maxsize=_KEPT)
def _rays(
    kind: type[CylinderCamera | EquirectangularCamera], size: FrameSize, h_fov: float, v_fov: float, elevation: float
) -> NDArray[np.float32]:
    """Return which way the pixels of a panorama look, in its own axes (H, W, 3)."""
    own = kind(size=size, cam2world=np.eye(4), h_fov_deg=h_fov, v_fov_deg=v_fov, elevation_deg=elevation)
    return pixel_rays(own).astype(np.float32)
