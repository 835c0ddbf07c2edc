"""The only place that converts coordinates.

The contract: pixel, x right, y down, centre of the top-left pixel = (0, 0); a frame spans -0.5 to W - 0.5.
float32 in gives float32 out, float64 stays float64, other dtypes are refused, NaN passes through.
"""

from __future__ import annotations

from lapsdata.geometry.amplify_points import (
    AmplifyPoints,
    LostPolicy,
    OutsidePolicy,
    amplify_to_pixel,
    pixel_to_amplify,
)
from lapsdata.geometry.boxes import (
    BoxForm,
    BoxOrigin,
    boxes_to_relative,
    convert_boxes,
    enclosing_boxes,
    relative_to_boxes,
    rotated_box_corners,
    shift_boxes,
)
from lapsdata.geometry.cameras import PinholeCamera, ProjectedPoints, project_points
from lapsdata.geometry.carla_axes import (
    AxesOfCarla,
    carla_poses,
    points_from_carla,
    points_to_carla,
    transforms_from_carla,
    transforms_to_carla,
)
from lapsdata.geometry.composed_rotations import rotation_places, rotation_steps
from lapsdata.geometry.conventions import (
    RelativeOrigin,
    RelativeUnit,
    inside_frame,
    pixel_to_relative,
    relative_to_pixel,
    swap_xy,
    turn_points,
)
from lapsdata.geometry.frame_size import FrameSize, PixelArea, QuarterTurn
from lapsdata.geometry.grids import (
    GridKind,
    GridOrder,
    PointGrid,
    amplify_grid,
    cotracker_grid,
    uniform_grid,
)
from lapsdata.geometry.pixel_map import PixelMap, letterbox_area
from lapsdata.geometry.poses import compose_poses, flip_camera_axes, invert_poses
from lapsdata.geometry.rotations import (
    EPISODE_ROTATIONS,
    ROTATION_FORMS,
    convert_episode_rotations,
    convert_rotations,
    rotation_width,
)

__all__ = [
    "EPISODE_ROTATIONS",
    "ROTATION_FORMS",
    "AmplifyPoints",
    "AxesOfCarla",
    "BoxForm",
    "BoxOrigin",
    "FrameSize",
    "GridKind",
    "GridOrder",
    "LostPolicy",
    "OutsidePolicy",
    "PinholeCamera",
    "PixelArea",
    "PixelMap",
    "PointGrid",
    "ProjectedPoints",
    "QuarterTurn",
    "RelativeOrigin",
    "RelativeUnit",
    "amplify_grid",
    "amplify_to_pixel",
    "boxes_to_relative",
    "carla_poses",
    "compose_poses",
    "convert_boxes",
    "convert_episode_rotations",
    "convert_rotations",
    "cotracker_grid",
    "enclosing_boxes",
    "flip_camera_axes",
    "inside_frame",
    "invert_poses",
    "letterbox_area",
    "pixel_to_amplify",
    "pixel_to_relative",
    "points_from_carla",
    "points_to_carla",
    "project_points",
    "relative_to_boxes",
    "relative_to_pixel",
    "rotated_box_corners",
    "rotation_places",
    "rotation_steps",
    "rotation_width",
    "shift_boxes",
    "swap_xy",
    "transforms_from_carla",
    "transforms_to_carla",
    "turn_points",
    "uniform_grid",
]
