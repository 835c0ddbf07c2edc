"""`meta/modality.json` for GR00T: as the source has it, else one part for each vector, camera and the task."""

from __future__ import annotations

import itertools
import json
import shutil
from typing import TYPE_CHECKING, Any

from lapsdata.adapters.lerobot.modality import MODALITY
from lapsdata.errors import Problems
from lapsdata.storage.atomic import storage_errors

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lapsdata.adapters.lerobot.reading import LeRobotSet
    from lapsdata.schema import Group

__all__ = ["write_modality"]

_CAMERAS = "observation.images."


def write_modality(root: Path, found: LeRobotSet) -> Problems:
    """Write the names of parts, and say where they had to be made up."""
    notes, source, target = Problems(), found.root / MODALITY, root / MODALITY
    with storage_errors(target, "write"):
        if source.is_file():
            shutil.copyfile(source, target)
            return notes
        made = _made(found)
        target.write_text(json.dumps(made, indent=4), encoding="utf-8")
    several = {**made["state"], **made["action"]}
    told = "state and action are one part each" if several.keys() <= {"state", "action"} else ", ".join(several)
    message = f"the source names no parts of its vectors: {told}"
    fix = "name the parts that your embodiment has: left_arm, left_hand ..."
    notes.add("modality-made", MODALITY, message, fix, "warning")
    absent = [name for name in ("state", "action", "video") if not made[name]]
    if absent:
        message = f"GR00T asks for {', '.join(absent)}, and the set has no such column or camera"
        notes.add("no-modality", MODALITY, message, None, "warning")
    return notes


def _made(found: LeRobotSet) -> dict[str, Any]:
    shapes = {feature.name: feature.shape for feature in found.info.features}
    parts = {}
    for part, column in (("state", "observation.state"), ("action", "action")):
        length = (shapes[column] or (1,))[0] if column in shapes else 0
        parts[part] = _vector(part, column, length, [one for one in found.info.parts if one.feature == column])
    cameras = {one.name.removeprefix(_CAMERAS): {"original_key": one.name} for one in found.info.cameras}
    tasks = {"human.task_description": {"original_key": "task_index"}} if "task_index" in shapes else {}
    return {**parts, "video": cameras, "annotation": tasks}


def _vector(part: str, column: str, length: int, known: Sequence[Group]) -> dict[str, Any]:
    """Return a vector as one part, or cut where something is known of some of its numbers."""
    borders = sorted({0, length, *(one.start for one in known), *(one.stop for one in known)})
    found = {}
    for start, stop in itertools.pairwise(borders):
        own = [one for one in known if one.start <= start and stop <= one.stop]
        turns = [one.rotation for one in own if (one.start, one.stop) == (start, stop) and one.rotation is not None]
        said: dict[str, Any] = {"rotation_type": turns[0]} if turns else {}
        said |= {"absolute": False} if any(one.steps for one in own) else {}
        name = part if len(borders) == 2 else f"{part}_{start}_{stop}"
        found[name] = {"start": start, "end": stop, "original_key": column, **said}
    return found
