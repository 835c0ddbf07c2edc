"""Cameras: where points of the world are in their pictures, and which way their pixels look.

A camera has OpenCV's axes (x right, y down, z forward), a picture this library's pixels: the centre of the top-left
one is (0, 0), so the middle of a frame of W x H is at ((W - 1) / 2, (H - 1) / 2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple, Protocol, Self, runtime_checkable

import numpy as np

from lapsdata.errors import Problem, Problems, SchemaError
from lapsdata.geometry._arrays import Real, checked, expect
from lapsdata.geometry.conventions import inside_frame
from lapsdata.geometry.frame_size import FrameSize
from lapsdata.geometry.poses import invert_poses

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from numpy.typing import NDArray

__all__ = ["Camera", "DepthKind", "PinholeCamera", "ProjectedPoints", "pixel_rays", "project_points"]

DepthKind = Literal["z", "ray", "radial"]
"""What depth is measured along: the axis of the camera (z), the ray of the pixel, or the part of this ray that is level
with the camera's x and z axes (`radial`: the distance from the axis of a cylinder)."""


@runtime_checkable
class Camera(Protocol):
    """What every model of a camera offers; arrays hold OpenCV's axes and this library's pixels.

    Examples
    --------
    >>> from lapsdata.geometry import EquirectangularCamera
    >>> isinstance(EquirectangularCamera(size=FrameSize(width=8, height=4), cam2world=np.eye(4)), Camera)
    True
    """

    @property
    def depth_kinds(self) -> tuple[DepthKind, ...]:
        """What depth in its pictures can be measured along, its own kind first."""

    @property
    def size(self) -> FrameSize:
        """The size of its pictures."""

    @property
    def cam2world(self) -> NDArray[np.float64]:
        """Its pose, shape (4, 4)."""

    def rays(self, pixels: NDArray[Real]) -> NDArray[Real]:
        """Return unit vectors (..., 3) in the camera's axes that pixels (..., 2) look along."""

    def pixels(self, points: NDArray[np.float64], dtype: np.dtype[Any]) -> NDArray[np.floating[Any]]:
        """Return pixels (..., 2) of points (..., 3) in the camera's axes, NaN for those that no pixel looks at.

        Pixels may be outside of the picture.
        """


