"""Demonstrations of a robot in the layout of robomimic: what is known of them, and tracks through two cameras.

Two files of Isaac Lab's task of stacking three cubes, 20 times a second: ten demonstrations by a person, annotated with
the poses that were asked of the arm, and ten that Isaac Lab Mimic has generated from them. Files say neither the rate
nor what was generated from what:

- The rate is the user's (`RATE`).
- A generated demonstration replays, for each of its four parts, that of one annotated demonstration, carried along with
  the cube that it is about, under noise of 0.03 on every action. Which one is told by the actions: those that the
  annotated poses ask for, carried to the cube's new place, differ from what was done by nothing but that noise.

Row t of `obs` is what was seen before the action of row t. Positions are in the robot's own frame: `obs/object` is, and
`obs/cube_positions` of the generated file is not (its robots stand in a grid of worlds).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata.containers import Segments, Tracks
from lapsdata.geometry import FrameSize, PinholeCamera, convert_rotations, project_points
from lapsdata.provenance import provenance
from lapsdata.schema import SegmentedVideo, SegmentsHeader, SourceVideo, TracksHeader
from lapsdata.schema.base import Size, Tool
from lapsdata.schema.tracks import Area, Grid, TracksView
from lapsdata.storage.hdf5_file import Hdf5File
from lapsdata.timebase import FrameRate

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from lapsdata.schema.segments import EndReason

    Array = NDArray[np.float64]

__all__ = [
    "CAMERAS",
    "FILES",
    "HORIZON",
    "RATE",
    "Demo",
    "demo_tracks",
    "points_of",
    "read_demos",
    "replayed",
    "sources_of",
    "switch_segments",
]

FILES = {"annotated": "annotated_dataset.hdf5", "generated": "generated_dataset_small.hdf5"}
RATE = FrameRate(20)
HORIZON = 16

CAMERAS = {
    "front": PinholeCamera.looking_at(
        eye=(1.45, 0.0, 0.65), target=(0.5, 0.0, 0.1), size=FrameSize(width=320, height=192), focal_px=(300.0, 300.0)
    ),
    "side": PinholeCamera.looking_at(
        eye=(0.35, -1.05, 0.5), target=(0.5, 0.0, 0.12), size=FrameSize(width=208, height=256), focal_px=(280.0, 280.0)
    ),
}
"""Fixed, in metres of the robot's frame: one in front of it, wide, and one at its right, tall."""

# Half an edge of a cube: as high above the table as its middle lies.
_HALF_M = 0.0203
_CORNERS = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) * _HALF_M
_AXES_M = 0.05
# The four parts end at the four switches of the gripper: the cube that each is about.
_ABOUT = (1, 0, 2, 1)
# Rows before a switch that surely belong to its part.
_PART_ROWS = 20


@dataclass(frozen=True, eq=False)
class Demo:
    """One demonstration.

    Parameters
    ----------
    name : str
    hand, hand_turn : float64 (F, 3) metre and (F, 3, 3)
        Where the end effector is, and its axes.
    fingers : float64 (F, 2), metre
        Where the fingers are along the hand's y.
    cubes, cube_turns : float64 (F, 3, 3) metre and (F, 3, 3, 3)
        The same of each cube.
    actions : float64 (F, 7)
        Change of the hand's position and rotation, and the command of the gripper.
    asked : float64 (F, 4, 4) or None
        Pose that was asked of the hand; in the annotated file alone.
    """

    name: str
    hand: Array
    hand_turn: Array
    fingers: Array
    cubes: Array
    cube_turns: Array
    actions: Array
    asked: Array | None

    def __len__(self) -> int:
        """Return the number of rows F."""
        return len(self.actions)

    @property
    def switches(self) -> NDArray[np.int64]:
        """Rows with another command of the gripper than the row before, int64 (S,)."""
        return np.flatnonzero(np.diff(np.sign(self.actions[:, 6]))) + 1

    @property
    def end_s(self) -> float:
        """Seconds until the end of the last row."""
        return len(self) / RATE.hz


class Replayed(NamedTuple):
    """Which annotated demonstration a part replays: root mean square of what is left of its actions, and the next."""

    source: str
    noise: float
    next_noise: float


def read_demos(folder: Path) -> list[Demo]:
    """Return the annotated demonstrations, then the generated ones, each file in the order of its numbers."""
    return [demo for kind, name in FILES.items() for demo in _of_file(folder / name, kind)]


def _of_file(path: Path, kind: str) -> list[Demo]:
    with Hdf5File(path) as file:
        names = set(file.datasets())
        numbers = sorted({int(name.split("/")[2].removeprefix("demo_")) for name in names if name.startswith("/data/")})
        return [_demo(file, names, number, kind) for number in numbers]


def _demo(file: Hdf5File, names: set[str], number: int, kind: str) -> Demo:
    def array(name: str) -> Array:
        return file.read(f"/data/demo_{number}/{name}").astype(np.float64)

    asked = "obs/datagen_info/target_eef_pose/franka"
    # Position and quaternion of each cube; what follows are distances.
    cubes = array("obs/object")[:, :21].reshape(-1, 3, 7)
    return Demo(
        name=f"{kind}_{number}",
        hand=array("obs/eef_pos"),
        hand_turn=_turns(array("obs/eef_quat")),
        fingers=array("obs/gripper_pos"),
        cubes=cubes[..., :3],
        cube_turns=_turns(cubes[..., 3:]),
        actions=array("actions"),
        asked=array(asked) if f"/data/demo_{number}/{asked}" in names else None,
    )


