"""From the camera model of views, which is a record, to the camera that geometry computes with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lapsdata.geometry import CylinderCamera, EquirectangularCamera, PinholeCamera

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lapsdata.schema import CameraModel
    from lapsdata.schema.views import PinholeLens

__all__ = ["lens_camera", "model_camera"]


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