class ProjectedPoints(NamedTuple):
    """Points of the world as a camera sees them; see `project_points`.

    Parameters
    ----------
    points : NDArray, shape (..., 2), pixel xy
    vis : NDArray, shape (...), bool
    depth : NDArray, shape (...), float64

    Examples
    --------
    >>> camera = PinholeCamera(
    ...     size=FrameSize(width=5, height=3), focal_px=(2.0, 2.0), centre_px=(2.0, 1.0), cam2world=np.eye(4)
    ... )
    >>> project_points(np.array([[0.0, 0.0, 4.0], [0.0, 0.0, -4.0]]), camera).vis
    array([ True, False])
    """

    points: NDArray[np.floating[Any]]
    vis: NDArray[np.bool_]
    depth: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PinholeCamera:
    """A camera that stands still and bends no line.

    Parameters
    ----------
    size : FrameSize
        Of its pictures.
    focal_px : (float, float), pixel, > 0
        Focal length along x and along y.
    centre_px : (float, float), pixel xy
        Where its axis meets the picture.
    cam2world : NDArray, shape (4, 4), float64
        Rotation and translation; columns of the rotation are the camera's axes x right, y down, z forward. A camera
        with OpenGL's axes goes through `flip_camera_axes` first.

    Raises
    ------
    SchemaError
        A size, length or pose that is none (`wrong-type`, `wrong-value`, `not-a-rotation`, `wrong-shape`,
        `wrong-dtype`).

    Examples
    --------
    >>> camera = PinholeCamera.looking_at(
    ...     eye=(0.0, -2.0, 0.0), target=(0.0, 0.0, 0.0), size=FrameSize(width=640, height=480), focal_px=(500.0, 500.0)
    ... )
    >>> camera.centre_px, (camera.cam2world[:3, 2] + 0.0).tolist()
    ((319.5, 239.5), [0.0, 1.0, 0.0])
    """

    depth_kinds: ClassVar[tuple[DepthKind, ...]] = ("z", "ray")

    size: FrameSize
    focal_px: tuple[float, float]
    centre_px: tuple[float, float]
    cam2world: NDArray[np.float64]

    def __post_init__(self) -> None:
        expect(self.size, "size", FrameSize)
        problems = Problems()
        pairs = {name: _numbers(getattr(self, name), 2) for name in ("focal_px", "centre_px")}
        for name, pair in pairs.items():
            positive = name == "focal_px"
            if pair is None or (positive and min(pair) <= 0):
                kind = "two finite numbers above 0" if positive else "two finite numbers"
                problems.add("wrong-value", name, f"expected {kind}, got {getattr(self, name)!r}")
            else:
                object.__setattr__(self, name, pair)
        problems.raise_as(SchemaError)
        object.__setattr__(self, "cam2world", own_pose(self.cam2world))

    @classmethod
    def looking_at(
        cls,
        *,
        eye: Sequence[float],
        target: Sequence[float],
        size: FrameSize,
        focal_px: tuple[float, float],
        up: Sequence[float] = (0.0, 0.0, 1.0),
    ) -> Self:
        """Return a camera at one point of the world that has another in the middle of its picture.

        Parameters
        ----------
        eye, target : sequence of three float
            Where it stands, and what it looks at.
        size : FrameSize
        focal_px : (float, float), pixel, > 0
        up : sequence of three float
            A direction that is upwards in the picture, or as near to it as looking at the target allows.

        Raises
        ------
        SchemaError
            Also where the target is the eye, or straight up or down from it (`wrong-value`).
        """
        given = {name: _numbers(value, 3) for name, value in (("eye", eye), ("target", target), ("up", up))}
        for name, value in given.items():
            if value is None:
                raise SchemaError(Problem("wrong-value", name, "expected three finite numbers, got others"))
        place, aim, above = (np.array(given[name]) for name in ("eye", "target", "up"))
        ahead = aim - place
        right = np.cross(ahead, above)
        # The sine of the angle between both: below this, rounding would say which way is right.
        if np.linalg.norm(right) <= 1e-6 * np.linalg.norm(ahead) * np.linalg.norm(above):
            message = "expected a target beside the line through the eye along `up`, got one on it"
            raise SchemaError(Problem("wrong-value", "target", message, "give another direction `up`"))
        forward, right = ahead / np.linalg.norm(ahead), right / np.linalg.norm(right)
        pose = np.eye(4)
        pose[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=-1)
        pose[:3, 3] = place
        expect(size, "size", FrameSize)
        return cls(
            size=size, focal_px=focal_px, centre_px=((size.width - 1) / 2, (size.height - 1) / 2), cam2world=pose
        )

    def rays(self, pixels: NDArray[Real]) -> NDArray[Real]:
        """Return which way pixels look.

        Parameters
        ----------
        pixels : NDArray, shape (..., 2), float32 or float64, pixel xy

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
        level = (pixels.astype(np.float64) - self.centre_px) / self.focal_px
        rays = np.concatenate([level, np.ones_like(level[..., :1])], axis=-1)
        rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
        return rays.astype(pixels.dtype)

    def pixels(self, points: NDArray[np.float64], dtype: np.dtype[Any]) -> NDArray[np.floating[Any]]:
        """Return pixels of points in the camera's axes, NaN for those not in front of it; see `Camera`."""
        # What is infinite, or so near that no pixel could hold it, is outside.
        with np.errstate(over="ignore", invalid="ignore"):
            places = points[..., :2] / np.where(points[..., 2:] > 0, points[..., 2:], np.nan)
            pixels: NDArray[np.floating[Any]] = (places * self.focal_px + self.centre_px).astype(dtype)
        return pixels


