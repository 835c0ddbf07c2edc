"""Points to depth: the picture that a camera would have of points alone, where the nearest one wins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lapsdata.geometry import project_points

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lapsdata.geometry import PinholeCamera

__all__ = ["points_to_depth"]


def points_to_depth(points: NDArray[np.floating[Any]], camera: PinholeCamera) -> NDArray[np.float32]:
    """Return the depth of the points that fall on each pixel, that of the nearest where there are several.

    A point behind a surface that no point was measured on falls on a pixel of its own all the same: points know no
    surfaces.

    Parameters
    ----------
    points : NDArray, shape (N, 3), float32 or float64, world, metre
    camera : PinholeCamera

    Returns
    -------
    float32 (H, W), metre
        Along the axis of the camera; 0 where no point falls. A pixel spans half a pixel to each side of its centre.

    Raises
    ------
    SchemaError
        As `project_points`.

    Examples
    --------
    >>> from lapsdata.geometry import FrameSize, PinholeCamera
    >>> camera = PinholeCamera(
    ...     size=FrameSize(width=3, height=1), focal_px=(1.0, 1.0), centre_px=(1.0, 0.0), cam2world=np.eye(4)
    ... )
    >>> points = np.array([[0.0, 0.0, 9.0], [0.1, 0.0, 4.0], [2.0, 0.0, 2.0], [0.0, 0.0, -1.0]])
    >>> points_to_depth(points, camera).tolist()
    [[0.0, 4.0, 2.0]]
    """
    seen = project_points(points, camera)
    columns, rows = np.floor(seen.points[seen.vis] + 0.5).astype(np.int64).T
    # What rounds up at the last half pixel is on the pixel before it.
    columns, rows = np.minimum(columns, camera.size.width - 1), np.minimum(rows, camera.size.height - 1)
    nearest = np.full(camera.size.shape, np.inf)
    np.minimum.at(nearest, (rows, columns), seen.depth[seen.vis])
    return np.where(np.isfinite(nearest), nearest, 0).astype(np.float32)
