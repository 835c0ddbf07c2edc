"""`lapsdata schema`: write the JSON Schemas of our records, or compare them with the files that stand."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lapsdata import console
from lapsdata.errors import Problem, StorageError
from lapsdata.verbs import Json, finish

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["PLUGIN"]

PLUGIN = typer.Typer(help="Export the JSON Schemas, or check that they have not drifted.", no_args_is_help=True)

_DEFAULT = Path("schemas")


@PLUGIN.command()
def export(
    out: Annotated[Path, typer.Option(help="Folder to write to.", readable=False)] = _DEFAULT, json: Json = False
) -> None:
    """Write one JSON Schema a record, and their index."""
    from lapsdata.schema import export_schemas

    with _named(out, "write"):
        written = export_schemas(out)
    if json:
        console.write_json({"folder": str(out), "files": [path.name for path in written]})
        return
    for path in written:
        console.write(str(path))


@PLUGIN.command()
def check(
    folder: Annotated[Path, typer.Option("--dir", help="Folder that holds them.", readable=False)] = _DEFAULT,
    json: Json = False,
) -> None:
    """Compare the files of a folder with our records."""
    from lapsdata.schema import check_schemas

    with _named(folder, "open"):
        problems = check_schemas(folder)
    if json:
        console.write_json({"folder": str(folder)}, problems)
    elif problems:
        console.report(problems)
    else:
        console.write(f"{folder}: no drift")
    finish(problems)


@contextlib.contextmanager
def _named(folder: Path, action: str) -> Iterator[None]:
    """Name what the operating system refuses, and the very file that it refuses; the schemas know no storage."""
    from lapsdata.storage.atomic import storage_errors

    try:
        yield
    except FileExistsError as error:
        message = f"cannot {action}: expected a folder, got a file"
        raise StorageError(Problem("wrong-kind", str(folder), message, "name a folder")) from error
    except OSError as error:
        with storage_errors(Path(error.filename or folder), action):
            raise
