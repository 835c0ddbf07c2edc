"""Views: what cameras saw at the same times, with poses; pixels stay where they are until somebody asks for them."""

from __future__ import annotations

import functools
import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args

import numpy as np

from lapsdata.containers.base import ArrayCheck, Container, checked_header, frozen_mapping, read_only
from lapsdata.errors import CorruptDataError, LapsError, Problem, SchemaError
from lapsdata.geometry import invert_poses
from lapsdata.schema.views import ViewsHeader

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from lapsdata.schema.views import CameraModel

__all__ = ["LAYERS", "HeldPixels", "Layer", "Pixels", "Views"]

Layer = Literal["image", "depth", "valid", "covered", "non_ambiguous"]
"""What a view may have: colours, depth, and where there is depth, where there is colour, where both can be trusted."""

LAYERS: tuple[Layer, ...] = get_args(Layer)
"""All layers, in the order in which they are stored."""

_DTYPES: dict[Layer, type[np.generic]] = {
    "image": np.uint8,
    "depth": np.float32,
    "valid": np.bool_,
    "covered": np.bool_,
    "non_ambiguous": np.bool_,
}


class Pixels(Protocol):
    """Gives the pixels of views, from memory, from files of ours or from those of others.

    Examples
    --------
    >>> source: Pixels = HeldPixels({"valid": (np.ones((2, 3), bool),)})
    >>> source.told("valid", 0)
    'valid of view 0'
    """

    def read(self, layer: Layer, view: int) -> NDArray[Any]:
        """Return a layer of a view that has it; see `Views.read`.

        Parameters
        ----------
        layer : Layer
        view : int
        """

    def told(self, layer: Layer, view: int) -> str:
        """Return where it comes from, for messages.

        Parameters
        ----------
        layer : Layer
        view : int
        """


@dataclass(frozen=True, slots=True)
class HeldPixels:
    """Pixels in memory.

    Parameters
    ----------
    arrays : mapping of tuple of np.ndarray or None
        By layer, that of each view.

    Examples
    --------
    >>> HeldPixels({"valid": (np.ones((2, 3), bool),)}).read("valid", 0).shape
    (2, 3)
    """

    arrays: Mapping[Layer, tuple[NDArray[Any] | None, ...]]

    def read(self, layer: Layer, view: int) -> NDArray[Any]:
        """Return what is held; see `Pixels`."""
        found = self.arrays[layer][view]
        if found is None:
            raise _absent(layer, view)
        return found

    def told(self, layer: Layer, view: int) -> str:
        """Return which layer of which view; see `Pixels`."""
        return f"{layer} of view {view}"


@dataclass(frozen=True, slots=True)
class _Part:
    """Pixels of some views of others."""

    whole: Pixels
    views: tuple[int, ...]

    def read(self, layer: Layer, view: int) -> NDArray[Any]:
        return self.whole.read(layer, self.views[view])

    def told(self, layer: Layer, view: int) -> str:
        return self.whole.told(layer, self.views[view])


