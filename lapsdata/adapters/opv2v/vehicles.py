"""Vehicles that agents have seen: boxes in the world, as one agent tells them, and as all agents of a time do."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lapsdata.adapters.opv2v.yaml_text import brief, load_yaml, plain_number
from lapsdata.errors import Problem, Problems, SchemaError
from lapsdata.geometry import carla_poses, points_from_carla
from lapsdata.storage.atomic import storage_errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lapsdata.adapters.opv2v.layout import AgentFolder

__all__ = ["MergedVehicles", "Vehicles", "merge_vehicles", "read_vehicles"]

_LISTS = ("location", "angle", "center", "extent")
_SAME_M, _SAME_DEG = 0.01, 0.1
_COPY = "copy the file again"
# What 64 bits hold.
_NUMBER, _MOST = re.compile(r"-?\d{1,18}", re.ASCII), 10**18


class Vehicles(NamedTuple):
    """Boxes in the world of their scenario, in OpenCV's axes: x right, y down, z forward.

    Parameters
    ----------
    number : int64 (N,)
        Numbers of vehicles, rising; an agent has that of its folder.
    box2world : float64 (N, 4, 4), metre
        Poses of the middles of boxes, whose own axes are x to the right of the vehicle, y down and z forward.
    half : float64 (N, 3), metre
        Half of width, height and length: along x, y and z of the box.
    speed : float64 (N,), kilometre per hour
        NaN where a file has none.

    Examples
    --------
    >>> Vehicles(np.array([7]), np.eye(4)[None], np.ones((1, 3)), np.zeros(1)).number.tolist()
    [7]
    """

    number: NDArray[np.int64]
    box2world: NDArray[np.float64]
    half: NDArray[np.float64]
    speed: NDArray[np.float64]


class MergedVehicles(NamedTuple):
    """Vehicles of all agents at a time, each once.

    Parameters
    ----------
    vehicles : Vehicles
    seen_by : tuple of tuple of str, N
        Agents that tell of each.
    unlike : tuple of Problem
        Where agents tell of different places for one vehicle, by more than 1 cm or 0.1 degrees.
    """

    vehicles: Vehicles
    seen_by: tuple[tuple[str, ...], ...]
    unlike: tuple[Problem, ...]


def read_vehicles(folder: AgentFolder, stem: str) -> Vehicles:
    """Return the vehicles that an agent tells of in one frame.

    Parameters
    ----------
    folder : AgentFolder
    stem : str
        Name of the frame, without ending.

    Raises
    ------
    StorageError
        The yaml is not there, or may not be read.
    SchemaError
        It is broken (see `load_yaml`), or a vehicle lacks a number (`wrong-value`).
    """
    path = Path(folder.path) / f"{stem}.yaml"
    with storage_errors(path, "read"):
        data = path.read_bytes()
    return vehicles_of(load_yaml(data, str(path)), str(path))


def vehicles_of(document: Any, where: str) -> Vehicles:  # noqa: ANN401 - any YAML
    """Return the vehicles of a frame's description.

    The middle of a box is told in the axes of its vehicle (`center`), and its half sizes as length, width and height.
    OpenCOOD adds the middle to the place of the vehicle without turning it: its boxes are apart from these, and from
    points of the LiDAR, by as much as that turns the middle, up to twice its distance from the upright axis.

    Parameters
    ----------
    document : any
        As `load_yaml` returns it.
    where : str
        File, for messages.

    Raises
    ------
    SchemaError
        Something else than vehicles by their numbers, lists that are not three finite numbers, or a speed that is none
        (`wrong-value`); a number that stands twice (`vehicle-twice`).

    Examples
    --------
    A car that looks along x of CARLA, 2 m to the right of the origin; its middle is 0.75 m above the ground.

    >>> car = {"location": [0, 2, 0], "angle": [0, 0, 0], "center": [0, 0, 0.75], "extent": [2.3, 1, 0.75], "speed": 9}
    >>> found = vehicles_of({"vehicles": {641: car}}, "000069.yaml")
    >>> found.box2world[0, :3, 3].tolist(), found.half[0].tolist()
    ([2.0, -0.75, 0.0], [1.0, 0.75, 2.3])
    """
    told = document.get("vehicles") if isinstance(document, dict) else None
    problems = Problems(where)
    rows: dict[int, list[list[float]]] = {}
    speeds: dict[int, float] = {}
    if told is not None and not isinstance(told, dict):
        problems.add("wrong-value", "vehicles", f"expected vehicles by their numbers, got {brief(told)}", _COPY)
    for key, vehicle in (told if isinstance(told, dict) else {}).items():
        named = f"vehicles: {key if isinstance(key, str) else brief(key)}"
        lists = [_three(vehicle, name, f"{named}: {name}", problems) for name in _LISTS]
        number = _name(key)
        if number is None:
            problems.add("wrong-value", "vehicles", f"expected whole numbers as names, got {brief(key)}", _COPY)
            continue
        if number in rows:
            problems.add("vehicle-twice", "vehicles", f"expected each vehicle once, got {number} again", _COPY)
        rows[number] = lists
        speeds[number] = _speed(vehicle, f"{named}: speed", problems)
    problems.raise_as(SchemaError)
    numbers = sorted(rows)
    told_of = np.array([rows[number] for number in numbers], np.float64).reshape(-1, 4, 3)
    location, angle, centre, extent = (told_of[:, place] for place in range(4))
    poses = carla_poses(np.concatenate([location, angle], axis=1))
    middles = np.tile(np.eye(4), (len(numbers), 1, 1))
    middles[:, :3, 3] = points_from_carla(centre)
    half = extent[:, [1, 2, 0]]
    speed_of = np.array([speeds[number] for number in numbers], np.float64)
    return Vehicles(np.array(numbers, np.int64), poses @ middles, half, speed_of)


def merge_vehicles(told: Sequence[tuple[str, Vehicles]]) -> MergedVehicles:
    """Return each vehicle once, as the first of the agents tells of it.

    Parameters
    ----------
    told : sequence of (str, Vehicles)
        Agents, the ego first, and what each tells of.

    Examples
    --------
    >>> one = Vehicles(np.array([7]), np.eye(4)[None], np.ones((1, 3)), np.zeros(1))
    >>> merge_vehicles([("641", one), ("1000", one)]).seen_by
    (('641', '1000'),)
    """
    first: dict[int, tuple[Vehicles, int]] = {}
    seen: dict[int, list[str]] = {}
    unlike = []
    for agent, vehicles in told:
        for row, number in enumerate(vehicles.number.tolist()):
            seen.setdefault(number, []).append(agent)
            mine, at = first.setdefault(number, (vehicles, row))
            away, turned = _apart(mine.box2world[at], vehicles.box2world[row])
            if away > _SAME_M or turned > _SAME_DEG:
                message = f"expected one place as agent {seen[number][0]} tells it, got {away:.3f} m and {turned:.2f} "
                message += f"degrees apart from agent {agent}"
                unlike.append(Problem("vehicle-apart", f"vehicle {number}", message, None, "warning"))
    numbers = sorted(first)
    parts = [[getattr(first[number][0], name)[first[number][1]] for number in numbers] for name in Vehicles._fields[1:]]
    boxes, half, speed = (np.array(part, np.float64) for part in parts)
    found = Vehicles(np.array(numbers, np.int64), boxes.reshape(-1, 4, 4), half.reshape(-1, 3), speed)
    return MergedVehicles(found, tuple(tuple(seen[number]) for number in numbers), tuple(unlike))


def _three(vehicle: Any, name: str, where: str, problems: Problems) -> list[float]:  # noqa: ANN401 - any YAML
    value = vehicle.get(name) if isinstance(vehicle, dict) else None
    if isinstance(value, list) and len(value) == 3:
        good = [number for one in value if (number := plain_number(one)) is not None]
        if len(good) == 3:
            return good
    problems.add("wrong-value", where, f"expected 3 finite numbers, got {brief(value)}", _COPY)
    return [0.0] * 3


def _name(key: Any) -> int | None:  # noqa: ANN401 - any YAML
    """Return the number that a vehicle is called, also where it stands in quotes; None for any other name."""
    if isinstance(key, str):
        return int(key) if _NUMBER.fullmatch(key) else None
    return key if isinstance(key, int) and not isinstance(key, bool) and abs(key) < _MOST else None


def _speed(vehicle: Any, where: str, problems: Problems) -> float:  # noqa: ANN401 - any YAML
    told = vehicle.get("speed") if isinstance(vehicle, dict) else None
    speed = plain_number(told)
    if told is not None and speed is None:
        problems.add("wrong-value", where, f"expected a finite number, got {brief(told)}", _COPY)
    return math.nan if speed is None else speed


def _apart(one: NDArray[np.float64], other: NDArray[np.float64]) -> tuple[float, float]:
    away = float(np.linalg.norm(one[:3, 3] - other[:3, 3]))
    cosine = (np.trace(one[:3, :3].T @ other[:3, :3]) - 1) / 2
    return away, float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))
