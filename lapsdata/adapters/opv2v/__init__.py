"""OPV2V and what is written like it: several cars that drive in CARLA, each with four cameras and a LiDAR.

    <root>/<split>/<scenario>/<agent>/<frame>.yaml, <frame>.pcd, <frame>_camera<i>.png

Read as views: a set for each frame of a scenario, with the cameras of all agents or of some. Depth, which OPV2V has
none of, may lie in a root of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lapsdata.adapters._adapter import Adapter
from lapsdata.adapters._texts import head
from lapsdata.adapters.opv2v.faults import digest_opv2v, faults_of_opv2v
from lapsdata.adapters.opv2v.layout import SPLITS, first_yaml
from lapsdata.adapters.opv2v.reading import read_opv2v
from lapsdata.errors import Problem

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["PLUGIN"]

_KEYS = ("camera0:", "lidar_pose:", "true_ego_pos:", "ego_speed:")


def recognises(path: Path) -> str | None:
    """Return "views" for a folder with splits, scenarios and agents, whose first yaml begins as one of OPV2V."""
    found = first_yaml(path)
    return "views" if found is not None and head(found).lstrip().startswith(_KEYS) else None


def part_of_root(path: Path) -> Problem | None:
    """Return that a folder is a split, a scenario or an agent of a root, and which root; None of any other.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.testing.opv2v_scenes import write_opv2v
    >>> root = pathlib.Path(tempfile.mkdtemp())
    >>> _ = write_opv2v(root)
    >>> part_of_root(root / "train").message
    "expected a root of OPV2V, got the split 'train' of one"
    """
    place = path.resolve()
    for depth, what in enumerate(("split", "scenario", "agent")):
        split = (place, *place.parents)[depth : depth + 1]
        if split and split[0].name in SPLITS and place.is_dir() and recognises(root := split[0].parent):
            message = f"expected a root of OPV2V, got the {what} {place.name!r} of one"
            named = split[0].name
            fix = (
                f"name {root}: --split {named} of convert, and --splits {named} of check and inspect, is that one alone"
            )
            return Problem("part-of-root", str(path), message, fix)
    return None


PLUGIN = Adapter(
    "opv2v",
    "Views of several cars, as OPV2V and V2XSet have them",
    recognises,
    read_opv2v,
    takes=frozenset({"split", "rate", "depth_root", "agents", "cache", "strict"}),
    digest=digest_opv2v,
    faults=faults_of_opv2v,
    part=part_of_root,
)
