"""Tables of boxes, whole: read in any way, made one where they are several, and written with what is kept of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lapsdata._convert._keys import marked
from lapsdata._convert._report import Converted
from lapsdata.adapters import edited_boxes, find_adapter, merged_boxes, read_adapted, writers
from lapsdata.errors import Problem, SchemaError, UnknownFormatError
from lapsdata.formats import read, write
from lapsdata.plugins import registry

if TYPE_CHECKING:
    from pathlib import Path

    from lapsdata._convert._options import ConvertOptions
    from lapsdata._convert._sources import ConvertSource
    from lapsdata._convert._work import ConvertWork
    from lapsdata.containers import Boxes
    from lapsdata.execution.engine import Tell

__all__ = ["convert_boxes"]

_READING = ("rate", "size", "classes", "whose", "first_number", "pixels", "annotations", "number_by")
_WRITING = ("prefix", "digits", "suffix")


def convert_boxes(work: ConvertWork, target: Path, before: int, tell: Tell, *, overwrite: bool) -> Converted:
    """Write one table of boxes.

    Raises
    ------
    SchemaError
        What was said has no meaning to what is read and written; sequences that do not fit each other.
    CorruptDataError, StorageError, UnknownFormatError
        A source cannot be read, or the output not be written.
    """
    options = work.options
    own = options.to in registry("formats").names()
    takes = frozenset[str]() if own else writers()[options.to].takes
    notes: list[Problem] = []
    tables = [_read(source, options, takes, notes) for source in work.sources]
    unverified = sum(len(table) for table, summed in tables if not summed)
    boxes, told = merged_boxes([table for table, _ in tables])
    notes += told
    if options.boxes is not None:
        boxes, told = edited_boxes(boxes, options.boxes)
        notes += told
    given = {name: value for name in _WRITING if (value := getattr(options, name)) is not None}
    if wrong := given.keys() - takes:
        message = f"expected what {options.to} takes, got {', '.join(sorted(wrong))}"
        raise SchemaError(Problem("wrong-option", str(target), message, "leave it out"))
    if own:
        made = marked(boxes.header.provenance, options, work.parents)
        boxes = replace(boxes, header=boxes.header.model_copy(update={"provenance": made}))
        done = write(target, boxes, format=options.to, overwrite=overwrite)
    else:
        chosen = None if options.boxes is None else options.boxes.frames
        known: dict[str, Any] = {
            **given,
            "rate": options.rate,
            "size": options.size,
            "frames": chosen,
            "to": options.to,
        }
        done = writers()[options.to].write(target, boxes, **{name: known[name] for name in known.keys() & takes})
    tell(len(boxes))
    return Converted(
        windows=len(boxes),
        bytes_before=before,
        bytes_after=done.nbytes,
        largest_error_px=done.largest_error_px,
        unverified=unverified,
        notes=(*notes, *done.notes),
        unit="boxes",
    )


def _read(
    source: ConvertSource, options: ConvertOptions, takes: frozenset[str], notes: list[Problem]
) -> tuple[Boxes, bool]:
    """Return a table, and whether it was compared with checksums."""
    said: dict[str, Any] = {name: getattr(options, name) for name in _READING}
    if source.kind != "adapted":
        if wrong := [name for name, value in said.items() if value is not None and name not in takes]:
            message = f"expected nothing to be said beside a file of ours, got {', '.join(wrong)}"
            raise SchemaError(Problem("wrong-option", str(source.path), message, "leave it out"))
        table: Any = read(source.path, verify="always")
        return table, True
    found = find_adapter(source.path, {"boxes"})
    if found is None:
        message = "expected a file that an adapter knows, as it did before, got another"
        raise UnknownFormatError(Problem("changed-meanwhile", str(source.path), message, "run this again"))
    adapted = read_adapted(found[0], source.path, said)
    notes.extend(adapted.told(source.path))
    table = adapted.container
    return table, adapted.summed