def pixel_rays(camera: Camera) -> NDArray[np.float64]:
    """Return which way every pixel of a camera looks.

    Parameters
    ----------
    camera : Camera

    Returns
    -------
    NDArray, shape (H, W, 3), float64
        Unit vectors in the camera's axes, through the centres of its pixels.

    Raises
    ------
    SchemaError
        Something else than a camera (`wrong-type`).

    Examples
    --------
    >>> camera = PinholeCamera(
    ...     size=FrameSize(width=5, height=3), focal_px=(2.0, 2.0), centre_px=(2.0, 1.0), cam2world=np.eye(4)
    ... )
    >>> pixel_rays(camera).shape, pixel_rays(camera)[1, 2].tolist()
    ((3, 5, 3), [0.0, 0.0, 1.0])
    """
    camera = expect_camera(camera)
    across, down = np.meshgrid(np.arange(camera.size.width), np.arange(camera.size.height))
    return camera.rays(np.stack([across, down], axis=-1).astype(np.float64))


def project_points(points: NDArray[np.floating[Any]], camera: Camera) -> ProjectedPoints:
    """Return where points of the world are in the picture of a camera.

    Nothing hides a point but the border of the picture: a camera knows no surfaces.

    Parameters
    ----------
    points : NDArray, shape (..., 3), float32 or float64, world
    camera : PinholeCamera, CylinderCamera or EquirectangularCamera

    Returns
    -------
    points : NDArray, shape (..., 2), dtype of `points`, pixel xy
        With (X, Y, Z) in the camera's axes and a pinhole, `x = fx X / Z + cx`, `y = fy Y / Z + cy` (Hartley and
        Zisserman, Multiple View Geometry, 6.1); panoramas say theirs. Computed in float64. NaN where `vis` is False.
    vis : NDArray, shape (...), bool
        Whether a point is on a pixel of the picture (`inside_frame`), and in front of a pinhole (Z > 0); False for NaN.
    depth : NDArray, shape (...), float64, unit of the world
        Of the camera's own kind, also of points that are not visible: Z of a pinhole, which may be negative, the length
        of the ray of a panorama.

    Raises
    ------
    SchemaError
        Wrong shape (`wrong-shape`), dtype (`wrong-dtype`) or camera (`wrong-type`).

    Examples
    --------
    >>> camera = PinholeCamera(
    ...     size=FrameSize(width=640, height=480), focal_px=(500.0, 400.0), centre_px=(320.0, 240.0),
    ...     cam2world=np.eye(4),
    ... )
    >>> seen = project_points(np.array([[0.2, 0.1, 2.0], [0.2, 0.1, -2.0], [9.0, 0.0, 2.0]]), camera)
    >>> seen.points[0], seen.vis
    (array([370., 260.]), array([ True, False, False]))
    """
    points = checked(points, "points", (3,))
    camera = expect_camera(camera)
    world2cam = invert_poses(camera.cam2world)
    with np.errstate(over="ignore", invalid="ignore"):
        held = points.astype(np.float64) @ world2cam[:3, :3].T + world2cam[:3, 3]
        depth = held[..., 2] if camera.depth_kinds[0] == "z" else np.linalg.norm(held, axis=-1)
        pixels = camera.pixels(held, points.dtype)
    vis = inside_frame(pixels, camera.size)
    return ProjectedPoints(np.where(vis[..., np.newaxis], pixels, np.array(np.nan, points.dtype)), vis, depth)


def own_pose(cam2world: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a pose (4, 4) that nobody else can change, or say why it is none."""
    pose = checked(cam2world, "cam2world", (4, 4))
    if pose.ndim != 2 or not np.isfinite(pose).all():
        got = f"shape {pose.shape}" if pose.ndim != 2 else "numbers that are not finite"
        raise SchemaError(Problem("wrong-value", "cam2world", f"expected one finite (4, 4) matrix, got {got}"))
    invert_poses(pose)
    own = pose.astype(np.float64)
    own.flags.writeable = False
    return own


def expect_camera(camera: object) -> Camera:
    """Return a camera, or say that something is none."""
    if isinstance(camera, Camera):
        return camera
    message = f"expected a PinholeCamera, CylinderCamera or EquirectangularCamera, got {camera!r}"
    raise SchemaError(Problem("wrong-type", "camera", message))


def _numbers(value: object, count: int) -> tuple[float, ...] | None:
    """Return some finite numbers, or None."""
    try:
        given = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        return None
    fits = given.shape == (count,) and np.isfinite(given).all()
    return tuple(given.tolist()) if fits else None
