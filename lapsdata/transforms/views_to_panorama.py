"""Pictures and depth of several cameras as one panorama, seen from one place.

Colours and depth of cameras that do not stand where the panorama stands move by parallax. Depth says by how much: each
ray of the panorama is met with the surfaces that the cameras measured, and the nearest one counts. Without depth there
is only the assumption that everything is infinitely far.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from lapsdata.errors import Problem, Problems, SchemaError
from lapsdata.geometry import CylinderCamera, EquirectangularCamera, FrameSize, PinholeCamera
from lapsdata.transforms._panorama_steps import (
    Surfaces,
    blended,
    gathered,
    gathered_at_infinity,
    inverted,
    nearest_surfaces,
)
from lapsdata.transforms._panorama_tables import PanoramaTables, tables_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["ColourPolicy", "Panorama", "PanoramaRig", "SkyMark", "views_to_panorama"]

ColourPolicy = Literal["by_depth", "infinity"]
"""Where colours come from: the pixels that see what depth says is there (and, where it says nothing, those that look
the same way), or the pixels that look the same way in any case."""

SkyMark = Literal["negative", "not_finite"]
"""How depth of cameras says that a pixel shows the sky: below 0, or as NaN or infinite. 0 is always not known."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PanoramaRig:
    """Cameras that are fixed to one another, and the panorama that is made of them.

    Parameters
    ----------
    cameras : sequence of PinholeCamera
        Any number, of any sizes, with poses in one frame, for instance that of the car. Cameras bolted to a car keep
        one calibration for all frames: what depends on it alone is computed once, for the last few of them.
    panorama : EquirectangularCamera or CylinderCamera
        With its pose in the same frame: the centre of the car, or `cam2world=cameras[0].cam2world`.
    crop_first : bool
        Cut the pictures of cameras to the aspect of the panorama before anything else. Only to reproduce what others
        did: of four pictures 4:3 made into one 4:1, two thirds of the panorama are lost.

    Raises
    ------
    SchemaError
        No camera, or one of fewer than 2 x 2 pixels (`wrong-value`); something else than cameras (`wrong-type`).

    Examples
    --------
    >>> front, back = (
    ...     PinholeCamera(
    ...         size=FrameSize(width=8, height=6), focal_px=(4.0, 4.0), centre_px=(3.5, 2.5),
    ...         cam2world=np.diag([sign, 1.0, sign, 1.0]),
    ...     )
    ...     for sign in (1.0, -1.0)
    ... )
    >>> around = EquirectangularCamera(size=FrameSize(width=40, height=10), cam2world=np.eye(4))
    >>> PanoramaRig(cameras=[front, back], panorama=around).views.mean(axis=(1, 2)).tolist()
    [0.19, 0.19]
    """

    cameras: Sequence[PinholeCamera]
    panorama: CylinderCamera | EquirectangularCamera
    crop_first: bool = False
    _used: tuple[PinholeCamera, ...] = field(init=False, repr=False)
    _parts: tuple[tuple[slice, slice], ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        problems = Problems()
        cameras, panorama = tuple(self.cameras), self.panorama
        if not cameras:
            problems.add("wrong-value", "cameras", "expected at least one camera, got none")
        for number, camera in enumerate(cameras):
            where = f"cameras[{number}]"
            problem = _no(PinholeCamera, camera, where)
            if problem is None and min(camera.size.shape) < 2:
                problem = Problem("wrong-value", where, f"expected at least 2 x 2 pixels, got {camera.size}")
            problems.extend([problem] if problem else [])
        problem = _no((CylinderCamera, EquirectangularCamera), panorama, "panorama")
        problems.extend([problem] if problem else [])
        problems.raise_as(SchemaError)
        used, parts = zip(*(_cropped(one, panorama.size, self.crop_first) for one in cameras), strict=True)
        for name, value in (("cameras", cameras), ("_used", used), ("_parts", parts)):
            object.__setattr__(self, name, value)

    @property
    def views(self) -> NDArray[np.bool_]:
        """Whether each camera looks along each ray of the panorama, shape (V, H, W): where it sees what is far away."""
        return ~np.isnan(self._tables.first[..., 0])

    @property
    def _tables(self) -> PanoramaTables:
        return tables_of(self._used, self.panorama)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Panorama:
    """A panorama, and what is known of each of its pixels; see `views_to_panorama`.

    Parameters
    ----------
    camera : EquirectangularCamera or CylinderCamera
        Its model, with its pose in the frame of the rig: `compose_poses(car2world, camera.cam2world)` leads to the
        world.
    image : NDArray, shape (H, W, 3), uint8
        Colours in the order they came in; black where not covered.
    depth : NDArray, shape (H, W), float32, metre
        Along the ray (kind `"ray"`). 0 where not known, and never NaN. -1 for the sky: no camera measured a surface on
        the ray, and one that looks the same way sees the sky.
    valid : NDArray, shape (H, W), bool
        Has depth.
    covered : NDArray, shape (H, W), bool
        Has a colour.
    non_ambiguous : NDArray, shape (H, W), bool
        Has a colour, is not the sky, is not at an edge between surfaces, no camera looks through the surface that
        another one measured, and the colour is not of a surface that is elsewhere.
    sky, at_edges, disagreeing, at_infinity, elsewhere : int
        How many pixels are the sky; are at an edge and have the depth of the surface in front; have depth that another
        camera looks through; have colours of cameras that look the same way, since depth is not known; and how many of
        these show what a camera measured to be at another place, since it is not infinitely far.
    """

    camera: CylinderCamera | EquirectangularCamera
    image: NDArray[np.uint8]
    depth: NDArray[np.float32]
    valid: NDArray[np.bool_]
    covered: NDArray[np.bool_]
    non_ambiguous: NDArray[np.bool_]
    sky: int
    at_edges: int
    disagreeing: int
    at_infinity: int
    elsewhere: int


def views_to_panorama(
    images: Sequence[NDArray[np.uint8]],
    rig: PanoramaRig,
    *,
    depths: Sequence[NDArray[np.float32]] | None = None,
    colour: ColourPolicy = "by_depth",
    sky: SkyMark = "negative",
    agreement: float = 0.01,
) -> Panorama:
    """Make one panorama of the pictures that cameras took at one time.

    Parameters
    ----------
    images : sequence of NDArray, shape (h, w, 3), uint8
        One per camera of the rig, in its order and of its size.
    rig : PanoramaRig
    depths : sequence of NDArray, shape (h, w), float32, metre
        Along the axes of the cameras (kind `"z"`); 0 where not known. None: no panorama has depth.
    colour : {"by_depth", "infinity"}
        `"by_depth"`: each pixel with depth has the colours of the cameras that see this point, so that a cloud of
        coloured points is right; the others have the colours that the second policy gives. Where depth is sparse, as
        that of a LiDAR, the picture is made of both, pixel beside pixel. `"infinity"`: cameras that look the same way;
        a whole picture, whose near things are not where their depth is, except from a camera's own place.
    sky : {"negative", "not_finite"}
        How depth marks the sky.
    agreement : float, in [0, 1)
        How much farther, as a share, one of four neighbouring pixels may be than another for both to be one surface,
        on which inverse depth is bilinear; beyond it they still are where the slope goes on at one of their sides. The
        same share may lie between two cameras' measures of one point.

    Returns
    -------
    Panorama
        Several cameras are blended by the cosine of the angle between their axis and the ray. Depth is that of the
        nearest surface; at edges, and beside pixels without depth, that of the neighbour in front, never of a mix. Its
        place is exact on planes, and within what bilinear inverse depth says of anything else.

    Raises
    ------
    SchemaError
        As many pictures as there are not cameras (`wrong-value`), other shapes (`wrong-shape`) or dtypes
        (`wrong-dtype`), a word that is none (`unknown-choice`), depth that the policy has no meaning for
        (`wrong-value`), colours by depth without depth (`wrong-value`).

    Examples
    --------
    A wall 5 m ahead of a camera that stands 1 m ahead of the panorama:

    >>> pose = np.eye(4)
    >>> pose[2, 3] = 1.0
    >>> camera = PinholeCamera(
    ...     size=FrameSize(width=80, height=60), focal_px=(40.0, 40.0), centre_px=(39.5, 29.5), cam2world=pose
    ... )
    >>> around = EquirectangularCamera(size=FrameSize(width=41, height=11), cam2world=np.eye(4))
    >>> wall = np.full((60, 80), 5.0, np.float32)
    >>> rig = PanoramaRig(cameras=[camera], panorama=around)
    >>> made = views_to_panorama([np.full((60, 80, 3), 200, np.uint8)], rig, depths=[wall])
    >>> made.depth[5, 20], made.image[5, 20].tolist(), bool(made.covered[5, 0])
    (np.float32(6.0), [200, 200, 200], False)
    """
    for name, word, words in (("colour", colour, get_args(ColourPolicy)), ("sky", sky, get_args(SkyMark))):
        if word not in words:
            message = f"expected one of {', '.join(map(repr, words))}, got {word!r}"
            raise SchemaError(Problem("unknown-choice", name, message))
    if depths is None and colour == "by_depth":
        fix = 'hand over depths, or write colour="infinity"'
        raise SchemaError(Problem("wrong-value", "colour", 'expected depth for "by_depth", got none', fix))
    if not 0 <= agreement < 1:
        raise SchemaError(Problem("wrong-value", "agreement", f"expected 0 or more and below 1, got {agreement!r}"))
    views = _checked(images, rig, "images", np.dtype(np.uint8), (3,))
    measured = None if depths is None else _checked(depths, rig, "depths", np.dtype(np.float32), ())
    tables, size = rig._tables, rig.panorama.size
    if measured is None:
        found, samples = None, gathered_at_infinity(tables)
    else:
        inverses = _inverses(measured, sky)
        found = nearest_surfaces(inverses, tables, agreement)
        policy = (agreement, colour == "by_depth", sky == "negative")
        samples = gathered(measured, inverses, tables, found, policy)
    image, covered = blended(views, samples, size)
    return _told(rig, image, covered, found)


def _no(kind: type[Any] | tuple[type[Any], ...], value: object, where: str) -> Problem | None:
    """Return a problem unless a value is of one of some types."""
    if isinstance(value, kind):
        return None
    names = " or ".join(one.__name__ for one in (kind if isinstance(kind, tuple) else (kind,)))
    return Problem("wrong-type", where, f"expected a {names}, got {value!r}")


def _cropped(camera: PinholeCamera, size: FrameSize, crop: bool) -> tuple[PinholeCamera, tuple[slice, slice]]:
    """Return a camera as it is used, and the part of its picture that it then has: all, or the middle of an aspect."""
    if not crop:
        return camera, (slice(None), slice(None))
    (height, width), (rows, columns) = camera.size.shape, size.shape
    wide, high = min(width, height * columns // rows), min(height, width * rows // columns)
    x, y = (width - wide) // 2, (height - high) // 2
    centre = (camera.centre_px[0] - x, camera.centre_px[1] - y)
    cut = replace(camera, size=FrameSize(width=wide, height=high), centre_px=centre)
    return cut, (slice(y, y + high), slice(x, x + wide))


def _checked(
    given: Sequence[NDArray[Any]], rig: PanoramaRig, name: str, dtype: np.dtype[Any], tail: tuple[int, ...]
) -> list[NDArray[Any]]:
    """Return one array per camera, the parts that are used of them."""
    if len(given) != len(rig.cameras):
        raise SchemaError(
            Problem("wrong-value", name, f"expected {len(rig.cameras)}, one per camera, got {len(given)}")
        )
    problems = Problems()
    for number, (values, camera) in enumerate(zip(given, rig.cameras, strict=True)):
        have, want = np.asarray(values), (*camera.size.shape, *tail)
        if have.shape != want:
            problems.add("wrong-shape", f"{name}[{number}]", f"expected {want}, got {have.shape}")
        if have.dtype != dtype:
            problems.add("wrong-dtype", f"{name}[{number}]", f"expected {dtype}, got {have.dtype}")
    problems.raise_as(SchemaError)
    return [np.ascontiguousarray(values[part]) for values, part in zip(given, rig._parts, strict=True)]


def _inverses(depths: Sequence[NDArray[np.float32]], sky: SkyMark) -> list[NDArray[np.float32]]:
    """Return inverse depth; refuse depth that is neither a length, nor 0, nor the mark of the sky."""
    problems, found = Problems(), [inverted(depth) for depth in depths]
    for number, one in enumerate(found):
        wrong, what = (one.lost, "NaN or infinite") if sky == "negative" else (one.below, "below 0")
        if wrong:
            message = f"expected 0 or a length, and the sky marked as {sky}, got {wrong} pixels {what}"
            fix = "write 0 where depth is not known, or name the mark of the sky"
            problems.add("wrong-value", f"depths[{number}]", message, fix)
    problems.raise_as(SchemaError)
    return [one.inverse for one in found]


def _told(rig: PanoramaRig, image: NDArray[np.uint8], covered: NDArray[np.bool_], found: Surfaces | None) -> Panorama:
    """Return what was made, with its masks and what is counted."""
    from lapsdata.transforms import _panorama_loops as loops

    if found is None:
        depth, flags = np.zeros(covered.shape, np.float32), np.zeros(covered.shape, np.uint8)
        flags[covered] = loops.FLAG_INFINITY
    else:
        depth, flags = found.length, found.flags
    marks = ("SKY", "EDGE", "DISAGREE", "INFINITY", "ELSEWHERE")
    sky, edge, disagree, infinity, elsewhere = ((flags & getattr(loops, f"FLAG_{mark}")) > 0 for mark in marks)
    depth[sky] = -1
    return Panorama(
        camera=rig.panorama,
        image=image,
        depth=depth,
        valid=depth > 0,
        covered=covered,
        non_ambiguous=covered & ~(sky | edge | disagree | elsewhere),
        sky=int(sky.sum()),
        at_edges=int(edge.sum()),
        disagreeing=int(disagree.sum()),
        at_infinity=int(infinity.sum()),
        elsewhere=int(elsewhere.sum()),
    )
