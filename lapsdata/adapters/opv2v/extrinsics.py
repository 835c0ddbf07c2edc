"""Whether the extrinsics of some agents are what the poses of their cameras and LiDAR say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lapsdata.adapters.opv2v.poses import pose_problems

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lapsdata.adapters.opv2v.scanning import Opv2vScan
    from lapsdata.errors import Problem

__all__ = ["extrinsic_problems"]


def extrinsic_problems(scan: Opv2vScan, folders: Iterable[int]) -> list[Problem]:
    """Return which extrinsics are missing, or not what the poses of camera and LiDAR say; see `pose_problems`.

    Parameters
    ----------
    scan : Opv2vScan
    folders : iterable of int
        Numbers of the agents' folders that are looked at, all together.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.adapters.opv2v.scanning import scan_opv2v
    >>> from lapsdata.testing.opv2v_scenes import write_opv2v
    >>> root = pathlib.Path(tempfile.mkdtemp())
    >>> _ = write_opv2v(root)
    >>> extrinsic_problems(scan_opv2v(root), [0])
    []
    """
    rows, lidars, places = list[tuple[float, ...]](), list[tuple[float, ...]](), list[str]()
    for number in folders:
        for stem, facts in scan.facts_of(number).items():
            for place, camera in enumerate(facts.cameras):
                rows.append(facts.camera(place))
                lidars.append(facts.lidar)
                places.append(f"{scan.folders[number].path}/{stem}_{camera}.png")
    if not rows:
        return []
    numbers = np.array(rows, np.float64)
    return pose_problems(numbers[:, :6], numbers[:, 6:22], np.array(lidars, np.float64), places)
