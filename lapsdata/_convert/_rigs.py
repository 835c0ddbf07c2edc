"""Cameras that an agent has in other frames of its scenario, and not in one: what a conversion tells of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lapsdata.containers import Views

__all__ = ["LackingCameras", "lacking_cameras", "lacking_text"]

_NAMED = 4
"""Cameras that a text names; JSON has all."""


class LackingCameras(NamedTuple):
    """An agent that has fewer cameras in one set than in its scenario.

    Parameters
    ----------
    split, scenario : str
    frame : int
    agent : str
    cameras : tuple of str
        Those that the set has no view of.

    Examples
    --------
    >>> LackingCameras("train", "2021_08_22_21_41_24", 69, "641", ("camera3",)).cameras
    ('camera3',)
    """

    split: str
    scenario: str
    frame: int
    agent: str
    cameras: tuple[str, ...]


def lacking_cameras(views: Views) -> tuple[LackingCameras, ...]:
    """Return where an agent of a set has no view of a camera that it has in another set of the same scenario.

    Rigs may differ from agent to agent, so that only the agent itself tells what it should have; agents that are not in
    a set at all lack nothing there.

    Parameters
    ----------
    views : Views

    Examples
    --------
    >>> from lapsdata.testing.samples import sample_views
    >>> lacking_cameras(sample_views())
    ()
    """
    has: dict[tuple[int, str], set[str]] = defaultdict(set)
    rig: dict[tuple[str, str, str], dict[str, None]] = defaultdict(dict)
    for place in range(views.sets):
        for view in views.views_of(place):
            agent, camera = views.agent[view], views.camera[view]
            has[place, agent].add(camera)
            rig[views.split[place], views.scenario[place], agent][camera] = None
    found = []
    for (place, agent), cameras in has.items():
        split, scenario = views.split[place], views.scenario[place]
        if lost := tuple(sorted(rig[split, scenario, agent].keys() - cameras)):
            found.append(LackingCameras(split, scenario, int(views.frame[place]), agent, lost))
    return tuple(found)


def lacking_text(lacking: Iterable[LackingCameras]) -> str:
    """Return in how many sets agents lack cameras, and which most often.

    Examples
    --------
    >>> lacking_text([LackingCameras("train", "2021_08_22_21_41_24", 69, "641", ("camera3",))])
    '1 set in which an agent has no view of a camera that it has in other frames: agent 641 camera3 (1)'
    """
    every = list(lacking)
    sets = len({one[:3] for one in every})
    counts = Counter(f"agent {one.agent} {camera}" for one in every for camera in one.cameras)
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    shown = ", ".join(f"{name} ({count})" for name, count in ordered[:_NAMED])
    more = len(ordered) - _NAMED
    rest = f" and {more} more" if more > 0 else ""
    many = f"{sets:,} set{'s' * (sets != 1)} in which an agent has no view of a camera that it has in other frames"
    return f"{many}: {shown}{rest}"
