"""What every verb of the command shares, ours and those of plug-ins: the `--json` option, and one way to end."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import typer.main

from lapsdata import console
from lapsdata.errors import SchemaError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lapsdata.errors import Problem

__all__ = ["Average", "Json", "Settings", "by_option", "command_of", "finish", "key_values", "output_folder"]


class Average(StrEnum):
    """How scores of several videos become one: their mean, or that of the counts of all together.

    Examples
    --------
    >>> Average("micro").value
    'micro'
    """

    MACRO = "macro"
    MICRO = "micro"


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


def command_of(function: Callable[..., Any], markup: Any) -> Any:  # noqa: ANN401 - of typer's own click
    """Return a function as a command, for verbs that are several.

    Parameters
    ----------
    function : callable
        As typer takes it.
    markup : str or None
        How its help is drawn: `rich_markup_mode` of the verb.

    Examples
    --------
    >>> def verb() -> None: ...
    >>> command_of(verb, None).name
    'verb'
    """
    app = typer.Typer(add_completion=False, rich_markup_mode=markup)
    app.command()(function)
    return typer.main.get_command(app)


def key_values(settings: Sequence[str]) -> dict[str, Any]:
    """Return KEY=VALUE as a mapping; a value is read as JSON, and is a text where it is none.

    Raises
    ------
    typer.BadParameter
        No KEY, or no `=`.

    Examples
    --------
    >>> key_values(["up_s=0.5", "gated=missing"])
    {'up_s': 0.5, 'gated': 'missing'}
    """
    found: dict[str, Any] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or not key:
            raise typer.BadParameter(f"expected KEY=VALUE, got {setting!r}", param_hint="--set")
        try:
            found[key] = json.loads(value)
        except ValueError:
            found[key] = value
    return found


@contextmanager
def by_option(record: str, option: Callable[[str], str] = lambda key: f"--set {key}") -> Iterator[None]:
    """Tell what is wrong with a record by the options that its keys were given by, and not by the name of its class.

    Parameters
    ----------
    record : str
        Name of the class.
    option : callable
        Returns the option that gives a key; by default `--set KEY`.

    Raises
    ------
    SchemaError
        That of the block, in other words.

    Examples
    --------
    >>> from lapsdata.segmenters.state_machine import StateMachine
    >>> with by_option("StateMachine"):
    ...     StateMachine(threshold=0.0)
    Traceback (most recent call last):
    lapsdata.errors.SchemaError: --set off_ratio: expected off_ratio = 1 for a threshold of 0, got 0.95 [wrong-value]
    """
    try:
        yield
    except SchemaError as error:
        raise SchemaError(*(_by_option(problem, record, option) for problem in error.problems)) from error


def _by_option(problem: Problem, record: str, option: Callable[[str], str]) -> Problem:
    head, _, key = problem.where.partition(": ")
    if head != record:
        return problem
    if key:
        return replace(problem, where=option(key))
    # What is wrong with several keys together is told of none.
    return replace(problem, where="options", fix=problem.fix or f"name each by {option('KEY')}=VALUE")
