"""Depth from the LiDAR: the points of a frame on the pixels of its cameras, as OPV2V ships no depth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lapsdata.adapters.opv2v.frame_facts import CAMERA_NUMBERS, LIDAR_NUMBERS
from lapsdata.adapters.opv2v.pictures import picture_size
from lapsdata.adapters.opv2v.point_cloud import read_pcd
from lapsdata.adapters.opv2v.poses import lidar_to_camera
from lapsdata.geometry import FrameSize, PinholeCamera
from lapsdata.transforms.points_to_depth import points_to_depth

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from lapsdata.adapters.opv2v.frame_facts import FrameFacts
    from lapsdata.adapters.opv2v.layout import AgentFolder

__all__ = ["depth_of_points"]


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
    """
    points = read_pcd(Path(folder.path, f"{stem}.pcd")).points
    lidar = np.array(facts.numbers[:LIDAR_NUMBERS])
    for place, camera in enumerate(facts.cameras):
        start = LIDAR_NUMBERS + CAMERA_NUMBERS * place
        told = np.array(facts.numbers[start : start + CAMERA_NUMBERS])
        width, height = picture_size(folder, camera, told.tolist())
        fx, _, cx, _, fy, cy = told[22:28].tolist()
        # The file counts from the corner of the picture, we from the centre of its first pixel.
        model = PinholeCamera(
            size=FrameSize(width=width, height=height),
            focal_px=(fx, fy),
            centre_px=(cx - 0.5, cy - 0.5),
            cam2world=np.eye(4),
        )
        yield f"{stem}_{camera}_depth", points_to_depth(lidar_to_camera(told[:6], told[6:22], lidar, points), model)
