"""Several sets as one: in what they must be alike, and which numbers their tasks get."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lapsdata.adapters.lerobot.info import INFO
from lapsdata.adapters.lerobot.modality import MODALITY
from lapsdata.errors import Problems, SchemaError
from lapsdata.schema import Task

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from lapsdata.adapters.lerobot._edit_names import Names
    from lapsdata.adapters.lerobot.reading import LeRobotSet
    from lapsdata.schema import Group

__all__ = ["expect_alike", "merged_tasks"]


def expect_alike(sets: Sequence[LeRobotSet], names: Names, modalities: Sequence[Mapping[str, Any] | None]) -> None:
    """Refuse sets that cannot be one.

    Parameters
    ----------
    sets : sequence of LeRobotSet
    names : Names
        What becomes of names before the sets are compared.
    modalities : sequence of mapping or None
        What `modality.json` of each says by the new names.

    Raises
    ------
    SchemaError
        Every difference in rate, robot, columns, what their numbers are, cameras and names of parts, of every set from
        the first.
    """
    found = Problems()
    told = [_told(one, names) for one in sets]
    stepped = {f"features: {names.of(part.feature)}" for one in sets for part in one.info.parts if part.steps}
    for other, said in zip(sets[1:], told[1:], strict=True):
        for key in dict.fromkeys([*told[0], *said]):
            wanted, got = told[0].get(key, "none"), said.get(key, "none")
            if wanted != got:
                message = f"expected {wanted} as in {sets[0].root}, got {got}"
                found.add(
                    "unlike-sets",
                    f"{other.root / INFO}: {key}",
                    message,
                    _remedy(key, stepped if "none" not in (wanted, got) else ()),
                )
    for other, parts in zip(sets[1:], modalities[1:], strict=True):
        if parts != modalities[0]:
            message = f"expected the same names of parts as in {sets[0].root}, got others"
            found.add("unlike-sets", str(other.root / MODALITY), message, "make the files alike")
    found.raise_as(SchemaError)


_OF_SETS = {
    "fps": "keep them apart: lapsdata.Mixture loads sets of several rates side by side",
    "robot_type": "where it is the same robot, write the same robot_type into meta/info.json of a copy",
}


def _remedy(key: str, stepped: Collection[str]) -> str:
    if key in _OF_SETS:
        return _OF_SETS[key]
    if key in stepped:
        return "bring one of them to the other's actions first, with --actions"
    return "leave it out, or rename it, with --drop and --rename"


def _told(one: LeRobotSet, names: Names) -> dict[str, str]:
    """Return what must be alike, in words."""
    info = one.info
    columns = {f.name: f"{f.dtype} {f.shape}{'' if f.names is None else f' {list(f.names)}'}" for f in info.features}
    for part in sorted(info.parts, key=lambda part: part.start):
        if part.feature in columns:
            columns[part.feature] += _part_told(part, names)
    cameras = {}
    for camera in info.cameras:
        size = "of unknown size" if camera.size is None else f"{camera.size.width}x{camera.size.height}"
        known = [str(part) for part in (camera.stored, size, camera.rate, camera.codec) if part is not None]
        cameras[camera.name] = " ".join(known)
    return {
        "fps": str(info.rate),
        "robot_type": info.robot or "none",
        **{f"features: {name}": said for name, said in names.keys({**columns, **cameras}).items()},
    }


def _part_told(part: Group, names: Names) -> str:
    said = [f"{part.start}:{part.stop}", *([part.rotation] if part.rotation is not None else [])]
    if part.steps is not None:
        said.append(part.steps)
    if part.state is not None:
        said.append(f"from {names.of(part.state.feature)} {part.state.start}:{part.state.stop}")
    return f", {' '.join(said)}"


def merged_tasks(sets: Sequence[LeRobotSet]) -> tuple[tuple[Task, ...], list[dict[int, int]]]:
    """Return the tasks of all sets by their words, and for each set the numbers that its own have become.

    The numbers of the first set stay, and so do those that mean the same in another.
    """
    first = sets[0].episodes.header.tasks
    words = {task.number: task.words for task in first}
    by_words = {task.words: task.number for task in reversed(first)}
    became = []
    for one in sets:
        numbers = {}
        for task in one.episodes.header.tasks:
            if words.get(task.number) == task.words:
                numbers[task.number] = task.number
                continue
            new = by_words.setdefault(task.words, max(words, default=-1) + 1)
            words[new] = task.words
            numbers[task.number] = new
        became.append(numbers)
    return tuple(Task(number=number, words=text) for number, text in sorted(words.items())), became
