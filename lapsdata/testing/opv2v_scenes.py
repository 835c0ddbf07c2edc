"""Small scenes in the format of OPV2V, whose every pixel and point has an exact truth.

A root holds `<split>/<scenario>/<agent>/<frame>.yaml`, `.pcd` and `_camera<i>.png`; depth, which OPV2V has none of,
lies in a root of its own, coded as CARLA does it or as `.npy`. Cars drive, lean and pitch; the agent `-1` stands at the
side of the road. Nothing of the library's readers or geometry is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lapsdata.testing._street import Block, Hits, Street, matrix_of, pose_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    from numpy.typing import NDArray

__all__ = ["Opv2vScene", "write_opv2v", "write_opv2v_yaml"]

_MOUNTS = ((2.5, 0.0, 1.0, 0.0), (0.0, 0.3, 1.8, 100.0), (0.0, -0.3, 1.8, -100.0), (-2.0, 0.0, 1.5, 180.0))
_LIDAR = np.array([-0.5, 0.0, 1.9, 0.0, 0.0, 0.0])
_ELEVATIONS = (-25.0, 5.0)
_FAR_M, _RANGE_M = 1000.0, 120.0
_H_FOV = np.radians(100.0)
_STEP_S = 0.05
_HALF, _CENTRE = np.array([2.3, 0.95, 0.75]), np.array([0.1, 0.0, 0.8])
_BUILDINGS = (
    ((30.0, 16.0, 4.0, 0.0, 12.0, 0.0), (9.0, 4.0, 4.0), (196, 120, 96)),
    ((8.0, -15.0, 3.0, 0.0, -4.0, 0.0), (7.0, 3.0, 3.0), (120, 150, 190)),
    ((-26.0, 11.0, 5.0, 0.0, 30.0, 0.0), (6.0, 5.0, 5.0), (170, 180, 110)),
    ((52.0, -4.0, 3.5, 0.0, 85.0, 0.0), (12.0, 2.0, 3.5), (150, 110, 170)),
    ((-40.0, -8.0, 3.0, 0.0, 80.0, 0.0), (14.0, 2.0, 3.0), (110, 170, 160)),
)
# Where cars begin (x, y, yaw), and how fast they are, m/s; the first are those that record.
_LANES = ((0.0, -2.0, 2.0, 9.0), (14.0, 2.5, -178.0, 7.0), (-13.0, -2.2, 4.0, 8.0), (24.0, -6.0, 95.0, 5.0))
_PAINTS = ((200, 40, 40), (40, 80, 190), (230, 190, 60), (60, 160, 80))
_PCD = """# .PCD v0.7 - Point Cloud Data file format
VERSION 0.7
FIELDS x y z rgb
SIZE 4 4 4 4
TYPE F F F F
COUNT 1 1 1 1
WIDTH {points}
HEIGHT 1
VIEWPOINT 0 0 0 1 0 0 0
POINTS {points}
DATA ascii
"""


@dataclass(frozen=True)
class Opv2vScene:
    """One scenario: who records it, and where everything is.

    Positions are in metres and CARLA's left-handed axes (x forward, y right, z up), as the files have them.

    Parameters
    ----------
    split, name : str
    agents : tuple of str
        Numbers of those that record, as their folders are called; below zero for infrastructure.
    frames : tuple of int
        Numbers of the frames; one step is 0.05 seconds.
    size : (int, int), pixel
        Width and height of a picture.
    beams : (int, int)
        Rows and columns of the LiDAR.

    Examples
    --------
    >>> scene = Opv2vScene("train", "2021_08_22_21_41_24", ("641", "-1"), (69, 71))
    >>> scene.intrinsic.round(4).tolist()
    [[335.6399, 0.0, 400.0], [0.0, 335.6399, 300.0], [0.0, 0.0, 1.0]]
    """

    split: str
    name: str
    agents: tuple[str, ...]
    frames: tuple[int, ...]
    size: tuple[int, int] = (800, 600)
    beams: tuple[int, int] = (16, 90)

    @property
    def intrinsic(self) -> NDArray[np.float64]:
        """Matrix of each camera, for a picture that begins at the corner of its first pixel: float64 (3, 3)."""
        width, height = self.size
        focal = width / 2 / np.tan(_H_FOV / 2)
        return np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])

    def agent_pose(self, agent: str, frame: int) -> NDArray[np.float64]:
        """Return where an agent stands: x, y, z, roll, yaw, pitch; float64 (6,)."""
        if agent.startswith("-"):
            return np.array([6.0, 6.5 + 4 * (int(agent) + 1), 2.2, 0.5, -120.0, -4.0])
        return self._cars(frame)[int(agent)]

    def lidar_pose(self, agent: str, frame: int) -> NDArray[np.float64]:
        """Return where the LiDAR of an agent is; see `agent_pose`."""
        return pose_of(matrix_of(self.agent_pose(agent, frame)) @ matrix_of(_LIDAR))

    def camera_pose(self, agent: str, frame: int, camera: int) -> NDArray[np.float64]:
        """Return where a camera of an agent is, with x forward in its axes; see `agent_pose`."""
        x, y, z, yaw = _MOUNTS[camera]
        mount = np.array([x, y, z, 0.0, yaw, 0.0])
        return pose_of(matrix_of(self.agent_pose(agent, frame)) @ matrix_of(mount))

    def street(self, frame: int, seen_by: str | None = None) -> Street:
        """Return all surfaces of a frame; of one that records, all but its own."""
        buildings = [Block(np.array(pose), np.array(half), paint) for pose, half, paint in _BUILDINGS]
        cars = [
            Block(_at(pose, _CENTRE), _HALF, _PAINTS[place % len(_PAINTS)], number)
            for place, (number, pose) in enumerate(self._cars(frame).items())
        ]
        street = Street((*buildings, *cars))
        return street if seen_by is None else street.without(int(seen_by))

    def depth(self, agent: str, frame: int, camera: int) -> NDArray[np.float64]:
        """Return how far the surface of each pixel is along the camera's axis: float64 (H, W), metre, inf for none."""
        return self._look(agent, frame, camera)[2].times.reshape(self.size[::-1])

    def picture(self, agent: str, frame: int, camera: int) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
        """Return the picture of a camera, uint8 (H, W, 3) RGB, and its depth; see `depth`."""
        eye, directions, hits = self._look(agent, frame, camera)
        colours = self.street(frame, agent).colours(eye, directions, hits)
        return colours.reshape(*self.size[::-1], 3), hits.times.reshape(self.size[::-1])

    def cloud(self, agent: str, frame: int) -> NDArray[np.float64]:
        """Return the points of the LiDAR, in its own axes, and how bright they are, from 0 to 1: float64 (N, 4)."""
        directions, hits = self._sweep(agent, frame)
        met = hits.times <= _RANGE_M
        points = directions[met] * hits.times[met, None]
        return np.column_stack([points, (np.exp(-0.02 * hits.times[met]) * 255).round() / 255])

    def vehicles(self, agent: str, frame: int) -> dict[int, dict[str, Any]]:
        """Return what a file says of the vehicles that at least one point of the agent's LiDAR is on, by number."""
        street = self.street(frame, agent)
        cars, met = self._cars(frame), np.unique(self._sweep(agent, frame)[1].what)
        seen = [block.vehicle for number, block in enumerate(street.blocks, 1) if number in met]
        return {
            number: {
                "angle": [float(value) for value in cars[number][3:]],
                "center": _CENTRE.tolist(),
                "extent": _HALF.tolist(),
                "location": [float(value) for value in cars[number][:3]],
                "speed": 3.6 * _LANES[place][3],
            }
            for place, number in enumerate(cars)
            if number in seen
        }

    def told(self, agent: str, frame: int) -> dict[str, Any]:
        """Return what the yaml of a frame says."""
        lidar = self.lidar_pose(agent, frame)
        cameras = {
            f"camera{number}": {
                "cords": self.camera_pose(agent, frame, number).tolist(),
                "extrinsic": self.extrinsic(agent, frame, number).tolist(),
                "intrinsic": self.intrinsic.tolist(),
            }
            for number in range(len(_MOUNTS))
        }
        own = self.agent_pose(agent, frame)
        ahead = [[float(own[0] + step), float(own[1]), 20.0] for step in range(1, 6)]
        return {
            **cameras,
            "ego_speed": 0.0 if agent.startswith("-") else 3.6 * _LANES[0][3],
            "lidar_pose": lidar.tolist(),
            "plan_trajectory": ahead,
            "predicted_ego_pos": own.tolist(),
            "true_ego_pos": own.tolist(),
            "vehicles": self.vehicles(agent, frame),
        }

    def extrinsic(self, agent: str, frame: int, camera: int) -> NDArray[np.float64]:
        """Return the matrix from the LiDAR to a camera, both with x forward: float64 (4, 4)."""
        world = np.linalg.inv(matrix_of(self.camera_pose(agent, frame, camera)))
        matrix: NDArray[np.float64] = world @ matrix_of(self.lidar_pose(agent, frame))
        return matrix

    def _cars(self, frame: int) -> dict[int, NDArray[np.float64]]:
        """Return where each car stands on the ground, by its number: those that record, and one more."""
        numbers = [int(agent) for agent in self.agents if not agent.startswith("-")]
        poses = {}
        for place, number in enumerate([*numbers, 9000][: len(_LANES)]):
            x, y, yaw, speed = _LANES[place]
            gone, turned = speed * _STEP_S * frame % 20, np.radians(yaw)
            lean = 1.5 * np.sin(0.3 * frame + place), 2.0 * np.cos(0.2 * frame + place)
            pose = [x + gone * np.cos(turned), y + gone * np.sin(turned), 0.0, lean[0], yaw, lean[1]]
            poses[number] = np.array(pose)
        return poses

    def _look(self, agent: str, frame: int, camera: int) -> tuple[NDArray[np.float64], NDArray[np.float64], Hits]:
        """Return the eye of a camera, the direction of each pixel's centre, 1 m along its axis, and what it meets."""
        matrix, intrinsic = matrix_of(self.camera_pose(agent, frame, camera)), self.intrinsic
        x, y = np.meshgrid(np.arange(self.size[0]) + 0.5, np.arange(self.size[1]) + 0.5)
        right, down = (x - intrinsic[0, 2]) / intrinsic[0, 0], (y - intrinsic[1, 2]) / intrinsic[1, 1]
        own = np.stack([np.ones(x.size), right.ravel(), -down.ravel()], axis=1)
        directions = own @ matrix[:3, :3].T
        return matrix[:3, 3], directions, self.street(frame, agent).cast(matrix[:3, 3], directions)

    def _sweep(self, agent: str, frame: int) -> tuple[NDArray[np.float64], Hits]:
        """Return the directions of the LiDAR in its own axes, of unit length, and what they meet."""
        matrix = matrix_of(self.lidar_pose(agent, frame))
        rows, columns = self.beams
        # A beam straight ahead would lie on the edge between two pixels, where rounding chooses.
        around = np.linspace(-np.pi, np.pi, columns, endpoint=False) + 0.0123
        elevation, azimuth = np.meshgrid(np.radians(np.linspace(*_ELEVATIONS, rows)), around)
        flat = np.cos(elevation)
        own = np.stack([flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation)], axis=-1).reshape(-1, 3)
        return own, self.street(frame, agent).cast(matrix[:3, 3], own @ matrix[:3, :3].T)