@dataclass(frozen=True, eq=False, repr=False)
class Views(Container):
    """V views in S sets: all views of a set were taken at one time.

    Poses and names are held; pixels are read when they are asked for, and checked then.

    Parameters
    ----------
    header : ViewsHeader
    split, scenario : tuple of str, S
        Where each set is from.
    frame : int64 (S,)
        Number of its frame, as its source has it.
    time_s : float64 (S,), seconds
        Its time.
    set_stop : int64 (S,)
        Where the views of each set end; they begin where those of the set before end.
    agent, camera : tuple of str, V
        Who took it, and with what; no set has both twice.
    model : int64 (V,)
        Which of the header's camera models it has.
    cam2world : float64 (V, 4, 4), metre
        Pose of the camera in the world of its scenario, in OpenCV's axes.
    present : mapping of bool (V,)
        By layer, which views have it.
    pixels : Pixels
        Gives image (H, W, 3) uint8 RGB, depth (H, W) float32 in metres with 0 where it is not known and
        numbers below 0 for the sky, and masks (H, W) bool.

    Raises
    ------
    SchemaError
        All problems of shape, dtype, order, range, or of poses that are no rotation and translation.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_views
    >>> views = sample_views()
    >>> len(views), views.sets, [list(views.views_of(place)) for place in range(2)]
    (3, 2, [[0, 1], [2]])
    >>> views.read("image", 0).shape
    (3, 4, 3)
    """

    header: ViewsHeader
    split: tuple[str, ...]
    scenario: tuple[str, ...]
    frame: NDArray[np.int64]
    time_s: NDArray[np.float64]
    set_stop: NDArray[np.int64]
    agent: tuple[str, ...]
    camera: tuple[str, ...]
    model: NDArray[np.int64]
    cam2world: NDArray[np.float64]
    present: Mapping[str, NDArray[np.bool_]]
    pixels: Pixels

    def __post_init__(self) -> None:
        self._freeze(header=checked_header(self.header, ViewsHeader))
        check = ArrayCheck("views")
        good = [check.texts(name, getattr(self, name), "S") for name in ("split", "scenario")]
        good += [check.texts(name, getattr(self, name), "V") for name in ("agent", "camera")]
        good += [check.array(name, getattr(self, name), ("S",), np.int64) for name in ("frame", "set_stop")]
        good.append(check.array("time_s", self.time_s, ("S",), np.float64))
        good.append(check.array("model", self.model, ("V",), np.int64))
        good.append(check.array("cam2world", self.cam2world, ("V", 4, 4), np.float64))
        good.append(self._check_layers(check))
        for name in ("split", "scenario", "agent", "camera"):
            if all(good) and any("\x00" in text for text in getattr(self, name)):
                check.problems.add("wrong-text", name, "expected texts without NUL, got one with it")
        if all(good):
            self._check_sets(check)
            self._check_cameras(check)
        check.finish()
        for name in ("frame", "time_s", "set_stop", "model", "cam2world"):
            self._freeze(**{name: read_only(getattr(self, name))})
        self._freeze(present=frozen_mapping(self.present))

    def _check_layers(self, check: ArrayCheck) -> bool:
        if set(self.present) != set(LAYERS):
            message = f"expected each of {', '.join(LAYERS)}, got {sorted(self.present)}"
            check.problems.add("unknown-layer", "present", message)
            return False
        found = [check.array(f"{layer}: present", self.present[layer], ("V",), np.bool_) for layer in LAYERS]
        return all(found)

    def _check_sets(self, check: ArrayCheck) -> None:
        check.rows("not-finite", "time_s", ~np.isfinite(self.time_s), "expected finite times")
        bounds = np.concatenate([[0], self.set_stop])
        check.rows("empty-set", "set_stop", np.diff(bounds) < 1, "expected sets of at least one view each")
        if int(bounds[-1]) != len(self.model):
            message = f"expected to end at {len(self.model)}, the number of views, got {int(bounds[-1])}"
            check.problems.add("length-mismatch", "set_stop", message)
            return
        named = set(zip(np.searchsorted(self.set_stop, np.arange(len(self.model)), "right").tolist(), self.agent,
                        self.camera, strict=True))  # fmt: skip
        if len(named) < len(self.model):
            message = f"expected each camera of an agent once in a set, got {len(self.model) - len(named)} again"
            check.problems.add("view-twice", "camera", message)

    def _check_cameras(self, check: ArrayCheck) -> None:
        models = self.header.cameras
        outside = (self.model < 0) | (self.model >= len(models))
        check.rows("unknown-camera", "model", outside, f"expected an index of {len(models)} camera models")
        if not outside.any():
            silent = np.array([model.depth is None for model in models])[self.model] & self.present["depth"]
            check.rows("depth-kind", "model", silent, "expected depth only where the camera model says of what kind")
        try:
            check.rows("not-finite", "cam2world", ~np.isfinite(self.cam2world), "expected finite poses")
            invert_poses(self.cam2world)
        except LapsError as error:
            check.problems.extend(error.problems)

    @property
    def sets(self) -> int:
        """Number of sets S."""
        return len(self.frame)

    @functools.cached_property
    def set_of(self) -> NDArray[np.int64]:
        """Which set each view belongs to: int64 (V,)."""
        return read_only(np.searchsorted(self.set_stop, np.arange(len(self)), "right").astype(np.int64))

    def views_of(self, place: int) -> range:
        """Return the views of a set.

        Parameters
        ----------
        place : int
            From 0 to S - 1.
        """
        return range(int(self.set_stop[place - 1]) if place else 0, int(self.set_stop[place]))

    def camera_model(self, view: int) -> CameraModel:
        """Return the camera model of a view."""
        return self.header.cameras[int(self.model[view])]

    def intrinsics(self, view: int) -> NDArray[np.float64]:
        """Return the camera matrix of a view, where the centre of the top-left pixel is (0, 0): float64 (3, 3), pixel.

        For panoramas a stand-in that has pixels per radian in place of the focal length.

        Examples
        --------
        >>> from lapsdata.testing.samples import sample_views
        >>> sample_views().intrinsics(0).tolist()
        [[2.0, 0.0, 1.5], [0.0, 2.0, 1.0], [0.0, 0.0, 1.0]]
        """
        model = self.camera_model(view)
        (fx, fy), (cx, cy) = _stand_in(model) if model.lens is None else (model.lens.focal_px, model.lens.centre_px)
        return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])

    def read(self, layer: Layer, view: int) -> NDArray[Any]:
        """Return a layer of a view, read-only.

        Parameters
        ----------
        layer : {"image", "depth", "valid", "covered", "non_ambiguous"}
        view : int
            From 0 to V - 1.

        Raises
        ------
        SchemaError
            The view has none (`no-layer`).
        CorruptDataError, StorageError
            Its file is not what it should be: gone, damaged, or of another size than the camera model.
        """
        if not self.present[layer][view]:
            raise _absent(layer, view)
        found = self.pixels.read(layer, view)
        shape = self._shape(layer, view)
        if found.shape != shape or found.dtype != _DTYPES[layer]:
            raise CorruptDataError(self._wrong(layer, view, found))
        return read_only(found)

    def _wrong(self, layer: Layer, view: int, found: NDArray[Any]) -> Problem:
        """Say how pixels differ from those of the camera: by their size, where they are a picture of its kind."""
        shape, where = self._shape(layer, view), self.pixels.told(layer, view)
        if found.dtype == _DTYPES[layer] and found.ndim == len(shape) and found.shape[2:] == shape[2:]:
            size, named = self.camera_model(view).size.frame, f"{self.camera[view]} of agent {self.agent[view]}"
            message = f"expected {layer} of {size} pixels, as {named} has, got {found.shape[1]}x{found.shape[0]}"
            fix = "make it of whole pictures of this camera, neither scaled nor cropped"
            return Problem("wrong-pixels", where, message, fix)
        message = f"expected {np.dtype(_DTYPES[layer])} {shape} of its camera, got {found.dtype} {found.shape}"
        return Problem("wrong-pixels", where, message)

    def take(self, places: Sequence[int]) -> Views:
        """Return some sets, in the order that is asked for; their pixels stay where they are.

        Parameters
        ----------
        places : sequence of int
            From 0 to S - 1, each once.

        Raises
        ------
        SchemaError
            There is no such set, or one is asked for twice.

        Examples
        --------
        >>> from lapsdata.testing.samples import sample_views
        >>> sample_views().take([1]).agent
        ('641',)
        """
        strange = [place for place in places if not 0 <= place < self.sets]
        if strange or len(set(places)) < len(places):
            got = f"{strange[0]}" if strange else "one of them twice"
            raise SchemaError(Problem("unknown-set", "views", f"expected sets 0 to {self.sets - 1}, got {got}"))
        views = [view for place in places for view in self.views_of(place)]
        order = np.array(views, np.int64)
        chosen = np.array(places, np.int64)
        return Views(
            self.header,
            tuple(self.split[place] for place in places),
            tuple(self.scenario[place] for place in places),
            self.frame[chosen],
            self.time_s[chosen],
            np.cumsum([len(self.views_of(place)) for place in places], dtype=np.int64),
            tuple(self.agent[view] for view in views),
            tuple(self.camera[view] for view in views),
            self.model[order],
            self.cam2world[order],
            {layer: has[order] for layer, has in self.present.items()},
            _Part(self.pixels, tuple(views)),
        )

    def _shape(self, layer: Layer, view: int) -> tuple[int, ...]:
        shape = self.camera_model(view).size.frame.shape
        return (*shape, 3) if layer == "image" else shape

    def layers(self) -> Iterator[tuple[Layer, int]]:
        """Yield every layer of every view that is there."""
        for layer in LAYERS:
            yield from ((layer, view) for view in np.flatnonzero(self.present[layer]).tolist())

    def arrays(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """Yield every array with its name; pixels one after the other, each read when its turn comes."""
        for name in ("frame", "time_s", "set_stop", "model", "cam2world"):
            yield name, getattr(self, name)
        for layer in LAYERS:
            yield f"{layer}/present", self.present[layer]
        for layer, view in self.layers():
            yield f"{layer}/{view}", self.read(layer, view)

    def equals(self, other: Container) -> bool:
        """Say whether all is equal, pixels too, of which a layer of one view is held at a time; NaN equals NaN."""
        if not isinstance(other, Views) or self.header != other.header:
            return False
        if dict(self.columns()) != dict(other.columns()):
            return False
        for mine, theirs in itertools.zip_longest(self.arrays(), other.arrays()):
            if mine is None or theirs is None or mine[0] != theirs[0] or mine[1].dtype != theirs[1].dtype:
                return False
            if not np.array_equal(mine[1], theirs[1], equal_nan=mine[1].dtype.kind == "f"):
                return False
        return True

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays, pixels as if they were held."""
        held = sum(getattr(self, name).nbytes for name in ("frame", "time_s", "set_stop", "model", "cam2world"))
        masks = sum(has.nbytes for has in self.present.values())
        sizes = (int(np.prod(self._shape(layer, view))) * np.dtype(_DTYPES[layer]).itemsize
                 for layer, view in self.layers())  # fmt: skip
        return int(held + masks + sum(sizes))

    def __len__(self) -> int:
        """Return the number of views V."""
        return len(self.model)

    def facts(self) -> dict[str, str]:
        """Return what one wants to know at a glance."""
        most = np.diff(np.concatenate([[0], self.set_stop]))
        each = f"{most.min()}" if len(set(most.tolist())) == 1 else f"{most.min()} to {most.max()}"
        kinds = ", ".join(
            f"{model.kind} {model.size.frame}" + (f" with {model.depth}-depth" if model.depth else "")
            for model in self.header.cameras
        )
        splits = {split: self.split.count(split) for split in sorted(set(self.split))}
        return {
            "sets": f"{self.sets} of {each} views: " + ", ".join(f"{count} {name}" for name, count in splits.items()),
            "scenarios": str(len(set(zip(self.split, self.scenario, strict=True)))),
            "agents": f"{len(set(self.agent))}, cameras {', '.join(sorted(set(self.camera)))}",
            "models": kinds,
            "layers": ", ".join(f"{layer} of {int(has.sum())}" for layer, has in self.present.items() if has.any()),
            "positions": _span_text(self.cam2world[:, :3, 3]),
        }


def _stand_in(model: CameraModel) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return pixels per radian of azimuth, and the middle of the picture."""
    width, height = model.size.width, model.size.height
    focal = width / math.radians(360.0 if model.angles is None else model.angles.h_fov_deg)
    return (focal, focal), ((width - 1) / 2, (height - 1) / 2)


def _span_text(places: NDArray[np.float64]) -> str:
    low, high = places.min(axis=0), places.max(axis=0)
    axes = (f"{axis} {first:.1f} to {last:.1f}" for axis, first, last in zip("xyz", low, high, strict=True))
    return f"{', '.join(axes)} m (y is down)"


def _absent(layer: Layer, view: int) -> SchemaError:
    message = f"expected a view that has {layer}, got one without"
    return SchemaError(Problem("no-layer", f"views: view {view}", message, "ask present which layers there are"))
