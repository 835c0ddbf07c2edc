"""`lapsdata inspect`: what is in a file, in one screen."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lapsdata import console
from lapsdata.verbs import Json, finish
from lapsdata.errors import Problem, UnknownFormatError

if TYPE_CHECKING:
    from lapsdata.containers import Container
    from lapsdata.formats import Format

__all__ = ["PLUGIN"]


def inspect(
    file: Annotated[str, typer.Argument(help="A file or folder of ours; with --low-level any HDF5 file.")],
    low_level: Annotated[
        bool, typer.Option("--low-level", help="How each HDF5 dataset is stored, and what can read it.")
    ] = False,
    pick: Annotated[
        int | None, typer.Option(min=0, help="With --low-level: look at this item of each dataset.")
    ] = None,
    format: Annotated[
        str | None, typer.Option(help="Read it as this format, instead of looking into it.", metavar="NAME")
    ] = None,
    json: Json = False,
) -> None:
    """Show what is in a file, after comparing every checksum in it.

    The whole file is read into memory for that, however large it is. --low-level reads one value of each dataset, or
    the item that is picked, and compares nothing.
    """
    for name, wrong in (("--pick", pick is not None and not low_level), ("--format", format is not None and low_level)):
        if wrong:
            raise typer.BadParameter(f"only with{'out' * low_level} --low-level", param_hint=name)
    place = _local(file)
    if low_level:
        _inspect_low_level(place, pick, json)
    else:
        _inspect(place, format, json)


def _local(file: str) -> Path:
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", file):
        message = "expected a file or folder of this machine, got a URL, which `inspect` does not read yet"
        raise UnknownFormatError(Problem("not-local", file, message, "download it first"))
    return Path(file)


def _inspect(file: Path, name: str | None, json: bool) -> None:
    from lapsdata.formats import recognise
    from lapsdata.plugins import registry
    from lapsdata.storage.atomic import existing, storage_errors

    with storage_errors(file, "open"):
        existing(file)
        plugin = recognise(file) if name is None else registry("formats").load(name)
        container = plugin.read(file, verify="always")
    if json:
        document = {"path": str(file), "format": plugin.name, "facts": container.facts()}
        console.write_json({**document, "header": container.header.as_json()})
    else:
        console.write_facts(_facts(file, plugin, container))


def _facts(file: Path, plugin: Format[Container], container: Container) -> dict[str, str]:
    header = container.header
    made = header.provenance
    return {
        "file": str(file),
        "format": f"{plugin.name} {header.format_version}, {container.nbytes:,} bytes in memory",
        **container.facts(),
        "policies": ", ".join(f"{name}: {count}" for name, count in header.policies.items()) or "none was needed",
        "made by": f"{made.producer} {made.version}, code {made.code_digest[:15]}",
        **{f"from {parent.role}": f"{parent.name}, {parent.digest[:15]}" for parent in made.parents},
    }


def _inspect_low_level(file: Path, pick: int | None, json: bool) -> None:
    from lapsdata._inspect import inspect_low_level, render_low_level

    report = inspect_low_level(file, pick)
    if json:
        console.write_json(report.as_json(), report.problems)
    else:
        for line in render_low_level(report).splitlines():
            console.write(line)
    finish(report.problems)


PLUGIN = inspect
