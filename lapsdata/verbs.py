"""What every verb of the command shares, ours and those of plug-ins: the `--json` option, and one way to end."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lapsdata import console

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lapsdata.errors import Problem

__all__ = ["Json", "Settings", "finish", "output_folder"]


@dataclass
class Settings:
    """What the command line said about how to report; `main` needs it after a verb has failed.

    Examples
    --------
    >>> Settings().json
    False
    """

    json: bool = False
    traceback: bool = False


def _remember(context: typer.Context, value: bool) -> bool:
    settings = context.find_object(Settings)
    if settings is not None:
        settings.json = value
    if value:
        console.keep_warnings()
    return value


Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.", callback=_remember)]


def finish(problems: Sequence[Problem]) -> None:
    """Leave the verb with the exit code that the problems call for.

    Raises
    ------
    typer.Exit
        With code 1 if one of the problems is an error; otherwise the verb simply returns, with code 0.

    Examples
    --------
    >>> finish([])
    """
    if any(problem.severity == "error" for problem in problems):
        raise typer.Exit(console.ExitCode.PROBLEMS)


def output_folder(text: str | Path) -> Path:
    """Return the folder that an option names.

    An empty text, which Python takes for the current folder, comes from a variable that is not set.

    Raises
    ------
    typer.BadParameter
        The text is empty.

    Examples
    --------
    >>> output_folder("run").name
    'run'
    """
    if not str(text):
        raise typer.BadParameter("expected a folder, got an empty text; is a variable unset?")
    return Path(text)
