"""`lapsdata inspect`: what is in a file, in one screen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lapsdata import console
from lapsdata.cli._common import Json, finish

if TYPE_CHECKING:
    from lapsdata.containers import Container
    from lapsdata.formats import Format

__all__ = ["PLUGIN"]


def inspect(
    file: Annotated[Path, typer.Argument(help="A file or folder of ours; with --low-level any HDF5 file.")],
    low_level: Annotated[
        bool, typer.Option("--low-level", help="How each HDF5 dataset is stored, and what can read it.")
    ] = False,
    pick: Annotated[
        int | None, typer.Option(min=0, help="With --low-level: look at this item of each dataset.")
    ] = None,
    json: Json = False,
) -> None:
    """Show what is in a file, after comparing every checksum in it."""
    if low_level:
        _inspect_low_level(file, pick, json)
        return
    if pick is not None:
        raise typer.BadParameter("only with --low-level", param_hint="--pick")
    from lapsdata.formats import recognise

    plugin = recognise(file)
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
        console.write(render_low_level(report))
    finish(report.problems)


PLUGIN = inspect
