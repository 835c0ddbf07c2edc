"""Cameras that look around: cylinders, and pictures whose rows are equal steps of elevation.

Both have columns of equal steps of azimuth a, which grows to the right and is 0 along the camera's z axis, in the
middle of the picture. Elevation e is upwards, against the camera's y axis: `ray = (cos e sin a, -sin e, cos e cos a)`.
They differ in their rows: those of a cylinder are linear in `tan e`, those of an equirectangular picture in `e`; this
one can show the poles.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from lapsdata.errors import Problems, SchemaError
from lapsdata.geometry._arrays import Real, checked, expect
from lapsdata.geometry.cameras import DepthKind, own_pose
from lapsdata.geometry.frame_size import FrameSize

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

__all__ = ["CylinderCamera", "EquirectangularCamera"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Panorama(ABC):
    depth_kinds: ClassVar[tuple[DepthKind, ...]] = ("ray", "radial")
    # What a row can look along at all; a cylinder never ends.
    _steepest_deg: ClassVar[float]

    size: FrameSize
    cam2world: NDArray[np.float64]
    h_fov_deg: float = 360.0
    v_fov_deg: float = 90.0
    elevation_deg: float = 0.0

    def __post_init__(self) -> None:
        expect(self.size, "size", FrameSize)
        problems, names = Problems(), ("h_fov_deg", "v_fov_deg", "elevation_deg")
        for name in names:
            try:
                object.__setattr__(self, name, float(getattr(self, name)))
            except (TypeError, ValueError):
                problems.add("wrong-value", name, f"expected a number of degrees, got {getattr(self, name)!r}")
        problems.raise_as(SchemaError)
        if not 0 < self.h_fov_deg <= 360:
            problems.add("wrong-value", "h_fov_deg", f"expected above 0 and at most 360, got {self.h_fov_deg:g}")
        steepest = self._steepest_deg
        if not (self.v_fov_deg > 0 and -steepest <= self.low_deg and self.high_deg <= steepest):
            message = f"expected rows above each other within {-steepest:g} to {steepest:g} degrees of elevation"
            problems.add("wrong-value", "v_fov_deg", f"{message}, got {self.low_deg:g} to {self.high_deg:g}")
        problems.raise_as(SchemaError)
        object.__setattr__(self, "cam2world", own_pose(self.cam2world))

    @property
    def low_deg(self) -> float:
        """Elevation of the lower edge of the picture."""
        return self.elevation_deg - self.v_fov_deg / 2

    @property
    def high_deg(self) -> float:
        """Elevation of the upper edge of the picture."""
        return self.elevation_deg + self.v_fov_deg / 2

    def rays(self, pixels: NDArray[Real]) -> NDArray[Real]:
        """Return which way pixels look.

        Parameters
        ----------
        pixels : NDArray, shape (..., 2), float32 or float64, pixel xy
            Also outside of the picture: azimuth goes on around.

        Returns
        -------
        NDArray, shape (..., 3), dtype of `pixels`
            Unit vectors in the camera's axes, computed in float64. NaN passes through.

        Raises
        ------
        SchemaError
            Wrong shape (`wrong-shape`) or dtype (`wrong-dtype`).
        """
        pixels = checked(pixels, "pixels", (2,))
        wide = pixels.astype(np.float64)
        azimuth = ((wide[..., 0] + 0.5) / self.size.width - 0.5) * np.radians(self.h_fov_deg)
        elevation = self._elevation((wide[..., 1] + 0.5) / self.size.height)
        level = np.cos(elevation)
        rays = np.stack([level * np.sin(azimuth), -np.sin(elevation), level * np.cos(azimuth)], axis=-1)
        return rays.astype(pixels.dtype)

    def pixels(self, points: NDArray[np.float64], dtype: np.dtype[Any]) -> NDArray[np.floating[Any]]:
        """Return pixels of points in the camera's axes, NaN where no row looks; see `Camera`.

        All around, columns run from -0.5 to below W - 0.5: what lies on the seam is in the first column.
        """
        x, y, z = (points[..., axis] for axis in range(3))
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            across = (np.arctan2(x, z) / np.radians(self.h_fov_deg) + 0.5) * self.size.width - 0.5
            down = self._share(-y, np.hypot(x, z)) * self.size.height - 0.5
            # The camera itself is on none of its rays, and NaN on all axes says that a point is lost.
            lost = ~np.isfinite(points).all(axis=-1) | ~points.any(axis=-1)
        pixels = np.stack([np.where(lost, np.nan, across), np.where(lost, np.nan, down)], axis=-1).astype(dtype)
        if self.h_fov_deg == 360:
            beyond = pixels[..., 0] >= self.size.width - 0.5
            pixels[..., 0][beyond] = -0.5
        return pixels

    def pseudo_intrinsics(self) -> NDArray[np.float64]:
        """Return the matrix that stands in `camera_intrinsics` of cylindrical views for MapAnything.

        Not a pinhole's: nothing may be projected or unprojected with it. Its focal length, along both axes, is the
        number of columns per radian, W / (2 pi) all around, and its centre the middle of the picture, (W / 2, H / 2),
        counted from the outer corner of the top-left pixel, whose own centre is (0.5, 0.5) there.

        Returns
        -------
        NDArray, shape (3, 3), float64

        Examples
        --------
        >>> around = CylinderCamera(size=FrameSize(width=1008, height=252), cam2world=np.eye(4))
        >>> around.pseudo_intrinsics().round(3)
        array([[160.428,   0.   , 504.   ],
               [  0.   , 160.428, 126.   ],
               [  0.   ,   0.   ,   1.   ]])
        """
        focal = self.size.width / np.radians(self.h_fov_deg)
        return np.array([[focal, 0, self.size.width / 2], [0, focal, self.size.height / 2], [0, 0, 1]])

    @abstractmethod
    def _elevation(self, share: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the elevation, radian, at a share of the height from the upper edge."""

    @abstractmethod
    def _share(self, up: NDArray[np.float64], level: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return at which share of the height a point is that is so far up and so far from the upright axis."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EquirectangularCamera(_Panorama):
    """A camera that looks around, with rows of equal steps of elevation.

    Parameters
    ----------
    size : FrameSize
        Of its pictures.
    cam2world : NDArray, shape (4, 4), float64
        As that of `PinholeCamera`.
    h_fov_deg : float, degree, in (0, 360]
        From the outer edge of the first column to that of the last.
    v_fov_deg : float, degree, > 0
        From the outer edge of the last row to that of the first.
    elevation_deg : float, degree
        Of the middle between both; neither edge is beyond a pole.

    Raises
    ------
    SchemaError
        A size, angle or pose that is none (`wrong-type`, `wrong-value`, `not-a-rotation`, `wrong-shape`,
        `wrong-dtype`).

    Examples
    --------
    The centre of the top-left pixel is half a pixel inside: half of 0.357 degrees from the seam, and from 45 degrees.

    >>> around = EquirectangularCamera(size=FrameSize(width=1008, height=252), cam2world=np.eye(4))
    >>> ray = around.rays(np.array([0.0, 0.0]))
    >>> np.degrees([np.arctan2(ray[0], ray[2]), np.arcsin(-ray[1])]).round(3)
    array([-179.821,   44.821])
    """

    _steepest_deg: ClassVar[float] = 90.0

    def _elevation(self, share: NDArray[np.float64]) -> NDArray[np.float64]:
        elevation: NDArray[np.float64] = np.radians(self.high_deg - share * self.v_fov_deg)
        return elevation

    def _share(self, up: NDArray[np.float64], level: NDArray[np.float64]) -> NDArray[np.float64]:
        share: NDArray[np.float64] = (self.high_deg - np.degrees(np.arctan2(up, level))) / self.v_fov_deg
        return share


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CylinderCamera(_Panorama):
    """A camera that looks around, with rows of equal steps of the tangent of elevation: a cylinder, unrolled.

    Parameters
    ----------
    size : FrameSize
        Of its pictures.
    cam2world : NDArray, shape (4, 4), float64
        As that of `PinholeCamera`; the axis of the cylinder is the camera's y.
    h_fov_deg : float, degree, in (0, 360]
        From the outer edge of the first column to that of the last.
    v_fov_deg : float, degree, > 0
        From the outer edge of the last row to that of the first.
    elevation_deg : float, degree
        Half way between both angles; it is in the middle row only where it is 0. Both edges are within 89.9 degrees.

    Raises
    ------
    SchemaError
        As `EquirectangularCamera`.

    Examples
    --------
    >>> around = CylinderCamera(size=FrameSize(width=1008, height=252), cam2world=np.eye(4))
    >>> ray = around.rays(np.array([503.5, 62.5]))
    >>> bool(np.isclose(-ray[1] / ray[2], 0.5)), round(float(np.degrees(np.arcsin(-ray[1]))), 2)
    (True, 26.57)
    """

    # Rows nearer to the axis would be wider than the rest of the picture.
    _steepest_deg: ClassVar[float] = 89.9

    def _elevation(self, share: NDArray[np.float64]) -> NDArray[np.float64]:
        low, high = np.tan(np.radians([self.low_deg, self.high_deg]))
        elevation: NDArray[np.float64] = np.arctan(high + share * (low - high))
        return elevation

    def _share(self, up: NDArray[np.float64], level: NDArray[np.float64]) -> NDArray[np.float64]:
        low, high = np.tan(np.radians([self.low_deg, self.high_deg]))
        share: NDArray[np.float64] = (high - up / np.where(level > 0, level, np.nan)) / (high - low)
        return share