def write_opv2v(
    root: str | PathLike[str],
    scenes: Sequence[Opv2vScene] | None = None,
    *,
    depth_root: str | PathLike[str] | None = None,
    depth: Literal["png", "npy"] = "png",
) -> tuple[Opv2vScene, ...]:
    """Write scenes as files, and return them.

    Parameters
    ----------
    root : path
        Made if it is not there.
    scenes : sequence of Opv2vScene, optional
        By default one of three agents and three frames, 80 x 60 pixels.
    depth_root : path, optional
        Where depth is written too; by default it is not.
    depth : {"png", "npy"}
        As CARLA codes it, where the sky is 1000 m away, or float32 metres, where it is 0.

    Examples
    --------
    >>> import tempfile
    >>> root = Path(tempfile.mkdtemp())
    >>> _ = write_opv2v(root, [Opv2vScene("train", "2021_08_22_21_41_24", ("641",), (69,), size=(8, 6))])
    >>> sorted(one.name for one in (root / "train" / "2021_08_22_21_41_24" / "641").iterdir())[:2]
    ['000069.pcd', '000069.yaml']
    """
    if scenes is None:
        scenes = [Opv2vScene("train", "2021_08_22_21_41_24", ("641", "1000", "-1"), (69, 71, 75), size=(80, 60))]
    for scene in scenes:
        write_opv2v_yaml(root, [scene])
        for agent in scene.agents:
            folder = Path(root) / scene.split / scene.name / agent
            beside = None if depth_root is None else Path(depth_root) / scene.split / scene.name / agent
            for frame in scene.frames:
                (folder / f"{frame:06d}.pcd").write_text(_pcd(scene.cloud(agent, frame)), encoding="ascii")
                for camera in range(len(_MOUNTS)):
                    image, away = scene.picture(agent, frame, camera)
                    _write_png(folder / f"{frame:06d}_camera{camera}.png", image)
                    if beside is not None:
                        beside.mkdir(parents=True, exist_ok=True)
                        _write_depth(beside / f"{frame:06d}_camera{camera}_depth.{depth}", away)
    return tuple(scenes)


