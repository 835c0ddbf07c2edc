"""`lapsdata schema`: write the JSON Schemas of our records, or compare them with the files that stand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lapsdata import console
from lapsdata.cli._common import Json, finish

__all__ = ["PLUGIN"]

PLUGIN = typer.Typer(help="Export the JSON Schemas, or check that they have not drifted.", no_args_is_help=True)

_DEFAULT = Path("schemas")


@PLUGIN.command()
def export(out: Annotated[Path, typer.Option(help="Folder to write to.")] = _DEFAULT) -> None:
    """Write one JSON Schema a record, and their index."""
    from lapsdata.schema import export_schemas

    for path in export_schemas(out):
        console.write(str(path))


@PLUGIN.command()
def check(
    folder: Annotated[Path, typer.Option("--dir", help="Folder that holds them.")] = _DEFAULT,
    json: Json = False,
) -> None:
    """Compare the files of a folder with our records."""
    from lapsdata.schema import check_schemas

    problems = check_schemas(folder)
    if json:
        console.write_json({"folder": str(folder)}, problems)
    elif problems:
        console.report(problems)
    else:
        console.write(f"{folder}: no drift")
    finish(problems)
