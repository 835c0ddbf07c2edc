"""Yaml files of one agent that are copies of one another, though something in them moves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lapsdata.adapters.opv2v.yaml_text import load_yaml
from lapsdata.errors import LapsError, Problem, listed
from lapsdata.storage.atomic import storage_errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lapsdata.adapters.opv2v.frame_facts import FrameFacts
    from lapsdata.adapters.opv2v.layout import AgentFolder

__all__ = ["copied_frames"]

# Cars that wait creep by less.
_MOVES_KM_H = 1.0


def copied_frames(folder: AgentFolder, facts: Mapping[str, FrameFacts]) -> Iterator[Problem]:
    """Yield yaml files whose bytes are those of an earlier frame of the agent, and that tell of something that moves.

    Where nothing moves, as beside a road that is empty, frames may be equal.

    Parameters
    ----------
    folder : AgentFolder
    facts : mapping of FrameFacts
        What the yaml files say, by the name of the frame: only those with equal poses are read again.

    Examples
    --------
    >>> import tempfile
    >>> from lapsdata.adapters.opv2v.scanning import scan_opv2v
    >>> from lapsdata.testing.opv2v_scenes import write_opv2v
    >>> root = Path(tempfile.mkdtemp())
    >>> scenes = write_opv2v(root)
    >>> place = root / "train" / scenes[0].name / "641"
    >>> _ = (place / "000071.yaml").write_bytes((place / "000069.yaml").read_bytes())
    >>> scan = scan_opv2v(root)
    >>> [problem.code for number in range(3) for problem in copied_frames(scan.folders[number], scan.facts_of(number))]
    ['yaml-copied']
    """
    alike: dict[tuple[float, ...], list[str]] = {}
    for stem, one in facts.items():
        alike.setdefault(one.numbers, []).append(stem)
    for stems in alike.values():
        if len(stems) < 2:
            continue
        same: dict[bytes, list[str]] = {}
        for stem in stems:
            same.setdefault(_content(folder, stem), []).append(stem)
        for content, each in same.items():
            if len(each) > 1 and _moves(content, str(Path(folder.path, f"{each[0]}.yaml"))):
                copies = listed(f"{stem}.yaml" for stem in each[1:])
                message = (
                    f"expected a yaml for each frame of agent {folder.agent} in {folder.scenario}, got the bytes of "
                    f"{each[0]}.yaml, in which something moves, again in {copies}"
                )
                where = str(Path(folder.path, f"{each[1]}.yaml"))
                yield Problem("yaml-copied", where, message, "copy the yaml of this frame again")


def _content(folder: AgentFolder, stem: str) -> bytes:
    path = Path(folder.path, f"{stem}.yaml")
    with storage_errors(path, "read"):
        return path.read_bytes()


def _moves(content: bytes, where: str) -> bool:
    """Say whether the agent, or a vehicle that it sees, has a speed."""
    try:
        told = load_yaml(content, where)
    except LapsError:
        return False  # told where vehicles are read
    vehicles = told.get("vehicles") if isinstance(told, dict) else None
    seen = vehicles.values() if isinstance(vehicles, dict) else ()
    speeds: list[Any] = [told.get("ego_speed") if isinstance(told, dict) else None]
    speeds += [one.get("speed") for one in seen if isinstance(one, dict)]
    return any(isinstance(speed, int | float) and abs(speed) > _MOVES_KM_H for speed in speeds)
