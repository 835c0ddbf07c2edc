"""What is to be converted, looked at before anything is written: whatever is wrong with a source is told first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lapsdata import console
from lapsdata._convert._keys import ROLE, convert_key
from lapsdata._convert._sources import open_windows
from lapsdata._convert._work import ConvertWork
from lapsdata.adapters import find_adapter
from lapsdata.errors import LapsError, Problem, SchemaError
from lapsdata.execution.manifest import Refused, WorkItem
from lapsdata.provenance import parent
from lapsdata.schema.base import Parent
from lapsdata.schema.shards import shape_of
from lapsdata.storage.listing import listing_digest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from lapsdata._convert._options import ConvertOptions
    from lapsdata._convert._sources import ConvertSource, Sources
    from lapsdata._convert._windows import Windows

__all__ = ["merged_item", "parents_of", "shards_item", "single_items"]


def single_items(
    found: Sources, outputs: Sequence[Path], options: ConvertOptions, depth_root: Path | None = None
) -> list[WorkItem[ConvertWork] | Refused]:
    """Return an item for each source, refused where it cannot be converted.

    Parameters
    ----------
    found : Sources
    outputs : sequence of Path
    options : ConvertOptions
    depth_root : Path, optional
        Of views of others: what they are made of too.
    """
    items: list[WorkItem[ConvertWork] | Refused] = []
    digests: dict[Path, Parent] = {}
    with console.progress("look at sources", len(found.items), unit="sources") as advance:
        for source, output in zip(found.items, outputs, strict=True):
            try:
                rows = None if source.kind in ("whole", "adapted") else len(open_windows(source, options))
                made_of = parents_of(source, found.record, depth_root, digests)
            except LapsError as error:
                items.append(Refused(source.name, output, error.problems))
            else:
                key = convert_key(options, made_of, source.video)
                work = ConvertWork((source,), made_of, options, found.record, depth_root)
                items.append(WorkItem(source.name, output, key, work, rows))
            advance(1)
    folder = outputs[0].parent if outputs else None
    items += [Refused(path.stem, (folder or path.parent) / path.name, problems) for path, problems in found.refused]
    return items


def parents_of(
    source: ConvertSource, record: str, depth_root: Path | None = None, known: dict[Path, Parent] | None = None
) -> tuple[Parent, ...]:
    """Return what an output is made of: its source, and the depth of it that lies elsewhere.

    Parameters
    ----------
    source : ConvertSource
    record : str
    depth_root : Path, optional
    known : dict of Parent, optional
        Those of other sources, by path, which are not read again.

    Raises
    ------
    LapsError
        One of them cannot be read.
    """
    made_of = _parent(source.path, {} if known is None else known, record)
    return (made_of,) if depth_root is None else (made_of, _told_parent(depth_root, listing_digest(depth_root)))


def shards_item(found: Sources, output: Path, options: ConvertOptions) -> WorkItem[ConvertWork]:
    """Return the one item that all sources are put into.

    Raises
    ------
    LapsError
        A source cannot be read, or is unlike the others: shards without it would not be what was asked for.
    """
    problems: list[Problem] = [problem for _, told in found.refused for problem in told]
    kind: type[LapsError] = SchemaError
    digests: dict[Path, Parent] = {}
    opened: dict[ConvertSource, Windows] = {}
    with console.progress("look at sources", len(found.items), unit="sources") as advance:
        for source in found.items:
            try:
                opened[source] = open_windows(source, options)
                _parent(source.path, digests)
            except LapsError as error:
                kind = type(error)
                problems += error.problems
            advance(1)
    problems += _unlike(opened)
    if problems:
        raise kind(*problems)
    parents = tuple(digests.values())
    work = ConvertWork(found.items, parents, options, found.record)
    units = sum(len(windows) for windows in opened.values())
    return WorkItem(output.name, output, convert_key(options, parents), work, units)


def merged_item(found: Sources, output: Path, options: ConvertOptions) -> WorkItem[ConvertWork]:
    """Return the one item that several data sets become, each of which is looked at when it is written.

    Raises
    ------
    LapsError
        A source cannot be read.
    """
    digests: dict[Path, Parent] = {}
    parents = tuple(_parent(source.path, digests) for source in found.items)
    work = ConvertWork(found.items, parents, options, found.record)
    return WorkItem(output.name, output, convert_key(options, parents), work, None)


def _unlike(opened: Mapping[ConvertSource, Windows]) -> list[Problem]:
    """Say which sources cannot be in the same shards as the first one."""
    shapes = [(source, shape_of(windows.header)) for source, windows in opened.items()]
    first = shapes[0] if shapes else None
    return [
        Problem(
            "unlike-videos",
            str(source.path),
            f"expected {first[1]} as in {first[0].path.name}, got {shape}",
            "put videos of one shape into shards of their own",
        )
        for source, shape in shapes
        if first is not None and shape != first[1]
    ]


def _parent(path: Path, known: dict[Path, Any], record: str | None = None) -> Parent:
    if path not in known:
        adapter = find_adapter(path, {record}) if record == "views" and path.is_dir() else None
        told = None if adapter is None else adapter[0].digest
        known[path] = parent(ROLE, path) if told is None else _told_parent(path, told(path))
    found: Parent = known[path]
    return found


def _told_parent(path: Path, digest: str) -> Parent:
    return Parent(role=ROLE, name=path.resolve().name, digest=digest)