def _turns(quaternions: Array) -> Array:
    return convert_rotations(quaternions, source="quaternion_wxyz", target="matrix")


# --- what was generated from what -------------------------------------------------------------------------------


def replayed(demo: Demo, part: int, annotated: Sequence[Demo]) -> Replayed:
    """Return which annotated demonstration a part of a generated one replays."""
    noise = sorted((_left_over(demo, source, part), source.name) for source in annotated)
    return Replayed(noise[0][1], noise[0][0], noise[1][0])


def _left_over(demo: Demo, source: Demo, part: int) -> float:
    """Return what is left of the actions before a switch if they replay those of a source, root mean square."""
    if source.asked is None:
        raise SystemExit(f"{source.name} holds no pose that was asked for")
    ours, theirs = int(demo.switches[part]), int(source.switches[part])
    count = min(_PART_ROWS, ours, theirs)
    rows, there, cube = np.arange(ours - count, ours + 1), np.arange(theirs - count, theirs + 1), _ABOUT[part]
    carry = demo.cube_turns[rows[0], cube] @ source.cube_turns[there[0], cube].T
    wanted = (source.asked[there, :3, 3] - source.cubes[there[0], cube]) @ carry.T + demo.cubes[rows[0], cube]
    turn = carry @ source.asked[there, :3, :3] @ np.swapaxes(demo.hand_turn[rows], -1, -2)
    asked = np.concatenate(
        [wanted - demo.hand[rows], convert_rotations(turn, source="matrix", target="axis_angle")], axis=1
    )
    return float(np.sqrt(np.mean((demo.actions[rows, :6] - asked) ** 2)))


def sources_of(demos: Sequence[Demo]) -> dict[str, frozenset[str]]:
    """Return the annotated demonstrations that each demonstration is made of: an annotated one of itself."""
    annotated = [demo for demo in demos if demo.asked is not None]
    return {
        demo.name: frozenset({demo.name})
        if demo.asked is not None
        else frozenset(replayed(demo, part, annotated).source for part in range(len(_ABOUT)))
        for demo in demos
    }


# --- what is looked at ------------------------------------------------------------------------------------------


def points_of(demo: Demo, *, fingers: bool = True) -> Array:
    """Return the points of a demonstration, float64 (F, N, 3) metre; the gripper's command is no part of them.

    The hand and 5 cm along its axes; the fingers where they are, if wanted; middle and corners of three cubes.
    """
    own = np.concatenate([np.zeros((1, 3)), np.eye(3) * _AXES_M])
    points = [demo.hand[:, np.newaxis] + own @ np.swapaxes(demo.hand_turn, -1, -2)]
    if fingers:
        along = demo.fingers[..., np.newaxis] * demo.hand_turn[:, np.newaxis, :, 1]
        points.append(demo.hand[:, np.newaxis] + along)
    for cube in range(demo.cubes.shape[1]):
        corners = np.concatenate([np.zeros((1, 3)), _CORNERS])
        points.append(demo.cubes[:, cube, np.newaxis] + corners @ np.swapaxes(demo.cube_turns[:, cube], -1, -2))
    return np.concatenate(points, axis=1)


def demo_tracks(demo: Demo, *, fingers: bool = True) -> Tracks:
    """Return windows of the points as the two cameras see them, one from each row on."""
    points = points_of(demo, fingers=fingers).astype(np.float32)
    starts = np.arange(len(demo) - HORIZON + 1)
    rows = starts[:, np.newaxis] + np.arange(HORIZON)
    seen = {view: project_points(points, camera) for view, camera in CAMERAS.items()}
    header = TracksHeader(
        provenance=provenance(),
        video=SourceVideo(name=demo.name, rate=RATE, frames=len(demo), duration_s=demo.end_s),
        horizon=HORIZON,
        stride=1,
        rate=RATE,
        tracker=Tool(name="known_points", version="1"),
        continuous=True,
        views={view: _view(camera.size, points.shape[1]) for view, camera in CAMERAS.items()},
    )
    return Tracks(
        header,
        {view: one.points[rows] for view, one in seen.items()},
        {view: one.vis[rows] for view, one in seen.items()},
        starts,
        np.arange(len(demo)) / RATE.hz,
    )


def _view(size: FrameSize, points: int) -> TracksView:
    return TracksView(
        size=Size(width=size.width, height=size.height),
        active_area=Area(x=0, y=0, width=size.width, height=size.height),
        points=points,
        grid=Grid(kind="file", order="none"),
    )


def switch_segments(demos: Sequence[Demo]) -> Segments:
    """Return the time between switches of the gripper as segments, one demonstration after the other."""
    edges = [np.array([0, *demo.switches, len(demo)]) / RATE.hz for demo in demos]
    counts = [len(one) - 1 for one in edges]
    annotated: EndReason = "annotation"
    return Segments(
        SegmentsHeader(
            provenance=provenance(),
            videos=tuple(SegmentedVideo(name=demo.name, start_s=0.0, end_s=demo.end_s) for demo in demos),
        ),
        np.repeat(np.arange(len(demos)), counts),
        np.concatenate([one[:-1] for one in edges]),
        np.concatenate([one[1:] for one in edges]),
        (annotated,) * sum(counts),
        (None,) * sum(counts),
    )
