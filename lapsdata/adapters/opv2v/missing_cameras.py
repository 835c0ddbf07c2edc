"""Cameras that a yaml does not tell of, though others of the agent do, and pictures that no yaml tells of.

Such a picture has no pose, and is read by nobody; without a look at it, its set is smaller and nothing is wrong.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from lapsdata.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lapsdata.adapters.opv2v.frame_facts import FrameFacts
    from lapsdata.adapters.opv2v.layout import AgentFolder

__all__ = ["MissingCamera", "missing_cameras", "missing_notes", "missing_policies"]

_PICTURE = re.compile(r"(\d{1,18})_(camera\d{1,3})\.png", re.ASCII)


class MissingCamera(NamedTuple):
    """A camera that the yaml of a frame does not tell of.

    Parameters
    ----------
    stem : str
        Name of the frame, without ending.
    camera : str
    told : bool
        Whether other frames of the agent tell of it.
    picture : bool
        Whether its picture is there.

    Examples
    --------
    >>> MissingCamera("000071", "camera2", told=True, picture=True).name
    '000071_camera2.png'
    """

    stem: str
    camera: str
    told: bool
    picture: bool

    @property
    def name(self) -> str:
        """What its picture is called, there or not."""
        return f"{self.stem}_{self.camera}.png"


def missing_cameras(folder: AgentFolder, facts: Mapping[str, FrameFacts]) -> tuple[MissingCamera, ...]:
    """Return the cameras that an agent has in other frames, or a picture of, and that a yaml does not tell of.

    Parameters
    ----------
    folder : AgentFolder
    facts : mapping of FrameFacts
        What the yaml files say, by the name of the frame; those that cannot be read are left out.

    Returns
    -------
    tuple of MissingCamera
        By frame, then by name.

    Examples
    --------
    >>> from lapsdata.adapters.opv2v.frame_facts import FrameFacts
    >>> from lapsdata.adapters.opv2v.layout import AgentFolder
    >>> folder = AgentFolder("train", "scene", "641", "641", ("1", "2"), frozenset({"2_camera0.png"}), 0)
    >>> missing_cameras(folder, {"1": FrameFacts(("camera0",), ()), "2": FrameFacts((), ())})
    (MissingCamera(stem='2', camera='camera0', told=True, picture=True),)
    """
    every = frozenset(camera for one in facts.values() for camera in one.cameras)
    pictures: dict[str, set[str]] = {}
    for match in filter(None, map(_PICTURE.fullmatch, folder.files)):
        pictures.setdefault(match[1], set()).add(match[2])
    return tuple(
        MissingCamera(stem, camera, camera in every, camera in pictures.get(stem, ()))
        for stem, one in facts.items()
        for camera in sorted((every | pictures.get(stem, frozenset())) - set(one.cameras))
    )


def missing_policies(missing: Sequence[tuple[AgentFolder, MissingCamera]]) -> dict[str, int]:
    """Return what the header of views counts: those that sets have less, and pictures that nobody can use.

    Examples
    --------
    >>> missing_policies([])
    {}
    """
    counted = {
        "cameras_not_in_yaml": sum(one.told for _, one in missing),
        "pictures_without_pose": sum(one.picture for _, one in missing),
    }
    return {name: count for name, count in counted.items() if count}


def missing_notes(missing: Sequence[tuple[AgentFolder, MissingCamera]], views: int) -> list[Problem]:
    """Say which cameras sets are without, and how many pictures have no pose.

    Parameters
    ----------
    missing : sequence of (AgentFolder, MissingCamera)
        In the frames that are read.
    views : int
        How many views are read.

    Examples
    --------
    >>> missing_notes([], 12)
    []
    """
    notes = []
    for code, told in (("missing-camera", True), ("picture-without-camera", False)):
        wrong = [(folder, one) for folder, one in missing if one.told == told]
        if not wrong:
            continue
        folder, first = wrong[0]
        named = f"{folder.scenario}, agent {folder.agent}, frame {int(first.stem)}, {first.camera}"
        pictures = sum(one.picture for _, one in wrong)
        if told:
            message = f"{len(wrong)} of {len(wrong) + views} views are not in the yaml of their frame, and are left out"
            message += f" (policy cameras_not_in_yaml); {pictures} of their pictures are there without a pose ({named})"
        else:
            message = f"{pictures} pictures are of cameras that no yaml of their agent tells of, and are left out "
            message += f"(policy pictures_without_pose; {named})"
        where = str(Path(folder.path, f"{first.stem}.yaml"))
        notes.append(Problem(code, where, message, "copy the yaml files again", "warning"))
    return notes
