"""What LeRobot calls the columns and cameras of files of HDF5: as its own ports of ALOHA and of robomimic do.

    action, actions              action
    rewards, dones               next.reward, next.done
    observations/qpos            observation.state       (ACT)
    observations/qvel, effort    observation.velocity, observation.effort
    observations/images/top      observation.images.top
    obs/eef_pos                  observation.eef_pos     (robomimic)
    obs/agentview_image          observation.images.agentview_image, where it is a camera
    next_obs/...                 next.observation...
    states, others               their path, with points in place of slashes

Ports of robomimic put several columns of `obs` into one `observation.state`, each in a way of its own: nothing is put
together here, and a column is called so where that is asked for (`rename`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lapsdata.adapters.lerobot.info import DEFAULTS
from lapsdata.adapters.lerobot.layout import unfit_name
from lapsdata.errors import Problems, SchemaError, listed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["lerobot_names"]

_SAME = {
    "actions": "action",
    "rewards": "next.reward",
    "dones": "next.done",
    "observations/qpos": "observation.state",
    "observations/qvel": "observation.velocity",
    "observations/effort": "observation.effort",
}
_BEGINNINGS = {"obs/": "observation.", "observations/": "observation.", "next_obs/": "next.observation."}


def lerobot_names(columns: Sequence[str], cameras: Sequence[str], renamed: Mapping[str, str]) -> dict[str, str]:
    """Return the name in LeRobot of each column and camera.

    Parameters
    ----------
    columns, cameras : sequence of str
        Paths in the files.
    renamed : mapping of str
        Those that were asked for, by path: they count.

    Raises
    ------
    SchemaError
        Two would have one name, or a name that was asked for cannot be one: all of them.

    Examples
    --------
    >>> lerobot_names(["actions", "obs/eef_pos"], ["obs/front_image"], {"obs/eef_pos": "observation.state"})
    {'actions': 'action', 'obs/eef_pos': 'observation.state', 'obs/front_image': 'observation.images.front_image'}
    """
    shown = set(cameras)
    usual = {path: _usual(path, camera=path in shown) for path in (*columns, *cameras)}
    taken = list(usual.values())
    # Where two would have one name, each keeps its own.
    usual = {path: name if taken.count(name) == 1 else _own(path) for path, name in usual.items()}
    names = {path: renamed.get(path, name) for path, name in usual.items()}
    found, every = Problems(), list(names.values())
    for path, name in names.items():
        if why := "rows have it already" if name in DEFAULTS else unfit_name(name):
            found.add("wrong-name", f"rename: {path}", f"expected a name of its own, got {name}: {why}")
    for name in dict.fromkeys(name for name in every if every.count(name) > 1):
        both = listed([path for path, one in names.items() if one == name])
        message = f"expected a name for each column and camera, got {name} for {both}"
        found.add("name-taken", "rename", message, "give one of them another: --rename OLD=NEW")
    found.raise_as(SchemaError)
    return names


def _usual(path: str, *, camera: bool) -> str:
    if path in _SAME and not camera:
        return _SAME[path]
    for beginning, observed in _BEGINNINGS.items():
        if path.startswith(beginning):
            rest = path.removeprefix(beginning)
            return observed + (f"images.{_dotted(rest.removeprefix('images/'))}" if camera else _dotted(rest))
    return _own(path)


def _own(path: str) -> str:
    """Return the path itself as a name; LeRobot numbers rows under some names, which no other column can have."""
    name = _dotted(path)
    return f"source.{name}" if name in DEFAULTS else name


def _dotted(path: str) -> str:
    return path.replace("/", ".")
