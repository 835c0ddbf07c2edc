"""Views of several cameras as views of panoramas: one for each agent of a set, made when somebody asks for its pixels.

The pictures stay where they are. Poses, names and sizes of all panoramas are known at once; a panorama is made when one
of its layers is read.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import numpy as np
from pydantic import Field

from lapsdata.containers import LAYERS, Views
from lapsdata.containers.model_cameras import lens_camera
from lapsdata.errors import Problem, SchemaError
from lapsdata.geometry import (
    CylinderCamera,
    EquirectangularCamera,
    PinholeCamera,
    compose_poses,
    convert_depth,
    invert_poses,
)
from lapsdata.provenance import provenance
from lapsdata.schema import CameraModel, PanoramaAngles
from lapsdata.schema.base import Record, Size
from lapsdata.transforms.views_to_panorama import ColourPolicy, PanoramaRig, views_to_panorama

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from lapsdata.containers import Layer
    from lapsdata.transforms.views_to_panorama import Panorama

__all__ = [
    "CAMERA",
    "CENTRE",
    "PanoramaCounts",
    "PanoramaOptions",
    "PanoramaPixels",
    "counts_of",
    "layers_of",
    "panorama_views",
]

CAMERA = "panorama"
"""What the camera of a panorama is called."""

CENTRE = "centre"
"""The place between the cameras of an agent; see `PanoramaOptions`."""

# Rounding decides which way is ahead where the first camera looks so nearly straight down.
_LEVEL = 1e-3


class PanoramaOptions(Record):
    """How panoramas are made.

    Examples
    --------
    >>> PanoramaOptions().size.frame, PanoramaOptions().model
    (FrameSize(width=1008, height=252), 'equirectangular')
    """

    model: Literal["equirectangular", "cylinder"] = "equirectangular"
    """Whether rows are equal steps of elevation or of its tangent."""
    size: Size = Size(width=1008, height=252)
    """Of the panorama, all around."""
    v_fov_deg: Annotated[float, Field(gt=0, le=180)] = 90.0
    """Angle from its lower edge to its upper one; the middle is level."""
    place: Annotated[str, Field(min_length=1)] = CENTRE
    """The name of a camera, whose place and axes it has; or `centre`, the mean of the places of an agent's cameras,
    upright as they are on average, looking where the first of them does."""
    crop_first: bool = False
    """Cut pictures to the shape of the panorama first, which loses two thirds of it: only to reproduce what others
    did."""
    colour: ColourPolicy | None = None
    """See `views_to_panorama`; null is `by_depth` for agents that have depth, and `infinity` for those that have none,
    which are counted."""


class PanoramaCounts(NamedTuple):
    """What is known of the pixels of a panorama, or of several; see `Panorama`.

    Examples
    --------
    >>> PanoramaCounts(*range(9)).pixels
    0
    """

    pixels: int
    covered: int
    valid: int
    non_ambiguous: int
    sky: int
    at_edges: int
    disagreeing: int
    at_infinity: int
    elsewhere: int


@dataclass(frozen=True, slots=True)
class _Made:
    """What one panorama is made of."""

    views: tuple[int, ...]
    centre: NDArray[np.float64]
    with_depth: tuple[bool, ...]

    @property
    def has_depth(self) -> bool:
        return any(self.with_depth)


class PanoramaPixels:
    """Pixels of panoramas, made when they are read; those of the last one are kept.

    Made by `panorama_views`; see `lapsdata.containers.Pixels`.
    """

    def __init__(self, views: Views, made_of: Sequence[_Made], options: PanoramaOptions) -> None:
        self._views, self._made_of, self._options = views, tuple(made_of), options
        self._last: tuple[int, Panorama] | None = None

    def read(self, layer: Layer, view: int) -> NDArray[Any]:
        """Return a layer of a panorama; see `Pixels`."""
        last = self._last
        if last is None or last[0] != view:
            self._last = last = (view, self.made(view))
        return layers_of(last[1])[layer]

    def told(self, layer: Layer, view: int) -> str:
        """Return which pictures it is made of; see `Pixels`."""
        first = self._made_of[view].views[0]
        return f"{layer} of the panorama of {self._views.pixels.told('image', first)} and others"

    def rig(self, view: int) -> PanoramaRig:
        """Return cameras and panorama of a view, in the axes of the panorama."""
        made, back = self._made_of[view], invert_poses(self._made_of[view].centre)
        cameras = [_camera(self._views, one, compose_poses(back, self._views.cam2world[one])) for one in made.views]
        return PanoramaRig(cameras=cameras, panorama=_around(self._options), crop_first=self._options.crop_first)

    def made(self, view: int) -> Panorama:
        """Make a panorama.

        Parameters
        ----------
        view : int

        Raises
        ------
        CorruptDataError, StorageError
            A picture or its depth is not what it should be.
        """
        made, views, rig = self._made_of[view], self._views, self.rig(view)
        depths = None
        if made.has_depth:
            cameras = zip(made.views, rig.cameras, made.with_depth, strict=True)
            depths = [_depth(views, one, camera, has) for one, camera, has in cameras]
        colour = self._options.colour or ("by_depth" if made.has_depth else "infinity")
        return views_to_panorama([views.read("image", one) for one in made.views], rig, depths=depths, colour=colour)


def layers_of(panorama: Panorama) -> dict[Layer, NDArray[Any]]:
    """Return the layers that a view of a panorama has."""
    return {
        "image": panorama.image,
        "depth": panorama.depth,
        "valid": panorama.valid,
        "covered": panorama.covered,
        "non_ambiguous": panorama.non_ambiguous,
    }


def counts_of(panorama: Panorama) -> PanoramaCounts:
    """Return what is known of the pixels of a panorama."""
    return PanoramaCounts(
        pixels=panorama.covered.size,
        covered=int(panorama.covered.sum()),
        valid=int(panorama.valid.sum()),
        non_ambiguous=int(panorama.non_ambiguous.sum()),
        sky=panorama.sky,
        at_edges=panorama.at_edges,
        disagreeing=panorama.disagreeing,
        at_infinity=panorama.at_infinity,
        elsewhere=panorama.elsewhere,
    )


def panorama_views(views: Views, options: PanoramaOptions | None = None) -> Views:
    """Return a view of a panorama for each agent of each set: 4n pictures become n.

    Parameters
    ----------
    views : Views
        Of pinhole cameras; those of an agent in a set become one panorama, however many they are.
    options : PanoramaOptions, optional

    Returns
    -------
    Views
        In the order of the agents, with poses in the world, depth along the ray, and all masks; without depth, and
        then without `valid`, where no camera of an agent has it. Pixels are made when they are read. Cameras without a
        picture are not used, agents that have none are left out, and so are sets without agents; all are counted.

    Raises
    ------
    SchemaError
        No picture at all, panoramas again (`wrong-camera`), a camera that an agent has not (`unknown-camera`), a rig
        that tells no way ahead (`no-way-ahead`), colours by depth without depth (`wrong-value`).

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.adapters.opv2v.reading import read_opv2v
    >>> from lapsdata.testing.opv2v_scenes import write_opv2v
    >>> root = pathlib.Path(tempfile.mkdtemp())
    >>> _ = write_opv2v(root)
    >>> cameras = read_opv2v(root, agents="2", cache=None).container
    >>> around = panorama_views(cameras, PanoramaOptions(size=Size(width=252, height=63)))
    >>> len(cameras), len(around), around.read("image", 0).shape, round(float(around.read("covered", 0).mean()), 2)
    (24, 6, (63, 252, 3), 0.86)
    """
    asked = PanoramaOptions() if options is None else options
    _around(asked)
    flat = [model.kind for model in views.header.cameras if model.kind != "pinhole"]
    if flat:
        message = f"expected pinhole cameras, got {', '.join(flat)}: panoramas are not made into panoramas again"
        raise SchemaError(Problem("wrong-camera", "views", message, "name what they were made of"))
    counted: Counter[str] = Counter()
    made_of, agents, stops, places = [], [], list[int](), list[int]()
    for place in range(views.sets):
        for agent, members in _agents(views, place):
            made = _made(views, agent, members, asked, counted)
            if made is not None:
                made_of.append(made)
                agents.append(agent)
        if len(made_of) == (stops[-1] if stops else 0):
            counted["sets_without_images"] += 1
            continue
        stops.append(len(made_of))
        places.append(place)
    if not made_of:
        raise SchemaError(Problem("no-images", "views", "expected pictures to make panoramas of, got none of any view"))
    return _views(views, asked, made_of, agents, stops, places, counted)


def _views(
    views: Views,
    options: PanoramaOptions,
    made_of: list[_Made],
    agents: list[str],
    stops: list[int],
    places: list[int],
    counted: Counter[str],
) -> Views:
    has_depth = np.array([made.has_depth for made in made_of])
    every = np.ones(len(made_of), bool)
    header = views.header.model_copy(
        update={
            "provenance": provenance(
                parameters={**options.as_json(), "blend": "cosine", "far_is": "infinity"},
                parents=views.header.provenance.parents,
            ),
            "policies": {**views.header.policies, **counted},
            "cameras": (_model(options, with_depth=bool(has_depth.any())),),
        }
    )
    chosen = np.array(places, np.int64)
    return Views(
        header,
        split=tuple(views.split[place] for place in places),
        scenario=tuple(views.scenario[place] for place in places),
        frame=views.frame[chosen],
        time_s=views.time_s[chosen],
        set_stop=np.array(stops, np.int64),
        agent=tuple(agents),
        camera=(CAMERA,) * len(agents),
        model=np.zeros(len(agents), np.int64),
        cam2world=np.stack([made.centre for made in made_of]),
        present={layer: has_depth if layer in ("depth", "valid") else every for layer in LAYERS},
        pixels=PanoramaPixels(views, made_of, options),
    )


def _agents(views: Views, place: int) -> Iterator[tuple[str, list[int]]]:
    """Yield the agents of a set in the order of their first view, with their views."""
    found: dict[str, list[int]] = {}
    for view in views.views_of(place):
        found.setdefault(views.agent[view], []).append(view)
    yield from found.items()


def _made(
    views: Views, agent: str, members: list[int], options: PanoramaOptions, counted: Counter[str]
) -> _Made | None:
    """Return what the panorama of an agent is made of; None where it has no picture."""
    used = [view for view in members if views.present["image"][view]]
    if not used:
        counted["agents_without_images"] += 1
        return None
    counted.update({"cameras_without_images": len(members) - len(used)} if len(used) < len(members) else {})
    with_depth = tuple(bool(views.present["depth"][view]) for view in used)
    where = f"views: agent {agent}, frame {int(views.frame[views.set_of[members[0]]])}"
    if not any(with_depth):
        if options.colour == "by_depth":
            message, fix = 'expected depth for colours "by_depth", got none', "name where it lies, or infinity"
            raise SchemaError(Problem("wrong-value", where, message, fix))
        counted["panoramas_without_depth"] += 1
    elif not all(with_depth):
        counted["cameras_without_depth"] += with_depth.count(False)
    if options.place == CENTRE:
        # Of all its cameras: the centre is the same where a picture is missing.
        return _Made(tuple(used), _centre(views.cam2world[members], where), with_depth)
    named = [view for view in members if views.camera[view] == options.place]
    if not named:
        message = f"expected {CENTRE} or one of {', '.join(views.camera[view] for view in members)}"
        raise SchemaError(Problem("unknown-camera", where, f"{message}, got {options.place!r}"))
    return _Made(tuple(used), views.cam2world[named[0]], with_depth)


def _centre(poses: NDArray[np.float64], where: str) -> NDArray[np.float64]:
    """Return the pose between cameras: their mean place, upright as they are, looking where the first of them does."""
    down = poses[:, :3, 1].mean(axis=0)
    upright = float(np.linalg.norm(down))
    down = down / max(upright, _LEVEL)
    ahead = poses[0, :3, 2] - down * (poses[0, :3, 2] @ down)
    level = float(np.linalg.norm(ahead))
    if min(upright, level) < _LEVEL:
        message = "expected cameras that are upright on average, the first of which looks ahead, got others"
        raise SchemaError(Problem("no-way-ahead", where, message, "name a camera whose pose panoramas have"))
    ahead = ahead / level
    pose = np.eye(4)
    pose[:3, :3] = np.stack([np.cross(down, ahead), down, ahead], axis=-1)
    pose[:3, 3] = poses[:, :3, 3].mean(axis=0)
    return pose


def _around(options: PanoramaOptions) -> CylinderCamera | EquirectangularCamera:
    kind = CylinderCamera if options.model == "cylinder" else EquirectangularCamera
    return kind(size=options.size.frame, cam2world=np.eye(4), v_fov_deg=options.v_fov_deg)


def _model(options: PanoramaOptions, *, with_depth: bool) -> CameraModel:
    half = options.v_fov_deg / 2
    angles = PanoramaAngles(h_fov_deg=360.0, low_deg=-half, high_deg=half)
    return CameraModel(kind=options.model, size=options.size, angles=angles, depth="ray" if with_depth else None)


def _camera(views: Views, view: int, pose: NDArray[np.float64]) -> PinholeCamera:
    model = views.camera_model(view)
    if model.lens is None:
        raise TypeError(f"view {view} has no lens")
    return lens_camera(model, model.lens, pose)


def _depth(views: Views, view: int, camera: PinholeCamera, has: bool) -> NDArray[np.float32]:
    """Return depth along the camera's axis; of a camera that has none, zeros."""
    if not has:
        return np.zeros(camera.size.shape, np.float32)
    depth = views.read("depth", view)
    kind = views.camera_model(view).depth
    return depth if kind in (None, "z") else convert_depth(depth, camera, source=kind, target="z")