def write_opv2v_yaml(root: str | PathLike[str], scenes: Sequence[Opv2vScene]) -> None:
    """Write the yaml files of scenes alone: enough for what reads no pixel and no point.

    Parameters
    ----------
    root : path
    scenes : sequence of Opv2vScene

    Examples
    --------
    >>> import tempfile
    >>> root = Path(tempfile.mkdtemp())
    >>> write_opv2v_yaml(root, [Opv2vScene("validate", "2021_09_09_13_20_58", ("-1",), (70,))])
    >>> (root / "validate" / "2021_09_09_13_20_58" / "-1" / "000070.yaml").read_text().partition(":")[0]
    'camera0'
    """
    import yaml

    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    for scene in scenes:
        for agent in scene.agents:
            folder = Path(root) / scene.split / scene.name / agent
            folder.mkdir(parents=True, exist_ok=True)
            for frame in scene.frames:
                text = yaml.dump(scene.told(agent, frame), Dumper=dumper, default_flow_style=False)
                (folder / f"{frame:06d}.yaml").write_text(text, encoding="utf-8")
        protocol = {"description": "made for tests", "scene": scene.name}
        (Path(root) / scene.split / scene.name / "data_protocol.yaml").write_text(yaml.safe_dump(protocol))


def _at(pose: NDArray[np.float64], offset: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the pose of something that lies at an offset in the axes of another."""
    matrix = matrix_of(pose)
    return np.concatenate([matrix[:3, 3] + matrix[:3, :3] @ offset, pose[3:]])


def _pcd(cloud: NDArray[np.float64]) -> str:
    """Spell points as Open3D does: colours are 32 bits that are written as if they were a float."""
    red = (cloud[:, 3] * 255).round().astype(np.uint32) << 16
    rows = zip(*cloud[:, :3].T.tolist(), red.view(np.float32).tolist(), strict=True)
    return _PCD.format(points=len(cloud)) + "".join(f"{x:.10g} {y:.10g} {z:.10g} {c:.10g}\n" for x, y, z, c in rows)


def _write_png(path: Path, image: NDArray[Any]) -> None:
    import cv2

    path.write_bytes(cv2.imencode(".png", image[..., ::-1])[1].tobytes())


def _write_depth(path: Path, depth: NDArray[np.float64]) -> None:
    if path.suffix == ".npy":
        np.save(path, np.where(np.isfinite(depth), depth, 0).astype(np.float32))
        return
    code = (np.minimum(depth, _FAR_M) / _FAR_M * (256**3 - 1)).round().astype(np.uint32)
    _write_png(path, np.stack([code & 255, code >> 8 & 255, code >> 16], axis=-1).astype(np.uint8))
