"""What masks and depth of one view are like, in a few numbers: how full, how far, and how flat the ground is."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata.containers.model_cameras import model_camera

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lapsdata.containers import Layer, Views
    from lapsdata.schema import CameraModel

__all__ = ["DEPTH_EDGES_M", "MASKS", "Flatness", "ViewNumbers", "flatness", "numbers_of", "view_named"]

MASKS: tuple[Layer, ...] = ("covered", "valid", "non_ambiguous")
"""Layers that are masks."""

DEPTH_EDGES_M = (0.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0)
"""Where the bins of histograms of depth begin; the last one has no end."""

_GROUND, _FEWEST, _MOST = 0.6, 200, 2000
_PLANES = 64


class Flatness(NamedTuple):
    """How far the lower part of a picture is from a plane, as a share of its distance, at the median.

    Parameters
    ----------
    stated : float
        With depth measured along what the camera model says.
    other : float
        With depth along the other: the ray and not the axis, or the axis and not the ray; of panoramas, the distance
        from their upright axis.

    Examples
    --------
    >>> Flatness(0.0, 0.03).other
    0.03
    """

    stated: float
    other: float


class ViewNumbers(NamedTuple):
    """What was seen in the pixels of one view.

    Parameters
    ----------
    view : int
    means : dict of float
        Of the masks that it has, which share is true.
    depths : tuple of int
        Pixels with depth, by the bins of `DEPTH_EDGES_M`; empty where it has no depth.
    median_m, far_m : float or None
        Of pixels with depth; None where there is none.
    at_far : float
        Share of pixels with depth that have the largest one.
    not_valid : int
        Pixels whose depth and whose mask `valid` contradict each other.
    outside : int
        Pixels that are not ambiguous, or have depth in a panorama, and are not covered.
    flat : Flatness or None
        None where too little of its ground is known.

    Examples
    --------
    >>> ViewNumbers(0, {"valid": 0.5}, (), None, None, 0.0, 0, 0, None).means
    {'valid': 0.5}
    """

    view: int
    means: dict[str, float]
    depths: tuple[int, ...]
    median_m: float | None
    far_m: float | None
    at_far: float
    not_valid: int
    outside: int
    flat: Flatness | None


def numbers_of(views: Views, view: int) -> ViewNumbers:
    """Read masks and depth of a view, and return what they are like.

    Parameters
    ----------
    views : Views
    view : int

    Raises
    ------
    CorruptDataError, StorageError
        A layer is not what it should be.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_views
    >>> found = numbers_of(sample_views(), 0)
    >>> found.depths[:3], found.median_m, found.means["non_ambiguous"]
    ((3, 6, 2), 3.0, 0.75)
    """
    # Before the masks: where one file says both, its fault is told as one of depth.
    depth = views.read("depth", view) if views.present["depth"][view] else None
    masks = {name: views.read(name, view) for name in MASKS if views.present[name][view]}
    means: dict[str, float] = {name: float(mask.mean()) for name, mask in masks.items()}
    outside = 0
    if "covered" in masks and "non_ambiguous" in masks:
        outside = int((masks["non_ambiguous"] & ~masks["covered"]).sum())
    if depth is None:
        return ViewNumbers(view, means, (), None, None, 0.0, int(masks.get("valid", np.False_).sum()), outside, None)
    known = depth > 0
    not_valid = int((known != masks["valid"]).sum()) if "valid" in masks else 0
    found = depth[known]
    bins = np.bincount(np.searchsorted(DEPTH_EDGES_M, found, "right") - 1, minlength=len(DEPTH_EDGES_M))
    far = float(found.max()) if found.size else None
    return ViewNumbers(
        view,
        means,
        tuple(bins.tolist()),
        float(np.median(found)) if found.size else None,
        far,
        0.0 if far is None else float((found == np.float32(far)).mean()),
        not_valid,
        outside,
        flatness(depth, views.camera_model(view)),
    )


def view_named(views: Views, view: int) -> str:
    """Return which view it is, in words: scenario, frame, agent and camera.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_views
    >>> view_named(sample_views(), 1)
    '2021_08_22_21_41_24, frame 69, agent 1000, camera0'
    """
    place = int(views.set_of[view])
    return f"{views.scenario[place]}, frame {int(views.frame[place])}, agent {views.agent[view]}, {views.camera[view]}"


def flatness(depth: NDArray[np.float32], model: CameraModel) -> Flatness | None:
    """Return how flat the ground is, as depth is said to be measured and as it may be; None where too little is known.

    Depth along the ray that is taken for depth along the axis bends planes, and the other way round: by 36 % of the
    distance at the left and right edge of a camera that sees 100 degrees.

    Parameters
    ----------
    depth : float32 (H, W), metre
    model : CameraModel

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_views
    >>> views = sample_views()
    >>> flatness(views.read("depth", 0), views.camera_model(0)) is None
    True
    """
    height = depth.shape[0]
    rows, columns = np.nonzero(depth[int(_GROUND * height) :] > 0)
    if len(rows) < _FEWEST or model.depth is None:
        return None
    step = max(1, len(rows) // _MOST)
    rows, columns = rows[::step] + int(_GROUND * height), columns[::step]
    flat, unit = _directions(model, rows.astype(float), columns.astype(float))
    lengths = depth[rows, columns, np.newaxis].astype(float)
    stated, other = (unit, flat) if model.depth == "ray" else (flat, unit)
    triples = np.random.default_rng(0).integers(0, len(rows), (_PLANES, 3))
    return Flatness(*(_from_a_plane(lengths * directions, triples) for directions in (stated, other)))


def _directions(
    model: CameraModel, rows: NDArray[np.float64], columns: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where pixels look: of length 1 along the axis (of panoramas, away from their upright one), and in all."""
    unit = model_camera(model).rays(np.stack([columns, rows], axis=-1))
    along = unit[:, 2] if model.lens is not None else np.hypot(unit[:, 0], unit[:, 2])
    return unit / along[:, np.newaxis], unit


def _from_a_plane(points: NDArray[np.float64], triples: NDArray[np.int64]) -> float:
    """Return the least median distance from a plane through three of some points, as a share of their own distance."""
    first, second, third = (points[triples[:, place]] for place in range(3))
    normals = np.cross(second - first, third - first)
    lengths = np.linalg.norm(normals, axis=1)
    kept = lengths > 0
    normals, first = normals[kept] / lengths[kept, np.newaxis], first[kept]
    if not len(normals):
        return 0.0
    away = np.abs(points @ normals.T - (normals * first).sum(axis=1))
    return float(np.median(away / np.linalg.norm(points, axis=1, keepdims=True), axis=0).min())
