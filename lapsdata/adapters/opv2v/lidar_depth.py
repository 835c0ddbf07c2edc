"""Depth from the LiDAR: the points of a frame on the pixels of its cameras, as OPV2V ships no depth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lapsdata.adapters.opv2v.pictures import picture_size
from lapsdata.adapters.opv2v.point_cloud import read_pcd
from lapsdata.adapters.opv2v.poses import lidar_to_camera
from lapsdata.errors import Problem, SchemaError
from lapsdata.geometry import FrameSize, PinholeCamera
from lapsdata.transforms.points_to_depth import points_to_depth

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from lapsdata.adapters.opv2v.frame_facts import FrameFacts
    from lapsdata.adapters.opv2v.layout import AgentFolder

__all__ = ["camera_depth", "depth_of_points"]


def depth_of_points(folder: AgentFolder, stem: str, facts: FrameFacts) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Yield name and depth of each camera of a frame, `<frame>_camera<i>_depth`.

    Parameters
    ----------
    folder : AgentFolder
    stem : str
        Name of the frame, without ending.
    facts : FrameFacts
        What its yaml says.

    Yields
    ------
    str
    float32 (H, W), metre
        Along the axis of the camera, that of the nearest point of each pixel; 0 where none falls.

    Raises
    ------
    StorageError, CorruptDataError
        The point cloud cannot be read; see `read_pcd`.
    SchemaError
        As `camera_depth`.
    """
    points = read_pcd(Path(folder.path, f"{stem}.pcd")).points
    where = str(Path(folder.path, f"{stem}.yaml"))
    for place, camera in enumerate(facts.cameras):
        width, height = picture_size(folder, camera, facts.camera(place))
        size = FrameSize(width=width, height=height)
        yield f"{stem}_{camera}_depth", camera_depth(facts, camera, points, size, where)


def camera_depth(
    facts: FrameFacts, camera: str, points: NDArray[np.float64], size: FrameSize, where: str
) -> NDArray[np.float32]:
    """Return the depth that points have in the picture of one camera: float32 (H, W), metre, 0 where none falls.

    Parameters
    ----------
    facts : FrameFacts
        What the yaml of the frame says.
    camera : str
        One of its cameras.
    points : float64 (N, 3), metre
        In the axes of the LiDAR, as files have them.
    size : FrameSize
        Of the picture.
    where : str
        The yaml, for messages.

    Raises
    ------
    SchemaError
        The yaml says neither where the LiDAR is nor how it lies to the camera (`no-lidar-pose`).

    Examples
    --------
    >>> from lapsdata.adapters.opv2v.frame_facts import FrameFacts
    >>> numbers = (0.0,) * 6 + (0.0,) * 22 + (4.0, 0.0, 4.0, 0.0, 4.0, 3.0, 0.0, 0.0, 1.0)
    >>> ahead = np.array([[5.0, 0.1, 0.1]])
    >>> camera_depth(FrameFacts(("camera0",), numbers), "camera0", ahead, FrameSize(width=8, height=6), "a.yaml").max()
    np.float32(5.0)
    """
    lidar, told = np.array(facts.lidar), np.array(facts.camera(facts.cameras.index(camera)))
    if not (np.isfinite(lidar).all() or np.isfinite(told[6:22]).all()):
        message = f"expected lidar_pose, or the extrinsic of {camera}, got neither: nobody knows where its points are"
        raise SchemaError(Problem("no-lidar-pose", where, message, "copy the yaml again"))
    fx, _, cx, _, fy, cy = told[22:28].tolist()
    # The file counts from the corner of the picture, we from the centre of its first pixel.
    model = PinholeCamera(size=size, focal_px=(fx, fy), centre_px=(cx - 0.5, cy - 0.5), cam2world=np.eye(4))
    return points_to_depth(lidar_to_camera(told[:6], told[6:22], lidar, points), model)
