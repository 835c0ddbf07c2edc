"""What a converted file says of its own making: the key that decides whether it is kept.

The header of the source is carried as it is, the program that first made it included. Beside it stand, in its
provenance, one parent called `converted`, the source, and `x-convert`: which code converted it, and what it was told.
A file that is converted again names its new source alone; what that was made from is told by that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lapsdata import __version__
from lapsdata.execution.manifest import Found, judge, work_key
from lapsdata.formats import read_header
from lapsdata.plugins import registry
from lapsdata.provenance import code_digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from pydantic import JsonValue

    from lapsdata._convert._options import ConvertOptions
    from lapsdata.execution.manifest import WorkItem
    from lapsdata.schema.base import Parent, Provenance

__all__ = ["MARK", "ROLE", "convert_key", "look", "marked"]

MARK, ROLE = "x-convert", "converted"


def convert_key(options: ConvertOptions, parents: Iterable[Parent], video: int | None = None) -> str:
    """Return the key of what would be made now; other code has another."""
    return work_key(MARK, code_digest(), _told(options, video), parents)


def _told(options: ConvertOptions, video: int | None) -> dict[str, JsonValue]:
    return options.as_json() if video is None else {**options.as_json(), "video": video}


def marked(
    made: Provenance, options: ConvertOptions, parents: Iterable[Parent], video: int | None = None
) -> Provenance:
    """Return a provenance that says of what, by which code and how a file was converted."""
    mark = {"version": __version__, "code_digest": code_digest(), "parameters": _told(options, video)}
    others = tuple(parent for parent in made.parents if parent.role != ROLE)
    return made.model_copy(update={MARK: mark, "parents": (*others, *parents)})


def look(item: WorkItem[Any], *, force: bool) -> Found:
    """Tell what the output of an item is: that of another source is not replaced unless `force` says so."""
    if item.payload.options.to not in registry("formats").names() and item.output.exists():
        if item.output.is_dir() and not any(item.output.iterdir()):
            return Found("foreign", f"an empty folder, which may be somebody's: rmdir {item.output}")
        why = "files of others carry no mark of what they were made of: they are never replaced"
        return Found("foreign", f"{why}; where a run was killed as it ended, lapsdata check tells whether it is whole")
    found = judge(item, _key_of)
    if found.state != "changed":
        return found
    sources = _sources(read_header(item.output).provenance)
    now = item.payload.parents
    if not force and {parent.name for parent in sources} != {parent.name for parent in now}:
        named = ", ".join(parent.name for parent in sources[:3])
        return Found("foreign", f"it was converted from {named}; --force replaces it")
    return found


def _key_of(path: Path) -> str | None:
    made = read_header(path).provenance
    mark: Any = (made.model_extra or {}).get(MARK)
    return _key_told(mark, _sources(made)) if isinstance(mark, dict) else None


def _key_told(mark: Mapping[str, Any], sources: tuple[Parent, ...]) -> str | None:
    digest, parameters = mark.get("code_digest"), mark.get("parameters")
    known = isinstance(digest, str) and isinstance(parameters, dict)
    return work_key(MARK, str(digest), dict(parameters or {}), sources) if known else None


def _sources(made: Provenance) -> tuple[Parent, ...]:
    return tuple(parent for parent in made.parents if parent.role == ROLE)
