"""What files of HDF5 say of themselves and of their episodes, where a set of LeRobot has a place for it.

`info.json` has it under `source`: what its columns and cameras were called, `env_args` and other attributes. The table
of episodes says of each what it was called (`source_episode`), its attributes as a text of JSON (`attributes`), and
which lists of robomimic name it (`filter_keys`): there it goes along when episodes are left out or merged.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from lapsdata.adapters._hdf5_episodes import episode_names
from lapsdata.errors import Problem, listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from lapsdata.containers import Episodes

__all__ = ["SourceTold", "source_told"]

_TABLE = "meta/episodes"
# LeRobot counts rows itself.
_COUNTED = "total"


class SourceTold(NamedTuple):
    """What is carried over beside rows and frames.

    Parameters
    ----------
    info : dict
        For `info.json`.
    beside : list of dict
        For the table of episodes: of each that is kept, all with the same keys.
    splits : dict of str
        Lists that are a span of the episodes as they are numbered now.
    notes : tuple of Problem
    """

    info: dict[str, Any]
    beside: list[dict[str, Any]]
    splits: dict[str, str]
    notes: tuple[Problem, ...]


def source_told(episodes: Episodes, kept: NDArray[Any], names: Mapping[str, str]) -> SourceTold:
    """Return what the files say, of the episodes that are kept: bool (E,); `names` are the new ones by the old.

    Examples
    --------
    >>> import numpy as np
    >>> from lapsdata.testing.samples import sample_episodes
    >>> told = source_told(sample_episodes(), np.array([True, False, True]), {"actions": "action"})
    >>> told.info, told.beside[1]
    ({'names': {'action': 'actions'}}, {'source_episode': 'file-001'})
    """
    extras = episodes.header.extras
    called = [name for name, one in zip(episode_names(episodes), kept.tolist(), strict=True) if one]
    info: dict[str, Any] = {"names": {new: old for old, new in names.items()}}
    about = {key: value for key, value in _object(extras.get("data")).items() if key != _COUNTED}
    info |= {key: value for key, value in (("env_args", extras.get("env_args")), ("data", about)) if value}
    beside: list[dict[str, Any]] = [{"source_episode": name} for name in called]
    attributes = _object(extras.get("attributes"))
    if any(attributes.get(name) for name in called):
        for one, name in zip(beside, called, strict=True):
            one["attributes"] = json.dumps(attributes.get(name) or {})
    lists = {key: set(value) for key, value in _object(extras.get("mask")).items() if set(value).intersection(called)}
    if lists:
        for one, name in zip(beside, called, strict=True):
            one["filter_keys"] = [key for key, names_of in lists.items() if name in names_of]
    splits = {key: span for key, named in lists.items() if (span := _span(called, named))}
    empty = sorted(_object(extras.get("mask")).keys() - lists.keys())
    return SourceTold(info, beside, splits, tuple(_notes(info, beside, lists.keys() - splits.keys(), splits, empty)))


def _object(told: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever JSON holds
    return told if isinstance(told, dict) else {}


def _span(called: Sequence[str], named: set[str]) -> str | None:
    """Return where the episodes of a list lie, None where others lie between them."""
    places = [place for place, name in enumerate(called) if name in named]
    whole = places[-1] - places[0] + 1 == len(places)
    return f"{places[0]}:{places[-1] + 1}" if whole else None


def _notes(
    info: Mapping[str, Any], beside: Sequence[Mapping[str, Any]], apart: set[str], splits: Mapping[str, str],
    empty: Sequence[str],
) -> Iterator[Problem]:  # fmt: skip
    places = {
        "env_args (info.json: source)": "env_args" in info,
        f"attributes of data, {', '.join(info.get('data', {}))} (info.json: source)": "data" in info,
        f"attributes of episodes ({_TABLE}: attributes)": "attributes" in beside[0],
        f"lists of episodes ({_TABLE}: filter_keys)": "filter_keys" in beside[0],
    }
    if any(places.values()):
        named = ", ".join(name for name, there in places.items() if there)
        message = f"stand where LeRobot does not look for them: {named}"
        yield Problem("carried-along", "meta", message, None, "info")
    if splits:
        message = f"lists of episodes are splits: {', '.join(f'{name} {span}' for name, span in splits.items())}"
        yield Problem("splits-made", "info.json: splits", message, None, "info")
    if apart:
        message = f"episodes of {listed(sorted(apart))} do not lie side by side: they are no splits, which are spans"
        fix = f"choose them by filter_keys of {_TABLE}"
        yield Problem("splits-left-behind", "info.json: splits", message, fix, "warning")
    if empty:
        message = f"no episode of {listed(empty)} is kept: the lists are left out"
        yield Problem("splits-empty", "info.json: splits", message, None, "warning")
