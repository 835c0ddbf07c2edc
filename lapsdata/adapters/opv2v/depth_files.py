"""Where the depth of views lies: in a root of its own, beside each agent's folder, as numbers or as a picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lapsdata.adapters.opv2v.layout import named_split
from lapsdata.errors import Problem
from lapsdata.storage.atomic import existing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lapsdata.adapters.opv2v.layout import AgentFolder

__all__ = ["ENDINGS", "DepthFolder", "depth_folders", "depth_notes"]

ENDINGS = (".npy", ".png")
"""What depth is stored as; where a view has both, the first is taken."""


@dataclass(frozen=True, slots=True)
class DepthFolder:
    """The folder of depth that belongs to one agent's.

    Parameters
    ----------
    path : str
    files : frozenset of str
        Names of all files in it.

    Examples
    --------
    >>> DepthFolder("depth/641", frozenset({"000069_camera0_depth.png"})).of("000069_camera0")
    ('depth/641/000069_camera0_depth.png',)
    """

    path: str
    files: frozenset[str]

    def of(self, name: str) -> tuple[str, ...]:
        """Return the files of depth of a view, that which is taken first."""
        names = (f"{name}_depth{ending}" for ending in ENDINGS)
        return tuple(f"{self.path}/{one}" for one in names if one in self.files)


def depth_folders(root: Path | None, folders: Sequence[AgentFolder]) -> dict[int, DepthFolder]:
    """Return the folders of depth that are there, by the number of the agent's folder; none without a root.

    Parameters
    ----------
    root : Path or None
        Holds `<split>/<scenario>/<agent>/<frame>_camera<i>_depth.npy` or `.png`.
    folders : sequence of AgentFolder

    Raises
    ------
    StorageError
        The root is not there.
    SchemaError
        It lacks a split (`unknown-split`).

    Examples
    --------
    >>> depth_folders(None, ())
    {}
    """
    if root is None:
        return {}
    existing(root)
    found = {}
    for number, folder in enumerate(folders):
        place = root / named_split(root, folder.split) / folder.scenario / folder.agent
        if place.is_dir():
            found[number] = DepthFolder(str(place), frozenset(path.name for path in place.iterdir()))
    return found


def depth_notes(depths: Sequence[str | None], images: Sequence[str], twice: Sequence[str]) -> list[Problem]:
    """Say how many views have no depth, and how many have it twice.

    Parameters
    ----------
    depths : sequence of str or None, V
        File of each view's depth.
    images : sequence of str, V
        Its picture.
    twice : sequence of str
        Files that are taken where there is another beside them.

    Examples
    --------
    >>> [note.code for note in depth_notes([None, "b.npy"], ["a.png", "b.png"], ["b.npy"])]
    ['missing-depth', 'depth-twice']
    """
    notes = []
    if lacking := depths.count(None):
        message = f"{lacking} of {len(depths)} views have no depth in the root of depth"
        notes.append(Problem("missing-depth", images[depths.index(None)], message, None, "warning"))
    if twice:
        message = f"{len(twice)} of {len(depths)} views have depth as .npy and as .png: the .npy is taken"
        fix = "keep one of them (policy depth_npy_before_png)"
        notes.append(Problem("depth-twice", twice[0], message, fix, "warning"))
    return notes
