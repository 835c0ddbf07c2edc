"""From the camera model of views, which is a record, to the camera that geometry computes with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lapsdata.errors import Problems
from lapsdata.geometry import CylinderCamera, EquirectangularCamera, PinholeCamera

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lapsdata.containers.views import Views
    from lapsdata.schema import CameraModel
    from lapsdata.schema.views import PinholeLens

__all__ = ["flat_depth", "lens_camera", "model_camera"]


def model_camera(
    model: CameraModel, cam2world: NDArray[np.float64] | None = None
) -> PinholeCamera | CylinderCamera | EquirectangularCamera:
    """Return the camera that a model describes, at a pose.

    Parameters
    ----------
    model : CameraModel
    cam2world : float64 (4, 4), optional
        By default its axes are those of the world.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_views
    >>> model_camera(sample_views().camera_model(0)).size
    FrameSize(width=4, height=3)
    """
    pose = np.eye(4) if cam2world is None else cam2world
    if model.lens is not None:
        return lens_camera(model, model.lens, pose)
    if model.angles is None:
        raise TypeError("a checked camera model has a lens or angles")
    low, high = model.angles.low_deg, model.angles.high_deg
    kind = CylinderCamera if model.kind == "cylinder" else EquirectangularCamera
    return kind(
        size=model.size.frame,
        cam2world=pose,
        h_fov_deg=model.angles.h_fov_deg,
        v_fov_deg=high - low,
        elevation_deg=(low + high) / 2,
    )


def lens_camera(model: CameraModel, lens: PinholeLens, cam2world: NDArray[np.float64] | None = None) -> PinholeCamera:
    """Return the camera that a model with a lens describes; see `model_camera`.

    Parameters
    ----------
    model : CameraModel
    lens : PinholeLens
        That of the model: who hands it over has looked whether there is one.
    cam2world : float64 (4, 4), optional

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_views
    >>> model = sample_views().camera_model(0)
    >>> lens_camera(model, model.lens).focal_px
    (2.0, 2.0)
    """
    pose = np.eye(4) if cam2world is None else cam2world
    return PinholeCamera(size=model.size.frame, focal_px=lens.focal_px, centre_px=lens.centre_px, cam2world=pose)


def flat_depth(views: Views, where: str) -> Problems:
    """Return which camera models look around and have depth along an axis: of most pixels that says no place.

    Parameters
    ----------
    views : Views
    where : str
        What they are of, for messages.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_views
    >>> len(flat_depth(sample_views(), "views"))
    0
    """
    problems = Problems(where)
    for number, model in enumerate(views.header.cameras):
        if model.kind != "pinhole" and model.depth == "z" and views.present["depth"][views.model == number].any():
            message = f"expected depth along rays of a panorama ({model.kind}), got depth along its axis"
            fix = "write the length of the ray, and depth='ray' in its camera model"
            problems.add("depth-kind", f"camera model {number}", message, fix)
    return problems
