"""The folder of a run: its recipe and how it ends stand there, and what is another's is left alone."""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from typing import TYPE_CHECKING

from lapsdata import console
from lapsdata.errors import CorruptDataError, Problem, SchemaError, StorageError
from lapsdata.schema.run import Run
from lapsdata.stages.recipe import recipe_yaml
from lapsdata.storage.atomic import atomic_file, storage_errors
from lapsdata.storage.run_file import record_run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lapsdata.stages.recipe import Resolved

__all__ = ["recorded"]

# The first line of a recipe that a run has written; others are never replaced.
_WRITTEN = "# Written by `lapsdata run`: every parameter that was used.\n"


@contextlib.contextmanager
def recorded(out: Path, recipe: Resolved, tracks: Path | None = None) -> Iterator[None]:
    """Hold the folder of a run while its stages go on: its recipe and how it ends stand there.

    Parameters
    ----------
    out : Path
    recipe : Resolved
    tracks : Path, optional
        The folder of the tracks, where it is another than `tracks` in `out`.

    Raises
    ------
    StorageError
        Notes of others are in the folder, or it cannot be made.
    CorruptDataError
        As it was raised inside, with what to do about files of ours.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from lapsdata.schema.recipe import Recipe
    >>> from lapsdata.stages.recipe import resolve
    >>> out = pathlib.Path(tempfile.mkdtemp())
    >>> with recorded(out, resolve(Recipe())):
    ...     sorted(path.name for path in out.iterdir())
    ['recipe.yaml', 'run.json']
    """
    with storage_errors(out, "make the folder"):
        out.mkdir(parents=True, exist_ok=True)
    _expect_own(out)
    with record_run(out):
        _write_recipe(out / "recipe.yaml", recipe)
        try:
            yield
        except CorruptDataError as error:
            fix = "remove it, and run this again: it is made anew"
            # Others of ours are made anew without a word to say; and no file that is the user's may be meant.
            ours = tuple(f"{folder}{os.sep}" for folder in (tracks or out / "tracks", out / "tokens"))
            told = [replace(one, fix=fix) if one.where.startswith(ours) else one for one in error.problems]
            raise CorruptDataError(*told) from error


def _expect_own(out: Path) -> None:
    """Refuse to write over notes of others, and say how an earlier run ended that did not come to its end."""
    recipe, told = out / "recipe.yaml", out / "run.json"
    if recipe.exists():
        with storage_errors(recipe, "read"):
            if not recipe.read_bytes().startswith(_WRITTEN.encode()):
                raise _foreign(recipe)
    if not told.exists():
        return
    try:
        with storage_errors(told, "read"):
            earlier = Run.parse(told.read_bytes(), str(told))
    except SchemaError:
        raise _foreign(told) from None
    if earlier.outcome != "finished":
        how = "failed or was stopped" if earlier.outcome == "failed" else "was killed, or is still running"
        console.note(f"run: an earlier run into {out} {how}: what it has done is kept")


def _foreign(path: Path) -> StorageError:
    message = "expected nothing, or what an earlier run has written, got something else: it is left as it is"
    return StorageError(Problem("foreign-output", str(path), message, "move it away, or choose another folder"))


def _write_recipe(path: Path, recipe: Resolved) -> None:
    with atomic_file(path, overwrite=True) as temporary:
        temporary.write_text(_WRITTEN + recipe_yaml(recipe.recipe(), comments=True), encoding="utf-8")
