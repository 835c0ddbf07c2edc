"""Where the files of a data set lie: splits, scenarios, agents, and the frames of each agent.

Agents are folders whose names are whole numbers; below zero they are infrastructure. As OpenCOOD does it, their order
is that of their names as texts, and where the first is below zero it goes to the end; the first is the ego. The frames
of an agent are those of its yaml files, but those with "additional" in their name.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lapsdata.errors import Problem, SchemaError, listed
from lapsdata.schema.split_names import find_split
from lapsdata.storage.atomic import existing, storage_errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

__all__ = [
    "SPLITS",
    "AgentFolder",
    "agent_folders",
    "agent_order",
    "first_yaml",
    "named_split",
    "split_folders",
    "unknown_folders",
]

SPLITS = ("train", "validate", "val", "test", "test_culvercity")
"""What folders of splits are called; `val` and `validate` are the same."""

_AGENT = re.compile(r"-?\d{1,18}", re.ASCII)
_FRAME = re.compile(r"(\d{1,18})\.yaml", re.ASCII)


@dataclass(frozen=True, slots=True)
class AgentFolder:
    """The files of one agent in one scenario.

    Parameters
    ----------
    split, scenario, agent : str
    path : str
        The folder.
    stems : tuple of str
        Names of its frames without endings, by number.
    files : frozenset of str
        Names of all its files.
    additional : int
        Files that are passed over, since "additional" is in their name.

    Examples
    --------
    >>> AgentFolder("train", "2021_08_22_21_41_24", "641", "train/x/641", ("000069",), frozenset(), 0).frames
    (69,)
    """

    split: str
    scenario: str
    agent: str
    path: str
    stems: tuple[str, ...]
    files: frozenset[str]
    additional: int

    @property
    def frames(self) -> tuple[int, ...]:
        """Numbers of its frames, rising."""
        return tuple(map(int, self.stems))


def agent_order(names: Sequence[str]) -> tuple[str, ...]:
    """Return agents in the order of OpenCOOD, the ego first.

    Parameters
    ----------
    names : sequence of str

    Examples
    --------
    >>> agent_order(["641", "-1", "1000", "-2"])
    ('-2', '1000', '641', '-1')
    """
    ordered = sorted(names)
    if ordered and ordered[0].startswith("-"):
        ordered = [*ordered[1:], ordered[0]]
    return tuple(ordered)


def split_folders(root: Path) -> dict[str, Path]:
    """Return the folders of splits that a root has, by their names, in the order of `SPLITS`."""
    return {name: root / name for name in SPLITS if (root / name).is_dir()}


def named_split(root: Path, split: str) -> str:
    """Return what the folder of a split is called in a root.

    Parameters
    ----------
    root : Path
    split : str
        `val` finds `validate`, and the other way round.

    Raises
    ------
    SchemaError
        There is none (`unknown-split`).

    Examples
    --------
    >>> import pathlib, tempfile
    >>> root = pathlib.Path(tempfile.mkdtemp())
    >>> (root / "validate").mkdir()
    >>> named_split(root, "val")
    'validate'
    """
    there = split_folders(root)
    found = find_split(split, there)
    if found is None:
        message = f"expected one of the splits {', '.join(there) or '(there is none)'}, got {split!r}"
        raise SchemaError(Problem("unknown-split", str(root), message, f"splits are folders: {', '.join(SPLITS)}"))
    return found


def agent_folders(root: Path, split: str | None = None) -> Iterator[AgentFolder]:
    """Yield the folders of all agents, by split, scenario, and the order of agents.

    Parameters
    ----------
    root : Path
    split : str, optional
        That one alone.

    Raises
    ------
    StorageError
        Nothing is there, or it may not be read.
    SchemaError
        There is no such split, or none at all.
    """
    for name, folder in _wanted(root, split).items():
        for scenario in _folders(folder):
            agents = [agent for agent in _folders(folder / scenario) if _AGENT.fullmatch(agent)]
            for agent in agent_order(agents):
                yield _agent(name, scenario, agent, folder / scenario / agent)


def unknown_folders(root: Path, split: str | None = None) -> tuple[Problem, ...]:
    """Return a warning of the folders in scenarios that are those of no agent, by their names; none of a root without.

    Parameters
    ----------
    root : Path
    split : str, optional
        That one alone.

    Raises
    ------
    StorageError, SchemaError
        As `agent_folders`.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> root = pathlib.Path(tempfile.mkdtemp())
    >>> (root / "train" / "2021_08_22_21_41_24" / "rsu_2").mkdir(parents=True)
    >>> [one.message.partition("got ")[2] for one in unknown_folders(root)]
    ["1 of other names, which are passed over: 'train/2021_08_22_21_41_24/rsu_2'"]
    """
    found = [
        f"{name}/{scenario}/{agent}"
        for name, folder in _wanted(root, split).items()
        for scenario in _folders(folder)
        for agent in _folders(folder / scenario)
        if not _AGENT.fullmatch(agent)
    ]
    if not found:
        return ()
    message = (
        f"expected folders of agents, whose names are whole numbers, got {len(found)} of other names, which are passed "
        f"over: {listed(found, most=10)}"
    )
    fix = "call each by the number of its agent, below zero for infrastructure"
    return (Problem("unknown-folder", str(root), message, fix, "warning"),)


def _wanted(root: Path, split: str | None) -> dict[str, Path]:
    there = split_folders(existing(root))
    if not there or split is not None:
        there = {split: there[split] for split in (named_split(root, split or "train"),)}
    return there


def _agent(split: str, scenario: str, agent: str, path: Path) -> AgentFolder:
    with storage_errors(path, "list"):
        files = frozenset(os.listdir(path))  # noqa: PTH208 - paths for a hundred thousand names take a second
    additional = sum("additional" in file for file in files)
    stems = sorted(
        (match[1] for file in files if (match := _FRAME.fullmatch(file))), key=lambda stem: (int(stem), stem)
    )
    return AgentFolder(split, scenario, agent, str(path), tuple(stems), files, additional)


def _folders(path: Path) -> list[str]:
    with storage_errors(path, "list"), os.scandir(path) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))


def first_yaml(root: Path) -> Path | None:
    """Return the first yaml of a frame that lies where a root has them; None of a folder that is no root.

    Parameters
    ----------
    root : Path

    Examples
    --------
    >>> import pathlib, tempfile
    >>> first_yaml(pathlib.Path(tempfile.mkdtemp())) is None
    True
    """
    if not root.is_dir():
        return None
    for folder in split_folders(root).values():
        for scenario in _folders(folder):
            for agent in _folders(folder / scenario):
                if _AGENT.fullmatch(agent) and (stems := _agent("", "", agent, folder / scenario / agent).stems):
                    return folder / scenario / agent / f"{stems[0]}.yaml"
    return None
