"""Poses that are not cam2world in one world, in metres: what shows it without looking at a pixel."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lapsdata.checks._view_numbers import view_named
from lapsdata.errors import Problem
from lapsdata.geometry import invert_poses

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from lapsdata.containers import Views

__all__ = ["pose_faults"]

_SAME = 1e-6
# Cars tell one another what they see up to some 70 m away; cameras of one rig are a few metres apart.
_APART_M, _RIG_M, _NEARER = 200.0, 15.0, 5.0
_FASTEST_M_S = 100.0
# What stands is at most so fast a tenth of a second before and after; brakes and engines do not do more.
_STARTS_M_S = 3.0
# float32, which models take, has steps of 8 mm there.
_FAR_M = 1e5
_UPSIDE_DOWN = -0.5


def pose_faults(views: Views, split: str, where: str) -> Iterator[Problem]:
    """Yield what is wrong with the poses of a split.

    Parameters
    ----------
    views : Views
    split : str
    where : str
        File and split, for messages.

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_views
    >>> list(pose_faults(sample_views(), "train", "scene.h5: train"))
    []
    """
    places = [place for place, name in enumerate(views.split) if name == split]
    sets = [_Set.of(views, place) for place in places]
    yield from _alike(views, sets, where)
    yield from _inverted(views, sets, where)
    yield from _ranges(views, sets, where)
    yield from _speeds(views, places, where)
    yield from _repeated(views, places, where)


class _Set(NamedTuple):
    """The poses of a set, and which views of it have which agent."""

    place: int
    views: range
    poses: NDArray[np.float64]
    agents: dict[str, list[int]]

    @classmethod
    def of(cls, views: Views, place: int) -> _Set:
        members = views.views_of(place)
        agents: dict[str, list[int]] = {}
        for number, view in enumerate(members):
            agents.setdefault(views.agent[view], []).append(number)
        return cls(place, members, views.cam2world[members.start : members.stop], agents)


def _alike(views: Views, sets: list[_Set], where: str) -> Iterator[Problem]:
    """Yield that views of a set have one pose, or agents one place."""
    several = [one for one in sets if len(one.views) > 1]
    same = [one for one in several if np.abs(one.poses - one.poses[0]).max() < _SAME]
    if same:
        message = f"all views of a set have the same pose {_in(views, same, several)}"
        fix = "write the pose of each camera in the world"
        yield Problem("poses-identical", where, message, fix, "error" if len(same) == len(several) else "warning")
    apart = {one.place for one in several} - {one.place for one in same}
    with_agents = [one for one in several if len(one.agents) > 1 and one.place in apart]
    yield from _doubled(views, with_agents, where)
    first = [one for one in sets if np.abs(one.poses[0] - np.eye(4)).max() < _SAME]
    if len(sets) > 1 and len(first) == len(sets) and not same:
        message = f"the first view of each of the {len(sets)} sets is at the origin and looks ahead"
        fix = "poses are relative to it, and those of different sets do not fit: keep them in the world"
        yield Problem("poses-not-world", where, message, fix, "warning")


def _doubled(views: Views, sets: list[_Set], where: str) -> Iterator[Problem]:
    """Yield agents whose cameras are at one place: in the frame of each agent, or one agent twice."""
    own, twice = list[_Set](), dict[tuple[str, str], list[_Set]]()
    first: dict[str, dict[str, NDArray[np.float64]]] = {}
    for one in sets:
        at = _first_places(views, one)
        pairs = [pair for pair in itertools.combinations(at, 2) if _together(at[pair[0]], at[pair[1]])]
        everyone = len(pairs) == math.comb(len(at), 2)
        # In the frame of each agent cameras stay where they are on the car, near its middle.
        stay = all(_together(places, first.setdefault(agent, places)) for agent, places in at.items())
        near = all(np.linalg.norm(place) < _RIG_M for places in at.values() for place in places.values())
        if pairs and everyone and stay and near:
            own.append(one)
            continue
        for pair in pairs:
            twice.setdefault(pair, []).append(one)
    if own:
        message = f"cameras of different agents are at the same place {_in(views, own, sets)}"
        fix = "poses are those in the frame of each agent: compose them with its own, agent2world @ cam2agent"
        yield Problem("poses-not-world", where, message, fix, "warning")
    for (agent, other), wrong in twice.items():
        message = f"agents {agent} and {other} are at the same place {_in(views, wrong, sets)}"
        fix = "is one of the folders a copy of the other? delete it"
        yield Problem("agent-twice", where, message, fix)


def _first_places(views: Views, one: _Set) -> dict[str, dict[str, NDArray[np.float64]]]:
    """Return where the cameras of each agent of a set are, by name."""
    return {
        agent: {views.camera[one.views[number]]: one.poses[number, :3, 3] for number in members}
        for agent, members in one.agents.items()
    }


def _together(one: dict[str, NDArray[np.float64]], other: dict[str, NDArray[np.float64]]) -> bool:
    """Say whether the cameras that both have are at the same places; not where no name is in both."""
    shared = one.keys() & other.keys()
    return bool(shared) and all(np.linalg.norm(one[name] - other[name]) < _SAME for name in shared)


def _inverted(views: Views, sets: list[_Set], where: str) -> Iterator[Problem]:
    """Yield that cameras of a rig are near one another by the inverse of their poses, and far apart by these."""
    rigs = [(one, members) for one in sets for members in one.agents.values() if len(members) > 1]
    if not rigs:
        return
    stored = [_widest(one.poses[members]) for one, members in rigs]
    turned = [_widest(invert_poses(one.poses[members])) for one, members in rigs]
    wide, narrow = float(np.median(stored)), float(np.median(turned))
    if wide > _RIG_M and (narrow < wide / _NEARER or narrow <= _RIG_M):
        message = (
            f"cameras of one agent are {wide:.0f} m apart as stored, and {narrow:.1f} m by the inverse of their poses "
            f"(at the median of {len(rigs)}; {_named(views, rigs[0][0])})"
        )
        fix = "they are world2cam: lapsdata.geometry.invert_poses makes cam2world of them"
        yield Problem("poses-inverted", where, message, fix, "warning")
    elif wide > _RIG_M:
        message = f"cameras of one agent are {wide:.0f} m apart, more than {_RIG_M:g} m, at the median of {len(rigs)}"
        fix = "are they centimetres, as Unreal has them, or of different times?"
        yield Problem("poses-apart", where, f"{message} ({_named(views, rigs[0][0])})", fix, "warning")


def _widest(poses: NDArray[np.float64]) -> float:
    at = poses[:, :3, 3]
    return float(np.linalg.norm(at[:, np.newaxis] - at, axis=2).max())


def _ranges(views: Views, sets: list[_Set], where: str) -> Iterator[Problem]:
    away = [float(np.linalg.norm(one.poses[:, :3, 3] - one.poses[0, :3, 3], axis=1).max()) for one in sets]
    wide = [one for one, far in zip(sets, away, strict=True) if far > _APART_M]
    if wide:
        message = f"views of a set are up to {max(away):,.0f} m apart, more than {_APART_M:g} m"
        fix = "are agents in one world, and in metres?"
        yield Problem("poses-apart", where, f"{message} {_in(views, wide, sets)}", fix, "warning")
    poses = np.concatenate([one.poses for one in sets])
    farthest = float(np.linalg.norm(poses[:, :3, 3], axis=1).max())
    if farthest > _FAR_M:
        step = float(np.spacing(np.float32(farthest)))
        message = f"cameras are up to {farthest:,.0f} m from the origin, where steps of float32 are {step:.3f} m"
        fix = "subtract a place near them from all poses of a scenario"
        yield Problem("poses-far", where, message, fix, "warning")
    down = float(np.median(poses[:, 1, 1]))
    if down < _UPSIDE_DOWN:
        message = f"cameras are upside down: their y axis has a y of {down:.2f} in the world, where y is down"
        fix = "OpenCV's y is down, in the world too: lapsdata.geometry.carla_poses and flip_camera_axes turn poses"
        yield Problem("poses-upside-down", where, message, fix, "warning")


def _speeds(views: Views, places: list[int], where: str) -> Iterator[Problem]:
    """Yield that a camera is somewhere else in the next set of its scenario than it can have come to."""
    last: dict[tuple[str, str, str], tuple[float, NDArray[np.float64]]] = {}
    wrong, steps, fastest = [], 0, 0.0
    for place in places:
        for view in views.views_of(place):
            key = (views.scenario[place], views.agent[view], views.camera[view])
            now, at = float(views.time_s[place]), views.cam2world[view, :3, 3]
            if key in last and now > last[key][0]:
                steps += 1
                speed = float(np.linalg.norm(at - last[key][1])) / (now - last[key][0])
                fastest = max(fastest, speed)
                if speed > _FASTEST_M_S:
                    wrong.append(f"{key[0]}, frame {int(views.frame[place])}, agent {key[1]}, {key[2]}")
            last[key] = (now, at)
    if wrong:
        message = f"cameras move at up to {fastest:,.0f} m/s, more than {_FASTEST_M_S:g} m/s"
        fix = "are poses of other frames, or their unit another? --rate says how many frames there are in a second"
        yield Problem("pose-jumps", where, f"{message} ({len(wrong)} of {steps} steps; {wrong[0]})", fix, "warning")


def _repeated(views: Views, places: list[int], where: str) -> Iterator[Problem]:
    """Yield poses to the last digit of another time, of cameras that moved in between, or right before or after."""
    tracks: dict[tuple[str, str, str], list[int]] = {}
    for place in places:
        for view in views.views_of(place):
            tracks.setdefault((views.scenario[place], views.agent[view], views.camera[view]), []).append(view)
    wrong, every = list[tuple[int, int]](), 0
    for track in tracks.values():
        every += len(track)
        wrong += _repeats(views, sorted(track, key=lambda view: float(views.time_s[views.set_of[view]])))
    if wrong:
        view, like = min(wrong)
        other = int(views.frame[views.set_of[like]])
        message = (
            f"cameras that move have the pose of another frame, to the last digit ({len(wrong)} of {every} views; "
            f"{view_named(views, view)}, that of frame {other})"
        )
        fix = "is the yaml of one frame that of another? copy it again"
        yield Problem("pose-repeated", where, message, fix, "warning")


def _repeats(views: Views, track: list[int]) -> Iterator[tuple[int, int]]:
    """Yield views of one camera with the pose of an earlier one, which it cannot have come back to, and that one."""
    poses, times = views.cam2world[track], views.time_s[views.set_of[track]]
    speeds = np.linalg.norm(np.diff(poses[:, :3, 3], axis=0), axis=1) / np.maximum(np.diff(times), 1e-9)
    seen: dict[bytes, int] = {}
    for number in range(len(track)):
        pose = poses[number].tobytes()
        last = seen.get(pose)
        seen[pose] = number
        if last is None:
            continue
        # Away and back, or at a stand between two steps of which one was fast.
        beside = [speeds[last - 1] if last else 0.0, speeds[number] if number < len(speeds) else 0.0]
        if last < number - 1 or max(beside) > _STARTS_M_S:
            yield track[number], track[last]


def _in(views: Views, wrong: list[_Set], every: list[_Set]) -> str:
    return f"({len(wrong)} of {len(every)} sets; {_named(views, wrong[0])})"


def _named(views: Views, one: _Set) -> str:
    return f"{views.scenario[one.place]}, frame {int(views.frame[one.place])}"
